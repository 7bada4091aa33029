package outbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"pgregory.net/rapid"

	"hailong/sync/seal"
	"hailong/vote"
)

// model is the outbox as a plain slice that never forgets.
type model struct {
	box   *Box
	path  string
	epoch seal.Epoch
	lines []modelRecord
	ids   map[string]uint64
	upto  uint64
	now   time.Time
}

type modelRecord struct {
	body      []byte
	level     vote.Level
	id        string
	head      seal.Head
	receipted time.Time // the earliest clock that may count; zero where none is
}

func (m *model) head(seq uint64) seal.Head {
	if seq == 0 {
		return seal.Start(string(me), m.epoch)
	}
	return m.lines[seq-1].head
}

func (m *model) append(t *rapid.T) {
	e := Entry{
		ID:    rapid.SampledFrom([]string{"", "", "a", "b", "c"}).Draw(t, "id"),
		Level: vote.Level(rapid.IntRange(0, 5).Draw(t, "level")),
		Body:  rapid.SliceOfN(rapid.Byte(), 1, 200).Draw(t, "body"),
	}
	want := Placed{uint64(len(m.lines)) + 1, true}
	if at, known := m.ids[e.ID]; known && at >= m.box.State().Oldest {
		want = Placed{at, false}
	}
	got, err := m.box.Append(context.Background(), e)
	if err != nil || got != want {
		t.Fatalf("append %q: %+v, %v, want %+v", e.ID, got, err, want)
	}
	if !want.Fresh {
		return
	}
	head := m.head(uint64(len(m.lines))).Next(want.Seq, seal.Of(e.Body))
	m.lines = append(m.lines, modelRecord{e.Body, e.Level, e.ID, head, time.Time{}})
	if e.ID != "" {
		m.ids[e.ID] = want.Seq
	}
}

func (m *model) receipt(t *rapid.T) {
	m.now = m.now.Add(time.Duration(rapid.IntRange(-50, 100).Draw(t, "hours")) * time.Hour)
	upto := uint64(rapid.IntRange(0, len(m.lines)+1).Draw(t, "upto"))
	oldest := m.box.State().Oldest
	if upto > uint64(len(m.lines)) {
		if err := m.box.Receipted(context.Background(), upto, seal.Head{}, m.now); !errors.Is(err, ErrMismatch) {
			t.Fatalf("receipt of what is not there: %v", err)
		}
		return
	}
	if upto >= oldest && rapid.IntRange(0, 4).Draw(t, "wrong") == 0 {
		if err := m.box.Receipted(context.Background(), upto, seal.Head{}, m.now); !errors.Is(err, ErrMismatch) {
			t.Fatalf("receipt of another head: %v", err)
		}
		return
	}
	if err := m.box.Receipted(context.Background(), upto, m.head(upto), m.now); err != nil {
		t.Fatal(err)
	}
	m.upto = max(m.upto, upto)
	for i := range m.upto {
		if r := &m.lines[i]; r.receipted.IsZero() || m.now.Before(r.receipted) {
			r.receipted = m.now
		}
	}
	for seq := oldest; seq < m.box.State().Oldest; seq++ {
		if r := m.lines[seq-1]; seq > m.upto || m.now.Sub(r.receipted) <= KeepFor {
			t.Fatalf("record %d, receipted %s, is forgotten at %s, upto %d", seq, r.receipted, m.now, m.upto)
		}
	}
}

func (m *model) rewind(t *rapid.T) {
	upto := uint64(rapid.IntRange(0, len(m.lines)).Draw(t, "upto"))
	err := m.box.Rewind(context.Background(), upto, m.head(upto))
	switch {
	case upto+1 < m.box.State().Oldest:
		if !errors.Is(err, ErrGone) {
			t.Fatalf("rewind to the forgotten: %v", err)
		}
	case upto > m.upto:
		if !errors.Is(err, ErrMismatch) {
			t.Fatalf("rewind upwards: %v", err)
		}
	case err != nil:
		t.Fatal(err)
	default:
		m.upto = upto
		for i := upto; i < uint64(len(m.lines)); i++ {
			m.lines[i].receipted = time.Time{}
		}
	}
}

func (m *model) reopen(t *rapid.T) {
	if err := m.box.Close(); err != nil {
		t.Fatal(err)
	}
	var err error
	if m.box, err = Open(m.path, small()); err != nil {
		t.Fatal(err)
	}
}

func (m *model) check(t *rapid.T) {
	s := m.box.State()
	n := uint64(len(m.lines))
	if s.Epoch != m.epoch || s.Next != n+1 || s.Upto != m.upto || s.Head != m.head(n) ||
		s.UptoHead != m.head(m.upto) || s.Before != m.head(s.Oldest-1) {
		t.Fatalf("state is %+v, want next %d, upto %d", s, n+1, m.upto)
	}
	from := s.Oldest + uint64(rapid.IntRange(0, int(n+1-s.Oldest)).Draw(t, "from"))
	most := rapid.IntRange(1, 5).Draw(t, "most")
	run, err := m.box.Look(from, most, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	if want := min(uint64(most), n+1-from); uint64(len(run.Bodies)) != want {
		t.Fatalf("look at %d of %d for %d: %d bodies", from, n, most, len(run.Bodies))
	}
	if len(run.Bodies) == 0 {
		return
	}
	last := from + uint64(len(run.Bodies)) - 1
	var tally [5]uint64
	for _, r := range m.lines[:last] {
		if r.level > 0 {
			tally[r.level-1]++
		}
	}
	if run.First != from || run.Prev != m.head(from-1) || run.Head != m.head(last) || run.Tally != tally {
		t.Fatalf("look at %d: %+v, want tally %v", from, run, tally)
	}
	for i, body := range run.Bodies {
		if !bytes.Equal(body, m.lines[from-1+uint64(i)].body) {
			t.Fatalf("record %d differs", from+uint64(i))
		}
	}
}

func TestTheBoxIsASliceThatForgets(t *testing.T) {
	dir, n := t.TempDir(), 0
	rapid.Check(t, func(t *rapid.T) {
		n++
		m := &model{path: filepath.Join(dir, fmt.Sprint(n)), ids: map[string]uint64{}, now: monday}
		var err error
		if m.box, err = Open(m.path, small()); err != nil {
			t.Fatal(err)
		}
		m.epoch = m.box.State().Epoch
		defer func() { _, _ = m.box.Close(), os.Remove(m.path) }()
		t.Repeat(map[string]func(*rapid.T){
			"append": m.append, "more": m.append, "receipt": m.receipt, "rewind": m.rewind, "reopen": m.reopen,
			"": m.check,
		})
	})
}
