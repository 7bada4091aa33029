// Package overlap compares what a terminal sends with what is filed of it. It never changes a row.
package overlap

import (
	"hailong/collector/org"
	"hailong/collector/store/db"
	"hailong/collector/store/draft"
	"hailong/sync/seal"
	"hailong/sync/wire"
)

// Verdict is what a batch is to what is filed.
type Verdict struct {
	Same    bool
	Missing wire.Range // of a batch that agrees: records that were called lost
	Head    seal.Head  // the batch's own chain where the line ends
}

// Batch compares a batch with what is filed, where the two overlap. One chain value stands for every digest
// before it; but a chain that a salvage began anew stands for nothing, and neither does that of unproven records.
func Batch(tx *db.Tx, stream int64, l draft.Line, f org.Filing) (v Verdict, err error) {
	loose, err := Loose(tx, stream)
	loose = loose || f.Origin == wire.Unproven
	if err != nil {
		return v, err
	}
	if f.First == l.Upto+1 {
		v.Same, v.Head = loose || f.Prev == l.Head, f.Prev
		return v, nil
	}
	if v, err = digests(tx, stream, l, f); err != nil || loose || !v.Same {
		return v, err
	}
	if f.Last() >= l.Upto {
		v.Head = f.Entries[l.Upto-f.First].Head
		v.Same = v.Head == l.Head
		return v, nil
	}
	h, known, err := HeadAt(tx, stream, f.Last())
	v.Same = !known || h == f.Entries[len(f.Entries)-1].Head
	return v, err
}

// digests compares a batch record by record.
func digests(tx *db.Tx, stream int64, l draft.Line, f org.Filing) (v Verdict, err error) {
	v.Same = true
	next, last := f.First, min(f.Last(), l.Upto)
	miss := func(to uint64) {
		if next < to && v.Missing.From == 0 {
			v.Missing = wire.Range{From: next, Why: "they were called lost: set aside"}
		}
		if next < to {
			v.Missing.To = to - 1
		}
	}
	var seq uint64
	var digest []byte
	err = tx.Each([]any{&seq, &digest}, func() error {
		miss(seq)
		v.Same = v.Same && seal.Digest(digest) == f.Entries[seq-f.First].Item.Digest
		next = seq + 1
		return nil
	}, `SELECT seq, digest FROM record WHERE stream = $1 AND seq BETWEEN $2 AND $3 ORDER BY seq`,
		stream, int64(f.First), int64(last))
	miss(last + 1)
	if f.Last() >= l.Upto {
		v.Head = f.Entries[l.Upto-f.First].Head
	}
	return v, err
}

// HeadAt is the chain after an earlier record, walked from the start of the batch that brought it.
func HeadAt(tx *db.Tx, stream int64, seq uint64) (h seal.Head, known bool, err error) {
	var first uint64
	var prev, digest []byte
	known, err = tx.Get([]any{&first, &prev}, `SELECT first, prev FROM proof
		WHERE stream = $1 AND first <= $2 AND last >= $2 ORDER BY first DESC LIMIT 1`, stream, int64(seq))
	if err != nil || !known {
		return h, false, err
	}
	h = seal.Head(prev)
	err = tx.Each([]any{&digest}, func() error {
		h = h.Next(first, seal.Digest(digest))
		first++
		return nil
	}, `SELECT digest FROM record WHERE stream = $1 AND seq BETWEEN $2 AND $3 ORDER BY seq`,
		stream, int64(first), int64(seq))
	return h, true, err
}

// Loose tells whether the chain filed here may be one that a salvage began anew: then only digests can be compared.
func Loose(tx *db.Tx, stream int64) (bool, error) {
	var n int
	_, err := tx.Get([]any{&n}, `SELECT (SELECT COUNT(*) FROM hole WHERE stream = $1 AND loose = 1) + unproven
		FROM stream WHERE no = $1`, stream)
	return n > 0, err
}
