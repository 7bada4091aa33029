// Command forgetful is a terminal without the wait for the centre's receipt, and otherwise the real
// one: the control that must lose votes. It never ships.
package main

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"hailong/cmd/agent"
	"hailong/cmd/program"
	"hailong/config"
	"hailong/sync/outbox"
	"hailong/sync/seal"
	"hailong/sync/uplink"
	"hailong/sync/wire"
	"hailong/vote/session"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: forgetful KIOSK.toml")
		os.Exit(program.Usage)
	}
	if err := run(ctx, os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "forgetful:", err)
		os.Exit(program.Failed)
	}
}

func run(ctx context.Context, file string) error {
	cfg, err := config.LoadKiosk(file)
	if err != nil {
		return err
	}
	id, err := config.LoadIdentity(cfg.Identity)
	if err != nil {
		return err
	}
	g := &gate{codec: wire.NewCodec(), terminal: id.Key.Public().(ed25519.PublicKey)}
	real := agent.Dial(cfg, id)
	// The terminal believes this key, and the centre has another: only the gate can thank.
	id.ReceiptKey, g.key, err = ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	if err := g.stand(cfg, id); err != nil {
		return err
	}
	a, err := agent.Open(ctx, agent.Setup{
		Config: cfg, Identity: id, Software: "forgetful", Codec: g.codec, Inputs: make(chan session.Event),
		Log: program.Logger(cfg.Log.Level), Dial: g.dial(real),
	})
	if err != nil {
		return err
	}
	return a.Run(ctx)
}

// gate stands between the uplink and the real connection. What was published it calls receipted.
type gate struct {
	codec    *wire.Codec
	key      ed25519.PrivateKey // its own, for receipts
	terminal ed25519.PublicKey

	// The uplink's goroutine alone publishes, so nothing guards these.
	upto uint64
	head seal.Head
}

// stand reads what an earlier run has let go of.
func (g *gate) stand(cfg config.Kiosk, id config.Identity) error {
	if err := os.MkdirAll(cfg.Data, 0o700); err != nil {
		return err
	}
	box, err := outbox.Open(filepath.Join(cfg.Data, "outbox.db"), outbox.Options{Terminal: id.Terminal})
	if err != nil {
		return err
	}
	s := box.State()
	g.upto, g.head = s.Upto, s.UptoHead
	return box.Close()
}

func (g *gate) dial(real uplink.Dial) uplink.Dial {
	return func(ctx context.Context, will []byte, handle func(string, []byte)) (uplink.Conn, error) {
		conn, err := real(ctx, will, func(string, []byte) {}) // what the centre says is not waited for
		if err != nil {
			return nil, err
		}
		return &link{conn, g, handle}, nil
	}
}

// link is one connection whose publishing is answered at once.
type link struct {
	uplink.Conn
	gate   *gate
	handle func(topic string, payload []byte)
}

// Publish hands a message to the real connection and then thanks for it.
func (l *link) Publish(ctx context.Context, topic string, raw []byte) error {
	if err := l.Conn.Publish(ctx, topic, raw); err != nil {
		return err
	}
	receipt, err := l.gate.thank(raw)
	if errors.Is(err, errStatus) {
		return nil // nobody waits for an answer to it
	}
	if err != nil {
		return err
	}
	l.handle(wire.Topic(receipt.Terminal, wire.ReceiptTopic), receipt.raw)
	return nil
}

// errStatus means a message that gets no receipt.
var errStatus = errors.New("a status")

// thanks is a sealed receipt and whose it is.
type thanks struct {
	wire.Receipt
	raw []byte
}

func (g *gate) thank(raw []byte) (thanks, error) {
	kind, payload, err := g.codec.Open(raw, g.terminal)
	if err != nil {
		return thanks{}, err
	}
	r := wire.Receipt{Answers: wire.IDOf(raw), Code: wire.OK, AtMS: time.Now().UnixMilli()}
	switch kind {
	case wire.HelloType:
		h, err := wire.DecodeHello(payload)
		if err != nil {
			return thanks{}, err
		}
		r.Terminal, r.Epoch, r.Nonce = h.Terminal, h.Epoch, &h.Nonce
	case wire.BatchType:
		b, err := wire.DecodeBatch(payload)
		if err != nil {
			return thanks{}, err
		}
		r.Terminal, r.Epoch = b.Terminal, b.Epoch
		g.upto, g.head = b.Last(), b.Head
	default:
		return thanks{}, errStatus
	}
	r.Upto, r.Head = g.upto, g.head
	if payload, err = r.Encode(); err != nil {
		return thanks{}, err
	}
	sealed, err := g.codec.Seal(wire.ReceiptType, payload, g.key)
	return thanks{r, sealed}, err
}
