package rpcfront_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/akash-supercloud/akash/app/node"
)

// run starts a node with options and returns the address of its RPC and a way to stop it.
func run(t *testing.T, options map[string]any) (addr string, stop func()) {
	t.Helper()
	home := t.TempDir()
	if err := node.Init(home, node.GenesisConfig{BlockTime: 100 * time.Millisecond}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ready, ended := make(chan string, 1), make(chan error, 1)
	go func() {
		ended <- node.Run(ctx, node.Config{Home: home, RPCAddr: "127.0.0.1:0", GRPCAddr: "127.0.0.1:0", RESTAddr: "127.0.0.1:0", P2PAddr: "127.0.0.1:0",
			Options: options, Ready: func(a node.Addresses) { ready <- a.RPC }})
	}()
	done := false
	stop = func() {
		if done {
			return
		}
		done = true
		cancel()
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("Run: %v", err)
			}
		case <-time.After(20 * time.Second):
			t.Error("Run didn't end within 20 s")
		}
	}
	t.Cleanup(stop)
	select {
	case addr = <-ready:
	case err := <-ended:
		done = true
		t.Fatalf("Run: %v", err)
	}
	return addr, stop
}

func call(t *testing.T, addr, method string) string {
	t.Helper()
	res, err := http.Post("http://"+addr, "application/json", strings.NewReader(fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":%q,"params":{}}`, method)))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

func dial(t *testing.T, addr string) *websocket.Conn {
	t.Helper()
	c, _, err := websocket.Dial(context.Background(), "ws://"+addr+"/websocket", nil)
	if err != nil {
		t.Fatal(err)
	}
	c.SetReadLimit(1 << 20)
	t.Cleanup(func() { _ = c.CloseNow() })
	return c
}

func subscribe(t *testing.T, c *websocket.Conn, id int, query string) {
	t.Helper()
	msg := fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"subscribe","params":{"query":%q}}`, id, query)
	if err := c.Write(context.Background(), websocket.MessageText, []byte(msg)); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, c *websocket.Conn) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	_, data, err := c.Read(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestDoors(t *testing.T) {
	addr, stop := run(t, nil)

	// JSON-RPC as the JS clients send it.
	var status struct {
		Result struct {
			NodeInfo struct{ Version string } `json:"node_info"`
		}
	}
	if err := json.Unmarshal([]byte(call(t, addr, "status")), &status); err != nil || status.Result.NodeInfo.Version != "0.38.21" {
		t.Errorf("status: %v %+v", err, status)
	}
	if out := call(t, addr, "akash"); !strings.Contains(out, `"client_info":{"api_version":"v1beta3"}`) || !strings.Contains(out, `"chain_id":"localakash"`) {
		t.Errorf("akash: %s", out)
	}
	if out := call(t, addr, "nothing"); !strings.Contains(out, "Method not found") {
		t.Errorf("an unknown method: %s", out)
	}

	// Blocks come over a WebSocket.
	c := dial(t, addr)
	subscribe(t, c, 1, "tm.event = 'NewBlock'")
	if out := read(t, c); !strings.Contains(out, `"result":{}`) {
		t.Errorf("subscribe: %s", out)
	}
	for range 3 {
		if out := read(t, c); !strings.Contains(out, "tendermint/event/NewBlock") {
			t.Errorf("event: %.200s", out)
		}
	}

	// A browser may ask from anywhere.
	req, err := http.NewRequest(http.MethodOptions, "http://"+addr+"/status", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Origin", "https://console.invalid")
	req.Header.Set("Access-Control-Request-Method", "POST")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if got := res.Header.Get("Access-Control-Allow-Origin"); got != "*" {
		t.Errorf("Access-Control-Allow-Origin: %q", got)
	}

	// The node's end is the connection's end.
	stop()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	for {
		if _, _, err := c.Read(ctx); err != nil {
			break
		}
	}
	if ctx.Err() != nil {
		t.Error("the WebSocket was open after the node's end")
	}
}

func TestLimits(t *testing.T) {
	addr, _ := run(t, map[string]any{"rpc.max_open_connections": 8, "rpc.max_subscriptions_per_client": 2, "rpc.max_body_bytes": 2000})

	big := bytes.Repeat([]byte("x"), 5000)
	res, err := http.Post("http://"+addr, "application/json", bytes.NewReader(append([]byte(`{"jsonrpc":"2.0","id":1,"method":"`), big...)))
	if err == nil {
		body, _ := io.ReadAll(res.Body)
		res.Body.Close()
		if res.StatusCode == http.StatusOK && !strings.Contains(string(body), "error") {
			t.Errorf("5,000 bytes were taken: %s %s", res.Status, body)
		}
	}

	c := dial(t, addr)
	for i := range 3 {
		subscribe(t, c, i, fmt.Sprintf("tm.event = 'Tx' AND a.b = '%d'", i))
	}
	refused := 0
	for range 3 {
		if strings.Contains(read(t, c), "max_subscriptions_per_client") {
			refused++
		}
	}
	if refused != 1 {
		t.Errorf("%d of 3 subscriptions were refused, want 1", refused)
	}
	_ = c.CloseNow()
	http.DefaultClient.CloseIdleConnections()

	// Eight connections hold the door; a ninth waits until one leaves.
	var held []net.Conn
	for range 8 {
		h, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer h.Close()
		held = append(held, h)
	}
	client := &http.Client{Timeout: 500 * time.Millisecond, Transport: &http.Transport{DisableKeepAlives: true}}
	blocked := false
	for range 3 { // the server may not have seen the earlier connections end yet
		r, err := client.Get("http://" + addr + "/health")
		if err != nil {
			blocked = true
			break
		}
		r.Body.Close()
	}
	if !blocked {
		t.Error("nine connections were served; eight are allowed")
	}
	for _, h := range held {
		_ = h.Close()
	}
	client.Timeout = 10 * time.Second
	r, err := client.Get("http://" + addr + "/health")
	if err != nil {
		t.Fatal(err)
	}
	r.Body.Close()
}
