package session

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"hailong/vote"
)

const ms = time.Millisecond

// step is an event at a time, what the terminal then shows and which record it asks for.
type step struct {
	at   time.Duration
	do   Event
	show string
	ask  string
}

type story struct {
	name  string
	touch bool
	steps []step
}

func button(l vote.Level) Event { return Press{l, vote.Button} }
func touch(l vote.Level) Event  { return Press{l, vote.Touch} }

// shows is what a bystander could tell from the screen.
func shows(s State) string {
	out := s.Phase().String()
	if s.Page() {
		out += " page"
	}
	if s.CanChangeMind() {
		out += " undo"
	}
	if s.Left() > 0 {
		out += fmt.Sprintf(" %v", s.Left())
	}
	return out
}

func asks(a Ask) string {
	switch a.Kind {
	case vote.CastKind:
		return fmt.Sprintf("cast %d %s at %v", a.Level, a.Channel, a.At)
	case vote.AmendKind:
		return fmt.Sprintf("amend of %d to %d", a.Cast, a.Level)
	case vote.DetailKind:
		out := fmt.Sprintf("detail of %d", a.Cast)
		if a.said() {
			out += fmt.Sprintf(" %v %q", a.Reasons, a.Written.Comment+a.Written.Phone+a.Written.Dossier)
		}
		if a.Ignored > 0 {
			out += fmt.Sprintf(" ignored %d", a.Ignored)
		}
		if a.Contested {
			out += " contested"
		}
		return out
	case vote.EventKind:
		return fmt.Sprintf("event ignored %d", a.Ignored)
	}
	return ""
}

func TestStories(t *testing.T) {
	for _, s := range append(append(buttonStories(), touchStories()...), diskStories()...) {
		t.Run(s.name, func(t *testing.T) {
			survey := vote.Default()
			survey.Levels = []vote.Level{1, 3, 4, 5} // 2 is not offered
			m := New(Options{Survey: survey, Touch: s.touch, Personal: true})
			for i, st := range s.steps {
				var ask Ask
				m, ask = m.Step(st.at, st.do)
				if got := shows(m); got != st.show {
					t.Errorf("step %d, %T at %v: shows %q, want %q", i, st.do, st.at, got, st.show)
				}
				if got := asks(ask); got != st.ask {
					t.Errorf("step %d, %T at %v: asks %q, want %q", i, st.do, st.at, got, st.ask)
				}
			}
		})
	}
}

func buttonStories() []story {
	begin := []step{
		{1 * time.Second, button(4), "answered", "cast 4 button at 1s"},
		{1020 * ms, Kept{1, 7}, "thanked", ""},
	}
	after := func(steps ...step) []step { return append(begin[:2:2], steps...) }
	return []story{
		{"a vote at a box of buttons", false, after(
			step{3019 * ms, Tick{}, "thanked", ""},
			step{3020 * ms, Tick{}, "lockout", ""},
			step{5020 * ms, Tick{}, "asking", ""},
		)},
		{"a child hammering counts once", false, after(
			step{1100 * ms, button(4), "thanked", ""},
			step{1200 * ms, button(4), "thanked", ""},
			step{4 * time.Second, button(4), "lockout", ""},
			step{5020 * ms, Tick{}, "lockout", "detail of 7 ignored 3"},
			step{5040 * ms, Kept{2, 8}, "asking", ""},
		)},
		{"a different button within the lockout contests the vote", false, after(
			step{4 * time.Second, button(1), "lockout", ""},
			step{4100 * ms, button(4), "lockout", ""},
			step{6 * time.Second, Tick{}, "lockout", "detail of 7 ignored 2 contested"},
		)},
		{"first press wins before the disk has answered", false, []step{
			{0, button(1), "answered", "cast 1 button at 0s"},
			{1 * ms, button(5), "answered", ""},
			{9 * ms, Kept{1, 3}, "thanked", ""},
			{9 * time.Second, Tick{}, "lockout", "detail of 3 ignored 1 contested"},
		}},
		{"a button without a face is no vote, and is reported", false, []step{
			{1 * time.Second, button(2), "asking", ""},
			{2 * time.Second, button(9), "asking", ""},
			{61 * time.Second, Tick{}, "asking", "event ignored 2"},
			{61 * time.Second, Kept{1, 1}, "asking", ""},
			{200 * time.Second, Tick{}, "asking", ""},
		}},
		{"a button without a face contests nothing", false, after(
			step{2 * time.Second, button(2), "thanked", ""},
			step{6 * time.Second, Tick{}, "lockout", "detail of 7 ignored 1"},
		)},
		{"touches mean nothing to a box of buttons", false, after(
			step{1100 * ms, ChangeMind{}, "thanked", ""},
			step{1200 * ms, Toggle{"nhanh"}, "thanked", ""},
			step{1300 * ms, Write{Personal{Comment: "tốt"}}, "thanked", ""},
			step{1400 * ms, Done{}, "thanked", ""},
			step{9 * time.Second, Tick{}, "asking", ""},
		)},
		{"a press that comes late finds the next visit open", false, after(
			step{9 * time.Second, button(5), "answered", "cast 5 button at 9s"},
		)},
		{"a press is not lost behind the detail of the last visit", false, after(
			step{2 * time.Second, button(4), "thanked", ""},
			step{9 * time.Second, button(5), "lockout", "detail of 7 ignored 1"},
			step{9100 * ms, Kept{2, 8}, "asking", ""},
			step{69 * time.Second, Tick{}, "asking", "event ignored 1"},
		)},
		{"the clock goes backwards", false, after(
			step{0, Tick{}, "thanked", ""},
			step{3020 * ms, Tick{}, "lockout", ""},
		)},
	}
}

func touchStories() []story {
	begin := []step{
		{0, touch(1), "answered", "cast 1 touch at 0s"},
		{0, Kept{1, 7}, "thanked page undo 30s", ""},
	}
	after := func(steps ...step) []step { return append(begin[:2:2], steps...) }
	long := strings.Repeat("a", MaxComment+1)
	return []story{
		{"a walk-away keeps the vote", true, after(
			step{5 * time.Second, Tick{}, "thanked page 25s", ""},
			step{30 * time.Second, Tick{}, "lockout", ""},
			step{32 * time.Second, Tick{}, "asking", ""},
		)},
		{"done at once", true, after(
			step{500 * ms, Done{}, "lockout", ""},
			step{2500 * ms, Tick{}, "asking", ""},
		)},
		{"reasons, one taken back, and a number", true, after(
			step{1 * time.Second, Toggle{"thai-do"}, "thanked page undo 29s", ""},
			step{2 * time.Second, Toggle{"cho-lau"}, "thanked page undo 28s", ""},
			step{3 * time.Second, Toggle{"thai-do"}, "thanked page undo 27s", ""},
			step{4 * time.Second, Toggle{"nhanh"}, "thanked page undo 26s", ""}, // praise is not offered
			step{5 * time.Second, Write{Personal{Phone: "0905"}}, "thanked page 25s", ""},
			step{6 * time.Second, Done{}, "lockout", ""},
			step{8 * time.Second, Tick{}, "lockout", `detail of 7 [cho-lau] "0905"`},
			step{8100 * ms, Kept{2, 8}, "asking", ""},
		)},
		{"a text too long leaves the one before", true, after(
			step{1 * time.Second, Write{Personal{Comment: "chờ"}}, "thanked page undo 29s", ""},
			step{2 * time.Second, Write{Personal{Comment: long}}, "thanked page undo 28s", ""},
			step{3 * time.Second, Done{}, "lockout", ""},
			step{5 * time.Second, Tick{}, "lockout", `detail of 7 [] "chờ"`},
		)},
		{"reasons of a walk-away are kept", true, after(
			step{1 * time.Second, Toggle{"phi"}, "thanked page undo 29s", ""},
			step{32 * time.Second, Tick{}, "lockout", `detail of 7 [phi] ""`},
		)},
		{"more time", true, after(
			step{29 * time.Second, MoreTime{}, "thanked page 30s", ""},
			step{58 * time.Second, Toggle{"phi"}, "thanked page 1s", ""},
			step{59 * time.Second, Tick{}, "lockout", ""},
		)},
		{"a change of mind", true, after(
			step{2 * time.Second, Toggle{"phi"}, "thanked page undo 28s", ""},
			step{3 * time.Second, ChangeMind{}, "amending 10s", ""},
			step{5 * time.Second, touch(5), "answered", "amend of 7 to 5"},
			step{5020 * ms, Kept{2, 8}, "thanked page 30s", ""},
			step{6 * time.Second, ChangeMind{}, "thanked page 29.02s", ""}, // once per visit
			step{6 * time.Second, Done{}, "lockout", ""},
			step{8 * time.Second, Tick{}, "asking", ""}, // the complaint went with the first level
		)},
		{"a change of mind to the same level looks like any other", true, after(
			step{3 * time.Second, ChangeMind{}, "amending 10s", ""},
			step{4 * time.Second, touch(1), "answered", "amend of 7 to 1"},
			step{4 * time.Second, Kept{2, 8}, "thanked page 30s", ""},
		)},
		{"a change of mind after five seconds comes too late", true, after(
			step{5 * time.Second, ChangeMind{}, "thanked page 25s", ""},
		)},
		{"a changed mind that does not press keeps the first vote", true, after(
			step{4 * time.Second, ChangeMind{}, "amending 10s", ""},
			step{14 * time.Second, Tick{}, "thanked page 26s", ""},
			step{40 * time.Second, Tick{}, "lockout", ""},
			step{42 * time.Second, Tick{}, "asking", ""},
		)},
		{"a changed mind that is done keeps the first vote", true, after(
			step{4 * time.Second, ChangeMind{}, "amending 10s", ""},
			step{5 * time.Second, Done{}, "lockout", ""},
			step{7 * time.Second, Tick{}, "asking", ""},
		)},
		{"an amend that is not kept leaves the cast", true, after(
			step{1 * time.Second, ChangeMind{}, "amending 10s", ""},
			step{2 * time.Second, touch(5), "answered", "amend of 7 to 5"},
			step{3 * time.Second, Failed{2}, "not-kept", ""},
			step{4 * time.Second, button(1), "not-kept", ""},
			step{8 * time.Second, Tick{}, "lockout", "detail of 7 ignored 1"},
		)},
		{"a hardware button contests on a terminal with a screen too", true, after(
			step{1 * time.Second, button(5), "thanked page undo 29s", ""},
			step{2 * time.Second, Done{}, "lockout", ""},
			step{4 * time.Second, Tick{}, "lockout", "detail of 7 ignored 1 contested"},
		)},
		{"the amended level is not contested by itself", true, after(
			step{1 * time.Second, ChangeMind{}, "amending 10s", ""},
			step{2 * time.Second, touch(5), "answered", "amend of 7 to 5"},
			step{2100 * ms, touch(5), "answered", ""},
			step{3 * time.Second, Kept{2, 8}, "thanked page 30s", ""},
			step{4 * time.Second, Done{}, "lockout", ""},
			step{6 * time.Second, Tick{}, "lockout", "detail of 7 ignored 1"},
		)},
	}
}

func diskStories() []story {
	return []story{
		{"the disk fails", true, []step{
			{0, touch(5), "answered", "cast 5 touch at 0s"},
			{1 * time.Second, Failed{1}, "not-kept", ""},
			{2 * time.Second, touch(5), "not-kept", ""},
			{6 * time.Second, Tick{}, "asking", ""},
			{7 * time.Second, touch(5), "answered", "cast 5 touch at 7s"},
		}},
		{"the disk is slow, and presses go on meanwhile", false, []step{
			{0, button(5), "answered", "cast 5 button at 0s"},
			{1 * time.Second, button(5), "answered", ""},
			{5 * time.Second, Tick{}, "not-kept", ""},
			{60 * time.Second, button(4), "not-kept", ""},
			{61 * time.Second, Kept{1, 4}, "thanked", ""},
			{65 * time.Second, Tick{}, "lockout", "detail of 4 ignored 2 contested"},
		}},
		{"a late answer opens no page for whoever comes next", true, []step{
			{0, touch(5), "answered", "cast 5 touch at 0s"},
			{5 * time.Second, Tick{}, "not-kept", ""},
			{6 * time.Second, Kept{1, 4}, "thanked", ""},
			{7 * time.Second, ChangeMind{}, "thanked", ""},
			{8 * time.Second, Tick{}, "lockout", ""},
			{10 * time.Second, Tick{}, "asking", ""},
		}},
		{"a silent disk that fails in the end", true, []step{
			{0, touch(5), "answered", "cast 5 touch at 0s"},
			{5 * time.Second, Tick{}, "not-kept", ""},
			{90 * time.Second, Failed{1}, "not-kept", ""},
			{95 * time.Second, Tick{}, "asking", ""},
		}},
		{"answers to other asks say nothing", false, []step{
			{0, Kept{1, 9}, "asking", ""},
			{1 * time.Second, button(5), "answered", "cast 5 button at 1s"},
			{1 * time.Second, Kept{7, 9}, "answered", ""},
			{2 * time.Second, Failed{1}, "not-kept", ""},
			{3 * time.Second, Kept{1, 9}, "not-kept", ""},
		}},
		{"a record without a seq is none", false, []step{
			{0, button(5), "answered", "cast 5 button at 0s"},
			{0, Kept{1, 0}, "not-kept", ""},
		}},
		{"a number that could not be kept is not hidden", true, []step{
			{0, touch(5), "answered", "cast 5 touch at 0s"},
			{0, Kept{1, 7}, "thanked page undo 30s", ""},
			{1 * time.Second, Write{Personal{Phone: "0905"}}, "thanked page undo 29s", ""},
			{2 * time.Second, Done{}, "lockout", ""},
			{4 * time.Second, Tick{}, "lockout", `detail of 7 [] "0905"`},
			{5 * time.Second, Failed{2}, "not-kept", ""},
			{10 * time.Second, Tick{}, "asking", ""},
		}},
		{"a press waits for the report before it", false, []step{
			{0, button(2), "asking", ""},
			{60 * time.Second, Tick{}, "asking", "event ignored 1"},
			{61 * time.Second, button(5), "answered", ""},
			{62 * time.Second, Failed{1}, "answered", "cast 5 button at 1m1s"},
			{62 * time.Second, Kept{2, 1}, "thanked", ""},
		}},
		{"a press behind a silent report is not kept, and said to be so", false, []step{
			{0, button(2), "asking", ""},
			{60 * time.Second, Tick{}, "asking", "event ignored 1"},
			{61 * time.Second, button(5), "answered", ""},
			{66 * time.Second, Tick{}, "not-kept", ""},
			{67 * time.Second, Kept{1, 1}, "not-kept", ""},
			{71 * time.Second, Tick{}, "asking", ""},
			{127 * time.Second, Tick{}, "asking", "event ignored 1"},
		}},
		{"a stop on the page keeps what was said", true, []step{
			{0, touch(5), "answered", "cast 5 touch at 0s"},
			{0, Kept{1, 7}, "thanked page undo 30s", ""},
			{1 * time.Second, Toggle{"nhanh"}, "thanked page undo 29s", ""},
			{2 * time.Second, Stop{}, "lockout", `detail of 7 [nhanh] ""`},
			{3 * time.Second, Kept{2, 8}, "closed", ""},
		}},
		{"a stop waits for the vote on its way", false, []step{
			{0, button(2), "asking", ""},
			{1 * time.Second, button(5), "answered", "cast 5 button at 1s"},
			{2 * time.Second, Stop{}, "answered", ""},
			{3 * time.Second, Kept{1, 7}, "closed", "event ignored 1"},
			{4 * time.Second, Failed{2}, "closed", ""},
		}},
	}
}
