package session

import (
	"time"

	"hailong/vote"
)

// Event is what can happen to a terminal. Its time is handed to Step beside it.
type Event interface{ event() }

// Press is a finger on a level, whatever the hardware.
type Press struct {
	Level   vote.Level
	Channel vote.Channel
}

// ChangeMind is the touch on "Đổi ý".
type ChangeMind struct{}

// Toggle chooses a reason, or takes the choice back.
type Toggle struct{ Code string }

// Write is the whole of what the visitor typed so far.
type Write struct{ Personal }

// MoreTime is the touch on "Thêm thời gian".
type MoreTime struct{}

// Done is the touch on "Xong".
type Done struct{}

// Tick is time passing. It is due at Deadline.
type Tick struct{}

// Kept says that the record of an ask is on disk.
type Kept struct {
	No  uint64 // of the ask
	Seq uint64 // of the record, from 1
}

// Failed says that the record of an ask could not be kept.
type Failed struct{ No uint64 }

// Stop ends the visit and lets everything be asked that is still to be said. The machine is at its
// end when it is Closed and no longer Waiting.
type Stop struct{}

func (Press) event()      {}
func (ChangeMind) event() {}
func (Toggle) event()     {}
func (Write) event()      {}
func (MoreTime) event()   {}
func (Done) event()       {}
func (Tick) event()       {}
func (Kept) event()       {}
func (Failed) event()     {}
func (Stop) event()       {}

// Personal is what a visitor may type. It is sealed before it reaches a disk.
type Personal struct{ Comment, Phone, Dossier string }

// Limits on what is typed, in bytes. A longer text is not taken at all: the one before it stays on
// the screen, and nothing is cut without being seen.
const (
	MaxComment = 3 << 10
	MaxPhone   = 64
	MaxDossier = 64
)

func (p Personal) fits() bool {
	return len(p.Comment) <= MaxComment && len(p.Phone) <= MaxPhone && len(p.Dossier) <= MaxDossier
}

// Ask is a record to keep; the zero Ask is none. It is answered once, by Kept or Failed with its
// number, and no other is asked before that.
type Ask struct {
	No   uint64
	Kind vote.Kind
	At   time.Duration // of the press, or of the end of the visit

	Level   vote.Level   // cast, amend
	Channel vote.Channel // cast
	Cast    uint64       // amend, detail: seq of the visit's cast

	Reasons   []string // detail
	Written   Personal // detail
	Ignored   uint32   // detail; event: presses that belong to no visit
	Contested bool     // detail
}

// said tells whether the ask holds something the visitor gave by hand.
func (a Ask) said() bool { return len(a.Reasons) > 0 || a.Written != Personal{} }
