package app_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	abci "github.com/cometbft/cometbft/abci/types"
	cmtproto "github.com/cometbft/cometbft/proto/tendermint/types"
	dbm "github.com/cosmos/cosmos-db"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"cosmossdk.io/log/v2"
	"cosmossdk.io/math"

	"github.com/cosmos/cosmos-sdk/baseapp"
	"github.com/cosmos/cosmos-sdk/client/tx"
	"github.com/cosmos/cosmos-sdk/codec"
	"github.com/cosmos/cosmos-sdk/crypto/hd"
	"github.com/cosmos/cosmos-sdk/crypto/keyring"
	sdk "github.com/cosmos/cosmos-sdk/types"
	txtypes "github.com/cosmos/cosmos-sdk/types/tx"
	"github.com/cosmos/cosmos-sdk/types/tx/signing"
	authtypes "github.com/cosmos/cosmos-sdk/x/auth/types"
	"github.com/cosmos/cosmos-sdk/x/authz"
	banktypes "github.com/cosmos/cosmos-sdk/x/bank/types"
	"github.com/cosmos/cosmos-sdk/x/feegrant"

	attributesv1 "github.com/akash-supercloud/akash/api/akash/base/attributes/v1"
	depositv1 "github.com/akash-supercloud/akash/api/akash/base/deposit/v1"
	resources "github.com/akash-supercloud/akash/api/akash/base/resources/v1beta4"
	deploymentv1 "github.com/akash-supercloud/akash/api/akash/deployment/v1"
	deploymentv1beta4 "github.com/akash-supercloud/akash/api/akash/deployment/v1beta4"
	discoveryv1 "github.com/akash-supercloud/akash/api/akash/discovery/v1"
	marketv1 "github.com/akash-supercloud/akash/api/akash/market/v1"
	marketv1beta5 "github.com/akash-supercloud/akash/api/akash/market/v1beta5"
	providerv1beta4 "github.com/akash-supercloud/akash/api/akash/provider/v1beta4"
	"github.com/akash-supercloud/akash/app"
	"github.com/akash-supercloud/akash/app/genesis"
	"github.com/akash-supercloud/akash/app/node"
)

// chain is a node of a network of its own in this process, with keys that have funds on it.
type chain struct {
	t    *testing.T
	enc  app.Encoding
	home string
	at   node.Addresses
	conn *grpc.ClientConn
	keys keyring.Keyring
	addr map[string]string
	stop func()
}

var hdAlgo = hd.Secp256k1

const funds = 1_000_000_000 // of each coin, in millionths

func newChain(t *testing.T, names ...string) *chain {
	t.Helper()
	c := &chain{t: t, enc: app.NewEncoding(), home: t.TempDir(), addr: map[string]string{}}
	c.keys = keyring.NewInMemory(c.enc.Codec)
	var accounts []genesis.Account
	for _, name := range names {
		k, _, err := c.keys.NewMnemonic(name, keyring.English, sdk.FullFundraiserPath, "", hd.Secp256k1)
		if err != nil {
			t.Fatal(err)
		}
		a, err := k.GetAddress()
		if err != nil {
			t.Fatal(err)
		}
		c.addr[name] = a.String()
		accounts = append(accounts, genesis.Account{Address: a.String(), Coins: sdk.NewCoins(sdk.NewInt64Coin("uakt", funds), sdk.NewInt64Coin("uact", funds))})
	}
	if err := node.Init(c.home, node.GenesisConfig{BlockTime: 100 * time.Millisecond, Accounts: accounts}); err != nil {
		t.Fatal(err)
	}
	c.start(nil)
	return c
}

// start runs the node; it ends with the test, or by c.stop.
func (c *chain) start(options map[string]any) {
	c.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ready, ended := make(chan node.Addresses, 1), make(chan error, 1)
	go func() {
		ended <- node.Run(ctx, node.Config{Home: c.home, RPCAddr: "127.0.0.1:0", GRPCAddr: "127.0.0.1:0", RESTAddr: "127.0.0.1:0", P2PAddr: "127.0.0.1:0",
			Options: options, Ready: func(a node.Addresses) { ready <- a }})
	}()
	select {
	case c.at = <-ready:
	case err := <-ended:
		c.t.Fatalf("Run: %v", err)
	}
	conn, err := grpc.NewClient(c.at.GRPC, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.ForceCodec(codec.NewProtoCodec(c.enc.Registry).GRPCCodec())))
	if err != nil {
		c.t.Fatal(err)
	}
	c.conn = conn
	done := false
	c.stop = func() {
		if done {
			return
		}
		done = true
		_ = conn.Close()
		cancel()
		if err := <-ended; err != nil {
			c.t.Errorf("Run: %v", err)
		}
	}
	c.t.Cleanup(c.stop)
	c.until("the first block", func() bool {
		_, err := authtypes.NewQueryClient(c.conn).Params(context.Background(), &authtypes.QueryParamsRequest{})
		return err == nil
	})
}

func (c *chain) until(what string, ok func() bool) {
	c.t.Helper()
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if ok() {
			return
		}
	}
	c.t.Fatalf("%s didn't come within 30 s", what)
}

// fee is what every transaction of the test pays, in uakt.
const fee = 20_000

// send signs msgs by key name and waits until they are in a block. It returns the answer of the block, or the error
// of the check before it.
func (c *chain) send(name string, msgs ...sdk.Msg) (*sdk.TxResponse, error) {
	c.t.Helper()
	ctx := context.Background()
	res, err := authtypes.NewQueryClient(c.conn).AccountInfo(ctx, &authtypes.QueryAccountInfoRequest{Address: c.addr[name]})
	if err != nil {
		return nil, err
	}
	b := c.enc.TxConfig.NewTxBuilder()
	if err := b.SetMsgs(msgs...); err != nil {
		return nil, err
	}
	b.SetGasLimit(2_000_000)
	b.SetFeeAmount(sdk.NewCoins(sdk.NewInt64Coin("uakt", fee)))
	f := tx.Factory{}.WithChainID("localakash").WithKeybase(c.keys).WithTxConfig(c.enc.TxConfig).WithSignMode(signing.SignMode_SIGN_MODE_DIRECT).
		WithAccountNumber(res.Info.AccountNumber).WithSequence(res.Info.Sequence)
	if err := tx.Sign(ctx, f, name, b, true); err != nil {
		return nil, err
	}
	raw, err := c.enc.TxConfig.TxEncoder()(b.GetTx())
	if err != nil {
		return nil, err
	}
	txs := txtypes.NewServiceClient(c.conn)
	sent, err := txs.BroadcastTx(ctx, &txtypes.BroadcastTxRequest{TxBytes: raw, Mode: txtypes.BroadcastMode_BROADCAST_MODE_SYNC})
	if err != nil {
		return nil, err
	}
	if sent.TxResponse.Code != 0 {
		return sent.TxResponse, nil
	}
	var found *sdk.TxResponse
	c.until("the transaction", func() bool {
		got, err := txs.GetTx(ctx, &txtypes.GetTxRequest{Hash: sent.TxResponse.TxHash})
		if err == nil {
			found = got.TxResponse
		}
		return err == nil
	})
	return found, nil
}

// must sends msgs, which have to succeed, and returns their block's height.
func (c *chain) must(name string, msgs ...sdk.Msg) int64 {
	c.t.Helper()
	res, err := c.send(name, msgs...)
	if err != nil {
		c.t.Fatalf("%T by %s: %v", msgs[0], name, err)
	}
	if res.Code != 0 {
		c.t.Fatalf("%T by %s: %s/%d: %s", msgs[0], name, res.Codespace, res.Code, res.RawLog)
	}
	c.t.Logf("%T: block %d, gas %d", msgs[0], res.Height, res.GasUsed)
	return res.Height
}

// refused sends msgs, which have to fail with the error codespace/code.
func (c *chain) refused(want, name string, msgs ...sdk.Msg) {
	c.t.Helper()
	res, err := c.send(name, msgs...)
	if err != nil {
		c.t.Errorf("%T by %s: %v", msgs[0], name, err)
		return
	}
	if got := fmt.Sprintf("%s/%d", res.Codespace, res.Code); got != want {
		c.t.Errorf("%T by %s: %s, want %s: %s", msgs[0], name, got, want, res.RawLog)
	}
}

func (c *chain) balance(name, denom string) int64 {
	c.t.Helper()
	res, err := banktypes.NewQueryClient(c.conn).Balance(context.Background(), &banktypes.QueryBalanceRequest{Address: c.addr[name], Denom: denom})
	if err != nil {
		c.t.Fatal(err)
	}
	return res.Balance.Amount.Int64()
}

func (c *chain) get(url string, into any) {
	c.t.Helper()
	res, err := http.Get("http://" + url)
	if err != nil {
		c.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err = errors.Join(err, json.Unmarshal(body, into)); err != nil || res.StatusCode != http.StatusOK {
		c.t.Fatalf("GET %s: %s: %v: %s", url, res.Status, err, body)
	}
}

func val(n int64) resources.ResourceValue { return resources.ResourceValue{Val: math.NewInt(n)} }

func group(price int64) deploymentv1beta4.GroupSpec {
	return deploymentv1beta4.GroupSpec{
		Name:         "westcoast",
		Requirements: attributesv1.PlacementRequirements{Attributes: []attributesv1.Attribute{{Key: "region", Value: "us-west"}}},
		Resources: []deploymentv1beta4.ResourceUnit{{
			Resources: resources.Resources{
				ID: 1, CPU: &resources.CPU{Units: val(100)}, Memory: &resources.Memory{Quantity: val(128 << 20)}, GPU: &resources.GPU{Units: val(0)},
				Storage:   []resources.Storage{{Name: "default", Quantity: val(512 << 20)}},
				Endpoints: []resources.Endpoint{{Kind: resources.Endpoint_SHARED_HTTP}},
			},
			Count: 1, Price: sdk.NewInt64DecCoin("uact", price),
		}},
	}
}

func deposit(n int64) depositv1.Deposit {
	return depositv1.Deposit{Amount: sdk.NewInt64Coin("uact", n), Sources: []depositv1.Source{depositv1.SourceBalance}}
}

// open reads the stopped chain's state.
func (c *chain) open() *app.App {
	c.t.Helper()
	db, err := dbm.NewDB("application", dbm.GoLevelDBBackend, filepath.Join(c.home, "data"))
	if err != nil {
		c.t.Fatal(err)
	}
	a := app.New(log.NewNopLogger(), db, none{}, baseapp.SetChainID("localakash"))
	c.t.Cleanup(func() { _ = a.Close() })
	return a
}

type none struct{}

func (none) Get(string) any { return nil }

// TestExport holds that a chain that starts from an export has the state that was exported, to the byte.
func TestExport(t *testing.T) {
	c := newChain(t, "tenant", "provider", "friend")
	id := deploymentv1.DeploymentID{Owner: c.addr["tenant"], DSeq: 7}
	c.must("provider", &providerv1beta4.MsgCreateProvider{Owner: c.addr["provider"], HostURI: "https://p.localhost:8443",
		Attributes: []attributesv1.Attribute{{Key: "region", Value: "us-west"}}})
	for _, dseq := range []uint64{7, 8, 9} {
		id.DSeq = dseq
		c.must("tenant", &deploymentv1beta4.MsgCreateDeployment{ID: id, Groups: []deploymentv1beta4.GroupSpec{group(3)}, Hash: make([]byte, 32), Deposit: deposit(5_000_000)})
		bid := marketv1.MakeBidID(marketv1.MakeOrderID(deploymentv1.MakeGroupID(id, 1), 1), c.addr["provider"])
		c.must("provider", &marketv1beta5.MsgCreateBid{ID: bid, Price: sdk.NewDecCoinFromDec("uact", math.LegacyMustNewDecFromStr("1.7")), Deposit: deposit(500_000)})
		if dseq > 7 {
			c.must("tenant", &marketv1beta5.MsgCreateLease{BidID: bid})
		}
		if dseq > 8 {
			c.must("tenant", &marketv1beta5.MsgCloseLease{ID: bid.LeaseID()})
		}
	}
	c.stop()
	a := c.open()
	ctx := a.NewContextLegacy(true, cmtproto.Header{Height: a.LastBlockHeight()})
	if err := a.Invariants(ctx); err != nil {
		t.Error(err)
	}
	first, err := a.ExportState(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}

	b := app.New(log.NewNopLogger(), dbm.NewMemDB(), none{}, baseapp.SetChainID("localakash"))
	if _, err := b.InitChain(&abci.RequestInitChain{ChainId: "localakash", AppStateBytes: first.AppState, ConsensusParams: &first.ConsensusParams, InitialHeight: first.Height, Time: time.Now()}); err != nil {
		t.Fatal(err)
	}
	second := b.NewContextLegacy(false, cmtproto.Header{Height: first.Height})
	if err := b.Invariants(second); err != nil {
		t.Error(err)
	}
	again, err := b.ExportState(second, nil)
	if err != nil {
		t.Fatal(err)
	}
	var was, is map[string]json.RawMessage
	if err := errors.Join(json.Unmarshal(first.AppState, &was), json.Unmarshal(again.AppState, &is)); err != nil {
		t.Fatal(err)
	}
	for name := range was {
		if !bytes.Equal(was[name], is[name]) {
			t.Errorf("module %s changed on its way through a genesis:\n%s\n%s", name, was[name], is[name])
		}
	}
}

// TestLease is the deployment's way: create, bid, lease, withdraw, close; every coin is accounted for.
func TestLease(t *testing.T) {
	c := newChain(t, "tenant", "provider", "loser", "stranger")
	ctx := context.Background()
	const price, put, bond = 1000, 5_000_000, 500_000
	id := deploymentv1.DeploymentID{Owner: c.addr["tenant"], DSeq: 7}
	create := &deploymentv1beta4.MsgCreateDeployment{ID: id, Groups: []deploymentv1beta4.GroupSpec{group(2 * price)}, Hash: make([]byte, 32), Deposit: deposit(put)}
	c.must("tenant", create)
	c.refused("deployment/3", "tenant", create)
	order := marketv1.MakeOrderID(deploymentv1.MakeGroupID(id, 1), 1)
	bid := func(who string, price int64) *marketv1beta5.MsgCreateBid {
		return &marketv1beta5.MsgCreateBid{ID: marketv1.MakeBidID(order, c.addr[who]), Price: sdk.NewInt64DecCoin("uact", price), Deposit: deposit(bond)}
	}
	c.refused("market/30", "provider", bid("provider", price)) // nobody knows it yet
	for _, who := range []string{"provider", "loser"} {
		c.must(who, &providerv1beta4.MsgCreateProvider{Owner: c.addr[who], HostURI: "https://" + who + ".localhost:8443",
			Attributes: []attributesv1.Attribute{{Key: "region", Value: "us-west"}}})
	}
	c.refused("market/22", "provider", bid("provider", 2*price+1))
	c.must("provider", bid("provider", price))
	c.must("loser", bid("loser", price+1))
	if got := c.balance("provider", "uact"); got != funds-bond {
		t.Errorf("after its bid the provider has %d uact, want %d", got, funds-bond)
	}

	won := bid("provider", price).ID
	leased := c.must("tenant", &marketv1beta5.MsgCreateLease{BidID: won})
	if got := c.balance("loser", "uact"); got != funds {
		t.Errorf("after the lease the loser has %d uact, want all %d back", got, funds)
	}
	c.refused("provider/11", "provider", &providerv1beta4.MsgDeleteProvider{Owner: c.addr["provider"]})
	c.must("loser", &providerv1beta4.MsgDeleteProvider{Owner: c.addr["loser"]})

	lease, err := marketv1beta5.NewQueryClient(c.conn).Lease(ctx, &marketv1beta5.QueryLeaseRequest{ID: won.LeaseID()})
	if err != nil {
		t.Fatal(err)
	}
	if lease.Lease.State != marketv1.LeaseActive || !lease.Lease.Price.Equal(sdk.NewInt64DecCoin("uact", price)) {
		t.Errorf("lease: %+v", lease.Lease)
	}

	withdrawn := c.must("provider", &marketv1beta5.MsgWithdrawLease{ID: won.LeaseID()})
	if got, want := c.balance("provider", "uact"), funds-bond+price*(withdrawn-leased); got != want {
		t.Errorf("after a withdrawal %d blocks into the lease the provider has %d uact, want %d", withdrawn-leased, got, want)
	}

	// The three doors tell the same.
	var rest struct {
		Lease struct{ State string }
	}
	c.get(fmt.Sprintf("%s/akash/market/v1beta5/leases/info?id.owner=%s&id.dseq=7&id.gseq=1&id.oseq=1&id.provider=%s", c.at.REST, id.Owner, c.addr["provider"]), &rest)
	if rest.Lease.State != "active" {
		t.Errorf("REST tells lease state %q", rest.Lease.State)
	}
	var rpc struct {
		Result struct {
			NodeInfo struct{ Version string } `json:"node_info"`
		}
	}
	c.get(c.at.RPC+"/status", &rpc)
	if !strings.HasPrefix(rpc.Result.NodeInfo.Version, "0.38.") {
		t.Errorf("status tells version %q", rpc.Result.NodeInfo.Version)
	}
	info, err := discoveryv1.NewDiscoveryClient(c.conn).GetInfo(ctx, &discoveryv1.GetInfoRequest{})
	if err != nil || info.Info.ChainID != "localakash" || info.Info.ClientInfo.ApiVersion != "v1beta3" {
		t.Errorf("discovery over gRPC: %v %v", info, err)
	}
	if _, err := deploymentv1beta4.NewQueryClient(c.conn).Deployment(ctx, &deploymentv1beta4.QueryDeploymentRequest{
		ID: deploymentv1.DeploymentID{Owner: id.Owner, DSeq: 8}}); status.Code(err) != codes.NotFound {
		t.Errorf("an unknown deployment: %v", err)
	}
	res, err := http.Get("http://" + c.at.REST + "/akash/deployment/v1beta4/deployments/info?id.owner=" + id.Owner + "&id.dseq=8")
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusNotFound {
		t.Errorf("an unknown deployment over REST: %s", res.Status)
	}

	// A restart keeps all of it.
	c.stop()
	c.start(nil)
	if got, err := marketv1beta5.NewQueryClient(c.conn).Lease(ctx, &marketv1beta5.QueryLeaseRequest{ID: won.LeaseID()}); err != nil || got.Lease.State != marketv1.LeaseActive {
		t.Errorf("after a restart: %v %v", got, err)
	}

	if res, err := c.send("stranger", &deploymentv1beta4.MsgCloseDeployment{ID: id}); err == nil && res.Code == 0 {
		t.Error("a stranger closed the deployment")
	}
	closed := c.must("tenant", &deploymentv1beta4.MsgCloseDeployment{ID: id})
	paid := price * (closed - leased)
	if got, want := c.balance("provider", "uact"), funds+paid; got != want {
		t.Errorf("in the end the provider has %d uact, want %d", got, want)
	}
	if got, want := c.balance("tenant", "uact"), funds-paid; got != want {
		t.Errorf("in the end the tenant has %d uact, want %d", got, want)
	}
	if got, want := c.balance("tenant", "uakt"), int64(funds-4*fee); got != want {
		t.Errorf("in the end the tenant has %d uakt, want %d", got, want)
	}
	c.must("provider", &providerv1beta4.MsgDeleteProvider{Owner: c.addr["provider"]})
}

// TestGrantNewcomer: grants to addresses that the chain has never seen make their accounts.
func TestGrantNewcomer(t *testing.T) {
	c := newChain(t, "tenant")
	tenant := sdk.MustAccAddressFromBech32(c.addr["tenant"])
	for i, msg := range []func(to sdk.AccAddress) (sdk.Msg, error){
		func(to sdk.AccAddress) (sdk.Msg, error) {
			return authz.NewMsgGrant(tenant, to, authz.NewGenericAuthorization("/cosmos.bank.v1beta1.MsgSend"), nil)
		},
		func(to sdk.AccAddress) (sdk.Msg, error) {
			return feegrant.NewMsgGrantAllowance(&feegrant.BasicAllowance{}, tenant, to)
		},
	} {
		m, err := msg(bytes.Repeat([]byte{byte(7 + i)}, 20))
		if err != nil {
			t.Fatal(err)
		}
		c.must("tenant", m)
	}
}
