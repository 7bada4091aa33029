package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"hailong/cmd/centre"
	"hailong/cmd/program"
	"hailong/collector/store"
	"hailong/config"
	"hailong/sync/wire"
)

type serveCmd struct {
	data
	Config string `placeholder:"FILE" help:"Configuration (TOML); without one the defaults hold."`
	Ready  string `hidden:"" help:"File to make once both doors are open."`
}

// Help teaches.
func (serveCmd) Help() string {
	return `Runs until Ctrl-C or SIGTERM: the broker terminals connect to, the filing of their votes, the live
page and the API. Plain TCP on this machine only, until certificates come.

  collector serve --data /var/lib/collector
  collector serve --data /var/lib/collector --config collector.toml`
}

// Run serves.
func (c *serveCmd) Run(ctx context.Context) error {
	cfg := config.CollectorDefaults()
	if c.Config != "" {
		var err error
		if cfg, err = config.LoadCollector(c.Config); err != nil {
			return err
		}
	}
	var readied error
	err := centre.Serve(ctx, centre.Setup{
		Folder: c.folder(), Config: cfg, Version: version, Log: program.Logger(cfg.Log.Level),
		Ready: func() {
			if c.Ready != "" {
				readied = os.WriteFile(c.Ready, nil, 0o600)
			}
		},
	})
	return errors.Join(err, readied)
}

type verifyCmd struct {
	data
}

// Help teaches.
func (verifyCmd) Help() string {
	return `Opens every batch as its terminal signed it, rebuilds records, votes and counts from them and compares.
The centre may go on meanwhile. Exit code 5 when anything differs, with the place.

  collector verify --data /var/lib/collector`
}

// Run verifies.
func (c *verifyCmd) Run(ctx context.Context) error {
	return c.with(ctx, func(s *store.Store) error {
		bar := program.NewProgress("verified")
		differences, sum, err := s.Verify(ctx, wire.NewCodec(), bar.Show)
		bar.End()
		if err != nil {
			return err
		}
		for _, d := range differences {
			fmt.Printf("%s: %s\n", d.Where, d.What)
		}
		fmt.Printf("%d terminals' lines, %d records, %d votes, %d signed batches; "+
			"%d unreadable, %d votes unproven, %d records missing in %d holes, %d forks, "+
			"%d messages set aside, %d differences\n",
			sum.Streams, sum.Records, sum.Votes, sum.Proofs, sum.Unreadable, sum.Unproven, sum.Missing, sum.Holes,
			sum.Forks, sum.Aside, len(differences))
		if len(differences) > 0 {
			return program.Exit(program.Differs, errors.New("the store is not what the terminals signed"))
		}
		return nil
	})
}
