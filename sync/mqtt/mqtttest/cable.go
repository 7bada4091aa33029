package mqtttest

import (
	"net"
	"sync"
	"testing"
)

// Cable carries TCP connections to a broker until it is cut half through: then nothing passes any more in either
// direction, while every socket stays open, as with a mobile network that has forgotten a connection.
type Cable struct {
	// Addr is where to connect instead of the broker.
	Addr string

	listener net.Listener
	silent   chan struct{}
	silence  sync.Once
	running  sync.WaitGroup

	mu    sync.Mutex // guards what follows
	conns []net.Conn
}

// NewCable lays a cable to a broker. It is taken up with the test.
func NewCable(t testing.TB, broker string) *Cable {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &Cable{Addr: l.Addr().String(), listener: l, silent: make(chan struct{})}
	c.running.Go(func() { c.accept(broker) })
	t.Cleanup(c.remove)
	return c
}

// Silence stops all forwarding.
func (c *Cable) Silence() { c.silence.Do(func() { close(c.silent) }) }

func (c *Cable) accept(broker string) {
	for {
		near, err := c.listener.Accept()
		if err != nil {
			return
		}
		far, err := net.Dial("tcp", broker)
		if err != nil {
			near.Close()
			continue
		}
		// Small buffers: a sender notices sooner that nobody takes its bytes.
		near.(*net.TCPConn).SetReadBuffer(4096)
		c.mu.Lock()
		c.conns = append(c.conns, near, far)
		c.mu.Unlock()
		c.running.Go(func() { c.carry(far, near) })
		c.running.Go(func() { c.carry(near, far) })
	}
}

func (c *Cable) carry(to, from net.Conn) {
	buf := make([]byte, 4096)
	for {
		n, err := from.Read(buf)
		select {
		case <-c.silent:
			return // the sockets stay open, and whatever was read is lost
		default:
		}
		if err != nil {
			to.Close()
			return
		}
		if _, err := to.Write(buf[:n]); err != nil {
			from.Close()
			return
		}
	}
}

func (c *Cable) remove() {
	c.listener.Close()
	c.Silence()
	c.mu.Lock()
	for _, conn := range c.conns {
		conn.Close()
	}
	c.mu.Unlock()
	c.running.Wait()
}
