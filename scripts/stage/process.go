// Package stage is what the harnesses have in common: programs to be killed, frozen and ended, and a
// network and mounts of their own. It never judges what a program did.
package stage

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Process is a program that may be killed and started again.
type Process struct {
	path string
	args []string
	log  string // its output of all runs
	cmd  *exec.Cmd
	done chan error
}

// New is a program that is not started yet. Its output is added to the file log.
func New(path, log string, args ...string) *Process {
	return &Process{path: path, args: args, log: log, done: make(chan error, 1)}
}

// Command runs a program to its end and says what it complains of.
func Command(ctx context.Context, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s %s: %w", filepath.Base(name), strings.Join(args, " "), err)
	}
	return nil
}

// Start starts it. It dies with us, however we end.
func (p *Process) Start(ctx context.Context) error {
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	p.cmd, p.done = exec.CommandContext(ctx, p.path, p.args...), make(chan error, 1)
	p.cmd.Stdout, p.cmd.Stderr, p.cmd.SysProcAttr = log, log, withUs()
	err = p.cmd.Start()
	if err = errors.Join(err, log.Close()); err != nil {
		p.cmd = nil
		return err
	}
	go func(cmd *exec.Cmd, done chan<- error) { done <- cmd.Wait() }(p.cmd, p.done)
	return nil
}

// Args are what the next start says to it.
func (p *Process) Args(args ...string) { p.args = args }

// Alive is nil while the program runs. One that had ended by itself was not hit by a fault, and
// that is an error: the story would prove less than it says.
func (p *Process) Alive() error {
	select {
	case err := <-p.done:
		p.done <- err
		return fmt.Errorf("%s had ended by itself: %w\n%s", filepath.Base(p.path), err, p.Tail())
	default:
		return nil
	}
}

// Kill is kill -9.
func (p *Process) Kill() error {
	if err := p.Alive(); err != nil {
		return err
	}
	if err := p.cmd.Process.Kill(); err != nil {
		return err
	}
	<-p.done
	p.cmd = nil
	return nil
}

// Freeze is SIGSTOP: it does nothing, and its connections stay.
func (p *Process) Freeze() error { return p.signal(syscall.SIGSTOP) }

// Thaw is SIGCONT.
func (p *Process) Thaw() error { return p.signal(syscall.SIGCONT) }

func (p *Process) signal(s os.Signal) error {
	if err := p.Alive(); err != nil {
		return err
	}
	return p.cmd.Process.Signal(s)
}

// Wait waits until it ends by itself.
func (p *Process) Wait(ctx context.Context) error {
	select {
	case err := <-p.done:
		p.cmd = nil
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// End asks the program to stop and waits.
func (p *Process) End() error {
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

// Tail is the end of its output.
func (p *Process) Tail() string {
	raw, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	return string(raw[max(0, len(raw)-1500):])
}

// Enter runs this program again with other arguments, in a space of its own. What is done to the
// space is seen by nobody else, and gone with the last process in it. Without root it needs a kernel
// that lets everybody make user namespaces.
func Enter(ctx context.Context, s Space, args ...string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, self, args...)
	cmd.Stdout, cmd.Stderr, cmd.SysProcAttr = os.Stdout, os.Stderr, withUs()
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 30 * time.Second
	if s != Nothing {
		apart(cmd.SysProcAttr, s)
	}
	return cmd.Run()
}

// FreePort is an address nobody listens on right now.
func FreePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// Rest waits.
func Rest(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
