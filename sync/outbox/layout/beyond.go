package layout

import (
	"bytes"
	"errors"
	"io"

	"hailong/sync/seal"
)

// pieces of a file that are read at a time, and by how much they overlap: more than any record takes.
const (
	piece   = 1 << 20
	overlap = seal.MaxBody + seal.Overhead + 2 + MaxID + 8
)

// Beyond finds records that lie whole in a file behind the line's end: a commit whose last page never came to the
// disk, or came and was taken back by the disk. Each is a stored record with its key before it, as bbolt lays it down.
// It ends where a record is missing, or where two speak for the same number.
func Beyond(file io.ReaderAt, size int64, o Owner, last uint64) (found []Kept, err error) {
	by := map[uint64][]Kept{}
	buf := make([]byte, piece+overlap)
	for at := int64(0); at < size; at += piece {
		n, err := file.ReadAt(buf[:min(int64(len(buf)), size-at)], at)
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
		part := buf[:n]
		seal.Carve(part, func(offset int, r seal.Record) {
			if r.Epoch != o.Epoch || r.Seq <= last {
				return
			}
			if k, ok := before(part, offset, o, r); ok && !holds(by[r.Seq], k) {
				by[r.Seq] = append(by[r.Seq], k)
			}
		}, nil)
	}
	for seq := last + 1; len(by[seq]) == 1; seq++ {
		found = append(found, by[seq][0])
	}
	return found, nil
}

// before reads what stands before a frame: key, label and id.
func before(file []byte, offset int, o Owner, r seal.Record) (Kept, bool) {
	end := offset + seal.Overhead + len(r.Body)
	for id := range MaxID + 1 {
		start := offset - id - 2
		if start < 8 {
			break
		}
		if bytes.Equal(file[start-8:start], Key(r.Seq)) && int(file[start+1]) == id {
			k, err := DecodeValue(o, r.Seq, bytes.Clone(file[start:end]))
			return k, err == nil
		}
	}
	return Kept{}, false
}

func holds(all []Kept, k Kept) bool {
	for _, x := range all {
		if x.Digest == k.Digest && x.Level == k.Level && bytes.Equal(x.ID, k.ID) {
			return true
		}
	}
	return false
}
