package layout

import (
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"go.etcd.io/bbolt"
)

const (
	markEvery  = time.Hour     // how finely the time of receipts is kept; a record stays at most this much longer
	firstClock = 1577836800000 // 2020 in Unix milliseconds: a clock before is not set, and nothing is forgotten by it
)

// Mark tells when a receipt came: everything up to Upto was receipted At, in the collector's Unix milliseconds. It is
// on disk.
type Mark struct {
	At   int64
	Upto uint64
}

// Times are marks, ascending.
type Times []Mark

// ReadMarks reads when receipts came.
func ReadMarks(tx *bbolt.Tx) Times {
	buf := tx.Bucket([]byte(Marks)).Get([]byte(AllAt))
	m := make(Times, len(buf)/binary.Size(Mark{}))
	_, _ = binary.Decode(buf, binary.BigEndian, m) // of fixed size, and long enough
	return m
}

// Write keeps the marks.
func (m Times) Write(tx *bbolt.Tx) error {
	buf, _ := binary.Append(nil, binary.BigEndian, m) // fails on types of no fixed size only
	return tx.Bucket([]byte(Marks)).Put([]byte(AllAt), buf)
}

// Note adds the time of a receipt and tells up to which seq receipts are older than keep.
func (m Times) Note(l Line, now int64, keep time.Duration) (noted Times, due uint64) {
	if now < firstClock {
		return m, 0
	}
	// Where the collector's clock was set back, marks of a time to come would keep every record until then. Without
	// them each is kept a week from here.
	noted = m.Without(func(x Mark) bool { return x.At > now })
	last := append(Times{{}}, noted...)[len(noted)] // zero where there is none
	if l.Upto.Seq > max(last.Upto, l.Base.Seq) && now-last.At >= markEvery.Milliseconds() {
		noted = append(noted, Mark{now, l.Upto.Seq})
	}
	for _, x := range noted {
		if now-x.At > keep.Milliseconds() {
			due = x.Upto
		}
	}
	return noted, due
}

// Without drops the marks that pick names.
func (m Times) Without(pick func(Mark) bool) Times { return slices.DeleteFunc(slices.Clone(m), pick) }

// Check looks whether the marks are possible: they decide when a record is forgotten.
func (m Times) Check(l Line) error {
	for i, x := range m {
		if x.Upto > l.Upto.Seq || i > 0 && (x.Upto <= m[i-1].Upto || x.At < m[i-1].At) {
			return fmt.Errorf("%w: receipt of record %d at %d", ErrDamaged, x.Upto, x.At)
		}
	}
	return nil
}
