package broker

import (
	"strings"
	"testing"

	"hailong/sync/mqtt"
)

// BenchmarkConnect is one terminal after the other: dial, admission, session, goodbye.
func BenchmarkConnect(b *testing.B) {
	s := openYes(b)
	for b.Loop() {
		c, err := mqtt.Dial(b.Context(), mqtt.Options{Broker: s.Addr(), ClientID: "t-001", Username: "t-001",
			Password: "x"})
		if err != nil {
			b.Fatal(err)
		}
		_ = c.Close()
	}
}

// BenchmarkReceipt is the way of a batch up and its receipt down.
func BenchmarkReceipt(b *testing.B) {
	for name, size := range map[string]int{"1kB": 1 << 10, "60kB": 60 << 10} {
		b.Run(name, func(b *testing.B) {
			s := openYes(b)
			s.handle = func(m Message) { _ = s.Publish(m.Terminal, Receipt, []byte("ok")) }
			back := make(chan struct{}, 1)
			c, err := mqtt.Dial(b.Context(), mqtt.Options{Broker: s.Addr(), ClientID: "t-001", Username: "t-001",
				Password: "x", Subscribe: []string{topicOf("t-001", Receipt)},
				Handle: func(mqtt.Message) { back <- struct{}{} }})
			if err != nil {
				b.Fatal(err)
			}
			defer c.Close()
			batch := []byte(strings.Repeat("x", size))
			b.SetBytes(int64(size))
			for b.Loop() {
				if err := c.Publish(b.Context(), topicOf("t-001", Up), batch); err != nil {
					b.Fatal(err)
				}
				<-back
			}
		})
	}
}
