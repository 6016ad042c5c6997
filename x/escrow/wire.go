package escrow

import (
	"cosmossdk.io/math"

	sdk "github.com/cosmos/cosmos-sdk/types"

	depositv1 "github.com/akash-supercloud/akash/api/akash/base/deposit/v1"
	escrowid "github.com/akash-supercloud/akash/api/akash/escrow/id/v1"
	escrowtypes "github.com/akash-supercloud/akash/api/akash/escrow/types/v1"
	"github.com/akash-supercloud/akash/x/escrow/ledger"
)

func wireAccount(id AccountID, r *record) (escrowtypes.Account, error) {
	a, err := id.parts()
	if err != nil {
		return escrowtypes.Account{}, err
	}
	s := escrowtypes.AccountState{
		Owner:       a.payer().String(),
		State:       escrowtypes.State(r.State),
		Transferred: sdk.DecCoins{},
		SettledAt:   r.SettledAt,
		Funds:       []escrowtypes.Balance{{Denom: r.Denom, Amount: math.LegacyNewDecFromInt(r.Funds())}},
		Deposits:    []escrowtypes.Depositor{},
	}
	if r.Transferred.IsPositive() {
		s.Transferred = sdk.DecCoins{{Denom: r.Denom, Amount: math.LegacyNewDecFromInt(r.Transferred)}}
	}
	for i := range r.Deposits {
		d := &r.Deposits[i]
		s.Deposits = append(s.Deposits, escrowtypes.Depositor{
			Owner:   sdk.AccAddress(d.Owner).String(),
			Height:  d.Height,
			Source:  depositv1.Source(d.Source),
			Balance: sdk.DecCoin{Denom: r.Denom, Amount: math.LegacyNewDecFromInt(d.Amount)},
		})
	}
	return escrowtypes.Account{ID: escrowid.Account{Scope: a.scope, XID: a.xid()}, State: s}, nil
}

func wirePayment(id AccountID, denom string, p ledger.Payment) (escrowtypes.Payment, error) {
	aid, err := id.Wire()
	if err != nil {
		return escrowtypes.Payment{}, err
	}
	dec := func(d math.LegacyDec) sdk.DecCoin { return sdk.DecCoin{Denom: denom, Amount: d} }
	return escrowtypes.Payment{
		ID: escrowid.Payment{AID: aid, XID: PaymentID(p.ID).xid()},
		State: escrowtypes.PaymentState{
			Owner: sdk.AccAddress(p.Owner).String(),
			State: escrowtypes.State(p.State),
			Rate:  dec(p.Rate),
			// The fraction of a unit is part of what has been earned.
			Balance:   dec(math.LegacyNewDecFromInt(p.Due).Add(p.Carry)),
			Unsettled: dec(math.LegacyZeroDec()),
			Withdrawn: sdk.Coin{Denom: denom, Amount: p.Withdrawn},
		},
	}, nil
}

// readAccount is wireAccount backwards, for genesis. It fails where the figures can't be right.
func readAccount(w escrowtypes.Account) (AccountID, record, error) {
	var r record
	id, err := ParseAccountID(w.ID)
	if err != nil {
		return nil, r, err
	}
	bad := func(what string) (AccountID, record, error) {
		return nil, r, ErrInvalidAccount.Wrapf("%s/%s: %s", w.ID.Scope, w.ID.XID, what)
	}
	s := w.State
	if len(s.Funds) != 1 || len(s.Transferred) > 1 {
		return bad("an account holds exactly one denomination")
	}
	r.Account = ledger.New(s.Funds[0].Denom, s.SettledAt)
	r.State = ledger.State(s.State)
	for _, t := range s.Transferred {
		if t.Denom != r.Denom || t.Amount.IsNil() || !t.Amount.IsInteger() {
			return bad("transferred has to be whole units of its denomination")
		}
		r.Transferred = t.Amount.TruncateInt()
	}
	for _, d := range s.Deposits {
		owner, err := sdk.AccAddressFromBech32(d.Owner)
		if err != nil {
			return nil, r, ErrInvalidAccountDepositor.Wrapf("%s/%s: %q", w.ID.Scope, w.ID.XID, d.Owner)
		}
		if d.Balance.Denom != r.Denom || d.Balance.Amount.IsNil() || !d.Balance.Amount.IsInteger() || d.Height < 0 {
			return bad("deposits have to be whole units of its denomination")
		}
		r.Deposits = append(r.Deposits, ledger.Deposit{Owner: string(owner), Source: ledger.Source(d.Source), Height: d.Height, Amount: d.Balance.Amount.TruncateInt()})
	}
	if s.Funds[0].Amount.IsNil() || !s.Funds[0].Amount.Equal(math.LegacyNewDecFromInt(r.Funds())) {
		return bad("funds are not the sum of its deposits")
	}
	if r.State == ledger.Overdrawn && len(r.Deposits) > 0 {
		r.Grace = ledger.Never // until the market's own genesis state says when it ends
	}
	if err := r.Check(); err != nil {
		return bad(err.Error())
	}
	return id, r, nil
}

func readPayment(w escrowtypes.Payment) (AccountID, PaymentID, string, ledger.Payment, error) {
	bad := func(what string) (AccountID, PaymentID, string, ledger.Payment, error) {
		return nil, nil, "", ledger.Payment{}, ErrInvalidPayment.Wrapf("%s/%s/%s: %s", w.ID.AID.Scope, w.ID.AID.XID, w.ID.XID, what)
	}
	id, err := ParseAccountID(w.ID.AID)
	if err != nil {
		return bad(err.Error())
	}
	pid, err := parsePaymentID(w.ID.XID)
	if err != nil {
		return bad(err.Error())
	}
	s := w.State
	denom := s.Rate.Denom
	if s.Rate.Amount.IsNil() || s.Balance.Amount.IsNil() || s.Withdrawn.Amount.IsNil() || s.Balance.Amount.IsNegative() ||
		s.Balance.Denom != denom || s.Withdrawn.Denom != denom || s.Owner != pid.provider().String() {
		return bad("its amounts or its owner don't fit together")
	}
	if !s.Unsettled.Amount.IsNil() && !s.Unsettled.Amount.IsZero() {
		return bad("unsettled has to be zero: there are no debts")
	}
	due := s.Balance.Amount.TruncateInt()
	p := ledger.Payment{
		ID: string(pid), Owner: string(pid.provider()), State: ledger.State(s.State), Rate: s.Rate.Amount,
		Due: due, Carry: s.Balance.Amount.Sub(math.LegacyNewDecFromInt(due)), Withdrawn: s.Withdrawn.Amount,
	}
	if err := p.Check(); err != nil {
		return bad(err.Error())
	}
	return id, pid, denom, p, nil
}
