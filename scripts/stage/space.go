package stage

import (
	"os"
	"syscall"
)

// Space is what a harness may have to itself.
type Space int

// The kinds of a Space.
const (
	Nothing Space = 0
	Network Space = syscall.CLONE_NEWNET // a loopback of its own, which is down at first
	Mounts  Space = syscall.CLONE_NEWNS  // what is mounted there is mounted nowhere else
)

func apart(a *syscall.SysProcAttr, s Space) {
	a.Unshareflags = uintptr(s)
	if uid := os.Getuid(); uid != 0 {
		a.Cloneflags = syscall.CLONE_NEWUSER
		a.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: uid, Size: 1}}
		a.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
	}
}

func withUs() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
