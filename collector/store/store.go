// Package store keeps what terminals sent: records, votes, counts and the proofs of them. SQL is
// written here and nowhere else. It never opens a sealed comment, and when filing it never judges
// a signature: ingest has done that.
package store

import (
	"context"
	"crypto/rand"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"time"

	"hailong/collector/store/db"
)

// Sentinels of the store.
var (
	// ErrNone means that there is no store at the path.
	ErrNone = errors.New("no store there; run `collector init`")
	// ErrExists means that a store or a terminal of that name is already there.
	ErrExists = errors.New("exists already")
)

//go:embed migrations/*.sql
var migrations embed.FS

func tables() fs.FS {
	sub, err := fs.Sub(migrations, "migrations")
	if err != nil {
		panic(err) // the folder is part of the program
	}
	return sub
}

// Store is an open store. It is safe for use by several goroutines.
type Store struct {
	// Fixed after Open.
	demo bool
	db   *db.DB

	mu   sync.Mutex // guards subs
	subs map[chan struct{}]struct{}
}

// change is the open transaction of a write, with what the rules of a store need to know.
type change struct {
	*db.Tx
	demo bool
}

func (s *Store) write(ctx context.Context, do func(change) error) error {
	return s.db.Write(ctx, func(tx *db.Tx) error { return do(change{tx, s.demo}) })
}

// Create makes a new store. Whether it is a demo is part of its identity for good.
func Create(ctx context.Context, path string, demo bool) error {
	if _, err := os.Lstat(path); err == nil {
		return fmt.Errorf("create store %s: %w", path, ErrExists)
	}
	id := make([]byte, 16)
	if _, err := rand.Read(id); err != nil {
		return fmt.Errorf("create store: %w", err)
	}
	err := db.Create(ctx, path, tables(), func(tx *db.Tx) error {
		return tx.Exec(`INSERT INTO identity (one, store, demo, created_ms) VALUES (1, $1, $2, $3)`,
			id, demo, time.Now().UnixMilli())
	})
	if err != nil {
		return fmt.Errorf("create store %s: %w", path, err)
	}
	return nil
}

// Open opens a store and brings its tables up to date. Close it.
func Open(ctx context.Context, path string) (*Store, error) {
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("open store %s: %w", path, ErrNone)
	}
	file, err := db.Open(ctx, path, tables())
	if err != nil {
		return nil, fmt.Errorf("open store %s: %w", path, err)
	}
	s := &Store{db: file, subs: map[chan struct{}]struct{}{}}
	var found bool
	err = file.Read(ctx, func(tx *db.Tx) (err error) {
		found, err = tx.Get([]any{&s.demo}, `SELECT demo FROM identity`)
		return err
	})
	if err == nil && !found {
		err = ErrNone
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open store %s: %w", path, err), file.Close())
	}
	return s, nil
}

// Close waits for the write under way and closes the store.
func (s *Store) Close() error { return s.db.Close() }

// Demo tells whether the store holds demonstration data, where test presses count.
func (s *Store) Demo() bool { return s.demo }

// Ready proves that the store can be written: a full or read-only disk is an error.
func (s *Store) Ready(ctx context.Context) error {
	err := s.write(ctx, func(c change) error {
		return c.Exec(`UPDATE identity SET probed_ms = $1`, time.Now().UnixMilli())
	})
	if err != nil {
		return fmt.Errorf("write to store: %w", err)
	}
	return nil
}

// Subscribe wakes the caller after commits until ctx ends. Wake-ups merge: one waiting is as good
// as ten.
func (s *Store) Subscribe(ctx context.Context) <-chan struct{} {
	wakeUp := make(chan struct{}, 1)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.subs[wakeUp] = struct{}{}
	context.AfterFunc(ctx, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.subs, wakeUp)
	})
	return wakeUp
}

func (s *Store) wake() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for wakeUp := range s.subs {
		select {
		case wakeUp <- struct{}{}:
		default:
		}
	}
}
