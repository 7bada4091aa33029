package session

import "time"

// The waiting times of a terminal at a counter.
const (
	// UndoFor is how long "Đổi ý" is offered: long enough to see a slip of the finger, too short
	// for the officer to talk somebody round.
	UndoFor = 5 * time.Second
	// ReasonsFor is how long the reasons wait. An elderly reader needs it, and a visitor who
	// walked away does not hold up the next one for longer.
	ReasonsFor = 30 * time.Second
	// MoreTimes is how often time may be added: WCAG 2.2.1 asks for ten. Without an end a child
	// could hold the terminal for a day.
	MoreTimes = 10
	// AmendFor is how long a changed mind may take to press again; then the first vote stays.
	AmendFor = 10 * time.Second
	// ThankFor is how long a thanks without a page stays: long enough to be read.
	ThankFor = 2 * time.Second
	// LockoutFor separates two visits, so that a child hammering the buttons counts once.
	LockoutFor = 2 * time.Second
	// NotKeptFor is how long a failure stays in sight: the visitor must find the officer's eye.
	NotKeptFor = 5 * time.Second
	// SlowFor is how long the disk may be silent before the visitor is told. Worn cards stall for
	// seconds; after five of them people take the terminal for dead and leave.
	SlowFor = 5 * time.Second
	// ReportEvery gathers presses that belong to no visit into one record, so that a broken
	// button cannot fill the disk.
	ReportEvery = time.Minute
)

// Waits are the waiting times of a machine. Simulated terminals use very short ones.
type Waits struct {
	UndoFor, ReasonsFor, AmendFor, ThankFor      time.Duration
	LockoutFor, NotKeptFor, SlowFor, ReportEvery time.Duration
	MoreTimes                                    int
}

// DefaultWaits are those of a terminal at a counter.
func DefaultWaits() Waits {
	return Waits{
		UndoFor: UndoFor, ReasonsFor: ReasonsFor, AmendFor: AmendFor, ThankFor: ThankFor,
		LockoutFor: LockoutFor, NotKeptFor: NotKeptFor, SlowFor: SlowFor, ReportEvery: ReportEvery,
		MoreTimes: MoreTimes,
	}
}
