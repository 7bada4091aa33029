// Command faults kills what can be killed and cuts what can be cut, while real programs take
// votes, and counts what was lost. It ends with 1 when anything was.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

// plan is how often what is hit.
type plan struct {
	seed                    uint64
	programs, brokers, cuts int
	terminals, votes        int
	halfOpen                bool
	dir                     string
}

func main() {
	p := plan{terminals: 5}
	flag.Uint64Var(&p.seed, "seed", 0, "seed of the faults; 0 takes a new one")
	flag.IntVar(&p.programs, "kills", 20, "kill -9 of agents, and as many of the collector, on the embedded broker")
	flag.IntVar(&p.brokers, "brokers", 5, "kill -9 of mosquitto")
	flag.IntVar(&p.cuts, "cuts", 5, "cuts of the link")
	flag.BoolVar(&p.halfOpen, "half-open", true, "measure how long a half-open link goes unnoticed (about 25 s)")
	flag.Parse()
	if p.seed == 0 {
		p.seed = rand.Uint64()
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, p); err != nil {
		fmt.Fprintln(os.Stderr, "faults:", err)
		fmt.Fprintf(os.Stderr, "again: go run ./scripts/faults -seed %d -kills %d -brokers %d -cuts %d\n",
			p.seed, p.programs, p.brokers, p.cuts)
		os.Exit(1)
	}
}

func run(ctx context.Context, p plan) (err error) {
	if p.dir, err = os.MkdirTemp("", "hl"); err != nil {
		return err
	}
	defer func() {
		if err == nil {
			err = os.RemoveAll(p.dir)
			return
		}
		fmt.Fprintln(os.Stderr, "faults: files are kept in", p.dir)
	}()
	fmt.Printf("faults: seed %d\n", p.seed)
	bins := filepath.Join(p.dir, "bin")
	for _, name := range []string{"collector", "fleet", "kiosk"} {
		if err := command(ctx, "go", "build", "-o", filepath.Join(bins, name), "./cmd/"+name); err != nil {
			return err
		}
	}
	begun, passed := time.Now(), 0
	for _, s := range []struct {
		name string
		run  func(context.Context, *house) error
		skip bool
	}{
		{"agents and collector killed, embedded broker", killPrograms, p.programs == 0},
		{"mosquitto killed and links cut", killBroker, p.brokers+p.cuts == 0},
		{"presses repeated by id until kept, agent killed", pressByID, p.programs == 0},
		{"half-open link", halfOpen, !p.halfOpen},
	} {
		if s.skip {
			continue
		}
		fmt.Printf("faults: %s\n", s.name)
		h := &house{plan: p, bins: bins, rng: rand.New(rand.NewPCG(p.seed, uint64(passed)))}
		h.dir = filepath.Join(p.dir, fmt.Sprint(passed))
		err := s.run(ctx, h)
		if err = errors.Join(err, h.stop()); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		passed++
	}
	fmt.Printf("%d passed, 0 failed\n", passed)
	fmt.Printf("faults: %s\n", time.Since(begun).Round(time.Second))
	return nil
}

// killPrograms kills the fleet (all its agents at once) and the collector at random moments.
func killPrograms(ctx context.Context, h *house) error {
	if err := h.centre(ctx, ""); err != nil {
		return err
	}
	h.load(ctx, h.mqtt)
	for i := range 2 * h.programs {
		if err := h.pause(ctx, 50, 500); err != nil {
			return err
		}
		victim := h.fleet
		if i%2 == 1 {
			victim = h.collector
		}
		if err := victim.kill(); err != nil {
			return fmt.Errorf("kill %d of %d: %w", i+1, 2*h.programs, err)
		}
		if err := h.pause(ctx, 0, 300); err != nil {
			return err
		}
		if err := victim.start(ctx); err != nil {
			return err
		}
	}
	return h.finish(ctx)
}

// killBroker kills mosquitto and cuts the terminals' links.
func killBroker(ctx context.Context, h *house) error {
	if err := h.mosquitto(ctx); err != nil {
		return err
	}
	if err := h.centre(ctx, h.mqtt); err != nil {
		return err
	}
	link, err := newProxy(h.mqtt)
	if err != nil {
		return err
	}
	defer link.close()
	h.load(ctx, link.addr())
	for i := range h.brokers + h.cuts {
		if err := h.pause(ctx, 200, 1200); err != nil {
			return err
		}
		if i%2 == 0 && i/2 < h.brokers || i/2 >= h.cuts {
			if err := h.broker.kill(); err != nil {
				return err
			}
			if err := h.pause(ctx, 0, 500); err != nil {
				return err
			}
			if err := h.broker.start(ctx); err != nil {
				return err
			}
			continue
		}
		link.cut()
		if err := h.pause(ctx, 100, 1000); err != nil {
			return err
		}
		link.mend()
	}
	return h.finish(ctx)
}

// halfOpen silences a link while votes go on and waits for a new connection.
func halfOpen(ctx context.Context, h *house) error {
	const most = 30 * time.Second
	if err := h.centre(ctx, ""); err != nil {
		return err
	}
	link, err := newProxy(h.mqtt)
	if err != nil {
		return err
	}
	defer link.close()
	h.terminals, h.votes = 1, 3000 // at one each 10 ms they outlast the silence
	h.load(ctx, link.addr())
	select {
	case <-link.accepted:
	case <-ctx.Done():
		return ctx.Err()
	}
	if err := h.pause(ctx, 300, 400); err != nil {
		return err
	}
	link.silence()
	silent := time.Now()
	timeout := time.NewTimer(2 * most)
	defer timeout.Stop()
	select {
	case <-link.accepted:
	case <-timeout.C:
	case <-ctx.Done():
		return ctx.Err()
	}
	took := time.Since(silent)
	fmt.Printf("faults: half-open link noticed after %s\n", took.Round(100*time.Millisecond))
	if took > most {
		return fmt.Errorf("noticed after %s, want at most %s", took, most)
	}
	return h.finish(ctx)
}

// again is how long a repeated press waits for the agent to be back.
const again = 20 * time.Millisecond

// pressByID presses one terminal through its socket, each press repeated with its id until the
// agent says that it is durable, while the agent is killed: afterwards there must be exactly as
// many votes as ids.
func pressByID(ctx context.Context, h *house) error {
	const presses = 2000
	if err := h.centre(ctx, ""); err != nil {
		return err
	}
	home := filepath.Join(h.dir, "kiosk")
	if err := os.MkdirAll(home, 0o700); err != nil {
		return err
	}
	if err := h.tool(ctx, "collector", "terminal", "add", "quay-01", "--data", h.data(),
		"-o", filepath.Join(home, "identity.toml")); err != nil {
		return err
	}
	text := fmt.Sprintf("[broker]\naddress = %q\n[log]\nlevel = \"error\"\n", h.mqtt)
	if err := os.WriteFile(filepath.Join(home, "kiosk.toml"), []byte(text), 0o600); err != nil {
		return err
	}
	agent := h.process("kiosk", "run", "--config", filepath.Join(home, "kiosk.toml"))
	if err := agent.start(ctx); err != nil {
		return err
	}
	kills, err := h.killWhile(ctx, agent, func() error {
		return pressAll(ctx, filepath.Join(home, "agent.sock"), presses)
	})
	if err != nil {
		return err
	}
	fmt.Printf("faults: %d presses, agent killed %d times\n", presses, kills)
	return h.expect(ctx, "quay-01", presses)
}
