// Package view is what a terminal shows, as plain texts: a session's state and a language go in, a
// View comes out. It never paints, never decides, and after the press never tells a level.
package view

import (
	"fmt"
	"strings"
	"time"

	"hailong/vote"
	"hailong/vote/session"
)

// View is one screen. A text that is "" is not on it.
type View struct {
	Phase    session.Phase
	Language string

	Title string // always set
	Text  string // a sentence below it

	Choices []Choice // the levels that may be pressed
	Why     string   // above the reasons
	Reasons []Reason
	Boxes   []Box

	// Buttons of the screen.
	ChangeMind, MoreTime, Done string

	Seconds int // of the countdown, 0 where there is none
}

// Choice is a level that may be pressed.
type Choice struct {
	Level vote.Level
	Word  string
}

// Reason is a reason that may be chosen.
type Reason struct {
	Code   string
	Word   string
	Chosen bool
}

// Field tells the boxes apart. The numbers are spoken with the pane.
type Field uint8

// Fields of the page.
const (
	Comment Field = 1
	Phone   Field = 2
	Dossier Field = 3
)

// Box is where a visitor may type.
type Box struct {
	Field Field
	Label string
	Typed string // what the visitor typed so far
}

// Of is the view of a state.
func Of(s session.State, language string) View {
	say := func(t vote.Text) string { return t.In(language) }
	v := View{Phase: s.Phase(), Language: language}
	switch s.Phase() {
	case session.Asking:
		v.Title, v.Text = say(invite), say(s.Survey().Question)
	case session.Answered:
		v.Title, v.Text = say(recording), say(moment)
	case session.Thanked:
		v.Title, v.Text = say(thanks), say(recorded)
	case session.Amending:
		v.Title, v.Text, v.Done = say(again), say(s.Survey().Question), say(keep)
	case session.NotKept:
		v.Title, v.Text = say(notKept), say(notKeptMore)
	case session.Lockout:
		v.Title, v.Text = say(moment), say(next)
	default:
		v.Title, v.Text = say(closed), say(closedMore)
	}
	for _, l := range s.Levels() {
		v.Choices = append(v.Choices, Choice{l, say(l.Name())})
	}
	if s.Page() {
		v.page(s, say)
	}
	v.Seconds = int((s.Left() + time.Second - 1) / time.Second)
	return v
}

// page adds what follows the thanks on a terminal with a screen.
func (v *View) page(s session.State, say func(vote.Text) string) {
	v.Why, v.Done = say(why), say(done)
	for _, r := range s.Reasons() {
		v.Reasons = append(v.Reasons, Reason{r.Code, say(r.Text), r.Chosen})
	}
	if s.TakesPersonal() {
		typed := s.Written()
		v.Boxes = []Box{
			{Comment, say(comment), typed.Comment},
			{Phone, say(phone), typed.Phone},
			{Dossier, say(dossier), typed.Dossier},
		}
	}
	if s.CanChangeMind() {
		v.ChangeMind = say(changeMind)
	}
	if s.CanAddTime() {
		v.MoreTime = say(moreTime)
	}
}

// Line is the view in one line, for a terminal without a screen. What a visitor typed is not in it.
func Line(v View) string {
	parts := []string{v.Title}
	if v.Text != "" {
		parts = append(parts, v.Text)
	}
	for _, c := range v.Choices {
		parts = append(parts, fmt.Sprintf("[%d] %s", c.Level, c.Word))
	}
	if v.Why != "" {
		parts = append(parts, v.Why)
	}
	for _, r := range v.Reasons {
		mark := "[ ] "
		if r.Chosen {
			mark = "[x] "
		}
		parts = append(parts, mark+r.Word)
	}
	for _, b := range v.Boxes {
		parts = append(parts, b.Label)
	}
	for _, b := range []string{v.ChangeMind, v.MoreTime, v.Done} {
		if b != "" {
			parts = append(parts, "<"+b+">")
		}
	}
	if v.Seconds > 0 {
		parts = append(parts, fmt.Sprintf("%d s", v.Seconds))
	}
	return strings.Join(parts, " · ")
}
