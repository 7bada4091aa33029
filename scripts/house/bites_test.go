package house

import "strings"

// lines repeats a line.
func lines(n int, line string) string { return strings.Repeat(line+"\n", n) }

var commentBites = []bite{
	{"package comments", "silence", source{"vote/v.go": "package vote"},
		"vote: has no package comment; open one file with \"// Package vote "},
	{"package comments", "a comment on something else", source{"vote/v.go": "// What we share.\npackage vote"},
		"vote: has no package comment"},
	{"package comments", "a silent program", source{"cmd/pane/main.go": "package main"},
		"cmd/pane: has no package comment"},
	{"package comments", "one file speaks, tests need not", source{"vote/v.go": "// Package vote is it.\npackage vote",
		"vote/w.go": "package vote", "vote/w_test.go": "package vote_test"}, ""},

	{"exported comments", "a type", source{"vote/v.go": "package vote\ntype Level int\n"},
		"vote/v.go:2: Level is exported and has no comment"},
	{"exported comments", "a type in a group", source{"vote/v.go": "package vote\n// Words.\ntype (\n\tLevel int\n)\n"},
		"Level is exported"},
	{"exported comments", "a method", source{"vote/v.go": "package vote\nfunc (b *Box[T]) Put() {}\n"},
		"Put is exported"},
	{"exported comments", "a constant", source{"vote/v.go": "package vote\nconst Max = 5\n"}, "Max is exported"},
	{"exported comments", "said or hidden", source{
		"vote/v.go": "package vote\n// Faces.\nconst (\n\tA = 1\n\tB = 2\n)\n" +
			"const C = 3 // three\n// T is.\ntype T int\nfunc (t t) Hidden() {}\n",
		"vote/v_test.go":   "package vote\nfunc TestX() {}\n",
		"cmd/pane/main.go": "package main\nfunc Run() {}\n"}, ""},

	{"unfinished", "work put off", source{"vote/v.go": "package vote\n\n// TO" + "DO: the rest\n"},
		"vote/v.go:3: TO" + "DO in a comment; do it now"},
	{"unfinished", "a dossier code", source{"vote/v.go": "package vote\n\n// M-YYMMDD-XXXX\n"}, ""},
}

var wallBites = []bite{
	{"function wall", "71 lines", source{"vote/v.go": "package vote\nfunc long() {\n" + lines(69, "\t_ = 1") + "}\n"},
		"vote/v.go:2: long has 71 lines, the wall is 70"},
	{"function wall", "70 lines, and a long test", source{
		"vote/v.go":      "package vote\n// Doc\nfunc long() {\n" + lines(68, "\t_ = 1") + "}\n",
		"vote/v_test.go": "package vote\nfunc long2() {\n" + lines(90, "\t_ = 1") + "}\n"}, ""},
	{"file wall", "401 lines", source{"vote/v.go": "package vote\n" + lines(400, "")}, "vote/v.go: has 401 lines"},
	{"file wall", "a test of 601 lines", source{"vote/v_test.go": "package vote\n" + lines(600, "")},
		"the wall is 600"},
	{"file wall", "at the wall", source{"vote/v.go": "package vote\n" + lines(399, "")}, ""},
	{"room wall", "three files of 334", source{"vote/a.go": "package vote\n" + lines(333, ""),
		"vote/b.go": "package vote\n" + lines(333, ""), "vote/c.go": "package vote\n" + lines(333, "")},
		"vote: has 1002 lines, the wall is 1000; find the two nouns"},
	{"room wall", "tests do not count", source{"vote/a.go": "package vote\n",
		"vote/b_test.go": "package vote\n" + lines(1200, "")}, ""},
	{"line wall", "121 columns", source{"vote/v.go": "package vote\n//" + strings.Repeat("ộ", 119) + "\n"},
		"vote/v.go:2: has 121 columns, the wall is 120"},
	{"line wall", "a struct tag", source{"vote/v.go": "package vote\ntype t struct {\n\ta int `help:\"" +
		strings.Repeat("x", 120) + "\"`\n}\n"}, ""},
	{"nesting wall", "six deep", source{"vote/v.go": "package vote\nfunc f() {\n" + lines(5, "if true {") +
		lines(5, "}") + "}\n"}, "vote/v.go:7: is block 6 inside blocks, the wall is 5"},
	{"nesting wall", "else if is no depth", source{"vote/v.go": "package vote\nfunc f() {\n" + lines(4, "if true {") +
		"} else if false {\n} else if true {\n" + lines(4, "}") + "}\n"}, ""},
}

var conductBites = []bite{
	{"sleeps", "real time", source{"vote/v_test.go": "package vote\nimport \"time\"\nfunc f() { time.Sleep(1) }\n"},
		"vote/v_test.go:3: time.Sleep in a test; run it in synctest.Test"},
	{"sleeps", "under another name", source{
		"vote/v_test.go": "package vote\nimport clock \"time\"\nfunc f() { clock.Sleep(1) }\n"},
		"time.Sleep in a test"},
	{"sleeps", "in a bubble, and a method called Sleep", source{
		"vote/v_test.go": "package vote\nimport (\n\"testing/synctest\"\n\"time\"\n)\n" +
			"func f() { synctest.Test(t, func() { time.Sleep(1) }) }\nfunc g(time bed) { time.Sleep(1) }\n"}, ""},

	{"exits", "os.Exit in a room", source{"vote/v.go": "package vote\nimport \"os\"\nfunc f() { os.Exit(1) }\n"},
		"vote/v.go:3: os.Exit ends the process and skips every Close; return an error"},
	{"exits", "log.Fatalf in a room", source{
		"vote/v.go": "package vote\nimport \"log\"\nfunc f() { log.Fatalf(\"\") }\n"},
		"log.Fatalf ends the process"},
	{"exits", "in main and TestMain", source{
		"cmd/pane/main.go": "package main\nimport \"os\"\nfunc main() { os.Exit(1) }\n",
		"vote/v_test.go":   "package vote\nimport \"os\"\nfunc TestMain() { os.Exit(1) }\n"}, ""},

	{"init", "work on import", source{"vote/v.go": "package vote\nfunc init() {}\n"}, "vote/v.go:2: func init runs"},
	{"init", "where ebiten needs it", source{"ui/screen/s.go": "package screen\nfunc init() {}\n",
		"vote/v.go": "package vote\nfunc (x x) init() {}\n"}, ""},

	{"pure rooms", "a clock", source{"ui/view/v.go": "package view\nimport \"time\"\nvar now = time.Now\n"},
		"ui/view/v.go:3: ui/view is pure and must not call time.Now; take the time"},
	{"pure rooms", "a disk", source{"sync/seal/s.go": imports("seal", "os")},
		"sync/seal is pure and must not import os"},
	{"pure rooms", "a network", source{"sync/seal/s.go": imports("seal", "net/http")}, "must not import net/http"},
	{"pure rooms", "dice", source{"ui/telex/t.go": imports("telex", "math/rand/v2")}, "must not import math/rand/v2"},
	{"pure rooms", "a goroutine", source{"vote/session/s.go": "package session\nfunc f() { go f() }\n"},
		"vote/session is pure and must not start a goroutine"},
	{"pure rooms", "durations, tests and other rooms", source{
		"ui/view/v.go":      "package view\nimport \"time\"\nconst stay = 2 * time.Second\n",
		"ui/view/v_test.go": "package view\nimport _ \"os\"\nfunc f() { go f() }\n",
		"ui/link/l.go":      "package link\nimport \"time\"\nfunc f() { time.Sleep(1); go f() }\n"}, ""},
}

var variableBites = []bite{
	{"variables", "no value", source{"vote/v.go": "package vote\nvar count int\n"},
		"vote/v.go:2: package variable count has no value"},
	{"variables", "a constant in disguise", source{"vote/v.go": "package vote\nvar max = 5\n"},
		"max never needs to change"},
	{"variables", "an empty map", source{"vote/v.go": "package vote\nvar seen = make(map[int]bool)\n"},
		"seen is made empty, to be filled"},
	{"variables", "a lock", source{"vote/v.go": "package vote\nimport \"sync\"\nvar mu = sync.Mutex{}\n"},
		"mu is made to be changed"},
	{"variables", "assigned in another file", source{"vote/v.go": "package vote\nvar table = []int{1}\n",
		"vote/w.go": "package vote\nfunc f() { table = nil }\n"},
		"vote/w.go:2: changes package variable table"},
	{"variables", "an entry assigned", source{"vote/v.go": "package vote\nvar t = []int{1}\nfunc f() { t[0]++ }\n"},
		"changes package variable t"},
	{"variables", "its address taken", source{"vote/v.go": "package vote\nvar t = f()\nfunc g() { h(&t) }\n"},
		"changes package variable t"},
	{"variables", "an entry deleted", source{
		"vote/v.go": "package vote\nvar t = map[int]int{}\nfunc g() { delete(t, 1) }\n"}, "changes package variable t"},
	{"variables", "another room's", source{
		"cmd/pane/main.go": "package main\nimport \"hailong/vote\"\nfunc main() { vote.Max = 3 }\n"},
		"changes Max of vote; a room's variables are not to be set from outside"},
	{"variables", "sentinels, tables, patterns, files, local names", source{"vote/v.go": "package vote\n" +
		"var ErrFull = errors.New(\"full\")\nvar code = regexp.MustCompile(`^a`)\nvar page = template.Must(f())\n" +
		"var table = map[int]string{1: \"a\"}\nvar _ I = (*T)(nil)\n//go:embed fonts\nvar fonts embed.FS\n" +
		"func f() { table := 1; table = 2; table++; x := table; x = 1; code := &x; _ = code }\n",
		"cmd/pane/main.go": "package main\nvar version = \"dev\"\n"}, ""},
}
