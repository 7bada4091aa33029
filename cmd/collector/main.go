// Command collector is the centre: it files the votes of all terminals, shows the live page,
// answers the API and proves that nothing was lost or changed.
package main

import (
	"errors"
	"os"

	"github.com/alecthomas/kong"

	"hailong/cmd/centre"
	"hailong/cmd/program"
	"hailong/collector/store"
	"hailong/config"
)

var version = "dev"

type cli struct {
	Init     initCmd     `cmd:"" help:"Make a new data folder: store, keys."`
	Serve    serveCmd    `cmd:"" help:"Run the centre: broker, filing, live page, API."`
	Terminal terminalCmd `cmd:"" help:"Register terminals."`
	Token    tokenCmd    `cmd:"" help:"Make bearer tokens for the API."`
	Link     linkCmd     `cmd:"" help:"Make a one-time sign-in link for the live page."`
	Import   importCmd   `cmd:"" help:"Take in what a terminal sent on a stick."`
	Verify   verifyCmd   `cmd:"" help:"Prove the store: rebuild all counts, check all chains and signatures."`

	Version kong.VersionFlag `help:"Print the version and exit."`
}

const about = `Collector is the centre of rating terminals. Everything lives in one data folder.

Start here:
  collector init --data /var/lib/collector
  collector terminal add quay-01 --counter "Quầy 1 – Đất đai" --data /var/lib/collector -o identity.toml
  collector serve --data /var/lib/collector
  collector link --data /var/lib/collector
  collector verify --data /var/lib/collector

Exit codes: 0 ok, 1 error, 2 configuration or usage, 5 differences found.`

func main() {
	os.Exit(program.Main("collector", about, version, &cli{}, exitCode))
}

func exitCode(err error) int {
	switch {
	case errors.Is(err, config.ErrConfig), errors.Is(err, store.ErrNone), errors.Is(err, store.ErrExists):
		return program.Usage
	}
	return program.Failed
}

// data is the data folder of every command.
type data struct {
	Data string `required:"" placeholder:"DIR" env:"COLLECTOR_DATA" help:"The data folder."`
}

func (d data) folder() centre.Folder { return centre.Folder(d.Data) }
