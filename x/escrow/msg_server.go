package escrow

import (
	"context"

	sdk "github.com/cosmos/cosmos-sdk/types"
	sdkerrors "github.com/cosmos/cosmos-sdk/types/errors"

	types "github.com/akash-supercloud/akash/api/akash/escrow/v1"
)

type msgServer struct{ k *Keeper }

// NewMsgServer returns the handlers of the module's messages.
func NewMsgServer(k *Keeper) types.MsgServer { return msgServer{k} }

// AccountDeposit lets anyone top up an open account.
func (s msgServer) AccountDeposit(ctx context.Context, m *types.MsgAccountDeposit) (*types.MsgAccountDepositResponse, error) {
	signer, err := sdk.AccAddressFromBech32(m.Signer)
	if err != nil {
		return nil, sdkerrors.ErrInvalidAddress.Wrapf("signer %q: %s", m.Signer, err)
	}
	id, err := ParseAccountID(m.ID)
	if err != nil {
		return nil, err
	}
	if err := ValidateDeposit(m.Deposit); err != nil {
		return nil, err
	}
	return &types.MsgAccountDepositResponse{}, s.k.Deposit(ctx, id, signer, m.Deposit)
}
