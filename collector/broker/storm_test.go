package broker

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"hailong/sync/mqtt"
)

// yes is a registry that knows everybody.
type yes struct{}

func (yes) Admit(string, string) bool { return true }

// The server must not fall over terminals that connect while it ends.
func TestAStormWhileTheServerEnds(t *testing.T) {
	for range 12 {
		s, err := Embedded(t.Context(), EmbeddedOptions{
			Listen: "127.0.0.1:0", StoreDir: t.TempDir(), Registry: yes{}, Log: slog.New(slog.DiscardHandler),
			Handle: func(Message) {},
		})
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithTimeout(t.Context(), 10*time.Second)
		var storm sync.WaitGroup
		for i := range 16 {
			storm.Go(func() { comeBack(ctx, s.Addr(), i) })
		}
		ends := time.After(150 * time.Millisecond)
		<-ends
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		stop()
		storm.Wait()
	}
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
