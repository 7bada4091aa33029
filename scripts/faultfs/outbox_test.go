package faultfs

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"hailong/sync/outbox"
	"hailong/sync/seal"
	"hailong/vote"
)

// terminal is the agent's dealings with its outbox, and what it was promised.
type terminal struct {
	*run
	box      *outbox.Box
	kept     map[int]uint64 // press → seq
	seen     outbox.State   // the last word of the line
	receipts uint64         // taken without error
	down     bool           // the process has ended
}

func entry(press int) outbox.Entry {
	return outbox.Entry{ID: fmt.Sprintf("press-%020d", press), Level: vote.Level(press%5 + 1), Body: body(press)}
}

func body(press int) []byte { return fmt.Appendf(nil, "%080d", press) }

const presses = 6

func TestOutboxOnAFailingDisk(t *testing.T) {
	every(t, 1, func(r *run) func() {
		a := &terminal{run: r, kept: map[int]uint64{}}
		a.work()
		return a.review
	})
}

// work is a whole cycle of the outbox.
func (a *terminal) work() {
	a.open()
	for i := 1; i < presses; i++ {
		a.press(i)
	}
	a.receipt(3)
	a.press(presses)
	if a.box != nil {
		if err := a.box.Close(); err != nil {
			a.wrong("Close() = %v", err)
		}
	}
}

// open starts the agent; if that fails, once more on the healed disk.
func (a *terminal) open() {
	for range 2 {
		box, err := outbox.Open(a.at("outbox.db"), outbox.Options{Terminal: "quay-01", Reserve: 1 << 20})
		if err == nil {
			a.box = box
			a.look()
			return
		}
		a.heal()
		if a.end != goOnAndCut {
			a.down = true
			return
		}
	}
	a.down = true
	a.wrong("the outbox cannot be opened on the healed disk")
}

// look notes what a hello would tell the collector: it must stay true.
func (a *terminal) look() {
	now := a.box.State()
	if a.seen.Next > 0 && now.Epoch != a.seen.Epoch {
		a.wrong("epoch %s became %s", a.seen.Epoch, now.Epoch)
	}
	a.seen = now
}

// try does something until the disk lets it, as the agent does.
func (a *terminal) try(what string, do func(context.Context) error) {
	for range 3 {
		if a.down {
			return
		}
		err := do(context.Background())
		switch {
		case err == nil:
			a.look()
			return
		case errors.Is(err, outbox.ErrFull):
			a.heal()
			if a.box.Err() != nil {
				a.wrong("%s = %v, and the box failed: %v", what, err, a.box.Err())
			}
		case errors.Is(err, outbox.ErrFailed):
			a.failed(what)
		default:
			a.wrong("%s = %v, want ErrFull or ErrFailed", what, err)
			a.down = true
		}
	}
	if !a.down {
		a.wrong("%s: no success on the healed disk", what)
	}
}

// failed ends the process after ErrFailed, and may start another.
func (a *terminal) failed(what string) {
	select {
	case <-a.box.Failed():
	default:
		a.wrong("%s is ErrFailed, but the box does not say so", what)
	}
	if !errors.Is(a.box.Err(), outbox.ErrFailed) {
		a.wrong("%s is ErrFailed, Err() = %v", what, a.box.Err())
	}
	if _, err := a.box.Append(context.Background(), entry(99)); !errors.Is(err, outbox.ErrFailed) {
		a.wrong("Append() to a failed box = %v", err)
	}
	if err := a.box.Close(); err != nil {
		a.wrong("Close() of a failed box = %v", err)
	}
	a.box = nil
	a.heal()
	if a.end == goOnAndCut {
		a.open()
		return
	}
	a.down = true
}

func (a *terminal) press(i int) {
	a.try(fmt.Sprintf("Append(press %d)", i), func(ctx context.Context) error {
		p, err := a.box.Append(ctx, entry(i))
		if err == nil {
			a.kept[i] = p.Seq
		}
		return err
	})
}

func (a *terminal) receipt(upto uint64) {
	a.try("Receipted()", func(ctx context.Context) error {
		all, err := a.box.Look(1, int(upto), 1<<20)
		if err != nil {
			return err
		}
		err = a.box.Receipted(ctx, upto, all.Head, time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC))
		if err == nil {
			a.receipts = upto
		}
		return err
	})
}

// review opens what is left on the sound disk and asks for every promise.
func (a *terminal) review() {
	b, err := outbox.Open(a.behind("outbox.db"), outbox.Options{Terminal: "quay-01", Reserve: -1})
	if err != nil {
		a.wrong("healed, Open() = %v", err)
		return
	}
	defer func() {
		if err := b.Close(); err != nil {
			a.wrong("healed, Close() = %v", err)
		}
	}()
	if now := b.State(); a.seen.Next > 0 && (now.Epoch != a.seen.Epoch || now.Next < a.seen.Next) {
		a.wrong("the line stands at %s %d, it was at %s %d", now.Epoch, now.Next, a.seen.Epoch, a.seen.Next)
	}
	if now := b.State(); now.Upto < a.receipts {
		a.wrong("receipted up to %d, it was %d", now.Upto, a.receipts)
	}
	for i := 1; i <= presses; i++ {
		p, err := b.Append(context.Background(), entry(i))
		seq, promised := a.kept[i]
		if err != nil || promised && (p.Fresh || p.Seq != seq) {
			a.wrong("press %d again = %+v, %v; promised %v at %d", i, p, err, promised, seq)
		}
		a.kept[i] = p.Seq
	}
	a.once(b)
}

// once wants every press in the line, once, and the chain that the collector may have heard of.
func (a *terminal) once(b *outbox.Box) {
	all, err := b.Look(1, 100, 1<<20)
	if err != nil || len(all.Bodies) != presses {
		a.wrong("Look() = %d records, %v, want %d", len(all.Bodies), err, presses)
		return
	}
	for i, seq := range a.kept {
		if seq == 0 || seq > presses || string(all.Bodies[seq-1]) != string(body(i)) {
			a.wrong("record %d is not press %d", seq, i)
		}
	}
	head := all.Prev
	for i, body := range all.Bodies {
		head = head.Next(uint64(i)+1, seal.Of(body))
		if uint64(i)+2 == a.seen.Next && head != a.seen.Head {
			a.wrong("the chain after record %d is another than was told", i+1)
		}
	}
}
