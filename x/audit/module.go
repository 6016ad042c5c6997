package audit

import (
	"context"

	gwruntime "github.com/grpc-ecosystem/grpc-gateway/runtime"

	"github.com/cosmos/cosmos-sdk/client"
	"github.com/cosmos/cosmos-sdk/codec"
	codectypes "github.com/cosmos/cosmos-sdk/codec/types"
	"github.com/cosmos/cosmos-sdk/types/module"
	"github.com/cosmos/cosmos-sdk/types/msgservice"

	auditv1 "github.com/akash-supercloud/akash/api/akash/audit/v1"
	"github.com/akash-supercloud/akash/x/internal/basic"
)

// AppModule is the registry as a module of the chain.
type AppModule struct {
	basic.Module[auditv1.GenesisState, *auditv1.GenesisState]
	k *Keeper
}

var (
	_ module.AppModule   = AppModule{}
	_ module.HasGenesis  = AppModule{}
	_ module.HasServices = AppModule{}
)

// NewAppModule returns the module over k. k may be nil where only codecs and genesis checks are used.
func NewAppModule(k *Keeper) AppModule {
	return AppModule{
		Module: basic.Module[auditv1.GenesisState, *auditv1.GenesisState]{
			ModuleName: ModuleName, Default: defaultGenesis, Validate: checkGenesis, Init: k.InitGenesis, Export: k.ExportGenesis,
		},
		k: k,
	}
}

// RegisterLegacyAminoCodec registers the names that wallets sign in the amino mode. They are longer than the
// SDK's helper allows, but the wire fixes them.
func (AppModule) RegisterLegacyAminoCodec(cdc *codec.LegacyAmino) {
	cdc.RegisterConcrete(&auditv1.MsgSignProviderAttributes{}, "akash-sdk/x/audit/MsgSignProviderAttributes", nil)
	cdc.RegisterConcrete(&auditv1.MsgDeleteProviderAttributes{}, "akash-sdk/x/audit/MsgDeleteProviderAttributes", nil)
}

// RegisterInterfaces registers the messages.
func (AppModule) RegisterInterfaces(r codectypes.InterfaceRegistry) {
	msgservice.RegisterMsgServiceDesc(r, &auditv1.Msg_serviceDesc)
}

// RegisterGRPCGatewayRoutes serves the queries over REST.
func (AppModule) RegisterGRPCGatewayRoutes(c client.Context, mux *gwruntime.ServeMux) {
	if err := auditv1.RegisterQueryHandlerClient(context.Background(), mux, auditv1.NewQueryClient(c)); err != nil {
		panic(err)
	}
}

// RegisterServices registers messages and queries.
func (m AppModule) RegisterServices(c module.Configurator) {
	auditv1.RegisterMsgServer(c.MsgServer(), NewMsgServer(m.k))
	auditv1.RegisterQueryServer(c.QueryServer(), NewQueryServer(m.k))
}

// defaultGenesis is an empty registry.
func defaultGenesis() *auditv1.GenesisState {
	return &auditv1.GenesisState{Providers: []auditv1.AuditedProvider{}}
}
