package courier

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"hailong/sync/wire"
)

func begin(t testing.TB, to *bytes.Buffer) *Writer {
	t.Helper()
	c, err := New(to, "quay-01")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestACourierFileComesBack(t *testing.T) {
	var file bytes.Buffer
	c := begin(t, &file)
	want := [][]byte{[]byte("first"), bytes.Repeat([]byte{7}, wire.MaxEnvelope)}
	for _, m := range want {
		if err := c.Add(m); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(c.End(), c.Add(nil)); !errors.Is(err, wire.ErrSize) {
		t.Errorf("nothing was taken for a message: %v", err)
	}
	whole := file.Bytes()
	id, messages, err := Read(bytes.NewReader(whole))
	if err != nil || id != "quay-01" {
		t.Fatalf("%q, %v", id, err)
	}
	var n int
	for m, err := range messages {
		if err != nil || !bytes.Equal(m, want[n]) {
			t.Fatalf("message %d: %v", n, err)
		}
		n++
	}
	if n != len(want) {
		t.Errorf("%d messages, want %d", n, len(want))
	}
	// A stick that was pulled out too early says so wherever the file ends, between two messages too.
	opened := len(opening) + 1 + len("quay-01") + 1
	for _, cut := range []int{opened, opened + 2, opened + 4 + len(want[0]), len(whole) - 5, len(whole) - 4,
		len(whole) - 1} {
		_, messages, err := Read(bytes.NewReader(whole[:cut]))
		if err != nil {
			t.Fatal(err)
		}
		for m, failed := range messages {
			if err = failed; (m == nil) != (err != nil) {
				t.Errorf("cut at %d: %d bytes and %v", cut, len(m), err)
			}
		}
		if !errors.Is(err, wire.ErrFormat) {
			t.Errorf("cut at %d of %d: %v, want a torn file", cut, len(whole), err)
		}
	}
}

func TestWhatIsNoCourierFileIsNamed(t *testing.T) {
	for _, s := range []string{"", "vote,level\n", opening, opening + "\n", opening + "\nQuầy 1\n",
		strings.Repeat("x", 9000)} {
		if _, _, err := Read(strings.NewReader(s)); !errors.Is(err, wire.ErrFormat) {
			t.Errorf("%.20q: %v, want wire.ErrFormat", s, err)
		}
	}
}

func FuzzCourier(f *testing.F) {
	var file bytes.Buffer
	c := begin(f, &file)
	if err := errors.Join(c.Add([]byte("one")), c.Add([]byte("two")), c.End()); err != nil {
		f.Fatal(err)
	}
	f.Add(file.Bytes())
	f.Fuzz(func(t *testing.T, b []byte) {
		id, messages, err := Read(bytes.NewReader(b))
		if err != nil {
			return
		}
		var again bytes.Buffer
		c, failed := New(&again, id)
		if failed != nil {
			t.Fatal(failed)
		}
		for m, err := range messages {
			if err != nil {
				return
			}
			if err := c.Add(m); err != nil {
				t.Fatalf("a message of %d bytes was read and cannot be written: %v", len(m), err)
			}
		}
		if err := c.End(); err != nil || !bytes.Equal(again.Bytes(), b) {
			t.Fatalf("%x comes back as %x, %v", b, again.Bytes(), err)
		}
	})
}
