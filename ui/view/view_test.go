package view

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"hailong/vote"
	"hailong/vote/session"
)

// scene is a state by the events that lead to it.
type scene struct {
	name   string
	events []session.Event
}

// scenes are all phases of a visit that began with a level.
func scenes(l vote.Level) []scene {
	press, kept := session.Press{Level: l, Channel: vote.Touch}, session.Kept{No: 1, Seq: 1}
	return []scene{
		{"asking", nil},
		{"answered", []session.Event{press}},
		{"thanked", []session.Event{press, kept}},
		{"amending", []session.Event{press, kept, session.ChangeMind{}}},
		{"amended", []session.Event{press, kept, session.ChangeMind{}, press, session.Kept{No: 2, Seq: 2}}},
		{"not-kept", []session.Event{press, session.Failed{No: 1}}},
		{"lockout", []session.Event{press, kept, session.Done{}}},
		{"closed", []session.Event{session.Stop{}}},
	}
}

func (m scene) state() session.State {
	s := session.New(session.Options{Survey: vote.Default(), Touch: true, Personal: true})
	for _, e := range m.events {
		s, _ = s.Step(0, e)
	}
	return s
}

// texts are all texts of a view that come from the house, by where they stand.
func texts(v View) map[string]string {
	out := map[string]string{
		"title": v.Title, "text": v.Text, "why": v.Why,
		"change mind": v.ChangeMind, "more time": v.MoreTime, "done": v.Done,
	}
	for i, c := range v.Choices {
		out["choice "+string(rune('0'+i))] = c.Word
	}
	for i, r := range v.Reasons {
		out["reason "+string(rune('0'+i))] = r.Word
	}
	for i, b := range v.Boxes {
		out["box "+string(rune('0'+i))] = b.Label
	}
	return out
}

// filled are the places of a view that hold a text.
func filled(v View) []string {
	var out []string
	for where, text := range texts(v) {
		if text != "" {
			out = append(out, where)
		}
	}
	slices.Sort(out)
	return out
}

func TestEveryPhaseIsWholeInBothLanguages(t *testing.T) {
	seen := map[session.Phase]bool{}
	for _, m := range scenes(3) {
		s := m.state()
		vi, en := Of(s, vote.Vietnamese), Of(s, vote.English)
		seen[vi.Phase] = true
		if vi.Title == "" || en.Title == "" || vi.Title == en.Title {
			t.Errorf("%s: titles %q and %q", m.name, vi.Title, en.Title)
		}
		if !slices.Equal(filled(vi), filled(en)) {
			t.Errorf("%s: Vietnamese has %v, English %v", m.name, filled(vi), filled(en))
		}
		for where, text := range texts(vi) {
			if text != "" && texts(en)[where] == text {
				t.Errorf("%s: %s is %q in both languages", m.name, where, text)
			}
		}
		for i := range vi.Choices {
			if vi.Choices[i].Word == "" || en.Choices[i].Word == "" {
				t.Errorf("%s: choice %d has no word", m.name, i)
			}
		}
		for i := range vi.Reasons {
			if vi.Reasons[i].Word == "" || en.Reasons[i].Word == "" {
				t.Errorf("%s: reason %d has no word", m.name, i)
			}
		}
	}
	for p := session.Asking; p <= session.Closed; p++ {
		if !seen[p] {
			t.Errorf("phase %v has no view in this test", p)
		}
	}
}

func TestNothingAfterThePressTellsTheLevel(t *testing.T) {
	for _, language := range []string{vote.Vietnamese, vote.English} {
		low, high := scenes(vote.VeryUnsatisfied), scenes(vote.VerySatisfied)
		for i := range low {
			a, b := Of(low[i].state(), language), Of(high[i].state(), language)
			if !slices.Equal(filled(a), filled(b)) || len(a.Choices) != len(b.Choices) || a.Seconds != b.Seconds {
				t.Errorf("%s: level 1 fills %v, level 5 %v", low[i].name, filled(a), filled(b))
			}
			// But for the words of the reasons the two are the same.
			a.Reasons, b.Reasons = nil, nil
			if !reflect.DeepEqual(a, b) {
				t.Errorf("%s: level 1 shows %+v, level 5 %+v", low[i].name, a, b)
			}
			if len(a.Choices) > 0 {
				continue
			}
			line := strings.ToLower(Line(Of(low[i].state(), language)) + Line(Of(high[i].state(), language)))
			for _, l := range vote.Default().Levels {
				if word := strings.ToLower(l.Name().In(language)); strings.Contains(line, word) {
					t.Errorf("%s: %q holds the level's word %q", low[i].name, line, word)
				}
			}
		}
	}
}

func TestThePageFollowsTheVisitor(t *testing.T) {
	s := scenes(5)[2].state()
	for i, e := range []session.Event{
		session.Toggle{Code: "gon"},
		session.Write{Personal: session.Personal{Comment: "tốt lắm", Phone: "0905"}},
		session.Tick{},
	} {
		s, _ = s.Step(time.Duration(i)*4*time.Second, e)
	}
	v := Of(s, vote.Vietnamese)
	var chosen []string
	for _, r := range v.Reasons {
		if r.Chosen {
			chosen = append(chosen, r.Code)
		}
	}
	if !slices.Equal(chosen, []string{"gon"}) || v.Seconds != 22 || v.ChangeMind != "" || v.MoreTime == "" {
		t.Errorf("got %+v", v)
	}
	if len(v.Boxes) != 3 || v.Boxes[0].Typed != "tốt lắm" || v.Boxes[1].Typed != "0905" || v.Boxes[2].Typed != "" {
		t.Errorf("boxes are %+v", v.Boxes)
	}
	if line := Line(v); strings.Contains(line, "0905") || strings.Contains(line, "tốt lắm") {
		t.Errorf("the line %q tells what was typed", line)
	}
}

func TestLine(t *testing.T) {
	for _, c := range []struct {
		of   scene
		want string
	}{
		{scenes(1)[0], "Please rate our service · Were you satisfied with the service today? · " +
			"[1] Very unsatisfied · [2] Unsatisfied · [3] Neutral · [4] Satisfied · [5] Very satisfied"},
		{scenes(1)[5], "Not recorded, please tell the staff · This terminal is having a problem"},
		{scenes(5)[2], "Thank you for your vote · Your vote has been recorded · Why? You may choose several · " +
			"[ ] Helpful officer · [ ] Clear guidance · [ ] Quick handling · [ ] On time · " +
			"[ ] One visit was enough · [ ] Few papers asked · [ ] Clear fees · " +
			"[ ] Pleasant premises · [ ] Something else · Comment · Phone number, if you want a call back · " +
			"Dossier code · <Change my mind> · <More time> · <Done> · 30 s"},
	} {
		if got := Line(Of(c.of.state(), vote.English)); got != c.want {
			t.Errorf("%s: got\n%s\nwant\n%s", c.of.name, got, c.want)
		}
	}
}
