package main

import (
	"context"
	"fmt"
	"math"
	"time"

	"hailong/scripts/stage"
)

// Kinds of faults, as they are counted.
const (
	killed = "kills"
	frozen = "stops"
	cut    = "cuts"
	oneWay = "one-way drops"
	lossy  = "losses of 10-30 %"
	slowed = "slow links"
)

// fault is one thing that goes wrong and is mended.
type fault struct {
	kind string
	hit  func(ctx context.Context) error
}

// deck is every fault of a story, shuffled: the same seed deals the same cards.
func (h *house) deck() []fault {
	var cards []fault
	add := func(n int, kind string, hit func(ctx context.Context, i int) error) {
		for i := range n {
			cards = append(cards, fault{kind, func(ctx context.Context) error { return hit(ctx, i) }})
		}
	}
	add(h.kills, killed, func(ctx context.Context, i int) error {
		victim := h.victims[i%len(h.victims)]
		if err := victim.Kill(); err != nil {
			return err
		}
		if err := h.pause(ctx, 0, 300); err != nil {
			return err
		}
		return victim.Start(ctx)
	})
	add(h.stops, frozen, func(ctx context.Context, i int) error {
		victim := h.victims[i%len(h.victims)]
		return h.during(ctx, victim.Freeze, victim.Thaw)
	})
	add(h.cuts, cut, func(ctx context.Context, _ int) error {
		h.link.cut()
		defer h.link.mend()
		return h.pause(ctx, 100, 1000)
	})
	if !h.weathered {
		return h.shuffle(cards)
	}
	add(h.weathers, oneWay, func(ctx context.Context, i int) error {
		return h.dropping(ctx, h.place(i/2), 100, []way{upward, downward}[i%2])
	})
	add(h.weathers, lossy, func(ctx context.Context, i int) error {
		return h.dropping(ctx, h.place(i), 10+h.rng.IntN(21), upward, downward)
	})
	add(h.weathers, slowed, func(ctx context.Context, _ int) error {
		bits := 9600 + h.rng.IntN(54400)
		return h.during(ctx, func() error { return h.weather.slow(ctx, bits) },
			func() error { return h.weather.hurry(ctx) })
	})
	return h.shuffle(cards)
}

func (h *house) shuffle(cards []fault) []fault {
	h.rng.Shuffle(len(cards), func(i, j int) { cards[i], cards[j] = cards[j], cards[i] })
	return cards
}

// place is where the network is hit: between the terminals and the broker, or at the broker, where
// a foreign one has the centre as a client too.
func (h *house) place(i int) string {
	if i%2 == 0 {
		return h.link.addr()
	}
	return h.mqtt
}

func (h *house) dropping(ctx context.Context, where string, percent int, ways ...way) error {
	return h.during(ctx, func() error { return h.weather.drop(ctx, where, percent, ways...) },
		func() error { return h.weather.clear(ctx) })
}

// during keeps a fault up for a while: as often 1 to 2 seconds as 15 to 30 where that is the longest.
func (h *house) during(ctx context.Context, begin, end func() error) error {
	d := float64(time.Second) * math.Pow(h.longest.Seconds(), h.rng.Float64())
	if err := begin(); err != nil {
		return err
	}
	if err := stage.Rest(ctx, time.Duration(d)); err != nil {
		return err
	}
	return end()
}

// play hits and counts until the deck is through.
func (h *house) play(ctx context.Context) error {
	cards := h.deck()
	for i, f := range cards {
		if h.before != nil {
			if err := h.before(ctx); err != nil {
				return err
			}
		}
		if err := h.pause(ctx, 50, 500); err != nil {
			return err
		}
		if err := f.hit(ctx); err != nil {
			return fmt.Errorf("fault %d of %d, %s: %w", i+1, len(cards), f.kind, err)
		}
		h.counts[f.kind]++
	}
	if h.weathered && h.weathers > 0 && h.weather.dropped == 0 {
		return fmt.Errorf("%d rules dropped no packet: the faults hit nothing", 2*h.weathers)
	}
	return nil
}
