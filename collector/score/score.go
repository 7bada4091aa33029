// Package score turns counts into scores: rate, interval, mean index. Pure; it never reads a
// store and never rounds a figure for show.
package score

import (
	"math"

	"hailong/vote"
)

// Counts is how many votes each level has; index 0 is level 1. Counts are kept, averages never:
// any formula and any merge of two groups stays exact.
type Counts [5]uint64

// Add counts n votes of a level.
func (c *Counts) Add(l vote.Level, n uint64) {
	if l.Valid() {
		c[l-1] += n
	}
}

// Plus merges two groups.
func (c Counts) Plus(d Counts) Counts {
	for i := range c {
		c[i] += d[i]
	}
	return c
}

// N is the number of votes.
func (c Counts) N() uint64 { return c[0] + c[1] + c[2] + c[3] + c[4] }

// Satisfied is the number of votes of level 4 and 5. "Bình thường" is counted apart and is not
// satisfied.
func (c Counts) Satisfied() uint64 { return c[3] + c[4] }

// Score is what counts say. Rates are fractions from 0 to 1; where N is 0 they are all 0 and
// mean nothing.
type Score struct {
	Counts Counts
	N      uint64
	Rate   float64 // satisfaction rate: (level 4 + level 5) ÷ N
	Lo, Hi float64 // Wilson 95 % interval of Rate
	Mean   float64 // mean index: Σ level·n ÷ (5·N)
	Enough bool    // N ≥ EnoughVotes
}

// EnoughVotes is the smallest sample that gets a rank; below it stands "chưa đủ mẫu".
const EnoughVotes = 30

// SmallestShown is the smallest group whose score a live view or a report may show.
const SmallestShown = 5

// z is the standard normal quantile of a two-sided 95 % interval.
const z = 1.96

// Of computes a score.
func Of(c Counts) Score {
	s := Score{Counts: c, N: c.N()}
	if s.N == 0 {
		return s
	}
	n, weighted := float64(s.N), 0.0
	for i, k := range c {
		weighted += float64(i+1) * float64(k)
	}
	s.Rate = float64(c.Satisfied()) / n
	s.Mean = weighted / (5 * n)
	s.Lo, s.Hi = Wilson(c.Satisfied(), s.N)
	s.Enough = s.N >= EnoughVotes
	return s
}

// Response is the response rate: votes ÷ eligible transactions. False where their number is not
// known, or is below the number of votes and so cannot be right.
func Response(votes, transactions uint64) (float64, bool) {
	if transactions == 0 || votes > transactions {
		return 0, false
	}
	return float64(votes) / float64(transactions), true
}

// Wilson is the Wilson 95 % score interval of k successes in n trials; 0 to 1 where n is 0.
func Wilson(k, n uint64) (lo, hi float64) {
	if n == 0 {
		return 0, 1
	}
	m, p := float64(n), float64(k)/float64(n)
	middle := p + z*z/(2*m)
	spread := z * math.Sqrt(p*(1-p)/m+z*z/(4*m*m))
	whole := 1 + z*z/m
	return max(0, (middle-spread)/whole), min(1, (middle+spread)/whole)
}

// Release decides what a live view may show after new votes. Whoever watches a live score change
// by one vote learns that vote, so what is shown moves only in steps of SmallestShown votes.
func Release(shown, now Counts) Counts {
	if now.N() >= shown.N()+SmallestShown {
		return now
	}
	return shown
}
