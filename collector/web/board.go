package web

import (
	"time"

	"hailong/collector/org"
	"hailong/collector/score"
	"hailong/vote"
)

// When silence becomes a worry.
const (
	quietAfter = 2 * time.Minute
	lostAfter  = 10 * time.Minute
)

// life is a terminal's last sign of life in one word. The word is also its text key and CSS class.
type life string

const (
	alive life = "alive"
	quiet life = "quiet"
	lost  life = "lost"
	never life = "never"
)

// board is the live section as the template shows it.
type board struct {
	Hall     org.Hall
	Store    string
	Score    score.Score
	Shown    bool // the sample is large enough to be shown at all
	Levels   []levelRow
	Hours    []hourBar
	Counters []counterRow
	Silent   []counterRow // no vote today
	Lost     []counterRow
	Voting   int     // counters with a vote today
	Each     float64 // votes per counter

	Transactions uint64  // on a usual day; 0 where not known
	Response     float64 // of Transactions
	Answered     bool    // Response means something
}

type levelRow struct {
	Level vote.Level
	N     uint64
	Share float64
}

// hourBar places a bar in a drawing of 1 by 1.
type hourBar struct {
	Hour             int
	N                uint64
	X, Width, Centre float64
	Y, Height        float64
}

// Odd hours give way where the page is narrow.
func (b hourBar) Odd() bool { return b.Hour%2 == 1 }

type counterRow struct {
	org.Terminal
	Name    string // the counter's name, the terminal's id where it has none
	Life    life
	Waiting uint64 // records still on the terminal
	Score   score.Score
	Shown   bool
}

func (s *site) board(h org.Hall, now time.Time) board {
	b := board{Hall: h, Store: s.o.Store, Score: score.Of(h.Shown), Shown: h.Shown.N() >= score.SmallestShown}
	for l := vote.VerySatisfied; l.Valid(); l-- {
		row := levelRow{Level: l, N: h.Shown[l-1]}
		if b.Shown {
			row.Share = float64(row.N) / float64(b.Score.N)
		}
		b.Levels = append(b.Levels, row)
	}
	b.Transactions = s.o.Transactions
	b.Response, b.Answered = score.Response(h.Today, b.Transactions)
	b.Hours = hours(h.ByHour, s.o.Opens, s.o.Closes)
	for _, t := range h.Terminals {
		c := counter(t, now)
		b.Counters = append(b.Counters, c)
		if t.VotesToday > 0 {
			b.Voting++
		} else {
			b.Silent = append(b.Silent, c)
		}
		if c.Life == lost || c.Life == never {
			b.Lost = append(b.Lost, c)
		}
	}
	if n := len(h.Terminals); n > 0 {
		b.Each = float64(h.Today) / float64(n)
	}
	return b
}

func counter(t org.Terminal, now time.Time) counterRow {
	c := counterRow{Terminal: t, Name: t.Counter, Life: lifeOf(t, now), Score: score.Of(t.Shown)}
	if c.Name == "" {
		c.Name = string(t.ID)
	}
	c.Shown = c.Score.N >= score.SmallestShown
	if t.Next > t.Upto+1 {
		c.Waiting = t.Next - 1 - t.Upto
	}
	return c
}

// lifeOf judges a terminal by its last signed message. A broker's word that it went offline makes
// it quiet, not lost: Wi-Fi drops for seconds.
func lifeOf(t org.Terminal, now time.Time) life {
	switch since := now.Sub(t.LastSeen); {
	case t.LastSeen.IsZero():
		return never
	case since > lostAfter:
		return lost
	case since > quietAfter || !t.Online:
		return quiet
	}
	return alive
}

// hours draws the opening hours, and more where votes came outside them.
func hours(by [24]uint64, first, end int) []hourBar {
	var most uint64
	for h, n := range by {
		most = max(most, n)
		if n > 0 {
			first, end = min(first, h), max(end, h+1)
		}
	}
	const top, bottom = 0.12, 0.90 // room for the figures above; the hours hang below the drawing
	slot := 1 / float64(end-first)
	var bars []hourBar
	for h := first; h < end; h++ {
		b := hourBar{Hour: h, N: by[h], Width: slot * 0.64}
		b.X = slot*float64(h-first) + slot*0.18
		b.Centre = b.X + b.Width/2
		if most > 0 {
			b.Height = float64(by[h]) / float64(most) * (bottom - top)
		}
		b.Y = bottom - b.Height
		bars = append(bars, b)
	}
	return bars
}
