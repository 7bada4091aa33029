package web

import (
	"crypto/sha256"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/alexedwards/scs/v2"
	"github.com/alexedwards/scs/v2/memstore"

	"hailong/collector/web/api"
	"hailong/vote"
)

const (
	// idleFor ends the session of a browser that was closed. An open live page is not idle: its
	// stream keeps the session.
	idleFor = 30 * time.Minute
	// sessionFor is a working day of a wall screen.
	sessionFor = 12 * time.Hour
	// settingsFor keeps language and theme.
	settingsFor = 365 * 24 * time.Hour
)

// Names of cookies and of the session's only value.
const (
	sessionCookie  = "hailong"
	languageCookie = "hailong-lang"
	themeCookie    = "hailong-theme"
	signedInKey    = "in"
)

// Sign-in has no rate limit: a link and a token hold 256 random bits, and whoever tries a million
// a second for a year has still tried nothing.

func newSessions(secure bool) *scs.SessionManager {
	name := sessionCookie
	if secure {
		name = "__Host-" + sessionCookie
	}
	// Not scs.New: it starts a cleaning goroutine that nobody can wait for. Without one a dead session
	// stays a few hundred bytes until the next start, and each costs somebody a one-time link.
	return &scs.SessionManager{
		Store: memstore.NewWithCleanupInterval(0), Codec: scs.GobCodec{}, HashTokenInStore: true,
		IdleTimeout: idleFor, Lifetime: sessionFor,
		ErrorFunc: func(w http.ResponseWriter, _ *http.Request, _ error) {
			http.Error(w, "the session could not be read", http.StatusInternalServerError)
		},
		// Persist stays false: a persistent cookie would end with its first idle time, however long a
		// stream keeps the session.
		Cookie: scs.SessionCookie{Name: name, Path: "/", HttpOnly: true, Secure: secure,
			SameSite: http.SameSiteLaxMode},
	}
}

func (s *site) onlySignedIn(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case s.sessions.GetBool(r.Context(), signedInKey):
			next.ServeHTTP(w, r)
		case r.URL.Path == "/":
			s.show(w, r, http.StatusUnauthorized, "signedout", s.page(r))
		default:
			http.Error(w, "not signed in", http.StatusUnauthorized)
		}
	})
}

// offerLink shows a button and burns nothing: mail programs, virus scanners and chat previews open
// every link they see.
func (s *site) offerLink(w http.ResponseWriter, r *http.Request) {
	s.show(w, r, http.StatusOK, "link", s.page(r))
}

func (s *site) useLink(w http.ResponseWriter, r *http.Request) {
	ok, err := s.o.Access.UseLink(r.Context(), sha256.Sum256([]byte(r.PathValue("token"))), s.o.Now())
	if err == nil && ok {
		err = s.sessions.RenewToken(r.Context())
	}
	switch {
	case err != nil:
		s.broken(w, r, err)
	case !ok:
		s.show(w, r, http.StatusGone, "gone", s.page(r))
	default:
		s.sessions.Put(r.Context(), signedInKey, true)
		http.Redirect(w, r, "/", http.StatusSeeOther)
	}
}

func (s *site) out(w http.ResponseWriter, r *http.Request) {
	if err := s.sessions.Destroy(r.Context()); err != nil {
		s.broken(w, r, err)
		return
	}
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

// settings keeps the language or the theme. It always leads home, never to an address it was given.
func (s *site) settings(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 1<<10)
	for _, c := range []struct {
		field, cookie string
		choices       []string
	}{{"lang", languageCookie, languages}, {"theme", themeCookie, themes}} {
		if v := r.PostFormValue(c.field); slices.Contains(c.choices, v) {
			http.SetCookie(w, &http.Cookie{Name: c.cookie, Value: v, Path: "/", MaxAge: int(settingsFor.Seconds()),
				HttpOnly: true, Secure: s.o.Secure, SameSite: http.SameSiteLaxMode})
		}
	}
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

// Choices of the settings; the first is the default.
var (
	languages = []string{vote.Vietnamese, vote.English}
	themes    = []string{"auto", "light", "dark"}
)

func chosen(r *http.Request, cookie string, choices []string) string {
	if c, err := r.Cookie(cookie); err == nil && slices.Contains(choices, c.Value) {
		return c.Value
	}
	return choices[0]
}

// onlyToken asks for a bearer token with a scope. A session does not open the API: a browser sends
// its cookie whoever wrote the page.
func (s *site) onlyToken(scope string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		kind, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		if !strings.EqualFold(kind, "Bearer") || token == "" {
			w.Header().Set("WWW-Authenticate", `Bearer realm="hailong"`)
			api.Problem(w, http.StatusUnauthorized, "this needs the header Authorization: Bearer <token>")
			return
		}
		name, scopes, err := s.o.Access.Token(r.Context(), sha256.Sum256([]byte(token)))
		switch {
		case err != nil:
			s.o.Log.Error(eventFailed, "path", r.URL.Path, "err", err)
			api.Problem(w, http.StatusServiceUnavailable, "tokens cannot be checked at present; try again")
		case name == "":
			w.Header().Set("WWW-Authenticate", `Bearer realm="hailong", error="invalid_token"`)
			api.Problem(w, http.StatusUnauthorized, "the token is unknown or was revoked")
		case !slices.Contains(scopes, scope):
			api.Problem(w, http.StatusForbidden, "the token does not have the scope "+scope)
		default:
			next.ServeHTTP(w, r)
		}
	})
}
