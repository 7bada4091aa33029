package desk

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"hailong/sync/wire"
	"hailong/vote"
)

// MaxID is the longest press id, in bytes.
const MaxID = 48

// What follows the press id in the ids of a visit's other records.
const (
	amendSuffix  = "/amend"
	detailSuffix = "/detail"
)

// ErrPartly means that a ballot's vote is on the disk and its reasons or comment are not. Entering the same ballot with
// the same id again adds them.
var ErrPartly = errors.New("the vote is kept, its detail is not")

// Ballot is a whole visit in one act.
type Ballot struct {
	ID      string // press id; "" lets the desk make one
	Level   vote.Level
	Channel vote.Channel
	Reasons []string // codes

	Comment, Phone, Dossier string
}

// Receipt says that a ballot is on disk.
type Receipt struct {
	ID    string
	Seq   uint64 // of the cast
	Fresh bool   // false: the id was there already
}

// Enter keeps a ballot beside the visit on the screen, which it does not touch, and returns once
// the disk has all of it. After any error the same ballot with the same id may be entered again:
// what is there already is not kept twice. It waits for Run.
func (d *Desk) Enter(ctx context.Context, b Ballot) (Receipt, error) {
	cast, detail, err := d.records(b)
	if err != nil {
		return Receipt{}, err
	}
	r := Receipt{ID: b.ID}
	if r.ID == "" {
		r.ID = newID()
	}
	done := make(chan Receipt, 1) // not r itself: where ctx ends first, the writer still runs
	err = d.do(ctx, func() error {
		var err error
		r := r
		if r.Seq, r.Fresh, err = d.append(ctx, Entry{ID: r.ID, Level: b.Level, Body: cast}); err != nil {
			return fmt.Errorf("keep vote %s: %w", r.ID, err)
		}
		if err := d.enterDetail(ctx, r, detail); err != nil {
			return fmt.Errorf("%w (record %d): %w", ErrPartly, r.Seq, err)
		}
		done <- r
		return nil
	})
	if err != nil {
		return Receipt{}, err
	}
	return <-done, nil
}

// enterDetail keeps a detail of the cast in the receipt, where there is one.
func (d *Desk) enterDetail(ctx context.Context, r Receipt, detail vote.Record) error {
	if detail.Detail == nil {
		return nil
	}
	named := *detail.Detail
	named.Cast, detail.Detail = r.Seq, &named
	body, err := wire.EncodeRecord(detail)
	if err == nil {
		_, _, err = d.append(ctx, Entry{ID: r.ID + detailSuffix, Body: body})
	}
	return err
}

// records judges a ballot before anything of it is kept: a cast must not stay behind without the
// detail that was refused.
func (d *Desk) records(b Ballot) (cast []byte, detail vote.Record, err error) {
	if err := d.check(b); err != nil {
		return nil, detail, err
	}
	at := d.o.Clock.Now()
	cast, err = wire.EncodeRecord(vote.Record{At: at, Cast: d.cast(b.Level, b.Channel)})
	if err != nil {
		return nil, detail, err
	}
	sealed, err := d.seal(wire.Personal{
		Comment: text(b.Comment), Phone: text(b.Phone), Dossier: text(b.Dossier),
	})
	if err != nil || len(sealed) == 0 && len(b.Reasons) == 0 {
		return cast, detail, err
	}
	detail = vote.Record{At: at, Detail: &vote.Detail{Cast: math.MaxUint64, Reasons: b.Reasons, Sealed: sealed}}
	_, err = wire.EncodeRecord(detail) // the longest seq stands in for the one to come
	return cast, detail, err
}

// text is what a visitor meant to say: blanks alone are nothing.
func text(s string) string { return strings.TrimSpace(wire.Text(s)) }

func (d *Desk) check(b Ballot) error {
	invalid := func(format string, args ...any) error {
		return fmt.Errorf("%w: "+format, append([]any{vote.ErrInvalid}, args...)...)
	}
	if len(b.ID) > MaxID || strings.ContainsFunc(b.ID, func(r rune) bool { return r <= ' ' || r == '/' || r == 0x7f }) {
		return invalid("press id %.60q: use up to %d bytes without spaces and '/'", b.ID, MaxID)
	}
	if !d.o.Survey.Offers(b.Level) {
		return invalid("level %d is not in survey %s: use one of %d", b.Level, d.o.Survey.ID, d.o.Survey.Levels)
	}
	var codes []string
	for _, r := range d.o.Survey.ReasonsFor(b.Level) {
		codes = append(codes, r.Code)
	}
	for i, code := range b.Reasons {
		if !slices.Contains(codes, code) {
			return invalid("reason %.60q is not offered after level %d: use %s",
				code, b.Level, strings.Join(codes, ", "))
		}
		if slices.Contains(b.Reasons[:i], code) {
			return invalid("reason %q is given twice", code)
		}
	}
	return nil
}
