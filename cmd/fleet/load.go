package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"hailong/cmd/agent"
	"hailong/cmd/centre"
	"hailong/cmd/program"
	"hailong/config"
	"hailong/sync/uplink"
	"hailong/sync/wire"
	"hailong/vote"
	"hailong/vote/desk"
	"hailong/vote/session"
)

// prefix tells the load's terminals from others of the same centre.
const prefix = "load-"

type loadCmd struct {
	Dir       string        `required:"" placeholder:"DIR" help:"Folder of the terminals; a load that was killed goes on there."`
	Centre    string        `required:"" placeholder:"DIR" help:"Data folder of the centre: registers the terminals, compares what arrived."`
	Broker    string        `default:"127.0.0.1:1883" placeholder:"HOST:PORT" help:"The broker."`
	Terminals int           `default:"11" help:"How many terminals."`
	Votes     int           `default:"1000" help:"How many votes, of all terminals together."`
	Pause     time.Duration `default:"0s" help:"Pause of a terminal between two visitors."`
	Drain     time.Duration `default:"5m" help:"How long to wait for the last receipt."`
	Log       string        `default:"error" enum:"debug,info,warn,error" help:"What to log: ${enum}."`
}

// Help teaches.
func (loadCmd) Help() string {
	return `Every thanks is noted in DIR/ID/thanked before the next visitor comes. At the end the notes are compared
with the centre's votes, one by one: lost, doubled, changed. Exit code 5 when anything differs.

  fleet load --dir load --centre demo --terminals 100 --votes 10000`
}

// Run loads and compares.
func (c *loadCmd) Run(ctx context.Context) error {
	if c.Terminals < 1 || c.Terminals > 10_000 || c.Votes < 0 {
		return program.Exit(program.Usage, fmt.Errorf("%d terminals, %d votes: use 1 to 10000 and 0 or more",
			c.Terminals, c.Votes))
	}
	counters := make([]config.Counter, c.Terminals)
	for i := range counters {
		counters[i] = config.Counter{Terminal: fmt.Sprintf("%s%04d", prefix, i+1), Name: fmt.Sprintf("Tải thử %d", i+1)}
	}
	if err := enrol(ctx, c.Dir, centre.Folder(c.Centre), counters); err != nil {
		return err
	}
	if err := c.press(ctx, counters); err != nil {
		return err
	}
	return c.compare(ctx, counters)
}

// press runs all terminals until all votes are thanked for and receipted.
func (c *loadCmd) press(ctx context.Context, counters []config.Counter) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var (
		run, pressing sync.WaitGroup
		done          atomic.Int64
		terminals     []*terminal
		failures      = make(chan error, 2*len(counters))
		codec, log    = wire.NewCodec(), program.Logger(c.Log)
	)
	fail := func(id vote.TerminalID, err error) {
		if err != nil && !errors.Is(err, context.Canceled) {
			failures <- fmt.Errorf("%s: %w", id, err)
			stop()
		}
	}
	for i, counter := range counters {
		share := c.Votes / len(counters)
		if i < c.Votes%len(counters) {
			share++
		}
		t, notes, err := c.open(ctx, counter, codec, log)
		if err != nil {
			stop()
			run.Wait()
			return err
		}
		terminals = append(terminals, t)
		done.Add(int64(notes.count))
		run.Go(func() { fail(t.id, t.Run(ctx)) })
		pressing.Go(func() { fail(t.id, c.visitors(ctx, t, notes, share, &done)) })
	}
	c.watch(ctx, &pressing, &done)
	err := c.drain(ctx, terminals)
	stop()
	run.Wait()
	close(failures)
	for f := range failures {
		err = errors.Join(err, f)
	}
	return err
}

func (c *loadCmd) watch(ctx context.Context, pressing *sync.WaitGroup, done *atomic.Int64) {
	all := make(chan struct{})
	go func() { pressing.Wait(); close(all) }()
	bar, tick := program.NewProgress("thanked"), time.NewTicker(200*time.Millisecond)
	defer tick.Stop()
	defer bar.End()
	for {
		select {
		case <-all:
			bar.Show(int(done.Load()), c.Votes)
			return
		case <-tick.C:
			bar.Show(int(done.Load()), c.Votes)
		}
	}
}

// drain waits until every terminal has its last receipt.
func (c *loadCmd) drain(ctx context.Context, terminals []*terminal) error {
	ctx, cancel := context.WithTimeoutCause(ctx, c.Drain, errors.New("receipts are missing"))
	defer cancel()
	bar, tick := program.NewProgress("receipted"), time.NewTicker(100*time.Millisecond)
	defer tick.Stop()
	defer bar.End()
	for {
		waiting, most := 0, 0
		for _, t := range terminals {
			waiting += int(t.Pending())
			most += int(t.Status().NextSeq) - 1
		}
		bar.Show(most-waiting, most)
		if waiting == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("drain: %d records wait after %s: %w", waiting, c.Drain, context.Cause(ctx))
		case <-tick.C:
		}
	}
}

// notes is a terminal's list of thanks.
type notes struct {
	file  *os.File
	count int // of earlier runs
	err   error
}

func (c *loadCmd) open(ctx context.Context, counter config.Counter, codec *wire.Codec, log *slog.Logger,
) (*terminal, *notes, error) {
	path := filepath.Join(c.Dir, counter.Terminal, "thanked")
	before, err := readNotes(path)
	if err != nil {
		return nil, nil, err
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, nil, fmt.Errorf("note thanks: %w", err)
	}
	n := &notes{file: file, count: len(before)}
	setup := agent.Setup{
		Config: config.KioskDefaults(), Software: "fleet " + version, Codec: codec, Log: log, Reserve: -1,
		Visit: hurried(), Uplink: impatient(),
	}
	setup.Config.Broker.Address = c.Broker
	var t *terminal
	setup.Kept = kept(func(k desk.Kept) { n.note(t, k) })
	t, err = openTerminal(ctx, c.Dir, counter, setup)
	return t, n, err
}

// note runs in the desk before the thanks are shown; the file has no buffer, so a killed fleet has
// noted all that it thanked for, but for the last.
func (n *notes) note(t *terminal, k desk.Kept) {
	if _, err := fmt.Fprintf(n.file, "%s %d %d\n", t.Status().Epoch, k.Seq, k.Level); err != nil {
		n.err = errors.Join(n.err, err)
	}
}

// hurried are the waits of visitors in a load.
func hurried() session.Waits {
	w := session.DefaultWaits()
	w.ThankFor, w.LockoutFor, w.NotKeptFor = time.Millisecond, time.Millisecond, 100*time.Millisecond
	return w
}

// impatient are the protocol's waits, but for the pause between connections: a load is run to see
// faults healed, not to spare a centre.
func impatient() uplink.Waits {
	w := uplink.DefaultWaits()
	w.ReconnectX = 5 * time.Second
	return w
}

func (c *loadCmd) visitors(ctx context.Context, t *terminal, n *notes, share int, done *atomic.Int64) error {
	for i := n.count; i < share; {
		thanked, err := t.visit(ctx, session.Press{Level: vote.Level(i%5 + 1), Channel: vote.Button}, nil)
		if err != nil {
			return err
		}
		if thanked {
			i++
			done.Add(1)
		}
		if c.Pause > 0 {
			pause := time.NewTimer(c.Pause)
			select {
			case <-ctx.Done():
				pause.Stop()
				return ctx.Err()
			case <-pause.C:
			}
		}
	}
	return errors.Join(n.err, n.file.Close())
}
