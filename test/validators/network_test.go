// Package validators tests a network of validators through the akash program: each node a process, with root in a
// network namespace of its own, made and run by public commands alone, as the validator's guide has it.
//
// What always holds: a test ends all that it started; all its files are below one folder; no block differs between two nodes.
package validators

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const (
	chainID = "four-1"
	pause   = 300 * time.Millisecond // after each commit
	// patience is how long anything may take on a busy machine.
	patience = 90 * time.Second
)

// network is all nodes of one test.
type network struct {
	t      *testing.T
	bin    string
	dir    string
	bridge bridge
	apart  bool // each node has a namespace
	nodes  []*node
	peers  []string // ID@host:port of the validators
	table  table
}

// node is one home and, while it runs, its process.
type node struct {
	net  *network
	n    int // from 1; the last number of its address
	name string
	home string
	*space
	rpc, grpc, rest, p2p string // where it listens
	web                  *http.Client

	mu   sync.Mutex
	cmd  *exec.Cmd
	end  chan struct{} // closed when the process ended
	code int
}

// newNetwork makes an empty network, or skips the test.
func newNetwork(t *testing.T) *network {
	bin := os.Getenv("AKASH_BIN")
	if bin == "" {
		t.Skip("runs the akash program: set AKASH_BIN=build/akash, or run make test")
	}
	bin, err := filepath.Abs(bin)
	if err != nil {
		t.Fatal(err)
	}
	// Below AKASH_TEST_DIR if it is set, so that a build machine finds all.
	dir, err := os.MkdirTemp(os.Getenv("AKASH_TEST_DIR"), "akash-validators-")
	if err != nil {
		t.Fatal(err)
	}
	w := &network{t: t, bin: bin, dir: dir}
	t.Cleanup(func() {
		for _, n := range w.nodes {
			n.kill()
		}
		if t.Failed() {
			for _, n := range w.nodes {
				t.Logf("--- end of the log of %s\n%s", n.name, n.tail(40))
			}
		}
		_ = os.RemoveAll(dir)
	})
	if w.bridge, err = newBridge(t); err != nil {
		t.Logf("no network namespaces (%v): the nodes share this machine's loopback, and none can be cut off", err)
	}
	w.apart = err == nil
	return w
}

// add makes a place for one more node; its home is empty.
func (w *network) add(name string) *node {
	w.t.Helper()
	n := &node{net: w, n: len(w.nodes) + 1, name: name, home: filepath.Join(w.dir, name)}
	if w.apart {
		var err error
		if n.space, err = newSpace(w.t); err != nil {
			w.t.Fatal(err)
		}
		if err := w.bridge.join(n.space, n.n); err != nil {
			w.t.Fatal(err)
		}
		host := fmt.Sprintf("10.99.0.%d", n.n)
		n.rpc, n.grpc, n.rest, n.p2p = host+":26657", host+":9090", host+":1317", host+":26656"
	} else {
		for _, at := range []*string{&n.rpc, &n.grpc, &n.rest, &n.p2p} {
			*at = freePort(w.t)
		}
	}
	n.web = &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{
		MaxIdleConnsPerHost: 4,
		DialContext:         func(ctx context.Context, _, addr string) (net.Conn, error) { return n.dial(ctx, addr) },
	}}
	w.nodes = append(w.nodes, n)
	return n
}

func freePort(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// command is the akash program with the node's home, at the node's place.
func (n *node) command(ctx context.Context, args ...string) *exec.Cmd {
	c := exec.CommandContext(ctx, n.net.bin, append(args, "--home", n.home)...)
	c.Env = []string{"HOME=" + n.net.dir, "PATH=" + os.Getenv("PATH"), "TERM=dumb", "NO_COLOR=1"}
	return c
}

// try runs a command of the node's operator.
func (n *node) try(args ...string) (stdout string, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	c := n.command(ctx, args...)
	var out, errs bytes.Buffer
	c.Stdout, c.Stderr = &out, &errs
	if err = n.start(c); err == nil {
		err = c.Wait()
	}
	if err != nil {
		return out.String(), fmt.Errorf("akash %s: %w: %s%s", strings.Join(args, " "), err, out.String(), errs.String())
	}
	return out.String(), nil
}

// run runs a command of the node's operator, which must succeed.
func (n *node) run(args ...string) string {
	n.net.t.Helper()
	out, err := n.try(args...)
	if err != nil {
		n.net.t.Fatal(err)
	}
	return strings.TrimSpace(out)
}

// door are the flags that lead a command to the node's own doors.
func (n *node) door() []string {
	return []string{"--node", "http://" + n.rpc, "--grpc", n.grpc, "--output", "json"}
}

// id is the node's p2p address.
func (n *node) id() string { return n.run("comet", "show-node-id") + "@" + n.p2p }

// makeValidators makes the homes of count validators and their genesis: each operator does his part, and files go
// between them as they would by mail. edit changes the genesis before it is distributed.
func (w *network) makeValidators(count int, accounts map[string]string, edit func(genesis map[string]any)) {
	t := w.t
	t.Helper()
	for i := range count {
		n := w.add(fmt.Sprintf("val%d", i+1))
		n.run("genesis", "init", n.name, "--preset", "local", "--chain-id", chainID)
		n.run("keys", "add", "operator", "--keyring-backend", "test")
	}
	first := w.nodes[0]
	for _, n := range w.nodes {
		// Each sends his address to the first, who makes the genesis …
		first.run("genesis", "add-account", n.address("operator"), "3000000000000uakt")
	}
	for address, coins := range accounts {
		first.run("genesis", "add-account", address, coins)
	}
	if edit != nil {
		var doc map[string]any
		if err := json.Unmarshal(read(t, first.genesis()), &doc); err != nil {
			t.Fatal(err)
		}
		edit(doc)
		text, err := json.Marshal(doc)
		if err != nil {
			t.Fatal(err)
		}
		write(t, first.genesis(), text)
	}
	for _, n := range w.nodes {
		// … and sends it to all; each answers with a gentx.
		if n != first {
			write(t, n.genesis(), read(t, first.genesis()))
		}
		host, port, _ := net.SplitHostPort(n.p2p)
		gentx := filepath.Join(first.home, "config", "gentx", n.name+".json")
		if err := os.MkdirAll(filepath.Dir(gentx), 0o755); err != nil {
			t.Fatal(err)
		}
		n.run("genesis", "gentx", "operator", "1000000000000uakt", "--keyring-backend", "test", "--chain-id", chainID,
			"--moniker", n.name, "--ip", host, "--p2p-port", port, "--output-document", gentx)
	}
	first.run("genesis", "collect")
	first.run("genesis", "validate")
	for _, n := range w.nodes[1:] {
		write(t, n.genesis(), read(t, first.genesis()))
	}
	for _, n := range w.nodes {
		w.peers = append(w.peers, n.id())
	}
}

func (n *node) genesis() string { return filepath.Join(n.home, "config", "genesis.json") }

func (n *node) address(key string, more ...string) string {
	n.net.t.Helper()
	return n.run(append([]string{"keys", "show", key, "--address", "--keyring-backend", "test"}, more...)...)
}

// up starts the node. It doesn't wait.
func (n *node) up(args ...string) {
	t := n.net.t
	t.Helper()
	var peers []string
	for i, p := range n.net.peers {
		if i+1 != n.n {
			peers = append(peers, p)
		}
	}
	all := append([]string{"start", "--rpc-addr", n.rpc, "--grpc-addr", n.grpc, "--rest-addr", n.rest, "--p2p-addr", n.p2p,
		"--peers", strings.Join(peers, ","), "--log-level", "info",
		"--set", "consensus.timeout_commit=" + pause.String(), "--set", "consensus.timeout_propose=1s",
		"--set", "p2p.addr_book_strict=false", "--set", "p2p.allow_duplicate_ip=true",
		"--set", "state-sync.snapshot-interval=10", "--set", "state-sync.snapshot-keep-recent=4"}, args...)
	if n.net.apart {
		all = append(all, "--set", "instrumentation.prometheus=true", "--set", "instrumentation.prometheus_listen_addr=127.0.0.1:26660")
	}
	cmd := n.command(context.Background(), all...)
	log, err := os.OpenFile(n.home+".log", os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	end := make(chan struct{})
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.cmd != nil {
		t.Fatalf("%s runs already", n.name)
	}
	if err := n.start(cmd); err != nil {
		t.Fatal(err)
	}
	n.cmd, n.end = cmd, end
	go func() {
		_ = cmd.Wait()
		n.mu.Lock()
		n.code = cmd.ProcessState.ExitCode()
		n.cmd = nil
		n.mu.Unlock()
		close(end)
	}()
}

func (n *node) signal(s syscall.Signal) (sent bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.cmd != nil && n.cmd.Process.Signal(s) == nil
}

// kill ends the process at once, wherever it is, and waits for that.
func (n *node) kill() {
	if n.signal(syscall.SIGKILL) {
		<-n.end
	}
}

// stop ends the process as Ctrl-C does.
func (n *node) stop() {
	n.net.t.Helper()
	if !n.signal(syscall.SIGTERM) {
		return
	}
	select {
	case <-n.end:
	case <-time.After(30 * time.Second):
		n.kill()
		n.net.t.Errorf("%s didn't end within 30 s of SIGTERM", n.name)
	}
}

// ended waits for the process to end by itself and returns its exit code and the last line that it wrote.
func (n *node) ended() (code int, last string) {
	n.net.t.Helper()
	select {
	case <-n.end:
	case <-time.After(patience):
		n.net.t.Fatalf("%s still runs", n.name)
	}
	lines := strings.Split(strings.TrimSpace(n.tail(200)), "\n")
	return n.code, lines[len(lines)-1]
}

func (n *node) runs() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.cmd != nil
}

// tail is the end of the log.
func (n *node) tail(lines int) string {
	b, _ := os.ReadFile(n.home + ".log")
	all := strings.Split(string(b[max(0, len(b)-64<<10):]), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

// get fetches a page as from the node's own machine.
func (n *node) get(url string) (string, error) {
	res, err := n.web.Get(url)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, 64<<20))
	return string(body), err
}

// ask calls the node's RPC, also when the node is cut off from the others.
func (n *node) ask(into any, path string, query url.Values) error {
	body, err := n.get("http://" + n.rpc + path + "?" + query.Encode())
	if err != nil {
		return err
	}
	var reply struct {
		Result json.RawMessage
		Error  json.RawMessage
	}
	if err := json.Unmarshal([]byte(body), &reply); err != nil {
		return fmt.Errorf("%s: %w: %.200s", path, err, body)
	}
	if reply.Error != nil {
		return fmt.Errorf("%s: %s", path, reply.Error)
	}
	return json.Unmarshal(reply.Result, into)
}

type status struct {
	SyncInfo struct {
		Height     int64 `json:"latest_block_height,string"`
		Earliest   int64 `json:"earliest_block_height,string"`
		CatchingUp bool  `json:"catching_up"`
	} `json:"sync_info"`
	ValidatorInfo struct {
		Address string
		Power   int64 `json:"voting_power,string"`
	} `json:"validator_info"`
}

func (n *node) status() (status, error) {
	var s status
	err := n.ask(&s, "/status", nil)
	return s, err
}

// height is that of the last block, 0 if the node can't be asked.
func (n *node) height() int64 {
	s, err := n.status()
	if err != nil {
		return 0
	}
	return s.SyncInfo.Height
}

// highest is the greatest height of the nodes.
func highest(nodes []*node) int64 {
	var h int64
	for _, n := range nodes {
		h = max(h, n.height())
	}
	return h
}

// others are the validators but one.
func (w *network) others(but ...*node) []*node {
	var out []*node
next:
	for _, n := range w.nodes[:min(4, len(w.nodes))] {
		for _, b := range but {
			if n == b {
				continue next
			}
		}
		out = append(out, n)
	}
	return out
}

// reach waits until each of the nodes is at height h.
func (w *network) reach(h int64, nodes ...*node) time.Duration {
	w.t.Helper()
	began := time.Now()
	for _, n := range nodes {
		w.until(fmt.Sprintf("%s is at height %d", n.name, h), func() error {
			if !n.runs() {
				return fatal(fmt.Errorf("%s ended with code %d: %s", n.name, n.code, n.tail(8)))
			}
			s, err := n.status()
			if err != nil {
				return err
			}
			if s.SyncInfo.Height < h || s.SyncInfo.CatchingUp {
				return fmt.Errorf("height %d, catching up: %v", s.SyncInfo.Height, s.SyncInfo.CatchingUp)
			}
			return nil
		})
	}
	return time.Since(began)
}

type fatalError struct{ error }

// fatal marks an error that waiting won't mend.
func fatal(err error) error { return fatalError{err} }

// until polls until ok returns nil.
func (w *network) until(what string, ok func() error) {
	w.t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(30 * time.Millisecond) {
		err := ok()
		if err == nil {
			return
		}
		var f fatalError
		if errors.As(err, &f) || time.Now().After(end) {
			w.t.Fatalf("waiting until %s: %v", what, err)
		}
	}
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func write(t *testing.T, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// blocks are the hashes of a node's blocks and of the state after them, by height.
func (n *node) block(h int64) (id, app string, err error) {
	q := url.Values{"height": {strconv.FormatInt(h, 10)}}
	type header struct {
		AppHash string `json:"app_hash"`
	}
	type blockID struct{ Hash string }
	var b struct {
		BlockID blockID `json:"block_id"`
		Block   struct{ Header header }
	}
	if err := n.ask(&b, "/block", q); err != nil {
		return "", "", err
	}
	var c struct {
		SignedHeader struct {
			Header header
			Commit struct {
				BlockID blockID `json:"block_id"`
			}
		} `json:"signed_header"`
	}
	if err := n.ask(&c, "/commit", q); err != nil {
		return "", "", err
	}
	if c.SignedHeader.Commit.BlockID != b.BlockID || c.SignedHeader.Header != b.Block.Header {
		return "", "", fatal(fmt.Errorf("%s: block %d and its commit differ: %+v, %+v", n.name, h, b, c))
	}
	return b.BlockID.Hash, b.Block.Header.AppHash, nil
}

// sameBlocks holds that all nodes have the same blocks and app hashes at every height that they have.
func (w *network) sameBlocks(nodes []*node) {
	w.t.Helper()
	type pair struct{ id, app string }
	known := map[int64]pair{}
	count := 0
	for _, n := range nodes {
		s, err := n.status()
		if err != nil {
			w.t.Errorf("%s: %v", n.name, err)
			continue
		}
		for h := max(s.SyncInfo.Earliest, 1); h <= s.SyncInfo.Height; h++ {
			id, app, err := n.block(h)
			if err != nil {
				w.t.Errorf("%s: block %d: %v", n.name, h, err)
				break
			}
			count++
			if was, ok := known[h]; ok && was != (pair{id, app}) {
				w.t.Fatalf("FORK at height %d: %s has %s with app hash %s, others %+v", h, n.name, id, app, was)
			}
			known[h] = pair{id, app}
		}
	}
	w.t.Logf("%d blocks on %d nodes, %d compared: no hash differs", len(known), len(nodes), count)
}
