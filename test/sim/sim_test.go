// Package sim drives the whole chain by random transactions of all the market's messages, in random blocks, and holds after each block:
// the invariants of the market; the same app hash and the same results under the sequential executor and under Block-STM;
// and that no transaction meets an error that only a broken state has, nor a caught panic. In the end the chain is
// exported and imported, and both go on alike under the same blocks.
//
// It isn't the SDK's simsx: that wants the runtime's app, with a simulation manager, simulated genesis and getters of its own, calls
// handlers without the checks in front, knows one executor, and has no place for a check after each block. Here
// real transactions go through FinalizeBlock.
//
// A seed is printed; the same seed makes the same run. Longer: go test ./test/sim -sim.seeds 20 -sim.blocks 500 -sim.ops 100
package sim

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	cryptorand "crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"flag"
	"fmt"
	"maps"
	"math/big"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	abci "github.com/cometbft/cometbft/abci/types"

	"cosmossdk.io/math"

	codectypes "github.com/cosmos/cosmos-sdk/codec/types"
	"github.com/cosmos/cosmos-sdk/server"
	sdk "github.com/cosmos/cosmos-sdk/types"
	"github.com/cosmos/cosmos-sdk/x/authz"
	banktypes "github.com/cosmos/cosmos-sdk/x/bank/types"
	govv1 "github.com/cosmos/cosmos-sdk/x/gov/types/v1"

	auditv1 "github.com/akash-supercloud/akash/api/akash/audit/v1"
	attributesv1 "github.com/akash-supercloud/akash/api/akash/base/attributes/v1"
	depositv1 "github.com/akash-supercloud/akash/api/akash/base/deposit/v1"
	resources "github.com/akash-supercloud/akash/api/akash/base/resources/v1beta4"
	certv1 "github.com/akash-supercloud/akash/api/akash/cert/v1"
	deploymentv1 "github.com/akash-supercloud/akash/api/akash/deployment/v1"
	deploymentv1beta4 "github.com/akash-supercloud/akash/api/akash/deployment/v1beta4"
	escrowid "github.com/akash-supercloud/akash/api/akash/escrow/id/v1"
	escrowv1 "github.com/akash-supercloud/akash/api/akash/escrow/v1"
	marketv1 "github.com/akash-supercloud/akash/api/akash/market/v1"
	marketv1beta5 "github.com/akash-supercloud/akash/api/akash/market/v1beta5"
	providerv1beta4 "github.com/akash-supercloud/akash/api/akash/provider/v1beta4"
	tradev1 "github.com/akash-supercloud/akash/api/akash/trade/v1"
	"github.com/akash-supercloud/akash/app"
	"github.com/akash-supercloud/akash/test/inproc"
	"github.com/akash-supercloud/akash/x/deployment"
	"github.com/akash-supercloud/akash/x/market"
)

var (
	seeds  = flag.Int("sim.seeds", 3, "how many runs, each of another seed")
	blocks = flag.Int("sim.blocks", 50, "blocks of a run")
	ops    = flag.Int("sim.ops", 50, "the most transactions of a block")
	first  = flag.Uint64("sim.seed", 0, "the first seed; 0: the time's")
)

var (
	tenants   = []string{"t0", "t1", "t2", "t3", "t4"}
	providers = []string{"p0", "p1", "p2", "p3", "p4", "p5"}
	auditors  = []string{"a0", "a1"}
	people    = slices.Concat(tenants, providers, auditors)
)

// broken are errors that only a defect can cause.
var broken = map[string]bool{
	"deployment/11": true, "market/3": true, "market/9": true, "market/13": true, "market/16": true, "market/17": true,
	"escrow/1": true, "escrow/6": true, "escrow/8": true, "escrow/9": true, "escrow/10": true, "escrow/11": true, "escrow/13": true, "escrow/18": true, "provider/9": true,
	"undefined/1": true, "undefined/111222": true,
}

// run is one run: chains that get the same blocks, and what the generator remembers of them.
type run struct {
	t      testing.TB
	r      *rand.Rand
	chains []*inproc.Chain

	dseq        uint64
	deployments []deploymentv1.DeploymentID
	bids        []marketv1.BidID
	leases      []marketv1.BidID
	certs       []certv1.ID
	serial      int64
	proposals   uint64
	key         *ecdsa.PrivateKey

	sent, good map[string]int // by message
	refused    map[string]int // by codespace/code
}

// op is a message with its signer, and what to remember if it is accepted.
type op struct {
	who  string
	msg  sdk.Msg
	then func()
}

func newRun(t testing.TB, seed uint64) *run {
	s := &run{t: t, r: rand.New(rand.NewPCG(seed, 7)), sent: map[string]int{}, good: map[string]int{}, refused: map[string]int{}}
	for _, o := range []map[string]any{nil, {server.FlagBlockExecutor: "block-stm", server.FlagBlockSTMWorkers: 4}} {
		s.chains = append(s.chains, inproc.New(t, inproc.Options{Names: people, App: o}))
	}
	// Something that isn't there, to begin with.
	s.deployments = []deploymentv1.DeploymentID{{Owner: addr(tenants[0]), DSeq: 1 << 40}}
	s.bids = []marketv1.BidID{marketv1.MakeBidID(marketv1.MakeOrderID(deploymentv1.MakeGroupID(s.deployments[0], 1), 1), addr(providers[0]))}
	s.leases = slices.Clone(s.bids)
	s.certs = []certv1.ID{{Owner: addr(tenants[0]), Serial: "0"}}
	var err error
	if s.key, err = ecdsa.GenerateKey(elliptic.P256(), cryptorand.Reader); err != nil {
		t.Fatal(err)
	}
	return s
}

func addr(name string) string { return inproc.Addr(name).String() }

func pick[T any](s *run, from []T) T {
	if len(from) == 0 {
		var none T
		return none
	}
	// What is new is more often there still.
	n := s.r.IntN(len(from))
	if s.r.IntN(2) == 0 {
		n = max(n, len(from)-1-s.r.IntN(min(len(from), 10)))
	}
	return from[n]
}

// name is whose address a is.
func name(a string) string {
	for _, n := range people {
		if addr(n) == a {
			return n
		}
	}
	return people[0]
}

func val(n int64) resources.ResourceValue { return resources.ResourceValue{Val: math.NewInt(n)} }

func (s *run) denom() string {
	if s.r.IntN(5) == 0 {
		return "uakt"
	}
	return "uact"
}

func (s *run) deposit(denom string, least, most int64) depositv1.Deposit {
	sources := [][]depositv1.Source{{depositv1.SourceBalance}, {depositv1.SourceGrant, depositv1.SourceBalance}, {depositv1.SourceBalance, depositv1.SourceGrant}, {depositv1.SourceGrant}}
	return depositv1.Deposit{Amount: sdk.NewInt64Coin(denom, least+s.r.Int64N(most-least+1)), Sources: sources[min(s.r.IntN(8), 3)]}
}

func (s *run) price(denom string) sdk.DecCoin {
	return sdk.DecCoin{Denom: denom, Amount: math.LegacyNewDecWithPrec(1+s.r.Int64N(2_000_000), int64(s.r.IntN(4)))}
}

func (s *run) group(name, denom string) deploymentv1beta4.GroupSpec {
	g := deploymentv1beta4.GroupSpec{Name: name}
	for i := range 1 + s.r.IntN(3) {
		g.Resources = append(g.Resources, deploymentv1beta4.ResourceUnit{
			Resources: resources.Resources{
				ID: uint32(i + 1), CPU: &resources.CPU{Units: val(10 + s.r.Int64N(1000))}, Memory: &resources.Memory{Quantity: val(1 << 20 << s.r.IntN(10))}, GPU: &resources.GPU{Units: val(0)},
				Storage: []resources.Storage{{Name: "default", Quantity: val(5 << 20)}},
			},
			Count: 1 + uint32(s.r.IntN(3)), Price: s.price(denom),
		})
	}
	switch s.r.IntN(6) {
	case 0:
		g.Requirements.Attributes = []attributesv1.Attribute{{Key: "region", Value: "us"}}
	case 1:
		g.Requirements.Attributes = []attributesv1.Attribute{{Key: "tier", Value: "gold"}}
		g.Requirements.SignedBy.AnyOf = []string{addr(auditors[0]), addr(auditors[1])}
	}
	return g
}

func (s *run) groupID() deploymentv1.GroupID {
	return deploymentv1.MakeGroupID(pick(s, s.deployments), 1+uint32(s.r.IntN(2)))
}

func (s *run) hash() []byte {
	b := make([]byte, 32)
	b[0] = byte(s.r.IntN(256))
	return b
}

func (s *run) reason() marketv1.LeaseClosedReason {
	return marketv1.LeaseClosedReason([]int32{10000, 10001, 10002, 10003}[s.r.IntN(4)])
}

func (s *run) attributes() []attributesv1.Attribute {
	var out []attributesv1.Attribute
	for _, a := range []attributesv1.Attribute{{Key: "region", Value: "us"}, {Key: "tier", Value: "gold"}, {Key: "host", Value: "akash"}} {
		if s.r.IntN(4) > 0 {
			out = append(out, a)
		}
	}
	return out
}

// govern is a proposal of msg, with the operator's vote.
func (s *run) govern(msg sdk.Msg) []op {
	any, err := codectypes.NewAnyWithValue(msg)
	if err != nil {
		s.t.Fatal(err)
	}
	s.proposals++
	return []op{
		{inproc.Operator, &govv1.MsgSubmitProposal{Messages: []*codectypes.Any{any}, InitialDeposit: sdk.NewCoins(sdk.NewInt64Coin("uakt", 10_000_000)), Proposer: addr(inproc.Operator), Title: "t", Summary: "s"}, nil},
		{inproc.Operator, &govv1.MsgVote{ProposalId: s.proposals, Voter: addr(inproc.Operator), Option: govv1.OptionYes}, nil},
	}
}

// operations are what may happen, with how often.
func (s *run) operations() []struct {
	weight int
	make   func() []op
} {
	one := func(who string, msg sdk.Msg) []op { return []op{{who, msg, nil}} }
	return []struct {
		weight int
		make   func() []op
	}{
		{30, func() []op { // a deployment
			who, denom := pick(s, tenants), s.denom()
			s.dseq++
			m := &deploymentv1beta4.MsgCreateDeployment{ID: deploymentv1.DeploymentID{Owner: addr(who), DSeq: s.dseq}, Hash: s.hash(), Deposit: s.deposit(denom, 450_000, 3_000_000)}
			for i := range 1 + s.r.IntN(3) {
				m.Groups = append(m.Groups, s.group(fmt.Sprint("g", i), denom))
			}
			if s.r.IntN(6) == 0 {
				m.Reclamation = &deploymentv1.DeploymentReclamation{MinWindow: time.Hour}
			}
			return []op{{who, m, func() { s.deployments = append(s.deployments, m.ID) }}}
		}},
		{5, func() []op {
			d := pick(s, s.deployments)
			return one(name(d.Owner), &deploymentv1beta4.MsgUpdateDeployment{ID: d, Hash: s.hash()})
		}},
		{4, func() []op {
			d := pick(s, s.deployments)
			return one(name(d.Owner), &deploymentv1beta4.MsgCloseDeployment{ID: d})
		}},
		{3, func() []op { g := s.groupID(); return one(name(g.Owner), &deploymentv1beta4.MsgCloseGroup{ID: g}) }},
		{6, func() []op { g := s.groupID(); return one(name(g.Owner), &deploymentv1beta4.MsgPauseGroup{ID: g}) }},
		{10, func() []op { g := s.groupID(); return one(name(g.Owner), &deploymentv1beta4.MsgStartGroup{ID: g}) }},
		{90, func() []op { // a bid
			g, p := s.groupID(), pick(s, providers)
			m := &marketv1beta5.MsgCreateBid{ID: marketv1.MakeBidID(marketv1.MakeOrderID(g, 1+uint32(s.r.IntN(6)/4)), addr(p))}
			denom, most := s.ask(m.ID)
			m.Price = sdk.DecCoin{Denom: denom, Amount: most.MulInt64(1 + s.r.Int64N(10)).QuoInt64(10)}
			m.Deposit = s.deposit(s.denom(), 490_000, 800_000)
			if s.r.IntN(4) == 0 {
				w := time.Duration(1+s.r.IntN(3)) * time.Hour
				m.ReclamationWindow = &w
			}
			return []op{{p, m, func() { s.bids = append(s.bids, m.ID) }}}
		}},
		{12, func() []op {
			b := pick(s, s.bids)
			return one(name(b.Provider), &marketv1beta5.MsgCloseBid{ID: b, Reason: s.reason()})
		}},
		{60, func() []op {
			b := pick(s, s.bids)
			return []op{{name(b.Owner), &marketv1beta5.MsgCreateLease{BidID: b}, func() { s.leases = append(s.leases, b) }}}
		}},
		{8, func() []op {
			b := pick(s, s.leases)
			return one(name(b.Owner), &marketv1beta5.MsgCloseLease{ID: b.LeaseID()})
		}},
		{20, func() []op {
			b := pick(s, s.leases)
			return one(name(b.Provider), &marketv1beta5.MsgWithdrawLease{ID: b.LeaseID()})
		}},
		{10, func() []op {
			b := pick(s, s.leases)
			return one(name(b.Provider), &marketv1beta5.MsgLeaseStartReclaim{ID: b.LeaseID(), Reason: s.reason()})
		}},
		{10, func() []op {
			p := pick(s, providers)
			m := &tradev1.MsgWithdrawLeases{Provider: addr(p)}
			for _, l := range s.leases {
				if l.Provider == m.Provider && len(m.Leases) < 20 && s.r.IntN(2) == 0 && !slices.Contains(m.Leases, l.LeaseID()) {
					m.Leases = append(m.Leases, l.LeaseID())
				}
			}
			return one(p, m)
		}},
		{4, func() []op {
			who := pick(s, tenants)
			return one(who, &tradev1.MsgDenyProviders{Owner: addr(who), Providers: []string{addr(pick(s, providers))}})
		}},
		{6, func() []op {
			who := pick(s, tenants)
			return one(who, &tradev1.MsgAllowProviders{Owner: addr(who), Providers: []string{addr(pick(s, providers))}})
		}},
		{20, func() []op { // anybody's deposit
			who, d := pick(s, people), pick(s, s.deployments)
			return one(who, &escrowv1.MsgAccountDeposit{Signer: addr(who), ID: escrowid.Account{Scope: escrowid.ScopeDeployment, XID: d.String()}, Deposit: s.deposit(s.denom(), 1, 500_000)})
		}},
		{10, func() []op { // a grant of deposits
			from, to := pick(s, people), pick(s, people)
			a := &escrowv1.DepositAuthorization{SpendLimit: sdk.NewInt64Coin(s.denom(), 1+s.r.Int64N(2_000_000)), Scopes: []escrowv1.DepositAuthorization_Scope{escrowv1.DepositScopeDeployment, escrowv1.DepositScopeBid}[:1+s.r.IntN(2)]}
			end := s.chains[0].Time.Add(time.Duration(1+s.r.IntN(600)) * time.Minute)
			m, err := authz.NewMsgGrant(inproc.Addr(from), inproc.Addr(to), a, &end)
			if err != nil {
				s.t.Fatal(err)
			}
			return one(from, m)
		}},
		{3, func() []op {
			from, to := pick(s, people), pick(s, people)
			m := authz.NewMsgRevoke(inproc.Addr(from), inproc.Addr(to), escrowv1.DepositMsgType)
			return one(from, &m)
		}},
		{5, func() []op { // a grantee sends the granter's deposit
			from, to, d := pick(s, people), pick(s, people), pick(s, s.deployments)
			m := authz.NewMsgExec(inproc.Addr(to), []sdk.Msg{&escrowv1.MsgAccountDeposit{Signer: addr(from), ID: escrowid.Account{Scope: escrowid.ScopeDeployment, XID: d.String()}, Deposit: s.deposit(s.denom(), 1, 100_000)}})
			return one(to, &m)
		}},
		{15, func() []op {
			p := pick(s, providers)
			return one(p, &providerv1beta4.MsgCreateProvider{Owner: addr(p), HostURI: "https://" + p + ".localhost", Attributes: s.attributes()})
		}},
		{4, func() []op {
			p := pick(s, providers)
			return one(p, &providerv1beta4.MsgUpdateProvider{Owner: addr(p), HostURI: "https://" + p + ".localhost:1", Attributes: s.attributes()})
		}},
		{2, func() []op {
			p := pick(s, providers)
			return one(p, &providerv1beta4.MsgDeleteProvider{Owner: addr(p)})
		}},
		{6, func() []op {
			a := pick(s, auditors)
			return one(a, &auditv1.MsgSignProviderAttributes{Owner: addr(pick(s, providers)), Auditor: addr(a), Attributes: s.attributes()})
		}},
		{2, func() []op {
			a := pick(s, auditors)
			return one(a, &auditv1.MsgDeleteProviderAttributes{Owner: addr(pick(s, providers)), Auditor: addr(a), Keys: []string{"tier"}[:s.r.IntN(2)]})
		}},
		{3, func() []op { return s.certificate() }},
		{2, func() []op { id := pick(s, s.certs); return one(name(id.Owner), &certv1.MsgRevokeCertificate{ID: id}) }},
		{10, func() []op {
			return one(pick(s, people), nil)
		}},
		{1, func() []op {
			p := deployment.DefaultParams()
			p.MinDeposits = sdk.NewCoins(sdk.NewInt64Coin("uact", 400_000+s.r.Int64N(200_000)), sdk.NewInt64Coin("uakt", 500_000))
			return s.govern(&deploymentv1beta4.MsgUpdateParams{Authority: app.Authority(), Params: p})
		}},
		{1, func() []op {
			p := market.DefaultParams()
			p.OrderMaxBids = 1 + uint32(s.r.IntN(6))
			return s.govern(&marketv1beta5.MsgUpdateParams{Authority: app.Authority(), Params: p})
		}},
		{1, func() []op {
			p := market.DefaultTradeParams()
			p.GraceBlocks = []int64{0, 1, 5, 30}[s.r.IntN(4)]
			p.OrderLifetime = []time.Duration{0, time.Minute, 10 * time.Minute}[s.r.IntN(3)]
			return s.govern(&tradev1.MsgUpdateParams{Authority: app.Authority(), Params: p})
		}},
	}
}

// ask is what a bid's order pays at most.
func (s *run) ask(id marketv1.BidID) (string, math.LegacyDec) {
	c := s.chains[0]
	owner, err := sdk.AccAddressFromBech32(id.Owner)
	if err != nil {
		return "uact", math.LegacyOneDec()
	}
	g, _, err := c.App.Deployment.Group(c.Ctx(), deployment.ID{Owner: owner, DSeq: id.DSeq}, id.GSeq)
	if err != nil {
		return "uact", math.LegacyOneDec()
	}
	sum := math.LegacyZeroDec()
	for _, r := range g.GroupSpec.Resources {
		sum = sum.Add(r.Price.Amount.MulInt64(int64(r.Count)))
	}
	return g.GroupSpec.Resources[0].Price.Denom, sum
}

func (s *run) certificate() []op {
	who := pick(s, people)
	s.serial++
	if s.key == nil {
		return []op{{who, &certv1.MsgRevokeCertificate{ID: certv1.ID{Owner: addr(who), Serial: "1"}}, nil}}
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(s.serial), Subject: pkix.Name{CommonName: addr(who)}, NotBefore: inproc.Start, NotAfter: inproc.Start.Add(time.Hour)}
	der, err := x509.CreateCertificate(cryptorand.Reader, tmpl, tmpl, s.key.Public(), s.key)
	if err != nil {
		s.t.Fatal(err)
	}
	pub, err := x509.MarshalPKIXPublicKey(s.key.Public())
	if err != nil {
		s.t.Fatal(err)
	}
	m := &certv1.MsgCreateCertificate{Owner: addr(who), Cert: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), Pubkey: pem.EncodeToMemory(&pem.Block{Type: "EC PUBLIC KEY", Bytes: pub})}
	id := certv1.ID{Owner: m.Owner, Serial: fmt.Sprint(s.serial)}
	return []op{{who, m, func() { s.certs = append(s.certs, id) }}}
}

// block makes one random block on all chains and compares what they say. hashes: they were the same chain from the genesis.
func (s *run) block(hashes bool) {
	all := s.operations()
	total := 0
	for _, o := range all {
		total += o.weight
	}
	var todo []op
	for n := 1 + s.r.IntN(*ops); len(todo) < n; {
		at := s.r.IntN(total)
		for _, o := range all {
			if at -= o.weight; at < 0 {
				todo = append(todo, o.make()...)
				break
			}
		}
	}
	var txs [][]byte
	for i := range todo {
		if todo[i].msg == nil {
			todo[i].msg = &banktypes.MsgSend{FromAddress: addr(todo[i].who), ToAddress: addr(pick(s, people)), Amount: sdk.NewCoins(sdk.NewInt64Coin(s.denom(), 1+s.r.Int64N(1_000_000)))}
		}
		txs = append(txs, s.chains[0].Sign(todo[i].who, todo[i].msg))
	}
	pause := inproc.BlockTime
	if s.r.IntN(10) == 0 {
		pause = time.Duration(1+s.r.IntN(200)) * time.Minute
	}
	when := s.chains[0].Time.Add(pause)
	var results [][]*abci.ExecTxResult
	for _, c := range s.chains {
		results = append(results, c.BlockWith(&abci.RequestFinalizeBlock{Txs: txs, Time: when}))
	}
	for i, res := range results[0] {
		kind := sdk.MsgTypeURL(todo[i].msg)
		s.sent[kind]++
		if res.Code == 0 {
			s.good[kind]++
			if todo[i].then != nil {
				todo[i].then()
			}
		} else {
			code := fmt.Sprintf("%s/%d", res.Codespace, res.Code)
			s.refused[code]++
			if broken[code] {
				s.t.Errorf("block %d: %s by %s: %s: %.400s", s.chains[0].Height, kind, todo[i].who, code, res.Log)
			}
		}
		for j, other := range results[1:] {
			if y := other[i]; res.Code != y.Code || res.Codespace != y.Codespace || hashes && res.GasUsed != y.GasUsed {
				s.t.Errorf("block %d: %s: chain 0 %s/%d gas %d, chain %d %s/%d gas %d: %s", s.chains[0].Height, kind, res.Codespace, res.Code, res.GasUsed, j+1, y.Codespace, y.Code, y.GasUsed, y.Log)
			}
		}
	}
	for j, c := range s.chains[1:] {
		if hashes && !bytes.Equal(s.chains[0].Last.AppHash, c.Last.AppHash) {
			s.t.Fatalf("block %d: chain %d has another app hash", c.Height, j+1)
		}
	}
	s.chains[0].Invariants()
	if s.t.Failed() {
		s.t.FailNow()
	}
}

// own are the modules whose state has to be the same on both sides of an export.
var own = []string{"deployment", "market", "escrow", "provider", "audit", "cert", "trade", "bank", "authz"}

func states(t testing.TB, c *inproc.Chain) map[string]string {
	var state map[string]json.RawMessage
	if err := json.Unmarshal(c.Export().AppState, &state); err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, name := range own {
		out[name] = string(state[name])
	}
	return out
}

func seedOf(n int) uint64 {
	if *first == 0 {
		*first = uint64(time.Now().UnixNano())
	}
	return *first + uint64(n)
}

// TestMarket is the simulation.
func TestMarket(t *testing.T) {
	sent, good, refused := map[string]int{}, map[string]int{}, map[string]int{}
	for n := range *seeds {
		seed := seedOf(n)
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
			begin := time.Now()
			s := newRun(t, seed)
			for range *blocks {
				s.block(true)
			}
			// Import what was exported, and go on with both.
			c := s.chains[0]
			out := c.Export()
			again := inproc.New(t, inproc.Options{Genesis: out.AppState, Height: c.Height + 1, Time: c.Time})
			if now := c.Time.Add(inproc.BlockTime); !again.Time.Equal(now) {
				t.Fatal(again.Time, now)
			}
			c.Block()
			again.Invariants()
			s.chains = []*inproc.Chain{c, again}
			equal := func() {
				a, b := states(t, c), states(t, again)
				for _, name := range own {
					if a[name] != b[name] {
						t.Errorf("block %d: the state of %s differs after an import: %s", c.Height, name, difference(a[name], b[name]))
					}
				}
			}
			equal()
			for range max(*blocks/10, 5) {
				s.block(false)
			}
			equal()
			again.Invariants()
			for k, v := range s.sent {
				sent[k] += v
				good[k] += s.good[k]
			}
			for k, v := range s.refused {
				refused[k] += v
			}
			t.Logf("%d blocks, %d deployments, %d bids, %d leases in %s", c.Height, len(s.deployments), len(s.bids), len(s.leases), time.Since(begin).Round(time.Millisecond))
		})
	}
	total := 0
	for _, k := range slices.Sorted(maps.Keys(sent)) {
		total += sent[k]
		t.Logf("%-55s %6d sent, %6d accepted", k, sent[k], good[k])
	}
	t.Logf("%d transactions; refusals: %v", total, refused)
	// Every message of the market is in it, and was accepted once at least.
	if t.Failed() {
		return
	}
	for _, kind := range app.NewEncoding().Registry.ListImplementations(sdk.MsgInterfaceProtoName) {
		if strings.HasPrefix(kind, "/akash.") && good[kind] == 0 && !strings.HasSuffix(kind, "MsgUpdateParams") {
			t.Errorf("%s was accepted never (%d sent): the simulation tests less than it should", kind, sent[kind])
		}
	}
}

// difference is where two texts begin to differ.
func difference(a, b string) string {
	i := 0
	for i < min(len(a), len(b)) && a[i] == b[i] {
		i++
	}
	at := func(s string) string { return s[max(0, min(i, len(s))-150):min(len(s), i+150)] }
	return fmt.Sprintf("\n%s\n--\n%s", at(a), at(b))
}

// TestSameSeed holds that a seed makes the same run.
func TestSameSeed(t *testing.T) {
	seed := seedOf(0)
	t.Logf("seed %d", seed)
	var hashes [2][]byte
	for i := range hashes {
		s := newRun(t, seed)
		s.key = nil // a certificate's signature is of chance
		for range 8 {
			s.block(true)
		}
		hashes[i] = s.chains[0].Last.AppHash
		if len(s.good) < 5 {
			t.Errorf("only %v was accepted", s.good)
		}
	}
	if !bytes.Equal(hashes[0], hashes[1]) {
		t.Errorf("the same seed made %x and %x", hashes[0], hashes[1])
	}
}
