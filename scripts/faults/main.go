// Command faults kills, freezes and cuts off what can be while real programs take votes, and counts
// what was lost. It ends with 1 when anything was, and when a control that must lose does not.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"hailong/scripts/stage"
)

// plan is how often what is hit.
type plan struct {
	seed                         uint64
	kills, stops, cuts, weathers int
	longest                      time.Duration
	dir                          string
	story                        string
	weathered                    bool // the network is our own to spoil
}

func (p *plan) flags() *flag.FlagSet {
	f := flag.NewFlagSet("faults", flag.ExitOnError)
	f.Uint64Var(&p.seed, "seed", 0, "seed of the faults; 0 takes a new one")
	f.IntVar(&p.kills, "kills", 24, "kill -9 on each of the two brokers, half as many where one terminal is pressed")
	f.IntVar(&p.stops, "stops", 6, "SIGSTOP and SIGCONT, on each of the two brokers")
	f.IntVar(&p.cuts, "cuts", 4, "cuts of the terminals' links, on each of the two brokers")
	f.IntVar(&p.weathers, "weathers", 2, "one-way drops, losses and slow links, each so many, on each of the brokers")
	f.DurationVar(&p.longest, "longest", 2*time.Second, "the longest stop, drop, loss or slow link; none is under 1 s")
	f.StringVar(&p.story, "story", "", "only this one: "+strings.Join(names(), ", "))
	f.StringVar(&p.dir, "dir", "", "set by faults itself, for the process that runs one story")
	f.BoolVar(&p.weathered, "weathered", false, "set by faults itself, in a network of its own")
	return f
}

// args are the plan as a command line.
func (p *plan) args(more ...string) []string {
	return append([]string{"-seed", fmt.Sprint(p.seed), "-kills", fmt.Sprint(p.kills), "-stops", fmt.Sprint(p.stops),
		"-cuts", fmt.Sprint(p.cuts), "-weathers", fmt.Sprint(p.weathers), "-longest", p.longest.String()}, more...)
}

func main() {
	// Where Debian keeps mosquitto, nft and tc.
	if err := os.Setenv("PATH", os.Getenv("PATH")+":/usr/sbin:/sbin"); err != nil {
		panic(err)
	}
	var p plan
	_ = p.flags().Parse(os.Args[1:]) // ends the program where it cannot
	if p.seed == 0 {
		p.seed = rand.Uint64()
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if p.dir != "" {
		if err := tellOne(ctx, p); err != nil {
			fmt.Fprintf(os.Stderr, "faults: %s: %v\n", p.story, err)
			os.Exit(1)
		}
		return
	}
	if err := run(ctx, p); err != nil {
		args := p.args()
		if p.story != "" {
			args = append(args, "-story", p.story)
		}
		fmt.Fprintf(os.Stderr, "faults: %v\nagain: go run ./scripts/faults %s\n", err, strings.Join(args, " "))
		os.Exit(1)
	}
}

// run tells all stories at once, each in a process and a network of its own.
func run(ctx context.Context, p plan) (err error) {
	if p.dir, err = os.MkdirTemp("", "hl"); err != nil {
		return err
	}
	defer func() {
		if err == nil {
			err = os.RemoveAll(p.dir)
			return
		}
		fmt.Fprintln(os.Stderr, "faults: files are kept in", p.dir)
	}()
	fmt.Printf("faults: seed %d\n", p.seed)
	tools := stage.Programs(filepath.Join(p.dir, "bin"))
	err = tools.Make(ctx, "./cmd/collector", "./cmd/fleet", "./cmd/kiosk", "./scripts/faults/forgetful")
	if err != nil {
		return err
	}
	begun := time.Now()
	if p.weathered, err = weatherable(ctx, &p); err != nil {
		return err
	}
	chosen := names()
	if p.story != "" {
		chosen = []string{p.story}
	}
	failures := make([]error, len(chosen))
	var all sync.WaitGroup
	for i, name := range chosen {
		all.Go(func() { failures[i] = p.send(ctx, name) })
	}
	all.Wait()
	failed := len(chosen) - len(slices.DeleteFunc(slices.Clone(failures), func(err error) bool { return err != nil }))
	err = errors.Join(append(failures, p.sum(chosen))...)
	fmt.Printf("%d passed, %d failed\nfaults: seed %d, %s\n",
		len(chosen)-failed, failed, p.seed, time.Since(begun).Round(time.Second))
	return err
}

// weatherable tells whether a network can be spoilt here. As root in CI it must be possible.
func weatherable(ctx context.Context, p *plan) (bool, error) {
	err := stage.Enter(ctx, stage.Network, p.args("-story", tryWeather, "-dir", p.dir)...)
	if err == nil {
		return true, nil
	}
	if os.Getenv("CI") == "true" && os.Getuid() == 0 {
		return false, fmt.Errorf("make a network of our own: %w; run scripts/setup for nft, ip and tc", err)
	}
	fmt.Printf("faults: NOT TESTED: one-way drops, losses and slow links; no network of our own here (%v). "+
		"As root, after scripts/setup, they are\n", err)
	return false, nil
}

// send has one story told by a process of its own.
func (p *plan) send(ctx context.Context, name string) error {
	args, space := p.args("-story", name, "-dir", filepath.Join(p.dir, name)), stage.Nothing
	if p.weathered {
		args, space = append(args, "-weathered"), stage.Network
	}
	if err := stage.Enter(ctx, space, args...); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// sum adds up what the stories counted.
func (p *plan) sum(names []string) error {
	total := map[string]int{}
	for _, name := range names {
		raw, err := os.ReadFile(filepath.Join(p.dir, name, countsFile))
		if errors.Is(err, fs.ErrNotExist) {
			continue // the story failed, and has said so
		}
		if err != nil {
			return err
		}
		var counts map[string]int
		if err := json.Unmarshal(raw, &counts); err != nil {
			return err
		}
		for kind, n := range counts {
			total[kind] += n
		}
	}
	var list []string
	for _, kind := range slices.Sorted(maps.Keys(total)) {
		list = append(list, fmt.Sprintf("%d %s", total[kind], kind))
	}
	fmt.Printf("faults: %d kills and stops: %s\n", total[killed]+total[frozen], strings.Join(list, ", "))
	return nil
}
