//go:build !linux

package gauge

import (
	"errors"
	"syscall"
	"time"
)

type member struct{ pid int }

func family(int) ([]member, error) { return nil, errors.ErrUnsupported }

func sum([]member) time.Duration { return 0 }

func memory(int) int64 { return 0 }

func attributes(*Account) *syscall.SysProcAttr { return nil }
