// Package gate holds the public port in front of a server that comes and goes, and carries bytes both ways. It never
// looks into them, so TLS passes through it.
//
// Its promise is the order of an end: a connection behind it is over only when the server has ended it, never before.
// Whoever has been through Shut knows that the server has read, and dealt with, the last byte it will ever get.
package gate

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
	"syscall"
	"time"
)

const (
	// bufferSize is for one direction of one connection. Splicing in the kernel needs no buffer, but a pipe for each
	// direction as long as the connection lasts: four more files for each terminal.
	bufferSize = 8 << 10
	// stuckAfter ends a connection that takes nothing any more, as the server would without a gate.
	stuckAfter = 10 * time.Second
	// dialWithin is for a server on the same machine.
	dialWithin = 5 * time.Second
	// acceptPause is for a machine that has no files left.
	acceptPause = 100 * time.Millisecond
)

// Gate is the public port. It is shut at first: whoever comes waits in front of it.
type Gate struct {
	listener *net.TCPListener
	most     int
	stuck    time.Duration
	done     chan struct{} // the port is closed, and nobody is carried any more

	mu     sync.Mutex // guards what follows
	change *sync.Cond // of server and closed
	server string     // who is behind; "" while the gate is shut
	closed bool
	links  map[*link]struct{}
	left   sync.WaitGroup // one for each of links; grows only while the gate is open
}

// Listen takes the port for the life of the gate, and says in words why it cannot. At most so many connections are
// carried at a time; the next one is closed at once.
func Listen(listen string, most int) (*Gate, error) {
	host, p, err := net.SplitHostPort(listen)
	if err != nil {
		return nil, fmt.Errorf("listen %s: want address:port", listen)
	}
	if port, err := strconv.Atoi(p); err != nil || port < 0 || port > 65535 {
		return nil, fmt.Errorf("listen %s: %q is not a port", listen, p)
	}
	if ip := net.ParseIP(host); ip == nil || !ip.IsLoopback() {
		return nil, fmt.Errorf("listen %s: without certificates only this machine may connect: use 127.0.0.1:%s",
			listen, p)
	}
	// A peer that is gone without a word is found out within 30 s, also where it asked for no keep-alive.
	lc := net.ListenConfig{KeepAliveConfig: net.KeepAliveConfig{
		Enable: true, Idle: 15 * time.Second, Interval: 5 * time.Second, Count: 3,
	}}
	l, err := lc.Listen(context.Background(), "tcp", listen)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("listen %s: %w: another program holds the port; choose another one for the broker",
			listen, syscall.EADDRINUSE)
	case err != nil:
		return nil, fmt.Errorf("listen %s: %w", listen, err)
	}
	g := &Gate{
		listener: l.(*net.TCPListener), most: most, stuck: stuckAfter, done: make(chan struct{}),
		links: make(map[*link]struct{}),
	}
	g.change = sync.NewCond(&g.mu)
	go g.accept()
	return g, nil
}

// Addr is where the public port really is.
func (g *Gate) Addr() string { return g.listener.Addr().String() }

// Open hands everybody on to the server at an address, first those who have waited.
func (g *Gate) Open(server string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.server = server
	g.change.Broadcast()
}

// Shut hands nobody on any more, ends what is open and waits until the server has ended it too. It tells how many
// connections the server had not ended in time; those are torn off.
func (g *Gate) Shut(within time.Duration) (torn int) {
	g.mu.Lock()
	g.server = ""
	for l := range g.links {
		l.end()
	}
	g.mu.Unlock()
	left := make(chan struct{})
	go func() {
		g.left.Wait()
		close(left)
	}()
	late := time.NewTimer(within)
	defer late.Stop()
	select {
	case <-left:
		return 0
	case <-late.C:
	}
	g.mu.Lock()
	torn = len(g.links)
	for l := range g.links {
		l.tear()
	}
	g.mu.Unlock()
	<-left
	return torn
}

// Close gives the port back. Whoever still waits in front of the gate is sent away. The gate must be shut.
func (g *Gate) Close() {
	g.mu.Lock()
	g.closed = true
	g.change.Broadcast()
	g.mu.Unlock()
	_ = g.listener.Close() // there is nothing in it that could be lost
	<-g.done
}

// Behind tells who is behind a connection that the server sees coming from an address; nil if it did not come
// through the gate.
func (g *Gate) Behind(from string) net.Addr {
	g.mu.Lock()
	defer g.mu.Unlock()
	for l := range g.links {
		if l.from == from {
			return l.outer.RemoteAddr()
		}
	}
	return nil
}

// accept takes no new connection while the gate is shut: the kernel keeps them waiting, and terminals find the port
// open through a restart of the server.
func (g *Gate) accept() {
	defer close(g.done)
	for {
		conn, err := g.listener.AcceptTCP()
		if !g.take(conn) {
			return
		}
		if err != nil {
			<-time.After(acceptPause)
		}
	}
}

// take waits until the gate is open, then carries a connection if there is one. It tells whether another may come.
func (g *Gate) take(conn *net.TCPConn) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	for g.server == "" && !g.closed {
		g.change.Wait()
	}
	switch {
	case conn == nil:
	case g.closed, len(g.links) >= g.most:
		_ = conn.Close()
	default:
		l, server := &link{outer: conn}, g.server
		g.links[l] = struct{}{}
		g.left.Go(func() { g.carry(l, server) })
	}
	return !g.closed
}
