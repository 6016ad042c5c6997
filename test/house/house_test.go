// Package house holds what is true of the repository as a whole, beside the floors (internal/floors).
package house

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Every package says what it owns, once.
func TestPackageDocs(t *testing.T) {
	const root = "../.."
	docs, packages := map[string][]string{}, map[string]bool{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(root, path)
		if d.IsDir() {
			// Below api everything is generated; tools are modules of their own.
			if rel != "." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata" || rel == "build" || rel == "tools" || filepath.Dir(rel) == "api") {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.PackageClauseOnly|parser.ParseComments)
		if err != nil {
			return err
		}
		pkg := filepath.Dir(rel)
		packages[pkg] = true
		if f.Doc != nil {
			docs[pkg] = append(docs[pkg], rel)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(packages) < 30 {
		t.Fatalf("only %d packages were found: this test doesn't look where it should", len(packages))
	}
	for pkg := range packages {
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
