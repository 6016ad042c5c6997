package escrow

import (
	"github.com/cosmos/cosmos-sdk/codec"
	codectypes "github.com/cosmos/cosmos-sdk/codec/types"
	sdk "github.com/cosmos/cosmos-sdk/types"
	"github.com/cosmos/cosmos-sdk/types/msgservice"
	"github.com/cosmos/cosmos-sdk/x/authz"

	types "github.com/akash-supercloud/akash/api/akash/escrow/v1"
)

func registerAmino(cdc *codec.LegacyAmino) {
	// The message's part of the name is empty in the protocol.
	cdc.RegisterConcrete(&types.MsgAccountDeposit{}, "akash-sdk/x/escrow/v1/", nil)
	cdc.RegisterConcrete(&types.DepositAuthorization{}, "akash/DepositAuthorization", nil)
}

func registerInterfaces(registry codectypes.InterfaceRegistry) {
	registry.RegisterImplementations((*sdk.Msg)(nil), &types.MsgAccountDeposit{})
	registry.RegisterImplementations((*authz.Authorization)(nil), &types.DepositAuthorization{})
	desc := types.Msg_serviceDesc
	msgservice.RegisterMsgServiceDesc(registry, &desc)
}
