package broker

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"go.uber.org/goleak"

	"hailong/sync/mqtt"
	"hailong/sync/mqtt/mqtttest"
)

var (
	_ Door = (*Server)(nil)
	_ Door = (*Guest)(nil)
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// soon is for what takes milliseconds on an idle machine.
const soon = 10 * time.Second

// register is a registry that can forget.
type register struct {
	mu      sync.Mutex
	secrets map[string]string
}

func (r *register) Admit(terminal, secret string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	want, known := r.secrets[terminal]
	return known && sameSecret(want, secret)
}

func (r *register) forget(terminal string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.secrets, terminal)
}

// hall is a broker with the terminals t-001 and t-002, whose secrets are their names reversed in part.
type hall struct {
	*Server
	registry *register
	got      chan Message
	log      *lines
}

// lines is a log that can be searched.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func openHall(t *testing.T) *hall {
	t.Helper()
	h := &hall{got: make(chan Message, 1000), log: &lines{}, registry: &register{secrets: map[string]string{
		"t-001": "one", "t-002": "two",
	}}}
	s, err := Embedded(t.Context(), EmbeddedOptions{Listen: "127.0.0.1:0", StoreDir: t.TempDir(),
		Registry: h.registry, Log: slog.New(slog.NewTextHandler(h.log, nil)), MaxConn: 10,
		Handle: func(m Message) { h.got <- m }})
	if err != nil {
		t.Fatal(err)
	}
	h.Server = s
	t.Cleanup(func() { s.Close() })
	return h
}

func (h *hall) options(id, secret string) mqtt.Options {
	return mqtt.Options{Broker: h.Addr(), ClientID: id, Username: id, Password: secret}
}

func dial(t *testing.T, o mqtt.Options) *mqtt.Conn {
	t.Helper()
	c, err := mqtt.Dial(t.Context(), o)
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

func publish(t *testing.T, c *mqtt.Conn, topic, payload string) {
	t.Helper()
	if err := c.Publish(t.Context(), topic, []byte(payload)); err != nil {
		t.Fatal(err)
	}
}

func TestWhatATerminalSaysReachesTheCentre(t *testing.T) {
	h := openHall(t)
	before := time.Now()
	o := h.options("t-001", "one")
	o.Will = &mqtt.Message{Topic: "hl/v1/t-001/status", Payload: []byte("offline")}
	c := dial(t, o)
	for _, kind := range upward() {
		publish(t, c, topicOf("t-001", kind), "hello "+kind)
		m := within(t, soon, h.got, kind)
		if m.Terminal != "t-001" || m.Kind != kind || string(m.Payload) != "hello "+kind || m.Received.Before(before) {
			t.Errorf("got %q %q %q at %v", m.Terminal, m.Kind, m.Payload, m.Received)
		}
	}
	if err := h.Ready(); err != nil {
		t.Error(err)
	}
	h.Revoke("t-001") // any loss without goodbye
	if m := within(t, soon, h.got, "the will"); m.Kind != Status || string(m.Payload) != "offline" {
		t.Errorf("got %q %q, want the will", m.Kind, m.Payload)
	}
}

func TestManyBatchesArriveInOrder(t *testing.T) {
	h := openHall(t)
	c := dial(t, h.options("t-001", "one"))
	batch := strings.Repeat("x", 60<<10)
	for i := range 200 {
		publish(t, c, "hl/v1/t-001/up", fmt.Sprintf("%03d%s", i, batch))
	}
	for i := range 200 {
		m := within(t, soon, h.got, "batch")
		if want := fmt.Sprintf("%03d", i); string(m.Payload[:3]) != want || len(m.Payload) != len(batch)+3 {
			t.Fatalf("got %q (%d bytes), want %q", m.Payload[:3], len(m.Payload), want)
		}
	}
}

func TestOnlyTheRegisteredComeIn(t *testing.T) {
	h := openHall(t)
	for _, c := range []struct{ what, id, user, secret string }{
		{"wrong secret", "t-001", "t-001", "two"},
		{"no secret", "t-001", "t-001", ""},
		{"unknown", "t-003", "t-003", "one"},
		{"somebody else's client id", "t-002", "t-001", "one"},
		{"client id in another case", "T-001", "t-001", "one"},
		{"the collector's name", "collector", "collector", "one"},
		{"the canary's name", canaryUser, canaryUser, "one"},
		{"no name", "t-001", "", ""},
		{"a terminal with the canary's secret", "t-001", "t-001", h.secret},
	} {
		_, err := mqtt.Dial(t.Context(), mqtt.Options{Broker: h.Addr(), ClientID: c.id, Username: c.user,
			Password: c.secret})
		if !errors.Is(err, mqtt.ErrNotAuthorized) {
			t.Errorf("%s: got %v, want ErrNotAuthorized", c.what, err)
		}
	}
	dial(t, h.options("t-001", "one"))
}

func TestTheServersOwnPortIsNoDoor(t *testing.T) {
	h := openHall(t)
	o := h.options("t-001", "one")
	o.Broker = h.node.addr()
	if _, err := mqtt.Dial(t.Context(), o); !errors.Is(err, mqtt.ErrNotAuthorized) {
		t.Errorf("around the gate: got %v, want ErrNotAuthorized", err)
	}
	// NATS' own protocol has no port at all, and who speaks it here is no MQTT client.
	if nc, err := nats.Connect(h.node.addr(), nats.Timeout(time.Second)); err == nil {
		nc.Close()
		t.Error("a NATS client came in")
	}
	dial(t, h.options("t-001", "one"))
}

func TestARefusalNamesWhereItCameFrom(t *testing.T) {
	h := openHall(t)
	conn := raw(t, h)
	conn.Write(connectPacket("t-001", "t-001", "two"))
	io.Copy(io.Discard, conn)
	want := "msg=" + eventRefused + " user=t-001 client=t-001 from=" + conn.LocalAddr().String()
	if !strings.Contains(h.log.String(), want) {
		t.Errorf("no %q in the log:\n%s", want, h.log)
	}
}

func TestTheCanaryMayDoNothing(t *testing.T) {
	h := openHall(t)
	o := h.options(canaryUser, h.secret)
	o.Subscribe, o.Handle = []string{"hl/v1/t-001/receipt"}, func(mqtt.Message) {}
	if _, err := mqtt.Dial(t.Context(), o); !errors.Is(err, mqtt.ErrRefused) {
		t.Errorf("it listens: got %v, want ErrRefused", err)
	}
	o = h.options(canaryUser, h.secret)
	o.QoS = 1 // answered when it is dealt with
	publish(t, dial(t, o), "hl/v1/t-001/up", "forged")
	publish(t, dial(t, h.options("t-001", "one")), "hl/v1/t-001/up", "genuine")
	if m := within(t, soon, h.got, "the genuine one"); string(m.Payload) != "genuine" {
		t.Errorf("got %q", m.Payload)
	}
}

func TestATerminalHearsOnlyItself(t *testing.T) {
	h := openHall(t)
	for _, filter := range []string{"hl/v1/t-002/receipt", "hl/v1/t-001/up", "hl/v1/t-001/+", "hl/v1/+/receipt", "#",
		"$SYS/#", "$JS/API/#", "$MQTT/#", "$share/a/hl/v1/t-001/receipt", "hl/v1/t-001/receipt/#"} {
		o := h.options("t-001", "one")
		o.Subscribe, o.Handle = []string{"hl/v1/t-001/receipt", filter}, func(mqtt.Message) {}
		_, err := mqtt.Dial(t.Context(), o)
		if !errors.Is(err, mqtt.ErrRefused) || !strings.Contains(err.Error(), filter) {
			t.Errorf("%s: got %v, want ErrRefused", filter, err)
		}
	}
	// $MQTT/# is refused before permissions are looked at.
	if n := h.Counts().Violations["t-001"]; n != 9 {
		t.Errorf("%d violations counted, want 9", n)
	}
	if !strings.Contains(h.log.String(), "Subscription Violation") {
		t.Error("no violation in the log")
	}
}

func TestAReceiptReachesOnlyItsOwner(t *testing.T) {
	h := openHall(t)
	heard := map[string]chan mqtt.Message{}
	for id, secret := range map[string]string{"t-001": "one", "t-002": "two"} {
		c := make(chan mqtt.Message, 10)
		heard[id] = c
		o := h.options(id, secret)
		for _, kind := range downward() {
			o.Subscribe = append(o.Subscribe, topicOf(id, kind))
		}
		o.Handle = func(m mqtt.Message) { c <- m }
		dial(t, o)
	}
	for _, kind := range downward() {
		for _, id := range []string{"t-001", "t-002"} {
			if err := h.Publish(id, kind, []byte(id+kind)); err != nil {
				t.Fatal(err)
			}
		}
		for id, c := range heard {
			m := within(t, soon, c, id+" "+kind)
			if m.Topic != topicOf(id, kind) || string(m.Payload) != id+kind {
				t.Errorf("%s got %q %q", id, m.Topic, m.Payload)
			}
		}
	}
	for _, bad := range []error{
		h.Publish("t.001", Receipt, nil), h.Publish("*", Receipt, nil), h.Publish("t-001", Up, nil),
		h.Publish("t-001", Receipt, make([]byte, MaxPayload+1)),
	} {
		if bad == nil {
			t.Error("published what must not go down")
		}
	}
}

// A forbidden publish is answered with PUBACK all the same, which is why a PUBACK proves nothing.
func TestAForbiddenPublishReachesNobody(t *testing.T) {
	h := openHall(t)
	o := h.options("t-001", "one")
	o.QoS = 1
	c := dial(t, o)
	forbidden := []string{"hl/v1/t-002/up", "hl/v1/t-002/status", "hl/v1/t-001/receipt", "hl/v1/t-001/up/x",
		"hl/v2/t-001/up", "$JS/API/STREAM/DELETE/$MQTT_sess", "$SYS/REQ/USER/AUTH"}
	for _, topic := range forbidden {
		publish(t, c, topic, "forged")
	}
	for range 200 {
		publish(t, c, "hl/v1/t-002/up", "forged")
	}
	publish(t, c, "hl/v1/t-001/up", "genuine")
	if m := within(t, soon, h.got, "the genuine one"); string(m.Payload) != "genuine" {
		t.Errorf("got %q %q %q", m.Terminal, m.Kind, m.Payload)
	}
	counts := h.Counts()
	if want := uint64(200 + len(forbidden)); counts.Violations["t-001"] != want || len(counts.Violations) != 1 {
		t.Errorf("violations %v, want only t-001 with %d", counts.Violations, want)
	}
	h.Close()
	if n := strings.Count(h.log.String(), "Violation"); n == 0 || n > 60 {
		t.Errorf("%d lines about 207 violations, want some and at most 60", n)
	}
	if counts = h.Counts(); counts.LogDropped == 0 || !strings.Contains(h.log.String(), "broker.log_dropped") {
		t.Errorf("%d lines dropped, want more, and that said in the log", counts.LogDropped)
	}
}

func TestARevokedTerminalIsCutAndStaysOut(t *testing.T) {
	h := openHall(t)
	bad, good := dial(t, h.options("t-001", "one")), dial(t, h.options("t-002", "two"))
	h.registry.forget("t-001")
	since := time.Now()
	h.Revoke("t-001")
	within(t, time.Second, bad.Lost(), "the revoked one is cut")
	t.Logf("cut after %v", time.Since(since))
	if _, err := mqtt.Dial(t.Context(), h.options("t-001", "one")); !errors.Is(err, mqtt.ErrNotAuthorized) {
		t.Errorf("back again: got %v, want ErrNotAuthorized", err)
	}
	publish(t, good, "hl/v1/t-002/up", "still here")
	within(t, soon, h.got, "the other one")
	h.Revoke("t-009") // never seen
}

// slowly lets a test act between the registry's yes and the admission.
type slowly struct {
	Registry
	asked, answer chan struct{}
}

func (r slowly) Admit(terminal, secret string) bool {
	yes := r.Registry.Admit(terminal, secret)
	r.asked <- struct{}{}
	<-r.answer
	return yes
}

func TestRevokeCutsAlsoWhoIsBeingAdmitted(t *testing.T) {
	slow := slowly{&register{secrets: map[string]string{"t-001": "one"}}, make(chan struct{}), make(chan struct{})}
	s, err := Embedded(t.Context(), EmbeddedOptions{Listen: "127.0.0.1:0", StoreDir: t.TempDir(), Registry: slow,
		Log: slog.New(slog.DiscardHandler), Handle: func(Message) {}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	h := &hall{Server: s}
	result := make(chan error, 1)
	go func() {
		c, err := mqtt.Dial(t.Context(), h.options("t-001", "one"))
		if err == nil {
			<-c.Lost()
			err = c.Err()
			c.Close()
		}
		result <- err
	}()
	within(t, soon, slow.asked, "the registry is asked")
	s.Revoke("t-001")
	close(slow.answer)
	if err := within(t, soon, result, "the end of the connection"); err == nil {
		t.Error("a revoked terminal stayed")
	}
}

func TestACloneThrowsOutItsElder(t *testing.T) {
	h := openHall(t)
	elder := dial(t, h.options("t-001", "one"))
	clone := dial(t, h.options("t-001", "one"))
	within(t, soon, elder.Lost(), "the elder is thrown out")
	publish(t, clone, "hl/v1/t-001/up", "x")
	within(t, soon, h.got, "the clone's message")
}

func TestTheDoorOpensOnlyOnThisMachine(t *testing.T) {
	for _, listen := range []string{"0.0.0.0:1883", ":1883", "192.0.2.1:1883", "[::]:1883", "broker.example:1883",
		"1883", "127.0.0.1:x", "127.0.0.1:70000"} {
		_, err := Embedded(t.Context(), EmbeddedOptions{Listen: listen, StoreDir: t.TempDir(), Registry: &register{},
			Log: slog.New(slog.DiscardHandler), Handle: func(Message) {}})
		if err == nil || !strings.HasPrefix(err.Error(), "listen "+listen+": ") {
			t.Errorf("%s: got %v, want a refusal that names it", listen, err)
		}
	}
}

func TestATakenPortIsSaidInWords(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	addr := l.Addr().String()
	_, err = Embedded(t.Context(), EmbeddedOptions{Listen: addr, StoreDir: t.TempDir(), Registry: &register{},
		Log: slog.New(slog.DiscardHandler), Handle: func(Message) {}})
	want := "listen " + addr + ": address already in use: another program holds the port; " +
		"choose another one for the broker"
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

func TestMissingPartsAreNamed(t *testing.T) {
	_, err := Embedded(t.Context(), EmbeddedOptions{Listen: "127.0.0.1:0"})
	if err == nil {
		t.Error("started without a registry")
	}
}

// The server counts our own connection as one, and a canary must find room when the hall is full.
func TestAFullHouseStillLetsTheCanaryIn(t *testing.T) {
	s, err := Embedded(t.Context(), EmbeddedOptions{Listen: "127.0.0.1:0", StoreDir: t.TempDir(), MaxConn: 2,
		Registry: &register{secrets: map[string]string{"t-001": "one", "t-002": "two"}},
		Log:      slog.New(slog.DiscardHandler), Handle: func(Message) {}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	h := &hall{Server: s}
	dial(t, h.options("t-001", "one"))
	dial(t, h.options("t-002", "two"))
	if err := s.canary(t.Context(), s.secret); err != nil {
		t.Error(err)
	}
}

func TestAStuckHandleLosesAndCounts(t *testing.T) {
	release := make(chan struct{})
	s, err := Embedded(t.Context(), EmbeddedOptions{Listen: "127.0.0.1:0", StoreDir: t.TempDir(), MaxConn: 2,
		Registry: &register{secrets: map[string]string{"t-001": "one"}},
		Log:      slog.New(slog.DiscardHandler), Handle: func(Message) { <-release }})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	defer close(release)
	h := &hall{Server: s}
	c := dial(t, h.options("t-001", "one"))
	big := strings.Repeat("x", 200<<10)
	for range 400 { // 80 MB, above the 64 MB that may wait
		publish(t, c, "hl/v1/t-001/up", big)
	}
	mqtttest.Eventually(t, soon, "drops are counted", func() bool {
		return s.Counts().Slow > 0 && s.Counts().Faults > 0
	})
	if err := c.Err(); err != nil {
		t.Errorf("the terminal was thrown out: %v", err)
	}
}
