package desk

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"hailong/device/devicetest"
	"hailong/sync/wire"
	"hailong/vote"
	"hailong/vote/session"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var errFull = errors.New("no room")

// box is a disk that can be slow and can fail.
type box struct {
	mu      sync.Mutex // guards what follows
	entries []Entry
	delay   time.Duration
	err     error
}

func (b *box) Append(ctx context.Context, e Entry) (uint64, bool, error) {
	b.mu.Lock()
	delay := b.delay
	b.mu.Unlock()
	select {
	case <-time.After(delay):
	case <-ctx.Done():
		return 0, false, ctx.Err()
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for i, old := range b.entries {
		if old.ID == e.ID {
			return uint64(i + 1), false, nil
		}
	}
	if b.err != nil {
		return 0, false, b.err
	}
	b.entries = append(b.entries, e)
	return uint64(len(b.entries)), true, nil
}

func (b *box) set(delay time.Duration, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.delay, b.err = delay, err
}

// records are what the box holds, without the boot event that must be its first.
func (b *box) records(t *testing.T) []vote.Record {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []vote.Record
	for i, e := range b.entries {
		r, err := wire.DecodeRecord(e.Body)
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			if r.Event == nil || r.Event.Code != vote.EventBoot {
				t.Errorf("the first record is a %v, want the boot event", r.Kind())
			}
			continue
		}
		tallied := e.Level != 0
		if tallied != (r.Cast != nil) || tallied && e.Level != r.Cast.Level {
			t.Errorf("record %d is a %v and is tallied as level %d", i+1, r.Kind(), e.Level)
		}
		out = append(out, r)
	}
	return out
}

// terminal is a desk between a fake board and a fake disk.
type terminal struct {
	*testing.T
	*devicetest.Board[session.Event, session.State]
	desk  *Desk
	box   *box
	clock *devicetest.Clock
	log   *bytes.Buffer // read after the desk has ended
	kept  []Kept        // likewise
	start time.Time

	stop context.CancelFunc
	end  chan error
}

// inTerminal runs a story in a bubble, where waiting costs nothing.
func inTerminal(t *testing.T, change func(*Options), story func(*terminal)) {
	synctest.Test(t, func(t *testing.T) {
		wall := time.UnixMilli(1_795_000_000_000)
		x := &terminal{
			T: t, Board: devicetest.NewBoard[session.Event, session.State](), box: &box{},
			clock: devicetest.Going(wall), log: &bytes.Buffer{}, start: time.Now(), end: make(chan error, 1),
		}
		o := Options{
			Survey: vote.Default(), Counter: "3", Officer: "cb-07", Layout: "5-row", Language: vote.Vietnamese,
			Touch: true, Box: x.box, Clock: x.clock, Show: x.Show, Kept: func(k Kept) {
				x.kept = append(x.kept, k)
				for _, s := range x.Shown() {
					if k.Kind == vote.CastKind && s.Phase() == session.Thanked && len(x.kept) == 1 {
						t.Errorf("thanked before %v was told to be kept", k)
					}
				}
			},
			Log: slog.New(slog.NewTextHandler(x.log, nil)),
		}
		if change != nil {
			change(&o)
		}
		x.desk = New(o)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		x.stop = cancel
		go func() { x.end <- x.desk.Run(ctx, x.Inputs()) }()
		x.wait(session.Asking)
		synctest.Wait()
		story(x)
	})
}

func (x *terminal) do(events ...session.Event) {
	x.Helper()
	for _, e := range events {
		if err := x.Do(x.Context(), e); err != nil {
			x.Fatalf("%T: %v", e, err)
		}
		synctest.Wait() // a quick disk has answered before the next finger comes
	}
}

func (x *terminal) wait(p session.Phase) session.State {
	x.Helper()
	ctx, cancel := context.WithTimeout(x.Context(), time.Hour)
	defer cancel()
	s, err := x.Wait(ctx, func(s session.State) bool { return s.Phase() == p })
	if err != nil {
		x.Fatalf("waits for %v: %v", p, err)
	}
	return s
}

// close stops the desk and wants no error.
func (x *terminal) close() {
	x.Helper()
	x.stop()
	if err := <-x.end; err != nil {
		x.Errorf("Run = %v, want nil", err)
	}
}

// pass lets time go by, which a bubble does at once.
func (x *terminal) pass(d time.Duration) { <-time.After(d) }

func (x *terminal) elapsed() time.Duration { return time.Since(x.start) }

func press(l vote.Level) session.Event { return session.Press{Level: l, Channel: vote.Button} }
