package layout

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"os"

	"hailong/sync/seal"
)

// Salvage reads a damaged box for whatever can be read of it: unreadable stretches are zeros.
func Salvage(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	file := make([]byte, info.Size())
	const large, small = 1 << 20, 4 << 10 // of one read, and of a disk's sector, by which it is given up
	for at := 0; at < len(file); at += large {
		piece := file[at:min(at+large, len(file))]
		if _, err := f.ReadAt(piece, int64(at)); err == nil || errors.Is(err, io.EOF) {
			continue
		}
		for i := 0; i < len(piece); i += small {
			if sector := piece[i:min(i+small, len(piece))]; !whole(f.ReadAt(sector, int64(at+i))) {
				clear(sector)
			}
		}
	}
	return file, nil
}

func whole(_ int, err error) bool { return err == nil || errors.Is(err, io.EOF) }

// Points finds every state of a terminal's line in the bytes of a file, of which bbolt leaves old copies behind, and
// hands on where it stood and with which chain: at the last record, the last receipted and the last forgotten one.
func Points(file []byte, o Owner, found func(seq uint64, head seal.Head)) {
	size := binary.Size(Line{}) + 4
	for rest := file; ; {
		i := bytes.Index(rest, []byte(LineAt)) // bbolt lays a value down behind its key
		if i < 0 {
			return
		}
		rest = rest[i+len(LineAt):]
		l, err := DecodeLine(o, rest[:min(size, len(rest))])
		if err != nil {
			continue
		}
		for _, p := range []Point{l.Last, l.Upto, l.Base} {
			found(p.Seq, p.Head)
		}
	}
}
