package wire

import (
	"fmt"

	"hailong/sync/seal"
	"hailong/vote"
)

// body spells out a record's keys. The wall clock is carried as the wall time of the boot (wall
// minus time since boot), which repeats from record to record and so costs nothing once packed;
// level and time, the two that change, stand last.
type body struct {
	Kind          vote.Kind    `cbor:"0,keyasint"`
	Boot          uint32       `cbor:"1,keyasint"`
	BootWallMS    int64        `cbor:"2,keyasint"`
	Synced        bool         `cbor:"3,keyasint,omitempty"`
	Survey        string       `cbor:"4,keyasint,omitempty"`
	SurveyVersion uint32       `cbor:"5,keyasint,omitempty"`
	Layout        string       `cbor:"6,keyasint,omitempty"`
	Language      string       `cbor:"7,keyasint,omitempty"`
	Channel       vote.Channel `cbor:"8,keyasint,omitempty"`
	Counter       string       `cbor:"9,keyasint,omitempty"`
	Officer       string       `cbor:"10,keyasint,omitempty"`
	Flags         vote.Flags   `cbor:"11,keyasint,omitempty"`
	Cast          uint64       `cbor:"12,keyasint,omitempty"`
	Reasons       []string     `cbor:"13,keyasint,omitempty"`
	Sealed        []byte       `cbor:"14,keyasint,omitempty"`
	Ignored       uint32       `cbor:"15,keyasint,omitempty"`
	Contested     bool         `cbor:"16,keyasint,omitempty"`
	Code          string       `cbor:"17,keyasint,omitempty"`
	Note          string       `cbor:"18,keyasint,omitempty"`
	Level         vote.Level   `cbor:"22,keyasint,omitempty"`
	SinceMS       uint64       `cbor:"23,keyasint"`
}

// EncodeRecord is a record's body: deterministic CBOR. An invalid record is vote.ErrInvalid.
func EncodeRecord(r vote.Record) ([]byte, error) {
	if err := r.Validate(); err != nil {
		return nil, err
	}
	b := body{
		Kind: r.Kind(), Boot: r.At.Boot, BootWallMS: r.At.WallMS - int64(r.At.SinceMS),
		Synced: r.At.Synced, SinceMS: r.At.SinceMS,
	}
	switch b.Kind {
	case vote.CastKind:
		c := r.Cast
		b.Level, b.Survey, b.SurveyVersion, b.Layout = c.Level, c.Survey, c.SurveyVersion, c.Layout
		b.Language, b.Channel, b.Counter, b.Officer = c.Language, c.Channel, c.Counter, c.Officer
		b.Flags = c.Flags
	case vote.AmendKind:
		b.Cast, b.Level = r.Amend.Cast, r.Amend.Level
	case vote.DetailKind:
		d := r.Detail
		b.Cast, b.Reasons, b.Sealed, b.Ignored, b.Contested = d.Cast, d.Reasons, d.Sealed, d.Ignored, d.Contested
	case vote.EventKind:
		b.Code, b.Note = r.Event.Code, r.Event.Note
	}
	if !allUTF8(append([]string{
		b.Survey, b.Layout, b.Language, b.Counter, b.Officer, b.Code, b.Note,
	}, b.Reasons...)...) {
		return nil, fmt.Errorf("%w: %s holds text that is not UTF-8", vote.ErrInvalid, b.Kind)
	}
	out, err := encoding.Marshal(b)
	if err != nil {
		return nil, fmt.Errorf("encode record: %w", err)
	}
	if len(out) > seal.MaxBody {
		return nil, fmt.Errorf("%w: record of %d bytes", ErrSize, len(out))
	}
	return out, nil
}

// DecodeRecord reads a body. Unknown keys are ignored; a record that breaks vote's rules is
// ErrFormat.
func DecodeRecord(raw []byte) (vote.Record, error) {
	if len(raw) > seal.MaxBody {
		return vote.Record{}, fmt.Errorf("%w: record of %d bytes", ErrSize, len(raw))
	}
	var b body
	if err := decode("record", raw, &b); err != nil {
		return vote.Record{}, err
	}
	r := vote.Record{At: vote.Stamp{
		WallMS: b.BootWallMS + int64(b.SinceMS), Synced: b.Synced, Boot: b.Boot, SinceMS: b.SinceMS,
	}}
	switch b.Kind {
	case vote.CastKind:
		r.Cast = &vote.Cast{
			Level: b.Level, Survey: b.Survey, SurveyVersion: b.SurveyVersion, Layout: b.Layout,
			Language: b.Language, Channel: b.Channel, Counter: b.Counter, Officer: b.Officer, Flags: b.Flags,
		}
	case vote.AmendKind:
		r.Amend = &vote.Amend{Cast: b.Cast, Level: b.Level}
	case vote.DetailKind:
		r.Detail = &vote.Detail{
			Cast: b.Cast, Reasons: b.Reasons, Sealed: b.Sealed, Ignored: b.Ignored, Contested: b.Contested,
		}
	case vote.EventKind:
		r.Event = &vote.Event{Code: b.Code, Note: b.Note}
	default:
		return vote.Record{}, malformed("record of unknown kind %d", b.Kind)
	}
	if err := r.Validate(); err != nil {
		return vote.Record{}, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	return r, nil
}
