package web

import (
	"embed"
	"encoding/json"
	"fmt"
	"html/template"
	"strconv"
	"strings"
	"time"

	"hailong/collector/org"
	"hailong/vote"
)

//go:embed page.html board.html texts.json
var written embed.FS

// pages parses the templates once per language.
func pages() (map[string]*template.Template, error) {
	texts, err := texts()
	if err != nil {
		return nil, err
	}
	out := map[string]*template.Template{}
	for _, language := range languages {
		t, err := template.New("").Funcs(wording{language, texts}.funcs()).ParseFS(written, "*.html")
		if err != nil {
			return nil, fmt.Errorf("parse pages: %w", err)
		}
		out[language] = t
	}
	return out, nil
}

func texts() (map[string]vote.Text, error) {
	raw, err := written.ReadFile("texts.json")
	if err != nil {
		return nil, err
	}
	var out map[string]vote.Text
	if err := json.Unmarshal(raw, &out); err != nil {
		return nil, fmt.Errorf("read texts.json: %w", err)
	}
	return out, nil
}

// wording says things in one language.
type wording struct {
	language string
	texts    map[string]vote.Text
}

func (w wording) funcs() template.FuncMap {
	return template.FuncMap{
		"t": w.text, "num": w.number, "dec": w.decimal, "pct": w.percent, "at": coordinate,
		"clock": clock, "date": w.date, "ago": w.ago, "machine": machine,
		"wide":  func(from, to float64) string { return coordinate(to - from) },
		"level": func(l vote.Level) string { return l.Name().In(w.language) },
	}
}

// text finds a text; a key that is missing fails the page, and so the test of every page.
func (w wording) text(key string, args ...any) (string, error) {
	text, ok := w.texts[key]
	if !ok {
		return "", fmt.Errorf("no text %q", key)
	}
	if len(args) == 0 {
		return text.In(w.language), nil
	}
	return fmt.Sprintf(text.In(w.language), args...), nil
}

// number writes 32339 as 32.339 in Vietnamese and 32,339 in English.
func (w wording) number(n any) string {
	digits, mark := fmt.Sprint(n), "."
	if w.language == vote.English {
		mark = ","
	}
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + mark + digits[i:]
	}
	return digits
}

// decimal writes 7.13 as 7,13 in Vietnamese.
func (w wording) decimal(x float64, places int) string {
	s := strconv.FormatFloat(x, 'f', places, 64)
	if w.language == vote.Vietnamese {
		s = strings.Replace(s, ".", ",", 1)
	}
	return s
}

// percent writes the fraction 0.0713 as 7,13 % in Vietnamese and 7.13% in English. The Vietnamese
// space does not break.
func (w wording) percent(fraction float64, places int) string {
	s := w.decimal(100*fraction, places)
	if w.language == vote.Vietnamese {
		return s + "\u00a0%"
	}
	return s + "%"
}

// coordinate writes a fraction as a place in a drawing.
func coordinate(fraction float64) string {
	return strconv.FormatFloat(100*fraction, 'f', 2, 64) + "%"
}

func clock(t time.Time) string { return t.In(org.VietnamTime()).Format("15:04") }

func machine(t time.Time) string { return t.In(org.VietnamTime()).Format(time.RFC3339) }

// date follows the official style: 05/8/2022, but 05/02/2022, for a 1 or 2 alone could grow a digit.
func (w wording) date(t time.Time) string {
	t = t.In(org.VietnamTime())
	switch {
	case w.language == vote.English:
		return t.Format("2 January 2006")
	case t.Month() <= time.February:
		return t.Format("02/01/2006")
	}
	return t.Format("02/1/2006")
}

// ago says how long ago something was, coarsely; the exact time stands beside it.
func (w wording) ago(t, now time.Time) (string, error) {
	switch d := now.Sub(t); {
	case d < time.Minute:
		return w.text("ago.now")
	case d < time.Hour:
		return w.text("ago.minutes", int(d.Minutes()))
	case d < 24*time.Hour:
		return w.text("ago.hours", int(d.Hours()))
	}
	return w.date(t), nil
}
