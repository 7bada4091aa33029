// Package check rebuilds a store from its proofs, the batches as terminals signed them, and tells
// where the tables differ. It never changes a row.
package check

import (
	"fmt"
	"reflect"
	"strconv"

	"hailong/collector/store/db"
	"hailong/sync/seal"
	"hailong/sync/wire"
	"hailong/vote"
)

// Difference is one thing that is not as it should be.
type Difference struct {
	Where string // terminal/epoch/seq of a record; for other things their own name
	What  string // a sentence with what was expected and what was found
}

// Summary counts what was checked.
type Summary struct {
	Streams, Records, Votes, Proofs, Holes, Forks int
	Unreadable                                    int // records that are kept with a reason
	Unproven                                      int // votes outside every score, because nothing proves them
	Missing                                       int // records in holes: they were promised and never came
	Aside                                         int // signed messages that wait for a person
}

// checker walks through one state of a store.
type checker struct {
	tx       *db.Tx
	codec    *wire.Codec
	demo     bool
	progress func(done, total int)
	total    int
	names    map[int64]string // of terminals
	streams  []stream
	amends   []amend // that hold, of all streams
	diffs    []Difference
	sum      Summary
}

// stream is one of the lines to check.
type stream struct {
	no, terminal int64
	id           vote.TerminalID
	epoch        seal.Epoch
	key          []byte
	forked       bool
}

func (s stream) where(seq uint64) string { return fmt.Sprintf("%s/%s/%d", s.id, s.epoch, seq) }

// Run checks everything. Progress is told in proofs.
func Run(tx *db.Tx, codec *wire.Codec, demo bool, progress func(done, total int)) ([]Difference, Summary, error) {
	c := &checker{tx: tx, codec: codec, demo: demo, progress: progress, names: map[int64]string{}}
	for _, step := range []func() error{c.find, c.strays, c.marks, c.lines, c.order, c.counts, c.releases, c.asides} {
		if err := step(); err != nil {
			return c.diffs, c.sum, err
		}
	}
	return c.diffs, c.sum, nil
}

func (c *checker) differ(where, what string, args ...any) {
	c.diffs = append(c.diffs, Difference{where, fmt.Sprintf(what, args...)})
}

// find lists the streams.
func (c *checker) find() error {
	var no int64
	var name string
	err := c.tx.Each([]any{&no, &name}, func() error {
		c.names[no] = name
		return nil
	}, `SELECT no, id FROM terminal`)
	if err != nil {
		return err
	}
	var s stream
	var epoch []byte
	return c.tx.Each([]any{&s.no, &s.terminal, (*string)(&s.id), &epoch, &s.key, &s.forked}, func() error {
		s.epoch = seal.Epoch(epoch)
		c.streams = append(c.streams, s)
		return nil
	}, `SELECT s.no, t.no, t.id, s.epoch, t.key, s.forked FROM stream s
		JOIN terminal t ON t.no = s.terminal ORDER BY s.no`)
}

// strays finds rows that belong to nothing.
func (c *checker) strays() error {
	return c.tx.Table(func(_ []string, v []any) error {
		c.differ(fmt.Sprint(v[0]), "row %v of table %v should belong to a row of table %v, and none is there",
			v[1], v[0], v[2])
		return nil
	}, `PRAGMA foreign_key_check`)
}

// lines checks the streams one after the other.
func (c *checker) lines() error {
	for _, s := range c.streams {
		c.sum.Streams++
		if err := c.line(s); err != nil {
			return fmt.Errorf("%s epoch %s: %w", s.id, s.epoch, err)
		}
	}
	return nil
}

// rows compares a table's rows of a stream, in order of seq, with what they should be. The first
// column is the seq.
type rows struct {
	table    string
	n        int
	want     func(i int, got []any) []any // got is nil where only the seq matters
	where    func(seq uint64) string
	blind    func(seq uint64) bool // no proof says what should be there
	optional bool                  // rows may have been purged
}

func (c *checker) compare(r rows, text string, args ...any) error {
	i := 0
	next := func() int64 { return r.want(i, nil)[0].(int64) }
	missing := func() {
		if seq := uint64(next()); !r.optional {
			c.differ(r.where(seq), "the %s should be there and is missing", r.table)
		}
		i++
	}
	err := c.tx.Table(func(columns []string, got []any) error {
		seq, _ := got[0].(int64)
		for i < r.n && next() < seq {
			missing()
		}
		switch {
		case i < r.n && next() == seq:
			c.differs(r.where(uint64(seq)), r.table, columns, r.want(i, got), got)
			i++
		case !r.blind(uint64(seq)):
			c.differ(r.where(uint64(seq)), "no proof has this %s, which should not be there", r.table)
		}
		return nil
	}, text, args...)
	for err == nil && i < r.n {
		missing()
	}
	return err
}

// differs compares a row with what it should be.
func (c *checker) differs(where, table string, columns []string, want, got []any) {
	for i, name := range columns {
		if w, g := plain(want[i]), plain(got[i]); w != g {
			c.differ(where, "%s of the %s should be %s, found %s", name, table, w, g)
		}
	}
}

// plain writes a value so that the same value looks the same from Go and from SQL.
func plain(v any) string {
	if v == nil {
		return "nothing"
	}
	switch x := reflect.ValueOf(v); {
	case x.Kind() == reflect.Bool && x.Bool():
		return "1"
	case x.Kind() == reflect.Bool:
		return "0"
	case x.CanInt():
		return strconv.FormatInt(x.Int(), 10)
	case x.CanUint():
		return strconv.FormatUint(x.Uint(), 10)
	case x.Kind() == reflect.Slice:
		return fmt.Sprintf("%x", x.Bytes())
	}
	return fmt.Sprintf("%q", v)
}
