// Command full fills the disks of a terminal and of a centre up while votes come, frees them again
// and counts what was lost. It ends with 1 when anything was, when a refusal was not said aloud, or
// when something had to be restarted by hand.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"hailong/scripts/stage"
)

// plan is how long and how far.
type plan struct {
	story, dir string
	full       time.Duration // how long the centre's disk stays so
	deep       bool          // press until the terminal's own part of the disk is used up too
}

// scene is one story's disk and programs.
type scene struct {
	plan
	tools stage.Programs
	disk  *disk
	ends  []func() error // called last first
}

func (s *scene) say(format string, args ...any) {
	fmt.Printf("full: %s: %s\n", s.story, fmt.Sprintf(format, args...))
}

// start starts a program that ends with the scene.
func (s *scene) start(ctx context.Context, p *stage.Process) error {
	s.ends = append(s.ends, p.End)
	return p.Start(ctx)
}

func (s *scene) end() (err error) {
	for i := range s.ends {
		err = errors.Join(err, s.ends[len(s.ends)-1-i]())
	}
	return err
}

// stories are what is told, by name.
func stories() map[string]func(context.Context, *scene) error {
	return map[string]func(context.Context, *scene) error{
		"reserved":   reserved,   // a terminal that has its own blocks of the disk
		"unreserved": unreserved, // one that came too late for that
		"centre":     centre,
	}
}

func main() {
	var p plan
	flag.StringVar(&p.story, "story", "", "only this one: reserved, unreserved, centre")
	flag.DurationVar(&p.full, "for", 15*time.Second, "how long the centre's disk stays full")
	flag.BoolVar(&p.deep, "deep", false, "use up the terminal's own part of the disk too (about a minute)")
	flag.StringVar(&p.dir, "dir", "", "set by full itself, for the process that tells one story")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := errors.Join(os.Setenv("PATH", os.Getenv("PATH")+":/usr/sbin:/sbin"), run(ctx, p)); err != nil {
		fmt.Fprintln(os.Stderr, "full:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, p plan) error {
	if p.dir != "" {
		return tell(ctx, p)
	}
	if os.Getuid() != 0 {
		// A user namespace may mount, but no ext4.
		fmt.Println("full: NOT TESTED: a full disk; mounting a small one needs root")
		return nil
	}
	return all(ctx, p)
}

// all tells the stories at once, each where nobody else sees its disk.
func all(ctx context.Context, p plan) (err error) {
	dir, err := os.MkdirTemp("", "hl")
	if err != nil {
		return err
	}
	defer func() {
		if err == nil {
			err = os.RemoveAll(dir)
			return
		}
		fmt.Fprintln(os.Stderr, "full: files are kept in", dir)
	}()
	if err := stage.Programs(filepath.Join(dir, "bin")).
		Make(ctx, "./cmd/collector", "./cmd/fleet", "./cmd/kiosk"); err != nil {
		return err
	}
	begun := time.Now()
	var (
		told     sync.WaitGroup
		mu       sync.Mutex // guards what follows
		failures []error
		passed   int
	)
	for name := range stories() {
		if p.story != "" && p.story != name {
			continue
		}
		told.Go(func() {
			err := stage.Enter(ctx, stage.Mounts, "-story", name, "-dir", filepath.Join(dir, name),
				"-for", p.full.String(), fmt.Sprintf("-deep=%t", p.deep))
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				passed++
				return
			}
			failures = append(failures, fmt.Errorf("%s: %w", name, err))
		})
	}
	told.Wait()
	fmt.Printf("%d passed, %d failed\nfull: %s\n", passed, len(failures), time.Since(begun).Round(time.Second))
	return errors.Join(failures...)
}

// tell tells one story in this process.
func tell(ctx context.Context, p plan) error {
	do := stories()[p.story]
	if do == nil {
		return fmt.Errorf("there is no story %q", p.story)
	}
	s := &scene{plan: p, tools: stage.Programs(filepath.Join(filepath.Dir(p.dir), "bin"))}
	if err := os.MkdirAll(p.dir, 0o700); err != nil {
		return err
	}
	var err error
	if s.disk, err = newDisk(ctx, p.dir); err != nil {
		return err
	}
	s.ends = append(s.ends, s.disk.close)
	err = do(ctx, s)
	return errors.Join(err, s.end())
}
