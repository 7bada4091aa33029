package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"hailong/scripts/compare/peers"
)

// fault is a kill -9 when so many of all votes are accepted, or have arrived.
type fault struct {
	share    float64
	arrived  bool
	victim   func(*peers.Road) *peers.Part
	downtime time.Duration
}

// scene is what happens on the road.
type scene struct {
	name, about string
	later       bool // the centre comes when all votes wait
	faults      []fault
}

func scenes() []scene {
	device := func(r *peers.Road) *peers.Part { return r.Device }
	broker := func(r *peers.Road) *peers.Part { return r.Broker }
	consumer := func(r *peers.Road) *peers.Part { return r.Consumer }
	return []scene{
		{"calm", "the link is up and nothing fails", false, nil},
		{"waiting", "all votes wait at the terminal until the centre comes", true, nil},
		{"faults", "kill -9 of broker, device, broker, consumer and device while votes are pressed", false, []fault{
			{0.30, false, broker, 5 * time.Second}, {0.50, false, device, 0},
			{0.60, true, broker, 0}, {0.75, true, consumer, 0}, {0.85, true, device, 0},
		}},
	}
}

const (
	look   = 25 * time.Millisecond   // between two looks at a run
	weigh  = 500 * time.Millisecond  // between two looks at memory
	settle = 2500 * time.Millisecond // before anybody presses
	quiet  = 25 * time.Second        // without one more arrival: nothing more will come
	never  = 2 * time.Minute         // without the first arrival: pauses between connections grow
)

// stage is one run.
type stage struct {
	*peers.Road
	scene
	votes   int
	ledger  *peers.Ledger
	pressed chan error

	begun, changed, weighed, came time.Time // came: the centre, after the votes
	arrived, hit                  int
}

// play runs a scene with a peer and notes the result.
func (c *compare) play(ctx context.Context, sc scene, p peers.Peer) error {
	if sc.later && p.Online {
		return nil
	}
	votes := c.votes / p.Share
	fmt.Fprintf(os.Stderr, "compare: %s, %s, %d votes …\n", sc.name, p.Name, votes)
	dir := filepath.Join(c.dir, p.Key+"-"+sc.name[:1])
	if err := os.MkdirAll(dir, 0o711); err != nil {
		return err
	}
	r, err := p.Make(ctx, dir)
	if err != nil {
		return err
	}
	s := &stage{Road: r, scene: sc, votes: votes, ledger: peers.NewLedger(), pressed: make(chan error, 1)}
	cut, err := s.run(ctx, c.limit, c.window)
	if err != nil {
		return err
	}
	all, err := r.Arrivals(ctx)
	if err != nil {
		return err
	}
	c.results = append(c.results, s.result(p, all, cut))
	fmt.Fprintf(os.Stderr, "  %s\n", c.results[len(c.results)-1].line())
	return r.Close()
}

// run presses, hits and waits. It tells whether it was cut off.
func (s *stage) run(ctx context.Context, limit time.Duration, window int) (cut bool, err error) {
	if err := s.open(ctx); err != nil {
		return false, err
	}
	pressing, stop := context.WithTimeout(ctx, limit)
	defer stop()
	s.begun, s.changed = time.Now(), time.Now()
	go func() { s.pressed <- s.Press(pressing, s.votes, window, s.ledger) }()
	pressed := false
	tick := time.NewTicker(look)
	defer tick.Stop()
	for {
		select {
		case err := <-s.pressed:
			if err != nil {
				return false, err
			}
			pressed, s.changed = true, time.Now()
			if err := s.follow(ctx); err != nil {
				return false, err
			}
		case <-tick.C:
		case <-ctx.Done():
			return false, ctx.Err()
		}
		if err := s.step(ctx); err != nil {
			return false, err
		}
		switch {
		case pressed && (s.arrived >= s.votes && s.complete(ctx) || s.silent()):
			return s.ledger.Count() < s.votes, nil
		case time.Since(s.begun) > limit+never:
			stop()
			if pressed {
				return true, nil
			}
			return true, <-s.pressed
		}
	}
}

// open starts the road, whoever is connected to first. Each end has seen the other before anybody presses,
// and mosquitto has saved who subscribed; where the centre comes later, it ends again.
func (s *stage) open(ctx context.Context) error {
	parts := s.Parts()
	for _, p := range append(parts[1:len(parts):len(parts)], parts[0]) {
		if err := p.Start(ctx); err != nil {
			return err
		}
	}
	peers.Pause(ctx, settle)
	if !s.later {
		return nil
	}
	for _, p := range parts[1:] {
		if err := p.Stop(); err != nil {
			return err
		}
	}
	return nil
}

// follow brings the centre back where it comes later.
func (s *stage) follow(ctx context.Context) error {
	if !s.later {
		return nil
	}
	s.came = time.Now()
	for _, p := range s.Parts()[1:] {
		if err := p.Start(ctx); err != nil {
			return err
		}
	}
	return nil
}

// step looks at the votes and hits whom it is time to hit.
func (s *stage) step(ctx context.Context) error {
	if time.Since(s.weighed) > weigh {
		s.Cost(true)
		s.Cost(false)
		s.weighed = time.Now()
	}
	if n, err := s.Count(ctx); err == nil && n != s.arrived { // a centre that is away is asked again
		s.arrived, s.changed = n, time.Now()
	}
	if s.hit == len(s.faults) {
		return nil
	}
	f := s.faults[s.hit]
	done := s.ledger.Count()
	if f.arrived {
		done = s.arrived
	}
	if float64(done) < f.share*float64(s.votes) {
		return nil
	}
	s.hit++
	if err := f.victim(s.Road).Kill(); err != nil {
		return err
	}
	peers.Pause(ctx, f.downtime)
	s.changed = time.Now()
	return f.victim(s.Road).Start(ctx)
}

// complete tells whether every vote is there: as many rows may hold one twice and another not.
func (s *stage) complete(ctx context.Context) bool {
	all, err := s.Arrivals(ctx)
	seen := map[int]bool{}
	for _, a := range all {
		seen[a.ID] = true
	}
	return err == nil && len(seen) >= s.votes
}

// silent tells whether nothing has come for so long that nothing more will.
func (s *stage) silent() bool {
	still := time.Since(s.changed)
	return still > never || s.arrived > 0 && still > quiet
}
