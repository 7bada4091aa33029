package outbox

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"go.etcd.io/bbolt"
	"golang.org/x/sys/unix"

	"hailong/sync/outbox/layout"
	"hailong/vote"
)

const diskSize = 64 << 20

// mountDisk gives the test a disk of its own, or skips it, saying so.
func mountDisk(t *testing.T, kind string) string {
	t.Helper()
	dir := t.TempDir()
	args := []string{"-t", "tmpfs", "-o", fmt.Sprintf("size=%d", diskSize), "none", dir}
	if kind == "ext4" {
		image := filepath.Join(t.TempDir(), "disk.img")
		if err := os.WriteFile(image, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(image, diskSize); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command("mkfs.ext4", "-q", image).CombinedOutput(); err != nil {
			t.Logf("NOT TESTED: no ext4 can be made here: %v: %s", err, out)
			t.Skip("needs mkfs.ext4")
		}
		args = []string{"-o", "loop", image, dir}
	}
	if out, err := exec.Command("mount", args...).CombinedOutput(); err != nil {
		t.Logf("NOT TESTED: a full disk; mounting a small %s is refused here: %v: %s", kind, err, out)
		t.Skip("needs root to mount")
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", dir).CombinedOutput(); err != nil {
			t.Errorf("umount: %v: %s", err, out)
		}
	})
	return dir
}

// fillDisk writes another program's file until nothing is left.
func fillDisk(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for size := 1 << 20; size >= 1; {
		if _, err := f.Write(make([]byte, size)); err != nil {
			if !errors.Is(err, unix.ENOSPC) {
				t.Fatal(err)
			}
			size /= 4
		}
	}
	if err := f.Sync(); err != nil {
		t.Fatal(err)
	}
}

// fillBox presses until the box refuses: large records to be there soon, then small ones.
func fillBox(t *testing.T, b *Box) {
	t.Helper()
	for _, body := range [][]byte{bytes.Repeat(press(1), 90), press(1)} {
		var err error
		for err == nil {
			_, err = b.Append(t.Context(), Entry{ID: fmt.Sprintf("%026d", b.State().Next), Body: body})
		}
		if !errors.Is(err, ErrFull) {
			t.Fatal(err)
		}
	}
}

func TestAFullDiskLeavesRoomFor100000(t *testing.T) {
	for _, kind := range []string{"tmpfs", "ext4"} {
		t.Run(kind, func(t *testing.T) {
			dir := mountDisk(t, kind)
			path, filler := filepath.Join(dir, "outbox.db"), filepath.Join(dir, "somebody's log")
			b := openBox(t, path, Options{Terminal: me})
			if !b.State().Reserved {
				t.Fatal("nothing was reserved")
			}
			fillDisk(t, filler)
			if kind == "tmpfs" && !testing.Short() {
				singly(t, b, 100_000)
			} else {
				crowd(t, b, 100_000) // singly, syncs to ext4 take a minute
			}
			if s := b.State(); s.Next != 100_001 {
				t.Fatalf("next is %d, want 100001", s.Next)
			}
			t.Logf("100,000 records are %d bytes, %d each", b.State().FileSize, b.State().FileSize/100_000)
			fillBox(t, b)
			t.Logf("the box refused record %d at %d bytes", b.State().Next, b.State().FileSize)
			want := b.State()
			for range 3 {
				if _, err := b.Append(t.Context(), Entry{Body: bytes.Repeat(press(1), 90)}); !errors.Is(err, ErrFull) {
					t.Errorf("append to the full disk: %v", err)
				}
			}
			// What needs more than the box sets aside meets the disk's own refusal.
			for range 2 {
				_, err := b.ask(t.Context(), b.changes, request{apply: func(tx *bbolt.Tx, _ *line) error {
					return tx.Bucket([]byte(layout.Marks)).Put([]byte("large"), make([]byte, 8<<20))
				}})
				if !errors.Is(err, ErrFull) || !errors.Is(err, unix.ENOSPC) {
					t.Errorf("8 MB on the full disk: %v, want ErrFull for ENOSPC", err)
				}
			}
			if b.State() != want || b.Err() != nil {
				t.Errorf("the refusal left %+v, want %+v", b.State(), want)
			}
			all(t, b)

			// What is receipted and old can go even now, and makes room by itself.
			receipt(t, b, want.Next-1, monday)
			if err := b.Receipted(t.Context(), want.Next-1, want.Head, monday.Add(2*KeepFor)); err != nil {
				t.Fatal(err)
			}
			if s := b.State(); s.Oldest <= 200 {
				t.Errorf("forgot up to %d on the full disk, want 200 and more", s.Oldest-1)
			}
			fillBox(t, b)
			if err := os.Remove(filler); err != nil {
				t.Fatal(err)
			}
			add(t, b, 500)
			all(t, b)
			want = b.State()
			if got := reopen(t, b, path).State(); got.Head != want.Head || got.Next != want.Next {
				t.Errorf("reopened at %d, want %d", got.Next, want.Next)
			}
		})
	}
}

func singly(t testing.TB, b *Box, n int) {
	t.Helper()
	for i := range n {
		e := Entry{ID: fmt.Sprintf("%012d-%013d", i*7919%n, i), Level: vote.Level(i%5 + 1), Body: press(i)}
		if _, err := b.Append(t.Context(), e); err != nil {
			t.Fatalf("press %d: %v", i, err)
		}
	}
}

func TestAReserveTheDiskHasNotIsNotTaken(t *testing.T) {
	dir := mountDisk(t, "tmpfs")
	b := openBox(t, filepath.Join(dir, "outbox.db"), Options{Terminal: me, Reserve: 2 * diskSize})
	var disk unix.Statfs_t
	if err := unix.Statfs(dir, &disk); err != nil {
		t.Fatal(err)
	}
	if b.State().Reserved || disk.Bavail*uint64(disk.Bsize) < diskSize/2 {
		t.Errorf("reserved %v, %d blocks left", b.State().Reserved, disk.Bavail)
	}
	add(t, b, 1)
}

func BenchmarkAppend(b *testing.B) {
	path := filepath.Join(b.TempDir(), "plain")
	plain, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		b.Fatal(err)
	}
	defer plain.Close()
	value := layout.EncodeValue(layout.Owner{}, 1, 0, fmt.Sprintf("%026d", 1), press(1))
	sync := func() {
		if _, err := plain.Write(value); err != nil {
			b.Fatal(err)
		}
		if err := plain.Sync(); err != nil {
			b.Fatal(err)
		}
	}
	// Interleaved, so that both meet the same moods of the disk.
	b.Run("one presser", func(b *testing.B) {
		box, _ := fresh(b)
		var alone, ours time.Duration
		for b.Loop() {
			start := time.Now()
			sync()
			alone += time.Since(start)
			start = time.Now()
			add(b, box, 1)
			ours += time.Since(start)
		}
		b.ReportMetric(float64(ours)/float64(alone), "x-append+fsync")
		b.ReportMetric(float64(ours.Microseconds())/float64(b.N), "us/press")
	})
	b.Run("100 pressers", func(b *testing.B) {
		box, _ := fresh(b)
		var alone, ours time.Duration
		presses := 0
		for b.Loop() {
			start := time.Now()
			for range 100 {
				sync()
			}
			alone += time.Since(start)
			start = time.Now()
			crowdFrom(b, box, presses, 1000)
			ours += time.Since(start) / 10
			presses += 1000
		}
		b.ReportMetric(float64(ours)/float64(alone), "x-append+fsync")
	})
	b.Run("start with 60,000 pending", func(b *testing.B) {
		box, path := fresh(b)
		crowd(b, box, 60_000)
		for b.Loop() {
			box = reopen(b, box, path)
		}
	})
}
