package attic

import (
	"slices"
	"sync"

	"hailong/sync/seal"
)

// Line hands a wreck on, one stretch after the other. Its methods may be called by several goroutines.
type Line struct {
	wreck *Wreck

	mu   sync.Mutex // guards what follows
	plan Plan       // from what is not yet receipted
	upto uint64     // receipted, or lost
	head seal.Head  // chain there
}

// NewLine is a line that begins where the wreck's own words let it begin; the centre's answer to a hello moves it to
// where the centre stands.
func NewLine(w *Wreck, terminal string) *Line {
	l := &Line{wreck: w}
	w.Know(0, seal.Start(terminal, w.Epoch))
	first := w.last() + 1
	for seq := range w.bodies {
		first = min(first, seq)
	}
	before, head := uint64(0), w.points[0][0]
	for seq, heads := range w.points {
		if seq < first && seq > before {
			before, head = seq, heads[0]
		}
	}
	l.move(before, head)
	return l
}

// move plans from a place, and stands behind what is lost there.
func (l *Line) move(upto uint64, head seal.Head) {
	l.upto, l.head, l.plan = upto, head, l.wreck.Plan(upto, head)
	l.settle()
}

// settle drops the stretches that are done and steps over what is lost before the next.
func (l *Line) settle() {
	for len(l.plan.Stretches) > 0 && l.plan.Stretches[0].Last() <= l.upto {
		l.plan.Stretches = l.plan.Stretches[1:]
	}
	switch {
	case len(l.plan.Stretches) == 0:
		l.upto, l.head = l.plan.End, l.plan.Head
	case l.plan.Stretches[0].First > l.upto: // beyond what is lost, or where the chain is taken up again
		l.upto, l.head = l.plan.Stretches[0].First-1, l.plan.Stretches[0].Prev
	}
}

// State is where a line stands.
type State struct {
	Epoch   seal.Epoch
	Next    uint64    // behind the last record, lost ones included
	Head    seal.Head // chain there
	Upto    uint64    // receipted, or lost and never to come
	Before  seal.Head // chain at Upto
	Waiting int       // whole records and digests that wait
	Proven  int       // of those
}

// State tells where the line stands.
func (l *Line) State() State {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := State{Epoch: l.wreck.Epoch, Next: l.plan.End + 1, Head: l.plan.Head, Upto: l.upto, Before: l.head}
	for _, x := range l.plan.Stretches {
		n := int(x.Last() - max(l.upto, x.First-1))
		if s.Waiting += n; x.Proven {
			s.Proven += n
		}
	}
	return s
}

// Look is at most n records of at most size bytes together from a seq on, but at least one where there is one. They
// are of one stretch.
func (l *Line) Look(from uint64, n, size int) Stretch {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.plan.Stretches) == 0 || from != l.upto+1 {
		return Stretch{}
	}
	s := l.plan.Stretches[0]
	part := Stretch{First: from, Prev: l.head, Head: l.head, Proven: s.Proven}
	for i, item := range s.Items[from-s.First:] {
		if size -= len(item.Body); i > 0 && (i >= n || size < 0) {
			break
		}
		part.Items = append(part.Items, item)
		part.Head = part.Head.Next(from+uint64(i), item.Digest)
	}
	return part
}

// Receipted moves the line to where the centre stands. What the centre has is known from then on, and what lies behind
// it may be proven from there.
func (l *Line) Receipted(upto uint64, head seal.Head) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.plan.Stretches) > 0 && l.upto < upto {
		if s := l.plan.Stretches[0]; upto <= s.Last() && s.at(upto) == head {
			l.upto, l.head = upto, head
			l.settle()
			return
		}
	}
	if upto == l.upto && head == l.head {
		return
	}
	l.wreck.Know(upto, head)
	l.wreck.points[upto] = slices.DeleteFunc(l.wreck.points[upto], func(h seal.Head) bool { return h != head })
	l.move(upto, head)
}

// at is the chain after a record of the stretch.
func (s Stretch) at(seq uint64) seal.Head {
	h := s.Prev
	for i, item := range s.Items[:seq-s.First+1] {
		h = h.Next(s.First+uint64(i), item.Digest)
	}
	return h
}
