// Package house holds the tests of the repository as a whole: which package may import which, that each
// says what it owns, and that no text of a machine or a stranger's name got in.
package house

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/akash-supercloud/akash/"

// floors, from the lowest; the first prefix that fits decides. A package imports from lower floors, and
// within its own floor only from packages of its own part: the prefix.
var floors = []struct {
	prefix string
	floor  int
}{
	{"api", 0},
	{"internal", 0},
	{"sdl", 1}, {"manifest", 1}, {"match", 1}, {"x/escrow/ledger", 1},
	{"x", 2}, {"app", 2},
	{"client", 2},
	{"provider", 3}, {"console", 3},
	{"localnet", 4}, {"cli", 4}, {"cmd", 4}, {"examples", 4}, {"test", 4},
	{"proto", 4}, {"tools", 4}, {"docs", 4},
}

// besides are the arrows within a floor, or out of the order above, that are meant.
var besides = map[string][]string{
	"sdl":      {"manifest", "match"}, // an SDL is checked by the chain's own limits and makes a manifest
	"manifest": {"match"},
	"app":      {"x"},
	"localnet": {"examples"},
	"cli":      {"localnet", "examples"},
	"cmd":      {"cli"},
	"test":     {"localnet", "cli", "examples"},
}

func place(pkg string) (prefix string, floor int) {
	for _, f := range floors {
		if pkg == f.prefix || strings.HasPrefix(pkg, f.prefix+"/") {
			if f.prefix == "x" && strings.HasPrefix(pkg, "x/escrow/ledger") {
				continue
			}
			return f.prefix, f.floor
		}
	}
	return "", -1
}

// eachGo calls fn for every Go file of the module; rel is its folder.
func eachGo(t *testing.T, fn func(rel, path string)) {
	t.Helper()
	root := "../.."
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(root, path)
		if d.IsDir() {
			if rel != "." && (strings.HasPrefix(d.Name(), ".") || rel == "build" || rel == "tools" || d.Name() == "testdata" || d.Name() == "node_modules") {
				return filepath.SkipDir
			}
			return nil
		}
		if strings.HasSuffix(path, ".go") {
			fn(filepath.ToSlash(filepath.Dir(rel)), path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// A package imports only from floors below its own.
func TestFloors(t *testing.T) {
	seen := 0
	eachGo(t, func(pkg, path string) {
		from, floor := place(pkg)
		if floor < 0 {
			t.Errorf("%s is on no floor: add it to the list in this test", path)
			return
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			t.Error(err)
			return
		}
		for _, imp := range f.Imports {
			name := strings.Trim(imp.Path.Value, `"`)
			target, ours := strings.CutPrefix(name, module)
			if !ours {
				if floor == 1 && !strings.HasSuffix(path, "_test.go") && impure(name) {
					t.Errorf("%s imports %s: the pure floor has no I/O, clock or randomness", path, name)
				}
				continue
			}
			seen++
			to, toFloor := place(target)
			switch {
			case from == to || slices.Contains(besides[from], to):
			case toFloor < floor:
				// The daemons talk to the chain as a client does.
				if floor == 3 && (to == "x" || to == "app") {
					t.Errorf("%s imports %s: a daemon reaches the chain through client only", path, target)
				}
			// Tests may look down from above: a client's test against the real chain.
			case strings.HasSuffix(path, "_test.go"):
			default:
				t.Errorf("%s (floor %d) imports %s (floor %d)", path, floor, target, toFloor)
			}
		}
	})
	if seen < 50 {
		t.Errorf("only %d imports between our packages were seen: this test doesn't look at what it should", seen)
	}
}

func impure(name string) bool {
	return slices.Contains([]string{"os", "io/fs", "net", "net/http", "math/rand", "math/rand/v2", "crypto/rand", "os/exec"}, name)
}

// Every package says what it owns, once.
func TestPackageDocs(t *testing.T) {
	docs, files := map[string][]string{}, map[string]bool{}
	eachGo(t, func(pkg, path string) {
		if place, _ := place(pkg); place == "api" && pkg != "api" || strings.HasSuffix(path, "_test.go") && pkg != "test/house" && pkg != "test/e2e" {
			return
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.PackageClauseOnly|parser.ParseComments)
		if err != nil {
			t.Error(err)
			return
		}
		files[pkg] = true
		if f.Doc != nil {
			docs[pkg] = append(docs[pkg], path)
		}
	})
	for pkg := range files {
		if len(docs[pkg]) != 1 {
			t.Errorf("package %s has %d package comments %v, want one", pkg, len(docs[pkg]), docs[pkg])
		}
	}
}

// main wires nothing by itself.
func TestMainIsShort(t *testing.T) {
	data, err := os.ReadFile("../../cmd/akash/main.go")
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(data), "\n"); n > 30 {
		t.Errorf("cmd/akash/main.go has %d lines, at most 30 are wanted", n)
	}
}
