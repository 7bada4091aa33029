// Package clock is what the board knows about the time: the wall clock as evidence, and the time
// since boot, which alone never jumps. It never sets a clock and never waits for one to be right.
package clock

import (
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"hailong/vote"
)

// A wall clock outside these years is wrong whatever the kernel says of it: older than this code,
// or beyond any board it will run on.
var (
	floor   = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	ceiling = time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)
)

// tries bounds how often a pair of clocks is read to find one that was not interrupted between.
const tries = 5

// tight is a pair read well enough: far below the millisecond that a stamp can hold.
const tight = 50 * time.Microsecond

// bootIDFile changes with every boot, and is the same for all who ask during one.
const bootIDFile = "/proc/sys/kernel/random/boot_id"

// Clock reads the clocks of one boot. It may be used by several goroutines.
type Clock struct {
	boot uint32
	kernel
}

// kernel is what a Clock asks. Tests hand in their own.
type kernel struct {
	read   func(clock int32) (time.Duration, error)
	synced func() bool
}

// New is the clock of the boot with this counter, which the caller raises by one whenever BootID
// has changed. A kernel without a boot-time clock is an error here rather than at the first vote.
func New(bootCounter uint32) (*Clock, error) {
	c := &Clock{bootCounter, kernel{readClock, kernelSynced}}
	for _, id := range []int32{unix.CLOCK_BOOTTIME, unix.CLOCK_REALTIME} {
		if _, err := c.read(id); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// Now is the time as evidence: both clocks of one moment, and what the wall clock is worth.
func (c *Clock) Now() vote.Stamp {
	wall, since := c.pair()
	said := time.Unix(0, int64(wall))
	return vote.Stamp{
		WallMS:  wall.Milliseconds(),
		Synced:  c.synced() && !said.Before(floor) && said.Before(ceiling),
		Boot:    c.boot,
		SinceMS: uint64(since.Milliseconds()),
	}
}

// Since is the time since boot. It counts a suspended board's sleep too, and never jumps.
func (c *Clock) Since() time.Duration {
	since, _ := c.read(unix.CLOCK_BOOTTIME) // New has seen it work, and it cannot stop to
	return since
}

// pair reads the wall clock between two readings of the boot clock, and keeps the pair with the
// least time between: a thread may lose the processor for long in the middle.
func (c *Clock) pair() (wall, since time.Duration) {
	best := time.Duration(-1)
	for range tries {
		before := c.Since()
		w, _ := c.read(unix.CLOCK_REALTIME)
		width := c.Since() - before
		if best < 0 || width < best {
			best, wall, since = width, w, before+width/2
		}
		if best <= tight {
			break
		}
	}
	return wall, since
}

// BootID names the running boot.
func (c *Clock) BootID() (string, error) { return bootID(bootIDFile) }

func bootID(file string) (string, error) {
	raw, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("read boot id: %w", err)
	}
	id := strings.TrimSpace(string(raw))
	if id == "" {
		return "", fmt.Errorf("read boot id: %s is empty", file)
	}
	return id, nil
}

func readClock(id int32) (time.Duration, error) {
	var ts unix.Timespec
	if err := unix.ClockGettime(id, &ts); err != nil {
		return 0, fmt.Errorf("read clock %d: %w", id, err)
	}
	return time.Duration(ts.Nano()), nil
}

// kernelSynced is the kernel's word. The file that timesyncd leaves behind says only that it was
// true once, and chrony leaves none.
func kernelSynced() bool {
	var tx unix.Timex
	state, err := unix.Adjtimex(&tx)
	return err == nil && state != unix.TIME_ERROR && tx.Status&unix.STA_UNSYNC == 0
}
