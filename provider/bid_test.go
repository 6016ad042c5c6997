package provider

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"cosmossdk.io/math"
	sdk "github.com/cosmos/cosmos-sdk/types"

	attributesv1 "github.com/akash-supercloud/akash/api/akash/base/attributes/v1"
	resources "github.com/akash-supercloud/akash/api/akash/base/resources/v1beta4"
	deploymentv1 "github.com/akash-supercloud/akash/api/akash/deployment/v1"
	deploymentv1beta4 "github.com/akash-supercloud/akash/api/akash/deployment/v1beta4"
	marketv1 "github.com/akash-supercloud/akash/api/akash/market/v1"
	marketv1beta5 "github.com/akash-supercloud/akash/api/akash/market/v1beta5"
	"github.com/akash-supercloud/akash/internal/freeport"
	"github.com/akash-supercloud/akash/match"
	"github.com/akash-supercloud/akash/provider/bid"
)

// decision waits for what became of an order.
func (w *world) decision(order marketv1.OrderID) (d bid.Decision) {
	w.t.Helper()
	w.wait("decision on "+order.String(), func() bool {
		resp, err := http.Get("http://" + w.cfg.MetricsListen + "/decisions")
		if err != nil {
			return false
		}
		defer resp.Body.Close()
		var all []bid.Decision
		if json.NewDecoder(resp.Body).Decode(&all) != nil {
			return false
		}
		for _, x := range all {
			if x.Order == order {
				d = x
				return true
			}
		}
		return false
	})
	return d
}

func TestEveryDeclineHasItsReason(t *testing.T) {
	w := newWorld(t)
	w.cfg.MetricsListen = freeport.Loopback(t)
	banned := newKey(t, w.keys, "banned")
	w.cfg.DenyOwners = []string{banned}
	w.cfg.RequireAttributes = map[string]string{"host": "akash"}
	w.startReady()
	type group = deploymentv1beta4.GroupSpec
	dseq := uint64(0)
	for name, c := range map[string]struct {
		owner string
		edit  func(*group)
		order func(*marketv1beta5.Order)
		code  match.Code
	}{
		"banned tenant":      {owner: banned, code: bid.CodeOwner},
		"attribute":          {edit: func(g *group) { g.Requirements.Attributes[0].Value = "other" }, code: match.CodeAttribute},
		"doesn't ask for it": {edit: func(g *group) { g.Requirements.Attributes = nil }, code: match.CodeAttribute},
		"auditor":            {edit: func(g *group) { g.Requirements.SignedBy.AllOf = []string{w.tenant} }, code: match.CodeAuditor},
		"too many replicas":  {edit: func(g *group) { g.Resources[0].Count = 9 }, code: match.CodeReplicas},
		"gpu": {edit: func(g *group) {
			g.Resources[0].GPU = &resources.GPU{Units: resources.ResourceValue{Val: math.NewInt(1)}, Attributes: []attributesv1.Attribute{{Key: "vendor/nvidia/model/a100", Value: "true"}}}
		}, code: match.CodeCapability},
		"pays too little": {edit: func(g *group) {
			g.Resources[0].Price = sdk.NewDecCoinFromDec("uact", math.LegacyMustNewDecFromStr("0.000001"))
		}, code: bid.CodePrice},
		"unknown money": {edit: func(g *group) { g.Resources[0].Price.Denom = "uakt" }, code: bid.CodeUnpriced},
		"wants notice": {order: func(o *marketv1beta5.Order) {
			o.Reclamation = &deploymentv1.DeploymentReclamation{MinWindow: time.Hour}
		}, code: bid.CodeReclamation},
	} {
		dseq++
		owner := w.tenant
		if c.owner != "" {
			owner = c.owner
		}
		g := w.sdl("hi").Groups()
		if c.edit != nil {
			c.edit(&g[0])
		}
		order := marketv1.MakeOrderID(deploymentv1.MakeGroupID(deploymentv1.DeploymentID{Owner: owner, DSeq: dseq}, 1), 1)
		w.chain.do(func() { // before its event can be read
			w.chain.orders[order.String()] = &marketv1beta5.Order{ID: order, State: marketv1beta5.OrderOpen, Spec: g[0]}
			if c.order != nil {
				c.order(w.chain.orders[order.String()])
			}
			w.chain.block(&marketv1.EventOrderCreated{ID: order})
		})
		d := w.decision(order)
		if d.Outcome != "declined" || !slices.ContainsFunc(d.Reasons, func(r match.Reason) bool { return r.Code == c.code && r.Text != "" }) {
			t.Errorf("%s: got %+v, want code %s", name, d, c.code)
		}
		if w.bid(order) != nil {
			t.Errorf("%s: was bid on", name)
		}
	}
	// Nothing of it holds room: the whole machine can still be sold.
	g := w.sdl("hi").Groups()
	g[0].Resources[0].Count = 8
	all := w.chain.deploy(w.tenant, 100, g, make([]byte, 32))
	w.wait("the whole machine is bid on", func() bool { return w.bid(all) != nil })

	// An order that only lacks room is bid on as soon as there is some.
	waits := w.chain.deploy(w.tenant, 101, w.sdl("hi").Groups(), make([]byte, 32))
	if d := w.decision(waits); d.Outcome != "declined" {
		t.Fatalf("got %+v", d)
	}
	w.chain.do(func() {
		w.chain.bids[marketv1.MakeBidID(all, w.provider).String()].State = marketv1beta5.BidClosed
		w.chain.orders[all.String()].State = marketv1beta5.OrderClosed
		w.chain.block(&marketv1.EventOrderClosed{ID: all})
	})
	w.wait("bid once there is room", func() bool { return w.bid(waits) != nil })
}

func TestConfig(t *testing.T) {
	c, err := ParseConfig([]byte("from: me\nhost: provider.example.com\npricing: {cpu: \"3\"}\nbid_timeout: 90s\nattributes: {region: eu}\n"))
	if err != nil {
		t.Fatal(err)
	}
	c.Home = t.TempDir()
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	if c.HostURI != "https://provider.example.com:8443" || c.IngressDomain != "ingress.provider.example.com" || c.BidTimeout != 90*time.Second ||
		c.Pricing.CPU != "3" || c.Pricing.Memory != "0.80" || len(c.attributes()) != 2 {
		t.Errorf("got %+v", c)
	}
	if _, err := ParseConfig([]byte("form: me\n")); err == nil {
		t.Error("an unknown name was taken")
	}
	bad := DefaultConfig()
	bad.GatewayListen, bad.Ports, bad.BidDeposit, bad.DenyOwners, bad.Pricing.GPU = "here", "9-1", "much", []string{"bob"}, map[string]string{"a100": "x"}
	err = bad.Validate()
	for _, name := range []string{"from", "home", "gateway_listen", "ports", "bid_deposit", "deny_owners", "pricing.gpu.a100"} {
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s isn't named in: %v", name, err)
		}
	}
}

func TestPortTakenIsSaidAtOnce(t *testing.T) {
	w := newWorld(t)
	w.cfg.IngressListen = w.page.Listener.Addr().String()
	if err := w.cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	err := run(t.Context(), w.cfg, Deps{Runtime: w.rt}, node{self: w.provider, chainID: "fake", chain: w.chain})
	if err == nil || !strings.Contains(err.Error(), "ingress_listen") || !strings.Contains(err.Error(), "address already in use") {
		t.Errorf("got %v", err)
	}
}
