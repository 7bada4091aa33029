// Package org holds what the centre knows about its hall: terminals, their counters and the votes
// as filed. Pure; it never reads a store or a clock.
package org

import (
	"time"

	"hailong/collector/score"
	"hailong/sync/seal"
	"hailong/vote"
)

// VietnamTime is UTC+7 without daylight saving: days and hours of every score are cut here, not
// by a time-zone database that may be missing on the machine.
func VietnamTime() *time.Location { return time.FixedZone("+07", 7*3600) }

// Terminal is a registered terminal and what was last heard of it. Times are zero where nothing
// was heard.
type Terminal struct {
	ID         vote.TerminalID
	Counter    string // the counter's name as people read it
	Added      time.Time
	LastSeen   time.Time // last signed message of any kind
	LastVote   time.Time // receive time of its last cast
	Online     bool      // last word was a connection, not a last will
	Software   string
	Epoch      seal.Epoch // newest epoch
	Upto       uint64     // records filed in that epoch
	Next       uint64     // what its last hello called its next seq
	Warning    string     // stable code of what is wrong: "", "fork", "hole", "unproven", "tally", "quarantine"
	Unproven   uint64     // votes of all its epochs that nothing proves, outside every score
	VotesToday uint64
	Shown      score.Counts // today's counts as a live view may show them (score.Release)
}

// Hall is the live state of a whole site today.
type Hall struct {
	Demo      bool
	Today     uint64       // votes so far
	Shown     score.Counts // as a live view may show them
	Terminals []Terminal   // in order of id
	ByHour    [24]uint64   // votes by hour of Vietnamese time; numbers only
	Unclocked uint64       // votes of all days whose hour is not known ("chưa rõ giờ")
}

// Quality is how well the time of a vote is known.
type Quality string

// Qualities of a resolved time.
const (
	Exact    Quality = "exact"    // the clock was synchronised and agrees with the centre's
	Anchored Quality = "anchored" // computed from time since boot and a message of the same boot
	NoTime   Quality = "unknown"  // counted under "chưa rõ giờ"
)

// Vote is one filed vote as an auditor sees it.
type Vote struct {
	Cursor     uint64 // position in filing order
	Terminal   vote.TerminalID
	Epoch      seal.Epoch
	Seq        uint64
	Level      vote.Level // the last that counts
	First      vote.Level // as first pressed
	Survey     string
	Version    uint32
	Channel    vote.Channel
	Counter    string
	Officer    string
	Flags      vote.Flags
	Contested  bool
	Ignored    uint32
	Reasons    []string
	At         time.Time // resolved; zero where Quality is NoTime
	Quality    Quality
	WallMS     int64 // as read on the terminal
	ReceivedAt time.Time
	Counted    bool // part of the scores; test presses of a real store are not
}

// Group is what score rows are grouped by.
type Group string

// Groups of score rows.
const (
	ByHall     Group = "hall"
	ByTerminal Group = "terminal"
	ByLevel    Group = "level"
	ByHour     Group = "hour"
	ByDay      Group = "day"
)

// Row is one group's counts. Key is "hall", a terminal id, "1" to "5", an hour
// (2022-08-05T08:00:00+07:00), a day (2022-08-05), or "unknown" for votes without a time.
type Row struct {
	Key    string
	Counts score.Counts
}

// Span is a half-open range of resolved time; a zero end is open. Votes without a time belong
// only to the span open on both sides.
type Span struct{ From, To time.Time }
