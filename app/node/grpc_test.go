package node_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	banktypes "github.com/cosmos/cosmos-sdk/x/bank/types"

	"github.com/akash-supercloud/akash/app/node"
)

// TestGRPCBounds holds that the gRPC door takes as many connections as the config says and no more, that one
// connection with more calls than it may have open gets all of them answered in turn, and that REST works while the
// door is full.
func TestGRPCBounds(t *testing.T) {
	home := t.TempDir()
	if err := node.Init(home, node.GenesisConfig{BlockTime: 100 * time.Millisecond}); err != nil {
		t.Fatal(err)
	}
	at, _ := startWith(t, home, map[string]any{"rpc.grpc_max_open_connections": 4})
	await(t, at, 2)

	dial := func() *grpc.ClientConn {
		c, err := grpc.NewClient(at.GRPC, grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		return c
	}
	ask := func(c *grpc.ClientConn, limit time.Duration) error {
		ctx, cancel := context.WithTimeout(t.Context(), limit)
		defer cancel()
		_, err := banktypes.NewQueryClient(c).Params(ctx, &banktypes.QueryParamsRequest{})
		return err
	}
	one := dial()
	var wg sync.WaitGroup
	failed := make(chan error, 500)
	for range 500 {
		wg.Go(func() {
			if err := ask(one, 20*time.Second); err != nil {
				failed <- err
			}
		})
	}
	wg.Wait()
	select {
	case err := <-failed:
		t.Errorf("500 calls on one connection: %v", err)
	default:
	}

	var held []net.Conn
	for range 3 { // with the one above all four places
		c, err := net.Dial("tcp", at.GRPC)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		held = append(held, c)
	}
	late := dial()
	if err := ask(late, 500*time.Millisecond); err == nil {
		t.Error("a fifth connection was served; four are allowed")
	}
	res, err := http.Get(fmt.Sprintf("http://%s/cosmos/bank/v1beta1/params", at.REST))
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusOK {
		t.Errorf("REST while the gRPC door is full: %s", res.Status)
	}
	for _, c := range held {
		_ = c.Close()
	}
	deadline := time.Now().Add(20 * time.Second)
	for ask(late, 5*time.Second) != nil {
		if time.Now().After(deadline) {
			t.Fatal("no place came free after connections had left")
		}
	}
}
