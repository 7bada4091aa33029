package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"

	"hailong/cmd/centre"
	"hailong/collector/org"
	"hailong/collector/store"
	"hailong/config"
	"hailong/sync/wire"
	"hailong/vote"
)

// house is a real centre in this process.
type house struct {
	cfg   config.Collector
	keys  centre.Keys
	store *store.Store // a second door to the same tables
	stop  func()
	done  chan error
}

func openCentre(ctx context.Context, dir string) (*house, error) {
	h := &house{cfg: config.CollectorDefaults(), done: make(chan error, 1)}
	folder := centre.Folder(dir)
	err := errors.Join(centre.MakeKeys(folder), store.Create(ctx, folder.Store(), true))
	if err != nil {
		return nil, err
	}
	if h.keys, err = centre.ReadKeys(folder); err != nil {
		return nil, err
	}
	if h.store, err = store.Open(ctx, folder.Store()); err != nil {
		return nil, err
	}
	for _, port := range []*string{&h.cfg.Web.Listen, &h.cfg.Broker.Listen} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		*port = l.Addr().String()
		if err := l.Close(); err != nil {
			return nil, err
		}
	}
	serving, stop := context.WithCancel(context.WithoutCancel(ctx))
	h.stop = stop
	ready := make(chan struct{})
	go func() {
		h.done <- centre.Serve(serving, centre.Setup{Folder: folder, Config: h.cfg, Version: "damage",
			Log: slog.New(slog.DiscardHandler), Ready: func() { close(ready) }})
	}()
	select {
	case <-ready:
		return h, nil
	case err := <-h.done:
		return nil, fmt.Errorf("serve: %w", err)
	}
}

// enrol gives a new terminal its identity.
func (h *house) enrol(ctx context.Context, id, home string) (config.Identity, error) {
	path := filepath.Join(home, "identity.toml")
	if err := centre.Enrol(ctx, h.store, h.keys, vote.TerminalID(id), id, path); err != nil {
		return config.Identity{}, err
	}
	return config.LoadIdentity(path)
}

// votes are those of one terminal. Trials run side by side, so the list is walked from where the trial began.
func (h *house) votes(ctx context.Context, id string, after uint64) (of []org.Vote, last uint64, err error) {
	for {
		page, err := h.store.Votes(ctx, after, 500)
		if err != nil {
			return nil, 0, err
		}
		for _, v := range page {
			if after = v.Cursor; string(v.Terminal) == id {
				of = append(of, v)
			}
		}
		if len(page) < 500 {
			return of, after, nil
		}
	}
}

func (h *house) verify(ctx context.Context) error {
	diffs, sum, err := h.store.Verify(ctx, wire.NewCodec(), nil)
	if err != nil {
		return err
	}
	fmt.Printf("verify: %d records, %d votes, %d unproven, %d holes, %d forks, %d differences\n",
		sum.Records, sum.Votes, sum.Unproven, sum.Holes, sum.Forks, len(diffs))
	for _, d := range diffs[:min(len(diffs), 5)] {
		err = errors.Join(err, fmt.Errorf("verify: %s: %s", d.Where, d.What))
	}
	if sum.Forks > 0 {
		err = errors.Join(err, fmt.Errorf("verify: %d lines are called forks, and none is", sum.Forks))
	}
	return err
}

func (h *house) close() error {
	h.stop()
	return errors.Join(<-h.done, h.store.Close())
}
