package rpcfront_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/akash-supercloud/akash/app/node"
)

// FuzzRequest holds that a node answers every request, whatever is in it, and lives.
func FuzzRequest(f *testing.F) {
	for _, s := range []string{
		`{"jsonrpc":"2.0","id":1,"method":"status","params":{}}`, `[{"jsonrpc":"2.0","id":1,"method":"akash"},{"method":1}]`, `[[[[]]]]`, `{`, ``, `null`, `[]`,
		`{"jsonrpc":"2.0","id":-1,"method":"abci_query","params":{"path":"/akash.market.v1beta5.Query/Orders","data":"00","height":"-1","prove":true}}`,
		`{"jsonrpc":"2.0","id":"x","method":"block","params":{"height":"99999999999999999999"}}`, `{"jsonrpc":"2.0","id":1,"method":"tx_search","params":["a.b=1 AND",true,"0","-1","x"]}`,
		`{"jsonrpc":"2.0","id":1,"method":"broadcast_tx_sync","params":{"tx":"AAAA"}}`, `{"jsonrpc":"2.0","id":1,"method":"blockchain","params":{"minHeight":"5","maxHeight":"-5"}}`,
		`{"jsonrpc":"2.0","id":1,"method":"genesis_chunked","params":{"chunk":"9"}}`, `{"jsonrpc":"2.0","id":1,"method":"validators","params":{"page":"-1","per_page":"1000000"}}`,
	} {
		f.Add([]byte(s), "")
	}
	f.Add([]byte{}, "block?height=0x1&a=b")
	f.Add([]byte{}, `tx_search?query="tm.event=\'Tx\'"&page=0`)
	addr := ""
	home := f.TempDir()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	f.Cleanup(func() {
		cancel()
		if addr != "" {
			<-ended
		}
	})
	f.Fuzz(func(t *testing.T, body []byte, path string) {
		if addr == "" { // in the process that does the work, once
			addr = alone(ctx, t, home, ended)
		}
		client := http.Client{Timeout: 20 * time.Second}
		if len(body) > 0 {
			res, err := client.Post("http://"+addr, "application/json", bytes.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			_, _ = io.Copy(io.Discard, res.Body)
			res.Body.Close()
		}
		if path == "" || strings.HasPrefix(path, "broadcast_tx_commit") {
			return
		}
		req, err := http.NewRequest(http.MethodGet, "http://"+addr+"/"+path, nil)
		if err != nil {
			return
		}
		res, err := client.Do(req)
		if err != nil {
			t.Fatalf("%q: %v", path, err)
		}
		_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 1<<20))
		res.Body.Close()
	})
}

// alone starts a node that lives as long as ctx.
func alone(ctx context.Context, t *testing.T, home string, ended chan<- error) string {
	if err := node.Init(home, node.GenesisConfig{BlockTime: time.Second}); err != nil {
		t.Fatal(err)
	}
	ready := make(chan string, 1)
	go func() {
		defer close(ready)
		ended <- node.Run(ctx, node.Config{Home: home, RPCAddr: "127.0.0.1:0", GRPCAddr: "127.0.0.1:0", RESTAddr: "127.0.0.1:0", P2PAddr: "127.0.0.1:0",
			Ready: func(a node.Addresses) { ready <- a.RPC }})
	}()
	addr := <-ready
	if addr == "" {
		t.Fatal("the node doesn't start")
	}
	return addr
}
