// Package escrow keeps the money of the market: what tenants deposit for their deployments,
// what providers deposit with their bids, and what leases earn from it by the block.
//
// It owns all coins of the module account "escrow", and only those. What always holds
// (Invariants): for each denomination, deposits that aren't spent plus dues of payments
// equal the coins that the module account holds; an account whose payments have a last
// block that they can be paid for waits in that block's queue; what has ended holds nothing.
//
// The arithmetic is x/escrow/ledger's. An account holds one denomination.
package escrow

import (
	"context"
	"errors"
	"slices"
	"time"

	"cosmossdk.io/collections"
	corestore "cosmossdk.io/core/store"
	"cosmossdk.io/math"

	"github.com/cosmos/cosmos-sdk/codec"
	sdk "github.com/cosmos/cosmos-sdk/types"
	authtypes "github.com/cosmos/cosmos-sdk/x/auth/types"
	"github.com/cosmos/cosmos-sdk/x/authz"

	depositv1 "github.com/akash-supercloud/akash/api/akash/base/deposit/v1"
	escrowtypes "github.com/akash-supercloud/akash/api/akash/escrow/types/v1"
	"github.com/akash-supercloud/akash/x/escrow/ledger"
	"github.com/akash-supercloud/akash/x/internal/key"
	"github.com/akash-supercloud/akash/x/internal/store"
)

// BankKeeper is what escrow asks of the bank.
type BankKeeper interface {
	SpendableCoin(ctx context.Context, addr sdk.AccAddress, denom string) sdk.Coin
	GetBalance(ctx context.Context, addr sdk.AccAddress, denom string) sdk.Coin
	GetAllBalances(ctx context.Context, addr sdk.AccAddress) sdk.Coins
	SendCoins(ctx context.Context, from, to sdk.AccAddress, amt sdk.Coins) error
	SendCoinsFromAccountToModule(ctx context.Context, from sdk.AccAddress, module string, amt sdk.Coins) error
}

// AuthzKeeper is what escrow asks of the grants.
type AuthzKeeper interface {
	GetAuthorization(ctx context.Context, grantee, granter sdk.AccAddress, msgType string) (authz.Authorization, *time.Time)
	SaveGrant(ctx context.Context, grantee, granter sdk.AccAddress, authorization authz.Authorization, expiration *time.Time) error
	IterateGrants(ctx context.Context, handler func(granter, grantee sdk.AccAddress, grant authz.Grant) bool)
}

// Hooks is who ends what lives on an account when it runs dry.
type Hooks interface {
	// AccountDry ends what the account pays for, and the account by PauseAccount or
	// CloseAccount; one that was paused, by CloseAccount.
	AccountDry(ctx context.Context, id AccountID) error
	// AccountReopened is told that a deposit has opened a paused account again.
	AccountReopened(ctx context.Context, id AccountID) error
}

// Keeper holds the escrow accounts.
type Keeper struct {
	cdc     codec.Codec
	bank    BankKeeper
	authz   AuthzKeeper
	hooks   Hooks
	address sdk.AccAddress

	schema   collections.Schema
	accounts store.Classes[record]
	// ended are payments that ended while their account went on, by account and payment:
	// closed and overdrawn ones.
	ended store.Classes[ledger.Payment]
	// due are the accounts to close, by block.
	due collections.KeySet[[]byte]
	// grants tells who allowed a grantee to deposit: authz can't be asked by grantee.
	grants collections.KeySet[[]byte]
}

// NewKeeper returns the keeper of escrow accounts. The application gives the module
// account ModuleName no permissions, blocks it from plain sends, and wires authz by
// NewAuthzModule, so that deposits by grant work.
func NewKeeper(cdc codec.Codec, storeService corestore.KVStoreService, bank BankKeeper, authz AuthzKeeper) *Keeper {
	sb := collections.NewSchemaBuilder(storeService)
	k := &Keeper{
		cdc: cdc, bank: bank, authz: authz, address: authtypes.NewModuleAddress(ModuleName),
		accounts: store.NewClasses(sb, 1, recordCodec{}, "open_accounts", "closed_accounts", "overdrawn_accounts"),
		ended:    store.NewClasses(sb, 4, paymentCodec{}, "closed_payments", "overdrawn_payments"),
		due:      collections.NewKeySet(sb, collections.NewPrefix(6), "due", collections.BytesKey),
		grants:   collections.NewKeySet(sb, collections.NewPrefix(7), "grants", collections.BytesKey),
	}
	schema, err := sb.Build()
	if err != nil {
		panic(err)
	}
	k.schema = schema
	return k
}

// SetHooks says who is told of accounts that run dry.
func (k *Keeper) SetHooks(h Hooks) { k.hooks = h }

func height(ctx context.Context) int64 { return sdk.UnwrapSDKContext(ctx).BlockHeight() }

// Accounts, and payments that ended, are stored by class: their state.
const (
	open = iota
	closed
	overdrawn
)

// endedClass is the class of a payment that ended while its account went on.
func endedClass(p *ledger.Payment) int {
	if p.State == ledger.Overdrawn {
		return 1
	}
	return 0
}

func (r *record) wantClass() int { return int(r.State) - int(ledger.Open) }

func (k *Keeper) load(ctx context.Context, id AccountID) (record, error) {
	r, class, err := k.accounts.Find(ctx, id)
	r.class = class
	if errors.Is(err, collections.ErrNotFound) {
		return r, ErrAccountNotFound
	}
	return r, err
}

// due is the block in whose queue the account belongs; 0: in none.
func (r *record) due() int64 {
	if r.Grace != 0 && r.Grace < ledger.Never {
		return r.Grace
	}
	if dry := r.DryAt(); dry < ledger.Never {
		return dry
	}
	return 0
}

// save stores the account and keeps its place in the queue up to date.
func (k *Keeper) save(ctx context.Context, id AccountID, r *record) error {
	due := r.due()
	if due != r.Due {
		if r.Due != 0 {
			if err := k.due.Remove(ctx, dueKey(r.Due, id)); err != nil {
				return err
			}
		}
		if due != 0 {
			if err := k.due.Set(ctx, dueKey(due, id)); err != nil {
				return err
			}
		}
		r.Due = due
	}
	return k.put(ctx, id, r)
}

// put stores the account in its class.
func (k *Keeper) put(ctx context.Context, id AccountID, r *record) error {
	from := r.class
	r.class = r.wantClass()
	return k.accounts.Move(ctx, id, from, r.class, *r)
}

func dueKey(height int64, id AccountID) []byte {
	return append(key.U64(make([]byte, 0, 8+len(id)), uint64(height)), id...)
}

// Open makes the account id and fills it by the deposit of signer.
func (k *Keeper) Open(ctx context.Context, id AccountID, signer sdk.AccAddress, deposit depositv1.Deposit) error {
	has, err := k.accounts.Has(ctx, id)
	if err != nil {
		return err
	}
	if has {
		return ErrAccountExists
	}
	r := record{Account: ledger.New(deposit.Amount.Denom, height(ctx)), class: store.None}
	if err := k.fill(ctx, id, &r, signer, deposit); err != nil {
		return err
	}
	return k.save(ctx, id, &r)
}

// Deposit adds the deposit of signer, who may be anyone, to the account id, which is open
// or waits for money.
func (k *Keeper) Deposit(ctx context.Context, id AccountID, signer sdk.AccAddress, deposit depositv1.Deposit) error {
	r, err := k.load(ctx, id)
	if err != nil {
		return err
	}
	if r.Overdue(height(ctx)) && k.hooks != nil { // it is about to be paused or closed: as if it had been
		if err := k.hooks.AccountDry(ctx, id); err != nil {
			return err
		}
		if r, err = k.load(ctx, id); err != nil {
			return err
		}
	}
	paused := r.Grace != 0 && r.Grace >= height(ctx)
	switch {
	case paused:
	case r.State == ledger.Overdrawn:
		return ErrAccountOverdrawn.Wrap("it has ended; a new deployment needs a new account")
	case r.State != ledger.Open:
		return ErrAccountClosed
	}
	if r.Denom != deposit.Amount.Denom {
		return ErrInvalidDenomination.Wrapf("the account holds %s, not %s", r.Denom, deposit.Amount.Denom)
	}
	if err := k.fill(ctx, id, &r, signer, deposit); err != nil {
		return err
	}
	if err := k.save(ctx, id, &r); err != nil || !paused {
		return err
	}
	if err := k.emitReopened(ctx, id); err != nil || k.hooks == nil {
		return err
	}
	return k.hooks.AccountReopened(ctx, id)
}

// OpenPayment starts paying rate a block to the payment's provider, from the next block on.
func (k *Keeper) OpenPayment(ctx context.Context, id AccountID, pid PaymentID, rate sdk.DecCoin) error {
	r, err := k.load(ctx, id)
	if err != nil {
		return err
	}
	if r.Denom != rate.Denom {
		return ErrInvalidDenomination.Wrapf("the account holds %s, not %s", r.Denom, rate.Denom)
	}
	if has, err := k.ended.Has(ctx, closedKey(id, pid)); err != nil {
		return err
	} else if has {
		return ErrPaymentExists // not joined with another error: that would hide its code
	}
	if err := translate(r.OpenPayment(string(pid), string(pid.provider()), rate.Amount, height(ctx)), &r); err != nil {
		return err
	}
	return k.save(ctx, id, &r)
}

func closedKey(id AccountID, pid PaymentID) []byte {
	return append(append(make([]byte, 0, len(id)+len(pid)), id...), pid...)
}

// translate gives the ledger's errors their codes.
func translate(err error, r *record) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, ledger.ErrNotOpen) && r.State == ledger.Overdrawn:
		return ErrAccountOverdrawn
	case errors.Is(err, ledger.ErrNotOpen):
		return ErrAccountClosed
	case errors.Is(err, ledger.ErrDry):
		return ErrAccountOverdrawn.Wrap(err.Error())
	case errors.Is(err, ledger.ErrPaymentExists):
		return ErrPaymentExists
	case errors.Is(err, ledger.ErrPaymentNotFound):
		return ErrPaymentNotFound
	case errors.Is(err, ledger.ErrRate):
		return ErrPaymentRateZero.Wrap(err.Error())
	case errors.Is(err, ledger.ErrAmount), errors.Is(err, ledger.ErrTooMany):
		return ErrInvalidDeposit.Wrap(err.Error())
	}
	return ErrInvalidSettlement.Wrap(err.Error())
}

// Overdue reports that the account's money ended before this block and it only waits to be
// closed or paused.
func (k *Keeper) Overdue(ctx context.Context, id AccountID) (bool, error) {
	r, err := k.load(ctx, id)
	if err != nil {
		return false, err
	}
	return r.Overdue(height(ctx)), nil
}

// Grace returns the last block in which a deposit saves an account that is paused for want
// of money; 0: it isn't paused.
func (k *Keeper) Grace(ctx context.Context, id AccountID) (int64, error) {
	r, err := k.load(ctx, id)
	if err != nil || r.Grace == 0 {
		return 0, err
	}
	return r.Grace, nil
}

// SetGrace says until when a paused account waits, when a chain starts from a genesis state.
func (k *Keeper) SetGrace(ctx context.Context, id AccountID, until int64) error {
	r, err := k.load(ctx, id)
	if err != nil {
		return err
	}
	if r.State != ledger.Overdrawn || until <= 0 || until >= ledger.Never {
		return ErrInvalidAccount.Wrapf("it is in state %d, so it can't be in grace until %d", r.State, until)
	}
	r.Grace = until
	return k.save(ctx, id, &r)
}

// PauseAccount ends the payments on an account whose money has ended and pays out what
// they have earned. What isn't spent stays, and until block until a deposit opens the
// account again.
func (k *Keeper) PauseAccount(ctx context.Context, id AccountID, until int64) error {
	r, err := k.load(ctx, id)
	if err != nil {
		return err
	}
	ended, payouts, err := r.Pause(height(ctx), until)
	if err := translate(err, &r); err != nil {
		return err
	}
	if err := k.save(ctx, id, &r); err != nil {
		return err
	}
	if err := k.emitOverdrawn(ctx, id, r.Grace); err != nil {
		return err
	}
	for i, p := range ended {
		if err := k.ended.Move(ctx, closedKey(id, PaymentID(p.ID)), store.None, endedClass(&p), p); err != nil {
			return err
		}
		if err := k.pay(ctx, id, &r, p, payouts[i].Amount); err != nil {
			return err
		}
	}
	return nil
}

// Withdraw pays out what the payment has earned until now, and returns it. Doing it twice in
// a block pays nothing the second time.
func (k *Keeper) Withdraw(ctx context.Context, id AccountID, pid PaymentID) (sdk.Coin, error) {
	r, err := k.load(ctx, id)
	if err != nil {
		return sdk.Coin{}, err
	}
	amount, err := r.Withdraw(string(pid), height(ctx))
	if errors.Is(err, ledger.ErrPaymentNotFound) || errors.Is(err, ledger.ErrNotOpen) {
		if _, found, e := k.endedPayment(ctx, id, &r, pid); e != nil {
			return sdk.Coin{}, e
		} else if found {
			return sdk.Coin{}, ErrPaymentClosed
		}
	}
	if err := translate(err, &r); err != nil {
		return sdk.Coin{}, err
	}
	if err := k.save(ctx, id, &r); err != nil {
		return sdk.Coin{}, err
	}
	p, err := r.Payment(string(pid))
	if err != nil {
		return sdk.Coin{}, err
	}
	return sdk.Coin{Denom: r.Denom, Amount: amount}, k.pay(ctx, id, &r, p, amount)
}

func (k *Keeper) endedPayment(ctx context.Context, id AccountID, r *record, pid PaymentID) (ledger.Payment, bool, error) {
	for _, p := range r.Payments {
		if p.ID == string(pid) {
			return p, p.State != ledger.Open, nil
		}
	}
	p, _, err := k.ended.Find(ctx, closedKey(id, pid))
	if errors.Is(err, collections.ErrNotFound) {
		return p, false, nil
	}
	return p, err == nil, err
}

// ClosePayment pays out what the payment has earned and ends it; the account goes on.
func (k *Keeper) ClosePayment(ctx context.Context, id AccountID, pid PaymentID) error {
	r, err := k.load(ctx, id)
	if err != nil {
		return err
	}
	p, amount, err := r.ClosePayment(string(pid), height(ctx))
	if err := translate(err, &r); err != nil {
		return err
	}
	if err := k.ended.Move(ctx, closedKey(id, pid), store.None, endedClass(&p), p); err != nil {
		return err
	}
	if err := k.save(ctx, id, &r); err != nil {
		return err
	}
	return k.pay(ctx, id, &r, p, amount)
}

// CloseAccount ends the account and the payments on it: it pays out what they have earned,
// and gives each depositor back what isn't spent. An account that has no money for the
// next block ends overdrawn if dry is set.
func (k *Keeper) CloseAccount(ctx context.Context, id AccountID, dry bool) error {
	r, err := k.load(ctx, id)
	if err != nil {
		return err
	}
	state := ledger.Closed
	if dry {
		state = ledger.Overdrawn
	}
	payouts, refunds, err := r.Close(state, height(ctx))
	if err := translate(err, &r); err != nil {
		return err
	}
	if err := k.save(ctx, id, &r); err != nil {
		return err
	}
	for i, t := range payouts {
		if err := k.pay(ctx, id, &r, r.Payments[i], t.Amount); err != nil {
			return err
		}
	}
	for _, t := range refunds {
		if err := k.refund(ctx, id, r.Denom, t); err != nil {
			return err
		}
	}
	return k.emitAccountClosed(ctx, id, state)
}

// pay sends a payout to the payment's provider.
func (k *Keeper) pay(ctx context.Context, id AccountID, r *record, p ledger.Payment, amount math.Int) error {
	if amount.IsPositive() {
		// Not by the bank's module send, which refuses blocked recipients: money that was
		// earned has to arrive.
		if err := k.bank.SendCoins(ctx, k.address, sdk.AccAddress(p.Owner), sdk.Coins{{Denom: r.Denom, Amount: amount}}); err != nil {
			return err
		}
	} else if p.State == ledger.Open {
		return nil
	}
	return k.emitSettled(ctx, id, r.Denom, p, amount)
}

// view settles the account to height and shows the states that it has there: one whose
// money has ended is overdrawn, also while it waits for the chain to end it.
func (r *record) view(height int64) error {
	if err := r.Settle(height); err != nil || !r.Overdue(height) {
		return err
	}
	r.State = ledger.Overdrawn
	r.Payments = slices.Clone(r.Payments)
	for i := range r.Payments {
		r.Payments[i].State = ledger.Overdrawn
	}
	return nil
}

// Funding is what an account holds and how long that lasts.
type Funding struct {
	State   escrowtypes.State
	Balance sdk.Coin
	// Spent is what all payments together take a block.
	Spent sdk.DecCoin
	// LastBlock is the last block that is paid for; 0: nothing is being spent.
	LastBlock int64
	// Grace is the last block in which a deposit saves the account; 0: it isn't paused.
	Grace int64
}

// Funding returns what the account holds at the current block and how long that lasts.
func (k *Keeper) Funding(ctx context.Context, id AccountID) (Funding, error) {
	r, err := k.load(ctx, id)
	if err != nil {
		return Funding{}, err
	}
	f := Funding{Grace: r.Grace, Spent: sdk.DecCoin{Denom: r.Denom, Amount: math.LegacyZeroDec()}}
	if dry := r.DryAt(); dry < ledger.Never {
		f.LastBlock = dry
		for i := range r.Payments {
			f.Spent.Amount = f.Spent.Amount.Add(r.Payments[i].Rate)
		}
	}
	if err := r.view(height(ctx)); err != nil {
		return f, err
	}
	f.State, f.Balance = escrowtypes.State(r.State), sdk.Coin{Denom: r.Denom, Amount: r.Funds()}
	return f, nil
}

// Account returns the account as clients know it, settled to the current block.
func (k *Keeper) Account(ctx context.Context, id AccountID) (escrowtypes.Account, error) {
	r, err := k.load(ctx, id)
	if err != nil {
		return escrowtypes.Account{}, err
	}
	if err := r.view(height(ctx)); err != nil {
		return escrowtypes.Account{}, err
	}
	return wireAccount(id, &r)
}

// Payment returns the payment as clients know it, settled to the current block.
func (k *Keeper) Payment(ctx context.Context, id AccountID, pid PaymentID) (escrowtypes.Payment, error) {
	r, err := k.load(ctx, id)
	if err != nil {
		return escrowtypes.Payment{}, err
	}
	if err := r.view(height(ctx)); err != nil {
		return escrowtypes.Payment{}, err
	}
	for i := range r.Payments {
		if r.Payments[i].ID == string(pid) {
			return wirePayment(id, r.Denom, r.Payments[i])
		}
	}
	p, _, err := k.ended.Find(ctx, closedKey(id, pid))
	if errors.Is(err, collections.ErrNotFound) {
		return escrowtypes.Payment{}, ErrPaymentNotFound
	} else if err != nil {
		return escrowtypes.Payment{}, err
	}
	return wirePayment(id, r.Denom, p)
}
