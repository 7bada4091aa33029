package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"hailong/scripts/crash/presser"
)

const boxName = "outbox.db"

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
	*presser.Presser
	words *os.File
	path  string
}

// press mounts the disk, fills it with what a terminal does in its life, and unmounts it.
func press(ctx context.Context, device, dir string, words *os.File) error {
	c := &computer{words: words, path: filepath.Join(dir, boxName)}
	c.Presser = &presser.Presser{
		Clock:   time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC),
		Kept:    func(seq uint64, id string) error { return c.say(sayKept, seq, id) },
		Granted: func(upto uint64) error { return c.say(sayGranted, upto) },
		Settled: func(upto uint64) error { return c.say(saySettled, upto) },
	}
	err := c.say(sayPart, "create")
	if err == nil {
		err = mount(device, dir)
	}
	for _, step := range []struct {
		name string
		do   func(context.Context) error
	}{
		{"", c.open},
		{"single", func(ctx context.Context) error { return c.Burst(ctx, presser.Small, 1, 40) }},
		{"together", func(ctx context.Context) error { return c.Burst(ctx, presser.Small, 6, 20) }},
		{"receipt", func(ctx context.Context) error { return c.days(ctx, 10) }},
		{"fill", c.Fill},
		{"forget", func(ctx context.Context) error { return c.Empty(ctx, 2) }},
		{"compact", c.compact},
		{"after", func(ctx context.Context) error { return c.days(ctx, 4) }},
		{"end", func(context.Context) error { return c.Box.Close() }},
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
	if c.Box, err = presser.Open(c.path); err != nil {
		return err
	}
	return c.say(sayOpened, c.Box.State().Epoch)
}

// days are presses and a receipt, some times.
func (c *computer) days(ctx context.Context, n int) error {
	for range n {
		if err := errors.Join(c.Burst(ctx, presser.Small, 3, 3), c.Receipt(ctx)); err != nil {
			return err
		}
	}
	return nil
}

// compact opens the file again, which compacts it.
func (c *computer) compact(ctx context.Context) error {
	return cmp.Or(c.Box.Close(), c.open(ctx), c.Compacted())
}
