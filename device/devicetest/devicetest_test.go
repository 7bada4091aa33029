package devicetest

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestAStillClockMovesByHand(t *testing.T) {
	start := time.UnixMilli(1_790_000_000_000)
	c := Still(start)
	c.Advance(3 * time.Second)
	c.Jump(-time.Hour)
	c.SetSynced(false)
	c.SetBoot(7)
	got := c.Now()
	if got.SinceMS != 3000 || got.WallMS != start.UnixMilli()+3000-3_600_000 || got.Synced || got.Boot != 7 {
		t.Errorf("got %+v", got)
	}
	c.SetWall(start)
	if got := c.Now(); got.WallMS != start.UnixMilli() || got.SinceMS != 3000 {
		t.Errorf("after SetWall: got %+v", got)
	}
}

func TestAGoingClockGoesWithTheBubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := Going(time.UnixMilli(0))
		time.Sleep(2 * time.Second)
		c.Advance(time.Second)
		if got := c.Since(); got != 3*time.Second {
			t.Errorf("got %v, want 3s", got)
		}
	})
}

func TestABoardWaitsForWhatIsShown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBoard[string, int]()
		go func() {
			for e := range b.Inputs() {
				b.Show(len(e))
			}
		}()
		defer close(b.inputs)
		for _, e := range []string{"a", "bb", "ccc"} {
			if err := b.Do(t.Context(), e); err != nil {
				t.Fatal(err)
			}
		}
		for _, want := range []int{2, 3} { // 2 was shown and is gone
			got, err := b.Wait(t.Context(), func(n int) bool { return n == want })
			if err != nil || got != want {
				t.Errorf("got %d, %v, want %d after %v", got, err, want, b.Shown())
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if got, err := b.Wait(ctx, func(n int) bool { return n == 2 }); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %d, %v, want a deadline", got, err)
		}
	})
}

func TestABoardForgetsTheOldest(t *testing.T) {
	b := NewBoard[string, int]()
	for i := range keep + 10 {
		b.Show(i)
	}
	if got := b.Shown(); len(got) != keep || got[0] != 10 {
		t.Errorf("keeps %d from %d, want %d from 10", len(got), got[0], keep)
	}
	if got, err := b.Wait(t.Context(), func(int) bool { return true }); got != 10 || err != nil {
		t.Errorf("got %d, %v, want 10", got, err)
	}
}
