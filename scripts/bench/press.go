package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"hailong/device/clock"
	"hailong/device/devicetest"
	"hailong/scripts/bench/gauge"
	"hailong/sync/outbox"
	"hailong/sync/seal"
	"hailong/vote"
	"hailong/vote/desk"
	"hailong/vote/session"
)

// box is the outbox as the desk sees it, and remembers of the last entry its bytes at rest and its time.
type box struct {
	*outbox.Box
	last []byte
	took time.Duration
}

// Append is desk.Box.
func (b *box) Append(ctx context.Context, e desk.Entry) (uint64, bool, error) {
	begun := time.Now()
	placed, err := b.Box.Append(ctx, outbox.Entry(e))
	b.took = time.Since(begun)
	b.last = seal.Frame([]byte(e.ID), seal.Epoch{}, placed.Seq, e.Body)
	return placed.Seq, placed.Fresh, err
}

// counter is a terminal in this process: the real desk on the real outbox, in front a simulated board.
type counter struct {
	box   *box
	board *devicetest.Board[session.Event, session.State]
	desk  *desk.Desk
	kept  chan time.Time
	ended chan error
}

func openCounter(ctx context.Context, dir string) (*counter, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	file, err := outbox.Open(filepath.Join(dir, "outbox.db"), outbox.Options{Terminal: gauge.Terminal})
	if err != nil {
		return nil, err
	}
	now, err := clock.New(1)
	if err != nil {
		return nil, err
	}
	c := &counter{box: &box{Box: file}, board: devicetest.NewBoard[session.Event, session.State](),
		kept: make(chan time.Time, 1), ended: make(chan error, 1)}
	waits := session.DefaultWaits()
	waits.ThankFor, waits.LockoutFor = time.Millisecond, time.Millisecond
	c.desk = desk.New(desk.Options{
		Survey: vote.Default(), Counter: "Quầy 1 – Đất đai", Layout: "5", Language: vote.Vietnamese, Waits: waits,
		Box: c.box, Clock: now, Show: c.board.Show, Kept: func(desk.Kept) { c.kept <- time.Now() },
	})
	go func() { c.ended <- c.desk.Run(ctx, c.board.Inputs()) }()
	return c, nil
}

func (c *counter) close() error { return errors.Join(<-c.ended, c.box.Close()) }

// press is one visit; it returns how long the press took to be on the disk.
func (c *counter) press(ctx context.Context, i int) (time.Duration, error) {
	begun := time.Now()
	if err := c.board.Do(ctx, session.Press{Level: vote.Level(i%5 + 1), Channel: vote.Button}); err != nil {
		return 0, err
	}
	var took time.Duration
	select {
	case at := <-c.kept:
		took = at.Sub(begun)
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	_, err := c.board.Wait(ctx, func(s session.State) bool { return s.Phase() == session.Asking })
	return took, err
}

// measurePress takes a press and an append of the same bytes in turn, so that both see the same disk.
func measurePress(ctx context.Context, b *bench) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	c, err := openCounter(ctx, filepath.Join(b.dir, "press"))
	if err != nil {
		return err
	}
	plain, err := os.Create(filepath.Join(b.dir, "press", "plain"))
	if err != nil {
		return err
	}
	if _, err := c.board.Wait(ctx, func(s session.State) bool { return s.Phase() == session.Asking }); err != nil {
		return err
	}
	var presses, boxes, appends []time.Duration
	for i := range b.pairs + b.pairs/10 {
		took, err := c.press(ctx, i)
		if err != nil {
			return err
		}
		begun := time.Now()
		_, err = plain.Write(c.box.last)
		if err = errors.Join(err, plain.Sync()); err != nil {
			return err
		}
		if i >= b.pairs/10 { // the first ones only warm up
			presses, appends = append(presses, took), append(appends, time.Since(begun))
			boxes = append(boxes, c.box.took)
		}
	}
	stop()
	for _, q := range []struct {
		name  string
		share float64
		aim   *aim
	}{{"p50", 0.5, most(2.2)}, {"p99", 0.99, nil}} {
		p, a := gauge.Quantile(presses, q.share), gauge.Quantile(appends, q.share)
		b.note(p.Seconds()/a.Seconds(), fmt.Sprintf("× (%d µs to %d µs)", p.Microseconds(), a.Microseconds()), q.aim,
			"press → durable, to append + fsync of the same %d bytes, %s of %d pairs", len(c.box.last), q.name, b.pairs)
	}
	b.note(gauge.Quantile(boxes, 0.5).Seconds()/gauge.Quantile(appends, 0.5).Seconds(),
		fmt.Sprintf("× (%d µs)", gauge.Quantile(boxes, 0.5).Microseconds()), nil,
		"of these the outbox alone, p50; the rest is the desk's, goroutines that wake each other")
	return errors.Join(c.close(), plain.Close())
}

// crowd is how many press at once.
const crowd = 100

// measurePressers compares a crowd with one, in turns.
func measurePressers(ctx context.Context, b *bench) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	c, err := openCounter(ctx, filepath.Join(b.dir, "pressers"))
	if err != nil {
		return err
	}
	for _, way := range []struct {
		name string
		aim  *aim
		do   func() error
	}{
		{"at the outbox", least(20), func() error {
			_, err := c.box.Box.Append(ctx, outbox.Entry{Level: vote.Satisfied, Body: make([]byte, 60)})
			return err
		}},
		{"through one desk", nil, func() error {
			_, err := c.desk.Enter(ctx, desk.Ballot{Level: vote.Satisfied, Channel: vote.Button})
			return err
		}},
	} {
		var one, many float64
		for range 3 {
			n, err := rate(1, way.do)
			if err != nil {
				return err
			}
			one += n
			if n, err = rate(crowd, way.do); err != nil {
				return err
			}
			many += n
		}
		b.note(many/one, fmt.Sprintf("× (%.0f/s to %.0f/s)", many/3, one/3), way.aim,
			"%d pressers to one, %s", crowd, way.name)
	}
	stop()
	return c.close()
}

// rate is how often a second some do something, measured for a second.
func rate(workers int, do func() error) (float64, error) {
	var all sync.WaitGroup
	var n atomic.Int64
	failures := make(chan error, workers)
	begun := time.Now()
	for range workers {
		all.Go(func() {
			for time.Since(begun) < time.Second {
				if err := do(); err != nil {
					failures <- err
					return
				}
				n.Add(1)
			}
		})
	}
	all.Wait()
	close(failures)
	return float64(n.Load()) / time.Since(begun).Seconds(), <-failures
}
