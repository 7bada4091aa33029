package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"
)

// cuts are what the guest does and where its power goes: some time up to most after one of the first nth words.
var cuts = []struct {
	job, word string
	nth       int
	most      time.Duration
}{
	{jobCreate, sayCreating, 15, 12 * time.Millisecond},
	{jobPress, sayReady, 1, 1500 * time.Millisecond},
	{jobReceipt, sayReceipt, 25, 8 * time.Millisecond},
	{jobCompact, sayReopening, 1, 350 * time.Millisecond},
	{jobPress, sayBooted, 1, 200 * time.Millisecond},    // recovers from the cut before, with much to look at
	{jobCompact, sayReceipt, 2, 600 * time.Millisecond}, // forgets much at once
}

// trial is a disk through some cuts.
type trial struct {
	machine *machine
	rng     *rand.Rand
	cycles  int
	lying   bool // fsync does nothing
	begun   bool // this boot began its files of numbers

	*ledger
	boots, cuts                           int
	acknowledged, created, lost, unopened int
	lossy, judged                         int // boots whose file without fsync had lost numbers, of all
	told, unsyncedLost, syncedLost        int // numbers
	receipts, forgotten                   uint64
	compacting, compacted                 int
	slowest                               time.Duration // from power to ready
	began                                 time.Time
}

func (t *trial) run(ctx context.Context) error {
	begun := time.Now()
	defer func() { t.print(time.Since(begun)) }() // what was lost, too
	if err := t.renew(ctx); err != nil {
		return err
	}
	for i := 0; t.cuts < t.cycles; i++ { // a boot that shows a loss is not cut
		at := cuts[i%len(cuts)]
		when := moment{at.word, 1 + t.rng.IntN(at.nth), time.Duration(t.rng.Int64N(int64(at.most)))}
		if t.lying { // what was never synced is lost wherever the cut falls
			at, when = cuts[1], moment{sayReady, 1, 300*time.Millisecond + when.delay%time.Second}
		}
		if err := t.boot(ctx, at.job, when); err != nil {
			return fmt.Errorf("cycle %d of %d, cut %s after %s no %d in job %s: %w",
				t.cuts+1, t.cycles, when.delay, when.word, when.nth, at.job, err)
		}
	}
	if err := t.boot(ctx, jobCheck, moment{}); err != nil {
		return fmt.Errorf("after the last cycle: %w", err)
	}
	return t.verdict()
}

// renew begins again with an empty disk.
func (t *trial) renew(ctx context.Context) error {
	t.ledger = newLedger()
	return t.machine.format(ctx)
}

// boot boots once. An outbox without fsync that lost begins again; a real one must not lose.
func (t *trial) boot(ctx context.Context, job string, when moment) error {
	t.boots++
	if !t.begun { // the boot before was cut before it began its files: what was told is of an older one
		t.numbers = 0
	}
	t.begun = false
	t.began = time.Now()
	cut, err := t.machine.boot(ctx, when, []string{job, strconv.Itoa(t.boots), strconv.FormatBool(t.lying)}, t.hear)
	if cut {
		t.cuts++
	}
	if err == nil && !cut && when.word != "" {
		err = errors.New("the guest ended by itself")
	}
	if t.lying && errors.Is(err, errLost) {
		return t.renew(ctx)
	}
	return err
}

// hear takes one line of the guest.
func (t *trial) hear(word []string) error {
	n := func(i int) uint64 {
		if i >= len(word) {
			return 0
		}
		v, _ := strconv.ParseUint(word[i], 10, 64) // another word is 0, which no record has
		return v
	}
	switch word[0] {
	case sayAppended:
		t.acknowledged++
		return t.acknowledge(n(1), word[2])
	case sayFound:
		t.found[n(1)] = word[2]
	case sayStanding:
		lost, err := t.judge(standing{word[1], n(2), n(3), n(4), word[5], word[6]})
		t.lost, t.forgotten = t.lost+lost, max(t.forgotten, n(2)-1)
		return err
	case sayReceipt:
		t.granted = n(1)
	case saySettled:
		t.settled, t.receipts = n(1), t.receipts+1
	case sayNumbers:
		return t.judgeNumbers(int(n(1)), int(n(2)))
	case sayNumber:
		t.numbers++
	case sayFreshKept:
		t.fresh[word[1]] = true
		t.created++
	case sayFreshFound:
		delete(t.fresh, word[1])
	case sayReopening:
		t.compacting++
	case sayReopened:
		t.compacted++
	case sayBooted:
		clear(t.found)
	case sayReady:
		took := time.Since(t.began)
		t.slowest = max(t.slowest, took)
		if n := len(t.fresh); n > 0 { // all that are there were found
			t.lost += n
			return fmt.Errorf("%w: %d new boxes with their records: %v", errLost, n, t.fresh)
		}
	case sayUnopened:
		t.unopened++
		return fmt.Errorf("%w: not opened: %s", errLost, strings.Join(word[1:], " "))
	case sayTrouble:
		return errors.New(strings.Join(word[1:], " "))
	}
	return nil
}

// judgeNumbers judges the two files that the boot before wrote numbers to.
func (t *trial) judgeNumbers(unsynced, synced int) error {
	told := t.numbers
	t.numbers, t.begun = 0, true
	if told > 0 {
		t.judged++
		t.told, t.unsyncedLost = t.told+told, t.unsyncedLost+max(0, told-unsynced)
		if unsynced < told {
			t.lossy++
		}
	}
	if lost := told - synced; lost > 0 && !t.lying {
		t.syncedLost += lost
		return fmt.Errorf("%w: %d of %d numbers in the file with fsync", errLost, lost, told)
	}
	return nil
}

// print says what came of it.
func (t *trial) print(took time.Duration) {
	name := "outbox"
	if t.lying {
		name = "control, outbox on an fsync that does nothing"
	}
	fmt.Printf("crash: %s: %d cuts, %d acknowledged, %d lost, %d would not open, %.1f s a cycle\n",
		name, t.cuts, t.acknowledged+t.created, t.lost, t.unopened, took.Seconds()/float64(max(1, t.cuts)))
	if t.lying {
		return
	}
	fmt.Printf("crash: %d receipts, %d records forgotten, %d boxes created, %d of %d compactions finished, "+
		"%d records kept without a word\n", t.receipts, t.forgotten, t.created, t.compacted, t.compacting, t.silent)
	fmt.Printf("crash: control, file without fsync: lost %d of %d numbers, in %d of %d cycles\n",
		t.unsyncedLost, t.told, t.lossy, t.judged)
	fmt.Printf("crash: control, file with fsync: lost %d of %d numbers\n", t.syncedLost, t.told)
	fmt.Printf("crash: boot to ready: %s at most\n", t.slowest.Round(10*time.Millisecond))
}

// verdict is an error where the controls show that this run could not have seen a loss.
func (t *trial) verdict() error {
	switch {
	case t.lying && t.lost+t.unopened == 0:
		return errors.New("an fsync that does nothing lost nothing: this run proves nothing")
	case !t.lying && 2*t.lossy <= t.judged:
		return errors.New("a file without fsync lost nothing in half of the cycles: this run proves nothing")
	}
	return nil
}
