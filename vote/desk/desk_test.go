package desk

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"hailong/device/devicetest"
	"hailong/sync/wire"
	"hailong/vote"
	"hailong/vote/session"
)

func TestAVisitBecomesItsRecords(t *testing.T) {
	public, private, err := wire.NewSealKey()
	if err != nil {
		t.Fatal(err)
	}
	inTerminal(t, func(o *Options) { o.SealTo = public }, func(x *terminal) {
		x.pass(time.Second)
		x.do(press(5))
		x.wait(session.Thanked)
		x.do(session.Toggle{Code: "gon"}, session.ChangeMind{}, press(1), session.Toggle{Code: "cho-lau"},
			session.Write{Personal: session.Personal{Comment: "chờ lâu", Phone: "0905"}}, press(4), session.Done{})
		x.wait(session.Asking)
		x.close()
		got := x.box.records(t)
		if len(got) != 3 {
			t.Fatalf("got %d records, want cast, amend and detail", len(got))
		}
		want := vote.Record{
			At: vote.Stamp{WallMS: 1_795_000_001_000, Synced: true, Boot: 1, SinceMS: 1000},
			Cast: &vote.Cast{
				Level: 5, Survey: "mac-dinh", SurveyVersion: 1, Layout: "5-row", Language: "vi",
				Channel: vote.Button, Counter: "3", Officer: "cb-07",
			},
		}
		if !reflect.DeepEqual(got[0], want) {
			t.Errorf("cast is %+v %+v", got[0].At, got[0].Cast)
		}
		if a := got[1].Amend; a == nil || *a != (vote.Amend{Cast: 2, Level: 1}) {
			t.Errorf("amend is %+v", a)
		}
		d := got[2].Detail
		if d == nil || d.Cast != 2 || !slices.Equal(d.Reasons, []string{"cho-lau"}) || d.Ignored != 1 || !d.Contested {
			t.Fatalf("detail is %+v", d)
		}
		p, err := wire.OpenPersonal(d.Sealed, public, private)
		if err != nil || p != (wire.Personal{Comment: "chờ lâu", Phone: "0905"}) {
			t.Errorf("sealed is %+v, %v", p, err)
		}
		if bytes.Contains(x.box.entries[3].Body, []byte("0905")) {
			t.Error("the number is on the disk in the clear")
		}
		id := x.box.entries[1].ID
		if len(id) != 32 || x.box.entries[2].ID != id+"/amend" || x.box.entries[3].ID != id+"/detail" {
			t.Errorf("ids are %q, %q, %q", id, x.box.entries[2].ID, x.box.entries[3].ID)
		}
		kept := []Kept{{id, vote.CastKind, 2, 5}, {id, vote.AmendKind, 3, 1}, {id, vote.DetailKind, 4, 0}}
		if !slices.Equal(x.kept, kept) {
			t.Errorf("told of %v, want %v", x.kept, kept)
		}
	})
}

func TestWithoutAKeyNothingPersonalIsTaken(t *testing.T) {
	inTerminal(t, nil, func(x *terminal) {
		x.do(press(5), session.Write{Personal: session.Personal{Phone: "0905"}}, session.Done{})
		x.wait(session.Lockout)
		x.wait(session.Asking)
		x.close()
		if got := x.box.records(t); len(got) != 1 {
			t.Errorf("got %d records, want the cast alone", len(got))
		}
	})
}

func TestASlowDiskBlocksNoInput(t *testing.T) {
	inTerminal(t, func(o *Options) { o.Touch = false }, func(x *terminal) {
		x.box.set(3*time.Second, nil)
		for range 20 {
			x.do(press(3))
		}
		if x.elapsed() != 0 {
			t.Errorf("twenty presses took %v", x.elapsed())
		}
		x.wait(session.Thanked)
		if x.elapsed() != 3*time.Second {
			t.Errorf("thanked after %v, want 3s", x.elapsed())
		}
		x.wait(session.Asking)
		x.close()
		got := x.box.records(t)
		if len(got) != 2 || got[1].Detail.Ignored != 19 || got[1].Detail.Contested {
			t.Errorf("got %d records, detail %+v", len(got), got[len(got)-1].Detail)
		}
	})
}

func TestAFullDiskIsSaidAndGotOver(t *testing.T) {
	inTerminal(t, nil, func(x *terminal) {
		x.box.set(0, errFull)
		x.do(press(5))
		x.wait(session.NotKept)
		x.wait(session.Asking)
		x.box.set(0, nil)
		x.do(press(4))
		x.wait(session.Thanked)
		x.close()
		if got := x.box.records(t); len(got) != 1 || got[0].Cast.Level != 4 {
			t.Errorf("got %+v", got)
		}
		got, want := x.log.String(), "msg=desk.not-kept kind=cast err=\"no room\""
		if strings.Count(got, LogNotKept) != 1 || !strings.Contains(got, want) {
			t.Errorf("log is %q", got)
		}
	})
}

func TestABrokenBoxEndsRun(t *testing.T) {
	broken := fmt.Errorf("sync: %w", ErrBroken)
	inTerminal(t, nil, func(x *terminal) {
		x.box.set(time.Second, broken)
		x.do(press(5))
		if err := <-x.end; !errors.Is(err, ErrBroken) {
			t.Errorf("Run = %v, want ErrBroken", err)
		}
		shown := x.Shown()
		if last := shown[len(shown)-1]; last.Phase() != session.NotKept {
			t.Errorf("the screen is left at %v, want not-kept", last)
		}
	})
	inTerminal(t, nil, func(x *terminal) {
		x.box.set(0, broken)
		if err := x.desk.Event(x.Context(), vote.EventService, ""); !errors.Is(err, ErrBroken) {
			t.Errorf("Event = %v, want ErrBroken", err)
		}
		if err := <-x.end; !errors.Is(err, ErrBroken) {
			t.Errorf("Run = %v, want ErrBroken", err)
		}
		x.wait(session.Closed)
	})
}

func TestAStopLosesNothing(t *testing.T) {
	inTerminal(t, nil, func(x *terminal) {
		x.box.set(2*time.Second, nil)
		x.do(press(5))
		x.close()
		if got := x.box.records(t); len(got) != 1 || x.elapsed() != 2*time.Second {
			t.Errorf("an append under way: got %d records after %v", len(got), x.elapsed())
		}
	})
	inTerminal(t, nil, func(x *terminal) {
		x.do(press(5), session.Toggle{Code: "nhanh"})
		x.close()
		got := x.box.records(t)
		if len(got) != 2 || got[1].Detail == nil || !slices.Equal(got[1].Detail.Reasons, []string{"nhanh"}) {
			t.Errorf("an open page: got %+v", got)
		}
		x.wait(session.Closed)
	})
	inTerminal(t, nil, func(x *terminal) {
		x.do(press(9), press(9))
		x.close()
		got := x.box.records(t)
		if len(got) != 1 || got[0].Event == nil || got[0].Event.Note != "2 presses outside any visit" {
			t.Errorf("stray presses: got %+v", got)
		}
	})
}

func TestTheDisksWordComesFromTheDisk(t *testing.T) {
	inTerminal(t, nil, func(x *terminal) {
		x.box.set(time.Second, nil)
		x.do(press(5), session.Kept{No: 1, Seq: 1}, session.Stop{})
		for _, s := range x.Shown() {
			if s.Phase() == session.Thanked || s.Phase() == session.Closed {
				t.Fatalf("shows %v on the word of an input", s)
			}
		}
		x.close()
	})
}

func TestAPressIsStampedWhenItWasPressed(t *testing.T) {
	inTerminal(t, nil, func(x *terminal) {
		x.do(press(9))
		x.box.set(4*time.Second, nil)
		x.pass(session.ReportEvery + time.Second) // the report of the stray press is on its way
		x.do(press(5))
		x.wait(session.Thanked)
		x.close()
		got := x.box.records(t)
		if len(got) != 2 || got[1].At.SinceMS != 61_000 || got[1].At.WallMS != 1_795_000_061_000 {
			t.Errorf("got %+v, want the cast at 61 s", got[len(got)-1].At)
		}
	})
}

func TestRunRefusesWhatEveryVoteWouldFailOn(t *testing.T) {
	for name, spoil := range map[string]func(*Options){
		"officer": func(o *Options) { o.Officer = strings.Repeat("x", vote.MaxName+1) },
		"survey":  func(o *Options) { o.Survey.Levels = nil },
	} {
		o := Options{Survey: vote.Default(), Box: &box{}, Clock: devicetest.Still(time.UnixMilli(0))}
		spoil(&o)
		d := New(o)
		if err := d.Run(t.Context(), nil); !errors.Is(err, vote.ErrInvalid) {
			t.Errorf("%s: Run = %v, want ErrInvalid", name, err)
		}
		if err := d.Run(t.Context(), nil); err == nil || errors.Is(err, vote.ErrInvalid) {
			t.Errorf("%s: second Run = %v, want another error", name, err)
		}
		if err := d.Event(t.Context(), vote.EventService, ""); !errors.Is(err, ErrStopped) {
			t.Errorf("%s: Event = %v, want ErrStopped", name, err)
		}
	}
}

func TestClosedInputsEndRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &box{}
		inputs := make(chan session.Event)
		close(inputs)
		d := New(Options{Survey: vote.Default(), Box: b, Clock: devicetest.Still(time.UnixMilli(0))})
		if err := d.Run(t.Context(), inputs); err != nil || len(b.records(t)) != 0 {
			t.Errorf("Run = %v with %d records", err, len(b.entries))
		}
	})
}

func TestTheSessionTakesNoMoreThanCanBeSealed(t *testing.T) {
	key, _, err := wire.NewSealKey()
	if err != nil {
		t.Fatal(err)
	}
	d := New(Options{SealTo: key})
	most := wire.Personal{
		Comment: strings.Repeat("ờ", session.MaxComment/3),
		Phone:   strings.Repeat("0", session.MaxPhone), Dossier: strings.Repeat("H", session.MaxDossier),
	}
	sealed, err := d.seal(most)
	if err != nil || len(sealed) > vote.MaxSealed {
		t.Errorf("got %d bytes, %v", len(sealed), err)
	}
}
