package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"hailong/cmd/centre"
	"hailong/cmd/program"
	"hailong/collector/ingest"
	"hailong/collector/store"
	"hailong/sync/courier"
	"hailong/sync/wire"
	"hailong/vote"
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
	id, messages, err := c.read()
	if err != nil {
		return fmt.Errorf("%s: %w", c.File, err)
	}
	return c.with(ctx, func(s *store.Store) error {
		log := program.Logger("error") // each refusal is told below
		in := ingest.New(ingest.Options{
			Store: s, Codec: wire.NewCodec(), SignKey: keys.Receipt, Now: time.Now, Log: log,
		})
		bar := program.NewProgress("imported")
		defer bar.End()
		for n, m := range messages {
			if err := c.take(ctx, in, id, m); err != nil {
				return fmt.Errorf("%s, message %d of %d: %w", c.File, n+1, len(messages), err)
			}
			bar.Show(n+1, len(messages))
		}
		counts := in.Counters()
		fmt.Printf("%s: %d messages of %s, %d new records, %d set apart\n",
			c.File, len(messages), id, counts.Filed, counts.Quarantined)
		return nil
	})
}

// read reads the whole file, so that a torn one changes nothing.
func (c *importCmd) read() (vote.TerminalID, [][]byte, error) {
	f, err := os.Open(c.File)
	if err != nil {
		return "", nil, err
	}
	defer f.Close()
	id, all, err := courier.Read(f)
	if err != nil {
		return "", nil, err
	}
	var messages [][]byte
	for m, err := range all {
		if err != nil {
			return "", nil, fmt.Errorf("%w; copy it again from the terminal", err)
		}
		messages = append(messages, m)
	}
	return id, messages, nil
}

// take files one message. A gap is mended by the hello that follows it.
func (c *importCmd) take(ctx context.Context, in *ingest.Ingest, id vote.TerminalID, m []byte) error {
	code, err := in.Take(ctx, id, m)
	switch code {
	case wire.OK, wire.Quarantined:
		return nil
	case wire.Unknown:
		return errors.Join(err, fmt.Errorf("is %s registered here, and is the file from its own key?", id))
	}
	return fmt.Errorf("refused (%s): %w", code, err)
}
