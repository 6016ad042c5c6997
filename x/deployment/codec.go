package deployment

import (
	"github.com/cosmos/cosmos-sdk/codec"
	codectypes "github.com/cosmos/cosmos-sdk/codec/types"
	sdk "github.com/cosmos/cosmos-sdk/types"
	"github.com/cosmos/cosmos-sdk/types/msgservice"

	types "github.com/akash-supercloud/akash/api/akash/deployment/v1beta4"
)

func registerAmino(cdc *codec.LegacyAmino) {
	cdc.RegisterConcrete(&types.MsgCreateDeployment{}, "akash-sdk/x/deployment/MsgCreateDeployment", nil)
	cdc.RegisterConcrete(&types.MsgUpdateDeployment{}, "akash-sdk/x/deployment/MsgUpdateDeployment", nil)
	cdc.RegisterConcrete(&types.MsgCloseDeployment{}, "akash-sdk/x/deployment/MsgCloseDeployment", nil)
	cdc.RegisterConcrete(&types.MsgCloseGroup{}, "akash-sdk/x/deployment/MsgCloseGroup", nil)
	cdc.RegisterConcrete(&types.MsgPauseGroup{}, "akash-sdk/x/deployment/MsgPauseGroup", nil)
	cdc.RegisterConcrete(&types.MsgStartGroup{}, "akash-sdk/x/deployment/MsgStartGroup", nil)
	cdc.RegisterConcrete(&types.MsgUpdateParams{}, "akash-sdk/x/deployment/MsgUpdateParams", nil)
}

func registerInterfaces(registry codectypes.InterfaceRegistry) {
	registry.RegisterImplementations((*sdk.Msg)(nil),
		&types.MsgCreateDeployment{},
		&types.MsgUpdateDeployment{},
		&types.MsgCloseDeployment{},
		&types.MsgCloseGroup{},
		&types.MsgPauseGroup{},
		&types.MsgStartGroup{},
		&types.MsgUpdateParams{},
	)
	desc := types.Msg_serviceDesc
	msgservice.RegisterMsgServiceDesc(registry, &desc)
}
