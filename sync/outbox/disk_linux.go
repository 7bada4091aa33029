package outbox

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// space is how many bytes of disk the file has or could have; plenty where the disk does not tell.
func space(f *os.File) int64 {
	var file unix.Stat_t
	var disk unix.Statfs_t
	if errors.Join(unix.Fstat(int(f.Fd()), &file), unix.Fstatfs(int(f.Fd()), &disk)) != nil {
		return 1 << 62
	}
	return int64(file.Blocks)*512 + int64(disk.Bavail)*int64(disk.Bsize)
}

// reserve gives the file its blocks now, beyond its end and without changing its size.
func reserve(f *os.File, size int64) error {
	return unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_KEEP_SIZE, 0, size)
}

// lock waits until no other process has the folder. The runtime's signal handlers restart it.
func lock(folder *os.File) error { return unix.Flock(int(folder.Fd()), unix.LOCK_EX) }

// release unlocks and closes a bbolt file. Its mapping alone would keep the lock.
func release(f *os.File) error { return errors.Join(unix.Flock(int(f.Fd()), unix.LOCK_UN), f.Close()) }
