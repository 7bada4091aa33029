package check

import (
	"fmt"
	"slices"
	"time"

	"hailong/collector/org"
	"hailong/collector/store/draft"
	"hailong/sync/seal"
	"hailong/sync/wire"
)

// part is a proof or a hole: together they must cover a line without gap.
type part struct {
	first, last uint64
	proof       int64 // 0 is a hole
	head        seal.Head
}

// replay is a line as its proofs tell it.
type replay struct {
	stream
	draft.Line
	draft  *draft.Draft
	boots  map[uint32]time.Time
	others map[uint64]draft.Vote // votes whose time may rightly be another one
	proofs map[uint64]int64      // by first seq, for the column record.proof
	starts []uint64
	blind  []part // what no proof tells
	loose  bool   // the chain was broken off: the next proof's own beginning is taken
}

func (c *checker) line(s stream) error {
	r := &replay{stream: s, boots: map[uint32]time.Time{}, others: map[uint64]draft.Vote{}, proofs: map[uint64]int64{},
		draft: draft.New(c.demo, func(uint64) (*draft.Vote, error) { return nil, nil })}
	r.Head, r.Forked = seal.Start(string(s.id), s.epoch), s.forked
	var boot uint32
	var wall int64
	err := c.tx.Each([]any{&boot, &wall}, func() error {
		r.boots[boot] = time.UnixMilli(wall)
		return nil
	}, `SELECT boot, wall_ms FROM anchor WHERE stream = $1`, s.no)
	if err != nil {
		return err
	}
	parts, err := c.parts(s)
	if err != nil {
		return err
	}
	for _, p := range parts {
		if err := c.part(r, p); err != nil {
			return err
		}
	}
	c.sum.Records, c.sum.Votes = c.sum.Records+len(r.draft.Records), c.sum.Votes+len(r.draft.Added)
	c.sum.Unreadable, c.sum.Unproven = c.sum.Unreadable+int(r.Bad), c.sum.Unproven+int(r.Unproven)
	return c.tables(r)
}

func (c *checker) parts(s stream) (parts []part, err error) {
	var p part
	var head []byte
	err = c.tx.Each([]any{&p.first, &p.last, &p.proof, &head}, func() error {
		p.head = seal.Head(head)
		parts = append(parts, p)
		return nil
	}, `SELECT first, last, no, prev FROM proof WHERE stream = $1
		UNION ALL SELECT first, last, 0, head FROM hole WHERE stream = $1 ORDER BY 1, 2`, s.no)
	return parts, err
}

// part takes the next part of a line.
func (c *checker) part(r *replay, p part) error {
	next := r.Upto + 1
	switch {
	case p.first > p.last && (p.proof > 0 || p.first > p.last+1) || p.first < next:
		c.differ(r.where(p.first), "records %d to %d stand where record %d was expected", p.first, p.last, next)
		return nil
	case p.first > next:
		c.differ(r.where(next), "records %d to %d should have a proof, and none is there", next, p.first-1)
		r.skip(p.first - 1)
	}
	if p.proof == 0 {
		if p.first <= p.last { // else the chain was taken up again
			c.sum.Holes++
			c.sum.Missing += int(p.last - p.first + 1)
		}
		r.Upto, r.Head, r.loose = p.last, p.head, false
		return nil
	}
	c.sum.Proofs++
	c.progress(c.sum.Proofs, c.total)
	before := r.Line
	why, err := c.replay(r, p)
	if why != "" {
		c.differ(r.where(p.first), "the proof of records %d to %d should be a batch signed by %s, found: %s",
			p.first, p.last, r.id, why)
		r.Line = before
		r.skip(p.last)
	}
	return err
}

// skip passes over records that nothing proves.
func (r *replay) skip(to uint64) {
	r.blind = append(r.blind, part{first: r.Upto + 1, last: to})
	r.Upto, r.loose = to, true
}

// replay takes the records of a proof; why tells what is wrong with it.
func (c *checker) replay(r *replay, p part) (why string, err error) {
	var envelope []byte
	var received int64
	if _, err := c.tx.Get([]any{&envelope, &received},
		`SELECT envelope, received_ms FROM proof WHERE no = $1`, p.proof); err != nil {
		return "", err
	}
	typ, payload, err := c.codec.Open(envelope, r.key)
	if err != nil {
		return err.Error(), nil
	}
	b, err := wire.DecodeBatch(payload)
	if err != nil || typ != wire.BatchType {
		return fmt.Sprintf("%s: %v", typ, err), nil
	}
	heads, ok := b.Chain()
	if !ok || b.Terminal != r.id || b.Epoch != r.epoch || b.First > p.first || b.Last() != p.last {
		return fmt.Sprintf("records %d to %d of %s, epoch %s", b.First, b.Last(), b.Terminal, b.Epoch), nil
	}
	n, start := p.first-b.First, b.Prev
	switch {
	case b.Origin == wire.Unproven: // its chain is its own; its digests go onto the line's
		start = p.head
	case n > 0:
		start = heads[n-1]
	}
	if start != p.head {
		c.differ(r.where(p.first), "prev of the proof should be %s, found %s", start, p.head)
	}
	if start != r.Head && !r.loose {
		c.differ(r.where(p.first), "the chain before the proof should be %s, found %s", r.Head, start)
	}
	r.Head, r.loose = start, false
	r.proofs[p.first], r.starts = p.proof, append(r.starts, p.first)
	clock := org.Clock{Now: b.Now, Received: time.UnixMilli(received), Boots: r.boots}
	alone := clock
	alone.Boots = nil
	for i, item := range b.Items[n:] {
		e := org.Read(item, heads[int(n)+i], b.Origin)
		e.At, e.Quality = clock.Resolve(e.Record.At)
		if err := r.draft.Add(&r.Line, e); err != nil {
			return "", err
		}
		if a := e.Record.Amend; a != nil && r.draft.Records[len(r.draft.Records)-1].Why == "" {
			c.amends = append(c.amends, amend{p.proof, r.no, a.Cast, a.Level})
		}
		// Whether the boot was known already when the batch was filed, nobody can tell any more.
		if at, q := alone.Resolve(e.Record.At); e.Record.Cast != nil && (q != e.Quality || !at.Equal(e.At)) {
			r.others[r.Upto] = draft.Vote{At: at, Quality: q}
		}
	}
	r.Claim(b.Origin, b.Tally)
	return "", nil
}

// tables compares the tables with a replayed line.
func (c *checker) tables(r *replay) error {
	d := r.draft
	blind := func(seq uint64) bool {
		return slices.ContainsFunc(r.blind, func(p part) bool { return p.first <= seq && seq <= p.last })
	}
	record := func(i int, _ []any) []any { return r.record(d.Records[i]) }
	event := func(i int, _ []any) []any { return d.Events[i].Values() }
	personal := func(i int, _ []any) []any { return d.Personals[i].Values() }
	for _, t := range []struct {
		rows
		text string
	}{
		{rows{"record", len(d.Records), record, r.where, blind, false},
			`SELECT seq, kind, proof, digest, CASE WHEN why IS NULL THEN 0 ELSE 1 END AS why FROM record
			WHERE stream = $1 ORDER BY seq`},
		{rows{"vote", len(d.Added), r.vote, r.where, blind, false},
			`SELECT ` + draft.Columns + ` FROM vote WHERE stream = $1 ORDER BY seq`},
		{rows{"event", len(d.Events), event, r.where, blind, false},
			`SELECT seq, code, note, boot, since_ms, wall_ms, synced FROM event WHERE stream = $1 ORDER BY seq`},
		{rows{"personal data", len(d.Personals), personal, r.where, blind, true},
			`SELECT seq, vote, sealed FROM personal WHERE stream = $1 ORDER BY seq`},
	} {
		if err := c.compare(t.rows, t.text, r.no); err != nil {
			return err
		}
	}
	return c.tx.Table(func(columns []string, got []any) error {
		want := []any{r.Upto, r.Head[:]}
		for _, n := range slices.Concat(r.Own[:], r.Claimed[:], []uint64{r.Lost, r.Bad, r.Unproven}) {
			want = append(want, n)
		}
		if len(r.blind) > 0 || r.loose {
			want, got, columns = want[:1], got[:1], columns[:1]
		}
		c.differs(r.where(r.Upto), "stream", columns, want, got)
		return nil
	}, `SELECT upto, head, n1, n2, n3, n4, n5, c1, c2, c3, c4, c5, lost, bad, unproven FROM stream WHERE no = $1`, r.no)
}

func (r *replay) record(rec draft.Record) []any {
	i, found := slices.BinarySearch(r.starts, rec.Seq)
	if !found {
		i--
	}
	return []any{int64(rec.Seq), rec.Kind, r.proofs[r.starts[i]], rec.Digest[:], rec.Why != ""}
}

// vote is what a vote should be; where two times are right, the one that was found.
func (r *replay) vote(i int, got []any) []any {
	v := *r.draft.Added[i]
	want := v.Values()
	other, ok := r.others[v.Seq]
	if !ok || got == nil {
		return want
	}
	v.At, v.Quality = other.At, other.Quality
	same := func(a, b any) bool { return plain(a) == plain(b) }
	if second := v.Values(); slices.EqualFunc(second, got, same) {
		return second
	}
	return want
}
