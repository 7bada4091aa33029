package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"syscall"

	"hailong/scripts/crash/presser"
	"hailong/scripts/replay/disk"
	"hailong/sync/outbox"
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
	box, err := presser.Open(filepath.Join(dir, boxName))
	if err != nil {
		return err
	}
	s := box.State()
	ids, err := presser.Read(box)
	if err == nil {
		err = presser.Repeat(ctx, box, ids, repeated)
	}
	if err != nil {
		return err
	}
	p, err := box.Append(ctx, presser.Entry(newPress))
	if err != nil {
		return err
	}
	if want := (outbox.Placed{Seq: s.Next, Fresh: true}); p != want {
		return fmt.Errorf("one more press: %+v, want %+v", p, want)
	}
	fmt.Println(finding{s.Epoch.String(), s.Oldest, s.Next, s.Upto, s.Before.String(), s.Head.String(), mended})
	return errors.Join(box.Close(), syscall.Unmount(dir, 0))
}
