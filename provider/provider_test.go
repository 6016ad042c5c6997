package provider

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"cosmossdk.io/math"
	"github.com/cosmos/cosmos-sdk/crypto/hd"
	"github.com/cosmos/cosmos-sdk/crypto/keyring"
	sdk "github.com/cosmos/cosmos-sdk/types"

	marketv1 "github.com/akash-supercloud/akash/api/akash/market/v1"
	marketv1beta5 "github.com/akash-supercloud/akash/api/akash/market/v1beta5"
	"github.com/akash-supercloud/akash/client"
	"github.com/akash-supercloud/akash/client/auth"
	wire "github.com/akash-supercloud/akash/client/gateway"
	"github.com/akash-supercloud/akash/internal/freeport"
	"github.com/akash-supercloud/akash/provider/state"
	"github.com/akash-supercloud/akash/provider/workload"
	"github.com/akash-supercloud/akash/sdl"
)

// world is one provider on a fake chain with a fake runtime, and a tenant.
type world struct {
	t        *testing.T
	chain    *fakeChain
	rt       *fakeRuntime
	cfg      Config
	keys     keyring.Keyring
	tenant   string
	provider string
	cert     *tls.Certificate
	page     *httptest.Server // what the tenant's container would answer
	stop     func()
	ready    chan struct{}
	store    atomic.Pointer[state.Store]
}

var encoding = sync.OnceValue(client.NewEncoding)

func newKey(t *testing.T, kr keyring.Keyring, name string) string {
	t.Helper()
	rec, _, err := kr.NewMnemonic(name, keyring.English, sdk.FullFundraiserPath, "", hd.Secp256k1)
	if err != nil {
		t.Fatal(err)
	}
	addr, err := rec.GetAddress()
	if err != nil {
		t.Fatal(err)
	}
	return addr.String()
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, rt: newFakeRuntime(), keys: keyring.NewInMemory(encoding().Codec)}
	w.tenant, w.provider = newKey(t, w.keys, "tenant"), newKey(t, w.keys, "provider")
	w.chain = newFakeChain(w.provider)
	rec, _ := w.keys.Key("tenant")
	pub, _ := rec.GetPubKey()
	w.chain.keys[w.tenant] = pub
	certPEM, _, keyPEM, err := auth.NewCertificate(w.provider, []string{"localhost", "127.0.0.1"}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	w.cert = w.pair(w.provider, certPEM, keyPEM, true)
	w.page = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { fmt.Fprintf(rw, "hello from %s", r.Host) }))
	t.Cleanup(w.page.Close)
	w.cfg = DefaultConfig()
	w.cfg.From, w.cfg.Home, w.cfg.IngressDomain = "provider", t.TempDir(), "ingress.test"
	w.cfg.GatewayListen, w.cfg.GRPCListen, w.cfg.IngressListen = freeport.Loopback(t), freeport.Loopback(t), freeport.Loopback(t)
	w.cfg.Ports, w.cfg.PortsHost = "30000-32767", "127.0.0.1"
	return w
}

// pair puts a certificate on the chain and returns it for use.
func (w *world) pair(owner string, certPEM, keyPEM []byte, onChain bool) *tls.Certificate {
	w.t.Helper()
	c, err := tls.X509KeyPair(certPEM, pkcs8(keyPEM))
	if err != nil {
		w.t.Fatal(err)
	}
	block, _ := pem.Decode(certPEM)
	if c.Leaf, err = x509.ParseCertificate(block.Bytes); err != nil {
		w.t.Fatal(err)
	}
	if onChain {
		w.chain.do(func() { w.chain.certs[owner+"/"+c.Leaf.SerialNumber.String()] = fakeCert{certPEM, true} })
	}
	return &c
}

// start runs the provider; the returned world's stop ends it as a crash would, but for closing files.
func (w *world) start() {
	w.t.Helper()
	log := slog.New(slog.DiscardHandler)
	if testing.Verbose() && os.Getenv("PROVIDER_TEST_LOG") != "" {
		log = slog.New(slog.NewTextHandler(os.Stderr, nil))
	}
	cfg := w.cfg
	if err := cfg.Validate(); err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	w.ready = make(chan struct{})
	go func() {
		done <- run(ctx, cfg, Deps{Runtime: w.rt, Log: log, Ready: func() { close(w.ready) }}, node{
			self: w.provider, chainID: "fake", chain: w.chain, certificate: func() (*tls.Certificate, error) { return w.cert, nil },
			register: func(context.Context) error { return nil }, renew: func(context.Context) error { return nil },
			reconcile: 50 * time.Millisecond, settle: 100 * time.Millisecond, opened: w.store.Store,
		})
	}()
	w.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			w.t.Errorf("run: %v", err)
		}
	})
	w.t.Cleanup(w.stop)
}

func (w *world) startReady() {
	w.t.Helper()
	w.start()
	select {
	case <-w.ready:
	case <-time.After(10 * time.Second):
		w.t.Fatal("the provider isn't ready")
	}
}

func (w *world) wait(what string, ok func() bool) {
	w.t.Helper()
	for end := time.Now().Add(15 * time.Second); time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
		if ok() {
			return
		}
	}
	w.t.Fatalf("%s: never", what)
}

func (w *world) sdl(greeting string) *sdl.SDL {
	w.t.Helper()
	port := w.page.Listener.Addr().(*net.TCPAddr).Port
	s, err := sdl.Parse("test", []byte(fmt.Sprintf(`
version: "2.0"
services:
  web:
    image: example.test/web:1
    env: ["GREETING=%s"]
    expose:
      - port: %d
        as: 80
        accept: ["shop.test"]
        to: [{global: true}]
      - port: %d
        as: 9999
        to: [{global: true}]
profiles:
  compute:
    web:
      resources:
        cpu: {units: 0.5}
        memory: {size: 512Mi}
        storage: {size: 1Gi}
  placement:
    here:
      attributes: {host: akash}
      pricing:
        web: {denom: uact, amount: 1000}
deployment:
  web:
    here: {profile: web, count: 1}
`, greeting, port, port)))
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

func (w *world) gateway(a wire.Auth) *wire.Client {
	w.t.Helper()
	a.Lookup = w.chain.Certificate
	c, err := wire.New("https://"+w.cfg.GatewayListen, w.provider, a)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(c.Close)
	return c
}

func (w *world) byToken(c auth.Claims) *wire.Client {
	return w.gateway(wire.Auth{Token: func() (string, error) { return auth.Issue(w.keys, "tenant", c) }})
}

func (w *world) bid(order marketv1.OrderID) *marketv1beta5.Bid {
	b, err := w.chain.Bid(context.Background(), marketv1.MakeBidID(order, w.provider))
	if err != nil {
		return nil
	}
	return &b
}

// deploy goes the whole way to a running lease.
func (w *world) deploy(dseq uint64) marketv1.LeaseID {
	w.t.Helper()
	s := w.sdl("hi")
	order := w.chain.deploy(w.tenant, dseq, s.Groups(), s.Hash())
	w.wait("bid", func() bool { return w.bid(order) != nil })
	id := w.chain.lease(order)
	body, err := s.Manifest().JSON()
	if err != nil {
		w.t.Fatal(err)
	}
	if err := w.byToken(auth.Claims{}).PutManifest(context.Background(), dseq, body); err != nil {
		w.t.Fatal(err)
	}
	w.wait("running", func() bool { return w.visit(w.host(id)) == 200 })
	return id
}

func (w *world) host(id marketv1.LeaseID) string {
	return workload.HostName(id, "web", w.cfg.IngressDomain)
}

// visit asks the ingress for a host's page.
func (w *world) visit(host string) int {
	req, _ := http.NewRequest("GET", "http://"+w.cfg.IngressListen, nil)
	req.Host = host
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0
	}
	defer resp.Body.Close()
	b, _ := io.ReadAll(resp.Body)
	if resp.StatusCode == 200 && string(b) != "hello from "+host {
		return -1
	}
	return resp.StatusCode
}

func (w *world) running(id marketv1.LeaseID) (since time.Time, ok bool) {
	w.rt.do(func() { since, ok = w.rt.started[id.String()] })
	return since, ok
}

func TestTheWholeWay(t *testing.T) {
	w := newWorld(t)
	w.chain.twice = true
	w.startReady()
	id := w.deploy(100)
	if w.chain.created != 1 {
		t.Errorf("%d bids on one order told twice", w.chain.created)
	}
	// 0.5 cores, 0.5 GiB, 1 GiB, 2 endpoints = 1.32 USD a month at 500 ms blocks.
	price := w.bid(id.OrderID()).Price
	month := price.Amount.Mul(math.LegacyNewDec(2 * 2_629_800)).QuoInt64(1_000_000)
	if price.Denom != "uact" || month.Sub(math.LegacyMustNewDecFromStr("1.32")).Abs().GT(math.LegacyNewDecWithPrec(1, 9)) {
		t.Errorf("price %s is %s USD a month", price, month)
	}
	if s := w.visit("shop.test"); s != 200 {
		t.Errorf("accepted host: %d", s)
	}
	if s := w.visit("nobody.test"); s != 404 {
		t.Errorf("unknown host: %d", s)
	}
	ctx := context.Background()
	c := w.byToken(auth.Claims{})
	st, err := c.LeaseStatus(ctx, id)
	if err != nil {
		t.Fatal(err)
	}
	web := st.Services["web"]
	if !web.Ready() || len(web.URIs) != 2 || web.URIs[0] != w.host(id) || web.URIs[1] != "shop.test" {
		t.Errorf("status %+v", st)
	}
	fp := st.ForwardedPorts["web"]
	if len(fp) != 1 || fp[0].Port != 9999 || fp[0].ExternalPort < 30000 || fp[0].Proto != "TCP" {
		t.Fatalf("forwarded ports %+v", fp)
	}
	resp, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/", fp[0].ExternalPort))
	if err != nil || resp.StatusCode != 200 {
		t.Errorf("by the host's port: %v", err)
	}
	var lines []string
	if err := c.Logs(ctx, id, wire.LogOptions{Tail: -1}, func(name, line string) error { lines = append(lines, name+" "+line); return nil }); err != nil || len(lines) != 3 || lines[0] != "web-0 line 0" {
		t.Errorf("logs %v %v", lines, err)
	}

	// An update: a new hash on the chain, then the new manifest.
	s := w.sdl("again")
	body, _ := s.Manifest().JSON()
	w.chain.do(func() { w.chain.deployments[id.DeploymentID().String()].Deployment.Hash = s.Hash() })
	since, _ := w.running(id)
	if err := c.PutManifest(ctx, id.DSeq, body); err != nil {
		t.Fatal(err)
	}
	w.wait("updated", func() bool {
		ok := false
		w.rt.do(func() {
			ok = w.rt.specs[id.String()].Generation == 2 && w.rt.specs[id.String()].Group.Services[0].Env[0] == "GREETING=again"
		})
		return ok
	})
	if now, _ := w.running(id); now != since {
		t.Error("an update made the lease anew")
	}

	w.chain.closeLease(id)
	w.wait("removed", func() bool { _, ok := w.running(id); return !ok })
	w.wait("no route", func() bool { return w.visit(w.host(id)) == 404 && w.visit("shop.test") == 404 })
	if _, err := c.LeaseStatus(ctx, id); err == nil || !strings.Contains(err.Error(), "404") {
		t.Errorf("status of a closed lease: %v", err)
	}
	w.wait("room free", func() bool {
		raw, err := c.Status(ctx)
		return err == nil && strings.Contains(string(raw), `"leases":0`) && strings.Contains(string(raw), `"available":{"cpu":4000`)
	})
}

func TestRestartLeavesWhatRuns(t *testing.T) {
	w := newWorld(t)
	w.startReady()
	id := w.deploy(100)
	since, _ := w.running(id)
	w.stop()
	// Down while it is restarted, and beyond: what runs is served all the same.
	w.chain.do(func() { w.chain.down = true })
	w.start()
	w.wait("routed without a node", func() bool { return w.visit(w.host(id)) == 200 })
	w.chain.do(func() { w.chain.down = false })
	<-w.ready
	if _, err := w.byToken(auth.Claims{}).LeaseStatus(context.Background(), id); err != nil {
		t.Error(err)
	}
	if now, ok := w.running(id); !ok || now != since {
		t.Error("the restart touched what runs")
	}
	w.rt.do(func() {
		if len(w.rt.removes) > 0 || w.rt.specs[id.String()].Generation != 1 {
			t.Errorf("removes %v, generation %d", w.rt.removes, w.rt.specs[id.String()].Generation)
		}
	})
	if w.chain.created != 1 {
		t.Errorf("%d bids", w.chain.created)
	}
}

func TestCrashBetweenBidSentAndStored(t *testing.T) {
	w := newWorld(t)
	w.chain.deaf = true
	w.startReady()
	s := w.sdl("hi")
	order := w.chain.deploy(w.tenant, 7, s.Groups(), s.Hash())
	w.wait("bid on the chain", func() bool { return w.bid(order) != nil })
	w.stop() // the provider never heard that it was taken
	w.chain.do(func() { w.chain.deaf = false })
	w.startReady()
	w.wait("bid noted", func() bool {
		var o state.Order
		w.peek(func(tx *state.Tx) { o, _, _ = tx.Order(order) })
		return o.State == state.OrderBid
	})
	if w.chain.created != 1 {
		t.Errorf("%d bids", w.chain.created)
	}
	id := w.chain.lease(order)
	body, _ := s.Manifest().JSON()
	if err := w.byToken(auth.Claims{}).PutManifest(context.Background(), 7, body); err != nil {
		t.Fatal(err)
	}
	w.wait("running", func() bool { _, ok := w.running(id); return ok })
}

// peek reads the provider's state.
func (w *world) peek(f func(*state.Tx)) {
	_ = w.store.Load().View(func(tx *state.Tx) error { f(tx); return nil })
}

func TestNodeDownRemovesNothing(t *testing.T) {
	w := newWorld(t)
	w.startReady()
	id := w.deploy(1)
	w.chain.do(func() { w.chain.down = true })
	w.rt.do(func() { w.rt.broken = true })
	time.Sleep(300 * time.Millisecond) // several reconciles
	w.rt.do(func() { w.rt.broken = false })
	if s := w.visit(w.host(id)); s != 200 {
		t.Errorf("while the node is down: %d", s)
	}
	w.chain.do(func() { w.chain.down = false })
	// The missed block is read: another order gets its bid.
	s := w.sdl("two")
	order := w.chain.deploy(w.tenant, 2, s.Groups(), s.Hash())
	w.wait("bid after the outage", func() bool { return w.bid(order) != nil })
	w.rt.do(func() {
		if len(w.rt.removes) > 0 {
			t.Errorf("removed %v", w.rt.removes)
		}
	})
}

func TestClosedWhileAway(t *testing.T) {
	for _, how := range []string{"blocks are there", "blocks are pruned", "state file is lost"} {
		t.Run(how, func(t *testing.T) {
			w := newWorld(t)
			w.startReady()
			gone, stays := w.deploy(1), w.deploy(2)
			since, _ := w.running(stays)
			w.stop()
			w.chain.closeLease(gone)
			s := w.sdl("new")
			order := w.chain.deploy(w.tenant, 3, s.Groups(), s.Hash())
			w.chain.do(func() {
				for range 5 {
					w.chain.block()
				}
				if how == "blocks are pruned" {
					w.chain.pruned = w.chain.height
				}
			})
			if how == "state file is lost" {
				if err := os.Remove(w.cfg.Home + "/provider.db"); err != nil {
					t.Fatal(err)
				}
			}
			w.startReady()
			w.wait("the closed one is removed", func() bool { _, ok := w.running(gone); return !ok })
			w.wait("the order made meanwhile is bid on", func() bool { return w.bid(order) != nil })
			if now, ok := w.running(stays); !ok || now != since {
				t.Error("the open lease was touched")
			}
			if how != "state file is lost" && w.visit(w.host(stays)) != 200 {
				t.Error("the open lease isn't routed")
			}
		})
	}
}

func TestManifestTimeout(t *testing.T) {
	w := newWorld(t)
	w.cfg.ManifestTimeout = 300 * time.Millisecond
	w.startReady()
	s := w.sdl("hi")
	order := w.chain.deploy(w.tenant, 1, s.Groups(), s.Hash())
	w.wait("bid", func() bool { return w.bid(order) != nil })
	id := w.chain.lease(order)
	w.wait("closed", func() bool {
		l, _ := w.chain.Lease(context.Background(), id)
		return l.State == marketv1.LeaseClosed
	})
	if r := w.chain.reasons[id.String()]; r != marketv1.LeaseClosedReasonManifestTimeout {
		t.Errorf("reason %s", r)
	}
	body, _ := s.Manifest().JSON()
	if err := w.byToken(auth.Claims{}).PutManifest(context.Background(), 1, body); err == nil || !strings.Contains(err.Error(), "404") || !strings.Contains(err.Error(), "no lease for deployment") {
		t.Errorf("a manifest for a closed lease: %v", err)
	}
}

func TestUnstable(t *testing.T) {
	w := newWorld(t)
	w.cfg.UnstableAfter = 1500 * time.Millisecond
	w.startReady()
	id := w.deploy(1)
	// The backend's own failure is never held against the tenant.
	w.rt.do(func() { w.rt.broken = true })
	time.Sleep(2 * time.Second)
	w.rt.do(func() { w.rt.broken = false })
	if l, _ := w.chain.Lease(context.Background(), id); l.State != marketv1.LeaseActive {
		t.Fatal("closed because the runtime failed")
	}
	w.rt.do(func() { w.rt.sick = true; w.rt.changes <- id })
	w.wait("503 while no replica runs", func() bool { return w.visit(w.host(id)) == 503 })
	w.wait("closed", func() bool {
		l, _ := w.chain.Lease(context.Background(), id)
		return l.State == marketv1.LeaseClosed
	})
	if r := w.chain.reasons[id.String()]; r != marketv1.LeaseClosedReasonUnstable {
		t.Errorf("reason %s", r)
	}
	w.wait("removed", func() bool { _, ok := w.running(id); return !ok })
}

func TestBidEnds(t *testing.T) {
	w := newWorld(t)
	w.cfg.BidTimeout = 400 * time.Millisecond
	w.startReady()
	s := w.sdl("hi")
	lost := w.chain.deploy(w.tenant, 1, s.Groups(), s.Hash())
	timeout := w.chain.deploy(w.tenant, 2, s.Groups(), s.Hash())
	w.wait("bids", func() bool { return w.bid(lost) != nil && w.bid(timeout) != nil })
	other := marketv1.MakeBidID(lost, w.tenant).LeaseID()
	w.chain.do(func() {
		w.chain.bids[marketv1.MakeBidID(lost, w.provider).String()].State = marketv1beta5.BidLost
		w.chain.orders[lost.String()].State = marketv1beta5.OrderActive
		w.chain.block(&marketv1.EventLeaseCreated{ID: other, Price: sdk.NewDecCoinFromDec("uact", math.LegacyOneDec())})
	})
	w.wait("timed out", func() bool { return w.bid(timeout).State == marketv1beta5.BidClosed })
	c := w.gateway(wire.Auth{})
	w.wait("all room free", func() bool {
		raw, err := c.Status(context.Background())
		return err == nil && strings.Contains(string(raw), `"orders":0`) && strings.Contains(string(raw), `"available":{"cpu":4000`)
	})
}
