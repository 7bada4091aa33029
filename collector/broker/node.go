package broker

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"strconv"
	"syscall"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
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
	srv     *server.Server
	nc      *nats.Conn
	subs    []*nats.Subscription
	drained chan string // one word for each of subs, when its last message is handled
}

// serverOptions comes with the two switches that exist only in the configuration's language, and which must be read
// before the fields, because reading sets them all. Without the first, one terminal fills the store with QoS 2
// messages and nobody else can connect.
func (s *Server) serverOptions(host string, port int) (*server.Options, error) {
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
	o.WriteDeadline, o.AuthTimeout, o.CustomClientAuthentication = writeDeadline, authSeconds, admission{s}
	o.MQTT.Host, o.MQTT.Port, o.MQTT.AuthTimeout = host, port, authSeconds
	secureDoor(o)
	return o, nil
}

// secureDoor is where certificates will be set (MQTT.TLSConfig, TLSTimeout). Until then checkListen keeps the door
// on the loopback interface.
func secureDoor(*server.Options) {}

// startNode empties the store and starts a server and the three subscriptions, in that order: a terminal that comes
// before the last of them is not heard, and tries again.
func (s *Server) startNode(host string, port int) (*node, error) {
	if err := wipeStore(s.storeDir); err != nil {
		return nil, err
	}
	o, err := s.serverOptions(host, port)
	if err != nil {
		return nil, err
	}
	srv, err := server.NewServer(o)
	if err != nil {
		return nil, fmt.Errorf("make the server: %w", err)
	}
	srv.SetLoggerV2(s.journal, false, false, false)
	srv.Start()
	n := &node{srv: srv, drained: make(chan string, len(upward()))}
	if !srv.ReadyForConnections(readyWithin) {
		n.stop()
		return nil, fmt.Errorf("start the server: not ready in %v: %s", readyWithin, s.journal.LastFatal())
	}
	if err := s.attend(n); err != nil {
		n.stop()
		return nil, err
	}
	return n, nil
}

// attend connects the collector to its server, inside the process.
func (s *Server) attend(n *node) error {
	nc, err := nats.Connect("", nats.InProcessServer(n.srv),
		nats.UserInfo(collectorUser, s.secret),
		nats.MaxReconnects(-1), nats.ReconnectWait(200*time.Millisecond),
		nats.ReconnectBufSize(-1), // a receipt kept for later is a stale receipt: Publish says no instead
		// The default handlers print.
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { s.fault(err) }),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) { s.fault(cmp.Or(err, errDown)) }))
	if err != nil {
		return fmt.Errorf("connect to the server: %w", err)
	}
	n.nc = nc
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

// stop lets Handle take what has arrived, then ends the server.
func (n *node) stop() {
	open := len(n.subs)
	if n.nc != nil && n.nc.IsConnected() {
		for _, sub := range n.subs {
			_ = sub.Drain() // what cannot be drained is closed below
		}
		open -= n.await(open)
	}
	if n.nc != nil {
		n.nc.SetDisconnectErrHandler(nil)
	}
	n.srv.Shutdown()
	if n.nc != nil {
		n.nc.Close()
	}
	n.await(open)
	n.srv.WaitForShutdown()
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

// checkListen refuses what must not be, and finds out early, and in words, that the port is taken: the server itself
// would only log that and live on.
func checkListen(listen string) (host string, port int, err error) {
	host, p, err := net.SplitHostPort(listen)
	if err != nil {
		return "", 0, fmt.Errorf("listen %s: want address:port", listen)
	}
	if port, err = strconv.Atoi(p); err != nil || port < 0 || port > 65535 {
		return "", 0, fmt.Errorf("listen %s: %q is not a port", listen, p)
	}
	if ip := net.ParseIP(host); ip == nil || !ip.IsLoopback() {
		return "", 0, fmt.Errorf("listen %s: without certificates only this machine may connect: use 127.0.0.1:%s",
			listen, p)
	}
	l, err := net.Listen("tcp", listen)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return "", 0, fmt.Errorf("listen %s: %w: another program holds the port; choose another one for the broker",
			listen, syscall.EADDRINUSE)
	case err != nil:
		return "", 0, fmt.Errorf("listen %s: %w", listen, err)
	}
	defer l.Close()
	return host, l.Addr().(*net.TCPAddr).Port, nil
}
