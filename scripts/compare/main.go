// Command compare drives this house and what others would use in its place over the same road, on the same
// machine, in the same run: votes in at a terminal, votes out on a disk at the centre. The peers come from
// Debian's packages and from registries, into a folder of the run; nothing of them is part of the house.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"hailong/scripts/compare/peers"
)

// compare is what to compare and what came out.
type compare struct {
	votes, window          int
	limit                  time.Duration
	only, scenes           string
	tools, json, svg, from string

	dir     string // of this run
	results []result
}

func (c *compare) flags() {
	flag.IntVar(&c.votes, "votes", 20_000, "votes; slow peers get a share, which the table tells")
	flag.IntVar(&c.window, "window", 256, "votes that are pressed and not yet answered")
	flag.DurationVar(&c.limit, "limit", time.Minute, "when a run is cut off")
	flag.StringVar(&c.only, "only", "", "only these, with commas: ours,bridge,wide,queue,telegraf,nodered")
	flag.StringVar(&c.scenes, "scenes", "", "only these, with commas: calm,waiting,faults")
	flag.StringVar(&c.tools, "tools", "", "folder that keeps the peers' programs for the next run; empty keeps none")
	flag.StringVar(&c.json, "json", "", "a file for the results")
	flag.StringVar(&c.svg, "svg", "", "a file for the plot")
	flag.StringVar(&c.from, "from", "", "draw the plot from the results of an earlier run, and run nothing")
	flag.Parse()
}

func main() {
	// Where Debian keeps mosquitto.
	if err := os.Setenv("PATH", os.Getenv("PATH")+":/usr/sbin"); err != nil {
		panic(err)
	}
	var c compare
	c.flags()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := c.run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "compare:", err)
		os.Exit(1)
	}
}

func (c *compare) run(ctx context.Context) (err error) {
	if c.from != "" {
		return c.draw()
	}
	if c.dir, err = os.MkdirTemp("", "hl"); err != nil {
		return err
	}
	defer func() {
		if err == nil {
			err = os.RemoveAll(c.dir)
			return
		}
		fmt.Fprintln(os.Stderr, "compare: files are kept in", c.dir)
	}()
	// PostgreSQL runs as a user of its own and must get to its folder.
	if err := os.Chmod(c.dir, 0o711); err != nil {
		return err
	}
	if c.tools == "" {
		c.tools = c.dir
	}
	kit := peers.Kit{Dir: c.dir, Tools: c.tools}
	all, err := kit.Prepare(ctx, func(key string) bool { return wanted(c.only, key) })
	if err != nil {
		return err
	}
	for _, scene := range scenes() {
		for _, p := range all {
			if !wanted(c.scenes, scene.name) {
				continue
			}
			if err := c.play(ctx, scene, p); err != nil {
				return fmt.Errorf("%s, %s: %w", p.Name, scene.name, err)
			}
		}
	}
	fmt.Printf("\n%s, %d cores\n\n%s\n", runtime.GOARCH, runtime.NumCPU(), c.table())
	for _, a := range kit.Absent {
		fmt.Println("not compared:", a)
	}
	return errors.Join(c.save(), c.plot())
}

// wanted tells whether a list names something; an empty list names everything.
func wanted(list, name string) bool {
	return list == "" || slices.Contains(strings.Split(list, ","), name)
}

func (c *compare) save() error {
	if c.json == "" {
		return nil
	}
	raw, err := json.MarshalIndent(c.results, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(c.json, append(raw, '\n'), 0o644)
}

func (c *compare) plot() error {
	if c.svg == "" {
		return nil
	}
	return os.WriteFile(c.svg, []byte(draw(c.results)), 0o644)
}

func (c *compare) draw() error {
	raw, err := os.ReadFile(c.from)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(raw, &c.results); err != nil {
		return fmt.Errorf("%s: %w", c.from, err)
	}
	fmt.Println(c.table())
	return c.plot()
}
