package store_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"hailong/collector/org"
	"hailong/collector/score"
	"hailong/collector/store"
	"hailong/collector/store/storetest"
	"hailong/sync/seal"
	"hailong/sync/wire"
	"hailong/vote"
)

// file sends records first to last and wants a code.
func file(t *testing.T, s *store.Store, l *storetest.Line, first, last uint64, want wire.Code) org.Position {
	t.Helper()
	pos, err := s.File(t.Context(), l.Filing(wire.NewCodec(), l.Batch(first, last), storetest.Noon()))
	if err != nil {
		t.Fatal(err)
	}
	if pos.Code != want {
		t.Fatalf("File(%d to %d) = %+v, want code %s", first, last, pos, want)
	}
	return pos
}

// whole wants the hall's counts, and a store that proves itself.
func whole(t *testing.T, s *store.Store, want score.Counts) {
	t.Helper()
	rows, err := s.Scores(t.Context(), org.ByHall, org.Span{})
	if err != nil {
		t.Fatal(err)
	}
	if rows[0].Counts != want {
		t.Errorf("counts are %v, want %v", rows[0].Counts, want)
	}
	sound(t, s)
}

func sound(t *testing.T, s *store.Store) store.Summary {
	t.Helper()
	diffs, sum, err := s.Verify(t.Context(), wire.NewCodec(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range diffs {
		t.Errorf("verify: %s: %s", d.Where, d.What)
	}
	return sum
}

func warning(t *testing.T, s *store.Store) string {
	t.Helper()
	h, err := s.Hall(t.Context(), storetest.Noon())
	if err != nil {
		t.Fatal(err)
	}
	return h.Terminals[0].Warning
}

func TestCreateAndOpen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a?b%41 c.db")
	if _, err := store.Open(t.Context(), path); !errors.Is(err, store.ErrNone) {
		t.Errorf("Open() of nothing = %v, want ErrNone", err)
	}
	// What a power cut left of an earlier try is no obstacle.
	if err := os.WriteFile(path+".new", []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := store.Create(t.Context(), path, true); err != nil {
		t.Fatal(err)
	}
	if err := store.Create(t.Context(), path, false); !errors.Is(err, store.ErrExists) {
		t.Errorf("Create() over a store = %v, want ErrExists", err)
	}
	s, err := store.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	if !s.Demo() {
		t.Error("the store forgot that it is a demo")
	}
	if err := errors.Join(s.Ready(t.Context()), s.Close()); err != nil {
		t.Error(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("Stat() = %v, %v, want a file only its owner can read", info.Mode(), err)
	}
	left, err := filepath.Glob(filepath.Join(filepath.Dir(path), "*"))
	if err != nil || len(left) != 1 {
		t.Errorf("folder holds %v, %v, want the store alone", left, err)
	}
}

func TestABatchIsFiledOnce(t *testing.T) {
	s, _ := storetest.Open(t, false)
	l := storetest.NewLine(t, "quay-01").Register(s)
	for i := range 10 {
		l.Cast(vote.Level(i%5 + 1))
	}
	pos := file(t, s, l, 1, 4, wire.OK)
	if pos.Added != 4 || pos.Upto != 4 || pos.Head != l.Head(4) {
		t.Errorf("got %+v, want 4 records up to 4", pos)
	}
	for _, again := range [][2]uint64{{1, 4}, {2, 3}, {1, 1}, {4, 4}} {
		if pos := file(t, s, l, again[0], again[1], wire.OK); pos.Added != 0 || pos.Upto != 4 || pos.Head != l.Head(4) {
			t.Errorf("again %v: got %+v, want nothing added up to 4", again, pos)
		}
	}
	if pos := file(t, s, l, 3, 8, wire.OK); pos.Added != 4 || pos.Upto != 8 {
		t.Errorf("overlap: got %+v, want 4 added up to 8", pos)
	}
	if pos := file(t, s, l, 10, 10, wire.Gap); pos.Upto != 8 || pos.Head != l.Head(8) {
		t.Errorf("gap: got %+v, want to be told 8", pos)
	}
	if pos := file(t, s, l, 5, 10, wire.OK); pos.Added != 2 {
		t.Errorf("rest: got %+v, want 2 added", pos)
	}
	whole(t, s, score.Counts{2, 2, 2, 2, 2})
}

func TestAnUnknownTerminal(t *testing.T) {
	s, _ := storetest.Open(t, false)
	l := storetest.NewLine(t, "quay-01")
	l.Cast(5)
	_, err := s.File(t.Context(), l.Filing(wire.NewCodec(), l.Batch(1, 1), storetest.Noon()))
	if !errors.Is(err, org.ErrUnknown) {
		t.Errorf("File() = %v, want ErrUnknown", err)
	}
	if _, _, err := s.Keys(t.Context(), "quay-01"); !errors.Is(err, org.ErrUnknown) {
		t.Errorf("Keys() = %v, want ErrUnknown", err)
	}
	l.Register(s)
	again := store.Registration{ID: "quay-01", Key: l.Public()}
	if err := s.AddTerminal(t.Context(), again); !errors.Is(err, store.ErrExists) {
		t.Errorf("AddTerminal() twice = %v, want ErrExists", err)
	}
	if key, _, err := s.Keys(t.Context(), "quay-01"); err != nil || !key.Equal(l.Public()) {
		t.Errorf("Keys() = %x, %v", key, err)
	}
}

// clone is the same terminal and epoch with another history after n records.
func clone(t *testing.T, l *storetest.Line, n int) *storetest.Line {
	c := storetest.NewLine(t, string(l.ID))
	c.Items, c.Heads, c.Tally = slices.Clone(l.Items[:n]), slices.Clone(l.Heads[:n]), slices.Clone(l.Tally[:n])
	return c
}

func TestAClonedCardIsAFork(t *testing.T) {
	for name, send := range map[string]func(s *store.Store, l, other *storetest.Line) (uint64, uint64){
		"goes on from another head":   func(_ *store.Store, _, c *storetest.Line) (uint64, uint64) { return 7, 7 },
		"overlaps with other records": func(_ *store.Store, _, c *storetest.Line) (uint64, uint64) { return 3, 8 },
		"repeats other old records":   func(_ *store.Store, _, c *storetest.Line) (uint64, uint64) { return 5, 5 },
		"ends where the first ends":   func(_ *store.Store, _, c *storetest.Line) (uint64, uint64) { return 6, 6 },
	} {
		t.Run(name, func(t *testing.T) {
			s, _ := storetest.Open(t, false)
			l := storetest.NewLine(t, "quay-01").Register(s)
			for range 6 {
				l.Cast(5)
			}
			c := clone(t, l, 4)
			for range 4 {
				c.Cast(1)
			}
			file(t, s, l, 1, 6, wire.OK)
			first, last := send(s, l, c)
			pos := file(t, s, c, first, last, wire.Fork)
			if pos.Upto != 6 || pos.Head != l.Head(6) {
				t.Errorf("got %+v, want the position of the first", pos)
			}
			l.Cast(5)
			file(t, s, l, 7, 7, wire.Fork) // nobody can tell which card is the right one
			if got := warning(t, s); got != "fork" {
				t.Errorf("warning is %q, want fork", got)
			}
			whole(t, s, score.Counts{0, 0, 0, 0, 6})
			if sum := sound(t, s); sum.Forks != 1 {
				t.Errorf("summary is %+v, want one fork", sum)
			}
		})
	}
}

func TestAChangedMindMovesTheCount(t *testing.T) {
	s, _ := storetest.Open(t, false)
	l := storetest.NewLine(t, "quay-01").Register(s)
	a := l.Cast(1)
	l.Add(vote.Record{Amend: &vote.Amend{Cast: a, Level: 5}}) // in the same batch
	b := l.Cast(2)
	file(t, s, l, 1, 3, wire.OK)
	l.Add(vote.Record{Amend: &vote.Amend{Cast: b, Level: 4}})                 // in another batch
	l.Add(vote.Record{Amend: &vote.Amend{Cast: b, Level: 3}})                 // the last counts
	nothing := l.Add(vote.Record{Amend: &vote.Amend{Cast: 2, Level: 1}})      // an amend is no cast
	l.Add(vote.Record{Amend: &vote.Amend{Cast: 8, Level: 1}})                 // not yet there
	l.Cast(5)                                                                 // 8
	l.Add(vote.Record{Amend: &vote.Amend{Cast: ^uint64(0), Level: 1}})        // absurd
	l.Add(vote.Record{Detail: &vote.Detail{Cast: 9, Reasons: []string{"x"}}}) // no cast
	pos := file(t, s, l, 4, l.Len(), wire.Quarantined)
	want := []wire.Range{{From: nothing, To: nothing + 1, Why: "amend of no cast"},
		{From: 9, To: 9, Why: "amend of no cast"}, {From: 10, To: 10, Why: "detail of no cast"}}
	if !slices.Equal(pos.Quarantined, want) {
		t.Errorf("quarantined %v, want %v", pos.Quarantined, want)
	}
	// Sent again, the terminal is told the same.
	if again := file(t, s, l, 4, l.Len(), wire.Quarantined); !slices.Equal(again.Quarantined, want) {
		t.Errorf("again: quarantined %v, want %v", again.Quarantined, want)
	}
	whole(t, s, score.Counts{0, 0, 1, 0, 2})
	votes, err := s.Votes(t.Context(), 0, 10)
	if err != nil || len(votes) != 3 {
		t.Fatalf("Votes() = %v, %v, want 3", votes, err)
	}
	if v := votes[1]; v.First != 2 || v.Level != 3 || v.Cursor != 2 || v.Seq != b {
		t.Errorf("second vote is %+v, want first 2 and level 3", v)
	}
	if got := warning(t, s); got != "quarantine" {
		t.Errorf("warning is %q, want quarantine", got)
	}
}

func TestDetailsAndEvents(t *testing.T) {
	s, _ := storetest.Open(t, false)
	l := storetest.NewLine(t, "quay-01").Register(s)
	a := l.Cast(1)
	l.Add(vote.Record{Detail: &vote.Detail{Cast: a, Reasons: []string{"thai-do", "khac"}, Sealed: []byte{1, 2}}})
	l.Add(vote.Record{Event: &vote.Event{Code: vote.EventBoot, Note: "lần 1"}})
	file(t, s, l, 1, 3, wire.OK)
	l.Add(vote.Record{Detail: &vote.Detail{Cast: a, Reasons: []string{"khac", "phi"}, Ignored: 3, Contested: true}})
	file(t, s, l, 4, 4, wire.OK)
	votes, err := s.Votes(t.Context(), 0, 10)
	if err != nil || len(votes) != 1 {
		t.Fatalf("Votes() = %v, %v, want 1", votes, err)
	}
	v := votes[0]
	if !slices.Equal(v.Reasons, []string{"thai-do", "khac", "phi"}) || v.Ignored != 3 || !v.Contested {
		t.Errorf("vote is %+v", v)
	}
	if v.Quality != org.Exact || !v.At.Equal(storetest.Noon()) || !v.ReceivedAt.Equal(storetest.Noon()) {
		t.Errorf("vote at %v (%s), received %v, want noon", v.At, v.Quality, v.ReceivedAt)
	}
	sound(t, s)
}

func TestTestPressesCountOnlyInADemo(t *testing.T) {
	for demo, want := range map[bool]score.Counts{false: {0, 0, 0, 0, 1}, true: {0, 1, 0, 0, 1}} {
		s, _ := storetest.Open(t, demo)
		l := storetest.NewLine(t, "quay-01").Register(s)
		press := storetest.Press(1)
		press.Channel = vote.Test
		seq := l.Add(vote.Record{Cast: press})
		l.Add(vote.Record{Amend: &vote.Amend{Cast: seq, Level: 2}})
		l.Cast(5)
		file(t, s, l, 1, 3, wire.OK)
		whole(t, s, want)
		if got := warning(t, s); got != "" {
			t.Errorf("demo %v: warning is %q, want none: the tally counts test presses", demo, got)
		}
	}
}

func TestAnUnknownSurveyIsFiledAndFlagged(t *testing.T) {
	s, _ := storetest.Open(t, false)
	l := storetest.NewLine(t, "quay-01").Register(s)
	press := storetest.Press(3)
	press.SurveyVersion, press.Flags = 2, vote.Assisted
	l.Add(vote.Record{Cast: press})
	l.Cast(3)
	file(t, s, l, 1, 2, wire.OK)
	votes, err := s.Votes(t.Context(), 0, 10)
	if err != nil || len(votes) != 2 {
		t.Fatal(votes, err)
	}
	if votes[0].Flags != vote.SurveyGuess|vote.Assisted || votes[1].Flags != 0 {
		t.Errorf("flags are %b and %b, want the first to be a guess", votes[0].Flags, votes[1].Flags)
	}
	whole(t, s, score.Counts{0, 0, 2, 0, 0})
}

func TestATallyThatDiffersWarns(t *testing.T) {
	s, _ := storetest.Open(t, false)
	l := storetest.NewLine(t, "quay-01").Register(s)
	l.Cast(4)
	l.Tally[0] = wire.Tally{0, 0, 0, 0, 1}
	file(t, s, l, 1, 1, wire.OK)
	if got := warning(t, s); got != "tally" {
		t.Errorf("warning is %q, want tally", got)
	}
	// A lost body has no level: its vote is in the terminal's tally and cannot be in ours.
	l.Append(wire.Item{Digest: seal.Of([]byte("lost"))}, 5)
	file(t, s, l, 2, 2, wire.Quarantined)
	if got := warning(t, s); got != "quarantine" {
		t.Errorf("warning is %q, want quarantine", got)
	}
	sound(t, s)
}

func TestAStoppedCallerStartsNothing(t *testing.T) {
	s, _ := storetest.Open(t, false)
	l := storetest.NewLine(t, "quay-01").Register(s)
	l.Cast(4)
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if _, err := s.File(ctx, l.Filing(wire.NewCodec(), l.Batch(1, 1), storetest.Noon())); err == nil {
		t.Error("File() of a stopped caller = nil, want an error")
	}
	whole(t, s, score.Counts{})
}

func TestLinksAndTokens(t *testing.T) {
	s, _ := storetest.Open(t, false)
	now := storetest.Noon()
	err := errors.Join(s.AddToken(t.Context(), "bảng", [32]byte{1}, []string{"votes:read"}, now),
		s.AddLink(t.Context(), [32]byte{2}, now.Add(time.Minute)), s.AddLink(t.Context(), [32]byte{3}, now))
	if err != nil {
		t.Fatal(err)
	}
	name, scopes, err := s.Token(t.Context(), [32]byte{1})
	if name != "bảng" || !slices.Equal(scopes, []string{"votes:read"}) || err != nil {
		t.Errorf("Token() = %q, %v, %v", name, scopes, err)
	}
	if name, _, err := s.Token(t.Context(), [32]byte{9}); name != "" || err != nil {
		t.Errorf("Token() unknown = %q, %v, want nobody", name, err)
	}
	for i, want := range []bool{true, false} {
		if ok, err := s.UseLink(t.Context(), [32]byte{2}, now); ok != want || err != nil {
			t.Errorf("use %d: UseLink() = %v, %v, want %v", i+1, ok, err, want)
		}
	}
	if ok, err := s.UseLink(t.Context(), [32]byte{3}, now); ok || err != nil {
		t.Errorf("UseLink() expired = %v, %v, want false", ok, err)
	}
}
