package outbox

import (
	"cmp"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"hailong/sync/outbox/layout"
	"hailong/sync/seal"
	"hailong/vote"
)

const (
	tempSuffix     = ".new"      // of a file that is not yet the outbox. Nothing in it was ever promised
	lockWait       = time.Second // how long a second process waits before it says that the box is held
	compactAbove   = 16 << 20    // bytes of file, more than half of them free, that make every start slow
	compactRecords = 4 << 20     // bytes of records that are quick to copy and cannot fill the disk
)

// Open opens the outbox at path, or makes one with a new epoch where there is none.
func Open(path string, o Options) (*Box, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	o.MaxSize, o.Reserve = cmp.Or(o.MaxSize, defaultMaxSize), cmp.Or(o.Reserve, RoomFor100000)
	b, err := open(path, o)
	if err != nil {
		var p *fs.PathError
		if errors.As(err, &p) && p.Path == path {
			err = p.Err // the path is already in what we say
		}
		return nil, fmt.Errorf("open outbox %s: %w", path, err)
	}
	go b.run()
	return b, nil
}

func open(path string, o Options) (*Box, error) {
	if _, err := vote.ParseTerminalID(string(o.Terminal)); err != nil {
		return nil, err
	}
	folder, err := os.Open(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	defer folder.Close() // and with it the lock
	// Two processes that both make or replace the file would each hold one, and the votes in one of them be lost. This
	// waits no longer than another waits for a file that is held.
	if err := errors.Join(lock(folder), os.RemoveAll(path+tempSuffix)); err != nil {
		return nil, err
	}
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		if err := create(path, o); err != nil {
			return nil, err
		}
	}
	for tried := false; ; tried = true {
		// A power cut takes back a rename that was not synced, an earlier start's too, and the votes that followed.
		if err := folder.Sync(); err != nil {
			return nil, fmt.Errorf("sync folder: %w", err)
		}
		b, err := load(path, o)
		if err != nil || tried || b.disk.size <= compactAbove || b.disk.used > min(b.disk.size/2, compactRecords) {
			return b, err
		}
		err = replace(path, o, func(db *bbolt.DB) error { return bbolt.Compact(db, b.db, 1<<20) })
		o.Log.Info("outbox.compacted", "bytes", b.disk.size, "err", err)
		if err := b.db.Close(); err != nil { // and load whichever file has the name now: both hold everything
			return nil, err
		}
	}
}

// create makes the file under another name: a power cut while bbolt writes its first pages leaves one it cannot open.
func create(path string, o Options) error {
	owner := layout.Owner{Terminal: o.Terminal}
	_, _ = rand.Read(owner.Epoch[:]) // never fails
	start := point{Head: seal.Start(string(o.Terminal), owner.Epoch)}
	return replace(path, o, func(db *bbolt.DB) error {
		return db.Update(func(tx *bbolt.Tx) error {
			for _, name := range layout.Buckets() {
				if _, err := tx.CreateBucket([]byte(name)); err != nil {
					return err
				}
			}
			m := meta(tx)
			return errors.Join(m.Put([]byte(layout.FormatAt), []byte(layout.Format)),
				m.Put([]byte(layout.OwnerAt), []byte(o.Terminal)), m.Put([]byte(layout.EpochAt), owner.Epoch[:]),
				m.Put([]byte(layout.LineAt), line{Last: start, Upto: start, Base: start}.Encode(owner)))
		})
	})
}

// The buckets, by the words of this room.
func meta(tx *bbolt.Tx) *bbolt.Bucket    { return tx.Bucket([]byte(layout.Meta)) }
func records(tx *bbolt.Tx) *bbolt.Bucket { return tx.Bucket([]byte(layout.Records)) }
func ids(tx *bbolt.Tx) *bbolt.Bucket     { return tx.Bucket([]byte(layout.IDs)) }

// replace gives a new file, once it is written and synced, the box's name.
func replace(path string, o Options, write func(*bbolt.DB) error) error {
	db, _, err := openBolt(path+tempSuffix, o)
	if err != nil {
		return err
	}
	if err := errors.Join(layout.Guard(func() error { return write(db) }), db.Sync(), db.Close()); err != nil {
		return err
	}
	return os.Rename(path+tempSuffix, path)
}

// openBolt opens a bbolt file and hands out the file beneath it.
func openBolt(path string, o Options) (db *bbolt.DB, file *os.File, err error) {
	options := &bbolt.Options{
		Timeout:        lockWait,
		ReadOnly:       o.readOnly,
		FreelistType:   bbolt.FreelistMapType,
		NoFreelistSync: true, // smaller commits; the price is one scan at open
		OpenFile: func(name string, flag int, mode os.FileMode) (_ *os.File, err error) {
			file, err = os.OpenFile(name, flag, mode)
			return file, err
		},
	}
	err = layout.Guard(func() error {
		db, err = bbolt.Open(path, 0o600, options)
		return err
	})
	var number syscall.Errno
	switch {
	case err == nil || file == nil:
	case errors.Is(err, ErrDamaged):
		_ = release(file) // bbolt did not live to do it
	case errors.Is(err, berrors.ErrTimeout):
		err = ErrHeld
	case errors.As(err, &number) && number != syscall.EIO: // the machine's trouble, not the file's
	default:
		err = fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return db, file, err
}

// load opens the file and reads where the line stands.
func load(path string, o Options) (*Box, error) {
	db, file, err := openBolt(path, o)
	if err != nil {
		return nil, err
	}
	b := &Box{
		owner: layout.Owner{Terminal: o.Terminal},
		db:    db, file: file, update: db.Update, maxSize: o.MaxSize, log: o.Log,
		appends: make(chan request), changes: make(chan request), more: make(chan struct{}, 1),
		failed: make(chan struct{}), quit: make(chan struct{}), done: make(chan struct{}),
	}
	if err = b.view(b.readMeta); err == nil {
		err = layout.Guard(b.adopt)
	}
	if err == nil {
		b.disk, err = b.seen()
	}
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	// ext4 keeps what it allocated before it ran out, and the rest of the system would have nothing.
	if o.Reserve > 0 && space(file) >= o.Reserve {
		err = reserve(file, o.Reserve)
		b.reserved = err == nil
	}
	if o.Reserve > 0 && !b.reserved {
		o.Log.Warn("outbox.unreserved", "bytes", o.Reserve, "room", space(file), "err", err)
	}
	return b, nil
}

// readMeta reads what the box must know.
func (b *Box) readMeta(tx *bbolt.Tx) error {
	owner, l, err := layout.Read(tx)
	if err == nil {
		_, _, err = layout.DecodeBoot(tx.Bucket([]byte(layout.Meta)).Get([]byte(layout.BootAt)))
	}
	if err == nil && owner.Terminal != b.owner.Terminal {
		err = fmt.Errorf("it belongs to terminal %q, this one is %q", owner.Terminal, b.owner.Terminal)
	}
	b.owner, b.line = owner, l
	return err
}

// adopt commits what was read, and takes back into the line what lies whole behind its end. A process that ended
// between a commit's write and its sync, or in a sync that failed, left in the page cache what the disk has not: it
// must not be promised again before the disk has it, and a page that a failed sync marked clean gets there only by
// being written again. And a disk that forgot the last page of a commit has the records still: they may have been
// promised, and the centre may have them, so their numbers must not be given to others.
func (b *Box) adopt() error {
	info, err := b.file.Stat()
	if err != nil {
		return err
	}
	lost, err := layout.Beyond(b.file, info.Size(), b.owner, b.line.Last.Seq)
	if err != nil {
		return err
	}
	l := b.line
	err = b.db.Update(func(tx *bbolt.Tx) error {
		for _, r := range lost {
			full, placed := int64(1)<<62, result{}
			if err := b.place(tx, &l, Entry{string(r.ID), r.Level, r.Body}, &full, &placed); err != nil {
				return err
			}
			if !placed.placed.Fresh {
				break // its id was kept under another number: this is not what was promised
			}
		}
		return meta(tx).Put([]byte(layout.LineAt), l.Encode(b.owner))
	})
	if n := l.Last.Seq - b.line.Last.Seq; n > 0 {
		b.log.Warn("outbox.adopted", "records", n, "from", b.line.Last.Seq+1, "err", err)
	}
	b.line = l
	return err
}
