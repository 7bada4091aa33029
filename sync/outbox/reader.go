package outbox

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.etcd.io/bbolt"

	"hailong/sync/outbox/layout"
	"hailong/sync/seal"
)

// forgetAtOnce bounds what one call of Receipted forgets: presses wait for it.
const forgetAtOnce = 2000

// Run is some records in a row. Without bodies it is empty.
type Run struct {
	First  uint64
	Prev   seal.Head // chain after record First−1
	Head   seal.Head // chain after the last record
	Bodies [][]byte  // copies
	Tally  [5]uint64 // as of the last record
}

// Look reads records from a seq on, at most maxRecords of at most maxBytes together, but at least one if there is one.
// Looking does not take. Where nothing is yet the run is empty; what was forgotten is ErrGone. A run ends before a
// damaged record; where that is its first record, Look is ErrDamaged.
func (b *Box) Look(from uint64, maxRecords, maxBytes int) (run Run, err error) {
	last, err := b.durable()
	if err != nil || from > last.Seq {
		return Run{}, err
	}
	err = b.view(func(tx *bbolt.Tx) error {
		start, err := b.reach(tx, from-1)
		if err != nil {
			return err
		}
		end, err := layout.Walk(tx, b.owner, start, last.Seq, func(r layout.Kept) bool {
			maxBytes -= len(r.Body)
			if n := len(run.Bodies); n > 0 && (n >= maxRecords || maxBytes < 0) {
				return false
			}
			run.Bodies = append(run.Bodies, bytes.Clone(r.Body))
			return true
		})
		if err != nil && len(run.Bodies) == 0 {
			return err
		}
		if end.Seq == last.Seq && end != last {
			return fmt.Errorf("record %d: %w: the chain ends elsewhere", last.Seq, ErrDamaged)
		}
		run.First, run.Prev, run.Head, run.Tally = from, start.Head, end.Head, end.Tally
		return nil
	})
	return run, err
}

// durable is the last point known to be on the disk. A read transaction may see further: bbolt's readers see a commit
// as soon as it is written, before it is synced. A record sent then and lost in a power cut would leave its seq to
// another record, and the collector would call it a fork.
func (b *Box) durable() (point, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.line.Last, b.err
}

// reach is the point after record seq, walked from the nearest point stored.
func (b *Box) reach(tx *bbolt.Tx, seq uint64) (point, error) {
	l, err := layout.DecodeLine(b.owner, meta(tx).Get([]byte(layout.LineAt)))
	if err != nil {
		return point{}, err
	}
	from := l.Base
	if seq >= l.Upto.Seq {
		from = l.Upto
	}
	if seq < l.Base.Seq || seq == ^uint64(0) { // the latter is what comes before record 0
		return point{}, fmt.Errorf("after record %d: %w, the oldest is %d", seq, ErrGone, l.Base.Seq+1)
	}
	return layout.Walk(tx, b.owner, from, seq, func(layout.Kept) bool { return true })
}

// Receipted moves the watermark: the collector has everything up to a seq, and its chain there is head. It only moves
// forward; an old receipt changes nothing. at is the collector's clock. Some of the records whose receipt is older than
// KeepFor by that clock are forgotten on the way.
func (b *Box) Receipted(ctx context.Context, upto uint64, head seal.Head, at time.Time) error {
	p, err := b.agreed(upto, head)
	if errors.Is(err, ErrGone) {
		return nil // an old receipt: no record is left to compare it with, and none to forget
	}
	due := make(chan uint64, 1)
	if err == nil {
		_, err = b.ask(ctx, b.changes, request{apply: func(tx *bbolt.Tx, l *line) error {
			if p.Seq > l.Upto.Seq {
				l.Upto = p
			}
			m := layout.ReadMarks(tx)
			noted, old := m.Note(*l, at.UnixMilli(), KeepFor)
			due <- old
			if *l == b.line && slices.Equal(m, noted) {
				return errUnchanged
			}
			return noted.Write(tx)
		}})
	}
	if err != nil {
		return fmt.Errorf("take receipt up to %d: %w", upto, err)
	}
	return b.forget(ctx, <-due)
}

// Rewind lowers the watermark to a seq: a collector restored from a backup asks again for what came after. Only a
// receipt that echoes the hello's nonce may lead here.
func (b *Box) Rewind(ctx context.Context, upto uint64, head seal.Head) error {
	p, err := b.agreed(upto, head)
	if err == nil {
		_, err = b.ask(ctx, b.changes, request{apply: func(tx *bbolt.Tx, l *line) error {
			switch {
			case p.Seq > l.Upto.Seq:
				return fmt.Errorf("%w: only %d is receipted", ErrMismatch, l.Upto.Seq)
			case p.Seq < l.Base.Seq:
				return fmt.Errorf("%w, the oldest is %d", ErrGone, l.Base.Seq+1)
			case p.Seq == l.Upto.Seq:
				return errUnchanged
			}
			l.Upto = p
			return layout.ReadMarks(tx).Without(func(x layout.Mark) bool { return x.Upto > p.Seq }).Write(tx)
		}})
	}
	if err != nil {
		return fmt.Errorf("rewind to %d: %w", upto, err)
	}
	return nil
}

// agreed is the point after a record, where the collector's head is our own. Records never change, so it is found
// outside the committer, which presses wait for.
func (b *Box) agreed(seq uint64, head seal.Head) (p point, err error) {
	last, err := b.durable()
	if err != nil {
		return p, err
	}
	if seq > last.Seq {
		return p, fmt.Errorf("%w: the last record is %d", ErrMismatch, last.Seq)
	}
	err = b.view(func(tx *bbolt.Tx) error {
		p, err = b.reach(tx, seq)
		return err
	})
	if err == nil && p.Head != head {
		err = fmt.Errorf("%w: head %.8s…, ours is %.8s…", ErrMismatch, head, p.Head)
	}
	return p, err
}

// forget deletes records up to due, the oldest first. A full disk may lack the pages for many deletions at once and
// still have those for a few.
func (b *Box) forget(ctx context.Context, due uint64) error {
	err := error(ErrFull)
	for n := uint64(forgetAtOnce); n > 0 && errors.Is(err, ErrFull); n /= 10 {
		_, err = b.ask(ctx, b.changes, request{apply: func(tx *bbolt.Tx, l *line) error {
			return b.forgetSome(tx, l, min(due, l.Base.Seq+n))
		}})
	}
	if err == nil || errors.Is(err, ErrFailed) || errors.Is(err, ErrClosed) {
		return err
	}
	b.log.Warn("outbox.unforgotten", "upto", due, "err", err)
	return nil // the receipt itself is stored; what stays longer than it must harms nobody
}

// forgetSome stops before a damaged record: without its digest the chain cannot go on.
func (b *Box) forgetSome(tx *bbolt.Tx, l *line, to uint64) error {
	ids, records := ids(tx), records(tx)
	var gone [][]byte
	end, err := layout.Walk(tx, b.owner, l.Base, min(to, l.Upto.Seq), func(r layout.Kept) bool {
		gone = append(gone, bytes.Clone(r.ID))
		return true
	})
	if len(gone) == 0 {
		return cmp.Or(err, errUnchanged)
	}
	for i, id := range gone {
		seq := layout.Key(l.Base.Seq + 1 + uint64(i))
		err := records.Delete(seq)
		if err == nil && bytes.Equal(ids.Get(id), seq) {
			err = ids.Delete(id)
		}
		if k, has := layout.HeadKey(l.Base.Seq + 1 + uint64(i)); has && err == nil {
			err = tx.Bucket([]byte(layout.Heads)).Delete(k)
		}
		if err != nil {
			return err
		}
	}
	l.Base = end
	return layout.ReadMarks(tx).Without(func(x layout.Mark) bool { return x.Upto <= end.Seq }).Write(tx)
}
