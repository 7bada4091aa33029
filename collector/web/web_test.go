package web

import (
	"context"
	"crypto/sha256"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"hailong/collector/org"
	"hailong/collector/score"
	"hailong/vote"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// centre is everything behind the door, in memory.
type centre struct {
	mu      sync.Mutex // guards what follows
	hall    org.Hall
	links   map[[32]byte]bool
	tokens  map[[32]byte]string // one scope each
	trouble error
	wakes   []chan struct{}
	reads   int
}

func newCentre() *centre {
	c := &centre{links: map[[32]byte]bool{}, tokens: map[[32]byte]string{}}
	for _, scope := range []string{"scores", "terminals", "votes"} {
		c.tokens[sha256.Sum256([]byte("token of "+scope))] = scope
	}
	return c
}

func (c *centre) Hall(context.Context, time.Time) (org.Hall, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reads++
	return c.hall, c.trouble
}

func (c *centre) Scores(context.Context, org.Group, org.Span) ([]org.Row, error) { return nil, nil }

func (c *centre) Votes(context.Context, uint64, int) ([]org.Vote, error) { return nil, nil }

func (c *centre) Token(_ context.Context, hash [32]byte) (string, []string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	scope := c.tokens[hash]
	return scope, []string{scope}, c.trouble
}

func (c *centre) UseLink(_ context.Context, hash [32]byte, _ time.Time) (bool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	ok := c.links[hash]
	delete(c.links, hash)
	return ok, c.trouble
}

func (c *centre) Ready(context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.trouble
}

func (c *centre) Subscribe(context.Context) <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	wake := make(chan struct{}, 1)
	c.wakes = append(c.wakes, wake)
	return wake
}

// change sets the hall and wakes everybody, as a commit does.
func (c *centre) change(edit func(*org.Hall)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	edit(&c.hall)
	for _, wake := range c.wakes {
		select {
		case wake <- struct{}{}:
		default:
		}
	}
}

func (c *centre) failing(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.trouble = err
}

func (c *centre) mint(token string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.links[sha256.Sum256([]byte(token))] = true
}

// friday is a working afternoon at the seed's hall.
func friday() time.Time { return time.Date(2022, 8, 5, 14, 37, 0, 0, org.VietnamTime()) }

func (c *centre) options(ctx context.Context) Options {
	return Options{Reader: c, Access: c, Health: c, Feed: c, Context: ctx, Now: friday,
		Log: slog.New(slog.DiscardHandler), Metrics: prometheus.NewRegistry(), Version: "0.1.0", Store: "SQLite"}
}

// door is the handler with a browser's cookies before it.
type door struct {
	t       *testing.T
	handler http.Handler
	cookies map[string]*http.Cookie
}

func (c *centre) door(t *testing.T, ctx context.Context) *door {
	t.Helper()
	h, err := New(c.options(ctx))
	if err != nil {
		t.Fatal(err)
	}
	return &door{t, h, map[string]*http.Cookie{}}
}

// signedIn is a door with a session.
func (c *centre) signedIn(t *testing.T, ctx context.Context) *door {
	t.Helper()
	d := c.door(t, ctx)
	c.mint("first")
	if got := d.ask("POST", "/in/first", ""); got.Code != http.StatusSeeOther {
		t.Fatalf("the sign-in link answered %d, want 303: %s", got.Code, got.Body)
	}
	return d
}

func (d *door) request(method, path, form string) *http.Request {
	r := httptest.NewRequest(method, path, strings.NewReader(form))
	if form != "" {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for _, c := range d.cookies {
		r.AddCookie(c)
	}
	return r
}

func (d *door) ask(method, path, form string) *httptest.ResponseRecorder {
	d.t.Helper()
	w := httptest.NewRecorder()
	d.handler.ServeHTTP(w, d.request(method, path, form))
	for _, c := range w.Result().Cookies() {
		d.cookies[c.Name] = c
		if c.MaxAge < 0 {
			delete(d.cookies, c.Name)
		}
	}
	return w
}

// busy is a hall of eleven counters like the seed's: two silent, one of them lost.
func busy() org.Hall {
	names := []string{"Đất đai", "Đất đai", "Môi trường", "Hộ tịch", "Lao động", "Bảo trợ xã hội", "Kinh doanh",
		"Xây dựng", "Bảo hiểm", "Thuế", "Trả kết quả"}
	h := org.Hall{Today: 32339, Shown: score.Counts{1, 1, 4, 40, 54}, Unclocked: 2,
		ByHour: [24]uint64{6: 3, 8: 32000, 14: 336}}
	for i, name := range names {
		t := org.Terminal{ID: vote.TerminalID("quay-" + string(rune('a'+i)) + "1"), Counter: name, Online: true,
			LastSeen: friday().Add(-30 * time.Second), LastVote: friday().Add(-3 * time.Minute), VotesToday: 7,
			Upto: 9, Next: 10, Shown: score.Counts{0, 0, 0, 1, 4}}
		if i == 6 || i == 9 {
			t.VotesToday, t.LastVote, t.Shown = 0, time.Time{}, score.Counts{}
		}
		h.Terminals = append(h.Terminals, t)
	}
	h.Terminals[2].LastSeen, h.Terminals[2].Next = friday().Add(-4*time.Minute), 22
	h.Terminals[9].LastSeen = friday().Add(-time.Hour)
	h.Terminals[10].LastSeen = time.Time{}
	h.Terminals[3].Warning = "tally"
	return h
}

func TestOptionsAreChecked(t *testing.T) {
	good := newCentre().options(t.Context())
	for name, spoil := range map[string]func(*Options){
		"no reader":         func(o *Options) { o.Reader = nil },
		"no metrics":        func(o *Options) { o.Metrics = nil },
		"no context":        func(o *Options) { o.Context = nil },
		"closes at 25":      func(o *Options) { o.Opens, o.Closes = 7, 25 },
		"opens after close": func(o *Options) { o.Opens, o.Closes = 17, 7 },
	} {
		o := good
		spoil(&o)
		if _, err := New(o); err == nil {
			t.Errorf("%s: New gave no error", name)
		}
	}
}

func TestProbes(t *testing.T) {
	c := newCentre()
	d := c.door(t, t.Context())
	if got := d.ask("GET", "/readyz", ""); got.Code != 200 || got.Body.String() != `{"ready":true,"reasons":[]}`+"\n" {
		t.Errorf("readyz = %d %s", got.Code, got.Body)
	}
	c.failing(errors.Join(errors.New("store is read-only"), errors.New("broker is down")))
	want := `{"ready":false,"reasons":["store is read-only","broker is down"]}` + "\n"
	if got := d.ask("GET", "/readyz", ""); got.Code != 503 || got.Body.String() != want {
		t.Errorf("readyz = %d %s, want 503 %s", got.Code, got.Body, want)
	}
	if got := d.ask("GET", "/livez", ""); got.Code != 200 {
		t.Errorf("livez = %d while the store is down, want 200", got.Code)
	}
}
