package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"hailong/cmd/agent"
	"hailong/cmd/centre"
	"hailong/collector/store"
	"hailong/config"
	"hailong/device/devicetest"
	"hailong/vote"
	"hailong/vote/desk"
	"hailong/vote/session"
)

// board is a simulated front: what visitors do, and what they are shown.
type board = devicetest.Board[session.Event, session.State]

// terminal is one simulated terminal.
type terminal struct {
	*agent.Agent
	id    vote.TerminalID
	board *board
}

// openTerminal opens the terminal whose files lie in a folder named after it.
func openTerminal(ctx context.Context, dir string, counter config.Counter, s agent.Setup) (*terminal, error) {
	home := filepath.Join(dir, counter.Terminal)
	id, err := config.LoadIdentity(filepath.Join(home, "identity.toml"))
	if err != nil {
		return nil, err
	}
	s.Identity, s.Inspect = id, agent.InChild
	s.Config.Data, s.Config.Socket = filepath.Join(home, "data"), filepath.Join(home, "agent.sock")
	s.Config.Counter.Name = counter.Name
	if err := s.Config.Validate(); err != nil {
		return nil, err
	}
	t := &terminal{id: id.Terminal, board: devicetest.NewBoard[session.Event, session.State]()}
	s.Inputs = t.board.Inputs()
	show := s.Show
	s.Show = func(state session.State) {
		t.board.Show(state)
		if show != nil {
			show(state)
		}
	}
	t.Agent, err = agent.Open(ctx, s)
	return t, err
}

// enrol registers counters that are not yet known at the centre whose data folder this is.
func enrol(ctx context.Context, dir string, data centre.Folder, counters []config.Counter) error {
	if data == "" {
		return nil
	}
	keys, err := centre.ReadKeys(data)
	if err != nil {
		return err
	}
	s, err := store.Open(ctx, data.Store())
	if err != nil {
		return err
	}
	for _, c := range counters {
		if err = enrolOne(ctx, s, keys, filepath.Join(dir, c.Terminal), c); err != nil {
			break
		}
	}
	return errors.Join(err, s.Close())
}

// enrolOne makes an identity, or registers the one that an earlier start was killed over.
func enrolOne(ctx context.Context, s *store.Store, keys centre.Keys, home string, c config.Counter) error {
	path := filepath.Join(home, "identity.toml")
	_, _, unknown := s.Keys(ctx, vote.TerminalID(c.Terminal))
	switch _, missing := os.Stat(path); {
	case missing == nil && unknown == nil:
		return nil
	case missing == nil:
		id, err := config.LoadIdentity(path)
		if err != nil {
			return err
		}
		return centre.Register(ctx, s, id, c.Name)
	}
	if err := os.MkdirAll(home, 0o700); err != nil {
		return fmt.Errorf("make terminal folder: %w", err)
	}
	err := centre.Enrol(ctx, s, keys, vote.TerminalID(c.Terminal), c.Name, path)
	if errors.Is(err, store.ErrExists) {
		return fmt.Errorf("%w, but %s is missing: bring it back, or begin with another centre and folder", err, path)
	}
	return err
}

// visit is one visitor: a press, and waiting for the next to be asked. It tells whether thanks
// were shown.
func (t *terminal) visit(ctx context.Context, press session.Press, after func() error) (bool, error) {
	if err := t.board.Do(ctx, press); err != nil {
		return false, err
	}
	s, err := t.board.Wait(ctx, func(s session.State) bool {
		return s.Phase() == session.Thanked || s.Phase() == session.NotKept
	})
	if err != nil {
		return false, err
	}
	thanked := s.Phase() == session.Thanked
	if thanked && after != nil {
		if err := after(); err != nil {
			return thanked, err
		}
	}
	_, err = t.board.Wait(ctx, func(s session.State) bool { return s.Phase() == session.Asking })
	return thanked, err
}

// kept hands only casts on.
func kept(to func(desk.Kept)) func(desk.Kept) {
	return func(k desk.Kept) {
		if k.Kind == vote.CastKind {
			to(k)
		}
	}
}
