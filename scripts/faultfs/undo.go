package faultfs

import (
	"errors"
	"io"
	"os"
)

const page = 4096 // bytes that a disk keeps or loses together

// file is a backing file and what a power cut would take from it.
type file struct {
	*os.File
	gen  uint64           // tells apart files that had the same number one after the other
	size int64            // as the last good sync left it
	late map[int64][]byte // pages written since the last sync, as they were before
	lost map[int64][]byte // pages that a failed sync did not keep and that were not written since, as they were before
}

// touch notes what the pages from off on hold before they change.
func (f *file) touch(off, n int64) error {
	for at := off / page * page; at < off+n; at += page {
		if _, ok := f.late[at]; ok {
			continue
		}
		old, ok := f.lost[at]
		if !ok {
			old = make([]byte, page)
			if _, err := f.ReadAt(old, at); err != nil && !errors.Is(err, io.EOF) {
				return err
			}
		}
		f.late[at] = old
		delete(f.lost, at)
	}
	return nil
}

// cutTo changes the size, noting what falls off.
func (f *file) cutTo(size int64) error {
	info, err := f.Stat()
	if err == nil && size < info.Size() {
		err = f.touch(size, info.Size()-size)
	}
	return errors.Join(err, f.Truncate(size))
}

// settle is a good sync.
func (f *file) settle() error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	f.size = info.Size()
	clear(f.late)
	return nil
}

// lose is a failed sync.
func (f *file) lose() {
	for at, old := range f.late {
		f.lost[at] = old
	}
	clear(f.late)
}

// revert is the power cut.
func (f *file) revert() error {
	var errs []error
	for _, pages := range []map[int64][]byte{f.late, f.lost} {
		for at, old := range pages {
			_, err := f.WriteAt(old, at)
			errs = append(errs, err)
		}
	}
	return errors.Join(append(errs, f.Truncate(f.size))...)
}

// name is a change to a folder that the folder's next sync makes lasting.
type name struct {
	folder string
	undo   func() error
}
