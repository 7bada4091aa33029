package api

import (
	"encoding/csv"
	"fmt"
	"io"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// writeCSV writes a body that is a table; an error is written as JSON whatever was asked for.
func writeCSV(w io.Writer, v any) error {
	body, ok := v.(interface{ table() [][]any })
	if !ok {
		return huma.DefaultJSONFormat.Marshal(w, v)
	}
	if _, err := io.WriteString(w, "\ufeff"); err != nil {
		return err
	}
	out := csv.NewWriter(w)
	for _, row := range body.table() {
		cells := make([]string, len(row))
		for i, cell := range row {
			cells[i] = fmt.Sprint(cell)
			if text, ok := cell.(string); ok {
				cells[i] = harmless(text)
			}
		}
		if err := out.Write(cells); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}

// harmless keeps a spreadsheet from running text as a formula. Spreadsheets skip leading blanks.
func harmless(s string) string {
	if t := strings.TrimLeft(s, " \t\r\n\u00a0"); t != "" && strings.ContainsRune("=+-@＝＋－＠", []rune(t)[0]) ||
		strings.HasPrefix(s, "\t") || strings.HasPrefix(s, "\r") {
		return "'" + s
	}
	return s
}
