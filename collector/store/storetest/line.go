// Package storetest is a terminal's line made up for tests, and a store to send it to. It never
// leaves the test's folder.
package storetest

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"path/filepath"
	"testing"
	"time"

	"hailong/collector/org"
	"hailong/collector/store"
	"hailong/sync/seal"
	"hailong/sync/wire"
	"hailong/vote"
)

// Noon is the centre's time in tests: 12:00 in Vietnam on 2 March 2026.
func Noon() time.Time { return time.Date(2026, 3, 2, 5, 0, 0, 0, time.UTC) }

// Open makes a store in the test's folder and closes it with the test.
func Open(t testing.TB, demo bool) (*store.Store, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "hl.db")
	if err := store.Create(context.Background(), path, demo); err != nil {
		t.Fatal(err)
	}
	s, err := store.Open(context.Background(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s, path
}

// Line is a terminal's line.
type Line struct {
	ID    vote.TerminalID
	Key   ed25519.PrivateKey
	Epoch seal.Epoch
	Items []wire.Item
	Heads []seal.Head // after each item
	Tally []wire.Tally
	Now   vote.Stamp
	tb    testing.TB
}

// NewLine is the line of a terminal whose key comes from its name.
func NewLine(t testing.TB, id string) *Line {
	seed := sha256.Sum256([]byte(id))
	l := &Line{ID: vote.TerminalID(id), Key: ed25519.NewKeyFromSeed(seed[:]), tb: t}
	copy(l.Epoch[:], seed[:])
	l.Now = vote.Stamp{WallMS: Noon().UnixMilli(), Synced: true, Boot: 1, SinceMS: 3_600_000}
	return l
}

// Public is the terminal's public key.
func (l *Line) Public() ed25519.PublicKey { return l.Key.Public().(ed25519.PublicKey) }

// Register adds the terminal to a store.
func (l *Line) Register(s *store.Store) *Line {
	l.tb.Helper()
	err := s.AddTerminal(context.Background(), store.Registration{
		ID: l.ID, Counter: "Quầy " + string(l.ID), Key: l.Public(), SecretHash: sha256.Sum256([]byte(l.ID)), At: Noon(),
	})
	if err != nil {
		l.tb.Fatal(err)
	}
	return l
}

// Len is the seq of the last record.
func (l *Line) Len() uint64 { return uint64(len(l.Items)) }

// Append adds an item as it is and returns its seq.
func (l *Line) Append(item wire.Item, level vote.Level) uint64 {
	var tally wire.Tally
	if n := len(l.Tally); n > 0 {
		tally = l.Tally[n-1]
	}
	if level.Valid() {
		tally[level-1]++
	}
	seq := l.Len() + 1
	l.Items, l.Tally = append(l.Items, item), append(l.Tally, tally)
	l.Heads = append(l.Heads, l.Head(seq-1).Next(seq, item.Digest))
	return seq
}

// Add adds a record made now and returns its seq.
func (l *Line) Add(r vote.Record) uint64 {
	l.tb.Helper()
	if r.At == (vote.Stamp{}) {
		r.At = l.Now
	}
	body, err := wire.EncodeRecord(r)
	if err != nil {
		l.tb.Fatal(err)
	}
	level := vote.Level(0)
	if r.Cast != nil {
		level = r.Cast.Level
	}
	return l.Append(wire.Item{Body: body, Digest: seal.Of(body)}, level)
}

// Cast adds a vote at a button and returns its seq.
func (l *Line) Cast(level vote.Level) uint64 { return l.Add(vote.Record{Cast: Press(level)}) }

// Press is a vote at a button.
func Press(level vote.Level) *vote.Cast {
	return &vote.Cast{Level: level, Survey: "mac-dinh", SurveyVersion: 1, Layout: "5-row", Language: "vi",
		Channel: vote.Button, Counter: "quay-1", Officer: "an"}
}

// Head is the chain after a record; after 0 it is the start.
func (l *Line) Head(seq uint64) seal.Head {
	if seq == 0 {
		return seal.Start(string(l.ID), l.Epoch)
	}
	return l.Heads[seq-1]
}

// Batch is the records first to last.
func (l *Line) Batch(first, last uint64) wire.Batch {
	return wire.Batch{Terminal: l.ID, Epoch: l.Epoch, First: first, Items: l.Items[first-1 : last],
		Prev: l.Head(first - 1), Head: l.Head(last), Now: l.Now, Tally: l.Tally[last-1]}
}

// Hello says how the line stands, all of it unreceipted.
func (l *Line) Hello() wire.Hello {
	return wire.Hello{MinVersion: 1, MaxVersion: 1, Terminal: l.ID, Epoch: l.Epoch, Nonce: wire.Nonce{7},
		First: 1, Next: l.Len() + 1, Head: l.Head(l.Len()), Oldest: 1, Before: l.Head(0), Now: l.Now, Software: "test"}
}

// Seal packs a message and signs it as the terminal.
func (l *Line) Seal(c *wire.Codec, t wire.Type, encode func() ([]byte, error)) []byte {
	l.tb.Helper()
	payload, err := encode()
	if err != nil {
		l.tb.Fatal(err)
	}
	out, err := c.Seal(t, payload, l.Key)
	if err != nil {
		l.tb.Fatal(err)
	}
	return out
}

// Filing is a batch as ingest hands it to the store.
func (l *Line) Filing(c *wire.Codec, b wire.Batch, received time.Time) org.Filing {
	l.tb.Helper()
	heads, ok := b.Chain()
	if !ok {
		l.tb.Fatalf("chain of %s from %d does not reach its head", b.Terminal, b.First)
	}
	clock := org.Clock{Now: b.Now, Received: received}
	f := org.Filing{Terminal: b.Terminal, Epoch: b.Epoch, First: b.First, Prev: b.Prev, Now: b.Now, Tally: b.Tally,
		Origin:   b.Origin,
		Envelope: l.Seal(c, wire.BatchType, b.Encode), Received: received}
	for i, item := range b.Items {
		e := org.Read(item, heads[i], b.Origin)
		e.At, e.Quality = clock.Resolve(e.Record.At)
		f.Entries = append(f.Entries, e)
	}
	return f
}
