// Package vote holds the words both banks speak: levels, surveys, records and the names of
// terminals. It never reads a clock, a disk or a network.
package vote

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"
)

// Level is what a citizen said, from 1 to 5. Its meaning is the same in every survey; a survey
// only chooses which of the five it offers.
type Level uint8

// The five levels. The numbers are on disk and on the wire: never renumber them.
const (
	VeryUnsatisfied Level = 1
	Unsatisfied     Level = 2
	Neutral         Level = 3
	Satisfied       Level = 4
	VerySatisfied   Level = 5
)

// Valid tells whether l is one of the five levels.
func (l Level) Valid() bool { return l >= VeryUnsatisfied && l <= VerySatisfied }

// Text is a sentence in the two languages of the built-in texts.
type Text struct{ Vi, En string }

// In returns the text in a language, Vietnamese where the language is unknown or has no text.
func (t Text) In(language string) string {
	if language == English && t.En != "" {
		return t.En
	}
	return t.Vi
}

// Languages a record may name. A third language needs no new build: it is any tag of two or
// three letters.
const (
	Vietnamese = "vi"
	English    = "en"
)

// Name is the level's wording on screen and paper.
func (l Level) Name() Text {
	switch l {
	case VeryUnsatisfied:
		return Text{"Rất không hài lòng", "Very unsatisfied"}
	case Unsatisfied:
		return Text{"Không hài lòng", "Unsatisfied"}
	case Neutral:
		return Text{"Bình thường", "Neutral"}
	case Satisfied:
		return Text{"Hài lòng", "Satisfied"}
	case VerySatisfied:
		return Text{"Rất hài lòng", "Very satisfied"}
	}
	return Text{fmt.Sprintf("Mức %d", l), fmt.Sprintf("Level %d", l)}
}

// TerminalID names a terminal on the wire, in its certificate and in the broker's permissions.
type TerminalID string

// The id becomes part of an MQTT topic and of a broker permission, so nothing in it may be a
// separator or a wildcard of either.
var terminalID = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{2,31}$`)

// ParseTerminalID checks a terminal's name: 3 to 32 of a–z, 0–9 and '-', not starting with '-'.
func ParseTerminalID(s string) (TerminalID, error) {
	if !terminalID.MatchString(s) {
		return "", fmt.Errorf("terminal id %q: use 3 to 32 of a-z, 0-9 and '-', for example quay-01", s)
	}
	return TerminalID(s), nil
}

// Channel is how a vote came in.
type Channel uint8

// Channels. The numbers are on disk and on the wire.
const (
	Button Channel = 1 // a physical button at the terminal
	Touch  Channel = 2 // the terminal's screen
	Phone  Channel = 3 // the citizen's own phone
	Paper  Channel = 4 // a paper form entered by staff
	Test   Channel = 5 // a technician's press; outside every score of a real store
)

// String is the channel's name in APIs and logs.
func (c Channel) String() string {
	names := [...]string{1: "button", 2: "touch", 3: "phone", 4: "paper", 5: "test"}
	if c >= 1 && int(c) < len(names) {
		return names[c]
	}
	return fmt.Sprintf("channel-%d", uint8(c))
}

// Flags mark a cast that needs a second look. A flagged vote is counted and shown apart, never
// dropped.
type Flags uint32

// Flags of a cast, one bit each. Append only.
const (
	AfterHours   Flags = 1 << 0 // pressed outside the opening hours
	RosterDiffer Flags = 1 << 1 // the terminal showed somebody else than the roster names
	SurveyGuess  Flags = 1 << 2 // the survey on the terminal is not known to the centre
	Assisted     Flags = 1 << 3 // somebody pressed on the citizen's behalf, and said so
	Unproven     Flags = 1 << 4 // carved from a damaged terminal, beyond proof: the centre's word, outside every score
)

// Limits on everything that leaves a terminal. They hold on both banks.
const (
	MaxSurveyID = 64   // bytes
	MaxName     = 64   // bytes of a counter, officer, layout or language name
	MaxReasons  = 12   // chosen reasons of one vote
	MaxReason   = 48   // bytes of a reason code
	MaxSealed   = 4096 // bytes of sealed personal data
	MaxEvent    = 512  // bytes of an event's note
)

// ErrInvalid means that a record, survey or name breaks a rule of this package.
var ErrInvalid = errors.New("invalid")

func invalid(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrInvalid}, args...)...)
}

func named(what, s string, limit int) error {
	if len(s) > limit {
		return invalid("%s has %d bytes, at most %d are allowed", what, len(s), limit)
	}
	// A record with broken UTF-8 could be written and never read again.
	if !utf8.ValidString(s) {
		return invalid("%s %q is not valid UTF-8", what, s)
	}
	if strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return invalid("%s %q holds a control character", what, s)
	}
	return nil
}
