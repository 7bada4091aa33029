package main

import (
	"encoding/hex"
	"errors"
	"fmt"

	"hailong/scripts/crash/presser"
	"hailong/sync/seal"
)

// errLost means that the computer does not have what it said it had.
var errLost = errors.New("lost")

// ledger is what the computer told its host, outside the cut.
type ledger struct {
	epoch   string
	ids     []string          // of record i+1; "" was never told
	found   map[uint64]string // what this boot has read so far
	seqs    map[string]uint64 // where each id lies
	heads   []seal.Head       // chain after record i, computed here
	granted uint64            // what the host gave a receipt for
	settled uint64            // what Receipted returned for
	fresh   map[string]bool   // new boxes, each with one record
	numbers int               // of this boot, in the file without fsync and in the one with it
	silent  int               // records kept that were never acknowledged: in flight at a cut
}

func newLedger() *ledger {
	return &ledger{seqs: map[string]uint64{}, found: map[uint64]string{}, fresh: map[string]bool{}}
}

// acknowledge notes what Append returned for.
func (l *ledger) acknowledge(seq uint64, id string) error {
	for uint64(len(l.ids)) < seq {
		l.ids = append(l.ids, "")
	}
	if old := l.ids[seq-1]; old != "" && old != id {
		return fmt.Errorf("record %d was thanked for twice, as %s and as %s", seq, old, id)
	}
	if at, ok := l.seqs[id]; ok && at != seq {
		return fmt.Errorf("press %s is kept twice, as %d and as %d", id, at, seq)
	}
	l.ids[seq-1], l.seqs[id] = id, seq
	return nil
}

// standing is where the line stands after a boot.
type standing struct {
	epoch              string
	oldest, next, upto uint64
	before, head       string
}

// judge compares what was told with what was found, and takes over what was in flight. It counts the records lost.
func (l *ledger) judge(s standing) (lost int, err error) {
	if l.epoch != "" && l.epoch != s.epoch {
		return len(l.seqs), fmt.Errorf("%w: the box was made anew, %d records are gone", errLost, len(l.seqs))
	}
	l.epoch = s.epoch
	for i, id := range l.ids {
		seq := uint64(i) + 1
		got, kept := l.found[seq]
		if id != "" && (seq < s.oldest && seq > l.granted || seq >= s.oldest && !kept || kept && got != id) {
			lost++
		}
	}
	if lost > 0 {
		return lost, fmt.Errorf("%w: %d of %d records, of which %d to %d are there", errLost, lost, len(l.seqs),
			s.oldest, s.next-1)
	}
	if s.upto < l.settled || s.upto > l.granted {
		err = errors.Join(err, fmt.Errorf("receipted up to %d, told %d, granted %d", s.upto, l.settled, l.granted))
	}
	known := len(l.seqs)
	for seq, id := range l.found {
		err = errors.Join(err, l.acknowledge(seq, id))
	}
	l.silent += len(l.seqs) - known
	return 0, errors.Join(err, l.prove(s))
}

// prove computes the chain from its start.
func (l *ledger) prove(s standing) error {
	if len(l.heads) == 0 {
		var epoch seal.Epoch
		if n, err := hex.Decode(epoch[:], []byte(l.epoch)); err != nil || n != len(epoch) {
			return fmt.Errorf("epoch %q: %w", l.epoch, err)
		}
		l.heads = append(l.heads, seal.Start(presser.Terminal, epoch))
	}
	if uint64(len(l.ids)) != s.next-1 {
		return fmt.Errorf("%d records were told of or found, the box counts %d", len(l.ids), s.next-1)
	}
	for seq := uint64(len(l.heads)); seq < s.next; seq++ {
		l.heads = append(l.heads, l.heads[seq-1].Next(seq, seal.Of(presser.Body(l.ids[seq-1]))))
	}
	if got, want := s.head, l.heads[s.next-1].String(); got != want {
		return fmt.Errorf("the chain ends at %s after record %d, want %s", got, s.next-1, want)
	}
	if got, want := s.before, l.heads[s.oldest-1].String(); got != want {
		return fmt.Errorf("the chain is at %s before record %d, want %s", got, s.oldest, want)
	}
	return nil
}
