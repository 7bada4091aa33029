package house

import (
	"path"
	"slices"
	"strings"
)

// library is a foreign module (or a package of the standard library) with the
// rooms it lives in; a room may be a pattern such as device/*. Tests and fakes
// of a room have its libraries too.
type library struct {
	module string
	rooms  []string
	tests  bool // any _test.go file and any fake may import it
}

// libraries is where each of them lives. A library has one room; more than one
// is an exception, and the line says why.
var libraries = []library{
	{module: "periph.io/x/conn/v3", rooms: []string{"device/gpio"}},
	{module: "periph.io/x/host/v3", rooms: []string{"device/gpio"}},
	{module: "github.com/holoplot/go-evdev", rooms: []string{"device/keys"}},
	// The pane's main starts the game loop, so it knows ebiten as well.
	{module: "github.com/hajimehoshi/ebiten/v2", rooms: []string{"ui/screen", "cmd/pane"}},

	{module: "go.etcd.io/bbolt", rooms: []string{"sync/outbox"}},
	{module: "github.com/eclipse/paho.mqtt.golang", rooms: []string{"sync/mqtt"}},
	// Bodies are deterministic CBOR both at rest and on the wire.
	{module: "github.com/fxamacker/cbor/v2", rooms: []string{"sync/wire", "sync/seal"}},
	{module: "github.com/klauspost/compress", rooms: []string{"sync/wire"}},

	{module: "github.com/nats-io/nats-server/v2", rooms: []string{"collector/broker"}},
	{module: "github.com/nats-io/nats.go", rooms: []string{"collector/broker"}},
	{module: "github.com/nats-io/jwt/v2", rooms: []string{"collector/broker"}},
	{module: "github.com/nats-io/nkeys", rooms: []string{"collector/broker"}},
	{module: "database/sql", rooms: []string{"collector/store"}},
	{module: "modernc.org/sqlite", rooms: []string{"collector/store"}},
	{module: "github.com/jackc/pgx/v5", rooms: []string{"collector/store"}},
	{module: "github.com/pressly/goose/v3", rooms: []string{"collector/store"}},
	{module: "github.com/xuri/excelize/v2", rooms: []string{"collector/report"}},
	{module: "codeberg.org/go-pdf/fpdf", rooms: []string{"collector/report"}},
	{module: "github.com/danielgtaylor/huma/v2", rooms: []string{"collector/web"}},
	{module: "github.com/alexedwards/scs/v2", rooms: []string{"collector/web"}},
	{module: "github.com/prometheus/client_golang", rooms: []string{"collector/web", "cmd/centre"}},

	{module: "github.com/BurntSushi/toml", rooms: []string{"config"}},
	{module: "github.com/alecthomas/kong", rooms: []string{"cmd/*"}},
	// The watchdog is kicked where health is known, readiness is told where the program is wired.
	{module: "github.com/coreos/go-systemd/v22", rooms: []string{"device/vitals", "cmd/agent", "cmd/centre"}},
	// Updates are signed and handed out by the centre, checked by the terminal.
	{module: "aead.dev/minisign", rooms: []string{"collector/fleet", "sync/downlink"}},
	// Sealed comments; claim codes; passwords.
	{module: "golang.org/x/crypto", rooms: []string{"sync/wire", "collector/fleet", "collector/web"}},
	// Strings are normalised at every door they enter by, and folded where they are sorted.
	{module: "golang.org/x/text", rooms: []string{
		"vote", "config", "cmd/centre", "device/keys", "ui/telex", "ui/view", "ui/link", "ui/screen", "sync/wire",
		"collector/ingest", "collector/org", "collector/store", "collector/web", "collector/report",
	}},
	// What the kernel says and the standard library does not.
	{module: "golang.org/x/sys", rooms: []string{"device/*", "sync/outbox", "sync/mqtt", "cmd/console",
		"scripts/faultfs", "scripts/crash", "scripts/replay"}},

	// A disk that fails on purpose.
	{module: "github.com/hanwen/go-fuse/v2", rooms: []string{"scripts/faultfs", "scripts/replay"}},

	{module: "pgregory.net/rapid", tests: true},
	{module: "go.uber.org/goleak", tests: true},
	{module: "github.com/chromedp/chromedp", tests: true},
	{module: "github.com/chromedp/cdproto", tests: true},
	{module: "honnef.co/go/tools"}, // staticcheck: a tool, imported by nobody
}

// libraryOf finds the library that an import path belongs to.
func libraryOf(target string) (library, bool) {
	var best library
	for _, l := range libraries {
		inside := target == l.module || strings.HasPrefix(target, l.module+"/")
		if inside && len(l.module) > len(best.module) {
			best = l
		}
	}
	return best, best.module != ""
}

// foreign tells modules from the standard library, whose paths have no dot in
// their first word.
func foreign(target string) bool {
	first, _, _ := strings.Cut(target, "/")
	return strings.Contains(first, ".")
}

// livesIn tells whether a library may be imported by a file.
func (l library) livesIn(f *file) bool {
	dir, fake := front(f.dir), fakeOf(f.dir)
	if fake != "" {
		dir = fake
	}
	if l.tests && (f.test || fake != "" || f.dir == "device/devicetest") {
		return true
	}
	return slices.ContainsFunc(l.rooms, func(room string) bool {
		ok, err := path.Match(room, dir)
		return ok && err == nil
	})
}

// home says in words where a library lives.
func (l library) home() string {
	switch {
	case l.tests:
		return "tests"
	case len(l.rooms) == 0:
		return "no room at all: it is a tool"
	}
	return strings.Join(l.rooms, ", ")
}
