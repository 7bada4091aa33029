package wire

import (
	"crypto/sha256"

	"hailong/sync/seal"
	"hailong/vote"
)

// Nonce is chosen by a terminal for each hello; only a receipt that echoes it may lower what the
// terminal counts as received.
type Nonce [16]byte

// MessageID is the first 16 bytes of SHA-256 of an envelope. A receipt names the one it answers,
// so that a message forged in a terminal's name cannot stop that terminal by its answer.
type MessageID [16]byte

// IDOf names an envelope.
func IDOf(envelope []byte) MessageID {
	sum := sha256.Sum256(envelope)
	return MessageID(sum[:16])
}

// clock is a vote.Stamp as an array: [wall ms, synced, boot, ms since boot].
type clock struct {
	_       struct{} `cbor:",toarray"`
	WallMS  int64
	Synced  bool
	Boot    uint32
	SinceMS uint64
}

// stamp and its inverse keep vote.Stamp's field names off the wire.
func (c clock) stamp() vote.Stamp {
	return vote.Stamp{WallMS: c.WallMS, Synced: c.Synced, Boot: c.Boot, SinceMS: c.SinceMS}
}

func clockOf(s vote.Stamp) clock {
	return clock{WallMS: s.WallMS, Synced: s.Synced, Boot: s.Boot, SinceMS: s.SinceMS}
}

// Hello opens a conversation: on every connection, and every ten minutes after.
type Hello struct {
	MinVersion uint64
	MaxVersion uint64
	Terminal   vote.TerminalID
	Epoch      seal.Epoch
	Nonce      Nonce
	First      uint64    // first unreceipted seq; Next where nothing waits
	Next       uint64    // seq the next record will get
	Head       seal.Head // chain after record Next−1
	Oldest     uint64    // oldest seq still on the disk; Next where none is
	Before     seal.Head // chain after record Oldest−1
	Now        vote.Stamp
	Documents  map[string]uint64 // document kind → version in use
	Software   string
	Salvaged   bool // the epoch is over: this is what was left of a damaged outbox

	// Of a salvaged hello behind the first: the record after which those before Oldest are lost, and the chain there. A
	// loss is believed only where the collector stands just there, so that messages out of their order lose nothing.
	After     uint64
	AfterHead seal.Head
}

type helloMap struct {
	MinVersion uint64            `cbor:"0,keyasint"`
	MaxVersion uint64            `cbor:"1,keyasint"`
	Terminal   string            `cbor:"2,keyasint"`
	Epoch      octets16          `cbor:"3,keyasint"`
	Nonce      octets16          `cbor:"4,keyasint"`
	First      uint64            `cbor:"5,keyasint"`
	Next       uint64            `cbor:"6,keyasint"`
	Head       octets32          `cbor:"7,keyasint"`
	Oldest     uint64            `cbor:"8,keyasint"`
	Before     octets32          `cbor:"9,keyasint"`
	Now        clock             `cbor:"10,keyasint"`
	Documents  map[string]uint64 `cbor:"11,keyasint,omitempty"`
	Software   string            `cbor:"12,keyasint,omitempty"`
	Salvaged   bool              `cbor:"13,keyasint,omitempty"`
	After      uint64            `cbor:"14,keyasint,omitempty"`
	AfterHead  []byte            `cbor:"15,keyasint,omitempty"`
}

// Encode is the hello's payload. A hello that DecodeHello would refuse is ErrFormat.
func (h Hello) Encode() ([]byte, error) {
	if err := h.check(); err != nil {
		return nil, err
	}
	return encoding.Marshal(h.wire())
}

func (h Hello) wire() helloMap {
	var after []byte
	if h.After > 0 {
		after = h.AfterHead[:]
	}
	return helloMap{
		h.MinVersion, h.MaxVersion, string(h.Terminal), octets16(h.Epoch), octets16(h.Nonce), h.First, h.Next,
		octets32(h.Head), h.Oldest, octets32(h.Before), clockOf(h.Now), h.Documents, h.Software,
		h.Salvaged, h.After, after,
	}
}

func (h Hello) check() error {
	if err := terminal(h.Terminal, h.Epoch); err != nil {
		return err
	}
	if h.Oldest == 0 || h.First < h.Oldest || h.Next < h.First || h.Next > maxSeq {
		return malformed("hello counts oldest %d, first %d, next %d", h.Oldest, h.First, h.Next)
	}
	if h.After >= h.Oldest || h.After > 0 && !h.Salvaged {
		return malformed("hello is lost after record %d, oldest is %d", h.After, h.Oldest)
	}
	if len(h.Software) > maxName || !allUTF8(h.Software) {
		return malformed("hello names its software in %d bytes, expected at most %d of UTF-8", len(h.Software), maxName)
	}
	if len(h.Documents) > maxKinds {
		return malformed("hello names %d kinds of documents, at most %d are allowed", len(h.Documents), maxKinds)
	}
	for kind := range h.Documents {
		if kind == "" || len(kind) > maxName || !allUTF8(kind) {
			return malformed("hello has a document kind of %d bytes, expected 1 to %d of UTF-8", len(kind), maxName)
		}
	}
	return nil
}

// DecodeHello reads a hello's payload.
func DecodeHello(payload []byte) (Hello, error) {
	var m helloMap
	if err := decode("hello", payload, &m, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10); err != nil {
		return Hello{}, err
	}
	h := Hello{
		m.MinVersion, m.MaxVersion, vote.TerminalID(m.Terminal), seal.Epoch(m.Epoch), Nonce(m.Nonce), m.First, m.Next,
		seal.Head(m.Head), m.Oldest, seal.Head(m.Before), m.Now.stamp(), m.Documents, m.Software,
		m.Salvaged, m.After, seal.Head{},
	}
	if copy(h.AfterHead[:], m.AfterHead); len(m.AfterHead) != int(min(m.After, 1))*len(h.AfterHead) {
		return Hello{}, malformed("hello is lost after record %d, with a head of %d bytes", m.After, len(m.AfterHead))
	}
	if err := h.check(); err != nil {
		return Hello{}, err
	}
	return h, nil
}

// terminal checks whose record line a message speaks of.
func terminal(id vote.TerminalID, e seal.Epoch) error {
	if err := named(id); err != nil {
		return err
	}
	if e == (seal.Epoch{}) {
		return malformed("epoch of %s is zero", id)
	}
	return nil
}

func named(id vote.TerminalID) error {
	if _, err := vote.ParseTerminalID(string(id)); err != nil {
		return malformed("%w", err)
	}
	return nil
}

// Status is a terminal's presence. The last will is a Status that says offline, signed when the
// connection was made.
type Status struct {
	Terminal vote.TerminalID
	Online   bool
}

type statusMap struct {
	Terminal string `cbor:"0,keyasint"`
	Online   bool   `cbor:"1,keyasint"`
}

// Encode is the status' payload. A terminal without a proper name is ErrFormat.
func (s Status) Encode() ([]byte, error) {
	if err := named(s.Terminal); err != nil {
		return nil, err
	}
	return encoding.Marshal(statusMap{string(s.Terminal), s.Online})
}

// DecodeStatus reads a status' payload.
func DecodeStatus(payload []byte) (Status, error) {
	var m statusMap
	if err := decode("status", payload, &m, 0, 1); err != nil {
		return Status{}, err
	}
	s := Status{vote.TerminalID(m.Terminal), m.Online}
	if err := named(s.Terminal); err != nil {
		return Status{}, err
	}
	return s, nil
}
