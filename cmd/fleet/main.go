// Command fleet simulates terminals: a living hall for demonstrations and training, and a load
// that proves that nothing is lost. Desk, outbox and uplink are the real ones; only the board is
// made of channels.
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
	Hall hallCmd `cmd:"" help:"Run a hall of counters whose citizens vote."`
	Load loadCmd `cmd:"" help:"Cast many votes from many terminals and compare what arrived."`

	Version kong.VersionFlag `help:"Print the version and exit."`
}

const about = `Fleet runs simulated terminals against a centre on this machine.

  collector init --data demo --demo
  collector serve --data demo &
  fleet hall --dir terminals --centre demo
  fleet load --dir load --centre demo --terminals 100 --votes 10000

Exit codes: 0 ok, 1 error, 2 configuration or usage, 3 not enrolled, 5 differences found.`

func main() {
	if code, asked := agent.CheckForParent(); asked {
		os.Exit(code)
	}
	os.Exit(program.Main("fleet", about, version, &cli{}, exitCode))
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
