package program

import (
	"fmt"
	"os"
	"strings"
	"time"
)

// Progress shows how far a long work is: one line that moves on a console, a line every ten
// seconds elsewhere. It is used by one goroutine.
type Progress struct {
	what    string
	console bool
	started time.Time
	shown   time.Time
}

// NewProgress begins a work.
func NewProgress(what string) *Progress {
	info, err := os.Stderr.Stat()
	now := time.Now()
	return &Progress{
		what: what, console: err == nil && info.Mode()&os.ModeCharDevice != 0, started: now, shown: now,
	}
}

// Show tells that done of total are done.
func (p *Progress) Show(done, total int) {
	done = min(done, total)
	pause, now := 10*time.Second, time.Now()
	if p.console {
		pause = 100 * time.Millisecond
	}
	if done < total && now.Sub(p.shown) < pause || total == 0 {
		return
	}
	p.shown = now
	const width = 30
	bar := strings.Repeat("█", width*done/total) + strings.Repeat("·", width-width*done/total)
	line := fmt.Sprintf("%s %s %d/%d", p.what, bar, done, total)
	if done > 0 && done < total {
		left := time.Duration(float64(now.Sub(p.started)) / float64(done) * float64(total-done))
		line += fmt.Sprintf(", %s left", left.Round(time.Second))
	}
	if p.console {
		fmt.Fprintf(os.Stderr, "\r\x1b[K%s", line)
		return
	}
	fmt.Fprintln(os.Stderr, line)
}

// End leaves the line.
func (p *Progress) End() {
	if p.console {
		fmt.Fprintln(os.Stderr)
	}
}
