package desk

import (
	"context"
	"errors"
	"fmt"
	"time"

	"hailong/sync/wire"
	"hailong/vote"
	"hailong/vote/session"
)

// visit is Run's own: the machine, and the record on its way to the disk.
type visit struct {
	*Desk
	ctx context.Context // of appends: it does not end
	m   session.State
	id  string // of the newest press

	// One ask is outstanding at most, and at the start the boot event; so neither ever blocks.
	jobs    chan func()
	answers chan answer
}

// answer is the disk's word on an ask.
type answer struct {
	ask session.Ask
	seq uint64
	err error
}

func (d *Desk) newVisit(ctx context.Context) *visit {
	return &visit{
		Desk: d, ctx: ctx,
		m: session.New(session.Options{
			Survey: d.o.Survey, Touch: d.o.Touch, Personal: d.o.SealTo != nil, Waits: d.o.Waits,
		}),
		jobs: make(chan func(), 2), answers: make(chan answer, 1),
	}
}

// serve is the loop. It returns nil when told to stop, and the error of a broken Box.
func (v *visit) serve(ctx context.Context, inputs <-chan session.Event) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	var broken error
	for broken == nil || v.m.Waiting() {
		var wake <-chan time.Time
		if at, ok := v.m.Deadline(); ok {
			timer.Reset(at - v.o.Clock.Since())
			wake = timer.C
		}
		select {
		case <-ctx.Done():
			return broken
		case e, ok := <-inputs:
			if !ok {
				return broken
			}
			v.input(e)
		case a := <-v.answers:
			v.answer(a)
		case <-wake:
			v.step(session.Tick{})
		case broken = <-v.broken:
		}
	}
	return broken
}

// close ends the visit and waits until everything it has to say is on disk, or refused.
func (v *visit) close() error {
	v.step(session.Stop{})
	for v.m.Waiting() {
		v.answer(<-v.answers)
	}
	select {
	case err := <-v.broken:
		return err
	default:
		return nil
	}
}

// input takes what a visitor did. The disk's word and the end come from here alone, whoever
// stands at the other end of the channel.
func (v *visit) input(e session.Event) {
	switch e := e.(type) {
	case session.Press, session.ChangeMind, session.Toggle, session.MoreTime, session.Done:
		v.step(e)
	case session.Write:
		e.Comment, e.Phone, e.Dossier = wire.Text(e.Comment), wire.Text(e.Phone), wire.Text(e.Dossier)
		v.step(e)
	}
}

func (v *visit) answer(a answer) {
	if a.err != nil {
		v.o.Log.Error(LogNotKept, "kind", a.ask.Kind.String(), "err", a.err)
		v.step(session.Failed{No: a.ask.No})
		return
	}
	if a.ask.Kind != vote.EventKind {
		v.o.Kept(Kept{v.id, a.ask.Kind, a.seq, a.ask.Level})
	}
	v.step(session.Kept{No: a.ask.No, Seq: a.seq})
}

// step moves the machine, hands on what it asks for, and shows the rest.
func (v *visit) step(e session.Event) {
	m, ask := v.m.Step(v.o.Clock.Since(), e)
	v.m = m
	if ask.Kind != 0 {
		v.keep(ask)
	}
	v.show()
}

func (v *visit) show() { v.o.Show(v.m) }

// keep gives an ask's record to the writer.
func (v *visit) keep(ask session.Ask) {
	e := Entry{ID: newID()}
	switch ask.Kind {
	case vote.CastKind:
		v.id, e.Level = e.ID, ask.Level
	case vote.AmendKind:
		e.ID = v.id + amendSuffix
	case vote.DetailKind:
		e.ID = v.id + detailSuffix
	}
	r, err := v.record(ask)
	if err == nil {
		e.Body, err = wire.EncodeRecord(r)
	}
	v.jobs <- func() {
		a := answer{ask: ask, err: err}
		if err == nil {
			a.seq, _, a.err = v.append(v.ctx, e)
		}
		v.answers <- a
	}
}

// record is what an ask says, as the line keeps it.
func (v *visit) record(ask session.Ask) (vote.Record, error) {
	r := vote.Record{At: v.stampAt(ask.At)}
	switch ask.Kind {
	case vote.CastKind:
		r.Cast = v.cast(ask.Level, ask.Channel)
	case vote.AmendKind:
		r.Amend = &vote.Amend{Cast: ask.Cast, Level: ask.Level}
	case vote.DetailKind:
		sealed, err := v.seal(wire.Personal(ask.Written))
		if err != nil {
			return r, err
		}
		r.Detail = &vote.Detail{
			Cast: ask.Cast, Reasons: ask.Reasons, Sealed: sealed, Ignored: ask.Ignored, Contested: ask.Contested,
		}
	case vote.EventKind:
		r.Event = &vote.Event{Code: vote.EventIgnored, Note: fmt.Sprintf("%d presses outside any visit", ask.Ignored)}
	}
	return r, nil
}

// stampAt is the evidence of a moment that has passed: a press may have waited for an older record.
func (v *visit) stampAt(at time.Duration) vote.Stamp {
	s := v.o.Clock.Now()
	age := max(0, int64(s.SinceMS)-at.Milliseconds())
	s.WallMS -= age
	s.SinceMS -= uint64(age)
	return s
}

// boot appends the event that opens every run.
func (v *visit) boot() {
	body, err := wire.EncodeRecord(vote.Record{At: v.o.Clock.Now(), Event: &vote.Event{Code: vote.EventBoot}})
	v.jobs <- func() {
		if err == nil {
			_, _, err = v.append(v.ctx, Entry{ID: newID(), Body: body})
		}
		if err != nil && !errors.Is(err, ErrBroken) { // Run returns that one
			v.o.Log.Error(LogNotKept, "kind", vote.EventKind.String(), "err", err)
		}
	}
}

// cast is a vote as this terminal shows itself.
func (d *Desk) cast(l vote.Level, c vote.Channel) *vote.Cast {
	return &vote.Cast{
		Level: l, Survey: d.o.Survey.ID, SurveyVersion: d.o.Survey.Version, Layout: d.o.Layout,
		Language: d.o.Language, Channel: c, Counter: d.o.Counter, Officer: d.o.Officer,
	}
}

// seal closes personal data before it comes near the disk. Nothing to seal is nil.
func (d *Desk) seal(p wire.Personal) ([]byte, error) {
	if p == (wire.Personal{}) {
		return nil, nil
	}
	if d.o.SealTo == nil {
		return nil, ErrNoKey
	}
	return wire.SealPersonal(p, d.o.SealTo)
}
