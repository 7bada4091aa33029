package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"hailong/cmd/agent"
	"hailong/cmd/program"
	"hailong/device/clock"
	"hailong/sync/courier"
	"hailong/sync/outbox"
	"hailong/sync/wire"
)

type salvageCmd struct {
	File   string `arg:"" help:"The damaged outbox; it is only read." placeholder:"FILE"`
	Out    string `short:"o" required:"" placeholder:"OUT" help:"The file for the centre (a new file)."`
	Config string `default:"kiosk.toml" placeholder:"CONFIG" help:"Configuration of the terminal whose outbox it was."`

	Unproven bool `help:"Write the file though nothing in it can be proven to be this terminal's."`
}

// Help teaches.
func (salvageCmd) Help() string {
	return `A running agent does this by itself: it moves a damaged outbox to attic/ in its data folder and sends
what is left. This is for a card that no longer runs. The file holds the terminal's own signed messages, as
they would have gone over the network; taking it to the centre twice, or after the agent sent the same,
changes nothing. The terminal's own identity.toml must be there to sign them; without it nobody can.

  kiosk salvage /mnt/card/outbox.db -o quay-01.courier --config kiosk.toml
  collector import quay-01.courier --data DIR                              (at the centre)`
}

// Run salvages.
func (c *salvageCmd) Run(context.Context) (err error) {
	_, id, err := load(c.Config)
	if err != nil {
		return err
	}
	if info, err := os.Stat(c.File); err == nil && !info.Mode().IsRegular() {
		return program.Exit(program.Usage, fmt.Errorf("%s is no file", c.File))
	}
	if owner, err := outbox.Owner(c.File); err == nil && owner != id.Terminal {
		return program.Exit(program.Usage, fmt.Errorf("%s belongs to %s, and %s is the configuration of %s",
			c.File, owner, c.Config, id.Terminal))
	}
	clock, err := clock.New(0)
	if err != nil {
		return err
	}
	out, err := os.OpenFile(c.Out, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, os.ErrExist) {
		return program.Exit(program.Usage, fmt.Errorf("%s is there already; choose another -o", c.Out))
	}
	if err != nil {
		return err
	}
	defer func() {
		if err = errors.Join(err, out.Sync(), out.Close()); err != nil {
			err = errors.Join(err, os.Remove(c.Out))
		}
	}()
	stick, err := courier.New(out, id.Terminal)
	if err != nil {
		return err
	}
	found, err := agent.Salvage(c.File, id, wire.NewCodec(), clock.Now, stick)
	if err != nil {
		return err
	}
	if found.Records == 0 {
		return fmt.Errorf("%s: no whole record of any outbox is in it", c.File)
	}
	if found.Proven == 0 && !c.Unproven {
		return program.Exit(program.Usage, fmt.Errorf("%s: none of its %d records can be proven to be %s's; "+
			"--unproven writes them all the same, and the centre counts them apart",
			c.File, found.Records, id.Terminal))
	}
	fmt.Printf("%s: %d records of %d epochs, %d of them proven, in %d messages\n"+
		"next, at the centre: collector import %[1]s --data DIR\n",
		c.Out, found.Records, found.Epochs, found.Proven, found.Messages)
	return nil
}
