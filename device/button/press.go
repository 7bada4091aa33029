package button

import (
	"slices"
	"time"
)

// press judges a press that has just begun. Those that tie were seen in one read: nobody can tell which came first, and
// the wiring must not decide which level wins, so none of them counts.
func (m *Machine) press(i int, tie bool) {
	l := &m.lines[i]
	l.held, l.pressed = true, m.at
	if l.mask != 0 {
		m.note(i, l.mask)
		return
	}
	near := m.leadBy >= 0 && m.leadBy != i && m.at-m.leadAt < m.opt.PalmWithin
	m.leadAt, m.leadBy = m.at, i
	switch {
	case tie, near:
		m.note(i, Pressed)
		if m.waits >= 0 {
			m.note(m.waits, Pressed)
			m.waits = -1
		}
	case m.opt.PalmDiscard:
		m.settleWait() // its own button's earlier press, where Settle is shorter than PalmWithin
		m.waits, m.waitsAt = i, m.at
	default:
		m.accept(m.at, i)
	}
	m.rattle(i)
}

// settleWait lets the press count that no other button's has joined.
func (m *Machine) settleWait() {
	if i := m.waits; i >= 0 {
		m.waits = -1
		m.accept(m.waitsAt, i)
	}
}

// accept lets a press count.
func (m *Machine) accept(at time.Duration, i int) {
	m.tell(at, Pressed, i)
	m.lines[i].silent = 0
	if m.visitors && at-m.visitor < m.opt.SilentEvery {
		return
	}
	m.visitor, m.visitors = at, true
	for j := range m.lines {
		l := &m.lines[j]
		if j == i || l.mask != 0 {
			continue
		}
		if l.silent++; l.silent == m.opt.SilentAfter {
			m.tell(m.at, Silent, j)
		}
	}
}

// rattle masks a button that is pressed faster than a finger can.
func (m *Machine) rattle(i int) {
	l := &m.lines[i]
	most := int(float64(m.opt.ChatterRate) * m.opt.ChatterFor.Seconds())
	l.recent = append(l.recent, m.at)
	if len(l.recent) <= most {
		return
	}
	if m.at-l.recent[0] > m.opt.ChatterFor {
		l.recent = slices.Delete(l.recent, 0, 1)
		return
	}
	l.until = m.at + m.opt.ChatterMask
	m.shut(i, Chatter)
}

// shut masks a button. It never shortens a mask that lasts already.
func (m *Machine) shut(i int, why Kind) {
	m.lines[i].mask, m.lines[i].recent = why, nil
	m.tell(m.at, why, i)
}

// note counts a leading edge that is no press that counts: because of a mask, a palm (Pressed), or 0, a bounce.
func (m *Machine) note(i int, why Kind) {
	if why != 0 && m.evidence.Presses() == 0 {
		m.oldest = m.at
	}
	c := &m.evidence[i]
	switch why {
	case Pressed:
		c.Palm++
	case Stuck, HeldAtStart:
		c.Stuck++
	case Chatter:
		c.Chatter++
	default:
		c.Bounced++
	}
}

// tell hands out an event with all evidence there is.
func (m *Machine) tell(at time.Duration, k Kind, i int) {
	m.out = append(m.out, Event{At: at, Kind: k, Button: i, Evidence: m.evidence})
	m.evidence = Evidence{}
}
