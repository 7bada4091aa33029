package faultfs

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	fusefs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// openFlags: a process that is killed over its own files must not wait for its own answer to a flush.
const openFlags = fuse.FOPEN_KEEP_CACHE | fuse.FOPEN_NOFLUSH

const keepSize = 1 // FALLOC_FL_KEEP_SIZE

// node is a folder, or a file with all its handles.
type node struct {
	fusefs.Inode
	disk *FS
	file *file // nil for a folder
}

// path is where the node or a name in it lies in the backing folder.
func (n *node) path(name string) string {
	return filepath.Join(n.disk.backing, n.Path(n.Root()), name)
}

func errno(err error) syscall.Errno { return fusefs.ToErrno(err) }

// child makes the node of a file known to the kernel.
func (n *node) child(ctx context.Context, f *file, st *syscall.Stat_t, out *fuse.EntryOut) *fusefs.Inode {
	id := fusefs.StableAttr{Mode: st.Mode & syscall.S_IFMT, Ino: st.Ino}
	if f != nil {
		id.Gen = f.gen
	}
	out.FromStat(st)
	return n.NewInode(ctx, &node{disk: n.disk, file: f}, id)
}

// Lookup finds a name.
func (n *node) Lookup(ctx context.Context, name string, out *fuse.EntryOut) (*fusefs.Inode, syscall.Errno) {
	n.disk.mu.Lock()
	defer n.disk.mu.Unlock()
	var st syscall.Stat_t
	if err := syscall.Lstat(n.path(name), &st); err != nil {
		return nil, errno(err)
	}
	if st.Mode&syscall.S_IFMT != syscall.S_IFREG {
		return n.child(ctx, nil, &st, out), 0
	}
	f, now, err := n.disk.open(n.path(name), os.O_RDWR, 0)
	if err != nil {
		return nil, errno(err)
	}
	return n.child(ctx, f, now, out), 0
}

// Create makes a file.
func (n *node) Create(ctx context.Context, name string, flags, mode uint32, out *fuse.EntryOut) (
	*fusefs.Inode, fusefs.FileHandle, uint32, syscall.Errno) {
	n.disk.mu.Lock()
	defer n.disk.mu.Unlock()
	if e := n.disk.plan.meet(create); e != 0 {
		return nil, nil, 0, e
	}
	path := n.path(name)
	_, err := os.Lstat(path)
	fresh := errors.Is(err, fs.ErrNotExist)
	f, st, err := n.disk.open(path, os.O_RDWR|os.O_CREATE|int(flags&syscall.O_EXCL), fs.FileMode(mode).Perm())
	if err != nil {
		return nil, nil, 0, errno(err)
	}
	if fresh {
		n.disk.renamed(path, func() error { return os.Remove(path) })
	}
	return n.child(ctx, f, st, out), nil, openFlags, 0
}

// Open has nothing to do: the node is the handle.
func (n *node) Open(context.Context, uint32) (fusefs.FileHandle, uint32, syscall.Errno) {
	return nil, openFlags, 0
}

// Unlink takes a name away.
func (n *node) Unlink(_ context.Context, name string) syscall.Errno {
	n.disk.mu.Lock()
	defer n.disk.mu.Unlock()
	if e := n.disk.plan.meet(unlink); e != 0 {
		return e
	}
	return errno(n.disk.setAside(n.path(name)))
}

// Rename gives a file another name in the same folder.
func (n *node) Rename(_ context.Context, from string, into fusefs.InodeEmbedder, to string, f uint32) syscall.Errno {
	n.disk.mu.Lock()
	defer n.disk.mu.Unlock()
	if into != fusefs.InodeEmbedder(n) || f != 0 {
		return syscall.EXDEV
	}
	if e := n.disk.plan.meet(rename); e != 0 {
		return e
	}
	old, now := n.path(from), n.path(to)
	if err := n.disk.setAside(now); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return errno(err)
	}
	if err := os.Rename(old, now); err != nil {
		return errno(err)
	}
	n.disk.renamed(now, func() error { return os.Rename(now, old) })
	return 0
}

// Readdir lists a folder.
func (n *node) Readdir(context.Context) (fusefs.DirStream, syscall.Errno) {
	return fusefs.NewLoopbackDirStream(n.path(""))
}

// Statfs tells about the disk beneath.
func (n *node) Statfs(_ context.Context, out *fuse.StatfsOut) syscall.Errno {
	var st syscall.Statfs_t
	if err := syscall.Statfs(n.disk.backing, &st); err != nil {
		return errno(err)
	}
	out.FromStatfsT(&st)
	return 0
}

// Getattr tells size and times.
func (n *node) Getattr(_ context.Context, _ fusefs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	var st syscall.Stat_t
	err := error(nil)
	if n.file != nil {
		err = syscall.Fstat(int(n.file.Fd()), &st)
	} else {
		err = syscall.Lstat(n.path(""), &st)
	}
	out.FromStat(&st)
	return errno(err)
}

// Setattr changes size and mode. Owner and times are not kept.
func (n *node) Setattr(ctx context.Context, h fusefs.FileHandle, in *fuse.SetAttrIn, out *fuse.AttrOut) syscall.Errno {
	n.disk.mu.Lock()
	defer n.disk.mu.Unlock()
	if n.file == nil {
		return syscall.ENOTSUP
	}
	if size, ok := in.GetSize(); ok {
		if e := n.disk.plan.meet(resize); e != 0 {
			return e
		}
		if err := n.file.cutTo(int64(size)); err != nil {
			return errno(err)
		}
	}
	if mode, ok := in.GetMode(); ok {
		if err := n.file.Chmod(fs.FileMode(mode).Perm()); err != nil {
			return errno(err)
		}
	}
	return n.Getattr(ctx, h, out)
}

// Read reads.
func (n *node) Read(_ context.Context, _ fusefs.FileHandle, dest []byte, off int64) (fuse.ReadResult, syscall.Errno) {
	got, err := n.file.ReadAt(dest, off)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, errno(err)
	}
	return fuse.ReadResultData(dest[:got]), 0
}

// Write writes, all, half or nothing.
func (n *node) Write(_ context.Context, _ fusefs.FileHandle, data []byte, off int64) (uint32, syscall.Errno) {
	n.disk.mu.Lock()
	defer n.disk.mu.Unlock()
	e := n.disk.plan.meet(write)
	switch {
	case e != 0 && n.disk.plan.kind == ShortWrite:
		data = data[:len(data)/2]
	case e != 0:
		return 0, e
	}
	err := n.file.touch(off, int64(len(data)))
	if err == nil {
		_, err = n.file.WriteAt(data, off)
	}
	if err != nil {
		return 0, errno(err)
	}
	return uint32(len(data)), e
}

// Allocate gives a file its blocks, beyond its end and without changing its size.
func (n *node) Allocate(_ context.Context, _ fusefs.FileHandle, off, size uint64, mode uint32) syscall.Errno {
	n.disk.mu.Lock()
	defer n.disk.mu.Unlock()
	if mode != keepSize {
		return syscall.ENOTSUP
	}
	if e := n.disk.plan.meet(allocate); e != 0 {
		return e
	}
	return errno(syscall.Fallocate(int(n.file.Fd()), mode, int64(off), int64(size)))
}

// Fsync makes the content of a file, or the names in a folder, last. The disk beneath need not hear of it.
func (n *node) Fsync(context.Context, fusefs.FileHandle, uint32) syscall.Errno {
	n.disk.mu.Lock()
	defer n.disk.mu.Unlock()
	e := n.disk.plan.meet(fsync)
	switch {
	case n.file == nil && e == 0:
		n.disk.keepNames(n.path(""))
	case n.file == nil: // a journal that was not written keeps its changes for the next try
	case e != 0:
		n.file.lose()
	default:
		return errno(n.file.settle())
	}
	return e
}
