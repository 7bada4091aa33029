package button

import (
	"fmt"
	"time"
)

// Kind is what a machine has to tell.
type Kind uint8

// Kinds of events.
const (
	Pressed     Kind = iota + 1 // a press that counts
	Stuck                       // down for too long: masked
	HeldAtStart                 // down when the machine began: masked, and no vote
	Chatter                     // more presses than a finger can make: masked
	Rearmed                     // a masked button is heard again
	Silent                      // never pressed while the others were: perhaps dead
	Report                      // evidence that found no other event to ride on; Button is -1
)

// String is the kind's name in logs and notes.
func (k Kind) String() string {
	names := [...]string{"none", "pressed", "stuck", "held-at-start", "chatter", "rearmed", "silent", "report"}
	if int(k) < len(names) {
		return names[k]
	}
	return fmt.Sprintf("kind-%d", uint8(k))
}

// Event is something that happened, in the order in which it did.
type Event struct {
	At     time.Duration // of the press, since boot
	Kind   Kind
	Button int // from 0

	// Evidence is what was noticed since the event before this one and counted as no press.
	Evidence Evidence
}

// Evidence holds the counts of each button.
type Evidence [MaxButtons]Counts

// Counts are leading edges of one button that did not count, each in one of them.
type Counts struct {
	Bounced uint32 // of a press that was under way; no press of its own
	Palm    uint32 // presses too close to another button's
	Stuck   uint32 // presses of a button masked as stuck, and those begun before the machine
	Chatter uint32 // presses of a button masked as chattering
}

// Presses are the fingers among the counts; bounces are not.
func (c Counts) Presses() int { return int(c.Palm) + int(c.Stuck) + int(c.Chatter) }

// Presses are those of all buttons.
func (e Evidence) Presses() int {
	n := 0
	for _, c := range e {
		n += c.Presses()
	}
	return n
}

// Add adds another's counts, for a caller that keeps them until it can write a record.
func (e *Evidence) Add(o Evidence) {
	for i, c := range o {
		e[i].Bounced += c.Bounced
		e[i].Palm += c.Palm
		e[i].Stuck += c.Stuck
		e[i].Chatter += c.Chatter
	}
}
