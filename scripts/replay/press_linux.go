package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"hailong/sync/outbox"
	"hailong/vote"
)

const (
	terminal    = "quay-01"
	boxName     = "outbox.db"
	bigPress    = "big"                        // how ids of large bodies begin
	bigBody     = 7000                         // bytes: they fill a file quickly
	compactFrom = 17 << 20                     // bytes of file, well beyond what the outbox compacts
	receiptStep = outbox.KeepFor + 2*time.Hour // of the collector's clock: each receipt forgets what came by the last
)

// What the computer says: one line each, the word first.
const (
	sayPart    = "part"    // name: of what comes next
	sayOpened  = "opened"  // epoch: Open returned
	sayKept    = "kept"    // seq, id: Append returned
	sayGranted = "granted" // upto: the collector has it
	saySettled = "settled" // upto: Receipted returned
)

// computer is the terminal whose disk is recorded, a process of its own: it maps a file that ends at our bench, and
// such a process must not be the one that serves it.
type computer struct {
	words  *os.File
	path   string
	box    *outbox.Box
	bursts int
	clock  time.Time // the collector's
}

// press mounts the disk, fills it with what a terminal does in its life, and unmounts it.
func press(ctx context.Context, device, dir string, words *os.File) error {
	c := &computer{words: words, path: filepath.Join(dir, boxName), clock: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	err := c.say(sayPart, "create")
	if err == nil {
		err = mount(device, dir)
	}
	for _, step := range []struct {
		name string
		do   func(context.Context) error
	}{
		{"", c.open},
		{"single", func(ctx context.Context) error { return c.burst(ctx, "press", 1, 40) }},
		{"together", func(ctx context.Context) error { return c.burst(ctx, "press", 6, 20) }},
		{"receipt", func(ctx context.Context) error { return c.days(ctx, 10) }},
		{"fill", c.fill},
		{"forget", c.empty},
		{"compact", c.compact},
		{"after", func(ctx context.Context) error { return c.days(ctx, 4) }},
		{"end", func(context.Context) error { return c.box.Close() }},
	} {
		if err == nil && step.name != "" {
			err = c.say(sayPart, step.name)
		}
		if err == nil {
			err = step.do(ctx)
		}
	}
	if err != nil {
		return err
	}
	return syscall.Unmount(dir, 0)
}

func mount(device, dir string) error {
	if err := syscall.Mount(device, dir, "ext4", 0, ""); err != nil {
		return fmt.Errorf("mount: %w", err)
	}
	return nil
}

// say says a line. It is heard when say returns, before any write that comes later.
func (c *computer) say(word string, more ...any) error {
	_, err := fmt.Fprintln(c.words, append([]any{word}, more...)...)
	return err
}

func (c *computer) open(context.Context) (err error) {
	if c.box, err = outbox.Open(c.path, outbox.Options{Terminal: terminal}); err != nil {
		return err
	}
	return c.say(sayOpened, c.box.State().Epoch)
}

// body is what the press with an id stores.
func body(id string) []byte {
	sum := sha256.Sum256([]byte(id))
	n := 40 + int(sum[0])
	if strings.HasPrefix(id, bigPress) {
		n = bigBody
	}
	noise := make([]byte, n)
	_, _ = rand.NewChaCha8(sum).Read(noise) // never fails
	return append([]byte(id+" "), noise...)
}

func entryOf(id string) outbox.Entry {
	return outbox.Entry{ID: id, Level: vote.Level(1 + len(id)%5), Body: body(id)}
}

// burst presses from several goroutines at once and tells of each press that was kept.
func (c *computer) burst(ctx context.Context, kind string, pressers, each int) error {
	c.bursts++
	errs := make([]error, pressers)
	var all sync.WaitGroup
	for i := range pressers {
		all.Go(func() {
			for k := 0; k < each && errs[i] == nil; k++ {
				id := fmt.Sprintf("%s-%d-%d-%d", kind, c.bursts, i, k)
				var p outbox.Placed
				if p, errs[i] = c.box.Append(ctx, entryOf(id)); errs[i] == nil {
					errs[i] = c.say(sayKept, p.Seq, id)
				}
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

// receipt takes a receipt for all there is, and forgets what the one before was for.
func (c *computer) receipt(ctx context.Context) error {
	s := c.box.State()
	if err := c.say(sayGranted, s.Next-1); err != nil {
		return err
	}
	c.clock = c.clock.Add(receiptStep)
	if err := c.box.Receipted(ctx, s.Next-1, s.Head, c.clock); err != nil {
		return err
	}
	return c.say(saySettled, s.Next-1)
}

// days are presses and a receipt, some times.
func (c *computer) days(ctx context.Context, n int) error {
	for range n {
		if err := errors.Join(c.burst(ctx, "press", 3, 3), c.receipt(ctx)); err != nil {
			return err
		}
	}
	return nil
}

// fill grows the file to a size that is compacted once it is empty.
func (c *computer) fill(ctx context.Context) error {
	for c.box.State().FileSize < compactFrom {
		if err := c.burst(ctx, bigPress, 64, 2); err != nil {
			return err
		}
	}
	return nil
}

// empty has all forgotten.
func (c *computer) empty(ctx context.Context) error {
	for c.box.State().Oldest < c.box.State().Next {
		if err := c.receipt(ctx); err != nil {
			return err
		}
	}
	return c.burst(ctx, bigPress, 64, 2) // there must be something to copy
}

// compact opens the file again, which compacts it.
func (c *computer) compact(ctx context.Context) error {
	if err := errors.Join(c.box.Close(), c.open(ctx)); err != nil {
		return err
	}
	if size := c.box.State().FileSize; size >= compactFrom {
		return fmt.Errorf("%d bytes were not compacted", size)
	}
	return nil
}
