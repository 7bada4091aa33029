package house

import (
	"go/ast"
	"go/token"
	"strings"
)

// variable is a package variable with the rule's view of it.
type variable struct {
	file *file
	name *ast.Ident
	spec *ast.ValueSpec
}

// checkVariables finds package variables that can change: those made to be
// filled, and those that some code assigns to. Sentinels, tables, patterns and
// other values that are made once and left alone may stay. A method that
// changes its receiver is beyond what the source alone can tell.
func checkVariables(h *house) []problem {
	var found []problem
	for _, r := range h.rooms {
		byPackage := map[string]map[string]variable{}
		for _, f := range r.files {
			vars := byPackage[f.ast.Name.Name]
			if vars == nil {
				vars = map[string]variable{}
				byPackage[f.ast.Name.Name] = vars
			}
			found = append(found, h.declared(f, vars)...)
		}
		for _, f := range r.files {
			found = append(found, h.changed(f, byPackage[f.ast.Name.Name])...)
		}
	}
	return found
}

// declared collects a file's package variables and judges how they begin.
func (h *house) declared(f *file, vars map[string]variable) []problem {
	var found []problem
	for _, d := range f.ast.Decls {
		decl, ok := d.(*ast.GenDecl)
		if !ok || decl.Tok != token.VAR {
			continue
		}
		for _, s := range decl.Specs {
			spec, ok := s.(*ast.ValueSpec)
			if !ok {
				continue
			}
			for i, name := range spec.Names {
				if name.Name == "_" {
					continue
				}
				vars[name.Name] = variable{f, name, spec}
				if embedded(decl, spec) || f.ast.Name.Name == "main" && name.Name == "version" {
					continue // filled by the compiler or by the linker
				}
				if why := mutableFromStart(f, spec, i); why != "" {
					found = append(found, h.at(name.Pos(), "package variable %s %s", name.Name, why))
				}
			}
		}
	}
	return found
}

// embedded tells whether the compiler fills a variable from a file.
func embedded(decl *ast.GenDecl, spec *ast.ValueSpec) bool {
	for _, doc := range []*ast.CommentGroup{decl.Doc, spec.Doc} {
		if doc == nil {
			continue
		}
		for _, c := range doc.List {
			if strings.HasPrefix(c.Text, "//go:embed ") {
				return true
			}
		}
	}
	return false
}

// mutableFromStart says why the i-th variable of a spec cannot be left alone.
func mutableFromStart(f *file, spec *ast.ValueSpec, i int) string {
	if len(spec.Values) == 0 {
		return "has no value, so somebody must change it; keep it in a struct that has an owner"
	}
	value := spec.Values[min(i, len(spec.Values)-1)]
	switch v := value.(type) {
	case *ast.BasicLit:
		return "never needs to change; make it a const"
	case *ast.CallExpr:
		if id, ok := v.Fun.(*ast.Ident); ok && (id.Name == "make" || id.Name == "new") {
			return "is made empty, to be filled; keep it in a struct that has an owner"
		}
	case *ast.CompositeLit:
		if sel, ok := v.Type.(*ast.SelectorExpr); ok {
			if pkg := f.imported(sel.X); pkg == "sync" || pkg == "sync/atomic" {
				return "is made to be changed; keep it in the struct whose state it guards"
			}
		}
	}
	return ""
}

// changed finds where a file changes a package variable, its own package's or
// another room's.
func (h *house) changed(f *file, vars map[string]variable) []problem {
	var found []problem
	report := func(target ast.Expr) {
		if sel, ok := target.(*ast.SelectorExpr); ok {
			if pkg := f.imported(sel.X); strings.HasPrefix(pkg, module+"/") {
				found = append(found, h.at(target.Pos(), "changes %s of %s; a room's variables are not to be "+
					"set from outside, hand the value in", sel.Sel.Name, strings.TrimPrefix(pkg, module+"/")))
			}
		}
		id := root(target)
		if id == nil {
			return
		}
		v, known := vars[id.Name]
		if !known || id.Obj != nil && id.Obj.Decl != v.spec {
			return // a local variable of the same name
		}
		found = append(found, h.at(id.Pos(), "changes package variable %s (or takes its address); "+
			"keep it in a struct that has an owner", id.Name))
	}
	ast.Inspect(f.ast, func(n ast.Node) bool {
		for _, target := range targets(n) {
			report(target)
		}
		return true
	})
	return found
}

// targets are the expressions that a node changes or takes the address of.
func targets(n ast.Node) []ast.Expr {
	switch n := n.(type) {
	case *ast.AssignStmt:
		if n.Tok != token.DEFINE {
			return n.Lhs
		}
	case *ast.IncDecStmt:
		return []ast.Expr{n.X}
	case *ast.RangeStmt:
		if n.Tok == token.ASSIGN {
			return []ast.Expr{n.Key, n.Value}
		}
	case *ast.UnaryExpr:
		if n.Op == token.AND {
			return []ast.Expr{n.X}
		}
	case *ast.CallExpr:
		id, ok := n.Fun.(*ast.Ident)
		if ok && len(n.Args) > 0 && (id.Name == "delete" || id.Name == "clear" || id.Name == "copy") {
			return n.Args[:1]
		}
	}
	return nil
}

// root is the variable at the bottom of x.f[i], *x and the like; nil for what
// is no variable.
func root(x ast.Expr) *ast.Ident {
	for {
		switch e := x.(type) {
		case *ast.Ident:
			return e
		case *ast.SelectorExpr:
			x = e.X
		case *ast.IndexExpr:
			x = e.X
		case *ast.SliceExpr:
			x = e.X
		case *ast.StarExpr:
			x = e.X
		case *ast.ParenExpr:
			x = e.X
		default:
			return nil
		}
	}
}
