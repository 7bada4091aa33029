package journal

import (
	"log/slog"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestLogLinesAreCutAndCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := &strings.Builder{}
		certain := 0
		j := New(slog.New(slog.NewTextHandler(out, nil)), func(why string, sure bool) {
			if sure {
				certain++
			}
		})
		j.Noticef("a banner nobody reads")
		for range maxLinesPerSecond + 5 {
			j.Warnf("x%s", strings.Repeat("ă", 1000)) // an odd place to cut
		}
		if n := strings.Count(out.String(), "\n"); n != maxLinesPerSecond {
			t.Errorf("%d lines in one second, want %d", n, maxLinesPerSecond)
		}
		time.Sleep(time.Second)
		j.Errorf(`127.0.0.1:9 - mid:7 - "t-001" - Publish Violation - Subject %q`,
			`x" - mid:8 - "t-002" - Publish Violation -`)
		j.Errorf(`127.0.0.1:9 - mid:7 - "t-001" - Subscription Violation - "Filestore [$MQTT] Critical write error"`)
		j.Errorf(`127.0.0.1:9 - mid:7 - "T 1" - Publish Violation - Subject "a"`)
		j.Errorf(`127.0.0.1:9 - mid:7 - "T 1" - a - mid:8 - "t-002" - Publish Violation - Subject "a"`)
		if certain != 0 {
			t.Error("a client's words were taken for the store's")
		}
		j.Errorf("Filestore [$MQTT_sess] Critical write error: %v", os.ErrClosed)
		j.Fatalf("Unable to listen: %d", 1)
		if certain != 1 || j.LastFatal() != "Unable to listen: 1" {
			t.Errorf("certain %d, fatal %q", certain, j.LastFatal())
		}
		violations, dropped := j.Counts()
		if len(violations) != 1 || violations["t-001"] != 2 || dropped != 5 {
			t.Errorf("violations %v, dropped %d; want t-001: 2, and 5", violations, dropped)
		}
		if !strings.Contains(out.String(), eventDropped+" lines=5") {
			t.Error("drops are not said")
		}
		for line := range strings.Lines(out.String()) {
			if strings.ContainsRune(line, '\uFFFD') || strings.Contains(line, `\x`) || len(line) > maxLine+150 {
				t.Errorf("badly cut: %q", line)
			}
		}
	})
}
