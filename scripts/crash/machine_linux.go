package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const (
	diskSize = "192M"           // most of it never written
	patience = 90 * time.Second // for one boot and what follows, on a busy machine
)

// machine is the computer whose power is cut.
type machine struct {
	linux, dir, disk string
}

// newMachine builds the computer's only program and makes its disk.
func newMachine(ctx context.Context, dir string) (*machine, error) {
	m := &machine{dir: dir, disk: filepath.Join(dir, "disk.img")}
	var err error
	if m.linux, err = find("linux.uml", "/usr/bin"); err != nil {
		return nil, err
	}
	for _, d := range []string{"root/dev", "root/disk", "memory", "uml"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o700); err != nil {
			return nil, err
		}
	}
	build := exec.CommandContext(ctx, "go", "build", "-o", filepath.Join(dir, "root", "init"), "./scripts/crash")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build init: %w\n%s", err, out)
	}
	return m, nil
}

// find is a program's path; Debian keeps some of them where a user's PATH does not look.
func find(name, folder string) (string, error) {
	for _, path := range []string{name, filepath.Join(folder, name)} {
		if path, err := exec.LookPath(path); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("%s is missing: run scripts/setup", name)
}

// format makes the disk new and empty.
func (m *machine) format(ctx context.Context) error {
	mkfs, err := find("mkfs.ext4", "/usr/sbin")
	if err != nil {
		return err
	}
	if err := os.RemoveAll(m.disk); err != nil {
		return err
	}
	if out, err := exec.CommandContext(ctx, mkfs, "-q", "-F", m.disk, diskSize).CombinedOutput(); err != nil {
		return fmt.Errorf("mkfs.ext4: %w\n%s", err, out)
	}
	return nil
}

// moment is when the power goes: some time after the guest said a word for the nth time. Without a word it stays on.
type moment struct {
	word  string
	nth   int
	delay time.Duration
}

// boot starts the computer and hands each line it says to hear, until it is cut or ends by itself.
func (m *machine) boot(ctx context.Context, at moment, args []string, hear func([]string) error) (cut bool, _ error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	log, err := os.Create(filepath.Join(m.dir, "kernel.log"))
	if err != nil {
		return false, err
	}
	defer log.Close()
	lines, guest, err := os.Pipe()
	if err != nil {
		return false, err
	}
	defer lines.Close()
	words := []string{"mem=128M", "ubda=" + m.disk, "root=/dev/root", "rootfstype=hostfs", "ro", "init=/init",
		"rootflags=" + filepath.Join(m.dir, "root"), "uml_dir=" + filepath.Join(m.dir, "uml"), "quiet", "panic=-1",
		"con=null", "con0=fd:0,fd:1", "con1=null,fd:3", "ssl=null", "--", guestWord}
	cmd := exec.CommandContext(ctx, m.linux, append(words, args...)...)
	cmd.Env = append(os.Environ(), "TMPDIR="+filepath.Join(m.dir, "memory"))
	cmd.Stdout, cmd.Stderr, cmd.ExtraFiles = log, log, []*os.File{guest}
	// The computer is several processes; they are one group, and the power is cut for all of them at once.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	answers, err := cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err = errors.Join(err, guest.Close()); err != nil {
		return false, err
	}
	power := time.AfterFunc(2*patience, func() { _ = cmd.Cancel() })
	err = talk(bufio.NewReader(lines), func(word []string) error {
		if word[0] == at.word {
			if at.nth--; at.nth == 0 {
				power.Reset(at.delay)
			}
		}
		err := hear(word)
		if word[0] == sayReady || word[0] == sayReceipt {
			_, _ = answers.Write([]byte("ok\n")) // it may be dead already
		}
		return err
	})
	cut = !power.Stop()
	// Nobody of the group may live on and write to the disk: its last process closes the pipe. Until Wait the group's
	// number is nobody else's.
	_ = cmd.Cancel()
	_, _ = io.Copy(io.Discard, lines)
	_ = cmd.Wait() // how a killed computer ended says nothing
	if err == nil && ctx.Err() != nil {
		err = fmt.Errorf("the guest's time was over: %w", ctx.Err())
	}
	if err != nil {
		raw, _ := os.ReadFile(log.Name())
		return cut, fmt.Errorf("%w\n%s", err, raw[max(0, len(raw)-1500):])
	}
	return cut, nil
}

// talk reads what the guest says until its end or an error. What it said between our decision and its end counts, a
// line that was cut does not.
func talk(lines *bufio.Reader, hear func(word []string) error) error {
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			return nil // the guest's end
		}
		if word := strings.Fields(line); len(word) > 0 {
			if err := hear(word); err != nil {
				return err
			}
		}
	}
}
