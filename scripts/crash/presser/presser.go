// Package presser is what a terminal does with its outbox until its power goes, and how a start after that reads the
// box. It tells of each promise as it is made; what becomes of the promises is the harness's to judge.
package presser

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"hailong/sync/outbox"
	"hailong/sync/seal"
	"hailong/vote"
)

const (
	// Terminal is whose outbox is cut.
	Terminal = "quay-01"
	// CompactFrom is a size of file, in bytes, well beyond what the outbox compacts.
	CompactFrom = 17 << 20
	// Small is a burst that is no large one: what its ids begin with.
	Small = "press"

	big         = "big"                        // how ids of large bodies begin
	bigBody     = 7000                         // bytes: they fill a file quickly
	receiptStep = outbox.KeepFor + 2*time.Hour // of the collector's clock: each receipt forgets what came by the last
)

// Body is what the press with an id must have stored. Whoever judges computes it too, and knows every digest without
// having seen a body.
func Body(id string) []byte {
	sum := sha256.Sum256([]byte(id))
	n := 40 + int(sum[0])
	if strings.HasPrefix(id, big) {
		n = bigBody
	}
	noise := make([]byte, n)
	_, _ = rand.NewChaCha8(sum).Read(noise) // never fails
	return append([]byte(id+" "), noise...)
}

// Entry is the press with an id.
func Entry(id string) outbox.Entry {
	return outbox.Entry{ID: id, Level: vote.Level(1 + len(id)%5), Body: Body(id)}
}

// Open opens the box at a path.
func Open(path string) (*outbox.Box, error) {
	return outbox.Open(path, outbox.Options{Terminal: Terminal})
}

// Presser presses a box.
type Presser struct {
	Box   *outbox.Box
	Run   string    // tells the ids of this life from those of others
	Clock time.Time // the collector's

	// What is told, and to whom. Kept is called by several goroutines at once.
	Kept    func(seq uint64, id string) error // Append has returned
	Granted func(upto uint64) error           // the collector has it; the box is not yet told
	Settled func(upto uint64) error           // Receipted has returned

	bursts int
}

// Burst presses from several goroutines at once and tells of each press that was kept.
func (p *Presser) Burst(ctx context.Context, kind string, pressers, each int) error {
	p.bursts++
	errs := make([]error, pressers)
	var all sync.WaitGroup
	for i := range pressers {
		all.Go(func() {
			for k := 0; k < each && errs[i] == nil; k++ {
				id := fmt.Sprintf("%s-%s-%d-%d-%d", kind, p.Run, p.bursts, i, k)
				var at outbox.Placed
				if at, errs[i] = p.Box.Append(ctx, Entry(id)); errs[i] == nil {
					errs[i] = p.Kept(at.Seq, id)
				}
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

// Receipt takes a receipt for all there is, and forgets what the one before was for.
func (p *Presser) Receipt(ctx context.Context) error {
	s := p.Box.State()
	if err := p.Granted(s.Next - 1); err != nil {
		return err
	}
	p.Clock = p.Clock.Add(receiptStep)
	if err := p.Box.Receipted(ctx, s.Next-1, s.Head, p.Clock); err != nil {
		return err
	}
	return p.Settled(s.Next - 1)
}

// Fill grows the file to a size that is compacted once it is empty.
func (p *Presser) Fill(ctx context.Context) error {
	for p.Box.State().FileSize < CompactFrom {
		if err := p.Burst(ctx, big, 64, 2); err != nil {
			return err
		}
	}
	return nil
}

// Empty has all forgotten, and presses so much that a compaction has something to copy.
func (p *Presser) Empty(ctx context.Context, each int) error {
	for p.Box.State().Oldest < p.Box.State().Next {
		if err := p.Receipt(ctx); err != nil {
			return err
		}
	}
	return p.Burst(ctx, big, 64, each)
}

// Compacted is an error where the file is still large.
func (p *Presser) Compacted() error {
	if size := p.Box.State().FileSize; size >= CompactFrom {
		return fmt.Errorf("%d bytes were not compacted", size)
	}
	return nil
}

// Read reads every record of a box, compares it with what its press must have stored, and computes the chain. It hands
// out the press ids, from the oldest on.
func Read(box *outbox.Box) (ids []string, _ error) {
	s := box.State()
	head := s.Before
	for from := s.Oldest; from < s.Next; {
		run, err := box.Look(from, 500, 4<<20)
		if err != nil {
			return nil, err
		}
		if len(run.Bodies) == 0 {
			return nil, fmt.Errorf("record %d is missing", from)
		}
		for _, b := range run.Bodies {
			id, _, _ := bytes.Cut(b, []byte(" "))
			if !bytes.Equal(b, Body(string(id))) {
				return nil, fmt.Errorf("record %d is not what was pressed", from)
			}
			head = head.Next(from, seal.Of(b))
			ids = append(ids, string(id))
			from++
		}
	}
	if head != s.Head {
		return nil, fmt.Errorf("the chain ends at %s after record %d, the box says %s", head, s.Next-1, s.Head)
	}
	return ids, nil
}

// Repeat presses the newest ids once more, at most so many. Each must be found where it lies, and nothing be stored.
func Repeat(ctx context.Context, box *outbox.Box, ids []string, most int) error {
	oldest := box.State().Oldest
	for i := max(0, len(ids)-most); i < len(ids); i++ {
		at, err := box.Append(ctx, Entry(ids[i]))
		if err != nil {
			return err
		}
		if want := (outbox.Placed{Seq: oldest + uint64(i)}); at != want {
			return fmt.Errorf("press %s again: %+v, want %+v", ids[i], at, want)
		}
	}
	return nil
}
