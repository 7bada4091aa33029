package house

import (
	"bufio"
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// module is the import path of the tree's root, as go.mod says it.
const module = "hailong"

// house is a parsed tree of Go files.
type house struct {
	fset     *token.FileSet
	rooms    []*room   // sorted by folder
	requires []string  // modules that go.mod requires directly
	broken   []problem // files that do not parse
}

// room is one folder with Go files in it.
type room struct {
	dir   string // slash-separated, relative to the root
	files []*file
}

// file is one parsed Go file.
type file struct {
	path    string
	dir     string
	test    bool // ends in _test.go
	lines   []string
	ast     *ast.File
	imports []imported
}

// imported is one import of a file.
type imported struct {
	name string // as the file calls it
	path string
	pos  token.Pos
}

// problem is one broken rule and what to do about it.
type problem struct {
	where string
	text  string
}

func (p problem) String() string { return p.where + ": " + p.text }

// rule is one rule of the house.
type rule struct {
	name  string
	check func(*house) []problem
}

// rules lists every rule; TestRulesBite demands a bad source for each.
var rules = []rule{
	{"parses", func(h *house) []problem { return h.broken }},
	{"plan", checkPlan},
	{"arrows", checkArrows},
	{"libraries", checkLibraries},
	{"requirements", checkRequirements},
	{"package comments", checkPackageComments},
	{"exported comments", checkExportedComments},
	{"unfinished", checkUnfinished},
	{"function wall", checkFunctionWall},
	{"file wall", checkFileWall},
	{"room wall", checkRoomWall},
	{"line wall", checkLineWall},
	{"nesting wall", checkNestingWall},
	{"sleeps", checkSleeps},
	{"exits", checkExits},
	{"init", checkInit},
	{"variables", checkVariables},
	{"pure rooms", checkPure},
}

// read parses every Go file of a tree, and its go.mod if there is one.
func read(tree fs.FS) (*house, error) {
	h := &house{fset: token.NewFileSet()}
	rooms := map[string]*room{}
	err := fs.WalkDir(tree, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && outside(name):
			return fs.SkipDir
		case d.IsDir() || path.Ext(name) != ".go":
			return nil
		}
		source, err := fs.ReadFile(tree, name)
		if err != nil {
			return err
		}
		dir := path.Dir(name)
		if rooms[dir] == nil {
			rooms[dir] = &room{dir: dir}
			h.rooms = append(h.rooms, rooms[dir])
		}
		h.add(rooms[dir], name, source)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the house: %w", err)
	}
	slices.SortFunc(h.rooms, func(a, b *room) int { return strings.Compare(a.dir, b.dir) })
	if mod, err := fs.ReadFile(tree, "go.mod"); err == nil {
		h.requires = direct(mod)
	}
	return h, nil
}

// outside tells folders that are no part of the house.
func outside(dir string) bool {
	base := path.Base(dir)
	switch {
	case dir == ".":
		return false
	case dir == "run", dir == "bin":
		return true
	case base == "testdata", base == "vendor", base == "node_modules":
		return true
	}
	return strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_")
}

// add parses one file into its room.
func (h *house) add(r *room, name string, source []byte) {
	parsed, err := parser.ParseFile(h.fset, name, source, parser.ParseComments)
	if err != nil {
		h.broken = append(h.broken, problem{name, fmt.Sprintf("does not parse: %v; mend it first", err)})
		return
	}
	f := &file{path: name, dir: r.dir, test: strings.HasSuffix(name, "_test.go"), ast: parsed}
	f.lines = strings.Split(strings.TrimSuffix(string(source), "\n"), "\n")
	for _, spec := range parsed.Imports {
		target, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			continue // the parser has refused such a file already
		}
		called := importName(target)
		if spec.Name != nil {
			called = spec.Name.Name
		}
		f.imports = append(f.imports, imported{called, target, spec.Pos()})
	}
	r.files = append(r.files, f)
}

var majorVersion = regexp.MustCompile(`^v[0-9]+$`)

// importName guesses the package name of an import path: its last word that is
// no major version. Good enough for the packages the rules look for.
func importName(target string) string {
	base := path.Base(target)
	if majorVersion.MatchString(base) && path.Dir(target) != "." {
		return path.Base(path.Dir(target))
	}
	return base
}

// direct lists the modules a go.mod requires without an "// indirect".
func direct(mod []byte) []string {
	var found []string
	block := false
	for lines := bufio.NewScanner(bytes.NewReader(mod)); lines.Scan(); {
		line := strings.TrimSpace(lines.Text())
		switch {
		case line == "require (":
			block = true
			continue
		case line == ")":
			block = false
			continue
		case strings.HasPrefix(line, "require "):
			line = strings.TrimPrefix(line, "require ")
		case !block:
			continue
		}
		words := strings.Fields(line)
		if len(words) >= 2 && words[0] != "//" && !strings.HasSuffix(line, "// indirect") {
			found = append(found, words[0])
		}
	}
	return found
}

// each visits every file of the house.
func (h *house) each(visit func(*file)) {
	for _, r := range h.rooms {
		for _, f := range r.files {
			visit(f)
		}
	}
}

// at makes a problem of a place in a file.
func (h *house) at(pos token.Pos, text string, args ...any) problem {
	p := h.fset.Position(pos)
	return problem{fmt.Sprintf("%s:%d", p.Filename, p.Line), fmt.Sprintf(text, args...)}
}

// span counts the lines of a node.
func (h *house) span(n ast.Node) int {
	return h.fset.Position(n.End()).Line - h.fset.Position(n.Pos()).Line + 1
}

// uses visits every `pkg.Name` under a node where pkg is an import of the file.
func (f *file) uses(under ast.Node, visit func(pkg, name string, at token.Pos)) {
	ast.Inspect(under, func(n ast.Node) bool {
		sel, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		if pkg := f.imported(sel.X); pkg != "" {
			visit(pkg, sel.Sel.Name, sel.Pos())
		}
		return true
	})
}

// imported resolves an identifier that names an import to the import's path.
func (f *file) imported(x ast.Expr) string {
	id, ok := x.(*ast.Ident)
	if !ok || id.Obj != nil { // Obj is set for what the file itself declares
		return ""
	}
	for _, i := range f.imports {
		if i.name == id.Name {
			return i.path
		}
	}
	return ""
}
