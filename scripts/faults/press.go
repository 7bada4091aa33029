package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"hailong/cmd/agent"
	"hailong/cmd/centre"
	"hailong/collector/store"
	"hailong/vote"
)

// pressAll enters presses one after the other, each until it is durable.
func pressAll(ctx context.Context, socket string, presses int) error {
	client, tick := agent.NewClient(socket), time.NewTicker(again)
	defer tick.Stop()
	for i := 0; i < presses; {
		_, err := client.Press(ctx, agent.Ballot{ID: fmt.Sprintf("press-%d", i), Level: vote.Level(i%5 + 1)})
		if refused := (agent.Refusal{}); errors.As(err, &refused) && refused.Code == agent.Invalid {
			return err
		}
		if err == nil {
			i++
			continue
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// killWhile kills a program at random until the work is done.
func (h *house) killWhile(ctx context.Context, p *process, work func() error) (int, error) {
	done := make(chan error, 1)
	go func() { done <- work() }()
	for kills := 0; ; kills++ {
		pause := time.NewTimer(time.Duration(20+h.rng.IntN(200)) * time.Millisecond)
		select {
		case err := <-done:
			pause.Stop()
			return kills, err
		case <-ctx.Done():
			pause.Stop()
			return kills, errors.Join(ctx.Err(), <-done)
		case <-pause.C:
		}
		if err := p.kill(); err != nil {
			return kills, err
		}
		if err := p.start(ctx); err != nil {
			return kills, err
		}
	}
}

// expect waits until a terminal's votes are at the centre and counts them.
func (h *house) expect(ctx context.Context, id vote.TerminalID, votes int) error {
	const most = 30 * time.Second
	s, err := store.Open(ctx, centre.Folder(h.data()).Store())
	if err != nil {
		return err
	}
	ctx2, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	got := 0
	for got < votes {
		if got, err = count(ctx2, s, id); err != nil {
			break
		}
		select {
		case <-tick.C:
		case <-ctx2.Done():
			err = fmt.Errorf("after %s %d of %d votes of %s are at the centre", most, got, votes, id)
		}
		if err != nil {
			break
		}
	}
	if err = errors.Join(err, s.Close()); err != nil {
		return err
	}
	fmt.Printf("faults: %d presses kept, %d votes at the centre\n", votes, got)
	if got != votes {
		return fmt.Errorf("%d votes at the centre, want %d", got, votes)
	}
	return h.verify(ctx)
}

func count(ctx context.Context, s *store.Store, id vote.TerminalID) (int, error) {
	n := 0
	for after := uint64(0); ; {
		votes, err := s.Votes(ctx, after, 500)
		if err != nil || len(votes) == 0 {
			return n, err
		}
		for _, v := range votes {
			after = v.Cursor
			if v.Terminal == id {
				n++
			}
		}
	}
}
