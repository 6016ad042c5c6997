package node_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/akash-supercloud/akash/app/node"
)

// TestStateSyncServers holds that a node trusts no block that its servers don't have alike.
func TestStateSyncServers(t *testing.T) {
	var at [3]node.Addresses
	for i, chain := range []string{"same-1", "same-1", "other-1"} {
		home := t.TempDir()
		if err := node.Init(home, node.GenesisConfig{ChainID: chain}); err != nil {
			t.Fatal(err)
		}
		at[i], _ = start(t, home)
		await(t, at[i], 2)
	}
	home := t.TempDir()
	if err := node.Init(home, node.GenesisConfig{ChainID: "same-1"}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		servers []string
		want    string
	}{
		{[]string{at[0].RPC}, "name two or more"},
		{[]string{at[0].RPC, "127.0.0.1:1"}, "doesn't answer"},
		{[]string{at[0].RPC, at[2].RPC}, `is of chain "other-1"`},
		{[]string{"http://" + at[0].RPC, "tcp://" + at[1].RPC}, "have different blocks 1"},
	} {
		err := node.Run(context.Background(), node.Config{Home: home, RPCAddr: "127.0.0.1:0", GRPCAddr: "127.0.0.1:0", RESTAddr: "127.0.0.1:0", P2PAddr: "127.0.0.1:0",
			StateSync: c.servers})
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%v: %v, want %q", c.servers, err, c.want)
		}
	}
	err := node.Run(context.Background(), node.Config{Home: home, RPCAddr: "127.0.0.1:0", Peers: []string{"example.com:26656"}})
	if err == nil || !strings.Contains(err.Error(), "isn't ID@host:port") {
		t.Errorf("a peer without ID: %v", err)
	}
}

// TestBlockErrors holds that whoever can't run a block learns why, in words of his own.
func TestBlockErrors(t *testing.T) {
	for text, want := range map[string]string{
		`UPGRADE "v2" NEEDED at height: 7: info`:                                      `upgrade "v2" is due at block 7`,
		`BINARY UPDATED BEFORE TRIGGER! UPGRADE "v2" - in binary but not executed on`: `already has upgrade "v2"`,
		`wrong app version 0, upgrade handler is missing for v2 upgrade plan`:         `went through upgrade "v2"`,
		`halt per configuration height 7 time 0`:                                      `halt-height`,
		`write application.db: no space left on device`:                               `akash comet reset`,
	} {
		if got := node.FailedBlock(7, errors.New(text)); !strings.Contains(got, want) || strings.Contains(got, "\n") {
			t.Errorf("%s: %s, want %q", text, got, want)
		}
	}
}
