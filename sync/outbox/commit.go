package outbox

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"syscall"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"hailong/sync/outbox/layout"
	"hailong/sync/seal"
)

const (
	maxGroup = 1024    // entries in one commit, whose pressers all wait for it
	fill     = 0.95    // of a page of records when it splits. Seqs only grow: bbolt's half would never be used
	spare    = 1 << 20 // bytes of disk that no press gets: forgetting takes pages before it frees any
)

// request is an entry to keep, or with apply another change.
type request struct {
	entry Entry
	apply func(tx *bbolt.Tx, l *line) error
	done  chan result // takes one without blocking
}

type result struct {
	placed Placed
	err    error
}

// errUnchanged makes commit skip the disk: there is nothing to write.
var errUnchanged = errors.New("nothing to change")

// run is the committer: the only goroutine that writes. It ends on Close and on failure.
func (b *Box) run() {
	defer close(b.done)
	for b.Err() == nil {
		select {
		case <-b.quit:
			return
		case r := <-b.appends:
			b.keep(b.gather([]request{r}))
		case c := <-b.changes:
			c.done <- result{err: b.commit(c.apply)}
		}
	}
}

// gather takes who waits already. Nobody is waited for, a single press costs its own sync only; but whoever was just
// answered and is about to press again gets the processor first.
func (b *Box) gather(group []request) []request {
	for met := 0; len(group) < maxGroup; {
		select {
		case r := <-b.appends:
			group = append(group, r)
		default:
			if met == len(group) {
				return group
			}
			met = len(group)
			runtime.Gosched()
		}
	}
	return group
}

// keep stores a group in one commit and answers everybody in it.
func (b *Box) keep(group []request) {
	results := make([]result, len(group))
	err := b.commit(func(tx *bbolt.Tx, l *line) error {
		room := min(b.maxSize, space(b.file)-spare) - b.disk.used
		for i, r := range group {
			if err := b.place(tx, l, r.entry, &room, &results[i]); err != nil {
				return err
			}
		}
		if *l == b.line {
			return errUnchanged
		}
		return nil
	})
	for i, r := range group {
		if err != nil {
			results[i] = result{err: err}
		}
		r.done <- results[i]
	}
}

// place puts one entry into the transaction. Its seq is taken here, so an aborted transaction takes none. An error
// ends the whole group; want of room is in the entry's own result.
func (b *Box) place(tx *bbolt.Tx, l *line, e Entry, room *int64, r *result) error {
	ids, records := ids(tx), records(tx)
	if at := ids.Get([]byte(e.ID)); len(at) == 8 {
		r.placed = Placed{Seq: binary.BigEndian.Uint64(at)}
		return nil
	}
	next := l.Last.After(e.Level, seal.Of(e.Body))
	v := layout.EncodeValue(b.owner, next.Seq, e.Level, e.ID, e.Body)
	if *room < int64(len(v)+len(e.ID)) {
		r.err = fmt.Errorf("%w: %d KB are kept", ErrFull, b.disk.used>>10)
		return nil
	}
	*room -= int64(len(v) + len(e.ID))
	records.FillPercent = fill
	err := records.Put(layout.Key(next.Seq), v)
	if err == nil && e.ID != "" {
		err = ids.Put([]byte(e.ID), layout.Key(next.Seq))
	}
	if k, has := layout.HeadKey(next.Seq); has && err == nil {
		err = tx.Bucket([]byte(layout.Heads)).Put(k, line{Last: next, Upto: next, Base: next}.Encode(b.owner))
	}
	l.Last, r.placed = next, Placed{Seq: next.Seq, Fresh: true}
	return err
}

// commit applies a change in one transaction. Memory follows only a commit that succeeded.
func (b *Box) commit(apply func(tx *bbolt.Tx, l *line) error) error {
	var next line
	var refusal error // apply's own: the transaction is given up before it touches the disk
	err := layout.Guard(func() error {
		return b.update(func(tx *bbolt.Tx) error {
			next = b.line
			if refusal = apply(tx, &next); refusal != nil {
				return refusal
			}
			return meta(tx).Put([]byte(layout.LineAt), next.Encode(b.owner))
		})
	})
	switch {
	case refusal == errUnchanged:
		return nil
	case refusal != nil:
		return refusal
	case err != nil && b.rolledBack(err):
		return fmt.Errorf("%w: %w", ErrFull, err)
	case err != nil:
		return b.fail(err)
	}
	disk, err := b.seen()
	if err != nil {
		return b.fail(err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if next.Last != b.line.Last {
		select {
		case b.more <- struct{}{}:
		default:
		}
	}
	b.line, b.disk = next, disk
	return nil
}

// rolledBack tells whether a commit ended for want of room and nothing else. bbolt names the step by the error's type
// alone: a write is a PathError, a sync a bare number, anything wrapped in text must not be guessed at. A write may
// also be that of the meta page, the last step, so the transaction that readers see must still be the one before. A
// sync that reports want of room is a failed sync: what it lost is unknown.
func (b *Box) rolledBack(err error) bool {
	var p *fs.PathError
	full := errors.As(err, &p) && p.Op == "write" && (errors.Is(p.Err, syscall.ENOSPC) ||
		errors.Is(p.Err, syscall.EDQUOT) || errors.Is(p.Err, syscall.EFBIG))
	disk, err := b.seen()
	return full && err == nil && disk.txid == b.disk.txid
}

// disk is what readers see of the file.
type disk struct {
	txid       int
	size, used int64 // bytes, with and without free pages
}

func (b *Box) seen() (d disk, err error) {
	err = b.view(func(tx *bbolt.Tx) error {
		s := b.db.Stats()
		free := int64(s.FreePageN+s.PendingPageN) * int64(b.db.Info().PageSize)
		d = disk{tx.ID(), tx.Size(), tx.Size() - free}
		return nil
	})
	return d, err
}

// fail ends the box. A failed sync is never tried again: the kernel may have dropped the pages and would report
// success for what it no longer has.
func (b *Box) fail(cause error) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.err = fmt.Errorf("%w: %w", ErrFailed, cause)
	close(b.failed)
	return b.err
}

func (b *Box) view(f func(*bbolt.Tx) error) error {
	err := layout.Guard(func() error { return b.db.View(f) })
	if errors.Is(err, berrors.ErrDatabaseNotOpen) {
		return ErrClosed
	}
	return err
}
