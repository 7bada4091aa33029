package gauge

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// Quantile is the value below which a share of them lies.
func Quantile(of []time.Duration, share float64) time.Duration {
	if len(of) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(of))
	return sorted[min(int(share*float64(len(sorted))), len(sorted)-1)]
}

// Table is rows under a head, as Markdown that is also read in a console.
func Table(head []string, rows [][]string) string {
	width := make([]int, len(head))
	for _, row := range append([][]string{head}, rows...) {
		for i, cell := range row {
			width[i] = max(width[i], utf8.RuneCountInString(cell))
		}
	}
	var b strings.Builder
	line := func(cells []string, pad string) {
		for i, cell := range cells {
			fmt.Fprintf(&b, "| %s%s ", cell, strings.Repeat(pad, width[i]-utf8.RuneCountInString(cell)))
		}
		b.WriteString("|\n")
	}
	line(head, " ")
	line(make([]string, len(head)), "-")
	for _, row := range rows {
		line(row, " ")
	}
	return b.String()
}
