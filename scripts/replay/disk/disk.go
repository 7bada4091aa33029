// Package disk is a disk in memory that a kernel writes to as to any other, and that remembers every write, every flush
// and every word said beside it, in their order. From that record it rebuilds what may be on the disk after a cut.
package disk

import (
	"math/rand/v2"
	"os"
	"slices"
	"sync"
)

const (
	sector = 512  // what a disk writes whole or not at all
	block  = 4096 // by which changes are undone
)

// Entry is one thing that came to the disk.
type Entry struct {
	Kind Kind
	Off  int64
	Data []byte // of a Write
	Word string
}

// Kind tells what came.
type Kind int

// Kinds of entries.
const (
	Write Kind = iota
	Flush      // what was written before it lasts
	Word       // somebody said something: its place among the writes is exact
)

// Disk is a disk in memory. Its methods may be called by several goroutines.
type Disk struct {
	mu    sync.Mutex // guards what follows
	image []byte
	keep  bool // whether to log
	log   []Entry
	undo  map[int64][]byte // blocks as they were at Begin, by number
}

// Begin notes what the disk is like, for Rewind, and logs what comes from here on if it is told to.
func (d *Disk) Begin(log bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.keep, d.log, d.undo = log, nil, map[int64][]byte{}
}

// Rewind makes the disk what it was at Begin, and hands out the log since.
func (d *Disk) Rewind() []Entry {
	d.mu.Lock()
	defer d.mu.Unlock()
	for n, old := range d.undo {
		copy(d.image[n*block:], old)
	}
	log := d.log
	d.keep, d.log, d.undo = false, nil, nil
	return log
}

// Take is one more thing that comes to the disk. A write must lie within it.
func (d *Disk) Take(e Entry) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.keep {
		e.Data = slices.Clone(e.Data)
		d.log = append(d.log, e)
	}
	if e.Kind == Write {
		d.put(e)
	}
}

// put writes, for good where Begin was not called.
func (d *Disk) put(e Entry) {
	end := e.Off + int64(len(e.Data))
	for n := e.Off / block; d.undo != nil && n*block < end; n++ {
		if d.undo[n] == nil {
			d.undo[n] = slices.Clone(d.image[n*block : min((n+1)*block, int64(len(d.image)))])
		}
	}
	copy(d.image[e.Off:], e.Data)
}

// read fills buf from an offset and tells how much there was.
func (d *Disk) read(buf []byte, off int64) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	if off >= int64(len(d.image)) {
		return 0
	}
	return copy(buf, d.image[off:])
}

// Save writes the disk to a file.
func (d *Disk) Save(path string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return os.WriteFile(path, d.image, 0o600)
}

// Player plays a log to a disk and knows at each place what lasts and what does not.
type Player struct {
	Disk  *Disk
	Log   []Entry
	Cache int // 0 for an honest disk; else it lies: a flush does nothing, and the last so many writes do not last

	At      int     // entries played
	Pending []Entry // writes that do not last
}

// Forward plays up to a place: what comes before it has come. What lasts is on the disk then.
func (p *Player) Forward(to int) {
	for ; p.At < to; p.At++ {
		switch e := p.Log[p.At]; {
		case e.Kind == Write:
			p.Pending = append(p.Pending, e)
			if p.Cache > 0 && len(p.Pending) > p.Cache {
				p.settle(1)
			}
		case e.Kind == Flush && p.Cache == 0:
			p.settle(len(p.Pending))
		}
	}
}

// settle makes the oldest n pending writes last.
func (p *Player) settle(n int) {
	p.Disk.mu.Lock()
	defer p.Disk.mu.Unlock()
	for _, e := range p.Pending[:n] {
		p.Disk.put(e)
	}
	p.Pending = slices.Delete(p.Pending, 0, n)
}

// Mode is what becomes of the writes that do not last.
type Mode int

// Modes of losing.
const (
	Kept      Mode = iota // all reached the disk
	Dropped               // none did
	Reordered             // they came in any order, and the power went in between
	Torn                  // as Reordered, and some came in part, sector by sector
	Modes
)

// String is the mode in a word.
func (m Mode) String() string { return [...]string{"kept", "dropped", "reordered", "torn"}[m] }

// Survivors are the pending writes, or parts of them, that reached the disk. They are in the order they came to it: a
// disk may take two writes in any order, but where they overlap the later one wins, or it has not been taken yet.
func Survivors(rng *rand.Rand, m Mode, pending []Entry) []Entry {
	switch m {
	case Kept:
		return slices.Clone(pending)
	case Dropped:
		return nil
	}
	order := rng.Perm(len(pending))
	reached := order[:rng.IntN(len(pending)+1)]
	var parts []Entry
	for i, e := range pending {
		switch {
		case m == Torn && (i == order[len(order)-1] || rng.IntN(3) == 0): // the one that is always in part
			parts = append(parts, tear(rng, e)...)
		case slices.Contains(reached, i):
			parts = append(parts, e)
		}
	}
	return parts
}

// tear keeps some sectors of a write: the first ones, the last ones, or any.
func tear(rng *rand.Rand, e Entry) []Entry {
	n := (len(e.Data) + sector - 1) / sector
	cut, how := rng.IntN(n+1), rng.IntN(3)
	var parts []Entry
	for i := range n {
		if how == 0 && i >= cut || how == 1 && i < cut || how == 2 && rng.IntN(2) == 0 {
			continue
		}
		data := e.Data[i*sector : min((i+1)*sector, len(e.Data))]
		parts = append(parts, Entry{Off: e.Off + int64(i*sector), Data: data})
	}
	return parts
}
