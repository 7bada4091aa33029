// Package attic brings home what is left of a damaged outbox: it carves the records, says which of them the chain
// still proves, and hands them on oldest first as a line of their own. It never believes a broken record, never opens
// a whole one, and never writes to the file.
package attic

import (
	"bytes"
	"slices"

	"hailong/sync/seal"
)

// mostOf bounds what is kept for one number of an epoch: a whole record, copies of a lost press under the same number,
// what broken frames claim.
const mostOf = 8

// maxSeq is more than any terminal counts. A file that somebody made up may say anything.
const maxSeq = 1 << 62

// Wreck is what one epoch left in a file. Nothing in it is in order, and some of it may be rumour.
type Wreck struct {
	Epoch  seal.Epoch
	bodies map[uint64][][]byte      // whole
	rumour map[uint64][]seal.Digest // of records whose frames are broken
	points map[uint64][]seal.Head   // where the line stood, by the outbox's own words
}

// Carve finds what each epoch left in the bytes of a file, the one with most records first. Bodies alias the file.
func Carve(file []byte) []*Wreck {
	byEpoch := map[seal.Epoch]*Wreck{}
	of := func(e seal.Epoch) *Wreck {
		w := byEpoch[e]
		if w == nil {
			w = &Wreck{
				e, map[uint64][][]byte{}, map[uint64][]seal.Digest{}, map[uint64][]seal.Head{},
			}
			byEpoch[e] = w
		}
		return w
	}
	var broken []int
	seal.Carve(file, func(_ int, r seal.Record) {
		w := of(r.Epoch)
		all := w.bodies[r.Seq]
		known := slices.ContainsFunc(all, func(b []byte) bool { return bytes.Equal(b, r.Body) })
		if r.Seq > 0 && r.Seq < maxSeq && len(all) < mostOf && !known {
			w.bodies[r.Seq] = append(all, r.Body)
		}
	}, func(offset int) { broken = append(broken, offset) })
	for _, at := range broken {
		e, seq, d, ok := seal.Glimpse(file[at:])
		// Only beside whole records of its epoch: a broken epoch is none.
		if w := byEpoch[e]; ok && w != nil && len(w.rumour[seq]) < mostOf && !slices.Contains(w.rumour[seq], d) {
			w.rumour[seq] = append(w.rumour[seq], d)
		}
	}
	wrecks := make([]*Wreck, 0, len(byEpoch))
	for _, w := range byEpoch {
		wrecks = append(wrecks, w)
	}
	slices.SortFunc(wrecks, func(a, b *Wreck) int {
		if n := len(b.bodies) - len(a.bodies); n != 0 {
			return n
		}
		return bytes.Compare(a.Epoch[:], b.Epoch[:])
	})
	return wrecks
}

// Know adds a place where the chain is known.
func (w *Wreck) Know(seq uint64, head seal.Head) {
	if !slices.Contains(w.points[seq], head) {
		w.points[seq] = append(w.points[seq], head)
	}
}

// Whole is how many numbers have a whole record.
func (w *Wreck) Whole() int { return len(w.bodies) }

// last is the highest number that anything speaks of.
func (w *Wreck) last() (last uint64) {
	for seq := range w.bodies {
		last = max(last, seq)
	}
	for seq := range w.points {
		last = max(last, seq)
	}
	return last
}
