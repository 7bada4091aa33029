package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"unsafe"

	"hailong/scripts/crash/presser"
)

const numberCount = 10 // in each file without and with fsync

// work does the boot's job until the power goes; the check alone ends.
func (g *guest) work(ctx context.Context) error {
	for i := 0; ; i++ {
		var err error
		switch g.job {
		case jobPress:
			err = g.Burst(ctx, presser.Small, 1+i%8, 10)
		case jobReceipt:
			err = errors.Join(g.Burst(ctx, presser.Small, 4, 5), g.Receipt(ctx))
		case jobCompact:
			err = g.compact(ctx)
		case jobCreate:
			err = g.create(ctx, fmt.Sprintf("fresh-%d-%d.db", g.boot, i))
		default:
			return g.Burst(ctx, "last", 4, 5)
		}
		if err != nil {
			return err
		}
	}
}

// compact fills the file, has nearly all of it forgotten and opens it again.
func (g *guest) compact(ctx context.Context) error {
	if err := cmp.Or(g.Fill(ctx), g.Empty(ctx, 6)); err != nil {
		return err
	}
	g.say(sayReopening)
	if err := cmp.Or(g.Box.Close(), g.open(), g.Compacted()); err != nil {
		return err
	}
	g.say(sayReopened)
	return nil
}

// create makes a new box with one record.
func (g *guest) create(ctx context.Context, name string) error {
	g.say(sayCreating, name)
	b, err := openFresh(name)
	if err != nil {
		return err
	}
	if _, err = b.Append(ctx, presser.Entry(name)); err == nil {
		g.say(sayFreshKept, name)
	}
	return errors.Join(err, b.Close())
}

// numbers tells how many numbers are left of the boot before, and writes this boot's to two files, one of them synced.
func (g *guest) numbers() error {
	left := make([]any, 2)
	for i, name := range []string{unsyncedFile, syncedFile} {
		raw, _ := os.ReadFile(filepath.Join(mountedAt, fmt.Sprint(name, g.boot-1))) // where it is lost, none is left
		n := 0
		for n < strings.Count(string(raw), "\n") && strings.HasPrefix(string(raw[9*n:]), fmt.Sprintf("%08d\n", n)) {
			n++
		}
		left[i] = n
	}
	g.say(sayNumbers, left...)
	if err := remove("*synced-*"); err != nil {
		return err
	}
	unsynced, err := os.Create(filepath.Join(mountedAt, fmt.Sprint(unsyncedFile, g.boot)))
	if err != nil {
		return err
	}
	synced, err := os.Create(filepath.Join(mountedAt, fmt.Sprint(syncedFile, g.boot)))
	// Before the box is opened: on ext4 any file's sync writes the whole journal, and would do the outbox's work.
	for n := 0; n < numberCount && err == nil; n++ {
		_, err = fmt.Fprintf(unsynced, "%08d\n", n)
		_, err2 := fmt.Fprintf(synced, "%08d\n", n)
		if err = errors.Join(err, err2, synced.Sync()); err == nil {
			g.say(sayNumber)
		}
	}
	return err
}

// lied marks a program whose fsync does nothing already.
const lied = "CRASH_LIED"

// The kernel's names that package syscall does not have.
const (
	prSetNoNewPrivs = 38
	prSetSeccomp    = 22
	filterMode      = 2
	retAllow        = 0x7fff0000
	retErrno        = 0x00050000 // with error number 0: the call is skipped and has succeeded
)

// lie starts the program again with a kernel that answers fsync and fdatasync at once and does nothing. Only a new
// program has the filter on all of its threads.
func lie(args []string) error {
	if os.Getenv(lied) != "" {
		return nil
	}
	op := func(code uint16, then, otherwise uint8, k uint32) syscall.SockFilter {
		return syscall.SockFilter{Code: code, Jt: then, Jf: otherwise, K: k}
	}
	filter := []syscall.SockFilter{
		op(syscall.BPF_LD|syscall.BPF_W|syscall.BPF_ABS, 0, 0, 0), // the call's number; init has one architecture only
		op(syscall.BPF_JMP|syscall.BPF_JEQ|syscall.BPF_K, 1, 0, syscall.SYS_FSYNC),
		op(syscall.BPF_JMP|syscall.BPF_JEQ|syscall.BPF_K, 0, 1, syscall.SYS_FDATASYNC),
		op(syscall.BPF_RET|syscall.BPF_K, 0, 0, retErrno),
		op(syscall.BPF_RET|syscall.BPF_K, 0, 0, retAllow),
	}
	program := syscall.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	runtime.LockOSThread() // for ever: it is this thread that becomes the new program
	for _, call := range [][3]uintptr{
		{prSetNoNewPrivs, 1, 0},
		{prSetSeccomp, filterMode, uintptr(unsafe.Pointer(&program))},
	} {
		if _, _, errno := syscall.Syscall6(syscall.SYS_PRCTL, call[0], call[1], call[2], 0, 0, 0); errno != 0 {
			return fmt.Errorf("a kernel whose fsync lies: %w", errno)
		}
	}
	runtime.KeepAlive(filter)
	return syscall.Exec("/init", append([]string{"/init", guestWord}, args...), append(os.Environ(), lied+"=1"))
}
