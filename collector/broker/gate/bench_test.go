package gate

import (
	"io"
	"net"
	"testing"
)

// BenchmarkRoundTrip is an echo, straight from the server and through the gate.
func BenchmarkRoundTrip(b *testing.B) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				_, _ = io.Copy(c, c)
			}()
		}
	}()
	g, err := Listen("127.0.0.1:0", 10)
	if err != nil {
		b.Fatal(err)
	}
	defer func() {
		g.Shut(soon)
		g.Close()
	}()
	g.Open(l.Addr().String())
	b.Run("direct", func(b *testing.B) { echo(b, l.Addr().String()) })
	b.Run("gate", func(b *testing.B) { echo(b, g.Addr()) })
}

func echo(b *testing.B, addr string) {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	buf := make([]byte, 1<<10)
	for b.Loop() {
		if _, err := c.Write(buf); err != nil {
			b.Fatal(err)
		}
		if _, err := io.ReadFull(c, buf); err != nil {
			b.Fatal(err)
		}
	}
}
