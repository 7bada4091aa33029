package store_test

import (
	"testing"

	"hailong/collector/org"
	"hailong/collector/score"
	"hailong/collector/store"
	"hailong/collector/store/storetest"
	"hailong/sync/seal"
	"hailong/sync/wire"
	"hailong/vote"
)

// salvaged sends a batch of what was left of a line. An unproven one begins its chain anywhere.
func salvaged(
	t *testing.T, s *store.Store, l *storetest.Line, first, last uint64, o wire.Origin, want wire.Code,
) org.Position {
	t.Helper()
	b := l.Batch(first, last)
	b.Origin, b.Now.Boot, b.Tally = o, 0, wire.Tally{}
	if o == wire.Unproven {
		b.Prev = seal.Head{9}
		b.Head = b.Prev
		for i, item := range b.Items {
			b.Head = b.Head.Next(first+uint64(i), item.Digest)
		}
	}
	pos, err := s.File(t.Context(), l.Filing(wire.NewCodec(), b, storetest.Noon()))
	if err != nil || pos.Code != want {
		t.Fatalf("File(%d to %d) = %+v, %v, want code %s", first, last, pos, err, want)
	}
	return pos
}

func hello(
	t *testing.T, s *store.Store, l *storetest.Line, oldest uint64, before seal.Head, want wire.Code,
) org.Position {
	t.Helper()
	h := l.Hello()
	h.Salvaged, h.Oldest, h.First, h.Before, h.Now.Boot = true, oldest, oldest, before, 0
	h.Next = max(h.Next, oldest)
	pos, err := s.Greet(t.Context(), h, storetest.Noon())
	if err != nil || pos.Code != want {
		t.Fatalf("Greet from %d = %+v, %v, want code %s", oldest, pos, err, want)
	}
	return pos
}

func hall(t *testing.T, s *store.Store) org.Terminal {
	t.Helper()
	h, err := s.Hall(t.Context(), storetest.Noon())
	if err != nil {
		t.Fatal(err)
	}
	return h.Terminals[0]
}

func TestWhatIsUnprovenIsFiledAndCountedApart(t *testing.T) {
	s, _ := storetest.Open(t, false)
	l := storetest.NewLine(t, "quay-01").Register(s)
	for range 10 {
		l.Cast(5)
	}
	l.Add(vote.Record{Amend: &vote.Amend{Cast: 2, Level: 1}})  // of a proven vote
	l.Add(vote.Record{Amend: &vote.Amend{Cast: 10, Level: 1}}) // of an unproven one
	file(t, s, l, 1, 3, wire.OK)
	if pos := salvaged(t, s, l, 4, 5, wire.Salvaged, wire.OK); pos.Added != 2 {
		t.Fatalf("%+v, want 2 more", pos)
	}
	// 6 and 7 are lost.
	salvaged(t, s, l, 8, 12, wire.Unproven, wire.Gap)
	if pos := hello(t, s, l, 8, seal.Head{3}, wire.OK); pos.Upto != 7 || pos.Head != (seal.Head{3}) {
		t.Fatalf("after the hole: %+v", pos)
	}
	for n, added := range []int{5, 0} { // a second time changes nothing
		if pos := salvaged(t, s, l, 8, 12, wire.Unproven, wire.Quarantined); pos.Added != added || pos.Upto != 12 {
			t.Fatalf("try %d: %+v", n, pos)
		}
	}
	whole(t, s, score.Counts{0, 0, 0, 0, 5})
	if term := hall(t, s); term.Unproven != 3 || term.Warning != "hole" || term.Upto != 12 {
		t.Errorf("the hall shows %+v, want 3 votes apart and a hole", term)
	}
	votes, err := s.Votes(t.Context(), 0, 100)
	if err != nil || len(votes) != 8 {
		t.Fatalf("%d votes, %v, want 8", len(votes), err)
	}
	for _, v := range votes {
		apart := v.Seq >= 8
		if v.Counted == apart || (v.Flags&vote.Unproven != 0) != apart {
			t.Errorf("vote %d: counted %v, flags %b", v.Seq, v.Counted, v.Flags)
		}
		if want := map[uint64]vote.Level{10: 1}[v.Seq]; want != 0 && v.Level != want || v.Seq == 2 && v.Level != 5 {
			t.Errorf("vote %d has level %d", v.Seq, v.Level)
		}
	}
	if sum := sound(t, s); sum.Unproven != 3 || sum.Holes != 1 || sum.Forks != 0 {
		t.Errorf("verify counts %+v", sum)
	}
}

func TestASalvagedHelloIsNoFork(t *testing.T) {
	s, _ := storetest.Open(t, false)
	l := storetest.NewLine(t, "quay-01").Register(s)
	for range 9 {
		l.Cast(4)
	}
	file(t, s, l, 1, 9, wire.OK)
	short := storetest.NewLine(t, "quay-01") // the file lost its end, and began its chain anew behind a loss
	for range 4 {
		short.Cast(3)
	}
	if pos := hello(t, s, short, 3, seal.Head{1}, wire.OK); pos.Upto != 9 || pos.Head != l.Head(9) {
		t.Errorf("%+v, want where the centre stands", pos)
	}
	if got := warning(t, s); got != "" {
		t.Errorf("warning %q", got)
	}
	// Other records under filed numbers are kept for a person, and prove no fork where nothing vouches for them.
	salvaged(t, s, short, 3, 4, wire.Unproven, wire.OK)
	whole(t, s, score.Counts{0, 0, 0, 9, 0})
	if got := warning(t, s); got != "" {
		t.Errorf("warning %q", got)
	}
	salvaged(t, s, short, 3, 4, wire.Salvaged, wire.Fork)
}

func TestTheLostEndOfALineIsAHole(t *testing.T) {
	s, _ := storetest.Open(t, false)
	l := storetest.NewLine(t, "quay-01").Register(s)
	for range 6 {
		l.Cast(4)
	}
	file(t, s, l, 1, 4, wire.OK)
	if pos := hello(t, s, l, 7, l.Head(6), wire.OK); pos.Upto != 6 || pos.Head != l.Head(6) {
		t.Errorf("%+v, want the end of the line", pos)
	}
	if term := hall(t, s); term.Warning != "hole" || term.Unproven != 0 || !term.LastSeen.Equal(storetest.Noon()) {
		t.Errorf("the hall shows %+v", term)
	}
	whole(t, s, score.Counts{0, 0, 0, 4, 0})
}
