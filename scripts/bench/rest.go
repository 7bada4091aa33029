package main

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"hailong/scripts/bench/gauge"
	"hailong/scripts/stage"
)

// measureIdle watches a terminal and a centre that nobody presses.
func measureIdle(ctx context.Context, b *bench) error {
	r, err := b.road(ctx, "i", 0)
	if err != nil {
		return err
	}
	if err := r.StartCentre(ctx); err != nil {
		return err
	}
	if err := r.StartKiosk(ctx); err != nil {
		return err
	}
	if err := r.Drained(ctx, time.Minute); err != nil {
		return err
	}
	kiosk, centre, begun := r.Kiosk.CPU(), r.Centre.CPU(), time.Now()
	if err := stage.Rest(ctx, b.idle); err != nil {
		return err
	}
	took := time.Since(begun).Seconds()
	b.note(100*(r.Kiosk.CPU()-kiosk).Seconds()/took, "% of a core", most(0.2),
		"terminal without visitors, over %s", b.idle)
	b.note(float64(r.Kiosk.Peak())/(1<<20), "MB", most(20), "memory of a terminal without visitors")
	b.note(100*(r.Centre.CPU()-centre).Seconds()/took, "% of a core", nil,
		"centre without votes, over %s", b.idle)
	b.note(float64(r.Centre.Peak())/(1<<20), "MB", nil, "memory of the centre without votes")
	return r.Close()
}

// measureMany has a fleet press very many votes, each thanked for and noted, and compare them.
func measureMany(ctx context.Context, b *bench) error {
	r, err := b.road(ctx, "m", 0)
	if err != nil {
		return err
	}
	if err := r.StartCentre(ctx); err != nil {
		return err
	}
	fleet := gauge.New(filepath.Join(r.Dir, "fleet.log"), filepath.Join(b.programs, "fleet"), "load",
		"--dir", filepath.Join(r.Dir, "load"), "--centre", r.Data(), "--broker", r.Link.Addr(),
		"--terminals", "100", "--votes", fmt.Sprint(b.many), "--drain", "30m")
	begun := time.Now()
	if err := fleet.Start(ctx); err != nil {
		return err
	}
	done := make(chan error, 1)
	go func() { done <- fleet.Wait(ctx) }()
	watch := time.NewTicker(time.Second)
	defer watch.Stop()
	for waiting := true; waiting; {
		select {
		case err := <-done:
			if err != nil {
				return err
			}
			waiting = false
		case <-watch.C:
			r.Centre.Peak()
		}
	}
	took := time.Since(begun)
	lines := strings.Split(strings.TrimSpace(fleet.Tail()), "\n")
	fmt.Println("many:", strings.TrimSpace(lines[len(lines)-1]))
	b.note(float64(b.many)/took.Seconds(), "votes/s", nil,
		"%d votes of 100 terminals, pressed, filed and compared one by one: none lost, doubled or changed", b.many)
	b.note(r.Centre.CPU().Seconds()*100_000/float64(b.many), "s", nil,
		"processor time of the centre, for 100,000 of them")
	b.note(fleet.CPU().Seconds()*100_000/float64(b.many), "s", nil,
		"processor time of the 100 terminals and the comparison, for 100,000 of them")
	b.note(float64(r.Centre.Peak())/(1<<20), "MB", nil, "most memory of the centre meanwhile")
	if err := r.Close(); err != nil {
		return err
	}
	begun = time.Now()
	_, err = exec.CommandContext(ctx, filepath.Join(b.programs, "collector"), "verify", "--data", r.Data()).Output()
	b.note(time.Since(begun).Seconds(), "s", nil, "collector verify of them")
	return err
}
