package store

import (
	"context"
	"fmt"

	"hailong/collector/org"
	"hailong/collector/store/count"
	"hailong/collector/store/draft"
	"hailong/collector/store/overlap"
	"hailong/sync/seal"
	"hailong/sync/wire"
	"hailong/vote"
)

// File takes a batch in one transaction: what the store has is skipped, the rest is inserted and
// counted. It is on the disk when File returns without error. A batch that contradicts what is
// filed marks the stream as forked; nothing of it is counted.
func (s *Store) File(ctx context.Context, f org.Filing) (org.Position, error) {
	if len(f.Entries) == 0 {
		return org.Position{}, fmt.Errorf("file records of %s: there are none", f.Terminal)
	}
	var pos org.Position
	err := s.write(ctx, func(c change) (err error) {
		pos, err = c.file(f)
		return err
	})
	if err != nil {
		return org.Position{}, fmt.Errorf("file records %d to %d of %s: %w", f.First, f.Last(), f.Terminal, err)
	}
	s.wake()
	return pos, nil
}

// line is a stream's place in the tables and where it stands.
type line struct {
	draft.Line
	no, terminal int64
}

func (l line) position(code wire.Code) org.Position {
	return org.Position{Code: code, Upto: l.Upto, Head: l.Head}
}

func (c change) file(f org.Filing) (org.Position, error) {
	l, found, err := c.find(f.Terminal, f.Epoch)
	if err == nil && f.Origin == wire.Live { // a stick tells nothing about a terminal's presence
		err = c.seen(f.Terminal, true, f.Received)
	}
	switch {
	case err != nil:
		return org.Position{}, err
	case l.Forked:
		return l.position(wire.Fork), nil
	case f.First > l.Upto+1:
		return l.position(wire.Gap), nil
	case !found:
		err = c.begin(&l, f.Epoch)
	}
	if err == nil && f.Origin == wire.Live {
		err = c.anchor(l.no, f.Now, f.Received)
	}
	if err != nil {
		return org.Position{}, err
	}
	v, err := overlap.Batch(c.Tx, l.no, l.Line, f)
	aside := org.Aside{Terminal: f.Terminal, Epoch: f.Epoch, Raw: f.Envelope, At: f.Received}
	switch {
	case err != nil:
		return org.Position{}, err
	case !v.Same:
		aside.Why = fmt.Sprintf("records %d to %d contradict what is filed", f.First, f.Last())
		if f.Origin == wire.Unproven { // what nobody vouches for proves no fork
			return l.position(wire.OK), c.quarantine(l.terminal, aside, false)
		}
		return c.fork(&l, aside)
	case v.Missing.From > 0:
		// Not lost after all. Nothing here can put them in their place: they are kept whole, and nobody is told "ok".
		aside.Why = fmt.Sprintf("records %d to %d lie in a hole", v.Missing.From, v.Missing.To)
		pos := l.position(wire.Quarantined)
		pos.Quarantined = []wire.Range{v.Missing}
		return pos, c.quarantine(l.terminal, aside, false)
	}
	before := l.Upto
	if f.Last() > l.Upto {
		if err := c.rejoin(&l, f, v.Head); err != nil {
			return org.Position{}, err
		}
		if err := c.insert(&l, f, f.Entries[l.Upto+1-f.First:]); err != nil {
			return org.Position{}, err
		}
	}
	pos, err := c.quarantined(l, f)
	pos.Added = int(l.Upto - before)
	return pos, err
}

const lineColumns = `upto, head, n1, n2, n3, n4, n5, c1, c2, c3, c4, c5, lost, bad, unproven, forked`

// into lists where lineColumns go.
func (l *line) into(head *[]byte) []any {
	into := append([]any{&l.Upto, head}, count.Five((*[5]uint64)(&l.Own))...)
	return append(append(into, count.Five((*[5]uint64)(&l.Claimed))...), &l.Lost, &l.Bad, &l.Unproven, &l.Forked)
}

// find looks a stream up; one that is not there stands at its start.
func (c change) find(id vote.TerminalID, epoch seal.Epoch) (l line, found bool, err error) {
	if l.terminal, err = c.terminal(id); err != nil {
		return l, false, err
	}
	var head []byte
	found, err = c.Get(append([]any{&l.no}, l.into(&head)...),
		`SELECT no, `+lineColumns+` FROM stream WHERE terminal = $1 AND epoch = $2`, l.terminal, epoch[:])
	if !found || err != nil {
		l.Head = seal.Start(string(id), epoch)
		return l, false, err
	}
	l.Head = seal.Head(head)
	return l, true, nil
}

// begin gives a stream its row.
func (c change) begin(l *line, epoch seal.Epoch) error {
	_, err := c.Get([]any{&l.no}, `INSERT INTO stream (terminal, epoch, `+lineColumns+`)
		VALUES ($1, $2, 0, $3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0) RETURNING no`, l.terminal, epoch[:], l.Head[:])
	return err
}

func (c change) save(l line) error {
	args := []any{int64(l.Upto), l.Head[:]}
	for _, t := range []wire.Tally{l.Own, l.Claimed} {
		for _, n := range t {
			args = append(args, int64(n))
		}
	}
	return c.Exec(`UPDATE stream SET upto = $1, head = $2, n1 = $3, n2 = $4, n3 = $5, n4 = $6, n5 = $7,
		c1 = $8, c2 = $9, c3 = $10, c4 = $11, c5 = $12, lost = $13, bad = $14, unproven = $15, forked = $16
		WHERE no = $17`, append(args, int64(l.Lost), int64(l.Bad), int64(l.Unproven), l.Forked, l.no)...)
}

// rejoin takes the true chain up again, where the one filed is a salvage's own.
func (c change) rejoin(l *line, f org.Filing, head seal.Head) error {
	if f.Origin == wire.Unproven || head == l.Head {
		return nil
	}
	l.Head = head
	return c.Exec(`INSERT INTO hole (stream, first, last, head, noted_ms, loose) VALUES ($1, $2, $3, $4, $5, 1)`,
		l.no, int64(l.Upto+1), int64(l.Upto), head[:], f.Received.UnixMilli())
}

func (c change) fork(l *line, a org.Aside) (org.Position, error) {
	l.Forked = true
	if err := c.save(*l); err != nil {
		return org.Position{}, err
	}
	return l.position(wire.Fork), c.quarantine(l.terminal, a, true)
}

// insert files new records and counts them.
func (c change) insert(l *line, f org.Filing, entries []org.Entry) error {
	p := draft.Proof{Stream: l.no, First: l.Upto + 1, Prev: l.Head, ReceivedMS: f.Received.UnixMilli(),
		Envelope: f.Envelope}
	d := draft.New(c.demo, func(cast uint64) (*draft.Vote, error) { return c.vote(l.no, cast) })
	for _, e := range entries {
		if err := d.Add(&l.Line, e); err != nil {
			return err
		}
	}
	l.Claim(f.Origin, f.Tally)
	p.Last = l.Upto
	if err := c.prove(&p); err != nil {
		return err
	}
	if len(d.Added) > 0 {
		if err := c.Exec(`UPDATE terminal SET vote_ms = $1 WHERE no = $2`, p.ReceivedMS, l.terminal); err != nil {
			return err
		}
	}
	if err := c.rows(l.no, p.No, d); err != nil {
		return err
	}
	if err := count.Move(c.Tx, l.terminal, d.Moves); err != nil {
		return err
	}
	return c.save(*l)
}

// quarantined is the position with what the store could not read of a batch, new or sent again.
func (c change) quarantined(l line, f org.Filing) (org.Position, error) {
	pos := l.position(wire.OK)
	if l.Bad == 0 {
		return pos, nil
	}
	var seq uint64
	var why string
	err := c.Each([]any{&seq, &why}, func() error {
		pos.Code = wire.Quarantined
		n := len(pos.Quarantined)
		if n > 0 && pos.Quarantined[n-1].To == seq-1 && pos.Quarantined[n-1].Why == why {
			pos.Quarantined[n-1].To = seq
			return nil
		}
		pos.Quarantined = append(pos.Quarantined, wire.Range{From: seq, To: seq, Why: why})
		return nil
	}, `SELECT seq, why FROM record WHERE stream = $1 AND seq BETWEEN $2 AND $3 AND why IS NOT NULL ORDER BY seq`,
		l.no, int64(f.First), int64(f.Last()))
	return pos, err
}
