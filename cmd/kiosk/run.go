package main

import (
	"context"
	"errors"
	"fmt"

	"hailong/cmd/agent"
	"hailong/cmd/console"
	"hailong/cmd/program"
	"hailong/config"
	"hailong/sync/wire"
	"hailong/vote"
	"hailong/vote/session"
)

// Events that this program logs.
const eventRunning = "kiosk.running"

type runCmd struct {
	Config string `required:"" placeholder:"FILE" help:"The terminal's configuration (TOML)."`
	Keys   bool   `help:"Let keys 1 to 5 of this console press, for trying out. They count as button votes."`
}

// Help teaches.
func (runCmd) Help() string {
	return `Runs until Ctrl-C or SIGTERM. Needs no network, no display and no correct clock: what cannot be
sent waits on the disk.

  kiosk run --config /etc/kiosk/kiosk.toml
  kiosk run --config kiosk.toml --keys`
}

// Run runs the agent.
func (c *runCmd) Run(ctx context.Context) error {
	cfg, id, err := load(c.Config)
	if err != nil {
		return err
	}
	log := program.Logger(cfg.Log.Level)
	inputs := make(chan session.Event)
	if c.Keys {
		held, err := console.Keys(ctx, inputs, vote.Button)
		if err != nil {
			return err
		}
		defer held.Close()
	}
	err = agent.Serve(ctx, agent.Setup{
		Config: cfg, Identity: id, Software: "kiosk " + version, Codec: wire.NewCodec(), Inputs: inputs, Log: log,
		Inspect: agent.InChild,
	}, func(a *agent.Agent) {
		log.Info(eventRunning, "terminal", id.Terminal, "socket", cfg.Socket, "pending", a.Pending())
	})
	if err != nil {
		return fmt.Errorf("run terminal %s: %w", id.Terminal, err)
	}
	return nil
}

// load reads and judges a configuration and its identity.
func load(path string) (config.Kiosk, config.Identity, error) {
	cfg, err := config.LoadKiosk(path)
	if err != nil {
		return cfg, config.Identity{}, err
	}
	id, err := config.LoadIdentity(cfg.Identity)
	return cfg, id, err
}

type checkCmd struct {
	Config string `required:"" placeholder:"FILE" help:"The terminal's configuration (TOML)."`
}

// Help teaches.
func (checkCmd) Help() string {
	return `Tells every problem at once, each with the path of its field. Exit code 2 when there is one,
3 when only the identity is missing.

  kiosk check --config kiosk.toml`
}

// Run checks.
func (c *checkCmd) Run() error {
	cfg, bad := config.LoadKiosk(c.Config)
	id := config.Identity{}
	var err error
	if cfg.Identity != "" {
		id, err = config.LoadIdentity(cfg.Identity)
	}
	if bad != nil {
		return program.Exit(program.Usage, errors.Join(bad, err))
	}
	if err != nil {
		return err
	}
	fmt.Printf("%s: ok\n  terminal  %s\n  counter   %s\n  broker    %s\n  outbox    %s\n  socket    %s\n",
		c.Config, id.Terminal, orNone(cfg.Counter.Name), cfg.Broker.Address, cfg.Data, cfg.Socket)
	return nil
}

func orNone(s string) string {
	if s == "" {
		return "(none)"
	}
	return s
}
