// Command damage breaks outboxes in every way a card breaks them, and looks what becomes of the records in them. Each
// trial is a terminal of its own at one real centre, with its real broker: a box with receipted and waiting records,
// some damage, and an agent that is started on what is left. The agent must open within its time and take presses;
// every record whose bytes are still whole must reach the centre, once and as it was; nothing may be counted that was
// not promised, though it lies whole in the file; and the store must prove itself in the end.
//
// The seed fixes boxes and damage. Any miss ends with 1.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"hailong/cmd/agent"
	"hailong/cmd/program"
)

func main() {
	if code, asked := agent.CheckForParent(); asked {
		os.Exit(code)
	}
	trials := flag.Int("trials", 200, "boxes to damage")
	first := flag.Int("first", 0, "number of the first, to repeat one")
	workers := flag.Int("workers", 4, "trials at a time")
	seed := flag.Uint64("seed", 0, "seed of boxes and damage; 0 takes a new one")
	flag.Parse()
	if *seed == 0 {
		*seed = rand.Uint64()
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	fmt.Printf("damage: again: go run ./scripts/damage -seed %d -trials %d -first %d\n", *seed, *trials, *first)
	if err := run(ctx, *seed, *first, *trials, *workers); err != nil {
		fmt.Fprintln(os.Stderr, "damage:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, seed uint64, first, trials, workers int) (err error) {
	dir, err := os.MkdirTemp("", "dmg")
	if err != nil {
		return err
	}
	defer func() {
		if err == nil || ctx.Err() != nil {
			err = errors.Join(err, os.RemoveAll(dir))
			return
		}
		fmt.Fprintln(os.Stderr, "damage: files are kept in", dir)
	}()
	begun := time.Now()
	c, err := openCentre(ctx, dir)
	if err != nil {
		return err
	}
	sum, failed := &summary{byKind: map[string]*figures{}}, 0
	numbers, bar := make(chan int), program.NewProgress("damaged")
	var all sync.WaitGroup
	var mu sync.Mutex
	done := 0
	for range workers {
		all.Go(func() {
			for n := range numbers {
				t := newTrial(c, dir, seed, n)
				err := t.run(ctx)
				mu.Lock()
				sum.add(t)
				done++
				bar.Show(done, trials)
				if err != nil {
					failed++
					fmt.Fprintf(os.Stderr, "\ndamage: trial %d (%s): %v\n", n, t.kind, err)
				}
				mu.Unlock()
			}
		})
	}
	for n := first; n < first+trials && ctx.Err() == nil; n++ {
		numbers <- n
	}
	close(numbers)
	all.Wait()
	bar.End()
	err = errors.Join(c.verify(ctx), c.close(), ctx.Err())
	sum.print(time.Since(begun))
	if failed > 0 {
		err = errors.Join(fmt.Errorf("%d of %d trials failed", failed, trials), err)
	}
	return err
}

// figures are those of all trials of a kind.
type figures struct {
	trials, damaged, waiting, whole, arrived, proven, ghosts int
}

type summary struct{ byKind map[string]*figures }

func (s *summary) add(t *trial) {
	for _, kind := range []string{t.kind, "all"} {
		f := s.byKind[kind]
		if f == nil {
			f = &figures{}
			s.byKind[kind] = f
		}
		f.trials++
		if t.damaged {
			f.damaged++
		}
		f.waiting, f.whole, f.arrived = f.waiting+t.waiting, f.whole+t.whole, f.arrived+t.arrived
		f.proven, f.ghosts = f.proven+t.proven, f.ghosts+t.ghosts
	}
}

func (s *summary) print(took time.Duration) {
	fmt.Printf("%-22s %7s %8s %9s %9s %9s %9s %9s %7s\n",
		"damage", "boxes", "set aside", "waiting", "whole", "arrived", "proven", "unproven", "ghosts")
	for _, kind := range append(kindNames(), "all") {
		if f := s.byKind[kind]; f != nil {
			fmt.Printf("%-22s %7d %8d %9d %9d %9d %9d %9d %7d\n", kind,
				f.trials, f.damaged, f.waiting, f.whole, f.arrived, f.proven, f.arrived-f.proven, f.ghosts)
		}
	}
	fmt.Printf("waiting: votes the centre did not have; whole: of those, still whole in the file; ghosts:\n"+
		"votes never promised that lay whole in the file and were counted apart. damage: %s\n", took.Round(time.Second))
}
