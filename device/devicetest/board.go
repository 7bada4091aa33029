package devicetest

import (
	"context"
	"slices"
	"sync"
)

// keep is how many shown things a board remembers: a fleet shows things for weeks.
const keep = 4096

// Board is a terminal's front: what a visitor does goes in by Do, what is shown to them is kept.
// In is the desk's event, Seen its state; the board knows neither. It may be used by several
// goroutines, of which one at a time may Wait.
type Board[In, Seen any] struct {
	inputs chan In

	mu      sync.Mutex    // guards what follows
	shown   []Seen        // the newest
	waited  int           // how many of shown Wait has passed
	changed chan struct{} // closed and replaced whenever something is shown
}

// NewBoard is a board that nobody has touched.
func NewBoard[In, Seen any]() *Board[In, Seen] {
	return &Board[In, Seen]{inputs: make(chan In), changed: make(chan struct{})}
}

// Inputs is the channel the desk reads.
func (b *Board[In, Seen]) Inputs() <-chan In { return b.inputs }

// Do hands one event to the desk and returns once it was taken.
func (b *Board[In, Seen]) Do(ctx context.Context, e In) error {
	select {
	case b.inputs <- e:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Show keeps what is shown. It never blocks.
func (b *Board[In, Seen]) Show(s Seen) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.shown = append(b.shown, s)
	if over := len(b.shown) - keep; over > 0 {
		b.shown = slices.Delete(b.shown, 0, over)
		b.waited = max(0, b.waited-over)
	}
	close(b.changed)
	b.changed = make(chan struct{})
}

// Shown is what was shown so far, oldest first; of very much, the newest.
func (b *Board[In, Seen]) Shown() []Seen {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.shown)
}

// Wait returns the first thing that ok wants among those shown after what the last Wait returned.
// One that was shown and gone again in the meantime is not missed.
func (b *Board[In, Seen]) Wait(ctx context.Context, ok func(Seen) bool) (Seen, error) {
	for {
		seen, found, changed := b.look(ok)
		if found {
			return seen, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return seen, ctx.Err()
		}
	}
}

func (b *Board[In, Seen]) look(ok func(Seen) bool) (Seen, bool, <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for b.waited < len(b.shown) {
		s := b.shown[b.waited]
		b.waited++
		if ok(s) {
			return s, true, nil
		}
	}
	var none Seen
	return none, false, b.changed
}
