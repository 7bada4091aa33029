// Package ingest takes what terminals send: it verifies before it opens, has each record filed
// once and answers with a signed receipt. It never keeps anything itself and never says "ok"
// before the store has.
package ingest

import (
	"context"
	"crypto/ed25519"
	"hash/fnv"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"hailong/collector/org"
	"hailong/sync/seal"
	"hailong/sync/wire"
	"hailong/vote"
)

// Keyring knows the terminals' keys.
type Keyring interface {
	// Keys is org.ErrUnknown where no such terminal is registered.
	Keys(ctx context.Context, id vote.TerminalID) (key ed25519.PublicKey, secretHash [32]byte, err error)
}

// Filer keeps what terminals say. Each method returns once it is on the disk.
type Filer interface {
	File(ctx context.Context, f org.Filing) (org.Position, error)
	Greet(ctx context.Context, h wire.Hello, received time.Time) (org.Position, error)
	Seen(ctx context.Context, id vote.TerminalID, online bool, at time.Time) error
	SetAside(ctx context.Context, a org.Aside) error
	// BootAnchor is the centre's wall clock at a boot it has heard of.
	BootAnchor(ctx context.Context, id vote.TerminalID, epoch seal.Epoch, boot uint32) (time.Time, bool, error)
}

// Store is both.
type Store interface {
	Keyring
	Filer
}

// Sizes of the waiting room.
const (
	// lanes are worked on side by side. One would do for the disk; more let one fsync serve many.
	lanes = 8
	// depth bounds what waits in a lane: 64 batches are 4 MB at most, and a second's work.
	depth = 64
	// retryAfter is what a terminal is told to wait when the centre is busy.
	retryAfter = 5 * time.Second
)

// Options is what New needs. All fields are required.
type Options struct {
	Store   Store
	Codec   *wire.Codec
	SignKey ed25519.PrivateKey // signs receipts
	Now     func() time.Time
	Log     *slog.Logger
	Send    func(terminal vote.TerminalID, kind string, payload []byte) error
}

// Ingest is the centre's door. Handle puts messages in line, Run works them off.
type Ingest struct {
	// Fixed after New.
	o     Options
	lanes [lanes]chan message
	turns chan message // messages that found their lane full, to be told so

	closed atomic.Bool
	mu     sync.Mutex // guards counters
	counts Counters
}

type message struct {
	terminal vote.TerminalID
	kind     string
	payload  []byte
	received time.Time
	carried  bool // by hand, whenever
}

// New makes the door. Messages wait until Run.
func New(o Options) *Ingest {
	g := &Ingest{o: o, turns: make(chan message, depth), counts: Counters{Refused: map[wire.Code]uint64{}}}
	for i := range g.lanes {
		g.lanes[i] = make(chan message, depth)
	}
	return g
}

// Handle puts a message in line and returns at once: the broker's callback must not wait. The
// payload must not be changed afterwards. Messages of one terminal keep their order. A terminal
// whose line is full is told "busy".
func (g *Ingest) Handle(_ context.Context, terminal, kind string, payload []byte, received time.Time) {
	g.count(func(c *Counters) { c.Received++ })
	id, err := vote.ParseTerminalID(terminal)
	if err != nil || kind != wire.Up && kind != wire.StatusTopic || g.closed.Load() {
		g.count(func(c *Counters) { c.Ignored++ })
		return
	}
	// Milliseconds are what the store keeps; a check must compute with the same time.
	m := message{terminal: id, kind: kind, payload: payload, received: received.Truncate(time.Millisecond)}
	h := fnv.New32a()
	_, _ = h.Write([]byte(id))
	select {
	case g.lanes[h.Sum32()%lanes] <- m:
		return
	default:
	}
	select {
	case g.turns <- m:
	default:
		// The terminal asks again by itself when no answer comes.
		g.count(func(c *Counters) { c.Dropped++ })
	}
}

// Run works until ctx ends, and then works off what waits.
func (g *Ingest) Run(ctx context.Context) error {
	var workers sync.WaitGroup
	for _, lane := range g.lanes {
		workers.Go(func() { work(ctx, lane, g.take) })
	}
	workers.Go(func() { work(ctx, g.turns, g.turnAway) })
	<-ctx.Done()
	g.closed.Store(true)
	workers.Wait()
	return nil
}

func work(ctx context.Context, lane <-chan message, take func(context.Context, message)) {
	// What has begun is finished: half an answer helps nobody.
	whole := context.WithoutCancel(ctx)
	for {
		select {
		case m := <-lane:
			take(whole, m)
			continue
		case <-ctx.Done():
		}
		for {
			select {
			case m := <-lane:
				take(whole, m)
			default:
				return
			}
		}
	}
}

// Counters are totals since New.
type Counters struct {
	Received    uint64               // messages
	Ignored     uint64               // messages on other topics, from impossible names or after the end
	Dropped     uint64               // messages not even answered, because all lines were full
	Filed       uint64               // new records
	Quarantined uint64               // records told to be quarantined, and messages set aside
	Refused     map[wire.Code]uint64 // messages by code of their receipt, other than ok and quarantined
}

// Counters is a copy of the totals.
func (g *Ingest) Counters() Counters {
	g.mu.Lock()
	defer g.mu.Unlock()
	c := g.counts
	c.Refused = make(map[wire.Code]uint64, len(g.counts.Refused))
	for code, n := range g.counts.Refused {
		c.Refused[code] = n
	}
	return c
}

func (g *Ingest) count(change func(*Counters)) {
	g.mu.Lock()
	defer g.mu.Unlock()
	change(&g.counts)
}
