package store_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"hailong/collector/org"
	"hailong/collector/score"
	"hailong/collector/store"
	"hailong/collector/store/storetest"
	"hailong/sync/wire"
	"hailong/vote"
)

func at(t time.Time) vote.Stamp { return vote.Stamp{WallMS: t.UnixMilli(), Synced: true} }

func TestScoresOfSpansAndGroups(t *testing.T) {
	s, _ := storetest.Open(t, false)
	noon := storetest.Noon()
	lines := []*storetest.Line{storetest.NewLine(t, "quay-01").Register(s), storetest.NewLine(t, "quay-02").Register(s)}
	for i, when := range []time.Time{
		time.Date(2026, 2, 28, 16, 59, 59, 0, time.UTC), // 23:59:59 in Vietnam
		time.Date(2026, 2, 28, 17, 0, 0, 0, time.UTC),   // 1 March
		noon.Add(-30 * time.Minute), noon,
	} {
		lines[i%2].Add(vote.Record{At: at(when), Cast: storetest.Press(vote.Level(i + 1))})
	}
	lines[0].Add(vote.Record{At: vote.Stamp{WallMS: 5}, Cast: storetest.Press(5)}) // no clock at all
	file(t, s, lines[0], 1, 3, wire.OK)
	file(t, s, lines[1], 1, 2, wire.OK)
	from := time.Date(2026, 3, 1, 0, 0, 0, 0, org.VietnamTime())
	for _, k := range []struct {
		by   org.Group
		in   org.Span
		want string
	}{
		{org.ByHall, org.Span{}, "[{hall [1 1 1 1 1]}]"},
		{org.ByHall, org.Span{From: from}, "[{hall [0 1 1 1 0]}]"},
		{org.ByHall, org.Span{To: from}, "[{hall [1 0 0 0 0]}]"},
		{org.ByHall, org.Span{From: from.Add(time.Nanosecond), To: noon}, "[{hall [0 1 1 0 0]}]"},
		{org.ByHall, org.Span{From: noon.Add(-20 * time.Minute), To: noon.Add(time.Millisecond)},
			"[{hall [0 0 0 1 0]}]"},
		{org.ByHall, org.Span{From: noon.Add(time.Hour)}, "[{hall [0 0 0 0 0]}]"},
		{org.ByTerminal, org.Span{}, "[{quay-01 [1 0 1 0 1]} {quay-02 [0 1 0 1 0]}]"},
		{org.ByLevel, org.Span{From: from},
			"[{1 [0 0 0 0 0]} {2 [0 1 0 0 0]} {3 [0 0 1 0 0]} {4 [0 0 0 1 0]} {5 [0 0 0 0 0]}]"},
		{org.ByHour, org.Span{From: from}, "[{2026-03-01T00:00:00+07:00 [0 1 0 0 0]} " +
			"{2026-03-02T11:00:00+07:00 [0 0 1 0 0]} {2026-03-02T12:00:00+07:00 [0 0 0 1 0]}]"},
		{org.ByDay, org.Span{}, "[{2026-02-28 [1 0 0 0 0]} {2026-03-01 [0 1 0 0 0]} " +
			"{2026-03-02 [0 0 1 1 0]} {unknown [0 0 0 0 1]}]"},
	} {
		rows, err := s.Scores(t.Context(), k.by, k.in)
		if got := fmt.Sprint(rows); err != nil || got != k.want {
			t.Errorf("Scores(%s, %v) = %s, %v, want %s", k.by, k.in, got, err, k.want)
		}
	}
	if _, err := s.Scores(t.Context(), "officer", org.Span{}); err == nil {
		t.Error("Scores() by an unknown group = nil, want an error")
	}
}

func TestTheLiveHall(t *testing.T) {
	s, _ := storetest.Open(t, false)
	l := storetest.NewLine(t, "quay-01").Register(s)
	storetest.NewLine(t, "quay-02").Register(s)
	state := func() org.Hall {
		h, err := s.Hall(t.Context(), storetest.Noon())
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	if got := state().Terminals[1]; got.ID != "quay-02" || !got.LastSeen.IsZero() || got.Warning != "" || got.Online {
		t.Errorf("a terminal never heard of is %+v", got)
	}
	for n := range uint64(12) {
		l.Cast(vote.Level(n%5 + 1))
		file(t, s, l, n+1, n+1, wire.OK)
		h := state()
		own := h.Terminals[0].Shown
		if want := (n + 1) / 5 * 5; h.Today != n+1 || h.Shown.N() != want || own.N() != want {
			t.Errorf("after %d votes: today %d, shown %v and %v, want %d shown", n+1, h.Today, h.Shown, own, want)
		}
	}
	h := state()
	got := h.Terminals[0]
	if got.Upto != 12 || got.Epoch != l.Epoch || !got.LastVote.Equal(storetest.Noon()) || got.VotesToday != 12 {
		t.Errorf("terminal is %+v", got)
	}
	if h.ByHour[12] != 12 {
		t.Errorf("votes by hour are %v, want 12 at 12", h.ByHour)
	}
	tomorrow, err := s.Hall(t.Context(), storetest.Noon().Add(24*time.Hour))
	if err != nil || tomorrow.Today != 0 || tomorrow.Shown.N() != 0 {
		t.Errorf("tomorrow is %+v, %v, want an empty day", tomorrow, err)
	}
}

func TestSubscribersAreWoken(t *testing.T) {
	s, _ := storetest.Open(t, false)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	a, b := s.Subscribe(ctx), s.Subscribe(ctx)
	l := storetest.NewLine(t, "quay-01").Register(s)
	for n := range uint64(3) {
		l.Cast(5)
		file(t, s, l, n+1, n+1, wire.OK)
	}
	<-a
	<-b
	select {
	case <-a:
		t.Error("three commits woke the reader twice: wake-ups should merge")
	default:
	}
}

// TestWaitingBatchesStandAlone files from many terminals at once; one of them is not registered.
func TestWaitingBatchesStandAlone(t *testing.T) {
	s, _ := storetest.Open(t, false)
	codec := wire.NewCodec()
	var group sync.WaitGroup
	var want score.Counts
	for i := range 12 {
		l := storetest.NewLine(t, fmt.Sprintf("quay-%02d", i))
		if i > 0 {
			l.Register(s)
			want[4] += 10
		}
		for range 10 {
			l.Cast(5)
		}
		group.Go(func() {
			for n := uint64(1); n <= 10; n++ {
				_, err := s.File(t.Context(), l.Filing(codec, l.Batch(n, n), storetest.Noon()))
				if (err != nil) != (i == 0) {
					t.Errorf("%s: File() = %v", l.ID, err)
				}
			}
		})
	}
	group.Wait()
	whole(t, s, want)
}

// TestWhatTheWallShowedCanBeReplayed files the lines of several terminals at once, in batches of
// any size over three days: minds change late, batches come twice, and verify finds the same figures.
func TestWhatTheWallShowedCanBeReplayed(t *testing.T) {
	for seed := range uint64(6) {
		s, _ := storetest.Open(t, seed%2 == 1)
		var group sync.WaitGroup
		for i := range 5 {
			rnd := rand.New(rand.NewPCG(seed, uint64(i)))
			l := storetest.NewLine(t, fmt.Sprintf("quay-%02d", i)).Register(s)
			filings := storm(l, rnd, 40+rnd.IntN(80))
			group.Go(func() { fileOwn(t, s, filings) })
		}
		group.Wait()
		sound(t, s)
		if h, err := s.Hall(t.Context(), storetest.Noon()); err != nil || h.Shown.N() == 0 {
			t.Errorf("seed %d: the wall shows %v, %v, want votes", seed, h.Shown, err)
		}
	}
}

// storm is a line of presses and changed minds, and how it is sent.
func storm(l *storetest.Line, rnd *rand.Rand, n int) (filings []org.Filing) {
	var casts []uint64
	for range n {
		level := vote.Level(rnd.IntN(5) + 1)
		press := storetest.Press(level)
		if rnd.IntN(8) == 0 {
			press.Channel = vote.Test
		}
		when := at(storetest.Noon().Add(-time.Duration(rnd.IntN(60)) * time.Hour))
		when.Synced = rnd.IntN(10) > 0 // the others have no time at all
		switch {
		case len(casts) > 0 && rnd.IntN(3) == 0:
			l.Add(vote.Record{Amend: &vote.Amend{Cast: casts[rnd.IntN(len(casts))], Level: level}})
		default:
			casts = append(casts, l.Add(vote.Record{At: when, Cast: press}))
		}
	}
	codec := wire.NewCodec()
	for upto := uint64(0); upto < l.Len(); {
		first := upto + 1 - min(upto, uint64(rnd.IntN(3))) // some of it once more
		upto = min(upto+1+uint64(rnd.IntN(9)), l.Len())
		filings = append(filings, l.Filing(codec, l.Batch(first, upto), storetest.Noon()))
	}
	return filings
}

// TestAKilledCentreKeepsWhatItSaid looks at the files as a kill leaves them after each answer.
func TestAKilledCentreKeepsWhatItSaid(t *testing.T) {
	s, path := storetest.Open(t, false)
	l := storetest.NewLine(t, "quay-01").Register(s)
	for n := uint64(1); n <= 20; n++ {
		l.Cast(4)
		file(t, s, l, n, n, wire.OK)
		left := filepath.Join(t.TempDir(), "left.db")
		for _, part := range []string{"", "-wal"} {
			b, err := os.ReadFile(path + part)
			if err == nil {
				err = os.WriteFile(left+part, b, 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		again, err := store.Open(t.Context(), left)
		if err != nil {
			t.Fatal(err)
		}
		whole(t, again, score.Counts{0, 0, 0, n, 0})
		if err := again.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestAnAnchorThatVotesStandOn is proven by these votes.
func TestAnAnchorThatVotesStandOn(t *testing.T) {
	s, _ := storetest.Open(t, false)
	l := storetest.NewLine(t, "quay-01").Register(s)
	h := l.Hello()
	if _, err := s.Greet(t.Context(), h, storetest.Noon()); err != nil {
		t.Fatal(err)
	}
	boot, ok, err := s.BootAnchor(t.Context(), l.ID, l.Epoch, 1)
	if !ok || err != nil || !boot.Equal(storetest.Noon().Add(-time.Hour)) {
		t.Fatalf("BootAnchor() = %v, %v, %v, want an hour before noon", boot, ok, err)
	}
	// A later message of the same boot moves nothing.
	if _, err := s.Greet(t.Context(), h, storetest.Noon().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	l.Add(vote.Record{At: vote.Stamp{Boot: 1, SinceMS: 60_000}, Cast: storetest.Press(5)})
	l.Now = vote.Stamp{Boot: 2, SinceMS: 10}
	f := l.Filing(wire.NewCodec(), l.Batch(1, 1), storetest.Noon())
	f.Entries[0].At, f.Entries[0].Quality = boot.Add(time.Minute), org.Anchored
	if _, err := s.File(t.Context(), f); err != nil {
		t.Fatal(err)
	}
	sound(t, s)
	l.Add(vote.Record{At: vote.Stamp{Boot: 1, SinceMS: 60_000}, Cast: storetest.Press(5)})
	f = l.Filing(wire.NewCodec(), l.Batch(2, 2), storetest.Noon())
	f.Entries[0].At, f.Entries[0].Quality = boot.Add(2*time.Minute), org.Anchored // as if somebody had moved it
	if _, err := s.File(t.Context(), f); err != nil {
		t.Fatal(err)
	}
	diffs, _, err := s.Verify(t.Context(), wire.NewCodec(), nil)
	if err != nil || len(diffs) != 1 || diffs[0].Where != fmt.Sprintf("quay-01/%s/2", l.Epoch) {
		t.Errorf("Verify() = %v, %v, want the second vote", diffs, err)
	}
}
