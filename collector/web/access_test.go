package web

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// rights is the table of routes as it was agreed. Whoever changes a right changes it here too.
var rights = map[string]right{
	"GET /{$}": session, "GET /live": session, "POST /settings": session, "POST /out": session,
	"GET /in/{token}": open, "POST /in/{token}": link, "GET /assets/{file}": open,
	"GET /api/v1/scores": "scores", "GET /api/v1/terminals": "terminals", "GET /api/v1/votes": "votes",
	"GET /api/v1/openapi.json": open, "GET /api/v1/openapi.yaml": open,
	"GET /livez": open, "GET /readyz": open, "GET /metrics": local,
}

func TestEveryRouteIsRefusedWithoutItsRight(t *testing.T) {
	c := newCentre()
	ended, end := context.WithCancel(t.Context()) // streams end at once
	end()
	s, err := build(c.options(ended))
	if err != nil {
		t.Fatal(err)
	}
	routes := s.routes()
	if len(routes) != len(rights) {
		t.Errorf("the table has %d routes, this test knows %d", len(routes), len(rights))
	}
	for _, r := range routes {
		name := r.method + " " + r.pattern
		if want, ok := rights[name]; !ok || want != r.right {
			t.Errorf("%s asks for %q, want %q", name, r.right, want)
		}
		path := strings.NewReplacer("{$}", "", "{token}", "nobody-knows", "{file}", "page.css").Replace(r.pattern)
		for _, who := range []string{"nobody", "session", "scores", "terminals", "votes"} {
			d := c.signedIn(t, ended)
			req := d.request(r.method, path, "")
			if who != "session" {
				req.Header.Del("Cookie")
			}
			if who != "nobody" && who != "session" {
				req.Header.Set("Authorization", "Bearer token of "+who)
			}
			w := httptest.NewRecorder()
			d.handler.ServeHTTP(w, req)
			refused := w.Code == http.StatusUnauthorized || w.Code == http.StatusForbidden
			allowed := r.right == open || r.right == link || string(r.right) == who
			if refused == allowed {
				t.Errorf("%s as %s answered %d, want allowed=%v", name, who, w.Code, allowed)
			}
		}
	}
}

func TestMetricsAreForThisMachine(t *testing.T) {
	for from, want := range map[string]int{"127.0.0.1:5": 200, "[::1]:5": 200, "[::ffff:127.0.0.1]:5": 200,
		"192.168.1.9:5": 403, "": 403, "@": 403} {
		d := newCentre().door(t, t.Context())
		r := d.request("GET", "/metrics", "")
		r.RemoteAddr = from
		r.Header.Set("X-Forwarded-For", "127.0.0.1")
		w := httptest.NewRecorder()
		d.handler.ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("metrics from %q = %d, want %d", from, w.Code, want)
		}
	}
}

func TestALinkWorksOnceAndLookingDoesNotBurnIt(t *testing.T) {
	c := newCentre()
	c.mint("k3y")
	d := c.door(t, t.Context())
	for range 3 {
		got := d.ask("GET", "/in/k3y", "")
		if got.Code != 200 || !strings.Contains(got.Body.String(), `action="/in/k3y"`) {
			t.Fatalf("looking at the link = %d %s", got.Code, got.Body)
		}
	}
	got := d.ask("GET", "/", "")
	if got.Code != 401 || !strings.Contains(got.Body.String(), "collector link --data DIR") {
		t.Errorf("before the button / = %d, want 401 and how to get a link", got.Code)
	}
	got = d.ask("POST", "/in/k3y", "")
	if got.Code != http.StatusSeeOther || got.Header().Get("Location") != "/" {
		t.Fatalf("the button = %d to %q, want 303 to /", got.Code, got.Header().Get("Location"))
	}
	if got := d.ask("GET", "/", ""); got.Code != 200 {
		t.Errorf("after the button / = %d, want 200", got.Code)
	}
	other := c.door(t, t.Context())
	if got := other.ask("POST", "/in/k3y", ""); got.Code != http.StatusGone || len(other.cookies) != 0 {
		t.Errorf("the second use = %d with cookies %v, want 410 and none", got.Code, other.cookies)
	}
	d.ask("POST", "/out", "")
	if got := d.ask("GET", "/", ""); got.Code != 401 {
		t.Errorf("after signing out / = %d, want 401", got.Code)
	}
}

func TestSigningInChangesTheCookie(t *testing.T) {
	c := newCentre()
	d := c.signedIn(t, t.Context())
	planted := d.cookies[sessionCookie].Value // by somebody who waits for a person to sign in with it
	c.mint("second")
	d.ask("POST", "/in/second", "")
	if got := d.cookies[sessionCookie].Value; got == planted {
		t.Error("a session that was there before signing in became the signed-in one")
	}
	d.cookies[sessionCookie].Value = planted
	if got := d.ask("GET", "/", ""); got.Code != 401 {
		t.Errorf("the old cookie opens / with %d, want 401", got.Code)
	}
}

func TestTheSessionCookieIsGuarded(t *testing.T) {
	for _, secure := range []bool{false, true} {
		c := newCentre()
		o := c.options(t.Context())
		o.Secure = secure
		h, err := New(o)
		if err != nil {
			t.Fatal(err)
		}
		d := &door{t, h, map[string]*http.Cookie{}}
		c.mint("k")
		cookie := d.ask("POST", "/in/k", "").Result().Cookies()[0]
		want := map[bool]string{false: "hailong", true: "__Host-hailong"}[secure]
		if cookie.Name != want || !cookie.HttpOnly || cookie.SameSite != http.SameSiteLaxMode ||
			cookie.Secure != secure || cookie.Path != "/" || cookie.MaxAge != 0 || !cookie.Expires.IsZero() {
			t.Errorf("secure=%v: cookie %q is %v", secure, cookie.Name, cookie)
		}
	}
}

func TestAForeignPageCannotPost(t *testing.T) {
	c := newCentre()
	for name, headers := range map[string][2]string{
		"fetch metadata": {"Sec-Fetch-Site", "cross-site"}, "origin": {"Origin", "http://evil.example"},
	} {
		c.mint("k")
		d := c.door(t, t.Context())
		r := d.request("POST", "/in/k", "")
		r.Header.Set(headers[0], headers[1])
		w := httptest.NewRecorder()
		d.handler.ServeHTTP(w, r)
		if w.Code != 403 {
			t.Errorf("%s: a foreign post = %d, want 403", name, w.Code)
		}
	}
}

func TestEveryAnswerIsFenced(t *testing.T) {
	d := newCentre().door(t, t.Context())
	for _, path := range []string{"/", "/in/x", "/assets/page.css", "/api/v1/scores", "/nowhere", "/livez"} {
		h := d.ask("GET", path, "").Header()
		for name, want := range map[string]string{"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY",
			"Referrer-Policy": "same-origin"} {
			if got := h.Get(name); got != want {
				t.Errorf("%s: %s = %q, want %q", path, name, got, want)
			}
		}
		csp := h.Get("Content-Security-Policy")
		if !strings.HasPrefix(csp, "default-src 'self';") || strings.Contains(csp, "unsafe") {
			t.Errorf("%s: policy %q", path, csp)
		}
	}
}

func TestSettingsKeepOnlyWhatIsOffered(t *testing.T) {
	d := newCentre().signedIn(t, t.Context())
	d.ask("POST", "/settings", "lang=en&theme=dark&next=http://evil.example")
	if got := d.ask("GET", "/", "").Body.String(); !strings.Contains(got, `<html lang="en" data-theme="dark">`) {
		t.Errorf("the settings were not kept: %.200s", got)
	}
	got := d.ask("POST", "/settings", "lang=<script>&theme=neon")
	if len(got.Result().Cookies()) > 1 || got.Header().Get("Location") != "/" {
		t.Errorf("unknown settings = %v", got.Header())
	}
	d.cookies[languageCookie].Value, d.cookies[themeCookie].Value = "xx", "yy"
	if got := d.ask("GET", "/", "").Body.String(); !strings.Contains(got, `<html lang="vi" data-theme="auto">`) {
		t.Errorf("odd cookies gave %.200s", got)
	}
}

func TestTheAPIIsDescribedAndTheTableHasIt(t *testing.T) {
	d := newCentre().door(t, t.Context())
	var doc struct {
		OpenAPI string
		Paths   map[string]map[string]struct{ Security []map[string][]string }
	}
	if err := json.Unmarshal(d.ask("GET", "/api/v1/openapi.json", "").Body.Bytes(), &doc); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(doc.OpenAPI, "3.1") || len(doc.Paths) == 0 {
		t.Fatalf("OpenAPI %q with %d paths", doc.OpenAPI, len(doc.Paths))
	}
	for path, methods := range doc.Paths {
		for method, op := range methods {
			name := strings.ToUpper(method) + " " + path
			scopes := op.Security[0]["token"]
			if len(scopes) != 1 || rights[name] != right(scopes[0]) {
				t.Errorf("%s is described with scope %v, the table asks for %q", name, scopes, rights[name])
			}
		}
	}
}

func TestTheAPIRefusesInItsOwnWords(t *testing.T) {
	c := newCentre()
	d := c.door(t, t.Context())
	ask := func(path, authorization string) *httptest.ResponseRecorder {
		r := d.request("GET", path, "")
		r.Header.Set("Authorization", authorization)
		w := httptest.NewRecorder()
		d.handler.ServeHTTP(w, r)
		return w
	}
	for _, try := range []struct {
		path, authorization string
		want                int
	}{
		{"/api/v1/scores", "", 401}, {"/api/v1/scores", "Bearer ", 401}, {"/api/v1/scores", "Basic dG9rZW4=", 401},
		{"/api/v1/scores", "Bearer made up", 401}, {"/api/v1/votes", "Bearer token of scores", 403},
		{"/api/v1/nowhere", "Bearer token of scores", 404}, {"/api/v1/scores", "bearer token of scores", 200},
	} {
		w := ask(try.path, try.authorization)
		kind := w.Header().Get("Content-Type")
		if w.Code != try.want || try.want != 200 && kind != "application/problem+json" {
			t.Errorf("%s as %q = %d %s, want %d", try.path, try.authorization, w.Code, kind, try.want)
		}
		if try.want == 401 && !strings.HasPrefix(w.Header().Get("WWW-Authenticate"), "Bearer") {
			t.Errorf("%s as %q does not say how to sign in", try.path, try.authorization)
		}
	}
	c.failing(errors.New("disk I/O error on /secret/path"))
	w := ask("/api/v1/scores", "Bearer token of scores")
	if w.Code != 503 || strings.Contains(w.Body.String(), "secret") {
		t.Errorf("with a broken store = %d %s, want 503 without the reason", w.Code, w.Body)
	}
}
