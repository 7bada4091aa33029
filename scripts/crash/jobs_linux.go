package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"hailong/sync/outbox"
)

const (
	compactFrom = 17 << 20                     // bytes of file, well beyond what the outbox compacts
	numberCount = 10                           // in each file without and with fsync
	receiptStep = outbox.KeepFor + 2*time.Hour // of the collector's clock: each receipt forgets what came by the last
)

// work does the boot's job until the power goes; the check alone ends.
func (g *guest) work(ctx context.Context) error {
	for i := 0; ; i++ {
		var err error
		switch g.job {
		case jobPress:
			err = g.burst(ctx, "press", 1+i%8, 10)
		case jobReceipt:
			err = errors.Join(g.burst(ctx, "press", 4, 5), g.receipt(ctx))
		case jobCompact:
			err = g.compact(ctx)
		case jobCreate:
			err = g.create(ctx, fmt.Sprintf("fresh-%d-%d.db", g.boot, i))
		default:
			return g.burst(ctx, "last", 4, 5)
		}
		if err != nil {
			return err
		}
	}
}

// burst presses from several goroutines at once and tells of each press that was kept.
func (g *guest) burst(ctx context.Context, kind string, pressers, each int) error {
	g.bursts++
	errs := make([]error, pressers)
	var all sync.WaitGroup
	for i := range pressers {
		all.Go(func() {
			for k := 0; k < each && errs[i] == nil; k++ {
				id := fmt.Sprintf("%s-%d-%d-%d-%d", kind, g.boot, g.bursts, i, k)
				var p outbox.Placed
				if p, errs[i] = g.box.Append(ctx, entry(id)); errs[i] == nil {
					g.say(sayAppended, p.Seq, id)
				}
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

// receipt takes the host's receipt for all there is, and forgets what the one before was for.
func (g *guest) receipt(ctx context.Context) error {
	s := g.box.State()
	if err := g.ask(sayReceipt, s.Next-1); err != nil {
		return err
	}
	g.clock = g.clock.Add(receiptStep)
	if err := g.box.Receipted(ctx, s.Next-1, s.Head, g.clock); err != nil {
		return err
	}
	g.say(saySettled, s.Next-1)
	return nil
}

// compact fills the file, has nearly all of it forgotten and opens it again.
func (g *guest) compact(ctx context.Context) error {
	for g.box.State().FileSize < compactFrom {
		if err := g.burst(ctx, bigPress, 64, 2); err != nil {
			return err
		}
	}
	for g.box.State().Oldest < g.box.State().Next {
		if err := g.receipt(ctx); err != nil {
			return err
		}
	}
	if err := g.burst(ctx, bigPress, 64, 6); err != nil { // there must be something to copy
		return err
	}
	g.say(sayReopening)
	if err := g.box.Close(); err != nil {
		return err
	}
	if err := g.open(); err != nil {
		return err
	}
	if size := g.box.State().FileSize; size >= compactFrom {
		return fmt.Errorf("%d bytes were not compacted", size)
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
	if _, err = b.Append(ctx, entry(name)); err == nil {
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
