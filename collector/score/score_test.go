package score

import (
	"math"
	"testing"
)

// In percent with one decimal. 285 of 300 is 96.947 % at the top: rounded once it is 96.9, and the
// 97.0 one meets in print was rounded twice.
func TestWilsonGoldenFigures(t *testing.T) {
	for _, c := range []struct {
		k, n   uint64
		lo, hi float64
	}{
		{27, 30, 74.4, 96.5}, {90, 100, 82.6, 94.5}, {285, 300, 91.9, 96.9}, {32, 32, 89.3, 100},
		{0, 0, 0, 100}, {0, 10, 0, 27.8},
	} {
		lo, hi := Wilson(c.k, c.n)
		if r := func(f float64) float64 { return math.Round(f*1000) / 10 }; r(lo) != c.lo || r(hi) != c.hi {
			t.Errorf("Wilson(%d, %d) = %.1f–%.1f, want %.1f–%.1f", c.k, c.n, r(lo), r(hi), c.lo, c.hi)
		}
	}
}

func TestScoreOfCounts(t *testing.T) {
	for _, c := range []struct {
		name       string
		counts     Counts
		rate, mean float64
		enough     bool
	}{
		{"nobody voted", Counts{}, 0, 0, false},
		{"neutral is not satisfied", Counts{0, 0, 10, 0, 0}, 0, 0.6, false},
		{"four and five are", Counts{1, 1, 2, 3, 3}, 0.6, 0.72, false},
		{"twenty-nine are too few", Counts{0, 0, 0, 0, 29}, 1, 1, false},
		{"thirty are enough", Counts{0, 0, 0, 0, 30}, 1, 1, true},
		{"the worst", Counts{40, 0, 0, 0, 0}, 0, 0.2, true},
	} {
		s := Of(c.counts)
		if math.Abs(s.Rate-c.rate) > 1e-12 || math.Abs(s.Mean-c.mean) > 1e-12 || s.Enough != c.enough {
			t.Errorf("%s: rate %v mean %v enough %v, want %v %v %v",
				c.name, s.Rate, s.Mean, s.Enough, c.rate, c.mean, c.enough)
		}
		if s.N > 0 && (s.Lo > s.Rate || s.Hi < s.Rate) {
			t.Errorf("%s: rate %v outside its interval %v–%v", c.name, s.Rate, s.Lo, s.Hi)
		}
	}
}

func TestResponseRate(t *testing.T) {
	for _, c := range []struct {
		votes, transactions uint64
		rate                float64
		known               bool
	}{{0, 0, 0, false}, {5, 0, 0, false}, {6, 5, 0, false}, {0, 5, 0, true}, {5, 20, 0.25, true}} {
		if rate, known := Response(c.votes, c.transactions); rate != c.rate || known != c.known {
			t.Errorf("Response(%d, %d) = %v, %v; want %v, %v", c.votes, c.transactions, rate, known, c.rate, c.known)
		}
	}
}

func TestReleaseMovesInStepsOfFive(t *testing.T) {
	var shown, now Counts
	steps := 0
	for i := range 23 {
		now.Add(5, 1)
		next := Release(shown, now)
		if next != shown {
			steps++
			if next.N()-shown.N() < SmallestShown {
				t.Errorf("vote %d: shown moved from %d to %d votes", i+1, shown.N(), next.N())
			}
		}
		shown = next
	}
	if steps != 4 || shown.N() != 20 {
		t.Errorf("moved %d times to %d votes, want 4 times to 20", steps, shown.N())
	}
	// A changed mind moves a level without a new vote and must not be seen at once.
	moved := shown
	moved[4], moved[0] = moved[4]-1, moved[0]+1
	if Release(shown, moved) != shown {
		t.Error("an amend alone changed what is shown")
	}
}
