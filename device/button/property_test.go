package button

import (
	"cmp"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// sign is an edge on its way to the machine.
type sign struct {
	at     time.Duration
	button int
	down   bool
}

// wires are what five buttons do: every edge there is, and how many presses they are of.
type wires struct {
	edges []sign
	made  [MaxButtons]int
	end   time.Duration
}

const (
	us        = time.Microsecond
	maxBounce = 20 * ms
	maxRead   = 20 * ms
	// restNeeded is how long after a bounce a button is certainly re-armed: the read that first says up may come
	// maxRead after it, and the read that confirms it may come maxRead after the settle time.
	restNeeded = 30*ms + 2*maxRead
)

// bounce is a train of edges that ends down or up: at 1 kHz, or at random.
func bounce(t *rapid.T, from time.Duration, button int, down bool) []sign {
	length := time.Duration(rapid.IntRange(0, int(maxBounce/ms)).Draw(t, "bounce ms")) * ms
	khz := rapid.Bool().Draw(t, "1 kHz")
	edges := []sign{{from, button, down}}
	for at := from; ; {
		step := ms
		if !khz {
			step = time.Duration(rapid.IntRange(50, 4000).Draw(t, "step us")) * us
		}
		if at += step; at > from+length {
			break
		}
		edges = append(edges, sign{at, button, !edges[len(edges)-1].down})
	}
	if edges[len(edges)-1].down != down {
		edges = edges[:len(edges)-1]
	}
	return edges
}

// drawWires lets each button be pressed some times. Where lead is set, no two presses begin closer than that.
func drawWires(t *rapid.T, lead, hold time.Duration) wires {
	var w wires
	free := [MaxButtons]time.Duration{} // when a button has rested
	at := time.Duration(0)
	for range rapid.IntRange(1, 25).Draw(t, "presses") {
		b := rapid.IntRange(0, MaxButtons-1).Draw(t, "button")
		at = max(at+lead, free[b]) + time.Duration(rapid.IntRange(1, 300_000).Draw(t, "pause us"))*us
		if lead == 0 {
			at = free[b] + time.Duration(rapid.IntRange(1, 300_000).Draw(t, "own pause us"))*us
		}
		down := bounce(t, at, b, true)
		held := hold + time.Duration(rapid.IntRange(0, 400_000).Draw(t, "held us"))*us
		up := bounce(t, down[len(down)-1].at+held, b, false)
		w.edges = append(append(w.edges, down...), up...)
		w.made[b]++
		free[b] = up[len(up)-1].at + restNeeded
		w.end = max(w.end, free[b])
	}
	slices.SortStableFunc(w.edges, func(a, b sign) int { return cmp.Compare(a.at, b.at) })
	return w
}

// lossy drops and doubles edges. A doubled one comes up to 3 ms late.
func lossy(t *rapid.T, edges []sign, lost, twice int) []sign {
	var out []sign
	for _, e := range edges {
		if rapid.IntRange(1, 100).Draw(t, "lost") <= lost {
			continue
		}
		out = append(out, e)
		if rapid.IntRange(1, 100).Draw(t, "twice") <= twice {
			e.at += time.Duration(rapid.IntRange(0, 3000).Draw(t, "late us")) * us
			out = append(out, e)
		}
	}
	slices.SortStableFunc(out, func(a, b sign) int { return cmp.Compare(a.at, b.at) })
	return out
}

// play hands heard edges and the true levels to a machine and adds up what it says.
func play(t *rapid.T, m *Machine, w wires, heard []sign) (accepted [MaxButtons]int, sum Evidence, strange []string) {
	take := func(events []Event) {
		for _, e := range events {
			sum.Add(e.Evidence)
			if e.Kind == Pressed {
				accepted[e.Button]++
			} else if e.Kind != Report {
				strange = append(strange, fmt.Sprintf("%s %d at %v", e.Kind, e.Button, e.At))
			}
		}
	}
	var level Mask
	var at time.Duration
	for i, next := 0, 0; at < w.end; {
		for ; i < len(heard) && heard[i].at <= at; i++ {
			take(m.Edge(heard[i].at, heard[i].button, heard[i].down))
		}
		for ; next < len(w.edges) && w.edges[next].at <= at; next++ {
			e := w.edges[next]
			level &^= 1 << e.button
			if e.down {
				level |= 1 << e.button
			}
		}
		take(m.Levels(at, level))
		at += time.Duration(rapid.IntRange(1000, int(maxRead/us)).Draw(t, "read us")) * us
	}
	take(m.Stop(at))
	return accepted, sum, strange
}

// checkWires plays presses that begin apart, so that none is a palm's, or anyhow.
func checkWires(t *rapid.T, apart bool) {
	o := DefaultOptions(MaxButtons)
	o.PalmDiscard = rapid.Bool().Draw(t, "discard palms")
	m, err := New(o, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	lost := rapid.SampledFrom([]int{0, 10, 60, 100}).Draw(t, "percent lost")
	var lead time.Duration
	if apart {
		lead = o.PalmWithin + 2*maxRead + maxBounce
	}
	// Where an edge may be lost a press must last until a read, or nothing at all has seen it.
	hold := 0 * ms
	if lost > 0 {
		hold = maxRead
	}
	w := drawWires(t, lead, hold)
	heard := lossy(t, w.edges, lost, rapid.SampledFrom([]int{0, 30}).Draw(t, "percent twice"))
	accepted, sum, strange := play(t, m, w, heard)
	if len(strange) > 0 {
		t.Fatalf("says %q", strange)
	}
	for i, want := range w.made {
		got, palms := accepted[i], int(sum[i].Palm)
		if got+palms != want || apart && palms > 0 || int(sum.Presses()) < palms {
			t.Fatalf("button %d: %d presses and %d palms of %d true presses", i, got, palms, want)
		}
	}
}

func TestExactlyTheTruePressesComeOut(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) { checkWires(t, true) })
}

func TestEveryTruePressIsAPressOrAPalm(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) { checkWires(t, false) })
}
