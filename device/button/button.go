// Package button makes presses of what three to five buttons do: edges, which are hints, and levels, which are the
// truth. It never reads a clock or a pin, never decides which vote a press is, and lets none vanish: each leading edge
// is a press that counts or is counted as evidence.
//
//	        leading edge: counts at once       a read says up, Settle after the newest sign of down
//	armed ──────────────────────────→ held ──────────────────────────→ armed
//	  ↑                                │ down for StuckAfter, or chatter
//	  └────── up for Rearm ── masked ←─┘
//
// Only a read of the levels re-arms a button, because the last edge heard may not be the last there was: a lost edge
// then costs nothing as long as levels are read every 20 ms while something happens (Wants). Edges that are waiting
// are handed over before the levels that were read after them.
package button

import "time"

// Mask is the levels of all buttons: bit i is set while button i is down.
type Mask uint32

// Machine is the buttons of one terminal, on whatever wires. It belongs to one goroutine.
type Machine struct {
	opt   Options // fixed after New
	lines []line

	at      time.Duration // of the latest call; it never goes back
	changed time.Duration // when anything was last noticed

	leadAt time.Duration // the newest press of an unmasked button, for palms
	leadBy int           // -1: none yet

	waits    int           // button whose press may still turn out to be a palm's, -1: none
	waitsAt  time.Duration // when it was pressed
	visitor  time.Duration // when a visitor was last counted against the silent
	visitors bool          // there was one

	evidence Evidence
	oldest   time.Duration // when the first press of evidence was noted
	out      []Event
}

// line is one button. A line that is not held is up, and has been quiet since upSince.
type line struct {
	down    bool // by the latest sign, edge or level
	held    bool // pressed, and not yet up for long enough
	quiet   bool // no sign of down since upSince
	upSince time.Duration
	pressed time.Duration // when held began
	armed   time.Duration // when the last read re-armed it

	mask  Kind          // Stuck, HeldAtStart or Chatter; 0: heard
	until time.Duration // of a mask that lasts at least so long

	recent []time.Duration // presses, for chatter
	silent int             // visitors since the last press
}

// New is a machine whose buttons are at these levels when it begins. A button that is down then is masked.
func New(o Options, at time.Duration, levels Mask) (*Machine, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	m := &Machine{opt: o, lines: make([]line, o.Buttons), at: at, changed: at, leadBy: -1, waits: -1}
	m.begin(levels)
	return m, nil
}

// Restart takes up the buttons again after their wires were away: what is down now was not pressed under our eyes.
// The counts go on.
func (m *Machine) Restart(at time.Duration, levels Mask) []Event {
	m.pass(at)
	m.changed = m.at
	m.begin(levels)
	return m.hand()
}

func (m *Machine) begin(levels Mask) {
	for i := range m.lines {
		l := &m.lines[i]
		l.down, l.held, l.quiet, l.upSince, l.armed = false, false, true, m.at, m.at
		if levels&(1<<i) != 0 {
			l.down, l.held, l.quiet, l.pressed = true, true, false, m.at
			m.note(i, Stuck)
			m.shut(i, HeldAtStart)
		}
	}
}

// Edge hears that a button went down or up. A time before the latest call's is taken for a late hint: it starts no
// press where a later read has already told that the button was up.
func (m *Machine) Edge(at time.Duration, button int, down bool) []Event {
	if button < 0 || button >= len(m.lines) {
		return nil
	}
	m.pass(at)
	m.changed = m.at
	l := &m.lines[button]
	// Up after up: the edge between them was lost, and it was a leading one.
	lead := down || !l.down
	if at < l.armed {
		if lead {
			m.note(button, 0)
		}
		return m.hand()
	}
	l.down = down
	if lead && l.held {
		m.note(button, 0)
	} else if lead {
		m.press(button, false)
	}
	l.quiet = !down
	if !down {
		l.upSince = m.at
	}
	return m.hand()
}

// Levels hears the levels as they were read. It is due after Wants.
func (m *Machine) Levels(at time.Duration, levels Mask) []Event {
	m.pass(at)
	var fresh []int
	for i := range m.lines {
		l := &m.lines[i]
		down := levels&(1<<i) != 0
		if down != l.down {
			m.changed = m.at
		}
		if down && !l.down {
			if l.held {
				m.note(i, 0)
			} else {
				fresh = append(fresh, i)
			}
		}
		l.down = down
		if down {
			l.quiet = false
			continue
		}
		if !l.quiet {
			l.quiet, l.upSince = true, m.at
		}
		m.release(i)
	}
	tie := m.heard(fresh) > 1
	for _, i := range fresh {
		m.press(i, tie)
	}
	for i := range m.lines {
		m.stick(i)
	}
	return m.hand()
}

// Stop hands out what is still to be said. The machine is at its end.
func (m *Machine) Stop(at time.Duration) []Event {
	m.pass(at)
	m.settleWait()
	if m.evidence != (Evidence{}) {
		m.tell(m.at, Report, -1)
	}
	return m.hand()
}

// Wants is how soon the levels should be read again.
func (m *Machine) Wants() time.Duration {
	if m.waits >= 0 || m.at-m.changed < m.opt.FastFor {
		return m.opt.FastRead
	}
	return m.opt.SlowRead
}

// Masked tells whether a button is not heard, and why; 0 where it is.
func (m *Machine) Masked(button int) Kind {
	if button < 0 || button >= len(m.lines) {
		return 0
	}
	return m.lines[button].mask
}

// pass lets time pass.
func (m *Machine) pass(at time.Duration) {
	m.at = max(m.at, at)
	if m.waits >= 0 && m.at-m.waitsAt >= m.opt.PalmWithin {
		m.settleWait()
	}
	if m.evidence.Presses() > 0 && m.at-m.oldest >= m.opt.ReportAfter {
		m.tell(m.at, Report, -1)
	}
}

// heard counts those that are not masked.
func (m *Machine) heard(buttons []int) int {
	n := 0
	for _, i := range buttons {
		if m.lines[i].mask == 0 {
			n++
		}
	}
	return n
}

// release re-arms a button that a read has just shown to be up.
func (m *Machine) release(i int) {
	l := &m.lines[i]
	if l.held && m.at-l.upSince >= m.opt.Settle {
		l.held, l.armed = false, m.at
	}
	if l.mask != 0 && !l.held && m.at >= l.until && m.at-l.upSince >= m.opt.Rearm {
		l.mask = 0
		m.tell(m.at, Rearmed, i)
	}
}

// stick masks a button that a read has just shown to be down, once that lasts too long. An edge alone could be old.
func (m *Machine) stick(i int) {
	l := &m.lines[i]
	if l.mask == 0 && l.down && m.at-l.pressed >= m.opt.StuckAfter {
		m.shut(i, Stuck)
	}
}

func (m *Machine) hand() []Event {
	out := m.out
	m.out = nil
	return out
}
