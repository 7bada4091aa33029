// Package journal is what the embedded NATS server writes its log into: it cuts and rations lines, counts what
// terminals were refused, and tells when the store seems lost. It never acts on any of that.
package journal

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"regexp"
	"strings"
	"sync"
	"time"
)

const (
	// maxLine cuts a line of the server, which writes a topic of 64 KB in full.
	maxLine = 300
	// maxLinesPerSecond keeps one terminal that does wrong without pause from filling the disk.
	maxLinesPerSecond = 20
)

// Events of the log.
const (
	eventServer  = "broker.server"      // a line of the NATS server
	eventDropped = "broker.log_dropped" // lines left out since the last one
)

// Journal is a logger for the NATS server. Counting and listening come before any line is left out.
type Journal struct {
	log     *slog.Logger
	trouble func(why string, certain bool)
	broken  *regexp.Regexp
	now     func() time.Time

	mu         sync.Mutex // guards what follows
	violations map[string]uint64
	second     int64
	lines      int
	unsaid     uint64 // dropped and not yet reported
	dropped    uint64
	fatal      string
}

// New returns a journal that writes to log. It calls trouble, which must not wait, with each line that may mean a
// lost store, and says whether that is certain.
func New(log *slog.Logger, trouble func(line string, certain bool)) *Journal {
	return &Journal{
		log: log, trouble: trouble, now: time.Now, violations: make(map[string]uint64),
		// A line about a client starts with its address, number and name. Permissions are checked only after
		// admission, when the name is a terminal's.
		broken: regexp.MustCompile(`^\S+ - mid:\d+ - "([a-z0-9][a-z0-9-]{2,31})" - (Publish|Subscription) Violation `),
	}
}

// StoreTroubles are the words of a store that lets nobody connect any more.
func StoreTroubles() []string {
	return []string{"Critical write error", "unable to persist session", "insufficient resources"}
}

func (j *Journal) line(level slog.Level, format string, args []any) {
	text := fmt.Sprintf(format, args...)
	if m := j.broken.FindStringSubmatch(text); m != nil {
		j.mu.Lock()
		j.violations[m[1]]++
		j.mu.Unlock()
	}
	for _, t := range StoreTroubles() {
		if strings.Contains(text, t) {
			// Anybody can write these words, as a client id even before admission. Only a line that begins with
			// the store's own name cannot be about a client.
			j.trouble(Cut(text), strings.HasPrefix(text, "Filestore [$MQTT"))
		}
	}
	// The server says in four lines what we say in one, with the reason.
	if strings.Contains(text, "authentication error") || strings.HasPrefix(text, "Auth callout service returned") {
		level = slog.LevelDebug
	}
	j.Say(level, eventServer, "line", Cut(text))
}

// Say writes a line if this second has room. What nobody wants to read takes none: the server starts with a banner
// of thirty lines.
func (j *Journal) Say(level slog.Level, event string, args ...any) {
	if !j.log.Enabled(context.Background(), level) {
		return
	}
	j.mu.Lock()
	if s := j.now().Unix(); s != j.second {
		j.second, j.lines = s, 0
	}
	if j.lines++; j.lines > maxLinesPerSecond {
		j.unsaid++
		j.dropped++
		j.mu.Unlock()
		return
	}
	unsaid := j.unsaid
	j.unsaid = 0
	j.mu.Unlock()
	j.report(unsaid)
	j.log.Log(context.Background(), level, event, args...)
}

// Flush reports dropped lines when no other line follows them.
func (j *Journal) Flush() {
	j.mu.Lock()
	unsaid := j.unsaid
	j.unsaid = 0
	j.mu.Unlock()
	j.report(unsaid)
}

func (j *Journal) report(unsaid uint64) {
	if unsaid > 0 {
		j.log.Warn(eventDropped, "lines", unsaid)
	}
}

// Counts returns how often each terminal was refused a topic, and how many lines were left out.
func (j *Journal) Counts() (violations map[string]uint64, dropped uint64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return maps.Clone(j.violations), j.dropped
}

// LastFatal is all the server tells of a start that did not succeed.
func (j *Journal) LastFatal() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.fatal
}

// Noticef is chatter: connections of the server's own making.
func (j *Journal) Noticef(format string, args ...any) { j.line(slog.LevelDebug, format, args) }

// Warnf is one of the server's warnings.
func (j *Journal) Warnf(format string, args ...any) { j.line(slog.LevelWarn, format, args) }

// Errorf is one of the server's errors, most of them about one client.
func (j *Journal) Errorf(format string, args ...any) { j.line(slog.LevelError, format, args) }

// Fatalf only logs: the server lives on without what it could not do, and we find out by asking whether it is ready.
func (j *Journal) Fatalf(format string, args ...any) {
	j.mu.Lock()
	j.fatal = Cut(fmt.Sprintf(format, args...))
	j.mu.Unlock()
	j.line(slog.LevelError, format, args)
}

// Debugf is never asked for.
func (j *Journal) Debugf(string, ...any) {}

// Tracef is never asked for.
func (j *Journal) Tracef(string, ...any) {}

// Cut shortens a text to what a log line may have. It keeps whole runes.
func Cut(s string) string {
	if len(s) <= maxLine {
		return s
	}
	return strings.ToValidUTF8(s[:maxLine], "") + "…"
}
