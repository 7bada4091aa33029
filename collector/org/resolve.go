package org

import (
	"time"

	"hailong/vote"
)

// slack is how far a synchronised terminal and the centre may disagree before the terminal's wall
// clock is no longer believed. It also bounds how far ahead of the centre a time may lie.
const slack = 5 * time.Minute

// earliest is before the first terminal of this protocol: a time before it is a clock that was
// never set.
func earliest() time.Time { return time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC) }

// longest is more than any boot lasts. It keeps hostile numbers out of the arithmetic.
const longest = 10 * 365 * 24 * time.Hour

// Clock is what the centre knows when it resolves the times of a batch.
type Clock struct {
	Now      vote.Stamp           // the terminal's clock in the message
	Received time.Time            // the centre's clock at that message
	Boots    map[uint32]time.Time // the centre's wall clock at boots it heard of before
}

// Boot is the centre's wall clock when the terminal booted, judged by this message alone.
func (c Clock) Boot() (time.Time, bool) {
	if c.Now.Boot == 0 || c.Now.SinceMS > uint64(longest.Milliseconds()) {
		return time.Time{}, false
	}
	at := c.Received.Add(-time.Duration(c.Now.SinceMS) * time.Millisecond)
	return at.Truncate(time.Millisecond), true
}

// Resolve tells when a record was made. The time since boot never jumps, so a message of the same
// boot outweighs the wall clock, which may be restored, set by hand or wrong.
func (c Clock) Resolve(at vote.Stamp) (time.Time, Quality) {
	wall := time.UnixMilli(at.WallMS)
	believable := at.Synced && c.plausible(wall)
	anchored, ok := c.anchored(at)
	switch {
	case ok && believable && anchored.Sub(wall).Abs() <= slack:
		return wall, Exact
	case ok:
		return anchored, Anchored
	case believable:
		return wall, Exact
	}
	return time.Time{}, NoTime
}

func (c Clock) anchored(at vote.Stamp) (time.Time, bool) {
	if at.Boot == 0 || at.SinceMS > uint64(longest.Milliseconds()) {
		return time.Time{}, false
	}
	boot, ok := c.Boot()
	// A record later than the message that carries it is nonsense; an earlier message of that
	// boot may still know better.
	if !ok || at.Boot != c.Now.Boot || at.SinceMS > c.Now.SinceMS {
		boot, ok = c.Boots[at.Boot]
	}
	t := boot.Add(time.Duration(at.SinceMS) * time.Millisecond)
	return t, ok && c.plausible(t)
}

func (c Clock) plausible(t time.Time) bool {
	return !t.Before(earliest()) && !t.After(c.Received.Add(slack))
}
