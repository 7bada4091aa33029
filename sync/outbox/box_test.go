package outbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"hailong/sync/outbox/layout"
	"hailong/sync/seal"
	"hailong/vote"
)

const me = vote.TerminalID("quay-01")

var monday = time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)

// small needs no disk of its own.
func small() Options { return Options{Terminal: me, Reserve: -1} }

func openBox(t testing.TB, path string, o Options) *Box {
	t.Helper()
	b, err := Open(path, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	return b
}

func fresh(t testing.TB) (*Box, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "outbox.db")
	return openBox(t, path, small()), path
}

func reopen(t testing.TB, b *Box, path string) *Box {
	t.Helper()
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	return openBox(t, path, small())
}

// press is a body of 80 bytes.
func press(n int) []byte { return fmt.Appendf(nil, "%080d", n) }

func add(t testing.TB, b *Box, n int) {
	t.Helper()
	for i := range n {
		n := int(b.State().Next)
		e := Entry{ID: fmt.Sprintf("%026d", n), Level: vote.Level(i%5 + 1), Body: press(n)}
		if _, err := b.Append(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
}

// all reads everything kept and proves the chain on the way.
func all(t testing.TB, b *Box) [][]byte {
	t.Helper()
	s := b.State()
	head, bodies := s.Before, [][]byte{}
	records, size := 100, 5000
	if s.Next-s.Oldest > 5000 { // each look below the watermark walks from the oldest record
		records, size = 1<<20, 1<<30
	}
	for seq := s.Oldest; ; {
		run, err := b.Look(seq, records, size)
		if err != nil {
			t.Fatal(err)
		}
		if len(run.Bodies) == 0 {
			break
		}
		if run.First != seq || run.Prev != head {
			t.Fatalf("run at %d begins at %d, after %s, want %s", seq, run.First, run.Prev, head)
		}
		for _, body := range run.Bodies {
			head = head.Next(seq, seal.Of(body))
			bodies = append(bodies, body)
			seq++
		}
		if run.Head != head {
			t.Fatalf("run ends in %s at %d, want %s", run.Head, seq-1, head)
		}
	}
	if head != s.Head || uint64(len(bodies)) != s.Next-s.Oldest {
		t.Fatalf("walked %d records to %s, want %d to %s", len(bodies), head, s.Next-s.Oldest, s.Head)
	}
	return bodies
}

// headAt is the chain after a record.
func headAt(t testing.TB, b *Box, seq uint64) seal.Head {
	t.Helper()
	run, err := b.Look(seq, 1, 0)
	if err != nil || len(run.Bodies) != 1 {
		t.Fatalf("look at %d: %d bodies, %v", seq, len(run.Bodies), err)
	}
	return run.Head
}

func receipt(t testing.TB, b *Box, upto uint64, at time.Time) {
	t.Helper()
	if err := b.Receipted(t.Context(), upto, headAt(t, b, upto), at); err != nil {
		t.Fatal(err)
	}
}

func TestPressesGoInAndComeOutInOrder(t *testing.T) {
	b, _ := fresh(t)
	if run, err := b.Look(1, 10, 1000); err != nil || len(run.Bodies) != 0 {
		t.Errorf("look into an empty box: %v, %v", run, err)
	}
	s := b.State()
	if s.Head != seal.Start(string(me), s.Epoch) || s.Next != 1 || s.Oldest != 1 || s.Pending() != 0 {
		t.Errorf("a new box is %+v", s)
	}
	add(t, b, 12)
	select {
	case <-b.More():
	default:
		t.Error("nobody was told of new records")
	}
	got := all(t, b)
	for i, body := range got {
		if !bytes.Equal(body, press(i+1)) {
			t.Errorf("record %d is %s", i+1, body)
		}
	}
	if s := b.State(); s.Tally != [5]uint64{3, 3, 2, 2, 2} || s.Pending() != 12 {
		t.Errorf("tally %v, pending %d", s.Tally, s.Pending())
	}
	run, err := b.Look(3, 4, 1<<20)
	if err != nil || len(run.Bodies) != 4 || run.Tally != [5]uint64{2, 1, 1, 1, 1} {
		t.Errorf("look at 3: %d bodies, tally %v, %v", len(run.Bodies), run.Tally, err)
	}
	if run, _ := b.Look(3, 4, 160); len(run.Bodies) != 2 {
		t.Errorf("look for 160 bytes: %d bodies, want 2", len(run.Bodies))
	}
}

func TestReceiptsMoveTheLineAndAWeekLaterItIsForgotten(t *testing.T) {
	b, path := fresh(t)
	add(t, b, 10)
	receipt(t, b, 6, monday)
	add(t, b, 2)
	receipt(t, b, 8, monday.Add(30*time.Minute)) // within the hour: no mark of its own
	if err := b.Receipted(t.Context(), 3, headAt(t, b, 3), monday); err != nil {
		t.Errorf("an old receipt: %v", err)
	}
	if s := b.State(); s.Upto != 8 || s.Oldest != 1 || s.UptoHead != headAt(t, b, 8) {
		t.Errorf("after receipts: %+v", s)
	}
	want := b.State()
	b = reopen(t, b, path)
	if got := b.State(); got != want {
		t.Errorf("reopened: %+v, want %+v", got, want)
	}
	receipt(t, b, 8, monday.Add(KeepFor))
	if s := b.State(); s.Oldest != 1 {
		t.Errorf("a week to the minute: oldest is %d, want 1", s.Oldest)
	}
	before := headAt(t, b, 6)
	receipt(t, b, 8, monday.Add(KeepFor+time.Second))
	if s := b.State(); s.Oldest != 7 || s.Before != before {
		t.Errorf("after a week: oldest %d after %s, want 7 after %s", s.Oldest, s.Before, before)
	}
	if _, err := b.Look(6, 1, 1); !errors.Is(err, ErrGone) {
		t.Errorf("look at the forgotten: %v", err)
	}
	if _, err := b.Look(0, 1, 1); !errors.Is(err, ErrGone) {
		t.Errorf("look at record 0: %v", err)
	}
	if err := b.Receipted(t.Context(), 2, seal.Head{}, monday); err != nil {
		t.Errorf("a receipt older than everything kept: %v", err)
	}
	if got := all(t, b); len(got) != 6 || !bytes.Equal(got[0], press(7)) {
		t.Errorf("kept %d from %s", len(got), got[0])
	}
	if run, err := b.Look(8, 1, 1); err != nil || run.Tally != [5]uint64{2, 2, 2, 1, 1} {
		t.Errorf("tally as of 8 is %v, %v", run.Tally, err)
	}
}

func TestSeqSurvivesEverythingForgotten(t *testing.T) {
	b, path := fresh(t)
	add(t, b, 5)
	receipt(t, b, 5, monday)
	if err := b.Receipted(t.Context(), 5, b.State().Head, monday.Add(KeepFor+time.Hour)); err != nil {
		t.Fatal(err)
	}
	want := b.State()
	if want.Oldest != 6 || want.Next != 6 || len(all(t, b)) != 0 {
		t.Fatalf("not everything is forgotten: %+v", want)
	}
	b = reopen(t, b, path)
	p, err := b.Append(t.Context(), Entry{Body: press(6)})
	if err != nil || p != (Placed{6, true}) {
		t.Errorf("the next record is %+v, %v, want 6", p, err)
	}
	if s := b.State(); s.Head != want.Head.Next(6, seal.Of(press(6))) || s.Epoch != want.Epoch {
		t.Errorf("the chain did not go on: %+v", s)
	}
}

func TestAPressIDIsHarmlessAsLongAsItsRecord(t *testing.T) {
	b, path := fresh(t)
	e := Entry{ID: "a", Level: 5, Body: press(1)}
	for i, want := range []Placed{{1, true}, {1, false}} {
		if got, err := b.Append(t.Context(), e); err != nil || got != want {
			t.Errorf("append %d: %+v, %v, want %+v", i, got, err, want)
		}
	}
	b = reopen(t, b, path)
	if got, err := b.Append(t.Context(), e); err != nil || got != (Placed{1, false}) || b.State().Next != 2 {
		t.Errorf("append after a restart: %+v, %v", got, err)
	}
	receipt(t, b, 1, monday)
	if err := b.Receipted(t.Context(), 1, b.State().Head, monday.Add(8*24*time.Hour)); err != nil {
		t.Fatal(err)
	}
	if got, err := b.Append(t.Context(), e); err != nil || got != (Placed{2, true}) {
		t.Errorf("append after the record is forgotten: %+v, %v", got, err)
	}
}

func TestAWrongReceiptForgetsNothing(t *testing.T) {
	b, _ := fresh(t)
	add(t, b, 4)
	want := b.State()
	ctx, late := t.Context(), monday.Add(1000*time.Hour)
	for what, err := range map[string]error{
		"another head":     b.Receipted(ctx, 3, headAt(t, b, 2), late),
		"a record to come": b.Receipted(ctx, 5, want.Head, late),
		"a rewind upwards": b.Rewind(ctx, 2, headAt(t, b, 2)),
		"a rewind astray":  b.Rewind(ctx, 9, want.Head),
	} {
		if !errors.Is(err, ErrMismatch) {
			t.Errorf("%s: %v, want ErrMismatch", what, err)
		}
	}
	if got := b.State(); got != want {
		t.Errorf("state is %+v, want %+v", got, want)
	}
	// A collector whose clock is not set proves no age.
	receipt(t, b, 4, time.Unix(0, 0).Add(2*time.Hour))
	receipt(t, b, 4, time.Unix(0, 0).Add(10*KeepFor))
	if s := b.State(); s.Oldest != 1 || s.Upto != 4 {
		t.Errorf("receipts of 1970: %+v", s)
	}
}

func TestARestoredCollectorGetsAWeekBack(t *testing.T) {
	b, path := fresh(t)
	add(t, b, 10)
	receipt(t, b, 3, monday)
	receipt(t, b, 8, monday.Add(2*time.Hour))
	if err := b.Rewind(t.Context(), 2, headAt(t, b, 1)); !errors.Is(err, ErrMismatch) {
		t.Errorf("rewind with another head: %v", err)
	}
	start := seal.Start(string(me), b.State().Epoch)
	if err := b.Rewind(t.Context(), 0, start); err != nil {
		t.Fatal(err)
	}
	b = reopen(t, b, path)
	if s := b.State(); s.Upto != 0 || s.UptoHead != start || s.Pending() != 10 {
		t.Errorf("rewound: %+v", s)
	}
	// What was receipted before the rewind does not count: the collector lost it.
	receipt(t, b, 8, monday.Add(KeepFor))
	receipt(t, b, 8, monday.Add(KeepFor+5*time.Hour))
	if s := b.State(); s.Oldest != 1 {
		t.Errorf("forgot up to %d on the strength of a receipt taken back", s.Oldest-1)
	}
	receipt(t, b, 8, monday.Add(2*KeepFor+5*time.Hour))
	if s := b.State(); s.Oldest != 9 {
		t.Errorf("oldest is %d, want 9", s.Oldest)
	}
	if err := b.Rewind(t.Context(), 3, seal.Head{}); !errors.Is(err, ErrGone) {
		t.Errorf("rewind to the forgotten: %v", err)
	}
}

func TestACollectorClockSetBackKeepsAWeekFromThen(t *testing.T) {
	b, _ := fresh(t)
	add(t, b, 3)
	year := 365 * 24 * time.Hour
	receipt(t, b, 2, monday.Add(year)) // a clock a year ahead
	receipt(t, b, 3, monday)
	receipt(t, b, 3, monday.Add(KeepFor))
	if s := b.State(); s.Oldest != 1 {
		t.Errorf("oldest is %d, want 1", s.Oldest)
	}
	receipt(t, b, 3, monday.Add(KeepFor+time.Second))
	if s := b.State(); s.Oldest != 4 {
		t.Errorf("oldest is %d, want 4: a mark of next year holds everything", s.Oldest)
	}
}

func TestForgettingIsBounded(t *testing.T) {
	b, _ := fresh(t)
	crowd(t, b, forgetAtOnce+500)
	receipt(t, b, b.State().Next-1, monday)
	for _, want := range []uint64{forgetAtOnce + 1, forgetAtOnce + 501} {
		if err := b.Receipted(t.Context(), b.State().Upto, b.State().UptoHead, monday.Add(2*KeepFor)); err != nil {
			t.Fatal(err)
		}
		if s := b.State(); s.Oldest != want {
			t.Errorf("oldest is %d, want %d", s.Oldest, want)
		}
	}
	err := b.db.View(func(tx *bbolt.Tx) error {
		for _, name := range [][]byte{[]byte(layout.Records), []byte(layout.IDs)} {
			if k, _ := tx.Bucket(name).Cursor().First(); k != nil {
				t.Errorf("%s still holds %x", name, k)
			}
		}
		if m := layout.ReadMarks(tx); len(m) != 0 {
			t.Errorf("marks %v are left", m)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// crowd appends n records, many at once.
func crowd(t testing.TB, b *Box, n int) []Placed { return crowdFrom(t, b, 0, n) }

func crowdFrom(t testing.TB, b *Box, first, n int) []Placed {
	t.Helper()
	placed := make([]Placed, n)
	var wait sync.WaitGroup
	for w := range 100 {
		wait.Go(func() {
			for i := w; i < n; i += 100 {
				var err error
				id := fmt.Sprintf("%012d-%013d", i*7919%n, first+i)
				e := Entry{ID: id, Level: vote.Level(i%5 + 1), Body: press(i)}
				if placed[i], err = b.Append(t.Context(), e); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wait.Wait()
	return placed
}

func TestAHundredPressersGetAHundredPlaces(t *testing.T) {
	b, _ := fresh(t)
	seqs := map[uint64]int{}
	for i, p := range crowd(t, b, 1000) {
		if old, taken := seqs[p.Seq]; taken || !p.Fresh || p.Seq < 1 || p.Seq > 1000 {
			t.Errorf("press %d is at %d, fresh %v; press %d has it: %v", i, p.Seq, p.Fresh, old, taken)
		}
		seqs[p.Seq] = i
	}
	for i, body := range all(t, b) {
		if want := press(seqs[uint64(i+1)]); !bytes.Equal(body, want) {
			t.Errorf("record %d is %s, want %s", i+1, body, want)
		}
	}
	if s := b.State(); s.Tally != [5]uint64{200, 200, 200, 200, 200} || s.Before != seal.Start(string(me), s.Epoch) {
		t.Errorf("tally %v", s.Tally)
	}
}

func TestBootsAreCounted(t *testing.T) {
	b, path := fresh(t)
	for _, c := range []struct {
		id   string
		want uint32
	}{{"one", 1}, {"one", 1}, {"two", 2}, {"one", 3}} {
		if n, err := b.Boot(t.Context(), c.id); err != nil || n != c.want {
			t.Errorf("boot %s is %d, %v, want %d", c.id, n, err, c.want)
		}
		b = reopen(t, b, path)
	}
	if _, err := b.Boot(t.Context(), ""); !errors.Is(err, ErrEntry) {
		t.Errorf("boot without an id: %v", err)
	}
}

func TestEntriesThatCanNeverBeStored(t *testing.T) {
	b, _ := fresh(t)
	for what, e := range map[string]Entry{
		"no body": {}, "large body": {Body: make([]byte, seal.MaxBody+1)},
		"long id": {ID: strings.Repeat("x", layout.MaxID+1), Body: press(1)}, "level 6": {Level: 6, Body: press(1)},
	} {
		if _, err := b.Append(t.Context(), e); !errors.Is(err, ErrEntry) {
			t.Errorf("%s: %v, want ErrEntry", what, err)
		}
	}
	e := Entry{ID: strings.Repeat("x", layout.MaxID), Level: 1, Body: make([]byte, seal.MaxBody)}
	if _, err := b.Append(t.Context(), e); err != nil {
		t.Errorf("the largest entry: %v", err)
	}
	if run, err := b.Look(1, 0, 0); err != nil || len(run.Bodies) != 1 {
		t.Errorf("look at the largest: %d bodies, %v", len(run.Bodies), err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := b.Append(ctx, Entry{Body: press(1)}); !errors.Is(err, context.Canceled) || b.State().Next != 2 {
		t.Errorf("append after its ctx ended: %v", err)
	}
}

func TestAClosedBoxSaysSo(t *testing.T) {
	b, _ := fresh(t)
	add(t, b, 1)
	if err := errors.Join(b.Close(), b.Close()); err != nil {
		t.Fatal(err)
	}
	_, appended := b.Append(t.Context(), Entry{Body: press(1)})
	_, looked := b.Look(1, 1, 1)
	for _, err := range []error{appended, looked, b.Receipted(t.Context(), 1, b.State().Head, monday)} {
		if !errors.Is(err, ErrClosed) {
			t.Errorf("got %v, want ErrClosed", err)
		}
	}
}

func TestFullBoxRefusesAndCanStillForget(t *testing.T) {
	o := small()
	o.MaxSize = 1 << 20
	b := openBox(t, filepath.Join(t.TempDir(), "outbox.db"), o)
	var err error
	for err == nil {
		_, err = b.Append(t.Context(), Entry{ID: fmt.Sprint(b.State().Next), Body: press(1)})
	}
	if s := b.State(); !errors.Is(err, ErrFull) || s.FileSize < 1<<20 || s.FileSize > 1<<20+1<<16 || b.Err() != nil {
		t.Fatalf("a box of 1 MB ends at %d with %v", s.FileSize, err)
	}
	if p, err := b.Append(t.Context(), Entry{ID: "7", Body: press(1)}); err != nil || p != (Placed{7, false}) {
		t.Errorf("a press kept before: %+v, %v", p, err)
	}
	all(t, b)
	receipt(t, b, b.State().Next-1, monday)
	receipt(t, b, b.State().Next-1, monday.Add(KeepFor+time.Second))
	add(t, b, 100)
}

func write(err error) error { return &fs.PathError{Op: "write", Path: "outbox.db", Err: err} }

func TestWantOfRoomIsToldFromFailure(t *testing.T) {
	for _, c := range []struct {
		what    string
		err     error
		written bool // bbolt got as far as the meta page
		want    error
	}{
		{"no room for a page", write(syscall.ENOSPC), false, ErrFull},
		{"quota", write(syscall.EDQUOT), false, ErrFull},
		{"no room for the meta page, yet readers see it", write(syscall.ENOSPC), true, ErrFailed},
		{"sync for want of room", syscall.ENOSPC, false, ErrFailed},
		{"sync", syscall.EIO, true, ErrFailed},
		{"write", write(syscall.EIO), false, ErrFailed},
		{"text", errors.New("file sync error: no space left on device"), false, ErrFailed},
	} {
		t.Run(c.what, func(t *testing.T) {
			b, path := fresh(t)
			add(t, b, 2)
			want, real := b.State(), b.update
			b.update = func(f func(*bbolt.Tx) error) error {
				if c.written {
					return errors.Join(real(f), c.err)
				}
				return errors.Join(b.db.View(func(*bbolt.Tx) error { return nil }), c.err)
			}
			p, err := b.Append(t.Context(), Entry{ID: "x", Body: press(3)})
			if !errors.Is(err, c.want) || !errors.Is(err, c.err) || p != (Placed{}) {
				t.Fatalf("append is %+v, %v, want %v", p, err, c.want)
			}
			if got := b.State(); got != want {
				t.Errorf("state is %+v, want %+v", got, want)
			}
			b.update = real
			_, err = b.Append(t.Context(), Entry{ID: "x", Body: press(3)})
			if c.want == ErrFull {
				if err != nil || b.Err() != nil {
					t.Errorf("append once there is room: %v", err)
				}
				return
			}
			<-b.Failed()
			_, looked := b.Look(1, 9, 999)
			for _, err := range []error{err, looked, b.Err(), b.Receipted(t.Context(), 1, seal.Head{}, monday)} {
				if !errors.Is(err, ErrFailed) {
					t.Errorf("after the failure: %v, want ErrFailed", err)
				}
			}
			b = reopen(t, b, path)
			p, err = b.Append(t.Context(), Entry{ID: "x", Body: press(3)})
			if err != nil || p != (Placed{3, !c.written}) {
				t.Errorf("append after the restart: %+v, %v", p, err)
			}
			all(t, b)
		})
	}
}

func TestEverybodyWaitingHearsOfTheFailure(t *testing.T) {
	b, _ := fresh(t)
	taken, release := make(chan struct{}), make(chan struct{})
	b.update = func(func(*bbolt.Tx) error) error {
		close(taken)
		<-release
		panic("page 4: invalid page type")
	}
	errs := make(chan error)
	ask := func() {
		_, err := b.Append(context.Background(), Entry{Body: press(1)})
		errs <- err
	}
	go ask()
	<-taken
	for range 20 {
		go ask()
	}
	close(release)
	for range 21 {
		if err := <-errs; !errors.Is(err, ErrFailed) {
			t.Errorf("got %v, want ErrFailed", err)
		}
	}
}

func TestNobodySeesARecordBeforeTheDiskHasIt(t *testing.T) {
	b, _ := fresh(t)
	add(t, b, 1)
	want, real := b.State(), b.update
	written, release := make(chan struct{}), make(chan struct{})
	b.update = func(f func(*bbolt.Tx) error) error {
		err := real(f) // as bbolt's readers see it between the write of the meta page and its sync
		close(written)
		<-release
		return err
	}
	done := make(chan error)
	go func() {
		_, err := b.Append(context.Background(), Entry{Body: press(2)})
		done <- err
	}()
	<-written
	if got := all(t, b); len(got) != 1 || b.State() != want {
		t.Errorf("%d records are seen before the sync, want 1", len(got))
	}
	close(release)
	if err := <-done; err != nil || len(all(t, b)) != 2 {
		t.Errorf("after the sync: %v", err)
	}
}

func TestMarksStayFew(t *testing.T) {
	m := layout.Times(nil)
	l := line{}
	for minute := range int64(14 * 24 * 60) {
		l.Upto.Seq++
		m, _ = m.Note(l, monday.UnixMilli()+minute*60_000, KeepFor)
	}
	if len(m) != 14*24 || !slices.IsSortedFunc(m, func(a, b layout.Mark) int { return int(a.At - b.At) }) {
		t.Errorf("%d marks after two weeks, want one an hour", len(m))
	}
}
