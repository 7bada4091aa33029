package desk

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"hailong/sync/wire"
	"hailong/vote"
	"hailong/vote/session"
)

func TestABallotIsAWholeVisit(t *testing.T) {
	public, private, err := wire.NewSealKey()
	if err != nil {
		t.Fatal(err)
	}
	inTerminal(t, func(o *Options) { o.SealTo = public }, func(x *terminal) {
		x.do(press(5)) // somebody stands at the counter
		shown := len(x.Shown())
		b := Ballot{ID: "p-1", Level: 2, Channel: vote.Test, Reasons: []string{"phi", "khac"}, Phone: "0905\x00"}
		for i, want := range []Receipt{{"p-1", 3, true}, {"p-1", 3, false}} {
			got, err := x.desk.Enter(x.Context(), b)
			if err != nil || got != want {
				t.Errorf("time %d: got %+v, %v, want %+v", i+1, got, err, want)
			}
		}
		b.ID, b.Comment = "p-2", strings.Repeat("a", wire.MaxComment+1)
		if _, err := x.desk.Enter(x.Context(), b); !errors.Is(err, wire.ErrSize) {
			t.Errorf("long comment: got %v, want ErrSize", err)
		}
		if n := len(x.Shown()); n != shown {
			t.Errorf("the screen changed %d times", n-shown)
		}
		x.do(session.Done{})
		x.close()
		got := x.box.records(t)
		if len(got) != 3 || got[1].Cast.Level != 2 || got[1].Cast.Channel != vote.Test {
			t.Fatalf("got %+v", got)
		}
		d := got[2].Detail
		p, err := wire.OpenPersonal(d.Sealed, public, private)
		if err != nil || p.Phone != "0905" || d.Cast != 3 || len(d.Reasons) != 2 {
			t.Errorf("detail is %+v with %+v, %v", d, p, err)
		}
		if id := x.box.entries[3].ID; id != "p-1/detail" {
			t.Errorf("the detail's id is %q", id)
		}
	})
}

func TestABallotWithoutMoreHasNoDetail(t *testing.T) {
	inTerminal(t, nil, func(x *terminal) {
		r, err := x.desk.Enter(x.Context(), Ballot{Level: 5, Channel: vote.Paper})
		if err != nil || len(r.ID) != 32 || r.Seq != 2 || !r.Fresh {
			t.Errorf("got %+v, %v", r, err)
		}
		x.close()
		if n := len(x.box.records(t)); n != 1 {
			t.Errorf("got %d records, want 1", n)
		}
		if _, err := x.desk.Enter(x.Context(), Ballot{Level: 5, Channel: vote.Paper}); !errors.Is(err, ErrStopped) {
			t.Errorf("after the end: got %v, want ErrStopped", err)
		}
	})
}

func TestABadBallotLeavesNothing(t *testing.T) {
	inTerminal(t, nil, func(x *terminal) {
		test := func(l vote.Level, reasons ...string) Ballot {
			return Ballot{Level: l, Channel: vote.Test, Reasons: reasons}
		}
		for name, c := range map[string]struct {
			b    Ballot
			want error
			says string
		}{
			"level":          {test(6), vote.ErrInvalid, "[1 2 3 4 5]"},
			"channel":        {Ballot{Level: 5}, vote.ErrInvalid, "channel"},
			"no such reason": {test(5, "x"), vote.ErrInvalid, "tan-tinh, ro-rang"},
			"other side":     {test(5, "phi"), vote.ErrInvalid, "minh-bach"},
			"twice":          {test(1, "phi", "phi"), vote.ErrInvalid, "phi"},
			"id with slash":  {Ballot{ID: "a/detail", Level: 5}, vote.ErrInvalid, "press id"},
			"long id":        {Ballot{ID: strings.Repeat("a", MaxID+1), Level: 5}, vote.ErrInvalid, "48"},
			"no key":         {Ballot{Level: 5, Channel: vote.Test, Phone: "0905"}, ErrNoKey, "key"},
		} {
			_, err := x.desk.Enter(x.Context(), c.b)
			if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%s: got %v, want %v that says %q", name, err, c.want, c.says)
			}
			if err != nil && strings.Contains(err.Error(), "0905") {
				t.Errorf("%s: the error %q holds the number", name, err)
			}
		}
		x.close()
		if n := len(x.box.records(t)); n != 0 {
			t.Errorf("%d records stayed behind", n)
		}
	})
}

func TestABallotIsFinishedByARetry(t *testing.T) {
	inTerminal(t, nil, func(x *terminal) {
		b := Ballot{ID: "p", Level: 1, Channel: vote.Touch, Reasons: []string{"phi"}}
		x.box.set(time.Second, nil)
		ctx, cancel := context.WithTimeout(x.Context(), 1500*time.Millisecond)
		defer cancel()
		if _, err := x.desk.Enter(ctx, b); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want a deadline in the middle", err)
		}
		if _, err := x.desk.Enter(x.Context(), b); err != nil {
			t.Errorf("retry: %v", err)
		}
		x.close()
		if got := x.box.records(t); len(got) != 2 || got[1].Detail == nil || got[1].Detail.Cast != 2 {
			t.Errorf("got %+v", got)
		}
	})
}

func TestManyAtOnceShareTheDisk(t *testing.T) {
	inTerminal(t, nil, func(x *terminal) {
		x.box.set(10*time.Millisecond, nil)
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() {
				if _, err := x.desk.Enter(x.Context(), Ballot{Level: 4, Channel: vote.Phone}); err != nil {
					t.Error(err)
				}
			})
			all.Go(func() {
				if err := x.desk.Event(x.Context(), vote.EventService, "door opened"); err != nil {
					t.Error(err)
				}
			})
		}
		x.do(press(3))
		all.Wait()
		if x.elapsed() > 50*time.Millisecond {
			t.Errorf("41 appends of 10 ms took %v: the box commits for all who wait", x.elapsed())
		}
		x.close()
		if n := len(x.box.records(t)); n != 41 {
			t.Errorf("got %d records, want 41", n)
		}
	})
}

func TestAnEventNeedsACode(t *testing.T) {
	inTerminal(t, nil, func(x *terminal) {
		if err := x.desk.Event(x.Context(), "", "x"); !errors.Is(err, vote.ErrInvalid) {
			t.Errorf("got %v, want ErrInvalid", err)
		}
		x.close()
	})
}
