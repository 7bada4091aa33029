package seal

import (
	"bytes"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var epoch = Epoch{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}

// The golden file is the promise to every file and proof ever written: it is never edited.
func TestGoldenChainAndFrame(t *testing.T) {
	h := Start("quay-01", epoch)
	h1 := h.Next(1, Of([]byte("one")))
	h2 := h1.Next(2, Of([]byte("two")))
	got := strings.Join([]string{h.String(), h1.String(), h2.String(),
		hex.EncodeToString(Frame(nil, epoch, 2, []byte("two")))}, "\n") + "\n"
	path := filepath.Join("testdata", "v1.txt")
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("got\n%swant (%s)\n%s", got, path, want)
	}
}

func TestFrameComesBack(t *testing.T) {
	for _, body := range [][]byte{nil, {0}, bytes.Repeat([]byte("ậ"), 100), make([]byte, MaxBody)} {
		f := append(Frame(nil, epoch, 7, body), "more"...)
		r, n, err := Open(f)
		if err != nil || n != len(f)-4 || r.Seq != 7 || r.Epoch != epoch || !bytes.Equal(r.Body, body) {
			t.Errorf("Open of %d bytes: %+v, %d, %v", len(body), r.Seq, n, err)
		}
	}
}

func TestEveryFlippedBitIsSeen(t *testing.T) {
	whole := Frame(nil, epoch, 1<<40, []byte("a vote"))
	for i := range len(whole) * 8 {
		f := bytes.Clone(whole)
		f[i/8] ^= 1 << (i % 8)
		if _, _, err := Open(f); !errors.Is(err, ErrDamaged) {
			t.Fatalf("bit %d flipped: Open = %v, want ErrDamaged", i, err)
		}
	}
	for i := range whole {
		if _, _, err := Open(whole[:i]); !errors.Is(err, ErrDamaged) {
			t.Fatalf("cut at %d: Open = %v, want ErrDamaged", i, err)
		}
	}
}

func TestCarveFindsWholeFramesBetweenRubbish(t *testing.T) {
	var file []byte
	file = append(file, "HLR1HLR1 rubbish"...)
	file = Frame(file, epoch, 1, []byte("one"))
	broken := Frame(nil, epoch, 2, []byte("two"))
	broken[50] ^= 1
	file = append(file, broken...)
	file = append(file, make([]byte, 300)...)
	file = Frame(file, epoch, 3, []byte("three"))
	file = append(file, Frame(nil, epoch, 4, []byte("four"))[:20]...)
	var seqs []uint64
	Carve(file, func(_ int, r Record) { seqs = append(seqs, r.Seq) }, nil)
	if len(seqs) != 2 || seqs[0] != 1 || seqs[1] != 3 {
		t.Errorf("carved %v, want [1 3]", seqs)
	}
}

func FuzzOpen(f *testing.F) {
	f.Add(Frame(nil, epoch, 1, []byte("one")))
	f.Add([]byte(magic))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, n, err := Open(b)
		if err != nil {
			return
		}
		if again := Frame(nil, r.Epoch, r.Seq, r.Body); !bytes.Equal(again, b[:n]) {
			t.Errorf("frame of the opened record differs from what was opened")
		}
		Carve(b, func(int, Record) {}, func(at int) { Glimpse(b[at:]) })
	})
}
