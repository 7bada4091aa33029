package agent

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"hailong/sync/outbox"
)

func TestMain(m *testing.M) {
	if code, asked := CheckForParent(); asked {
		os.Exit(code)
	}
	if os.Getenv("CHECK_HANGS") != "" {
		<-time.After(time.Hour)
	}
	os.Exit(m.Run())
}

// box makes an outbox with one record.
func box(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), boxName)
	b, err := outbox.Open(path, outbox.Options{Terminal: "quay-01", Reserve: -1})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Append(t.Context(), outbox.Entry{Level: 4, Body: []byte("a vote")}); err != nil {
		t.Fatal(err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestTheChildTellsWholeFromDamaged(t *testing.T) {
	path := box(t)
	if err := InChild(t.Context(), path); err != nil {
		t.Errorf("a whole box: %v", err)
	}
	if err := InChild(t.Context(), filepath.Join(t.TempDir(), "none")); err != nil {
		t.Errorf("no box: %v; Open shall tell what is wrong", err)
	}
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	at := strings.LastIndex(string(file), "a vote")
	file[at] ^= 1
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	err = InChild(t.Context(), path)
	if !errors.Is(err, outbox.ErrDamaged) || !strings.Contains(err.Error(), "record 1") {
		t.Errorf("got %v, want damage at record 1", err)
	}
}

func TestADamagedBoxIsSetAsideAndNoneIsOverwritten(t *testing.T) {
	path := box(t)
	s := Setup{Log: slog.New(slog.DiscardHandler)}
	s.Config.Data = filepath.Dir(path)
	o := outbox.Options{Terminal: "quay-01", Reserve: -1, Log: s.Log}
	for n, want := range []string{"outbox-1.db", "outbox-2.db", "outbox-4.db"} {
		if n == 2 { // the centre has heard the third out
			home := filepath.Join(s.Config.Data, atticName, "outbox-3.db"+homeName)
			if err := os.WriteFile(home, nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Truncate(path, 5000); err != nil {
			t.Fatal(err)
		}
		b, err := openBox(t.Context(), s, nil, o)
		if err != nil || !exists(filepath.Join(s.Config.Data, atticName, want)) {
			t.Fatalf("%s: %v", want, err)
		}
		if b.State().Next != 1 {
			t.Error("the new box is not new")
		}
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
	}
	a := &Agent{s: s}
	if files := a.waiting(); len(files) != 3 || filepath.Base(files[2]) != "outbox-4.db" {
		t.Errorf("in the attic wait %v", files)
	}
}

func TestABoxOfAnotherTerminalStaysWhereItIs(t *testing.T) {
	path := box(t)
	s := Setup{Log: slog.New(slog.DiscardHandler)}
	s.Config.Data = filepath.Dir(path)
	_, err := openBox(t.Context(), s, nil, outbox.Options{Terminal: "quay-02", Reserve: -1, Log: s.Log})
	if err == nil || !strings.Contains(err.Error(), "quay-01") || !exists(path) {
		t.Errorf("%v, still there: %v", err, exists(path))
	}
}

func TestACheckThatHangsIsDamage(t *testing.T) {
	t.Setenv("CHECK_HANGS", "1")
	path := filepath.Join(t.TempDir(), "hang") // the child's own check is never reached: the verb differs
	err := ask(t.Context(), time.Second, "hang", path)
	if !errors.Is(err, outbox.ErrDamaged) || !strings.Contains(err.Error(), "longer than") {
		t.Errorf("got %v", err)
	}
}
