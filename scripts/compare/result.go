package main

import (
	"fmt"
	"time"

	"hailong/scripts/bench/gauge"
	"hailong/scripts/compare/peers"
)

// result is one run of a peer.
type result struct {
	Peer     string  `json:"peer"`
	Settings string  `json:"settings"`
	Scene    string  `json:"scene"`
	Votes    int     `json:"votes"`
	Accepted float64 `json:"accepted_per_s"`
	Arrived  float64 `json:"arrived_per_s"`   // waiting: from the first arrival to the last
	Away     float64 `json:"first_arrival_s"` // waiting: how long after the centre came
	Lost     int     `json:"lost"`
	Unsure   int     `json:"not_arrived_at_cut"` // of a run that was cut off: may still come
	Doubled  int     `json:"doubled"`
	Again    int     `json:"doubled_pressed_again"` // of these: pressed again, because no answer came
	Refused  int     `json:"refused"`
	Device   float64 `json:"cpu_s_per_100k_device"`
	All      float64 `json:"cpu_s_per_100k_all"`
	DeviceMB float64 `json:"memory_mb_device"`
	CentreMB float64 `json:"memory_mb_centre"`
	Faults   int     `json:"faults"`
	Of       int     `json:"faults_of"`
}

func (s *stage) result(p peers.Peer, all []peers.Arrival, cut bool) result {
	r := result{Peer: p.Name, Settings: p.Says, Scene: s.name, Votes: s.votes, Refused: s.ledger.Refused,
		Faults: s.hit, Of: len(s.faults)}
	times := map[int]int{}
	first, last := int64(1<<62), int64(0)
	for _, a := range all {
		times[a.ID]++
		first, last = min(first, a.MS), max(last, a.MS)
	}
	for id, n := range times {
		if r.Doubled += n - 1; n > 1 && s.ledger.Again[id] {
			r.Again += n - 1
		}
	}
	for id := range s.ledger.Accepted {
		if times[id] == 0 {
			r.Lost++
		}
	}
	if cut {
		r.Lost, r.Unsure = 0, r.Lost
	}
	from := s.begun
	if s.later {
		from = time.UnixMilli(first)
		r.Away = from.Sub(s.came).Seconds()
	}
	if span := time.UnixMilli(last).Sub(from); span > 0 {
		r.Arrived = float64(len(times)) / span.Seconds()
	}
	if n := s.ledger.Count(); n > 0 {
		r.Accepted = float64(n) / s.ledger.Last.Sub(s.begun).Seconds()
	}
	device, mine := s.Cost(true)
	centre, theirs := s.Cost(false)
	if n := float64(len(times)); n > 0 {
		r.Device, r.All = device.Seconds()*100_000/n, (device+centre).Seconds()*100_000/n
	}
	r.DeviceMB, r.CentreMB = float64(mine)/(1<<20), float64(theirs)/(1<<20)
	return r
}

func (r result) cells() []string {
	lost, doubled, faults := fmt.Sprint(r.Lost), fmt.Sprint(r.Doubled), ""
	if r.Unsure > 0 {
		lost = fmt.Sprintf("cut off, %d not there", r.Unsure)
	}
	if r.Again > 0 {
		doubled += fmt.Sprintf(" (%d pressed again)", r.Again)
	}
	if r.Of > 0 {
		faults = fmt.Sprintf("%d of %d", r.Faults, r.Of)
	}
	arrived := "all at once"
	if r.Arrived > 0 {
		arrived = fmt.Sprintf("%.0f", r.Arrived)
	}
	if r.Away > 0 {
		arrived += fmt.Sprintf(", after %.1f s", r.Away)
	}
	return []string{r.Scene, r.Peer, fmt.Sprint(r.Votes), fmt.Sprintf("%.0f", r.Accepted),
		arrived, lost, doubled, fmt.Sprint(r.Refused),
		fmt.Sprintf("%.2f / %.2f", r.Device, r.All), fmt.Sprintf("%.0f / %.0f", r.DeviceMB, r.CentreMB), faults}
}

func (r result) line() string {
	return fmt.Sprintf("accepted %.0f/s, arrived %.0f/s, lost %d, doubled %d, cut with %d missing, %.2f s per 100,000",
		r.Accepted, r.Arrived, r.Lost, r.Doubled, r.Unsure, r.All)
}

func (c *compare) table() string {
	var rows [][]string
	for _, r := range c.results {
		rows = append(rows, r.cells())
	}
	return gauge.Table([]string{"scene", "who", "votes", "accepted/s", "arrived/s", "lost", "doubled", "refused",
		"CPU s per 100,000, terminal / all", "MB, terminal / centre", "faults"}, rows)
}
