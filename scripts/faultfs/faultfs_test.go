package faultfs

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
)

const servant = "HAILONG_FAULTFS" // mount point and backing folder, for the process that serves them

// TestMain is the serving process too: the one that maps the files must not be.
func TestMain(m *testing.M) {
	where, ok := os.LookupEnv(servant)
	if !ok {
		os.Exit(m.Run())
	}
	dir, backing, _ := strings.Cut(where, ":")
	if err := serve(dir, backing, os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "faultfs:", err)
		os.Exit(1)
	}
}

// serve obeys one command a line until there are no more.
func serve(dir, backing string, in io.Reader, out io.Writer) error {
	d, err := Mount(dir, backing)
	if err != nil {
		return err
	}
	fmt.Fprintln(out, 0, false)
	for lines := bufio.NewScanner(in); err == nil && lines.Scan(); {
		var verb string
		var k, n int
		_, _ = fmt.Sscan(lines.Text(), &verb, &k, &n)
		switch verb {
		case "arm":
			d.Arm(Kind(k), n)
		case "heal":
			d.Disarm()
		case "cut":
			err = d.Cut()
		case "restart":
			err = d.Restart()
		}
		if err == nil {
			fmt.Fprintln(out, d.Ops(), d.Fired())
		}
	}
	return errors.Join(err, d.Close())
}

// disk is a mounted folder served by another process.
type disk struct {
	t            *testing.T
	dir, backing string
	mu           sync.Mutex // guards in and out
	in           io.WriteCloser
	out          io.Reader
}

func mount(t *testing.T) *disk {
	t.Helper()
	// Hundreds of mounts are no part of every test run, and the race detector sees nothing in them.
	if os.Getenv("FAULTFS") == "" {
		t.Skip("make faultfs runs it")
	}
	f, err := os.OpenFile("/dev/fuse", os.O_RDWR, 0)
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("what the house does on a failing disk cannot be tested: %v", err)
		}
		t.Skipf("NOT TESTED: what the house does on a failing disk: %v", err)
	}
	_ = f.Close()
	d := &disk{t: t, dir: t.TempDir(), backing: t.TempDir()}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), servant+"="+d.dir+":"+d.backing)
	cmd.Stderr = os.Stderr
	d.in, err = cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if d.out, err = cmd.StdoutPipe(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = d.in.Close()
		if err := cmd.Wait(); err != nil {
			t.Errorf("the serving process: %v", err)
			_ = syscall.Unmount(d.dir, syscall.MNT_DETACH)
		}
	})
	d.answer()
	return d
}

// do gives a command and returns how many operations were met and whether one failed.
func (d *disk) do(verb string, args ...any) (ops int, fired bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, err := fmt.Fprintln(d.in, append([]any{verb}, args...)...); err != nil {
		d.t.Error("tell the disk: ", err)
	}
	return d.answer()
}

func (d *disk) answer() (ops int, fired bool) {
	if _, err := fmt.Fscanln(d.out, &ops, &fired); err != nil {
		d.t.Error("hear from the disk: ", err)
	}
	return ops, fired
}

// folder makes a folder on the disk and tells where it is and where its backing is.
func (d *disk) folder(name string) (front, back string) {
	back = filepath.Join(d.backing, name)
	if err := os.Mkdir(back, 0o700); err != nil {
		d.t.Error(err)
	}
	return filepath.Join(d.dir, name), back
}

// put writes at a place.
func put(t *testing.T, f *os.File, text string, at int64) {
	t.Helper()
	if _, err := f.WriteAt([]byte(text), at); err != nil {
		t.Fatal(err)
	}
}

func want(t *testing.T, path, text string) {
	t.Helper()
	got, err := os.ReadFile(path)
	if err != nil && text != "" || string(got) != text {
		t.Errorf("%s holds %.40q, %v, want %.40q", filepath.Base(path), got, err, text)
	}
}

func TestAPowerCutTakesWhatWasNotSynced(t *testing.T) {
	d := mount(t)
	front, back := d.folder("a")
	f, err := os.Create(filepath.Join(front, "kept"))
	if err != nil {
		t.Fatal(err)
	}
	folder, err := os.Open(front)
	if err != nil {
		t.Fatal(err)
	}
	put(t, f, "one", 0)
	if err := errors.Join(f.Sync(), folder.Sync()); err != nil {
		t.Fatal(err)
	}
	put(t, f, "two and more", 0)
	put(t, f, "far", 3*page)
	want(t, filepath.Join(front, "kept"), "two and more"+strings.Repeat("\x00", 3*page-12)+"far")
	if err := os.WriteFile(filepath.Join(front, "nameless"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(front, "nameless"), filepath.Join(front, "kept")); err != nil {
		t.Fatal(err)
	}
	want(t, filepath.Join(front, "kept"), "x")
	if err := errors.Join(f.Close(), folder.Close()); err != nil {
		t.Fatal(err)
	}
	d.do("cut")
	want(t, filepath.Join(back, "kept"), "one")
	want(t, filepath.Join(front, "kept"), "one")
	want(t, filepath.Join(back, "nameless"), "")
}

// TestAFailedSyncLosesItsPages is what a kernel does: the next sync succeeds and keeps nothing of them.
func TestAFailedSyncLosesItsPages(t *testing.T) {
	d := mount(t)
	front, back := d.folder("a")
	path := filepath.Join(front, "x")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	folder, err := os.Open(front)
	if err != nil {
		t.Fatal(err)
	}
	put(t, f, strings.Repeat("a", 2*page), 0)
	if err := errors.Join(f.Sync(), folder.Sync(), folder.Close()); err != nil {
		t.Fatal(err)
	}
	put(t, f, strings.Repeat("b", 2*page), 0)
	d.do("arm", int(BadSync), 1)
	if err := f.Sync(); !errors.Is(err, syscall.EIO) {
		t.Errorf("Sync() = %v, want EIO", err)
	}
	put(t, f, "c", page)
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		t.Errorf("Sync() again = %v", err)
	}
	want(t, path, strings.Repeat("b", page)+"c"+strings.Repeat("b", page-1))
	d.do("cut")
	want(t, filepath.Join(back, "x"), strings.Repeat("a", page)+"c"+strings.Repeat("b", page-1))
}

func TestKindsFailAsTheySay(t *testing.T) {
	d := mount(t)
	for _, x := range []struct {
		kind Kind
		errs [3]error // of three writes, the second of which is hit
		left string
	}{
		{BadSector, [3]error{nil, syscall.EIO, nil}, "1111\x00\x00\x00\x003333"},
		{NoSpace, [3]error{nil, syscall.ENOSPC, syscall.ENOSPC}, "1111"},
		{ShortWrite, [3]error{nil, syscall.EIO, nil}, "111122\x00\x003333"},
		{BadSync, [3]error{}, "111122223333"},
		{ReadOnly, [3]error{nil, syscall.EROFS, syscall.EROFS}, "1111"},
	} {
		front, back := d.folder(x.kind.String())
		f, err := os.Create(filepath.Join(front, "x"))
		if err != nil {
			t.Fatal(err)
		}
		d.do("arm", int(x.kind), 2)
		for i, want := range x.errs {
			text := strings.Repeat(fmt.Sprint(i+1), 4)
			if _, err := f.WriteAt([]byte(text), int64(4*i)); !errors.Is(err, want) {
				t.Errorf("%s: write %d = %v, want %v", x.kind, i+1, err, want)
			}
		}
		if _, fired := d.do("heal"); fired == (x.kind == BadSync) {
			t.Errorf("%s: fired %v", x.kind, fired)
		}
		if err := errors.Join(f.Sync(), f.Close()); err != nil {
			t.Errorf("%s: healed, Sync() = %v", x.kind, err)
		}
		want(t, filepath.Join(back, "x"), x.left)
	}
}
