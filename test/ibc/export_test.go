package ibc_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"testing"
	"time"

	abci "github.com/cometbft/cometbft/abci/types"
	cmtproto "github.com/cometbft/cometbft/proto/tendermint/types"
	dbm "github.com/cosmos/cosmos-db"

	"cosmossdk.io/log/v2"
	"cosmossdk.io/math"

	"github.com/cosmos/cosmos-sdk/baseapp"
	sdk "github.com/cosmos/cosmos-sdk/types"
	vestingtypes "github.com/cosmos/cosmos-sdk/x/auth/vesting/types"
	"github.com/cosmos/cosmos-sdk/x/authz"
	"github.com/cosmos/cosmos-sdk/x/feegrant"
	govv1 "github.com/cosmos/cosmos-sdk/x/gov/types/v1"
	stakingtypes "github.com/cosmos/cosmos-sdk/x/staking/types"

	auditv1 "github.com/akash-supercloud/akash/api/akash/audit/v1"
	attributesv1 "github.com/akash-supercloud/akash/api/akash/base/attributes/v1"
	depositv1 "github.com/akash-supercloud/akash/api/akash/base/deposit/v1"
	resources "github.com/akash-supercloud/akash/api/akash/base/resources/v1beta4"
	certv1 "github.com/akash-supercloud/akash/api/akash/cert/v1"
	deploymentv1 "github.com/akash-supercloud/akash/api/akash/deployment/v1"
	deploymentv1beta4 "github.com/akash-supercloud/akash/api/akash/deployment/v1beta4"
	escrowv1 "github.com/akash-supercloud/akash/api/akash/escrow/v1"
	marketv1 "github.com/akash-supercloud/akash/api/akash/market/v1"
	marketv1beta5 "github.com/akash-supercloud/akash/api/akash/market/v1beta5"
	providerv1beta4 "github.com/akash-supercloud/akash/api/akash/provider/v1beta4"
	"github.com/akash-supercloud/akash/app"
	"github.com/akash-supercloud/akash/test/inproc"
)

const leasePrice, leaseDeposit, bidBond = 1000, 5_000_000, 500_000

// busy is a chain on which every module has something to remember.
func busy(t *testing.T) *side {
	t.Helper()
	a, b := path(t, inproc.Options{Names: []string{"tenant", "provider", "auditor", "friend"}})
	a.deliver(a.transfer("alice", "bob", uakt(1000), "uakt", a.later()))
	b.deliver(b.transfer("bob", "alice", uakt(77), "uakt", b.later()))
	a.transfer("alice", "bob", uakt(5), "uakt", a.later()) // on its way

	attributes := []attributesv1.Attribute{{Key: "region", Value: "us-west"}}
	a.Must("provider", &providerv1beta4.MsgCreateProvider{Owner: a.addr("provider"), HostURI: "https://p.localhost:8443", Attributes: attributes})
	a.Must("auditor", &auditv1.MsgSignProviderAttributes{Owner: a.addr("provider"), Auditor: a.addr("auditor"), Attributes: attributes})
	a.Must("tenant", certificate(t, a.addr("tenant")))
	for dseq := uint64(7); dseq <= 9; dseq++ { // an order with a bid, a lease, a closed lease
		a.Must("tenant", create(a.addr("tenant"), dseq))
		bid := bidOf(a.addr("tenant"), a.addr("provider"), dseq)
		a.Must("provider", &marketv1beta5.MsgCreateBid{ID: bid, Price: sdk.NewDecCoinFromDec("uact", math.LegacyMustNewDecFromStr("1000.3")), Deposit: deposit(bidBond)})
		if dseq > 7 {
			a.Must("tenant", &marketv1beta5.MsgCreateLease{BidID: bid})
		}
		if dseq > 8 {
			a.Must("tenant", &marketv1beta5.MsgCloseLease{ID: bid.LeaseID()})
		}
	}
	a.Must("tenant", create(a.addr("tenant"), 10))
	a.Must("tenant", &deploymentv1beta4.MsgCloseDeployment{ID: deploymentv1.DeploymentID{Owner: a.addr("tenant"), DSeq: 10}})

	expiry := a.Time.Add(1000 * time.Hour)
	grant, err := authz.NewMsgGrant(inproc.Addr("alice"), inproc.Addr("tenant"), &escrowv1.DepositAuthorization{SpendLimits: sdk.NewCoins(sdk.NewInt64Coin("uact", 9_000_000)),
		Scopes: []escrowv1.DepositAuthorization_Scope{escrowv1.DepositScopeDeployment}}, &expiry)
	must(t, err)
	a.Must("alice", grant)
	generic, err := authz.NewMsgGrant(inproc.Addr("alice"), inproc.Addr("friend"), authz.NewGenericAuthorization("/cosmos.gov.v1.MsgVote"), nil)
	must(t, err)
	a.Must("alice", generic)
	allowance, err := feegrant.NewMsgGrantAllowance(&feegrant.PeriodicAllowance{Basic: feegrant.BasicAllowance{Expiration: &expiry}, Period: time.Hour,
		PeriodSpendLimit: sdk.NewCoins(uakt(1000)), PeriodCanSpend: sdk.NewCoins(uakt(1000)), PeriodReset: a.Time.Add(time.Hour)}, inproc.Addr("alice"), inproc.Addr("friend"))
	must(t, err)
	a.Must("alice", allowance)
	a.Must("alice", vestingtypes.NewMsgCreateVestingAccount(inproc.Addr("alice"), inproc.Addr("newcomer"), sdk.NewCoins(uakt(1_000_000)), a.Time.Add(900*time.Hour).Unix(), false))
	operator := sdk.ValAddress(inproc.Addr(inproc.Operator)).String()
	a.Must("alice", stakingtypes.NewMsgDelegate(a.addr("alice"), operator, uakt(5_000_000)))
	a.Must("alice", stakingtypes.NewMsgUndelegate(a.addr("alice"), operator, uakt(2_000_000)))
	for _, stake := range []int64{10_000_000, 2_000_000} { // one in its vote, one that collects its deposit
		p, err := govv1.NewMsgSubmitProposal(nil, sdk.NewCoins(uakt(stake)), a.addr("alice"), "m", "title", "summary", false)
		must(t, err)
		a.Must("alice", p)
	}
	a.Must(inproc.Operator, govv1.NewMsgVote(inproc.Addr(inproc.Operator), 1, govv1.OptionNo, ""))
	a.Blocks(3)
	a.Invariants()
	return a
}

func deposit(n int64) depositv1.Deposit {
	return depositv1.Deposit{Amount: sdk.NewInt64Coin("uact", n), Sources: []depositv1.Source{depositv1.SourceBalance}}
}

func create(owner string, dseq uint64) *deploymentv1beta4.MsgCreateDeployment {
	val := func(n int64) resources.ResourceValue { return resources.ResourceValue{Val: math.NewInt(n)} }
	return &deploymentv1beta4.MsgCreateDeployment{ID: deploymentv1.DeploymentID{Owner: owner, DSeq: dseq}, Hash: make([]byte, 32), Deposit: deposit(leaseDeposit),
		Groups: []deploymentv1beta4.GroupSpec{{Name: "westcoast", Resources: []deploymentv1beta4.ResourceUnit{{
			Resources: resources.Resources{ID: 1, CPU: &resources.CPU{Units: val(100)}, Memory: &resources.Memory{Quantity: val(128 << 20)}, GPU: &resources.GPU{Units: val(0)},
				Storage: []resources.Storage{{Name: "default", Quantity: val(512 << 20)}}, Endpoints: []resources.Endpoint{{Kind: resources.Endpoint_SHARED_HTTP}}},
			Count: 1, Price: sdk.NewInt64DecCoin("uact", 2*leasePrice)}}}}}
}

func bidOf(owner, provider string, dseq uint64) marketv1.BidID {
	return marketv1.MakeBidID(marketv1.MakeOrderID(deploymentv1.MakeGroupID(deploymentv1.DeploymentID{Owner: owner, DSeq: dseq}, 1), 1), provider)
}

func certificate(t *testing.T, owner string) *certv1.MsgCreateCertificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(12345), Subject: pkix.Name{CommonName: owner}, NotBefore: inproc.Start, NotAfter: inproc.Start.Add(10000 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageDataEncipherment, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}, SignatureAlgorithm: x509.ECDSAWithSHA256}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	must(t, err)
	pub, err := x509.MarshalPKIXPublicKey(key.Public())
	must(t, err)
	return &certv1.MsgCreateCertificate{Owner: owner, Cert: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), Pubkey: pem.EncodeToMemory(&pem.Block{Type: "EC PUBLIC KEY", Bytes: pub})}
}

// TestExportImport: a chain that starts from an export writes the same export, to the byte, with every module in use.
func TestExportImport(t *testing.T) {
	a := busy(t)
	first := a.Export()
	b := app.New(log.NewNopLogger(), dbm.NewMemDB(), none{}, baseapp.SetChainID(inproc.ChainID))
	t.Cleanup(func() { _ = b.Close() })
	if _, err := b.InitChain(&abci.RequestInitChain{ChainId: inproc.ChainID, AppStateBytes: first.AppState, ConsensusParams: &first.ConsensusParams, InitialHeight: first.Height, Time: a.Time}); err != nil {
		t.Fatal(err)
	}
	ctx := b.NewContextLegacy(false, cmtproto.Header{Height: first.Height, Time: a.Time})
	must(t, b.Invariants(ctx))
	again, err := b.ExportState(ctx, nil)
	must(t, err)
	if bytes.Equal(first.AppState, again.AppState) {
		return
	}
	var was, is map[string]json.RawMessage
	must(t, json.Unmarshal(first.AppState, &was))
	must(t, json.Unmarshal(again.AppState, &is))
	for name := range was {
		if !bytes.Equal(was[name], is[name]) {
			t.Errorf("module %s changed on its way through a genesis:\n%s\n%s", name, was[name], is[name])
		}
	}
}

type none struct{}

func (none) Get(string) any { return nil }

// TestForZeroHeight: a chain that begins anew at its first block owes what the old one owed, and makes blocks.
func TestForZeroHeight(t *testing.T) {
	a := busy(t)
	supply := a.supply("uact")
	out, err := a.App.ForZeroHeight(a.App.NewContextLegacy(true, cmtproto.Header{Height: a.Height, Time: a.Time}), nil)
	must(t, err)
	if out.Height != 0 || bytes.Contains(out.AppState, []byte(`"settled_at": "1`)) {
		t.Errorf("height %d, or old heights in the state", out.Height)
	}
	b := &side{t: t, Chain: inproc.New(t, inproc.Options{Genesis: out.AppState, Time: a.Time})}
	b.Invariants()
	provider := b.Balance("provider", "uact")
	b.Blocks(3)
	id := bidOf(b.addr("tenant"), b.addr("provider"), 8)
	b.Must("tenant", &marketv1beta5.MsgCloseLease{ID: id.LeaseID()})
	if got, want := b.Balance("provider", "uact")-provider, bidBond+leasePrice*b.Height; got < want || got > want+10 {
		t.Errorf("%d blocks of the new chain and the bid's deposit paid %d uact, want %d and fractions", b.Height, got, want)
	}
	if got := b.supply("uact"); got != supply {
		t.Errorf("supply %d, was %d", got, supply)
	}
	b.Must("alice", stakingtypes.NewMsgUndelegate(b.addr("alice"), sdk.ValAddress(inproc.Addr(inproc.Operator)).String(), uakt(1_000_000)))
	b.Blocks(3)
	b.Invariants()
}
