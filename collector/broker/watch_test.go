package broker

import (
	"context"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"hailong/sync/mqtt"
	"hailong/sync/mqtt/mqtttest"
)

// backAgain lets terminals do what the uplink does: dial anew after a loss.
func backAgain(t *testing.T, h *hall, id, secret string) *mqtt.Conn {
	t.Helper()
	var c *mqtt.Conn
	mqtttest.Eventually(t, soon, id+" is back", func() bool {
		var err error
		c, err = mqtt.Dial(t.Context(), h.options(id, secret))
		return err == nil
	})
	t.Cleanup(func() { c.Close() })
	return c
}

func TestTerminalsComeBackAfterARestart(t *testing.T) {
	h := openHall(t)
	addr := h.Addr()
	c := dial(t, h.options("t-001", "one"))
	since := time.Now()
	h.report("Filestore [$MQTT_sess] Critical write error: no space left on device", true)
	within(t, soon, c.Lost(), "the old connection ends")
	c = backAgain(t, h, "t-001", "one")
	t.Logf("back after %v", time.Since(since).Round(time.Millisecond))
	publish(t, c, "hl/v1/t-001/up", "again")
	within(t, soon, h.got, "a message after the restart")
	if n := h.Counts().Restarts; n != 1 || h.Addr() != addr {
		t.Errorf("%d restarts, address %s; want 1, %s", n, h.Addr(), addr)
	}
	if err := h.Ready(); err != nil {
		t.Error(err)
	}
}

// The server reports nothing when its store stops working: only a trial from outside finds out.
func TestADoorThatDoesNotOpenIsReplaced(t *testing.T) {
	h := openHall(t)
	if err := h.canary(t.Context(), h.secret); err != nil {
		t.Fatal(err)
	}
	if err := h.canary(t.Context(), "wrong"); err == nil {
		t.Error("a wrong secret opened the door")
	}
	h.node.srv.Shutdown() // behind our back
	for range missesAllowed - 1 {
		if why := h.tryDoor(t.Context(), missesAllowed); why != "" {
			t.Errorf("gave up early: %s", why)
		}
	}
	if h.Ready() == nil {
		t.Error("ready without a server")
	}
	h.report("doubtful words", false)
	mqtttest.Eventually(t, soon, "restarted", func() bool { return h.Counts().Restarts == 1 })
	c := backAgain(t, h, "t-001", "one")
	publish(t, c, "hl/v1/t-001/up", "again")
	within(t, soon, h.got, "a message after the restart")
}

func TestDoubtfulWordsWithAGoodDoorChangeNothing(t *testing.T) {
	h := openHall(t)
	c := dial(t, h.options("t-001", "one"))
	h.misses.Store(1)
	h.report("doubtful words", false)
	mqtttest.Eventually(t, soon, "the door was tried", func() bool { return h.misses.Load() == 0 })
	publish(t, c, "hl/v1/t-001/up", "still here")
	within(t, soon, h.got, "message")
	if n := h.Counts().Restarts; n != 0 {
		t.Errorf("%d restarts", n)
	}
}

func TestACertainWordIsNotLostBehindADoubtfulOne(t *testing.T) {
	s := &Server{certain: make(chan string, 1), doubtful: make(chan string, 1)}
	for range 3 {
		s.report("doubtful", false)
		s.report("certain", true)
	}
	if got := <-s.certain; got != "certain" {
		t.Errorf("got %q, want the certain one", got)
	}
	s.report("certain", true)
	s.forgetTrouble()
	if len(s.certain)+len(s.doubtful) != 0 {
		t.Error("old words outlive a restart")
	}
}

// The biggest trap of the facts: with a full store nobody can connect any more, also after there is room again, and
// the server calls itself healthy. Here the collector's own connection fills it.
func TestAFullStoreIsNoticedAndEmptied(t *testing.T) {
	h := openHall(t)
	old := dial(t, h.options("t-001", "one"))
	js, err := h.node.nc.JetStream()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.AddStream(&nats.StreamConfig{Name: "junk", Subjects: []string{"junk"}}); err != nil {
		t.Fatal(err)
	}
	junk := make([]byte, MaxPayload)
	for err == nil {
		_, err = js.Publish("junk", junk)
	}
	t.Logf("full: %v", err)
	// Its attempt fails, which the server logs, which makes the watchdog look.
	if _, err := mqtt.Dial(t.Context(), h.options("t-002", "two")); err == nil {
		t.Fatal("connected with a full store: the test proves nothing")
	}
	since := time.Now()
	within(t, canaryWithin+soon, old.Lost(), "the restart")
	c := backAgain(t, h, "t-002", "two")
	t.Logf("back after %v", time.Since(since).Round(time.Millisecond))
	publish(t, c, "hl/v1/t-002/up", "again")
	within(t, soon, h.got, "a message after the restart")
	if n := h.Counts().Restarts; n != 1 {
		t.Errorf("%d restarts, want 1", n)
	}
}

func TestTheServerEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s, err := Embedded(ctx, EmbeddedOptions{Listen: "127.0.0.1:0", StoreDir: t.TempDir(), Registry: &register{},
		Log: slog.New(slog.DiscardHandler), Handle: func(Message) {}})
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := s.Wait(); err != nil {
		t.Errorf("got %v, want nil", err)
	}
	if s.Ready() == nil || s.Publish("t-001", Receipt, nil) == nil {
		t.Error("an ended server works")
	}
	s.Revoke("t-001")
	if _, err := net.Dial("tcp", s.Addr()); err == nil {
		t.Error("the door is still open")
	}
}

func TestTheStoreIsEmptiedOnlyIfItIsOurs(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "broker")
	put := func(name string) {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	exists := func(name string) bool {
		_, err := os.Stat(filepath.Join(dir, name))
		return err == nil
	}
	for range 2 { // absent, then ours
		if err := wipeStore(dir); err != nil {
			t.Fatal(err)
		}
		if exists("jetstream/old") || !exists(storeMarker) {
			t.Error("not emptied, or not marked")
		}
		put("jetstream/old")
	}
	dir = t.TempDir()
	if err := wipeStore(dir); err != nil { // present and empty
		t.Error(err)
	}
	dir = t.TempDir()
	put("votes.db")
	err := wipeStore(dir)
	if err == nil || !strings.Contains(err.Error(), "give the broker a folder of its own") || !exists("votes.db") {
		t.Errorf("somebody's folder: got %v, file there: %t", err, exists("votes.db"))
	}
	dir = t.TempDir()
	put(filepath.Join(storeMarker, "a")) // a folder with the marker's name is no marker
	if err := wipeStore(dir); err == nil {
		t.Error("emptied a folder with a false marker")
	}
	if err := wipeStore(""); err == nil {
		t.Error("emptied nowhere")
	}
}
