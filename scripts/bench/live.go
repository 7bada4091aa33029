package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"hailong/cmd/agent"
	"hailong/scripts/bench/gauge"
	"hailong/scripts/stage"
	"hailong/vote"
)

const (
	// shown is the hall's number of votes today, as the page has it.
	shown = `document.querySelector("#b-today .lead strong")?.textContent.replace(/\D/g, "")`
	// watching says the number and the moment whenever it changes.
	watching = `(() => { let last = ""; new MutationObserver(() => { const n = ` + shown + `;
		if (n && n !== last) { last = n; say(n + " " + (performance.timeOrigin + performance.now())); }
	}).observe(document.body, {subtree: true, childList: true, characterData: true}); })()`
)

// page is a live page that somebody looks at.
type page struct {
	*browser
	seen int // the number shown last
}

// look signs a browser in and waits for the page.
func look(ctx context.Context, r *gauge.Road, profile string) (*page, error) {
	link, err := r.SignIn(ctx)
	if err != nil {
		return nil, err
	}
	b, err := openBrowser(ctx, profile)
	if err != nil {
		return nil, err
	}
	p := &page{browser: b}
	if err := b.open(ctx, link); err != nil {
		return nil, err
	}
	for _, step := range []struct{ what, ready, do string }{
		{"sign-in page", `document.querySelector("button.go") !== null`, `document.querySelector("button.go").click()`},
		{"live page", shown + ` !== undefined`, watching},
	} {
		err := gauge.Until(ctx, step.what, 50*time.Millisecond, time.Minute, func() (bool, error) {
			is, err := b.ask(ctx, step.ready)
			return is == "true", err
		})
		if err != nil {
			return nil, err
		}
		if _, err := b.ask(ctx, step.do); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// until waits until a number is shown and returns when it was, by the browser's clock, which is ours.
func (p *page) until(ctx context.Context, n int) (time.Time, error) {
	late := time.NewTimer(time.Minute)
	defer late.Stop()
	for {
		select {
		case said := <-p.said:
			number, at, _ := strings.Cut(said, " ")
			seen, err := strconv.Atoi(number)
			ms, err2 := strconv.ParseFloat(at, 64)
			if err := errors.Join(err, err2); err != nil {
				return time.Time{}, err
			}
			if p.seen = seen; seen >= n {
				return time.UnixMicro(int64(ms * 1000)), nil
			}
		case <-late.C:
			return time.Time{}, fmt.Errorf("the page shows %d votes, not %d", p.seen, n)
		case <-ctx.Done():
			return time.Time{}, ctx.Err()
		}
	}
}

// measureLive presses a terminal and looks at the live page in a browser.
func measureLive(ctx context.Context, b *bench) error {
	r, err := b.road(ctx, "l", 0)
	if err != nil {
		return err
	}
	if err := errors.Join(r.StartCentre(ctx), r.StartKiosk(ctx)); err != nil {
		return err
	}
	p, err := look(ctx, r, filepath.Join(b.dir, "chromium"))
	if err != nil {
		return err
	}
	// The page has just been sent, and is not sent again within a second.
	if err := stage.Rest(ctx, 2*time.Second); err != nil {
		return err
	}
	pressed := 0
	for _, pace := range []struct {
		name        string
		least, most time.Duration
		aim         *aim
	}{
		{"a visitor every 1 to 4 s", time.Second, 4 * time.Second, most(1)},
		{"a rush, a visitor every 50 to 500 ms", 50 * time.Millisecond, 500 * time.Millisecond, nil},
	} {
		took, err := b.watch(ctx, r, p, &pressed, pace.least, pace.most)
		if err != nil {
			return err
		}
		for _, q := range []float64{0.5, 0.95} {
			goal := pace.aim
			if q != 0.95 {
				goal = nil
			}
			b.note(gauge.Quantile(took, q).Seconds(), "s", goal, "press → live page in Chromium, %s, p%.0f of %d",
				pace.name, 100*q, len(took))
		}
	}
	return errors.Join(p.close(ctx), r.Close())
}

// watch presses at a pace and notes when the page had each.
func (b *bench) watch(ctx context.Context, r *gauge.Road, p *page, pressed *int, least, most time.Duration,
) ([]time.Duration, error) {
	client, first := r.Client(), *pressed
	begun := make(chan time.Time, b.looks)
	failed := make(chan error, 1)
	go func() {
		defer close(begun)
		for i := range b.looks {
			at := time.Now()
			if _, err := client.Press(ctx, agent.Ballot{Level: vote.Level(i%5 + 1)}); err != nil {
				failed <- err
				return
			}
			begun <- at
			if stage.Rest(ctx, least+rand.N(most-least)) != nil {
				return
			}
		}
	}()
	var took []time.Duration
	shownAt := time.Time{}
	for at := range begun {
		*pressed++
		if p.seen < *pressed {
			var err error
			if shownAt, err = p.until(ctx, *pressed); err != nil {
				return nil, err
			}
		}
		took = append(took, shownAt.Sub(at))
	}
	select {
	case err := <-failed:
		return nil, err
	default:
	}
	if len(took) != *pressed-first {
		return nil, fmt.Errorf("%d presses were seen of %d", len(took), *pressed-first)
	}
	return took, nil
}
