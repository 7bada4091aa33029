package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"hailong/scripts/stage"
)

// house is one story's programs and files.
type house struct {
	plan
	name    string
	tools   stage.Programs
	mqtt    string // the broker's own address
	rng     *rand.Rand
	counts  map[string]int // of faults, by kind
	link    *proxy         // between the terminals and the broker
	weather weather

	processes     []*stage.Process
	collector     *stage.Centre
	fleet, broker *stage.Process
	victims       []*stage.Process
	before        func(context.Context) error // each fault; nil where faults need not wait for anything
}

func (h *house) say(format string, args ...any) {
	fmt.Printf("faults: %s: %s\n", h.name, fmt.Sprintf(format, args...))
}

func (h *house) process(path string, args ...string) *stage.Process {
	p := stage.New(path, filepath.Join(h.dir, filepath.Base(path)+".log"), args...)
	h.processes = append(h.processes, p)
	return p
}

// stop ends whatever still runs, the last started first.
func (h *house) stop() error {
	var errs []error
	if h.link != nil {
		h.link.close()
	}
	for i := range h.processes {
		errs = append(errs, h.processes[len(h.processes)-1-i].End())
	}
	return errors.Join(errs...)
}

// centre starts a collector, on the embedded broker or on another one.
func (h *house) centre(ctx context.Context, broker string) (err error) {
	h.collector, err = stage.NewCentre(ctx, h.tools, h.dir, filepath.Join(h.dir, "centre"), broker)
	if err != nil {
		return err
	}
	h.mqtt = h.collector.Broker
	h.processes = append(h.processes, h.collector.Process)
	return h.collector.Start(ctx)
}

// mosquitto starts Debian's broker. Anonymous and open: this story is about losses, not rights.
func (h *house) mosquitto(ctx context.Context) error {
	path, err := exec.LookPath("mosquitto")
	if err != nil {
		return fmt.Errorf("%w: run scripts/setup", err)
	}
	if h.mqtt, err = stage.FreePort(); err != nil {
		return err
	}
	_, port, _ := net.SplitHostPort(h.mqtt)
	file := filepath.Join(h.dir, "mosquitto.conf")
	text := fmt.Sprintf("user root\nlistener %s 127.0.0.1\nallow_anonymous true\npersistence false\n", port)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return err
	}
	h.broker = h.process(path, "-c", file)
	return h.broker.Start(ctx)
}

// connect makes the terminals' link.
func (h *house) connect() (err error) {
	h.link, err = newProxy(h.mqtt)
	return err
}

// load starts the fleet, with votes without end: finish ends them. It waits for the first connection:
// a fleet killed while it registers its terminals leaves one that is not registered.
func (h *house) load(ctx context.Context, terminals int) error {
	h.fleet = h.process(h.tools.Path("fleet"), h.fleetArgs(terminals, 1_000_000_000)...)
	if err := h.fleet.Start(ctx); err != nil {
		return err
	}
	select {
	case <-h.link.accepted:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (h *house) fleetArgs(terminals, votes int) []string {
	return []string{"load", "--dir", filepath.Join(h.dir, "load"), "--centre", h.collector.Data,
		"--broker", h.link.addr(), "--terminals", fmt.Sprint(terminals), "--votes", fmt.Sprint(votes),
		"--pause", "15ms", "--drain", "3m", "--log", "info"}
}

// finish kills the fleet once more, lets one that wants no more votes send what is left and compare,
// and has the store verified.
func (h *house) finish(ctx context.Context, terminals int) error {
	if err := h.fleet.Kill(); err != nil {
		return err
	}
	h.counts[killed]++
	h.fleet.Args(h.fleetArgs(terminals, 0)...)
	if err := h.fleet.Start(ctx); err != nil {
		return err
	}
	begun := time.Now()
	err := h.fleet.Wait(ctx)
	lines := strings.Split(strings.TrimSpace(h.fleet.Tail()), "\n")
	h.say("%s (the last receipt came after %s)", lines[len(lines)-1], time.Since(begun).Round(time.Second))
	if err != nil {
		return fmt.Errorf("fleet: %w\n%s", err, h.fleet.Tail())
	}
	return h.verify(ctx)
}

func (h *house) verify(ctx context.Context) error {
	said, err := h.collector.Verify(ctx)
	h.say("%s", strings.TrimSpace(said))
	return err
}

// pause waits a random time between two faults, in milliseconds.
func (h *house) pause(ctx context.Context, least, most int) error {
	return stage.Rest(ctx, time.Duration(least+h.rng.IntN(most-least+1))*time.Millisecond)
}
