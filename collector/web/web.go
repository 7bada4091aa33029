// Package web is the centre's door for people and programs: the live page, the sign-in link, the
// API and the health probes. It never computes a figure, never holds SQL and never tells what a
// single vote was, except to the auditor's token.
package web

import (
	"context"
	"errors"
	"html/template"
	"log/slog"
	"net/http"
	"time"

	"github.com/alexedwards/scs/v2"
	"github.com/prometheus/client_golang/prometheus"

	"hailong/collector/web/api"
)

// Reader gives the figures: the live page asks for the hall, the API for all of them.
type Reader = api.Reader

// Access knows who may come in. It is given SHA-256 hashes only, so neither the store nor a
// backup of it holds anything that opens a door.
type Access interface {
	// Token finds a token's name and scopes. An unknown or revoked token has no name and is
	// no error; an error means that nobody can tell at present.
	Token(ctx context.Context, hash [32]byte) (name string, scopes []string, err error)
	// UseLink burns a sign-in link. False: unknown, expired or used before.
	UseLink(ctx context.Context, hash [32]byte, now time.Time) (bool, error)
}

// Health tells whether the centre can do its work.
type Health interface {
	// Ready gives the reasons (joined) why not.
	Ready(ctx context.Context) error
}

// Feed wakes live views.
type Feed interface {
	// Subscribe returns a channel that is sent to after each commit until ctx ends. Wake-ups may
	// be merged: one waiting is as good as ten.
	Subscribe(ctx context.Context) <-chan struct{}
}

// Options is what New needs.
type Options struct {
	Reader Reader
	Access Access
	Health Health
	Feed   Feed

	// Context ends the live streams: http.Server.Shutdown waits for open requests and a stream
	// would never end by itself.
	Context context.Context
	Now     func() time.Time
	Log     *slog.Logger
	Metrics prometheus.Gatherer

	Version string
	Title   string // the hall's name over the live page; "" is the product's name
	Store   string // kind of store, shown in the footer
	// Transactions is how many visits a usual day has, for the response rate; 0 where nobody knows.
	Transactions uint64
	Opens        int // first hour of the chart of votes by hour; 0 and 0 mean 7 to 17
	Closes       int // first hour after it

	// Secure is set where people reach the centre by TLS, at this process or at a proxy before
	// it. The cookie is then a __Host- cookie, which a browser refuses on plain HTTP.
	Secure bool
	// OpenMetrics lets /metrics be read from other machines. A proxy on this machine makes every
	// visitor local: close the path there.
	OpenMetrics bool
}

// site is the running door.
type site struct {
	o        Options
	pages    map[string]*template.Template // by language
	sessions *scs.SessionManager
}

// right is what a route asks of its visitor: one of the words below, or the scope of a token.
type right string

const (
	open    right = "open"    // anybody
	link    right = "link"    // anybody; a session may begin here
	local   right = "local"   // this machine
	session right = "session" // somebody who used a sign-in link
)

// route is one line of the table of everything that can be asked for.
type route struct {
	method, pattern string
	right           right
	serve           http.Handler
}

// New builds the door's handler.
func New(o Options) (http.Handler, error) {
	s, err := build(o)
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	for _, r := range s.routes() {
		mux.Handle(r.method+" "+r.pattern, s.guard(r))
	}
	mux.HandleFunc("/api/", func(w http.ResponseWriter, r *http.Request) {
		api.Problem(w, http.StatusNotFound, "no such resource or method: "+r.Method+" "+r.URL.Path)
	})
	return headers(http.NewCrossOriginProtection().Handler(mux)), nil
}

func build(o Options) (*site, error) {
	if o.Reader == nil || o.Access == nil || o.Health == nil || o.Feed == nil || o.Context == nil ||
		o.Now == nil || o.Log == nil || o.Metrics == nil {
		return nil, errors.New("web options: Reader, Access, Health, Feed, Context, Now, Log and Metrics must be set")
	}
	if o.Opens == 0 && o.Closes == 0 {
		o.Opens, o.Closes = 7, 17
	}
	if o.Opens < 0 || o.Closes > 24 || o.Opens >= o.Closes {
		return nil, errors.New("web options: Opens and Closes must be hours from 0 to 24, Opens first")
	}
	pages, err := pages()
	if err != nil {
		return nil, err
	}
	return &site{o: o, pages: pages, sessions: newSessions(o.Secure)}, nil
}

// routes is the strict table: what is not here cannot be asked for, and a test asks each line
// without its right.
func (s *site) routes() []route {
	figures := api.Service{Reader: s.o.Reader, Now: s.o.Now, Log: s.o.Log, Version: s.o.Version}.Handler()
	return []route{
		{"GET", "/{$}", session, http.HandlerFunc(s.home)},
		{"GET", "/live", session, http.HandlerFunc(s.live)},
		{"POST", "/settings", session, http.HandlerFunc(s.settings)},
		{"POST", "/out", session, http.HandlerFunc(s.out)},
		{"GET", "/in/{token}", open, http.HandlerFunc(s.offerLink)},
		{"POST", "/in/{token}", link, http.HandlerFunc(s.useLink)},
		{"GET", "/assets/{file}", open, http.HandlerFunc(s.asset)},

		{"GET", "/api/v1/scores", "scores", figures},
		{"GET", "/api/v1/terminals", "terminals", figures},
		{"GET", "/api/v1/votes", "votes", figures},
		{"GET", "/api/v1/openapi.json", open, figures},
		{"GET", "/api/v1/openapi.yaml", open, figures},

		{"GET", "/livez", open, http.HandlerFunc(s.livez)},
		{"GET", "/readyz", open, http.HandlerFunc(s.readyz)},
		{"GET", "/metrics", local, s.metrics()},
	}
}

// guard asks for the right of a route before its handler runs.
func (s *site) guard(r route) http.Handler {
	switch r.right {
	case open:
		return r.serve
	case local:
		return s.onlyLocal(r.serve)
	case link:
		return s.sessions.LoadAndSave(r.serve)
	case session:
		return s.sessions.LoadAndSave(s.onlySignedIn(r.serve))
	}
	return s.onlyToken(string(r.right), r.serve)
}

// headers are on every answer.
func headers(next http.Handler) http.Handler {
	const policy = "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Frame-Options", "DENY")
		h.Set("X-Content-Type-Options", "nosniff")
		// Not "no-referrer": under it browsers post "Origin: null", and on plain HTTP, where they
		// send no Sec-Fetch-Site either, the cross-origin check would refuse our own forms.
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}
