package wire

import (
	"time"

	"hailong/sync/seal"
	"hailong/vote"
)

// Code is the collector's answer.
type Code string

// Codes of a receipt, and what the terminal does.
const (
	OK          Code = "ok"          // forget up to Upto
	Gap         Code = "gap"         // resend from Upto+1
	Quarantined Code = "quarantined" // forget up to Upto, keep a warning
	Busy        Code = "busy"        // wait RetryAfter
	BadVersion  Code = "version"     // stop and warn: the two cannot talk
	Unknown     Code = "unknown"     // stop, try again every hour
	Fork        Code = "fork"        // stop uploading this epoch, keep taking presses
)

// Range is a run of records the collector filed but could not read.
type Range struct {
	_    struct{} `cbor:",toarray"`
	From uint64
	To   uint64
	Why  string
}

// Receipt is the collector's word, sent after its durable commit: everything up to Upto is on its
// disk, and Head is the chain there.
type Receipt struct {
	Terminal    vote.TerminalID
	Epoch       seal.Epoch
	Answers     MessageID
	Code        Code
	Upto        uint64
	Head        seal.Head
	Nonce       *Nonce // of the hello it answers
	AtMS        int64  // collector's clock, Unix milliseconds
	RetryAfter  time.Duration
	Quarantined []Range
	MinVersion  uint64 // with BadVersion: what the collector reads
	MaxVersion  uint64
}

type receiptMap struct {
	Terminal    string    `cbor:"0,keyasint"`
	Epoch       octets16  `cbor:"1,keyasint"`
	Answers     octets16  `cbor:"2,keyasint"`
	Code        Code      `cbor:"3,keyasint"`
	Upto        uint64    `cbor:"4,keyasint"`
	Head        octets32  `cbor:"5,keyasint"`
	Nonce       *octets16 `cbor:"6,keyasint,omitempty"`
	AtMS        int64     `cbor:"7,keyasint"`
	RetryMS     uint64    `cbor:"8,keyasint,omitempty"`
	Quarantined []Range   `cbor:"9,keyasint,omitempty"`
	MinVersion  uint64    `cbor:"10,keyasint,omitempty"`
	MaxVersion  uint64    `cbor:"11,keyasint,omitempty"`
}

// Encode is the receipt's payload. A receipt that DecodeReceipt would refuse is ErrFormat.
func (r Receipt) Encode() ([]byte, error) {
	if err := r.check(); err != nil {
		return nil, err
	}
	return encoding.Marshal(r.wire())
}

func (r Receipt) wire() receiptMap {
	// Rounded up: a wait of less than a millisecond must not turn into none.
	retry := (min(max(r.RetryAfter, 0), maxRetry) + time.Millisecond - 1) / time.Millisecond
	return receiptMap{
		string(r.Terminal), octets16(r.Epoch), octets16(r.Answers), r.Code, r.Upto, octets32(r.Head),
		(*octets16)(r.Nonce), r.AtMS, uint64(retry), r.Quarantined, r.MinVersion, r.MaxVersion,
	}
}

func (r Receipt) check() error {
	if err := named(r.Terminal); err != nil {
		return err
	}
	switch r.Code {
	case OK, Gap, Quarantined, Busy, BadVersion, Unknown, Fork:
	default:
		return malformed("receipt with code %.20q", r.Code)
	}
	if r.Upto > maxSeq {
		return malformed("receipt up to record %d", r.Upto)
	}
	if len(r.Quarantined) > MaxRecords {
		return malformed("receipt with %d ranges, at most %d are allowed", len(r.Quarantined), MaxRecords)
	}
	for _, q := range r.Quarantined {
		if q.From == 0 || q.To < q.From || q.To > maxSeq || !allUTF8(q.Why) {
			return malformed("receipt quarantines records %d to %d, %.20q", q.From, q.To, q.Why)
		}
	}
	return nil
}

// maxRetry bounds what a receipt may ask for: a wrong value must not silence a terminal for good.
const maxRetry = time.Hour

// DecodeReceipt reads a receipt's payload. An unknown code is ErrFormat: acting on half of it
// could forget a vote.
func DecodeReceipt(payload []byte) (Receipt, error) {
	var m receiptMap
	if err := decode("receipt", payload, &m, 0, 1, 2, 3, 4, 5, 7); err != nil {
		return Receipt{}, err
	}
	retry := time.Duration(min(m.RetryMS, uint64(maxRetry.Milliseconds()))) * time.Millisecond
	r := Receipt{
		vote.TerminalID(m.Terminal), seal.Epoch(m.Epoch), MessageID(m.Answers), m.Code, m.Upto, seal.Head(m.Head),
		(*Nonce)(m.Nonce), m.AtMS, retry, m.Quarantined, m.MinVersion, m.MaxVersion,
	}
	if err := r.check(); err != nil {
		return Receipt{}, err
	}
	return r, nil
}
