package main

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"hailong/scripts/compare/peers"
)

// finished is a run whose presser was told of votes 0, 1 and 2.
func finished() *stage {
	l := peers.NewLedger()
	for id := range 3 {
		l.Accepted[id] = true
	}
	begun := time.UnixMilli(1_000_000)
	l.Last = begun.Add(time.Second)
	none := &peers.Part{}
	return &stage{Road: &peers.Road{Device: none, Broker: none, Consumer: none}, votes: 3, ledger: l, begun: begun}
}

func TestWhatWasAcceptedAndIsNotThereIsLost(t *testing.T) {
	for _, c := range []struct {
		name          string
		ids           []int
		again         int // a vote that was pressed again, -1 for none
		cut           bool
		lost, doubled int
		unsure, twice int
	}{
		{"all there", []int{0, 1, 2}, -1, false, 0, 0, 0, 0},
		{"one lost, as many rows as votes", []int{0, 1, 1}, -1, false, 1, 1, 0, 0},
		{"doubled because it was pressed again", []int{0, 1, 2, 2}, 2, false, 0, 1, 0, 1},
		{"cut off", []int{0}, -1, true, 0, 0, 2, 0},
		{"nothing came", nil, -1, false, 3, 0, 0, 0},
	} {
		s := finished()
		if c.again >= 0 {
			s.ledger.Again[c.again] = true
		}
		var all []peers.Arrival
		for _, id := range c.ids {
			all = append(all, peers.Arrival{ID: id, MS: 1_000_000 + 2000})
		}
		r := s.result(peers.Peer{}, all, c.cut)
		if r.Lost != c.lost || r.Doubled != c.doubled || r.Unsure != c.unsure || r.Again != c.twice {
			t.Errorf("%s: got %+v", c.name, r)
		}
		if len(c.ids) == 3 && c.lost == 0 && r.Arrived != 1.5 {
			t.Errorf("%s: %g a second, want 3 in 2 s", c.name, r.Arrived)
		}
	}
}

func TestThePlotIsXML(t *testing.T) {
	in := xml.NewDecoder(strings.NewReader(draw([]result{
		{Scene: "calm", Peer: "Hài Lòng", Arrived: 1000, All: 2}, {Scene: "faults", Peer: "<&>", Lost: 3},
	})))
	for {
		_, err := in.Token()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}
