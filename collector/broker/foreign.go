package broker

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"hailong/sync/mqtt"
)

const (
	// redialFirst and redialCap bound the pause before the next attempt: anything from zero to a limit that
	// doubles. The randomness keeps two collectors, and all terminals, from coming back in step.
	redialFirst = time.Second
	redialCap   = 30 * time.Second
	// settled is how long a link must have lasted for the pause to start small again: a broker that throws us out
	// after CONNACK must not be called in a loop.
	settled = time.Minute
	// foreignQueue is how many messages of all terminals together may wait for Handle: 1,024 terminals with a batch,
	// its repetition, a hello and a health report each.
	foreignQueue = 4096
)

var errNoLink = errors.New("no link to the broker")

// ForeignOptions says where somebody else's broker is. Its access rules must let each terminal publish and subscribe
// only its own topics, and the collector all of them.
type ForeignOptions struct {
	// Broker is "host:port" or "tls://host:port".
	Broker                       string
	Username, Password, ClientID string
	TLS                          *tls.Config
	QoS                          byte // of what goes down: 0, or 1 for brokers that want it
	Log                          *slog.Logger
	// Handle is called in order of arrival by one goroutine. It may wait for a commit.
	Handle func(Message)
}

// Guest is the collector as a client of somebody else's broker.
type Guest struct {
	// Fixed after Foreign.
	options mqtt.Options
	log     *slog.Logger
	handle  func(Message)
	ctx     context.Context // ends with the guest; Publish needs it, and Door has no room for it
	stop    context.CancelFunc
	done    chan struct{}

	ignored, redials, dropped atomic.Uint64

	mu   sync.Mutex // guards what follows
	conn *mqtt.Conn // nil while there is none
	why  error      // of the last loss or attempt
}

// Foreign starts to dial and returns at once: a broker that is down today is no reason for the centre not to start.
// It dials again after every loss until ctx ends.
func Foreign(ctx context.Context, o ForeignOptions) (*Guest, error) {
	if o.Log == nil || o.Handle == nil {
		return nil, fmt.Errorf("join broker %s: log %t, handle %t: both are needed",
			o.Broker, o.Log != nil, o.Handle != nil)
	}
	ctx, stop := context.WithCancel(ctx)
	g := &Guest{log: o.Log, handle: o.Handle, ctx: ctx, stop: stop, done: make(chan struct{}), why: errNoLink}
	g.options = mqtt.Options{Broker: o.Broker, ClientID: o.ClientID, Username: o.Username, Password: o.Password,
		TLS: o.TLS, QoS: o.QoS, Queue: foreignQueue, Handle: g.receive}
	for _, kind := range upward() {
		g.options.Subscribe = append(g.options.Subscribe, topicOf("+", kind))
	}
	if err := g.options.Validate(); err != nil {
		stop()
		return nil, fmt.Errorf("join broker %s: %w", o.Broker, err)
	}
	go g.run()
	return g, nil
}

func (g *Guest) run() {
	defer close(g.done)
	limit := redialFirst
	for g.ctx.Err() == nil {
		began := time.Now()
		err := g.visit()
		if g.ctx.Err() != nil {
			return
		}
		if time.Since(began) > settled {
			limit = redialFirst
		}
		pause := rand.N(limit)
		g.log.Warn(eventForeign, "broker", g.options.Broker, "again_in", pause, "err", err)
		limit = min(2*limit, redialCap)
		select {
		case <-time.After(pause):
			g.redials.Add(1)
		case <-g.ctx.Done():
		}
	}
}

// visit is one connection.
func (g *Guest) visit() error {
	conn, err := mqtt.Dial(g.ctx, g.options)
	g.set(conn, err)
	if err != nil {
		return err
	}
	g.log.Info(eventForeign, "broker", g.options.Broker, "connected", true)
	select {
	case <-conn.Lost():
		err = conn.Err()
	case <-g.ctx.Done():
	}
	g.set(nil, err)
	conn.Close()
	g.dropped.Add(conn.Dropped())
	return err
}

func (g *Guest) set(conn *mqtt.Conn, why error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.conn, g.why = conn, cmp.Or(why, errNoLink)
}

func (g *Guest) receive(m mqtt.Message) {
	terminal, kind, ok := parseUp(m.Topic, "/")
	if !ok {
		g.ignored.Add(1)
		return
	}
	g.handle(Message{Terminal: terminal, Kind: kind, Payload: m.Payload, Received: time.Now()})
}

// Publish sends a message towards one terminal, and says so if there is no link at the moment.
func (g *Guest) Publish(terminal, kind string, payload []byte) error {
	if err := checkDown(terminal, kind, payload); err != nil {
		return fmt.Errorf("publish to terminal: %w", err)
	}
	g.mu.Lock()
	conn := g.conn
	g.mu.Unlock()
	if conn == nil {
		return fmt.Errorf("publish to terminal %s: %w", terminal, errNoLink)
	}
	return conn.Publish(g.ctx, topicOf(terminal, kind), payload)
}

// Ready says why nothing can arrive at the moment.
func (g *Guest) Ready() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.conn != nil {
		return nil
	}
	return fmt.Errorf("broker %s: %w", g.options.Broker, g.why)
}

// Counts returns what has been counted since the start.
func (g *Guest) Counts() Counts {
	c := Counts{Ignored: g.ignored.Load(), Slow: g.dropped.Load(), Restarts: g.redials.Load()}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.conn != nil {
		c.Slow += g.conn.Dropped()
	}
	return c
}

// Close leaves the broker. Handle must not call it.
func (g *Guest) Close() error {
	g.stop()
	<-g.done
	return nil
}
