// Package gauge is what a measurement needs: programs whose processor time and memory are counted, links
// whose bytes are counted, quantiles and tables. It never judges a figure.
package gauge

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// Process is a program that is measured with all that it starts. It may be killed and started again.
type Process struct {
	// Settings between New and Start.
	Dir  string         // where it runs; "" is here
	As   *Account       // whose it is; nil is our own
	Quit syscall.Signal // asks it to end; 0 is SIGTERM

	path string
	args []string
	log  string

	mu   sync.Mutex // guards what follows
	cmd  *exec.Cmd  // nil while it does not run
	done chan error
	past time.Duration // of earlier runs
	peak int64
}

// Account is a user of the machine.
type Account struct{ UID, GID uint32 }

// New is a program that is not started yet; its output is added to the file log.
func New(log, path string, args ...string) *Process {
	return &Process{path: path, args: args, log: log}
}

// Start starts it. It dies with us, however we end.
func (p *Process) Start(ctx context.Context) error {
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, p.path, p.args...)
	cmd.Stdout, cmd.Stderr, cmd.Dir = log, log, p.Dir
	cmd.SysProcAttr = attributes(p.As)
	if err := errors.Join(cmd.Start(), log.Close()); err != nil {
		return fmt.Errorf("start %s: %w", filepath.Base(p.path), err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cmd, p.done = cmd, make(chan error, 1)
	go func(done chan<- error) { done <- cmd.Wait() }(p.done)
	return nil
}

// Kill is kill -9 for it and all that it started.
func (p *Process) Kill() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd == nil {
		return fmt.Errorf("kill %s: it does not run\n%s", filepath.Base(p.path), p.Tail())
	}
	p.measure()
	// It must not start one more while we look; one that has just ended by itself is as dead.
	_ = syscall.Kill(p.cmd.Process.Pid, syscall.SIGSTOP)
	members, err := family(p.cmd.Process.Pid)
	if err != nil {
		return err
	}
	for _, m := range members {
		_ = syscall.Kill(m.pid, syscall.SIGKILL)
	}
	<-p.done
	// The others are not our children. Until their memory is gone, so are not their locks.
	for _, m := range members {
		for memory(m.pid) > 0 {
			time.Sleep(time.Millisecond)
		}
	}
	p.past += sum(members)
	p.cmd = nil
	return nil
}

// patience is how long a program may take to end.
const patience = 30 * time.Second

// End asks it to stop and waits; a program that ended by itself is an error.
func (p *Process) End() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd == nil {
		return nil
	}
	p.measure()
	defer func() { p.cmd = nil }()
	select {
	case err := <-p.done:
		return fmt.Errorf("%s had ended by itself: %w\n%s", filepath.Base(p.path), err, p.Tail())
	default:
	}
	if err := p.cmd.Process.Signal(cmp.Or(p.Quit, syscall.SIGTERM)); err != nil {
		return err
	}
	late := time.NewTimer(patience)
	defer late.Stop()
	select {
	case <-p.done:
		p.past += p.cmd.ProcessState.UserTime() + p.cmd.ProcessState.SystemTime()
		return nil
	case <-late.C:
		return errors.Join(fmt.Errorf("%s does not stop", filepath.Base(p.path)), p.cmd.Process.Kill())
	}
}

// Wait waits until it ends by itself.
func (p *Process) Wait(ctx context.Context) error {
	select {
	case err := <-p.done:
		p.mu.Lock()
		defer p.mu.Unlock()
		p.past += p.cmd.ProcessState.UserTime() + p.cmd.ProcessState.SystemTime()
		p.cmd = nil
		if err != nil {
			err = fmt.Errorf("%s: %w\n%s", filepath.Base(p.path), err, p.Tail())
		}
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Tail is the end of its output.
func (p *Process) Tail() string {
	raw, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	return string(raw[max(0, len(raw)-1500):])
}

// CPU is the processor time of all runs so far.
func (p *Process) CPU() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.past + p.measure()
}

// Peak is the most memory that any look has seen, in bytes; each call looks.
func (p *Process) Peak() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.measure()
	return p.peak
}

// measure looks at the run's processes: their time, and into peak their memory.
func (p *Process) measure() time.Duration {
	if p.cmd == nil {
		return 0
	}
	members, err := family(p.cmd.Process.Pid)
	if err != nil {
		return 0 // it has just ended
	}
	var all int64
	for _, m := range members {
		all += memory(m.pid)
	}
	p.peak = max(p.peak, all)
	return sum(members)
}
