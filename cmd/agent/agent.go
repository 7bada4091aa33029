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
	"slices"
	"strings"
	"sync"
	"sync/atomic"
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

	// Inspect looks through an outbox before it is opened: outbox.ErrDamaged where it is not what was written. nil
	// looks in this process, which a broken page may end; programs set InChild.
	Inspect func(ctx context.Context, path string) error

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
	full   atomic.Bool // presses are refused for want of room
	clock  *clock.Clock
	desk   *desk.Desk
	uplink *uplink.Uplink // of the living line

	mu      sync.Mutex     // guards what follows
	sending *uplink.Uplink // the one that has the connection
	relics  []Relic
}

// Open opens the outbox and makes the parts; Run starts them. A damaged outbox is moved to the attic, a new one begins
// at once, and Run brings home what is left of the old one.
func Open(ctx context.Context, s Setup) (*Agent, error) { return open(ctx, s, nil) }

// Serve opens an agent and runs it until ctx ends or it fails; where its outbox turns out to be damaged on the way, it
// begins again with a new one. opened is called each time.
func Serve(ctx context.Context, s Setup, opened func(*Agent)) error {
	for why := error(nil); ; {
		a, err := open(ctx, s, why)
		if err != nil {
			return err
		}
		opened(a)
		if why = a.Run(ctx); ctx.Err() != nil || !errors.Is(why, outbox.ErrDamaged) {
			return why
		}
	}
}

func open(ctx context.Context, s Setup, why error) (*Agent, error) {
	if s.Log == nil {
		s.Log = slog.New(slog.DiscardHandler)
	}
	if err := os.MkdirAll(s.Config.Data, 0o700); err != nil {
		return nil, fmt.Errorf("make data folder: %w", err)
	}
	box, err := openBox(ctx, s, why, outbox.Options{
		Terminal: s.Identity.Terminal, Reserve: s.Reserve, Log: s.Log,
	})
	if err != nil {
		return nil, err
	}
	a := &Agent{s: s, box: box}
	a.clock, err = bootClock(ctx, box)
	if err == nil {
		err = a.report(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, box.Close())
	}
	a.desk = desk.New(desk.Options{
		Survey: vote.Default(), Counter: s.Config.Counter.Name, Officer: s.Config.Counter.Officer,
		Layout: "5", Language: s.Config.Screen.Language, Touch: s.Config.Screen.Touch, Waits: s.Visit,
		SealTo: &s.Identity.SealKey, Box: records{box, &a.full}, Clock: a.clock, Show: s.Show, Kept: s.Kept, Log: s.Log,
	})
	a.uplink = uplink.New(a.options(line{box}))
	a.send(a.uplink)
	return a, nil
}

// options are those of an uplink of a queue.
func (a *Agent) options(q uplink.Queue) uplink.Options {
	dial := a.s.Dial
	if dial == nil {
		dial = Dial(a.s.Config, a.s.Identity)
	}
	return uplink.Options{
		Terminal: a.s.Identity.Terminal, Queue: q, Dial: dial, Codec: a.s.Codec,
		Key: a.s.Identity.Key, Collector: a.s.Identity.ReceiptKey, Now: a.clock.Now,
		Software: a.s.Software, Waits: a.s.Uplink, Log: a.s.Log,
	}
}

// send notes who has the connection.
func (a *Agent) send(u *uplink.Uplink) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.sending = u
}

// tell notes how a damaged file fares.
func (a *Agent) tell(path, state, why string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	r := Relic{filepath.Base(path), state, why}
	if i := slices.IndexFunc(a.relics, func(x Relic) bool { return x.File == r.File }); i >= 0 {
		a.relics[i] = r
		return
	}
	a.relics = append(a.relics, r)
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
	go func() { uplinkDone <- a.carry(links) }()
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
	Attic     []Relic               `json:"attic,omitempty"`
	Warnings  []Warning             `json:"warnings"`
}

// Relic is a damaged outbox in the attic.
type Relic struct {
	File  string `json:"file"`
	State string `json:"state"` // waiting, sending, refused or home
	Why   string `json:"why,omitempty"`
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
	a.mu.Lock()
	sending, relics := a.sending, slices.Clone(a.relics)
	a.mu.Unlock()
	s, up, now := a.box.State(), sending.Status(), a.clock.Now()
	out := Status{
		Terminal: s.Terminal, Counter: a.s.Config.Counter.Name, Software: a.s.Software,
		Epoch: s.Epoch.String(), NextSeq: s.Next, Receipted: s.Upto, Pending: s.Pending(),
		Oldest: a.oldest(s.Upto + 1), FileBytes: s.FileSize,
		Link: Link{
			Connected: up.Connected, Since: known(up.Since), LastReceipt: known(up.LastReceipt), Tries: up.Tries,
		},
		Clock:    Clock{Wall: time.UnixMilli(now.WallMS), Synced: now.Synced, Boot: now.Boot},
		Counters: map[string]wire.Tally{s.Epoch.String(): s.Tally},
		Attic:    relics,
		Warnings: []Warning{},
	}
	for _, r := range relics {
		text := strings.Join([]string{"damaged file", r.File, "is", r.State, r.Why}, " ")
		out.Warnings = append(out.Warnings, Warning{"attic", strings.TrimSpace(text)})
	}
	for _, w := range up.Warnings {
		out.Warnings = append(out.Warnings, Warning(w))
	}
	if !now.Synced {
		out.Warnings = append(out.Warnings,
			Warning{"clock", "the clock is not synchronised; the centre resolves the times"})
	}
	if a.full.Load() {
		out.Warnings = append(out.Warnings, Warning{"full", fmt.Sprintf(
			"no room for another vote, presses are refused: free space on the disk of %s", a.s.Config.Data)})
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
