package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"hailong/scripts/replay/disk"
)

const (
	recordTime = 2 * time.Minute  // for the computer's whole life, on a busy machine
	lookTime   = 30 * time.Second // for one start after a cut
	told       = 5                // troubles that are told in full
)

// point is where the power goes and what becomes of the writes that did not last.
type point struct {
	at   int // entries that came before
	part string
	mode disk.Mode
}

// tally is what came of the points of one kind.
type tally struct {
	points, promised, lost, losing int
	refused, wrong                 int // did not open; opened with something else than was written
	atStake                        int // writes that no flush followed
	mended                         int // superblocks
}

// trial is one recording and the cuts of it.
type trial struct {
	bench *disk.Bench
	rng   *rand.Rand
	lying int // writes in the cache of a disk that lies; 0 for an honest one
	log   []disk.Entry
	story *story

	tallies  [disk.Modes]tally
	troubles int
}

// record has a computer live on the disk.
func record(ctx context.Context, b *disk.Bench) ([]disk.Entry, error) {
	begun := time.Now()
	if err := b.Renew(); err != nil {
		return nil, err
	}
	b.Disk.Begin(true)
	_, err := child(ctx, b, recordTime, pressWord)
	err = errors.Join(err, b.Await())
	log := b.Disk.Rewind()
	if err != nil {
		return nil, fmt.Errorf("record: %w", err)
	}
	var n [3]int
	size := 0
	for _, e := range log {
		n[e.Kind], size = n[e.Kind]+1, size+len(e.Data)
	}
	fmt.Printf("replay: recorded %d writes of %d MB, %d flushes, %d words in %.1f s\n",
		n[disk.Write], size>>20, n[disk.Flush], n[disk.Word], time.Since(begun).Seconds())
	return log, nil
}

// child runs this program in one of its other roles, in a mount namespace of its own, and hands out what it prints.
func child(ctx context.Context, b *disk.Bench, limit time.Duration, name string) (string, error) {
	if err := b.Forget(); err != nil { // the disk is another since it was last looked at
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, "/proc/self/exe", name, b.Device(), b.Dir)
	var out, trouble bytes.Buffer
	cmd.Stdout, cmd.Stderr, cmd.ExtraFiles = &out, &trouble, []*os.File{b.Words}
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Run(); err != nil {
		why, _, _ := strings.Cut(trouble.String(), "\n") // of a panic the first line, too
		return "", errors.Join(ctx.Err(), fmt.Errorf("%w: %s", err, why))
	}
	return out.String(), nil
}

// part is a stretch of a log that the computer gave a name to.
type part struct {
	name       string
	start, end int
}

// parts divides a log by the words that begin a part.
func parts(log []disk.Entry) (all []part) {
	for i, e := range log {
		if name, ok := strings.CutPrefix(e.Word, sayPart+" "); ok {
			all = append(all, part{name: name, start: i + 1})
		}
		if len(all) > 0 {
			all[len(all)-1].end = i + 1
		}
	}
	return all
}

// choose takes points from each part of the log and for each of the modes from one on alike, in the order of the log.
func (t *trial) choose(n int, from disk.Mode) (all []point) {
	parts := parts(t.log)
	for i := range n {
		p := parts[i/int(disk.Modes-from)%len(parts)]
		at := p.start + t.rng.IntN(p.end-p.start+1)
		switch {
		case t.lying > 0:
			at = afterKept(t.log, at)
		case t.rng.IntN(2) == 0: // where most is not flushed
			for at < p.end && t.log[at].Kind != disk.Flush {
				at++
			}
		}
		all = append(all, point{at, p.name, from + disk.Mode(i)%(disk.Modes-from)})
	}
	slices.SortStableFunc(all, func(a, b point) int { return a.at - b.at })
	return all
}

// afterKept is the place after the next press that was acknowledged, or after the last one: there is one to lose.
func afterKept(log []disk.Entry, at int) int {
	said := func(e disk.Entry) bool { return strings.HasPrefix(e.Word, sayKept) }
	if i := slices.IndexFunc(log[at:], said); i >= 0 {
		return at + i + 1
	}
	for !said(log[at-1]) {
		at--
	}
	return at
}

// run cuts at every point, one after the other.
func (t *trial) run(ctx context.Context, points []point, done func()) error {
	if err := t.bench.Renew(); err != nil {
		return err
	}
	play := &disk.Player{Disk: t.bench.Disk, Log: t.log, Cache: t.lying}
	var p promise
	for _, at := range points {
		for _, e := range t.log[play.At:at.at] {
			p.hear(e.Word)
		}
		play.Forward(at.at)
		if err := t.cut(ctx, at, p, play.Pending); err != nil {
			return err
		}
		done()
	}
	return nil
}

// cut rebuilds the disk as it is after the cut, starts on it and judges what is found. An error is one of the bench.
func (t *trial) cut(ctx context.Context, at point, p promise, pending []disk.Entry) error {
	reached := disk.Survivors(t.rng, at.mode, pending)
	t.bench.Disk.Begin(false)
	for _, e := range reached {
		t.bench.Disk.Take(e)
	}
	out, err := child(ctx, t.bench, lookTime, lookWord)
	if broken := t.bench.Await(); broken != nil || ctx.Err() != nil {
		return errors.Join(ctx.Err(), broken)
	}
	t.bench.Disk.Rewind()
	n := &t.tallies[at.mode]
	n.points++
	n.promised += len(p.kept)
	n.atStake += len(pending)
	if err != nil {
		n.refused++
		return t.trouble(at, p, pending, reached, fmt.Errorf("not opened: %w", err))
	}
	found, err := scan(out)
	if err != nil {
		return fmt.Errorf("the start after the cut said %q: %w", out, err)
	}
	n.mended += found.mended
	lost, err := t.story.judge(p, found)
	switch {
	case errors.Is(err, errLost):
		n.lost, n.losing = n.lost+lost, n.losing+1
	case err != nil:
		n.wrong++
	default:
		return nil
	}
	return t.trouble(at, p, pending, reached, err)
}

// trouble tells the first troubles, and keeps the disk of the first. A lying disk is meant to make them.
func (t *trial) trouble(at point, p promise, pending, reached []disk.Entry, why error) error {
	t.troubles++
	if t.lying > 0 || t.troubles > told {
		return nil
	}
	fmt.Printf("replay: BROKEN by the cut at %d of %d, in part %s, %d unflushed writes %s, %d presses promised: %v\n",
		at.at, len(t.log), at.part, len(pending), at.mode, len(p.kept), why)
	if t.troubles > 1 {
		return nil
	}
	t.bench.Disk.Begin(false)
	defer t.bench.Disk.Rewind()
	for _, e := range reached {
		t.bench.Disk.Take(e)
	}
	kept := filepath.Join(filepath.Dir(t.bench.Dir), "broken.img")
	fmt.Println("replay: the disk as it was after that cut is kept in", kept)
	return t.bench.Disk.Save(kept)
}

func (n tally) print(name string) {
	fmt.Printf("replay: %-9s %d points, %d unflushed writes at stake, %d acknowledged presses looked for, %d lost, "+
		"%d would not open, %d wrong; %d torn superblocks mended\n",
		name+":", n.points, n.atStake, n.promised, n.lost, n.refused, n.wrong, n.mended)
}

func (n *tally) add(m tally) {
	n.points, n.promised, n.lost, n.losing = n.points+m.points, n.promised+m.promised, n.lost+m.lost, n.losing+m.losing
	n.refused, n.wrong = n.refused+m.refused, n.wrong+m.wrong
	n.atStake, n.mended = n.atStake+m.atStake, n.mended+m.mended
}
