package disk

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	fusefs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

const (
	diskSize  = 192 << 20            // two outboxes with what they reserve, for compaction, and a superblock's copy
	largest   = 512 << 10            // bytes of one write or read; go-fuse grumbles about a megabyte
	freeWait  = 20 * time.Second     // for the end of a mount whose process was killed
	freeEvery = 5 * time.Millisecond // to look whether it has come
)

// ErrBench means that this machine cannot have a bench.
var ErrBench = errors.New("this machine has no bench for a disk")

// Bench is a loop device on a disk in memory, and a file beside it that takes words. When this process ends, however it
// ends, no mount and no device stays: the device clears itself, and who mounts it has a mount namespace of his own.
type Bench struct {
	Dir   string   // an empty folder to mount on
	Disk  *Disk    // behind the device
	Words *os.File // each line written to it is a Word

	blank  *os.File // an empty ext4
	device *os.File // held, so that it stays
}

// NewBench makes a disk with an empty ext4.
func NewBench(ctx context.Context, dir string) (_ *Bench, err error) {
	b := &Bench{Dir: filepath.Join(dir, "mount"), Disk: &Disk{}}
	defer func() {
		if err != nil {
			err = errors.Join(err, b.Close())
		}
	}()
	served := filepath.Join(dir, "served")
	if err := errors.Join(os.Mkdir(b.Dir, 0o700), os.Mkdir(served, 0o700)); err != nil {
		return nil, err
	}
	if b.blank, err = format(ctx, filepath.Join(dir, "blank.img")); err != nil {
		return nil, err
	}
	if err := b.Renew(); err != nil {
		return nil, err
	}
	_, err = fusefs.Mount(served, &folder{disk: b.Disk}, &fusefs.Options{MountOptions: fuse.MountOptions{
		DirectMountStrict: true, FsName: "replay", Name: "replay", DisableXAttrs: true, MaxWrite: largest,
	}})
	if err != nil {
		return nil, fmt.Errorf("%w: mount a FUSE folder: %w", ErrBench, err)
	}
	// Open files outlive the mount, and end with this process.
	file, err := os.OpenFile(filepath.Join(served, diskName), os.O_RDWR|syscall.O_DIRECT, 0)
	if err == nil {
		b.Words, err = os.OpenFile(filepath.Join(served, wordsName), os.O_WRONLY, 0)
	}
	// go-fuse leaves /dev/fuse open to children. One that outlived us would wait for ever for our answers.
	err = errors.Join(err, unix.CloseRange(3, math.MaxInt32, unix.CLOSE_RANGE_CLOEXEC),
		syscall.Unmount(served, syscall.MNT_DETACH))
	if err != nil {
		return nil, err
	}
	defer file.Close() // the device has it
	b.device, err = attach(file)
	return b, err
}

// tool is a program of e2fsprogs. Debian keeps it where a user's PATH does not look.
func tool(ctx context.Context, name string, args ...string) (*exec.Cmd, error) {
	for _, path := range []string{name, "/usr/sbin/" + name} {
		if path, err := exec.LookPath(path); err == nil {
			return exec.CommandContext(ctx, path, args...), nil
		}
	}
	return nil, fmt.Errorf("%w: %s is missing: run scripts/setup", ErrBench, name)
}

// Mend mends a disk whose superblock is broken, from the copy of it.
func Mend(ctx context.Context, device string) error {
	cmd, err := tool(ctx, "e2fsck", "-fy", "-B", fmt.Sprint(block), "-b", "32768", device)
	if err != nil {
		return err
	}
	out, err := cmd.CombinedOutput()
	const mended = 1 | 2 // what e2fsck ends with, the latter where one should boot again
	if code := cmd.ProcessState.ExitCode(); err != nil && code&^mended != 0 {
		return fmt.Errorf("e2fsck: %w\n%s", err, out)
	}
	return nil
}

// format makes a file with an empty ext4 in it. What mkfs would leave to the kernel's idle time is done at once.
func format(ctx context.Context, path string) (*os.File, error) {
	cmd, err := tool(ctx, "mkfs.ext4", "-q", "-F", "-b", fmt.Sprint(block), "-E",
		"lazy_itable_init=0,lazy_journal_init=0,nodiscard", path, fmt.Sprint(diskSize>>10, "k"))
	if err != nil {
		return nil, err
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("mkfs.ext4: %w\n%s", err, out)
	}
	return os.Open(path)
}

// Renew makes the disk blank again.
func (b *Bench) Renew() error {
	image, err := syscall.Mmap(int(b.blank.Fd()), 0, diskSize, syscall.PROT_READ|syscall.PROT_WRITE,
		syscall.MAP_PRIVATE)
	if err != nil {
		return fmt.Errorf("map the empty disk: %w", err)
	}
	b.Disk.mu.Lock()
	defer b.Disk.mu.Unlock()
	image, b.Disk.image = b.Disk.image, image
	if image != nil {
		return syscall.Munmap(image)
	}
	return nil
}

// attach makes a loop device on a file. It does without the page cache, so that what the kernel writes and flushes
// comes to the file as it is, and clears itself when nobody holds it.
func attach(file *os.File) (*os.File, error) {
	control, err := os.OpenFile("/dev/loop-control", os.O_RDWR, 0)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBench, err)
	}
	defer control.Close()
	for range 10 { // another may be quicker
		n, err := unix.IoctlRetInt(int(control.Fd()), unix.LOOP_CTL_GET_FREE)
		if err != nil {
			return nil, fmt.Errorf("%w: a free loop device: %w", ErrBench, err)
		}
		device, err := os.OpenFile(fmt.Sprint("/dev/loop", n), os.O_RDWR, 0)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrBench, err)
		}
		config := unix.LoopConfig{Fd: uint32(file.Fd()), Size: sector}
		config.Info.Flags = unix.LO_FLAGS_AUTOCLEAR | unix.LO_FLAGS_DIRECT_IO
		if err = unix.IoctlLoopConfigure(int(device.Fd()), &config); err == nil {
			return device, nil
		}
		if err = errors.Join(err, device.Close()); !errors.Is(err, syscall.EBUSY) {
			return nil, fmt.Errorf("%w: a loop device on a FUSE file: %w", ErrBench, err)
		}
	}
	return nil, fmt.Errorf("%w: every loop device is busy", ErrBench)
}

// Device is the path of the loop device.
func (b *Bench) Device() string { return b.device.Name() }

// Await waits until nobody has the disk mounted, a killed process neither, and the kernel has nothing of it.
func (b *Bench) Await() error {
	for end := time.Now().Add(freeWait); ; time.Sleep(freeEvery) {
		f, err := os.OpenFile(b.device.Name(), os.O_RDONLY|syscall.O_EXCL, 0)
		if err == nil {
			return errors.Join(b.Forget(), f.Close())
		}
		if !errors.Is(err, syscall.EBUSY) || time.Now().After(end) {
			return fmt.Errorf("wait for the end of a mount: %w", err)
		}
	}
}

// Forget empties the kernel's cache of the device. Who looks at new devices, as udev does, may have read it.
func (b *Bench) Forget() error { return unix.IoctlSetInt(int(b.device.Fd()), unix.BLKFLSBUF, 0) }

// Close lets the device go. Nobody may have it mounted.
func (b *Bench) Close() error {
	var errs []error
	for _, f := range []*os.File{b.device, b.Words, b.blank} {
		if f != nil {
			errs = append(errs, f.Close())
		}
	}
	return errors.Join(errs...)
}

// Names in the served folder, and how files there are opened: without the page cache, so that a write that returned was
// heard; and closed without a question to the server, which a process that dies with both ends open would wait for.
const (
	diskName  = "disk"
	wordsName = "words"
	openFlags = fuse.FOPEN_DIRECT_IO | fuse.FOPEN_NOFLUSH
)

// folder shows a disk and the file that takes words.
type folder struct {
	fusefs.Inode
	disk *Disk
}

// OnAdd fills the folder.
func (f *folder) OnAdd(ctx context.Context) {
	file := fusefs.StableAttr{Mode: syscall.S_IFREG}
	f.AddChild(diskName, f.NewPersistentInode(ctx, &platter{disk: f.disk}, file), false)
	f.AddChild(wordsName, f.NewPersistentInode(ctx, &ear{disk: f.disk}, file), false)
}

// platter is the disk as a file.
type platter struct {
	fusefs.Inode
	disk *Disk
}

// Open opens the file.
func (p *platter) Open(context.Context, uint32) (fusefs.FileHandle, uint32, syscall.Errno) {
	return nil, openFlags, 0
}

// Getattr tells the size.
func (p *platter) Getattr(_ context.Context, _ fusefs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	out.Mode, out.Size = syscall.S_IFREG|0o600, diskSize
	return 0
}

// Read reads.
func (p *platter) Read(_ context.Context, _ fusefs.FileHandle, buf []byte, off int64) (
	fuse.ReadResult, syscall.Errno) {
	return fuse.ReadResultData(buf[:p.disk.read(buf, off)]), 0
}

// Write writes within the disk.
func (p *platter) Write(_ context.Context, _ fusefs.FileHandle, data []byte, off int64) (uint32, syscall.Errno) {
	if off+int64(len(data)) > diskSize {
		return 0, syscall.ENOSPC
	}
	p.disk.Take(Entry{Kind: Write, Off: off, Data: data})
	return uint32(len(data)), 0
}

// Fsync is the device's flush.
func (p *platter) Fsync(context.Context, fusefs.FileHandle, uint32) syscall.Errno {
	p.disk.Take(Entry{Kind: Flush})
	return 0
}

// ear is the file that takes words.
type ear struct {
	fusefs.Inode
	disk *Disk
}

// Open opens the file.
func (e *ear) Open(context.Context, uint32) (fusefs.FileHandle, uint32, syscall.Errno) {
	return nil, openFlags, 0
}

// Write takes a line.
func (e *ear) Write(_ context.Context, _ fusefs.FileHandle, data []byte, _ int64) (uint32, syscall.Errno) {
	e.disk.Take(Entry{Kind: Word, Word: string(data[:max(0, len(data)-1)])})
	return uint32(len(data)), 0
}
