package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"hailong/cmd/agent"
	"hailong/collector/org"
	"hailong/config"
	"hailong/sync/outbox"
	"hailong/sync/seal"
	"hailong/sync/uplink"
	"hailong/sync/wire"
	"hailong/vote"
	"hailong/vote/session"
)

// patience is how long an agent may take from its start on a damaged box until the centre has everything: the check
// alone may take ten seconds on a box that makes it hang.
const patience = 90 * time.Second

// trial is one terminal and its box.
type trial struct {
	*house
	n    int
	id   string
	home string
	rng  *rand.Rand
	kind string

	identity config.Identity
	epoch    seal.Epoch
	bodies   [][]byte              // of record 1 on, as promised
	levels   map[uint64]vote.Level // of casts
	upto     uint64                // what the centre has
	old      []byte                // the file as it was when some of the waiting records were there
	ghost    uint64                // a record that was never promised; 0 is none

	damaged                                 bool
	waiting, whole, arrived, proven, ghosts int
}

func newTrial(h *house, dir string, seed uint64, n int) *trial {
	id := fmt.Sprintf("dmg-%05d", n)
	return &trial{house: h, n: n, id: id, home: filepath.Join(dir, id), rng: rand.New(rand.NewPCG(seed, uint64(n))),
		levels: map[uint64]vote.Level{}, kind: kinds()[n%len(kinds())].name}
}

func (t *trial) run(ctx context.Context) error {
	if err := os.MkdirAll(filepath.Join(t.home, "data"), 0o700); err != nil {
		return err
	}
	var err error
	if t.identity, err = t.enrol(ctx, t.id, t.home); err != nil {
		return err
	}
	_, began, err := t.votes(ctx, t.id, 0)
	if err != nil {
		return err
	}
	if err := t.fill(ctx); err != nil {
		return fmt.Errorf("fill: %w", err)
	}
	file, err := t.wreck()
	if err != nil {
		return fmt.Errorf("wreck: %w", err)
	}
	ctx, stop := context.WithTimeout(ctx, patience)
	defer stop()
	if err := t.live(ctx); err != nil {
		return fmt.Errorf("live: %w", err)
	}
	votes, _, err := t.votes(ctx, t.id, began)
	if err != nil {
		return err
	}
	if err := t.judge(file, votes); err != nil {
		return err
	}
	return os.RemoveAll(t.home)
}

func (t *trial) path() string { return filepath.Join(t.home, "data", "outbox.db") }

// fill makes a box: some records that the centre has, and some that wait.
func (t *trial) fill(ctx context.Context) error {
	if err := t.press(ctx, 20+t.rng.IntN(150), false); err != nil {
		return err
	}
	if t.rng.IntN(5) > 0 { // every fifth terminal has never met its centre
		if err := t.live(ctx); err != nil {
			return err
		}
	}
	if err := t.press(ctx, 20+t.rng.IntN(100), true); err != nil {
		return err
	}
	return t.press(ctx, 1+t.rng.IntN(100), true)
}

// press keeps casts in the box and remembers all that is in it.
func (t *trial) press(ctx context.Context, n int, snapshot bool) error {
	if snapshot {
		var err error
		if t.old, err = os.ReadFile(t.path()); err != nil {
			return err
		}
	}
	b, err := outbox.Open(t.path(), outbox.Options{Terminal: t.identity.Terminal, Reserve: -1})
	if err != nil {
		return err
	}
	at := vote.Stamp{WallMS: time.Now().UnixMilli(), Synced: true, Boot: 1, SinceMS: 1000}
	entries := make(chan outbox.Entry)
	var all sync.WaitGroup
	var mu sync.Mutex
	for range 8 {
		all.Go(func() {
			for e := range entries {
				_, failed := b.Append(ctx, e)
				mu.Lock()
				err = errors.Join(err, failed)
				mu.Unlock()
			}
		})
	}
	for i := range n {
		at.SinceMS += uint64(1 + t.rng.IntN(60_000))
		level := vote.Level(1 + t.rng.IntN(5))
		body, failed := wire.EncodeRecord(vote.Record{At: at, Cast: cast(level)})
		if failed != nil {
			return failed
		}
		entries <- outbox.Entry{ID: fmt.Sprintf("%s-%d-%d", t.id, len(t.bodies), i), Level: level, Body: body}
	}
	close(entries)
	all.Wait()
	return errors.Join(err, t.remember(b), b.Close())
}

func cast(level vote.Level) *vote.Cast {
	s := vote.Default()
	return &vote.Cast{Level: level, Survey: s.ID, SurveyVersion: s.Version, Layout: "5", Language: "vi",
		Channel: vote.Button, Counter: "Quầy 1"}
}

// remember reads what the box promises.
func (t *trial) remember(b *outbox.Box) error {
	s := b.State()
	t.epoch, t.upto, t.bodies = s.Epoch, s.Upto, nil
	for next := uint64(1); next < s.Next; next = uint64(len(t.bodies)) + 1 {
		run, err := b.Look(next, 500, 1<<20)
		if err != nil {
			return err
		}
		t.bodies = append(t.bodies, run.Bodies...)
	}
	for i, body := range t.bodies {
		r, err := wire.DecodeRecord(body)
		if err != nil {
			return err
		}
		if r.Cast != nil {
			t.levels[uint64(i)+1] = r.Cast.Level
		}
	}
	return nil
}

// wreck damages the box and returns what is left.
func (t *trial) wreck() ([]byte, error) {
	file, err := os.ReadFile(t.path())
	if err != nil {
		return nil, err
	}
	if t.rng.IntN(2) == 0 {
		t.ghost = uint64(len(t.bodies)) + 1 + uint64(t.rng.IntN(3))
		body, err := wire.EncodeRecord(vote.Record{At: vote.Stamp{Boot: 1, SinceMS: 1}, Cast: cast(1)})
		if err != nil {
			return nil, err
		}
		file = haunt(file, t.epoch, t.ghost, body)
	}
	file = kinds()[t.n%len(kinds())].do(t.rng, file, t.old)
	return file, os.WriteFile(t.path(), file, 0o600)
}

// live runs an agent until the centre has everything, with a press on the way.
func (t *trial) live(ctx context.Context) error {
	cfg := config.KioskDefaults()
	cfg.Broker.Address, cfg.Counter.Name = t.cfg.Broker.Listen, "Quầy 1"
	cfg.Data, cfg.Socket = filepath.Dir(t.path()), ""
	waits := uplink.DefaultWaits()
	waits.ReconnectX = time.Second
	inputs := make(chan session.Event)
	a, err := agent.Open(ctx, agent.Setup{Config: cfg, Identity: t.identity, Software: "damage", Inputs: inputs,
		Codec: wire.NewCodec(), Reserve: -1, Uplink: waits, Log: slog.New(slog.DiscardHandler), Inspect: agent.InChild})
	if err != nil {
		return err
	}
	running, stop := context.WithCancel(ctx)
	defer stop()
	done := make(chan error, 1)
	go func() { done <- a.Run(running) }()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case err := <-done:
			return fmt.Errorf("the agent ended: %w", err)
		case <-tick.C:
		}
		s := a.Status()
		away := func(r agent.Relic) bool { return r.State != "home" && r.State != "refused" }
		if s.Pending == 0 && !slices.ContainsFunc(s.Attic, away) {
			t.damaged = len(s.Attic) > 0
			break
		}
		if ctx.Err() != nil {
			return fmt.Errorf("%w; %d wait, attic %v, warnings %v", ctx.Err(), s.Pending, s.Attic, s.Warnings)
		}
	}
	stop()
	return <-done
}

// judge compares what the centre has with what was promised and what was left of it.
func (t *trial) judge(file []byte, votes []org.Vote) error {
	seen, wrong := map[uint64]bool{}, []error{}
	miss := func(format string, args ...any) { wrong = append(wrong, fmt.Errorf(format, args...)) }
	for _, v := range votes {
		level, promised := t.levels[v.Seq]
		switch {
		case v.Epoch != t.epoch:
			miss("vote %d of epoch %s: nobody pressed", v.Seq, v.Epoch)
		case seen[v.Seq]:
			miss("vote %d arrived twice", v.Seq)
		case !promised && (v.Seq != t.ghost || v.Counted):
			miss("vote %d was never promised, and is there, counted: %v", v.Seq, v.Counted)
		case promised && v.First != level:
			miss("vote %d was %d and is %d", v.Seq, level, v.First)
		case v.Seq <= t.upto && !v.Counted:
			miss("vote %d was counted before the damage and is no longer", v.Seq)
		}
		seen[v.Seq] = true
		switch {
		case !promised:
			t.ghosts++
		case v.Seq > t.upto && v.Counted:
			t.proven++
		}
	}
	for seq := range t.levels {
		if seq <= t.upto {
			if !seen[seq] {
				miss("vote %d was at the centre and is gone", seq)
			}
			continue
		}
		t.waiting++
		whole := !t.damaged || bytes.Contains(file, seal.Frame(nil, t.epoch, seq, t.bodies[seq-1]))
		if whole {
			t.whole++
		}
		if seen[seq] {
			t.arrived++
		}
		if whole != seen[seq] {
			miss("vote %d: whole %v, arrived %v", seq, whole, seen[seq])
		}
	}
	return errors.Join(wrong[:min(len(wrong), 5)]...)
}
