package main

import (
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"hailong/scripts/crash/presser"
	"hailong/scripts/replay/disk"
	"hailong/sync/seal"
)

// finding is where the line stands after a cut. It is printed and scanned.
type finding struct {
	epoch              string
	oldest, next, upto uint64
	before, head       string
	mended             int // 1 where the superblock was torn
}

func (f finding) String() string {
	return fmt.Sprintf("%s %d %d %d %s %s %d", f.epoch, f.oldest, f.next, f.upto, f.before, f.head, f.mended)
}

func scan(line string) (f finding, err error) {
	_, err = fmt.Sscanln(line, &f.epoch, &f.oldest, &f.next, &f.upto, &f.before, &f.head, &f.mended)
	return f, err
}

// story is what the computer said in all of its life: no cut ended it, so it is known of every record which press it
// is, and what the chain is after it.
type story struct {
	epoch string
	heads []string // after record i
}

// learn reads the words of a whole log.
func learn(log []disk.Entry) (*story, error) {
	s := &story{}
	var ids []string
	for _, e := range log {
		var epoch, id string
		var seq int
		if n, _ := fmt.Sscanf(e.Word, sayOpened+" %s", &epoch); n == 1 {
			if s.epoch != "" && s.epoch != epoch {
				return nil, fmt.Errorf("the box was made anew: epoch %s, then %s", s.epoch, epoch)
			}
			s.epoch = epoch
		}
		if n, _ := fmt.Sscanf(e.Word, sayKept+" %d %s", &seq, &id); n == 2 {
			ids = append(ids, make([]string, max(0, seq-len(ids)))...)
			ids[seq-1] = id
		}
	}
	var epoch seal.Epoch
	if n, err := hex.Decode(epoch[:], []byte(s.epoch)); err != nil || n != len(epoch) || slices.Contains(ids, "") {
		return nil, fmt.Errorf("epoch %q, %d presses: not a whole story", s.epoch, len(ids))
	}
	head := seal.Start(presser.Terminal, epoch)
	s.heads = append(s.heads, head.String())
	for i, id := range ids {
		head = head.Next(uint64(i)+1, seal.Of(presser.Body(id)))
		s.heads = append(s.heads, head.String())
	}
	return s, nil
}

// promise is what was said up to a place in the log.
type promise struct {
	opened           bool
	kept             []uint64 // seqs
	granted, settled uint64
}

// hear takes a word.
func (p *promise) hear(word string) {
	verb, rest, _ := strings.Cut(word, " ")
	var n uint64
	if verb == sayKept || verb == sayGranted || verb == saySettled {
		_, _ = fmt.Sscan(rest, &n)
	}
	switch verb {
	case sayOpened:
		p.opened = true
	case sayKept:
		p.kept = append(p.kept, n)
	case sayGranted:
		p.granted = n
	case saySettled:
		p.settled = n
	}
}

// errLost means that the disk does not have what was promised.
var errLost = errors.New("lost")

// judge compares what was promised with what was found, and counts the records lost.
func (s *story) judge(p promise, f finding) (lost int, err error) {
	if f.epoch != s.epoch {
		if p.opened {
			return len(p.kept), fmt.Errorf("%w: the box was made anew, %d records are gone", errLost, len(p.kept))
		}
		if f.next != 1 || f.oldest != 1 || f.upto != 0 {
			return 0, fmt.Errorf("a new box is not empty: %s", f)
		}
		return 0, nil
	}
	for _, seq := range p.kept {
		if seq >= f.next || seq < f.oldest && seq > p.granted {
			lost++
		}
	}
	switch {
	case lost > 0:
		return lost, fmt.Errorf("%w: %d of %d records; those from %d to %d are there", errLost, lost, len(p.kept),
			f.oldest, f.next-1)
	case f.next > uint64(len(s.heads)) || f.oldest < 1 || f.oldest > f.next:
		return 0, fmt.Errorf("records from %d to %d; %d were pressed", f.oldest, f.next-1, len(s.heads)-1)
	case f.upto < p.settled || f.upto > p.granted:
		return 0, fmt.Errorf("receipted up to %d, settled %d, granted %d", f.upto, p.settled, p.granted)
	case f.head != s.heads[f.next-1]:
		return 0, fmt.Errorf("the chain after record %d is %s, want %s", f.next-1, f.head, s.heads[f.next-1])
	case f.before != s.heads[f.oldest-1]:
		return 0, fmt.Errorf("the chain before record %d is %s, want %s", f.oldest, f.before, s.heads[f.oldest-1])
	}
	return 0, nil
}
