package attic

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"hailong/sync/seal"
)

var epoch = seal.Epoch{1, 2, 3}

const terminal = "quay-01"

func body(seq uint64) []byte { return fmt.Appendf(nil, "record %d", seq) }

// chain is the true chain after each record.
func chain(n uint64) []seal.Head {
	heads := []seal.Head{seal.Start(terminal, epoch)}
	for seq := uint64(1); seq <= n; seq++ {
		heads = append(heads, heads[seq-1].Next(seq, seal.Of(body(seq))))
	}
	return heads
}

// file is records 1 to n, each as broken as damage says: 0 whole, 1 body broken, 2 gone.
func file(n uint64, damage func(seq uint64) int) []byte {
	out := []byte("page")
	for seq := uint64(1); seq <= n; seq++ {
		f := seal.Frame(nil, epoch, seq, body(seq))
		switch damage(seq) {
		case 1:
			f[len(f)-6] ^= 1
		case 2:
			clear(f)
		}
		out = append(out, f...)
	}
	return out
}

func carved(t testing.TB, buf []byte) *Wreck {
	t.Helper()
	wrecks := Carve(buf)
	if len(wrecks) != 1 {
		t.Fatalf("%d epochs found, want 1", len(wrecks))
	}
	return wrecks[0]
}

// said writes a plan in short: 1-4 proven, (6-9) unproven, each digest without a body as a dot.
func said(p Plan) (s string) {
	for _, x := range p.Stretches {
		dots := ""
		for _, i := range x.Items {
			if i.Body == nil {
				dots += "."
			}
		}
		if x.Proven {
			s += fmt.Sprintf("%d-%d%s ", x.First, x.Last(), dots)
			continue
		}
		s += fmt.Sprintf("(%d-%d)%s ", x.First, x.Last(), dots)
	}
	return s + fmt.Sprintf("end %d", p.End)
}

func TestPlan(t *testing.T) {
	heads := chain(30)
	for _, c := range []struct {
		what   string
		from   uint64
		n      uint64
		damage map[uint64]int
		known  []uint64
		want   string
	}{
		{"nothing is wrong", 0, 9, nil, []uint64{9}, "1-9 end 9"},
		{"the centre has some", 5, 9, nil, []uint64{9}, "6-9 end 9"},
		{"an old record is broken", 5, 9, map[uint64]int{3: 2}, []uint64{9}, "6-9 end 9"},
		{"a body is broken, its digest is not", 0, 9, map[uint64]int{4: 1}, []uint64{9}, "1-9. end 9"},
		{"a record is gone", 0, 9, map[uint64]int{4: 2}, []uint64{9}, "(1-3) (5-9) end 9"},
		{"gone where the line is known", 0, 9, map[uint64]int{4: 2}, []uint64{3, 4, 9}, "1-3 5-9 end 9"},
		{"gone, known only behind it", 0, 9, map[uint64]int{4: 2}, []uint64{4, 9}, "(1-3) 5-9 end 9"},
		{"taken up at a whole record", 0, 9, map[uint64]int{4: 2}, []uint64{2, 6, 9}, "1-2 (3-3) (5-6) 7-9 end 9"},
		{"beyond the last known place", 0, 9, nil, []uint64{6}, "1-6 (7-9) end 9"},
		{"the end is gone", 0, 9, map[uint64]int{8: 2, 9: 2}, []uint64{5, 9}, "1-5 (6-7) end 9"},
		{"the end is gone, nothing is known", 0, 9, map[uint64]int{9: 2}, nil, "(1-8) end 8"},
		{"all is known and gone", 9, 0, nil, []uint64{9}, "end 9"},
		{"a broken one beyond the last known place", 0, 9, map[uint64]int{8: 1}, []uint64{6}, "1-6 (7-7) (9-9) end 9"},
	} {
		buf := append(file(c.n, func(seq uint64) int { return c.damage[seq] }), seal.Frame(nil, epoch, 0, body(0))...)
		w := carved(t, buf)
		for _, seq := range c.known {
			w.Know(seq, heads[seq])
		}
		p := w.Plan(c.from, heads[c.from])
		if got := said(p); got != c.want {
			t.Errorf("%s: %s, want %s", c.what, got, c.want)
		}
		check(t, c.what, p, heads)
	}
}

// check looks whether each stretch holds the records it names, and whether what is called proven is on the true chain.
func check(t interface {
	Errorf(string, ...any)
}, what string, p Plan, heads []seal.Head) {
	for _, s := range p.Stretches {
		h := s.Prev
		for i, item := range s.Items {
			seq := s.First + uint64(i)
			if item.Body != nil && !bytes.Equal(item.Body, body(seq)) || item.Digest != seal.Of(body(seq)) {
				t.Errorf("%s: item %d is not record %d", what, i, seq)
			}
			h = h.Next(seq, item.Digest)
		}
		if h != s.Head || s.Proven && (s.Prev != heads[s.First-1] || s.Head != heads[s.Last()]) {
			t.Errorf("%s: the chain of %d to %d is wrong", what, s.First, s.Last())
		}
	}
}

func TestAPressThatFailedIsNotTakenForTheOneThatWasKept(t *testing.T) {
	heads := chain(5)
	// Record 4 was written twice: a commit that ran out of disk, then the one that was thanked for.
	lost := seal.Frame(nil, epoch, 4, []byte("never thanked"))
	w := carved(t, append(lost, file(5, func(uint64) int { return 0 })...))
	w.Know(5, heads[5])
	p := w.Plan(0, heads[0])
	if said(p) != "1-5 end 5" {
		t.Errorf("got %s", said(p))
	}
	check(t, "twice", p, heads)
}

func TestAMadeUpNumberCostsNothing(t *testing.T) {
	buf := file(3, func(uint64) int { return 0 })
	for _, seq := range []uint64{1 << 40, 1<<62 - 1, 1 << 62, ^uint64(0)} {
		buf = seal.Frame(buf, epoch, seq, []byte("made up"))
	}
	p := carved(t, buf).Plan(0, chain(0)[0])
	if got := said(p); got != fmt.Sprintf("(1-3) (%d-%d) (%d-%d) end %[3]d", 1<<40, 1<<40, 1<<62-1, 1<<62-1) {
		t.Errorf("got %s", got)
	}
}

func TestTheLineFollowsTheCentre(t *testing.T) {
	heads := chain(20)
	w := carved(t, file(20, func(seq uint64) int { return map[uint64]int{6: 2, 15: 2}[seq] }))
	w.Know(20, heads[20])
	l := NewLine(w, terminal)
	if s := l.State(); s.Upto != 0 || s.Next != 21 || s.Before != heads[0] {
		t.Errorf("begins at %+v", s)
	}
	l.Receipted(9, heads[9]) // the centre has more than begins here
	var got []uint64
	for {
		s := l.State()
		part := l.Look(s.Upto+1, 3, 1000)
		if len(part.Items) == 0 {
			break
		}
		if part.Prev != s.Before {
			t.Fatalf("stretch at %d does not follow where the line stands", part.First)
		}
		for i := range part.Items {
			got = append(got, part.First+uint64(i))
		}
		l.Receipted(part.Last(), part.Head)
	}
	want := []uint64{10, 11, 12, 13, 14, 16, 17, 18, 19, 20}
	if s := l.State(); !slices.Equal(got, want) || s.Upto != 20 || s.Waiting != 0 {
		t.Errorf("sent %v, want %v; ends at %+v", got, want, s)
	}
}

func TestNothingWholeIsLeftOut(t *testing.T) {
	heads := chain(30)
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Uint64Range(1, 30).Draw(t, "n")
		damage := map[uint64]int{}
		for seq := uint64(1); seq <= n; seq++ {
			damage[seq] = rapid.SampledFrom([]int{0, 0, 0, 0, 1, 2}).Draw(t, "damage")
		}
		wrecks := Carve(file(n, func(seq uint64) int { return damage[seq] }))
		if len(wrecks) == 0 {
			return
		}
		w := wrecks[0]
		for seq := uint64(0); seq <= n; seq++ {
			if rapid.IntRange(0, 4).Draw(t, "known") == 0 {
				w.Know(seq, heads[seq])
			}
		}
		from := rapid.Uint64Range(0, n).Draw(t, "from")
		p := w.Plan(from, heads[from])
		check(t, "any", p, heads)
		sent, at := map[uint64]bool{}, from
		for _, s := range p.Stretches {
			if s.First <= at {
				t.Fatalf("%s goes back", said(p))
			}
			for i, item := range s.Items {
				sent[s.First+uint64(i)] = item.Body != nil
			}
			at = s.Last()
		}
		for seq := from + 1; seq <= n; seq++ {
			if whole := damage[seq] == 0; whole != sent[seq] {
				t.Fatalf("record %d whole %v, sent %v: %s", seq, whole, sent[seq], said(p))
			}
		}
	})
}

func FuzzCarve(f *testing.F) {
	f.Add(file(3, func(seq uint64) int { return int(seq) - 1 }))
	f.Fuzz(func(t *testing.T, buf []byte) {
		for _, w := range Carve(buf) {
			l := NewLine(w, terminal)
			for range 100 {
				s := l.State()
				part := l.Look(s.Upto+1, 500, 1<<20)
				if len(part.Items) == 0 {
					break
				}
				l.Receipted(part.Last(), part.Head)
			}
		}
	})
}
