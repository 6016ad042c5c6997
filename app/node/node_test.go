package node_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/akash-supercloud/akash/app/node"
)

// start runs a node on free ports until the test ends; stop ends it earlier and waits.
func start(t *testing.T, home string) (at node.Addresses, stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ready, ended := make(chan node.Addresses, 1), make(chan error, 1)
	log, err := os.OpenFile(home+"/log", os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		ended <- node.Run(ctx, node.Config{Home: home, RPCAddr: "127.0.0.1:0", GRPCAddr: "127.0.0.1:0", RESTAddr: "127.0.0.1:0", P2PAddr: "127.0.0.1:0",
			Log: log, Ready: func(a node.Addresses) { ready <- a }})
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

	before, _ := height(t, at)
	stop()
	at, stop = start(t, home)
	if h, _ := height(t, at); h < before {
		t.Errorf("after a restart the height is %d; it was %d", h, before)
	}
	await(t, at, before+2)
	stop()
}
