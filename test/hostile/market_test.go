package hostile

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	sdkmath "cosmossdk.io/math"

	sdk "github.com/cosmos/cosmos-sdk/types"

	attributesv1 "github.com/akash-supercloud/akash/api/akash/base/attributes/v1"
	depositv1 "github.com/akash-supercloud/akash/api/akash/base/deposit/v1"
	resources "github.com/akash-supercloud/akash/api/akash/base/resources/v1beta4"
	deploymentv1 "github.com/akash-supercloud/akash/api/akash/deployment/v1"
	deploymentv1beta4 "github.com/akash-supercloud/akash/api/akash/deployment/v1beta4"
	escrowid "github.com/akash-supercloud/akash/api/akash/escrow/id/v1"
	escrowv1 "github.com/akash-supercloud/akash/api/akash/escrow/v1"
	marketv1 "github.com/akash-supercloud/akash/api/akash/market/v1"
	marketv1beta5 "github.com/akash-supercloud/akash/api/akash/market/v1beta5"
	providerv1beta4 "github.com/akash-supercloud/akash/api/akash/provider/v1beta4"
	"github.com/akash-supercloud/akash/match"
	"github.com/akash-supercloud/akash/test/inproc"
)

func val(n int64) resources.ResourceValue { return resources.ResourceValue{Val: sdkmath.NewInt(n)} }

func group(name string, price int64) deploymentv1beta4.GroupSpec {
	return deploymentv1beta4.GroupSpec{
		Name: name,
		Resources: []deploymentv1beta4.ResourceUnit{{
			Resources: resources.Resources{
				ID: 1, CPU: &resources.CPU{Units: val(100)}, Memory: &resources.Memory{Quantity: val(128 << 20)}, GPU: &resources.GPU{Units: val(0)},
				Storage: []resources.Storage{{Name: "default", Quantity: val(512 << 20)}},
			},
			Count: 1, Price: sdk.NewInt64DecCoin("uact", price),
		}},
	}
}

func coins(n int64) depositv1.Deposit {
	return depositv1.Deposit{Amount: sdk.NewInt64Coin("uact", n), Sources: []depositv1.Source{depositv1.SourceBalance}}
}

func create(owner string, dseq uint64, deposit int64, groups ...deploymentv1beta4.GroupSpec) *deploymentv1beta4.MsgCreateDeployment {
	return &deploymentv1beta4.MsgCreateDeployment{ID: deploymentv1.DeploymentID{Owner: addr(owner), DSeq: dseq}, Groups: groups, Hash: make([]byte, 32), Deposit: coins(deposit)}
}

func register(c *inproc.Chain, names ...string) {
	var txs [][]byte
	for _, p := range names {
		txs = append(txs, c.Sign(p, &providerv1beta4.MsgCreateProvider{Owner: addr(p), HostURI: "https://p.localhost"}))
	}
	c.Block(txs...)
}

func bidID(owner string, dseq uint64, gseq uint32, provider string) marketv1.BidID {
	return marketv1.BidID{Owner: addr(owner), DSeq: dseq, GSeq: gseq, OSeq: 1, Provider: addr(provider)}
}

// TestLargeSpecs asks for more groups, units, volumes, attributes and auditors than anybody needs. What is refused, is refused soon;
// so nobody can make a bid dear that its bidder pays little for.
func TestLargeSpecs(t *testing.T) {
	c := inproc.New(t, inproc.Options{Names: []string{"alice", "p"}})
	var attrs []attributesv1.Attribute
	for i := range 512 {
		attrs = append(attrs, attributesv1.Attribute{Key: fmt.Sprintf("key%06d", i), Value: strings.Repeat("v", 64)})
	}
	c.Must("p", &providerv1beta4.MsgCreateProvider{Owner: addr("p"), HostURI: "https://p.localhost", Attributes: attrs})
	const n = 10_000
	for i, one := range []struct {
		what string
		make func() *deploymentv1beta4.MsgCreateDeployment
	}{
		{"groups", func() *deploymentv1beta4.MsgCreateDeployment {
			m := create("alice", 1, 500_000)
			for i := range n {
				m.Groups = append(m.Groups, group(fmt.Sprint("g", i), 1))
			}
			return m
		}},
		{"units", func() *deploymentv1beta4.MsgCreateDeployment {
			m := create("alice", 1, 500_000, group("g", 1))
			for i := range n {
				u := m.Groups[0].Resources[0]
				u.ID = uint32(i + 2)
				m.Groups[0].Resources = append(m.Groups[0].Resources, u)
			}
			return m
		}},
		{"volumes", func() *deploymentv1beta4.MsgCreateDeployment {
			m := create("alice", 1, 500_000, group("g", 1))
			r := &m.Groups[0].Resources[0]
			for i := range n {
				r.Storage = append(r.Storage, resources.Storage{Name: fmt.Sprint("v", i), Quantity: val(5 << 20), Attributes: []attributesv1.Attribute{{Key: "class", Value: "beta*"}}})
			}
			return m
		}},
		{"attributes", func() *deploymentv1beta4.MsgCreateDeployment {
			m := create("alice", 1, 500_000, group("g", 1))
			for i := range n {
				m.Groups[0].Requirements.Attributes = append(m.Groups[0].Requirements.Attributes, attributesv1.Attribute{Key: fmt.Sprintf("a%06d*", i), Value: "x"})
			}
			return m
		}},
		{"attributes that fit", func() *deploymentv1beta4.MsgCreateDeployment {
			m := create("alice", 1, 500_000, group("g", 1))
			for i := range n {
				// Globs are the dear ones. All fit the provider's last.
				m.Groups[0].Requirements.Attributes = append(m.Groups[0].Requirements.Attributes, attributesv1.Attribute{Key: fmt.Sprintf("key%06d", i%512) + strings.Repeat("/", i/512) + "*", Value: strings.Repeat("v", 64)})
			}
			return m
		}},
		{"endpoints", func() *deploymentv1beta4.MsgCreateDeployment {
			m := create("alice", 1, 500_000, group("g", 1))
			m.Groups[0].Resources[0].Endpoints = make([]resources.Endpoint, n)
			return m
		}},
		{"auditors", func() *deploymentv1beta4.MsgCreateDeployment {
			m := create("alice", 1, 500_000, group("g", 1))
			for range n {
				m.Groups[0].Requirements.SignedBy.AnyOf = append(m.Groups[0].Requirements.SignedBy.AnyOf, addr("alice"))
			}
			return m
		}},
	} {
		m := one.make()
		m.ID.DSeq = uint64(i + 1)
		tx := c.SignWith(inproc.TxOptions{Name: "alice", Gas: 100_000_000}, m)
		begin := time.Now()
		res := c.Block(tx)[0]
		took := time.Since(begin)
		notPanic(t, one.what, res.Codespace, res.Code, res.Log)
		t.Logf("%s: %d bytes, %s, gas %d, %s/%d %.100s", one.what, len(tx), took.Round(time.Millisecond), res.GasUsed, res.Codespace, res.Code, res.Log)
		if took > maxCheck {
			t.Errorf("%s: %s", one.what, took)
		}
		if res.Code != 0 {
			continue
		}
		t.Errorf("%s: %d of them are taken", one.what, n)
		// Whoever bids pays no more gas than for another order; so it may not take much longer.
		begin = time.Now()
		bid := c.Send("p", &marketv1beta5.MsgCreateBid{ID: bidID("alice", m.ID.DSeq, 1, "p"), Price: sdk.NewInt64DecCoin("uact", 1), Deposit: coins(500_000)})
		if took := time.Since(begin); took > maxCheck {
			t.Errorf("a bid on %s takes %s", one.what, took)
		} else {
			t.Logf("  a bid on it: %s, gas %d, %s/%d %.100s", took.Round(time.Millisecond), bid.GasUsed, bid.Codespace, bid.Code, bid.Log)
		}
		notPanic(t, one.what+", a bid", bid.Codespace, bid.Code, bid.Log)
	}
	// The most that is allowed, and as dear as can be.
	m := create("alice", 100, 500_000, group("g", 1))
	for i := range match.MaxAttributes {
		m.Groups[0].Requirements.Attributes = append(m.Groups[0].Requirements.Attributes, attributesv1.Attribute{Key: fmt.Sprintf("key%06d*", 511-i), Value: strings.Repeat("v", 64)})
	}
	for i := range match.MaxUnits - 1 {
		u := m.Groups[0].Resources[0]
		u.ID = uint32(i + 2)
		m.Groups[0].Resources = append(m.Groups[0].Resources, u)
	}
	m.Groups[0].Resources[0].GPU = &resources.GPU{Units: val(1)}
	for i := range match.MaxAttributes {
		m.Groups[0].Resources[0].GPU.Attributes = append(m.Groups[0].Resources[0].GPU.Attributes, attributesv1.Attribute{Key: fmt.Sprintf("vendor/nvidia/model/m%d*", i), Value: "true"})
	}
	if res := c.Block(c.SignWith(inproc.TxOptions{Name: "alice", Gas: 100_000_000}, m))[0]; res.Code != 0 {
		t.Fatal(res.Log)
	}
	begin := time.Now()
	bid := c.Send("p", &marketv1beta5.MsgCreateBid{ID: bidID("alice", 100, 1, "p"), Price: sdk.NewInt64DecCoin("uact", 1), Deposit: coins(500_000)})
	took := time.Since(begin)
	t.Logf("a bid on the most that is allowed: %s, gas %d, %s/%d %.100s", took.Round(time.Millisecond), bid.GasUsed, bid.Codespace, bid.Code, bid.Log)
	if took > maxCheck/4 {
		t.Errorf("a bid on the most that is allowed takes %s", took)
	}
	c.Invariants()
}

// TestAmounts sends the market amounts that overflow what they are added or multiplied with.
func TestAmounts(t *testing.T) {
	c := inproc.New(t, inproc.Options{Names: []string{"alice", "p"}})
	register(c, "p")
	c.Must("alice", create("alice", 1, 500_000, group("g", 1000)))
	most := sdkmath.NewIntFromUint64(math.MaxUint64).Mul(sdkmath.NewIntFromUint64(math.MaxUint64)).Mul(sdkmath.NewIntFromUint64(math.MaxUint64))
	big := sdk.Coin{Denom: "uact", Amount: most}
	minus := sdk.Coin{Denom: "uact", Amount: sdkmath.NewInt(-5)}
	none := sdk.Coin{Denom: "uact"}
	nothing := sdk.Coin{Denom: "nothing", Amount: sdkmath.NewInt(5)}
	bad := sdk.Coin{Denom: "!", Amount: sdkmath.NewInt(5)}
	for name, coin := range map[string]sdk.Coin{"2^192": big, "negative": minus, "nil": none, "no such denomination": nothing, "bad denomination": bad, "zero": sdk.NewInt64Coin("uact", 0)} {
		d := depositv1.Deposit{Amount: coin, Sources: []depositv1.Source{depositv1.SourceBalance, depositv1.SourceGrant}}
		m := create("alice", 9, 1, group("g", 1))
		m.Deposit = d
		refusedInBlock(t, c, name+": deployment", c.Sign("alice", m))
		refusedInBlock(t, c, name+": deposit", c.Sign("alice", &escrowv1.MsgAccountDeposit{Signer: addr("alice"), ID: escrowid.Account{Scope: escrowid.ScopeDeployment, XID: m.ID.String()}, Deposit: d}))
		refusedInBlock(t, c, name+": bid", c.Sign("p", &marketv1beta5.MsgCreateBid{ID: bidID("alice", 1, 1, "p"), Price: sdk.NewInt64DecCoin("uact", 1), Deposit: d}))
	}
	decs := map[string]sdkmath.LegacyDec{"huge": sdkmath.LegacyNewDecFromInt(most), "negative": sdkmath.LegacyNewDec(-1), "nil": {}, "zero": sdkmath.LegacyZeroDec()}
	for name, dec := range decs {
		price := sdk.DecCoin{Denom: "uact", Amount: dec}
		refusedInBlock(t, c, name+": price of a bid", c.Sign("p", &marketv1beta5.MsgCreateBid{ID: bidID("alice", 1, 1, "p"), Price: price, Deposit: coins(500_000)}))
		if name == "zero" {
			continue // a group for nothing is allowed: nobody bids
		}
		m := create("alice", 9, 500_000, group("g", 1))
		m.Groups[0].Resources[0].Price = price
		refusedInBlock(t, c, name+": price of a group", c.Sign("alice", m))
	}
	for name, v := range map[string]sdkmath.Int{"huge": most, "negative": sdkmath.NewInt(-1), "nil": {}, "zero": sdkmath.ZeroInt()} {
		for what, set := range map[string]func(*resources.Resources, sdkmath.Int){
			"CPU":     func(r *resources.Resources, v sdkmath.Int) { r.CPU.Units.Val = v },
			"memory":  func(r *resources.Resources, v sdkmath.Int) { r.Memory.Quantity.Val = v },
			"storage": func(r *resources.Resources, v sdkmath.Int) { r.Storage[0].Quantity.Val = v },
			"GPU":     func(r *resources.Resources, v sdkmath.Int) { r.GPU.Units.Val = v },
		} {
			m := create("alice", 9, 500_000, group("g", 1))
			set(&m.Groups[0].Resources[0].Resources, v)
			if what == "GPU" && (name == "zero" || name == "nil") {
				continue
			}
			refusedInBlock(t, c, name+": "+what, c.Sign("alice", m))
		}
	}
	m := create("alice", 9, 500_000, group("g", 1))
	m.Groups[0].Resources[0].Count = math.MaxUint32
	refusedInBlock(t, c, "2^32-1 replicas", c.Sign("alice", m))
	m = create("alice", 9, 500_000, group("g", 1))
	m.Groups[0].Resources[0].Resources = resources.Resources{ID: 1}
	refusedInBlock(t, c, "no resources", c.Sign("alice", m))
	c.Invariants()
}

// TestDryTogether lets many deployments, each with as many groups and open bids as it may have, run dry in the same block. It is the
// most work that money can't be asked for at the moment when it is done: no block may take long, and all end.
func TestDryTogether(t *testing.T) {
	const deployments, groups, bids = 8, 20, 20
	names := []string{"alice"}
	var providers []string
	for i := range bids {
		providers = append(providers, fmt.Sprint("p", i))
	}
	c := inproc.New(t, inproc.Options{Names: append(names, providers...)})
	register(c, providers...)
	before := c.Balance("alice", "uact")
	var specs []deploymentv1beta4.GroupSpec
	for g := range groups {
		specs = append(specs, group(fmt.Sprint("g", g), 100_000))
	}
	for d := range uint64(deployments) {
		if res := c.Send("alice", create("alice", d+1, 500_000, specs...)); res.Code != 0 {
			t.Fatal(res.Log)
		}
		for g := range uint32(groups) {
			var block [][]byte
			for _, p := range providers {
				block = append(block, c.Sign(p, &marketv1beta5.MsgCreateBid{ID: bidID("alice", d+1, g+1, p), Price: sdk.NewInt64DecCoin("uact", 50_000), Deposit: coins(500_000)}))
			}
			for _, res := range c.Block(block...) {
				if res.Code != 0 {
					t.Fatal(res.Log)
				}
			}
		}
	}
	c.Invariants()
	var leases [][]byte
	for d := range uint64(deployments) {
		leases = append(leases, c.Sign("alice", &marketv1beta5.MsgCreateLease{BidID: bidID("alice", d+1, 1, "p0")}))
	}
	for _, res := range c.Block(leases...) {
		if res.Code != 0 {
			t.Fatal(res.Log)
		}
	}
	// Ten blocks of 50,000 each, and they are dry.
	closed := 0
	var longest time.Duration
	blocks := 0
	for n := 0; closed < deployments && n < 200; n++ {
		begin := time.Now()
		c.Block()
		took := time.Since(begin)
		longest = max(longest, took)
		ended, refunds := 0, 0
		for _, e := range c.Last.Events {
			switch {
			case strings.HasSuffix(e.Type, "EventLeaseClosed"):
				ended++
			case strings.HasSuffix(e.Type, "EventBidClosed"):
				refunds++
			}
		}
		if refunds > 0 {
			blocks++
			t.Logf("block %d: %d leases and %d bids ended in %s", c.Height, ended, refunds, took.Round(time.Millisecond))
		}
		if refunds > 2500 {
			t.Errorf("block %d ended %d bids: its work has no bound", c.Height, refunds)
		}
		closed += ended
	}
	if closed != deployments {
		t.Errorf("%d of %d leases ended", closed, deployments)
	}
	t.Logf("%d deployments with %d bids ended in %d blocks; the longest took %s", deployments, deployments*groups*bids, blocks, longest.Round(time.Millisecond))
	c.Invariants()
	spent := before - c.Balance("alice", "uact")
	if want := int64(deployments * 500_000); spent != want {
		t.Errorf("alice paid %d, want %d", spent, want)
	}
}
