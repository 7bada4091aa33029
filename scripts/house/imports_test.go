package house

import (
	"fmt"
	"strings"
)

// checkPlan finds folders with Go files that the plan does not know.
func checkPlan(h *house) []problem {
	var found []problem
	for _, r := range h.rooms {
		switch {
		case planned(r.dir):
		case r.dir == "sync":
			found = append(found, problem{r.dir, "holds no Go file itself, so that `import \"sync\"` " +
				"is always the standard one; move it into the room it belongs to"})
		default:
			found = append(found, problem{r.dir, "not in the house plan; move its code into the room that " +
				"has its noun, or add the room to plan in scripts/house/plan_test.go and to ARCHITECTURE.md"})
		}
	}
	return found
}

// checkArrows finds imports between rooms that the plan does not draw.
func checkArrows(h *house) []problem {
	var found []problem
	h.each(func(f *file) {
		for _, i := range f.imports {
			to, ours := strings.CutPrefix(i.path, module+"/")
			if !ours || mayImport(f.dir, to, f.test) {
				continue
			}
			found = append(found, h.at(i.pos, "%s must not import %s; %s", f.dir, to, adviceFor(f, to)))
		}
	})
	return found
}

// adviceFor says what to do instead of a forbidden import.
func adviceFor(f *file, to string) string {
	switch {
	case program(to):
		return "it is a program; what both need belongs into a room, or into cmd/agent"
	case to == "config":
		return "only cmd reads what the operator wrote; hand the values in as arguments"
	case strings.HasSuffix(to, "test") && !f.test:
		return "fakes are for tests"
	case f.test:
		return "write a small fake here, or add a line with its reason to testArrows in scripts/house/plan_test.go"
	}
	return fmt.Sprintf("declare the small interface that %s needs and let cmd connect the two, "+
		"or add an arrow with its reason to scripts/house/plan_test.go", f.dir)
}

// checkLibraries finds foreign libraries outside their rooms.
func checkLibraries(h *house) []problem {
	var found []problem
	h.each(func(f *file) {
		for _, i := range f.imports {
			lib, known := libraryOf(i.path)
			switch {
			case known && !lib.livesIn(f):
				found = append(found, h.at(i.pos, "%s imports %s, which lives in %s; ask that room for what you need",
					f.dir, i.path, lib.home()))
			case !known && foreign(i.path):
				found = append(found, h.at(i.pos, "%s imports %s, which has no room; do without it, "+
					"or give it one in scripts/house/libraries_test.go", f.dir, i.path))
			}
		}
	})
	return found
}

// checkRequirements finds direct requirements of go.mod that no room asked for.
func checkRequirements(h *house) []problem {
	var found []problem
	for _, required := range h.requires {
		if lib, known := libraryOf(required); !known || lib.module != required {
			found = append(found, problem{"go.mod", fmt.Sprintf("requires %s, which has no room; "+
				"do without it, or give it one in scripts/house/libraries_test.go", required)})
		}
	}
	return found
}
