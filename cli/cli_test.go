package cli_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
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

// TestNodeStatus shows a node as a table and as JSON; which node doesn't matter, so there is a small one here.
func TestNodeStatus(t *testing.T) {
	node := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var call struct {
			ID     json.RawMessage `json:"id"`
			Method string          `json:"method"`
		}
		if err := json.NewDecoder(r.Body).Decode(&call); err != nil {
			t.Error(err)
		}
		result := map[string]string{
			"status": `{"node_info": {"id": "aa", "network": "four-1", "version": "0.38.21", "moniker": "me\u001b[31m"},
				"sync_info": {"latest_block_height": "77", "latest_block_time": "2020-01-01T00:00:00Z", "earliest_block_height": "5", "catching_up": true},
				"validator_info": {"address": "ABCD", "voting_power": "12"}}`,
			"net_info": `{"listening": true, "n_peers": "1", "peers": [{"node_info": {"id": "bb", "moniker": "you"}, "is_outbound": true, "remote_ip": "10.0.0.9"}]}`,
		}[call.Method]
		fmt.Fprintf(w, `{"jsonrpc": "2.0", "id": %s, "result": %s}`, call.ID, result)
	}))
	defer node.Close()
	for output, want := range map[string][]string{
		"text": {"four-1", "77", "catching up", "voting power  12", "10.0.0.9", "we called", "you"},
		"json": {`"height":77`, `"catching_up":true`, `"voting_power":12`, `"address":"10.0.0.9"`, `"earliest_height":5`},
	} {
		var out, errOut strings.Builder
		if code := cli.Run(t.Context(), []string{"status", "--node", node.URL, "--home", t.TempDir(), "--output", output}, strings.NewReader(""), &out, &errOut); code != 0 {
			t.Fatalf("code %d: %s", code, errOut.String())
		}
		for _, w := range want {
			if !strings.Contains(out.String(), w) {
				t.Errorf("%s: no %q in\n%s", output, w, out.String())
			}
		}
		if strings.Contains(out.String(), "\x1b") {
			t.Errorf("%s: a node's name reaches the terminal as it is: %q", output, out.String())
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
