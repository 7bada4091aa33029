// Command kiosk is a rating terminal: its agent, and the commands that talk to it.
package main

import (
	"errors"
	"os"

	"github.com/alecthomas/kong"

	"hailong/cmd/agent"
	"hailong/cmd/program"
	"hailong/config"
)

var version = "dev"

type cli struct {
	Run    runCmd    `cmd:"" help:"Run the terminal: take presses, keep them, send them to the centre."`
	Press  pressCmd  `cmd:"" help:"Enter a test vote at the running agent and wait until it is on disk."`
	Status statusCmd `cmd:"" help:"Ask the running agent how it fares."`
	Check  checkCmd  `cmd:"" help:"Check a configuration and tell every problem at once."`

	Salvage salvageCmd `cmd:"" help:"Write what is left of a damaged outbox to a file for the centre."`

	Version kong.VersionFlag `help:"Print the version and exit."`
}

const about = `Kiosk is the agent of a rating terminal. A vote is on its disk before it says thanks, and
goes to the centre exactly once, whatever fails in between.

Start here:
  collector terminal add quay-01 --data DIR -o identity.toml    (at the centre)
  kiosk check --config kiosk.toml
  kiosk run --config kiosk.toml
  kiosk press 5 --socket agent.sock

Exit codes: 0 ok, 1 error, 2 configuration or usage, 3 not enrolled, 4 not recorded.`

func main() {
	if code, asked := agent.CheckForParent(); asked {
		os.Exit(code)
	}
	os.Exit(program.Main("kiosk", about, version, &cli{}, exitCode))
}

func exitCode(err error) int {
	switch {
	case errors.Is(err, config.ErrNotEnrolled):
		return program.NotEnrolled
	case errors.Is(err, config.ErrConfig):
		return program.Usage
	}
	return program.Failed
}
