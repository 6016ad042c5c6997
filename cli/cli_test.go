package cli_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/akash-supercloud/akash/cli"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"akash": func() { os.Exit(cli.Run(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) },
	})
}

// TestScripts runs the commands that need no chain.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(e *testscript.Env) error {
			e.Setenv("AKASH_HOME", e.Getenv("WORK")+"/home")
			e.Setenv("HOME", e.Getenv("WORK"))
			e.Setenv("AKASH_KEYRING_BACKEND", "test")
			return nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			// lines FILE: each line is a JSON object with all keys of sdl check.
			"lines": func(ts *testscript.TestScript, _ bool, args []string) {
				for _, line := range strings.Split(strings.TrimSpace(ts.ReadFile(args[0])), "\n") {
					var m map[string]any
					if err := json.Unmarshal([]byte(line), &m); err != nil {
						ts.Fatalf("%v in %q", err, line)
					}
					for _, key := range []string{"file", "ok", "error", "hash", "groups", "manifest"} {
						if _, ok := m[key]; !ok {
							ts.Fatalf("no %s in %q", key, line)
						}
					}
				}
			},
		},
	})
}

// TestCheckCorpus holds sdl check against the files of the sdl package: the program says what
// the package says, one object a file.
func TestCheckCorpus(t *testing.T) {
	files, err := filepath.Glob("../sdl/testdata/corpus/sdl/*.yaml")
	if err != nil || len(files) == 0 {
		t.Skip("no corpus here")
	}
	var out, errOut strings.Builder
	code := cli.Run(t.Context(), append([]string{"sdl", "check", "--output", "json"}, files...), strings.NewReader(""), &out, &errOut)
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != len(files) {
		t.Fatalf("%d lines for %d files: %s", len(lines), len(files), errOut.String())
	}
	bad := 0
	for i, line := range lines {
		var got struct {
			File, Error, Hash string
			OK                bool
		}
		if err := json.Unmarshal([]byte(line), &got); err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(filepath.Join("../sdl/testdata/corpus/expected", strings.TrimSuffix(filepath.Base(files[i]), ".yaml")+".json"))
		if err != nil {
			t.Fatal(err)
		}
		var want struct {
			OK   bool   `json:"ok"`
			Hash string `json:"version_hash_hex"`
		}
		if err := json.Unmarshal(data, &want); err != nil {
			t.Fatal(err)
		}
		if got.File != files[i] || got.OK != want.OK || got.OK && got.Hash != want.Hash || !got.OK && got.Error == "" {
			t.Errorf("%s: got %+v, want %+v", files[i], got, want)
		}
		if !got.OK {
			bad++
		}
	}
	if want := min(bad, 1); code != want {
		t.Errorf("exit code %d with %d bad files", code, bad)
	}
}

// TestHelp asks every command for its help: none may fail, and each says what it is for.
func TestHelp(t *testing.T) {
	for _, args := range []string{
		"", "deploy", "ls", "status", "logs", "update", "close", "sdl", "sdl check", "keys", "keys add", "auth jwt", "provider run", "provider init",
		"provider status", "up", "down", "version", "start", "genesis", "query", "query bank", "query market bid list", "tx", "tx bank", "tx deployment create",
		"tx market lease create", "tx escrow deposit", "tx provider create", "tx cert generate", "tx audit attr create", "completion bash",
	} {
		var out, errOut strings.Builder
		code := cli.Run(t.Context(), append(strings.Fields(args), "--help"), strings.NewReader(""), &out, &errOut)
		if code != 0 || !strings.Contains(out.String(), "Usage:") || errOut.Len() > 0 {
			t.Errorf("akash %s --help: code %d, %s\n%s", args, code, errOut.String(), out.String())
		}
	}
}

func ExampleRun() {
	code := cli.Run(context.Background(), []string{"close", "seven"}, strings.NewReader(""), os.Stdout, os.Stdout)
	fmt.Println(code)
	// Output:
	// Error: "seven" isn't a deployment's number; see `akash ls`
	// 1
}
