// Package wire is the contract between a terminal and the centre: topics, envelopes, records and
// messages, version 1. WIRE.md says it in prose and wire.cddl in grammar. It never sends anything
// and never keeps a key.
package wire

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/fxamacker/cbor/v2"
	"golang.org/x/text/unicode/norm"

	"hailong/vote"
)

// Version is the newest envelope this code writes; version N and N−1 are read for ever.
//
//   - 1: first release
const Version = 1

// Limits on every size. A message beyond them is refused before it is opened.
const (
	MaxRecords = 500       // records in a batch
	MaxPacked  = 64 << 10  // compressed payload, bytes
	MaxOpened  = 1 << 20   // decompressed payload, bytes
	MaxWindow  = 128 << 10 // zstd window, bytes: what a decoder must set aside
	// MaxEnvelope leaves room for the array, the type and the signature around a payload.
	MaxEnvelope = MaxPacked + 128
	maxType     = 16
	maxName     = 64
	maxKinds    = 64      // kinds of documents a hello may name
	maxSeq      = 1 << 62 // above it a seq plus one, or a seq in SQL, would wrap around
)

// Sentinels that tell the centre which code an answer carries.
var (
	// ErrSize means that a message is larger than its limit.
	ErrSize = errors.New("message too large")
	// ErrFormat means that bytes are not the message they should be.
	ErrFormat = errors.New("not a message of this protocol")
	// ErrVersion means that the envelope has a version this code does not read.
	ErrVersion = errors.New("protocol version not read here")
	// ErrSignature means that the signature is not the expected key's.
	ErrSignature = errors.New("signature does not match")
)

// Topic kinds. A terminal publishes the first three and subscribes the last three.
const (
	Up             = "up"
	StatusTopic    = "status"
	HealthTopic    = "health"
	ReceiptTopic   = "receipt"
	DocumentTopic  = "document"
	CommandTopic   = "command"
	topicPrefix    = "hl/v1/"
	topicSeparator = "/"
)

// Topic is the MQTT topic of a terminal: hl/v1/{id}/{kind}.
func Topic(id vote.TerminalID, kind string) string {
	return topicPrefix + string(id) + topicSeparator + kind
}

// decoding refuses what a correct encoder never writes: maps with double keys, endless items,
// tags, broken UTF-8 and deep nesting. Unknown keys are ignored, so a newer writer can add some.
var decoding = must(cbor.DecOptions{
	DupMapKey:        cbor.DupMapKeyEnforcedAPF,
	IndefLength:      cbor.IndefLengthForbidden,
	TagsMd:           cbor.TagsForbidden,
	UTF8:             cbor.UTF8RejectInvalid,
	MaxArrayElements: 1024,
	MaxMapPairs:      64,
	MaxNestedLevels:  8,
}.DecMode())

// encoding is deterministic (RFC 8949 §4.2.1): the same record always has the same digest.
var encoding = must(cbor.CoreDetEncOptions().EncMode())

func must[T any](mode T, err error) T {
	if err != nil {
		panic(err)
	}
	return mode
}

// decode reads a message that must have the given keys. The decoder alone leaves a missing or null
// one zero, and a zero clock would anchor a whole boot in 1970.
func decode(what string, b []byte, into any, keys ...uint64) error {
	if err := decoding.Unmarshal(b, into); err != nil {
		return fmt.Errorf("%w: %s: %w", ErrFormat, what, err)
	}
	if len(keys) == 0 {
		return nil
	}
	var have map[any]cbor.RawMessage
	if err := decoding.Unmarshal(b, &have); err != nil {
		return fmt.Errorf("%w: %s: %w", ErrFormat, what, err)
	}
	for _, key := range keys {
		if value := have[key]; len(value) == 0 || value[0] == cborNull || value[0] == cborUndefined {
			return malformed("%s without key %d", what, key)
		}
	}
	return nil
}

// First bytes of a CBOR item.
const (
	cborNull      = 0xf6
	cborUndefined = 0xf7
)

// isBytes tells whether an item is a byte string (major type 2).
func isBytes(raw []byte) bool { return len(raw) > 0 && raw[0]>>5 == 2 }

// octets reads a byte string of exactly the length of into. The decoder alone pads a short one with
// zeros, cuts a long one and takes an array of numbers for one.
func octets(raw, into []byte) error {
	var b []byte
	if !isBytes(raw) {
		return errors.New("expected a byte string")
	}
	if err := decoding.Unmarshal(raw, &b); err != nil {
		return err
	}
	if len(b) != len(into) {
		return fmt.Errorf("byte string of %d bytes, expected %d", len(b), len(into))
	}
	copy(into, b)
	return nil
}

// octets16 and octets32 stand for epochs, nonces, message ids and heads in what is decoded.
type (
	octets16 [16]byte
	octets32 [32]byte
)

// UnmarshalCBOR reads exactly 16 bytes.
func (o *octets16) UnmarshalCBOR(raw []byte) error { return octets(raw, o[:]) }

// UnmarshalCBOR reads exactly 32 bytes.
func (o *octets32) UnmarshalCBOR(raw []byte) error { return octets(raw, o[:]) }

// allUTF8 guards what is encoded: the encoder writes any string, and no decoder would read it again.
func allUTF8(texts ...string) bool {
	for _, s := range texts {
		if !utf8.ValidString(s) {
			return false
		}
	}
	return true
}

func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrFormat}, args...)...)
}

// Text brings what a person typed into the one form every later reader expects: NFC, without
// control characters, valid UTF-8. Decomposed Vietnamese breaks PDF libraries and searches.
func Text(s string) string {
	// Composing comes last: a control character may have stood between a letter and its accent.
	return norm.NFC.String(strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' || r == 0x7f {
			return -1
		}
		return r
	}, s))
}
