package cert

import (
	"context"

	gwruntime "github.com/grpc-ecosystem/grpc-gateway/runtime"

	"github.com/cosmos/cosmos-sdk/client"
	"github.com/cosmos/cosmos-sdk/codec"
	codectypes "github.com/cosmos/cosmos-sdk/codec/types"
	"github.com/cosmos/cosmos-sdk/types/module"
	"github.com/cosmos/cosmos-sdk/types/msgservice"

	certv1 "github.com/akash-supercloud/akash/api/akash/cert/v1"
	"github.com/akash-supercloud/akash/x/internal/basic"
)

// AppModule is the registry as a module of the chain.
type AppModule struct {
	basic.Module[certv1.GenesisState, *certv1.GenesisState]
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
		Module: basic.Module[certv1.GenesisState, *certv1.GenesisState]{
			ModuleName: ModuleName, Default: defaultGenesis, Validate: checkGenesis, Init: k.InitGenesis, Export: k.ExportGenesis,
		},
		k: k,
	}
}

// RegisterLegacyAminoCodec registers the names that wallets sign in the amino mode. They are longer than the
// SDK's helper allows, but the wire fixes them.
func (AppModule) RegisterLegacyAminoCodec(cdc *codec.LegacyAmino) {
	cdc.RegisterConcrete(&certv1.MsgCreateCertificate{}, "akash-sdk/x/cert/MsgCreateCertificate", nil)
	cdc.RegisterConcrete(&certv1.MsgRevokeCertificate{}, "akash-sdk/x/cert/MsgRevokeCertificate", nil)
}

// RegisterInterfaces registers the messages.
func (AppModule) RegisterInterfaces(r codectypes.InterfaceRegistry) {
	msgservice.RegisterMsgServiceDesc(r, &certv1.Msg_serviceDesc)
}

// RegisterGRPCGatewayRoutes serves the queries over REST.
func (AppModule) RegisterGRPCGatewayRoutes(c client.Context, mux *gwruntime.ServeMux) {
	if err := certv1.RegisterQueryHandlerClient(context.Background(), mux, certv1.NewQueryClient(c)); err != nil {
		panic(err)
	}
}

// RegisterServices registers messages and queries.
func (m AppModule) RegisterServices(c module.Configurator) {
	certv1.RegisterMsgServer(c.MsgServer(), NewMsgServer(m.k))
	certv1.RegisterQueryServer(c.QueryServer(), NewQueryServer(m.k))
}

// defaultGenesis is an empty registry.
func defaultGenesis() *certv1.GenesisState {
	return &certv1.GenesisState{Certificates: []certv1.GenesisCertificate{}}
}
