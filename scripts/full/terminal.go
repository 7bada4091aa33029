package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"hailong/cmd/agent"
	"hailong/cmd/program"
	"hailong/scripts/stage"
	"hailong/vote"
)

const (
	pressed vote.TerminalID = "quay-01"
	// crowd is how many press at once.
	crowd = 16
	// back is how long a terminal or a centre may need, once there is room again.
	back = 30 * time.Second
)

// terminal is a real one with its data on the small disk, and a centre elsewhere.
type terminal struct {
	*scene
	centre *stage.Centre
	kiosk  *stage.Process
	socket string
	*stage.Pressing
}

func (s *scene) terminal(ctx context.Context) (*terminal, error) {
	t := &terminal{scene: s}
	var err error
	if t.centre, err = stage.NewCentre(ctx, s.tools, s.dir, filepath.Join(s.dir, "centre"), ""); err != nil {
		return nil, err
	}
	t.kiosk, t.socket, err = t.centre.Register(ctx, filepath.Join(s.dir, "kiosk"), string(pressed), t.centre.Broker,
		filepath.Join(s.disk.dir, "data"))
	if err != nil {
		return nil, err
	}
	t.Pressing = stage.NewPressing(t.socket)
	if err := errors.Join(s.start(ctx, t.centre.Process), s.start(ctx, t.kiosk)); err != nil {
		return nil, err
	}
	if err := within(ctx, back, func() error { return t.Once(ctx, agent.Ballot{ID: "first", Level: 5}) }); err != nil {
		return nil, err
	}
	return t, t.Empty(ctx)
}

// reserved fills a disk on which the terminal has room for 100,000 records of its own: it takes no
// notice until these are used up, which takes a while and is for the deep form.
func reserved(ctx context.Context, s *scene) error {
	t, err := s.terminal(ctx)
	if err != nil {
		return err
	}
	if err := s.disk.fill(0); err != nil {
		return err
	}
	for i := range 200 {
		if err := t.Once(ctx, agent.Ballot{ID: fmt.Sprintf("full-%d", i), Level: 3}); err != nil {
			return fmt.Errorf("the disk is full, and the terminal's own part of it is not: %w", err)
		}
	}
	if err := t.Empty(ctx); err != nil {
		return err
	}
	s.say("200 presses kept and receipted on the full disk")
	if !s.deep {
		return t.judge(ctx)
	}
	return t.overflow(ctx, strings.Repeat("ồ", 1000))
}

// unreserved fills a disk that was too full for the terminal's reserve when it started.
func unreserved(ctx context.Context, s *scene) error {
	if err := s.disk.fill(12 << 20); err != nil {
		return err
	}
	t, err := s.terminal(ctx)
	if err != nil {
		return err
	}
	if err := t.warns(ctx, "reserve"); err != nil {
		return err
	}
	return t.overflow(ctx, "")
}

// overflow presses while the disk fills up, until presses are refused, frees the disk, and compares.
func (t *terminal) overflow(ctx context.Context, comment string) error {
	pressing, end := context.WithCancel(ctx)
	defer end()
	done := make(chan error, crowd)
	for i := range crowd {
		go func() { done <- t.press(pressing, fmt.Sprint("crowd-", i), comment) }()
	}
	err := t.refusing(ctx)
	if err == nil {
		err = t.disk.free()
	}
	if err == nil {
		err = t.takesAgain(ctx)
	}
	end()
	for range crowd {
		err = errors.Join(err, <-done)
	}
	if err != nil {
		return err
	}
	return t.judge(ctx)
}

// judge compares what was thanked for with what arrived.
func (t *terminal) judge(ctx context.Context) error {
	if err := t.Empty(ctx); err != nil {
		return err
	}
	r, err := t.Compare(ctx, t.centre.Data, pressed)
	if err != nil {
		return err
	}
	t.say("%s", r)
	said, err := t.centre.Verify(ctx)
	t.say("%s", strings.TrimSpace(said))
	return errors.Join(err, r.Judge(), t.kiosk.Alive())
}

// press presses until ctx ends. A refused press is not repeated.
func (t *terminal) press(ctx context.Context, who, comment string) error {
	for i := 0; ctx.Err() == nil; i++ {
		b := agent.Ballot{ID: fmt.Sprintf("%s-%d", who, i), Level: vote.Level(i%5 + 1), Comment: comment}
		err := t.Once(ctx, b)
		refused := agent.Refusal{}
		switch {
		case err == nil, ctx.Err() != nil:
		case errors.As(err, &refused) && refused.Code == agent.NotKept:
			if stage.Rest(ctx, 20*time.Millisecond) != nil {
				return nil
			}
		default:
			return err
		}
	}
	return nil
}

// refusing waits until the real command is refused, and proves that it and the status say so, for as
// long as the disk is full.
func (t *terminal) refusing(ctx context.Context) error {
	begun := time.Now()
	for leave, err := t.disk.room(); leave > 0; leave -= 1 << 20 {
		if err = errors.Join(err, t.disk.fill(leave), stage.Rest(ctx, 200*time.Millisecond)); err != nil {
			return err
		}
	}
	if err := within(ctx, 6*back, func() error {
		if err := t.disk.fill(0); err != nil {
			return err
		}
		code, said, err := t.command(ctx, "press", "5")
		if err == nil && code == 0 {
			err = errors.New("presses are still taken")
		}
		if err == nil && (code != program.NotRecorded || !strings.Contains(said, "not recorded")) {
			err = fmt.Errorf("kiosk press ends with %d: %s", code, said)
		}
		return err
	}); err != nil {
		return err
	}
	t.say("refused after %s and %d votes", time.Since(begun).Round(time.Second/10), t.Thanked())
	if err := t.disk.keepFull(ctx, 3*time.Second); err != nil {
		return err
	}
	return errors.Join(t.kiosk.Alive(), t.warns(ctx, "full"))
}

// takesAgain waits until the real command is taken, by the same process.
func (t *terminal) takesAgain(ctx context.Context) error {
	begun := time.Now()
	if err := within(ctx, back, func() error {
		code, said, err := t.command(ctx, "press", "4")
		if err == nil && code != 0 {
			err = fmt.Errorf("kiosk press ends with %d: %s", code, said)
		}
		return err
	}); err != nil {
		return err
	}
	t.say("presses are taken again %s after the disk had room", time.Since(begun).Round(time.Second/10))
	if err := t.warns(ctx, "full"); err == nil {
		return errors.New("status still warns of a full disk")
	}
	return t.kiosk.Alive()
}

// command runs kiosk as an officer would.
func (t *terminal) command(ctx context.Context, args ...string) (code int, said string, err error) {
	cmd := exec.CommandContext(ctx, t.tools.Path("kiosk"), append(args, "--socket", t.socket)...)
	out, err := cmd.CombinedOutput()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return exit.ExitCode(), string(out), nil
	}
	return 0, string(out), err
}

// warns tells whether status has a warning of a code.
func (t *terminal) warns(ctx context.Context, code string) error {
	s, err := t.Status(ctx)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(s.Warnings, func(w agent.Warning) bool { return w.Code == code }) {
		return fmt.Errorf("status does not warn of %q: %v", code, s.Warnings)
	}
	return nil
}

// within repeats what may fail at first.
func within(ctx context.Context, most time.Duration, try func() error) error {
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	for {
		err := try()
		if err == nil {
			return nil
		}
		if stage.Rest(ctx, 100*time.Millisecond) != nil {
			return fmt.Errorf("not within %s: %w", most, err)
		}
	}
}
