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

// carried is what kiosk salvage writes of a file.
func (h *hall) carried(path string) (messages [][]byte) {
	h.t.Helper()
	var stick bytes.Buffer
	to, err := courier.New(&stick, h.identity.Terminal)
	h.ok(err)
	_, err = agent.Salvage(path, h.identity, wire.NewCodec(), func() vote.Stamp { return vote.Stamp{} }, to)
	h.ok(err)
	_, all, err := courier.Read(&stick)
	h.ok(err)
	for m, err := range all {
		h.ok(err)
		messages = append(messages, m)
	}
	return messages
}

// takeIn imports messages in the order given, and tells how many records were new.
func (h *hall) takeIn(messages ...[]byte) (added uint64, err error) {
	h.t.Helper()
	path := filepath.Join(h.t.TempDir(), "stick")
	out, err := os.Create(path)
	h.ok(err)
	to, err := courier.New(out, h.identity.Terminal)
	h.ok(err)
	for _, m := range messages {
		h.ok(to.Add(m))
	}
	h.ok(errors.Join(to.End(), out.Close()))
	keys, err := ReadKeys(h.folder)
	h.ok(err)
	var got Imported
	h.store(func(s *store.Store) { got, err = Import(h.t.Context(), s, keys, path, func(int, int) {}) })
	return got.Added, err
}

// sound wants so many votes, none of them lost or forked.
func (h *hall) sound(what string, votes, unproven int) {
	h.t.Helper()
	h.store(func(s *store.Store) {
		diffs, sum, err := s.Verify(h.t.Context(), wire.NewCodec(), nil)
		if err != nil || len(diffs) > 0 || sum.Forks > 0 || sum.Votes != votes || sum.Unproven != unproven {
			h.t.Errorf("%s: %v, %+v, %v; want %d votes, %d unproven", what, diffs, sum, err, votes, unproven)
		}
	})
}

// Whoever carries a stick can change the order of its messages, and leave some out; he must not lose a vote by it.
func TestAShuffledStickLosesNothing(t *testing.T) {
	box := filepath.Join(t.TempDir(), "outbox.db")
	newHall(t).box(box, 20)
	for _, order := range [][]int{{2, 1, 0}, {2, 0, 1}, {1, 2, 0}, {1, 0, 2}, {0, 2, 1}, {2}, {1}, {0, 2}, {0}} {
		h := newHall(t)
		messages := h.carried(box)
		if len(messages) != 3 {
			t.Fatalf("%d messages, want hello, batch, hello", len(messages))
		}
		var shuffled [][]byte
		for _, i := range order {
			shuffled = append(shuffled, messages[i])
		}
		_, _ = h.takeIn(shuffled...) // may be refused
		if _, err := h.takeIn(messages...); err != nil {
			t.Errorf("%v, then in order: %v", order, err)
		}
		h.sound(fmt.Sprint(order), 20, 0)
	}
}

// A card that is read badly at first and well the second time.
func TestABetterSalvageIsNoForkAndNothingIsDropped(t *testing.T) {
	h := newHall(t)
	dir := t.TempDir()
	whole, broken := filepath.Join(dir, "whole.db"), filepath.Join(dir, "broken.db")
	h.box(whole, 90)
	file, err := os.ReadFile(whole)
	h.ok(err)
	// Record 20 and its digest are gone in all copies.
	frame := []byte{0, 0, 0, 0, 0, 0, 0, 20, 0, 0, 0}
	for i := bytes.Index(file, frame); i >= 0; i = bytes.Index(file, frame) {
		clear(file[i-20 : i+60])
	}
	h.ok(os.WriteFile(broken, file, 0o600))
	if added, err := h.takeIn(h.carried(broken)...); err != nil || added != 89 {
		t.Fatalf("the broken one: %d new, %v, want 89", added, err)
	}
	h.sound("broken", 89, 63)
	if _, err := h.takeIn(h.carried(whole)...); err != nil {
		t.Errorf("the whole one: %v", err)
	}
	h.sound("broken, then whole", 89, 63)
	h.store(func(s *store.Store) {
		_, sum, err := s.Verify(t.Context(), wire.NewCodec(), nil)
		if err != nil || sum.Aside == 0 || sum.Missing != 1 {
			t.Errorf("record 20 turned up and was dropped: %+v, %v", sum, err)
		}
	})
}
