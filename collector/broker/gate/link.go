package gate

import (
	"io"
	"net"
	"time"
)

// link is one connection through the gate.
type link struct {
	outer *net.TCPConn

	// Under the gate's lock, but for the goroutines of carry, which begin after it is set.
	inner *net.TCPConn // nil until the server's port has answered
	from  string       // how the server sees it
	torn  bool
}

// carry hands one connection on, until the server has ended it.
func (g *Gate) carry(l *link, server string) {
	if g.enter(l, server) {
		up := make(chan struct{})
		go func() {
			defer close(up)
			pump(l.inner, l.outer, 0)
			_ = l.inner.CloseWrite() // of one that is closed already it says so
		}()
		if pump(l.outer, l.inner, g.stuck) {
			l.end()
			_, _ = io.Copy(io.Discard, l.inner) // until the server has ended it
		}
		g.mu.Lock()
		l.tear()
		g.mu.Unlock()
		<-up
	}
	_ = l.outer.Close()
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.links, l)
}

// enter dials the server. What keeps it from answering is its own trouble, and the canary sees it as a terminal does.
func (g *Gate) enter(l *link, server string) bool {
	conn, err := net.DialTimeout("tcp", server, dialWithin)
	if err != nil {
		return false
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if l.torn {
		_ = conn.Close()
		return false
	}
	l.inner, l.from = conn.(*net.TCPConn), conn.LocalAddr().String()
	return true
}

// pump copies until one side ends. It tells whether it was the side it writes to.
func pump(to, from *net.TCPConn, stuck time.Duration) (toEnded bool) {
	buf := make([]byte, bufferSize)
	for {
		n, err := from.Read(buf)
		if n > 0 {
			if stuck > 0 {
				_ = to.SetWriteDeadline(time.Now().Add(stuck)) // of a closed one Write says so
			}
			if _, err := to.Write(buf[:n]); err != nil {
				return true
			}
		}
		if err != nil {
			return false
		}
	}
}

// end closes the public side and tells the server that nothing more will come. The server's own end follows.
func (l *link) end() {
	_ = l.outer.Close()
	if l.inner != nil {
		_ = l.inner.CloseWrite()
	}
}

// tear does not wait for the server.
func (l *link) tear() {
	l.torn = true
	l.end()
	if l.inner != nil {
		_ = l.inner.Close()
	}
}
