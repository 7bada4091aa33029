package main

import (
	"fmt"

	"hailong/scripts/bench/gauge"
)

// figure is one thing measured.
type figure struct {
	Name  string  `json:"name"`
	Value float64 `json:"value"`
	Unit  string  `json:"unit"`
	Aim   *aim    `json:"aim,omitempty"`
}

// aim is where a figure should lie.
type aim struct {
	Most  bool    `json:"most"` // otherwise at least
	Value float64 `json:"value"`
}

func most(v float64) *aim  { return &aim{true, v} }
func least(v float64) *aim { return &aim{false, v} }

func (b *bench) note(value float64, unit string, a *aim, name string, args ...any) {
	b.figures = append(b.figures, figure{fmt.Sprintf(name, args...), value, unit, a})
}

func (f figure) met() string {
	switch {
	case f.Aim == nil:
		return ""
	case f.Aim.Most == (f.Value <= f.Aim.Value) || f.Value == f.Aim.Value:
		return "met"
	}
	return "MISSED"
}

func (f figure) aim() string {
	switch {
	case f.Aim == nil:
		return ""
	case f.Aim.Most:
		return "≤ " + number(f.Aim.Value)
	}
	return "≥ " + number(f.Aim.Value)
}

// number shows three digits that mean something.
func number(v float64) string {
	switch {
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	case v == float64(int(v)):
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.3g", v)
}

func table(figures []figure) string {
	var rows [][]string
	for _, f := range figures {
		rows = append(rows, []string{f.Name, number(f.Value) + " " + f.Unit, f.aim(), f.met()})
	}
	return gauge.Table([]string{"figure", "measured", "aim", ""}, rows)
}
