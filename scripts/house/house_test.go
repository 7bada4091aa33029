package house

import (
	"os"
	"slices"
	"testing"
)

func TestHouse(t *testing.T) {
	h, err := read(os.DirFS("../.."))
	if err != nil {
		t.Fatal(err)
	}
	if len(h.rooms) == 0 {
		t.Fatal("no room found: the rules would pass over an empty house")
	}
	for _, r := range rules {
		t.Run(r.name, func(t *testing.T) {
			for _, p := range r.check(h) {
				t.Error(p)
			}
		})
	}
}

// TestPlanIsSound finds tables that speak of rooms nobody planned.
func TestPlanIsSound(t *testing.T) {
	for _, table := range [][]arrow{arrows, testArrows} {
		for _, a := range table {
			if !planned(a.from) || !planned(a.to) {
				t.Errorf("arrow %s → %s: both ends must be in the plan", a.from, a.to)
			}
			if slices.Contains(pure, a.from) && !slices.Contains(pure, a.to) {
				t.Errorf("arrow %s → %s: a pure room knows pure rooms only", a.from, a.to)
			}
			if a.reason == "" {
				t.Errorf("arrow %s → %s: say why", a.from, a.to)
			}
		}
	}
	for _, dir := range slices.Concat(pure, noVote) {
		if !planned(dir) {
			t.Errorf("%s is called pure or voteless and is not in the plan", dir)
		}
	}
	for _, l := range libraries {
		at := library{rooms: l.rooms}
		home := len(l.rooms) == 0
		for _, dir := range plan {
			home = home || at.livesIn(&file{dir: dir})
		}
		if !home {
			t.Errorf("%s lives in %s, and no such room is in the plan", l.module, l.home())
		}
	}
}
