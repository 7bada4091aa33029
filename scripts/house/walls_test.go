package house

import (
	"fmt"
	"go/ast"
	"strings"
	"unicode/utf8"
)

// The walls. A thing that grows past its wall has two nouns in it.
const (
	functionWall = 70   // lines of a function with its braces; tests are not counted
	fileWall     = 400  // lines of a file
	testWall     = 600  // lines of a _test.go file
	roomWall     = 1000 // lines of a room without its tests
	lineWall     = 120  // columns, a tab being four
	nestingWall  = 5    // blocks inside blocks, a function's body being the first
)

// checkFunctionWall finds functions that are too long to be read at once.
func checkFunctionWall(h *house) []problem {
	var found []problem
	h.each(func(f *file) {
		if f.test {
			return
		}
		for _, d := range f.ast.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok {
				continue
			}
			if n := h.span(fn); n > functionWall {
				found = append(found, h.at(fn.Name.Pos(), "%s has %d lines, the wall is %d; "+
					"give its steps names of their own", fn.Name.Name, n, functionWall))
			}
		}
	})
	return found
}

// checkFileWall finds files that are too long.
func checkFileWall(h *house) []problem {
	var found []problem
	h.each(func(f *file) {
		wall := fileWall
		if f.test {
			wall = testWall
		}
		if n := len(f.lines); n > wall {
			found = append(found, problem{f.path, fmt.Sprintf("has %d lines, the wall is %d; "+
				"find the two nouns in it and give each a file", n, wall)})
		}
	})
	return found
}

// checkRoomWall finds rooms that are too large.
func checkRoomWall(h *house) []problem {
	var found []problem
	for _, r := range h.rooms {
		n := 0
		for _, f := range r.files {
			if !f.test {
				n += len(f.lines)
			}
		}
		if n > roomWall {
			found = append(found, problem{r.dir, fmt.Sprintf("has %d lines, the wall is %d; "+
				"find the two nouns in it and give each a room", n, roomWall)})
		}
	}
	return found
}

// checkLineWall finds lines that do not fit a screen. A struct tag cannot be
// broken, so its line is let through.
func checkLineWall(h *house) []problem {
	var found []problem
	h.each(func(f *file) {
		tagged := h.tagLines(f)
		for i, line := range f.lines {
			n := utf8.RuneCountInString(line) + 3*strings.Count(line, "\t")
			if n > lineWall && !tagged[i+1] {
				found = append(found, problem{fmt.Sprintf("%s:%d", f.path, i+1),
					fmt.Sprintf("has %d columns, the wall is %d; break the line", n, lineWall)})
			}
		}
	})
	return found
}

// tagLines are the lines of a file that end in a struct tag.
func (h *house) tagLines(f *file) map[int]bool {
	lines := map[int]bool{}
	ast.Inspect(f.ast, func(n ast.Node) bool {
		if field, ok := n.(*ast.Field); ok && field.Tag != nil {
			lines[h.fset.Position(field.Tag.Pos()).Line] = true
		}
		return true
	})
	return lines
}

// checkNestingWall finds code so deep that nobody knows any more when it runs.
func checkNestingWall(h *house) []problem {
	var found []problem
	h.each(func(f *file) {
		var open []ast.Node
		depth := 0
		ast.Inspect(f.ast, func(n ast.Node) bool {
			if n == nil {
				if _, block := open[len(open)-1].(*ast.BlockStmt); block {
					depth--
				}
				open = open[:len(open)-1]
				return true
			}
			open = append(open, n)
			if _, block := n.(*ast.BlockStmt); block {
				depth++
				if depth == nestingWall+1 {
					found = append(found, h.at(n.Pos(), "is block %d inside blocks, the wall is %d; "+
						"return early, or give the inner part a name", depth, nestingWall))
				}
			}
			return true
		})
	})
	return found
}
