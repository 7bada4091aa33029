package button

import (
	"testing"
	"time"
)

// FuzzMachine hands any sequence to a machine: it must not panic, and each leading edge must be a press that counts or
// one count of the evidence, never both and never none.
func FuzzMachine(f *testing.F) {
	f.Add([]byte{0, 1, 1, 0, 9, 2, 0, 0, 40, 2, 0, 0, 40})
	f.Add([]byte{7, 0, 1, 9, 1, 1, 9, 2, 3, 200, 3, 5, 255, 4, 0, 0})
	f.Fuzz(func(t *testing.T, ops []byte) {
		if len(ops) < 1 {
			return
		}
		o := DefaultOptions(minButtons + int(ops[0]%3))
		o.PalmDiscard = ops[0]&8 != 0
		o.SilentAfter, o.ReportAfter = 10, 10*time.Second
		if ops[0]&16 != 0 {
			o.Settle = 5 * ms
		}
		start := Mask(ops[0] >> 5)
		m, err := New(o, 0, start)
		if err != nil {
			t.Fatal(err)
		}
		leads, accepted, counted := popcount(m, start, 0), 0, 0
		take := func(events []Event) {
			for _, e := range events {
				if e.Kind == Pressed {
					accepted++
				}
				for _, c := range e.Evidence {
					counted += c.Presses() + int(c.Bounced)
				}
			}
		}
		at := time.Duration(0)
		for ops = ops[1:]; len(ops) >= 3; ops = ops[3:] {
			// Now and then a time before the last one, and now and then one long after it.
			switch step := time.Duration(ops[2]); {
			case step < 10:
				at -= step * ms
			case step < 240:
				at += step * ms / 4
			default:
				at += step * 100 * ms
			}
			button, down := int(ops[1]&7)-1, ops[1]&8 != 0
			switch op := ops[0] % 8; {
			case op < 4:
				if button >= 0 && button < len(m.lines) && (down || !m.lines[button].down) {
					leads++
				}
				take(m.Edge(at, button, down))
			case op < 7:
				leads += popcount(m, Mask(ops[1]), known(m))
				take(m.Levels(at, Mask(ops[1])))
			default:
				leads += popcount(m, Mask(ops[1]), 0)
				take(m.Restart(at, Mask(ops[1])))
			}
			for i, l := range m.lines {
				if l.down && !l.held || !l.held && !l.quiet {
					t.Fatalf("button %d is down and not held, or not quiet: %+v", i, l)
				}
			}
		}
		take(m.Stop(at))
		if leads != accepted+counted {
			t.Errorf("%d leading edges became %d presses and %d counts", leads, accepted, counted)
		}
	})
}

// known are the buttons that are down as far as the machine knows.
func known(m *Machine) (levels Mask) {
	for i, l := range m.lines {
		if l.down {
			levels |= 1 << i
		}
	}
	return levels
}

// popcount counts the machine's buttons that are down and were not.
func popcount(m *Machine, levels, known Mask) int {
	n := 0
	for i := range m.lines {
		if levels&^known&(1<<i) != 0 {
			n++
		}
	}
	return n
}
