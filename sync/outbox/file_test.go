package outbox

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.etcd.io/bbolt"

	"hailong/sync/outbox/layout"
	"hailong/sync/seal"
)

func TestAnotherTerminalsBoxIsRefused(t *testing.T) {
	b, path := fresh(t)
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	o := small()
	o.Terminal = "quay-02"
	_, err := Open(path, o)
	if err == nil || !strings.Contains(err.Error(), `"quay-01"`) || !strings.Contains(err.Error(), `"quay-02"`) {
		t.Errorf("got %v, want both terminals named", err)
	}
	openBox(t, path, small()) // the refusal let go of the file
	o.Terminal = "Quầy 1"
	if _, err := Open(path, o); err == nil {
		t.Error("a terminal of no valid name opened a box")
	}
}

func TestAFileOfANewerFormatIsRefused(t *testing.T) {
	b, path := fresh(t)
	err := b.db.Update(func(tx *bbolt.Tx) error {
		return errors.Join(meta(tx).Put([]byte(layout.FormatAt), []byte("hlo2")),
			meta(tx).Put([]byte(layout.LineAt), nil))
	})
	if err := errors.Join(err, b.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(path, small()); err == nil || !strings.Contains(err.Error(), `this program reads "hlo1"`) {
		t.Errorf("got %v", err)
	}
}

func TestATornCreationStartsAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "outbox.db")
	if err := os.WriteFile(path+tempSuffix, make([]byte, 5000), 0o600); err != nil {
		t.Fatal(err)
	}
	b := openBox(t, path, small())
	add(t, b, 1)
	if _, err := os.Stat(path + tempSuffix); !os.IsNotExist(err) {
		t.Errorf("the half-made file is still there: %v", err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode of the outbox: %v, %v", info.Mode(), err)
	}
}

func TestWhatIsNoOutboxIsDamagedAndLeftAlone(t *testing.T) {
	dir := t.TempDir()
	foreign := filepath.Join(dir, "foreign.db")
	db, err := bbolt.Open(foreign, 0o600, nil)
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	other, err := os.ReadFile(foreign)
	if err != nil {
		t.Fatal(err)
	}
	for what, content := range map[string][]byte{
		"rubbish": bytes.Repeat([]byte("votes"), 4000), "another program's": other, "nothing": {},
	} {
		path := filepath.Join(dir, what)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		for range 2 { // the second finds the file released
			if _, err := Open(path, small()); !errors.Is(err, ErrDamaged) {
				t.Errorf("%s: %v, want ErrDamaged", what, err)
			}
		}
		if got, err := os.ReadFile(path); what != "nothing" && !bytes.Equal(got, content) {
			t.Errorf("%s: the file was changed, %v", what, err)
		}
	}
	if _, err := Open(filepath.Join(dir, "no", "such"), small()); err == nil || errors.Is(err, ErrDamaged) {
		t.Errorf("a folder that is not there: %v", err)
	}
	_, err = Open(dir, small())
	if want := "open outbox " + dir + ": is a directory"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// bend changes stored bytes behind the box's back.
func bend(t *testing.T, b *Box, bucket, key []byte, f func([]byte) []byte) {
	t.Helper()
	err := b.db.Update(func(tx *bbolt.Tx) error {
		bk := tx.Bucket(bucket)
		return bk.Put(key, f(bytes.Clone(bk.Get(key))))
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestADamagedRecordIsNamedAndKept(t *testing.T) {
	for what, f := range map[string]func([]byte) []byte{
		"a flipped bit":   func(v []byte) []byte { v[len(v)-9] ^= 4; return v },
		"a flipped level": func(v []byte) []byte { v[0] ^= 1; return v },
		"a cut":           func(v []byte) []byte { return v[:40] },
		"a tail":          func(v []byte) []byte { return append(v, 0) },
		"nothing":         func([]byte) []byte { return []byte{} },
		"another record": func([]byte) []byte {
			return layout.EncodeValue(layout.Owner{Epoch: seal.Epoch{1}}, 3, 0, "", press(9))
		},
	} {
		t.Run(what, func(t *testing.T) {
			b, _ := fresh(t)
			add(t, b, 5)
			head := b.State().Head
			bend(t, b, []byte(layout.Records), layout.Key(3), f)
			if run, err := b.Look(1, 9, 9999); err != nil || len(run.Bodies) != 2 || run.Tally != [5]uint64{1, 1} {
				t.Errorf("look before it: %d bodies, %v", len(run.Bodies), err)
			}
			for _, from := range []uint64{3, 4, 5} {
				_, err := b.Look(from, 9, 9999)
				if !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), "record 3:") {
					t.Errorf("look at %d: %v, want record 3 damaged", from, err)
				}
			}
			if err := b.Receipted(t.Context(), 5, head, monday); !errors.Is(err, ErrDamaged) || b.State().Upto != 0 {
				t.Errorf("receipt beyond it: %v", err)
			}
			add(t, b, 1) // presses go on
		})
	}
}

func TestADamagedRecordIsNotForgotten(t *testing.T) {
	b, _ := fresh(t)
	add(t, b, 5)
	receipt(t, b, 5, monday)
	bend(t, b, []byte(layout.Records), layout.Key(3), func(v []byte) []byte { v[50] ^= 1; return v })
	for range 2 {
		if err := b.Receipted(t.Context(), 5, b.State().Head, monday.Add(2*KeepFor)); err != nil {
			t.Fatal(err)
		}
		if s := b.State(); s.Oldest != 3 {
			t.Errorf("oldest is %d, want the damaged 3", s.Oldest)
		}
	}
}

func TestADamagedLineIsSeenAtOpen(t *testing.T) {
	for what, f := range map[string]func(*testing.T, *Box){
		"state": func(t *testing.T, b *Box) {
			bend(t, b, []byte(layout.Meta), []byte(layout.LineAt), func(v []byte) []byte { v[7]++; return v })
		},
		"epoch": func(t *testing.T, b *Box) {
			bend(t, b, []byte(layout.Meta), []byte(layout.EpochAt), func(v []byte) []byte { return v[1:] })
		},
		"last record": func(t *testing.T, b *Box) {
			err := b.db.Update(func(tx *bbolt.Tx) error { return records(tx).Delete(layout.Key(3)) })
			if err != nil {
				t.Fatal(err)
			}
		},
	} {
		b, path := fresh(t)
		add(t, b, 3)
		f(t, b)
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(path, small()); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: %v, want ErrDamaged", what, err)
		}
	}
}

// A sector that cannot be read arrives as a bus error on the mapped page; so does a page beyond
// the end of a file cut short.
func TestAnUnreadableSectorEndsALookOnly(t *testing.T) {
	b, path := fresh(t)
	crowd(t, b, 500)
	if err := os.Truncate(path, 3*4096); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Look(1, 500, 1<<20); !errors.Is(err, ErrDamaged) {
		t.Errorf("got %v, want ErrDamaged", err)
	}
}

func TestCompactionKeepsEverything(t *testing.T) {
	path := filepath.Join(t.TempDir(), "outbox.db")
	o := small()
	b := openBox(t, path, o)
	if _, err := b.Boot(t.Context(), "first"); err != nil {
		t.Fatal(err)
	}
	big := bytes.Repeat([]byte("x"), seal.MaxBody)
	for range 2500 {
		if _, err := b.Append(t.Context(), Entry{Body: big}); err != nil {
			t.Fatal(err)
		}
	}
	receipt(t, b, 2490, monday)
	for range 2 {
		if err := b.Receipted(t.Context(), 2490, b.State().UptoHead, monday.Add(2*KeepFor)); err != nil {
			t.Fatal(err)
		}
	}
	add(t, b, 20)
	receipt(t, b, 2495, monday.Add(2*KeepFor))
	want, bodies := b.State(), all(t, b)
	if want.Oldest != 2491 || want.FileSize < compactAbove {
		t.Fatalf("nothing to compact: %+v", want)
	}
	b = reopen(t, b, path)
	got := b.State()
	info, err := os.Stat(path)
	if err != nil || got.FileSize > 1<<20 || info.Size() > 1<<20 {
		t.Errorf("the file still has %d (%d) bytes, %v", got.FileSize, info.Size(), err)
	}
	if want.FileSize = got.FileSize; got != want {
		t.Errorf("state is %+v, want %+v", got, want)
	}
	if again := all(t, b); fmt.Sprint(again) != fmt.Sprint(bodies) {
		t.Error("the bodies differ")
	}
	if n, err := b.Boot(t.Context(), "first"); err != nil || n != 1 {
		t.Errorf("boot %d, %v", n, err)
	}
	id := fmt.Sprintf("%026d", 2501)
	if p, err := b.Append(t.Context(), Entry{ID: id, Body: press(1)}); err != nil || p != (Placed{2501, false}) {
		t.Errorf("a press id from before: %+v, %v", p, err)
	}
	receipt(t, b, 2495, monday.Add(4*KeepFor)) // the mark was kept too
	if s := b.State(); s.Oldest != 2496 {
		t.Errorf("oldest is %d, want 2496", s.Oldest)
	}
	b = reopen(t, b, path)
	add(t, b, 1)
	all(t, b)
}

func TestACompactionThatFailsLosesNothing(t *testing.T) {
	b, path := fresh(t)
	add(t, b, 3)
	want := all(t, b)
	err := replace(path, small(), func(db *bbolt.DB) error {
		return errors.Join(bbolt.Compact(db, b.db, 0), errors.ErrUnsupported)
	})
	if !errors.Is(err, errors.ErrUnsupported) {
		t.Fatalf("got %v", err)
	}
	if b = reopen(t, b, path); fmt.Sprint(all(t, b)) != fmt.Sprint(want) {
		t.Error("the bodies differ")
	}
}

func FuzzValue(f *testing.F) {
	o := layout.Owner{Terminal: "quay-01", Epoch: seal.Epoch{7}}
	f.Add(layout.EncodeValue(o, 5, 4, "press", press(1)))
	f.Add(layout.EncodeValue(o, 5, 0, "", press(1)))
	f.Add([]byte{0xf0, 200})
	f.Fuzz(func(t *testing.T, buf []byte) {
		k, err := layout.DecodeValue(o, 5, buf)
		if err != nil {
			if !errors.Is(err, ErrDamaged) {
				t.Errorf("%x: %v, want ErrDamaged", buf, err)
			}
			return
		}
		if got := layout.EncodeValue(o, 5, k.Level, string(k.ID), k.Body); !bytes.Equal(got, buf) {
			t.Errorf("%x comes back as %x", buf, got)
		}
	})
}
