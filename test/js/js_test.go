// Package js tests that published JavaScript clients, unmodified, work with our node and provider: the
// Akash SDK, cosmjs and ws of package.json, run by node against a whole market. The checks are in the
// scripts beside this file; each prints a line a check and fails the test with what it printed.
package js

import (
	"bytes"
	"encoding/json"
	"errors"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/akash-supercloud/akash/test/market"
)

// The lock file pins contents by hash, and leaves to the machine's own configuration where they come from.
func TestLockNamesNoHost(t *testing.T) {
	for _, file := range []string{"package-lock.json", "package.json", ".npmrc"} {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(b, []byte("://")) || bytes.Contains(b, []byte(`"resolved"`)) {
			t.Errorf("%s names a host; npm install with this folder's .npmrc, and delete the \"funding\" entries", file)
		}
	}
}

type wallet struct {
	Mnemonic string `json:"mnemonic"`
	Address  string `json:"address"`
}

// facts is what the scripts are told of the market.
type facts struct {
	Node         string            `json:"node"`
	GRPC         string            `json:"grpc"`
	REST         string            `json:"rest"`
	ChainID      string            `json:"chainId"`
	Gateway      string            `json:"gateway"`
	ProviderGRPC string            `json:"providerGRPC"`
	Ingress      string            `json:"ingress"`
	Provider     string            `json:"provider"`
	Bin          string            `json:"bin"`
	Web          string            `json:"web"`
	TwoServices  string            `json:"twoServices"`
	TwoGroups    string            `json:"twoGroups"`
	Wallets      map[string]wallet `json:"wallets"`
}

// script runs one with node and fails the test with its output if it fails.
func script(t *testing.T, env []string, m *market.Market, args ...string) []byte {
	t.Helper()
	began := time.Now()
	cmd := exec.CommandContext(t.Context(), "node", args...)
	cmd.Env = append(os.Environ(), append(env, "NODE_NO_WARNINGS=1")...)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	cmd.WaitDelay = 5 * time.Second
	out, err := cmd.Output()
	if err != nil {
		logs := ""
		if m != nil {
			logs = m.Logs()
		}
		t.Fatalf("node %s: %v\n%s%s\n%s", strings.Join(args, " "), err, out, errs.String(), logs)
	}
	if m != nil {
		t.Logf("%s: %.1f s\n%s%s", args[0], time.Since(began).Seconds(), out, errs.String())
	}
	return out
}

func abs(t *testing.T, path string) string {
	t.Helper()
	p, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestJavaScriptClients(t *testing.T) {
	if ok, why := market.Wanted(); !ok {
		t.Skip(why)
	}
	if _, err := os.Stat("node_modules/.package-lock.json"); errors.Is(err, os.ErrNotExist) {
		t.Fatal("the packages aren't installed; run make js")
	}
	// The market's example image is a program of ours, which a shell can do more with.
	programs := t.TempDir()
	build := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", filepath.Join(programs, "web"), "./app")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build ./app: %v\n%s", err, out)
	}
	var wallets map[string]wallet
	names := []string{"tenant", "friend", "web", "plain", "ledger", "seller", "frames", "errors"}
	if err := json.Unmarshal(script(t, nil, nil, append([]string{"wallets.mjs"}, append(names, "poor", "nobody")...)...), &wallets); err != nil {
		t.Fatal(err)
	}
	m := market.New(t)
	m.Prices(t, "2000") // some 380 uact a block, so that leases cost whole coins
	args := []string{"--no-demo", "--examples", programs}
	for _, n := range names {
		args = append(args, "--fund", wallets[n].Address+"=1000000000uakt,1000000000uact")
	}
	t.Logf("akash up: ready after %.2f s", m.Up(t, args...).Seconds())

	s := m.State(t)
	gateway, err := url.Parse(s.Gateway)
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.Atoi(gateway.Port())
	if err != nil {
		t.Fatal(err)
	}
	f := facts{
		Node: s.Node, GRPC: s.GRPC, REST: s.REST, ChainID: s.ChainID, Gateway: s.Gateway, Ingress: s.Ingress, Provider: s.Provider,
		ProviderGRPC: "https://" + net.JoinHostPort(gateway.Hostname(), strconv.Itoa(port+1)),
		Bin:          m.Bin, Web: abs(t, "../../examples/web/deploy.yaml"), TwoServices: abs(t, "../../examples/two-services/deploy.yaml"),
		TwoGroups: abs(t, "two-groups.yaml"), Wallets: wallets,
	}
	b, err := json.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	told := filepath.Join(t.TempDir(), "market.json")
	if err := os.WriteFile(told, b, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"lease", "rest", "ledger", "cosmjs", "errors", "status", "frames"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // each has accounts of its own
			script(t, []string{"AKASH_JS_MARKET=" + told}, m, name+".mjs")
		})
	}
}
