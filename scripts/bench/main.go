// Command bench measures this house: one figure a line, beside its aim. Times are ratios to something
// measured in the same run, so they may be compared between machines; a missed aim fails nothing.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"hailong/scripts/bench/gauge"
)

// bench is what to measure and what came out.
type bench struct {
	pairs, votes, waiting, looks, many int
	idle                               time.Duration
	only, json, under                  string

	dir      string // of this run
	programs string
	figures  []figure
}

func (b *bench) flags() {
	flag.IntVar(&b.pairs, "pairs", 1000, "presses, each beside one append and sync")
	flag.IntVar(&b.votes, "votes", 100_000, "votes that wait, and then go through")
	flag.IntVar(&b.waiting, "waiting", 60_000, "records that wait when a terminal starts")
	flag.IntVar(&b.looks, "looks", 40, "presses that somebody waits for on the live page, twice")
	flag.IntVar(&b.many, "many", 0, "votes that are pressed, thanked for and compared one by one; 1000000 takes long")
	flag.DurationVar(&b.idle, "idle", 30*time.Second, "how long a terminal without visitors is watched")
	flag.StringVar(&b.only, "only", "", "only these parts, with commas: "+strings.Join(names(), ","))
	flag.StringVar(&b.json, "json", "", "a file for the figures")
	flag.StringVar(&b.under, "under", "", "folder for the run's files, on the disk to measure; empty is the system's")
	flag.Parse()
}

// part is a group of figures that are measured together.
type part struct {
	name    string
	measure func(context.Context, *bench) error
}

func parts() []part {
	return []part{
		{"press", measurePress}, {"pressers", measurePressers}, {"start", measureStart},
		{"through", measureThrough}, {"live", measureLive}, {"idle", measureIdle}, {"many", measureMany},
	}
}

func names() (all []string) {
	for _, p := range parts() {
		all = append(all, p.name)
	}
	return all
}

func main() {
	var b bench
	b.flags()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := b.run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func (b *bench) run(ctx context.Context) (err error) {
	if b.dir, err = os.MkdirTemp(b.under, "hl"); err != nil {
		return err
	}
	defer func() {
		if err == nil {
			err = os.RemoveAll(b.dir)
			return
		}
		fmt.Fprintln(os.Stderr, "bench: files are kept in", b.dir)
	}()
	b.programs = filepath.Join(b.dir, "bin")
	if err := gauge.Build(ctx, b.programs); err != nil {
		return err
	}
	wanted := strings.Split(b.only, ",")
	for _, p := range parts() {
		if b.only != "" && !slices.Contains(wanted, p.name) || p.name == "many" && b.many == 0 {
			continue
		}
		fmt.Fprintf(os.Stderr, "bench: %s …\n", p.name)
		if err := p.measure(ctx, b); err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
	}
	fmt.Printf("%s, %d cores, load %s\n\n%s", runtime.GOARCH, runtime.NumCPU(), load(), table(b.figures))
	return b.save()
}

func (b *bench) save() error {
	if b.json == "" {
		return nil
	}
	raw, err := json.MarshalIndent(b.figures, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(b.json, append(raw, '\n'), 0o644)
}

// load is how busy the machine was: on a busy one only ratios are worth anything.
func load() string {
	raw, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	return strings.Fields(string(raw))[0]
}
