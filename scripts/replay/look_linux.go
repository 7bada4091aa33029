package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"syscall"

	"hailong/scripts/replay/disk"
	"hailong/sync/outbox"
	"hailong/sync/seal"
)

const (
	repeated = 50     // how many of the newest presses are pressed again
	newPress = "next" // id of the press after the cut
)

// look is the start after a cut: it mounts the disk, opens the outbox and reads it all. The presses found are pressed
// again, which must store nothing, and one more must find its place. What it found it prints. ext4's superblock has a
// checksum, two sectors and no journal: torn, it is e2fsck's to mend, and nobody else's fault.
func look(ctx context.Context, device, dir string) error {
	mended := 0
	err := mount(device, dir)
	if errors.Is(err, syscall.EBADMSG) {
		mended = 1
		err = cmp.Or(disk.Mend(ctx, device), mount(device, dir))
	}
	if err != nil {
		return err
	}
	box, err := outbox.Open(filepath.Join(dir, boxName), outbox.Options{Terminal: terminal})
	if err != nil {
		return err
	}
	s := box.State()
	ids, err := read(box, s)
	if err != nil {
		return err
	}
	for i := max(0, len(ids)-repeated); i < len(ids); i++ {
		p, err := box.Append(ctx, entryOf(ids[i]))
		if err != nil {
			return err
		}
		if want := (outbox.Placed{Seq: s.Oldest + uint64(i)}); p != want {
			return fmt.Errorf("press %s again: %+v, want %+v", ids[i], p, want)
		}
	}
	p, err := box.Append(ctx, entryOf(newPress))
	if err != nil {
		return err
	}
	if want := (outbox.Placed{Seq: s.Next, Fresh: true}); p != want {
		return fmt.Errorf("one more press: %+v, want %+v", p, want)
	}
	fmt.Println(finding{s.Epoch.String(), s.Oldest, s.Next, s.Upto, s.Before.String(), s.Head.String(), mended})
	return errors.Join(box.Close(), syscall.Unmount(dir, 0))
}

// read reads every record and computes the chain. It hands out the press ids.
func read(box *outbox.Box, s outbox.State) (ids []string, _ error) {
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
			if !bytes.Equal(b, body(string(id))) {
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
