package market

import (
	"context"

	gwruntime "github.com/grpc-ecosystem/grpc-gateway/runtime"

	"cosmossdk.io/core/appmodule"

	"github.com/cosmos/cosmos-sdk/client"
	"github.com/cosmos/cosmos-sdk/codec"
	codectypes "github.com/cosmos/cosmos-sdk/codec/types"
	"github.com/cosmos/cosmos-sdk/types/module"

	types "github.com/akash-supercloud/akash/api/akash/market/v1beta5"
	"github.com/akash-supercloud/akash/x/internal/basic"
)

// ModuleName is the name of the module, of its store and of its error codespace.
const ModuleName = "market"

// StoreKey is the name of the module's store.
const StoreKey = ModuleName

var (
	_ module.AppModule           = AppModule{}
	_ module.AppModuleBasic      = AppModule{}
	_ module.HasGenesis          = AppModule{}
	_ module.HasServices         = AppModule{}
	_ module.HasConsensusVersion = AppModule{}
	_ appmodule.AppModule        = AppModule{}
)

// AppModule is the module as the application wires it.
type AppModule struct {
	basic.Module[types.GenesisState, *types.GenesisState]
	keeper *Keeper
}

// NewAppModule returns the module around its keeper.
func NewAppModule(keeper *Keeper) AppModule {
	return AppModule{
		Module: basic.Module[types.GenesisState, *types.GenesisState]{
			ModuleName: ModuleName, Default: DefaultGenesis, Validate: ValidateGenesis,
			Init: keeper.InitGenesis, Export: keeper.ExportGenesis,
		},
		keeper: keeper,
	}
}

// RegisterLegacyAminoCodec registers the names under which hardware wallets sign.
func (AppModule) RegisterLegacyAminoCodec(cdc *codec.LegacyAmino) { registerAmino(cdc) }

// RegisterInterfaces registers the module's messages.
func (AppModule) RegisterInterfaces(registry codectypes.InterfaceRegistry) {
	registerInterfaces(registry)
}

// RegisterGRPCGatewayRoutes serves the module's queries over REST.
func (AppModule) RegisterGRPCGatewayRoutes(ctx client.Context, mux *gwruntime.ServeMux) {
	if err := types.RegisterQueryHandlerClient(context.Background(), mux, types.NewQueryClient(ctx)); err != nil {
		panic(err) // at start only: the routes are fixed
	}
}

// RegisterServices registers the module's message and query servers.
func (am AppModule) RegisterServices(cfg module.Configurator) {
	types.RegisterMsgServer(cfg.MsgServer(), NewMsgServer(am.keeper))
	types.RegisterQueryServer(cfg.QueryServer(), NewQueryServer(am.keeper))
}
