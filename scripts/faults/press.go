package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"hailong/scripts/stage"
	"hailong/vote"
)

// pressed is the terminal of the stories that press one.
const pressed vote.TerminalID = "quay-01"

// presses presses a terminal while it and the centre are killed. Afterwards there must be exactly
// the votes that were thanked for: an id that was pressed twice is one vote.
func presses(ctx context.Context, h *house) error {
	r, err := h.pressing(ctx, "")
	if err != nil {
		return err
	}
	h.say("%s", r)
	if r.Unthanked > 0 {
		err = fmt.Errorf("%d votes that nobody was thanked for: a press repeated by its id was kept twice", r.Unthanked)
	}
	if err = errors.Join(err, r.Judge()); err != nil {
		return err
	}
	return h.verify(ctx)
}

// control is the same terminal with the wait for the receipt taken away, hit by the same kills. If it
// lost nothing, presses would prove nothing.
func control(ctx context.Context, h *house) error {
	r, err := h.pressing(ctx, "forgetful")
	if err != nil {
		return err
	}
	h.say("a terminal that does not wait for receipts: thanked %d  lost %d (the first is record %d)  seed %d",
		r.Thanked, r.Lost, r.First, h.seed)
	h.counts["votes lost by the control"] = r.Lost
	if r.Lost == 0 {
		return errors.New("the control lost nothing: these kills cannot show a loss")
	}
	return nil
}

// pressing presses a terminal undisturbed and then under kills, lets it settle and compares. The
// terminal is a kiosk, or another program that reads its configuration.
func (h *house) pressing(ctx context.Context, program string) (r stage.Result, err error) {
	if err := h.centre(ctx, ""); err != nil {
		return r, err
	}
	if err := h.connect(); err != nil {
		return r, err
	}
	home := filepath.Join(h.dir, "kiosk")
	terminal, socket, err := h.collector.Register(ctx, home, string(pressed), h.link.addr(), "data")
	if err != nil {
		return r, err
	}
	if program != "" {
		terminal = stage.New(h.tools.Path(program), filepath.Join(home, program+".log"),
			filepath.Join(home, "kiosk.toml"))
	}
	h.processes = append(h.processes, terminal)
	if err := terminal.Start(ctx); err != nil {
		return r, err
	}
	h.victims = []*stage.Process{terminal, h.collector.Process}
	p := stage.NewPressing(socket)

	quiet, end := context.WithTimeout(ctx, 3*time.Second)
	defer end()
	if err := errors.Join(p.Until(ctx, quiet.Done(), "quiet"), p.Empty(ctx)); err != nil {
		return r, err
	}
	// It does not wait for the centre, so we do: what is on its way is not lost.
	for late := time.Now().Add(30 * time.Second); ; {
		r, err = p.Compare(ctx, h.collector.Data, pressed)
		if err == nil && r.Lost > 0 && time.Now().After(late) {
			err = fmt.Errorf("lost before any kill: %s", r)
		}
		if err != nil {
			return r, err
		}
		if r.Lost == 0 {
			break
		}
		if err := stage.Rest(ctx, 500*time.Millisecond); err != nil {
			return r, err
		}
	}
	if err := h.pressUnderKills(ctx, p); err != nil {
		return r, err
	}
	if err := p.Empty(ctx); err != nil {
		return r, err
	}
	return p.Compare(ctx, h.collector.Data, pressed)
}

// pressUnderKills presses for as long as the kills last.
func (h *house) pressUnderKills(ctx context.Context, p *stage.Pressing) error {
	enough, end := context.WithCancel(ctx)
	defer end()
	done := make(chan error, 1)
	go func() { done <- p.Until(ctx, enough.Done(), "killed") }()
	h.stops, h.cuts, h.kills, h.weathered = 0, 0, h.kills/2, false
	// A kill while the terminal waits to connect again can show little.
	h.before = p.Linked
	err := h.play(ctx)
	end()
	return errors.Join(err, <-done)
}
