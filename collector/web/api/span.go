package api

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"strings"
	"time"

	"hailong/collector/org"
)

// parseSpan reads from and to. An error names the field it is about.
func parseSpan(from, to string) (span org.Span, field string, err error) {
	if span.From, err = parseMoment(from); err != nil {
		return org.Span{}, "from", err
	}
	if span.To, err = parseMoment(to); err != nil {
		return org.Span{}, "to", err
	}
	if !span.From.IsZero() && !span.To.IsZero() && !span.From.Before(span.To) {
		return org.Span{}, "to", errors.New("must be later than from; to is exclusive")
	}
	return span, "", nil
}

// parseMoment reads a moment or the start of a local date; "" is an open end.
func parseMoment(s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	// An unescaped "+" in a query arrives as a blank, and everybody forgets to escape it.
	if n := len(s) - len(" 07:00"); n > 0 && s[n] == ' ' {
		s = s[:n] + "+" + s[n+1:]
	}
	t, err := time.ParseInLocation(time.DateOnly, s, org.VietnamTime())
	if err != nil {
		t, err = time.Parse(time.RFC3339, s)
	}
	if err != nil {
		return time.Time{}, errors.New("expected a date such as 2022-08-05, or 2022-08-05T07:30:00+07:00")
	}
	// Year 1 would be taken for an open end.
	if t.Year() < 1970 {
		return time.Time{}, errors.New("expected a year from 1970")
	}
	return t, nil
}

// cursorVersion lets a later cursor hold something else.
const cursorVersion = 1

// cursor hides a place in filing order, so that nobody counts with it.
func cursor(place uint64) string {
	return base64.RawURLEncoding.EncodeToString(binary.BigEndian.AppendUint64([]byte{cursorVersion}, place))
}

// parseCursor reads what cursor wrote; "" is the start.
func parseCursor(s string) (uint64, error) {
	if s == "" {
		return 0, nil
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(s)
	if err != nil || len(raw) != 9 || raw[0] != cursorVersion || strings.ContainsAny(s, "\r\n") {
		return 0, errors.New("not a cursor of this API; use the next of an earlier answer as it is")
	}
	return binary.BigEndian.Uint64(raw[1:]), nil
}
