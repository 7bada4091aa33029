// Package session is one visit to the counter as a pure machine: presses, touches, ticks and the
// disk's answers go in, a state for the screen and at most one record to keep come out. It never
// reads a clock, never writes a record itself, and never thanks before one is on disk.
//
//	Asking ─press→ Answered ─kept→ Thanked ─done, 30 s→ Lockout ─2 s→ Asking
//	   ↑              │ failed        │ change of mind     (a detail is asked for at its end)
//	   └── NotKept ←──┘               └→ Amending ─press→ Answered
package session

import (
	"slices"
	"time"

	"hailong/vote"
)

// Phase is where a visit stands.
type Phase uint8

// Phases. After the press none of them, nor anything else a State tells, depends on the level;
// only the offered reasons do, and both lists have the same shape.
const (
	Asking   Phase = iota + 1 // the question is shown, a press starts a visit
	Answered                  // pressed; the disk has not answered yet
	Thanked                   // on disk; with the page of reasons on a terminal that has a screen
	Amending                  // the question again, after a change of mind
	NotKept                   // the disk refused or is silent: the visitor is told so
	Lockout                   // the visit is over, the next may not begin yet
	Closed                    // the terminal was told to stop
)

// String is the phase's name in logs and tests.
func (p Phase) String() string {
	names := [...]string{"none", "asking", "answered", "thanked", "amending", "not-kept", "lockout", "closed"}
	if int(p) < len(names) {
		return names[p]
	}
	return "unknown"
}

// Options is what a terminal is. It holds from one visit to the next.
type Options struct {
	Survey   vote.Survey
	Touch    bool // a touch screen: reasons and change of mind are possible
	Personal bool // comment, number and dossier may be taken, because they can be sealed
	Waits    Waits
}

// State is one moment of a terminal. It is a value: a step makes a new one and leaves the old one
// as it was, so a state may be handed to other goroutines.
type State struct {
	opt Options // fixed after New

	at    time.Duration // of the last step, since boot
	phase Phase
	until time.Duration // when the phase ends by itself
	visit visit

	out      Ask    // outstanding, Kind 0 where none is
	number   uint64 // of the newest ask
	wanted   bool   // the visit's cast waits for the answer to an older ask
	stray    uint32 // presses that belong to no recorded visit and are not reported yet
	strayAt  time.Duration
	stopping bool
}

// visit is what is known about the person in front of the terminal.
type visit struct {
	seq     uint64     // of the cast on disk, 0 until it is kept
	level   vote.Level // that stands; 0 where there is no visit
	amend   vote.Level // on its way to the disk, 0 where none is
	channel vote.Channel
	pressed time.Duration

	page      bool          // the reasons are offered
	undo      time.Duration // until when the mind may be changed
	changed   bool          // it was, which is possible once
	left      time.Duration // of the countdown, set aside while amending
	more      int           // how often time was added
	chosen    []string
	written   Personal
	ignored   uint32
	contested bool
}

// New is a terminal that asks. Waits left zero are DefaultWaits.
func New(o Options) State {
	if o.Waits == (Waits{}) {
		o.Waits = DefaultWaits()
	}
	return State{opt: o, phase: Asking}
}

// String names the phase alone, so that no log line can tell a level.
func (s State) String() string { return s.phase.String() }

// GoString is String: %#v must not tell more either.
func (s State) GoString() string { return s.String() }

// Phase is where the visit stands.
func (s State) Phase() Phase { return s.phase }

// At is the time of the last step.
func (s State) At() time.Duration { return s.at }

// Waiting tells whether an ask is outstanding.
func (s State) Waiting() bool { return s.out.Kind != 0 }

// Survey is the survey in use.
func (s State) Survey() vote.Survey { return s.opt.Survey }

// Levels are the levels that may be pressed now.
func (s State) Levels() []vote.Level {
	if s.phase == Asking || s.phase == Amending {
		return slices.Clone(s.opt.Survey.Levels)
	}
	return nil
}

// Page tells whether the reasons are on the screen.
func (s State) Page() bool { return s.phase == Thanked && s.visit.page }

// CanChangeMind tells whether ChangeMind would be taken.
func (s State) CanChangeMind() bool {
	return s.Page() && !s.visit.changed && s.at < s.visit.undo
}

// CanAddTime tells whether MoreTime would be taken.
func (s State) CanAddTime() bool { return s.Page() && s.visit.more < s.opt.Waits.MoreTimes }

// TakesPersonal tells whether Write would be taken.
func (s State) TakesPersonal() bool { return s.Page() && s.opt.Personal }

// Offer is a reason on the page.
type Offer struct {
	vote.Reason
	Chosen bool
}

// Reasons are the offered reasons, none outside the page.
func (s State) Reasons() []Offer {
	if !s.Page() {
		return nil
	}
	var offers []Offer
	for _, r := range s.opt.Survey.ReasonsFor(s.visit.level) {
		offers = append(offers, Offer{r, slices.Contains(s.visit.chosen, r.Code)})
	}
	return offers
}

// Written is what the visitor typed, empty outside the page.
func (s State) Written() Personal {
	if !s.Page() {
		return Personal{}
	}
	return s.visit.written
}

// Left is what remains of a countdown the visitor sees, 0 where there is none.
func (s State) Left() time.Duration {
	if s.Page() || s.phase == Amending {
		return max(0, s.until-s.at)
	}
	return 0
}

// Deadline is when the machine wants a Tick if nothing else happens before: a phase ends, a second
// of the countdown is over, or the mind can no longer be changed.
func (s State) Deadline() (time.Duration, bool) {
	next, ok := s.end()
	if left := s.Left(); left > time.Second {
		seconds := (left + time.Second - 1) / time.Second
		next = min(next, s.until-(seconds-1)*time.Second)
	}
	if s.CanChangeMind() {
		next = min(next, s.visit.undo)
	}
	return next, ok
}

// end is when the phase ends by itself.
func (s State) end() (time.Duration, bool) {
	switch s.phase {
	case Asking:
		return s.strayAt + s.opt.Waits.ReportEvery, s.stray > 0 && !s.Waiting()
	case NotKept:
		// While the disk is silent nothing could be recorded, so nothing is asked.
		return s.until, !s.Waiting()
	case Closed:
		return 0, false
	}
	return s.until, true
}
