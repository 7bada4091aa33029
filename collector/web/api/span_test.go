package api

import (
	"testing"
	"time"

	"hailong/collector/org"
)

func TestMoments(t *testing.T) {
	local := time.Date(2022, 8, 5, 0, 0, 0, 0, org.VietnamTime())
	for in, want := range map[string]time.Time{
		"": {}, "2022-08-05": local, "2022-08-05T00:00:00+07:00": local, "2022-08-04T17:00:00Z": local,
		"2022-08-05T00:00:00 07:00": local, // the "+" was not escaped
		"2022-08-05T00:00:00.25Z":   time.Date(2022, 8, 5, 0, 0, 0, 250e6, time.UTC),
	} {
		if got, err := parseMoment(in); err != nil || !got.Equal(want) {
			t.Errorf("%q = %v %v, want %v", in, got, err, want)
		}
	}
	for _, in := range []string{"today", "2022-02-30", "2022-8-5", "0001-01-01", "1969-12-31", "2022-08-05T00:00:00",
		"2022-08-05 00:00:00", " 07:00", "20220805"} {
		if got, err := parseMoment(in); err == nil {
			t.Errorf("%q = %v, want an error", in, got)
		}
	}
}

func FuzzSpan(f *testing.F) {
	f.Add("2022-08-05", "2022-08-06")
	f.Add("2022-08-05T07:30:00+07:00", "")
	f.Add("2022-08-05T07:30:00 07:00", "0001-01-01T00:00:00Z")
	f.Fuzz(func(t *testing.T, from, to string) {
		span, field, err := parseSpan(from, to)
		if err != nil {
			if field != "from" && field != "to" || span != (org.Span{}) {
				t.Errorf("an error about %q with the span %v", field, span)
			}
			return
		}
		if from != "" && span.From.IsZero() || to != "" && span.To.IsZero() {
			t.Errorf("%q to %q is open: %v", from, to, span)
		}
		if from != "" && to != "" && !span.From.Before(span.To) {
			t.Errorf("%q to %q is empty: %v", from, to, span)
		}
	})
}

func FuzzCursor(f *testing.F) {
	f.Add("", uint64(0))
	f.Add(cursor(7), uint64(7))
	f.Add("AQAAAAAAAAAH\n", uint64(1)<<63)
	f.Fuzz(func(t *testing.T, text string, place uint64) {
		if got, err := parseCursor(cursor(place)); err != nil || got != place {
			t.Errorf("cursor of %d is read as %d, %v", place, got, err)
		}
		// One place, one text: a client may compare cursors.
		if got, err := parseCursor(text); err == nil && text != "" && cursor(got) != text {
			t.Errorf("%q is read as %d, which is written %q", text, got, cursor(got))
		}
	})
}
