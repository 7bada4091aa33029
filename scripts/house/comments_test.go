package house

import (
	"go/ast"
	"go/token"
	"regexp"
	"strings"
)

// checkPackageComments finds packages that do not say what they are.
func checkPackageComments(h *house) []problem {
	var found []problem
	for _, r := range h.rooms {
		onlyTests, commented := true, false
		for _, f := range r.files {
			onlyTests = onlyTests && f.test
		}
		name := ""
		for _, f := range r.files {
			if f.test != onlyTests {
				continue
			}
			name = f.ast.Name.Name
			commented = commented || introduces(f.ast.Doc, name)
		}
		if name != "" && !commented {
			found = append(found, problem{r.dir, "has no package comment; open one file with " +
				"\"// " + opening(name) + "…\": what it is, and what it never does"})
		}
	}
	return found
}

// opening is how the comment of a package starts.
func opening(name string) string {
	if name == "main" {
		return "Kiosk is "
	}
	return "Package " + name + " "
}

// introduces tells whether a comment speaks about the package. Programs may
// open as they like.
func introduces(doc *ast.CommentGroup, name string) bool {
	text := strings.TrimSpace(doc.Text())
	if name == "main" {
		return text != ""
	}
	return strings.HasPrefix(text, "Package "+name+" ")
}

// checkExportedComments finds exported names without a word about them.
func checkExportedComments(h *house) []problem {
	var found []problem
	h.each(func(f *file) {
		if f.test || f.ast.Name.Name == "main" {
			return
		}
		for _, name := range undocumented(f.ast) {
			found = append(found, h.at(name.Pos(), "%s is exported and has no comment; "+
				"say what it means to its user, or make it lower case", name.Name))
		}
	})
	return found
}

// undocumented lists the exported top-level names of a file that nothing is said about.
func undocumented(f *ast.File) []*ast.Ident {
	var found []*ast.Ident
	for _, d := range f.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			if d.Name.IsExported() && visible(d.Recv) && d.Doc.Text() == "" {
				found = append(found, d.Name)
			}
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				found = append(found, undocumentedIn(d, spec)...)
			}
		}
	}
	return found
}

// undocumentedIn looks at one line of a declaration. A group comment is enough
// for constants and variables, not for types.
func undocumentedIn(d *ast.GenDecl, spec ast.Spec) []*ast.Ident {
	group := d.Doc.Text() != ""
	switch s := spec.(type) {
	case *ast.TypeSpec:
		own := s.Doc.Text() != "" || (group && d.Lparen == token.NoPos)
		if s.Name.IsExported() && !own {
			return []*ast.Ident{s.Name}
		}
	case *ast.ValueSpec:
		if group || s.Doc.Text() != "" || s.Comment.Text() != "" {
			return nil
		}
		var found []*ast.Ident
		for _, name := range s.Names {
			if name.IsExported() {
				found = append(found, name)
			}
		}
		return found
	}
	return nil
}

// visible tells whether a receiver's type is exported; a function has none.
func visible(recv *ast.FieldList) bool {
	if recv == nil || len(recv.List) == 0 {
		return true
	}
	kind := recv.List[0].Type
	for {
		switch t := kind.(type) {
		case *ast.StarExpr:
			kind = t.X
		case *ast.IndexExpr:
			kind = t.X
		case *ast.IndexListExpr:
			kind = t.X
		case *ast.Ident:
			return t.IsExported()
		default:
			return false
		}
	}
}

var unfinished = regexp.MustCompile(`\b(TODO|FIXME|XXX)\b`)

// checkUnfinished finds comments that put work off.
func checkUnfinished(h *house) []problem {
	var found []problem
	h.each(func(f *file) {
		for _, group := range f.ast.Comments {
			for _, c := range group.List {
				if word := unfinished.FindString(c.Text); word != "" {
					found = append(found, h.at(c.Pos(), "%s in a comment; do it now, or write an issue and "+
						"say plainly what this code does not do", word))
				}
			}
		}
	})
	return found
}
