package broker

import (
	"cmp"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"hailong/collector/broker/callout"
)

const (
	// readyWithin is how long the server may take to open its door: 20 ms here, a slow card needs more.
	readyWithin = 10 * time.Second
	// drainFor is how long Close waits for Handle to take what has arrived, and again to finish what it has in hand.
	drainFor = 5 * time.Second
	// writeDeadline ends a connection that takes nothing any more.
	writeDeadline = 10 * time.Second
	// authSeconds is how long a connection may take to say who it is.
	authSeconds = 5
	// shutWithin is how long the server may take to end all connections. An admission under way takes callout.Within
	// at most, a session that a full store does not keep 5 s.
	shutWithin = 10 * time.Second
	// settleFor is long for a goroutine of the server that only has to get through a few lines.
	settleFor = 100 * time.Millisecond
	// maxSubs is plenty for three topics and leaves room for new kinds.
	maxSubs = 32
	// maxPending is what may wait for one slow connection, above all our own.
	maxPending = 32 << 20
	// sessionStore is room for the session records (184 bytes each) and the server's own bookkeeping.
	sessionStore = 64 << 20
	// terminalStore is what one terminal can fill by retaining on its three topics. Full means that nobody can
	// connect any more, so the limit is above what all of them can do together.
	terminalStore = 3 * MaxPayload
	// waitingPerTerminal is what one terminal may have waiting for Handle: a batch, its repetition and a hello.
	waitingPerTerminal = 3 * (64 << 10)
	// waitingAtMost keeps a stuck Handle from taking all memory; beyond it the receipts' repetition helps.
	waitingAtMost = 1 << 30
)

// node is one life of the embedded server. The watchdog ends it and starts another.
type node struct {
	keys    *callout.Keys
	options *server.Options
	srv     *server.Server
	nc      *nats.Conn
	subs    []*nats.Subscription
	drained chan string // one word for each of subs, when its last message is handled
}

// serverOptions comes with the two switches that exist only in the configuration's language, and which must be read
// before the fields, because reading sets them all. Without the first, one terminal fills the store with QoS 2
// messages and nobody else can connect.
func (s *Server) serverOptions(keys *callout.Keys) (*server.Options, error) {
	o := &server.Options{}
	if err := o.ProcessConfigString("mqtt { reject_qos2_publish: true, downgrade_qos2_subscribe: true }"); err != nil {
		return nil, fmt.Errorf("configure the server: %w", err)
	}
	o.ServerName = "hailong-collector"
	o.DontListen, o.NoSigs, o.NoLog = true, true, true
	o.JetStream, o.StoreDir, o.JetStreamMaxMemory = true, s.storeDir, 16<<20
	o.JetStreamMaxStore = int64(s.maxConn)*terminalStore + sessionStore
	o.MaxPayload, o.MaxSubs, o.MaxPending = MaxPayload, maxSubs, maxPending
	o.MaxConn = s.maxConn + 2 // our own connection and the canary's
	o.WriteDeadline = writeDeadline
	keys.Configure(o)
	// The server's own port, any free one, is no second door: only this machine reaches it, and who does not come
	// through the gate is refused (identify), whatever else the registry would say.
	o.MQTT.Host, o.MQTT.Port, o.MQTT.AuthTimeout = "127.0.0.1", server.RANDOM_PORT, authSeconds
	secureDoor(o)
	return o, nil
}

// secureDoor is where certificates will be set (MQTT.TLSConfig, TLSTimeout): TLS passes through the gate. Until then
// the gate listens on the loopback interface only.
func secureDoor(*server.Options) {}

// startNode empties the store and starts a server, its admission and the three subscriptions. The gate is opened
// after that, so nobody comes who would not be heard.
func (s *Server) startNode() (*node, error) {
	if err := wipeStore(s.storeDir); err != nil {
		return nil, err
	}
	keys, err := callout.New()
	if err != nil {
		return nil, err
	}
	o, err := s.serverOptions(keys)
	if err != nil {
		return nil, err
	}
	srv, err := server.NewServer(o)
	if err != nil {
		return nil, fmt.Errorf("make the server: %w", err)
	}
	srv.SetLoggerV2(s.journal, false, false, false)
	srv.Start()
	n := &node{keys: keys, options: o, srv: srv, drained: make(chan string, len(upward()))}
	if !srv.ReadyForConnections(readyWithin) {
		s.end(n)
		return nil, fmt.Errorf("start the server: not ready in %v: %s", readyWithin, s.journal.LastFatal())
	}
	if err := s.attend(n); err != nil {
		s.end(n)
		return nil, err
	}
	return n, nil
}

// attend connects the collector to its server, inside the process.
func (s *Server) attend(n *node) error {
	nc, err := nats.Connect("", nats.InProcessServer(n.srv),
		n.keys.Insider(), nats.MaxReconnects(-1), nats.ReconnectWait(200*time.Millisecond),
		nats.ReconnectBufSize(-1), // a receipt kept for later is a stale receipt: Publish says no instead
		// The default handlers print.
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { s.fault(err) }),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) { s.fault(cmp.Or(err, errDown)) }))
	if err != nil {
		return fmt.Errorf("connect to the server: %w", err)
	}
	n.nc = nc
	if _, err := nc.Subscribe(callout.Subject, func(m *nats.Msg) { s.admit(n, m) }); err != nil {
		return fmt.Errorf("subscribe %s: %w", callout.Subject, err)
	}
	for _, kind := range upward() {
		sub, err := nc.Subscribe(subjectOf("*", kind), s.receive)
		if err == nil {
			// nats.go drops above its default of 64 MB, without a word to the server.
			err = sub.SetPendingLimits(-1, s.waitingBytes())
		}
		if err != nil {
			return fmt.Errorf("subscribe %s: %w", kind, err)
		}
		sub.SetClosedHandler(func(subject string) { n.drained <- subject })
		n.subs = append(n.subs, sub)
	}
	if err := nc.Flush(); err != nil {
		return fmt.Errorf("subscribe: %w", err)
	}
	return nil
}

func (s *Server) waitingBytes() int {
	want := int64(s.maxConn) * waitingPerTerminal
	return int(min(max(want, nats.DefaultSubPendingBytesLimit), waitingAtMost))
}

// end ends a server in an order that keeps it from falling over (nats-server 2.15.2, newRespInbox): one connection that
// is being admitted by callout while Shutdown runs brings the whole process down, and the watchdog ends servers just
// when many come back. So the gate ends them all first, while admission is still answered. What then could still come
// to the server's own port, around the gate, the server itself is told to turn away.
func (s *Server) end(n *node) {
	if torn := s.gate.Shut(shutWithin); torn > 0 {
		s.fault(fmt.Errorf("%d connections did not end in %v", torn, shutWithin))
	}
	open := len(n.subs)
	if n.nc != nil && n.nc.IsConnected() {
		for _, sub := range n.subs {
			_ = sub.Drain() // what cannot be drained is closed below
		}
		open -= n.await(open)
	}
	if err := n.seal(); err != nil {
		s.fault(err)
	}
	n.srv.Shutdown()
	n.await(open)
	n.srv.WaitForShutdown()
}

// seal closes our own connection and makes the server turn away and cut everybody, which is what a limit below zero
// means. After the gate is shut only programs on this machine that went around it can be there. Cutting one from here
// does not wait for it, so it gets time to have done with an admission.
func (n *node) seal() error {
	left := n.others()
	if n.nc != nil {
		n.nc.SetDisconnectErrHandler(nil)
		n.nc.Close()
	}
	if !n.srv.Running() {
		return nil
	}
	n.srv.SetLoggerV2(nil, false, false, false) // it would call each of them an error, our own connection too
	o := n.options.Clone()
	o.MaxConn = -1
	if err := n.srv.ReloadOptions(o); err != nil {
		return fmt.Errorf("close the server's own port: %w", err)
	}
	<-time.After(settleFor)
	if left > 0 {
		return fmt.Errorf("%d connections to the server's own port, around the gate", left)
	}
	return nil
}

// others counts the connections beside our own. The server forgets one a moment after it has ended it.
func (n *node) others() (count int) {
	again := time.NewTicker(settleFor / 20)
	defer again.Stop()
	for late := time.Now().Add(settleFor); ; <-again.C {
		count = n.srv.NumClients()
		if n.nc != nil && n.nc.IsConnected() {
			count--
		}
		if count <= 0 || time.Now().After(late) {
			return count
		}
	}
}

// await counts the subscriptions that end in time; a Handle that hangs must not keep the process from ending.
func (n *node) await(open int) (ended int) {
	late := time.NewTimer(drainFor)
	defer late.Stop()
	for ended < open {
		select {
		case <-n.drained:
			ended++
		case <-late.C:
			return ended
		}
	}
	return ended
}

// addr is the server's own port.
func (n *node) addr() string {
	return net.JoinHostPort(n.options.MQTT.Host, strconv.Itoa(n.options.MQTT.Port))
}
