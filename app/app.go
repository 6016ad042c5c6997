// Package app is the chain: which modules run, in which order, over which stores.
//
// It is wired by hand in New, top to bottom. What always holds: the same blocks give the same app hash on
// every machine; module accounts can't be paid by plain sends; account numbers are below 2^53; and every
// module's authority for parameter changes is the governance account.
package app

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	abci "github.com/cometbft/cometbft/abci/types"
	dbm "github.com/cosmos/cosmos-db"
	"github.com/spf13/cast"

	autocliv1 "cosmossdk.io/api/cosmos/autocli/v1"
	reflectionv1 "cosmossdk.io/api/cosmos/reflection/v1"
	corestore "cosmossdk.io/core/store"
	"cosmossdk.io/log/v2"

	"github.com/cosmos/cosmos-sdk/baseapp"
	"github.com/cosmos/cosmos-sdk/baseapp/blockexec"
	"github.com/cosmos/cosmos-sdk/client"
	"github.com/cosmos/cosmos-sdk/client/flags"
	"github.com/cosmos/cosmos-sdk/client/grpc/cmtservice"
	nodeservice "github.com/cosmos/cosmos-sdk/client/grpc/node"
	"github.com/cosmos/cosmos-sdk/codec/address"
	"github.com/cosmos/cosmos-sdk/runtime"
	runtimeservices "github.com/cosmos/cosmos-sdk/runtime/services"
	"github.com/cosmos/cosmos-sdk/server"
	"github.com/cosmos/cosmos-sdk/server/api"
	"github.com/cosmos/cosmos-sdk/server/config"
	servertypes "github.com/cosmos/cosmos-sdk/server/types"
	storetypes "github.com/cosmos/cosmos-sdk/store/v2/types"
	sdk "github.com/cosmos/cosmos-sdk/types"
	"github.com/cosmos/cosmos-sdk/types/module"
	txtypes "github.com/cosmos/cosmos-sdk/types/tx"
	authkeeper "github.com/cosmos/cosmos-sdk/x/auth/keeper"
	authtx "github.com/cosmos/cosmos-sdk/x/auth/tx"
	authtypes "github.com/cosmos/cosmos-sdk/x/auth/types"
	vestingtypes "github.com/cosmos/cosmos-sdk/x/auth/vesting/types"
	"github.com/cosmos/cosmos-sdk/x/authz"
	authzkeeper "github.com/cosmos/cosmos-sdk/x/authz/keeper"
	authzmodule "github.com/cosmos/cosmos-sdk/x/authz/module"
	"github.com/cosmos/cosmos-sdk/x/bank"
	bankkeeper "github.com/cosmos/cosmos-sdk/x/bank/keeper"
	banktypes "github.com/cosmos/cosmos-sdk/x/bank/types"
	"github.com/cosmos/cosmos-sdk/x/consensus"
	consensuskeeper "github.com/cosmos/cosmos-sdk/x/consensus/keeper"
	consensustypes "github.com/cosmos/cosmos-sdk/x/consensus/types"
	distr "github.com/cosmos/cosmos-sdk/x/distribution"
	distrkeeper "github.com/cosmos/cosmos-sdk/x/distribution/keeper"
	distrtypes "github.com/cosmos/cosmos-sdk/x/distribution/types"
	"github.com/cosmos/cosmos-sdk/x/evidence"
	evidencekeeper "github.com/cosmos/cosmos-sdk/x/evidence/keeper"
	evidencetypes "github.com/cosmos/cosmos-sdk/x/evidence/types"
	"github.com/cosmos/cosmos-sdk/x/feegrant"
	feegrantkeeper "github.com/cosmos/cosmos-sdk/x/feegrant/keeper"
	feegrantmodule "github.com/cosmos/cosmos-sdk/x/feegrant/module"
	"github.com/cosmos/cosmos-sdk/x/genutil"
	genutiltypes "github.com/cosmos/cosmos-sdk/x/genutil/types"
	"github.com/cosmos/cosmos-sdk/x/gov"
	govclient "github.com/cosmos/cosmos-sdk/x/gov/client"
	govkeeper "github.com/cosmos/cosmos-sdk/x/gov/keeper"
	govtypes "github.com/cosmos/cosmos-sdk/x/gov/types"
	"github.com/cosmos/cosmos-sdk/x/mint"
	mintkeeper "github.com/cosmos/cosmos-sdk/x/mint/keeper"
	minttypes "github.com/cosmos/cosmos-sdk/x/mint/types"
	"github.com/cosmos/cosmos-sdk/x/slashing"
	slashingkeeper "github.com/cosmos/cosmos-sdk/x/slashing/keeper"
	slashingtypes "github.com/cosmos/cosmos-sdk/x/slashing/types"
	"github.com/cosmos/cosmos-sdk/x/staking"
	stakingkeeper "github.com/cosmos/cosmos-sdk/x/staking/keeper"
	stakingtypes "github.com/cosmos/cosmos-sdk/x/staking/types"
	"github.com/cosmos/cosmos-sdk/x/upgrade"
	upgradeexported "github.com/cosmos/cosmos-sdk/x/upgrade/exported"
	upgradekeeper "github.com/cosmos/cosmos-sdk/x/upgrade/keeper"
	upgradetypes "github.com/cosmos/cosmos-sdk/x/upgrade/types"
	"github.com/cosmos/ibc-go/v11/modules/apps/transfer"
	transferkeeper "github.com/cosmos/ibc-go/v11/modules/apps/transfer/keeper"
	transfertypes "github.com/cosmos/ibc-go/v11/modules/apps/transfer/types"
	transferv2 "github.com/cosmos/ibc-go/v11/modules/apps/transfer/v2"
	ibc "github.com/cosmos/ibc-go/v11/modules/core"
	porttypes "github.com/cosmos/ibc-go/v11/modules/core/05-port/types"
	ibcapi "github.com/cosmos/ibc-go/v11/modules/core/api"
	ibcexported "github.com/cosmos/ibc-go/v11/modules/core/exported"
	ibckeeper "github.com/cosmos/ibc-go/v11/modules/core/keeper"
	ibctm "github.com/cosmos/ibc-go/v11/modules/light-clients/07-tendermint"

	wire "github.com/akash-supercloud/akash/api"
	discoveryv1 "github.com/akash-supercloud/akash/api/akash/discovery/v1"
	"github.com/akash-supercloud/akash/app/account"
	"github.com/akash-supercloud/akash/app/ante"
	"github.com/akash-supercloud/akash/app/upgrades"
	"github.com/akash-supercloud/akash/x/audit"
	"github.com/akash-supercloud/akash/x/cert"
	"github.com/akash-supercloud/akash/x/deployment"
	"github.com/akash-supercloud/akash/x/escrow"
	"github.com/akash-supercloud/akash/x/market"
	"github.com/akash-supercloud/akash/x/provider"
)

// moduleAccounts are the accounts that modules own and what each may do with coins.
var moduleAccounts = map[string][]string{
	authtypes.FeeCollectorName:          nil,
	distrtypes.ModuleName:               nil,
	minttypes.ModuleName:                {authtypes.Minter},
	stakingtypes.BondedPoolName:         {authtypes.Burner, authtypes.Staking},
	stakingtypes.NotBondedPoolName:      {authtypes.Burner, authtypes.Staking},
	stakingtypes.KeyRotationFeePoolName: {authtypes.Burner},
	govtypes.ModuleName:                 {authtypes.Burner},
	escrow.ModuleName:                   nil,
	transfertypes.ModuleName:            {authtypes.Minter, authtypes.Burner},
}

// App is the state machine behind CometBFT. Make one with New.
type App struct {
	*baseapp.BaseApp
	Encoding

	keys         map[string]*storetypes.KVStoreKey
	objects      map[string]*storetypes.ObjectStoreKey
	modules      *module.Manager
	basics       module.BasicManager
	configurator module.Configurator

	cacheBetweenBlocks bool

	Account      account.Keeper
	Bank         bankkeeper.BaseKeeper
	Staking      *stakingkeeper.Keeper
	Slashing     slashingkeeper.Keeper
	Mint         mintkeeper.Keeper
	Distribution distrkeeper.Keeper
	Gov          *govkeeper.Keeper
	Upgrade      *upgradekeeper.Keeper
	Evidence     evidencekeeper.Keeper
	Feegrant     feegrantkeeper.Keeper
	Authz        authzkeeper.Keeper
	Consensus    consensuskeeper.Keeper
	IBC          *ibckeeper.Keeper
	Transfer     *transferkeeper.Keeper

	Provider   *provider.Keeper
	Audit      *audit.Keeper
	Cert       *cert.Keeper
	Escrow     *escrow.Keeper
	Deployment *deployment.Keeper
	Market     *market.Keeper
}

var _ servertypes.Application = (*App)(nil)

// OptionSignatureCache is the setting that says how many checked transactions a node remembers; see package ante.
const OptionSignatureCache = "signature-cache"

// OptionQueryInvariants is the setting by which a node's operator lets others have its state checked, which is much work.
const OptionQueryInvariants = "query-invariants"

// Authority is the address that may change every module's parameters: governance.
func Authority() string { return authtypes.NewModuleAddress(govtypes.ModuleName).String() }

// New returns the chain over db, at its latest saved height. opts are read for flags.FlagHome,
// server.FlagUnsafeSkipUpgrades and the block executor; options change the BaseApp before it is sealed.
// It panics if db holds a state that this program can't read.
func New(logger log.Logger, db dbm.DB, opts servertypes.AppOptions, options ...func(*baseapp.BaseApp)) *App {
	next := nextOf(opts)
	a := newApp(next.Stores...)
	a.cacheBetweenBlocks = cast.ToBool(opts.Get(server.FlagInterBlockCache))
	base := baseapp.NewBaseApp(Name, logger, db, a.TxConfig.TxDecoder(), options...)
	base.SetVersion(NodeVersion())
	base.SetInterfaceRegistry(a.Registry)
	base.SetTxEncoder(a.TxConfig.TxEncoder())
	a.BaseApp = base
	a.wire(logger, opts, base.MsgServiceRouter(), base)
	if next.Modules != nil {
		next.Modules(a.modules.Modules, a.keys)
	}
	base.SetParamStore(a.Consensus.ParamsStore)

	// Upgrade first: it may replace the code of everything behind it. Auth forgets expired unordered transactions.
	a.modules.SetOrderPreBlockers(upgradetypes.ModuleName, authtypes.ModuleName)
	// Rewards of the last block are paid before its validators are slashed or changed.
	a.modules.SetOrderBeginBlockers(minttypes.ModuleName, distrtypes.ModuleName, slashingtypes.ModuleName,
		evidencetypes.ModuleName, stakingtypes.ModuleName, ibcexported.ModuleName, genutiltypes.ModuleName, authz.ModuleName)
	a.modules.SetOrderEndBlockers(endBlockers()...)
	a.modules.SetOrderInitGenesis(genesisOrder()...)
	a.modules.SetOrderExportGenesis(genesisOrder()...)

	a.configurator = module.NewConfigurator(a.Codec, base.MsgServiceRouter(), base.GRPCQueryRouter())
	must(a.modules.RegisterServices(a.configurator))
	must(a.prepareUpgrades(opts, append(upgrades.All(), next.Upgrades...)))
	autocliv1.RegisterQueryServer(base.GRPCQueryRouter(), runtimeservices.NewAutoCLIQueryService(a.modules.Modules))
	reflection, err := runtimeservices.NewReflectionService()
	must(err)
	reflectionv1.RegisterReflectionServiceServer(base.GRPCQueryRouter(), reflection)
	discoveryv1.RegisterDiscoveryServer(base.GRPCQueryRouter(), discovery{a})

	base.MountKVStores(a.keys)
	base.MountObjectStores(a.objects)
	var stores []storetypes.StoreKey // all of them: a parallel executor that misses one mixes it up with another
	for _, name := range slices.Sorted(maps.Keys(a.keys)) {
		stores = append(stores, a.keys[name])
	}
	for _, name := range slices.Sorted(maps.Keys(a.objects)) {
		stores = append(stores, a.objects[name])
	}
	blockexec.Apply(base, opts, stores, a.TxConfig.TxDecoder(), func(storetypes.MultiStore) string { return BondDenom })

	cache := ante.DefaultCache
	if v := opts.Get(OptionSignatureCache); v != nil {
		cache = cast.ToInt(v)
	}
	names, err := wire.LegacyNames()
	must(err)
	handler, err := ante.New(ante.Options{
		Account: a.Account, Bank: a.Bank, Feegrant: a.Feegrant, SignModes: a.TxConfig.SignModeHandler(), LegacyNames: names,
		Cache: cache, FeeDenom: BondDenom, IBC: a.IBC,
	})
	must(err)
	base.SetAnteHandler(handler)
	base.SetInitChainer(a.initChain)
	base.SetPreBlocker(a.preBlock)
	base.SetBeginBlocker(func(ctx sdk.Context) (sdk.BeginBlock, error) { return a.modules.BeginBlock(ctx) })
	base.SetEndBlocker(func(ctx sdk.Context) (sdk.EndBlock, error) { return a.modules.EndBlock(ctx) })

	must(a.Registry.SigningContext().Validate())
	must(base.LoadLatestVersion())
	return a
}

// newApp returns the encoding and the store keys, without keepers. more are further stores.
func newApp(more ...string) *App {
	keys := storetypes.NewKVStoreKeys(append([]string{
		authtypes.StoreKey, banktypes.StoreKey, stakingtypes.StoreKey, minttypes.StoreKey, distrtypes.StoreKey,
		slashingtypes.StoreKey, govtypes.StoreKey, consensustypes.StoreKey, upgradetypes.StoreKey, feegrant.StoreKey,
		evidencetypes.StoreKey, authzkeeper.StoreKey, ibcexported.StoreKey, transfertypes.StoreKey,
		provider.StoreKey, audit.StoreKey, cert.StoreKey, escrow.StoreKey, deployment.StoreKey, market.StoreKey,
	}, more...)...)
	return &App{Encoding: newEncoding(), keys: keys, objects: storetypes.NewObjectStoreKeys(banktypes.ObjectStoreKey)}
}

// wire makes all keepers and modules. It touches no store, so the program's commands can use the result without one.
func (a *App) wire(logger log.Logger, opts servertypes.AppOptions, router *baseapp.MsgServiceRouter, versions upgradeexported.ProtocolVersionSetter) {
	store := func(name string) corestore.KVStoreService { return runtime.NewKVStoreService(a.keys[name]) }
	cdc, authority := a.Codec, Authority()
	accountCodec := address.NewBech32Codec(Bech32Prefix)

	a.Consensus = consensuskeeper.NewKeeper(cdc, store(consensustypes.StoreKey), authority, runtime.EventService{})

	a.Account = account.NewKeeper(authkeeper.NewAccountKeeper(cdc, store(authtypes.StoreKey), authtypes.ProtoBaseAccount,
		moduleAccounts, accountCodec, Bech32Prefix, authority, authkeeper.WithUnorderedTransactions(true)),
		cdc, store(authtypes.StoreKey))
	a.Bank = bankkeeper.NewBaseKeeper(cdc, store(banktypes.StoreKey), a.Account, BlockedAddresses(), authority, logger).
		WithObjStoreKey(a.objects[banktypes.ObjectStoreKey])
	a.Staking = stakingkeeper.NewKeeper(cdc, store(stakingtypes.StoreKey), a.Account, a.Bank, authority,
		address.NewBech32Codec(Bech32Prefix+"valoper"), address.NewBech32Codec(Bech32Prefix+"valcons"))
	a.Mint = mintkeeper.NewKeeper(cdc, store(minttypes.StoreKey), a.Staking, a.Account, a.Bank, authtypes.FeeCollectorName, authority)
	a.Distribution = distrkeeper.NewKeeper(cdc, store(distrtypes.StoreKey), a.Account, a.Bank, a.Staking, authtypes.FeeCollectorName, authority)
	a.Slashing = slashingkeeper.NewKeeper(cdc, a.Amino, store(slashingtypes.StoreKey), a.Staking, authority)
	a.Staking.SetHooks(stakingtypes.NewMultiStakingHooks(a.Distribution.Hooks(), a.Slashing.Hooks()))
	a.Feegrant = feegrantkeeper.NewKeeper(cdc, store(feegrant.StoreKey), a.Account).SetBankKeeper(a.Bank)
	// Without the bank a grant to an address that is new to the chain panics.
	a.Authz = authzkeeper.NewKeeper(store(authzkeeper.StoreKey), cdc, router, a.Account).SetBankKeeper(a.Bank)
	skip := map[int64]bool{}
	for _, h := range cast.ToIntSlice(opts.Get(server.FlagUnsafeSkipUpgrades)) {
		skip[int64(h)] = true
	}
	a.Upgrade = upgradekeeper.NewKeeper(skip, store(upgradetypes.StoreKey), cdc, cast.ToString(opts.Get(flags.FlagHome)), versions, authority)
	govConfig := govtypes.DefaultConfig()
	govConfig.MaxMetadataLen = 10_200 // what the wire's clients write
	a.Gov = govkeeper.NewKeeper(cdc, store(govtypes.StoreKey), a.Account, a.Bank, a.Distribution, router, govConfig, authority,
		govkeeper.NewDefaultCalculateVoteResultsAndVotingPower(a.Staking))
	a.Evidence = *evidencekeeper.NewKeeper(cdc, store(evidencetypes.StoreKey), a.Staking, a.Slashing, accountCodec, runtime.ProvideCometInfoService())
	a.Evidence.SetRouter(evidencetypes.NewRouter()) // nobody submits evidence; without a router a message that does panics

	// IBC: one light client, one application. What else could be here and why it isn't: docs/adr/0014.
	a.IBC = ibckeeper.NewKeeper(cdc, store(ibcexported.StoreKey), a.Upgrade, authority)
	a.Transfer = transferkeeper.NewKeeper(cdc, accountCodec, store(transfertypes.StoreKey), a.IBC.ChannelKeeper, router, a.Account, a.Bank, authority)
	a.IBC.SetRouter(porttypes.NewRouter().AddRoute(transfertypes.ModuleName, transfer.NewIBCModule(a.Transfer)))
	a.IBC.SetRouterV2(ibcapi.NewRouter().AddRoute(transfertypes.PortID, transferv2.NewIBCModule(a.Transfer)))
	tendermint := ibctm.NewLightClientModule(cdc, a.IBC.ClientKeeper.GetStoreProvider())
	a.IBC.ClientKeeper.AddRoute(ibctm.ModuleName, &tendermint)

	a.Provider = provider.NewKeeper(cdc, store(provider.StoreKey))
	a.Audit = audit.NewKeeper(cdc, store(audit.StoreKey))
	a.Cert = cert.NewKeeper(cdc, store(cert.StoreKey))
	a.Escrow = escrow.NewKeeper(cdc, store(escrow.StoreKey), a.Bank, a.Authz)
	a.Deployment = deployment.NewKeeper(cdc, store(deployment.StoreKey), a.Escrow, authority)
	a.Market = market.NewKeeper(cdc, store(market.StoreKey), a.Escrow, a.Deployment, a.Provider, a.Audit, a.Account, a.Bank, authority)
	if cast.ToBool(opts.Get(OptionQueryInvariants)) {
		a.Market.AllowInvariantsQuery()
	}
	a.Provider.SetLeases(a.Market)

	a.modules = module.NewManager(
		genutil.NewAppModule(a.Account, a.Staking, a, a.TxConfig),
		account.NewModule(cdc, a.Account),
		account.NewVestingModule(a.Account, a.Bank),
		bank.NewAppModule(cdc, a.Bank, a.Account),
		feegrantmodule.NewAppModule(cdc, a.Account, a.Bank, a.Feegrant, a.Registry),
		gov.NewAppModule(cdc, a.Gov, a.Account, a.Bank),
		mint.NewAppModule(cdc, a.Mint, a.Account, nil),
		slashing.NewAppModule(cdc, a.Slashing, a.Account, a.Bank, a.Staking, a.Registry),
		distr.NewAppModule(cdc, a.Distribution, a.Account, a.Bank, a.Staking),
		staking.NewAppModule(cdc, a.Staking, a.Account, a.Bank),
		upgrade.NewAppModule(a.Upgrade, accountCodec),
		evidence.NewAppModule(a.Evidence),
		escrow.NewAuthzModule(authzmodule.NewAppModule(cdc, a.Authz, a.Account, a.Bank, a.Registry), a.Escrow),
		consensus.NewAppModule(cdc, a.Consensus),
		ibc.NewAppModule(a.IBC),
		ibctm.NewAppModule(tendermint),
		transfer.NewAppModule(a.Transfer),
		provider.NewAppModule(a.Provider),
		audit.NewAppModule(a.Audit),
		cert.NewAppModule(a.Cert),
		escrow.NewAppModule(a.Escrow),
		deployment.NewAppModule(a.Deployment),
		market.NewAppModule(a.Market),
		market.NewTradeModule(a.Market),
	)
	a.basics = module.NewBasicManagerFromManager(a.modules, map[string]module.AppModuleBasic{
		genutiltypes.ModuleName: genutil.NewAppModuleBasic(genutiltypes.DefaultMessageValidator),
		govtypes.ModuleName:     gov.NewAppModuleBasic([]govclient.ProposalHandler{}),
	})
	a.basics.RegisterLegacyAminoCodec(a.Amino)
	a.basics.RegisterInterfaces(a.Registry)
}

// endBlockers: bank first, which credits what the block's transactions paid; then governance, whose decisions count in
// the same block; then the validator set; then the market.
func endBlockers() []string {
	return []string{banktypes.ModuleName, govtypes.ModuleName, stakingtypes.ModuleName, feegrant.ModuleName, escrow.ModuleName, market.ModuleName}
}

// genesisOrder is the order in which modules read the genesis: accounts and coins first, the market's registries
// before the market, and genutil's transactions as soon as staking can take them.
func genesisOrder() []string {
	return []string{
		authtypes.ModuleName, banktypes.ModuleName, distrtypes.ModuleName, stakingtypes.ModuleName, slashingtypes.ModuleName,
		govtypes.ModuleName, minttypes.ModuleName, ibcexported.ModuleName, transfertypes.ModuleName, genutiltypes.ModuleName, evidencetypes.ModuleName, authz.ModuleName,
		feegrant.ModuleName, upgradetypes.ModuleName, vestingtypes.ModuleName, consensustypes.ModuleName,
		provider.ModuleName, audit.ModuleName, cert.ModuleName, escrow.ModuleName, deployment.ModuleName, market.ModuleName,
		market.TradeName,
	}
}

// BlockedAddresses are the addresses that plain sends can't pay: all module accounts.
func BlockedAddresses() map[string]bool {
	blocked := make(map[string]bool, len(moduleAccounts))
	for _, name := range slices.Sorted(maps.Keys(moduleAccounts)) {
		blocked[authtypes.NewModuleAddress(name).String()] = true
	}
	return blocked
}

func (a *App) initChain(ctx sdk.Context, req *abci.RequestInitChain) (*abci.ResponseInitChain, error) {
	var state map[string]json.RawMessage
	if err := json.Unmarshal(req.AppStateBytes, &state); err != nil {
		return nil, fmt.Errorf("app_state of the genesis isn't JSON: %w", err)
	}
	if err := a.Upgrade.SetModuleVersionMap(ctx, a.modules.GetVersionMap()); err != nil {
		return nil, err
	}
	return a.modules.InitGenesis(ctx, a.Codec, state)
}

// Invariants checks what must hold between blocks: the escrow's coins against its accounts, and the states of
// deployments, orders, bids and leases against each other. It reads the whole market.
func (a *App) Invariants(ctx sdk.Context) error {
	return errors.Join(a.Escrow.Invariants(ctx), a.Deployment.Invariants(ctx), a.Market.Invariants(ctx))
}

// LoadHeight loads the state of one height, for export and rollback.
func (a *App) LoadHeight(height int64) error { return a.LoadVersion(height) }

// DefaultGenesis returns the modules' own defaults; package app/genesis makes a network's genesis of them.
func (a *App) DefaultGenesis() map[string]json.RawMessage { return a.basics.DefaultGenesis(a.Codec) }

// BasicManager returns the modules' stateless halves: codecs, genesis checks, routes.
func (a *App) BasicManager() module.BasicManager { return a.basics }

// StoreKey returns the key of the store called name, or nil.
func (a *App) StoreKey(name string) *storetypes.KVStoreKey { return a.keys[name] }

// RegisterAPIRoutes serves every module's REST routes.
func (a *App) RegisterAPIRoutes(s *api.Server, _ config.APIConfig) {
	authtx.RegisterGRPCGatewayRoutes(s.ClientCtx, s.GRPCGatewayRouter)
	cmtservice.RegisterGRPCGatewayRoutes(s.ClientCtx, s.GRPCGatewayRouter)
	nodeservice.RegisterGRPCGatewayRoutes(s.ClientCtx, s.GRPCGatewayRouter)
	registerDiscoveryRoutes(s.ClientCtx, s.GRPCGatewayRouter)
	a.basics.RegisterGRPCGatewayRoutes(s.ClientCtx, s.GRPCGatewayRouter)
}

// RegisterTxService serves simulation, broadcast and lookup of transactions.
func (a *App) RegisterTxService(c client.Context) {
	txtypes.RegisterServiceServer(a.GRPCQueryRouter(), txService{authtx.NewTxServer(c, a.Simulate, a.Registry), a, c})
}

// RegisterTendermintService serves CometBFT's blocks and status over gRPC.
func (a *App) RegisterTendermintService(c client.Context) {
	cmtservice.RegisterTendermintService(c, a.GRPCQueryRouter(), a.Registry, server.NewCometABCIWrapper(a).Query)
}

// RegisterNodeService serves the node's own config and status over gRPC.
func (a *App) RegisterNodeService(c client.Context, cfg config.Config) {
	nodeservice.RegisterNodeService(c, a.GRPCQueryRouter(), cfg, func() int64 { return a.CommitMultiStore().EarliestVersion() })
}

// Creator makes the App for the SDK's commands.
func Creator(logger log.Logger, db dbm.DB, opts servertypes.AppOptions) servertypes.Application {
	return New(logger, db, opts, server.DefaultBaseappOptions(opts)...)
}

var _ io.Closer = (*App)(nil)

// must stops the program for a fault of its own wiring, which no input can cause.
func must(err error) {
	if err != nil {
		panic(err)
	}
}
