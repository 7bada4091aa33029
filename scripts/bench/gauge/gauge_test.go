package gauge

import (
	"io"
	"net"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"
)

func TestAProcessIsMeasuredAndKilledWithWhatItStarted(t *testing.T) {
	dir := t.TempDir()
	p := New(filepath.Join(dir, "log"), "sh", "-c", "sleep 600 & while :; do :; done")
	if err := p.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	var members []member
	err := Until(t.Context(), "a busy shell with a child", time.Millisecond, time.Minute, func() (ok bool, err error) {
		members, err = family(p.cmd.Process.Pid)
		return len(members) > 1 && p.CPU() > 0 && p.Peak() > 0, err
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Kill(); err != nil {
		t.Fatal(err)
	}
	for _, m := range members {
		if memory(m.pid) > 0 {
			t.Errorf("process %d of the family lives on", m.pid)
			_ = syscall.Kill(m.pid, syscall.SIGKILL)
		}
	}
	if p.CPU() == 0 {
		t.Error("the processor time went with the process")
	}
}

func TestAStatLineMayHoldAnyName(t *testing.T) {
	line := "42 (a) S 1 (b) S 7 42 42 0 -1 4194560 1 2 3 4 100 20 3 1 20 0 1 0 1 1 1"
	m, ok := parse([]byte(line))
	if want := (member{42, 7, 124 * tick}); !ok || m != want {
		t.Errorf("got %+v, %v, want %+v", m, ok, want)
	}
	if _, ok := parse([]byte("42 (cut")); ok {
		t.Error("read a line that was cut short")
	}
}

func TestALinkCountsBothWays(t *testing.T) {
	far, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { // echoes twice what it gets
		c, err := far.Accept()
		if err != nil {
			return
		}
		word := make([]byte, 5)
		if _, err := io.ReadFull(c, word); err == nil {
			_, _ = c.Write(append(word, word...))
		}
		_ = c.Close()
	}()
	k, err := NewLink(far.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	near, err := net.Dial("tcp", k.Addr())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := near.Write([]byte("phiếu")[:5]); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(near); len(got) != 10 || err != nil {
		t.Errorf("%d bytes came back, %v; want 10", len(got), err)
	}
	if up, down := k.Bytes(); up != 5 || down != 10 {
		t.Errorf("counted %d up, %d down; want 5, 10", up, down)
	}
	if err := k.Close(); err != nil {
		t.Error(err)
	}
	_, _ = near.Close(), far.Close()
}

func TestQuantilesAndTables(t *testing.T) {
	var of []time.Duration
	for i := range 100 {
		of = append(of, time.Duration(i+1))
	}
	slices.Reverse(of)
	for share, want := range map[float64]time.Duration{0: 1, 0.5: 51, 0.95: 96, 1: 100} {
		if got := Quantile(of, share); got != want {
			t.Errorf("quantile %g is %d, want %d", share, got, want)
		}
	}
	want := "| a | phiếu |\n| - | ----- |\n| 1 | 2     |\n"
	if got := Table([]string{"a", "phiếu"}, [][]string{{"1", "2"}}); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}
