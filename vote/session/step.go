package session

import (
	"slices"
	"time"

	"hailong/vote"
)

// Step takes one event at a time since boot. The ask, if any, must be answered by Kept or Failed.
func (s State) Step(at time.Duration, e Event) (State, Ask) {
	s.at = max(s.at, at)
	before := s.number
	switch e := e.(type) {
	// An answer is taken before the deadlines: as long as no tick has said that the disk is slow,
	// nobody was told so.
	case Kept:
		s.answered(e.No, e.Seq)
		s.expire()
	case Failed:
		s.answered(e.No, 0)
		s.expire()
	default:
		s.expire()
		s.take(e)
	}
	if s.stopping {
		s.settle()
	}
	if s.number == before {
		return s, Ask{}
	}
	return s, s.out
}

// take handles what a visitor or the owner does.
func (s *State) take(e Event) {
	v := &s.visit
	switch e := e.(type) {
	case Press:
		s.press(e)
	case ChangeMind:
		if s.CanChangeMind() {
			v.changed, v.left = true, s.until-s.at
			s.enter(Amending, s.opt.Waits.AmendFor)
		}
	case Toggle:
		s.toggle(e.Code)
	case Write:
		if s.TakesPersonal() && e.fits() {
			v.written = e.Personal
		}
	case MoreTime:
		if s.CanAddTime() {
			v.more++
			s.until = max(s.until, s.at+s.opt.Waits.ReasonsFor)
		}
	case Done:
		if s.Page() || s.phase == Amending {
			s.enter(Lockout, s.opt.Waits.LockoutFor)
		}
	case Stop:
		s.stopping = true
	}
}

// press is where first press wins. Every other press is counted: with the visit it disturbs, or as
// a stray.
func (s *State) press(p Press) {
	v := &s.visit
	offered := s.opt.Survey.Offers(p.Level)
	switch {
	case offered && s.phase == Asking:
		*v = visit{level: p.Level, channel: p.Channel, pressed: s.at}
		s.enter(Answered, s.opt.Waits.SlowFor)
		s.cast()
	case offered && s.phase == Amending:
		v.amend = p.Level
		s.enter(Answered, s.opt.Waits.SlowFor)
		// The same level again is recorded as well: a screen that then did something else would
		// tell that nothing was changed.
		s.ask(Ask{Kind: vote.AmendKind, At: s.at, Level: p.Level, Cast: v.seq})
	case v.level == 0:
		s.astray(1)
	default:
		v.ignored++
		stands := v.level
		if v.amend != 0 {
			stands = v.amend
		}
		v.contested = v.contested || offered && p.Level != stands
	}
}

// cast asks for the visit's vote, or lets it wait for the answer to a report.
func (s *State) cast() {
	if s.wanted = s.Waiting(); s.wanted {
		return
	}
	v := s.visit
	s.ask(Ask{Kind: vote.CastKind, At: v.pressed, Level: v.level, Channel: v.channel})
}

func (s *State) toggle(code string) {
	v := &s.visit
	if !s.Page() || !slices.ContainsFunc(s.Reasons(), func(o Offer) bool { return o.Code == code }) {
		return
	}
	chosen := slices.Clone(v.chosen) // the old state keeps its own
	if i := slices.Index(chosen, code); i >= 0 {
		v.chosen = slices.Delete(chosen, i, i+1)
	} else if len(chosen) < vote.MaxReasons {
		v.chosen = append(chosen, code)
	}
}

// answered takes the disk's word; seq 0 means that the record was not kept. An answer to any other
// ask than the outstanding one says nothing.
func (s *State) answered(no, seq uint64) {
	if !s.Waiting() || s.out.No != no {
		return
	}
	out, kept := s.out, seq != 0
	s.out = Ask{}
	switch out.Kind {
	case vote.CastKind:
		s.visit.seq = seq
		if kept {
			s.thank()
			return
		}
		s.drop()
		s.enter(NotKept, s.opt.Waits.NotKeptFor)
	case vote.AmendKind:
		s.visit.amend = 0
		if !kept {
			s.enter(NotKept, s.opt.Waits.NotKeptFor)
			return
		}
		// The reasons were those of the first level. They go even where the new one offers them
		// too: marks that stay or vanish would tell a bystander how far the mind was changed.
		s.visit.level, s.visit.chosen = out.Level, nil
		s.thank()
	case vote.DetailKind:
		if !kept && out.said() {
			// Somebody may be waiting for a call that nobody will make.
			s.enter(NotKept, s.opt.Waits.NotKeptFor)
			return
		}
		s.rest()
	case vote.EventKind:
		if kept || s.stopping {
			s.stray -= out.Ignored
		}
		s.strayAt = s.at
		if s.wanted {
			s.cast()
		}
	}
}

// thank is reached from a kept cast or amend only. After a failure was shown the visitor may have
// gone to the officer, so the page is not opened for whoever comes next.
func (s *State) thank() {
	v := &s.visit
	v.page = s.opt.Touch && s.phase == Answered
	if !v.page {
		s.enter(Thanked, s.opt.Waits.ThankFor)
		return
	}
	v.undo = s.at + s.opt.Waits.UndoFor
	s.enter(Thanked, s.opt.Waits.ReasonsFor)
}

// expire lets every deadline that has passed have its effect, one after the other.
func (s *State) expire() {
	for {
		end, ok := s.end()
		if !ok || s.at < end {
			return
		}
		switch s.phase {
		case Asking:
			s.report()
		case Answered:
			if s.wanted {
				// Not even handed to the disk: it will not be, now that the visitor is told.
				s.wanted = false
				s.drop()
				s.astray(1)
			}
			s.enter(NotKept, s.opt.Waits.NotKeptFor)
		case Thanked:
			s.phase, s.until = Lockout, end+s.opt.Waits.LockoutFor
		case Amending:
			s.phase, s.until = Thanked, end+s.visit.left
		case NotKept:
			s.finish()
		case Lockout:
			if s.Waiting() {
				s.enter(NotKept, s.opt.Waits.NotKeptFor) // the detail hangs
				continue
			}
			s.finish()
		}
	}
}

// finish ends a visit: one detail where there is something to say, then the next may come.
func (s *State) finish() {
	v := s.visit
	s.visit = visit{}
	if v.seq == 0 {
		s.rest()
		return
	}
	detail := Ask{
		Kind: vote.DetailKind, At: s.at, Cast: v.seq,
		Reasons: v.chosen, Written: v.written, Ignored: v.ignored, Contested: v.contested,
	}
	if !detail.said() && v.ignored == 0 {
		s.rest()
		return
	}
	s.enter(Lockout, s.opt.Waits.SlowFor)
	s.ask(detail)
}

// rest is between visits, or after the last.
func (s *State) rest() {
	s.phase = Asking
	if s.stopping {
		s.phase = Closed
	}
}

// drop forgets a visit without a cast. The presses it ignored are still evidence.
func (s *State) drop() {
	if n := s.visit.ignored; n > 0 {
		s.astray(n)
	}
	s.visit = visit{}
}

func (s *State) astray(n uint32) {
	if s.stray == 0 {
		s.strayAt = s.at
	}
	s.stray += n
}

func (s *State) report() {
	s.ask(Ask{Kind: vote.EventKind, At: s.at, Ignored: s.stray})
}

// settle brings a stopping machine to its end, one answer at a time.
func (s *State) settle() {
	if s.Waiting() {
		return
	}
	if s.phase != Closed {
		s.finish()
	}
	if !s.Waiting() && s.stray > 0 {
		s.report()
	}
}

func (s *State) ask(a Ask) {
	s.number++
	a.No = s.number
	s.out = a
}

func (s *State) enter(p Phase, wait time.Duration) { s.phase, s.until = p, s.at+wait }
