package count

import (
	"fmt"
	"math"
	"strconv"
	"time"

	"hailong/collector/org"
	"hailong/collector/store/db"
	"hailong/collector/store/draft"
)

// Where counts come from: whole hours are counted beforehand, a span that cuts an hour is counted
// from its votes.
const (
	fromHours = `SELECT hour, terminal, n1, n2, n3, n4, n5 FROM hour_count WHERE hour >= $1 AND hour < $2`
	fromVotes = `SELECT v.at_ms / 3600000 AS hour, s.terminal AS terminal,
		CASE WHEN v.level = 1 THEN 1 ELSE 0 END AS n1,
		CASE WHEN v.level = 2 THEN 1 ELSE 0 END AS n2, CASE WHEN v.level = 3 THEN 1 ELSE 0 END AS n3,
		CASE WHEN v.level = 4 THEN 1 ELSE 0 END AS n4, CASE WHEN v.level = 5 THEN 1 ELSE 0 END AS n5
		FROM vote v JOIN stream s ON s.no = v.stream WHERE v.counted = 1 AND v.at_ms >= $1 AND v.at_ms < $2`
	grouped = `, SUM(c.n1), SUM(c.n2), SUM(c.n3), SUM(c.n4), SUM(c.n5) FROM (%s) c
		JOIN terminal t ON t.no = c.terminal GROUP BY 1 ORDER BY 1`
)

// keys are how SQL groups. Hours and days come as numbers, -1 where the time is not known.
var keys = map[org.Group]string{
	org.ByHall:     `SELECT 0`,
	org.ByLevel:    `SELECT 0`,
	org.ByTerminal: `SELECT t.id`,
	org.ByHour:     `SELECT c.hour`,
	org.ByDay:      `SELECT CASE WHEN c.hour < 0 THEN -1 ELSE (c.hour + 7) / 24 END`,
}

// unknown is the key of votes without a time.
const unknown = "unknown"

// Scores counts votes by group within a span. Votes without a time come last, and only where the
// span is open on both sides.
func Scores(tx *db.Tx, by org.Group, in org.Span) ([]org.Row, error) {
	key, ok := keys[by]
	if !ok {
		return nil, fmt.Errorf("no group %q", by)
	}
	source, from, to := bounds(in)
	var rows []org.Row
	var r org.Row
	err := tx.Each(append([]any{&r.Key}, Five((*[5]uint64)(&r.Counts))...), func() error {
		rows = append(rows, r)
		return nil
	}, key+fmt.Sprintf(grouped, source), from, to)
	if err != nil {
		return nil, err
	}
	return named(by, rows)
}

func bounds(in org.Span) (source string, from, to int64) {
	from, to = 0, math.MaxInt64
	if in.From.IsZero() && in.To.IsZero() {
		from = draft.Unclocked
	}
	if !in.From.IsZero() {
		from = max(in.From.UnixMilli(), 0)
	}
	if !in.To.IsZero() {
		to = in.To.UnixMilli()
	}
	if in.From.Truncate(time.Hour).Equal(in.From) && in.To.Truncate(time.Hour).Equal(in.To) {
		if !in.From.IsZero() {
			from /= draft.HourMS
		}
		return fromHours, from, to / draft.HourMS
	}
	return fromVotes, from, to
}

// named turns SQL's keys into those of the API.
func named(by org.Group, rows []org.Row) ([]org.Row, error) {
	switch by {
	case org.ByTerminal:
		return rows, nil
	case org.ByHall, org.ByLevel:
		whole := org.Row{Key: "hall"}
		if len(rows) > 0 {
			whole.Counts = rows[0].Counts
		}
		if by == org.ByHall {
			return []org.Row{whole}, nil
		}
		rows = nil
		for i, n := range whole.Counts {
			r := org.Row{Key: strconv.Itoa(i + 1)}
			r.Counts[i] = n
			rows = append(rows, r)
		}
		return rows, nil
	}
	for i := range rows {
		n, err := strconv.ParseInt(rows[i].Key, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("key %q: %w", rows[i].Key, err)
		}
		switch {
		case n < 0:
			rows[i].Key = unknown
		case by == org.ByHour:
			rows[i].Key = time.UnixMilli(n * draft.HourMS).In(org.VietnamTime()).Format(time.RFC3339)
		default:
			rows[i].Key = time.Unix(n*24*3600, 0).UTC().Format(time.DateOnly)
		}
	}
	if len(rows) > 0 && rows[0].Key == unknown {
		rows = append(rows[1:], rows[0])
	}
	return rows, nil
}
