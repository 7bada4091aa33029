// Package faultfs is a folder on a disk that fails when it is told to, and that can lose what was not synced. It never
// changes anything outside the backing folder and the one beside it, where unlinked files wait.
package faultfs

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// FS is a mounted folder. Its methods may be called by several goroutines.
//
// A process that maps files of it (bbolt, SQLite) must not be the one that serves it: a page fault holds up the Go
// runtime, and the answer to it waits for the same runtime.
type FS struct {
	// Fixed after Mount.
	dir, backing, attic string
	server              *fuse.Server

	mu    sync.Mutex // guards what follows, and puts operations in a row
	plan  plan
	gens  uint64
	files map[uint64]*file // by inode number; open, so no number is used twice
	names []name           // in the order they were changed
}

// Mount shows the backing folder at dir. Folders in it are made in the backing folder only, and before they are used.
func Mount(dir, backing string) (*FS, error) {
	d := &FS{dir: dir, backing: backing, files: map[uint64]*file{}}
	var err error
	if d.attic, err = os.MkdirTemp(filepath.Dir(backing), "unlinked-"); err != nil {
		return nil, fmt.Errorf("mount %s: %w", dir, err)
	}
	// Page caches are kept: nobody else changes the backing files, and a dropped one would write mapped pages at odd
	// moments. Times of life are zero: a cut changes names.
	d.server, err = fs.Mount(dir, &node{disk: d}, &fs.Options{MountOptions: fuse.MountOptions{
		DirectMountStrict: true, FsName: "faultfs", Name: "faultfs", DisableXAttrs: true,
		ExplicitDataCacheControl: true,
	}})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("mount %s: %w", dir, err), os.RemoveAll(d.attic))
	}
	// The library leaves /dev/fuse open to children: one that outlived us would wait for ever for our answers.
	if err := unix.CloseRange(3, math.MaxInt32, unix.CLOSE_RANGE_CLOEXEC); err != nil {
		return nil, errors.Join(fmt.Errorf("keep /dev/fuse from children: %w", err), d.Close())
	}
	return d, nil
}

// Arm makes the n-th operation from here fail, counted from 1 and among those that the kind can hit.
func (d *FS) Arm(k Kind, n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.plan = plan{kind: k, n: n}
}

// Disarm heals the disk. What Ops and Fired tell stays.
func (d *FS) Disarm() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.plan.n = 0
}

// Ops is how many operations that the armed kind can hit were met since Arm.
func (d *FS) Ops() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.plan.ops
}

// Fired tells whether an operation failed since Arm.
func (d *FS) Fired() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.plan.fired
}

// Cut takes the power: the backing folder then holds what good syncs kept and nothing else. A new file's name needs
// its folder's sync. Files should be closed; a handle that is not is dead, and so is a mapping.
func (d *FS) Cut() error { return d.forget((*file).revert, name.revert) }

// Restart ends all processes but not the machine: the backing folder keeps what was written, as a page cache does.
func (d *FS) Restart() error {
	return d.forget(func(*file) error { return nil }, func(name) error { return nil })
}

func (d *FS) forget(f func(*file) error, n func(name) error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	var errs []error
	for _, x := range slices.Backward(d.names) {
		errs = append(errs, n(x))
	}
	for _, x := range d.files {
		errs = append(errs, f(x), x.Close())
	}
	d.names, d.files = nil, map[uint64]*file{}
	return errors.Join(errs...)
}

// Close unmounts the folder, open files or not.
func (d *FS) Close() error {
	err := syscall.Unmount(d.dir, syscall.MNT_DETACH)
	return errors.Join(err, d.Restart(), os.RemoveAll(d.attic))
}

// open is the file at a path of the backing folder, the same one for every name and caller.
func (d *FS) open(path string, flags int, mode os.FileMode) (*file, *syscall.Stat_t, error) {
	f, err := os.OpenFile(path, flags, mode)
	if err != nil {
		return nil, nil, err
	}
	var st syscall.Stat_t
	if err := syscall.Fstat(int(f.Fd()), &st); err != nil {
		return nil, nil, errors.Join(err, f.Close())
	}
	if known, ok := d.files[st.Ino]; ok {
		return known, &st, f.Close()
	}
	d.gens++
	d.files[st.Ino] = &file{File: f, gen: d.gens, size: st.Size, late: map[int64][]byte{}, lost: map[int64][]byte{}}
	return d.files[st.Ino], &st, nil
}

// setAside takes a name away and keeps the file, for the power may come between.
func (d *FS) setAside(path string) error {
	kept := filepath.Join(d.attic, fmt.Sprint(len(d.names)))
	if err := os.Rename(path, kept); err != nil {
		return err
	}
	d.renamed(path, func() error { return os.Rename(kept, path) })
	return nil
}

// renamed notes a change of names in the folder of path.
func (d *FS) renamed(path string, undo func() error) {
	d.names = append(d.names, name{filepath.Dir(path), undo})
}

// keepNames is a good sync of a folder.
func (d *FS) keepNames(folder string) {
	d.names = slices.DeleteFunc(d.names, func(n name) bool { return n.folder == folder })
}

func (n name) revert() error { return n.undo() }
