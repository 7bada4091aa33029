package store_test

import (
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"hailong/collector/store"
	"hailong/collector/store/storetest"
	"hailong/sync/seal"
	"hailong/sync/wire"
	"hailong/vote"
)

// evidence is a store with something in every table that proves anything.
func evidence(t *testing.T) string {
	s, path := storetest.Open(t, false)
	codec := wire.NewCodec()
	received := storetest.Noon()
	send := func(l *storetest.Line, first, last uint64) {
		received = received.Add(time.Minute)
		if _, err := s.File(t.Context(), l.Filing(codec, l.Batch(first, last), received)); err != nil {
			t.Fatal(err)
		}
	}
	var lines []*storetest.Line
	for i := range 2 {
		l := storetest.NewLine(t, fmt.Sprintf("quay-%02d", i)).Register(s)
		lines = append(lines, l)
		for n := range 40 {
			// Half of the votes have no clock but the time since boot.
			at := vote.Stamp{Boot: 1, SinceMS: 3_000_000 + uint64(n), WallMS: received.UnixMilli() - 600_000,
				Synced: n%2 == 0}
			press := storetest.Press(vote.Level(n%5 + 1))
			if n%7 == 0 {
				press.Channel = vote.Test
			}
			seq := l.Add(vote.Record{At: at, Cast: press})
			switch n % 4 {
			case 0:
				l.Add(vote.Record{Amend: &vote.Amend{Cast: seq, Level: vote.Level((n+2)%5 + 1)}})
			case 1:
				l.Add(vote.Record{Detail: &vote.Detail{Cast: seq, Reasons: []string{"khac"}, Ignored: 1,
					Sealed: []byte("sealed")}})
			case 2:
				l.Add(vote.Record{At: at, Event: &vote.Event{Code: vote.EventService, Note: "nắp mở"}})
			default:
				l.Append(wire.Item{Digest: seal.Of([]byte{byte(n)})}, 0)
			}
		}
		for first := uint64(1); first <= 70; first += 10 {
			send(l, first, first+9)
		}
	}
	h := lines[1].Hello()
	h.Oldest, h.First, h.Before = 76, 76, lines[1].Head(75)
	if _, err := s.Greet(t.Context(), h, received); err != nil {
		t.Fatal(err)
	}
	send(lines[1], 76, 80)
	c := clone(t, lines[0], 70)
	c.Cast(1)
	send(lines[0], 71, 80)
	send(c, 71, 71) // a fork
	sound(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

// prey is what an edit may touch in a table.
type prey struct {
	table   string
	columns string
	where   string // SQL: how Verify names the row, or the start of it
	from    string // joins that where needs
	remove  bool   // deleting a row must be noticed
}

const (
	bySeq    = `t.id || '/' || lower(hex(s.epoch)) || '/' || x.seq`
	ofStream = "JOIN stream s ON s.no = x.stream JOIN terminal t ON t.no = s.terminal"
)

var preys = []prey{
	{"record", "kind proof digest why seq", bySeq, ofStream, true},
	{"vote", "filed stream seq level first_level survey version layout language channel counter officer " +
		"flags contested ignored reasons boot since_ms wall_ms synced at_ms quality counted", bySeq,
		ofStream, true},
	{"event", "seq code note boot since_ms wall_ms synced", bySeq,
		ofStream, true},
	{"personal", "vote sealed", bySeq, ofStream, false},
	{"proof", "prev", `t.id || '/' || lower(hex(s.epoch)) || '/' || x.first`, ofStream, false},
	{"proof", "no first last received_ms mark envelope", `'proof ' || x.no`, "", true},
	{"stream", "epoch upto head n1 n2 n3 n4 n5 c1 c2 c3 c4 c5 lost bad forked", "t.id",
		"JOIN terminal t ON t.no = x.terminal", true},
	{"terminal", "key id", "x.id", "", true},
	{"hour_count", "hour n1 n2 n3 n4 n5", "t.id", "JOIN terminal t ON t.no = x.terminal", true},
	{"day_count", "day n1 n2 n3 n4 n5 s1 s2 s3 s4 s5", "COALESCE(t.id, 'hall')",
		"LEFT JOIN terminal t ON t.no = x.terminal", true},
	{"hole", "first last head", "t.id", ofStream, true},
	{"quarantine", "digest fork raw", "t.id", "JOIN terminal t ON t.no = x.terminal", true},
}

// TestEverySingleEditIsFound changes, deletes or swaps one thing at a time behind the store's back.
func TestEverySingleEditIsFound(t *testing.T) {
	whole, err := os.ReadFile(evidence(t))
	if err != nil {
		t.Fatal(err)
	}
	rnd := rand.New(rand.NewPCG(2026, 3))
	path := filepath.Join(t.TempDir(), "edited.db")
	done := 0
	try := func(p prey, edit func(*sql.DB) (where []string, what string, err error)) {
		for _, left := range []string{path, path + "-wal", path + "-shm"} {
			if err := os.Remove(left); err != nil && !errors.Is(err, os.ErrNotExist) {
				t.Fatal(err)
			}
		}
		if err := os.WriteFile(path, whole, 0o600); err != nil {
			t.Fatal(err)
		}
		db, err := sql.Open("sqlite", path)
		if err != nil {
			t.Fatal(err)
		}
		where, what, err := edit(db)
		if cerr := db.Close(); cerr != nil {
			t.Fatal(cerr)
		}
		if err != nil {
			return // a constraint of the table itself forbids this one
		}
		done++
		wantFound(t, path, p.table+": "+what, append(where, "of table", "quarantine"))
	}
	for _, p := range preys {
		for _, column := range strings.Fields(p.columns) {
			for range 2 {
				try(p, func(db *sql.DB) ([]string, string, error) { return change(db, rnd, p, column) })
			}
			try(p, func(db *sql.DB) ([]string, string, error) { return swap(db, rnd, p, column) })
		}
		for range 3 {
			if p.remove {
				try(p, func(db *sql.DB) ([]string, string, error) { return remove(db, rnd, p) })
			}
		}
	}
	t.Logf("%d single edits", done)
	if done < 200 {
		t.Errorf("only %d edits were possible, want 200", done)
	}
}

// TestAnEditOfTheWallIsFound moves what the public sees, where no count of votes is touched.
func TestAnEditOfTheWallIsFound(t *testing.T) {
	whole, err := os.ReadFile(evidence(t))
	if err != nil {
		t.Fatal(err)
	}
	const quay = `(SELECT no FROM terminal WHERE id = 'quay-01')`
	for _, c := range []struct {
		name, edit string
		places     []string
	}{
		{"levels moved, the sums kept",
			`UPDATE day_count SET s5 = s1 + s2 + s3 + s4 + s5, s1 = 0, s2 = 0, s3 = 0, s4 = 0`,
			[]string{"hall 2026-03-02", "quay-00 2026-03-02", "quay-01 2026-03-02"}},
		{"levels of one terminal moved",
			`UPDATE day_count SET s5 = s5 + s1, s1 = 0 WHERE s1 > 0 AND terminal = ` + quay,
			[]string{"quay-01 2026-03-02"}},
		{"levels of the hall moved",
			`UPDATE day_count SET s5 = s5 + s1, s1 = 0 WHERE s1 > 0 AND terminal = 0`,
			[]string{"hall 2026-03-02"}},
		{"a terminal shows nothing",
			`UPDATE day_count SET s1 = 0, s2 = 0, s3 = 0, s4 = 0, s5 = 0 WHERE terminal = ` + quay,
			[]string{"quay-01 2026-03-02"}},
		{"the hall shows fewer",
			`UPDATE day_count SET s1 = s1 - 1 WHERE s1 > 0 AND terminal = 0`,
			[]string{"hall 2026-03-02"}},
		{"a day without votes",
			`INSERT INTO day_count SELECT day + 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 FROM day_count LIMIT 1`,
			[]string{"hall 2026-03-03"}},
		// Its empty figures would stand where those of a real terminal belong.
		{"a terminal that is none",
			`INSERT INTO day_count SELECT day, 99, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 FROM day_count LIMIT 1`,
			[]string{"terminal 99 2026-03-02"}},
	} {
		path := filepath.Join(t.TempDir(), "edited.db")
		if err := os.WriteFile(path, whole, 0o600); err != nil {
			t.Fatal(err)
		}
		db, err := sql.Open("sqlite", path)
		if err != nil {
			t.Fatal(err)
		}
		var n int64
		res, err := db.Exec(c.edit)
		if err == nil {
			n, err = res.RowsAffected()
		}
		if err := errors.Join(err, db.Close()); err != nil || n != int64(len(c.places)) {
			t.Fatalf("%s: %d rows edited, %v, want %d", c.name, n, err, len(c.places))
		}
		for _, place := range c.places {
			wantFound(t, path, c.name, []string{place})
		}
	}
}

func wantFound(t *testing.T, path, what string, where []string) {
	t.Helper()
	s, err := store.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	diffs, _, err := s.Verify(t.Context(), wire.NewCodec(), nil)
	if err := errors.Join(err, s.Close()); err != nil {
		t.Errorf("%s: Verify() = %v", what, err)
		return
	}
	located := false
	for _, d := range diffs {
		for _, w := range where {
			located = located || strings.HasPrefix(d.Where, w) || strings.Contains(d.What, w)
		}
	}
	if len(diffs) == 0 || !located {
		t.Errorf("%s: want a difference at %v, got %v", what, where, diffs)
	}
}

// pick chooses a row: how Verify names it, its place and its value.
func pick(db *sql.DB, rnd *rand.Rand, p prey, column string) (where string, row int, value any, err error) {
	var n int
	if err := db.QueryRow(`SELECT COUNT(*) FROM ` + p.table).Scan(&n); err != nil {
		return "", 0, nil, err
	}
	row = rnd.IntN(n)
	err = db.QueryRow(fmt.Sprintf(`SELECT %s, x.%s FROM %s x %s ORDER BY %s LIMIT 1 OFFSET %d`,
		p.where, column, p.table, p.from, order(p), row)).Scan(&where, &value)
	return where, row, value, err
}

// order is a unique order of a table's rows.
func order(p prey) string {
	switch p.table {
	case "record", "event", "personal":
		return "x.stream, x.seq"
	case "hour_count":
		return "x.hour, x.terminal"
	case "day_count":
		return "x.day, x.terminal"
	case "hole":
		return "x.stream, x.first"
	}
	return "x.rowid"
}

// only is the SQL condition that picks one row.
func only(p prey, row int) string {
	key := strings.ReplaceAll(order(p), "x.", "")
	return fmt.Sprintf(`WHERE (%s) = (SELECT %s FROM %s ORDER BY %s LIMIT 1 OFFSET %d)`, key, key, p.table, key, row)
}

func set(db *sql.DB, p prey, column string, row int, value any) error {
	_, err := db.Exec(`UPDATE `+p.table+` SET `+column+` = $1 `+only(p, row), value)
	return err
}

func change(db *sql.DB, rnd *rand.Rand, p prey, column string) ([]string, string, error) {
	where, row, old, err := pick(db, rnd, p, column)
	if err != nil {
		return nil, "", err
	}
	var to any
	switch v := old.(type) {
	case nil:
		to = "x"
		if column != "why" {
			to = 1
		}
	case int64:
		to = v + 1
		if column == "filed" { // the last row, or its new number would be taken
			var last int64
			if err := db.QueryRow(`SELECT MAX(filed) FROM vote`).Scan(&last); err != nil {
				return nil, "", err
			}
			row, to, where = int(last)-1, last+1, "quay-0"
		}
		if strings.Contains(" forked fork contested synced counted ", " "+column+" ") {
			to = 1 - v
		}
	case string:
		to = v + "x"
		if column == "why" {
			to = nil
		}
	case []byte:
		b := append([]byte(nil), v...)
		b[rnd.IntN(len(b))] ^= 1 << rnd.IntN(8)
		to = b
	}
	what := fmt.Sprintf("%s of row %d from %v to %v", column, row, old, to)
	return []string{where}, what, set(db, p, column, row, to)
}

// swap exchanges a value between two rows.
func swap(db *sql.DB, rnd *rand.Rand, p prey, column string) ([]string, string, error) {
	where, row, a, err := pick(db, rnd, p, column)
	other, row2, b, err2 := pick(db, rnd, p, column)
	if err := errors.Join(err, err2); err != nil {
		return nil, "", err
	}
	if fmt.Sprint(a) == fmt.Sprint(b) || column == "why" && a != nil && b != nil {
		return nil, "", errors.New("nothing to swap")
	}
	// A change of the key would move the rows themselves.
	if slices.Contains([]string{"no", "filed", "id", "seq", "stream", "hour", "day", "first"}, column) {
		return nil, "", errors.New("part of the key")
	}
	err = errors.Join(set(db, p, column, row, b), set(db, p, column, row2, a))
	return []string{where, other}, fmt.Sprintf("%s of rows %d and %d swapped", column, row, row2), err
}

func remove(db *sql.DB, rnd *rand.Rand, p prey) ([]string, string, error) {
	where, row, _, err := pick(db, rnd, p, "rowid")
	if err != nil {
		where, row, _, err = pick(db, rnd, p, strings.Fields(p.columns)[0])
	}
	if err != nil {
		return nil, "", err
	}
	_, err = db.Exec(`DELETE FROM ` + p.table + ` ` + only(p, row))
	return []string{where}, fmt.Sprintf("row %d deleted", row), err
}
