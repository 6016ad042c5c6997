// Package upgrade_test takes a running chain from this version to a next one: by a vote, with a stop at the height, on the
// same home.
package upgrade_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"cosmossdk.io/math"

	"github.com/cosmos/cosmos-sdk/client/grpc/cmtservice"
	"github.com/cosmos/cosmos-sdk/client/tx"
	"github.com/cosmos/cosmos-sdk/codec"
	"github.com/cosmos/cosmos-sdk/crypto/hd"
	"github.com/cosmos/cosmos-sdk/crypto/keyring"
	"github.com/cosmos/cosmos-sdk/server"
	storetypes "github.com/cosmos/cosmos-sdk/store/v2/types"
	sdk "github.com/cosmos/cosmos-sdk/types"
	"github.com/cosmos/cosmos-sdk/types/module"
	txtypes "github.com/cosmos/cosmos-sdk/types/tx"
	"github.com/cosmos/cosmos-sdk/types/tx/signing"
	authtypes "github.com/cosmos/cosmos-sdk/x/auth/types"
	banktypes "github.com/cosmos/cosmos-sdk/x/bank/types"
	govv1 "github.com/cosmos/cosmos-sdk/x/gov/types/v1"
	upgradetypes "github.com/cosmos/cosmos-sdk/x/upgrade/types"

	attributesv1 "github.com/akash-supercloud/akash/api/akash/base/attributes/v1"
	depositv1 "github.com/akash-supercloud/akash/api/akash/base/deposit/v1"
	resources "github.com/akash-supercloud/akash/api/akash/base/resources/v1beta4"
	deploymentv1 "github.com/akash-supercloud/akash/api/akash/deployment/v1"
	deploymentv1beta4 "github.com/akash-supercloud/akash/api/akash/deployment/v1beta4"
	marketv1 "github.com/akash-supercloud/akash/api/akash/market/v1"
	marketv1beta5 "github.com/akash-supercloud/akash/api/akash/market/v1beta5"
	providerv1beta4 "github.com/akash-supercloud/akash/api/akash/provider/v1beta4"
	"github.com/akash-supercloud/akash/app"
	"github.com/akash-supercloud/akash/app/genesis"
	"github.com/akash-supercloud/akash/app/node"
	"github.com/akash-supercloud/akash/app/upgrades"
	"github.com/akash-supercloud/akash/x/provider"
)

const (
	funds = 1_000_000_000
	fee   = 20_000
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// registry is the next version's provider module: version 2, whose migration notes what it found in a store of its own.
type registry struct {
	provider.AppModule
	key *storetypes.KVStoreKey
}

func (registry) ConsensusVersion() uint64 { return 2 }

func (m registry) RegisterServices(c module.Configurator) {
	m.AppModule.RegisterServices(c)
	if err := c.RegisterMigration(provider.ModuleName, 1, func(ctx sdk.Context) error {
		ctx.KVStore(m.key).Set([]byte("migrated"), sdk.Uint64ToBigEndian(uint64(ctx.BlockHeight())))
		return nil
	}); err != nil {
		panic(err)
	}
}

// next is this version plus a store and a migration.
func next() map[string]any {
	return map[string]any{app.OptionNext: app.Next{
		Upgrades: []upgrades.Upgrade{{Name: "next", Stores: storetypes.StoreUpgrades{Added: []string{"next"}}}},
		Stores:   []string{"next"},
		Modules: func(modules map[string]any, stores map[string]*storetypes.KVStoreKey) {
			modules[provider.ModuleName] = registry{modules[provider.ModuleName].(provider.AppModule), stores["next"]}
		},
	}}
}

// running is a node in this process.
type running struct {
	t     *testing.T
	enc   app.Encoding
	keys  keyring.Keyring
	conn  *grpc.ClientConn
	stop  func()
	ended chan error
}

// start runs the node of home with options until it ends by itself or by stop.
func start(t *testing.T, home string, options map[string]any) (*running, error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	r := &running{t: t, enc: app.NewEncoding(), ended: make(chan error, 1)}
	ready := make(chan node.Addresses, 1)
	go func() {
		r.ended <- node.Run(ctx, node.Config{Home: home, RPCAddr: "127.0.0.1:0", GRPCAddr: "127.0.0.1:0", RESTAddr: "127.0.0.1:0", P2PAddr: "127.0.0.1:0",
			Options: options, Ready: func(a node.Addresses) { ready <- a }})
	}()
	var at node.Addresses
	select {
	case at = <-ready:
	case err := <-r.ended:
		cancel()
		return nil, err
	case <-time.After(time.Minute):
		t.Fatal("the node isn't ready after a minute")
	}
	var err error
	r.conn, err = grpc.NewClient(at.GRPC, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDefaultCallOptions(grpc.ForceCodec(codec.NewProtoCodec(r.enc.Registry).GRPCCodec())))
	must(t, err)
	r.keys, err = keyring.New(app.Name, keyring.BackendTest, home, nil, r.enc.Codec)
	must(t, err)
	done := false
	r.stop = func() {
		if done {
			return
		}
		done = true
		_ = r.conn.Close()
		cancel()
		if err := <-r.ended; err != nil && !errors.As(err, new(*upgrades.Needed)) {
			t.Errorf("Run: %v", err)
		}
	}
	t.Cleanup(r.stop)
	return r, nil
}

func (r *running) until(what string, ok func() bool) {
	r.t.Helper()
	for end := time.Now().Add(90 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if ok() {
			return
		}
	}
	r.t.Fatalf("%s didn't come within 90 s", what)
}

// height is that of the last block, or 0 while there is none.
func (r *running) height() int64 {
	res, err := cmtservice.NewServiceClient(r.conn).GetLatestBlock(context.Background(), &cmtservice.GetLatestBlockRequest{})
	if err != nil {
		return 0
	}
	return res.SdkBlock.Header.Height
}

func (r *running) addr(name string) string {
	r.t.Helper()
	k, err := r.keys.Key(name)
	must(r.t, err)
	a, err := k.GetAddress()
	must(r.t, err)
	return a.String()
}

// must sends msgs by name and returns the height of the block that took them.
func (r *running) must(name string, msgs ...sdk.Msg) int64 {
	r.t.Helper()
	ctx := context.Background()
	info, err := authtypes.NewQueryClient(r.conn).AccountInfo(ctx, &authtypes.QueryAccountInfoRequest{Address: r.addr(name)})
	must(r.t, err)
	b := r.enc.TxConfig.NewTxBuilder()
	must(r.t, b.SetMsgs(msgs...))
	b.SetGasLimit(2_000_000)
	b.SetFeeAmount(sdk.NewCoins(sdk.NewInt64Coin("uakt", fee)))
	f := tx.Factory{}.WithChainID("localakash").WithKeybase(r.keys).WithTxConfig(r.enc.TxConfig).WithSignMode(signing.SignMode_SIGN_MODE_DIRECT).
		WithAccountNumber(info.Info.AccountNumber).WithSequence(info.Info.Sequence)
	must(r.t, tx.Sign(ctx, f, name, b, true))
	raw, err := r.enc.TxConfig.TxEncoder()(b.GetTx())
	must(r.t, err)
	txs := txtypes.NewServiceClient(r.conn)
	sent, err := txs.BroadcastTx(ctx, &txtypes.BroadcastTxRequest{TxBytes: raw, Mode: txtypes.BroadcastMode_BROADCAST_MODE_SYNC})
	must(r.t, err)
	if sent.TxResponse.Code != 0 {
		r.t.Fatalf("%T by %s: %s", msgs[0], name, sent.TxResponse.RawLog)
	}
	var got *sdk.TxResponse
	r.until("the transaction", func() bool {
		res, err := txs.GetTx(ctx, &txtypes.GetTxRequest{Hash: sent.TxResponse.TxHash})
		if err == nil {
			got = res.TxResponse
		}
		return err == nil
	})
	if got.Code != 0 {
		r.t.Fatalf("%T by %s: %s", msgs[0], name, got.RawLog)
	}
	return got.Height
}

func (r *running) balance(name string) int64 {
	r.t.Helper()
	res, err := banktypes.NewQueryClient(r.conn).Balance(context.Background(), &banktypes.QueryBalanceRequest{Address: r.addr(name), Denom: "uact"})
	must(r.t, err)
	return res.Balance.Amount.Int64()
}

// network makes the home of a chain whose votes take three seconds.
func network(t *testing.T) string {
	t.Helper()
	home := t.TempDir()
	keys, err := keyring.New(app.Name, keyring.BackendTest, home, nil, app.NewEncoding().Codec)
	must(t, err)
	var accounts []genesis.Account
	for _, name := range []string{"tenant", "provider"} {
		k, _, err := keys.NewMnemonic(name, keyring.English, sdk.FullFundraiserPath, "", hd.Secp256k1)
		must(t, err)
		a, err := k.GetAddress()
		must(t, err)
		accounts = append(accounts, genesis.Account{Address: a.String(), Coins: sdk.NewCoins(sdk.NewInt64Coin("uakt", funds), sdk.NewInt64Coin("uact", funds))})
	}
	must(t, node.Init(home, node.GenesisConfig{BlockTime: 100 * time.Millisecond, Accounts: accounts}))
	path := filepath.Join(home, "config", "genesis.json")
	text, err := os.ReadFile(path)
	must(t, err)
	var doc map[string]any
	must(t, json.Unmarshal(text, &doc))
	params := doc["app_state"].(map[string]any)["gov"].(map[string]any)["params"].(map[string]any)
	params["voting_period"], params["expedited_voting_period"] = "3s", "2s"
	text, err = json.Marshal(doc)
	must(t, err)
	must(t, os.WriteFile(path, text, 0o600))
	return home
}

// TestInPlace is the whole way: a market at work, a vote, the stop, the old program refused, the next one going on with
// every deployment, lease, payment and coin in its place; and beside it a node told to skip the upgrade.
func TestInPlace(t *testing.T) {
	home := network(t)
	old, err := start(t, home, nil)
	must(t, err)
	old.until("the first block", func() bool { return old.height() > 0 })
	tenant, prov := old.addr("tenant"), old.addr("provider")
	const price, put, bond = 1000, 5_000_000, 500_000
	deposit := func(n int64) depositv1.Deposit {
		return depositv1.Deposit{Amount: sdk.NewInt64Coin("uact", n), Sources: []depositv1.Source{depositv1.SourceBalance}}
	}
	val := func(n int64) resources.ResourceValue { return resources.ResourceValue{Val: math.NewInt(n)} }
	group := deploymentv1beta4.GroupSpec{Name: "westcoast", Resources: []deploymentv1beta4.ResourceUnit{{
		Resources: resources.Resources{ID: 1, CPU: &resources.CPU{Units: val(100)}, Memory: &resources.Memory{Quantity: val(128 << 20)}, GPU: &resources.GPU{Units: val(0)},
			Storage: []resources.Storage{{Name: "default", Quantity: val(512 << 20)}}, Endpoints: []resources.Endpoint{{Kind: resources.Endpoint_SHARED_HTTP}}},
		Count: 1, Price: sdk.NewInt64DecCoin("uact", 2*price)}}}
	old.must("provider", &providerv1beta4.MsgCreateProvider{Owner: prov, HostURI: "https://p.localhost:8443", Attributes: []attributesv1.Attribute{{Key: "region", Value: "us-west"}}})
	id := func(dseq uint64) deploymentv1.DeploymentID {
		return deploymentv1.DeploymentID{Owner: tenant, DSeq: dseq}
	}
	bid := func(dseq uint64) marketv1.BidID {
		return marketv1.MakeBidID(marketv1.MakeOrderID(deploymentv1.MakeGroupID(id(dseq), 1), 1), prov)
	}
	for dseq := uint64(7); dseq <= 8; dseq++ { // 7 stays an open order with a bid, 8 gets its lease
		old.must("tenant", &deploymentv1beta4.MsgCreateDeployment{ID: id(dseq), Groups: []deploymentv1beta4.GroupSpec{group}, Hash: make([]byte, 32), Deposit: deposit(put)})
		old.must("provider", &marketv1beta5.MsgCreateBid{ID: bid(dseq), Price: sdk.NewInt64DecCoin("uact", price), Deposit: deposit(bond)})
	}
	leased := old.must("tenant", &marketv1beta5.MsgCreateLease{BidID: bid(8)})

	at := old.height() + 80
	plan := upgradetypes.Plan{Name: "next", Height: at, Info: "see the release notes"}
	proposal, err := govv1.NewMsgSubmitProposal([]sdk.Msg{&upgradetypes.MsgSoftwareUpgrade{Authority: app.Authority(), Plan: plan}},
		sdk.NewCoins(sdk.NewInt64Coin("uakt", 10_000_000)), old.addr(node.ValidatorKey), "", "next", "the next version", false)
	must(t, err)
	old.must(node.ValidatorKey, proposal)
	old.must(node.ValidatorKey, govv1.NewMsgVote(sdk.MustAccAddressFromBech32(old.addr(node.ValidatorKey)), 1, govv1.OptionYes, ""))
	old.until("the plan", func() bool {
		res, err := upgradetypes.NewQueryClient(old.conn).CurrentPlan(context.Background(), &upgradetypes.QueryCurrentPlanRequest{})
		return err == nil && res.Plan != nil && res.Plan.Name == "next"
	})

	// The stop: one sentence, and the file that cosmovisor reads.
	var needed *upgrades.Needed
	select {
	case err := <-old.ended:
		if !errors.As(err, &needed) {
			t.Fatalf("the node ended with %v", err)
		}
		old.ended <- nil // for stop
	case <-time.After(2 * time.Minute):
		t.Fatal("the node goes on after the height of the upgrade")
	}
	if needed.Name != "next" || needed.Height != at || !strings.Contains(needed.Error(), "see the release notes") || strings.Contains(needed.Error(), "\n") {
		t.Errorf("it says %q", needed)
	}
	t.Log(needed)
	var info upgradetypes.Plan
	text, err := os.ReadFile(filepath.Join(home, "data", "upgrade-info.json"))
	must(t, errors.Join(err, json.Unmarshal(text, &info)))
	if info.Name != "next" || info.Height != at {
		t.Errorf("upgrade-info.json says %s", text)
	}
	if _, err := start(t, home, nil); !errors.As(err, &needed) {
		t.Errorf("the old program starts again, or says %v", err)
	}
	skipping := t.TempDir()
	must(t, os.CopyFS(skipping, os.DirFS(home)))

	// The next version goes on.
	now, err := start(t, home, next())
	must(t, err)
	now.until("blocks after the upgrade", func() bool { return now.height() > at+2 })
	ctx := context.Background()
	versions, err := upgradetypes.NewQueryClient(now.conn).ModuleVersions(ctx, &upgradetypes.QueryModuleVersionsRequest{ModuleName: provider.ModuleName})
	must(t, err)
	if v := versions.ModuleVersions[0].Version; v != 2 {
		t.Errorf("module provider has version %d, want 2", v)
	}
	applied, err := upgradetypes.NewQueryClient(now.conn).AppliedPlan(ctx, &upgradetypes.QueryAppliedPlanRequest{Name: "next"})
	must(t, err)
	if applied.Height != at {
		t.Errorf("applied at %d, want %d", applied.Height, at)
	}
	market := marketv1beta5.NewQueryClient(now.conn)
	lease, err := market.Lease(ctx, &marketv1beta5.QueryLeaseRequest{ID: bid(8).LeaseID()})
	must(t, err)
	if lease.Lease.State != marketv1.LeaseActive {
		t.Errorf("the lease is %s", lease.Lease.State)
	}
	open, err := market.Bid(ctx, &marketv1beta5.QueryBidRequest{ID: bid(7)})
	must(t, err)
	if open.Bid.State != marketv1beta5.BidOpen {
		t.Errorf("the bid is %s", open.Bid.State)
	}

	// A second start finds nothing more to do.
	now.stop()
	now, err = start(t, home, next())
	must(t, err)
	now.until("a block", func() bool { return now.height() > at+4 })
	closed := now.must("tenant", &deploymentv1beta4.MsgCloseDeployment{ID: id(8)})
	now.must("tenant", &deploymentv1beta4.MsgCloseDeployment{ID: id(7)})
	paid := price * (closed - leased)
	if got, want := now.balance("provider"), funds+paid; got != want {
		t.Errorf("the provider has %d uact, want %d", got, want)
	}
	if got, want := now.balance("tenant"), funds-paid; got != want {
		t.Errorf("the tenant has %d uact, want %d", got, want)
	}
	now.stop()

	// The old program stops at its first block, which may be before or after its doors open.
	older, err := start(t, home, nil)
	if err == nil {
		select {
		case err = <-older.ended:
			older.ended <- nil
		case <-time.After(time.Minute):
		}
	}
	if err == nil || !strings.Contains(err.Error(), "older than the chain, which upgraded to \"next\" at height") {
		t.Errorf("the old program on the next version's state: %v", err)
	}

	// Skipped: the old program goes on without it.
	skip, err := start(t, skipping, map[string]any{server.FlagUnsafeSkipUpgrades: []int{int(at)}})
	must(t, err)
	skip.until("blocks after the skipped height", func() bool { return skip.height() > at+1 })
	if v, err := upgradetypes.NewQueryClient(skip.conn).ModuleVersions(ctx, &upgradetypes.QueryModuleVersionsRequest{ModuleName: provider.ModuleName}); err != nil || v.ModuleVersions[0].Version != 1 {
		t.Errorf("after a skipped upgrade: %v %v", v, err)
	}
}
