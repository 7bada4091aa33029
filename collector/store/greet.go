package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"hailong/collector/org"
	"hailong/collector/store/overlap"
	"hailong/sync/seal"
	"hailong/sync/wire"
)

// mostSeq is more than any terminal counts; a larger number is cut to it, not refused.
const mostSeq = 1 << 62

// Greet compares a hello with what is filed, notes the terminal's presence and answers where its
// line stands here.
func (s *Store) Greet(ctx context.Context, h wire.Hello, received time.Time) (org.Position, error) {
	var pos org.Position
	err := s.write(ctx, func(c change) (err error) {
		pos, err = c.greet(h, received)
		return err
	})
	if err != nil {
		return org.Position{}, fmt.Errorf("greet %s: %w", h.Terminal, err)
	}
	s.wake()
	return pos, nil
}

func (c change) greet(h wire.Hello, received time.Time) (org.Position, error) {
	l, found, err := c.find(h.Terminal, h.Epoch)
	if err == nil && !found {
		err = c.begin(&l, h.Epoch)
	}
	if err == nil && !h.Salvaged {
		err = c.present(h, l, received)
	}
	if err == nil {
		err = c.Exec(`UPDATE stream SET claimed = $1 WHERE no = $2`, int64(min(h.Next, mostSeq)), l.no)
	}
	if err != nil {
		return org.Position{}, err
	}
	return c.compare(&l, h, received)
}

// present notes what a living terminal's hello tells about the terminal itself.
func (c change) present(h wire.Hello, l line, received time.Time) error {
	err := c.seen(h.Terminal, true, received)
	if err == nil {
		err = c.Exec(`UPDATE terminal SET software = $1 WHERE no = $2`, h.Software, l.terminal)
	}
	if err == nil {
		err = c.anchor(l.no, h.Now, received)
	}
	return err
}

func (c change) compare(l *line, h wire.Hello, received time.Time) (org.Position, error) {
	switch {
	case l.Forked:
		return l.position(wire.Fork), nil
	case h.Salvaged: // a damaged file may have lost its end, and its chain with it
		return c.salvaged(l, h, received)
	case h.Next <= l.Upto:
		return c.shorter(l, h, received)
	case h.Next == l.Upto+1 && h.Head != l.Head:
		// Where the chain here is a salvage's own the terminal will not find its own in the answer, and keeps all.
		if loose, err := overlap.Loose(c.Tx, l.no); loose || err != nil {
			return l.position(wire.OK), err
		}
		return c.fork(l, contradiction(h, received))
	case h.Oldest > l.Upto+1 && h.Oldest <= mostSeq:
		return c.miss(l, h, received)
	case h.First > l.Upto+1:
		return l.position(wire.Gap), nil
	}
	return l.position(wire.OK), nil
}

// miss notes for good what a terminal no longer has and the centre never got, and goes on behind it.
func (c change) miss(l *line, h wire.Hello, received time.Time) (org.Position, error) {
	err := c.Exec(`INSERT INTO hole (stream, first, last, head, noted_ms, loose) VALUES ($1, $2, $3, $4, $5, $6)`,
		l.no, int64(l.Upto+1), int64(h.Oldest-1), h.Before[:], received.UnixMilli(), h.Salvaged)
	if err != nil {
		return org.Position{}, err
	}
	l.Upto, l.Head = h.Oldest-1, h.Before
	return l.position(wire.OK), c.save(*l)
}

// salvaged answers the hello of an epoch that is over. Behind unproven records nothing need be missing: their chain
// was their own, and the true one is taken up again. A loss behind the first records is believed only where the
// centre stands just there: who changes the order of messages on a stick must not turn records that will come into
// lost ones.
func (c change) salvaged(l *line, h wire.Hello, received time.Time) (org.Position, error) {
	here := h.After == 0 || h.After == l.Upto
	if here && h.After > 0 && h.AfterHead != l.Head {
		loose, err := overlap.Loose(c.Tx, l.no)
		if err != nil {
			return org.Position{}, err
		}
		here = loose
	}
	beyond := h.Oldest > l.Upto+1 && h.Oldest <= mostSeq
	joint := h.After > 0 && h.Oldest == l.Upto+1 && h.Before != l.Head
	if here && (beyond || joint) {
		return c.miss(l, h, received)
	}
	return l.position(wire.OK), nil
}

// shorter answers a hello whose line ends before the one filed here: a card rolled back or cloned,
// or an old hello that somebody sent again. Only a line that differs marks the stream; otherwise
// whoever can repeat a message could stop a terminal. A card rolled back is told "fork" each time
// it says hello, and marks the stream with the first record it writes anew.
func (c change) shorter(l *line, h wire.Hello, received time.Time) (org.Position, error) {
	at, known, err := seal.Start(string(h.Terminal), h.Epoch), true, error(nil)
	if h.Next > 1 {
		at, known, err = overlap.HeadAt(c.Tx, l.no, h.Next-1)
	}
	loose, failed := overlap.Loose(c.Tx, l.no)
	if err = errors.Join(err, failed); err != nil || !known || loose || at == h.Head {
		return l.position(wire.Fork), err
	}
	return c.fork(l, contradiction(h, received))
}

// contradiction is the evidence of a hello; its envelope is not here, so its words are kept.
func contradiction(h wire.Hello, received time.Time) org.Aside {
	why := fmt.Sprintf("hello ends at record %d with head %s, which is not filed so", h.Next-1, h.Head)
	return org.Aside{Terminal: h.Terminal, Epoch: h.Epoch, Why: why, Raw: []byte(why), At: received}
}
