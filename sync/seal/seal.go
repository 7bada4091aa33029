// Package seal is how a record lies at rest: its digest, its place on the chain and its frame on
// disk. It never opens a body.
package seal

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
)

// Epoch names one numbering of a terminal, from the outbox's creation to its end. Zero is no epoch.
type Epoch [16]byte

// String is the epoch in hexadecimal.
func (e Epoch) String() string { return hex.EncodeToString(e[:]) }

// Digest is the SHA-256 of a record's body.
type Digest [sha256.Size]byte

// Of digests a body.
func Of(body []byte) Digest { return sha256.Sum256(body) }

// Head is the chain's value after a record. The chain runs over digests, not bodies, so a purged
// or rotten body leaves the proof whole.
type Head [sha256.Size]byte

// String is the head in hexadecimal.
func (h Head) String() string { return hex.EncodeToString(h[:]) }

// Start is the head before the first record: SHA-256("hl1" ‖ terminal ‖ epoch).
func Start(terminal string, epoch Epoch) Head {
	buf := append([]byte("hl1"), terminal...)
	return sha256.Sum256(append(buf, epoch[:]...))
}

// Next is the head after record seq: SHA-256(h ‖ u64be(seq) ‖ digest).
func (h Head) Next(seq uint64, d Digest) Head {
	var buf [2*sha256.Size + 8]byte
	copy(buf[:], h[:])
	binary.BigEndian.PutUint64(buf[sha256.Size:], seq)
	copy(buf[sha256.Size+8:], d[:])
	return sha256.Sum256(buf[:])
}

// MaxBody is the largest body a frame holds. A detail with all its limits used is the largest
// record and stays under it; anything larger in a file is damage.
const MaxBody = 8 << 10

// Frame layout, all numbers big-endian:
//
//	magic "HLR1" | epoch 16 | seq 8 | length 4 | digest 32 | body | CRC-32C of all before it, 4
//
// The epoch is in every frame because a record carved out of a damaged file is worth nothing
// when nobody can say which chain it belongs to.
const (
	magic    = "HLR1"
	headSize = len(magic) + 16 + 8 + 4 + sha256.Size
	// Overhead is how many bytes a frame adds to its body.
	Overhead = headSize + 4
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// ErrDamaged means that bytes are not the whole frame they should be.
var ErrDamaged = errors.New("damaged frame")

// Frame appends the frame of a body to dst.
func Frame(dst []byte, epoch Epoch, seq uint64, body []byte) []byte {
	from := len(dst)
	dst = append(dst, magic...)
	dst = append(dst, epoch[:]...)
	dst = binary.BigEndian.AppendUint64(dst, seq)
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(body)))
	digest := Of(body)
	dst = append(dst, digest[:]...)
	dst = append(dst, body...)
	return binary.BigEndian.AppendUint32(dst, crc32.Checksum(dst[from:], castagnoli))
}

// Record is an opened frame. Body aliases the frame's bytes.
type Record struct {
	Epoch  Epoch
	Seq    uint64
	Digest Digest
	Body   []byte
}

// Open reads the frame at the start of b and tells how many bytes it took. Both checks, CRC and
// digest, must hold: bbolt's data pages have no checksum, so a flipped bit arrives here unseen.
func Open(b []byte) (Record, int, error) {
	if len(b) < Overhead || string(b[:len(magic)]) != magic {
		return Record{}, 0, fmt.Errorf("%w: no frame starts here", ErrDamaged)
	}
	var r Record
	p := b[len(magic):]
	copy(r.Epoch[:], p)
	r.Seq = binary.BigEndian.Uint64(p[16:])
	size := binary.BigEndian.Uint32(p[24:])
	copy(r.Digest[:], p[28:])
	if size > MaxBody || int(size) > len(b)-Overhead {
		return Record{}, 0, fmt.Errorf("%w: record %d claims %d bytes", ErrDamaged, r.Seq, size)
	}
	end := headSize + int(size)
	if crc32.Checksum(b[:end], castagnoli) != binary.BigEndian.Uint32(b[end:]) {
		return Record{}, 0, fmt.Errorf("%w: record %d fails its checksum", ErrDamaged, r.Seq)
	}
	r.Body = b[headSize:end:end]
	if Of(r.Body) != r.Digest {
		return Record{}, 0, fmt.Errorf("%w: record %d fails its digest", ErrDamaged, r.Seq)
	}
	return r, end + 4, nil
}

// Glimpse reads what a broken frame says about itself: where its record belonged, and its digest. None of it can be
// believed until the chain confirms it.
func Glimpse(b []byte) (e Epoch, seq uint64, d Digest, ok bool) {
	if len(b) < headSize || string(b[:len(magic)]) != magic {
		return e, 0, d, false
	}
	p := b[len(magic):]
	copy(e[:], p)
	copy(d[:], p[28:])
	return e, binary.BigEndian.Uint64(p[16:]), d, true
}

// Carve finds every whole frame in a file's bytes, whatever lies between, and hands each to
// found with its offset. A frame is found once for each copy: bbolt leaves old pages behind. Where a frame begins
// that is not whole, broken hears of the offset; it may be nil.
func Carve(file []byte, found func(offset int, r Record), broken func(offset int)) {
	for at := 0; ; {
		i := bytes.Index(file[at:], []byte(magic))
		if i < 0 {
			return
		}
		at += i
		r, n, err := Open(file[at:])
		if err != nil {
			if broken != nil {
				broken(at)
			}
			at++
			continue
		}
		found(at, r)
		at += n
	}
}
