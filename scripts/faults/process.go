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
	"syscall"
	"time"
)

// house is one story's programs and files.
type house struct {
	plan
	bins, mqtt string
	rng        *rand.Rand
	processes  []*process

	collector, fleet, broker *process
}

// process is a program that may be killed and started again.
type process struct {
	path string
	args []string
	log  string // its output of all runs
	cmd  *exec.Cmd
	done chan error
}

func command(ctx context.Context, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s %s: %w", filepath.Base(name), strings.Join(args, " "), err)
	}
	return nil
}

// tool runs one of our programs to its end.
func (h *house) tool(ctx context.Context, name string, args ...string) error {
	return command(ctx, filepath.Join(h.bins, name), args...)
}

func (h *house) data() string { return filepath.Join(h.dir, "centre") }

func (h *house) process(name string, args ...string) *process {
	path := name
	if !filepath.IsAbs(name) {
		path = filepath.Join(h.bins, name)
	}
	p := &process{path: path, args: args, log: filepath.Join(h.dir, filepath.Base(name)+".log")}
	h.processes = append(h.processes, p)
	return p
}

func (p *process) start(ctx context.Context) error {
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	p.cmd, p.done = exec.CommandContext(ctx, p.path, p.args...), make(chan error, 1)
	p.cmd.Stdout, p.cmd.Stderr = log, log
	err = p.cmd.Start()
	if err = errors.Join(err, log.Close()); err != nil {
		return err
	}
	go func(cmd *exec.Cmd, done chan<- error) { done <- cmd.Wait() }(p.cmd, p.done)
	return nil
}

// kill is kill -9. A program that had already ended was not killed, and that is an error: the
// story would prove less than it says.
func (p *process) kill() error {
	select {
	case err := <-p.done:
		p.done <- err
		return fmt.Errorf("%s had ended by itself: %w\n%s", filepath.Base(p.path), err, p.tail())
	default:
	}
	if err := p.cmd.Process.Kill(); err != nil {
		return err
	}
	<-p.done
	p.cmd = nil
	return nil
}

// end asks the program to stop and waits.
func (p *process) end() error {
	if p.cmd == nil {
		return nil
	}
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // it may have ended by itself
	timeout := time.NewTimer(20 * time.Second)
	defer timeout.Stop()
	select {
	case <-p.done:
		p.cmd = nil
		return nil
	case <-timeout.C:
		return errors.Join(fmt.Errorf("%s does not stop", filepath.Base(p.path)), p.cmd.Process.Kill())
	}
}

func (p *process) tail() string {
	raw, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	return string(raw[max(0, len(raw)-1500):])
}

// stop ends whatever still runs, the last started first.
func (h *house) stop() error {
	var errs []error
	for i := range h.processes {
		errs = append(errs, h.processes[len(h.processes)-1-i].end())
	}
	return errors.Join(errs...)
}

// freePort is an address nobody listens on right now.
func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// centre makes a data folder and starts a collector, on the embedded broker or on another one.
func (h *house) centre(ctx context.Context, broker string) error {
	if err := os.MkdirAll(h.dir, 0o700); err != nil {
		return err
	}
	if err := h.tool(ctx, "collector", "init", "--demo", "--data", h.data()); err != nil {
		return err
	}
	web, err := freePort()
	if err != nil {
		return err
	}
	mode := "mode = \"mqtt\"\naddress = "
	if broker == "" {
		if h.mqtt, err = freePort(); err != nil {
			return err
		}
		mode, broker = "mode = \"embedded\"\nlisten = ", h.mqtt
	}
	file := filepath.Join(h.dir, "collector.toml")
	text := fmt.Sprintf("[web]\nlisten = %q\n[broker]\n%s%q\n[log]\nlevel = \"warn\"\n", web, mode, broker)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return err
	}
	h.collector = h.process("collector", "serve", "--data", h.data(), "--config", file)
	return h.collector.start(ctx)
}

// mosquitto starts Debian's broker. Anonymous and open: this story is about losses, not rights.
func (h *house) mosquitto(ctx context.Context) (err error) {
	path, err := exec.LookPath("mosquitto")
	if err != nil {
		if path, err = exec.LookPath("/usr/sbin/mosquitto"); err != nil {
			return errors.New("mosquitto is missing: run scripts/setup")
		}
	}
	if h.mqtt, err = freePort(); err != nil {
		return err
	}
	if err := os.MkdirAll(h.dir, 0o700); err != nil {
		return err
	}
	_, port, _ := net.SplitHostPort(h.mqtt)
	file := filepath.Join(h.dir, "mosquitto.conf")
	text := fmt.Sprintf("listener %s 127.0.0.1\nallow_anonymous true\npersistence false\n", port)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return err
	}
	h.broker = h.process(path, "-c", file)
	return h.broker.start(ctx)
}

// load starts the fleet. It has votes enough to outlast the faults.
func (h *house) load(ctx context.Context, broker string) {
	if h.votes == 0 {
		h.votes = 300 * (2*h.programs + h.brokers + h.cuts)
	}
	h.fleet = h.process("fleet", "load", "--dir", filepath.Join(h.dir, "load"), "--centre", h.data(),
		"--broker", broker, "--terminals", fmt.Sprint(h.terminals), "--votes", fmt.Sprint(h.votes),
		"--pause", "10ms", "--drain", "2m", "--log", "info")
	if err := h.fleet.start(ctx); err != nil {
		h.fleet.done <- err
	}
}

// finish lets the fleet end and compare, and has the store verified.
func (h *house) finish(ctx context.Context) error {
	select {
	case err := <-h.fleet.done:
		h.fleet.cmd = nil
		lines := strings.Split(strings.TrimSpace(h.fleet.tail()), "\n")
		fmt.Println("faults:", lines[len(lines)-1])
		if err != nil {
			return fmt.Errorf("fleet: %w\n%s", err, h.fleet.tail())
		}
	case <-ctx.Done():
		return ctx.Err()
	}
	return h.verify(ctx)
}

func (h *house) verify(ctx context.Context) error {
	if err := h.collector.end(); err != nil {
		return err
	}
	return h.tool(ctx, "collector", "verify", "--data", h.data())
}

// pause waits a random time between two faults, in milliseconds.
func (h *house) pause(ctx context.Context, least, most int) error {
	t := time.NewTimer(time.Duration(least+h.rng.IntN(most-least+1)) * time.Millisecond)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
