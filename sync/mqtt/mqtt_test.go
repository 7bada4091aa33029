package mqtt

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"go.uber.org/goleak"

	"hailong/sync/mqtt/mqtttest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// soon is for what takes milliseconds on an idle machine.
const soon = 5 * time.Second

func dial(t *testing.T, o Options) *Conn {
	t.Helper()
	c, err := Dial(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func within[T any](t *testing.T, d time.Duration, c <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(d):
		t.Fatalf("not within %v: %s", d, what)
		panic("unreachable")
	}
}

func TestWhatIsPublishedArrivesInOrder(t *testing.T) {
	b := mqtttest.Mosquitto(t, nil)
	for _, qos := range []byte{0, 1} {
		t.Run(fmt.Sprint("qos ", qos), func(t *testing.T) {
			got := make(chan Message, 100)
			listener := dial(t, Options{Broker: b.Addr, ClientID: "hear", Subscribe: []string{"hl/v1/+/up", "x/y"},
				Handle: func(m Message) { got <- m }})
			speaker := dial(t, Options{Broker: b.Addr, ClientID: "speak", QoS: qos})
			for i := range 100 {
				if err := speaker.Publish(t.Context(), "hl/v1/t-001/up", []byte{byte(i)}); err != nil {
					t.Fatal(err)
				}
			}
			for i := range 100 {
				m := within(t, soon, got, "message")
				if m.Topic != "hl/v1/t-001/up" || len(m.Payload) != 1 || m.Payload[0] != byte(i) {
					t.Fatalf("got %q %v, want message %d", m.Topic, m.Payload, i)
				}
			}
			if n := listener.Dropped(); n != 0 || listener.Err() != nil {
				t.Errorf("dropped %d, err %v; want 0, nil", n, listener.Err())
			}
		})
	}
}

func TestTheWillSpeaksOnlyForTheLost(t *testing.T) {
	b := mqtttest.Mosquitto(t, nil)
	got := make(chan Message, 10)
	watcher := dial(t, Options{Broker: b.Addr, ClientID: "watch", Subscribe: []string{"status/#"},
		Handle: func(m Message) { got <- m }})
	polite := dial(t, Options{Broker: b.Addr, ClientID: "polite", Will: &Message{"status/polite", []byte("off")}})
	polite.Close()
	dial(t, Options{Broker: b.Addr, ClientID: "lost", Will: &Message{"status/lost", []byte("off")}}).cut()
	m := within(t, soon, got, "the will of the lost one")
	if m.Topic != "status/lost" || string(m.Payload) != "off" {
		t.Errorf("got %q %q, want the will of the lost one first", m.Topic, m.Payload)
	}
	if watcher.Err() != nil {
		t.Error(watcher.Err())
	}
}

func TestAWrongPasswordIsToldFromABrokenLink(t *testing.T) {
	b := mqtttest.Mosquitto(t, map[string]string{"t-001": "right"})
	dial(t, Options{Broker: b.Addr, ClientID: "t-001", Username: "t-001", Password: "right"}).Close()
	for _, word := range []string{"wrong", ""} {
		_, err := Dial(t.Context(), Options{Broker: b.Addr, ClientID: "t-001", Username: "t-001", Password: word})
		if !errors.Is(err, ErrNotAuthorized) {
			t.Errorf("password %q: got %v, want ErrNotAuthorized", word, err)
		}
	}
	b.Kill()
	_, err := Dial(t.Context(), Options{Broker: b.Addr, ClientID: "t-001", Username: "t-001", Password: "right"})
	if err == nil || errors.Is(err, ErrNotAuthorized) {
		t.Errorf("no broker: got %v, want another error", err)
	}
}

// script is a broker of a few lines: mosquitto never refuses a filter, it only delivers nothing.
func script(t *testing.T, talk func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		talk(conn)
	}()
	t.Cleanup(func() { l.Close(); <-ended })
	return l.Addr().String()
}

func TestARefusedFilterIsNamed(t *testing.T) {
	for _, answer := range [][]byte{{0x90, 4, 0, 1, 0, 0x80}, {0x90, 3, 0, 1, 0x80}} {
		addr := script(t, func(conn net.Conn) {
			packet := make([]byte, 1024)
			conn.Read(packet)
			conn.Write([]byte{0x20, 2, 0, 0})
			conn.Read(packet)
			conn.Write(answer)
			io.Copy(io.Discard, conn)
		})
		_, err := Dial(t.Context(), Options{Broker: addr, ClientID: "t-001", Subscribe: []string{"mine", "yours"},
			Handle: func(Message) {}})
		if !errors.Is(err, ErrRefused) {
			t.Errorf("SUBACK %x: got %v, want ErrRefused", answer, err)
		}
	}
}

func TestAKilledBrokerIsALostConnection(t *testing.T) {
	b := mqtttest.Mosquitto(t, nil)
	c := dial(t, Options{Broker: b.Addr, ClientID: "t-001"})
	b.Kill()
	within(t, soon, c.Lost(), "Lost closes")
	if c.Err() == nil || errors.Is(c.Err(), errSilent) {
		t.Errorf("got %v, want what the socket said", c.Err())
	}
	if err := c.Publish(t.Context(), "a", nil); !errors.Is(err, c.Err()) {
		t.Errorf("publish on a lost link: got %v, want %v", err, c.Err())
	}
}

func TestASilentLinkIsNoticedWhileIdle(t *testing.T) {
	b := mqtttest.Mosquitto(t, nil)
	cable := mqtttest.NewCable(t, b.Addr)
	c := dial(t, Options{Broker: cable.Addr, ClientID: "t-001", KeepAlive: time.Second, PingTimeout: time.Second})
	cable.Silence()
	since := time.Now()
	within(t, soon, c.Lost(), "an idle half-open link is noticed")
	t.Logf("noticed after %v: %v", time.Since(since).Round(time.Millisecond), c.Err())
}

// The keep-alive of an hour leaves only the write limit to notice.
func TestASilentLinkIsNoticedWithBatchesInFlight(t *testing.T) {
	b := mqtttest.Mosquitto(t, nil)
	cable := mqtttest.NewCable(t, b.Addr)
	c := dial(t, Options{Broker: cable.Addr, ClientID: "t-001", KeepAlive: time.Hour, WriteTimeout: time.Second})
	batch := make([]byte, 20<<10)
	if err := c.Publish(t.Context(), "hl/v1/t-001/up", batch); err != nil {
		t.Fatal(err)
	}
	cable.Silence()
	var err error
	n := 0
	var since time.Time
	for ; err == nil && n < 10000; n++ {
		since = time.Now()
		err = c.Publish(t.Context(), "hl/v1/t-001/up", batch)
	}
	if err == nil {
		t.Fatal("200 MB written into a dead link")
	}
	within(t, soon, c.Lost(), "a blocked half-open link is noticed")
	t.Logf("noticed %v after write %d blocked: %v", time.Since(since).Round(time.Millisecond), n, c.Err())
}

// A ping may be what blocks, when the last publish just filled the buffer: paho gives that write no limit.
func TestAnyBlockedWriteLosesTheLink(t *testing.T) {
	near, far := net.Pipe()
	defer far.Close()
	lost := make(chan error, 9)
	s := &socket{Conn: near, writeFor: 20 * time.Millisecond, lost: func(err error) { lost <- err }}
	s.SetWriteDeadline(time.Time{})
	if _, err := s.Write([]byte{0xc0, 0}); err == nil {
		t.Fatal("written without a reader")
	}
	within(t, soon, lost, "the loss is told")
	if _, err := near.Write(nil); err == nil {
		t.Error("the socket is still open after half a packet")
	}
}

// paho looks every quarter of the keep-alive, at most every 5 s: a ping may be due one tick late.
func TestTheDefaultsNoticeWithinThirtySeconds(t *testing.T) {
	tick := min(DefaultKeepAlive/4, 5*time.Second)
	if DefaultKeepAlive > 10*time.Second {
		tick = 5 * time.Second
	}
	answered := (DefaultPingTimeout - pingSlack + tick - 1) / tick * tick // rounded up to the tick that sees it
	idle := DefaultKeepAlive + tick + answered
	blocked := DefaultKeepAlive + tick + DefaultWriteTimeout
	if idle > 30*time.Second || blocked > 30*time.Second {
		t.Errorf("idle %v, blocked %v; want at most 30s", idle, blocked)
	}
	if tcpUserTimeout > 30*time.Second {
		t.Errorf("tcp user timeout %v; want at most 30s", tcpUserTimeout)
	}
}

func TestDialEndsWithItsContext(t *testing.T) {
	reached := make(chan struct{})
	addr := script(t, func(conn net.Conn) { // takes the call and says nothing
		conn.Read(make([]byte, 1024))
		close(reached)
		io.Copy(io.Discard, conn)
	})
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error, 1)
	go func() {
		_, err := Dial(ctx, Options{Broker: addr, ClientID: "t-001"})
		result <- err
	}()
	within(t, soon, reached, "the broker is called")
	cancel()
	if err := within(t, soon, result, "Dial returns"); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want canceled", err)
	}
}

func TestDialEndsWithItsTime(t *testing.T) {
	addr := script(t, func(conn net.Conn) { io.Copy(io.Discard, conn) })
	_, err := Dial(t.Context(), Options{Broker: addr, ClientID: "t-001", ConnectTimeout: 50 * time.Millisecond})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want deadline exceeded", err)
	}
}

func TestAFullQueueDropsAndCounts(t *testing.T) {
	b := mqtttest.Mosquitto(t, nil)
	release, last := make(chan struct{}), make(chan Message, 100)
	slow := dial(t, Options{Broker: b.Addr, ClientID: "slow", Queue: 2, Subscribe: []string{"a", "last"},
		Handle: func(m Message) {
			<-release
			if m.Topic == "last" {
				last <- m
			}
		}})
	speaker := dial(t, Options{Broker: b.Addr, ClientID: "speak"})
	for range 20 {
		if err := speaker.Publish(t.Context(), "a", nil); err != nil {
			t.Fatal(err)
		}
	}
	mqtttest.Eventually(t, soon, "17 of 20 dropped: one in hand, two waiting", func() bool {
		return slow.Dropped() == 17
	})
	close(release)
	mqtttest.Eventually(t, soon, "the link works on", func() bool {
		speaker.Publish(t.Context(), "last", nil)
		select {
		case <-last:
			return true
		default:
			return false
		}
	})
}

func TestCloseIsFinal(t *testing.T) {
	b := mqtttest.Mosquitto(t, nil)
	c := dial(t, Options{Broker: b.Addr, ClientID: "t-001"})
	since := time.Now()
	c.Close()
	c.Close()
	if d := time.Since(since); d > 4*leaveFor {
		t.Errorf("closed after %v, want about %v at most", d, leaveFor)
	}
	within(t, soon, c.Lost(), "Lost closes")
	if !errors.Is(c.Err(), errClosed) {
		t.Errorf("got %v, want %v", c.Err(), errClosed)
	}
	if err := c.Publish(t.Context(), "a", nil); !errors.Is(err, errClosed) {
		t.Errorf("publish: got %v, want %v", err, errClosed)
	}
}

func TestUnusableOptionsAreAllNamed(t *testing.T) {
	_, err := Dial(t.Context(), Options{Broker: "nowhere", QoS: 2, KeepAlive: 1500 * time.Millisecond,
		PingTimeout: time.Millisecond, WriteTimeout: -1, Subscribe: []string{"a"}})
	const want = `connect nowhere: broker "nowhere": want host:port or tls://host:port
client id is empty
qos 2: want 0 or 1
keep-alive 1.5s: want whole seconds, at least one
ping timeout 1ms: want at least 1s
write timeout -1ns, connect timeout 20s, queue 256: none may be negative
subscriptions need somebody to handle their messages`
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	c := dial(t, Options{Broker: mqtttest.Mosquitto(t, nil).Addr, ClientID: "t-001"})
	for _, topic := range []string{"", "a/+/b", "#", "a\x00"} {
		if c.Publish(t.Context(), topic, nil) == nil {
			t.Errorf("published to %q", topic)
		}
	}
}

func TestNeitherHalfOfTLSIsForgotten(t *testing.T) {
	addr := script(t, func(conn net.Conn) {
		first := make([]byte, 1)
		conn.Read(first)
		if first[0] != 0x16 {
			t.Errorf("first byte %#x, want a TLS handshake", first[0])
		}
	})
	if _, err := Dial(t.Context(), Options{Broker: "tls://" + addr, ClientID: "t-001"}); err == nil {
		t.Error("connected to a broker without TLS")
	}
}
