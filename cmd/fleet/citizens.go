package main

import (
	"context"
	"math/rand/v2"
	"time"

	"hailong/config"
	"hailong/vote"
	"hailong/vote/session"
)

// workingHours is the length of a working day: 07:30–11:30 and 13:30–17:00.
const workingHours = 7*time.Hour + 30*time.Minute

// rush is how busy each half hour of the working day is; the mean is 1. The morning is the rush.
var rush = [15]float64{0.7, 1.2, 1.5, 1.7, 1.7, 1.5, 1.1, 0.6, 0.7, 1.0, 1.1, 1.0, 0.7, 0.4, 0.1}

// How citizens behave; made up, and only the demo's matter.
const (
	changesMind = 0.02
	givesReason = 0.35
)

// citizens are the people of one counter. One goroutine owns them.
type citizens struct {
	counter config.Counter
	speed   float64
	rng     *rand.Rand
	started time.Time
}

func newCitizens(c config.Counter, speed float64, rng *rand.Rand) *citizens {
	return &citizens{counter: c, speed: speed, rng: rng, started: time.Now()}
}

// come lets one citizen after the other vote until ctx ends.
func (c *citizens) come(ctx context.Context, t *terminal) {
	if c.counter.Visits == 0 {
		return
	}
	for {
		wait := time.NewTimer(c.gap())
		select {
		case <-ctx.Done():
			wait.Stop()
			return
		case <-wait.C:
		}
		press := session.Press{Level: c.level(), Channel: vote.Touch}
		if _, err := t.visit(ctx, press, func() error { return c.stay(ctx, t) }); err != nil {
			return
		}
	}
}

// gap is the real time to the next citizen.
func (c *citizens) gap() time.Duration {
	day := time.Duration(float64(time.Since(c.started))*c.speed) % workingHours
	busy := rush[int(day/(workingHours/time.Duration(len(rush))))%len(rush)]
	mean := float64(workingHours) / (c.counter.Visits * busy * c.speed)
	return time.Duration(c.rng.ExpFloat64() * mean)
}

func (c *citizens) level() vote.Level {
	sum := 0.0
	for _, w := range c.counter.Levels {
		sum += w
	}
	at := c.rng.Float64() * sum
	for i, w := range c.counter.Levels {
		if at -= w; at < 0 {
			return vote.Level(i + 1)
		}
	}
	return vote.VerySatisfied
}

// stay is what a citizen does after the thanks: change the mind, give a reason, be done.
func (c *citizens) stay(ctx context.Context, t *terminal) error {
	if c.rng.Float64() < changesMind {
		if err := t.board.Do(ctx, session.ChangeMind{}); err != nil {
			return err
		}
		return t.board.Do(ctx, session.Press{Level: c.level(), Channel: vote.Touch})
	}
	if c.rng.Float64() < givesReason {
		shown := t.board.Shown()
		if offers := shown[len(shown)-1].Reasons(); len(offers) > 0 {
			code := offers[c.rng.IntN(len(offers))].Code
			if err := t.board.Do(ctx, session.Toggle{Code: code}); err != nil {
				return err
			}
		}
	}
	return t.board.Do(ctx, session.Done{})
}
