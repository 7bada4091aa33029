// Package console lets the keys of a console press. It never decides what a press means.
package console

import (
	"context"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"hailong/vote"
	"hailong/vote/session"
)

// ErrNoConsole means that standard input is not a terminal.
var ErrNoConsole = errors.New("standard input is not a terminal")

// Console reads keys 1 to 5 as presses.
type Console struct {
	before *unix.Termios
	wake   *os.File
	done   chan struct{}
}

// Keys lets the keys of the console press: 1 to 5, without Enter. ErrNoConsole where there is none.
// Close gives the console back as it was.
func Keys(ctx context.Context, presses chan<- session.Event, channel vote.Channel) (*Console, error) {
	fd := int(os.Stdin.Fd())
	before, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return nil, ErrNoConsole
	}
	raw := *before
	// ISIG stays: Ctrl-C must still end the program.
	raw.Lflag &^= unix.ICANON | unix.ECHO
	raw.Cc[unix.VMIN], raw.Cc[unix.VTIME] = 1, 0
	if err := unix.IoctlSetTermios(fd, unix.TCSETS, &raw); err != nil {
		return nil, fmt.Errorf("set console: %w", err)
	}
	sleep, wake, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(err, unix.IoctlSetTermios(fd, unix.TCSETS, before))
	}
	c := &Console{before: before, wake: wake, done: make(chan struct{})}
	go func() {
		defer close(c.done)
		defer func() { _ = sleep.Close() }()
		read(ctx, fd, int(sleep.Fd()), presses, channel)
	}()
	return c, nil
}

// read polls, because a blocked read of a console cannot be interrupted.
func read(ctx context.Context, keys, stop int, presses chan<- session.Event, channel vote.Channel) {
	var key [1]byte
	for {
		fds := []unix.PollFd{{Fd: int32(keys), Events: unix.POLLIN}, {Fd: int32(stop), Events: unix.POLLIN}}
		if _, err := unix.Poll(fds, -1); err != nil && !errors.Is(err, unix.EINTR) || fds[1].Revents != 0 {
			return
		}
		if fds[0].Revents == 0 {
			continue
		}
		if n, err := unix.Read(keys, key[:]); n != 1 || err != nil {
			return
		}
		level := vote.Level(key[0] - '0')
		if !level.Valid() {
			continue
		}
		select {
		case presses <- session.Press{Level: level, Channel: channel}:
		case <-ctx.Done():
			return
		}
	}
}

// Close restores the console and waits for its reader.
func (c *Console) Close() error {
	err := c.wake.Close()
	<-c.done
	return errors.Join(err, unix.IoctlSetTermios(int(os.Stdin.Fd()), unix.TCSETS, c.before))
}
