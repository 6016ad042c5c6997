package floors_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/akash-supercloud/akash"

// A floor is a set of packages and what they may import of ours. Paths end at a slash: "x" is x and all below it,
// unless a longer path has a floor of its own.
type floor struct {
	name string
	of   []string // packages
	may  []string // floors
	// only, if not nil, lists all that may be imported from outside besides the standard library.
	only []string
}

var floors = []floor{
	{name: "internal", of: []string{"internal"}, may: []string{"internal"}},
	{name: "wire", of: []string{"api"}, may: []string{"wire"}},
	{
		name: "pure", of: []string{"sdl", "manifest", "match", "x/escrow/ledger"}, may: []string{"pure", "wire", "internal"},
		only: []string{"cosmossdk.io/math", "go.yaml.in/yaml/v3", "github.com/cosmos/gogoproto", "github.com/cosmos/cosmos-sdk/types"},
	},
	{name: "chain", of: []string{"x", "app"}, may: []string{"chain", "pure", "wire", "internal"}},
	{name: "client", of: []string{"client"}, may: []string{"client", "pure", "wire", "internal"}},
	{name: "daemons", of: []string{"provider", "console"}, may: []string{"daemons", "client", "pure", "wire", "internal"}},
	{
		name: "whole", of: []string{"localnet", "cli", "cmd", "test", "examples", "tools"},
		may: []string{"whole", "daemons", "client", "chain", "pure", "wire", "internal"},
	},
}

// notConsensus are the chain's packages that only serve it: they may look at the clock and run goroutines.
var notConsensus = []string{"app/node", "app/rpcfront", "app/cmd"}

type pkg struct {
	ImportPath, Dir, Export string
	Imports, GoFiles        []string
	Standard                bool
	Error                   *struct{ Err string }
}

func (p pkg) path() string {
	return strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, module), "/")
}

func root(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("go", "env", "GOMOD").Output()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Dir(strings.TrimSpace(string(out)))
}

func list(t *testing.T, args ...string) []pkg {
	t.Helper()
	cmd := exec.Command("go", append([]string{"list", "-json=ImportPath,Dir,Export,Imports,GoFiles,Standard,Error", "-e"}, args...)...)
	cmd.Dir = root(t)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v: %s", err, stderr.String())
	}
	var all []pkg
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

func below(path, top string) bool { return path == top || strings.HasPrefix(path, top+"/") }

// on returns the floor that path is on: that of the longest match.
func on(path string) *floor {
	var best *floor
	longest := -1
	for i := range floors {
		for _, top := range floors[i].of {
			if below(path, top) && len(top) > longest {
				best, longest = &floors[i], len(top)
			}
		}
	}
	return best
}

// arrows returns what is wrong with the imports of p.
func arrows(p pkg) (wrong []string) {
	f := on(p.path())
	if f == nil {
		return []string{fmt.Sprintf("package %s is on no floor; put it below one of the known folders or give it a floor in this test", p.path())}
	}
	for _, imp := range p.Imports {
		if !below(imp, module) {
			if f.only != nil && strings.Contains(strings.Split(imp, "/")[0], ".") && !slices.ContainsFunc(f.only, func(top string) bool { return below(imp, top) }) {
				wrong = append(wrong, fmt.Sprintf("%s (floor %s) imports %s; it may import only %s and the standard library", p.path(), f.name, imp, strings.Join(f.only, ", ")))
			}
			continue
		}
		to := on(strings.TrimPrefix(strings.TrimPrefix(imp, module), "/"))
		if to == nil || !slices.Contains(f.may, to.name) {
			wrong = append(wrong, fmt.Sprintf("%s (floor %s) imports %s", p.path(), f.name, imp))
		}
	}
	return wrong
}

func TestArrows(t *testing.T) {
	all := list(t, "./...")
	if len(all) < 20 {
		t.Fatalf("only %d packages", len(all))
	}
	for _, p := range all {
		for _, w := range arrows(p) {
			t.Error(w)
		}
	}
}

// TestArrowsNotice holds that a wrong arrow would be seen.
func TestArrowsNotice(t *testing.T) {
	for from, to := range map[string]string{
		"provider/bid": "x/market", "provider": "app/node", "client": "x/escrow", "client/tx": "app", "x/market": "client", "api/akash/audit/v1": "match",
		"sdl": "x/escrow", "match": "client", "x/escrow/ledger": "x/escrow", "internal/a": "api/akash/audit/v1", "app": "provider", "x/cert": "cli", "nowhere": "api",
	} {
		if len(arrows(pkg{ImportPath: module + "/" + from, Imports: []string{module + "/" + to}})) == 0 {
			t.Errorf("%s may import %s", from, to)
		}
	}
	if len(arrows(pkg{ImportPath: module + "/sdl", Imports: []string{"github.com/spf13/cobra"}})) == 0 {
		t.Error("sdl may import cobra")
	}
}

func TestMainIsShort(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root(t), "cmd", "akash", "main.go"))
	if errors.Is(err, os.ErrNotExist) {
		t.Skip("there is no cmd/akash yet")
	}
	if err != nil {
		t.Fatal(err)
	}
	if n := bytes.Count(text, []byte("\n")); n > 30 {
		t.Errorf("cmd/akash/main.go has %d lines; 30 are enough for a main that only calls", n)
	}
}

func TestPackageDocs(t *testing.T) {
	for _, p := range list(t, "./...") {
		fset, docs, written := token.NewFileSet(), []string{}, 0
		for _, name := range p.GoFiles {
			f, err := parser.ParseFile(fset, filepath.Join(p.Dir, name), nil, parser.ParseComments)
			if err != nil {
				t.Error(err)
				continue
			}
			if ast.IsGenerated(f) {
				continue
			}
			written++
			if f.Doc != nil && !strings.HasPrefix(f.Doc.Text(), "go:build") {
				docs = append(docs, name)
			}
		}
		if written > 0 && len(docs) != 1 {
			t.Errorf("package %s has %d package comments %v; one is right", p.path(), len(docs), docs)
		}
	}
}

// TestConsensus holds that consensus code uses no clock, no randomness, no float, no goroutine and no order of a map.
// A line that does, and why it may, says "//deterministic: reason" at its end or right above.
func TestConsensus(t *testing.T) {
	exports := map[string]string{}
	var ours []pkg
	for _, p := range list(t, "-export", "-deps", "./x/...", "./app/...") {
		if p.Export != "" {
			exports[p.ImportPath] = p.Export
		}
		if path := p.path(); below(p.ImportPath, module) && (below(path, "x") || below(path, "app")) &&
			!slices.ContainsFunc(notConsensus, func(top string) bool { return below(path, top) }) {
			ours = append(ours, p)
		}
	}
	if len(ours) < 5 {
		t.Fatalf("only %d consensus packages", len(ours))
	}
	for _, p := range ours {
		var files []file
		for _, name := range p.GoFiles {
			text, err := os.ReadFile(filepath.Join(p.Dir, name))
			if err != nil {
				t.Fatal(err)
			}
			files = append(files, file{filepath.Join(p.path(), name), text})
		}
		wrong, err := inspect(p.ImportPath, files, exports)
		if err != nil {
			t.Errorf("%s: %v", p.path(), err)
		}
		for _, w := range wrong {
			t.Error(w)
		}
	}
}

// TestConsensusNotices holds that each forbidden thing would be seen, and that a reason allows it.
func TestConsensusNotices(t *testing.T) {
	exports := map[string]string{}
	for _, p := range list(t, "-export", "-deps", "time", "math/rand", "maps", "slices") {
		exports[p.ImportPath] = p.Export
	}
	const head = "package p\nimport (\"time\"; \"maps\"; \"slices\")\nvar _ = time.Second; var _ = maps.Keys[map[int]int]; var _ = slices.Sorted[int]\nfunc f(m map[string]int, s []string) {\n"
	for body, bad := range map[string]bool{
		"_ = time.Now()": true, "time.Sleep(1)": true, "go f(m, s)": true, "for range m {}": true, "x := 1.5; _ = x": true, "_ = float64(len(s))": true,
		"for k := range maps.Keys(m) { _ = k }": true, "for range s {}": false, "_ = slices.Sorted(maps.Keys(m))": false,
		"for range m {} //deterministic: only counts": false, "//deterministic: a test\n_ = time.Now()": false,
		"for range m {} //deterministic:": true,
	} {
		wrong, err := inspect("p", []file{{"p.go", []byte(head + body + "\n}\n")}}, exports)
		if err != nil {
			t.Errorf("%s: %v", body, err)
		}
		if (len(wrong) > 0) != bad {
			t.Errorf("%q: found %q", body, wrong)
		}
	}
	if wrong, err := inspect("p", []file{{"p.go", []byte("package p\nimport \"math/rand\"\nvar _ = rand.Int\n")}}, exports); err != nil || len(wrong) == 0 {
		t.Errorf("math/rand wasn't noticed: %v", err)
	}
}

type file struct {
	name string
	text []byte
}

func inspect(path string, files []file, exports map[string]string) (wrong []string, err error) {
	fset := token.NewFileSet()
	var parsed []*ast.File
	allowed := map[string]bool{} // "file:line"
	for _, f := range files {
		tree, err := parser.ParseFile(fset, f.name, f.text, parser.ParseComments)
		if err != nil {
			return nil, err
		}
		parsed = append(parsed, tree)
		for _, g := range tree.Comments {
			for _, c := range g.List {
				if reason, ok := strings.CutPrefix(c.Text, "//deterministic:"); ok && strings.TrimSpace(reason) != "" {
					line := fset.Position(c.Pos()).Line
					allowed[fmt.Sprint(f.name, ":", line)] = true
					allowed[fmt.Sprint(f.name, ":", line+1)] = true
				}
			}
		}
	}
	info := &types.Info{Types: map[ast.Expr]types.TypeAndValue{}, Uses: map[*ast.Ident]types.Object{}}
	config := types.Config{Importer: importer.ForCompiler(fset, "gc", func(path string) (io.ReadCloser, error) {
		name, ok := exports[path]
		if !ok {
			return nil, fmt.Errorf("no export data of %s", path)
		}
		return os.Open(name)
	})}
	if _, err := config.Check(path, fset, parsed, info); err != nil {
		return nil, err
	}
	say := func(at ast.Node, what string) {
		p := fset.Position(at.Pos())
		if !allowed[fmt.Sprint(p.Filename, ":", p.Line)] {
			wrong = append(wrong, fmt.Sprintf("%s:%d: %s", p.Filename, p.Line, what))
		}
	}
	sorted := map[ast.Node]bool{} // calls whose order slices.Sorted mends
	for _, tree := range parsed {
		for _, imp := range tree.Imports {
			switch imp.Path.Value {
			case `"math/rand"`, `"math/rand/v2"`, `"crypto/rand"`:
				say(imp, "imports "+imp.Path.Value)
			}
		}
		ast.Inspect(tree, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.GoStmt:
				say(n, "starts a goroutine")
			case *ast.RangeStmt:
				if tv, ok := info.Types[n.X]; ok {
					if _, ok := tv.Type.Underlying().(*types.Map); ok {
						say(n, "ranges over a map, whose order differs from run to run")
					}
				}
			case *ast.CallExpr:
				from, name := callee(info, n)
				switch {
				case from == "slices" && strings.HasPrefix(name, "Sorted"):
					for _, a := range n.Args {
						sorted[a] = true
					}
				case from == "maps" && (name == "Keys" || name == "Values" || name == "All") && !sorted[n]:
					say(n, "takes a map's elements in no order; use slices.Sorted")
				}
			case *ast.SelectorExpr:
				if o := info.Uses[n.Sel]; o != nil && o.Pkg() != nil && o.Pkg().Path() == "time" {
					switch o.Name() {
					case "Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker":
						if _, ok := n.X.(*ast.Ident); ok && o.Parent() != nil {
							say(n, "asks the clock: time."+o.Name())
						}
					}
				}
			}
			if e, ok := n.(ast.Expr); ok {
				if tv, ok := info.Types[e]; ok && tv.Type != nil {
					if b, ok := tv.Type.Underlying().(*types.Basic); ok && (b.Kind() == types.Float64 || b.Kind() == types.Float32) {
						say(e, "uses a float")
						return false
					}
				}
			}
			return true
		})
	}
	return wrong, nil
}

// callee returns the package path and name of the function that call calls, if it is one of a package.
func callee(info *types.Info, call *ast.CallExpr) (from, name string) {
	fun := call.Fun
	if i, ok := fun.(*ast.IndexExpr); ok {
		fun = i.X
	}
	if s, ok := fun.(*ast.SelectorExpr); ok {
		if o := info.Uses[s.Sel]; o != nil && o.Pkg() != nil {
			return o.Pkg().Path(), o.Name()
		}
	}
	return "", ""
}
