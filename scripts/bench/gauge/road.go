package gauge

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"hailong/cmd/agent"
	"hailong/scripts/stage"
)

// Terminal is the id of a road's terminal.
const Terminal = "quay-01"

// Road is our own programs: one terminal, one centre with its embedded broker, and a counted link.
type Road struct {
	Dir         string // everything lies there
	Programs    string // kiosk, collector and fleet lie there
	Link        *Link
	Centre      *Process
	Kiosk       *Process
	Web, Broker string // addresses of the live page and of the broker
}

// Build builds the programs of this tree into a folder.
func Build(ctx context.Context, into string) error {
	for _, name := range []string{"collector", "kiosk", "fleet"} {
		cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", filepath.Join(into, name), "./cmd/"+name)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("build %s: %w\n%s", name, err, out)
		}
	}
	return nil
}

// NewRoad makes a demo store and registers a terminal; nothing runs yet. The folder's name must be
// short: it holds a socket.
func NewRoad(ctx context.Context, dir, programs string) (r *Road, err error) {
	r = &Road{Dir: dir, Programs: programs}
	if err := os.MkdirAll(filepath.Join(dir, "kiosk", "data"), 0o700); err != nil {
		return nil, err
	}
	if r.Web, err = stage.FreePort(); err != nil {
		return nil, err
	}
	if r.Broker, err = stage.FreePort(); err != nil {
		return nil, err
	}
	if r.Link, err = NewLink(r.Broker); err != nil {
		return nil, err
	}
	for _, args := range [][]string{
		{"init", "--demo", "--data", r.Data()},
		{"terminal", "add", Terminal, "--counter", "Quầy 1 – Đất đai", "--data", r.Data(), "-o",
			filepath.Join(dir, "kiosk", "identity.toml")},
	} {
		if _, err := r.collector(ctx, args...); err != nil {
			return nil, err
		}
	}
	text := fmt.Sprintf("[web]\nlisten = %q\n[broker]\nlisten = %q\n[log]\nlevel = \"error\"\n", r.Web, r.Broker)
	if err := os.WriteFile(r.file("collector.toml"), []byte(text), 0o600); err != nil {
		return nil, err
	}
	text = fmt.Sprintf("[broker]\naddress = %q\n[counter]\nname = \"Quầy 1 – Đất đai\"\n[log]\nlevel = \"error\"\n",
		r.Link.Addr())
	if err := os.WriteFile(r.file("kiosk/kiosk.toml"), []byte(text), 0o600); err != nil {
		return nil, err
	}
	r.Centre = New(r.file("collector.log"), filepath.Join(programs, "collector"), "serve", "--data", r.Data(),
		"--config", r.file("collector.toml"))
	r.Kiosk = New(r.file("kiosk.log"), filepath.Join(programs, "kiosk"), "run", "--config", r.file("kiosk/kiosk.toml"))
	return r, nil
}

func (r *Road) file(name string) string { return filepath.Join(r.Dir, name) }

// Data is the centre's folder.
func (r *Road) Data() string { return r.file("centre") }

// Outbox is the terminal's file.
func (r *Road) Outbox() string { return r.file("kiosk/data/outbox.db") }

// Socket is where the terminal takes presses.
func (r *Road) Socket() string { return r.file("kiosk/agent.sock") }

// Client presses the terminal.
func (r *Road) Client() *agent.Client { return agent.NewClient(r.Socket()) }

// collector runs one command of the centre and returns what it says.
func (r *Road) collector(ctx context.Context, args ...string) (string, error) {
	out, err := exec.CommandContext(ctx, filepath.Join(r.Programs, "collector"), args...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("collector %s: %w\n%s", args[0], err, out)
	}
	return strings.TrimSpace(string(out)), nil
}

// SignIn is a link that opens the live page once.
func (r *Road) SignIn(ctx context.Context) (string, error) {
	return r.collector(ctx, "link", "--data", r.Data(), "--url", "http://"+r.Web)
}

// Verify proves the store and returns the sum.
func (r *Road) Verify(ctx context.Context) (string, error) {
	return r.collector(ctx, "verify", "--data", r.Data())
}

// StartCentre starts the centre and waits until its doors are open.
func (r *Road) StartCentre(ctx context.Context) error {
	return errors.Join(r.Centre.Start(ctx), r.Serving(ctx))
}

// Serving waits until the centre's doors are open.
func (r *Road) Serving(ctx context.Context) error {
	err := errors.Join(Listening(ctx, r.Web), Listening(ctx, r.Broker))
	if err != nil {
		return fmt.Errorf("%w\n%s", err, r.Centre.Tail())
	}
	return nil
}

// StartKiosk starts the terminal and waits until it takes presses.
func (r *Road) StartKiosk(ctx context.Context) error {
	return errors.Join(r.Kiosk.Start(ctx), r.Answering(ctx))
}

// Answering waits until the terminal takes presses.
func (r *Road) Answering(ctx context.Context) error {
	client := r.Client()
	err := Until(ctx, "terminal ready", 2*time.Millisecond, time.Minute, func() (bool, error) {
		_, err := client.Status(ctx)
		return err == nil, nil
	})
	if err != nil {
		return fmt.Errorf("%w\n%s", err, r.Kiosk.Tail())
	}
	return nil
}

// Drained waits until the terminal has a receipt for everything.
func (r *Road) Drained(ctx context.Context, limit time.Duration) error {
	client := r.Client()
	return Until(ctx, "last receipt", 50*time.Millisecond, limit, func() (bool, error) {
		s, err := client.Status(ctx)
		return err == nil && s.Pending == 0, nil
	})
}

// Close ends what runs.
func (r *Road) Close() error { return errors.Join(r.Kiosk.End(), r.Centre.End(), r.Link.Close()) }
