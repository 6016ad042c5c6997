package escrow

import (
	"context"

	"cosmossdk.io/math"

	sdk "github.com/cosmos/cosmos-sdk/types"

	depositv1 "github.com/akash-supercloud/akash/api/akash/base/deposit/v1"
	escrowid "github.com/akash-supercloud/akash/api/akash/escrow/id/v1"
	escrowtypes "github.com/akash-supercloud/akash/api/akash/escrow/types/v1"
	eventsv1 "github.com/akash-supercloud/akash/api/akash/events/v1"
	"github.com/akash-supercloud/akash/x/escrow/ledger"
	"github.com/akash-supercloud/akash/x/internal/event"
)

func (k *Keeper) emitDeposited(ctx context.Context, id AccountID, denom string, d ledger.Deposit) error {
	wire, err := id.Wire()
	if err != nil {
		return err
	}
	return event.Emit(ctx, &eventsv1.EventDeposited{
		ID: wire, Depositor: sdk.AccAddress(d.Owner).String(), Source: depositv1.Source(d.Source), Amount: sdk.Coin{Denom: denom, Amount: d.Amount},
	})
}

func (k *Keeper) emitRefunded(ctx context.Context, id AccountID, denom string, t ledger.Transfer) error {
	wire, err := id.Wire()
	if err != nil {
		return err
	}
	return event.Emit(ctx, &eventsv1.EventRefunded{
		ID: wire, Depositor: sdk.AccAddress(t.To).String(), Source: depositv1.Source(t.Source), Amount: sdk.Coin{Denom: denom, Amount: t.Amount},
	})
}

func (k *Keeper) emitAccountClosed(ctx context.Context, id AccountID, state ledger.State) error {
	wire, err := id.Wire()
	if err != nil {
		return err
	}
	return event.Emit(ctx, &eventsv1.EventAccountClosed{ID: wire, State: escrowtypes.State(state)})
}

func (k *Keeper) emitOverdrawn(ctx context.Context, id AccountID, until int64) error {
	wire, err := id.Wire()
	if err != nil {
		return err
	}
	return event.Emit(ctx, &eventsv1.EventAccountOverdrawn{ID: wire, GraceEnds: until})
}

func (k *Keeper) emitReopened(ctx context.Context, id AccountID) error {
	wire, err := id.Wire()
	if err != nil {
		return err
	}
	return event.Emit(ctx, &eventsv1.EventAccountReopened{ID: wire})
}

func (k *Keeper) emitSettled(ctx context.Context, id AccountID, denom string, p ledger.Payment, amount math.Int) error {
	wire, err := id.Wire()
	if err != nil {
		return err
	}
	return event.Emit(ctx, &eventsv1.EventPaymentSettled{
		ID:        escrowid.Payment{AID: wire, XID: PaymentID(p.ID).xid()},
		Provider:  sdk.AccAddress(p.Owner).String(),
		Amount:    sdk.Coin{Denom: denom, Amount: amount},
		Withdrawn: sdk.Coin{Denom: denom, Amount: p.Withdrawn},
		State:     escrowtypes.State(p.State),
	})
}
