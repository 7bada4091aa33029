package gate

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"hailong/sync/mqtt/mqtttest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// soon is for what takes milliseconds on an idle machine.
const soon = 10 * time.Second

func listen(t *testing.T, most int) *Gate {
	t.Helper()
	g, err := Listen("127.0.0.1:0", most)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		g.Shut(0)
		g.Close()
	})
	return g
}

// behind is a server whose connections the test holds in its hands.
func behind(t *testing.T) (addr string, came chan *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	came = make(chan *net.TCPConn, 10)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			came <- c.(*net.TCPConn)
		}
	}()
	t.Cleanup(func() {
		l.Close()
		<-ended
	})
	return l.Addr().String(), came
}

func dial(t *testing.T, g *Gate) *net.TCPConn {
	t.Helper()
	c, err := net.Dial("tcp", g.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(soon))
	return c.(*net.TCPConn)
}

func within[T any](t *testing.T, c <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(soon):
		t.Fatalf("not within %v: %s", soon, what)
		panic("unreachable")
	}
}

// accepted is the server's end of the next connection.
func accepted(t *testing.T, came chan *net.TCPConn) *net.TCPConn {
	t.Helper()
	c := within(t, came, "the server is reached")
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(soon))
	return c
}

func TestBytesPassBothWaysUntilEitherEnds(t *testing.T) {
	g := listen(t, 10)
	addr, came := behind(t)
	g.Open(addr)
	client := dial(t, g)
	server := accepted(t, came)
	want := bytes.Repeat([]byte("0123456789"), 100_000)
	go client.Write(want)
	got := make([]byte, len(want))
	if _, err := io.ReadFull(server, got); err != nil || !bytes.Equal(got, want) {
		t.Fatalf("upwards: %v", err)
	}
	go server.Write(want)
	if _, err := io.ReadFull(client, got); err != nil || !bytes.Equal(got, want) {
		t.Fatalf("downwards: %v", err)
	}
	if from := g.Behind(server.RemoteAddr().String()); from == nil || from.String() != client.LocalAddr().String() {
		t.Errorf("behind it is %v, want %v", from, client.LocalAddr())
	}
	client.Write([]byte("last words"))
	client.CloseWrite() // half of it
	if rest, err := io.ReadAll(server); err != nil || string(rest) != "last words" {
		t.Errorf("got %q, %v", rest, err)
	}
	server.Write([]byte("answer"))
	server.Close()
	if rest, err := io.ReadAll(client); err != nil || string(rest) != "answer" {
		t.Errorf("got %q, %v", rest, err)
	}
	if from := g.Behind("127.0.0.1:1"); from != nil {
		t.Errorf("a stranger is taken for %v", from)
	}
}

func TestTheServersEndEndsTheClient(t *testing.T) {
	g := listen(t, 10)
	addr, came := behind(t)
	g.Open(addr)
	client := dial(t, g)
	accepted(t, came).Close()
	if rest, err := io.ReadAll(client); err != nil || len(rest) > 0 {
		t.Errorf("got %q, %v, want the end", rest, err)
	}
}

func TestWhoeverComesToAShutGateWaits(t *testing.T) {
	g := listen(t, 10)
	var clients []*net.TCPConn
	for range 3 {
		c := dial(t, g)
		c.Write([]byte("hello"))
		clients = append(clients, c)
	}
	addr, came := behind(t)
	g.Open(addr)
	for range clients {
		hello := make([]byte, 5)
		server := accepted(t, came)
		if _, err := io.ReadFull(server, hello); err != nil || string(hello) != "hello" {
			t.Errorf("got %q, %v", hello, err)
		}
		server.Close()
	}
	for _, c := range clients {
		if _, err := io.ReadAll(c); err != nil {
			t.Error(err)
		}
	}
	g.Shut(soon)
	waits := dial(t, g)
	g.Close()
	if _, err := waits.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("got %v, want the end", err)
	}
	if _, err := net.Dial("tcp", g.Addr()); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("a closed gate: got %v", err)
	}
}

// This is what keeps the broker alive: over means that the server has read to the end and ended by itself.
func TestShutWaitsForTheServer(t *testing.T) {
	g := listen(t, 10)
	addr, came := behind(t)
	g.Open(addr)
	client := dial(t, g)
	client.Write([]byte("connect"))
	server := accepted(t, came)
	if _, err := io.ReadFull(server, make([]byte, len("connect"))); err != nil {
		t.Fatal(err)
	}
	shut := make(chan int)
	go func() { shut <- g.Shut(soon) }()
	for _, c := range []net.Conn{client, server} {
		if rest, err := io.ReadAll(c); err != nil || len(rest) > 0 {
			t.Errorf("got %q, %v, want the end on both sides", rest, err)
		}
	}
	server.Write([]byte("for nobody"))
	select {
	case <-shut:
		t.Fatal("over before the server has ended")
	case <-time.After(50 * time.Millisecond):
	}
	server.Close()
	if torn := within(t, shut, "the gate is shut"); torn != 0 {
		t.Errorf("%d torn", torn)
	}
}

// A connection that the server has not even accepted holds the end up as well: it would be read one day.
func TestShutWaitsForWhatTheServerHasNotAccepted(t *testing.T) {
	g := listen(t, 10)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	g.Open(l.Addr().String())
	dial(t, g).Write([]byte("connect"))
	mqtttest.Eventually(t, soon, "the kernel holds it for the server", func() (known bool) {
		g.mu.Lock()
		defer g.mu.Unlock()
		for l := range g.links {
			known = l.inner != nil
		}
		return known
	})
	if torn := g.Shut(50 * time.Millisecond); torn != 1 {
		t.Errorf("%d torn, want 1", torn)
	}
}

func TestAFullGateSendsTheNextAway(t *testing.T) {
	g := listen(t, 1)
	addr, came := behind(t)
	g.Open(addr)
	dial(t, g)
	accepted(t, came)
	if _, err := dial(t, g).Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("got %v, want the end", err)
	}
}

func TestWhoTakesNothingIsEnded(t *testing.T) {
	g := listen(t, 10)
	g.stuck = 100 * time.Millisecond
	addr, came := behind(t)
	g.Open(addr)
	dial(t, g) // never reads
	server := accepted(t, came)
	for err := error(nil); err == nil; { // until no more goes out
		server.SetWriteDeadline(time.Now().Add(50 * time.Millisecond))
		_, err = server.Write(make([]byte, 64<<10))
	}
	if _, err := io.ReadAll(server); err != nil {
		t.Errorf("got %v, want the end", err)
	}
}

func TestNobodyBehind(t *testing.T) {
	g := listen(t, 10)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	g.Open(l.Addr().String())
	if _, err := dial(t, g).Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("got %v, want the end", err)
	}
}

func TestAPortIsHeld(t *testing.T) {
	g := listen(t, 10)
	if _, err := Listen(g.Addr(), 10); err == nil || !strings.Contains(err.Error(), "another program holds the port") {
		t.Errorf("got %v", err)
	}
}
