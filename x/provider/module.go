package provider

import (
	"context"
	"encoding/json"
	"fmt"

	gwruntime "github.com/grpc-ecosystem/grpc-gateway/runtime"

	"github.com/cosmos/gogoproto/proto"

	"github.com/cosmos/cosmos-sdk/client"
	"github.com/cosmos/cosmos-sdk/codec"
	"github.com/cosmos/cosmos-sdk/codec/legacy"
	codectypes "github.com/cosmos/cosmos-sdk/codec/types"
	sdk "github.com/cosmos/cosmos-sdk/types"
	"github.com/cosmos/cosmos-sdk/types/module"
	"github.com/cosmos/cosmos-sdk/types/msgservice"

	v1beta4 "github.com/akash-supercloud/akash/api/akash/provider/v1beta4"
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

// DefaultGenesis is an empty registry.
func (AppModule) DefaultGenesis(cdc codec.JSONCodec) json.RawMessage {
	return cdc.MustMarshalJSON(&v1beta4.GenesisState{Providers: []v1beta4.Provider{}})
}

// ValidateGenesis checks every record and that no owner is there twice.
func (AppModule) ValidateGenesis(cdc codec.JSONCodec, _ client.TxEncodingConfig, data json.RawMessage) error {
	var state v1beta4.GenesisState
	if err := cdc.UnmarshalJSON(data, &state); err != nil {
		return fmt.Errorf("genesis of %s: %w", ModuleName, err)
	}
	seen := map[string]bool{}
	for _, p := range state.Providers {
		if _, err := checkRecord(p.Owner, p.HostURI, p.Attributes, p.Info); err != nil {
			return fmt.Errorf("genesis of %s: %w", ModuleName, err)
		}
		if seen[p.Owner] {
			return fmt.Errorf("genesis of %s: provider %s is there twice", ModuleName, p.Owner)
		}
		seen[p.Owner] = true
	}
	return nil
}

// InitGenesis fills the registry.
func (m AppModule) InitGenesis(ctx sdk.Context, cdc codec.JSONCodec, data json.RawMessage) {
	var state v1beta4.GenesisState
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

func emit(ctx context.Context, event proto.Message) error {
	return sdk.UnwrapSDKContext(ctx).EventManager().EmitTypedEvent(event)
}
