package faultfs

import "syscall"

// Kind is a way for a disk to fail.
type Kind int

// The kinds. Each counts only the operations it can hit.
const (
	// None fails nothing and counts every modifying operation.
	None Kind = iota
	// BadSector is EIO, once, from anything but a sync.
	BadSector
	// NoSpace is ENOSPC from whatever may need room, this and every later one until the disk is healed.
	NoSpace
	// ShortWrite writes half of the bytes, then is EIO, once.
	ShortWrite
	// BadSync is EIO from a sync, once. What it should have kept is lost to a power cut, though later syncs succeed,
	// unless it is written again: kernels mark such pages clean.
	BadSync
	// ReadOnly is EROFS from everything from then on, as ext4 answers once it has given up.
	ReadOnly
)

// String names the kind.
func (k Kind) String() string {
	return [...]string{"none", "bad sector", "no space", "short write", "bad sync", "read-only"}[k]
}

// operation is a sort of modifying operation.
type operation int

const (
	write operation = iota
	resize
	allocate
	create
	rename
	unlink
	fsync
)

// hits tells whether a kind can fail an operation.
func (k Kind) hits(o operation) bool {
	switch k {
	case BadSector:
		return o != fsync
	case NoSpace:
		return o != fsync && o != unlink
	case ShortWrite:
		return o == write
	case BadSync:
		return o == fsync
	}
	return true
}

func (k Kind) errno() syscall.Errno {
	switch k {
	case NoSpace:
		return syscall.ENOSPC
	case ReadOnly:
		return syscall.EROFS
	}
	return syscall.EIO
}

// stays tells whether a kind fails what comes after, too.
func (k Kind) stays() bool { return k == NoSpace || k == ReadOnly }

// plan is what is to fail, and when.
type plan struct {
	kind  Kind
	n     int // the operation to fail, from 1; 0 is none
	ops   int // counted since it was armed
	fired bool
}

// meet counts an operation and says how it ends.
func (p *plan) meet(o operation) syscall.Errno {
	if !p.kind.hits(o) {
		return 0
	}
	p.ops++
	if p.n == 0 || p.ops < p.n || p.ops > p.n && !p.kind.stays() {
		return 0
	}
	p.fired = true
	return p.kind.errno()
}
