// Package desk is the terminal's one loop: presses and time go in, records are kept, states are
// shown. It never decides what a press means (session does), never opens a record again, and never
// lets a slow disk hold up an input.
//
//	inputs ──→ Run: session.Step ──→ Show
//	             ↑           │ ask
//	           answer        ↓
//	             └─── one writer ──→ Box ←── Enter and Event, who wait for nobody
package desk

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"hailong/sync/wire"
	"hailong/vote"
	"hailong/vote/session"
)

// Names of log events.
const (
	LogNotKept = "desk.not-kept" // a record is not on the disk; attributes kind and err
)

var (
	// ErrBroken is what a Box's error wraps when only a restart can tell what the disk holds. Run
	// then ends with it.
	ErrBroken = errors.New("box broken")
	// ErrStopped is returned to those who come after Run has ended.
	ErrStopped = errors.New("desk stopped")
	// ErrNoKey is returned where personal data came in and there is no key to seal it to. Nothing
	// was kept.
	ErrNoKey = errors.New("personal data cannot be sealed: the terminal has no key of its collector")
)

// Entry is a record for the Box.
type Entry struct {
	ID    string     // makes a retry harmless; at most MaxID bytes and "/detail"
	Level vote.Level // of a cast, for the lifetime counters; 0 for any other record
	Body  []byte
}

// Box keeps records.
type Box interface {
	// Append returns once the disk has the entry. An id that is there already is answered with its
	// old seq, fresh false. An error that wraps ErrBroken is the last thing a Box says.
	Append(ctx context.Context, e Entry) (seq uint64, fresh bool, err error)
}

// Clock is what the board knows about the time.
type Clock interface {
	Now() vote.Stamp
	Since() time.Duration // since boot; it never jumps
}

// Kept is a record of a visit that is on disk: a cast, an amend or a detail.
type Kept struct {
	ID    string // of the press
	Kind  vote.Kind
	Seq   uint64
	Level vote.Level // cast and amend
}

// Options are what a desk needs. They hold as long as it runs.
type Options struct {
	Survey           vote.Survey
	Counter, Officer string // shown at the terminal, "" where none is set
	Layout, Language string
	Touch            bool          // the terminal has a touch screen
	Waits            session.Waits // zero is session.DefaultWaits
	SealTo           *wire.SealKey // the collector's; nil takes no personal data
	Box              Box
	Clock            Clock
	Show             func(session.State) // after every step; must not block; nil shows nothing
	Kept             func(Kept)          // before the thanks are shown; must not block; may be nil
	Log              *slog.Logger        // nil is silence
}

// Desk is one terminal's. Run owns the visit; Enter and Event may be called by other goroutines.
type Desk struct {
	o       Options
	jobs    chan func() // of Enter and Event
	broken  chan error  // takes one without blocking
	ended   chan struct{}
	started atomic.Bool
}

// New is a desk that does nothing before Run.
func New(o Options) *Desk {
	if o.Show == nil {
		o.Show = func(session.State) {}
	}
	if o.Kept == nil {
		o.Kept = func(Kept) {}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Desk{o: o, jobs: make(chan func()), broken: make(chan error, 1), ended: make(chan struct{})}
}

// Run takes inputs until ctx ends or inputs is closed: then it finishes the append under way,
// writes what the open visit still has to say, and returns nil. A Box that broke is its error. It
// runs once.
func (d *Desk) Run(ctx context.Context, inputs <-chan session.Event) error {
	if d.started.Swap(true) {
		return errors.New("run desk: it ran before")
	}
	defer close(d.ended)
	if err := d.sound(); err != nil {
		return fmt.Errorf("run desk: %w", err)
	}
	v := d.newVisit(context.WithoutCancel(ctx)) // a record once begun is finished
	var writer sync.WaitGroup
	writer.Go(func() { d.write(v.jobs) })
	v.boot()
	v.show()
	broken := v.serve(ctx, inputs)
	// A refusal stays on the screen until the restart; anything else would invite a press that
	// nobody takes.
	if broken == nil || v.m.Phase() != session.NotKept {
		broken = errors.Join(broken, v.close())
	}
	close(v.jobs)
	writer.Wait()
	return broken
}

// sound tells at the start what would otherwise be told by every vote.
func (d *Desk) sound() error {
	if err := d.o.Survey.Validate(); err != nil {
		return err
	}
	return vote.Record{Cast: d.cast(d.o.Survey.Levels[0], vote.Button)}.Validate()
}

// write appends a visit's records one after the other. Who comes by Enter or Event does not wait for them nor for
// each other: the Box commits for all who wait.
func (d *Desk) write(visits <-chan func()) {
	var entering sync.WaitGroup
	defer entering.Wait()
	for {
		select {
		case do, ok := <-visits:
			if !ok {
				return
			}
			do()
		case do := <-d.jobs:
			entering.Go(do)
		}
	}
}

// append is for the writer, and for whom it lets in.
func (d *Desk) append(ctx context.Context, e Entry) (uint64, bool, error) {
	seq, fresh, err := d.o.Box.Append(ctx, e)
	if errors.Is(err, ErrBroken) {
		select {
		case d.broken <- err:
		default: // the first one is enough
		}
	}
	return seq, fresh, err
}

// Event appends an event of the terminal itself and returns once it is on disk. It waits for Run.
func (d *Desk) Event(ctx context.Context, code, note string) error {
	body, err := wire.EncodeRecord(vote.Record{At: d.o.Clock.Now(), Event: &vote.Event{Code: code, Note: note}})
	if err != nil {
		return fmt.Errorf("event %s: %w", code, err)
	}
	return d.do(ctx, func() error {
		_, _, err := d.append(ctx, Entry{ID: newID(), Body: body})
		return err
	})
}

// do lets the writer do something, and waits for it.
func (d *Desk) do(ctx context.Context, job func() error) error {
	done := make(chan error, 1)
	select {
	case d.jobs <- func() { done <- job() }:
	case <-d.ended:
		return ErrStopped
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// newID is 16 random bytes in hex.
func newID() string {
	var b [16]byte
	rand.Read(b[:]) // never fails, says its package
	return hex.EncodeToString(b[:])
}
