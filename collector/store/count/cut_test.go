package count

import (
	"testing"

	"pgregory.net/rapid"

	"hailong/collector/score"
)

// TestALiveViewHidesSingleVotes watches a hall and its terminals as somebody who writes every
// figure down would.
func TestALiveViewHidesSingleVotes(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		now := make([]score.Counts, rapid.IntRange(1, 4).Draw(r, "terminals"))
		shown := make([]score.Counts, len(now))
		var hall, hallShown score.Counts
		moved := false
		for range 80 {
			at, level := rapid.IntRange(0, len(now)-1).Draw(r, "terminal"), rapid.IntRange(0, 4).Draw(r, "level")
			now[at][level]++
			hall[level]++
			next, after := cut(hall, hallShown, now, shown)
			rest, before := difference(next, after), difference(hallShown, shown)
			if n := size(rest, [5]int64{}); n != 0 && n < score.SmallestShown {
				r.Fatalf("the hall less its terminals shows %v", rest)
			}
			if n := size(rest, before); n != 0 && n < score.SmallestShown {
				r.Fatalf("the hall less its terminals moved from %v to %v", before, rest)
			}
			for i, c := range after {
				if c != shown[i] && (c != now[i] || c.N() < shown[i].N()+score.SmallestShown) {
					r.Fatalf("terminal %d moved from %v to %v of %v", i, shown[i], c, now[i])
				}
			}
			moved = moved || next != hallShown
			hallShown, shown = next, after
		}
		if !moved || hall.N() >= hallShown.N()+score.SmallestShown {
			r.Fatalf("the hall has %v and shows %v", hall, hallShown)
		}
	})
}

func difference(hall score.Counts, terminals []score.Counts) (d [5]int64) {
	for i := range d {
		d[i] = int64(hall[i])
		for _, c := range terminals {
			d[i] -= int64(c[i])
		}
	}
	return d
}

func size(a, b [5]int64) (n int64) {
	for i := range a {
		n += max(a[i]-b[i], b[i]-a[i])
	}
	return n
}
