package store

import (
	"context"
	"fmt"
	"time"

	"hailong/collector/org"
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
	case h.Next <= l.Upto && !h.Salvaged: // a damaged file may have lost its end, and its chain with it
		return c.shorter(l, h, received)
	case h.Next == l.Upto+1 && h.Head != l.Head && !h.Salvaged:
		return c.fork(l, contradiction(h, received))
	case h.Oldest > l.Upto+1 && h.Oldest <= mostSeq, h.Salvaged && h.Oldest == l.Upto+1 && h.Before != l.Head:
		// The terminal no longer has what is missing here: say so for good, and go on behind it. Behind unproven
		// records nothing need be missing: their chain was their own, and the true one is taken up again.
		if err := c.Exec(`INSERT INTO hole (stream, first, last, head, noted_ms) VALUES ($1, $2, $3, $4, $5)`,
			l.no, int64(l.Upto+1), int64(h.Oldest-1), h.Before[:], received.UnixMilli()); err != nil {
			return org.Position{}, err
		}
		l.Upto, l.Head = h.Oldest-1, h.Before
		return l.position(wire.OK), c.save(*l)
	case h.First > l.Upto+1:
		return l.position(wire.Gap), nil
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
		at, known, err = c.headAt(l.no, h.Next-1)
	}
	if err != nil || !known || at == h.Head {
		return l.position(wire.Fork), err
	}
	return c.fork(l, contradiction(h, received))
}

// contradiction is the evidence of a hello; its envelope is not here, so its words are kept.
func contradiction(h wire.Hello, received time.Time) org.Aside {
	why := fmt.Sprintf("hello ends at record %d with head %s, which is not filed so", h.Next-1, h.Head)
	return org.Aside{Terminal: h.Terminal, Epoch: h.Epoch, Why: why, Raw: []byte(why), At: received}
}
