package uplink

import (
	"context"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"slices"
	"time"

	"hailong/sync/wire"
)

// Warning codes a receipt can leave behind.
const (
	warnForged      = "forged-receipt"
	warnMismatch    = "receipt-mismatch"
	warnQuarantined = "quarantined"
	warnVersion     = "version"
	warnUnknown     = "unknown"
	warnFork        = "fork"
	warnNoRoom      = "no-room"
)

// settle acts on one incoming message. It tells whether the message answered what was sent last;
// an error ends the connection.
func (v *visit) settle(ctx context.Context, raw []byte) (bool, error) {
	kind, payload, err := v.o.Codec.Open(raw, v.o.Collector)
	if err != nil || kind != wire.ReceiptType {
		v.warn(warnForged, "ignored a message on the receipt topic: type %.16q, %v", kind, err)
		return false, nil
	}
	r, err := wire.DecodeReceipt(payload)
	if err != nil {
		v.warn(warnForged, "ignored a receipt: %v", err)
		return false, nil
	}
	if r.Terminal != v.o.Terminal {
		v.warn(warnForged, "ignored a receipt for %s", r.Terminal)
		return false, nil
	}
	nth := slices.Index(v.sent, r.Answers)
	last := nth == len(v.sent)-1
	if nth < 0 || r.Epoch != v.o.Queue.Line().Epoch && r.Code != wire.Unknown && r.Code != wire.BadVersion {
		// An answer to somebody else's message, or from before a restart: it proves nothing now.
		return false, nil
	}
	v.sent = slices.Delete(v.sent, nth, nth+1) // answered once: a repetition proves nothing new
	v.askedAt, v.answered, v.retry = time.Time{}, true, v.o.Waits.Receipt
	v.progressed()
	v.settled("link")
	if err := v.obey(ctx, r); err != nil {
		return false, err
	}
	return last, nil
}

// obey does what a code asks for.
func (v *visit) obey(ctx context.Context, r wire.Receipt) error {
	toHello := r.Nonce != nil && *r.Nonce == v.nonce && v.nonce != (wire.Nonce{})
	if toHello {
		v.nonce = wire.Nonce{} // it speaks once
	}
	switch r.Code {
	case wire.OK, wire.Quarantined, wire.Gap:
		v.settled(warnUnknown, warnVersion, warnFork)
		if toHello {
			v.helloAt = time.Now().Add(around(v.o.Waits.Hello))
		}
		return v.advance(ctx, r, toHello)
	case wire.Busy:
		return v.pause(ctx, max(r.RetryAfter, time.Second))
	case wire.BadVersion:
		v.warn(warnVersion, "the centre reads protocol versions %d to %d, this terminal speaks %d: update one of them",
			r.MinVersion, r.MaxVersion, wire.Version)
		return v.refused(ctx, r.Code, v.o.Waits.Refused)
	case wire.Unknown:
		v.warn(warnUnknown,
			"the centre does not know this terminal or its key: register it with collector terminal add")
		return v.refused(ctx, r.Code, v.o.Waits.Refused)
	case wire.Fork:
		v.warn(warnFork, "the centre has other records under this terminal's numbers: is there a copy of its card?")
		return v.refused(ctx, r.Code, v.o.Waits.Hello)
	}
	return nil
}

// refused waits until somebody may have changed the centre's mind. What was salvaged does not wait:
// the living line has its turn.
func (v *visit) refused(ctx context.Context, code wire.Code, d time.Duration) error {
	if v.o.Salvaged {
		return fmt.Errorf("%w: %s", ErrRefused, code)
	}
	return v.pause(ctx, d)
}

// advance lets go of what is receipted. Only an answer to this connection's hello may take
// receipts back; anything else that is behind asks for a new hello first.
func (v *visit) advance(ctx context.Context, r wire.Receipt, toHello bool) error {
	v.upto, v.head = r.Upto, r.Head
	line := v.o.Queue.Line()
	if r.Upto < line.Upto && !toHello {
		if r.Code == wire.Gap {
			v.helloAt = time.Time{}
		}
		return nil // a late receipt of an earlier batch
	}
	act := func() error { return v.o.Queue.Receipted(ctx, r.Upto, r.Head, time.UnixMilli(r.AtMS)) }
	if r.Upto < line.Upto {
		act = func() error { return v.o.Queue.Rewind(ctx, r.Upto, r.Head) }
	}
	switch err := act(); {
	case err == nil:
	case errors.Is(err, ErrNoRoom):
		v.warn(warnNoRoom, "%v", err)
		return v.pause(ctx, v.o.Waits.Stalled)
	case !errors.Is(err, ErrNotOurs):
		return &queueError{err}
	default:
		v.warn(warnMismatch, "the centre's receipt up to record %d does not fit this terminal's line: %v", r.Upto, err)
		return v.pause(ctx, v.o.Waits.Hello)
	}
	v.settled(warnMismatch, warnNoRoom)
	for _, q := range r.Quarantined {
		v.warn(warnQuarantined, "the centre could not read records %d to %d: %s", q.From, q.To, q.Why)
	}
	return nil
}

// pause waits on a living connection, then says hello again. Presses go on meanwhile.
func (v *visit) pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d + mathrand.N(d/5+1)) // never less than was asked for
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-v.conn.Lost():
		return errLost
	case <-t.C:
	}
	v.helloAt = time.Time{}
	return nil
}
