// Package agent wires one terminal: outbox, desk, uplink and the socket of its commands. Kiosk
// runs one, fleet runs many. It never decides what a press means or when a record may go.
package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"hailong/config"
	"hailong/device/clock"
	"hailong/sync/outbox"
	"hailong/sync/uplink"
	"hailong/sync/wire"
	"hailong/vote"
	"hailong/vote/desk"
	"hailong/vote/session"
)

// ErrHeld means that another agent runs on this outbox or socket.
var ErrHeld = outbox.ErrHeld

// Setup is what a terminal is made of.
type Setup struct {
	Config   config.Kiosk
	Identity config.Identity
	Software string
	Codec    *wire.Codec
	Inputs   <-chan session.Event
	Log      *slog.Logger

	// What simulated terminals change.
	Reserve int64         // bytes of disk for the outbox, as outbox.Options
	Visit   session.Waits // zero: those of a counter
	Uplink  uplink.Waits  // zero: those of the protocol
	Dial    uplink.Dial   // nil: the broker of Config
	Show    func(session.State)
	Kept    func(desk.Kept)
}

// Agent is one running terminal.
type Agent struct {
	s      Setup
	box    *outbox.Box
	clock  *clock.Clock
	desk   *desk.Desk
	uplink *uplink.Uplink
}

// Open opens the outbox and makes the parts; Run starts them.
func Open(ctx context.Context, s Setup) (*Agent, error) {
	if err := os.MkdirAll(s.Config.Data, 0o700); err != nil {
		return nil, fmt.Errorf("make data folder: %w", err)
	}
	box, err := outbox.Open(filepath.Join(s.Config.Data, "outbox.db"), outbox.Options{
		Terminal: s.Identity.Terminal, Reserve: s.Reserve, Log: s.Log,
	})
	if err != nil {
		return nil, err
	}
	a := &Agent{s: s, box: box}
	if a.clock, err = bootClock(ctx, box); err != nil {
		return nil, errors.Join(err, box.Close())
	}
	a.desk = desk.New(desk.Options{
		Survey: vote.Default(), Counter: s.Config.Counter.Name, Officer: s.Config.Counter.Officer,
		Layout: "5", Language: s.Config.Screen.Language, Touch: s.Config.Screen.Touch, Waits: s.Visit,
		SealTo: &s.Identity.SealKey, Box: records{box}, Clock: a.clock, Show: s.Show, Kept: s.Kept, Log: s.Log,
	})
	dial := s.Dial
	if dial == nil {
		dial = Dial(s.Config, s.Identity)
	}
	a.uplink = uplink.New(uplink.Options{
		Terminal: s.Identity.Terminal, Queue: line{box}, Dial: dial, Codec: s.Codec,
		Key: s.Identity.Key, Collector: s.Identity.ReceiptKey, Now: a.clock.Now,
		Software: s.Software, Waits: s.Uplink, Log: s.Log,
	})
	return a, nil
}

// bootClock counts this boot, once for each boot id, and gives its clock.
func bootClock(ctx context.Context, box *outbox.Box) (*clock.Clock, error) {
	first, err := clock.New(0)
	if err != nil {
		return nil, err
	}
	id, err := first.BootID()
	if err != nil {
		return nil, err
	}
	boot, err := box.Boot(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("count boot: %w", err)
	}
	return clock.New(boot)
}

// Run drives the terminal until ctx ends or a part fails. Where the disk failed it returns an
// error: only a restart can tell what the disk holds.
func (a *Agent) Run(ctx context.Context) error {
	parts, stop := context.WithCancel(ctx)
	defer stop()
	links, unlink := context.WithCancel(context.WithoutCancel(ctx))
	defer unlink()
	deskDone, uplinkDone := make(chan error, 1), make(chan error, 1)
	go func() { deskDone <- a.desk.Run(parts, a.s.Inputs) }()
	go func() { uplinkDone <- a.uplink.Run(links) }()
	socket, err := a.listen()
	var failed error
	if err == nil {
		select {
		case <-ctx.Done():
		case <-a.box.Failed():
		case err := <-deskDone:
			failed = fmt.Errorf("desk ended early: %w", errors.Join(err, a.box.Err()))
			deskDone <- nil
		case err := <-uplinkDone:
			failed = fmt.Errorf("uplink ended early: %w", errors.Join(err, a.box.Err()))
			uplinkDone <- nil
		}
		err = socket.close()
	}
	// The desk stops before the uplink, so that an open visit's last words are on the disk; the
	// outbox closes last: until both have stopped, someone may still be reading its head.
	stop()
	deskErr := <-deskDone
	unlink()
	return errors.Join(err, failed, deskErr, <-uplinkDone, a.box.Err(), a.box.Close())
}

// Close closes an agent that never ran.
func (a *Agent) Close() error { return a.box.Close() }

// Pending is how many records wait for their receipt.
func (a *Agent) Pending() uint64 { return a.box.State().Pending() }

// Status is what kiosk status tells.
type Status struct {
	Terminal  vote.TerminalID       `json:"terminal"`
	Counter   string                `json:"counter"`
	Software  string                `json:"software"`
	Epoch     string                `json:"epoch"`
	NextSeq   uint64                `json:"next_seq"`
	Receipted uint64                `json:"receipted"`
	Pending   uint64                `json:"pending"`
	Oldest    string                `json:"oldest_pending,omitempty"` // wall time as read, RFC 3339
	Link      Link                  `json:"link"`
	Clock     Clock                 `json:"clock"`
	Counters  map[string]wire.Tally `json:"counters"` // casts by level, 1 to 5, for each epoch
	FileBytes int64                 `json:"file_bytes"`
	Warnings  []Warning             `json:"warnings"`
}

// Link is the state of the connection.
type Link struct {
	Connected   bool       `json:"connected"`
	Since       *time.Time `json:"since,omitempty"`
	LastReceipt *time.Time `json:"last_receipt,omitempty"`
	Tries       int        `json:"tries"`
}

// Clock is what the terminal knows about the time.
type Clock struct {
	Wall   time.Time `json:"wall"`
	Synced bool      `json:"synced"`
	Boot   uint32    `json:"boot"`
}

// Warning is something a person should know of.
type Warning struct {
	Code string `json:"code"`
	Text string `json:"text"`
}

// Status tells how the terminal fares.
func (a *Agent) Status() Status {
	s, up, now := a.box.State(), a.uplink.Status(), a.clock.Now()
	out := Status{
		Terminal: s.Terminal, Counter: a.s.Config.Counter.Name, Software: a.s.Software,
		Epoch: s.Epoch.String(), NextSeq: s.Next, Receipted: s.Upto, Pending: s.Pending(),
		Oldest: a.oldest(s.Upto + 1), FileBytes: s.FileSize,
		Link: Link{
			Connected: up.Connected, Since: known(up.Since), LastReceipt: known(up.LastReceipt), Tries: up.Tries,
		},
		Clock:    Clock{Wall: time.UnixMilli(now.WallMS), Synced: now.Synced, Boot: now.Boot},
		Counters: map[string]wire.Tally{s.Epoch.String(): s.Tally},
		Warnings: []Warning{},
	}
	for _, w := range up.Warnings {
		out.Warnings = append(out.Warnings, Warning(w))
	}
	if !now.Synced {
		out.Warnings = append(out.Warnings,
			Warning{"clock", "the clock is not synchronised; the centre resolves the times"})
	}
	if !s.Reserved && a.s.Reserve >= 0 {
		out.Warnings = append(out.Warnings, Warning{"reserve", "no disk space could be reserved for the outbox"})
	}
	return out
}

func known(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// oldest is when the record that waits longest was written, by the clock it was written with.
func (a *Agent) oldest(seq uint64) string {
	run, err := a.box.Look(seq, 1, 1)
	if err != nil || len(run.Bodies) == 0 {
		return ""
	}
	r, err := wire.DecodeRecord(run.Bodies[0])
	if err != nil {
		return ""
	}
	return time.UnixMilli(r.At.WallMS).Format(time.RFC3339)
}
