package ingest_test

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"hailong/collector/score"
	"hailong/collector/store"
	"hailong/collector/store/storetest"
	"hailong/sync/seal"
	"hailong/sync/wire"
	"hailong/vote"
)

// TestAnyOrderEndsTheSame sends batches of several terminals in any order, overlapping, again and
// with lost receipts, restarts the centre in between, and wants each record once.
func TestAnyOrderEndsTheSame(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		s, path := storetest.Open(t, false)
		c := door(t, s, nil)
		var want score.Counts
		var lines []*storetest.Line
		for i := range rapid.IntRange(1, 3).Draw(r, "terminals") {
			l := storetest.NewLine(t, fmt.Sprintf("quay-%02d", i)).Register(s)
			write(r, l, &want)
			lines = append(lines, l)
		}
		filed := map[vote.TerminalID]uint64{}
		for range rapid.IntRange(0, 15).Draw(r, "sends") {
			l := rapid.SampledFrom(lines).Draw(r, "terminal")
			first := rapid.Uint64Range(1, l.Len()).Draw(r, "first")
			last := rapid.Uint64Range(first, l.Len()).Draw(r, "last")
			rec := c.send(t, string(l.ID), c.batch(t, l, first, last))
			if first <= filed[l.ID]+1 {
				filed[l.ID] = max(filed[l.ID], last)
			}
			gap := first > filed[l.ID]+1
			if rec.Upto != filed[l.ID] || rec.Head != l.Head(rec.Upto) || (rec.Code == wire.Gap) != gap {
				r.Fatalf("records %d to %d: receipt %+v, want position %d", first, last, rec, filed[l.ID])
			}
		}
		for _, l := range lines {
			if filed[l.ID] < l.Len() {
				c.send(t, string(l.ID), c.batch(t, l, filed[l.ID]+1, l.Len()))
			}
		}
		c.stop()
		c.holds(t, want)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		again, err := store.Open(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := again.Close(); err != nil {
				t.Error(err)
			}
		}()
		// The centre died between commit and receipt: everything comes again.
		c = door(t, again, nil)
		defer c.stop()
		for _, l := range lines {
			if rec := c.send(t, string(l.ID), c.batch(t, l, 1, l.Len())); rec.Upto != l.Len() {
				r.Fatalf("all again: receipt %+v, want %d", rec, l.Len())
			}
		}
		c.holds(t, want)
	})
}

// write makes up a line and adds its votes to what must be counted in the end.
func write(r *rapid.T, l *storetest.Line, want *score.Counts) {
	levels := map[uint64]vote.Level{}
	for range rapid.IntRange(1, 30).Draw(r, "records") {
		level := vote.Level(rapid.IntRange(1, 5).Draw(r, "level"))
		about := rapid.Uint64Range(1, l.Len()+2).Draw(r, "about")
		_, isCast := levels[about]
		switch rapid.IntRange(0, 6).Draw(r, "kind") {
		case 0:
			l.Add(vote.Record{Amend: &vote.Amend{Cast: about, Level: level}})
			if isCast {
				levels[about] = level
			}
		case 1:
			l.Add(vote.Record{Detail: &vote.Detail{Cast: about, Reasons: []string{"khac"}, Ignored: 1}})
		case 2:
			l.Add(vote.Record{Event: &vote.Event{Code: vote.EventBoot}})
		case 3:
			l.Append(wire.Item{Digest: seal.Of([]byte{byte(l.Len())})}, 0)
		default:
			levels[l.Cast(level)] = level
		}
	}
	for _, level := range levels {
		want.Add(level, 1)
	}
}

// FuzzHandle wants that no bytes whatever stop the centre or are filed, unless a terminal signed
// them.
func FuzzHandle(f *testing.F) {
	c := open(f, false, nil)
	l := line(f, c, "quay-01", 3)
	forger := storetest.NewLine(f, "forger")
	b := l.Batch(1, 3)
	h := l.Hello()
	f.Add(forger.Seal(c.codec, wire.BatchType, b.Encode))
	f.Add(forger.Seal(c.codec, wire.HelloType, h.Encode))
	f.Add([]byte{0x84, 0x01, 0x65, 'b', 'a', 't', 'c', 'h', 0x40, 0x40})
	f.Fuzz(func(t *testing.T, raw []byte) {
		if r := c.send(t, "quay-01", raw); r.Code != wire.Unknown && r.Code != wire.BadVersion {
			t.Errorf("receipt is %+v, want a refusal", r)
		}
		if n := c.Counters(); n.Filed != 0 || n.Quarantined != 0 {
			t.Errorf("counters are %+v, want nothing kept", n)
		}
	})
}

// FuzzSigned lets a terminal sign anything: the centre must stand it and stay sound.
func FuzzSigned(f *testing.F) {
	c := open(f, false, nil)
	l := line(f, c, "quay-01", 3)
	b, h := l.Batch(1, 3), l.Hello()
	for typ, encode := range map[wire.Type]func() ([]byte, error){wire.BatchType: b.Encode, wire.HelloType: h.Encode} {
		payload, err := encode()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(typ), payload)
	}
	f.Fuzz(func(t *testing.T, typ string, payload []byte) {
		raw, err := c.codec.Seal(wire.Type(typ), payload, l.Key)
		if err != nil {
			return
		}
		c.send(t, "quay-01", raw)
		diffs, _, err := c.store.Verify(t.Context(), c.codec, nil)
		if err != nil || len(diffs) > 0 {
			t.Errorf("verify: %v, %v", diffs, err)
		}
	})
}
