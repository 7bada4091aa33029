// Package count keeps how many votes of each level an hour and a day have, and how much of today a
// live view may show. It never looks at who voted.
package count

import (
	"maps"
	"slices"

	"hailong/collector/score"
	"hailong/collector/store/db"
	"hailong/collector/store/draft"
)

// Move moves the counts of hours and days, and what a live view may show of those days.
func Move(tx *db.Tx, terminal int64, moves map[int64]*draft.Delta) error {
	days := map[int64]*draft.Delta{}
	for hour, m := range moves {
		if err := tx.Exec(`INSERT INTO hour_count (hour, terminal, n1, n2, n3, n4, n5)
			VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (hour, terminal) DO UPDATE SET
			n1 = hour_count.n1 + excluded.n1, n2 = hour_count.n2 + excluded.n2, n3 = hour_count.n3 + excluded.n3,
			n4 = hour_count.n4 + excluded.n4, n5 = hour_count.n5 + excluded.n5`,
			hour, terminal, m[0], m[1], m[2], m[3], m[4]); err != nil {
			return err
		}
		if hour == draft.Unclocked {
			continue
		}
		day := draft.DayOf(hour)
		if days[day] == nil {
			days[day] = new(draft.Delta)
		}
		for i, n := range m {
			days[day][i] += n
		}
	}
	for day, m := range days {
		for _, no := range []int64{terminal, Hall} {
			if err := moveDay(tx, day, no, m); err != nil {
				return err
			}
		}
		if err := show(tx, day); err != nil {
			return err
		}
	}
	return nil
}

// Hall stands in day_count for all terminals together.
const Hall = 0

func moveDay(tx *db.Tx, day, terminal int64, m *draft.Delta) error {
	return tx.Exec(`INSERT INTO day_count (day, terminal, n1, n2, n3, n4, n5, s1, s2, s3, s4, s5)
		VALUES ($1, $2, $3, $4, $5, $6, $7, 0, 0, 0, 0, 0) ON CONFLICT (day, terminal) DO UPDATE SET
		n1 = day_count.n1 + excluded.n1, n2 = day_count.n2 + excluded.n2, n3 = day_count.n3 + excluded.n3,
		n4 = day_count.n4 + excluded.n4, n5 = day_count.n5 + excluded.n5`,
		day, terminal, m[0], m[1], m[2], m[3], m[4])
}

// show moves what a live view may show of a day.
func show(tx *db.Tx, day int64) error {
	figures, err := figures(tx, day)
	if err != nil {
		return err
	}
	for no, to := range Released(figures) {
		if to == figures[no].Shown {
			continue
		}
		if err := tx.Exec(`UPDATE day_count SET s1 = $1, s2 = $2, s3 = $3, s4 = $4, s5 = $5
			WHERE day = $6 AND terminal = $7`, int64(to[0]), int64(to[1]), int64(to[2]), int64(to[3]), int64(to[4]),
			day, no); err != nil {
			return err
		}
	}
	return nil
}

// Released is what a live view may show of a day after a filing, by terminal. It depends on
// nothing but the figures before it, so that it can be replayed.
func Released(figures map[int64]Figure) map[int64]score.Counts {
	terminals := []int64{Hall}
	var now, shown []score.Counts
	for _, no := range slices.Sorted(maps.Keys(figures)) {
		if no != Hall {
			terminals = append(terminals, no)
			now, shown = append(now, figures[no].Now), append(shown, figures[no].Shown)
		}
	}
	hall, next := cut(figures[Hall].Now, figures[Hall].Shown, now, shown)
	out := make(map[int64]score.Counts, len(terminals))
	for i, to := range append([]score.Counts{hall}, next...) {
		out[terminals[i]] = to
	}
	return out
}

// Figure is a day of a terminal or of the hall.
type Figure struct {
	Now   score.Counts
	Shown score.Counts // as a live view may show them
}

func figures(tx *db.Tx, day int64) (map[int64]Figure, error) {
	out := map[int64]Figure{}
	var no int64
	var f Figure
	err := tx.Each(append(append([]any{&no}, Five((*[5]uint64)(&f.Now))...), Five((*[5]uint64)(&f.Shown))...),
		func() error {
			out[no] = f
			return nil
		}, `SELECT terminal, n1, n2, n3, n4, n5, s1, s2, s3, s4, s5 FROM day_count WHERE day = $1`, day)
	return out, err
}

// Day is what is counted of one Vietnamese day.
type Day struct {
	Figures   map[int64]Figure // by terminal; Hall for all together
	ByHour    [24]uint64
	Unclocked uint64 // votes of all days whose time is not known
}

// Today reads a day's counts.
func Today(tx *db.Tx, day int64) (d Day, err error) {
	if d.Figures, err = figures(tx, day); err != nil {
		return d, err
	}
	var hour int64
	var n uint64
	err = tx.Each([]any{&hour, &n}, func() error {
		d.ByHour[(hour+7)%24] = n
		return nil
	}, `SELECT hour, SUM(n1 + n2 + n3 + n4 + n5) FROM hour_count WHERE hour >= $1 AND hour < $2 GROUP BY hour`,
		day*24-7, day*24+17)
	if err != nil {
		return d, err
	}
	_, err = tx.Get([]any{&d.Unclocked},
		`SELECT COALESCE(SUM(n1 + n2 + n3 + n4 + n5), 0) FROM hour_count WHERE hour = -1`)
	return d, err
}

// Five are the pointers to five counts, where five columns go.
func Five(c *[5]uint64) []any { return []any{&c[0], &c[1], &c[2], &c[3], &c[4]} }
