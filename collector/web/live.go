package web

import (
	"bytes"
	"context"
	"net/http"
	"strings"
	"time"

	"hailong/collector/org"
)

// Waiting times of a live stream.
const (
	// beat also refreshes "3 minutes ago" and keeps proxies and the page's watchdog content.
	beat = 15 * time.Second
	// pause is the least time between two pictures: eleven terminals in a rush repaint once.
	pause = time.Second
	// writeFor drops a viewer that has stopped reading.
	writeFor = 10 * time.Second
)

// Names of events in the log.
const (
	eventFailed = "web.failed"
	eventStream = "web.stream.ended"
)

// page is what every page knows.
type page struct {
	Lang, Theme, Version, Title, Action string
	Now                                 time.Time
	Board                               board
}

func (s *site) page(r *http.Request) page {
	title := s.o.Title
	if title == "" {
		title = "Hài Lòng"
	}
	return page{Lang: chosen(r, languageCookie, languages), Theme: chosen(r, themeCookie, themes),
		Version: s.o.Version, Title: title, Action: r.URL.EscapedPath(), Now: s.o.Now().In(org.VietnamTime())}
}

func (s *site) home(w http.ResponseWriter, r *http.Request) {
	p := s.page(r)
	hall, err := s.o.Reader.Hall(r.Context(), p.Now)
	if err != nil {
		s.broken(w, r, err)
		return
	}
	p.Board = s.board(hall, p.Now)
	s.show(w, r, http.StatusOK, "home", p)
}

// show renders a whole page before its first byte leaves, so that a broken template is an error
// and not half a page.
func (s *site) show(w http.ResponseWriter, r *http.Request, status int, name string, p page) {
	var body bytes.Buffer
	if err := s.pages[p.Lang].ExecuteTemplate(&body, name, p); err != nil {
		s.o.Log.Error(eventFailed, "path", r.Pattern, "err", err)
		http.Error(w, "the page could not be shown", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(body.Bytes()) // the visitor has gone; there is nobody to tell
}

// broken logs what a visitor must not read and shows what they may. The pattern is logged, not the
// path: a path may hold a sign-in link.
func (s *site) broken(w http.ResponseWriter, r *http.Request, err error) {
	s.o.Log.Error(eventFailed, "path", r.Pattern, "err", err)
	s.show(w, r, http.StatusServiceUnavailable, "broken", s.page(r))
}

// live sends the board now, after every commit and at every beat.
func (s *site) live(w http.ResponseWriter, r *http.Request) {
	ctx, stop := context.WithCancel(r.Context())
	defer stop()
	defer context.AfterFunc(s.o.Context, stop)()
	wake := s.o.Feed.Subscribe(ctx)
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("X-Accel-Buffering", "no")
	ticker := time.NewTicker(beat)
	defer ticker.Stop()
	for s.stillIn(ctx) {
		if err := s.send(ctx, w, r); err != nil {
			// Also where the database is busy: the page says that it is cut off and comes back.
			s.o.Log.Debug(eventStream, "err", err)
			return
		}
		if !sleep(ctx, pause) {
			return
		}
		select {
		case <-ctx.Done():
			return
		case _, more := <-wake:
			if !more {
				wake = nil // a closed channel is always ready and would make this loop spin
			}
		case <-ticker.C:
		}
	}
}

// stillIn keeps the session of an open stream from going idle, and tells whether it has ended. It
// asks the session store: the session in ctx is a copy from when the stream began, and committing
// that one would bring a signed-out session back.
func (s *site) stillIn(ctx context.Context) bool {
	fresh, err := s.sessions.Load(s.o.Context, s.sessions.Token(ctx))
	if err != nil || !s.sessions.GetBool(fresh, signedInKey) {
		return false
	}
	_, _, err = s.sessions.Commit(fresh)
	return err == nil
}

// send writes the board as one event.
func (s *site) send(ctx context.Context, w http.ResponseWriter, r *http.Request) error {
	p := s.page(r)
	hall, err := s.o.Reader.Hall(ctx, p.Now)
	if err != nil {
		return err
	}
	p.Board = s.board(hall, p.Now)
	var body strings.Builder
	if err := s.pages[p.Lang].ExecuteTemplate(&body, "board", p); err != nil {
		return err
	}
	// Each line of an event needs its "data:", and a carriage return in a counter's name would end
	// a line as well.
	lines := strings.NewReplacer("\r", "", "\n", "\ndata: ").Replace(body.String())
	out := http.NewResponseController(w)
	_ = out.SetWriteDeadline(time.Now().Add(writeFor)) // tests write to memory, which has no deadline
	if _, err := w.Write([]byte("data: " + lines + "\n\n")); err != nil {
		return err
	}
	return out.Flush()
}

// sleep waits; false where ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
