package main

import (
	"bufio"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"hailong/cmd/centre"
	"hailong/cmd/program"
	"hailong/collector/store"
	"hailong/config"
	"hailong/sync/seal"
	"hailong/vote"
)

// place is where a vote lies.
type place struct {
	terminal vote.TerminalID
	epoch    seal.Epoch
	seq      uint64
}

// readNotes reads a list of thanks; a last line that was cut short was not thanked for.
func readNotes(path string) (map[place]vote.Level, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read thanks: %w", err)
	}
	defer func() { _ = f.Close() }()
	id := vote.TerminalID(filepath.Base(filepath.Dir(path)))
	out := map[place]vote.Level{}
	for in := bufio.NewScanner(f); in.Scan(); {
		var epoch []byte
		var seq uint64
		var level vote.Level
		n, err := fmt.Sscanf(in.Text(), "%x %d %d", &epoch, &seq, &level)
		if n != 3 || err != nil || len(epoch) != len(seal.Epoch{}) {
			return nil, fmt.Errorf("read thanks %s: line %q", path, in.Text())
		}
		out[place{id, seal.Epoch(epoch), seq}] = level
	}
	return out, nil
}

// compare holds the notes against the centre's votes.
func (c *loadCmd) compare(ctx context.Context, counters []config.Counter) error {
	noted := map[place]vote.Level{}
	for _, counter := range counters {
		of, err := readNotes(filepath.Join(c.Dir, counter.Terminal, "thanked"))
		if err != nil {
			return err
		}
		for p, l := range of {
			noted[p] = l
		}
	}
	s, err := store.Open(ctx, centre.Folder(c.Centre).Store())
	if err != nil {
		return err
	}
	thanked := len(noted)
	arrived, doubled, changed, unthanked, err := match(ctx, s, noted)
	if err = errors.Join(err, s.Close()); err != nil {
		return err
	}
	fmt.Printf("thanked %d  arrived %d  lost %d  doubled %d  changed %d  kept but not thanked %d\n",
		thanked, arrived, len(noted), doubled, changed, unthanked)
	for p := range noted {
		fmt.Printf("lost: %s epoch %s seq %d\n", p.terminal, hex.EncodeToString(p.epoch[:]), p.seq)
		break // one is enough to look for the rest
	}
	if len(noted)+doubled+changed > 0 {
		return program.Exit(program.Differs, errors.New("what was thanked for is not what arrived"))
	}
	return nil
}

// match takes from noted what arrived.
func match(ctx context.Context, s *store.Store, noted map[place]vote.Level) (
	arrived, doubled, changed, unthanked int, err error) {
	const page = 500
	seen := map[place]bool{}
	for after := uint64(0); ; {
		votes, err := s.Votes(ctx, after, page)
		if err != nil || len(votes) == 0 {
			return arrived, doubled, changed, unthanked, err
		}
		for _, v := range votes {
			after = v.Cursor
			p := place{v.Terminal, v.Epoch, v.Seq}
			level, ok := noted[p]
			switch {
			case !strings.HasPrefix(string(v.Terminal), prefix):
				continue
			case seen[p]:
				doubled++
			case !ok:
				unthanked++
			case level != v.First:
				changed++
			}
			arrived++
			seen[p] = true
			delete(noted, p)
		}
	}
}
