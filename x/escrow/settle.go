package escrow

import (
	"context"

	"github.com/akash-supercloud/akash/x/escrow/ledger"
)

// SettleAll pays out what every running payment has earned until now. It reads all accounts: it is for an export, not for
// a block.
func (k *Keeper) SettleAll(ctx context.Context) error {
	type running struct {
		account AccountID
		payment PaymentID
	}
	var all []running
	err := k.each(ctx, func(id AccountID, r record) error {
		for _, p := range r.Payments {
			if p.State == ledger.Open {
				all = append(all, running{append(AccountID(nil), id...), PaymentID(p.ID)})
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, r := range all {
		if _, err := k.Withdraw(ctx, r.account, r.payment); err != nil {
			return err
		}
	}
	return nil
}
