package gauge

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// Link is a TCP link whose bytes are counted: what the programs wrote, without TCP's own headers.
type Link struct {
	listener net.Listener
	to       string
	up, down atomic.Int64
	done     sync.WaitGroup

	mu    sync.Mutex // guards conns
	conns []net.Conn
}

// NewLink listens and passes everything on to an address.
func NewLink(to string) (*Link, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	k := &Link{listener: l, to: to}
	k.done.Go(k.serve)
	return k, nil
}

// Addr is where it listens.
func (k *Link) Addr() string { return k.listener.Addr().String() }

// Bytes is how many went each way so far.
func (k *Link) Bytes() (up, down int64) { return k.up.Load(), k.down.Load() }

// Close ends it with all its connections.
func (k *Link) Close() error {
	err := k.listener.Close()
	k.mu.Lock()
	for _, c := range k.conns {
		_ = c.Close() // it may be closed already
	}
	k.mu.Unlock()
	k.done.Wait()
	return err
}

func (k *Link) serve() {
	for {
		near, err := k.listener.Accept()
		if err != nil {
			return
		}
		far, err := net.Dial("tcp", k.to)
		if err != nil {
			_ = near.Close() // the other side sees what it would see without us
			continue
		}
		k.mu.Lock()
		k.conns = append(k.conns, near, far)
		k.mu.Unlock()
		k.done.Go(func() { pass(far, near, &k.up) })
		k.done.Go(func() { pass(near, far, &k.down) })
	}
}

func pass(to, from net.Conn, count *atomic.Int64) {
	defer func() { _, _ = to.Close(), from.Close() }()
	_, _ = io.Copy(counter{to, count}, from) // however it ends, the link is down
}

type counter struct {
	net.Conn
	n *atomic.Int64
}

// Write counts.
func (c counter) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	c.n.Add(int64(n))
	return n, err
}

// Until waits until something is true, looking every step.
func Until(ctx context.Context, what string, step, limit time.Duration, true func() (bool, error)) error {
	late, look := time.NewTimer(limit), time.NewTicker(step)
	defer late.Stop()
	defer look.Stop()
	for {
		ok, err := true()
		if ok || err != nil {
			return err
		}
		select {
		case <-look.C:
		case <-late.C:
			return errors.New(what + ": not within " + limit.String())
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Listening waits until an address takes connections.
func Listening(ctx context.Context, address string) error {
	return Until(ctx, "listen on "+address, 20*time.Millisecond, time.Minute, func() (bool, error) {
		c, err := net.Dial("tcp", address)
		if err != nil {
			return false, nil
		}
		return true, c.Close()
	})
}
