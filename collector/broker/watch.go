package broker

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"hailong/sync/mqtt"
)

const (
	// canaryEvery is how often the door is tried from outside. Store trouble shows itself only there: connected
	// terminals go on, and the server calls itself healthy.
	canaryEvery = 20 * time.Second
	// canaryWithin is longer than the server's own 5 s for a session it cannot keep.
	canaryWithin = 8 * time.Second
	// missesAllowed is more than one, because a restart costs every terminal its connection and a busy moment may
	// cost the canary its answer.
	missesAllowed = 3
	// restartTries and restartPause give a full disk a minute to get room; then the process is better restarted as a
	// whole.
	restartTries = 12
	restartPause = 5 * time.Second
)

// report is called by the server's logging and therefore never waits. One waiting word of each sort is enough.
func (s *Server) report(why string, certain bool) {
	words := s.doubtful
	if certain {
		words = s.certain
	}
	select {
	case words <- why:
	default:
	}
}

// watch owns the server from its start to its end.
func (s *Server) watch(ctx context.Context) {
	defer close(s.done)
	defer s.journal.Flush()
	defer func() {
		if n := s.set(nil); n != nil {
			s.end(n)
		}
		s.gate.Close()
	}()
	tick := time.NewTicker(canaryEvery)
	defer tick.Stop()
	for {
		var why string
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			s.journal.Flush()
			why = s.tryDoor(ctx, missesAllowed)
		case why = <-s.certain:
		case <-s.doubtful:
			why = s.tryDoor(ctx, 1)
		}
		if why == "" || ctx.Err() != nil {
			continue
		}
		if err := s.restart(ctx, why); err != nil {
			s.err = err
			return
		}
	}
}

// tryDoor says why the server must be restarted, or "". Whoever can write a line of the log could else have it
// restarted at will; so a line only makes us look.
func (s *Server) tryDoor(ctx context.Context, allowed uint64) string {
	err := s.canary(ctx, s.secret)
	if err == nil {
		s.misses.Store(0)
		return ""
	}
	if s.misses.Add(1) < allowed {
		return ""
	}
	return fmt.Sprintf("trial connection: %v", err)
}

// restart replaces the node by a new one with an empty store behind the same port. The terminals come back by
// themselves.
func (s *Server) restart(ctx context.Context, why string) error {
	s.log.Error(eventRestarting, "why", why)
	s.end(s.set(nil))
	pause := time.NewTicker(restartPause)
	defer pause.Stop()
	for try := 1; ; try++ {
		n, err := s.startNode()
		if err == nil {
			s.set(n)
			s.restarts.Add(1)
			s.misses.Store(0)
			s.forgetTrouble()
			s.log.Warn(eventRestarted, "tries", try)
			return nil
		}
		if try == restartTries {
			return fmt.Errorf("restart broker: %d tries: %w", try, err)
		}
		s.journal.Say(slog.LevelError, eventRestarting, "try", try, "err", err)
		select {
		case <-pause.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// forgetTrouble drops what the old node still said.
func (s *Server) forgetTrouble() {
	for len(s.certain)+len(s.doubtful) > 0 {
		select {
		case <-s.certain:
		case <-s.doubtful:
		}
	}
}

// canary connects as a terminal would, which makes the server write a session to its store, and leaves.
func (s *Server) canary(ctx context.Context, secret string) error {
	conn, err := mqtt.Dial(ctx, mqtt.Options{Broker: s.Addr(), ClientID: canaryUser, Username: canaryUser,
		Password: secret, ConnectTimeout: canaryWithin})
	if err != nil {
		return err
	}
	return conn.Close()
}
