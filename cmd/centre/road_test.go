package centre

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"hailong/cmd/agent"
	"hailong/collector/store"
	"hailong/config"
	"hailong/sync/uplink"
	"hailong/sync/wire"
	"hailong/vote"
	"hailong/vote/session"
)

// soon bounds waiting for something that should take milliseconds, on a machine that is busy.
const soon = 30 * time.Second

// hall is a whole road in one process: real broker, real store, real outbox, real sockets.
type hall struct {
	t        *testing.T
	folder   Folder
	identity config.Identity
	cfg      config.Collector
	token    string
}

func newHall(t *testing.T) *hall {
	h := &hall{t: t, folder: Folder(t.TempDir()), token: "a token", cfg: config.CollectorDefaults()}
	h.cfg.Web.Listen, h.cfg.Broker.Listen = freePort(t), freePort(t)
	h.ok(MakeKeys(h.folder))
	h.ok(store.Create(t.Context(), h.folder.Store(), true))
	s, err := store.Open(t.Context(), h.folder.Store())
	h.ok(err)
	keys, err := ReadKeys(h.folder)
	h.ok(err)
	path := filepath.Join(t.TempDir(), "identity.toml")
	h.ok(Enrol(t.Context(), s, keys, "quay-01", "Quầy 1 – Đất đai", path))
	h.identity, err = config.LoadIdentity(path)
	h.ok(err)
	scopes := []string{"scores", "votes"}
	h.ok(s.AddToken(t.Context(), "test", sha256.Sum256([]byte(h.token)), scopes, time.Now()))
	h.ok(s.Close())
	return h
}

func (h *hall) ok(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}

func freePort(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

// serve starts the centre and returns what stops it.
func (h *hall) serve() (stop func()) {
	ctx, cancel := context.WithCancel(h.t.Context())
	ready, done := make(chan struct{}), make(chan error, 1)
	go func() {
		done <- Serve(ctx, Setup{
			Folder: h.folder, Config: h.cfg, Version: "test", Log: slog.New(slog.DiscardHandler),
			Ready: func() { close(ready) },
		})
	}()
	select {
	case <-ready:
	case err := <-done:
		h.t.Fatalf("Serve() = %v before it was ready", err)
	}
	return func() {
		cancel()
		h.ok(<-done)
	}
}

// terminal starts an agent and returns its client and what stops it.
func (h *hall) terminal() (*agent.Client, func()) {
	h.t.Helper()
	return h.terminalAt(filepath.Join(h.t.TempDir(), "data"))
}

func (h *hall) terminalAt(data string) (*agent.Client, func()) {
	// A socket path is short, and a test's folder is not.
	dir, err := os.MkdirTemp("", "hl")
	h.ok(err)
	cfg := config.KioskDefaults()
	cfg.Broker.Address, cfg.Counter.Name = h.cfg.Broker.Listen, "Quầy 1 – Đất đai"
	cfg.Data, cfg.Socket = data, filepath.Join(dir, "agent.sock")
	waits := uplink.DefaultWaits()
	waits.ReconnectX = time.Second
	a, err := agent.Open(h.t.Context(), agent.Setup{
		Config: cfg, Identity: h.identity, Software: "test", Codec: wire.NewCodec(), Reserve: -1,
		Inputs: make(chan session.Event), Uplink: waits, Log: slog.New(slog.DiscardHandler),
	})
	h.ok(err)
	ctx, cancel := context.WithCancel(h.t.Context())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	h.until("the agent answers", func() bool { _, err := os.Stat(cfg.Socket); return err == nil })
	return agent.NewClient(cfg.Socket), func() {
		cancel()
		h.ok(<-done)
		h.ok(os.RemoveAll(dir))
	}
}

// until waits for something outside, looking again every few milliseconds.
func (h *hall) until(what string, true func() bool) {
	h.t.Helper()
	late, tick := time.After(soon), time.NewTicker(5*time.Millisecond)
	defer tick.Stop()
	for !true() {
		select {
		case <-tick.C:
		case <-late:
			h.t.Fatalf("%s: not within %v", what, soon)
		}
	}
}

// votes are the levels at the centre, in filing order, as the API tells them.
func (h *hall) votes() (levels []vote.Level) {
	h.t.Helper()
	for after := ""; ; {
		var page struct {
			Rows []struct {
				Level vote.Level `json:"level"`
			} `json:"rows"`
			Next string `json:"next"`
		}
		url := fmt.Sprintf("http://%s/api/v1/votes?limit=500&after=%s", h.cfg.Web.Listen, after)
		req, err := http.NewRequestWithContext(h.t.Context(), http.MethodGet, url, nil)
		h.ok(err)
		req.Header.Set("Authorization", "Bearer "+h.token)
		resp, err := http.DefaultClient.Do(req)
		h.ok(err)
		raw, err := io.ReadAll(resp.Body)
		h.ok(err)
		h.ok(resp.Body.Close())
		if err := json.Unmarshal(raw, &page); err != nil || resp.StatusCode != http.StatusOK {
			h.t.Fatalf("GET %s: %s %s", url, resp.Status, raw)
		}
		for _, r := range page.Rows {
			levels = append(levels, r.Level)
		}
		if after = page.Next; len(page.Rows) == 0 {
			return levels
		}
	}
}

func TestAPressBecomesAScoreOnce(t *testing.T) {
	h := newHall(t)
	defer h.serve()()
	client, stop := h.terminal()
	defer stop()
	first, err := client.Press(t.Context(), agent.Ballot{
		ID: "thu-01", Level: 5, Reasons: []string{"tan-tinh"}, Comment: "Cán bộ rất tận tình",
	})
	h.ok(err)
	again, err := client.Press(t.Context(), agent.Ballot{ID: "thu-01", Level: 5})
	h.ok(err)
	if !first.Durable || !first.Fresh || again.Fresh || again.Seq != first.Seq {
		t.Errorf("pressed %+v, repeated %+v: want durable once, and the same seq again", first, again)
	}
	h.until("the vote is at the centre", func() bool { return len(h.votes()) > 0 })
	_, err = client.Press(t.Context(), agent.Ballot{ID: "thu-02", Level: 1})
	h.ok(err)
	h.until("the second is too", func() bool { return len(h.votes()) > 1 })
	if got := h.votes(); !slices.Equal(got, []vote.Level{5, 1}) {
		t.Errorf("votes at the centre %v, want [5 1]", got)
	}
	for name, wrong := range map[string]agent.Ballot{
		"unknown reason":                {Level: 5, Reasons: []string{"khong-co"}},
		"a comment too long":            {Level: 5, Comment: strings.Repeat("ậ", 2000)},
		"an id that stands for level 5": {Level: 2, ID: "thu-01"},
	} {
		_, err := client.Press(t.Context(), wrong)
		if refused, ok := err.(agent.Refusal); !ok || refused.Code != agent.Invalid {
			t.Errorf("%s: %v, want a refusal", name, err)
		}
	}
}

func TestVotingDoesNotWaitForTheCentre(t *testing.T) {
	h := newHall(t)
	client, stop := h.terminal()
	defer stop()
	const presses = 200
	var want []vote.Level
	press := func() (took []time.Duration) {
		for range presses {
			level := vote.Level(len(want)%5 + 1)
			begun := time.Now()
			_, err := client.Press(t.Context(), agent.Ballot{Level: level})
			h.ok(err)
			took, want = append(took, time.Since(begun)), append(want, level)
		}
		slices.Sort(took)
		return took
	}
	away := press()
	stopCentre := h.serve()
	h.until("what waited has arrived", func() bool { return len(h.votes()) == presses })
	there := press()
	h.until("all has arrived", func() bool { return len(h.votes()) == 2*presses })
	t.Logf("press to durable, p50: centre away %v, centre there %v", away[presses/2], there[presses/2])
	if got := h.votes(); !slices.Equal(got, want) {
		t.Errorf("votes arrived in another order than they were pressed")
	}
	stopCentre()
	s, err := store.Open(t.Context(), h.folder.Store())
	h.ok(err)
	differences, sum, err := s.Verify(t.Context(), wire.NewCodec(), nil)
	h.ok(err)
	h.ok(s.Close())
	if len(differences) > 0 || sum.Votes != 2*presses {
		t.Errorf("verify: %d votes, differences %v", sum.Votes, differences)
	}
}

func TestASecondCollectorIsKeptOut(t *testing.T) {
	h := newHall(t)
	defer h.serve()()
	other := h.cfg
	other.Web.Listen, other.Broker.Listen = freePort(t), freePort(t)
	err := Serve(t.Context(), Setup{
		Folder: h.folder, Config: other, Log: slog.New(slog.DiscardHandler), Ready: func() { t.Error("ready") },
	})
	if !errors.Is(err, ErrServed) {
		t.Errorf("a second collector on the same folder: %v, want ErrServed", err)
	}
}

func TestATakenPortIsToldByItsField(t *testing.T) {
	h := newHall(t)
	l, err := net.Listen("tcp", h.cfg.Broker.Listen)
	h.ok(err)
	defer func() { _ = l.Close() }()
	err = Serve(t.Context(), Setup{
		Folder: h.folder, Config: h.cfg, Log: slog.New(slog.DiscardHandler), Ready: func() { t.Error("ready") },
	})
	if err == nil {
		t.Fatal("served on a taken port")
	}
	t.Log(err)
}
