package button

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

const ms = time.Millisecond

// bench feeds a machine and writes down what it says, in words.
type bench struct {
	*Machine
	t    *testing.T
	mask Mask
	said []string
	sum  Evidence
}

func newBench(t *testing.T, change func(*Options), levels Mask) *bench {
	t.Helper()
	o := DefaultOptions(5)
	if change != nil {
		change(&o)
	}
	m, err := New(o, 0, levels)
	if err != nil {
		t.Fatal(err)
	}
	return &bench{Machine: m, t: t, mask: levels}
}

func (b *bench) hear(events []Event) {
	for _, e := range events {
		b.said = append(b.said, fmt.Sprintf("%s %d at %v", e.Kind, e.Button, e.At))
		b.sum.Add(e.Evidence)
	}
}

// edge is an edge that is heard, and true.
func (b *bench) edge(at time.Duration, button int, down bool) {
	b.mask &^= 1 << button
	if down {
		b.mask |= 1 << button
	}
	b.hear(b.Edge(at, button, down))
}

// read reads the true levels every 10 ms.
func (b *bench) read(from, to time.Duration) {
	for at := from; at <= to; at += 10 * ms {
		b.hear(b.Levels(at, b.mask))
	}
}

// press is a clean press, read all the time.
func (b *bench) press(at time.Duration, button int, held time.Duration) {
	b.edge(at, button, true)
	b.read(at, at+held)
	b.edge(at+held, button, false)
	b.read(at+held, at+held+50*ms)
}

// story is a bench, what is done to it, what it says and what it counts of button 0 and 1.
type story struct {
	name    string
	change  func(*Options)
	start   Mask
	do      func(*bench)
	says    []string
	counted [2]Counts
}

func TestStories(t *testing.T) {
	for _, s := range slices.Concat(pressStories(), lostStories(), maskStories(), palmStories()) {
		t.Run(s.name, func(t *testing.T) {
			b := newBench(t, s.change, s.start)
			s.do(b)
			said := slices.Clone(b.said)
			b.hear(b.Stop(b.at))
			if !slices.Equal(said, s.says) {
				t.Errorf("says %q, want %q", said, s.says)
			}
			if got := [2]Counts(b.sum[:2]); got != s.counted {
				t.Errorf("counted %+v, want %+v", got, s.counted)
			}
		})
	}
}

func pressStories() []story {
	return []story{
		{"a press counts at its leading edge", nil, 0, func(b *bench) {
			b.edge(100*ms, 0, true)
		}, []string{"pressed 0 at 100ms"}, [2]Counts{}},
		{"a bouncing press counts once", nil, 0, func(b *bench) {
			for i := range 20 {
				b.edge(100*ms+time.Duration(i)*ms, 0, i%2 == 0)
			}
			b.edge(120*ms, 0, true)
			b.read(121*ms, 300*ms)
			for i := range 21 {
				b.edge(301*ms+time.Duration(i)*ms, 0, i%2 == 1)
			}
			b.read(322*ms, 400*ms)
		}, []string{"pressed 0 at 100ms"}, [2]Counts{{Bounced: 20}, {}}},
		{"up for less than the settle time is the same press", nil, 0, func(b *bench) {
			b.press(100*ms, 0, 100*ms)
			b.edge(260*ms, 0, true)
			b.edge(270*ms, 0, false)
			b.edge(295*ms, 0, true) // 25 ms later
		}, []string{"pressed 0 at 100ms", "pressed 0 at 260ms"}, [2]Counts{{Bounced: 1}, {}}},
		{"edges alone re-arm nothing", nil, 0, func(b *bench) {
			b.edge(100*ms, 0, true)
			b.edge(150*ms, 0, false)
			b.edge(time.Second, 0, true)
		}, []string{"pressed 0 at 100ms"}, [2]Counts{{Bounced: 1}, {}}},
		{"another settle time", func(o *Options) { o.Settle = 100 * ms }, 0, func(b *bench) {
			b.press(100*ms, 0, 100*ms)
			b.press(260*ms, 0, 100*ms)
		}, []string{"pressed 0 at 100ms"}, [2]Counts{{Bounced: 1}, {}}},
		{"presses come out in order", nil, 0, func(b *bench) {
			b.edge(100*ms, 3, true)
			b.edge(140*ms, 0, true)
			b.edge(180*ms, 4, true)
		}, []string{"pressed 3 at 100ms", "pressed 0 at 140ms", "pressed 4 at 180ms"}, [2]Counts{}},
		{"no such button", nil, 0, func(b *bench) {
			b.hear(b.Edge(100*ms, 5, true))
			b.hear(b.Edge(100*ms, -1, true))
			b.hear(b.Levels(110*ms, 1<<5|1<<31))
		}, nil, [2]Counts{}},
		{"the clock goes backwards", nil, 0, func(b *bench) {
			b.press(10*time.Second, 0, 100*ms)
			b.hear(b.Levels(0, 0))
			b.press(11*time.Second, 0, 100*ms)
		}, []string{"pressed 0 at 10s", "pressed 0 at 11s"}, [2]Counts{}},
	}
}

func lostStories() []story {
	return []story{
		{"every edge lost", nil, 0, func(b *bench) {
			b.mask = 1
			b.read(100*ms, 200*ms)
			b.mask = 0
			b.read(210*ms, 300*ms)
			b.mask = 1
			b.read(310*ms, 400*ms)
		}, []string{"pressed 0 at 100ms", "pressed 0 at 310ms"}, [2]Counts{}},
		{"the last edge of a bounce lost", nil, 0, func(b *bench) {
			b.edge(100*ms, 0, true)
			b.edge(101*ms, 0, false)
			b.mask = 1 // nobody heard it go down again
			b.read(110*ms, 500*ms)
		}, []string{"pressed 0 at 100ms"}, [2]Counts{{Bounced: 1}, {}}},
		{"the leading edge of a tap lost", nil, 0, func(b *bench) {
			b.edge(105*ms, 0, false)
			b.read(110*ms, 200*ms)
			b.press(300*ms, 0, 50*ms)
		}, []string{"pressed 0 at 105ms", "pressed 0 at 300ms"}, [2]Counts{}},
		{"an edge twice", nil, 0, func(b *bench) {
			b.edge(100*ms, 0, true)
			b.edge(100*ms, 0, true)
			b.read(110*ms, 200*ms)
			b.edge(200*ms, 0, false)
			b.edge(200*ms, 0, false)
			b.read(210*ms, 300*ms)
		}, []string{"pressed 0 at 100ms"}, [2]Counts{{Bounced: 2}, {}}},
		{"an edge that a later read has answered", nil, 0, func(b *bench) {
			b.press(100*ms, 0, 100*ms) // re-armed at 230 ms
			b.hear(b.Edge(215*ms, 0, true))
			b.hear(b.Edge(216*ms, 0, false))
			b.read(260*ms, 400*ms)
		}, []string{"pressed 0 at 100ms"}, [2]Counts{{Bounced: 2}, {}}},
		{"a reader that stalls for 500 ms in a press", nil, 0, func(b *bench) {
			b.read(0, 100*ms)
			for i := range 16 { // of 200 edges the newest sixteen, stamped when they were read
				b.edge(600*ms, 0, i%2 == 0)
			}
			b.read(600*ms, 700*ms)
			b.press(800*ms, 0, 50*ms)
		}, []string{"pressed 0 at 600ms", "pressed 0 at 800ms"}, [2]Counts{{Bounced: 7}, {}}},
		{"a reader that stalls for 15 s is no stuck button", nil, 0, func(b *bench) {
			b.edge(100*ms, 0, true)
			b.read(110*ms, 200*ms)
			b.edge(15*time.Second, 0, false)
			b.read(15*time.Second, 15100*ms)
		}, []string{"pressed 0 at 100ms"}, [2]Counts{}},
	}
}

func maskStories() []story {
	return []story{
		{"stuck, and re-armed after a second", nil, 0, func(b *bench) {
			b.edge(0, 0, true)
			b.read(0, 12*time.Second)
			b.edge(12*time.Second, 0, false)
			b.read(12*time.Second, 12500*ms)
			b.press(12500*ms, 0, 100*ms) // still masked
			b.read(12700*ms, 14*time.Second)
			b.press(14*time.Second, 0, 100*ms)
		}, []string{"pressed 0 at 0s", "stuck 0 at 10s", "rearmed 0 at 13.6s", "pressed 0 at 14s"},
			[2]Counts{{Stuck: 1}, {}}},
		{"a stuck button leaves the others alone", nil, 0, func(b *bench) {
			b.edge(0, 0, true)
			b.read(0, 11*time.Second)
			b.press(11*time.Second, 1, 100*ms)
		}, []string{"pressed 0 at 0s", "stuck 0 at 10s", "pressed 1 at 11s"}, [2]Counts{}},
		{"bouncing for ten seconds is stuck too", nil, 0, func(b *bench) {
			for at := time.Duration(0); at <= 10010*ms; at += 10 * ms {
				b.edge(at, 0, true)
				b.hear(b.Levels(at+ms, b.mask))
				b.edge(at+2*ms, 0, false)
			}
		}, []string{"pressed 0 at 0s", "stuck 0 at 10.001s"}, [2]Counts{{Bounced: 1001}, {}}},
		{"pressed at start is no vote", nil, 1, func(b *bench) {
			b.read(0, 500*ms)
			b.edge(500*ms, 0, false)
			b.read(500*ms, 1600*ms)
			b.press(2*time.Second, 0, 100*ms)
		}, []string{"held-at-start 0 at 0s", "rearmed 0 at 1.5s", "pressed 0 at 2s"}, [2]Counts{{Stuck: 1}, {}}},
		{"pressed when the wires come back is no vote", nil, 0, func(b *bench) {
			b.press(100*ms, 0, 100*ms)
			b.hear(b.Restart(time.Second, 2))
			b.mask = 2
			b.read(time.Second, 1100*ms)
			b.press(1200*ms, 0, 100*ms)
		}, []string{"pressed 0 at 100ms", "held-at-start 1 at 1s", "pressed 0 at 1.2s"},
			[2]Counts{{}, {Stuck: 1}}},
		{"chatter", func(o *Options) { o.Settle, o.FastRead = 5*ms, 5*ms }, 0, func(b *bench) {
			for i := range 61 { // 25 a second
				at := time.Duration(i) * 40 * ms
				b.edge(at, 0, true)
				b.edge(at+10*ms, 0, false)
				b.read(at+20*ms, at+30*ms)
			}
			if n := len(b.said); n != 42 || b.said[41] != "chatter 0 at 1.6s" {
				b.t.Fatalf("says %d things, the last %q", n, b.said[n-1])
			}
			b.said = nil
			b.read(2500*ms, 70*time.Second)
		}, []string{"rearmed 0 at 1m1.6s"}, [2]Counts{{Chatter: 20}, {}}},
		{"fast fingers do not chatter", nil, 0, func(b *bench) {
			for i := range 40 { // ten a second
				b.press(time.Duration(i)*100*ms, 0, 40*ms)
			}
			if n := len(b.said); n != 40 {
				b.t.Errorf("%d presses of 40", n)
			}
			b.said = nil
		}, nil, [2]Counts{}},
		{"evidence that nothing follows is reported", nil, 0, func(b *bench) {
			b.edge(time.Second, 1, true)
			b.edge(time.Second+10*ms, 0, true)
			b.edge(time.Second+100*ms, 0, false)
			b.edge(time.Second+100*ms, 1, false)
			b.read(time.Second+100*ms, 61*time.Second)
			b.hear(b.Levels(61*time.Second+10*ms, 0))
		}, []string{"pressed 1 at 1s", "report -1 at 1m1.01s"}, [2]Counts{{Palm: 1}, {}}},
	}
}

func palmStories() []story {
	discard := func(o *Options) { o.PalmDiscard = true }
	return []story{
		{"of a palm the first counts", nil, 0, func(b *bench) {
			b.edge(100*ms, 1, true)
			b.edge(129*ms, 0, true)
		}, []string{"pressed 1 at 100ms"}, [2]Counts{{Palm: 1}, {}}},
		{"two fingers 30 ms apart are no palm", nil, 0, func(b *bench) {
			b.edge(100*ms, 1, true)
			b.edge(130*ms, 0, true)
		}, []string{"pressed 1 at 100ms", "pressed 0 at 130ms"}, [2]Counts{}},
		{"in one read nobody is first", nil, 0, func(b *bench) {
			b.mask = 3
			b.read(100*ms, 200*ms)
		}, nil, [2]Counts{{Palm: 1}, {Palm: 1}}},
		{"a masked button makes no palm", nil, 2, func(b *bench) {
			b.edge(100*ms, 1, false)
			b.read(100*ms, 200*ms)
			b.edge(200*ms, 1, true)
			b.edge(201*ms, 0, true)
		}, []string{"held-at-start 1 at 0s", "pressed 0 at 201ms"}, [2]Counts{{}, {Stuck: 2}}},
		{"both discarded", discard, 0, func(b *bench) {
			b.edge(100*ms, 1, true)
			b.edge(129*ms, 0, true)
			b.read(130*ms, 200*ms)
		}, nil, [2]Counts{{Palm: 1}, {Palm: 1}}},
		{"discarding, a lone press waits and keeps its time", discard, 0, func(b *bench) {
			b.edge(100*ms, 1, true)
			b.hear(b.Levels(129*ms, 2))
			if len(b.said) != 0 {
				b.t.Errorf("says %q before the palm's time is over", b.said)
			}
			b.hear(b.Levels(130*ms, 2))
		}, []string{"pressed 1 at 100ms"}, [2]Counts{}},
	}
}

func TestAStopHandsOutAPressThatWaits(t *testing.T) {
	b := newBench(t, func(o *Options) { o.PalmDiscard = true }, 0)
	b.edge(100*ms, 1, true)
	b.hear(b.Stop(110 * ms))
	if want := []string{"pressed 1 at 100ms"}; !slices.Equal(b.said, want) {
		t.Errorf("says %q, want %q", b.said, want)
	}
}

func TestASilentButtonIsSuspectedOnce(t *testing.T) {
	b := newBench(t, func(o *Options) { o.SilentAfter = 10 }, 0)
	for i := range 25 {
		at := time.Duration(i) * 10 * time.Second
		for j := range 4 { // a child at one button is one visitor
			b.press(at+time.Duration(j)*time.Second, i%4, 50*ms)
		}
	}
	var silent []string
	for _, s := range b.said {
		if strings.HasPrefix(s, "silent") {
			silent = append(silent, s)
		}
	}
	if want := []string{"silent 4 at 1m30s"}; !slices.Equal(silent, want) {
		t.Errorf("got %q, want %q", silent, want)
	}
}

func TestLevelsAreWantedFastOnlyWhileSomethingHappens(t *testing.T) {
	b := newBench(t, nil, 0)
	if got := b.Wants(); got != 10*ms {
		t.Errorf("at start: wants %v, want 10ms", got)
	}
	b.read(0, 2*time.Second)
	if got := b.Wants(); got != time.Second {
		t.Errorf("at rest: wants %v, want 1s", got)
	}
	b.edge(5*time.Second, 0, true)
	if got := b.Wants(); got != 10*ms {
		t.Errorf("pressed: wants %v, want 10ms", got)
	}
	b.read(5*time.Second, 8*time.Second)
	if got := b.Wants(); got != time.Second {
		t.Errorf("held: wants %v, want 1s", got)
	}
}

func TestOptionsNameWhatIsWrong(t *testing.T) {
	if err := DefaultOptions(5).Validate(); err != nil {
		t.Errorf("defaults: %v", err)
	}
	o := DefaultOptions(6)
	o.Settle, o.StuckAfter = 4*ms, time.Minute+1
	err := o.Validate()
	if !errors.Is(err, ErrOptions) {
		t.Fatalf("got %v, want ErrOptions", err)
	}
	for _, want := range []string{
		"buttons is 6, use 3 to 5", "settle is 4ms, use 5ms to 100ms", "stuck-after is 1m0.000000001s, use 5s to 1m0s",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not say %q", err, want)
		}
	}
	if _, err := New(o, 0, 0); !errors.Is(err, ErrOptions) {
		t.Errorf("New = %v, want ErrOptions", err)
	}
	if err := (Options{}).Validate(); strings.Count(err.Error(), "\n") != 13 {
		t.Errorf("empty options: %v", err)
	}
}
