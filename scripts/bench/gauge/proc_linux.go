package gauge

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// member is one process of a family.
type member struct {
	pid, parent int
	cpu         time.Duration // with that of children it has buried
}

// tick is the kernel's unit in /proc/PID/stat, the same on every Linux that Go runs on.
const tick = 10 * time.Millisecond

// family is a process and its descendants. Process groups would not do: PostgreSQL's servers each
// make one of their own.
func family(root int) ([]member, error) {
	paths, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return nil, err
	}
	var all []member
	for _, path := range paths {
		raw, err := os.ReadFile(path)
		if err != nil {
			continue // it ended while we looked
		}
		if m, ok := parse(raw); ok {
			all = append(all, m)
		}
	}
	inside := map[int]bool{root: true}
	for grown := true; grown; {
		grown = false
		for _, m := range all {
			if inside[m.parent] && !inside[m.pid] {
				inside[m.pid], grown = true, true
			}
		}
	}
	var out []member
	for _, m := range all {
		if inside[m.pid] {
			out = append(out, m)
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("process %d has ended", root)
	}
	return out, nil
}

// parse reads a line of proc(5)'s stat: the name in the second field may hold anything.
func parse(raw []byte) (m member, ok bool) {
	open, end := bytes.IndexByte(raw, ' '), bytes.LastIndexByte(raw, ')')
	if open < 0 || end < 0 {
		return m, false
	}
	pid, err := strconv.Atoi(string(raw[:open]))
	fields := strings.Fields(string(raw[end+1:]))
	const parent, first, last = 1, 11, 14 // ppid; utime, stime, cutime, cstime
	if err != nil || len(fields) <= last {
		return m, false
	}
	m.pid = pid
	m.parent, _ = strconv.Atoi(fields[parent])
	for _, f := range fields[first : last+1] {
		n, _ := strconv.Atoi(f)
		m.cpu += time.Duration(n) * tick
	}
	return m, true
}

func sum(members []member) (cpu time.Duration) {
	for _, m := range members {
		cpu += m.cpu
	}
	return cpu
}

// memory is what a process has in RAM, pages that several share counted in shares, in bytes.
func memory(pid int) int64 {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return 0 // it ended while we looked
	}
	for line := range strings.Lines(string(raw)) {
		if rest, ok := strings.CutPrefix(line, "Pss:"); ok {
			kb, _ := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			return kb << 10
		}
	}
	return 0
}

func attributes(as *Account) *syscall.SysProcAttr {
	a := &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if as != nil {
		a.Credential = &syscall.Credential{Uid: as.UID, Gid: as.GID}
	}
	return a
}
