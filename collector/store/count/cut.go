package count

import (
	"slices"

	"hailong/collector/score"
	"hailong/collector/store/draft"
)

// cut decides what a live view of a day may show after new votes, for the hall and each terminal.
// Steps of score.SmallestShown votes are not enough where two figures stand side by side: the
// hall less its terminals would tell single votes. So a terminal moves only together with the
// hall, and only where both the rest and the rest's own step stay large.
func cut(hall, hallShown score.Counts, now, shown []score.Counts) (score.Counts, []score.Counts) {
	next := score.Release(hallShown, hall)
	if next == hallShown {
		return hallShown, shown
	}
	shown = slices.Clone(shown)
	var rest, step draft.Delta // what the hall shows beyond its terminals, and how that moves
	for i := range rest {
		rest[i], step[i] = int64(next[i]), int64(next[i])-int64(hallShown[i])
		for _, c := range shown {
			rest[i] -= int64(c[i])
		}
	}
	for i, c := range now {
		to := score.Release(shown[i], c)
		if to == shown[i] {
			continue
		}
		r, s := rest, step
		for k := range to {
			r[k] -= int64(to[k]) - int64(shown[i][k])
			s[k] -= int64(to[k]) - int64(shown[i][k])
		}
		if hides(r) && hides(s) {
			shown[i], rest, step = to, r, s
		}
	}
	return next, shown
}

// hides tells whether a difference of counts is nothing or too much to point at anybody.
func hides(d draft.Delta) bool {
	n := int64(0)
	for _, k := range d {
		n += max(k, -k)
	}
	return n == 0 || n >= score.SmallestShown
}
