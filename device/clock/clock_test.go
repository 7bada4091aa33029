package clock

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// board is a kernel whose boot clock moves with every reading.
type board struct {
	wall, since time.Duration
	steps       []time.Duration // what each reading costs, then nothing
	synced      bool
}

func (b *board) clock() *Clock {
	return &Clock{3, kernel{b.read, func() bool { return b.synced }}}
}

func (b *board) read(id int32) (time.Duration, error) {
	now := b.since
	if id == unix.CLOCK_REALTIME {
		now = b.wall + b.since
	}
	if len(b.steps) > 0 {
		b.since, b.steps = b.since+b.steps[0], b.steps[1:]
	}
	return now, nil
}

func TestSyncedOnlyInPlausibleYears(t *testing.T) {
	for _, c := range []struct {
		wall   string
		kernel bool
		want   bool
	}{
		{"2026-11-25T08:00:00Z", true, true},
		{"2026-11-25T08:00:00Z", false, false},
		{"1970-01-01T00:00:10Z", true, false},
		{"2025-12-31T23:59:59Z", true, false},
		{"2026-01-01T00:00:00Z", true, true},
		{"2100-01-01T00:00:00Z", true, false},
	} {
		wall, err := time.Parse(time.RFC3339, c.wall)
		if err != nil {
			t.Fatal(err)
		}
		b := board{wall: time.Duration(wall.UnixNano()), synced: c.kernel}
		got := b.clock().Now()
		if got.Synced != c.want || got.WallMS != wall.UnixMilli() || got.Boot != 3 {
			t.Errorf("%s, kernel %v: got %+v, want synced %v", c.wall, c.kernel, got, c.want)
		}
	}
}

func TestAnInterruptedPairIsReadAgain(t *testing.T) {
	const slow, fast = 400 * time.Millisecond, 2 * time.Microsecond
	b := board{wall: time.Hour, since: time.Second, steps: []time.Duration{fast, slow, fast, fast, fast, fast}}
	got := b.clock().Now()
	// The first pair is wrong by 200 ms, the second is exact.
	if at := got.WallMS - int64(got.SinceMS); at != time.Hour.Milliseconds() {
		t.Errorf("wall minus since boot is %d ms, want %d", at, time.Hour.Milliseconds())
	}
}

func TestASlowBoardMeetsInTheMiddle(t *testing.T) {
	b := board{wall: time.Hour, steps: slices.Repeat([]time.Duration{40 * time.Millisecond}, 3*tries)}
	got := b.clock().Now()
	if at := got.WallMS - int64(got.SinceMS); at != time.Hour.Milliseconds() {
		t.Errorf("wall minus since boot is %d ms, want %d", at, time.Hour.Milliseconds())
	}
}

func TestThisMachine(t *testing.T) {
	c, err := New(1)
	if err != nil {
		t.Fatal(err)
	}
	before, wall := c.Since(), time.Now()
	got := c.Now()
	if since := time.Duration(got.SinceMS) * time.Millisecond; since < before-time.Millisecond || since > c.Since() {
		t.Errorf("stamp says %v since boot, the clock %v before and %v after", since, before, c.Since())
	}
	if d := time.UnixMilli(got.WallMS).Sub(wall).Abs(); d > time.Minute {
		t.Errorf("stamp is %v off the wall clock", d)
	}
}

func TestBootID(t *testing.T) {
	file := filepath.Join(t.TempDir(), "boot_id")
	if _, err := bootID(file); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: got %v, want fs.ErrNotExist", err)
	}
	for text, want := range map[string]string{"abc-1\n": "abc-1", "\n": ""} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := bootID(file)
		if got != want || (err != nil) != (want == "") {
			t.Errorf("file %q: got %q, %v, want %q", text, got, err, want)
		}
	}
}
