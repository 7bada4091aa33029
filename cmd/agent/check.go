package agent

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"hailong/sync/outbox"
)

const (
	// checkVerb makes a program look at an outbox and end.
	checkVerb = "check-outbox"
	// checkFor is how long an outbox may take to be looked through. 100,000 records take 0.4 s here; a box that is
	// taken for damaged because its card is slow loses nothing but its epoch.
	checkFor = 10 * time.Second
	// damaged is the exit code of a check that found damage; any other but 0 and 1 is a check that did not survive it.
	damaged = 5
)

// CheckForParent looks through an outbox, where the command line asks for it, and tells the exit code. A program whose
// agents inspect InChild calls it first of all.
func CheckForParent() (code int, asked bool) {
	if len(os.Args) != 3 || os.Args[1] != checkVerb {
		return 0, false
	}
	err := outbox.Check(os.Args[2])
	if err == nil {
		return 0, true
	}
	fmt.Fprintln(os.Stderr, err)
	if errors.Is(err, outbox.ErrDamaged) {
		return damaged, true
	}
	return 1, true
}

// InChild has a child process look through an outbox: on a broken page bbolt may end the process or never come back.
// It returns outbox.ErrDamaged with the reason. Where the child could not look, Open will tell what is wrong.
func InChild(ctx context.Context, path string) error { return ask(ctx, checkFor, checkVerb, path) }

func ask(ctx context.Context, within time.Duration, verb, path string) error {
	program, err := os.Executable()
	if err != nil {
		return outbox.Check(path)
	}
	limit, stop := context.WithTimeout(ctx, within)
	defer stop()
	child := exec.CommandContext(limit, program, verb, path)
	said := &head{}
	child.Stderr = said
	err = child.Run()
	exit := (*exec.ExitError)(nil)
	switch {
	case err == nil || ctx.Err() != nil:
		return ctx.Err()
	case limit.Err() != nil:
		return fmt.Errorf("%w: the check took longer than %v", outbox.ErrDamaged, within)
	case !errors.As(err, &exit): // it never ran
		return outbox.Check(path)
	case exit.ExitCode() == 1:
		return nil
	}
	first, _, _ := strings.Cut(said.text, "\n")
	return fmt.Errorf("%w: %s (%w)", outbox.ErrDamaged, first, err)
}

// head keeps the beginning of what a child says: of a panic, the line that counts.
type head struct{ text string }

func (h *head) Write(p []byte) (int, error) {
	const enough = 400
	h.text += string(p[:min(len(p), enough-len(h.text))])
	return len(p), nil
}
