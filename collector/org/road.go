package org

import (
	"errors"
	"strings"
	"time"

	"hailong/sync/seal"
	"hailong/sync/wire"
	"hailong/vote"
)

// ErrUnknown means that no terminal of that name is registered.
var ErrUnknown = errors.New("terminal is not registered")

// Entry is one record of a batch as the centre read it.
type Entry struct {
	Item       wire.Item
	Head       seal.Head   // chain after it
	Record     vote.Record // empty where Unreadable says why
	Unreadable string      // why the body could not be read: filed and kept apart
	Unproven   bool        // whole, but nothing proves that it was ever promised: counted apart
	At         time.Time   // resolved; zero where Quality is NoTime
	Quality    Quality
}

// longestWhy keeps 500 reasons within one receipt.
const longestWhy = 120

// Read opens an item of a batch. What cannot be read is still an entry: its digest has a place on
// the chain.
func Read(item wire.Item, head seal.Head, origin wire.Origin) Entry {
	e := Entry{Item: item, Head: head, Unproven: origin == wire.Unproven}
	if !item.Whole() {
		e.Unreadable = "body is lost"
		return e
	}
	r, err := wire.DecodeRecord(item.Body)
	if err != nil {
		e.Unreadable = err.Error()
		e.Unreadable = strings.ToValidUTF8(e.Unreadable[:min(len(e.Unreadable), longestWhy)], "")
		return e
	}
	e.Record = r
	return e
}

// Filing is a batch that was verified and read, on its way to the store.
type Filing struct {
	Terminal vote.TerminalID
	Epoch    seal.Epoch
	First    uint64
	Prev     seal.Head // chain after record First−1
	Entries  []Entry
	Now      vote.Stamp // the terminal's clock when it sent the batch
	Tally    wire.Tally // casts by level that the terminal claims as of the last entry
	Origin   wire.Origin
	Envelope []byte // as received: payload and signature are the proof
	Received time.Time
}

// Last is the seq of the last entry.
func (f Filing) Last() uint64 { return f.First + uint64(len(f.Entries)) - 1 }

// Position is where a terminal's line stands in the store after a filing or a greeting.
type Position struct {
	Code        wire.Code // OK, Gap, Quarantined or Fork
	Upto        uint64
	Head        seal.Head
	Quarantined []wire.Range
	Added       int // records that were new
}

// Aside is a signed message that could not be filed; its bytes are kept for a human.
type Aside struct {
	Terminal vote.TerminalID
	Epoch    seal.Epoch // zero where the message does not tell
	Why      string
	Raw      []byte
	At       time.Time
}
