package db

import (
	"errors"
	"path/filepath"
	"sync"
	"testing"
	"testing/fstest"
)

func fresh(t *testing.T) *DB {
	path := filepath.Join(t.TempDir(), "x.db")
	tables := fstest.MapFS{"00001_start.sql": {Data: []byte("-- +goose Up\nCREATE TABLE n (n INTEGER PRIMARY KEY);\n")}}
	if err := Create(t.Context(), path, tables, func(*Tx) error { return nil }); err != nil {
		t.Fatal(err)
	}
	d, err := Open(t.Context(), path, tables)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(d.Close(), d.Close()); err != nil {
			t.Error(err)
		}
	})
	return d
}

func count(t *testing.T, d *DB) (n int) {
	t.Helper()
	err := d.Read(t.Context(), func(tx *Tx) error {
		_, err := tx.Get([]any{&n}, `SELECT COUNT(*) FROM n`)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestAChangeStandsOrFallsAlone lets good and bad changes wait for the same commit.
func TestAChangeStandsOrFallsAlone(t *testing.T) {
	d := fresh(t)
	oops := errors.New("oops")
	var group sync.WaitGroup
	d.writer.turn.Lock()
	for i := range 40 {
		group.Go(func() {
			err := d.Write(t.Context(), func(tx *Tx) error {
				if err := tx.Exec(`INSERT INTO n (n) VALUES ($1)`, i); err != nil || i%4 != 0 {
					return err
				}
				return oops
			})
			if errors.Is(err, oops) != (i%4 == 0) {
				t.Errorf("change %d: Write() = %v", i, err)
			}
		})
	}
	d.writer.turn.Unlock()
	group.Wait()
	if got := count(t, d); got != 30 {
		t.Errorf("%d rows, want 30", got)
	}
}

func TestALostTransactionFailsAllWhoWaited(t *testing.T) {
	d := fresh(t)
	jobs := []*job{
		{change: func(tx *Tx) error { return tx.Exec(`INSERT INTO n (n) VALUES (1)`) }},
		{change: func(tx *Tx) error { return tx.Exec(`ROLLBACK`) }}, // as SQLite does on a full disk
		{change: func(tx *Tx) error { return tx.Exec(`INSERT INTO n (n) VALUES (2)`) }},
	}
	d.writer.commit(jobs)
	for i, j := range jobs {
		if j.err == nil {
			t.Errorf("change %d was called done", i)
		}
	}
	if err := d.Write(t.Context(), func(tx *Tx) error { return tx.Exec(`INSERT INTO n (n) VALUES (3)`) }); err != nil {
		t.Errorf("the next change: %v", err)
	}
	if got := count(t, d); got != 1 {
		t.Errorf("%d rows, want the last alone", got)
	}
}

func TestAReadLooksAtOneState(t *testing.T) {
	d := fresh(t)
	err := d.Read(t.Context(), func(tx *Tx) error {
		var before, after int
		_, err := tx.Get([]any{&before}, `SELECT COUNT(*) FROM n`)
		insert := func(w *Tx) error { return w.Exec(`INSERT INTO n (n) VALUES (1)`) }
		err = errors.Join(err, d.Write(t.Context(), insert))
		_, err2 := tx.Get([]any{&after}, `SELECT COUNT(*) FROM n`)
		if before != 0 || after != 0 {
			t.Errorf("saw %d, then %d rows, want the same", before, after)
		}
		return errors.Join(err, err2)
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestANewerStoreIsLeftAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	one := []byte("-- +goose Up\nCREATE TABLE a (n INTEGER);\n")
	two := fstest.MapFS{"00001_a.sql": {Data: one}, "00002_b.sql": {Data: []byte("-- +goose Up\nDROP TABLE a;\n")}}
	if err := Create(t.Context(), path, two, func(*Tx) error { return nil }); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), path, fstest.MapFS{"00001_a.sql": {Data: one}}); !errors.Is(err, ErrNewer) {
		t.Errorf("Open() = %v, want ErrNewer", err)
	}
}
