package db

import (
	"context"
	"database/sql"
	"errors"
	"strings"
)

// Tx is a transaction that reads, or the one that writes.
type Tx struct {
	ctx   context.Context
	query func(ctx context.Context, text string, args ...any) (*sql.Rows, error)
	exec  func(ctx context.Context, text string, args ...any) error // nil in a reading one
}

// Exec changes rows.
func (tx *Tx) Exec(text string, args ...any) error { return tx.exec(tx.ctx, text, args...) }

// inserted is how many rows go into one statement. The driver's price is by the statement: 25 rows to one cost three
// quarters of 25 alone; more of them gain nothing, and SQLite takes 32,766 values at most.
const inserted = 25

// Insert adds rows to a table whose columns are named in order.
func (tx *Tx) Insert(table, columns string, rows [][]any) error {
	for len(rows) > 0 {
		n := 1
		if len(rows) >= inserted {
			n = inserted
		}
		width := len(rows[0])
		one := "(" + strings.TrimSuffix(strings.Repeat("?,", width), ",") + "),"
		args := make([]any, 0, n*width)
		for _, row := range rows[:n] {
			args = append(args, row...)
		}
		text := "INSERT INTO " + table + " (" + columns + ") VALUES " + strings.TrimSuffix(strings.Repeat(one, n), ",")
		if err := tx.Exec(text, args...); err != nil {
			return err
		}
		rows = rows[n:]
	}
	return nil
}

// Get reads one row; false where there is none.
func (tx *Tx) Get(into []any, text string, args ...any) (bool, error) {
	found := false
	err := tx.Each(into, func() error {
		found = true
		return nil
	}, text, args...)
	return found && err == nil, err
}

// Each reads rows, one after the other into the same variables.
func (tx *Tx) Each(into []any, then func() error, text string, args ...any) error {
	rows, err := tx.query(tx.ctx, text, args...)
	if err != nil {
		return err
	}
	for rows.Next() {
		if err = rows.Scan(into...); err == nil {
			err = then()
		}
		if err != nil {
			break
		}
	}
	return errors.Join(err, rows.Err(), rows.Close())
}

// Table reads rows whatever their columns: their names first, then each row's values.
func (tx *Tx) Table(then func(columns []string, values []any) error, text string, args ...any) error {
	rows, err := tx.query(tx.ctx, text, args...)
	if err != nil {
		return err
	}
	columns, err := rows.Columns()
	for err == nil && rows.Next() {
		values := make([]any, len(columns))
		into := make([]any, len(columns))
		for i := range values {
			into[i] = &values[i]
		}
		if err = rows.Scan(into...); err == nil {
			err = then(columns, values)
		}
	}
	return errors.Join(err, rows.Err(), rows.Close())
}
