package peers

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"hailong/scripts/bench/gauge"
	"hailong/scripts/stage"
)

// mosquitto is a broker with persistence, written once a second, and no limit to its queues.
func mosquitto(dir, name, address, more string) (*gauge.Process, error) {
	_, port, _ := strings.Cut(address, ":")
	data := filepath.Join(dir, name)
	if err := os.MkdirAll(data, 0o755); err != nil {
		return nil, err
	}
	text := fmt.Sprintf("listener %s 127.0.0.1\nallow_anonymous true\npersistence true\npersistence_location %s/\n"+
		"autosave_interval 1\nmax_queued_messages 0\nlog_type error\n%s", port, data, more)
	if os.Getuid() == 0 {
		text += "user root\n" // or it gives up the right to its folder
	}
	file := filepath.Join(dir, name+".conf")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return nil, err
	}
	return gauge.New(logOf(dir, name), "mosquitto", "-c", file), nil
}

func listening(address string) func(context.Context) error {
	return func(ctx context.Context) error { return gauge.Listening(ctx, address) }
}

// far is the centre of both MQTT peers: a mosquitto and a program that syncs before it acknowledges.
func (c *Kit) far(dir, more string) (address string, broker, consumer *Part, err error) {
	if address, err = stage.FreePort(); err != nil {
		return "", nil, nil, err
	}
	central, err := mosquitto(dir, "central", address, more)
	if err != nil {
		return "", nil, nil, err
	}
	reader := gauge.New(logOf(dir, "consumer"), c.tool("peer"), "consume", "-broker", address,
		"-file", filepath.Join(dir, "votes"))
	return address, &Part{[]*gauge.Process{central}, listening(address)},
		&Part{[]*gauge.Process{reader}, func(ctx context.Context) error {
			// Once it has subscribed its session stays: what is published later waits for it.
			return gauge.Until(ctx, "subscription", look, time.Minute, func() (bool, error) {
				return there(filepath.Join(dir, "votes.subscribed")), nil
			})
		}}, nil
}

// bridge is mosquitto at both ends, with as many messages in flight as more allows.
func (c *Kit) bridge(key, name, flight, more string) Peer {
	return Peer{Key: key, Name: name, Share: 1,
		Says: "Debian's mosquitto at both ends, QoS 1, clean session off, autosave every second, queues without " +
			"limit, " + flight + " in flight; accepted at the local PUBACK, which no fsync precedes; into a file, " +
			"one sync for what waits, acknowledged after it",
		Make: func(_ context.Context, dir string) (*Road, error) {
			address, broker, consumer, err := c.far(dir, more)
			if err != nil {
				return nil, err
			}
			near, err := stage.FreePort()
			if err != nil {
				return nil, err
			}
			local, err := mosquitto(dir, "local", near, more+fmt.Sprintf("connection up\naddress %s\n"+
				"topic hl/votes out 1\ncleansession false\nremote_clientid quay-01\nrestart_timeout 1\n"+
				"notifications false\ntry_private false\n", address))
			if err != nil {
				return nil, err
			}
			return &Road{Device: &Part{[]*gauge.Process{local}, listening(near)},
				Broker: broker, Consumer: consumer, Press: program(c.tool("peer"), "press", "-broker", near),
				Count: counting(dir), Arrivals: lines(dir)}, nil
		}}
}

// queue is autopaho's file queue at the terminal.
func (c *Kit) queue() Peer {
	return Peer{Key: "queue", Name: "autopaho file queue", Share: 20,
		Says: "autopaho " + pahoVersion + ", QoS 1, session kept a day in its file store; accepted when the queue " +
			"has written its file, without fsync; centre as for the bridge, 20 in flight",
		Make: func(_ context.Context, dir string) (*Road, error) {
			address, broker, consumer, err := c.far(dir, "")
			if err != nil {
				return nil, err
			}
			near, err := stage.FreePort()
			if err != nil {
				return nil, err
			}
			store := filepath.Join(dir, "store")
			for _, name := range []string{"queue", "session"} {
				if err := os.MkdirAll(filepath.Join(store, name), 0o755); err != nil {
					return nil, err
				}
			}
			local := gauge.New(logOf(dir, "queue"), c.tool("peer"), "queue", "-broker", address, "-dir", store,
				"-listen", near)
			client := door(nil)
			return &Road{Device: &Part{[]*gauge.Process{local}, listening(near)},
				Broker: broker, Consumer: consumer, Press: each(func(ctx context.Context, id int) error {
					_, err := post(ctx, client, "http://"+near+"/vote", strconv.Itoa(id))
					return err
				}),
				Count: counting(dir), Arrivals: lines(dir)}, nil
		}}
}

// look is the time between two looks at something that should come soon.
const look = 20 * time.Millisecond

// line is how long a line of the consumer's file is: number, space, milliseconds, newline.
const line = 8 + 1 + 13 + 1

func counting(dir string) func(context.Context) (int, error) {
	return func(context.Context) (int, error) {
		info, err := os.Stat(filepath.Join(dir, "votes"))
		if err != nil {
			return 0, err
		}
		return int(info.Size() / line), nil
	}
}

// lines reads the consumer's file; one that was killed while it wrote may have left half a line, which
// the next run's first line follows.
func lines(dir string) func(context.Context) ([]Arrival, error) {
	return func(context.Context) (out []Arrival, err error) {
		raw, err := os.ReadFile(filepath.Join(dir, "votes"))
		if os.IsNotExist(err) {
			return nil, nil
		}
		for text := range strings.Lines(string(raw)) {
			number, ms, ok := strings.Cut(strings.TrimSpace(text), " ")
			id, err := strconv.Atoi(number)
			when, err2 := strconv.ParseInt(ms, 10, 64)
			if ok && err == nil && err2 == nil && len(text) == line {
				out = append(out, Arrival{id, when})
			}
		}
		return out, err
	}
}
