package node_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/akash-supercloud/akash/app"
	"github.com/akash-supercloud/akash/app/genesis"
	"github.com/akash-supercloud/akash/app/node"
)

// start runs a node on free ports until the test ends; stop ends it earlier and waits.
func start(t *testing.T, home string) (at node.Addresses, stop func()) {
	t.Helper()
	return startWith(t, home, nil)
}

func startWith(t *testing.T, home string, options map[string]any) (at node.Addresses, stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ready, ended := make(chan node.Addresses, 1), make(chan error, 1)
	log, err := os.OpenFile(home+"/log", os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		ended <- node.Run(ctx, node.Config{Home: home, RPCAddr: "127.0.0.1:0", GRPCAddr: "127.0.0.1:0", RESTAddr: "127.0.0.1:0", P2PAddr: "127.0.0.1:0",
			Log: log, Options: options, Ready: func(a node.Addresses) { ready <- a }})
	}()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("Run ended with %v", err)
			}
		case <-time.After(30 * time.Second):
			t.Error("Run didn't end within 30 s")
		}
		_ = log.Close()
	}
	t.Cleanup(stop)
	select {
	case at = <-ready:
	case err := <-ended:
		stopped = true
		t.Fatalf("Run: %v", err)
	case <-time.After(60 * time.Second):
		t.Fatal("the node wasn't ready within 60 s")
	}
	return at, stop
}

func get(t *testing.T, url string, into any) {
	t.Helper()
	res, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	if res.StatusCode != http.StatusOK {
		t.Fatalf("GET %s: %s: %s", url, res.Status, body)
	}
	if err := json.Unmarshal(body, into); err != nil {
		t.Fatalf("GET %s: %v: %s", url, err, body)
	}
}

type status struct {
	Result struct {
		NodeInfo struct {
			Network, Version string
		} `json:"node_info"`
		SyncInfo struct {
			Height string    `json:"latest_block_height"`
			Time   time.Time `json:"latest_block_time"`
		} `json:"sync_info"`
	}
}

func height(t *testing.T, at node.Addresses) (h int64, when time.Time) {
	t.Helper()
	var s status
	get(t, "http://"+at.RPC+"/status", &s)
	if _, err := fmt.Sscan(s.Result.SyncInfo.Height, &h); err != nil {
		t.Fatal(err)
	}
	return h, s.Result.SyncInfo.Time
}

// await polls until the chain is at height h or beyond.
func await(t *testing.T, at node.Addresses, h int64) time.Time {
	t.Helper()
	for end := time.Now().Add(60 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if now, when := height(t, at); now >= h {
			return when
		}
	}
	t.Fatalf("height %d wasn't reached within 60 s", h)
	return time.Time{}
}

func TestNode(t *testing.T) {
	home := t.TempDir()
	if err := node.Init(home, node.GenesisConfig{}); err != nil {
		t.Fatal(err)
	}
	at, stop := start(t, home)
	first := await(t, at, 3)
	last := await(t, at, 13)
	if pause := last.Sub(first) / 10; pause < 400*time.Millisecond || pause > 800*time.Millisecond {
		t.Errorf("blocks are %s apart; want about 500 ms", pause)
	} else {
		t.Logf("blocks are %s apart", pause)
	}

	var s status
	get(t, "http://"+at.RPC+"/status", &s)
	if s.Result.NodeInfo.Version != "0.38.21" || s.Result.NodeInfo.Network != "localakash" {
		t.Errorf("status tells version %q, network %q", s.Result.NodeInfo.Version, s.Result.NodeInfo.Network)
	}
	type info struct {
		ClientInfo struct {
			Version string `json:"api_version"`
		} `json:"client_info"`
		ChainID string `json:"chain_id"`
	}
	var byRPC struct{ Result info }
	get(t, "http://"+at.RPC+"/akash", &byRPC)
	var byREST struct{ Info info }
	get(t, "http://"+at.REST+"/akash/discovery/v1/info", &byREST)
	for door, i := range map[string]info{"RPC": byRPC.Result, "REST": byREST.Info} {
		if i.ClientInfo.Version != "v1beta3" || i.ChainID != "localakash" {
			t.Errorf("discovery over %s: %+v", door, i)
		}
	}
	var meta struct {
		Metadatas []struct{ Base, Symbol string }
	}
	get(t, "http://"+at.REST+"/cosmos/bank/v1beta1/denoms_metadata", &meta)
	if len(meta.Metadatas) != 2 {
		t.Errorf("denoms: %+v", meta)
	}

	for header, want := range map[string]int{"": 200, "0": 200, "2": 200, "-1": 400, "abc": 400, "99999999": 400} {
		req, err := http.NewRequest(http.MethodGet, "http://"+at.REST+"/akash/deployment/v1beta4/params", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("x-cosmos-block-height", header)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		var said struct{ Message string }
		if err := json.NewDecoder(res.Body).Decode(&said); err != nil || res.StatusCode != want || (want == 400) != strings.Contains(said.Message, "x-cosmos-block-height") {
			t.Errorf("height %q: %d %q, %v", header, res.StatusCode, said.Message, err)
		}
		res.Body.Close()
	}

	before, _ := height(t, at)
	stop()
	at, stop = start(t, home)
	if h, _ := height(t, at); h < before {
		t.Errorf("after a restart the height is %d; it was %d", h, before)
	}
	await(t, at, before+2)
	stop()
}

// TestMain lets the test binary be a node that can be killed.
func TestMain(m *testing.M) {
	home := os.Getenv("AKASH_TEST_NODE")
	if home == "" {
		os.Exit(m.Run())
	}
	err := node.Run(context.Background(), node.Config{Home: home, RPCAddr: "127.0.0.1:0", GRPCAddr: "127.0.0.1:0", RESTAddr: "127.0.0.1:0", P2PAddr: "127.0.0.1:0",
		Log: os.Stderr, Ready: func(a node.Addresses) {
			if os.Getenv("AKASH_TEST_FULL") != "" {
				// From here on no file grows, as on a full disk.
				signal.Ignore(syscall.SIGXFSZ)
				_ = syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: 1, Max: 1})
			}
			fmt.Println(a.RPC)
		}})
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// TestKill kills a node again and again, at no particular moment; each time it goes on from its last block.
func TestKill(t *testing.T) {
	home := t.TempDir()
	if err := node.Init(home, node.GenesisConfig{BlockTime: 50 * time.Millisecond}); err != nil {
		t.Fatal(err)
	}
	reached := int64(0)
	for round := range 4 {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), "AKASH_TEST_NODE="+home)
		var log strings.Builder
		cmd.Stderr = &log
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		var at node.Addresses
		_, scanErr := fmt.Fscanln(out, &at.RPC)
		if scanErr == nil {
			h, _ := height(t, at)
			if h < reached {
				t.Errorf("round %d: height %d; %d had been reached", round, h, reached)
			}
			await(t, at, reached+7+int64(round))
			reached, _ = height(t, at)
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait()
		if scanErr != nil {
			t.Fatalf("round %d: the node didn't start: %s", round, log.String())
		}
	}
}

// TestFullDisk holds that a node whose consensus failed ends, and goes on once it can write again.
func TestFullDisk(t *testing.T) {
	home := t.TempDir()
	if err := node.Init(home, node.GenesisConfig{BlockTime: 50 * time.Millisecond}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0])
	cmd.Env = append(os.Environ(), "AKASH_TEST_NODE="+home, "AKASH_TEST_FULL=1")
	var log strings.Builder
	cmd.Stderr = &log
	if err := cmd.Run(); err == nil || ctx.Err() != nil || !strings.Contains(log.String(), "the node stopped making blocks because of a failure in consensus") {
		t.Fatalf("a node that can't write: %v: %s", err, log.String())
	}
	at, _ := start(t, home)
	h, _ := height(t, at)
	await(t, at, h+2)
}

func TestNoValidator(t *testing.T) {
	home := t.TempDir()
	if err := node.Init(home, node.GenesisConfig{}); err != nil {
		t.Fatal(err)
	}
	path := home + "/config/genesis.json"
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	text := good
	var doc map[string]any
	if err := json.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	doc["app_state"].(map[string]any)["genutil"].(map[string]any)["gen_txs"] = []any{}
	if text, err = json.Marshal(doc); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	err = node.Run(context.Background(), node.Config{Home: home, RPCAddr: "127.0.0.1:0", GRPCAddr: "127.0.0.1:0", RESTAddr: "127.0.0.1:0", P2PAddr: "127.0.0.1:0"})
	if err == nil || !strings.Contains(err.Error(), "has no validator") || !strings.Contains(err.Error(), "gentx") {
		t.Errorf("a genesis without validator: %v", err)
	}

	// What it had begun with is forgotten for a better one, as long as there is no block.
	write(t, path, string(good))
	at, stop := start(t, home)
	await(t, at, 2)
	stop()
	write(t, path, strings.Replace(string(good), `"genesis_time"`, ` "genesis_time"`, 1)) // other bytes, the same genesis
	at, stop = start(t, home)
	await(t, at, 3)
	stop()
	if err := json.Unmarshal(good, &doc); err != nil {
		t.Fatal(err)
	}
	doc["genesis_time"] = "2026-01-01T00:00:00Z"
	if text, err = json.Marshal(doc); err != nil {
		t.Fatal(err)
	}
	write(t, path, string(text))
	refused(t, home, "isn't the one", "akash comet reset")
}

// TestSettings: names that nobody knows are refused, not ignored.
func TestSettings(t *testing.T) {
	home := t.TempDir()
	if err := node.Init(home, node.GenesisConfig{}); err != nil {
		t.Fatal(err)
	}
	for name, known := range map[string]bool{
		"consensus.timeout_commit": true, "halt-height": true, "state-sync.snapshot-interval": true, "rpc.pprof_laddr": true, app.OptionSignatureCache: true,
		"instrumentation.prometheus_listen_addr": true, "consensus.peer_gossip_sleep_duration": true, "p2p.allow_duplicate_ip": true,
		"consensus.timeout_comit": false, "nosuch.key": false, "haltheight": false,
	} {
		if err := node.CheckSetting(home, name); (err == nil) != known {
			t.Errorf("%s: %v", name, err)
		}
	}
	err := node.Run(context.Background(), node.Config{Home: home, Options: map[string]any{"pruning": "wurst"}})
	if err == nil || !strings.Contains(err.Error(), `pruning "wurst" is none of`) {
		t.Errorf("pruning: %v", err)
	}
}

func TestRefusals(t *testing.T) {
	if err := node.Run(context.Background(), node.Config{Home: t.TempDir()}); err == nil || !strings.Contains(err.Error(), "there is no node in") {
		t.Errorf("an empty home: %v", err)
	}
	home := t.TempDir()
	if err := node.Init(home, node.GenesisConfig{}); err != nil {
		t.Fatal(err)
	}
	if err := node.Init(home, node.GenesisConfig{}); err == nil || !strings.Contains(err.Error(), "has a genesis already") {
		t.Errorf("a second Init: %v", err)
	}
	if err := node.Init(t.TempDir(), node.GenesisConfig{Accounts: []genesis.Account{{Address: "cosmos1x", Coins: nil}}}); err == nil {
		t.Error("a foreign address was funded")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	err = node.Run(context.Background(), node.Config{Home: home, RPCAddr: l.Addr().String()})
	if err == nil || !strings.Contains(err.Error(), "is taken") || !strings.Contains(err.Error(), "--rpc-addr") {
		t.Errorf("a taken port: %v", err)
	}
	at, _ := start(t, home)
	await(t, at, 1)
	err = node.Run(context.Background(), node.Config{Home: home, RPCAddr: "127.0.0.1:0", GRPCAddr: "127.0.0.1:0", RESTAddr: "127.0.0.1:0", P2PAddr: "127.0.0.1:0"})
	if err == nil || !strings.Contains(err.Error(), "another node runs on") {
		t.Errorf("a second node on one home: %v", err)
	}
}

// TestManyAccounts holds that a genesis of thousands is quick.
func TestManyAccounts(t *testing.T) {
	var accounts []genesis.Account
	for i := range 5000 {
		addr := make([]byte, 20)
		addr[0], addr[1] = byte(i>>8), byte(i)
		accounts = append(accounts, genesis.Account{Address: sdk.AccAddress(addr).String(), Coins: sdk.NewCoins(sdk.NewInt64Coin("uact", 7), sdk.NewInt64Coin("uakt", 5))})
	}
	home, began := t.TempDir(), time.Now()
	if err := node.Init(home, node.GenesisConfig{Accounts: accounts}); err != nil {
		t.Fatal(err)
	}
	at, _ := start(t, home)
	await(t, at, 2)
	t.Logf("5,000 accounts: second block after %s", time.Since(began))
	var b struct {
		Balance struct{ Denom, Amount string }
	}
	get(t, "http://"+at.REST+"/cosmos/bank/v1beta1/balances/"+accounts[4999].Address+"/by_denom?denom=uact", &b)
	if b.Balance.Amount != "7" {
		t.Errorf("balance: %+v", b)
	}
}
