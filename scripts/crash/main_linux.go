// Command crash cuts the power of a computer that keeps presses in the real outbox, and looks what the next boot
// finds. The computer is User-Mode Linux on a raw ext4 image; its init is this same program, which mounts the image,
// opens the outbox, tells the host of each record after Append returned, and takes receipts and forgets records. A cut
// is SIGKILL to the whole computer: what its kernel had not yet written is gone. The cuts fall in turn while boxes are
// created, while records are pressed, around a receipt and the forgetting after it, during compaction, and while a
// boot recovers from the cut before. The next boot must open the box and find every record it told of, and every
// receipt, with the right body and once; repeated press ids must store nothing; the host computes the chain from
// seal.Start itself; and appends must go on.
//
// Controls show that the harness sees a loss. In every boot numbers go to a file without fsync, which must lose some
// in most cycles, and to one with fsync, which must lose none. At the end, and with -nosync alone, the same outbox
// runs on a system whose fsync says yes and does nothing (a seccomp filter), and must lose.
//
// A cut here takes the computer's page cache. It does not take what a disk holds in a cache of its own, does not
// reorder what the kernel had handed out, and is no SD card that lies. The seed fixes where and when the cuts fall,
// not what the scheduler does meanwhile. Any loss ends with 1, and so does a control that loses nothing.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

// controlCycles are the cuts of an outbox without fsync that end every run.
const controlCycles = 2

// plan is what the flags say.
type plan struct {
	seed   uint64
	cycles int
	nosync bool
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == guestWord {
		os.Exit(guestMain(os.Args[2:]))
	}
	var p plan
	flag.Uint64Var(&p.seed, "seed", 0, "seed of the cuts; 0 takes a new one")
	flag.IntVar(&p.cycles, "cycles", 10, "how often the power is cut")
	flag.BoolVar(&p.nosync, "nosync", false, "only the control: an outbox whose fsync does nothing, which must lose")
	flag.Parse()
	if p.seed == 0 {
		p.seed = rand.Uint64()
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx, p)
	fmt.Printf("crash: again: go run ./scripts/crash -seed %d -cycles %d -nosync=%t\n", p.seed, p.cycles, p.nosync)
	if err != nil {
		fmt.Fprintln(os.Stderr, "crash:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, p plan) (err error) {
	if p.cycles < 1 {
		return fmt.Errorf("-cycles %d: at least one", p.cycles)
	}
	dir, err := os.MkdirTemp("", "crash")
	if err != nil {
		return err
	}
	defer func() {
		if err == nil || ctx.Err() != nil {
			err = errors.Join(err, os.RemoveAll(dir))
			return
		}
		fmt.Fprintln(os.Stderr, "crash: the disk and the kernel's last words are kept in", dir)
	}()
	fmt.Printf("crash: seed %d\n", p.seed)
	begun := time.Now()
	m, err := newMachine(ctx, dir)
	if err != nil {
		return err
	}
	if !p.nosync {
		t := &trial{machine: m, rng: rand.New(rand.NewPCG(p.seed, 0)), cycles: p.cycles}
		if err := t.run(ctx); err != nil {
			return err
		}
	}
	n := controlCycles
	if p.nosync {
		n = p.cycles
	}
	m.disk = filepath.Join(dir, "lying.img")
	t := &trial{machine: m, rng: rand.New(rand.NewPCG(p.seed, 1)), cycles: n, lying: true}
	if err := t.run(ctx); err != nil {
		return err
	}
	fmt.Printf("crash: passed in %s\n", time.Since(begun).Round(100*time.Millisecond))
	return nil
}
