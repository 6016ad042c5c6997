package market

import (
	"context"

	gwruntime "github.com/grpc-ecosystem/grpc-gateway/runtime"

	"cosmossdk.io/core/appmodule"

	"github.com/cosmos/cosmos-sdk/client"
	"github.com/cosmos/cosmos-sdk/codec"
	codectypes "github.com/cosmos/cosmos-sdk/codec/types"
	sdk "github.com/cosmos/cosmos-sdk/types"
	"github.com/cosmos/cosmos-sdk/types/module"
	"github.com/cosmos/cosmos-sdk/types/msgservice"

	tradev1 "github.com/akash-supercloud/akash/api/akash/trade/v1"
	"github.com/akash-supercloud/akash/x/internal/basic"
)

// TradeName is the name under which akash.trade.v1 has its part of the genesis and its error
// codespace. Its state is in the market's store.
const TradeName = "trade"

var (
	_ module.AppModule        = TradeModule{}
	_ module.HasGenesis       = TradeModule{}
	_ module.HasServices      = TradeModule{}
	_ appmodule.AppModule     = TradeModule{}
	_ appmodule.HasEndBlocker = AppModule{}
)

// TradeModule is what the market has beyond the Akash protocol, as the application wires it:
// beside the market's AppModule, after it at genesis.
type TradeModule struct {
	basic.Module[tradev1.GenesisState, *tradev1.GenesisState]
	keeper *Keeper
}

// NewTradeModule returns the module around the market's keeper.
func NewTradeModule(keeper *Keeper) TradeModule {
	return TradeModule{
		Module: basic.Module[tradev1.GenesisState, *tradev1.GenesisState]{
			ModuleName: TradeName, Default: DefaultTradeGenesis, Validate: ValidateTradeGenesis,
			Init: keeper.InitTradeGenesis, Export: keeper.ExportTradeGenesis,
		},
		keeper: keeper,
	}
}

// RegisterLegacyAminoCodec registers the names under which hardware wallets sign.
func (TradeModule) RegisterLegacyAminoCodec(cdc *codec.LegacyAmino) {
	cdc.RegisterConcrete(&tradev1.MsgWithdrawLeases{}, "akash/trade/MsgWithdrawLeases", nil)
	cdc.RegisterConcrete(&tradev1.MsgDenyProviders{}, "akash/trade/MsgDenyProviders", nil)
	cdc.RegisterConcrete(&tradev1.MsgAllowProviders{}, "akash/trade/MsgAllowProviders", nil)
	cdc.RegisterConcrete(&tradev1.MsgUpdateParams{}, "akash/trade/MsgUpdateParams", nil)
}

// RegisterInterfaces registers the module's messages.
func (TradeModule) RegisterInterfaces(registry codectypes.InterfaceRegistry) {
	registry.RegisterImplementations((*sdk.Msg)(nil),
		&tradev1.MsgWithdrawLeases{}, &tradev1.MsgDenyProviders{}, &tradev1.MsgAllowProviders{}, &tradev1.MsgUpdateParams{})
	desc := tradev1.Msg_serviceDesc
	msgservice.RegisterMsgServiceDesc(registry, &desc)
}

// RegisterGRPCGatewayRoutes serves the module's queries over REST.
func (TradeModule) RegisterGRPCGatewayRoutes(ctx client.Context, mux *gwruntime.ServeMux) {
	if err := tradev1.RegisterQueryHandlerClient(context.Background(), mux, tradev1.NewQueryClient(ctx)); err != nil {
		panic(err) // at start only: the routes are fixed
	}
}

// RegisterServices registers the module's message and query servers.
func (m TradeModule) RegisterServices(cfg module.Configurator) {
	tradev1.RegisterMsgServer(cfg.MsgServer(), NewTradeMsgServer(m.keeper))
	tradev1.RegisterQueryServer(cfg.QueryServer(), NewTradeQueryServer(m.keeper))
}

// EndBlock closes orders whose time is over.
func (am AppModule) EndBlock(ctx context.Context) error { return am.keeper.EndBlock(ctx) }
