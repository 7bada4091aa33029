package outbox

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"hailong/vote"
)

// childEnv makes the test binary a presser that never stops: it prints the seq of each press that
// Append thanked for.
const childEnv = "OUTBOX_TEST_CHILD"

func TestMain(m *testing.M) {
	if path := os.Getenv(childEnv); path != "" {
		fmt.Fprintln(os.Stderr, pressForEver(path))
		os.Exit(1)
	}
	goleak.VerifyTestMain(m)
}

func pressForEver(path string) error {
	b, err := Open(path, small())
	if err != nil {
		return err
	}
	for i := 0; ; i++ {
		n := int(b.State().Next)
		p, err := b.Append(context.Background(), Entry{
			ID: fmt.Sprintf("%d-%d", os.Getpid(), i), Level: vote.Level(n%5 + 1), Body: press(n)})
		if err != nil {
			return err
		}
		fmt.Println(p.Seq)
	}
}

func startChild(t *testing.T, path string) (*exec.Cmd, *bufio.Scanner) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	child := exec.Command(exe)
	child.Env = append(os.Environ(), childEnv+"="+path)
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { kill(child, nil) })
	return child, bufio.NewScanner(out)
}

func kill(child *exec.Cmd, lines *bufio.Scanner) (rest []string) {
	_ = child.Process.Kill()
	for lines != nil && lines.Scan() { // what it said between our decision and its end counts as well
		rest = append(rest, lines.Text())
	}
	_ = child.Wait()
	return rest
}

// A kill -9 loses what the process had not yet written. It does not lose what the kernel holds:
// a box without fsync passes this test too, and only a power cut tells the two apart.
func TestEveryThankedPressSurvivesAKill(t *testing.T) {
	path := filepath.Join(t.TempDir(), "outbox.db")
	thanked := uint64(0)
	for round := range 10 {
		child, lines := startChild(t, path)
		var said []string
		for range rand.IntN(200) + 1 {
			if !lines.Scan() {
				t.Fatalf("round %d: the child ended by itself", round)
			}
			said = append(said, lines.Text())
		}
		said = append(said, kill(child, lines)...)
		for i, line := range said {
			seq, err := strconv.ParseUint(line, 10, 64)
			if err != nil && i == len(said)-1 {
				continue // killed in the middle of a line
			}
			if err != nil || seq <= thanked || seq > thanked+2 {
				t.Fatalf("round %d: thanked for %q after %d", round, line, thanked)
			}
			thanked = seq
		}
		b := openBox(t, path, small())
		bodies := all(t, b)
		// The last one may have been stored without a word.
		if n := uint64(len(bodies)); n != thanked && n != thanked+1 {
			t.Fatalf("round %d: %d records, thanked for %d", round, n, thanked)
		}
		for i, body := range bodies {
			if string(body) != string(press(i+1)) {
				t.Fatalf("round %d: record %d is %s", round, i+1, body)
			}
		}
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("10 kills, %d presses thanked for", thanked)
}

func TestASecondProcessIsToldWhoHasTheBox(t *testing.T) {
	path := filepath.Join(t.TempDir(), "outbox.db")
	child, lines := startChild(t, path)
	if !lines.Scan() {
		t.Fatal("the child said nothing")
	}
	_, err := Open(path, small())
	want := path + ": held by another process: is the agent running?"
	if !errors.Is(err, ErrHeld) || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want ErrHeld", err)
	}
	kill(child, lines)
	openBox(t, path, small())
}

func TestTwoThatCreateAtOnceShareOneBox(t *testing.T) {
	path := filepath.Join(t.TempDir(), "outbox.db")
	errs := make(chan error)
	for range 2 {
		go func() {
			b, err := Open(path, small())
			if err == nil {
				_, err = b.Append(context.Background(), Entry{Body: press(1)})
				defer b.Close()
			}
			errs <- err
		}()
	}
	first, second := <-errs, <-errs
	for _, err := range []error{first, second} {
		if err != nil && !errors.Is(err, ErrHeld) {
			t.Error(err)
		}
	}
	want := 2
	if first != nil || second != nil {
		want = 1
	}
	b := openBox(t, path, small())
	if got := all(t, b); len(got) != want {
		t.Errorf("%d records, %d were thanked for", len(got), want)
	}
}
