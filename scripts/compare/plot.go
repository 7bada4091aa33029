package main

import (
	"fmt"
	"html"
	"math"
	"slices"
	"strings"
)

// Sizes of the plot, in its own units.
const (
	wide  = 1080
	row   = 26
	names = 190 // where the first bars begin
	bar   = 230 // the longest
	next  = 330 // from one column to the next
)

// column is one figure of all results, drawn on a logarithmic scale: they lie a thousandfold apart.
type column struct {
	vi, en   string
	from, to float64 // of the scale
	of       func(result) float64
}

func columns() []column {
	return []column{
		{"phiếu đến nơi mỗi giây", "votes arrived per second", 10, 100_000,
			func(r result) float64 { return r.Arrived }},
		{"giây CPU cho 100.000 phiếu", "CPU seconds for 100,000 votes", 0.3, 1000,
			func(r result) float64 { return r.All }},
	}
}

// length of a bar.
func (c column) length(r result) float64 {
	v := math.Log(c.of(r)/c.from) / math.Log(c.to/c.from)
	if math.IsNaN(v) {
		return 0
	}
	return max(0, min(1, v)) * bar
}

const style = `<style>
text{font-family:system-ui,"Segoe UI","Noto Sans",Roboto,Arial,sans-serif;font-size:13px;fill:#1f2d3a}
.h{font-size:16px;font-weight:700}.e{fill:#55636f;font-size:12px}.o{font-weight:700}.bad{fill:#b4472f;font-weight:700}
.t{fill:#e7e2d6}.u{fill:#2b7a56}.p{fill:#8fa3b3}
</style>`

const frame = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img"
 aria-label="So sánh – Comparison: phiếu đến nơi, thời gian CPU, phiếu mất – votes arrived, processor time, losses">
%s
<rect width="100%%" height="100%%" rx="14" fill="#f8f6f0"/>
%s
</svg>
`

// sceneName is a scene in words, as a heading.
func sceneName(name string) string {
	switch name {
	case "calm":
		return "Không có lỗi – nothing fails"
	case "waiting":
		return "Phiếu chờ sẵn – all votes wait for the centre"
	}
	return "Tắt ngang 5 lần – killed five times"
}

// draw is the results as an SVG.
func draw(results []result) string {
	var b strings.Builder
	y := 70
	for i, c := range columns() {
		x := names + i*next
		fmt.Fprintf(&b, `<text class="o" x="%d" y="30">%s</text><text class="e" x="%d" y="48">%s</text>`+"\n",
			x, c.vi, x, c.en)
	}
	for _, sc := range scenes() {
		in := slices.DeleteFunc(slices.Clone(results), func(r result) bool { return r.Scene != sc.name })
		if len(in) == 0 {
			continue
		}
		y += row
		fmt.Fprintf(&b, `<text class="h" x="20" y="%d">%s</text>`+"\n", y, sceneName(sc.name))
		y += 12
		for _, r := range in {
			line(&b, r, y)
			y += row
		}
	}
	fmt.Fprintf(&b, `<text class="e" x="20" y="%d">Thang lô-ga-rít · logarithmic scale</text>`, y+22)
	return fmt.Sprintf(frame, wide, y+40, wide, y+40, style, b.String())
}

// line is one result: name, bars, and what was lost.
func line(b *strings.Builder, r result, y int) {
	class, mark := "p", ""
	if r.Peer == "Hài Lòng" {
		class, mark = "u", ` class="o"`
	}
	fmt.Fprintf(b, `<text%s x="20" y="%d">%s</text>`, mark, y+14, html.EscapeString(r.Peer))
	for i, c := range columns() {
		x := names + i*next
		n := c.length(r)
		fmt.Fprintf(b, `<rect class="t" x="%d" y="%d" width="%d" height="16" rx="3"/>`, x, y+2, bar)
		fmt.Fprintf(b, `<rect class="%s" x="%d" y="%d" width="%.1f" height="16" rx="3"/>`, class, x, y+2, n)
		fmt.Fprintf(b, `<text x="%d" y="%d">%s</text>`, x+bar+8, y+15, short(c.of(r)))
	}
	var loss []string
	for _, l := range []struct {
		words string
		n     int
	}{{"thiếu · missing", r.Unsure}, {"mất · lost", r.Lost}, {"trùng · doubled", r.Doubled}} {
		if l.n > 0 {
			loss = append(loss, fmt.Sprintf("%s %d", l.words, l.n))
		}
	}
	fmt.Fprintf(b, `<text class="bad" x="%d" y="%d">%s</text>`+"\n", names+2*next-50, y+15,
		strings.Join(loss, ", "))
}

func short(v float64) string {
	switch {
	case v == 0:
		return "–"
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.3g", v)
}
