package outbox

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"hailong/sync/seal"
	"hailong/vote"
)

const (
	format         = 1           // layout of the file. 1: first release
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
	var epoch seal.Epoch
	_, _ = rand.Read(epoch[:]) // never fails
	start := point{Head: seal.Start(string(o.Terminal), epoch)}
	return replace(path, o, func(db *bbolt.DB) error {
		return db.Update(func(tx *bbolt.Tx) error {
			for _, name := range [][]byte{metaBucket, recordsBucket, idsBucket, marksBucket} {
				if _, err := tx.CreateBucket(name); err != nil {
					return err
				}
			}
			meta := tx.Bucket(metaBucket)
			return errors.Join(meta.Put(formatKey, []byte{format}), meta.Put(terminalKey, []byte(o.Terminal)),
				meta.Put(epochKey, epoch[:]), meta.Put(lineKey, line{start, start, start}.encode()))
		})
	})
}

// replace gives a new file, once it is written and synced, the box's name.
func replace(path string, o Options, write func(*bbolt.DB) error) error {
	db, _, err := openBolt(path+tempSuffix, o)
	if err != nil {
		return err
	}
	if err := errors.Join(guard(func() error { return write(db) }), db.Sync(), db.Close()); err != nil {
		return err
	}
	return os.Rename(path+tempSuffix, path)
}

// openBolt opens a bbolt file and hands out the file beneath it.
func openBolt(path string, o Options) (db *bbolt.DB, file *os.File, err error) {
	options := &bbolt.Options{
		Timeout:        lockWait,
		FreelistType:   bbolt.FreelistMapType,
		NoFreelistSync: true, // smaller commits; the price is one scan at open
		OpenFile: func(name string, flag int, mode os.FileMode) (_ *os.File, err error) {
			file, err = os.OpenFile(name, flag, mode)
			return file, err
		},
	}
	err = guard(func() error {
		db, err = bbolt.Open(path, 0o600, options)
		return err
	})
	switch {
	case errors.Is(err, ErrDamaged):
		_ = release(file) // bbolt did not live to do it
	case errors.Is(err, berrors.ErrTimeout):
		err = ErrHeld
	case errors.Is(err, berrors.ErrInvalid), errors.Is(err, berrors.ErrChecksum),
		errors.Is(err, berrors.ErrVersionMismatch):
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
		terminal: o.Terminal, db: db, file: file, update: db.Update, maxSize: o.MaxSize, log: o.Log,
		appends: make(chan request), changes: make(chan request), more: make(chan struct{}, 1),
		failed: make(chan struct{}), quit: make(chan struct{}), done: make(chan struct{}),
	}
	if err = b.view(b.readMeta); err == nil {
		err = guard(b.rewrite)
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

// readMeta reads what the box must know and checks that the line's end is there.
func (b *Box) readMeta(tx *bbolt.Tx) error {
	meta := tx.Bucket(metaBucket)
	if v := meta.Get(formatKey); len(v) != 1 || v[0] != format {
		return fmt.Errorf("format %v, this program reads %d", v, format)
	}
	if owner := vote.TerminalID(meta.Get(terminalKey)); owner != b.terminal {
		return fmt.Errorf("it belongs to terminal %q, this one is %q", owner, b.terminal)
	}
	l, err := readLine(tx)
	if err != nil {
		return err
	}
	k, _ := tx.Bucket(recordsBucket).Cursor().Last()
	if copy(b.epoch[:], meta.Get(epochKey)) != len(b.epoch) || l.Last != l.Base && !bytes.Equal(k, key(l.Last.Seq)) {
		return fmt.Errorf("%w: no epoch or no record %d", ErrDamaged, l.Last.Seq)
	}
	b.line = l
	return nil
}

// rewrite commits what was read. A process that ended between a commit's write and its sync, or in a sync that failed,
// left in the page cache what the disk has not: it must not be promised again before the disk has it, and a page that
// a failed sync marked clean gets there only by being written again.
func (b *Box) rewrite() error {
	return b.db.Update(func(tx *bbolt.Tx) error { return tx.Bucket(metaBucket).Put(lineKey, b.line.encode()) })
}

// Buckets and keys. They are on disk: never rename them.
var (
	metaBucket    = []byte("meta")
	formatKey     = []byte("format")
	terminalKey   = []byte("terminal")
	epochKey      = []byte("epoch")
	lineKey       = []byte("line")
	bootKey       = []byte("boot")
	recordsBucket = []byte("records") // seq → value
	idsBucket     = []byte("ids")     // press id → seq
	marksBucket   = []byte("marks")   // one key: when receipts came
	allKey        = []byte("all")
)

// point is the line after one record. It is on disk.
type point struct {
	Seq   uint64
	Head  seal.Head
	Tally [5]uint64
}

// after is the point one record on.
func (p point) after(level vote.Level, d seal.Digest) point {
	p.Seq++
	p.Head = p.Head.Next(p.Seq, d)
	if level.Valid() {
		p.Tally[level-1]++
	}
	return p
}

// line is the three points that matter: after the last record, the last receipted one and the last forgotten one.
// It is on disk.
type line struct{ Last, Upto, Base point }

// encode ends in a checksum, because bbolt's pages have none.
func (l line) encode() []byte {
	buf, _ := binary.Append(nil, binary.BigEndian, l) // fails on types of no fixed size only
	return binary.BigEndian.AppendUint32(buf, crc32.ChecksumIEEE(buf))
}

func readLine(tx *bbolt.Tx) (line, error) {
	var l line
	buf := tx.Bucket(metaBucket).Get(lineKey)
	n, err := binary.Decode(buf, binary.BigEndian, &l)
	if err != nil || !bytes.Equal(buf, l.encode()) {
		return line{}, fmt.Errorf("%w: the line's state, %d of %d bytes, fails its checksum", ErrDamaged, n, len(buf))
	}
	return l, nil
}

// encodeValue is a stored record: label ‖ id length ‖ id ‖ frame. The label is the level in the low four bits and its
// complement in the high four: it lies outside the frame's checksum, and a flipped bit would move a vote in the tally.
func encodeValue(e Entry, epoch seal.Epoch, seq uint64) []byte {
	buf := make([]byte, 0, 2+len(e.ID)+seal.Overhead+len(e.Body))
	buf = append(buf, byte(e.Level)|^byte(e.Level)<<4, byte(len(e.ID)))
	return seal.Frame(append(buf, e.ID...), epoch, seq, e.Body)
}

// kept is a record read back and found whole. It aliases what it was read from.
type kept struct {
	seal.Record
	level vote.Level
	id    []byte
}

// decodeValue reads a stored record and checks it against its place.
func decodeValue(epoch seal.Epoch, seq uint64, buf []byte) (kept, error) {
	if len(buf) < 2 || buf[1] > maxID || len(buf) < 2+int(buf[1]) || buf[0]>>4 != ^buf[0]&0xf || buf[0]&0xf > 5 {
		return kept{}, fmt.Errorf("record %d: %w: value begins % x", seq, ErrDamaged, buf[:min(2, len(buf))])
	}
	level, end := vote.Level(buf[0]&0xf), 2+int(buf[1])
	r, n, err := seal.Open(buf[end:])
	if err != nil {
		return kept{}, fmt.Errorf("record %d: %w: %w", seq, ErrDamaged, err)
	}
	if n != len(buf)-end || r.Seq != seq || r.Epoch != epoch {
		return kept{}, fmt.Errorf("record %d: %w: holds record %d of epoch %s", seq, ErrDamaged, r.Seq, r.Epoch)
	}
	return kept{r, level, buf[2:end]}, nil
}

// walk goes from a point up to record to, handing each record to visit until that says false. It returns the point it
// reached, on an error too.
func walk(tx *bbolt.Tx, epoch seal.Epoch, at point, to uint64, visit func(kept) bool) (point, error) {
	c := tx.Bucket(recordsBucket).Cursor()
	for k, v := c.Seek(key(at.Seq + 1)); at.Seq < to; k, v = c.Next() {
		if !bytes.Equal(k, key(at.Seq+1)) {
			return at, fmt.Errorf("record %d: %w: it is missing", at.Seq+1, ErrDamaged)
		}
		r, err := decodeValue(epoch, at.Seq+1, v)
		if err != nil {
			return at, err
		}
		if !visit(r) {
			return at, nil
		}
		at = at.after(r.level, r.Digest)
	}
	return at, nil
}

func key(seq uint64) []byte { return binary.BigEndian.AppendUint64(nil, seq) }
