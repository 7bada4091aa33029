package centre

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"hailong/cmd/agent"
	"hailong/collector/store"
	"hailong/sync/courier"
	"hailong/sync/outbox"
	"hailong/sync/wire"
	"hailong/vote"
)

// box keeps n casts of level 4 in an outbox, without any agent.
func (h *hall) box(path string, n int) {
	h.t.Helper()
	b, err := outbox.Open(path, outbox.Options{Terminal: h.identity.Terminal, Reserve: -1})
	h.ok(err)
	for i := range n {
		body, err := wire.EncodeRecord(vote.Record{At: vote.Stamp{Boot: 1, SinceMS: uint64(i)}, Cast: &vote.Cast{
			Level: 4, Survey: "mac-dinh", SurveyVersion: 1, Channel: vote.Button, Counter: "Quầy 1",
		}})
		h.ok(err)
		_, err = b.Append(h.t.Context(), outbox.Entry{ID: fmt.Sprint(i), Level: 4, Body: body})
		h.ok(err)
	}
	h.ok(b.Close())
}

// spoil makes the n-th record of the file unreadable, in all its copies.
func (h *hall) spoil(path string, since byte) {
	h.t.Helper()
	file, err := os.ReadFile(path)
	h.ok(err)
	mark := []byte{0x16, 0x04, 0x17, since} // level 4, since
	if !bytes.Contains(file, mark) {
		h.t.Fatalf("no record of %d ms in the file", since)
	}
	h.ok(os.WriteFile(path, bytes.ReplaceAll(file, mark, []byte{0x16, 0x05, 0x17, since}), 0o600))
}

func (h *hall) store(do func(*store.Store)) {
	h.t.Helper()
	s, err := store.Open(h.t.Context(), h.folder.Store())
	h.ok(err)
	do(s)
	h.ok(s.Close())
}

// A card that no longer runs is read by hand and carried over; then its agent runs after all.
func TestWhatIsCarriedByHandAndSentByTheAgentIsFiledOnce(t *testing.T) {
	h := newHall(t)
	data := filepath.Join(t.TempDir(), "data")
	h.ok(os.MkdirAll(data, 0o700))
	path := filepath.Join(data, "outbox.db")
	h.box(path, 20)
	h.spoil(path, 7) // record 8: its digest is whole, and the chain confirms it

	stick := filepath.Join(t.TempDir(), "quay-01.courier")
	out, err := os.Create(stick)
	h.ok(err)
	to, err := courier.New(out, h.identity.Terminal)
	h.ok(err)
	found, err := agent.Salvage(path, h.identity, wire.NewCodec(), func() vote.Stamp { return vote.Stamp{} }, to)
	h.ok(errors.Join(err, out.Close()))
	if found.Records != 20 || found.Proven != 20 || found.Epochs != 1 {
		t.Errorf("salvaged %+v, want 20 records, all proven, one of them without its body", found)
	}
	keys, err := ReadKeys(h.folder)
	h.ok(err)
	h.store(func(s *store.Store) {
		for n, want := range []uint64{20, 0} {
			got, err := Import(t.Context(), s, keys, stick, func(int, int) {})
			if err != nil || got.Added != want || got.Terminal != "quay-01" {
				t.Errorf("import %d: %+v, %v, want %d new", n, got, err, want)
			}
		}
	})
	defer h.serve()()
	client, stop := h.terminalAt(data)
	defer stop()
	h.until("the attic is empty", func() bool {
		s, err := client.Status(context.WithoutCancel(t.Context()))
		return err == nil && s.Pending == 0 && len(s.Attic) == 1 && s.Attic[0].State == "home"
	})
	if got := h.votes(); len(got) != 19 {
		t.Errorf("%d votes, want the 19 whole ones once", len(got))
	}
	h.store(func(s *store.Store) {
		diffs, sum, err := s.Verify(t.Context(), wire.NewCodec(), nil)
		if err != nil || len(diffs) > 0 || sum.Unreadable != 1 || sum.Unproven != 0 || sum.Forks != 0 {
			t.Errorf("verify: %v, %+v, %v", diffs, sum, err)
		}
	})
}

func TestAForeignOrTornStickChangesNothing(t *testing.T) {
	h := newHall(t)
	path := filepath.Join(t.TempDir(), "outbox.db")
	h.box(path, 3)
	var stick bytes.Buffer
	to, err := courier.New(&stick, h.identity.Terminal)
	h.ok(err)
	other := h.identity
	_, other.Key, err = ed25519.GenerateKey(rand.Reader)
	h.ok(err)
	_, err = agent.Salvage(path, other, wire.NewCodec(), func() vote.Stamp { return vote.Stamp{} }, to)
	h.ok(err)
	keys, err := ReadKeys(h.folder)
	h.ok(err)
	for what, file := range map[string][]byte{
		"signed by another": stick.Bytes(), "torn": stick.Bytes()[:stick.Len()-3],
		"no courier file": []byte("level,time"),
	} {
		name := filepath.Join(t.TempDir(), "stick")
		h.ok(os.WriteFile(name, file, 0o600))
		h.store(func(s *store.Store) {
			got, err := Import(t.Context(), s, keys, name, func(int, int) {})
			if err == nil || got.Added != 0 || !strings.Contains(err.Error(), name) {
				t.Errorf("%s: %+v, %v", what, got, err)
			}
		})
	}
}
