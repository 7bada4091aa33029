package web

import (
	"errors"
	"io/fs"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"hailong/collector/org"
	"hailong/collector/score"
	"hailong/vote"
)

// home shows the live page of a hall.
func home(t *testing.T, h org.Hall, lang, theme string) string {
	t.Helper()
	c := newCentre()
	c.hall = h
	d := c.signedIn(t, t.Context())
	d.cookies[languageCookie] = &http.Cookie{Name: languageCookie, Value: lang}
	d.cookies[themeCookie] = &http.Cookie{Name: themeCookie, Value: theme}
	got := d.ask("GET", "/", "")
	if got.Code != 200 {
		t.Fatalf("the live page = %d %s", got.Code, got.Body)
	}
	return got.Body.String()
}

func TestTheResponseRateIsShownWhereTheVisitsAreKnown(t *testing.T) {
	s := &site{o: Options{Transactions: 400}}
	if b := s.board(org.Hall{Today: 100}, friday()); !b.Answered || b.Response != 0.25 {
		t.Errorf("100 votes of 400 visits: %v, %v; want 0.25", b.Response, b.Answered)
	}
	if b := s.board(org.Hall{Today: 401}, friday()); b.Answered {
		t.Error("more votes than visits have a rate")
	}
}

func TestTheLivePageTellsTheDay(t *testing.T) {
	got := home(t, busy(), "vi", "light")
	for _, want := range []string{
		"32.339", "94,0\u00a0%", "trên 100 phiếu", "87,5\u00a0% – 97,2\u00a0%", "Rất không hài lòng", "Quầy có phiếu",
		"chưa có số lượt giao dịch", "Điểm chỉ đổi sau ít nhất 5 phiếu mới", "2 phiếu chưa rõ giờ",
		"12 bản ghi đang chờ trên máy",
		"Số đếm của máy và trung tâm khác nhau", "3 phút trước · 14:34", "1 giờ trước · 13:37", "Hoạt động", "Im lặng",
		"Mất liên lạc", "Chưa từng kết nối", "14:37 · 05/8/2022", "chưa đủ mẫu", "06:00–06:59", "SQLite",
		"Hôm nay 32.339 phiếu, 9/11 quầy có phiếu, 2 quầy mất liên lạc.",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if strings.Contains(got, "DEMO") {
		t.Error("a real hall is called a demo")
	}
	demo := busy()
	demo.Demo = true
	if !strings.Contains(home(t, demo, "vi", "light"), "DEMO") {
		t.Error("a demo hall has no ribbon")
	}
}

func TestEnglishAndEveryTheme(t *testing.T) {
	for _, lang := range languages {
		for _, theme := range themes {
			got := home(t, busy(), lang, theme)
			if !strings.Contains(got, `<html lang="`+lang+`" data-theme="`+theme+`">`) {
				t.Errorf("%s %s: the page begins %.80s", lang, theme, got)
			}
		}
	}
	got := home(t, busy(), "en", "auto")
	for _, want := range []string{
		"32,339", "94.0%", "of 100 votes", "Very unsatisfied", "5 August 2022", "Out of contact",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("the English page lacks %q", want)
		}
	}
}

func TestUnderFiveVotesThePageIsSilentAboutLevels(t *testing.T) {
	h := org.Hall{Today: 4, Shown: score.Counts{4, 0, 0, 0, 0}, Terminals: []org.Terminal{
		{ID: "quay-01", VotesToday: 4, Shown: score.Counts{4}, LastSeen: friday(), Online: true}}}
	got := home(t, h, "vi", "auto")
	if !strings.Contains(got, "Cần ít nhất 5 phiếu để hiện điểm") {
		t.Error("the page does not say why there is no score")
	}
	if shown := regexp.MustCompile(`\d\x{a0}%|class="l[1-5]"|class="face"`).FindString(got); shown != "" {
		t.Errorf("the page shows %q", shown)
	}
	h.Shown = score.Counts{0, 0, 0, 0, 5}
	got = home(t, h, "vi", "auto")
	if !strings.Contains(got, "chưa đủ mẫu</em>") || !strings.Contains(got, "100,0\u00a0%") {
		t.Error("five votes are not shown as a small sample")
	}
}

func TestAnEmptyHallSaysWhatToDo(t *testing.T) {
	got := home(t, org.Hall{}, "vi", "auto")
	for _, want := range []string{"Chưa có máy đánh giá nào", "collector terminal add"} {
		if !strings.Contains(got, want) {
			t.Errorf("the empty page lacks %q", want)
		}
	}
}

func TestNamesAreTextAndNothingElse(t *testing.T) {
	h := busy()
	evil := `"><script>alert(1)</script><img src=x onerror=alert(2)>'{{.}}` + "\r\n</main>"
	h.Terminals[0].Counter, h.Terminals[0].Warning = evil, evil
	h.Terminals[6].Counter, h.Terminals[9].Counter = evil, evil
	c := newCentre()
	c.hall = h
	o := c.options(t.Context())
	o.Title = evil
	handler, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	d := &door{t, handler, map[string]*http.Cookie{}}
	c.mint("k")
	d.ask("POST", "/in/k", "")
	got := d.ask("GET", "/", "").Body.String() +
		d.ask("GET", "/in/%22%3E%3Cscript%3Ealert(1)%3C%2Fscript%3E", "").Body.String()
	if strings.Contains(got, "<script>") || strings.Contains(got, "<img src=x") || strings.Count(got, "</main>") != 2 {
		t.Error("a counter's name became markup")
	}
	markup := regexp.MustCompile(`(?i)<style|\sstyle=|\son[a-z]+=|javascript:`)
	if inline := markup.FindString(strings.ReplaceAll(got, "onerror=alert(2)", "")); inline != "" {
		t.Errorf("the page holds %q, which its own policy forbids", inline)
	}
}

func TestABrokenStoreIsSaidKindly(t *testing.T) {
	c := newCentre()
	d := c.signedIn(t, t.Context())
	c.failing(errors.New("disk I/O error"))
	got := d.ask("GET", "/", "")
	body := got.Body.String()
	if got.Code != 503 || strings.Contains(body, "I/O") || !strings.Contains(body, "Chưa đọc được số liệu") {
		t.Errorf("a broken store = %d %s", got.Code, body)
	}
}

func TestSignsOfLife(t *testing.T) {
	for _, c := range []struct {
		ago    time.Duration
		online bool
		want   life
	}{
		{0, true, alive}, {2 * time.Minute, true, alive}, {2*time.Minute + time.Second, true, quiet},
		{10 * time.Minute, true, quiet}, {10*time.Minute + time.Second, true, lost}, {time.Second, false, quiet},
		{time.Hour, false, lost}, {-time.Minute, true, alive},
	} {
		if got := lifeOf(org.Terminal{LastSeen: friday().Add(-c.ago), Online: c.online}, friday()); got != c.want {
			t.Errorf("seen %v ago, online %v: %s, want %s", c.ago, c.online, got, c.want)
		}
	}
	if got := lifeOf(org.Terminal{}, friday()); got != never {
		t.Errorf("never seen: %s", got)
	}
	// A restored terminal may say a lower number than was filed; nothing is waiting then.
	if got := counter(org.Terminal{Upto: 9, Next: 3}, friday()).Waiting; got != 0 {
		t.Errorf("waiting = %d, want 0", got)
	}
}

func TestHoursStayInTheDrawing(t *testing.T) {
	for name, by := range map[string][24]uint64{"nothing": {}, "night": {0: 1, 23: 5}, "one hour": {9: 7}} {
		for _, b := range hours(by, 7, 17) {
			if b.X < 0 || b.X+b.Width > 1.0001 || b.Y < 0 || b.Height < 0 || b.Y+b.Height > 1 {
				t.Errorf("%s: bar %+v leaves the drawing", name, b)
			}
		}
	}
	if n := len(hours([24]uint64{0: 1, 23: 5}, 7, 17)); n != 24 {
		t.Errorf("votes at 0 and 23 give %d bars, want 24", n)
	}
}

func TestFigures(t *testing.T) {
	texts, err := texts()
	if err != nil {
		t.Fatal(err)
	}
	vi, en := wording{vote.Vietnamese, texts}, wording{vote.English, texts}
	day := func(m time.Month, d int) time.Time { return time.Date(2022, m, d, 0, 0, 0, 0, org.VietnamTime()) }
	for got, want := range map[string]string{
		vi.number(32339): "32.339", vi.number(999): "999", vi.number(1000000): "1.000.000", vi.number(0): "0",
		en.number(uint64(32339)): "32,339", vi.percent(0.0713, 2): "7,13\u00a0%", en.percent(0.0713, 2): "7.13%",
		vi.percent(1, 0): "100\u00a0%", vi.date(day(8, 5)): "05/8/2022", vi.date(day(2, 1)): "01/02/2022",
		vi.date(day(12, 31)): "31/12/2022", en.date(day(8, 5)): "5 August 2022",
		clock(time.Date(2022, 8, 5, 0, 5, 0, 0, time.UTC)): "07:05",
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestEveryTextIsThereInBothLanguages(t *testing.T) {
	texts, err := texts()
	if err != nil {
		t.Fatal(err)
	}
	verbs := regexp.MustCompile(`%[0-9]*[a-z]`)
	for key, text := range texts {
		if text.Vi == "" || text.En == "" {
			t.Errorf("%s is not in both languages", key)
		}
		v, e := verbs.FindAllString(text.Vi, -1), verbs.FindAllString(text.En, -1)
		if strings.Join(v, " ") != strings.Join(e, " ") {
			t.Errorf("%s takes %v in Vietnamese and %v in English", key, v, e)
		}
	}
	used := map[string]bool{}
	err = fs.WalkDir(written, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".html") {
			return err
		}
		raw, err := written.ReadFile(path)
		for _, m := range regexp.MustCompile(`\bt "([a-z.]+)"`).FindAllSubmatch(raw, -1) {
			used[string(m[1])] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, composed := range []string{"ago.now", "ago.minutes", "ago.hours", "life.alive", "life.quiet", "life.lost",
		"life.never", "warn.fork", "warn.hole", "warn.unproven", "warn.tally", "warn.quarantine"} {
		used[composed] = true
	}
	for key := range used {
		if _, ok := texts[key]; !ok {
			t.Errorf("a page uses %q, which is no text", key)
		}
	}
	for key := range texts {
		if !used[key] {
			t.Errorf("%q is used nowhere", key)
		}
	}
}

func TestAssetsAreCachedByContent(t *testing.T) {
	d := newCentre().door(t, t.Context())
	got := d.ask("GET", "/assets/htmx.min.js", "")
	tag := got.Header().Get("ETag")
	if got.Code != 200 || tag == "" || !strings.HasPrefix(got.Header().Get("Content-Type"), "text/javascript") {
		t.Fatalf("htmx = %d %v", got.Code, got.Header())
	}
	d.cookies["x"] = &http.Cookie{Name: "x", Value: "y"}
	r := d.request("GET", "/assets/htmx.min.js", "")
	r.Header.Set("If-None-Match", tag)
	w := serve(d.handler, r)
	if w.Code != http.StatusNotModified {
		t.Errorf("asking again = %d, want 304", w.Code)
	}
	for _, path := range []string{"/assets/none.js", "/assets/..%2fweb.go", "/assets/"} {
		if got := d.ask("GET", path, ""); got.Code != 404 {
			t.Errorf("%s = %d, want 404", path, got.Code)
		}
	}
}
