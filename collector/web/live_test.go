package web

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"hailong/collector/org"
)

func serve(h http.Handler, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// screen is a browser that holds a stream open.
type screen struct {
	mu     sync.Mutex // guards what follows
	header http.Header
	text   bytes.Buffer
	ended  bool
}

func (s *screen) Header() http.Header { return s.header }
func (s *screen) WriteHeader(int)     {}
func (s *screen) Flush()              {}

func (s *screen) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(b)
}

// events are the events so far, each without its framing.
func (s *screen) events() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.SplitAfter(s.text.String(), "\n\n")[:strings.Count(s.text.String(), "\n\n")]
}

func (s *screen) over() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ended
}

// watch opens a stream; the bubble waits for its goroutine.
func (d *door) watch(ctx context.Context) *screen {
	s := &screen{header: http.Header{}}
	r := d.request("GET", "/live", "").WithContext(ctx)
	go func() {
		d.handler.ServeHTTP(s, r)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.ended = true
	}()
	synctest.Wait()
	return s
}

func TestAStreamFollowsTheVotes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCentre()
		c.hall = busy()
		serving, shutdown := context.WithCancel(t.Context())
		s := c.signedIn(t, serving).watch(t.Context())
		got, kind := s.events(), s.header.Get("Content-Type")
		if len(got) != 1 || !strings.Contains(got[0], "32.339") || kind != "text/event-stream" {
			t.Fatalf("the first picture: %d events, %v", len(got), s.header)
		}
		for range 40 { // a rush
			c.change(func(h *org.Hall) { h.Today++ })
		}
		time.Sleep(pause + time.Millisecond)
		synctest.Wait()
		if got := s.events(); len(got) != 2 || !strings.Contains(got[1], "32.379") {
			t.Fatalf("a rush of forty votes gave %d events, want one more", len(got))
		}
		time.Sleep(beat)
		synctest.Wait()
		if got := s.events(); len(got) != 3 {
			t.Fatalf("after a quiet beat there are %d events, want 3", len(got))
		}
		for i, event := range s.events() {
			for _, line := range strings.Split(strings.TrimSuffix(event, "\n\n"), "\n") {
				if !strings.HasPrefix(line, "data: ") {
					t.Fatalf("event %d has the line %q", i, line)
				}
			}
		}
		shutdown()
		synctest.Wait()
		if !s.over() {
			t.Error("the stream outlives the server")
		}
	})
}

func TestANameCannotBreakTheStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCentre()
		c.hall = busy()
		c.hall.Terminals[0].Counter = "a\r\rdata: b\r\n\nevent: x\n\n"
		ctx, leave := context.WithCancel(t.Context())
		s := c.signedIn(t, t.Context()).watch(ctx)
		if got := s.events(); len(got) != 1 || strings.Contains(got[0], "\r") {
			t.Errorf("a name with line ends made %d events", len(got))
		}
		leave()
		synctest.Wait()
		if !s.over() {
			t.Error("the stream outlives its reader")
		}
	})
}

func TestAWallScreenStaysADayAndAClosedBrowserDoesNot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCentre()
		d := c.signedIn(t, t.Context())
		ctx, leave := context.WithCancel(t.Context())
		s := d.watch(ctx)
		time.Sleep(11 * time.Hour)
		if got := d.ask("GET", "/", ""); got.Code != 200 || s.over() {
			t.Fatalf("after 11 hours of watching / = %d", got.Code)
		}
		time.Sleep(61 * time.Minute)
		synctest.Wait()
		if got := d.ask("GET", "/", ""); got.Code != 401 || !s.over() {
			t.Errorf("after 12 hours / = %d and the stream is over: %v", got.Code, s.over())
		}
		leave()

		d = c.signedIn(t, t.Context())
		ctx, leave = context.WithCancel(t.Context())
		d.watch(ctx)
		time.Sleep(time.Hour)
		leave()
		time.Sleep(idleFor + time.Minute)
		if got := d.ask("GET", "/", ""); got.Code != 401 {
			t.Errorf("half an hour after closing the browser / = %d, want 401", got.Code)
		}
	})
}

func TestSigningOutEndsTheStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCentre()
		d := c.signedIn(t, t.Context())
		s := d.watch(t.Context())
		d.ask("POST", "/out", "")
		time.Sleep(beat + pause)
		synctest.Wait()
		if !s.over() || d.ask("GET", "/", "").Code != 401 {
			t.Error("the stream goes on, or brought the session back, after signing out")
		}
	})
}

func TestAFeedThatClosesDoesNotSpin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCentre()
		ctx, leave := context.WithCancel(t.Context())
		s := c.signedIn(t, t.Context()).watch(ctx)
		c.mu.Lock()
		close(c.wakes[0])
		c.wakes = nil
		c.mu.Unlock()
		time.Sleep(10 * beat)
		synctest.Wait()
		if got := len(s.events()); got > 13 {
			t.Errorf("%d events in ten beats", got)
		}
		leave()
		synctest.Wait()
	})
}
