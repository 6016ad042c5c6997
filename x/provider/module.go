package provider

import (
	"context"
	"fmt"

	gwruntime "github.com/grpc-ecosystem/grpc-gateway/runtime"

	"github.com/cosmos/cosmos-sdk/client"
	"github.com/cosmos/cosmos-sdk/codec"
	"github.com/cosmos/cosmos-sdk/codec/legacy"
	codectypes "github.com/cosmos/cosmos-sdk/codec/types"
	"github.com/cosmos/cosmos-sdk/types/module"
	"github.com/cosmos/cosmos-sdk/types/msgservice"

	v1beta4 "github.com/akash-supercloud/akash/api/akash/provider/v1beta4"
	"github.com/akash-supercloud/akash/x/internal/basic"
)

// AppModule is the registry as a module of the chain.
type AppModule struct {
	basic.Module[v1beta4.GenesisState, *v1beta4.GenesisState]
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
		Module: basic.Module[v1beta4.GenesisState, *v1beta4.GenesisState]{
			ModuleName: ModuleName, Default: defaultGenesis, Validate: checkGenesis, Init: k.InitGenesis, Export: k.ExportGenesis,
		},
		k: k,
	}
}

// RegisterLegacyAminoCodec registers the names that hardware wallets sign.
func (AppModule) RegisterLegacyAminoCodec(cdc *codec.LegacyAmino) {
	legacy.RegisterAminoMsg(cdc, &v1beta4.MsgCreateProvider{}, "provider/MsgCreateProvider")
	legacy.RegisterAminoMsg(cdc, &v1beta4.MsgUpdateProvider{}, "provider/MsgUpdateProvider")
	legacy.RegisterAminoMsg(cdc, &v1beta4.MsgDeleteProvider{}, "provider/MsgDeleteProvider")
}

// RegisterInterfaces registers the messages.
func (AppModule) RegisterInterfaces(r codectypes.InterfaceRegistry) {
	msgservice.RegisterMsgServiceDesc(r, &v1beta4.Msg_serviceDesc)
}

// RegisterGRPCGatewayRoutes serves the queries over REST.
func (AppModule) RegisterGRPCGatewayRoutes(c client.Context, mux *gwruntime.ServeMux) {
	if err := v1beta4.RegisterQueryHandlerClient(context.Background(), mux, v1beta4.NewQueryClient(c)); err != nil {
		panic(err)
	}
}

// RegisterServices registers messages and queries.
func (m AppModule) RegisterServices(c module.Configurator) {
	v1beta4.RegisterMsgServer(c.MsgServer(), NewMsgServer(m.k))
	v1beta4.RegisterQueryServer(c.QueryServer(), NewQueryServer(m.k))
}

// defaultGenesis is an empty registry.
func defaultGenesis() *v1beta4.GenesisState {
	return &v1beta4.GenesisState{Providers: []v1beta4.Provider{}}
}

// checkGenesis checks every record and that no owner is there twice.
func checkGenesis(state *v1beta4.GenesisState) error {
	seen := map[string]bool{}
	for _, p := range state.Providers {
		if _, err := checkRecord(p.Owner, p.HostURI, p.Attributes, p.Info); err != nil {
			return err
		}
		if seen[p.Owner] {
			return fmt.Errorf("provider %s is there twice", p.Owner)
		}
		seen[p.Owner] = true
	}
	return nil
}
