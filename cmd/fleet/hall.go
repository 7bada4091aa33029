package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"hailong/cmd/agent"
	"hailong/cmd/centre"
	"hailong/cmd/console"
	"hailong/cmd/program"
	"hailong/config"
	"hailong/sync/wire"
	"hailong/ui/view"
	"hailong/vote"
	"hailong/vote/desk"
	"hailong/vote/session"
)

type hallCmd struct {
	Dir    string  `required:"" placeholder:"DIR" help:"Folder of the terminals, one folder each."`
	Centre string  `placeholder:"DIR" help:"Data folder of a centre: counters without an identity are registered there."`
	Broker string  `default:"127.0.0.1:1883" placeholder:"HOST:PORT" help:"The broker."`
	Hall   string  `placeholder:"FILE" help:"Counters and their citizens (TOML); the built-in hall has eleven."`
	Speed  float64 `default:"60" help:"How fast the simulated day passes; 1 is a real day. Times in votes are always real."`
	Seed   uint64  `help:"Seed of the citizens; 0 takes a new one and prints it."`
	Log    string  `default:"warn" enum:"debug,info,warn,error" help:"What to log: ${enum}."`
}

// Help teaches.
func (hallCmd) Help() string {
	return `Citizens come as on a working day (07:30–11:30, 13:30–17:00), again and again. On a console, keys 1 to 5
press the first counter, which is then yours alone; its socket takes kiosk press as well.

  fleet hall --dir run --centre run/centre
  fleet hall --dir run --speed 1 --hall my-hall.toml`
}

// Run runs the hall until ctx ends.
func (c *hallCmd) Run(ctx context.Context) error {
	hall, err := c.load()
	if err != nil {
		return err
	}
	if c.Speed <= 0 || c.Speed > 3600 {
		return program.Exit(program.Usage, fmt.Errorf("speed %g: use more than 0, at most 3600", c.Speed))
	}
	if c.Seed == 0 {
		c.Seed = rand.Uint64()
	}
	if err := enrol(ctx, c.Dir, centre.Folder(c.Centre), hall.Counters); err != nil {
		return err
	}
	keys := make(chan session.Event)
	held, err := console.Keys(ctx, keys, vote.Button)
	yours := err == nil
	if yours {
		defer func() { _ = held.Close() }()
		first := hall.Counters[0]
		fmt.Printf("Phím 1–5: bấm %s (%s). Ctrl-C: dừng. / Keys 1–5 press %s, Ctrl-C stops.\n",
			first.Terminal, first.Name, first.Terminal)
	}
	var thanked atomic.Uint64
	terminals, err := c.open(ctx, hall, yours, &thanked)
	if err != nil {
		return err
	}
	fmt.Printf("%d quầy, tốc độ ×%g, hạt giống %d / counters, speed, seed\n", len(terminals), c.Speed, c.Seed)
	return c.live(ctx, hall, terminals, yours, keys, &thanked)
}

func (c *hallCmd) load() (config.Hall, error) {
	if c.Hall == "" {
		return config.SeedHall()
	}
	return config.LoadHall(c.Hall)
}

func (c *hallCmd) open(ctx context.Context, hall config.Hall, yours bool, thanked *atomic.Uint64,
) ([]*terminal, error) {
	codec, log := wire.NewCodec(), program.Logger(c.Log)
	var terminals []*terminal
	for i, counter := range hall.Counters {
		setup := agent.Setup{
			Config: config.KioskDefaults(), Software: "fleet " + version, Codec: codec, Log: log, Reserve: -1,
			Visit: c.waits(), Kept: kept(func(desk.Kept) { thanked.Add(1) }),
		}
		setup.Config.Broker.Address = c.Broker
		if i == 0 && yours { // a person presses this one, at a person's pace
			setup.Visit, setup.Show = session.Waits{}, lines(setup.Config.Screen.Language)
		} else {
			setup.Config.Screen.Touch = true
		}
		t, err := openTerminal(ctx, c.Dir, counter, setup)
		if err != nil {
			for _, t := range terminals {
				err = errors.Join(err, t.Close())
			}
			return nil, err
		}
		terminals = append(terminals, t)
	}
	return terminals, nil
}

// waits are those of a counter, passing as fast as the day does.
func (c *hallCmd) waits() session.Waits {
	w := session.DefaultWaits()
	for _, d := range []*time.Duration{&w.UndoFor, &w.ReasonsFor, &w.AmendFor, &w.ThankFor, &w.LockoutFor} {
		*d = max(time.Duration(float64(*d)/c.Speed), 20*time.Millisecond)
	}
	return w
}

// lines prints what the first counter shows.
func lines(language string) func(session.State) {
	var last string
	return func(s session.State) {
		if text := view.Line(view.Of(s, language)); text != last {
			last = text
			fmt.Println("  │", text)
		}
	}
}

// live runs the terminals and their citizens, and stops them in that order backwards.
func (c *hallCmd) live(ctx context.Context, hall config.Hall, terminals []*terminal, yours bool,
	keys <-chan session.Event, thanked *atomic.Uint64) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var all sync.WaitGroup
	failures := make(chan error, len(terminals))
	for i, t := range terminals {
		all.Go(func() {
			if err := t.Run(ctx); err != nil {
				failures <- fmt.Errorf("%s: %w", t.id, err)
				stop()
			}
		})
		citizens := newCitizens(hall.Counters[i], c.Speed, rand.New(rand.NewPCG(c.Seed, uint64(i))))
		switch {
		case i == 0 && yours:
			all.Go(func() { relay(ctx, keys, t.board) })
		case !hall.Counters[i].Silent:
			all.Go(func() { citizens.come(ctx, t) })
		}
	}
	all.Go(func() { report(ctx, terminals, thanked) })
	all.Wait()
	close(failures)
	var errs []error
	for err := range failures {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

func relay(ctx context.Context, keys <-chan session.Event, b *board) {
	for {
		select {
		case <-ctx.Done():
			return
		case e := <-keys:
			if b.Do(ctx, e) != nil {
				return
			}
		}
	}
}

// reportEvery is often enough to see that the hall lives, seldom enough to read the first counter.
const reportEvery = 30 * time.Second

func report(ctx context.Context, terminals []*terminal, thanked *atomic.Uint64) {
	t := time.NewTicker(reportEvery)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		var waiting uint64
		for _, t := range terminals {
			waiting += t.Pending()
		}
		fmt.Fprintf(os.Stdout, "%s  %d phiếu đã ghi, %d bản ghi chờ gửi / votes kept, records waiting\n",
			time.Now().Format(time.TimeOnly), thanked.Load(), waiting)
	}
}
