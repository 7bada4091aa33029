package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"hailong/cmd/agent"
	"hailong/cmd/program"
	"hailong/vote"
)

// pressTimeout is how long an answer of the agent is waited for: longer than a worn card stalls.
const pressTimeout = 30 * time.Second

type pressCmd struct {
	Level   int      `arg:"" help:"1 very unsatisfied … 5 very satisfied."`
	ID      string   `help:"Press id. Repeating a press with the same id is harmless." placeholder:"ID"`
	Reason  []string `help:"Reason code of the survey; may be given several times." placeholder:"CODE"`
	Comment string   `help:"Free text; sealed to the centre before it reaches the disk." placeholder:"TEXT"`
	Socket  string   `default:"agent.sock" env:"KIOSK_SOCKET" help:"The agent's socket." placeholder:"PATH"`
}

// Help teaches.
func (pressCmd) Help() string {
	return `Enters a vote on channel "test": kept and chained like any vote, and outside every score unless the
centre's store is a demo. Prints JSON once the vote is on the terminal's disk.

  kiosk press 5
  kiosk press 1 --reason cho-lau --reason thai-do --comment "Chờ hai tiếng"
  kiosk press 4 --id thu-may-01 --socket run/quay-01/agent.sock

Exit code 4 means: not recorded, or not known to be. Repeat it with the id that was printed.`
}

// Run presses.
func (c *pressCmd) Run(ctx context.Context) error {
	if c.Level < int(vote.VeryUnsatisfied) || c.Level > int(vote.VerySatisfied) {
		return program.Exit(program.Usage,
			fmt.Errorf("level %d: use 1 (very unsatisfied) to 5 (very satisfied)", c.Level))
	}
	if c.ID == "" {
		// Made here, so that even an answer that never comes leaves an id to repeat the press with.
		c.ID = rand.Text()
	}
	ctx, cancel := context.WithTimeout(ctx, pressTimeout)
	defer cancel()
	placed, err := agent.NewClient(c.Socket).Press(ctx, agent.Ballot{
		ID: c.ID, Level: vote.Level(c.Level), Reasons: c.Reason, Comment: c.Comment,
	})
	refused := agent.Refusal{}
	switch errors.As(err, &refused); {
	case err == nil:
	case refused.Code == agent.Invalid:
		return program.Exit(program.Usage, err)
	case refused.Code == agent.Partly:
		return program.Exit(program.NotRecorded, fmt.Errorf(
			"phiếu đã ghi, lý do và ý kiến chưa ghi · the vote is recorded, its reasons and comment are not: %w; "+
				"to add them, give the same command with --id %s", err, c.ID))
	case refused.Code == "": // no agent said so
		err = fmt.Errorf("%w; is the agent running, and is --socket right?", err)
		fallthrough
	default:
		return program.Exit(program.NotRecorded, fmt.Errorf(
			"chưa ghi được · not recorded: %w; to try again, give the same command with --id %s", err, c.ID))
	}
	return json.NewEncoder(os.Stdout).Encode(placed)
}

type statusCmd struct {
	JSON   bool   `help:"Print JSON."`
	Socket string `default:"agent.sock" env:"KIOSK_SOCKET" help:"The agent's socket." placeholder:"PATH"`
}

// Help teaches.
func (statusCmd) Help() string {
	return `Asks the running agent over its socket, because the outbox's file is locked by it.

  kiosk status
  kiosk status --json --socket run/quay-01/agent.sock`
}

// Run asks and prints.
func (c *statusCmd) Run(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, pressTimeout)
	defer cancel()
	s, err := agent.NewClient(c.Socket).Status(ctx)
	if err != nil {
		return fmt.Errorf("%w; is the agent running, and is --socket right?", err)
	}
	if c.JSON {
		out := json.NewEncoder(os.Stdout)
		out.SetIndent("", "  ")
		return out.Encode(s)
	}
	print(s)
	return nil
}

func print(s agent.Status) {
	row := func(name, format string, args ...any) { fmt.Printf("%-11s %s\n", name, fmt.Sprintf(format, args...)) }
	row("terminal", "%s  %s", s.Terminal, s.Counter)
	row("software", "%s", s.Software)
	row("link", "%s", link(s.Link))
	row("records", "%d written, %d receipted, %d waiting", s.NextSeq-1, s.Receipted, s.Pending)
	if s.Oldest != "" {
		row("", "oldest waiting since %s", s.Oldest)
	}
	row("epoch", "%s", s.Epoch)
	for _, n := range s.Counters {
		row("casts", "1: %d   2: %d   3: %d   4: %d   5: %d", n[0], n[1], n[2], n[3], n[4])
	}
	clock := "not synchronised"
	if s.Clock.Synced {
		clock = "synchronised"
	}
	row("clock", "%s, %s, boot %d", s.Clock.Wall.Format(time.DateTime), clock, s.Clock.Boot)
	row("outbox", "%d KB", s.FileBytes/1024)
	for _, w := range s.Warnings {
		row("warning", "%s: %s", w.Code, w.Text)
	}
}

func link(l agent.Link) string {
	state := "down"
	if l.Connected {
		state = "up"
	}
	if l.Since != nil {
		state += " since " + l.Since.Format(time.DateTime)
	}
	if l.LastReceipt == nil {
		return state + ", no receipt yet"
	}
	return state + ", last receipt " + l.LastReceipt.Format(time.DateTime)
}
