package config

import (
	_ "embed"
	"fmt"

	"golang.org/x/text/unicode/norm"

	"hailong/vote"
)

// Hall is a simulated hall: its counters and how their citizens vote.
type Hall struct {
	Counters []Counter `toml:"counters"`
}

// Counter is one simulated counter.
type Counter struct {
	Terminal string     `toml:"terminal"`
	Name     string     `toml:"name"`
	Visits   float64    `toml:"visits"` // votes in a working day
	Levels   [5]float64 `toml:"levels"` // weights of level 1 to 5
	Silent   bool       `toml:"silent"` // connected, but nobody votes
}

//go:embed examples/hall.toml
var seedHall string

// SeedHall is the hall of the real report this product began with: eleven counters.
func SeedHall() (Hall, error) {
	var h Hall
	if err := parse(seedHall, &h, func() error { return h.Validate() }); err != nil {
		return Hall{}, fmt.Errorf("%w of the built-in hall: %w", ErrConfig, err)
	}
	return h, nil
}

// LoadHall reads and judges a hall's file.
func LoadHall(path string) (Hall, error) {
	var h Hall
	err := load(path, &h, func() error {
		for i := range h.Counters {
			h.Counters[i].Name = norm.NFC.String(h.Counters[i].Name)
		}
		return h.Validate()
	})
	return h, err
}

// Validate tells everything that is wrong at once, each with its field's path.
func (h Hall) Validate() error {
	var p problems
	if len(h.Counters) == 0 {
		p.add("counters", "a hall needs at least one counter")
	}
	seen := map[string]int{}
	for i, c := range h.Counters {
		field := fmt.Sprintf("counters[%d]", i)
		if _, err := vote.ParseTerminalID(c.Terminal); err != nil {
			p.add(field+".terminal", "%v", err)
		}
		if other, taken := seen[c.Terminal]; taken {
			p.add(field+".terminal", "%s is already counters[%d]'s", c.Terminal, other)
		}
		seen[c.Terminal] = i
		if c.Name == "" || len(c.Name) > vote.MaxName {
			p.add(field+".name", "%q must have 1 to %d bytes", c.Name, vote.MaxName)
		}
		if c.Visits < 0 || c.Visits > 10_000 {
			p.add(field+".visits", "%g must be 0 to 10000 a day", c.Visits)
		}
		sum := 0.0
		for _, w := range c.Levels {
			if w < 0 {
				sum = -1
				break
			}
			sum += w
		}
		if sum <= 0 {
			p.add(field+".levels", "%v must be five weights from 0, not all 0", c.Levels)
		}
	}
	return p.join()
}
