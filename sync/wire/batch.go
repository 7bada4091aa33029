package wire

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/fxamacker/cbor/v2"

	"hailong/sync/seal"
	"hailong/vote"
)

// Item is one record of a batch: its body, or its digest where the body is lost.
type Item struct {
	Body   []byte
	Digest seal.Digest // of Body, or all that is left of it
}

// Whole tells whether the body is there.
func (i Item) Whole() bool { return i.Body != nil }

// MarshalCBOR writes a body as a byte string and a lost one as [digest].
func (i Item) MarshalCBOR() ([]byte, error) {
	if i.Whole() {
		return encoding.Marshal(i.Body)
	}
	return encoding.Marshal([1][]byte{i.Digest[:]})
}

// UnmarshalCBOR reads either form and digests a body.
func (i *Item) UnmarshalCBOR(raw []byte) error {
	const arrayOfOne = 0x81
	if len(raw) > 0 && raw[0] == arrayOfOne {
		var lost [1]octets32
		if err := decoding.Unmarshal(raw, &lost); err != nil {
			return err
		}
		*i = Item{Digest: seal.Digest(lost[0])}
		return nil
	}
	// The decoder alone would take an array of numbers for a byte string.
	if !isBytes(raw) {
		return errors.New("neither a body nor a digest in an array")
	}
	var b []byte
	if err := decoding.Unmarshal(raw, &b); err != nil {
		return err
	}
	if len(b) == 0 || len(b) > seal.MaxBody {
		return fmt.Errorf("body of %d bytes", len(b))
	}
	*i = Item{Body: b, Digest: seal.Of(b)}
	return nil
}

var (
	_ cbor.Marshaler   = Item{}
	_ cbor.Unmarshaler = (*Item)(nil)
)

// Tally counts a terminal's casts by level since its epoch began, test presses included. Index 0
// is level 1.
type Tally [5]uint64

// Origin tells where a batch's records were found.
type Origin uint8

// Origins of records.
const (
	Live     Origin = iota // in the outbox; left out on the wire
	Salvaged               // in a damaged outbox, and the chain proves that all of them were promised
	Unproven               // there too, whole, but beyond what the chain proves
)

// Batch is a contiguous run of records.
type Batch struct {
	Terminal vote.TerminalID
	Epoch    seal.Epoch
	First    uint64
	Items    []Item
	Prev     seal.Head // chain after record First−1
	Head     seal.Head // chain after the last record
	Now      vote.Stamp
	Tally    Tally  // as of the last record; means nothing where Origin is not Live
	Origin   Origin // of an Unproven batch, Prev and Head bind its items to each other and to nothing else
}

type batchMap struct {
	Terminal string   `cbor:"0,keyasint"`
	Epoch    octets16 `cbor:"1,keyasint"`
	First    uint64   `cbor:"2,keyasint"`
	Items    []Item   `cbor:"3,keyasint"`
	Prev     octets32 `cbor:"4,keyasint"`
	Head     octets32 `cbor:"5,keyasint"`
	Now      clock    `cbor:"6,keyasint"`
	Tally    []uint64 `cbor:"7,keyasint"` // the decoder alone pads or cuts a fixed array
	Origin   Origin   `cbor:"8,keyasint,omitempty"`
}

// Last is the seq of the batch's last record.
func (b Batch) Last() uint64 { return b.First + uint64(len(b.Items)) - 1 }

// Encode is the batch's payload. A batch that DecodeBatch would refuse is ErrFormat.
func (b Batch) Encode() ([]byte, error) {
	if err := b.check(); err != nil {
		return nil, err
	}
	return encoding.Marshal(b.wire())
}

func (b Batch) wire() batchMap {
	return batchMap{
		string(b.Terminal), octets16(b.Epoch), b.First, b.Items, octets32(b.Prev), octets32(b.Head),
		clockOf(b.Now), b.Tally[:], b.Origin,
	}
}

func (b Batch) check() error {
	if err := terminal(b.Terminal, b.Epoch); err != nil {
		return err
	}
	if n := len(b.Items); n == 0 || n > MaxRecords {
		return malformed("batch of %d records, expected 1 to %d", n, MaxRecords)
	}
	for i, item := range b.Items {
		if item.Whole() && (len(item.Body) == 0 || len(item.Body) > seal.MaxBody) {
			return malformed("item %d of batch has a body of %d bytes", i, len(item.Body))
		}
	}
	if b.First == 0 || b.First > maxSeq {
		return malformed("batch begins at record %d", b.First)
	}
	if b.Origin > Unproven {
		return malformed("batch of origin %d, expected at most %d", b.Origin, Unproven)
	}
	return nil
}

// DecodeBatch reads a batch's payload and checks its shape. The chain is checked by Chain.
func DecodeBatch(payload []byte) (Batch, error) {
	var m batchMap
	if err := decode("batch", payload, &m, 0, 1, 2, 3, 4, 5, 6, 7); err != nil {
		return Batch{}, err
	}
	if n := len(m.Tally); n != len(Tally{}) {
		return Batch{}, malformed("batch with a tally of %d levels", n)
	}
	b := Batch{
		vote.TerminalID(m.Terminal), seal.Epoch(m.Epoch), m.First, m.Items, seal.Head(m.Prev), seal.Head(m.Head),
		m.Now.stamp(), Tally(m.Tally), m.Origin,
	}
	if err := b.check(); err != nil {
		return Batch{}, err
	}
	return b, nil
}

// Chain is the chain value after each record, from Prev; false where the last is not the head
// that the batch claims.
func (b Batch) Chain() ([]seal.Head, bool) {
	heads := make([]seal.Head, len(b.Items))
	h := b.Prev
	for i, item := range b.Items {
		h = h.Next(b.First+uint64(i), item.Digest)
		heads[i] = h
	}
	return heads, len(heads) > 0 && bytes.Equal(h[:], b.Head[:])
}
