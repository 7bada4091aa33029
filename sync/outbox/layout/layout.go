// Package layout is how an outbox lies on the disk: its buckets and what stands in them. It never changes a file.
package layout

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"runtime/debug"
	"strings"

	"go.etcd.io/bbolt"

	"hailong/sync/seal"
	"hailong/vote"
)

// Format is the layout's version, in letters that damage does not write. 1: first release.
const Format = "hlo1"

// MaxID is the most bytes of a press id or a boot id.
const MaxID = 64

// ErrDamaged means that bytes on the disk are not what was written.
var ErrDamaged = errors.New("damaged outbox")

// Buckets and keys. They are on disk: never rename them.
const (
	Meta     = "meta"
	FormatAt = "format"
	OwnerAt  = "terminal"
	EpochAt  = "epoch"
	LineAt   = "line"
	BootAt   = "boot"
	Records  = "records" // seq → value
	IDs      = "ids"     // press id → seq
	Marks    = "marks"   // one key: when receipts came
	Heads    = "heads"   // every 64th seq ‖ "line" → the line there, for whoever carves a damaged file
	AllAt    = "all"
)

// Buckets are all of them.
func Buckets() []string { return []string{Meta, Records, IDs, Marks, Heads} }

// Owner is whose records these are.
type Owner struct {
	Terminal vote.TerminalID
	Epoch    seal.Epoch
}

// Point is the line after one record.
type Point struct {
	Seq   uint64
	Head  seal.Head
	Tally [5]uint64
}

// After is the point one record on.
func (p Point) After(level vote.Level, d seal.Digest) Point {
	p.Seq++
	p.Head = p.Head.Next(p.Seq, d)
	if level.Valid() {
		p.Tally[level-1]++
	}
	return p
}

// Line is the three points that matter: after the last record, the last receipted one and the last forgotten one.
type Line struct{ Last, Upto, Base Point }

// Encode ends in a checksum, because bbolt's pages have none. It covers the owner too: a flipped bit in the name
// must not make a terminal's own box a stranger's, which no agent may open.
func (l Line) Encode(o Owner) []byte {
	buf, _ := binary.Append(nil, binary.BigEndian, l) // fails on types of no fixed size only
	return binary.BigEndian.AppendUint32(buf, l.sum(o, buf))
}

func (Line) sum(o Owner, buf []byte) uint32 {
	sum := crc32.ChecksumIEEE([]byte(Format + string(o.Terminal)))
	return crc32.Update(crc32.Update(sum, crc32.IEEETable, o.Epoch[:]), crc32.IEEETable, buf)
}

// DecodeLine reads what Encode wrote for the same owner.
func DecodeLine(o Owner, buf []byte) (l Line, err error) {
	n, err := binary.Decode(buf, binary.BigEndian, &l)
	if err != nil || !bytes.Equal(buf, l.Encode(o)) {
		return Line{}, fmt.Errorf("%w: the line's state, %d of %d bytes, fails its checksum", ErrDamaged, n, len(buf))
	}
	return l, nil
}

// HeadKey is the key of a head, where a record has one. It ends as the line's key does, so that Points finds both.
func HeadKey(seq uint64) (key []byte, has bool) {
	const every = 64 // so many records a loss can leave unproven, for four bytes a record
	return append(Key(seq), LineAt...), seq%every == 0
}

// Read reads a box's owner and line, which vouch for each other, and checks that the line's end is there.
func Read(tx *bbolt.Tx) (o Owner, l Line, err error) {
	for _, name := range Buckets() {
		if tx.Bucket([]byte(name)) == nil {
			return o, l, fmt.Errorf("%w: bucket %s is missing", ErrDamaged, name)
		}
	}
	meta, records := tx.Bucket([]byte(Meta)), tx.Bucket([]byte(Records))
	o.Terminal = vote.TerminalID(meta.Get([]byte(OwnerAt)))
	whole := copy(o.Epoch[:], meta.Get([]byte(EpochAt))) == len(o.Epoch)
	if l, err = DecodeLine(o, meta.Get([]byte(LineAt))); err != nil {
		// A later layout has a checksum that this program cannot know.
		if v := string(meta.Get([]byte(FormatAt))); v != Format && strings.HasPrefix(v, Format[:3]) {
			err = fmt.Errorf("format %q, this program reads %q", v, Format)
		}
		return o, l, err
	}
	k, _ := records.Cursor().Last()
	if !whole || l.Last != l.Base && !bytes.Equal(k, Key(l.Last.Seq)) {
		return o, l, fmt.Errorf("%w: no epoch or no record %d", ErrDamaged, l.Last.Seq)
	}
	return o, l, nil
}

// EncodeBoot is the boot counter with the id it was counted for.
func EncodeBoot(n uint32, id string) []byte {
	buf := append(binary.BigEndian.AppendUint32(nil, n), id...)
	return binary.BigEndian.AppendUint32(buf, crc32.ChecksumIEEE(buf))
}

// DecodeBoot reads what EncodeBoot wrote; nothing is boot 0 of no id.
func DecodeBoot(buf []byte) (n uint32, id string, err error) {
	if len(buf) == 0 {
		return 0, "", nil
	}
	if len(buf) > 8 {
		n, id = binary.BigEndian.Uint32(buf), string(buf[4:len(buf)-4])
	}
	if id == "" || !bytes.Equal(buf, EncodeBoot(n, id)) {
		return 0, "", fmt.Errorf("%w: the boot counter, %d bytes, fails its checksum", ErrDamaged, len(buf))
	}
	return n, id, nil
}

// EncodeValue is a stored record: label ‖ id length ‖ id ‖ frame. The label is the level in the low four bits and its
// complement in the high four: it lies outside the frame's checksum, and a flipped bit would move a vote in the tally.
func EncodeValue(o Owner, seq uint64, level vote.Level, id string, body []byte) []byte {
	buf := make([]byte, 0, 2+len(id)+seal.Overhead+len(body))
	buf = append(buf, byte(level)|^byte(level)<<4, byte(len(id)))
	return seal.Frame(append(buf, id...), o.Epoch, seq, body)
}

// Kept is a record read back and found whole. It aliases what it was read from.
type Kept struct {
	seal.Record
	Level vote.Level
	ID    []byte
}

// DecodeValue reads a stored record and checks it against its place.
func DecodeValue(o Owner, seq uint64, buf []byte) (Kept, error) {
	if len(buf) < 2 || buf[1] > MaxID || len(buf) < 2+int(buf[1]) || buf[0]>>4 != ^buf[0]&0xf || buf[0]&0xf > 5 {
		return Kept{}, fmt.Errorf("record %d: %w: value begins % x", seq, ErrDamaged, buf[:min(2, len(buf))])
	}
	level, end := vote.Level(buf[0]&0xf), 2+int(buf[1])
	r, n, err := seal.Open(buf[end:])
	if err != nil {
		return Kept{}, fmt.Errorf("record %d: %w: %w", seq, ErrDamaged, err)
	}
	if n != len(buf)-end || r.Seq != seq || r.Epoch != o.Epoch {
		return Kept{}, fmt.Errorf("record %d: %w: holds record %d of epoch %s", seq, ErrDamaged, r.Seq, r.Epoch)
	}
	return Kept{r, level, buf[2:end]}, nil
}

// Walk goes from a point up to record to, handing each record to visit until that says false. It returns the point it
// reached, on an error too.
func Walk(tx *bbolt.Tx, o Owner, at Point, to uint64, visit func(Kept) bool) (Point, error) {
	c := tx.Bucket([]byte(Records)).Cursor()
	for k, v := c.Seek(Key(at.Seq + 1)); at.Seq < to; k, v = c.Next() {
		if !bytes.Equal(k, Key(at.Seq+1)) {
			return at, fmt.Errorf("record %d: %w: it is missing", at.Seq+1, ErrDamaged)
		}
		r, err := DecodeValue(o, at.Seq+1, v)
		if err != nil {
			return at, err
		}
		if !visit(r) {
			return at, nil
		}
		at = at.After(r.Level, r.Digest)
	}
	return at, nil
}

// Key is a record's key.
func Key(seq uint64) []byte { return binary.BigEndian.AppendUint64(nil, seq) }

// Guard turns bbolt's panics on broken pages, and the bus error of an unreadable sector, into ErrDamaged.
func Guard(f func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v", ErrDamaged, p)
		}
	}()
	return f()
}
