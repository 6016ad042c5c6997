package market

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	cmtproto "github.com/cometbft/cometbft/proto/tendermint/types"
	dbm "github.com/cosmos/cosmos-db"
	"github.com/cosmos/gogoproto/proto"

	corestore "cosmossdk.io/core/store"
	"cosmossdk.io/log/v2"

	"github.com/cosmos/cosmos-sdk/baseapp"
	"github.com/cosmos/cosmos-sdk/codec"
	addresscodec "github.com/cosmos/cosmos-sdk/codec/address"
	codectestutil "github.com/cosmos/cosmos-sdk/codec/testutil"
	"github.com/cosmos/cosmos-sdk/runtime"
	"github.com/cosmos/cosmos-sdk/store/v2"
	storetypes "github.com/cosmos/cosmos-sdk/store/v2/types"
	sdk "github.com/cosmos/cosmos-sdk/types"
	"github.com/cosmos/cosmos-sdk/types/module"
	authkeeper "github.com/cosmos/cosmos-sdk/x/auth/keeper"
	authtypes "github.com/cosmos/cosmos-sdk/x/auth/types"
	"github.com/cosmos/cosmos-sdk/x/authz"
	authzkeeper "github.com/cosmos/cosmos-sdk/x/authz/keeper"
	authzmodule "github.com/cosmos/cosmos-sdk/x/authz/module"
	bankkeeper "github.com/cosmos/cosmos-sdk/x/bank/keeper"
	banktypes "github.com/cosmos/cosmos-sdk/x/bank/types"

	"github.com/akash-supercloud/akash/api"
	deploymentv1beta4 "github.com/akash-supercloud/akash/api/akash/deployment/v1beta4"
	escrowv1 "github.com/akash-supercloud/akash/api/akash/escrow/v1"
	types "github.com/akash-supercloud/akash/api/akash/market/v1beta5"
	tradev1 "github.com/akash-supercloud/akash/api/akash/trade/v1"
	"github.com/akash-supercloud/akash/x/audit"
	"github.com/akash-supercloud/akash/x/deployment"
	"github.com/akash-supercloud/akash/x/escrow"
	"github.com/akash-supercloud/akash/x/provider"
)

// chain is the market's modules around the SDK's real accounts, bank and grants, over a
// multistore in memory. It has no consensus; the test makes its blocks.
type chain struct {
	t          testing.TB
	ctx        sdk.Context
	cdc        codec.Codec
	router     *baseapp.MsgServiceRouter
	bank       bankkeeper.BaseKeeper
	authz      authzkeeper.Keeper
	escrow     *escrow.Keeper
	deployment *deployment.Keeper
	market     *Keeper
	provider   *provider.Keeper
	audit      *audit.Keeper
	authority  string

	names  map[string]string // name → address
	events []sdk.Event       // of the last message or block
	writes map[string]map[string]bool
	check  bool // invariants after each message
}

var start = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// counting records which keys a module writes.
type counting struct {
	corestore.KVStoreService
	name string
	c    *chain
}

type countingStore struct {
	corestore.KVStore
	note func(key []byte)
}

func (s counting) OpenKVStore(ctx context.Context) corestore.KVStore {
	return countingStore{s.KVStoreService.OpenKVStore(ctx), func(key []byte) {
		if s.c.writes == nil {
			return
		}
		if s.c.writes[s.name] == nil {
			s.c.writes[s.name] = map[string]bool{}
		}
		s.c.writes[s.name][string(key)] = true
	}}
}

func (s countingStore) Set(key, value []byte) error { s.note(key); return s.KVStore.Set(key, value) }
func (s countingStore) Delete(key []byte) error     { s.note(key); return s.KVStore.Delete(key) }

func newChain(t testing.TB) *chain {
	api.ConfigureAddresses()
	names := []string{authtypes.StoreKey, banktypes.StoreKey, authzkeeper.StoreKey, escrow.StoreKey, deployment.StoreKey, StoreKey, "provider", "audit"}
	keys := storetypes.NewKVStoreKeys(names...)
	db := dbm.NewMemDB()
	cms := store.NewCommitMultiStore(db, log.NewNopLogger())
	for _, n := range names {
		cms.MountStoreWithDB(keys[n], storetypes.StoreTypeIAVL, db)
	}
	if err := cms.LoadLatestVersion(); err != nil {
		t.Fatal(err)
	}
	registry := codectestutil.CodecOptions{AccAddressPrefix: api.Bech32Prefix, ValAddressPrefix: api.Bech32Prefix + "valoper"}.NewInterfaceRegistry()
	c := &chain{t: t, cdc: codec.NewProtoCodec(registry), names: map[string]string{}, check: true}
	c.ctx = sdk.NewContext(cms, cmtproto.Header{Height: 1, Time: start, ChainID: "test"}, false, log.NewNopLogger())
	c.authority = authtypes.NewModuleAddress("gov").String()
	at := func(name string) corestore.KVStoreService {
		return counting{runtime.NewKVStoreService(keys[name]), name, c}
	}
	accounts := authkeeper.NewAccountKeeper(c.cdc, at(authtypes.StoreKey), authtypes.ProtoBaseAccount,
		map[string][]string{escrow.ModuleName: nil, "mint": {authtypes.Minter}}, addresscodec.NewBech32Codec(api.Bech32Prefix), api.Bech32Prefix, c.authority)
	c.bank = bankkeeper.NewBaseKeeper(c.cdc, at(banktypes.StoreKey), accounts, map[string]bool{}, c.authority, log.NewNopLogger())
	c.router = baseapp.NewMsgServiceRouter()
	c.router.SetInterfaceRegistry(registry)
	authtypes.RegisterInterfaces(registry)
	authz.RegisterInterfaces(registry)
	c.authz = authzkeeper.NewKeeper(at(authzkeeper.StoreKey), c.cdc, c.router, accounts).SetBankKeeper(c.bank)
	c.provider = provider.NewKeeper(c.cdc, at("provider"))
	c.audit = audit.NewKeeper(c.cdc, at("audit"))
	c.escrow = escrow.NewKeeper(c.cdc, at(escrow.StoreKey), c.bank, c.authz)
	c.deployment = deployment.NewKeeper(c.cdc, at(deployment.StoreKey), c.escrow, c.authority)
	c.market = NewKeeper(c.cdc, at(StoreKey), c.escrow, c.deployment, c.provider, c.audit, accounts, c.bank, c.authority)
	c.provider.SetLeases(c.market)

	escrow.AppModule{}.RegisterInterfaces(registry)
	deployment.AppModule{}.RegisterInterfaces(registry)
	AppModule{}.RegisterInterfaces(registry)
	TradeModule{}.RegisterInterfaces(registry)
	provider.AppModule{}.RegisterInterfaces(registry)
	audit.AppModule{}.RegisterInterfaces(registry)
	cfg := module.NewConfigurator(c.cdc, c.router, baseapp.NewGRPCQueryRouter())
	provider.NewAppModule(c.provider).RegisterServices(cfg)
	audit.NewAppModule(c.audit).RegisterServices(cfg)
	escrow.NewAppModule(c.escrow).RegisterServices(cfg)
	deployment.NewAppModule(c.deployment).RegisterServices(cfg)
	NewAppModule(c.market).RegisterServices(cfg)
	NewTradeModule(c.market).RegisterServices(cfg)
	escrow.NewAuthzModule(authzmodule.NewAppModule(c.cdc, c.authz, accounts, c.bank, registry), c.escrow).RegisterServices(cfg)
	for _, err := range []error{
		accounts.Params.Set(c.ctx, authtypes.DefaultParams()),
		c.bank.SetParams(c.ctx, banktypes.DefaultParams()),
		c.deployment.InitGenesis(c.ctx, deployment.DefaultGenesis()),
		c.market.InitGenesis(c.ctx, DefaultGenesis()),
		c.escrow.InitGenesis(c.ctx, escrow.DefaultGenesis()),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return c
}

// addr returns the address that goes by a name, the same in every run.
func (c *chain) addr(name string) sdk.AccAddress {
	b := make([]byte, 20)
	copy(b, name)
	a := sdk.AccAddress(b)
	c.names[name] = a.String()
	return a
}

func (c *chain) fund(name string, coins sdk.Coins) {
	for _, err := range []error{c.bank.MintCoins(c.ctx, "mint", coins), c.bank.SendCoinsFromModuleToAccount(c.ctx, "mint", c.addr(name), coins)} {
		if err != nil {
			c.t.Fatal(err)
		}
	}
}

// send handles a message as a block would: as it comes off the wire, all or nothing. It
// checks the invariants afterwards.
func (c *chain) send(msg sdk.Msg) error {
	c.t.Helper()
	raw, err := proto.Marshal(msg)
	if err != nil {
		return err
	}
	fresh := reflect.New(reflect.TypeOf(msg).Elem()).Interface().(sdk.Msg)
	if err := c.cdc.Unmarshal(raw, fresh); err != nil {
		return err
	}
	branch, write := c.ctx.CacheContext()
	branch = branch.WithEventManager(sdk.NewEventManager())
	c.events = nil
	res, err := c.router.Handler(fresh)(branch, fresh)
	if err != nil {
		return err
	}
	for _, e := range res.Events {
		c.events = append(c.events, sdk.Event(e))
	}
	write()
	c.invariants(fmt.Sprintf("%T", msg))
	return nil
}

func (c *chain) must(msg sdk.Msg) {
	c.t.Helper()
	if err := c.send(msg); err != nil {
		c.t.Fatalf("%T: %v", msg, err)
	}
}

func (c *chain) broken() error {
	return errors.Join(c.escrow.Invariants(c.ctx), c.deployment.Invariants(c.ctx), c.market.Invariants(c.ctx))
}

func (c *chain) invariants(after string) {
	c.t.Helper()
	if !c.check {
		return
	}
	if err := c.broken(); err != nil {
		c.t.Fatalf("after %s at %d: %v", after, c.ctx.BlockHeight(), err)
	}
}

// block ends this block and begins the next, five seconds later.
func (c *chain) block() {
	c.t.Helper()
	em := sdk.NewEventManager()
	ctx := c.ctx.WithEventManager(em)
	if err := errors.Join(c.escrow.EndBlock(ctx), c.market.EndBlock(ctx)); err != nil {
		c.t.Fatal(err)
	}
	c.events = em.Events()
	c.invariants("EndBlock")
	h := c.ctx.BlockHeight() + 1
	c.ctx = c.ctx.WithBlockHeight(h).WithBlockTime(c.ctx.BlockTime().Add(5 * time.Second))
}

// rename puts names in the place of addresses.
func (c *chain) rename(s string) string {
	for n, a := range c.names {
		s = strings.ReplaceAll(s, a, n)
	}
	return s
}

// eventLines are the events of our own, one a line, short.
func (c *chain) eventLines() []string {
	var lines []string
	for _, e := range c.events {
		short, ok := strings.CutPrefix(e.Type, "akash.")
		if !ok {
			continue
		}
		line := short[strings.LastIndex(short, ".")+1:]
		for _, a := range e.Attributes {
			line += " " + a.Key + "=" + plain(a.Key, a.Value)
		}
		lines = append(lines, c.rename(line))
	}
	return lines
}

// plain writes an attribute's JSON in a way that people read.
func plain(name, value string) string {
	var v any
	if err := json.Unmarshal([]byte(value), &v); err != nil {
		return value
	}
	switch v := v.(type) {
	case map[string]any:
		if d, ok := v["denom"]; ok {
			return fmt.Sprint(v["amount"], d)
		}
		var parts []string
		for _, k := range []string{"scope", "aid", "xid", "owner", "dseq", "gseq", "oseq", "provider"} {
			if p, ok := v[k]; ok {
				raw, _ := json.Marshal(p)
				parts = append(parts, plain(k, string(raw)))
			}
		}
		return strings.Join(parts, "/")
	case string:
		if name == "hash" {
			return "…"
		}
		return v
	default:
		return fmt.Sprint(v)
	}
}

// genesis is the state of the three modules.
func (c *chain) genesis() (e *escrowv1.GenesisState, d *deploymentv1beta4.GenesisState, m *types.GenesisState) {
	c.t.Helper()
	e, err1 := c.escrow.ExportGenesis(c.ctx)
	d, err2 := c.deployment.ExportGenesis(c.ctx)
	m, err3 := c.market.ExportGenesis(c.ctx)
	if err := errors.Join(err1, err2, err3); err != nil {
		c.t.Fatal(err)
	}
	return e, d, m
}

func (c *chain) tradeGenesis() *tradev1.GenesisState {
	c.t.Helper()
	g, err := c.market.ExportTradeGenesis(c.ctx)
	if err != nil {
		c.t.Fatal(err)
	}
	return g
}
