package broker

import (
	"log/slog"
	"strings"
	"testing"

	"hailong/sync/mqtt"
	"hailong/sync/mqtt/mqtttest"
)

func TestAForeignBrokerServesAsWell(t *testing.T) {
	b := mqtttest.Mosquitto(t, map[string]string{"collector": "secret", "t-001": "one"})
	got, heard := make(chan Message, 10), make(chan mqtt.Message, 10)
	out := &lines{}
	g, err := Foreign(t.Context(), ForeignOptions{Broker: b.Addr, Username: "collector", Password: "secret",
		ClientID: "collector", Log: slog.New(slog.NewTextHandler(out, nil)), Handle: func(m Message) { got <- m }})
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	mqtttest.Eventually(t, soon, "ready", func() bool { return g.Ready() == nil })
	terminal := func() *mqtt.Conn {
		return dial(t, mqtt.Options{Broker: b.Addr, ClientID: "t-001", Username: "t-001", Password: "one",
			Subscribe: []string{"hl/v1/t-001/receipt"}, Handle: func(m mqtt.Message) { heard <- m }})
	}
	converse := func(c *mqtt.Conn) {
		t.Helper()
		publish(t, c, "hl/v1/T 1/up", "nobody")
		publish(t, c, "hl/v1/t-001/up", "hello")
		m := within(t, soon, got, "message")
		if m.Terminal != "t-001" || m.Kind != Up || string(m.Payload) != "hello" || m.Received.IsZero() {
			t.Errorf("got %+v", m)
		}
		if err := g.Publish("t-001", Receipt, []byte("thanks")); err != nil {
			t.Fatal(err)
		}
		if m := within(t, soon, heard, "receipt"); string(m.Payload) != "thanks" {
			t.Errorf("heard %q", m.Payload)
		}
	}
	converse(terminal())

	b.Kill()
	mqtttest.Eventually(t, soon, "the loss is known", func() bool { return g.Ready() != nil })
	if g.Publish("t-001", Receipt, nil) == nil {
		t.Error("published without a broker")
	}
	b.Restart()
	mqtttest.Eventually(t, 2*redialCap, "ready again", func() bool { return g.Ready() == nil })
	converse(terminal())
	if c := g.Counts(); c.Ignored != 2 || c.Restarts == 0 || c.Slow != 0 {
		t.Errorf("counts %+v; want 2 ignored, some redials, none slow", c)
	}
	if g.Publish("T 1", Receipt, nil) == nil || g.Publish("t-001", Status, nil) == nil {
		t.Error("published what must not go down")
	}
}

func TestAGuestWaitsForItsBroker(t *testing.T) {
	b := mqtttest.Mosquitto(t, nil)
	b.Kill()
	g, err := Foreign(t.Context(), ForeignOptions{Broker: b.Addr, ClientID: "collector",
		Log: slog.New(slog.DiscardHandler), Handle: func(Message) {}})
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	mqtttest.Eventually(t, soon, "a first attempt", func() bool {
		return strings.Contains(g.Ready().Error(), "connect "+b.Addr)
	})
	b.Restart()
	mqtttest.Eventually(t, 2*redialCap, "ready", func() bool { return g.Ready() == nil })
}

func TestAGuestThatCannotBeIsRefusedAtOnce(t *testing.T) {
	for _, o := range []ForeignOptions{
		{Broker: "nowhere", ClientID: "c", Log: slog.New(slog.DiscardHandler), Handle: func(Message) {}},
		{Broker: "a:1", Log: slog.New(slog.DiscardHandler), Handle: func(Message) {}},
		{Broker: "a:1", ClientID: "c"},
	} {
		if _, err := Foreign(t.Context(), o); err == nil {
			t.Errorf("%+v: no error", o)
		}
	}
}
