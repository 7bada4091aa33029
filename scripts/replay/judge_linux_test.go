package main

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"hailong/scripts/crash/presser"
	"hailong/scripts/replay/disk"
	"hailong/sync/seal"
)

// words is a log of nothing but words.
func words(lines ...string) (log []disk.Entry) {
	for _, l := range lines {
		log = append(log, disk.Entry{Kind: disk.Word, Word: l})
	}
	return log
}

func TestJudge(t *testing.T) {
	epoch := seal.Epoch{1}
	log := words(fmt.Sprint(sayOpened, " ", epoch), sayKept+" 2 b", sayKept+" 1 a", sayGranted+" 1", saySettled+" 1",
		sayKept+" 3 c")
	s, err := learn(log)
	if err != nil {
		t.Fatal(err)
	}
	h := s.heads
	if want := seal.Start(presser.Terminal, epoch).Next(1, seal.Of(presser.Body("a"))).String(); h[1] != want {
		t.Fatalf("chain after record 1 is %s, want %s", h[1], want)
	}
	own, other := epoch.String(), seal.Epoch{2}.String()
	for _, c := range []struct {
		name  string
		heard int // words
		found finding
		lost  int
		bad   bool
	}{
		{"all is there", 6, finding{own, 1, 4, 1, h[0], h[3], 1}, 0, false},
		{"what was receipted is forgotten", 6, finding{own, 2, 4, 1, h[1], h[3], 0}, 0, false},
		{"one in flight was kept", 5, finding{own, 1, 4, 1, h[0], h[3], 0}, 0, false},
		{"the last is lost", 6, finding{own, 1, 3, 1, h[0], h[2], 0}, 1, true},
		{"all are lost", 6, finding{own, 1, 1, 0, h[0], h[0], 0}, 3, true},
		{"one is forgotten without a receipt", 6, finding{own, 3, 4, 1, h[2], h[3], 0}, 1, true},
		{"a new box before any promise", 0, finding{other, 1, 1, 0, "x", "x", 0}, 0, false},
		{"the box before any promise", 0, finding{own, 1, 1, 0, h[0], h[0], 0}, 0, false},
		{"a new box that is not empty", 0, finding{other, 1, 2, 0, "x", "y", 0}, 0, true},
		{"a new box after Open returned", 1, finding{other, 1, 1, 0, "x", "x", 0}, 0, true},
		{"a new box after presses", 3, finding{other, 1, 1, 0, "x", "x", 0}, 2, true},
		{"a receipt is lost", 6, finding{own, 1, 4, 0, h[0], h[3], 0}, 0, true},
		{"a receipt from nowhere", 6, finding{own, 1, 4, 2, h[0], h[3], 0}, 0, true},
		{"another content", 6, finding{own, 1, 4, 1, h[0], h[2], 0}, 0, true},
		{"another start", 6, finding{own, 2, 4, 1, h[0], h[3], 0}, 0, true},
		{"a record nobody pressed", 6, finding{own, 1, 5, 1, h[0], h[3], 0}, 0, true},
	} {
		var p promise
		for _, e := range log[:c.heard] {
			p.hear(e.Word)
		}
		scanned, err := scan(c.found.String() + "\n")
		if err != nil || scanned != c.found {
			t.Fatalf("%s: scanned %v, %v; want %v", c.name, scanned, err, c.found)
		}
		lost, err := s.judge(p, c.found)
		if lost != c.lost || (err != nil) != c.bad || lost > 0 && !errors.Is(err, errLost) {
			t.Errorf("%s: %d lost and %v; want %d, bad %t", c.name, lost, err, c.lost, c.bad)
		}
	}
}

func TestLearnRefusesAStoryWithAHole(t *testing.T) {
	epoch := fmt.Sprint(sayOpened, " ", seal.Epoch{1})
	for _, log := range [][]disk.Entry{
		words(epoch, sayKept+" 2 b"), words(sayKept + " 1 a"), words(epoch, fmt.Sprint(sayOpened, " ", seal.Epoch{2})),
	} {
		if _, err := learn(log); err == nil {
			t.Errorf("%v was a whole story", log)
		}
	}
}

func TestPartsCoverTheLog(t *testing.T) {
	say := func(s string) disk.Entry { return disk.Entry{Kind: disk.Word, Word: s} }
	got := parts([]disk.Entry{say(sayPart + " one"), {Kind: disk.Flush}, say(sayKept + " 1 x"), say(sayPart + " two")})
	if want := []part{{"one", 1, 3}, {"two", 4, 4}}; !slices.Equal(got, want) {
		t.Errorf("parts %v, want %v", got, want)
	}
}
