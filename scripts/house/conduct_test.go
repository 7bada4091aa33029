package house

import (
	"go/ast"
	"go/token"
	"slices"
	"strings"
)

// checkSleeps finds tests that wait for real time.
func checkSleeps(h *house) []problem {
	var found []problem
	h.each(func(f *file) {
		if !f.test {
			return
		}
		for _, d := range f.ast.Decls {
			bubble := false
			var sleeps []token.Pos
			f.uses(d, func(pkg, name string, at token.Pos) {
				bubble = bubble || pkg == "testing/synctest" && name == "Test"
				if pkg == "time" && name == "Sleep" {
					sleeps = append(sleeps, at)
				}
			})
			if bubble {
				continue
			}
			for _, at := range sleeps {
				found = append(found, h.at(at, "time.Sleep in a test; run it in synctest.Test, "+
					"hand in a clock, or wait for the thing itself"))
			}
		}
	})
	return found
}

// checkExits finds code that ends the process behind its caller's back. A
// TestMain may: it is the main of a test.
func checkExits(h *house) []problem {
	var found []problem
	h.each(func(f *file) {
		if f.ast.Name.Name == "main" {
			return
		}
		for _, d := range f.ast.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && f.test && fn.Name.Name == "TestMain" {
				continue
			}
			f.uses(d, func(pkg, name string, at token.Pos) {
				if pkg == "os" && name == "Exit" || pkg == "log" && strings.HasPrefix(name, "Fatal") {
					found = append(found, h.at(at, "%s.%s ends the process and skips every Close; "+
						"return an error and let main decide", pkg, name))
				}
			})
		}
	})
	return found
}

// checkInit finds code that runs because it was imported.
func checkInit(h *house) []problem {
	var found []problem
	h.each(func(f *file) {
		if f.dir == "ui/screen" {
			return
		}
		for _, d := range f.ast.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
				found = append(found, h.at(fn.Pos(), "func init runs whether anybody wants it or not; "+
					"make it a function that somebody calls"))
			}
		}
	})
	return found
}

// impureTime are the names of package time that read or wait for a clock, or
// read the machine's zone from its disk.
var impureTime = []string{
	"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker",
	"Local", "LoadLocation",
}

// impurePackages touch the world; their children do too.
var impurePackages = []string{"os", "net", "syscall", "math/rand"}

// checkPure finds clocks, disks, networks and goroutines in the pure rooms.
func checkPure(h *house) []problem {
	var found []problem
	h.each(func(f *file) {
		if f.test || !slices.Contains(pure, f.dir) {
			return
		}
		for _, i := range f.imports {
			if impure(i.path) {
				found = append(found, h.at(i.pos, "%s is pure and must not import %s; "+
					"take what you need as an argument", f.dir, i.path))
			}
		}
		f.uses(f.ast, func(pkg, name string, at token.Pos) {
			if pkg == "time" && slices.Contains(impureTime, name) {
				found = append(found, h.at(at, "%s is pure and must not call time.%s; "+
					"take the time (or a fixed zone) as an argument", f.dir, name))
			}
		})
		ast.Inspect(f.ast, func(n ast.Node) bool {
			if g, ok := n.(*ast.GoStmt); ok {
				found = append(found, h.at(g.Pos(), "%s is pure and must not start a goroutine; "+
					"let its caller do that", f.dir))
			}
			return true
		})
	})
	return found
}

// impure tells whether a package touches the world.
func impure(target string) bool {
	return slices.ContainsFunc(impurePackages, func(p string) bool {
		return target == p || strings.HasPrefix(target, p+"/")
	})
}
