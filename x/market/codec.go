package market

import (
	"github.com/cosmos/cosmos-sdk/codec"
	codectypes "github.com/cosmos/cosmos-sdk/codec/types"
	sdk "github.com/cosmos/cosmos-sdk/types"
	"github.com/cosmos/cosmos-sdk/types/msgservice"

	types "github.com/akash-supercloud/akash/api/akash/market/v1beta5"
)

func registerAmino(cdc *codec.LegacyAmino) {
	cdc.RegisterConcrete(&types.MsgCreateBid{}, "akash-sdk/x/market/MsgCreateBid", nil)
	cdc.RegisterConcrete(&types.MsgCloseBid{}, "akash-sdk/x/market/MsgCloseBid", nil)
	cdc.RegisterConcrete(&types.MsgWithdrawLease{}, "akash-sdk/x/market/MsgWithdrawLease", nil)
	cdc.RegisterConcrete(&types.MsgCreateLease{}, "akash-sdk/x/market/MsgCreateLease", nil)
	cdc.RegisterConcrete(&types.MsgCloseLease{}, "akash-sdk/x/market/MsgCloseLease", nil)
	cdc.RegisterConcrete(&types.MsgLeaseStartReclaim{}, "akash-sdk/x/market/MsgLeaseStartReclaim", nil)
	cdc.RegisterConcrete(&types.MsgUpdateParams{}, "akash-sdk/x/market/MsgUpdateParams", nil)
}

func registerInterfaces(registry codectypes.InterfaceRegistry) {
	registry.RegisterImplementations((*sdk.Msg)(nil),
		&types.MsgCreateBid{},
		&types.MsgCloseBid{},
		&types.MsgWithdrawLease{},
		&types.MsgCreateLease{},
		&types.MsgCloseLease{},
		&types.MsgLeaseStartReclaim{},
		&types.MsgUpdateParams{},
	)
	desc := types.Msg_serviceDesc
	msgservice.RegisterMsgServiceDesc(registry, &desc)
}
