package disk

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"
)

// wrote is a write of some sectors full of one letter.
func wrote(at, sectors int, letter byte) Entry {
	return Entry{Kind: Write, Off: int64(at * sector), Data: bytes.Repeat([]byte{letter}, sectors*sector)}
}

// letters are the first letters of the first sectors of a disk.
func letters(image []byte, sectors int) string {
	var s []byte
	for i := range sectors {
		s = append(s, image[i*sector])
	}
	return string(s)
}

func blank() *Disk { return &Disk{image: bytes.Repeat([]byte{'.'}, 4*block)} }

func TestWhatAFlushFollowedLasts(t *testing.T) {
	log := []Entry{wrote(0, 1, 'a'), wrote(1, 1, 'b'), {Kind: Flush}, {Word: "x", Kind: Word}, wrote(0, 1, 'c'),
		wrote(3, 1, 'd'), {Kind: Flush}, wrote(2, 1, 'e')}
	for _, c := range []struct {
		at, cache int
		image     string
		pending   int
	}{
		{0, 0, "....", 0}, {2, 0, "....", 2}, {3, 0, "ab..", 0}, {6, 0, "ab..", 2}, {7, 0, "cb.d", 0},
		{8, 0, "cb.d", 1},
		{8, 2, "cb..", 2}, {8, 4, "a...", 4}, {8, 9, "....", 5}, // a disk that lies
	} {
		d := blank()
		p := &Player{Disk: d, Log: log, Cache: c.cache}
		for at := range c.at + 1 {
			p.Forward(at)
		}
		if got := letters(d.image, 4); got != c.image || len(p.Pending) != c.pending {
			t.Errorf("at %d with a lying cache of %d: disk %s and %d pending, want %s and %d",
				c.at, c.cache, got, len(p.Pending), c.image, c.pending)
		}
	}
}

// outcomes are the disks that a mode makes of the same pending writes.
func outcomes(m Mode, pending []Entry, sectors int) map[string]int {
	got := map[string]int{}
	for seed := range uint64(2000) {
		d := blank()
		for _, e := range Survivors(rand.New(rand.NewPCG(seed, 0)), m, pending) {
			d.put(e)
		}
		got[letters(d.image, sectors)]++
	}
	return got
}

func TestModesMakeEveryDiskTheyMayAndNoOther(t *testing.T) {
	apart := []Entry{wrote(0, 1, 'a'), wrote(1, 1, 'b'), wrote(2, 1, 'c')}
	over := []Entry{wrote(0, 2, 'a'), wrote(1, 2, 'b')}
	for _, c := range []struct {
		name    string
		mode    Mode
		pending []Entry
		want    []string
	}{
		{"kept", Kept, over, []string{"abb"}},
		{"dropped", Dropped, over, []string{"..."}},
		{"any of them, a later one without an earlier", Reordered, apart,
			[]string{"...", "a..", ".b.", "..c", "ab.", "a.c", ".bc", "abc"}},
		{"the later of two wins where both came", Reordered, over, []string{"...", "aa.", ".bb", "abb"}},
		{"nothing is pending", Torn, nil, []string{"..."}},
		{"any sectors of one", Torn, []Entry{wrote(0, 3, 'a')},
			[]string{"...", "a..", ".a.", "..a", "aa.", "a.a", ".aa", "aaa"}},
		{"any sectors of any", Torn, over, []string{"...", "a..", ".a.", "aa.", ".b.", "..b", ".bb", "ab.", "a.b",
			".ab", "aab", "abb"}},
	} {
		got := outcomes(c.mode, c.pending, 3)
		for image, n := range got {
			if !slices.Contains(c.want, image) {
				t.Errorf("%s: disk %s, %d times; it may not be", c.name, image, n)
			}
		}
		for _, image := range c.want {
			if got[image] == 0 {
				t.Errorf("%s: disk %s never in 2000 tries", c.name, image)
			}
		}
	}
}

func TestAShortTornWriteStaysWithinItself(t *testing.T) {
	odd := Entry{Kind: Write, Off: 3 * sector, Data: bytes.Repeat([]byte{'a'}, sector+100)}
	for seed := range uint64(200) {
		for _, e := range tear(rand.New(rand.NewPCG(seed, 0)), odd) {
			if e.Off < odd.Off || e.Off+int64(len(e.Data)) > odd.Off+int64(len(odd.Data)) {
				t.Fatalf("seed %d: a part at %d of %d bytes, of a write at %d of %d", seed, e.Off, len(e.Data),
					odd.Off, len(odd.Data))
			}
		}
	}
}

func TestRewindTakesBackEveryWriteAndHandsOutTheLog(t *testing.T) {
	d := blank()
	d.put(wrote(1, 1, 'x')) // before begin: for good
	before := slices.Clone(d.image)
	buf := bytes.Repeat([]byte{'a'}, 3*block)
	d.Begin(true)
	d.Take(Entry{Kind: Write, Off: block / 2, Data: buf})
	d.Take(Entry{Kind: Flush})
	d.Take(wrote(1, 1, 'b'))
	buf[0] = '!' // the caller's buffer is the caller's
	log := d.Rewind()
	if !bytes.Equal(d.image, before) {
		t.Errorf("after rewind the disk begins %s, want %s", letters(d.image, 32), letters(before, 32))
	}
	if len(log) != 3 || log[0].Data[0] != 'a' || log[1].Kind != Flush || log[2].Data[0] != 'b' {
		t.Errorf("log of %d entries: %.100v", len(log), log)
	}
	if got := d.read(make([]byte, block), int64(len(d.image))-10); got != 10 {
		t.Errorf("read %d bytes at the end, want 10", got)
	}
}
