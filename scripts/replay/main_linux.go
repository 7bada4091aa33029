// Command replay takes the cache of a disk away: it records every write and every flush that the real outbox, on a
// real ext4, brings to a disk, and then rebuilds the disk as it may be after a power cut at any place in that record.
// The disk is memory, served through FUSE as one file to a loop device without a page cache, so what it hears is what
// the kernel hands to a disk, a flush included. The computer, a child process, makes an outbox, presses, takes
// receipts, forgets and compacts; what it promises it says through the same server, so each promise has its place
// among the writes, at the earliest when Append had returned.
//
// At a point, what came before the last flush is on the disk. What came after it is, by turns, kept, dropped, kept in
// part and in any order, and torn at sectors of 512 bytes. Another child mounts the disk, which replays the kernel's
// journal, and opens the outbox: it must open; every press acknowledged before the point must be there, or have been
// receipted, with its content; the chain must be the one computed here from the recorded presses; presses repeated
// must store nothing, and one more must find its place.
//
// The control is a disk that lies: the same record, but a flush does nothing and the last 64 writes do not last. It
// must lose acknowledged presses, or the run has proved nothing.
//
// A write counts as flushed when its answer was on its way before the flush came; a disk whose neighbours suffer, or
// one that forgets after a flush, is not here. ext4's own superblock, where it was torn, is mended by e2fsck from its
// copy and counted. The seed fixes the points and what they keep, not the record: that depends on the scheduler. Any
// loss ends with 1, and so does a control that loses nothing. A machine without root, /dev/fuse or loop devices skips
// all, but in CI it fails.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"

	"hailong/scripts/replay/disk"
)

const (
	pressWord = "press" // first argument of the program as the computer
	lookWord  = "look"  // and as the start after a cut

	perRecord  = 500 // points
	lyingCache = 64  // writes that a lying disk has not written, some twenty commits of the outbox
	control    = 4   // one point of the control to so many others
)

// plan is what the flags say.
type plan struct {
	seed   uint64
	points int
}

func main() {
	if len(os.Args) == 4 && (os.Args[1] == pressWord || os.Args[1] == lookWord) {
		os.Exit(childMain(os.Args[1], os.Args[2], os.Args[3]))
	}
	// Children die with the thread that started them; this one lives as long as the program.
	runtime.LockOSThread()
	var p plan
	flag.Uint64Var(&p.seed, "seed", 0, "seed of the points; 0 takes a new one")
	flag.IntVar(&p.points, "points", 100, "how often the power is cut")
	flag.Parse()
	if p.seed == 0 {
		p.seed = rand.Uint64()
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx, p)
	if errors.Is(err, disk.ErrBench) && os.Getenv("CI") == "" {
		fmt.Println("replay: SKIPPED, nothing was proved:", err)
		return
	}
	fmt.Printf("replay: again: go run ./scripts/replay -seed %d -points %d\n", p.seed, p.points)
	if err != nil {
		fmt.Fprintln(os.Stderr, "replay:", err)
		os.Exit(1)
	}
}

// childMain is this program in the role of who has the disk mounted.
func childMain(name, device, dir string) int {
	var err error
	if name == pressWord {
		err = press(context.Background(), device, dir, os.NewFile(3, "words"))
	} else {
		err = look(context.Background(), device, dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func run(ctx context.Context, p plan) (err error) {
	switch {
	case p.points < int(disk.Modes):
		return fmt.Errorf("-points %d: at least %d", p.points, disk.Modes)
	case os.Geteuid() != 0:
		return fmt.Errorf("%w: only root may mount ext4 on a loop device: sudo make crash", disk.ErrBench)
	}
	dir, err := os.MkdirTemp("", "replay")
	if err != nil {
		return err
	}
	troubles := 0
	defer func() {
		if troubles == 0 {
			err = errors.Join(err, os.RemoveAll(dir))
		}
	}()
	fmt.Printf("replay: seed %d\n", p.seed)
	begun := time.Now()
	b, err := disk.NewBench(ctx, dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	r := &report{rng: rand.New(rand.NewPCG(p.seed, 0)), want: p.points}
	for left := p.points; left > 0 && err == nil; left -= perRecord {
		err = r.round(ctx, b, min(left, perRecord))
	}
	troubles = r.troubles
	r.print()
	if err = errors.Join(err, r.verdict()); err == nil {
		fmt.Printf("replay: passed in %s\n", time.Since(begun).Round(100*time.Millisecond))
	}
	return err
}

// report is what came of all records.
type report struct {
	rng        *rand.Rand
	want, done int
	honest     [disk.Modes]tally
	lying      tally
	troubles   int
	spent      time.Duration
}

// round records once and cuts the record.
func (r *report) round(ctx context.Context, b *disk.Bench, points int) error {
	log, err := record(ctx, b)
	if err != nil {
		return err
	}
	story, err := learn(log)
	if err != nil {
		return err
	}
	begun := time.Now()
	honest := &trial{bench: b, rng: r.rng, log: log, story: story}
	err = honest.run(ctx, honest.choose(points, disk.Kept), func() {
		if r.done++; r.done*10/r.want != (r.done-1)*10/r.want {
			fmt.Printf("replay: %d of %d points\n", r.done, r.want)
		}
	})
	r.spent += time.Since(begun)
	for m, n := range honest.tallies {
		r.honest[m].add(n)
	}
	r.troubles += honest.troubles
	if err != nil {
		return err
	}
	lying := &trial{bench: b, rng: r.rng, log: log, story: story, lying: lyingCache}
	err = lying.run(ctx, lying.choose(max(1, points/control), disk.Dropped), func() {})
	for _, n := range lying.tallies {
		r.lying.add(n)
	}
	return err
}

func (r *report) print() {
	if r.done == 0 {
		return
	}
	for m, n := range r.honest {
		n.print(disk.Mode(m).String())
	}
	r.lying.print("control, a disk whose flush lies")
	fmt.Printf("replay: the control lost presses at %d of its %d points and would not open at %d; %d ms a point\n",
		r.lying.losing, r.lying.points, r.lying.refused, r.spent.Milliseconds()/int64(r.done))
}

// verdict is an error where something was lost, and where nothing could have been seen to be.
func (r *report) verdict() error {
	atStake := 0
	for _, n := range r.honest {
		atStake += n.atStake
	}
	switch {
	case r.troubles > 0:
		return fmt.Errorf("%w or not opened at %d of %d points", errLost, r.troubles, r.done)
	case r.done == r.want && atStake == 0:
		return errors.New("every write was flushed at every point: this run proves nothing")
	case r.done == r.want && (r.lying.lost == 0 || 2*(r.lying.losing+r.lying.refused) < r.lying.points):
		return errors.New("a disk whose flush lies lost nothing at half of the points: this run proves nothing")
	}
	return nil
}
