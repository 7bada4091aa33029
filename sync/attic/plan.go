package attic

import (
	"crypto/sha256"
	"encoding/binary"
	"maps"
	"slices"

	"hailong/sync/seal"
)

// Item is a record: its body, or nil and the digest that the chain confirms.
type Item struct {
	Body   []byte
	Digest seal.Digest
}

// Stretch is a piece of the line without a gap.
type Stretch struct {
	First      uint64
	Prev, Head seal.Head // chain before and after it
	Items      []Item
	Proven     bool // the chain leads through it to a place that is known
}

// Last is the seq of its last record.
func (s Stretch) Last() uint64 { return s.First + uint64(len(s.Items)) - 1 }

// maxPaths bounds how many ways through several records under one number are followed.
const maxPaths = 32

// Plan is what there is to send behind a place, and where the line ends though its last records be lost. Between two
// stretches lie records that are lost, and their number is all that is known of them; or none, where the chain is taken
// up again at a known place.
type Plan struct {
	Stretches []Stretch
	End       uint64
	Head      seal.Head // chain at the end
}

// Plan orders what lies behind a place where the centre stands. A stretch is proven where the chain goes from a known
// place through all of its digests to another. What is whole but cannot be reached so is not: nobody can tell whether
// it was ever promised, for a failed commit leaves whole records behind too.
func (w *Wreck) Plan(from uint64, head seal.Head) Plan {
	p := Plan{End: max(from, w.last())}
	for at := from; at < p.End; {
		if s, ok := w.prove(at, head); ok {
			p.Stretches = append(p.Stretches, s)
			at, head = s.Last(), s.Head
			continue
		}
		to, anchor, ok := w.joint(at, p.End)
		loose := w.loose(at, head, to)
		p.Stretches = append(p.Stretches, loose...)
		if n := len(loose); n > 0 {
			at, head = loose[n-1].Last(), loose[n-1].Head
		}
		switch {
		case ok:
			head = anchor
		case at < to:
			head = hole(head, at+1, to)
		}
		at = to
	}
	p.Head = head
	return p
}

// step is one record on a way along the chain.
type step struct {
	before *step
	seq    uint64
	item   Item
	head   seal.Head
}

// prove follows the chain from a place as far as something is known of every record, and keeps what lies before the
// farthest place that it confirms.
func (w *Wreck) prove(from uint64, head seal.Head) (Stretch, bool) {
	ways := []*step{{seq: from, head: head}}
	var best *step
	for seq := from + 1; len(ways) > 0; seq++ {
		var next []*step
		for _, way := range ways {
			for _, item := range w.items(seq) {
				next = append(next, &step{way, seq, item, way.head.Next(seq, item.Digest)})
			}
		}
		ways = next[:min(len(next), maxPaths)]
		for _, way := range ways {
			if slices.Contains(w.points[seq], way.head) {
				best, ways = way, []*step{way}
				break
			}
		}
	}
	if best == nil {
		return Stretch{}, false
	}
	s := Stretch{First: from + 1, Prev: head, Head: best.head, Proven: true}
	for ; best.before != nil; best = best.before {
		s.Items = append(s.Items, best.item)
	}
	slices.Reverse(s.Items)
	return s, true
}

// items are what one record may be, whole ones first.
func (w *Wreck) items(seq uint64) (items []Item) {
	for _, body := range w.bodies[seq] {
		items = append(items, Item{body, seal.Of(body)})
	}
	for _, d := range w.rumour[seq] {
		if !slices.ContainsFunc(items, func(i Item) bool { return i.Digest == d }) {
			items = append(items, Item{Digest: d})
		}
	}
	return items
}

// joint is where the chain can be taken up again: a place where it is known and from which it leads on. Where there is
// none it is the line's end.
func (w *Wreck) joint(from, end uint64) (seq uint64, head seal.Head, ok bool) {
	for _, seq := range slices.Sorted(maps.Keys(w.points)) {
		if seq <= from {
			continue
		}
		for _, head := range w.points[seq] {
			if _, leads := w.prove(seq, head); leads || seq == end {
				return seq, head, true
			}
		}
	}
	return end, head, false
}

// loose are the whole records between two places, unproven. Each gap begins the chain anew.
func (w *Wreck) loose(from uint64, head seal.Head, to uint64) (all []Stretch) {
	last := from
	for _, seq := range slices.Sorted(maps.Keys(w.bodies)) {
		if seq <= from || seq > to {
			continue
		}
		if seq > last+1 {
			head = hole(head, last+1, seq-1)
		}
		if seq > last+1 || len(all) == 0 {
			all = append(all, Stretch{First: seq, Prev: head})
		}
		s := &all[len(all)-1]
		item := w.items(seq)[0]
		head = head.Next(seq, item.Digest)
		s.Items, s.Head, last = append(s.Items, item), head, seq
	}
	return all
}

// hole is the chain after records of which nothing is known: the same from the same place, so that a second attempt
// fits what the centre has of the first.
func hole(before seal.Head, first, last uint64) seal.Head {
	buf := append([]byte("hl1-hole"), before[:]...)
	buf = binary.BigEndian.AppendUint64(buf, first)
	return sha256.Sum256(binary.BigEndian.AppendUint64(buf, last))
}
