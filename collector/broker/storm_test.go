package broker

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"hailong/sync/mqtt"
	"hailong/sync/mqtt/mqtttest"
)

// yes is a registry that knows everybody.
type yes struct{}

func (yes) Admit(string, string) bool { return true }

// The server must not fall over terminals that connect while it ends.
func TestAStormWhileTheServerEnds(t *testing.T) {
	for range 12 {
		if n := endInAStorm(t, (*Server).Addr); n > 0 {
			t.Errorf("%d faults: connections outlived the gate", n)
		}
	}
}

func endInAStorm(t *testing.T, where func(*Server) string) (faults uint64) {
	t.Helper()
	s := openYes(t)
	ctx, stop := context.WithTimeout(t.Context(), 10*time.Second)
	addr := where(s)
	var storm sync.WaitGroup
	for i := range 16 {
		storm.Go(func() { comeBack(ctx, addr, i) })
	}
	ends := time.After(150 * time.Millisecond)
	<-ends
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	stop()
	storm.Wait()
	return s.Counts().Faults
}

func openYes(t testing.TB) *Server {
	t.Helper()
	s, err := Embedded(t.Context(), EmbeddedOptions{
		Listen: "127.0.0.1:0", StoreDir: t.TempDir(), Registry: yes{}, Log: slog.New(slog.DiscardHandler),
		Handle: func(Message) {},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// comeBack connects again and again, as a terminal does that was thrown out.
func comeBack(ctx context.Context, addr string, i int) {
	for n := 0; ctx.Err() == nil; n++ {
		id := fmt.Sprintf("t-%03d-%d", i, n%4)
		c, err := mqtt.Dial(ctx, mqtt.Options{
			Broker: addr, ClientID: id, Username: id, Password: "x", ConnectTimeout: time.Second,
		})
		if err == nil {
			_ = c.Close()
		}
	}
}

// The watchdog replaces a server just when many come back.
func TestAStormWhileTheServerIsReplaced(t *testing.T) {
	s := openYes(t)
	ctx, stop := context.WithCancel(t.Context())
	var storm sync.WaitGroup
	for i := range 16 {
		storm.Go(func() { comeBack(ctx, s.Addr(), i) })
	}
	for want := uint64(1); want <= 5; want++ {
		s.report("Filestore [$MQTT_sess] Critical write error", true)
		mqtttest.Eventually(t, 4*soon, "replaced", func() bool { return s.Counts().Restarts == want })
	}
	if err := s.canary(t.Context(), s.secret); err != nil {
		t.Error(err)
	}
	stop()
	storm.Wait()
}
