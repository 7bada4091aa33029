// Package devicetest is a board made of memory and channels: it stands in for the device rooms in
// tests and in simulated terminals. It never touches hardware.
package devicetest

import (
	"sync"
	"time"

	"hailong/vote"
)

// Clock is a clock that is wrong whenever somebody wants it to be. It may be used by several
// goroutines.
type Clock struct {
	start  time.Time // of Go's clock; zero where the clock stands still
	bootID string

	mu     sync.Mutex // guards what follows
	since  time.Duration
	skew   time.Duration // wall clock minus time since boot
	synced bool
	boot   uint32
}

// Still is a synchronised clock at a wall time, just booted, that moves by Advance alone.
func Still(wall time.Time) *Clock {
	return &Clock{bootID: "boot-1", skew: time.Duration(wall.UnixNano()), synced: true, boot: 1}
}

// Going is a Still clock that also goes with Go's own, which is a bubble's in testing/synctest.
func Going(wall time.Time) *Clock {
	c := Still(wall)
	c.start = time.Now()
	return c
}

// Now is the time as evidence.
func (c *Clock) Now() vote.Stamp {
	c.mu.Lock()
	defer c.mu.Unlock()
	since := c.elapsed()
	return vote.Stamp{
		WallMS: (c.skew + since).Milliseconds(), Synced: c.synced,
		Boot: c.boot, SinceMS: uint64(since.Milliseconds()),
	}
}

// Since is the time since boot.
func (c *Clock) Since() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.elapsed()
}

// BootID names the boot.
func (c *Clock) BootID() (string, error) { return c.bootID, nil }

// Advance lets time pass on both clocks.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.since += d
}

// Jump moves the wall clock alone, forwards or backwards.
func (c *Clock) Jump(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.skew += d
}

// SetWall sets the wall clock alone.
func (c *Clock) SetWall(wall time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.skew = time.Duration(wall.UnixNano()) - c.elapsed()
}

// SetSynced is what the kernel says of the wall clock from now on.
func (c *Clock) SetSynced(synced bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.synced = synced
}

// SetBoot is the boot counter of later stamps. The time since boot goes on.
func (c *Clock) SetBoot(counter uint32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.boot = counter
}

func (c *Clock) elapsed() time.Duration {
	if c.start.IsZero() {
		return c.since
	}
	return c.since + time.Since(c.start)
}
