package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"hailong/scripts/bench/gauge"
	"hailong/sync/outbox"
	"hailong/sync/wire"
	"hailong/vote"
)

// fill puts votes into a terminal's outbox as its desk would have: any level as often as another, 5 to
// 125 seconds apart, which is more than a real hall's votes tell, and packs worse.
func fill(ctx context.Context, r *gauge.Road, votes int) error {
	box, err := outbox.Open(r.Outbox(), outbox.Options{Terminal: gauge.Terminal})
	if err != nil {
		return err
	}
	const together = 512
	var all sync.WaitGroup
	failures := make(chan error, votes)
	free := make(chan struct{}, together)
	since := time.Duration(0)
	for range votes {
		since += 5*time.Second + rand.N(2*time.Minute)
		body, err := wire.EncodeRecord(vote.Record{
			At: vote.Stamp{WallMS: (1_790_000_000_000 + since.Milliseconds()), Synced: true, Boot: 1,
				SinceMS: uint64(since.Milliseconds())},
			Cast: &vote.Cast{Level: vote.Level(rand.IntN(5) + 1), Survey: vote.Default().ID,
				SurveyVersion: vote.Default().Version, Layout: "5", Language: vote.Vietnamese, Channel: vote.Button,
				Counter: "Quầy 1 – Đất đai"},
		})
		if err != nil {
			return err
		}
		free <- struct{}{}
		id := fmt.Sprintf("%016x%016x", rand.Uint64(), rand.Uint64())
		all.Go(func() {
			defer func() { <-free }()
			if _, err := box.Append(ctx, outbox.Entry{ID: id, Level: vote.Satisfied, Body: body}); err != nil {
				failures <- err
			}
		})
	}
	all.Wait()
	close(failures)
	return errors.Join(<-failures, box.Close())
}

// road makes one whose terminal has votes waiting.
func (b *bench) road(ctx context.Context, name string, waiting int) (*gauge.Road, error) {
	r, err := gauge.NewRoad(ctx, filepath.Join(b.dir, name), b.programs)
	if err == nil && waiting > 0 {
		err = fill(ctx, r, waiting)
	}
	return r, err
}

// measureStart starts a terminal that has many records waiting, with nobody to take them.
func measureStart(ctx context.Context, b *bench) error {
	r, err := b.road(ctx, "s", b.waiting)
	if err != nil {
		return err
	}
	begun := time.Now()
	if err := r.StartKiosk(ctx); err != nil {
		return err
	}
	b.note(time.Since(begun).Seconds(), "s", most(2),
		"start of a terminal with %d records waiting, until it takes presses", b.waiting)
	return r.Close()
}

// measureThrough lets waiting votes go through: terminal, link, broker, centre, SQLite.
func measureThrough(ctx context.Context, b *bench) error {
	r, err := b.road(ctx, "t", b.votes)
	if err != nil {
		return err
	}
	if err := r.StartCentre(ctx); err != nil {
		return err
	}
	quiet, first := r.Centre.CPU(), r.Centre.Peak()
	begun := time.Now()
	if err := r.StartKiosk(ctx); err != nil {
		return err
	}
	watch := time.NewTicker(200 * time.Millisecond)
	defer watch.Stop()
	done := make(chan error, 1)
	go func() { done <- r.Drained(ctx, 10*time.Minute) }()
	for waiting := true; waiting; {
		select {
		case err = <-done:
			waiting = false
		case <-watch.C:
			r.Centre.Peak()
			r.Kiosk.Peak()
		}
	}
	took := time.Since(begun)
	if err != nil {
		return err
	}
	kiosk, centre := r.Kiosk.CPU(), r.Centre.CPU()-quiet
	up, down := r.Link.Bytes()
	n := float64(b.votes)
	b.note(n/took.Seconds(), "votes/s", nil, "%d waiting votes through into SQLite", b.votes)
	b.note((kiosk+centre).Seconds()*100_000/n, fmt.Sprintf("s (terminal %.2f, centre %.2f)", kiosk.Seconds(),
		centre.Seconds()), most(1.2), "processor time of terminal and centre, for 100,000 of them")
	b.note(float64(up+down)/n, fmt.Sprintf("bytes (%.1f up, %.1f down)", float64(up)/n, float64(down)/n), most(12),
		"on the wire, for a vote")
	b.note(float64(first)/(1<<20), "MB", nil, "memory of the centre before them")
	b.note(float64(r.Centre.Peak())/(1<<20), "MB", nil, "most memory of the centre meanwhile")
	b.note(float64(r.Kiosk.Peak())/(1<<20), "MB", nil,
		"most memory of the terminal meanwhile, its mapped outbox included")
	if err := r.Close(); err != nil {
		return err
	}
	return b.weigh(ctx, r)
}

// weigh tells what lies on both disks, and has the store verified.
func (b *bench) weigh(ctx context.Context, r *gauge.Road) error {
	n := float64(b.votes)
	box, err := os.Stat(r.Outbox())
	if err != nil {
		return err
	}
	b.note(float64(box.Size())/n, "bytes", nil, "on the terminal's disk, for a vote, press id included")
	var store int64
	files, err := filepath.Glob(filepath.Join(r.Data(), "collector.db*"))
	for _, f := range files {
		info, err := os.Stat(f)
		if err != nil {
			return err
		}
		store += info.Size()
	}
	b.note(float64(store)/n, "bytes", nil, "on the centre's disk, for a vote, proof and indexes included")
	sum, verr := r.Verify(ctx)
	if want := fmt.Sprintf(" %d votes,", b.votes); !strings.Contains(sum, want) {
		verr = errors.Join(verr, fmt.Errorf("verify says %q, want%s", sum, want))
	}
	return errors.Join(err, verr)
}
