package agent

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"hailong/config"
	"hailong/sync/mqtt"
	"hailong/sync/outbox"
	"hailong/sync/seal"
	"hailong/sync/uplink"
	"hailong/sync/wire"
	"hailong/vote/desk"
)

// records is the outbox as the desk sees it.
type records struct {
	box  *outbox.Box
	full *atomic.Bool // the last record found no room
}

func (r records) Append(ctx context.Context, e desk.Entry) (uint64, bool, error) {
	placed, err := r.box.Append(ctx, outbox.Entry(e))
	if full := errors.Is(err, outbox.ErrFull); full || err == nil {
		r.full.Store(full)
	}
	if errors.Is(err, outbox.ErrFailed) || errors.Is(err, outbox.ErrClosed) {
		err = fmt.Errorf("%w: %w", desk.ErrBroken, err)
	}
	return placed.Seq, placed.Fresh, err
}

// line is the outbox as the uplink sees it.
type line struct{ box *outbox.Box }

func (l line) Line() uplink.Line {
	s := l.box.State()
	return uplink.Line{
		Epoch: s.Epoch, Next: s.Next, Head: s.Head, Upto: s.Upto, Oldest: s.Oldest, Before: s.Before,
	}
}

func (l line) Look(from uint64, records, bytes int) (uplink.Run, error) {
	r, err := l.box.Look(from, records, bytes)
	run := uplink.Run{First: r.First, Prev: r.Prev, Head: r.Head, Tally: r.Tally}
	run.Items = make([]wire.Item, len(r.Bodies))
	for i, body := range r.Bodies {
		run.Items[i] = wire.Item{Body: body, Digest: seal.Of(body)}
	}
	return run, err
}

func (l line) Receipted(ctx context.Context, upto uint64, head seal.Head, at time.Time) error {
	return foreign(l.box.Receipted(ctx, upto, head, at))
}

func (l line) Rewind(ctx context.Context, upto uint64, head seal.Head) error {
	return foreign(l.box.Rewind(ctx, upto, head))
}

func (l line) More() <-chan struct{} { return l.box.More() }

func foreign(err error) error {
	if errors.Is(err, outbox.ErrMismatch) || errors.Is(err, outbox.ErrGone) {
		return fmt.Errorf("%w: %w", uplink.ErrNotOurs, err)
	}
	if errors.Is(err, outbox.ErrFull) {
		return fmt.Errorf("%w: %w", uplink.ErrNoRoom, err)
	}
	return err
}

// Dial connects to the broker of a configuration, as the terminal of an identity.
func Dial(c config.Kiosk, id config.Identity) uplink.Dial {
	return func(ctx context.Context, will []byte, handle func(string, []byte)) (uplink.Conn, error) {
		conn, err := mqtt.Dial(ctx, mqtt.Options{
			Broker: c.Broker.Address, ClientID: string(id.Terminal), Username: string(id.Terminal), Password: id.Secret,
			QoS: byte(c.Broker.QoS), Subscribe: []string{wire.Topic(id.Terminal, wire.ReceiptTopic)},
			Will:   &mqtt.Message{Topic: wire.Topic(id.Terminal, wire.StatusTopic), Payload: will},
			Handle: func(m mqtt.Message) { handle(m.Topic, m.Payload) },
		})
		if errors.Is(err, mqtt.ErrNotAuthorized) {
			err = fmt.Errorf("%w; is %s registered at this centre, with this identity?", err, id.Terminal)
		}
		if err != nil {
			return nil, err // conn is a nil of its kind, which is not nil
		}
		return conn, nil
	}
}
