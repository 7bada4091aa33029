package main

import (
	"context"
	"errors"
	"fmt"

	"hailong/cmd/centre"
	"hailong/cmd/program"
	"hailong/collector/store"
)

type importCmd struct {
	data
	File string `arg:"" help:"A courier file, from kiosk salvage." placeholder:"FILE"`
}

// Help teaches.
func (importCmd) Help() string {
	return `Verifies each message as if it had come over the network and files what is new; a second import of the same
file changes nothing. The centre may go on meanwhile.

  collector import quay-01.courier --data /var/lib/collector`
}

// Run imports.
func (c *importCmd) Run(ctx context.Context) error {
	keys, err := centre.ReadKeys(c.folder())
	if err != nil {
		return err
	}
	return c.with(ctx, func(s *store.Store) error {
		bar := program.NewProgress("imported")
		got, err := centre.Import(ctx, s, keys, c.File, bar.Show)
		bar.End()
		if err != nil {
			return err
		}
		fmt.Printf("%s: %d messages of %s, %d new records, %d unreadable or set aside\n",
			c.File, got.Messages, got.Terminal, got.Added, got.Unreadable)
		if got.Unreadable > 0 {
			return program.Exit(program.Differs, errors.New(
				"some records could not be read, or were called lost before and wait for a person"))
		}
		return nil
	})
}
