package button

import (
	"errors"
	"fmt"
	"time"
)

// MaxButtons is how many buttons one machine may have: a survey has at most five levels.
const MaxButtons = 5

const minButtons = 3

// Options are all figures of a machine. DefaultOptions says what a counter needs.
type Options struct {
	Buttons int

	// Settle is how long a button must have been up before its next press counts. Cheap switches bounce for 20 ms.
	Settle time.Duration

	// StuckAfter is how long a button may be down before it is masked; Rearm is how long a masked one must have been
	// up before it is heard again.
	StuckAfter, Rearm time.Duration

	// More than ChatterRate presses a second for ChatterFor are no finger's: the button is masked for ChatterMask,
	// and then until it has been up for Rearm.
	ChatterRate             int
	ChatterFor, ChatterMask time.Duration

	// Presses of two buttons closer together than PalmWithin are one hand's. The first counts and the other is
	// evidence, or with PalmDiscard both are evidence: every press then waits for PalmWithin before it counts.
	PalmWithin  time.Duration
	PalmDiscard bool

	// A button is suspected dead once the others have had SilentAfter visitors since it was last pressed. Presses
	// within SilentEvery are one visitor's, so that a child at one button accuses no other.
	SilentAfter int
	SilentEvery time.Duration

	// ReportAfter is how long evidence waits for an event to ride on before it gets one of its own.
	ReportAfter time.Duration

	// Levels are asked for every FastRead until FastFor after anything has changed, then every SlowRead.
	FastRead, FastFor, SlowRead time.Duration
}

// DefaultOptions are a counter's, for so many buttons.
func DefaultOptions(buttons int) Options {
	return Options{
		Buttons: buttons, Settle: 30 * time.Millisecond,
		StuckAfter: 10 * time.Second, Rearm: time.Second,
		ChatterRate: 20, ChatterFor: 2 * time.Second, ChatterMask: time.Minute,
		PalmWithin:  30 * time.Millisecond,
		SilentAfter: 100, SilentEvery: 5 * time.Second,
		ReportAfter: time.Minute,
		FastRead:    10 * time.Millisecond, FastFor: 2 * time.Second, SlowRead: time.Second,
	}
}

// ErrOptions means that a figure is out of its bounds.
var ErrOptions = errors.New("invalid button options")

// Validate tells every figure that is out of its bounds, each with its name, value and bounds.
func (o Options) Validate() error {
	var errs []error
	for _, f := range []struct {
		name        string
		v, min, max int
	}{
		{"buttons", o.Buttons, minButtons, MaxButtons},
		{"chatter-rate", o.ChatterRate, 5, 100},
		{"silent-after", o.SilentAfter, 10, 10_000},
	} {
		if f.v < f.min || f.v > f.max {
			errs = append(errs, fmt.Errorf("%w: %s is %d, use %d to %d", ErrOptions, f.name, f.v, f.min, f.max))
		}
	}
	const ms, s = time.Millisecond, time.Second
	for _, f := range []struct {
		name        string
		v, min, max time.Duration
	}{
		{"settle", o.Settle, 5 * ms, 100 * ms},
		{"stuck-after", o.StuckAfter, 5 * s, 60 * s},
		{"rearm", o.Rearm, 500 * ms, 10 * s},
		{"chatter-for", o.ChatterFor, 1 * s, 10 * s},
		{"chatter-mask", o.ChatterMask, 10 * s, 600 * s},
		{"palm-within", o.PalmWithin, 5 * ms, 100 * ms},
		{"silent-every", o.SilentEvery, 1 * s, 60 * s},
		{"report-after", o.ReportAfter, 10 * s, 600 * s},
		// Reads farther apart than 20 ms could see one bounce twice and nothing of a short press.
		{"fast-read", o.FastRead, 1 * ms, 20 * ms},
		{"fast-for", o.FastFor, 500 * ms, 10 * s},
		{"slow-read", o.SlowRead, 20 * ms, 1 * s},
	} {
		if f.v < f.min || f.v > f.max {
			errs = append(errs, fmt.Errorf("%w: %s is %v, use %v to %v", ErrOptions, f.name, f.v, f.min, f.max))
		}
	}
	return errors.Join(errs...)
}
