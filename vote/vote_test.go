package vote

import (
	"errors"
	"strings"
	"testing"
)

func TestTerminalID(t *testing.T) {
	for _, ok := range []string{"quay-01", "abc", "0-0", strings.Repeat("a", 32)} {
		if _, err := ParseTerminalID(ok); err != nil {
			t.Errorf("ParseTerminalID(%q) = %v, want no error", ok, err)
		}
	}
	for _, bad := range []string{"", "ab", "-ab", "Quay-01", "a.b.c", "a/b", "a*b", "a>b", "quầy-01", "a b c",
		strings.Repeat("a", 33), "abc\n"} {
		if _, err := ParseTerminalID(bad); err == nil {
			t.Errorf("ParseTerminalID(%q) = nil, want an error", bad)
		}
	}
}

func TestDefaultSurveyIsWhole(t *testing.T) {
	s := Default()
	if err := s.Validate(); err != nil {
		t.Fatal(err)
	}
	// Same shape for every level: the count of reasons must not tell which one was pressed.
	want := len(s.ReasonsFor(VerySatisfied))
	for _, l := range s.Levels {
		if got := len(s.ReasonsFor(l)); got != want {
			t.Errorf("level %d offers %d reasons, level 5 offers %d", l, got, want)
		}
	}
	for _, r := range s.Reasons {
		if r.Text.En == "" {
			t.Errorf("reason %s has no English text", r.Code)
		}
	}
}

func TestSurveyRules(t *testing.T) {
	for name, spoil := range map[string]func(*Survey){
		"two levels":      func(s *Survey) { s.Levels = s.Levels[:2] },
		"descending":      func(s *Survey) { s.Levels = []Level{3, 2, 1} },
		"level six":       func(s *Survey) { s.Levels = []Level{4, 5, 6} },
		"no question":     func(s *Survey) { s.Question.Vi = "" },
		"no version":      func(s *Survey) { s.Version = 0 },
		"double reason":   func(s *Survey) { s.Reasons = append(s.Reasons, s.Reasons[0]) },
		"party is nobody": func(s *Survey) { s.Reasons[0].Party = 0 },
	} {
		s := Default()
		spoil(&s)
		if err := s.Validate(); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: Validate() = %v, want ErrInvalid", name, err)
		}
	}
}

func TestRecordRules(t *testing.T) {
	good := Cast{Level: 5, Survey: "mac-dinh", SurveyVersion: 1, Channel: Button}
	cases := []struct {
		name string
		rec  Record
		ok   bool
	}{
		{"a cast", Record{Cast: &good}, true},
		{"nothing", Record{}, false},
		{"two at once", Record{Cast: &good, Event: &Event{Code: EventBoot}}, false},
		{"level zero", Record{Cast: &Cast{Survey: "x", Channel: Button}}, false},
		{"no channel", Record{Cast: &Cast{Level: 1, Survey: "x"}}, false},
		{"no survey", Record{Cast: &Cast{Level: 1, Channel: Button}}, false},
		{"control character", Record{Cast: &Cast{Level: 1, Survey: "a\x00", Channel: Button}}, false},
		{"broken UTF-8", Record{Cast: &Cast{Level: 1, Survey: "qu\xe1", Channel: Button}}, false},
		{"amend", Record{Amend: &Amend{Cast: 1, Level: 2}}, true},
		{"amend of nothing", Record{Amend: &Amend{Level: 2}}, false},
		{"detail", Record{Detail: &Detail{Cast: 1, Reasons: []string{"khac"}}}, true},
		{"thirteen reasons", Record{Detail: &Detail{Cast: 1, Reasons: strings.Split("abcdefghijklm", "")}}, false},
		{"too much sealed", Record{Detail: &Detail{Cast: 1, Sealed: make([]byte, MaxSealed+1)}}, false},
		{"event", Record{Event: &Event{Code: "boot"}}, true},
		{"event without code", Record{Event: &Event{}}, false},
	}
	for _, c := range cases {
		if err := c.rec.Validate(); (err == nil) != c.ok {
			t.Errorf("%s: Validate() = %v, want ok=%v", c.name, err, c.ok)
		}
	}
}

func TestLanguageFallsBackToVietnamese(t *testing.T) {
	if got := Satisfied.Name().In("xx"); got != "Hài lòng" {
		t.Errorf("got %q", got)
	}
	if got := Satisfied.Name().In(English); got != "Satisfied" {
		t.Errorf("got %q", got)
	}
	if got := (Text{Vi: "một"}).In(English); got != "một" {
		t.Errorf("got %q", got)
	}
}
