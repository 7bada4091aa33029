package session

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"hailong/vote"
)

// world is a terminal with a disk that answers whenever and however the test likes, and a book of
// everything it was asked.
type world struct {
	t       *rapid.T
	m       State
	at      time.Duration
	out     Ask    // not answered yet
	seq     uint64 // newest on disk
	asked   int    // asks so far
	presses int

	last     Ask // newest cast or amend
	lastKept bool
	castAt   time.Duration
	castSeq  uint64 // of the newest kept cast
	amended  bool
	detailed bool

	recorded, ignored int // presses in casts and amends, presses counted in details and events
}

func newWorld(t *rapid.T) *world {
	return &world{t: t, m: New(Options{
		Survey: vote.Default(), Touch: rapid.Bool().Draw(t, "touch"), Personal: rapid.Bool().Draw(t, "personal"),
	})}
}

func (w *world) step(e Event) {
	if _, ok := e.(Press); ok {
		w.presses++
	}
	old, oldShows, oldChosen := w.m, shows(w.m), slices.Clone(w.m.visit.chosen)
	next, ask := w.m.Step(w.at, e)
	if shows(old) != oldShows || !slices.Equal(old.visit.chosen, oldChosen) {
		w.t.Fatalf("%T changed the state it started from", e)
	}
	w.m = next
	if ask.Kind != 0 {
		w.book(ask)
	}
	if w.m.Phase() == Thanked && !w.lastKept {
		w.t.Fatalf("%T at %v: thanks without a record on disk", e, w.at)
	}
	if left := w.presses - w.recorded - w.ignored - w.pending(); left != 0 {
		w.t.Fatalf("%T at %v: %d presses are not accounted for", e, w.at, left)
	}
}

// pending are presses the machine still has to tell about.
func (w *world) pending() int {
	n := int(w.m.stray) + int(w.m.visit.ignored)
	if w.m.out.Kind == vote.EventKind {
		n -= int(w.m.out.Ignored)
	}
	if w.m.wanted {
		n++
	}
	return n
}

func (w *world) book(a Ask) {
	if w.out.Kind != 0 {
		w.t.Fatalf("asks for %v while %v is outstanding", a.Kind, w.out.Kind)
	}
	w.out, w.asked = a, w.asked+1
	switch a.Kind {
	case vote.CastKind:
		if w.recorded > 0 && a.At-w.castAt < LockoutFor {
			w.t.Fatalf("a second cast %v after the first", a.At-w.castAt)
		}
		w.last, w.lastKept, w.castAt, w.amended, w.detailed = a, false, a.At, false, false
		w.recorded++
	case vote.AmendKind:
		if w.amended || w.detailed || a.Cast != w.castSeq {
			w.t.Fatalf("amend of %d, cast is %d, amended %v", a.Cast, w.castSeq, w.amended)
		}
		w.last, w.lastKept, w.amended = a, false, true
		w.recorded++
	case vote.DetailKind:
		if w.detailed || a.Cast != w.castSeq {
			w.t.Fatalf("detail of %d, cast is %d, detailed %v", a.Cast, w.castSeq, w.detailed)
		}
		w.detailed = true
		w.ignored += int(a.Ignored)
	case vote.EventKind:
		w.ignored += int(a.Ignored)
	}
}

// answer gives the disk's word on the outstanding ask.
func (w *world) answer(keep bool) {
	a := w.out
	w.out = Ask{}
	if !keep {
		if a.Kind == vote.EventKind {
			w.ignored -= int(a.Ignored)
		}
		w.step(Failed{a.No})
		return
	}
	w.seq++
	if a.Kind == vote.CastKind {
		w.castSeq = w.seq
	}
	w.lastKept = w.lastKept || a.No == w.last.No
	w.step(Kept{a.No, w.seq})
}

// act lets anything happen, at any time.
func (w *world) act() {
	t := w.t
	if rapid.Bool().Draw(t, "time passes") {
		w.at += time.Duration(rapid.SampledFrom([]int{1, 40, 900, 2000, 5000, 11000, 31000, 61000}).Draw(t, "ms")) * ms
	}
	codes := []string{"thai-do", "phi", "nhanh", "gon", "no-such"}
	switch rapid.IntRange(0, 10).Draw(t, "act") {
	case 0, 1, 2:
		w.step(Press{vote.Level(rapid.IntRange(0, 6).Draw(t, "level")), vote.Button})
	case 3:
		w.step(ChangeMind{})
	case 4:
		w.step(Toggle{rapid.SampledFrom(codes).Draw(t, "code")})
	case 5:
		w.step(Write{Personal{Comment: rapid.StringN(0, 5, 20).Draw(t, "comment")}})
	case 6:
		w.step(MoreTime{})
	case 7:
		w.step(Done{})
	case 8:
		w.step(Tick{})
	case 9: // an answer the disk gave before, or never
		no := uint64(rapid.IntRange(0, w.asked).Draw(t, "no"))
		if no != w.out.No {
			w.step(rapid.SampledFrom([]Event{Kept{no, w.seq + 1}, Failed{no}}).Draw(t, "stale"))
		}
	case 10:
		if w.out.Kind != 0 {
			w.answer(rapid.IntRange(0, 3).Draw(t, "fate") > 0)
		}
	}
}

// rest lets time pass, with a disk that answers at once, until nothing is left to happen.
func (w *world) rest() (asking time.Duration) {
	start := w.at
	asking = -1
	for range 200 {
		if w.out.Kind != 0 {
			w.answer(true)
			continue
		}
		if w.m.Phase() == Asking && asking < 0 {
			asking = w.at - start
		}
		next, ok := w.m.Deadline()
		if !ok {
			return asking
		}
		if next < w.at {
			next = w.at
		}
		w.at = next
		w.step(Tick{})
	}
	w.t.Fatalf("never at rest: %v", w.m)
	return 0
}

func TestWhateverHappens(t *testing.T) {
	const bound = AmendFor + ReasonsFor + LockoutFor + ThankFor + NotKeptFor + SlowFor
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		for range rapid.IntRange(1, 60).Draw(t, "acts") {
			w.act()
		}
		if took := w.rest(); took > bound {
			t.Fatalf("asked again after %v, want at most %v", took, bound)
		}
		if w.m.Phase() != Asking || w.pending() != 0 {
			t.Fatalf("at rest in %v with %d presses pending", w.m, w.pending())
		}
	})
}

func TestAStopTellsEverything(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		for range rapid.IntRange(1, 40).Draw(t, "acts") {
			w.act()
		}
		w.step(Stop{})
		for i := 0; w.m.Waiting(); i++ {
			if i > 5 {
				t.Fatalf("still asks after %d answers", i)
			}
			w.answer(true)
		}
		if w.m.Phase() != Closed || w.pending() != 0 {
			t.Fatalf("stopped in %v with %d presses pending", w.m, w.pending())
		}
	})
}

// The officer sees the screen. Two visitors who do the same things at the same times, with other
// levels, must look the same.
func TestNothingShownDependsOnTheLevel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		levels := vote.Default().Levels
		other := rapid.Permutation(levels).Draw(t, "other levels")
		o := Options{Survey: vote.Default(), Touch: true, Personal: true}
		a, b := New(o), New(o)
		var out Ask
		at := time.Duration(0)
		for range rapid.IntRange(1, 40).Draw(t, "acts") {
			at += time.Duration(rapid.IntRange(0, 9000).Draw(t, "ms")) * ms
			var ea, eb Event
			switch n := rapid.IntRange(0, 6).Draw(t, "act"); {
			case n < 2:
				i := rapid.IntRange(0, len(levels)-1).Draw(t, "level")
				ea, eb = touch(levels[i]), touch(other[i])
			case n == 2 && a.Page():
				i := rapid.IntRange(0, len(a.Reasons())-1).Draw(t, "reason")
				ea, eb = Toggle{a.Reasons()[i].Code}, Toggle{b.Reasons()[i].Code}
			case n == 3:
				ea, eb = ChangeMind{}, ChangeMind{}
			case n == 4:
				ea, eb = Done{}, Done{}
			case n == 5:
				ea, eb = Tick{}, Tick{}
			default:
				ea, eb = Kept{out.No, 1}, Kept{out.No, 1}
			}
			var askA, askB Ask
			a, askA = a.Step(at, ea)
			b, askB = b.Step(at, eb)
			if askA.Kind != 0 {
				out = askA
			}
			if shows(a) != shows(b) || askA.No != askB.No || !slices.Equal(marks(a), marks(b)) {
				t.Fatalf("%T at %v: one shows %q, the other %q", ea, at, shows(a), shows(b))
			}
		}
	})
}

func marks(s State) []bool {
	var out []bool
	for _, o := range s.Reasons() {
		out = append(out, o.Chosen)
	}
	return out
}

func TestAStateKeepsItsOwnReasons(t *testing.T) {
	m := New(Options{Survey: vote.Default(), Touch: true})
	for _, e := range []Event{touch(5), Kept{1, 1}, Toggle{"nhanh"}, Toggle{"gon"}} {
		m, _ = m.Step(0, e)
	}
	want := marks(m)
	without, _ := m.Step(0, Toggle{"nhanh"})
	without.Step(0, Toggle{"sach-dep"})
	if got := marks(m); !slices.Equal(got, want) {
		t.Errorf("the state before shows %v, want %v", got, want)
	}
	for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
		if got := fmt.Sprintf(format, m); got != "thanked" {
			t.Errorf("%s tells %q, want the phase alone", format, got)
		}
	}
}
