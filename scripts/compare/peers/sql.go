package peers

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"hailong/scripts/bench/gauge"
	"hailong/scripts/stage"
)

// base is a PostgreSQL of the run's own.
type base struct {
	port  string
	asked time.Time // when it was last counted
	rows  int
}

// owner is who runs PostgreSQL: it refuses to be root's.
func owner() (*gauge.Account, error) {
	if os.Getuid() != 0 {
		return nil, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		return nil, err
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	return &gauge.Account{UID: uint32(uid), GID: uint32(gid)}, err
}

// newBase makes a database with the peers' table and leaves it stopped.
func newBase(ctx context.Context, dir string) (*base, *Part, error) {
	address, err := stage.FreePort()
	if err != nil {
		return nil, nil, err
	}
	as, err := owner()
	if err != nil {
		return nil, nil, err
	}
	b := &base{port: strings.TrimPrefix(address, "127.0.0.1:")}
	data := filepath.Join(dir, "pg")
	if err := os.MkdirAll(data, 0o700); err != nil {
		return nil, nil, err
	}
	initdb, err := postgres("initdb")
	if err != nil {
		return nil, nil, err
	}
	cmd := exec.CommandContext(ctx, initdb, "-D", data, "-U", "postgres", "-A", "trust", "--no-sync")
	cmd.Dir = dir
	if as != nil {
		if err := os.Chown(data, int(as.UID), int(as.GID)); err != nil {
			return nil, nil, err
		}
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: as.UID, Gid: as.GID}}
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, nil, fmt.Errorf("initdb: %w\n%s", err, out)
	}
	server, err := postgres("postgres")
	if err != nil {
		return nil, nil, err
	}
	g := gauge.New(logOf(dir, "postgres"), server, "-D", data, "-k", data, "-h", "127.0.0.1", "-p", b.port)
	g.As, g.Dir, g.Quit = as, data, syscall.SIGINT // on SIGTERM it would wait for its clients
	p := &Part{[]*gauge.Process{g}, b.ready}
	if err := p.Start(ctx); err != nil {
		return nil, nil, err
	}
	_, err = b.ask(ctx, `CREATE TABLE vote (id bigint, level bigint,
		arrived timestamptz NOT NULL DEFAULT clock_timestamp())`)
	if err != nil {
		return nil, nil, err
	}
	return b, p, g.End()
}

func (b *base) ready(ctx context.Context) error {
	return gauge.Until(ctx, "PostgreSQL", 50*time.Millisecond, time.Minute, func() (bool, error) {
		_, err := b.ask(ctx, "SELECT 1")
		return err == nil, nil
	})
}

func (b *base) ask(ctx context.Context, query string) (string, error) {
	out, err := exec.CommandContext(ctx, "psql", "-h", "127.0.0.1", "-p", b.port, "-U", "postgres", "-qAtc", query).
		CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("psql: %w: %s", err, out)
	}
	return strings.TrimSpace(string(out)), nil
}

// count asks four times a second at most: asking costs processor time, which the peers need.
func (b *base) count(ctx context.Context) (int, error) {
	if time.Since(b.asked) < 250*time.Millisecond {
		return b.rows, nil
	}
	b.asked = time.Now()
	out, err := b.ask(ctx, "SELECT count(*) FROM vote")
	if err != nil {
		return 0, err
	}
	b.rows, err = strconv.Atoi(out)
	return b.rows, err
}

func (b *base) arrivals(ctx context.Context) (all []Arrival, err error) {
	out, err := b.ask(ctx, "SELECT id, (extract(epoch FROM arrived) * 1000)::bigint FROM vote")
	for text := range strings.Lines(out) {
		id, ms, _ := strings.Cut(strings.TrimSpace(text), "|")
		var a Arrival
		if a.ID, err = strconv.Atoi(id); err != nil {
			return nil, err
		}
		if a.MS, err = strconv.ParseInt(ms, 10, 64); err != nil {
			return nil, err
		}
		all = append(all, a)
	}
	return all, err
}

// telegraf takes votes by HTTP into its disk buffer and writes them to PostgreSQL.
func (c *Kit) telegraf() Peer {
	return Peer{Key: "telegraf", Name: "Telegraf", Share: 10,
		Says: "Telegraf " + telegrafVersion + ", http_listener_v2, buffer_strategy disk, batches of 1,000, flushed " +
			"every second, outputs.postgresql; accepted at the 204; PostgreSQL as Debian sets it",
		Make: func(ctx context.Context, dir string) (*Road, error) {
			b, centre, err := newBase(ctx, dir)
			if err != nil {
				return nil, err
			}
			near, err := stage.FreePort()
			if err != nil {
				return nil, err
			}
			text := fmt.Sprintf(`[agent]
  flush_interval = "1s"
  metric_batch_size = 1000
  metric_buffer_limit = 1000000
  buffer_strategy = "disk"
  buffer_directory = %q
  omit_hostname = true
  quiet = true
[[inputs.http_listener_v2]]
  service_address = "tcp://%s"
  paths = ["/vote"]
  methods = ["POST"]
  data_format = "influx"
[[outputs.postgresql]]
  connection = "host=127.0.0.1 port=%s user=postgres dbname=postgres sslmode=disable"
  startup_error_behavior = "retry"
`, filepath.Join(dir, "buffer"), near, b.port)
			file := filepath.Join(dir, "telegraf.conf")
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				return nil, err
			}
			local := gauge.New(logOf(dir, "telegraf"), c.tool("telegraf"), "--config", file)
			client := door(nil)
			return &Road{Device: &Part{[]*gauge.Process{local}, listening(near)}, Broker: centre, Consumer: centre,
				Press: each(func(ctx context.Context, id int) error {
					_, err := post(ctx, client, "http://"+near+"/vote",
						fmt.Sprintf("vote id=%di,level=%di %d\n", id, id%5+1, time.Now().UnixNano()))
					return err
				}),
				Count: b.count, Arrivals: b.arrivals}, nil
		}}
}

// flow inserts a vote and answers after PostgreSQL has committed it.
const flow = `try { await global.get("pool").query("INSERT INTO vote (id, level) VALUES ($1, $2)",
[msg.payload.id, msg.payload.level]); msg.statusCode = 204 } catch (e) { msg.statusCode = 503 } return msg`

// nodeRED takes votes by HTTP and inserts each; it has nothing to keep them in.
func (c *Kit) nodeRED() Peer {
	return Peer{Key: "nodered", Name: "Node-RED", Share: 4, Online: true,
		Says: "Node-RED " + nodeREDVersion + ": http in, a function that inserts by pg " + pgVersion + " with a pool " +
			"of 10, http response; accepted after PostgreSQL's commit, so it takes no vote while that is away",
		Make: func(ctx context.Context, dir string) (*Road, error) {
			b, centre, err := newBase(ctx, dir)
			if err != nil {
				return nil, err
			}
			near, err := stage.FreePort()
			if err != nil {
				return nil, err
			}
			_, port, _ := strings.Cut(near, ":")
			flows, err := json.Marshal([]map[string]any{
				{"id": "t", "type": "tab"},
				{"id": "in", "type": "http in", "z": "t", "url": "/vote", "method": "post", "wires": [][]string{{"f"}}},
				{"id": "f", "type": "function", "z": "t", "func": flow, "outputs": 1, "wires": [][]string{{"out"}}},
				{"id": "out", "type": "http response", "z": "t", "wires": [][]string{}},
				{"id": "up", "type": "http in", "z": "t", "url": "/up", "method": "get", "wires": [][]string{{"out"}}},
			})
			if err != nil {
				return nil, err
			}
			settings := fmt.Sprintf(`const pool = new (require(%q).Pool)({host: "127.0.0.1", port: %s, user: "postgres",
  database: "postgres", max: 10});
pool.on("error", () => {});
module.exports = {uiPort: %s, uiHost: "127.0.0.1", httpAdminRoot: false, flowFile: "flows.json",
  functionGlobalContext: {pool}, logging: {console: {level: "error"}}};
`, c.tool("node_modules/pg"), b.port, port)
			for name, text := range map[string][]byte{"flows.json": flows, "settings.js": []byte(settings)} {
				if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
					return nil, err
				}
			}
			local := gauge.New(logOf(dir, "nodered"), "node", c.tool("node_modules/node-red/red.js"), "--userDir", dir,
				"--settings", filepath.Join(dir, "settings.js"))
			client := door(nil)
			ready := func(ctx context.Context) error {
				return gauge.Until(ctx, "Node-RED", 50*time.Millisecond, time.Minute, func() (bool, error) {
					resp, err := client.Get("http://" + near + "/up")
					if err != nil {
						return false, nil
					}
					return resp.StatusCode == http.StatusOK, resp.Body.Close()
				})
			}
			return &Road{Device: &Part{[]*gauge.Process{local}, ready}, Broker: centre, Consumer: centre,
				Press: each(func(ctx context.Context, id int) error {
					_, err := post(ctx, client, "http://"+near+"/vote", fmt.Sprintf(`{"id":%d,"level":%d}`, id, id%5+1))
					return err
				}),
				Count: b.count, Arrivals: b.arrivals}, nil
		}}
}
