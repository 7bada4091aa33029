package agent

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"hailong/sync/outbox"
	"hailong/sync/wire"
	"hailong/vote"
	"hailong/vote/desk"
)

// Ballot is a vote entered by a command.
type Ballot struct {
	ID      string     `json:"id"` // makes a retry harmless
	Level   vote.Level `json:"level"`
	Reasons []string   `json:"reasons,omitempty"`
	Comment string     `json:"comment,omitempty"`
}

// Placed is the agent's word that a ballot is on its disk.
type Placed struct {
	ID      string `json:"id"`
	Epoch   string `json:"epoch"`
	Seq     uint64 `json:"seq"`
	Durable bool   `json:"durable"`
	Fresh   bool   `json:"fresh"` // false: it was there from an earlier try
}

// Refusal is why a ballot was not taken.
type Refusal struct {
	Code string `json:"code"` // invalid, not-kept or partly
	Text string `json:"error"`
}

// Error is the refusal's text.
func (r Refusal) Error() string { return r.Text }

// Codes of refusals.
const (
	Invalid = "invalid"  // the ballot itself is wrong; nothing was kept
	NotKept = "not-kept" // the disk did not take it
	Partly  = "partly"   // the vote is kept, its reasons or comment are not
)

const (
	// maxRequest bounds a ballot on the socket, well above the longest comment.
	maxRequest = 64 << 10
	// graceful is how long a ballot under way may take when the agent stops.
	graceful = 5 * time.Second
)

// door is the socket where commands of the same machine reach the agent.
type door struct {
	server *http.Server
	done   chan error
}

// listen opens the socket; without a configured one it opens nothing.
func (a *Agent) listen() (*door, error) {
	path := a.s.Config.Socket
	if path == "" {
		return &door{}, nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("make socket folder: %w", err)
	}
	if c, err := net.Dial("unix", path); err == nil {
		return nil, errors.Join(fmt.Errorf("listen %s: %w", path, ErrHeld), c.Close())
	}
	// Nobody answers: what lies there was left by a killed agent.
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("remove old socket: %w", err)
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /press", a.press)
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, a.Status()) })
	d := &door{server: &http.Server{Handler: mux, ReadTimeout: 10 * time.Second}, done: make(chan error, 1)}
	go func() { d.done <- d.server.Serve(l) }()
	return d, nil
}

func (d *door) close() error {
	if d.server == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), graceful)
	defer cancel()
	err := d.server.Shutdown(ctx)
	if served := <-d.done; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return err
}

func (a *Agent) press(w http.ResponseWriter, r *http.Request) {
	var b Ballot
	in := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxRequest))
	in.DisallowUnknownFields()
	if err := in.Decode(&b); err != nil {
		answer(w, http.StatusBadRequest, Refusal{Invalid, "read ballot: " + err.Error()})
		return
	}
	kept, err := a.desk.Enter(r.Context(), desk.Ballot{
		ID: b.ID, Level: b.Level, Channel: vote.Test, Reasons: b.Reasons, Comment: b.Comment,
	})
	switch {
	case err == nil && a.differs(kept, b.Level):
		answer(w, http.StatusUnprocessableEntity, Refusal{Invalid, fmt.Sprintf(
			"press id %s stands for another level, in record %d; use a new id", kept.ID, kept.Seq)})
	case err == nil:
		answer(w, http.StatusOK, Placed{kept.ID, a.box.State().Epoch.String(), kept.Seq, true, kept.Fresh})
	case errors.Is(err, vote.ErrInvalid), errors.Is(err, outbox.ErrEntry), errors.Is(err, wire.ErrSize),
		errors.Is(err, wire.ErrFormat):
		answer(w, http.StatusUnprocessableEntity, Refusal{Invalid, err.Error()})
	case errors.Is(err, desk.ErrPartly):
		answer(w, http.StatusServiceUnavailable, Refusal{Partly, err.Error()})
	default:
		answer(w, http.StatusServiceUnavailable, Refusal{NotKept, err.Error()})
	}
}

// differs tells whether an id that was there before stands for another level.
func (a *Agent) differs(r desk.Receipt, level vote.Level) bool {
	if r.Fresh {
		return false
	}
	run, err := a.box.Look(r.Seq, 1, 1)
	if err != nil || len(run.Bodies) == 0 {
		return false // forgotten long ago: nobody can tell any more
	}
	old, err := wire.DecodeRecord(run.Bodies[0])
	return err == nil && old.Cast != nil && old.Cast.Level != level
}

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	// An answer that does not arrive is asked for again, with the same press id.
	_ = json.NewEncoder(w).Encode(v)
}

// Client talks to a running agent.
type Client struct{ http http.Client }

// NewClient is a client of the agent at a socket.
func NewClient(socket string) *Client {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}
	return &Client{http.Client{Transport: &http.Transport{DialContext: dial}}}
}

// Press enters a ballot. A Refusal is the agent's no; any other error leaves open whether the
// ballot was kept, and the same id may be tried again.
func (c *Client) Press(ctx context.Context, b Ballot) (Placed, error) {
	var p Placed
	body, err := json.Marshal(b)
	if err != nil {
		return p, err
	}
	return p, c.call(ctx, http.MethodPost, "/press", bytes.NewReader(body), &p)
}

// Status asks how the terminal fares.
func (c *Client) Status(ctx context.Context) (Status, error) {
	var s Status
	return s, c.call(ctx, http.MethodGet, "/status", nil, &s)
}

func (c *Client) call(ctx context.Context, method, path string, body io.Reader, into any) error {
	req, err := http.NewRequestWithContext(ctx, method, "http://agent"+path, body)
	if err != nil {
		return err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		// The URL in the error is ours and tells an operator nothing.
		return fmt.Errorf("ask agent: %s", strings.TrimPrefix(errors.Unwrap(err).Error(), "dial unix "))
	}
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return fmt.Errorf("read the agent's answer: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		var r Refusal
		if json.Unmarshal(raw, &r) != nil || r.Code == "" {
			return fmt.Errorf("agent answers %s: %.200s", resp.Status, raw)
		}
		return r
	}
	return json.Unmarshal(raw, into)
}
