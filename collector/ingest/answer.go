package ingest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"hailong/collector/org"
	"hailong/sync/wire"
	"hailong/vote"
)

// Events of the log.
const (
	EventUnknown   = "ingest.unknown"   // not registered, or not the terminal's signature
	EventVersion   = "ingest.version"   // another protocol, or signed bytes that cannot be read
	EventFork      = "ingest.fork"      // two histories of one epoch
	EventGap       = "ingest.gap"       // records are missing before these
	EventBusy      = "ingest.busy"      // the store could not, or the line was full
	EventUnread    = "ingest.unread"    // records filed that could not be read
	EventUnsent    = "ingest.unsent"    // a receipt could not be handed to the broker
	EventNoStatus  = "ingest.no-status" // a status that was not taken
	EventNotStored = "ingest.not-aside" // a message that should have been set aside and was not
)

// take handles one message.
func (g *Ingest) take(ctx context.Context, m message) {
	if m.kind == wire.StatusTopic {
		if err := g.status(ctx, m); err != nil {
			g.o.Log.Warn(EventNoStatus, "terminal", m.terminal, "err", err)
		}
		return
	}
	r, err := g.up(ctx, m)
	g.reply(m, r, err)
}

// Take files one message that came without a network and tells the code of its receipt; the error is why it is not ok.
func (g *Ingest) Take(ctx context.Context, terminal vote.TerminalID, envelope []byte) (wire.Code, error) {
	r, err := g.up(ctx, message{terminal: terminal, kind: wire.Up, payload: envelope, carried: true,
		received: g.o.Now().Truncate(time.Millisecond)})
	return r.Code, err
}

// turnAway answers a message whose line is full.
func (g *Ingest) turnAway(_ context.Context, m message) {
	if m.kind == wire.Up {
		g.reply(m, wire.Receipt{Code: wire.Busy}, errors.New("the line is full"))
	}
}

// up decides the answer to a message. The error is why it is not ok; it goes to the log.
func (g *Ingest) up(ctx context.Context, m message) (wire.Receipt, error) {
	typ, payload, r, err := g.open(ctx, m)
	switch {
	case err != nil:
		return r, err
	case typ == wire.HelloType:
		return g.hello(ctx, m, payload)
	case typ == wire.BatchType:
		return g.batch(ctx, m, payload)
	}
	return g.unreadable(ctx, m, fmt.Errorf("message of type %q", typ))
}

// open verifies an envelope against the key of the terminal whose topic it came by, and only then
// unpacks it.
func (g *Ingest) open(ctx context.Context, m message) (wire.Type, []byte, wire.Receipt, error) {
	key, _, err := g.o.Store.Keys(ctx, m.terminal)
	if err != nil {
		return "", nil, refusal(err), err
	}
	typ, payload, err := g.o.Codec.Open(m.payload, key)
	switch {
	case err == nil:
		return typ, payload, wire.Receipt{}, nil
	case errors.Is(err, wire.ErrVersion), errors.Is(err, wire.ErrSize):
		// Nobody has signed this: it is not kept, or any neighbour could fill the disk.
		return "", nil, version(), err
	case errors.Is(err, wire.ErrFormat) && g.signed(m):
		r, err := g.unreadable(ctx, m, err)
		return "", nil, r, err
	}
	return "", nil, wire.Receipt{Code: wire.Unknown}, err
}

// signed tells whether an envelope that could not be opened was at least signed: with no key at
// all a whole envelope fails at its signature, a broken one before.
func (g *Ingest) signed(m message) bool {
	_, _, err := g.o.Codec.Open(m.payload, nil)
	return errors.Is(err, wire.ErrSignature)
}

// unreadable sets a signed message aside that cannot be understood.
func (g *Ingest) unreadable(ctx context.Context, m message, why error) (wire.Receipt, error) {
	if err := g.setAside(ctx, org.Aside{Why: why.Error()}, m); err != nil {
		return refusal(err), err
	}
	return version(), why
}

func (g *Ingest) setAside(ctx context.Context, a org.Aside, m message) error {
	a.Terminal, a.Raw, a.At = m.terminal, m.payload, m.received
	err := g.o.Store.SetAside(ctx, a)
	if err != nil {
		g.o.Log.Error(EventNotStored, "terminal", m.terminal, "err", err)
		return err
	}
	g.count(func(c *Counters) { c.Quarantined++ })
	return nil
}

func (g *Ingest) hello(ctx context.Context, m message, payload []byte) (wire.Receipt, error) {
	h, err := wire.DecodeHello(payload)
	switch {
	case err != nil:
		return g.unreadable(ctx, m, err)
	case h.Terminal != m.terminal:
		return stranger(h.Terminal)
	case m.carried && !h.Salvaged:
		return living()
	}
	r := wire.Receipt{Epoch: h.Epoch, Nonce: &h.Nonce}
	if h.MinVersion > wire.Version || h.MaxVersion < wire.Version {
		r.Code, r.MinVersion, r.MaxVersion = wire.BadVersion, wire.Version, wire.Version
		return r, fmt.Errorf("%w: %d to %d", wire.ErrVersion, h.MinVersion, h.MaxVersion)
	}
	pos, err := g.o.Store.Greet(ctx, h, m.received)
	return g.stands(r, pos, err)
}

func (g *Ingest) batch(ctx context.Context, m message, payload []byte) (wire.Receipt, error) {
	b, err := wire.DecodeBatch(payload)
	switch {
	case err != nil:
		return g.unreadable(ctx, m, err)
	case b.Terminal != m.terminal:
		return stranger(b.Terminal)
	case m.carried && b.Origin == wire.Live:
		return living()
	}
	r := wire.Receipt{Epoch: b.Epoch}
	heads, ok := b.Chain()
	if !ok {
		why := fmt.Errorf("records %d to %d do not reach the head they claim", b.First, b.Last())
		if err := g.setAside(ctx, org.Aside{Epoch: b.Epoch, Why: why.Error()}, m); err != nil {
			return g.stands(r, org.Position{}, err)
		}
		r.Code = wire.Fork
		return r, why
	}
	f := org.Filing{Terminal: b.Terminal, Epoch: b.Epoch, First: b.First, Prev: b.Prev, Now: b.Now, Tally: b.Tally,
		Origin:   b.Origin,
		Envelope: m.payload, Received: m.received, Entries: make([]org.Entry, len(b.Items))}
	for i, item := range b.Items {
		f.Entries[i] = org.Read(item, heads[i], b.Origin)
	}
	if err := g.resolve(ctx, &f); err != nil {
		return g.stands(r, org.Position{}, err)
	}
	pos, err := g.o.Store.File(ctx, f)
	return g.stands(r, pos, err)
}

// resolve gives each entry its time. Boots other than the batch's own are asked for once each.
func (g *Ingest) resolve(ctx context.Context, f *org.Filing) error {
	clock := org.Clock{Now: f.Now, Received: f.Received, Boots: map[uint32]time.Time{}}
	asked := map[uint32]bool{0: true}
	for i := range f.Entries {
		e := &f.Entries[i]
		if boot := e.Record.At.Boot; !asked[boot] {
			asked[boot] = true
			at, ok, err := g.o.Store.BootAnchor(ctx, f.Terminal, f.Epoch, boot)
			if err != nil {
				return err
			}
			if ok {
				clock.Boots[boot] = at
			}
		}
		e.At, e.Quality = clock.Resolve(e.Record.At)
	}
	return nil
}

// stands completes an answer with what the store said.
func (g *Ingest) stands(r wire.Receipt, pos org.Position, err error) (wire.Receipt, error) {
	if err != nil {
		no := refusal(err)
		no.Epoch, no.Nonce = r.Epoch, r.Nonce
		return no, err
	}
	r.Code, r.Upto, r.Head, r.Quarantined = pos.Code, pos.Upto, pos.Head, pos.Quarantined
	g.count(func(c *Counters) { c.Filed += uint64(pos.Added) })
	switch {
	case pos.Code == wire.Gap:
		return r, fmt.Errorf("filed up to record %d", pos.Upto)
	case pos.Code == wire.Fork:
		return r, fmt.Errorf("two histories of epoch %s", r.Epoch)
	case len(pos.Quarantined) > 0:
		return r, fmt.Errorf("record %d: %s", pos.Quarantined[0].From, pos.Quarantined[0].Why)
	}
	return r, nil
}

func version() wire.Receipt {
	return wire.Receipt{Code: wire.BadVersion, MinVersion: wire.Version, MaxVersion: wire.Version}
}

// stranger answers a message that names another terminal than its topic.
func stranger(id vote.TerminalID) (wire.Receipt, error) {
	return wire.Receipt{Code: wire.Unknown}, fmt.Errorf("the message names %s", id)
}

// living answers a message on a stick that a living terminal once sent: when that was, and so its clock, nobody knows.
func living() (wire.Receipt, error) {
	return version(), errors.New("the message is a living terminal's, which sends it by itself")
}

// refusal answers when the store could not help: it may later, unless it knows no such terminal.
func refusal(err error) wire.Receipt {
	if errors.Is(err, org.ErrUnknown) {
		return wire.Receipt{Code: wire.Unknown}
	}
	return wire.Receipt{Code: wire.Busy}
}

// status takes a terminal's presence. Nobody waits for an answer to it.
func (g *Ingest) status(ctx context.Context, m message) error {
	key, _, err := g.o.Store.Keys(ctx, m.terminal)
	if err != nil {
		return err
	}
	typ, payload, err := g.o.Codec.Open(m.payload, key)
	if err != nil {
		return err
	}
	if typ != wire.StatusType {
		return fmt.Errorf("message of type %q", typ)
	}
	s, err := wire.DecodeStatus(payload)
	if err != nil {
		return err
	}
	if s.Terminal != m.terminal {
		return fmt.Errorf("the message names %s", s.Terminal)
	}
	return g.o.Store.Seen(ctx, s.Terminal, s.Online, m.received)
}

// reply signs and sends the one answer to a message. Even an answer to a forged message is signed
// and sent: it names the message it answers, so it cannot stop the terminal that did not send it.
func (g *Ingest) reply(m message, r wire.Receipt, why error) {
	r.Terminal, r.Answers, r.AtMS = m.terminal, wire.IDOf(m.payload), g.o.Now().UnixMilli()
	if r.Code == wire.Busy {
		r.RetryAfter = retryAfter
	}
	g.tell(m, r, why)
	payload, err := r.Encode()
	var envelope []byte
	if err == nil {
		envelope, err = g.o.Codec.Seal(wire.ReceiptType, payload, g.o.SignKey)
	}
	if err == nil {
		err = g.o.Send(m.terminal, wire.ReceiptTopic, envelope)
	}
	if err != nil {
		g.o.Log.Warn(EventUnsent, "terminal", m.terminal, "err", err)
	}
}

// tell counts an answer and writes it to the log where it is not a plain ok.
func (g *Ingest) tell(m message, r wire.Receipt, why error) {
	g.count(func(c *Counters) {
		for _, q := range r.Quarantined {
			c.Quarantined += q.To - q.From + 1
		}
		if r.Code != wire.OK && r.Code != wire.Quarantined {
			c.Refused[r.Code]++
		}
	})
	event := map[wire.Code]string{wire.Unknown: EventUnknown, wire.BadVersion: EventVersion, wire.Fork: EventFork,
		wire.Gap: EventGap, wire.Busy: EventBusy, wire.Quarantined: EventUnread}[r.Code]
	if event != "" {
		g.o.Log.Warn(event, "terminal", m.terminal, "epoch", r.Epoch, "upto", r.Upto, "err", why)
	}
}
