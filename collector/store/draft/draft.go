// Package draft says what a terminal's records do to votes and counts. Filing writes a draft and
// checking compares one, so the rules stand once. Pure; it never reads a table.
package draft

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	"hailong/collector/org"
	"hailong/sync/seal"
	"hailong/sync/wire"
	"hailong/vote"
)

// Line is where a stream stands.
type Line struct {
	Upto     uint64
	Head     seal.Head
	Own      wire.Tally // casts filed, by level as pressed
	Claimed  wire.Tally // casts the terminal claims
	Lost     uint64     // records whose body could not be read
	Bad      uint64     // all that are kept with a reason
	Unproven uint64     // casts filed that nothing proves: outside every score
	Forked   bool
}

// Claim takes the terminal's own count. What was salvaged has none: there is nothing to compare.
func (l *Line) Claim(o wire.Origin, t wire.Tally) {
	l.Claimed = t
	if o != wire.Live {
		l.Claimed = l.Own
	}
}

// Vote is a vote as its table holds it.
type Vote struct {
	Seq       uint64
	Level     vote.Level // the last that counts
	Cast      vote.Cast  // as pressed, with its first level
	Flags     vote.Flags // as filed
	Contested bool
	Ignored   uint32
	Reasons   string // JSON array, "" for none
	Stamp     vote.Stamp
	At        time.Time
	Quality   org.Quality
	Counted   bool
}

// Columns are the columns of the table vote in the order of Vote.Values.
const Columns = `seq, level, first_level, survey, version, layout, language, channel, counter, officer, flags,
	contested, ignored, reasons, boot, since_ms, wall_ms, synced, at_ms, quality, counted`

// qualities are the numbers of vote.quality.
var qualities = []org.Quality{org.NoTime, org.Anchored, org.Exact}

// Values are the vote's columns.
func (v *Vote) Values() []any {
	c, s := v.Cast, v.Stamp
	var at any
	if v.Quality != org.NoTime {
		at = v.At.UnixMilli()
	}
	return []any{int64(v.Seq), v.Level, c.Level, c.Survey, c.SurveyVersion, c.Layout, c.Language, c.Channel,
		c.Counter, c.Officer, v.Flags, v.Contested, v.Ignored, v.Reasons, s.Boot, int64(s.SinceMS), s.WallMS,
		s.Synced, at, slices.Index(qualities, v.Quality), v.Counted}
}

// Into is where the columns of a row go. Call done after each row.
func (v *Vote) Into() (into []any, done func()) {
	c, s := &v.Cast, &v.Stamp
	var seq, since int64
	var at *int64
	var quality int
	into = []any{&seq, &v.Level, &c.Level, &c.Survey, &c.SurveyVersion, &c.Layout, &c.Language, &c.Channel,
		&c.Counter, &c.Officer, &v.Flags, &v.Contested, &v.Ignored, &v.Reasons, &s.Boot, &since, &s.WallMS,
		&s.Synced, &at, &quality, &v.Counted}
	return into, func() {
		v.Seq, s.SinceMS, v.Quality, v.At = uint64(seq), uint64(since), org.NoTime, time.Time{}
		if at != nil && quality > 0 && quality < len(qualities) {
			v.Quality, v.At = qualities[quality], time.UnixMilli(*at)
		}
	}
}

// Hour is where the vote is counted; Unclocked where its time is not known.
func (v *Vote) Hour() int64 {
	if v.Quality == org.NoTime {
		return Unclocked
	}
	return v.At.UnixMilli() / HourMS
}

// HourMS are the milliseconds of an hour; Unclocked is the hour of votes without a time.
const (
	HourMS    = 3_600_000
	Unclocked = -1
)

// DayOf is the Vietnamese day of an hour, in days since 1970.
func DayOf(hour int64) int64 { return (hour + 7) / 24 }

// Delta is a change of counts: an amend takes from one level and gives to another.
type Delta [5]int64

// Record is a row of the table record.
type Record struct {
	Seq    uint64
	Kind   vote.Kind
	Digest seal.Digest
	Why    string // why it is kept apart, "" where it is not
}

// Event is a row of the table event.
type Event struct {
	Seq   uint64
	At    vote.Stamp
	Event *vote.Event
}

// Personal is a row of the table personal.
type Personal struct {
	Seq, Cast uint64
	Sealed    []byte
}

// Draft is what a run of records changes.
type Draft struct {
	Records   []Record
	Added     []*Vote          // new votes, in order of seq
	Changed   map[uint64]*Vote // votes filed earlier
	Events    []Event
	Personals []Personal
	Moves     map[int64]*Delta // counts by hour

	demo  bool
	known vote.Survey // the one survey that is not a guess
	load  func(cast uint64) (*Vote, error)
	votes map[uint64]*Vote // all that were touched
}

// New begins a draft. load finds a vote that was filed earlier, nil for none.
func New(demo bool, load func(cast uint64) (*Vote, error)) *Draft {
	return &Draft{demo: demo, known: vote.Default(), load: load, votes: map[uint64]*Vote{},
		Changed: map[uint64]*Vote{}, Moves: map[int64]*Delta{}}
}

// Add takes one record into the draft and moves the line on. A record that makes no sense is kept
// with the reason.
func (d *Draft) Add(l *Line, e org.Entry) error {
	seq, why := l.Upto+1, e.Unreadable
	var err error
	switch r := e.Record; {
	case why != "":
		l.Lost++
	case r.Cast != nil:
		d.cast(seq, e)
		l.Own[r.Cast.Level-1]++
		if e.Unproven {
			l.Unproven++
		}
	case r.Amend != nil:
		why, err = d.amend(r.Amend, e.Unproven)
	case r.Detail != nil:
		why, err = d.detail(seq, r.Detail, e.Unproven)
	case r.Event != nil:
		d.Events = append(d.Events, Event{seq, r.At, r.Event})
	}
	if why != "" {
		l.Bad++
	}
	d.Records = append(d.Records, Record{seq, e.Record.Kind(), e.Item.Digest, why})
	l.Upto, l.Head = seq, l.Head.Next(seq, e.Item.Digest)
	return err
}

func (d *Draft) cast(seq uint64, e org.Entry) {
	c := *e.Record.Cast
	v := &Vote{Seq: seq, Level: c.Level, Cast: c, Flags: c.Flags &^ vote.Unproven, Stamp: e.Record.At,
		At: e.At, Quality: e.Quality, Counted: !e.Unproven && (d.demo || c.Channel != vote.Test)}
	if e.Unproven {
		v.Flags |= vote.Unproven
	}
	if e.At.IsZero() || !slices.Contains(qualities, e.Quality) {
		v.At, v.Quality = time.Time{}, org.NoTime
	}
	if c.Survey != d.known.ID || c.SurveyVersion != d.known.Version {
		v.Flags |= vote.SurveyGuess
	}
	d.votes[seq] = v
	d.Added = append(d.Added, v)
	d.move(v, 1)
}

// unprovenWhy is why an unproven record changes nothing: a vote that is proven stays as it is proven.
const unprovenWhy = "unproven, and its cast is proven"

func (d *Draft) amend(a *vote.Amend, unproven bool) (why string, err error) {
	v, err := d.find(a.Cast)
	switch {
	case v == nil:
		return "amend of no cast", err
	case unproven && v.Flags&vote.Unproven == 0:
		return unprovenWhy, nil
	}
	d.move(v, -1)
	v.Level = a.Level
	d.move(v, 1)
	return "", nil
}

func (d *Draft) detail(seq uint64, t *vote.Detail, unproven bool) (why string, err error) {
	v, err := d.find(t.Cast)
	switch {
	case v == nil:
		return "detail of no cast", err
	case unproven && v.Flags&vote.Unproven == 0:
		return unprovenWhy, nil
	}
	v.Contested = v.Contested || t.Contested
	v.Ignored += min(t.Ignored, ^uint32(0)-v.Ignored)
	if v.Reasons, err = merged(v.Reasons, t.Reasons); err != nil {
		return "", err
	}
	if len(t.Sealed) > 0 {
		d.Personals = append(d.Personals, Personal{seq, t.Cast, t.Sealed})
	}
	return "", nil
}

// find is the vote that a record speaks of; nil where there is none. Records come in order, so a
// vote made after the record is not there yet.
func (d *Draft) find(cast uint64) (*Vote, error) {
	if v, ok := d.votes[cast]; ok {
		return v, nil
	}
	v, err := d.load(cast)
	if err != nil || v == nil {
		return nil, err
	}
	d.votes[cast], d.Changed[cast] = v, v
	return v, nil
}

func (d *Draft) move(v *Vote, n int64) {
	if !v.Counted {
		return
	}
	m := d.Moves[v.Hour()]
	if m == nil {
		m = new(Delta)
		d.Moves[v.Hour()] = m
	}
	m[v.Level-1] += n
}

// merged adds reason codes to a JSON list, each once.
func merged(list string, codes []string) (string, error) {
	if len(codes) == 0 {
		return list, nil
	}
	all, err := Reasons(list)
	if err != nil {
		return "", err
	}
	for _, c := range codes {
		if !slices.Contains(all, c) {
			all = append(all, c)
		}
	}
	out, err := json.Marshal(all)
	return string(out), err
}

// Reasons reads the column of reasons.
func Reasons(list string) (codes []string, err error) {
	if list != "" {
		err = json.Unmarshal([]byte(list), &codes)
	}
	return codes, err
}

// Values are the event's columns: seq, code, note, boot, since_ms, wall_ms, synced.
func (e Event) Values() []any {
	return []any{int64(e.Seq), e.Event.Code, e.Event.Note, e.At.Boot, int64(e.At.SinceMS), e.At.WallMS, e.At.Synced}
}

// Values are the columns seq, vote and sealed.
func (p Personal) Values() []any { return []any{int64(p.Seq), int64(p.Cast), p.Sealed} }

// Prefixed is Columns of a table that goes by another name.
func Prefixed(prefix string) string {
	return prefix + strings.ReplaceAll(strings.Join(strings.Fields(Columns), " "), ", ", ", "+prefix)
}
