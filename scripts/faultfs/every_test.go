package faultfs

import (
	"fmt"
	"path/filepath"
	"runtime/debug"
	"sync"
	"testing"
	"time"
)

const (
	patience = time.Minute      // with one life, on a busy machine. Creating a store alone waits 3 s for a sick disk
	slow     = 10 * time.Second // worth telling: somebody waits for nothing
)

// ending is how a program goes on after it failed, and what becomes of the disk.
type ending int

const (
	stopAndCut     ending = iota // it stops, and the power goes
	stopAndRestart               // it stops and starts again; the machine went on
	goOnAndCut                   // it starts again on the healed disk, the machine going on, and later the power goes
	endings
)

func (e ending) String() string {
	return [...]string{"stop and cut", "stop and restart", "go on and cut"}[e]
}

// run is one life with one fault in it. It reports to t and ends no goroutine.
type run struct {
	*testing.T
	disk        *disk
	front, back string
	end         ending
	what        string
}

// wrong tells what was promised and not kept.
func (r *run) wrong(format string, args ...any) {
	r.Helper()
	r.Errorf(r.what+": "+format, args...)
}

func (r *run) heal() { r.disk.do("heal") }

// every fails the n-th operation of a life, for n = 1, 1+step, …, until a life passes untouched, for every kind and
// ending. live leads a life on the failing disk and returns what then looks at the sound one.
func every(t *testing.T, step int, live func(*run) (review func())) {
	for _, k := range []Kind{BadSector, NoSpace, ShortWrite, BadSync, ReadOnly} {
		t.Run(k.String(), func(t *testing.T) {
			t.Parallel()
			var disks [endings]*disk
			for i := range disks {
				disks[i] = mount(t)
			}
			n, fired := 1-step, true
			for fired && !t.Failed() {
				n += step
				fired = lives(t, disks[:], k, n, live)
			}
			t.Logf("%d ways each of %d faults, up to operation %d", endings, (n-1)/step, n-step)
		})
	}
}

// lives leads a life for every ending, side by side, and tells whether any of them met the fault.
func lives(t *testing.T, disks []*disk, k Kind, n int, live func(*run) func()) bool {
	fired := make([]bool, len(disks))
	var all sync.WaitGroup
	for i, d := range disks {
		all.Go(func() {
			r := &run{T: t, disk: d, end: ending(i), what: fmt.Sprintf("n = %d, %s", n, ending(i))}
			r.front, r.back = d.folder(fmt.Sprint(n))
			fired[i] = r.through(k, n, live)
		})
	}
	all.Wait()
	for _, f := range fired {
		if f {
			return true
		}
	}
	return false
}

// through leads one life and tells whether it met the fault.
func (r *run) through(k Kind, n int, live func(*run) func()) bool {
	var review func()
	r.disk.do("arm", int(k), n)
	r.guarded("live", func() { review = live(r) })
	_, fired := r.disk.do("heal")
	if r.end == stopAndRestart {
		r.disk.do("restart")
	} else {
		r.disk.do("cut")
	}
	if !r.Failed() {
		r.guarded("review", review)
	}
	return fired
}

// guarded reports a panic, a hang and a long wait.
func (r *run) guarded(part string, f func()) {
	done := make(chan struct{})
	began := time.Now()
	go func() {
		defer close(done)
		defer func() {
			if p := recover(); p != nil {
				r.wrong("%s panics: %v\n%s", part, p, debug.Stack())
			}
		}()
		f()
	}()
	select {
	case <-done:
	case <-time.After(patience):
		r.wrong("%s hangs", part)
	}
	if d := time.Since(began); d > slow {
		r.Logf("%s: %s took %v", r.what, part, d)
	}
}

func (r *run) at(name string) string     { return filepath.Join(r.front, name) }
func (r *run) behind(name string) string { return filepath.Join(r.back, name) }
