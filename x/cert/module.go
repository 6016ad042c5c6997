package cert

import (
	"context"
	"encoding/json"
	"fmt"

	gwruntime "github.com/grpc-ecosystem/grpc-gateway/runtime"

	"github.com/cosmos/cosmos-sdk/client"
	"github.com/cosmos/cosmos-sdk/codec"
	codectypes "github.com/cosmos/cosmos-sdk/codec/types"
	sdk "github.com/cosmos/cosmos-sdk/types"
	"github.com/cosmos/cosmos-sdk/types/module"
	"github.com/cosmos/cosmos-sdk/types/msgservice"

	certv1 "github.com/akash-supercloud/akash/api/akash/cert/v1"
)

// AppModule is the registry as a module of the chain.
type AppModule struct {
	cdc codec.Codec
	k   *Keeper
}

var (
	_ module.AppModule   = AppModule{}
	_ module.HasGenesis  = AppModule{}
	_ module.HasServices = AppModule{}
)

// NewAppModule returns the module over k. k may be nil where only codecs and genesis checks are used.
func NewAppModule(cdc codec.Codec, k *Keeper) AppModule { return AppModule{cdc: cdc, k: k} }

// IsAppModule marks the type.
func (AppModule) IsAppModule() {}

// IsOnePerModuleType marks the type.
func (AppModule) IsOnePerModuleType() {}

// Name returns ModuleName.
func (AppModule) Name() string { return ModuleName }

// ConsensusVersion counts the changes of the store's layout.
func (AppModule) ConsensusVersion() uint64 { return 1 }

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

// DefaultGenesis is an empty registry.
func (AppModule) DefaultGenesis(cdc codec.JSONCodec) json.RawMessage {
	return cdc.MustMarshalJSON(&certv1.GenesisState{Certificates: []certv1.GenesisCertificate{}})
}

// ValidateGenesis checks every certificate and that none is there twice.
func (AppModule) ValidateGenesis(cdc codec.JSONCodec, _ client.TxEncodingConfig, data json.RawMessage) error {
	var state certv1.GenesisState
	if err := cdc.UnmarshalJSON(data, &state); err != nil {
		return fmt.Errorf("genesis of %s: %w", ModuleName, err)
	}
	if err := checkGenesis(&state); err != nil {
		return fmt.Errorf("genesis of %s: %w", ModuleName, err)
	}
	return nil
}

// InitGenesis fills the registry.
func (m AppModule) InitGenesis(ctx sdk.Context, cdc codec.JSONCodec, data json.RawMessage) {
	var state certv1.GenesisState
	cdc.MustUnmarshalJSON(data, &state)
	if err := m.k.InitGenesis(ctx, &state); err != nil {
		panic(err)
	}
}

// ExportGenesis returns the registry.
func (m AppModule) ExportGenesis(ctx sdk.Context, cdc codec.JSONCodec) json.RawMessage {
	state, err := m.k.ExportGenesis(ctx)
	if err != nil {
		panic(err)
	}
	return cdc.MustMarshalJSON(state)
}
