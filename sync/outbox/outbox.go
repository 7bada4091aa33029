// Package outbox is a line of sealed records that survives a power cut, a kill and a full disk. It never opens a
// body, never answers before the disk did, and never forgets a record without the collector's receipt.
package outbox

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"go.etcd.io/bbolt"

	"hailong/sync/outbox/layout"
	"hailong/sync/seal"
	"hailong/vote"
)

// KeepFor is how long a receipted record stays, by the collector's clock, for one restored from a backup of last week.
const KeepFor = 7 * 24 * time.Hour

// RoomFor100000 is what Options.Reserve means by 0. 100,000 records of 80 bytes with press ids of 26, one to a commit,
// made a file of 30.9 MB; 1 MB is set aside, and the rest is margin for larger records.
const RoomFor100000 = 40 << 20

const (
	defaultMaxSize = 512 << 20 // years of votes for one counter: whoever fills it is no citizen
)

var (
	// ErrHeld means that another process has the outbox open.
	ErrHeld = errors.New("held by another process: is the agent running?")
	// ErrDamaged means that bytes on the disk are not what was written. Nothing is deleted.
	ErrDamaged = layout.ErrDamaged
	// ErrFull is returned when there is no room on the disk or in the box. Nothing was stored; the box goes on.
	ErrFull = errors.New("no room for another record")
	// ErrFailed means that the disk's answer is unknown: the process must restart from what the disk holds.
	ErrFailed = errors.New("outbox failed")
	// ErrClosed is returned by a box that was closed.
	ErrClosed = errors.New("outbox closed")
	// ErrEntry means that an entry can never be stored, however often it is tried.
	ErrEntry = errors.New("entry not storable")
	// ErrGone means that a record was receipted long ago and has been forgotten.
	ErrGone = errors.New("record forgotten")
	// ErrMismatch means that the collector speaks of another chain or of records never written.
	ErrMismatch = errors.New("not this outbox's chain")
)

// Options are what Open needs to know.
type Options struct {
	Terminal vote.TerminalID // the one the box was made for
	Reserve  int64           // bytes of disk that are the box's alone; 0 is RoomFor100000, below 0 none
	MaxSize  int64           // bytes of records, beyond which Append is ErrFull; 0 is 512 MB
	Log      *slog.Logger    // hears of troubles that refuse nothing; nil is silence

	readOnly bool
}

// Entry is one record to keep.
type Entry struct {
	ID    string     // press id that makes a retry harmless; "" is none
	Level vote.Level // level whose tally it counts in; 0 is none
	Body  []byte
}

// Placed tells where an entry lies.
type Placed struct {
	Seq   uint64
	Fresh bool // false: the id was there already, at Seq
}

// State is where the line stands.
type State struct {
	Terminal vote.TerminalID
	Epoch    seal.Epoch
	Next     uint64    // seq the next record gets
	Head     seal.Head // chain after record Next−1
	Upto     uint64    // last receipted seq
	UptoHead seal.Head // chain after record Upto
	Oldest   uint64    // oldest seq kept; Next where none is
	Before   seal.Head // chain after record Oldest−1
	Tally    [5]uint64 // casts by level since the epoch began
	FileSize int64     // bytes of file in use, free pages included
	Reserved bool      // whether Options.Reserve bytes of disk belong to the file
}

// Pending is how many records wait for their receipt.
func (s State) Pending() uint64 { return s.Next - 1 - s.Upto }

type (
	line  = layout.Line
	point = layout.Point
)

// Box is an open outbox. Its methods may be called by several goroutines.
type Box struct {
	// Fixed after Open.
	owner            layout.Owner
	db               *bbolt.DB
	file             *os.File // the db's own
	update           func(func(*bbolt.Tx) error) error
	maxSize          int64
	reserved         bool
	log              *slog.Logger
	appends, changes chan request
	more             chan struct{}
	failed           chan struct{} // closed with err set
	quit             chan struct{} // closed by Close
	done             chan struct{} // closed when the committer has ended
	closing          sync.Once

	mu   sync.Mutex // guards what follows; only the committer writes it
	line line
	disk disk
	err  error
}

// State tells where the line stands, from memory. Everything in it is on the disk.
func (b *Box) State() State {
	b.mu.Lock()
	defer b.mu.Unlock()
	l := b.line
	return State{
		Terminal: b.owner.Terminal, Epoch: b.owner.Epoch, Next: l.Last.Seq + 1, Head: l.Last.Head,
		Upto: l.Upto.Seq, UptoHead: l.Upto.Head, Oldest: l.Base.Seq + 1, Before: l.Base.Head,
		Tally: l.Last.Tally, FileSize: b.disk.size, Reserved: b.reserved,
	}
}

// More is signalled after new records. It holds one signal, however many records it stands for.
func (b *Box) More() <-chan struct{} { return b.more }

// Failed is closed when the box became unusable. Err then says why.
func (b *Box) Failed() <-chan struct{} { return b.failed }

// Err is nil until the box failed.
func (b *Box) Err() error {
	_, err := b.durable()
	return err
}

// Close waits for the commit under way and closes the file. Entries that were not yet taken are ErrClosed.
func (b *Box) Close() (err error) {
	b.closing.Do(func() {
		close(b.quit)
		<-b.done
		if b.Err() != nil {
			err = release(b.file) // a db that panicked may hold its own lock for ever
			return
		}
		err = b.db.Close()
	})
	return err
}

// Append keeps an entry and returns once the disk has it. An id that is there already is answered with its old seq
// and stores nothing. Where ctx ends first, the entry may or may not have been stored: ask again with the same id.
func (b *Box) Append(ctx context.Context, e Entry) (Placed, error) {
	if len(e.ID) > layout.MaxID || e.Level != 0 && !e.Level.Valid() || len(e.Body) == 0 || len(e.Body) > seal.MaxBody {
		return Placed{}, fmt.Errorf("%w: id of %d bytes, level %d, body of %d", ErrEntry,
			len(e.ID), e.Level, len(e.Body))
	}
	e.Body = bytes.Clone(e.Body) // a caller whose ctx ended may use its buffer again
	return b.ask(ctx, b.appends, request{entry: e})
}

// Boot counts boots: 1 for the first boot id seen, one more for each new one.
func (b *Box) Boot(ctx context.Context, bootID string) (uint32, error) {
	if bootID == "" || len(bootID) > layout.MaxID {
		return 0, fmt.Errorf("%w: boot id of %d bytes", ErrEntry, len(bootID))
	}
	count := make(chan uint32, 1) // no variable: where ctx ends first, the committer still writes it
	_, err := b.ask(ctx, b.changes, request{apply: func(tx *bbolt.Tx, _ *line) error {
		n, id, err := layout.DecodeBoot(meta(tx).Get([]byte(layout.BootAt)))
		switch {
		case err != nil:
			return err
		case id == bootID:
			count <- n
			return errUnchanged
		}
		count <- n + 1
		return meta(tx).Put([]byte(layout.BootAt), layout.EncodeBoot(n+1, bootID))
	}})
	if err != nil {
		return 0, err
	}
	return <-count, nil
}

// ask hands a request to the committer and waits for the answer.
func (b *Box) ask(ctx context.Context, to chan<- request, r request) (Placed, error) {
	if err := ctx.Err(); err != nil {
		return Placed{}, err
	}
	r.done = make(chan result, 1)
	select {
	case to <- r:
	case <-b.done:
		return Placed{}, cmp.Or(b.Err(), ErrClosed)
	case <-ctx.Done():
		return Placed{}, ctx.Err()
	}
	select {
	case answer := <-r.done:
		return answer.placed, answer.err
	case <-ctx.Done():
		return Placed{}, ctx.Err()
	}
}
