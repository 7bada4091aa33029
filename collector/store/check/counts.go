package check

import (
	"bytes"
	"fmt"
	"time"

	"hailong/collector/org"
	"hailong/collector/store/count"
	"hailong/collector/store/draft"
	"hailong/sync/seal"
)

// marks checks the chain of all proofs in filing order.
func (c *checker) marks() error {
	var p draft.Proof
	var prev, found, mark []byte
	var last int64
	if _, err := c.tx.Get([]any{&c.total}, `SELECT COUNT(*) FROM proof`); err != nil {
		return err
	}
	into := []any{&p.No, &p.Stream, &p.First, &p.Last, &prev, &p.ReceivedMS, &found, &p.Envelope}
	return c.tx.Each(into, func() error {
		where := fmt.Sprintf("proof %d", p.No)
		if p.No != last+1 {
			c.differ(where, "proof %d should follow proof %d, found a gap", p.No, last)
		}
		p.Prev, last = seal.Head(prev), p.No
		if want := p.Mark(mark); !bytes.Equal(want, found) {
			c.differ(where, "mark of the proof, or what it covers, was changed: expected %x, found %x", want, found)
		}
		// The chain goes on from what was found: one change is told once.
		mark = found
		return nil
	}, `SELECT no, stream, first, last, prev, received_ms, mark, envelope FROM proof ORDER BY no`)
}

// order checks that votes are numbered in the order of filing, without gap.
func (c *checker) order() error {
	byNo := map[int64]stream{}
	for _, s := range c.streams {
		byNo[s.no] = s
	}
	var filed, proof, no, lastFiled, lastProof int64
	var seq, lastSeq uint64
	return c.tx.Each([]any{&filed, &proof, &no, &seq}, func() error {
		switch {
		case filed != lastFiled+1:
			c.differ(byNo[no].where(seq), "the vote should be number %d in filing order, found %d", lastFiled+1, filed)
		case proof < lastProof || proof == lastProof && seq <= lastSeq:
			c.differ(byNo[no].where(seq), "the vote is number %d in filing order, before votes filed earlier", filed)
		}
		lastFiled, lastProof, lastSeq = filed, proof, seq
		return nil
	}, `SELECT v.filed, r.proof, v.stream, v.seq FROM vote v JOIN record r ON r.stream = v.stream AND r.seq = v.seq
		ORDER BY v.filed`)
}

// cell is one row of counts.
type cell struct{ time, terminal int64 }

// counts rebuilds the counts from the votes.
func (c *checker) counts() error {
	hours, days := map[cell]draft.Delta{}, map[cell]draft.Delta{}
	var k cell
	var n draft.Delta
	into := []any{&k.time, &k.terminal, &n[0], &n[1], &n[2], &n[3], &n[4]}
	err := c.tx.Each(into, func() error {
		hours[k] = n
		if k.time == draft.Unclocked {
			return nil
		}
		for _, terminal := range []int64{k.terminal, count.Hall} {
			at := cell{draft.DayOf(k.time), terminal}
			sum := days[at]
			for i := range sum {
				sum[i] += n[i]
			}
			days[at] = sum
		}
		return nil
	}, `SELECT COALESCE(v.at_ms / 3600000, -1), s.terminal, SUM(CASE WHEN v.level = 1 THEN 1 ELSE 0 END),
		SUM(CASE WHEN v.level = 2 THEN 1 ELSE 0 END), SUM(CASE WHEN v.level = 3 THEN 1 ELSE 0 END),
		SUM(CASE WHEN v.level = 4 THEN 1 ELSE 0 END), SUM(CASE WHEN v.level = 5 THEN 1 ELSE 0 END)
		FROM vote v JOIN stream s ON s.no = v.stream WHERE v.counted = 1 GROUP BY 1, 2`)
	if err != nil {
		return err
	}
	err = c.cells("hour", hours, `SELECT hour, terminal, n1, n2, n3, n4, n5 FROM hour_count ORDER BY hour, terminal`)
	if err != nil {
		return err
	}
	return c.cells("day", days, `SELECT day, terminal, n1, n2, n3, n4, n5 FROM day_count ORDER BY day, terminal`)
}

func (c *checker) cells(unit string, want map[cell]draft.Delta, text string) error {
	var k cell
	var got draft.Delta
	err := c.tx.Each([]any{&k.time, &k.terminal, &got[0], &got[1], &got[2], &got[3], &got[4]}, func() error {
		switch n, ok := want[k]; {
		case !ok: // though it were empty: a live view could take it for another terminal's
			c.differ(c.place(unit, k), "no vote of the %s is here, found counts %v", unit, got)
		case got != n:
			c.differ(c.place(unit, k), "counts of the %s should be %v, found %v", unit, n, got)
		}
		delete(want, k)
		return nil
	}, text)
	for k, n := range want {
		c.differ(c.place(unit, k), "counts of the %s should be %v, found none", unit, n)
	}
	return err
}

// place names a row of counts as people read it.
func (c *checker) place(unit string, k cell) string {
	name, ok := c.names[k.terminal]
	switch {
	case k.terminal == count.Hall:
		name = "hall"
	case !ok:
		name = fmt.Sprintf("terminal %d", k.terminal)
	}
	switch {
	case unit == "day":
		return name + " " + time.Unix(k.time*24*3600, 0).UTC().Format(time.DateOnly)
	case k.time == draft.Unclocked:
		return name + " unknown hour"
	}
	return name + " " + time.UnixMilli(k.time*draft.HourMS).In(org.VietnamTime()).Format(time.RFC3339)
}

// asides checks what was set aside: whole, and a fork exactly where there is evidence of one.
func (c *checker) asides() error {
	evidence := map[string]bool{}
	var digest, epoch, raw []byte
	var terminal int64
	var fork bool
	err := c.tx.Each([]any{&digest, &terminal, &epoch, &fork, &raw}, func() error {
		c.sum.Aside++
		if want := seal.Of(raw); !bytes.Equal(want[:], digest) {
			c.differ(fmt.Sprintf("quarantine %x", digest), "digest of the message should be %x, found %x", want, digest)
		}
		if fork {
			evidence[fmt.Sprint(terminal, epoch)] = true
		}
		return nil
	}, `SELECT digest, terminal, epoch, fork, raw FROM quarantine`)
	if err != nil {
		return err
	}
	for _, s := range c.streams {
		if s.forked {
			c.sum.Forks++
		}
		key := fmt.Sprint(s.terminal, s.epoch[:])
		if s.forked != evidence[key] {
			c.differ(s.where(0), "the stream should be marked forked: %v, found: %v", evidence[key], s.forked)
		}
		delete(evidence, key)
	}
	for key := range evidence {
		c.differ("quarantine", "evidence of a fork names no stream: %s", key)
	}
	return nil
}
