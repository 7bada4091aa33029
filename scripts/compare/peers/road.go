// Package peers is what others would use in our place, and this house in theirs: each a road of programs from
// a presser to a disk at the centre. It never judges what a road did.
package peers

import (
	"context"
	"errors"
	"time"

	"hailong/scripts/bench/gauge"
)

// Peer is one way from a terminal to a disk at the centre.
type Peer struct {
	Key, Name string
	Says      string // its settings
	Share     int    // of the votes: one in so many
	Online    bool   // takes no votes while the centre is away
	Make      func(ctx context.Context, dir string) (*Road, error)
}

// Road is a peer's programs in one run.
type Road struct {
	Device, Broker, Consumer *Part // who is killed as what; broker and consumer may be one
	Press                    Presser
	Count                    func(ctx context.Context) (int, error) // votes at the centre, quickly
	Arrivals                 func(ctx context.Context) ([]Arrival, error)
	End                      func() error // lets go of what is not a program; nil where nothing is
}

// Arrival is a vote on the centre's disk.
type Arrival struct {
	ID int
	MS int64 // when, Unix milliseconds
}

// Part is programs that are killed and started together.
type Part struct {
	Programs []*gauge.Process
	Ready    func(ctx context.Context) error // waits until they work
}

// Start starts them and waits until they work.
func (p *Part) Start(ctx context.Context) error {
	for _, g := range p.Programs {
		if err := g.Start(ctx); err != nil {
			return err
		}
	}
	if p.Ready == nil {
		return nil
	}
	return p.Ready(ctx)
}

// Kill is kill -9.
func (p *Part) Kill() (err error) {
	for _, g := range p.Programs {
		err = errors.Join(err, g.Kill())
	}
	return err
}

// Stop asks them to end.
func (p *Part) Stop() (err error) {
	for _, g := range p.Programs {
		err = errors.Join(err, g.End())
	}
	return err
}

// Parts are the road's, each once, the device's first.
func (r *Road) Parts() []*Part {
	if r.Consumer == r.Broker {
		return []*Part{r.Device, r.Broker}
	}
	return []*Part{r.Device, r.Broker, r.Consumer}
}

// Cost is the processor time and the most memory of the device's programs, or of the centre's.
func (r *Road) Cost(device bool) (cpu time.Duration, memory int64) {
	for i, p := range r.Parts() {
		for _, g := range p.Programs {
			if (i == 0) == device {
				cpu, memory = cpu+g.CPU(), memory+g.Peak()
			}
		}
	}
	return cpu, memory
}

// Close ends what runs.
func (r *Road) Close() error {
	var errs []error
	for _, p := range r.Parts() {
		errs = append(errs, p.Stop())
	}
	if r.End != nil {
		errs = append(errs, r.End())
	}
	return errors.Join(errs...)
}
