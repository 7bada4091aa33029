package peers

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Ledger is what a presser was told.
type Ledger struct {
	mu sync.Mutex // guards what follows while somebody presses

	Accepted map[int]bool
	Again    map[int]bool // pressed again, because no answer came
	Refused  int          // answers that were a no, or none
	Last     time.Time    // of an acceptance
}

// NewLedger is an empty one.
func NewLedger() *Ledger { return &Ledger{Accepted: map[int]bool{}, Again: map[int]bool{}} }

func (l *Ledger) note(id int, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if ok {
		l.Accepted[id], l.Last = true, time.Now()
		return
	}
	l.Refused++
	l.Again[id] = true
}

// Count is how many were accepted.
func (l *Ledger) Count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.Accepted)
}

// Presser presses votes 0 to n−1 until each is accepted, or ctx ends.
type Presser func(ctx context.Context, n, window int, l *Ledger) error

// again is how long a presser waits before it presses once more.
const again = 50 * time.Millisecond

// each presses with a function, a window of votes at once.
func each(press func(ctx context.Context, id int) error) Presser {
	return func(ctx context.Context, n, window int, l *Ledger) error {
		var all sync.WaitGroup
		ids := make(chan int)
		for range window {
			all.Go(func() {
				for id := range ids {
					stubborn(ctx, id, press, l)
				}
			})
		}
		for id := 0; id < n && ctx.Err() == nil; id++ {
			ids <- id
		}
		close(ids)
		all.Wait()
		return nil
	}
}

// stubborn presses one vote until it is accepted.
func stubborn(ctx context.Context, id int, press func(ctx context.Context, id int) error, l *Ledger) {
	for ctx.Err() == nil {
		err := press(ctx, id)
		if ctx.Err() != nil && err != nil {
			return // nobody waits for this answer
		}
		l.note(id, err == nil)
		if err == nil {
			return
		}
		Pause(ctx, again)
	}
}

// Pause waits, or for the end of ctx.
func Pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// door is an HTTP client that keeps a window of connections.
func door(dial func(ctx context.Context, network, address string) (net.Conn, error)) *http.Client {
	return &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{
		DialContext: dial, MaxIdleConnsPerHost: 1024, MaxIdleConns: 1024,
	}}
}

// post presses one vote by HTTP and returns what was answered.
func post(ctx context.Context, client *http.Client, url, body string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	raw, err := io.ReadAll(resp.Body)
	if err = errors.Join(err, resp.Body.Close()); err == nil && resp.StatusCode/100 != 2 {
		err = fmt.Errorf("%s", resp.Status)
	}
	return raw, err
}

// program presses by a program that says "+ID" for what was accepted and "!ID" for what was not.
func program(path string, args ...string) Presser {
	return func(ctx context.Context, n, window int, l *Ledger) error {
		cmd := exec.CommandContext(ctx, path, append(args, "-n", fmt.Sprint(n), "-window", fmt.Sprint(window))...)
		out, err := cmd.StdoutPipe()
		if err != nil {
			return err
		}
		if err := cmd.Start(); err != nil {
			return err
		}
		for in := bufio.NewScanner(out); in.Scan(); {
			id, err := strconv.Atoi(in.Text()[1:])
			if err != nil {
				return err
			}
			l.note(id, in.Text()[0] == '+')
		}
		if err := cmd.Wait(); err != nil && ctx.Err() == nil {
			return fmt.Errorf("press: %w", err)
		}
		return nil
	}
}
