package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"hailong/scripts/crash/presser"
	"hailong/sync/outbox"
	"hailong/sync/seal"
)

const (
	guestWord = "guest" // the first argument of the program as init
	consoleAt = "/dev/tty1"
	mountedAt = "/disk"
	boxAt     = mountedAt + "/outbox.db"

	unsyncedFile = "unsynced-" // and the boot's number
	syncedFile   = "synced-"
)

// What the guest does until its power goes.
const (
	jobPress   = "press"
	jobReceipt = "receipt"
	jobCompact = "compact"
	jobCreate  = "create"
	jobCheck   = "check" // presses a little and ends by itself
)

// What the guest says: one line each, the word first.
const (
	sayBooted     = "booted"     // the disk, with the journal of the cut before, is not yet mounted
	sayNumbers    = "numbers"    // how many the boot before left in the file without fsync, and in the one with it
	sayFound      = "found"      // seq, id: read back
	sayStanding   = "standing"   // epoch, oldest, next, upto, head before the oldest, head
	sayFreshFound = "freshfound" // name: opened with its record
	sayReady      = "ready"      // all was looked at. Waits for an answer
	sayAppended   = "appended"   // seq, id: Append returned
	sayNumber     = "number"     // one more is in both files of numbers
	sayReceipt    = "receipt"    // upto: wants a receipt. Waits for an answer
	saySettled    = "settled"    // upto: Receipted returned
	sayReopening  = "reopening"  // a box that wants compacting
	sayReopened   = "reopened"
	sayCreating   = "creating"  // name: a new box
	sayFreshKept  = "freshkept" // name: its Append returned
	sayUnopened   = "unopened"  // why: a box cannot be opened or read
	sayTrouble    = "trouble"   // why
)

// guest is the computer from within.
type guest struct {
	console *os.File
	answers *bufio.Reader
	job     string
	boot    int
	*presser.Presser
}

// guestMain is init. It does not return but where nothing could be said.
func guestMain(args []string) int {
	if os.Getpid() != 1 || len(args) < 3 { // User-Mode Linux adds words of its own
		fmt.Fprintln(os.Stderr, "crash: guest is for the init of a computer whose power may be cut:", args)
		return 2
	}
	console, err := os.OpenFile(consoleAt, os.O_WRONLY|syscall.O_NOCTTY, 0)
	if err != nil {
		fmt.Println("crash:", err)
		return 1
	}
	g := &guest{console: console, answers: bufio.NewReader(os.Stdin), job: args[0]}
	g.boot, _ = strconv.Atoi(args[1]) // the host counts
	g.Presser = &presser.Presser{
		Run: args[1],
		// Each boot's clock is past the one before, and 2026 at least: an unset clock forgets nothing.
		Clock:   time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).AddDate(10*g.boot, 0, 0),
		Kept:    func(seq uint64, id string) error { g.say(sayAppended, seq, id); return nil },
		Granted: func(upto uint64) error { return g.ask(sayReceipt, upto) },
		Settled: func(upto uint64) error { g.say(saySettled, upto); return nil },
	}
	if args[2] == "true" {
		err = lie(args)
	}
	if err == nil {
		ctx, cancel := context.WithTimeout(context.Background(), patience) // the host itself may have been killed
		err = g.run(ctx)
		cancel()
	}
	if err != nil {
		g.say(sayTrouble, err)
	}
	if err := syscall.Reboot(syscall.LINUX_REBOOT_CMD_POWER_OFF); err != nil {
		fmt.Println("crash:", err)
	}
	return 1
}

// say writes a line at once. Where the host does not hear it, nothing was promised.
func (g *guest) say(word string, more ...any) {
	line := strings.TrimSpace(word + " " + fmt.Sprintln(more...))
	_, _ = fmt.Fprintln(g.console, strings.ReplaceAll(line, "\n", "; "))
}

// ask says a line and waits until the host has heard it and all before.
func (g *guest) ask(word string, more ...any) error {
	g.say(word, more...)
	_, err := g.answers.ReadString('\n')
	return err
}

func (g *guest) run(ctx context.Context) error {
	g.say(sayBooted)
	if err := syscall.Mount("/dev/ubda", mountedAt, "ext4", 0, ""); err != nil {
		return fmt.Errorf("mount: %w", err)
	}
	if err := g.numbers(); err != nil {
		return err
	}
	err := g.open()
	if err == nil {
		err = cmp.Or(g.look(ctx), g.lookFresh())
	}
	if err != nil {
		g.say(sayUnopened, err)
		return nil
	}
	if err := g.Burst(ctx, "first", 1, 1); err != nil { // the box goes on, and each boot has something to lose
		return err
	}
	if err := g.ask(sayReady); err != nil {
		return err
	}
	if err := remove("fresh-*"); err != nil { // the host has heard of them
		return err
	}
	return errors.Join(g.work(ctx), g.Box.Close())
}

func (g *guest) open() (err error) {
	g.Box, err = presser.Open(boxAt)
	return err
}

// look reads every record and tells what it is, then presses each once more.
func (g *guest) look(ctx context.Context) error {
	ids, err := presser.Read(g.Box)
	if err != nil {
		return err
	}
	s := g.Box.State()
	for i, id := range ids {
		g.say(sayFound, s.Oldest+uint64(i), id)
	}
	g.say(sayStanding, s.Epoch, s.Oldest, s.Next, s.Upto, s.Before, s.Head)
	return presser.Repeat(ctx, g.Box, ids, len(ids))
}

// openFresh opens or makes a new box. It leaves the disk's room to others: there are many.
func openFresh(name string) (*outbox.Box, error) {
	return outbox.Open(filepath.Join(mountedAt, name), outbox.Options{Terminal: presser.Terminal, Reserve: -1})
}

// lookFresh opens the new boxes that a boot before made. Without its record a box is not told of.
func (g *guest) lookFresh() error {
	names, err := filepath.Glob(filepath.Join(mountedAt, "fresh-*.db"))
	for _, name := range names {
		id := filepath.Base(name)
		b, err := openFresh(id)
		if err != nil {
			return err
		}
		s := b.State()
		run, err := b.Look(1, 10, 1<<20)
		if err = errors.Join(err, b.Close()); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if s.Next == 2 && run.Head == seal.Start(presser.Terminal, s.Epoch).Next(1, seal.Of(presser.Body(id))) {
			g.say(sayFreshFound, id)
		}
	}
	return err
}

// remove removes what is named so.
func remove(pattern string) error {
	names, err := filepath.Glob(filepath.Join(mountedAt, pattern))
	for _, name := range names {
		err = errors.Join(err, os.Remove(name))
	}
	return err
}
