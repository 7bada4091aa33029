package check

import (
	"cmp"
	"slices"

	"hailong/collector/score"
	"hailong/collector/store/count"
	"hailong/collector/store/draft"
	"hailong/vote"
)

// amend is a changed mind, and the proof that brought it.
type amend struct {
	proof, stream int64
	cast          uint64
	level         vote.Level
}

// shows replays what live views might show, filing by filing.
type shows struct {
	days  map[int64]map[int64]count.Figure // by day and terminal
	dirty map[int64]bool                   // days that the filing at hand moves
	proof int64                            // the filing at hand
}

// add moves a day's counts for its terminal and the hall.
func (s *shows) add(day, terminal int64, level vote.Level, n int64) {
	if s.days[day] == nil {
		s.days[day] = map[int64]count.Figure{}
	}
	for _, no := range []int64{terminal, count.Hall} {
		f := s.days[day][no]
		f.Now[level-1] += uint64(n) // a negative n wraps around and back
		s.days[day][no] = f
	}
	s.dirty[day] = true
}

// file ends the filing at hand and begins another.
func (s *shows) file(proof int64) {
	if proof == s.proof {
		return
	}
	for day := range s.dirty {
		for no, to := range count.Released(s.days[day]) {
			f := s.days[day][no]
			f.Shown = to
			s.days[day][no] = f
		}
	}
	s.proof, s.dirty = proof, map[int64]bool{}
}

// releases checks the figures that the public sees: they must be those which the filings, in their
// order, let a live view show.
func (c *checker) releases() error {
	slices.SortStableFunc(c.amends, func(a, b amend) int { return cmp.Compare(a.proof, b.proof) })
	s := &shows{days: map[int64]map[int64]count.Figure{}, dirty: map[int64]bool{}}
	stands := map[[2]uint64]vote.Level{} // of votes whose mind was changed
	amends := c.amends
	var proof, terminal, at int64
	var level vote.Level
	err := c.tx.Each([]any{&proof, &terminal, &at, &level}, func() error {
		for len(amends) > 0 && amends[0].proof < proof {
			if err := c.amended(s, stands, amends[0]); err != nil {
				return err
			}
			amends = amends[1:]
		}
		s.file(proof)
		if level.Valid() {
			s.add(draft.DayOf(at/draft.HourMS), terminal, level, 1)
		}
		return nil
	}, `SELECT r.proof, s.terminal, v.at_ms, v.first_level FROM vote v JOIN stream s ON s.no = v.stream
		JOIN record r ON r.stream = v.stream AND r.seq = v.seq
		WHERE v.counted = 1 AND v.at_ms IS NOT NULL ORDER BY v.filed`)
	if err != nil {
		return err
	}
	for _, a := range amends {
		if err := c.amended(s, stands, a); err != nil {
			return err
		}
	}
	s.file(0)
	return c.shown(s)
}

// amended moves a vote whose mind was changed, in the filing that brought the change.
func (c *checker) amended(s *shows, stands map[[2]uint64]vote.Level, a amend) error {
	var terminal, at int64
	var first vote.Level
	ok, err := c.tx.Get([]any{&terminal, &at, &first}, `SELECT s.terminal, v.at_ms, v.first_level FROM vote v
		JOIN stream s ON s.no = v.stream
		WHERE v.stream = $1 AND v.seq = $2 AND v.counted = 1 AND v.at_ms IS NOT NULL`, a.stream, int64(a.cast))
	if err != nil || !ok || !first.Valid() {
		return err
	}
	s.file(a.proof)
	key := [2]uint64{uint64(a.stream), a.cast}
	before := cmp.Or(stands[key], first)
	day := draft.DayOf(at / draft.HourMS)
	s.add(day, terminal, before, -1)
	s.add(day, terminal, a.level, 1)
	stands[key] = a.level
	return nil
}

// shown compares the replayed figures with the table.
func (c *checker) shown(s *shows) error {
	var k cell
	var got score.Counts
	return c.tx.Each([]any{&k.time, &k.terminal, &got[0], &got[1], &got[2], &got[3], &got[4]}, func() error {
		if want := s.days[k.time][k.terminal].Shown; got != want {
			c.differ(c.place("day", k), "a live view should show %v, found %v", want, got)
		}
		return nil
	}, `SELECT day, terminal, s1, s2, s3, s4, s5 FROM day_count ORDER BY day, terminal`)
}
