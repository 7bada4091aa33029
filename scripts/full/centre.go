package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"hailong/scripts/stage"
)

// centre fills the disk of a collector while five terminals vote. They keep their votes and wait; once
// there is room, all arrive.
func centre(ctx context.Context, s *scene) error {
	c, err := stage.NewCentre(ctx, s.tools, s.dir, filepath.Join(s.disk.dir, "centre"), "")
	if err != nil {
		return err
	}
	load := func(votes int) []string {
		return []string{"load", "--dir", filepath.Join(s.dir, "load"), "--centre", c.Data, "--broker", c.Broker,
			"--terminals", "5", "--votes", fmt.Sprint(votes), "--pause", "15ms", "--drain", "1m", "--log", "info"}
	}
	fleet := stage.New(s.tools.Path("fleet"), filepath.Join(s.dir, "fleet.log"), load(1_000_000_000)...)
	if err := s.start(ctx, c.Process); err != nil {
		return err
	}
	if err := within(ctx, back, func() error { return ready(ctx, c) }); err != nil {
		return err
	}
	if err := s.start(ctx, fleet); err != nil {
		return err
	}
	if err := within(ctx, back, func() error { return s.voted(500) }); err != nil {
		return err
	}
	if err := s.whileFull(ctx, c, fleet); err != nil {
		return err
	}
	if err := s.disk.free(); err != nil {
		return err
	}
	freed := time.Now()
	if err := within(ctx, back, func() error { return ready(ctx, c) }); err != nil {
		return err
	}
	s.say("ready again %s after the disk had room", time.Since(freed).Round(time.Second/10))
	// The fleet that comes now wants no more votes: it sends what waits, and compares.
	if err := fleet.Kill(); err != nil {
		return err
	}
	fleet.Args(load(0)...)
	if err := fleet.Start(ctx); err != nil {
		return err
	}
	err = fleet.Wait(ctx)
	lines := strings.Split(strings.TrimSpace(fleet.Tail()), "\n")
	s.say("%s", lines[len(lines)-1])
	if err != nil {
		return fmt.Errorf("fleet: %w\n%s", err, fleet.Tail())
	}
	if err := c.Alive(); err != nil {
		return err
	}
	log, err := os.ReadFile(filepath.Join(s.dir, "collector.log"))
	if err != nil {
		return err
	}
	busy := bytes.Count(log, []byte("msg=ingest.busy"))
	s.say("%d messages were answered with busy; the embedded broker was restarted %d times by the collector",
		busy, bytes.Count(log, []byte("msg=broker.restarted")))
	if busy == 0 {
		return errors.New("no terminal was told that the centre is busy")
	}
	said, err := c.Verify(ctx)
	s.say("%s", strings.TrimSpace(said))
	return err
}

// whileFull keeps the disk full and lets the terminals connect again and again, which the embedded
// broker has to write down. It proves that the centre says what is wrong while the terminals go on.
func (s *scene) whileFull(ctx context.Context, c *stage.Centre, fleet *stage.Process) error {
	before, err := s.votes()
	if err != nil {
		return err
	}
	var said error
	for until := time.Now().Add(s.full); time.Now().Before(until); {
		if err := s.disk.keepFull(ctx, time.Second); err != nil {
			return err
		}
		if err := ready(ctx, c); err != nil {
			said = err
		}
		if err := fleet.Kill(); err != nil {
			return err
		}
		if err := fleet.Start(ctx); err != nil {
			return err
		}
	}
	if said == nil {
		return errors.New("the disk was full and /readyz said that all is well")
	}
	s.say("%v", said)
	after, err := s.votes()
	if err != nil {
		return err
	}
	s.say("%d votes thanked for while the centre could file none", after-before)
	if after == before {
		return errors.New("the terminals took no votes while the centre's disk was full")
	}
	return errors.Join(c.Alive(), fleet.Alive())
}

// votes is how many thanks the fleet has noted.
func (s *scene) votes() (n int, err error) {
	files, err := filepath.Glob(filepath.Join(s.dir, "load", "*", "thanked"))
	for _, f := range files {
		raw, err := os.ReadFile(f)
		if err != nil {
			return 0, err
		}
		n += bytes.Count(raw, []byte("\n"))
	}
	return n, err
}

func (s *scene) voted(least int) error {
	n, err := s.votes()
	if err == nil && n < least {
		err = fmt.Errorf("%d of %d votes so far", n, least)
	}
	return err
}

// ready asks the centre whether it can do its work.
func ready(ctx context.Context, c *stage.Centre) error {
	ask, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+c.Web+"/readyz", nil)
	if err != nil {
		return err
	}
	answer, err := http.DefaultClient.Do(ask)
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("/readyz answers %d: %s", answer.StatusCode, bytes.TrimSpace(body))
	}
	return err
}
