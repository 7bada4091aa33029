package db

import (
	"context"
	"database/sql"
	"errors"
	"sync"
)

// writer is the one connection that changes the file. Whoever gets it commits for all who wait:
// one fsync then serves many terminals.
type writer struct {
	turn  sync.Mutex // held while conn and stmts are in use
	conn  *sql.Conn
	stmts map[string]*sql.Stmt

	mu      sync.Mutex // guards waiting
	waiting []*job
}

// job is one change.
type job struct {
	change func(*Tx) error
	done   bool
	err    error
}

func newWriter(ctx context.Context, db *sql.DB) (*writer, error) {
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	return &writer{conn: conn, stmts: map[string]*sql.Stmt{}}, nil
}

func (w *writer) do(change func(*Tx) error) error {
	j := &job{change: change}
	w.mu.Lock()
	w.waiting = append(w.waiting, j)
	w.mu.Unlock()

	w.turn.Lock()
	defer w.turn.Unlock()
	if j.done {
		return j.err
	}
	w.mu.Lock()
	jobs := w.waiting
	w.waiting = nil
	w.mu.Unlock()
	w.commit(jobs)
	return j.err
}

func (w *writer) commit(jobs []*job) {
	tx := &Tx{context.Background(), w.query, w.exec}
	err := tx.Exec(`BEGIN IMMEDIATE`)
	begun := err == nil
	switch {
	case err != nil:
	case len(jobs) == 1:
		// Alone it needs no savepoint, which has SQLite copy every page before it changes it once more.
		err = jobs[0].change(tx)
	default:
		for _, j := range jobs {
			if err == nil {
				err = attempt(tx, j)
			}
		}
	}
	if err == nil {
		err = tx.Exec(`COMMIT`)
	}
	if err != nil && begun {
		// SQLite may have rolled back by itself, on a full disk for example.
		_ = tx.Exec(`ROLLBACK`)
	}
	for _, j := range jobs {
		j.done = true
		if j.err == nil {
			j.err = err
		}
	}
}

// attempt returns an error only where the whole transaction is lost; the job's own is in the job.
func attempt(tx *Tx, j *job) error {
	if err := tx.Exec(`SAVEPOINT job`); err != nil {
		return err
	}
	if j.err = j.change(tx); j.err != nil {
		if err := tx.Exec(`ROLLBACK TO job`); err != nil {
			return err
		}
	}
	return tx.Exec(`RELEASE job`)
}

// stmt prepares a text once. The texts are constants, so there are few.
func (w *writer) stmt(ctx context.Context, text string) (*sql.Stmt, error) {
	if s, ok := w.stmts[text]; ok {
		return s, nil
	}
	s, err := w.conn.PrepareContext(ctx, text)
	if err == nil {
		w.stmts[text] = s
	}
	return s, err
}

func (w *writer) exec(ctx context.Context, text string, args ...any) error {
	s, err := w.stmt(ctx, text)
	if err == nil {
		_, err = s.ExecContext(ctx, args...)
	}
	return err
}

func (w *writer) query(ctx context.Context, text string, args ...any) (*sql.Rows, error) {
	s, err := w.stmt(ctx, text)
	if err != nil {
		return nil, err
	}
	return s.QueryContext(ctx, args...)
}

func (w *writer) close() error {
	w.turn.Lock()
	defer w.turn.Unlock()
	var errs []error
	for _, s := range w.stmts {
		errs = append(errs, s.Close())
	}
	return errors.Join(append(errs, w.conn.Close())...)
}
