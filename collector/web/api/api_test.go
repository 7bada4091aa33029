package api

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"hailong/collector/org"
	"hailong/collector/score"
	"hailong/sync/seal"
	"hailong/vote"
)

// store answers from memory and remembers what it was asked.
type store struct {
	mu      sync.Mutex // guards what follows
	rows    []org.Row
	votes   []org.Vote
	hall    org.Hall
	trouble error
	group   org.Group
	span    org.Span
}

func (s *store) Hall(context.Context, time.Time) (org.Hall, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.hall, s.trouble
}

func (s *store) Scores(_ context.Context, by org.Group, in org.Span) ([]org.Row, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.group, s.span = by, in
	return s.rows, s.trouble
}

func (s *store) Votes(_ context.Context, after uint64, limit int) ([]org.Vote, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []org.Vote
	for _, v := range s.votes {
		if v.Cursor > after && len(out) < limit {
			out = append(out, v)
		}
	}
	return out, s.trouble
}

func (s *store) ask(path, accept string) *httptest.ResponseRecorder {
	h := Service{s, time.Now, slog.New(slog.DiscardHandler), "0.1.0"}.Handler()
	r := httptest.NewRequest("GET", "/api/v1/"+path, nil)
	r.Header.Set("Accept", accept)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func at(hour int) time.Time { return time.Date(2022, 8, 5, hour, 30, 0, 0, org.VietnamTime()) }

func TestScores(t *testing.T) {
	s := &store{rows: []org.Row{{Key: "quay-01", Counts: score.Counts{0, 1, 2, 12, 15}}, {Key: "quay-02"}}}
	got := s.ask("scores?group=terminal&from=2022-08-05&to=2022-08-23T00:00:00%2B07:00", "").Body.String()
	want := `{"rows":[{"key":"quay-01","n":[0,1,2,12,15],"rate":0.9,"lo":0.74378`
	none := `{"key":"quay-02","n":[0,0,0,0,0],"rate":null,"lo":null,"hi":null,"mean":null,"enough":false}`
	if !strings.HasPrefix(got, want) || !strings.Contains(got, `"enough":true`) || !strings.Contains(got, none) {
		t.Errorf("got %s, want %s…", got, want)
	}
	from := time.Date(2022, 8, 5, 0, 0, 0, 0, org.VietnamTime())
	to := from.AddDate(0, 0, 18)
	if s.group != org.ByTerminal || !s.span.From.Equal(from) || !s.span.To.Equal(to) {
		t.Errorf("asked for %s %v, want %v to %v", s.group, s.span, from, to)
	}
	if s.ask("scores", ""); s.group != org.ByHall || s.span != (org.Span{}) {
		t.Errorf("without parameters asked for %s %v", s.group, s.span)
	}
	s.rows = []org.Row{{Key: "5", Counts: score.Counts{0, 0, 0, 0, 9}}}
	if got := s.ask("scores?group=level", "").Body.String(); !strings.Contains(got, `"rate":null`) {
		t.Errorf("a single level has a rate: %s", got)
	}
	s.rows = nil
	if got := s.ask("scores", "").Body.String(); got != `{"rows":[]}`+"\n" {
		t.Errorf("nothing is %s", got)
	}
}

func TestWhatIsAskedWronglyIsNamed(t *testing.T) {
	s := &store{}
	for query, field := range map[string]string{
		"scores?form=2022-08-05": "query.form", "scores?group=officer": "query.group",
		"scores?from=05/8/2022": "query.from", "scores?to=2022-13-01": "query.to",
		"scores?from=2022-08-05&to=2022-08-05": "query.to",
		"votes?limit=501":                      "query.limit",
		"votes?limit=0":                        "query.limit", "votes?limit=x": "query.limit",
		"votes?after=1": "query.after", "votes?after=" + url.QueryEscape(cursor(3)+"="): "query.after",
		"terminals?x": "query.x",
	} {
		for _, accept := range []string{"", "text/csv", "text/html"} {
			w := s.ask(query, accept)
			kind, body := w.Header().Get("Content-Type"), w.Body.String()
			named := strings.Contains(body, `"`+field+`"`) && json.Valid([]byte(body))
			if w.Code != 422 || kind != problemKind || !named {
				t.Errorf("%s as %q = %d %s %s, want 422 naming %s", query, accept, w.Code, kind, body, field)
			}
		}
	}
}

func TestTerminalsTellNothingAboutLevels(t *testing.T) {
	s := &store{hall: org.Hall{Terminals: []org.Terminal{{ID: "quay-01", Counter: "Quầy 1 – Đất đai", Added: at(7),
		LastSeen: at(8), Online: true, Upto: 9, Next: 12, Warning: "hole", VotesToday: 7,
		Shown: score.Counts{7777, 0, 0, 0, 0}}}}}
	got := s.ask("terminals", "").Body.String()
	for _, want := range []string{`"counter":"Quầy 1 – Đất đai"`, `"last_seen":"2022-08-05T08:30:00.000+07:00"`,
		`"last_vote":null`, `"upto":9,"next":12,"warning":"hole","unproven":0,"votes_today":7`} {
		if !strings.Contains(got, want) {
			t.Errorf("%s lacks %s", got, want)
		}
	}
	if strings.Contains(got, "7777") {
		t.Errorf("levels are told: %s", got)
	}
}

func TestAnAuditorReadsEveryVoteOnce(t *testing.T) {
	s := &store{}
	for i := range 1203 {
		s.votes = append(s.votes, org.Vote{Cursor: uint64(10 + 3*i), Seq: uint64(i + 1)})
	}
	seen, after := 0, ""
	for pages := 0; ; pages++ {
		if pages > 4 {
			t.Fatal("the pages do not end")
		}
		w := s.ask("votes?limit=500&after="+after, "")
		var page voteRows
		if err := json.Unmarshal(w.Body.Bytes(), &page); err != nil {
			t.Fatal(err)
		}
		for _, v := range page.Rows {
			if seen++; v.Seq != uint64(seen) {
				t.Fatalf("vote %d has seq %d", seen, v.Seq)
			}
		}
		if len(page.Rows) == 0 {
			if page.Next != after {
				t.Errorf("an answer without votes has next %q, want the %q it was asked with", page.Next, after)
			}
			break
		}
		after = page.Next
		want := fmt.Sprintf(`</api/v1/votes?after=%s&limit=500>; rel="next"`, after)
		if link := w.Header().Get("Link"); link != want {
			t.Errorf("the link is %s, want %s", link, want)
		}
	}
	if seen != 1203 {
		t.Errorf("saw %d votes, want 1203", seen)
	}
}

// aVote has every field set.
func aVote() org.Vote {
	return org.Vote{Cursor: 7, Terminal: "quay-01", Epoch: seal.Epoch{1, 2}, Seq: 42, Level: 4, First: 2,
		Survey: "mac-dinh", Version: 1, Channel: vote.Button,
		Counter: "=HYPERLINK(\"x\")", Officer: "Nguyễn, \"A\"",
		Flags: vote.AfterHours | vote.Assisted | 1<<9, Contested: true, Ignored: 3, Reasons: []string{"cho-lau", "phi"},
		At: at(8), Quality: org.Anchored, WallMS: 1 << 62, ReceivedAt: at(9), Counted: true}
}

func TestAVoteInFull(t *testing.T) {
	s := &store{votes: []org.Vote{aVote(), {Cursor: 8, Quality: org.NoTime}}}
	var got struct{ Rows []map[string]any }
	if err := json.Unmarshal(s.ask("votes", "").Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]any{
		"terminal": "quay-01", "epoch": "01020000000000000000000000000000", "seq": 42.0,
		"level": 4.0, "first_level": 2.0, "survey": "mac-dinh", "survey_version": 1.0, "channel": "button",
		"contested": true, "ignored": 3.0, "at": "2022-08-05T08:30:00.000+07:00", "quality": "anchored",
		"received_at": "2022-08-05T09:30:00.000+07:00", "counted": true} {
		if got.Rows[0][name] != want {
			t.Errorf("%s = %v, want %v", name, got.Rows[0][name], want)
		}
	}
	if flags := fmt.Sprint(got.Rows[0]["flags"]); flags != "[after-hours assisted flag-9]" {
		t.Errorf("flags = %s", flags)
	}
	if at, ok := got.Rows[1]["at"]; at != nil || !ok || got.Rows[1]["quality"] != "unknown" {
		t.Errorf("a vote without a time has at %v", at)
	}
}

func TestSpreadsheets(t *testing.T) {
	s := &store{votes: []org.Vote{aVote()}, rows: []org.Row{{Key: "2022-08-05", Counts: score.Counts{0, 0, 0, 1, 1}}},
		hall: org.Hall{Terminals: []org.Terminal{{ID: "quay-01", Counter: "\t=1+1"}}}}
	read := func(path string) [][]string {
		t.Helper()
		w := s.ask(path, "text/csv;q=0.9, application/json;q=0.1")
		body, marked := strings.CutPrefix(w.Body.String(), "\ufeff")
		if !marked || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/csv") {
			t.Errorf("%s: %s, marked %v", path, w.Header().Get("Content-Type"), marked)
		}
		rows, err := csv.NewReader(strings.NewReader(body)).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		return rows
	}
	rows := read("votes")
	for i, name := range rows[0] {
		want := map[string]string{
			"counter": `'=HYPERLINK("x")`, "officer": `Nguyễn, "A"`, "reasons": "cho-lau phi"}[name]
		if want != "" && rows[1][i] != want {
			t.Errorf("%s = %q, want %q", name, rows[1][i], want)
		}
	}
	if got := strings.Join(read("scores")[1][:7], " "); got != "2022-08-05 0 0 0 1 1 1" {
		t.Errorf("scores = %s", got)
	}
	if got := read("terminals")[1][1]; got != "'\t=1+1" {
		t.Errorf("terminals: counter = %q", got)
	}
	for in, want := range map[string]string{"": "", "Quầy 1": "Quầy 1", "-1": "'-1", "@a": "'@a", " =a": "' =a",
		"＝a": "'＝a", "a=b": "a=b", "\r": "'\r"} {
		if got := harmless(in); got != want {
			t.Errorf("harmless(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestABrokenStoreTellsClientsNothing(t *testing.T) {
	s := &store{trouble: errors.New("disk I/O error")}
	for _, path := range []string{"scores", "terminals", "votes"} {
		w := s.ask(path, "text/csv")
		if w.Code != http.StatusInternalServerError || w.Header().Get("Content-Type") != problemKind ||
			strings.Contains(w.Body.String(), "I/O") {
			t.Errorf("%s = %d %s", path, w.Code, w.Body)
		}
	}
}

func TestNothingIsFetchedFromElsewhere(t *testing.T) {
	s := &store{}
	for _, path := range []string{"docs", "schemas/ScoreRows"} {
		if w := s.ask(path, ""); w.Code != 404 {
			t.Errorf("%s = %d, want 404", path, w.Code)
		}
	}
}
