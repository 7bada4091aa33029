package mqtt

import (
	"syscall"

	"golang.org/x/sys/unix"
)

func limitUnacknowledged(_, _ string, raw syscall.RawConn) error {
	var err error
	ctl := raw.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(tcpUserTimeout.Milliseconds()))
	})
	if ctl != nil {
		return ctl
	}
	return err
}
