package store

import (
	"context"
	"fmt"
	"slices"
	"time"

	"hailong/collector/org"
	"hailong/collector/store/count"
	"hailong/collector/store/db"
	"hailong/collector/store/draft"
	"hailong/sync/seal"
	"hailong/vote"
)

// Scores counts votes by group within a span. Votes without a time come last, and only where the
// span is open on both sides.
func (s *Store) Scores(ctx context.Context, by org.Group, in org.Span) (rows []org.Row, err error) {
	err = s.db.Read(ctx, func(tx *db.Tx) (err error) {
		rows, err = count.Scores(tx, by, in)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("scores by %s: %w", by, err)
	}
	return rows, nil
}

// Votes lists votes filed after a cursor, oldest first.
func (s *Store) Votes(ctx context.Context, after uint64, limit int) ([]org.Vote, error) {
	var votes []org.Vote
	err := s.db.Read(ctx, func(tx *db.Tx) error {
		var cursor uint64
		var id string
		var epoch []byte
		var received int64
		var v draft.Vote
		into, done := v.Into()
		return tx.Each(append([]any{&cursor, &id, &epoch, &received}, into...), func() error {
			done()
			reasons, err := draft.Reasons(v.Reasons)
			votes = append(votes, org.Vote{
				Cursor: cursor, Terminal: vote.TerminalID(id), Epoch: seal.Epoch(epoch), Seq: v.Seq,
				Level: v.Level, First: v.Cast.Level, Survey: v.Cast.Survey, Version: v.Cast.SurveyVersion,
				Channel: v.Cast.Channel, Counter: v.Cast.Counter, Officer: v.Cast.Officer, Flags: v.Flags,
				Contested: v.Contested, Ignored: v.Ignored, Reasons: reasons, At: v.At, Quality: v.Quality,
				WallMS: v.Stamp.WallMS, ReceivedAt: time.UnixMilli(received), Counted: v.Counted,
			})
			return err
		}, `SELECT v.filed, t.id, s.epoch, p.received_ms, `+draft.Prefixed("v.")+` FROM vote v
			JOIN stream s ON s.no = v.stream JOIN terminal t ON t.no = s.terminal
			JOIN record r ON r.stream = v.stream AND r.seq = v.seq JOIN proof p ON p.no = r.proof
			WHERE v.filed > $1 ORDER BY v.filed LIMIT $2`, int64(min(after, mostSeq)), limit)
	})
	if err != nil {
		return nil, fmt.Errorf("votes after %d: %w", after, err)
	}
	return votes, nil
}

// Hall is today's live state, reduced to what a live view may show.
func (s *Store) Hall(ctx context.Context, now time.Time) (org.Hall, error) {
	h := org.Hall{Demo: s.demo}
	err := s.db.Read(ctx, func(tx *db.Tx) error {
		nos, err := terminals(tx, &h)
		if err != nil {
			return err
		}
		if err := streams(tx, &h, nos); err != nil {
			return err
		}
		day, err := count.Today(tx, draft.DayOf(now.UnixMilli()/draft.HourMS))
		counted(&h, nos, day)
		return err
	})
	if err != nil {
		return org.Hall{}, fmt.Errorf("state of the hall: %w", err)
	}
	return h, nil
}

// terminals lists the terminals in order of id and tells which number has which place.
func terminals(tx *db.Tx, h *org.Hall) (map[int64]int, error) {
	nos := map[int64]int{}
	var no, added, seen, voted int64
	var t org.Terminal
	err := tx.Each([]any{&no, (*string)(&t.ID), &t.Counter, &added, &seen, &voted, &t.Online, &t.Software},
		func() error {
			nos[no] = len(h.Terminals)
			t.Added, t.LastSeen, t.LastVote = moment(added), moment(seen), moment(voted)
			h.Terminals = append(h.Terminals, t)
			return nil
		}, `SELECT no, id, counter, added_ms, seen_ms, vote_ms, online, software FROM terminal ORDER BY id`)
	return nos, err
}

func moment(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms)
}

// warnings are the codes of what may be wrong, the worst first.
var warnings = []string{"fork", "hole", "unproven", "tally", "quarantine", ""}

// streams adds the newest epoch of each terminal, and the worst that is wrong with any of them.
func streams(tx *db.Tx, h *org.Hall, nos map[int64]int) error {
	var l line
	var head, epoch []byte
	var next uint64
	var holes int
	return tx.Each(append([]any{&l.terminal, &epoch, &next, &holes}, l.into(&head)...), func() error {
		t := &h.Terminals[nos[l.terminal]]
		t.Epoch, t.Upto, t.Next, t.Unproven = seal.Epoch(epoch), l.Upto, next, t.Unproven+l.Unproven
		worst := min(slices.Index(warnings, t.Warning), slices.Index(warnings, l.warning(holes)))
		t.Warning = warnings[worst]
		return nil
	}, `SELECT terminal, epoch, claimed,
		(SELECT COUNT(*) FROM hole h WHERE h.stream = s.no AND h.last >= h.first), `+lineColumns+`
		FROM stream s ORDER BY no`)
}

// warning is the worst that is wrong with a stream. Where bodies are lost the tallies cannot agree.
func (l line) warning(holes int) string {
	switch {
	case l.Forked:
		return "fork"
	case holes > 0:
		return "hole"
	case l.Unproven > 0:
		return "unproven"
	case l.Lost == 0 && l.Own != l.Claimed:
		return "tally"
	case l.Bad > 0:
		return "quarantine"
	}
	return ""
}

// counted adds the day's counts.
func counted(h *org.Hall, nos map[int64]int, day count.Day) {
	h.ByHour, h.Unclocked = day.ByHour, day.Unclocked
	for no, f := range day.Figures {
		if no == count.Hall {
			h.Today, h.Shown = f.Now.N(), f.Shown
			continue
		}
		t := &h.Terminals[nos[no]]
		t.VotesToday, t.Shown = f.Now.N(), f.Shown
	}
}
