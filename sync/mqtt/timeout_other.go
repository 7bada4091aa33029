//go:build !linux

package mqtt

import "syscall"

// limitUnacknowledged leaves the system's own limit: only Linux lets us set it.
func limitUnacknowledged(_, _ string, _ syscall.RawConn) error { return nil }
