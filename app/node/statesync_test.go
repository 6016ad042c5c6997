package node_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/akash-supercloud/akash/app/node"
	"github.com/akash-supercloud/akash/app/upgrades"
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
	for _, c := range []struct {
		err  error
		want string
	}{
		{&upgrades.Needed{Name: "v2", Height: 7}, `the chain upgrades to "v2" at height 7`},
		{upgrades.Wrongf("run the version before"), "run the version before"},
		{errors.New("halt per configuration height 7 time 0"), "halt-height"},
		{errors.New("write application.db: no space left on device"), "akash comet reset"},
	} {
		if got := node.FailedBlock(7, c.err); !strings.Contains(got, c.want) || strings.Contains(got, "\n") {
			t.Errorf("%v: %s, want %q", c.err, got, c.want)
		}
	}
}
