package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"hailong/scripts/stage"
)

// diskSize holds a terminal's reserve and not much else.
const diskSize = 64 << 20

// disk is a small ext4 that somebody else fills up.
type disk struct {
	dir    string // where it is mounted
	filler *os.File
}

// newDisk makes a disk and mounts it, in a space of mounts of our own.
func newDisk(ctx context.Context, dir string) (*disk, error) {
	image, d := filepath.Join(dir, "disk.img"), &disk{dir: filepath.Join(dir, "disk")}
	if err := errors.Join(os.MkdirAll(d.dir, 0o700), os.WriteFile(image, nil, 0o600)); err != nil {
		return nil, err
	}
	if err := os.Truncate(image, diskSize); err != nil {
		return nil, err
	}
	// Nothing is kept for root, who runs this: full is to mean full.
	if _, err := command(ctx, "mkfs.ext4", "-q", "-m", "0", image); err != nil {
		return nil, err
	}
	// mount -o loop would look at everybody's loop devices, and wait for one whose file hangs.
	device, err := command(ctx, "losetup", "--find", "--show", image)
	if err != nil {
		return nil, err
	}
	_, err = command(ctx, "mount", device, d.dir)
	// The device goes with its last user: with the mount, however we end.
	_, gone := command(ctx, "losetup", "--detach", device)
	if err = errors.Join(err, gone); err != nil {
		return nil, err
	}
	d.filler, err = os.Create(filepath.Join(d.dir, "somebody's log"))
	return d, err
}

// command runs one of the system's tools and returns what it says.
func command(ctx context.Context, name string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, back)
	defer cancel()
	out, err := exec.CommandContext(ctx, name, args...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w: %s; run scripts/setup", name, strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out)), nil
}

// fill writes the other's file until so many bytes are left on the disk.
func (d *disk) fill(leave int64) error {
	for size := int64(1 << 20); size >= 1; {
		free, err := d.room()
		if err != nil {
			return err
		}
		if size = min(size, free-leave); leave > 0 && size <= 0 {
			return d.filler.Sync()
		}
		switch _, err := d.filler.Write(make([]byte, max(size, 1))); {
		case errors.Is(err, syscall.ENOSPC):
			size /= 4
		case err != nil:
			return err
		}
	}
	return d.filler.Sync()
}

func (d *disk) room() (int64, error) {
	var s syscall.Statfs_t
	err := syscall.Statfs(d.dir, &s)
	return int64(s.Bavail) * s.Bsize, err
}

// keepFull fills up what others free, for a while.
func (d *disk) keepFull(ctx context.Context, while time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, while)
	defer cancel()
	for {
		if err := d.fill(0); err != nil {
			return err
		}
		if stage.Rest(ctx, 50*time.Millisecond) != nil {
			return nil
		}
	}
}

// free empties the other's file.
func (d *disk) free() error {
	_, err := d.filler.Seek(0, 0)
	return errors.Join(d.filler.Truncate(0), err)
}

// close proves that nobody uses the disk any more.
func (d *disk) close() error {
	if err := d.filler.Close(); err != nil {
		return err
	}
	_, err := command(context.Background(), "umount", d.dir)
	return err
}
