// Package uplink carries a terminal's line to the centre, oldest first, one batch in flight, and
// lets the queue forget only on the collector's signed receipt. It never opens a record.
package uplink

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	mathrand "math/rand/v2"
	"slices"
	"sync"
	"time"

	"hailong/sync/seal"
	"hailong/sync/wire"
	"hailong/vote"
)

// Line is where a terminal's queue stands.
type Line struct {
	Epoch  seal.Epoch
	Next   uint64    // seq the next record will get
	Head   seal.Head // chain after record Next−1
	Upto   uint64    // highest receipted seq
	Oldest uint64    // oldest seq still kept
	Before seal.Head // chain after record Oldest−1
}

// Run is a contiguous piece of the line, as wire.Batch wants it.
type Run struct {
	First      uint64
	Prev, Head seal.Head
	Items      []wire.Item
	Tally      wire.Tally
	Origin     wire.Origin
}

// Queue is what uplink asks of the outbox. Looking does not take; only a receipt lets records go.
type Queue interface {
	Line() Line
	// Look returns up to records entries from a seq; none where nothing waits there. An error
	// ends the uplink.
	Look(from uint64, records, bytes int) (Run, error)
	// Receipted lets go of everything up to upto, if head is the queue's own head there;
	// otherwise ErrNotOurs. ErrNoRoom is tried again; any other error is the disk's and ends the uplink.
	Receipted(ctx context.Context, upto uint64, head seal.Head, at time.Time) error
	// Rewind takes a receipt back: the collector was restored from a backup. ErrNotOurs where
	// the head differs or the records are gone.
	Rewind(ctx context.Context, upto uint64, head seal.Head) error
	// More is signalled after new records.
	More() <-chan struct{}
}

// Conn is one connection to the broker, subscribed to the terminal's receipts.
type Conn interface {
	Publish(ctx context.Context, topic string, payload []byte) error
	Lost() <-chan struct{}
	Close() error
}

// Dial makes a connection whose incoming messages go to handle; will is published by the broker
// on the terminal's status topic when the connection dies.
type Dial func(ctx context.Context, will []byte, handle func(topic string, payload []byte)) (Conn, error)

// Options of an uplink; all but Salvaged, Waits, Log and Software must be set.
type Options struct {
	Terminal  vote.TerminalID
	Queue     Queue
	Dial      Dial
	Codec     *wire.Codec
	Key       ed25519.PrivateKey // the terminal's
	Collector ed25519.PublicKey  // whose receipts count
	Now       func() vote.Stamp
	Software  string
	Salvaged  bool  // the queue is what was left of an epoch: Run ends when the centre has it all
	Waits     Waits // DefaultWaits where zero
	Log       *slog.Logger
}

// Waits are the uplink's waiting times.
type Waits struct {
	Receipt    time.Duration // first wait for an answer, ± a fifth; doubles up to MaxRetry
	MaxRetry   time.Duration
	Stalled    time.Duration // no answer at all for this long: a new connection
	Hello      time.Duration // between hellos on a living connection
	Alive      time.Duration // between signs of life while nothing waits
	Refused    time.Duration // before asking again after unknown or version
	Reconnect  time.Duration // base of the full jitter between connections
	ReconnectX time.Duration // its cap
}

// DefaultWaits are the times of the protocol (WIRE.md).
func DefaultWaits() Waits {
	return Waits{
		// A collector on the office's own machine answers in milliseconds; ten seconds is a disk
		// in trouble or a lost message.
		Receipt:  10 * time.Second,
		MaxRetry: 5 * time.Minute,
		// A broker can keep a link open and deliver nothing.
		Stalled: 90 * time.Second,
		// What a terminal should show is asked for, not retained in the broker.
		Hello: 10 * time.Minute,
		// The live page calls a terminal quiet after two minutes: one sign may be lost.
		Alive: time.Minute,
		// A person has to act before the answer can change.
		Refused: time.Hour,
		// 1,000 terminals must not meet a returning broker in one second.
		Reconnect:  time.Second,
		ReconnectX: 5 * time.Minute,
	}
}

// Events this room logs.
const (
	eventLink    = "uplink.link"
	eventWarning = "uplink.warning"
)

// Warning is something a person should know of, with a stable code.
type Warning struct {
	Code string
	Text string
}

// Status is what the uplink tells about itself.
type Status struct {
	Connected   bool
	Since       time.Time // of the connection or of its loss
	LastReceipt time.Time // own clock; zero where none came since the start
	Tries       int       // connections tried since the last receipt
	Warnings    []Warning
}

// Uplink carries one terminal's line.
type Uplink struct {
	o     Options
	retry time.Duration // next wait for an answer, across connections; Run's alone

	mu       sync.Mutex // guards what follows
	status   Status
	warnings map[string]Warning
}

// New makes an uplink; Run drives it.
func New(o Options) *Uplink {
	if o.Waits == (Waits{}) {
		o.Waits = DefaultWaits()
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Uplink{o: o, retry: o.Waits.Receipt, warnings: map[string]Warning{}}
}

// Status tells how the uplink fares.
func (u *Uplink) Status() Status {
	u.mu.Lock()
	defer u.mu.Unlock()
	s := u.status
	s.Warnings = nil
	for _, code := range slices.Sorted(maps.Keys(u.warnings)) {
		s.Warnings = append(s.Warnings, u.warnings[code])
	}
	return s
}

func (u *Uplink) warn(code, format string, args ...any) {
	w := Warning{code, fmt.Sprintf(format, args...)}
	u.mu.Lock()
	known := u.warnings[code] == w
	u.warnings[code] = w
	u.mu.Unlock()
	if !known {
		u.o.Log.Warn(eventWarning, "terminal", u.o.Terminal, "code", w.Code, "text", w.Text)
	}
}

func (u *Uplink) settled(codes ...string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, c := range codes {
		delete(u.warnings, c)
	}
}

func (u *Uplink) linked(up bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if up != u.status.Connected || u.status.Since.IsZero() {
		u.status.Connected, u.status.Since = up, time.Now()
	}
}

func (u *Uplink) tried() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.status.Tries++
}

func (u *Uplink) progressed() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.status.LastReceipt, u.status.Tries = time.Now(), 0
}

// Run keeps a connection and carries what waits until ctx ends. It returns an error only where
// the queue itself fails; a missing network is not an error. With Salvaged it ends when the centre
// has everything, or with ErrRefused.
func (u *Uplink) Run(ctx context.Context) error {
	failed := 0
	for ctx.Err() == nil {
		u.tried()
		v := newVisit(u)
		err := v.run(ctx)
		u.linked(false)
		if v.answered {
			failed = 0
		}
		if ctx.Err() != nil {
			return nil
		}
		if errors.Is(err, errDone) {
			return nil
		}
		if q := (*queueError)(nil); errors.As(err, &q) || errors.Is(err, ErrRefused) {
			return err
		}
		u.o.Log.Info(eventLink, "terminal", u.o.Terminal, "up", false, "err", err)
		u.warn("link", "%v", err)
		rest(ctx, fullJitter(u.o.Waits.Reconnect, u.o.Waits.ReconnectX, failed))
		failed++
	}
	return nil
}

// ErrNotOurs means that a receipt names records or a chain which the queue does not have.
var ErrNotOurs = errors.New("receipt does not fit the line")

// ErrNoRoom means that the disk has no room to note a receipt. Nothing is lost: the same receipt will come again.
var ErrNoRoom = errors.New("no room to note a receipt")

// ErrRefused means that the centre does not take what was salvaged.
var ErrRefused = errors.New("the centre refuses what was salvaged")

// queueError is a failure of the terminal's own disk: nothing the network could mend.
type queueError struct{ err error }

func (q *queueError) Error() string { return "read outbox: " + q.err.Error() }
func (q *queueError) Unwrap() error { return q.err }

// fullJitter is rand(0, min(cap, base·2^n)).
func fullJitter(base, limit time.Duration, n int) time.Duration {
	most := min(limit, base<<min(n, 16))
	return mathrand.N(most) + 1
}

// around is d ± a fifth, so that a fleet does not repeat itself in step.
func around(d time.Duration) time.Duration {
	return d - d/5 + mathrand.N(2*d/5+1)
}

func rest(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

func newNonce() (n wire.Nonce) {
	rand.Read(n[:]) // crypto/rand.Read never fails (it ends the program instead)
	return n
}
