package peers

import (
	"context"
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"hailong/scripts/bench/gauge"
)

// Versions of what comes from registries.
const (
	pahoVersion      = "v0.23.0" // autopaho's
	mqttVersion      = "v1.5.1"
	telegrafVersion  = "v1.37.2"
	nodeREDVersion   = "4.1.15"
	pgVersion        = "8.23.1" // of node's client
	telegrafPlugins  = "custom,inputs.http_listener_v2,outputs.postgresql,parsers.influx"
	postgresPrograms = "/usr/lib/postgresql/*/bin"
)

//go:embed testdata/peer/main.go
var peerSource []byte

// Kit is where the programs lie.
type Kit struct {
	Dir    string   // of the run; our own are built there
	Tools  string   // of the peers
	Absent []string // who could not be had, and why
}

// Prepare builds or fetches the programs and returns who can be compared. Whoever cannot be had is named
// with the reason.
func (c *Kit) Prepare(ctx context.Context, wanted func(key string) bool) ([]Peer, error) {
	if err := gauge.Build(ctx, c.Dir); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(c.Tools, 0o755); err != nil {
		return nil, err
	}
	var out []Peer
	for _, candidate := range []struct {
		needs []func(context.Context) error
		peer  Peer
	}{
		{nil, c.ours()},
		{[]func(context.Context) error{c.needMosquitto, c.needDriver},
			c.bridge("bridge", "mosquitto bridge", "20", "")},
		{[]func(context.Context) error{c.needMosquitto, c.needDriver}, c.bridge("wide", "mosquitto bridge, wide", "256",
			"max_inflight_messages 256\n")},
		{[]func(context.Context) error{c.needMosquitto, c.needDriver}, c.queue()},
		{[]func(context.Context) error{c.needPostgres, c.needTelegraf}, c.telegraf()},
		{[]func(context.Context) error{c.needPostgres, c.needNodeRED}, c.nodeRED()},
	} {
		if !wanted(candidate.peer.Key) {
			continue
		}
		var err error
		for _, need := range candidate.needs {
			if err == nil {
				err = need(ctx)
			}
		}
		if err != nil {
			c.Absent = append(c.Absent, fmt.Sprintf("%s: %v", candidate.peer.Name, err))
			continue
		}
		out = append(out, candidate.peer)
	}
	return out, nil
}

func (c *Kit) tool(name string) string { return filepath.Join(c.Tools, name) }

// there tells whether a program was kept from an earlier run.
func there(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func (c *Kit) needMosquitto(context.Context) error {
	if _, err := exec.LookPath("mosquitto"); err != nil {
		return fmt.Errorf("%w; install Debian's mosquitto", err)
	}
	return nil
}

// within runs a command in a folder, at low priority: a long build should not spoil somebody's desk.
func within(ctx context.Context, dir string, env []string, args ...string) error {
	cmd := exec.CommandContext(ctx, "nice", append([]string{"-n", "10"}, args...)...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", args[0], err, out[max(0, len(out)-500):])
	}
	return nil
}

// needDriver builds the program that holds the peers' libraries, as a module of its own.
func (c *Kit) needDriver(ctx context.Context) error {
	if there(c.tool("peer")) {
		return nil
	}
	fmt.Fprintln(os.Stderr, "compare: building the driver of the MQTT peers …")
	dir := filepath.Join(c.Dir, "peer-source")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "main.go"), peerSource, 0o644); err != nil {
		return err
	}
	for _, args := range [][]string{
		{"go", "mod", "init", "peer"},
		{"go", "get", "github.com/eclipse/paho.golang@" + pahoVersion},
		{"go", "get", "github.com/eclipse/paho.mqtt.golang@" + mqttVersion},
		{"go", "mod", "tidy"},
		{"go", "build", "-o", c.tool("peer"), "."},
	} {
		if err := within(ctx, dir, []string{"GOFLAGS=", "CGO_ENABLED=0"}, args...); err != nil {
			return err
		}
	}
	return nil
}

// needTelegraf builds Telegraf with the two plugins that are needed.
func (c *Kit) needTelegraf(ctx context.Context) error {
	if there(c.tool("telegraf")) {
		return nil
	}
	fmt.Fprintln(os.Stderr, "compare: building Telegraf, which may take minutes …")
	return within(ctx, c.Tools, []string{"GOBIN=" + c.Tools, "GOFLAGS=", "CGO_ENABLED=0"}, "go", "install", "-tags",
		telegrafPlugins, "github.com/influxdata/telegraf/cmd/telegraf@"+telegrafVersion)
}

func (c *Kit) needNodeRED(ctx context.Context) error {
	if _, err := exec.LookPath("npm"); err != nil {
		return fmt.Errorf("%w; install nodejs and npm", err)
	}
	if there(c.tool("node_modules/node-red/red.js")) {
		return nil
	}
	fmt.Fprintln(os.Stderr, "compare: fetching Node-RED …")
	return within(ctx, c.Tools, nil, "npm", "install", "--no-audit", "--no-fund", "--no-save",
		"node-red@"+nodeREDVersion, "pg@"+pgVersion)
}

func (c *Kit) needPostgres(context.Context) error {
	if _, err := postgres("initdb"); err != nil {
		return err
	}
	_, err := exec.LookPath("psql")
	return err
}

// postgres finds one of PostgreSQL's programs where Debian keeps them.
func postgres(name string) (string, error) {
	found, err := filepath.Glob(filepath.Join(postgresPrograms, name))
	if err != nil || len(found) == 0 {
		return "", fmt.Errorf("no %s in %s; install Debian's postgresql", name, postgresPrograms)
	}
	return found[len(found)-1], nil
}
