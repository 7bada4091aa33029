package broker

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"hailong/collector/broker/gate"
	"hailong/collector/broker/journal"
)

// Events of the log.
const (
	eventRestarting = "broker.restarting"
	eventRestarted  = "broker.restarted"
	eventClient     = "broker.client" // the collector's own connection
	eventForeign    = "broker.foreign"
	eventRefused    = "broker.refused" // somebody unknown, with a wrong secret, or under another client id
)

// DefaultMaxConn suits a centre of a province on one machine. Each connection costs about 60 KB.
const DefaultMaxConn = 1024

// errDown means that the server is being restarted or has ended.
var errDown = errors.New("broker is restarting or has ended")

// EmbeddedOptions says where the embedded server listens and for whom.
type EmbeddedOptions struct {
	// Listen is "127.0.0.1:1883"; port 0 takes a free one. Only loopback, until there are certificates.
	Listen string
	// StoreDir is a folder of the broker's own, best on a tmpfs. It is emptied at every start.
	StoreDir string
	Registry Registry
	Log      *slog.Logger
	// MaxConn is how many terminals may be connected; zero means DefaultMaxConn.
	MaxConn int
	// Handle is called for every message from a terminal, at the same time for different kinds and in order for
	// one kind. It may wait for a commit, but what it does not take for long is dropped and counted.
	Handle func(Message)
}

// Server is the embedded broker.
type Server struct {
	// Fixed after Embedded.
	gate     *gate.Gate
	storeDir string
	secret   string
	maxConn  int
	registry Registry
	handle   func(Message)
	log      *slog.Logger
	journal  *journal.Journal

	stop context.CancelFunc
	done chan struct{}
	err  error // set before done is closed

	certain, doubtful                 chan string // troubles told by the log
	ignored, faults, restarts, misses atomic.Uint64

	mu   sync.RWMutex // guards what follows
	node *node        // nil while there is none
}

// Embedded starts the server and returns when it listens. It ends with ctx, or by Close.
func Embedded(ctx context.Context, o EmbeddedOptions) (*Server, error) {
	if o.Registry == nil || o.Log == nil || o.Handle == nil || o.MaxConn < 0 {
		return nil, fmt.Errorf("start broker: registry %t, log %t, handle %t: all are needed; at most %d connections",
			o.Registry != nil, o.Log != nil, o.Handle != nil, o.MaxConn)
	}
	maxConn := cmp.Or(o.MaxConn, DefaultMaxConn)
	door, err := gate.Listen(o.Listen, maxConn+1) // and the canary
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(ctx)
	s := &Server{
		gate: door, storeDir: o.StoreDir, secret: rand.Text(), maxConn: maxConn,
		registry: o.Registry, handle: o.Handle, log: o.Log,
		stop: stop, done: make(chan struct{}),
		certain: make(chan string, 1), doubtful: make(chan string, 1),
	}
	s.journal = journal.New(o.Log, s.report)
	n, err := s.startNode()
	if err != nil {
		stop()
		door.Close()
		return nil, fmt.Errorf("start broker: %w", err)
	}
	s.set(n)
	go s.watch(ctx)
	return s, nil
}

// Addr is the address really listened on, the same through every restart.
func (s *Server) Addr() string { return s.gate.Addr() }

// Ready says why a terminal could not connect right now.
func (s *Server) Ready() error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.node == nil {
		return errDown
	}
	if !s.node.nc.IsConnected() {
		return errors.New("collector is not connected to its broker")
	}
	if n := s.misses.Load(); n > 0 {
		return fmt.Errorf("%d trial connections in a row did not succeed", n)
	}
	return nil
}

// Publish sends a message towards one terminal. Nobody may be there to hear it, and that is no error.
func (s *Server) Publish(terminal, kind string, payload []byte) error {
	if err := checkDown(terminal, kind, payload); err != nil {
		return fmt.Errorf("publish to terminal: %w", err)
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.node == nil {
		return fmt.Errorf("publish to terminal %s: %w", terminal, errDown)
	}
	if err := s.node.nc.Publish(subjectOf(terminal, kind), payload); err != nil {
		return fmt.Errorf("publish to terminal %s: %w", terminal, err)
	}
	return nil
}

// Revoke cuts a terminal's connections at once, also one that is being admitted: its client id is known before the
// registry is asked. The registry must refuse the terminal first, or it is back in a second.
func (s *Server) Revoke(terminal string) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.node == nil || !validTerminal(terminal) {
		return
	}
	list, err := s.node.srv.Connz(&server.ConnzOptions{MQTTClient: terminal, Limit: s.maxConn + 2})
	if err != nil {
		s.fault(fmt.Errorf("find the connections of %s: %w", terminal, err))
		return
	}
	for _, c := range list.Conns {
		_ = s.node.srv.DisconnectClientByID(c.Cid) // it may have left by itself
	}
}

// receive is called in three goroutines of nats.go, one for each kind.
func (s *Server) receive(m *nats.Msg) {
	terminal, kind, ok := parseUp(m.Subject, ".")
	if !ok {
		s.ignored.Add(1)
		return
	}
	s.handle(Message{Terminal: terminal, Kind: kind, Payload: m.Data, Received: time.Now()})
}

// fault is trouble of the collector's own connection, above all messages dropped because Handle was too slow.
func (s *Server) fault(err error) {
	s.faults.Add(1)
	s.journal.Say(slog.LevelError, eventClient, "err", journal.Cut(err.Error()))
}

// Counts is what the broker has to report of itself.
type Counts struct {
	Ignored    uint64            // messages with a topic that no terminal has
	Slow       uint64            // messages dropped because Handle was too slow, since the last restart
	Faults     uint64            // troubles of the collector's own connection
	LogDropped uint64            // log lines left out
	Restarts   uint64            // by the watchdog
	Violations map[string]uint64 // forbidden publishes and subscriptions, by terminal
}

// Counts returns what has been counted since the start.
func (s *Server) Counts() Counts {
	c := Counts{Ignored: s.ignored.Load(), Faults: s.faults.Load(), Restarts: s.restarts.Load()}
	c.Violations, c.LogDropped = s.journal.Counts()
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.node != nil {
		for _, sub := range s.node.subs {
			n, _ := sub.Dropped() // 0 of one that is closed
			c.Slow += uint64(n)
		}
	}
	return c
}

// Wait returns when the server has ended: nil if it was told to, or why it could not go on.
func (s *Server) Wait() error {
	<-s.done
	return s.err
}

// Close ends the server. Handle must not call it.
func (s *Server) Close() error {
	s.stop()
	return s.Wait()
}

// set changes the node and opens the gate to it; nil first, so that nobody uses the old one while it ends.
func (s *Server) set(n *node) (old *node) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n != nil {
		s.gate.Open(n.addr())
	}
	old, s.node = s.node, n
	return old
}
