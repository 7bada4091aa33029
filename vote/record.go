package vote

// Kind tells the four records of a terminal's line apart.
type Kind uint8

// Kinds of records. The numbers are on disk and on the wire.
const (
	CastKind   Kind = 1
	AmendKind  Kind = 2
	DetailKind Kind = 3
	EventKind  Kind = 4
)

// String is the kind's name in APIs and logs.
func (k Kind) String() string {
	names := [...]string{"none", "cast", "amend", "detail", "event"}
	if int(k) < len(names) {
		return names[k]
	}
	return "unknown"
}

// Stamp is evidence of a time, not a time: what the clock said and what it was worth.
type Stamp struct {
	WallMS  int64  // wall clock as read, Unix milliseconds
	Synced  bool   // whether the operating system called the clock synchronised
	Boot    uint32 // the terminal's boot counter, from 1
	SinceMS uint64 // milliseconds since that boot; only this one never jumps
}

// Record is one entry of a terminal's line. Exactly one of the four pointers is set. Nothing in
// the line is ever edited: an amend names the cast it replaces.
type Record struct {
	At     Stamp
	Cast   *Cast
	Amend  *Amend
	Detail *Detail
	Event  *Event
}

// Cast is a vote.
type Cast struct {
	Level         Level
	Survey        string // survey id
	SurveyVersion uint32
	Layout        string // how the levels were arranged, for example "5-row"
	Language      string // language tag shown
	Channel       Channel
	Counter       string // counter shown, "" where none is set
	Officer       string // officer shown, "" where none is set
	Flags         Flags
}

// Amend is a changed mind: the last level counts, the first stays visible as superseded.
type Amend struct {
	Cast  uint64 // seq of the cast in the same epoch
	Level Level
}

// Detail adds to a cast what came after the press.
type Detail struct {
	Cast      uint64   // seq of the cast in the same epoch
	Reasons   []string // reason codes of the survey
	Sealed    []byte   // comment, call-back number and dossier, sealed to the collector's key
	Ignored   uint32   // presses made while the visit was already decided
	Contested bool     // a different button was among them; the first press still counts
}

// Event is something that happened to the terminal itself.
type Event struct {
	Code string // one of the codes below, or a newer one
	Note string // short detail for a technician; never anything a visitor typed
}

// Event codes. An unknown code is filed as it is.
const (
	EventBoot        = "boot"
	EventClockSynced = "clock-synced"
	EventClockJump   = "clock-jump"
	EventIgnored     = "ignored-presses"
	EventDisk        = "disk"
	EventDamaged     = "outbox-damaged" // moved aside, and a new epoch began
	EventService     = "service"
)

// Kind tells which of the four the record is; 0 where none or several are set.
func (r Record) Kind() Kind {
	var kind Kind
	n := 0
	for k, set := range []bool{r.Cast != nil, r.Amend != nil, r.Detail != nil, r.Event != nil} {
		if set {
			kind, n = Kind(k+1), n+1
		}
	}
	if n != 1 {
		return 0
	}
	return kind
}

// Validate checks a record against the limits of this package. It knows no survey: a vote of an
// unknown survey is filed and flagged, not refused.
func (r Record) Validate() error {
	switch r.Kind() {
	case CastKind:
		return r.Cast.validate()
	case AmendKind:
		if !r.Amend.Level.Valid() {
			return invalid("amend has level %d, expected 1 to 5", r.Amend.Level)
		}
		return castSeq("amend", r.Amend.Cast)
	case DetailKind:
		return r.Detail.validate()
	case EventKind:
		if r.Event.Code == "" {
			return invalid("event has no code")
		}
		if err := named("event code", r.Event.Code, MaxName); err != nil {
			return err
		}
		return named("event note", r.Event.Note, MaxEvent)
	}
	return invalid("a record is exactly one of cast, amend, detail and event")
}

func (c *Cast) validate() error {
	if !c.Level.Valid() {
		return invalid("cast has level %d, expected 1 to 5", c.Level)
	}
	if c.Channel < Button || c.Channel > Test {
		return invalid("cast has channel %d, expected 1 to 5", c.Channel)
	}
	if c.Survey == "" {
		return invalid("cast names no survey")
	}
	for _, f := range []struct {
		what, value string
		limit       int
	}{
		{"survey", c.Survey, MaxSurveyID}, {"layout", c.Layout, MaxName}, {"language", c.Language, MaxName},
		{"counter", c.Counter, MaxName}, {"officer", c.Officer, MaxName},
	} {
		if err := named(f.what, f.value, f.limit); err != nil {
			return err
		}
	}
	return nil
}

func (d *Detail) validate() error {
	if len(d.Reasons) > MaxReasons {
		return invalid("detail has %d reasons, at most %d are allowed", len(d.Reasons), MaxReasons)
	}
	for _, code := range d.Reasons {
		if code == "" {
			return invalid("detail has an empty reason code")
		}
		if err := named("reason", code, MaxReason); err != nil {
			return err
		}
	}
	if len(d.Sealed) > MaxSealed {
		return invalid("detail has %d sealed bytes, at most %d are allowed", len(d.Sealed), MaxSealed)
	}
	return castSeq("detail", d.Cast)
}

func castSeq(what string, seq uint64) error {
	if seq == 0 {
		return invalid("%s names no cast", what)
	}
	return nil
}
