package house

import (
	"path"
	"slices"
	"strings"
)

// plan is every folder that may hold Go files. Beside a room X there may be
// X/…/<last word of X>test with its fakes and its contract suite; folders
// called testdata are not looked into.
var plan = []string{
	"cmd/agent", "cmd/centre", "cmd/console", // the wiring of a terminal and of the centre, keys that press
	"cmd/program", // what programs share
	"cmd/kiosk", "cmd/pane", "cmd/collector", "cmd/fleet",

	"vote", "vote/session", "vote/desk",

	"device/gpio", "device/keys", "device/button", "device/clock", "device/vitals",
	"device/devicetest",

	"ui/view", "ui/link", "ui/screen", "ui/telex", "ui/assets",

	"sync/seal", "sync/wire", "sync/outbox", "sync/attic", "sync/courier", "sync/mqtt",
	"sync/uplink", "sync/downlink", "sync/enroll",

	"config",

	"collector/broker", "collector/ingest", "collector/store", "collector/org", "collector/score",
	"collector/watch", "collector/fleet", "collector/web", "collector/report",

	"scripts/house", "scripts/bench", "scripts/compare", "scripts/crash", "scripts/replay", "scripts/damage",
	"scripts/faults", "scripts/faultfs", "scripts/full",
	"scripts/crash/presser",                        // what a terminal does until its power goes
	"scripts/bench/gauge", "scripts/compare/peers", // processes and links under measure; what others would pick
	"scripts/stage", "scripts/faults/forgetful", // programs and spaces of their own; the control that must lose
	"scripts/vm", "scripts/image", "scripts/deb",
}

// inner rooms stand behind a room that grew past its wall. They may import what
// their room may, and nobody but their room and its other inner rooms may
// import them: from outside there is still one room.
var inner = []string{
	"sync/outbox/layout",                                // how a box lies on the disk
	"collector/broker/gate", "collector/broker/callout", // the front door; who may come in
	"collector/broker/journal",                    // the server's log, cut and counted
	"collector/store/db", "collector/store/draft", // statements and transactions; rows on their way in
	"collector/store/overlap",                        // what comes again, compared with what is filed
	"collector/store/count", "collector/store/check", // counts kept with the rows; counts rebuilt
	"collector/web/api",   // for programs, where web is for people
	"scripts/replay/disk", // the disk that is recorded and rebuilt
}

// pure rooms know no clock, disk, network or goroutine.
var pure = []string{
	"vote/session", "ui/view", "ui/telex", "device/button", "collector/score", "collector/org",
	"sync/seal", "sync/wire", "sync/attic",
}

// arrow lets one room import another.
type arrow struct{ from, to, reason string }

// arrows are the imports beyond the default, which is `vote` alone. Programs
// (cmd) and tools (scripts) know everyone and need no arrow.
var arrows = []arrow{
	{"vote/desk", "vote/session", "the desk runs the visit"},
	{"vote/desk", "sync/seal", "a record is sealed before it reaches the disk"},
	{"vote/desk", "sync/wire", "a record's body is written as the wire says"},

	{"ui/view", "vote/session", "a view is made of a session's state"},
	{"ui/link", "ui/view", "carries views to the pane"},
	{"ui/screen", "ui/view", "paints views"},
	{"ui/screen", "ui/assets", "fonts, faces and sounds"},
	{"ui/screen", "ui/telex", "typing on the pane"},

	{"device/devicetest", "device/gpio", "stands in for it"},
	{"device/devicetest", "device/keys", "stands in for it"},
	{"device/devicetest", "device/button", "stands in for it"},
	{"device/devicetest", "device/clock", "stands in for it"},
	{"device/devicetest", "device/vitals", "stands in for it"},

	{"sync/outbox", "sync/seal", "frames, checks and chains what it stores"},
	{"sync/courier", "sync/wire", "the size of a message"},
	{"sync/attic", "sync/seal", "carves records and follows their chain"},
	{"sync/wire", "sync/seal", "a batch carries digests and heads"},
	{"sync/uplink", "sync/seal", "compares heads before it forgets"},
	{"sync/uplink", "sync/wire", "speaks hello, batch and receipt"},
	{"sync/downlink", "sync/wire", "speaks document and command"},
	{"sync/enroll", "sync/wire", "speaks the enrolment"},

	{"collector/broker", "sync/mqtt", "reaches somebody else's broker through it"},
	{"collector/broker", "sync/wire", "topic names"},
	{"collector/ingest", "sync/seal", "checks chains"},
	{"collector/ingest", "sync/wire", "speaks batch and receipt"},
	{"collector/ingest", "collector/org", "hands filings to the store in its words"},
	{"collector/store", "sync/seal", "keeps digests and heads"},
	{"collector/store", "sync/wire", "files what came over the wire"},
	{"collector/store", "collector/org", "keeps it"},
	{"collector/store", "collector/score", "keeps counts"},
	{"collector/fleet", "sync/wire", "speaks hello, health and document"},
	{"collector/org", "collector/score", "a hall's counts as a live view may show them"},
	{"collector/org", "sync/seal", "the epoch of a terminal"},
	{"collector/org", "sync/wire", "what ingest hands to the store, as it came over the wire"},
	{"collector/watch", "collector/org", "whose case, on which working day"},
	{"collector/watch", "collector/score", "what is out of line"},
	{"collector/web", "collector/org", "shows it"},
	{"collector/web", "collector/score", "shows it"},
	{"collector/report", "collector/org", "prints it"},
	{"collector/report", "collector/score", "prints it"},
}

// testArrows are what a room's _test.go files may import beyond the arrows
// above and what testsMayKnow grants to all of them.
var testArrows = []arrow{
	{"sync/outbox", "sync/uplink", "proves that the outbox is uplink's queue"},
	{"sync/mqtt", "sync/uplink", "proves that the connection is uplink's link"},
	{"sync/mqtt", "sync/downlink", "proves that the connection is downlink's link"},
	{"collector/broker", "sync/mqtt/mqtttest", "mosquitto and a cable that can go silent"},
	{"collector/ingest", "collector/store", "every code against a real store"},
	{"collector/ingest", "collector/store/storetest", "terminals that sign"},
	{"collector/ingest", "collector/score", "counts against an oracle"},
	{"collector/store", "collector/ingest", "proves that the store is ingest's"},
	{"collector/store", "collector/web", "proves that the store is web's"},
	{"collector/store", "collector/report", "proves that the store is report's"},
	{"collector/store", "collector/watch", "proves that the store is watch's"},
}

// testsMayKnow says what every test may import.
func testsMayKnow(target string) bool {
	return target == "vote" || strings.HasPrefix(target, "vote/") ||
		target == "sync/seal" || target == "sync/wire" || target == "device/devicetest"
}

// noVote are the rooms that carry bytes and need not even know what a vote is.
var noVote = []string{"sync/mqtt"}

// planned tells whether a folder is in the plan.
func planned(dir string) bool {
	return slices.Contains(plan, dir) || slices.Contains(plan, fakeOf(dir)) || slices.Contains(inner, dir)
}

// front of an inner room is the room it stands behind, of any other room itself.
func front(dir string) string {
	if slices.Contains(inner, dir) {
		return path.Dir(dir)
	}
	return dir
}

// fakeOf is the room that an xxxtest folder serves: sync/outbox for
// sync/outbox/outboxtest. For any other folder it is "".
func fakeOf(dir string) string {
	parent := path.Dir(dir)
	if path.Base(dir) == path.Base(parent)+"test" {
		return parent
	}
	return ""
}

// mayImport tells whether files of a room may import another room.
func mayImport(from, to string, test bool) bool {
	if owner := fakeOf(from); slices.Contains(plan, owner) {
		return to == owner || mayImport(owner, to, true)
	}
	if slices.Contains(inner, to) {
		return front(from) == front(to)
	}
	from = front(from)
	allowed := func(table []arrow) bool {
		return slices.ContainsFunc(table, func(a arrow) bool { return a.from == from && a.to == to })
	}
	switch {
	case program(to):
		return false
	case knowsEveryone(from), allowed(arrows):
		return true
	case to == "vote" && from != "vote" && !slices.Contains(noVote, from):
		return true
	case !test:
		return false
	}
	return from == to || fakeOf(to) == from || testsMayKnow(to) || allowed(testArrows)
}

// knowsEveryone tells the wiring and the tools from the rooms.
func knowsEveryone(dir string) bool {
	return strings.HasPrefix(dir, "cmd/") || strings.HasPrefix(dir, "scripts/")
}

// program tells the mains, which nobody imports.
func program(dir string) bool {
	wiring := []string{"cmd/agent", "cmd/centre", "cmd/console", "cmd/program", "cmd/program/programtest"}
	return strings.HasPrefix(dir, "cmd/") && !slices.Contains(wiring, dir)
}
