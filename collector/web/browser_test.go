package web

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"hailong/collector/org"
)

// elsewhere is a proxy that refuses and remembers whatever would leave this machine.
type elsewhere struct {
	mu    sync.Mutex // guards what follows
	asked []string
}

func (e *elsewhere) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	e.mu.Lock()
	defer e.mu.Unlock()
	host, _, _ := strings.Cut(r.Host, ":")
	if !slices.Contains(chromiumsOwn, host) {
		e.asked = append(e.asked, host)
	}
	http.Error(w, "no", http.StatusBadGateway)
}

// chromiumsOwn are the hosts that the browser asks for itself, whatever page it shows. They are named
// one by one: a page would load fonts from a neighbour of these.
var chromiumsOwn = []string{"clients2.google.com", "accounts.google.com", "update.googleapis.com", "www.google.com",
	"optimizationguide-pa.googleapis.com", "safebrowsingohttpgateway.googleapis.com", "android.clients.google.com",
	"content-autofill.googleapis.com", "redirector.gvt1.com", "edgedl.me.gvt1.com", "mtalk.google.com"}

// browse opens an address in a real browser for a while and returns its page and its complaints.
func browse(t *testing.T, address, proxy string) (page, complaints string) {
	t.Helper()
	program, err := exec.LookPath("chromium")
	if err != nil && os.Getenv("CI") != "" {
		t.Fatal("chromium is missing: run scripts/setup")
	}
	if err != nil {
		t.Skip("SKIPPED: NO BROWSER TEST OF THE LIVE PAGE WAS RUN. chromium is missing: run scripts/setup")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic",
		"--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
		"--disable-extensions", "--disable-default-apps", "--disable-dev-shm-usage",
		"--proxy-server="+proxy, "--user-data-dir="+t.TempDir(), "--enable-logging=stderr", "--timeout=30000",
		"--dump-dom", address)
	var out, errs strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errs
	cmd.WaitDelay = 10 * time.Second
	if err := cmd.Run(); err != nil && !errors.Is(err, exec.ErrWaitDelay) {
		t.Fatalf("chromium: %v\n%s", err, errs.String())
	}
	return out.String(), errs.String()
}

func TestInABrowserTheLivePageFollowsTheVotes(t *testing.T) {
	c := newCentre()
	c.hall = busy()
	serving, shutdown := context.WithCancel(t.Context())
	o := c.options(serving)
	painted := make(chan struct{})
	feed := bumping{c, sync.OnceFunc(func() { close(painted) })}
	o.Feed = feed
	h, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	// A browser on a command line presses no button, so the test presses it and passes the cookie on.
	c.mint("k")
	entry := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/press":
			r = httptest.NewRequest("POST", "/in/k", nil).WithContext(r.Context())
		case "/assets/hx-sse.min.js":
			// A slow network: htmx must not begin without its extension.
			select {
			case <-time.After(300 * time.Millisecond):
			case <-r.Context().Done():
			}
		case "/assets/icon.svg":
			// The browser prints its page when the last picture is there, so the picture waits for
			// the stream.
			select {
			case <-painted:
			case <-r.Context().Done():
			}
		}
		h.ServeHTTP(w, r)
	}))
	defer entry.Close()
	defer shutdown()
	outside := &elsewhere{}
	proxy := httptest.NewServer(outside)
	defer proxy.Close()

	page, complaints := browse(t, entry.URL+"/press", proxy.URL)
	for _, want := range []string{"32.339", "40.000", "Đất đai"} {
		if has := strings.Contains(page, want); has != (want != "32.339") {
			t.Errorf("the page has %q: %v\n%.200s", want, has, page)
		}
	}
	for _, word := range []string{"Content Security Policy", "Uncaught", "Refused to"} {
		if strings.Contains(complaints, word) {
			t.Errorf("the browser complains:\n%s", complaints)
		}
	}
	outside.mu.Lock()
	defer outside.mu.Unlock()
	if len(outside.asked) > 0 {
		t.Errorf("the page asked elsewhere: %v", outside.asked)
	}
}

// bumping files votes as soon as somebody watches, so that the new number can only come by the stream.
type bumping struct {
	*centre
	painted func() // called when the browser had time to show it
}

func (b bumping) Subscribe(ctx context.Context) <-chan struct{} {
	wake := b.centre.Subscribe(ctx)
	b.change(func(h *org.Hall) { h.Today = 40000 })
	time.AfterFunc(2*time.Second, b.painted)
	return wake
}
