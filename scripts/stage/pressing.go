package stage

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	"hailong/cmd/agent"
	"hailong/cmd/centre"
	"hailong/collector/store"
	"hailong/vote"
)

const (
	// again is how long a repeated press waits for the agent to be back.
	again = 20 * time.Millisecond
	// settle is how long a terminal may need until it is connected, or has let go of its last vote.
	settle = time.Minute
)

// Spot is where a vote of a terminal lies.
type Spot struct {
	Epoch string
	Seq   uint64
}

// Pressing is votes entered at a running agent, and which of them it thanked for. It may be used by
// several goroutines.
type Pressing struct {
	*agent.Client

	mu      sync.Mutex // guards thanked
	thanked map[Spot]vote.Level
}

// NewPressing presses the agent at a socket.
func NewPressing(socket string) *Pressing {
	return &Pressing{Client: agent.NewClient(socket), thanked: map[Spot]vote.Level{}}
}

// Thanked is how many votes were thanked for.
func (p *Pressing) Thanked() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.thanked)
}

// Once enters a ballot and notes the thanks.
func (p *Pressing) Once(ctx context.Context, b agent.Ballot) error {
	placed, err := p.Press(ctx, b)
	if err == nil {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.thanked[Spot{placed.Epoch, placed.Seq}] = b.Level
	}
	return err
}

// crowd is how many press at once: the more wait for one commit, the more is under way at any moment.
const crowd = 8

// Until enters ballots, several at a time, until it is enough. Each is repeated with its id until the
// terminal says that it is on its disk, so none is left in doubt.
func (p *Pressing) Until(ctx context.Context, enough <-chan struct{}, who string) error {
	var all sync.WaitGroup
	errs := make([]error, crowd)
	for i := range errs {
		all.Go(func() {
			for n := 0; errs[i] == nil; n++ {
				select {
				case <-enough:
					return
				default:
				}
				id := fmt.Sprintf("%s-%d-%d", who, i, n)
				errs[i] = p.insist(ctx, agent.Ballot{ID: id, Level: vote.Level(n%5 + 1)})
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

// insist repeats a ballot until it is kept.
func (p *Pressing) insist(ctx context.Context, b agent.Ballot) error {
	for {
		err := p.Once(ctx, b)
		if refused := (agent.Refusal{}); err == nil || errors.As(err, &refused) && refused.Code == agent.Invalid {
			return err
		}
		if err := Rest(ctx, again); err != nil {
			return err
		}
	}
}

// Empty waits until the terminal has let go of all it had.
func (p *Pressing) Empty(ctx context.Context) error {
	return p.until(ctx, func(s agent.Status) bool { return s.Pending == 0 })
}

// Linked waits until the terminal is connected.
func (p *Pressing) Linked(ctx context.Context) error {
	return p.until(ctx, func(s agent.Status) bool { return s.Link.Connected })
}

func (p *Pressing) until(ctx context.Context, settled func(agent.Status) bool) error {
	ctx, cancel := context.WithTimeout(ctx, settle)
	defer cancel()
	for {
		s, err := p.Status(ctx)
		if err == nil && settled(s) {
			return nil
		}
		if Rest(ctx, again) != nil {
			return fmt.Errorf("after %s %d records of the terminal wait, link %+v, warnings %v: %w",
				settle, s.Pending, s.Link, s.Warnings, errors.Join(err, ctx.Err()))
		}
	}
}

// Result is a comparison of what was thanked for with what is at the centre.
type Result struct {
	Thanked, Lost, Doubled, Changed int
	Unthanked                       int    // there without a thanks
	First                           uint64 // record that is lost
}

// String is for people.
func (r Result) String() string {
	return fmt.Sprintf("thanked %d  lost %d  doubled %d  changed %d  kept but not thanked %d",
		r.Thanked, r.Lost, r.Doubled, r.Changed, r.Unthanked)
}

// Judge is an error where anything was lost, doubled or changed.
func (r Result) Judge() error {
	if r.Lost+r.Doubled+r.Changed > 0 || r.Thanked == 0 {
		return fmt.Errorf("what was thanked for is not what arrived: %s", r)
	}
	return nil
}

// Compare looks for every vote thanked for at the centre.
func (p *Pressing) Compare(ctx context.Context, data string, id vote.TerminalID) (Result, error) {
	s, err := store.Open(ctx, centre.Folder(data).Store())
	if err != nil {
		return Result{}, err
	}
	p.mu.Lock()
	thanked := maps.Clone(p.thanked)
	p.mu.Unlock()
	r, err := match(ctx, s, id, thanked)
	return r, errors.Join(err, s.Close())
}

func match(ctx context.Context, s *store.Store, id vote.TerminalID, thanked map[Spot]vote.Level) (Result, error) {
	const page = 500
	r, arrived := Result{Thanked: len(thanked)}, map[Spot]bool{}
	for after := uint64(0); ; {
		votes, err := s.Votes(ctx, after, page)
		if err != nil {
			return r, err
		}
		for _, v := range votes {
			if after = v.Cursor; v.Terminal != id {
				continue
			}
			at := Spot{v.Epoch.String(), v.Seq}
			level, known := thanked[at]
			switch {
			case arrived[at]:
				r.Doubled++
			case !known:
				r.Unthanked++
			case level != v.First:
				r.Changed++
			}
			arrived[at] = true
		}
		if len(votes) == 0 {
			break
		}
	}
	for at := range thanked {
		if !arrived[at] {
			if r.Lost++; r.First == 0 || at.Seq < r.First {
				r.First = at.Seq
			}
		}
	}
	return r, nil
}
