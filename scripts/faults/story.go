package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"time"

	"hailong/scripts/stage"
)

const (
	// countsFile holds a story's counts for the process that adds them up.
	countsFile = "counts.json"
	// tryWeather is no story: it only tries whether the network can be spoilt.
	tryWeather = "try-weather"
)

// story is one thing to prove.
type story struct {
	name string
	tell func(context.Context, *house) error
}

func stories() []story {
	return []story{
		{"embedded", embedded}, // agents and collector hit, on the embedded broker
		{"mosquitto", foreign}, // and the broker too, which is another program's
		{"presses", presses},   // repeated by id until kept, agent and collector killed
		{"control", control},   // the same without the wait for the receipt: it must lose
		{"half-open", halfOpen},
	}
}

func names() (list []string) {
	for _, s := range stories() {
		list = append(list, s.name)
	}
	return list
}

// tellOne tells one story in this process.
func tellOne(ctx context.Context, p plan) error {
	if p.story == tryWeather {
		return new(weather).try(ctx)
	}
	nth := slices.Index(names(), p.story)
	if nth < 0 {
		return fmt.Errorf("there is no such story")
	}
	dice := nth
	if p.story == "control" {
		dice = slices.Index(names(), "presses") // the same kills
	}
	h := &house{plan: p, name: p.story, tools: stage.Programs(filepath.Join(filepath.Dir(p.dir), "bin")),
		rng: rand.New(rand.NewPCG(p.seed, uint64(dice))), counts: map[string]int{}}
	if err := os.MkdirAll(h.dir, 0o700); err != nil {
		return err
	}
	if p.weathered {
		if err := h.weather.calm(ctx); err != nil {
			return err
		}
	}
	err := stories()[nth].tell(ctx, h)
	if err = errors.Join(err, h.stop()); err != nil {
		return err
	}
	if h.weather.dropped > 0 {
		h.counts["packets dropped"] = h.weather.dropped
	}
	raw, err := json.Marshal(h.counts)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(h.dir, countsFile), raw, 0o600)
}

// terminals are those of a load.
const terminals = 5

// open opens the centre, on the embedded broker or on another one, and lets terminals vote.
func (h *house) open(ctx context.Context, broker string, terminals int) error {
	if err := h.centre(ctx, broker); err != nil {
		return err
	}
	if err := h.connect(); err != nil {
		return err
	}
	return h.load(ctx, terminals)
}

// embedded hits the fleet (all its agents at once), the collector with its broker, and the links.
func embedded(ctx context.Context, h *house) error {
	if err := h.open(ctx, "", terminals); err != nil {
		return err
	}
	h.victims = []*stage.Process{h.fleet, h.collector.Process}
	if err := h.play(ctx); err != nil {
		return err
	}
	return h.finish(ctx, terminals)
}

// foreign hits mosquitto as well, and the centre's link to it.
func foreign(ctx context.Context, h *house) error {
	if err := h.mosquitto(ctx); err != nil {
		return err
	}
	if err := h.open(ctx, h.mqtt, terminals); err != nil {
		return err
	}
	h.victims = []*stage.Process{h.broker, h.fleet, h.collector.Process}
	if err := h.play(ctx); err != nil {
		return err
	}
	return h.finish(ctx, terminals)
}

// halfOpen silences a link while votes go on and waits for a new connection.
func halfOpen(ctx context.Context, h *house) error {
	const most = 30 * time.Second
	if err := h.open(ctx, "", 1); err != nil {
		return err
	}
	if err := h.pause(ctx, 300, 400); err != nil {
		return err
	}
	h.link.silence()
	silent := time.Now()
	timeout := time.NewTimer(2 * most)
	defer timeout.Stop()
	select {
	case <-h.link.accepted:
	case <-timeout.C:
	case <-ctx.Done():
		return ctx.Err()
	}
	took := time.Since(silent)
	h.say("noticed after %s", took.Round(100*time.Millisecond))
	if took > most {
		return fmt.Errorf("noticed after %s, want at most %s", took, most)
	}
	h.counts["half-open links"]++
	return h.finish(ctx, 1)
}
