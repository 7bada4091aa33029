package house

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

// source is a tiny house: file names and what stands in them.
type source map[string]string

// bite is a source that breaks (or, with no want, keeps) one rule.
type bite struct {
	rule  string
	story string
	files source
	want  string
}

func TestRulesBite(t *testing.T) {
	bitten := map[string]bool{}
	for _, b := range slices.Concat(importBites, commentBites, wallBites, conductBites, variableBites) {
		bitten[b.rule] = bitten[b.rule] || b.want != ""
		t.Run(b.rule+"/"+b.story, func(t *testing.T) { b.try(t) })
	}
	for _, r := range rules {
		if !bitten[r.name] {
			t.Errorf("rule %q has no source that breaks it; add one here", r.name)
		}
	}
}

func (b bite) try(t *testing.T) {
	tree := fstest.MapFS{}
	for name, text := range b.files {
		tree[name] = &fstest.MapFile{Data: []byte(text)}
	}
	h, err := read(tree)
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(rules, func(r rule) bool { return r.name == b.rule })
	if i < 0 {
		t.Fatalf("there is no rule %q", b.rule)
	}
	problems := rules[i].check(h)
	switch {
	case b.want == "" && len(problems) > 0:
		t.Errorf("got %v, want no problem", problems)
	case b.want != "" && len(problems) != 1:
		t.Errorf("got %d problems %v, want one with %q", len(problems), problems, b.want)
	case b.want != "" && !strings.Contains(problems[0].String(), b.want):
		t.Errorf("got %q, want it to hold %q", problems[0], b.want)
	}
}

// imports is a file of a package that imports one thing.
func imports(pkg, target string) string {
	return fmt.Sprintf("package %s\n\nimport _ %q\n", pkg, target)
}

const badName = "cmd/nope/main.go"

var importBites = []bite{
	{"parses", "half a file", source{"vote/vote.go": "package vote\nfunc {"}, "vote/vote.go: does not parse"},

	{"plan", "a room nobody planned", source{"device/led/led.go": "package led"},
		"device/led: not in the house plan; move its code"},
	{"plan", "a file right in sync", source{"sync/sync.go": "package sync"}, "sync: holds no Go file itself"},
	{"plan", "fakes beside their room", source{"sync/outbox/outboxtest/box.go": "package outboxtest"}, ""},
	{"plan", "fakes of another room", source{"sync/outbox/storetest/s.go": "package storetest"},
		"sync/outbox/storetest: not in the house plan"},
	{"plan", "folders outside the house", source{
		"vote/testdata/a.go": "package a", "run/b.go": "package b", ".hidden/c.go": "package c",
		"vendor/x/d.go": "package d", "bin/e.go": "package e"}, ""},

	{"arrows", "a sibling", source{"sync/outbox/box.go": imports("outbox", "hailong/sync/wire")},
		"sync/outbox/box.go:3: sync/outbox must not import sync/wire; declare the small interface"},
	{"arrows", "a drawn arrow and the default", source{
		"sync/outbox/box.go":  imports("outbox", "hailong/sync/seal"),
		"sync/outbox/word.go": imports("outbox", "hailong/vote")}, ""},
	{"arrows", "mqtt knows no vote", source{"sync/mqtt/link.go": imports("mqtt", "hailong/vote")},
		"sync/mqtt must not import vote"},
	{"arrows", "vote knows nobody", source{"vote/vote.go": imports("vote", "hailong/vote/session")},
		"vote must not import vote/session"},
	{"arrows", "a room that reads the configuration", source{
		"sync/uplink/up.go": imports("uplink", "hailong/config")},
		"hand the values in as arguments"},
	{"arrows", "somebody imports a program", source{badName: imports("main", "hailong/cmd/kiosk")},
		"it is a program"},
	{"arrows", "programs and tools know everyone", source{"cmd/fleet/main.go": imports("main", "hailong/cmd/agent"),
		"cmd/kiosk/main.go":  imports("main", "hailong/config"),
		"scripts/crash/c.go": imports("crash", "hailong/sync/outbox")}, ""},
	{"arrows", "a fake outside tests", source{"sync/uplink/up.go": imports("uplink", "hailong/device/devicetest")},
		"fakes are for tests"},
	{"arrows", "what tests may know", source{
		"sync/uplink/a_test.go": imports("uplink_test", "hailong/sync/uplink"),
		"sync/uplink/b_test.go": imports("uplink", "hailong/sync/uplink/uplinktest"),
		"sync/uplink/c_test.go": imports("uplink", "hailong/device/devicetest"),
		"sync/outbox/d_test.go": imports("outbox", "hailong/sync/uplink"),
		"sync/outbox/e_test.go": imports("outbox", "hailong/sync/wire")}, ""},
	{"arrows", "a test that knows a stranger", source{"ui/view/v_test.go": imports("view", "hailong/sync/outbox")},
		"add a line with its reason to testArrows"},
	{"arrows", "a fake that knows a stranger", source{
		"sync/outbox/outboxtest/a.go": imports("outboxtest", "hailong/sync/outbox"),
		"sync/outbox/outboxtest/b.go": imports("outboxtest", "hailong/ui/view")},
		"sync/outbox/outboxtest must not import ui/view"},

	{"libraries", "ebiten in the view", source{
		"ui/view/v.go": imports("view", "github.com/hajimehoshi/ebiten/v2/text")},
		"ui/view imports github.com/hajimehoshi/ebiten/v2/text, which lives in ui/screen"},
	{"libraries", "SQL on the dashboard", source{"collector/web/w.go": imports("web", "database/sql")},
		"lives in collector/store"},
	{"libraries", "a library nobody gave a room", source{"vote/v.go": imports("vote", "example.org/left-pad")},
		"vote imports example.org/left-pad, which has no room"},
	{"libraries", "a test library outside tests", source{"vote/v.go": imports("vote", "pgregory.net/rapid")},
		"lives in tests"},
	{"libraries", "a tool", source{"vote/v.go": imports("vote", "honnef.co/go/tools/analysis")},
		"it is a tool"},
	{"libraries", "at home", source{"cmd/kiosk/main.go": imports("main", "github.com/alecthomas/kong"),
		"device/clock/c.go": imports("clock", "golang.org/x/sys/unix"),
		"vote/v_test.go":    imports("vote", "pgregory.net/rapid"),
		"vote/w.go":         imports("vote", "encoding/json")}, ""},

	{"requirements", "a requirement nobody uses", source{"go.mod": "module hailong\n\nrequire (\n" +
		"\texample.org/a v1.0.0\n\texample.org/b v1.0.0 // indirect\n\tgo.etcd.io/bbolt v1.5.0\n)\n"},
		"go.mod: requires example.org/a, which has no room"},
}
