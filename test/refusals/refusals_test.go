// Package refusals drives the real chain into every refusal that a user can meet, and holds for each: codespace and code,
// the gRPC status of a simulation or query, and the sentence that the client makes of it.
//
// What always holds: each code that the market's modules register is in the table, either with a way into it or with
// the reason why there is none; a code without a way that nevertheless is returned by code, other than where the reason says,
// fails the test.
package refusals

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"math/big"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	errorsmod "cosmossdk.io/errors"
	"cosmossdk.io/math"

	sdk "github.com/cosmos/cosmos-sdk/types"
	txtypes "github.com/cosmos/cosmos-sdk/types/tx"
	"github.com/cosmos/cosmos-sdk/x/authz"

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
	"github.com/akash-supercloud/akash/client/tx"
	"github.com/akash-supercloud/akash/test/inproc"
)

var rewrite = flag.Bool("rewrite", false, "write testdata/sentences.txt anew; read the difference before you commit it")

// world is a chain with tenants alice and bob, providers p1 and p2 in us-west, p3 in eu, and stranger, who is nobody.
type world struct {
	*inproc.Chain
	t    *testing.T
	next uint64
}

var people = []string{"alice", "bob", "carol", "p1", "p2", "p3", "stranger"}

func newWorld(t *testing.T) *world {
	w := &world{inproc.New(t, inproc.Options{Names: people}), t, 100}
	for _, p := range []string{"p1", "p2", "p3"} {
		region := "us-west"
		if p == "p3" {
			region = "eu"
		}
		w.Must(p, &providerv1beta4.MsgCreateProvider{Owner: addr(p), HostURI: "https://" + p + ".localhost:8443", Attributes: []attributesv1.Attribute{{Key: "region", Value: region}}})
	}
	return w
}

func addr(name string) string { return inproc.Addr(name).String() }

func val(n int64) resources.ResourceValue { return resources.ResourceValue{Val: math.NewInt(n)} }

func group(name string, price int64, region string) deploymentv1beta4.GroupSpec {
	g := deploymentv1beta4.GroupSpec{
		Name: name,
		Resources: []deploymentv1beta4.ResourceUnit{{
			Resources: resources.Resources{
				ID: 1, CPU: &resources.CPU{Units: val(100)}, Memory: &resources.Memory{Quantity: val(128 << 20)}, GPU: &resources.GPU{Units: val(0)},
				Storage: []resources.Storage{{Name: "default", Quantity: val(512 << 20)}},
			},
			Count: 1, Price: sdk.NewInt64DecCoin("uact", price),
		}},
	}
	if region != "" {
		g.Requirements.Attributes = []attributesv1.Attribute{{Key: "region", Value: region}}
	}
	return g
}

func coins(n int64, denom string) depositv1.Deposit {
	return depositv1.Deposit{Amount: sdk.NewInt64Coin(denom, n), Sources: []depositv1.Source{depositv1.SourceBalance}}
}

// create is a deployment of alice with one group, with a number of its own.
func (w *world) create() *deploymentv1beta4.MsgCreateDeployment {
	w.next++
	return &deploymentv1beta4.MsgCreateDeployment{ID: deploymentv1.DeploymentID{Owner: addr("alice"), DSeq: w.next},
		Groups: []deploymentv1beta4.GroupSpec{group("west", 1000, "us-west")}, Hash: make([]byte, 32), Deposit: coins(500_000, "uact")}
}

// created is create, done; change may alter it before.
func (w *world) created(change ...func(*deploymentv1beta4.MsgCreateDeployment)) deploymentv1.DeploymentID {
	w.t.Helper()
	m := w.create()
	for _, c := range change {
		c(m)
	}
	w.Must("alice", m)
	return m.ID
}

func reclaimable(m *deploymentv1beta4.MsgCreateDeployment) {
	m.Reclamation = &deploymentv1.DeploymentReclamation{MinWindow: 2 * time.Hour}
}

func order(d deploymentv1.DeploymentID) marketv1.OrderID {
	return marketv1.MakeOrderID(deploymentv1.MakeGroupID(d, 1), 1)
}

func bid(d deploymentv1.DeploymentID, provider string) *marketv1beta5.MsgCreateBid {
	return &marketv1beta5.MsgCreateBid{ID: marketv1.MakeBidID(order(d), addr(provider)), Price: sdk.NewInt64DecCoin("uact", 10), Deposit: coins(500_000, "uact")}
}

func (w *world) bids(d deploymentv1.DeploymentID, provider string, change ...func(*marketv1beta5.MsgCreateBid)) marketv1.BidID {
	w.t.Helper()
	m := bid(d, provider)
	for _, c := range change {
		c(m)
	}
	w.Must(provider, m)
	return m.ID
}

func window(hours int) func(*marketv1beta5.MsgCreateBid) {
	return func(m *marketv1beta5.MsgCreateBid) {
		d := time.Duration(hours) * time.Hour
		m.ReclamationWindow = &d
	}
}

// leased is a deployment with a lease of p1.
func (w *world) leased() marketv1.BidID {
	w.t.Helper()
	id := w.bids(w.created(), "p1")
	w.Must("alice", &marketv1beta5.MsgCreateLease{BidID: id})
	return id
}

// reclaimed is a lease of p1 with a reclamation window.
func (w *world) reclaimed() marketv1.BidID {
	w.t.Helper()
	id := w.bids(w.created(reclaimable), "p1", window(2))
	w.Must("alice", &marketv1beta5.MsgCreateLease{BidID: id})
	return id
}

func (w *world) closed() deploymentv1.DeploymentID {
	w.t.Helper()
	id := w.created()
	w.Must("alice", &deploymentv1beta4.MsgCloseDeployment{ID: id})
	return id
}

func closeBid(id marketv1.BidID) *marketv1beta5.MsgCloseBid {
	return &marketv1beta5.MsgCloseBid{ID: id, Reason: marketv1.LeaseClosedReasonUnspecified}
}

func account(d deploymentv1.DeploymentID) escrowid.Account {
	return escrowid.Account{Scope: escrowid.ScopeDeployment, XID: d.String()}
}

// way is how to come into a refusal.
type way func(w *world) (who string, msg sdk.Msg)

// query is a refusal by a query.
type query func(w *world) error

// governance is a refusal of what governance has decided.
type governance func(w *world) sdk.Msg

// late is a refusal that comes long after, before the chain has cleared up.
type late func(w *world) sdk.Msg

// never is why nobody meets a code: none of the chain's code returns it.
type never string

// broken is why nobody meets a code: only a state that can't be, or a genesis that is refused before the first block, has it.
type broken string

const (
	kept    never  = "kept for clients that know it; no rule of this chain needs it"
	genesis broken = "only an ill-made genesis has it, which is refused before the first block"
	corrupt broken = "only a defect of the chain's own records has it; the simulation holds that there is none"
)

func (w *world) market() marketv1beta5.QueryClient { return marketv1beta5.NewQueryClient(w.Conn()) }

// cases are all codes, by codespace.
var cases = map[string]map[uint32]any{
	"deployment": {
		1: kept, 2: kept, 6: kept, 11: kept, 18: kept, 21: kept, 23: kept,
		3: way(func(w *world) (string, sdk.Msg) { m := w.create(); m.ID = w.created(); return "alice", m }),
		4: way(func(w *world) (string, sdk.Msg) {
			return "alice", &deploymentv1beta4.MsgCloseDeployment{ID: deploymentv1.DeploymentID{Owner: addr("alice"), DSeq: 1}}
		}),
		5: way(func(w *world) (string, sdk.Msg) {
			return "alice", &deploymentv1beta4.MsgUpdateDeployment{ID: w.closed(), Hash: bytes.Repeat([]byte{1}, 32)}
		}),
		7:  way(func(w *world) (string, sdk.Msg) { m := w.create(); m.Groups = nil; return "alice", m }),
		8:  way(func(w *world) (string, sdk.Msg) { m := w.create(); m.ID.DSeq = 0; return "alice", m }),
		9:  way(func(w *world) (string, sdk.Msg) { m := w.create(); m.Hash = nil; return "alice", m }),
		10: way(func(w *world) (string, sdk.Msg) { m := w.create(); m.Hash = m.Hash[:31]; return "alice", m }),
		12: genesis,
		13: way(func(w *world) (string, sdk.Msg) {
			return "alice", &deploymentv1beta4.MsgPauseGroup{ID: deploymentv1.MakeGroupID(w.created(), 0)}
		}),
		14: way(func(w *world) (string, sdk.Msg) {
			return "alice", &deploymentv1beta4.MsgPauseGroup{ID: deploymentv1.MakeGroupID(w.created(), 2)}
		}),
		15: way(func(w *world) (string, sdk.Msg) {
			id := deploymentv1.MakeGroupID(w.created(), 1)
			w.Must("alice", &deploymentv1beta4.MsgCloseGroup{ID: id})
			return "alice", &deploymentv1beta4.MsgStartGroup{ID: id}
		}),
		16: way(func(w *world) (string, sdk.Msg) {
			return "alice", &deploymentv1beta4.MsgStartGroup{ID: deploymentv1.MakeGroupID(w.created(), 1)}
		}),
		17: way(func(w *world) (string, sdk.Msg) {
			id := deploymentv1.MakeGroupID(w.created(), 1)
			w.Must("alice", &deploymentv1beta4.MsgPauseGroup{ID: id})
			return "alice", &deploymentv1beta4.MsgPauseGroup{ID: id}
		}),
		19: way(func(w *world) (string, sdk.Msg) {
			m := w.create()
			m.Groups[0].Resources[0].CPU.Units = val(9)
			return "alice", m
		}),
		20: way(func(w *world) (string, sdk.Msg) {
			m := w.create()
			m.Deposit = coins(499_999, "uact")
			return "alice", m
		}),
		22: governance(func(*world) sdk.Msg {
			return &deploymentv1beta4.MsgUpdateParams{Authority: app.Authority(), Params: deploymentv1beta4.Params{}}
		}),
		24: way(func(w *world) (string, sdk.Msg) {
			m := w.create()
			m.Deposit = coins(500_000, "uusd")
			m.Groups[0].Resources[0].Price.Denom = "uusd"
			return "alice", m
		}),
		25: way(func(w *world) (string, sdk.Msg) {
			m := w.create()
			m.Groups = append(m.Groups, m.Groups[0])
			return "alice", m
		}),
		26: way(func(w *world) (string, sdk.Msg) {
			m := w.create()
			m.Reclamation = &deploymentv1.DeploymentReclamation{MinWindow: time.Minute}
			return "alice", m
		}),
	},
	"market": {
		4: kept, 14: kept, 27: kept, 34: kept,
		26: late(func(w *world) sdk.Msg { return bid(w.created(), "p2") }),
		3:  corrupt, 9: corrupt, 13: corrupt, 16: corrupt, 17: corrupt, 25: genesis,
		1: way(func(w *world) (string, sdk.Msg) {
			id := w.bids(w.created(), "p1")
			id.Provider = ""
			return "alice", &marketv1beta5.MsgCreateLease{BidID: id}
		}),
		2: way(func(w *world) (string, sdk.Msg) {
			m := bid(w.created(), "p1")
			m.ID.Provider = m.ID.Owner
			return "alice", m
		}),
		5: way(func(w *world) (string, sdk.Msg) { return "p3", bid(w.created(), "p3") }),
		6: way(func(w *world) (string, sdk.Msg) { return "p1", closeBid(bid(w.created(), "p1").ID) }),
		7: way(func(w *world) (string, sdk.Msg) {
			return "p1", &marketv1beta5.MsgWithdrawLease{ID: bid(w.created(), "p1").ID.LeaseID()}
		}),
		8: way(func(w *world) (string, sdk.Msg) {
			d := w.created()
			lost, won := w.bids(d, "p1"), w.bids(d, "p2")
			w.Must("alice", &marketv1beta5.MsgCreateLease{BidID: won})
			return "p1", closeBid(lost)
		}),
		10: way(func(w *world) (string, sdk.Msg) {
			id := w.reclaimed()
			w.Must("alice", &marketv1beta5.MsgCloseLease{ID: id.LeaseID()})
			return "p1", &marketv1beta5.MsgLeaseStartReclaim{ID: id.LeaseID(), Reason: marketv1.LeaseClosedReasonUnspecified}
		}),
		11: way(func(w *world) (string, sdk.Msg) {
			id := w.leased()
			w.Must("alice", &marketv1beta5.MsgCloseLease{ID: id.LeaseID()})
			return "p1", closeBid(id)
		}),
		12: way(func(w *world) (string, sdk.Msg) {
			id := w.bids(w.created(), "p1")
			w.Must("p1", closeBid(id))
			return "alice", &marketv1beta5.MsgCreateLease{BidID: id}
		}),
		15: way(func(w *world) (string, sdk.Msg) {
			return "p1", bid(deploymentv1.DeploymentID{Owner: addr("alice"), DSeq: 1}, "p1")
		}),
		18: way(func(w *world) (string, sdk.Msg) {
			return "alice", &marketv1beta5.MsgCreateLease{BidID: bid(w.created(), "p1").ID}
		}),
		19: way(func(w *world) (string, sdk.Msg) {
			m := bid(w.created(), "p1")
			m.Price.Amount = math.LegacyZeroDec()
			return "p1", m
		}),
		20: query(func(w *world) error {
			_, err := w.market().Lease(context.Background(), &marketv1beta5.QueryLeaseRequest{ID: bid(w.created(), "p1").ID.LeaseID()})
			return err
		}),
		21: way(func(w *world) (string, sdk.Msg) { d := w.created(); w.bids(d, "p1"); return "p1", bid(d, "p1") }),
		22: way(func(w *world) (string, sdk.Msg) {
			m := bid(w.created(), "p1")
			m.Price = sdk.NewInt64DecCoin("uact", 1001)
			return "p1", m
		}),
		23: way(func(w *world) (string, sdk.Msg) { return "p2", bid(w.leased().DeploymentID(), "p2") }),
		24: way(func(w *world) (string, sdk.Msg) { return "p1", bid(w.closed(), "p1") }),
		28: way(func(w *world) (string, sdk.Msg) {
			m := bid(w.created(), "p1")
			m.Deposit = coins(1, "uact")
			return "p1", m
		}),
		29: governance(func(*world) sdk.Msg {
			return &marketv1beta5.MsgUpdateParams{Authority: app.Authority(), Params: marketv1beta5.Params{OrderMaxBids: 501}}
		}),
		30: way(func(w *world) (string, sdk.Msg) { return "stranger", bid(w.created(), "stranger") }),
		31: way(func(w *world) (string, sdk.Msg) { m := bid(w.created(), "p1"); m.ID.BSeq = 1; return "p1", m }),
		32: way(func(w *world) (string, sdk.Msg) {
			m := bid(w.created(), "p1")
			m.ResourcesOffer = []marketv1beta5.ResourceOffer{{Resources: group("", 1, "").Resources[0].Resources, Count: 2}}
			return "p1", m
		}),
		33: way(func(w *world) (string, sdk.Msg) {
			return "p1", &marketv1beta5.MsgCloseBid{ID: w.leased(), Reason: marketv1.LeaseClosedReasonOwner}
		}),
		35: way(func(w *world) (string, sdk.Msg) {
			return "p1", &marketv1beta5.MsgLeaseStartReclaim{ID: w.leased().LeaseID(), Reason: marketv1.LeaseClosedReasonUnspecified}
		}),
		36: way(func(w *world) (string, sdk.Msg) {
			m := &marketv1beta5.MsgLeaseStartReclaim{ID: w.reclaimed().LeaseID(), Reason: marketv1.LeaseClosedReasonUnspecified}
			w.Must("p1", m)
			return "p1", m
		}),
		37: way(func(w *world) (string, sdk.Msg) { return "p1", closeBid(w.reclaimed()) }),
		38: way(func(w *world) (string, sdk.Msg) {
			id := w.reclaimed()
			w.Must("p1", &marketv1beta5.MsgLeaseStartReclaim{ID: id.LeaseID(), Reason: marketv1.LeaseClosedReasonUnspecified})
			return "p1", closeBid(id)
		}),
		39: way(func(w *world) (string, sdk.Msg) { m := bid(w.created(), "p1"); window(1000)(m); return "p1", m }),
		40: way(func(w *world) (string, sdk.Msg) { return "p1", bid(w.created(reclaimable), "p1") }),
		41: way(func(w *world) (string, sdk.Msg) { m := bid(w.created(reclaimable), "p1"); window(1)(m); return "p1", m }),
	},
	"escrow": {
		17: kept,
		15: way(func(w *world) (string, sdk.Msg) {
			grant, err := authz.NewMsgGrant(inproc.Addr("bob"), inproc.Addr("alice"), &escrowv1.DepositAuthorization{
				SpendLimits: sdk.NewCoins(sdk.NewInt64Coin("uact", 500_000)), SpendLimit: sdk.NewInt64Coin("uact", 0), Scopes: []escrowv1.DepositAuthorization_Scope{escrowv1.DepositScopeBid},
			}, nil)
			if err != nil {
				w.t.Fatal(err)
			}
			w.Must("bob", grant)
			m := w.create()
			m.Deposit.Sources = []depositv1.Source{depositv1.SourceGrant}
			return "alice", m
		}),
		1: genesis, 6: genesis, 10: genesis, 14: genesis, 8: corrupt, 11: corrupt, 13: corrupt, 18: corrupt,
		9: broken("a bid's price is above zero, and bounded by its order's, which is bounded by the limits of groups"),
		2: way(func(w *world) (string, sdk.Msg) {
			return "alice", &escrowv1.MsgAccountDeposit{Signer: addr("alice"), ID: account(w.closed()), Deposit: coins(1, "uact")}
		}),
		3: way(func(w *world) (string, sdk.Msg) {
			return "alice", &escrowv1.MsgAccountDeposit{Signer: addr("alice"), ID: account(deploymentv1.DeploymentID{Owner: addr("alice"), DSeq: 1}), Deposit: coins(1, "uact")}
		}),
		4: way(func(w *world) (string, sdk.Msg) {
			d := w.created(func(m *deploymentv1beta4.MsgCreateDeployment) { m.Groups[0] = group("dear", 600_000, "") })
			id := w.bids(d, "p1", func(m *marketv1beta5.MsgCreateBid) { m.Price = sdk.NewInt64DecCoin("uact", 600_000) })
			return "alice", &marketv1beta5.MsgCreateLease{BidID: id}
		}),
		5: way(func(w *world) (string, sdk.Msg) {
			return "alice", &escrowv1.MsgAccountDeposit{Signer: addr("alice"), ID: account(w.created()), Deposit: coins(1, "uakt")}
		}),
		7: way(func(w *world) (string, sdk.Msg) {
			id := w.leased()
			w.Must("alice", &marketv1beta5.MsgCloseLease{ID: id.LeaseID()})
			return "p1", &marketv1beta5.MsgWithdrawLease{ID: id.LeaseID()}
		}),
		12: way(func(w *world) (string, sdk.Msg) {
			return "alice", &escrowv1.MsgAccountDeposit{Signer: addr("alice"), ID: escrowid.Account{Scope: escrowid.ScopeDeployment, XID: "mine"}, Deposit: coins(1, "uact")}
		}),
		16: way(func(w *world) (string, sdk.Msg) {
			return "alice", &escrowv1.MsgAccountDeposit{Signer: addr("alice"), ID: account(w.created()), Deposit: coins(10*inproc.Funds, "uact")}
		}),
	},
	"trade": {
		1: governance(func(*world) sdk.Msg {
			return &tradev1.MsgUpdateParams{Authority: app.Authority(), Params: tradev1.Params{GraceBlocks: -1}}
		}),
		2: way(func(w *world) (string, sdk.Msg) {
			d := w.created()
			w.Must("alice", &tradev1.MsgDenyProviders{Owner: addr("alice"), Providers: []string{addr("p2")}})
			m := bid(d, "p2")
			return "p2", m
		}),
		3: way(func(w *world) (string, sdk.Msg) {
			return "bob", &tradev1.MsgDenyProviders{Owner: addr("bob"), Providers: []string{"p1"}}
		}),
		4: way(func(w *world) (string, sdk.Msg) {
			one := func(n int) *tradev1.MsgDenyProviders {
				m := &tradev1.MsgDenyProviders{Owner: addr("carol")}
				for i := range 100 {
					m.Providers = append(m.Providers, addr(fmt.Sprint("denied", n, "-", i)))
				}
				return m
			}
			for n := range 10 {
				w.Must("carol", one(n))
			}
			return "carol", one(10)
		}),
		5: way(func(w *world) (string, sdk.Msg) {
			return "bob", &tradev1.MsgAllowProviders{Owner: addr("bob"), Providers: []string{addr("p1")}}
		}),
	},
	"provider": {
		7: kept,
		9: broken("the chain is wired so that the provider's leases are known"),
		1: way(func(w *world) (string, sdk.Msg) {
			return "stranger", &providerv1beta4.MsgCreateProvider{Owner: addr("stranger"), HostURI: "http://p.localhost"}
		}),
		2: way(func(w *world) (string, sdk.Msg) {
			return "stranger", &providerv1beta4.MsgCreateProvider{Owner: addr("stranger"), HostURI: "p.localhost"}
		}),
		3: way(func(w *world) (string, sdk.Msg) {
			return "stranger", &providerv1beta4.MsgDeleteProvider{Owner: addr("stranger")}
		}),
		4: way(func(w *world) (string, sdk.Msg) {
			return "p1", &providerv1beta4.MsgCreateProvider{Owner: addr("p1"), HostURI: "https://p.localhost"}
		}),
		5: query(func(w *world) error {
			_, err := providerv1beta4.NewQueryClient(w.Conn()).Provider(context.Background(), &providerv1beta4.QueryProviderRequest{Owner: "akash1nobody"})
			return err
		}),
		6: way(func(w *world) (string, sdk.Msg) {
			return "stranger", &providerv1beta4.MsgCreateProvider{Owner: addr("stranger"), HostURI: "https://p.localhost", Attributes: []attributesv1.Attribute{{Key: "1", Value: "x"}}}
		}),
		8: way(func(w *world) (string, sdk.Msg) {
			return "stranger", &providerv1beta4.MsgCreateProvider{Owner: addr("stranger"), HostURI: "https://p.localhost", Info: providerv1beta4.Info{EMail: strings.Repeat("x", 600)}}
		}),
		11: way(func(w *world) (string, sdk.Msg) {
			w.leased()
			return "p1", &providerv1beta4.MsgDeleteProvider{Owner: addr("p1")}
		}),
	},
	"audit": {
		1: way(func(w *world) (string, sdk.Msg) {
			return "bob", &auditv1.MsgDeleteProviderAttributes{Owner: addr("p1"), Auditor: addr("bob")}
		}),
		2: way(func(w *world) (string, sdk.Msg) {
			return "bob", &auditv1.MsgDeleteProviderAttributes{Owner: "p1", Auditor: addr("bob")}
		}),
		3: way(func(w *world) (string, sdk.Msg) {
			w.Must("bob", &auditv1.MsgSignProviderAttributes{Owner: addr("p1"), Auditor: addr("bob"), Attributes: []attributesv1.Attribute{{Key: "region", Value: "us-west"}}})
			return "bob", &auditv1.MsgDeleteProviderAttributes{Owner: addr("p1"), Auditor: addr("bob"), Keys: []string{"tier"}}
		}),
		4: way(func(w *world) (string, sdk.Msg) {
			return "bob", &auditv1.MsgSignProviderAttributes{Owner: addr("p1"), Auditor: addr("bob")}
		}),
	},
	"cert": {
		1: way(func(w *world) (string, sdk.Msg) { return revoke("7") }),
		2: query(func(w *world) error {
			_, err := certv1.NewQueryClient(w.Conn()).Certificates(context.Background(), &certv1.QueryCertificatesRequest{Filter: certv1.CertificateFilter{Owner: "me"}})
			return err
		}),
		3: way(func(w *world) (string, sdk.Msg) { return "alice", w.certificate(3) }),
		4: way(func(w *world) (string, sdk.Msg) {
			w.certificate(4)
			who, m := revoke("4")
			w.Must(who, m)
			return who, m
		}),
		5: way(func(w *world) (string, sdk.Msg) { return revoke("four") }),
		6: way(func(w *world) (string, sdk.Msg) {
			return "alice", &certv1.MsgCreateCertificate{Owner: addr("alice"), Cert: []byte("hello"), Pubkey: []byte("hello")}
		}),
		7: way(func(w *world) (string, sdk.Msg) { m := w.certificate(7); m.Pubkey = m.Cert; return "alice", m }),
		8: query(func(w *world) error {
			_, err := certv1.NewQueryClient(w.Conn()).Certificates(context.Background(), &certv1.QueryCertificatesRequest{Filter: certv1.CertificateFilter{State: "good"}})
			return err
		}),
		9: way(func(w *world) (string, sdk.Msg) { return revoke(new(big.Int).Lsh(big.NewInt(1), 321).String()) }),
	},
}

func revoke(serial string) (string, sdk.Msg) {
	return "alice", &certv1.MsgRevokeCertificate{ID: certv1.ID{Owner: addr("alice"), Serial: serial}}
}

// certificate publishes a certificate of alice and returns the message.
func (w *world) certificate(serial int64) *certv1.MsgCreateCertificate {
	w.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		w.t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: addr("alice")}, NotBefore: time.Now(), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		w.t.Fatal(err)
	}
	pub, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		w.t.Fatal(err)
	}
	m := &certv1.MsgCreateCertificate{Owner: addr("alice"), Cert: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		Pubkey: pem.EncodeToMemory(&pem.Block{Type: "EC PUBLIC KEY", Bytes: pub})}
	w.Must("alice", m)
	return &certv1.MsgCreateCertificate{Owner: m.Owner, Cert: m.Cert, Pubkey: m.Pubkey}
}

// registered returns the error of a code; false if there is none.
func registered(space string, code uint32) (error, bool) {
	err := errorsmod.ABCIError(space, code, "x")
	return err, err.Error() != "x: unknown"
}

// TestRefusals is the table, driven.
func TestRefusals(t *testing.T) {
	w := newWorld(t)
	var lines []string
	for _, space := range slices.Sorted(maps.Keys(cases)) {
		for code := uint32(1); code <= 200; code++ {
			name := fmt.Sprintf("%s/%d", space, code)
			want, there := registered(space, code)
			c, listed := cases[space][code]
			if there != listed {
				t.Errorf("%s: registered %v, in this test's table %v; give it a way into it here, or the reason why there is none, and its sentence in client/tx", name, there, listed)
				continue
			}
			if !there {
				continue
			}
			grpcWant := status.Code(want)
			if got := tx.NewError(space, code, "").GRPC; got != grpcWant {
				t.Errorf("%s: the client says %s, the chain %s", name, got, grpcWant)
			}
			var sentence string
			switch c := c.(type) {
			case way:
				who, msg := c(w)
				raw := w.Sign(who, msg)
				_, err := txtypes.NewServiceClient(w.Conn()).Simulate(context.Background(), &txtypes.SimulateRequest{TxBytes: raw})
				if status.Code(err) != grpcWant {
					t.Errorf("%s: a simulation says %v, want %s", name, err, grpcWant)
				}
				res := w.Block(raw)[0]
				if res.Codespace != space || res.Code != code {
					t.Errorf("%s: %T by %s: %s/%d: %s", name, msg, who, res.Codespace, res.Code, res.Log)
					continue
				}
				sentence = tx.NewError(res.Codespace, res.Code, res.Log).Error()
				w.Invariants()
			case query:
				err := c(w)
				if status.Code(err) != grpcWant {
					t.Errorf("%s: a query says %v, want %s", name, err, grpcWant)
				}
				var ok bool
				if sentence, ok = tx.Sentence(status.Convert(err).Message()); !ok {
					t.Errorf("%s: %v doesn't name the error", name, err)
					continue
				}
			case governance, late:
				ctx, _ := w.Ctx().CacheContext()
				var msg sdk.Msg
				switch c := c.(type) {
				case governance:
					msg = c(w)
				case late:
					msg = c(w)
					ctx = w.Ctx().WithBlockTime(time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC))
				}
				_, err := w.App.MsgServiceRouter().Handler(msg)(ctx, msg)
				gotSpace, gotCode, log := errorsmod.ABCIInfo(err, false)
				if gotSpace != space || gotCode != code {
					t.Errorf("%s: %T: %v", name, msg, err)
					continue
				}
				sentence = tx.NewError(space, code, log).Error()
			default:
				continue
			}
			for _, p := range people {
				sentence = strings.ReplaceAll(sentence, addr(p), p)
			}
			check(t, name, sentence, want)
			lines = append(lines, name+" "+grpcWant.String()+"\n\t"+sentence+"\n")
		}
	}
	const file = "testdata/sentences.txt"
	got := strings.Join(lines, "")
	if *rewrite {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	golden, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if string(golden) != got && !t.Failed() {
		a, b := strings.Split(string(golden), "\n"), strings.Split(got, "\n")
		for i := range b {
			if i >= len(a) || a[i] != b[i] {
				t.Errorf("%s has other words; if these are better, go test ./test/refusals -rewrite. First: %s", file, b[i])
				break
			}
		}
	}
}

var raw = regexp.MustCompile(`\.go:\d|failed to|message index|rpc error|codespace |%!|\[\]|<nil>|goroutine`)

// check holds that a sentence is one for people: it says what is wrong in words of its own, and what to do.
func check(t *testing.T, name, sentence string, want error) {
	t.Helper()
	text := strings.TrimPrefix(want.Error(), "x: ")
	switch {
	case raw.MatchString(sentence):
		t.Errorf("%s: raw text in %q", name, sentence)
	case !strings.Contains(sentence, "; "):
		t.Errorf("%s doesn't say what to do: %q", name, sentence)
	case strings.HasSuffix(sentence, ": "+text) || strings.Contains(sentence, ": "+text+";"):
		t.Errorf("%s is in the protocol's words: %q", name, sentence)
	case strings.Contains(sentence, "\n") || len(sentence) > 500:
		t.Errorf("%s isn't one sentence: %q", name, sentence)
	}
}

// TestNever holds that a code which nobody meets is returned by no code, and that those said to be of a broken state are used where
// the chain checks its own records. So a rule that begins to use such a code has to be driven into here.
func TestNever(t *testing.T) {
	for space, all := range cases {
		names := map[string]uint32{} // of variables
		used := map[string]bool{}
		dir, list := space, "errors.go"
		if space == "trade" { // the market's own
			dir, list = "market", "trade_errors.go"
		}
		files, err := filepath.Glob("../../x/" + dir + "/*.go")
		if err != nil || len(files) == 0 {
			t.Fatal(space, err)
		}
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			f, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			if filepath.Base(file) == list {
				ast.Inspect(f, func(n ast.Node) bool {
					v, ok := n.(*ast.ValueSpec)
					if !ok || len(v.Values) != 1 {
						return true
					}
					if call, ok := v.Values[0].(*ast.CallExpr); ok {
						for _, a := range call.Args {
							if lit, ok := a.(*ast.BasicLit); ok && lit.Kind == token.INT {
								var n uint32
								fmt.Sscan(lit.Value, &n)
								names[v.Names[0].Name] = n
							}
						}
					}
					return true
				})
				continue
			}
			ast.Inspect(f, func(n ast.Node) bool {
				if id, ok := n.(*ast.Ident); ok && strings.HasPrefix(id.Name, "Err") {
					used[id.Name] = true
				}
				return true
			})
		}
		if len(names) != len(all) {
			t.Errorf("%s: %d errors in errors.go, %d in the table", space, len(names), len(all))
		}
		for name, code := range names {
			switch c := all[code].(type) {
			case never:
				if used[name] {
					t.Errorf("%s/%d (%s) is in use now, but the table says: %s", space, code, name, c)
				}
			default:
				if !used[name] {
					t.Errorf("%s/%d (%s) is in use nowhere; say so in the table", space, code, name)
				}
			}
		}
	}
}

// TestWhere holds that a refusal of one of several messages says which.
func TestWhere(t *testing.T) {
	w := newWorld(t)
	m := w.create()
	missing := &deploymentv1beta4.MsgCloseDeployment{ID: deploymentv1.DeploymentID{Owner: addr("alice"), DSeq: 9}}
	res := w.Send("alice", m, missing)
	got := tx.NewError(res.Codespace, res.Code, res.Log)
	if want := "(message 2, deployment error 4)"; !strings.HasSuffix(got.Error(), want) || got.GRPC != codes.NotFound {
		t.Errorf("%s (%s), want %s", got, got.GRPC, want)
	}
}
