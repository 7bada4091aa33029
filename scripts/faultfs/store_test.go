package faultfs

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"hailong/collector/org"
	"hailong/collector/store"
	"hailong/collector/store/storetest"
	"hailong/sync/wire"
	"hailong/vote"
)

// filed are the records of the batches that a terminal sends.
var filed = [][2]uint64{{1, 4}, {5, 6}}

// centre is the collector's dealings with its store, and what it was promised.
type centre struct {
	*run
	line     *storetest.Line
	batches  []org.Filing
	store    *store.Store
	promised map[string]bool
	down     bool // the process has ended
}

// newCentre is a collector that hears from one terminal.
func newCentre(r *run, l *storetest.Line, batches []org.Filing) *centre {
	return &centre{run: r, line: l, batches: batches, promised: map[string]bool{}}
}

func batches(t *testing.T) (*storetest.Line, []org.Filing) {
	l := storetest.NewLine(t, "quay-01")
	for i := range 6 {
		l.Cast(vote.Level(i%5 + 1))
	}
	var all []org.Filing
	for _, b := range filed {
		all = append(all, l.Filing(wire.NewCodec(), l.Batch(b[0], b[1]), storetest.Noon()))
	}
	return l, all
}

func TestStoreOnAFailingDisk(t *testing.T) {
	l, sent := batches(t)
	step := 1
	if testing.Short() {
		step = 7 // and no multiple of what a commit takes
	}
	every(t, step, func(r *run) func() {
		c := newCentre(r, l, sent)
		c.work()
		c.leave()
		return c.review
	})
}

const alone = "HAILONG_CENTRE" // folder of the store, for a collector that will be killed

// TestCentreToBeKilled is no test but that collector. It closes nothing, so that it ends as kill -9 would end it.
func TestCentreToBeKilled(t *testing.T) {
	folder, ok := os.LookupEnv(alone)
	if !ok {
		t.Skip("is a part of TestStoreKilledAfterAFailedSync")
	}
	l, sent := batches(t)
	c := newCentre(&run{T: t, front: folder, end: stopAndCut}, l, sent)
	c.work()
	for what := range c.promised {
		fmt.Println(promise + what)
	}
}

const promise = "promised: "

// kill lets a collector work in a process of its own until it fails or is done, and hears what it promised.
func (c *centre) kill() {
	cmd := exec.Command(os.Args[0], "-test.run=^TestCentreToBeKilled$")
	cmd.Env = append(os.Environ(), alone+"="+c.front)
	out, err := cmd.Output()
	if err != nil {
		c.wrong("the collector: %v: %s", err, out)
	}
	for line := range strings.Lines(string(out)) {
		if what, ok := strings.CutPrefix(strings.TrimSpace(line), promise); ok {
			c.promised[what] = true
		}
	}
}

// TestStoreKilledAfterAFailedSync fails the n-th sync and kills the collector. The next one finds in the page cache
// what the disk has not, takes every batch, and is killed by a power cut.
func TestStoreKilledAfterAFailedSync(t *testing.T) {
	l, sent := batches(t)
	d := mount(t)
	n, fired := 0, true
	for fired {
		n++
		c := newCentre(&run{T: t, disk: d, what: fmt.Sprintf("n = %d, kill, start and cut", n)}, l, sent)
		c.front, c.back = d.folder(fmt.Sprint(n))
		d.do("arm", int(BadSync), n)
		c.kill()
		_, fired = d.do("heal")
		c.kill()
		if !c.promised["File(2)"] {
			c.wrong("the next collector got no further than %v", c.promised)
		}
		d.do("cut")
		c.guarded("review", c.review)
	}
	t.Logf("%d faults", n-1)
}

// work is the life of a store from its first day.
func (c *centre) work() {
	path := c.at("hl.db")
	c.try("Create()", func(ctx context.Context) error {
		return unless(store.ErrExists, store.Create(ctx, path, false))
	})
	c.try("Open()", func(ctx context.Context) (err error) {
		c.store, err = store.Open(ctx, path)
		return err
	})
	c.try("AddTerminal()", func(ctx context.Context) error {
		return unless(store.ErrExists, c.register(ctx, c.store))
	})
	for i, what := range []string{"File(1)", "File(2)"} {
		c.try(what, func(ctx context.Context) error {
			pos, err := c.store.File(ctx, c.batches[i])
			if last := filed[i][1]; err == nil && (pos.Code != wire.OK || pos.Upto < last) {
				c.wrong("%s = %+v, want all up to %d", what, pos, last)
			}
			return err
		})
	}
}

// leave closes the store.
func (c *centre) leave() {
	if c.store == nil {
		return
	}
	err := c.store.Close()
	_, fired := c.disk.do("heal")
	if err != nil && !fired {
		c.wrong("Close() = %v", err)
	}
}

func unless(fine, err error) error {
	if errors.Is(err, fine) {
		return nil
	}
	return err
}

func (c *centre) register(ctx context.Context, s *store.Store) error {
	return s.AddTerminal(ctx, store.Registration{ID: c.line.ID, Counter: "Quầy 1", Key: c.line.Public(),
		At: storetest.Noon()})
}

// try does something on the failing disk and, in a process that goes on, again in the same store on the healed one.
func (c *centre) try(what string, do func(context.Context) error) {
	var err error
	for range 2 {
		if c.down {
			return
		}
		if err = do(context.Background()); err == nil {
			c.promised[what] = true
			return
		}
		if c.end != goOnAndCut {
			c.down = true
			return
		}
		c.heal()
	}
	c.wrong("%s on the healed disk, in the same process: %v", what, err)
	c.down = true
}

// review opens what is left on the sound disk, asks for every promise, sends everything again and proves the whole.
func (c *centre) review() {
	ctx, path := context.Background(), c.behind("hl.db")
	err := store.Create(ctx, path, false)
	if exists := errors.Is(err, store.ErrExists); !exists && (c.promised["Create()"] || err != nil) {
		c.wrong("Create() again = %v, promised %v", err, c.promised["Create()"])
	}
	s, err := store.Open(ctx, path)
	if err != nil {
		c.wrong("healed, Open() = %v", err)
		return
	}
	defer func() {
		if err := s.Close(); err != nil {
			c.wrong("healed, Close() = %v", err)
		}
	}()
	err = c.register(ctx, s)
	if exists := errors.Is(err, store.ErrExists); c.promised["AddTerminal()"] && !exists || err != nil && !exists {
		c.wrong("AddTerminal() again = %v", err)
	}
	for i, what := range []string{"File(1)", "File(2)"} {
		first, last := filed[i][0], filed[i][1]
		pos, err := s.File(ctx, c.batches[i])
		if err != nil || pos.Code != wire.OK || pos.Upto < last || c.promised[what] && pos.Added != 0 ||
			pos.Added != 0 && pos.Added != int(last+1-first) {
			c.wrong("%s again = %+v, %v; promised %v", what, pos, err, c.promised[what])
		}
	}
	differences, sum, err := s.Verify(ctx, wire.NewCodec(), nil)
	if err != nil || len(differences) > 0 || uint64(sum.Records) != c.line.Len() {
		c.wrong("Verify() = %v, %+v, %v", differences, sum, err)
	}
}
