package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"hailong/cmd/centre"
	"hailong/cmd/program"
	"hailong/collector/store"
	"hailong/vote"
)

type initCmd struct {
	data
	Demo bool `help:"Make a demo store: test presses count, and its data can never enter a real one."`
}

// Help teaches.
func (initCmd) Help() string {
	return `Makes the folder with a store and two keys: one signs receipts, one opens comments. Keep the folder
private and back it up: terminals believe these keys only.

  collector init --data /var/lib/collector
  collector init --data demo --demo`
}

// Run makes the folder.
func (c *initCmd) Run(ctx context.Context) error {
	// Before the keys: a folder whose key was lost must not get a new one, which no terminal believes.
	if _, err := os.Stat(c.folder().Store()); err == nil {
		return fmt.Errorf("%s: %w", c.folder().Store(), store.ErrExists)
	}
	if err := os.MkdirAll(c.Data, 0o700); err != nil {
		return fmt.Errorf("make data folder: %w", err)
	}
	if err := centre.MakeKeys(c.folder()); err != nil {
		return err
	}
	if err := store.Create(ctx, c.folder().Store(), c.Demo); err != nil {
		return err
	}
	kind := "store"
	if c.Demo {
		kind = "demo store"
	}
	fmt.Printf("%s: new %s\n", c.Data, kind)
	return nil
}

// with opens the store for one command.
func (f data) with(ctx context.Context, do func(*store.Store) error) error {
	s, err := store.Open(ctx, f.folder().Store())
	if err != nil {
		return err
	}
	return errors.Join(do(s), s.Close())
}

type terminalCmd struct {
	Add terminalAddCmd `cmd:"" help:"Register a terminal and write its identity."`
}

type terminalAddCmd struct {
	data
	ID      string `arg:"" help:"3 to 32 of a-z, 0-9 and '-', for example quay-01."`
	Counter string `help:"The counter's name as people read it." placeholder:"NAME"`
	Out     string `short:"o" required:"" placeholder:"FILE" help:"Where to write the identity (a new file)."`
}

// Help teaches.
func (terminalAddCmd) Help() string {
	return `Writes a file that only its owner reads. Carry it to the terminal and delete it here: whoever holds
it can vote in the terminal's name.

  collector terminal add quay-01 --counter "Quầy 1 – Đất đai" --data DIR -o identity.toml`
}

// Run registers.
func (c *terminalAddCmd) Run(ctx context.Context) error {
	id, err := vote.ParseTerminalID(c.ID)
	if err != nil {
		return program.Exit(program.Usage, err)
	}
	if len(c.Counter) > vote.MaxName {
		return program.Exit(program.Usage, fmt.Errorf("counter %q has %d bytes, at most %d are allowed",
			c.Counter, len(c.Counter), vote.MaxName))
	}
	if _, err := os.Stat(c.Out); err == nil {
		return program.Exit(program.Usage, fmt.Errorf("%s is there already; choose another -o", c.Out))
	}
	own, err := centre.ReadKeys(c.folder())
	if err != nil {
		return err
	}
	return c.with(ctx, func(s *store.Store) error {
		if err := centre.Enrol(ctx, s, own, id, c.Counter, c.Out); err != nil {
			return err
		}
		fmt.Printf("%s registered; identity in %s\n", id, c.Out)
		return nil
	})
}

type tokenCmd struct {
	Add tokenAddCmd `cmd:"" help:"Make a token."`
}

type tokenAddCmd struct {
	data
	Name  string   `arg:"" help:"Who will use it; stands in the log."`
	Scope []string `required:"" enum:"scores,terminals,votes" help:"What it may read: scores, terminals, votes." placeholder:"SCOPE"`
	Out   string   `short:"o" required:"" placeholder:"FILE" help:"Where to write the token (a new file)."`
}

// Help teaches.
func (tokenAddCmd) Help() string {
	return `The store keeps only a hash: a lost token is replaced, not recovered. Scope votes shows single votes and
is the auditor's.

  collector token add thong-ke --scope scores --scope terminals --data DIR -o token
  curl -H "Authorization: Bearer $(cat token)" "http://127.0.0.1:8080/api/v1/scores?group=hall"`
}

// Run makes a token.
func (c *tokenAddCmd) Run(ctx context.Context) error {
	if _, err := os.Stat(c.Out); err == nil {
		return program.Exit(program.Usage, fmt.Errorf("%s is there already; choose another -o", c.Out))
	}
	token := rand.Text() + rand.Text()
	return c.with(ctx, func(s *store.Store) error {
		if err := s.AddToken(ctx, c.Name, sha256.Sum256([]byte(token)), c.Scope, time.Now()); err != nil {
			return err
		}
		if err := centre.WriteSecret(c.Out, []byte(token+"\n")); err != nil {
			return err
		}
		fmt.Printf("token %s (%s) in %s\n", c.Name, strings.Join(c.Scope, ", "), filepath.Clean(c.Out))
		return nil
	})
}

// linkFor is how long a sign-in link waits to be opened: long enough to be typed on another machine.
const linkFor = 15 * time.Minute

type linkCmd struct {
	data
	URL string `default:"http://127.0.0.1:8080" help:"Where people reach the live page." placeholder:"URL"`
}

// Help teaches.
func (linkCmd) Help() string {
	return `The link works once, within 15 minutes.

  collector link --data DIR
  collector link --data DIR --url http://127.0.0.1:9000`
}

// Run makes a link.
func (c *linkCmd) Run(ctx context.Context) error {
	token := rand.Text() + rand.Text()
	return c.with(ctx, func(s *store.Store) error {
		if err := s.AddLink(ctx, sha256.Sum256([]byte(token)), time.Now().Add(linkFor)); err != nil {
			return err
		}
		fmt.Printf("%s/in/%s\n", strings.TrimSuffix(c.URL, "/"), token)
		return nil
	})
}
