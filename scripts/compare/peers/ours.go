package peers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"sync"

	"hailong/cmd/agent"
	"hailong/cmd/centre"
	"hailong/collector/store"
	"hailong/scripts/bench/gauge"
)

// ours is this house: one terminal's program, the centre with its embedded broker, SQLite.
func (c *Kit) ours() Peer {
	return Peer{Key: "ours", Name: "Hài Lòng", Share: 1,
		Says: "as installed: accepted after fsync, receipted after SQLite's (WAL, synchronous=FULL); each vote is " +
			"posted to the terminal's socket",
		Make: func(ctx context.Context, dir string) (*Road, error) {
			g, err := gauge.NewRoad(ctx, dir, c.Dir)
			if err != nil {
				return nil, err
			}
			book := &book{ids: map[place]int{}}
			s, err := store.Open(ctx, centre.Folder(g.Data()).Store())
			if err != nil {
				return nil, err
			}
			book.store = s
			terminal := &Part{[]*gauge.Process{g.Kiosk}, g.Answering}
			middle := &Part{[]*gauge.Process{g.Centre}, g.Serving}
			end := func() error { return errors.Join(s.Close(), g.Link.Close()) }
			return &Road{Device: terminal, Broker: middle, Consumer: middle, End: end,
				Press: each(book.press(g.Socket())), Count: book.count, Arrivals: book.arrivals}, nil
		}}
}

// place is where a vote lies in a terminal's line.
type place struct {
	epoch string
	seq   uint64
}

// book knows which vote lies where, and what has arrived.
type book struct {
	store *store.Store
	after uint64 // the store's cursor
	came  []at

	mu  sync.Mutex // guards ids
	ids map[place]int
}

type at struct {
	place
	ms int64
}

func (b *book) press(socket string) func(context.Context, int) error {
	client := door(func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	})
	return func(ctx context.Context, id int) error {
		raw, err := post(ctx, client, "http://agent/press", fmt.Sprintf(`{"id":"vote-%d","level":%d}`, id, id%5+1))
		if err != nil {
			return err
		}
		var p agent.Placed
		if err := json.Unmarshal(raw, &p); err != nil {
			return err
		}
		b.mu.Lock()
		defer b.mu.Unlock()
		b.ids[place{p.Epoch, p.Seq}] = id
		return nil
	}
}

// count reads on in the store, which the centre has open as well.
func (b *book) count(ctx context.Context) (int, error) {
	for {
		votes, err := b.store.Votes(ctx, b.after, 500)
		if err != nil || len(votes) == 0 {
			return len(b.came), err
		}
		for _, v := range votes {
			b.came = append(b.came, at{place{v.Epoch.String(), v.Seq}, v.ReceivedAt.UnixMilli()})
		}
		b.after = votes[len(votes)-1].Cursor
	}
}

// arrivals names what came. A vote whose place nobody was told of has no number, and would count as
// doubled or, if it should have one, as lost.
func (b *book) arrivals(ctx context.Context) ([]Arrival, error) {
	if _, err := b.count(ctx); err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []Arrival
	for _, a := range b.came {
		id, known := b.ids[a.place]
		if !known {
			id = -1
		}
		out = append(out, Arrival{id, a.ms})
	}
	return out, nil
}

func logOf(dir, name string) string { return filepath.Join(dir, name+".log") }
