// Package db is the file a store lives in: one connection that writes, several that read. It
// never knows what a table means.
package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/pressly/goose/v3"
	_ "modernc.org/sqlite" // the driver "sqlite"
)

// ErrNewer means that a newer collector has changed the tables.
var ErrNewer = errors.New("the store was written by a newer collector")

// Patience and number of connections.
const (
	// busyFor outlasts another process that checks or backs up the same file.
	busyFor = 5 * time.Second
	// readers is how many reads run side by side, and beside the one writer.
	readers = 4
)

// DB is an open file. It is safe for use by several goroutines.
type DB struct {
	read   *sql.DB
	write  *sql.DB
	writer *writer
	shut   func() error
}

// Create makes a file with its tables and first rows. It has its own name only once it is whole:
// a power cut leaves no half store behind.
func Create(ctx context.Context, path string, migrations fs.FS, fill func(*Tx) error) error {
	draft := path + ".new"
	for _, part := range []string{draft, draft + "-wal", draft + "-shm"} {
		if err := os.Remove(part); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	f, err := os.OpenFile(draft, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	d, err := Open(ctx, draft, migrations)
	if err != nil {
		return err
	}
	if err := errors.Join(d.Write(ctx, fill), d.Close()); err != nil {
		return err
	}
	// SQLite closes without a word when it could not fold the journal into the file, and the file has its name alone.
	if _, err := os.Lstat(draft + "-wal"); !errors.Is(err, fs.ErrNotExist) {
		return errors.Join(errors.New("the journal could not be folded into the file"), err)
	}
	if err := os.Rename(draft, path); err != nil {
		return err
	}
	return syncFolder(path)
}

// Open opens a file that exists and brings its tables up to date.
func Open(ctx context.Context, path string, migrations fs.FS) (*DB, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	name := (&url.URL{Scheme: "file", Path: abs}).String() +
		fmt.Sprintf("?mode=rw&_pragma=busy_timeout(%d)", busyFor.Milliseconds())
	d := &DB{}
	d.shut = sync.OnceValue(d.close)
	d.write, err = sql.Open("sqlite",
		name+"&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=foreign_keys(1)")
	if err != nil {
		return nil, err
	}
	d.write.SetMaxOpenConns(1)
	if err := resync(ctx, d.write, abs); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	if err := migrate(ctx, d.write, migrations); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	if d.read, err = sql.Open("sqlite", name+"&_pragma=query_only(1)"); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	d.read.SetMaxOpenConns(readers)
	d.read.SetMaxIdleConns(readers)
	if d.writer, err = newWriter(ctx, d.write); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return d, nil
}

// resync writes the journal again, byte for byte, and syncs it. Syncs of an earlier process may have failed or never
// happened: what it wrote is then whole in the page cache and not on the disk, where a page that a failed sync marked
// clean only gets by being written. Until then nothing in it may be called filed, nor anything be written behind it.
func resync(ctx context.Context, db *sql.DB, path string) (err error) {
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	if _, err := conn.ExecContext(ctx, `BEGIN IMMEDIATE`); err != nil { // nobody else writes the journal meanwhile
		return err
	}
	defer func() {
		_, e := conn.ExecContext(ctx, `ROLLBACK`)
		err = errors.Join(err, e)
	}()
	wal, err := os.OpenFile(path+"-wal", os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, wal.Close()) }()
	size, err := wal.Seek(0, io.SeekEnd)
	if err == nil {
		_, err = io.Copy(io.NewOffsetWriter(wal, 0), io.NewSectionReader(wal, 0, size))
	}
	return errors.Join(err, wal.Sync(), syncFolder(path)) // of its name SQLite syncs the folder, and is deaf to failure
}

func syncFolder(path string) error {
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

func migrate(ctx context.Context, db *sql.DB, migrations fs.FS) error {
	p, err := goose.NewProvider(goose.DialectSQLite3, db, migrations)
	if err != nil {
		return err
	}
	have, err := p.GetDBVersion(ctx)
	if err != nil {
		return err
	}
	sources := p.ListSources()
	if newest := sources[len(sources)-1].Version; have > newest {
		return fmt.Errorf("%w: its tables are of version %d, this collector knows %d", ErrNewer, have, newest)
	}
	_, err = p.Up(ctx)
	return err
}

// Close waits for the write under way and closes the file. A second Close does nothing.
func (d *DB) Close() error { return d.shut() }

// close closes the writer last: only the last connection folds the journal into the file.
func (d *DB) close() error {
	var errs []error
	if d.writer != nil {
		errs = append(errs, d.writer.close())
	}
	if d.read != nil {
		errs = append(errs, d.read.Close())
	}
	return errors.Join(append(errs, d.write.Close())...)
}

// Write runs a change and returns when it is on the disk. A change stands or falls alone. A caller
// who stops waiting does not stop a change that has begun.
func (d *DB) Write(ctx context.Context, change func(*Tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return d.writer.do(change)
}

// Read looks at one state of the file, whatever is written meanwhile.
func (d *DB) Read(ctx context.Context, look func(*Tx) error) error {
	tx, err := d.read.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return err
	}
	err = look(&Tx{ctx: ctx, query: tx.QueryContext})
	return errors.Join(err, tx.Rollback())
}
