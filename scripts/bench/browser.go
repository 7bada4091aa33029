package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"time"
)

// browser is a headless Chromium, told what to do by its DevTools protocol over two pipes.
type browser struct {
	cmd  *exec.Cmd
	to   io.WriteCloser
	page string // the session that its page is spoken to in

	mu      sync.Mutex // guards what follows
	next    int
	answers map[int]chan answer
	said    chan string // what the page hands out
}

type answer struct {
	ID     int             `json:"id"`
	Method string          `json:"method"`
	Params json.RawMessage `json:"params"`
	Result json.RawMessage `json:"result"`
	Error  *struct {
		Message string `json:"message"`
	} `json:"error"`
}

// openBrowser starts Chromium; its profile is kept in a folder of the run's own.
func openBrowser(ctx context.Context, profile string) (*browser, error) {
	theirs, ours, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	back, from, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	b := &browser{to: ours, answers: map[int]chan answer{}, said: make(chan string, 64)}
	b.cmd = exec.CommandContext(ctx, "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
		"--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions",
		"--disable-dev-shm-usage", "--remote-debugging-pipe", "--user-data-dir="+profile, "about:blank")
	b.cmd.ExtraFiles = []*os.File{theirs, from} // 3 and 4, where Chromium looks for them
	b.cmd.WaitDelay = 10 * time.Second
	if err := errors.Join(b.cmd.Start(), theirs.Close(), from.Close()); err != nil {
		return nil, fmt.Errorf("start chromium: %w; is it installed?", err)
	}
	go b.read(back)
	return b, b.attach(ctx)
}

// attach opens a page and speaks to it from now on.
func (b *browser) attach(ctx context.Context) error {
	var target struct {
		ID string `json:"targetId"`
	}
	if err := b.call(ctx, "Target.createTarget", map[string]any{"url": "about:blank"}, &target); err != nil {
		return err
	}
	var session struct {
		ID string `json:"sessionId"`
	}
	err := b.call(ctx, "Target.attachToTarget", map[string]any{"targetId": target.ID, "flatten": true}, &session)
	if err != nil {
		return err
	}
	b.page = session.ID
	if err := b.call(ctx, "Runtime.enable", nil, nil); err != nil {
		return err
	}
	return b.call(ctx, "Runtime.addBinding", map[string]any{"name": "say"}, nil)
}

// read takes answers and what the page says, until the browser is gone.
func (b *browser) read(from io.ReadCloser) {
	defer func() { _ = from.Close() }()
	in := bufio.NewReader(from)
	for {
		raw, err := in.ReadBytes(0)
		if err != nil {
			return
		}
		var a answer
		if json.Unmarshal(raw[:len(raw)-1], &a) != nil {
			continue
		}
		if a.Method == "Runtime.bindingCalled" {
			var call struct {
				Payload string `json:"payload"`
			}
			if json.Unmarshal(a.Params, &call) == nil {
				b.said <- call.Payload
			}
			continue
		}
		b.mu.Lock()
		if c, waiting := b.answers[a.ID]; waiting && a.ID != 0 {
			c <- a
			delete(b.answers, a.ID)
		}
		b.mu.Unlock()
	}
}

func (b *browser) call(ctx context.Context, method string, params, into any) error {
	b.mu.Lock()
	b.next++
	id, c := b.next, make(chan answer, 1)
	b.answers[id] = c
	b.mu.Unlock()
	request := map[string]any{"id": id, "method": method}
	if params != nil {
		request["params"] = params
	}
	if b.page != "" {
		request["sessionId"] = b.page
	}
	raw, err := json.Marshal(request)
	if err != nil {
		return err
	}
	if _, err := b.to.Write(append(raw, 0)); err != nil {
		return fmt.Errorf("%s: %w", method, err)
	}
	select {
	case a := <-c:
		switch {
		case a.Error != nil:
			return fmt.Errorf("%s: %s", method, a.Error.Message)
		case into == nil:
			return nil
		}
		return json.Unmarshal(a.Result, into)
	case <-ctx.Done():
		return fmt.Errorf("%s: %w", method, ctx.Err())
	}
}

// ask evaluates an expression in the page and returns its text.
func (b *browser) ask(ctx context.Context, expression string) (string, error) {
	var got struct {
		Result struct {
			Value any `json:"value"`
		} `json:"result"`
	}
	err := b.call(ctx, "Runtime.evaluate", map[string]any{"expression": "String(" + expression + ")"}, &got)
	return fmt.Sprint(got.Result.Value), err
}

func (b *browser) open(ctx context.Context, url string) error {
	return b.call(ctx, "Page.navigate", map[string]any{"url": url}, nil)
}

func (b *browser) close(ctx context.Context) error {
	page := b.page
	b.page = ""
	err := b.call(ctx, "Browser.close", nil, nil)
	b.page = page
	_ = b.cmd.Wait() // it may say that it was asked to end
	return err
}
