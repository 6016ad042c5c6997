package market

import (
	"context"
	"errors"
	"time"

	"cosmossdk.io/collections"
	errorsmod "cosmossdk.io/errors"

	sdk "github.com/cosmos/cosmos-sdk/types"
	sdkerrors "github.com/cosmos/cosmos-sdk/types/errors"

	eventsv1 "github.com/akash-supercloud/akash/api/akash/events/v1"
	marketv1 "github.com/akash-supercloud/akash/api/akash/market/v1"
	tradev1 "github.com/akash-supercloud/akash/api/akash/trade/v1"
	"github.com/akash-supercloud/akash/x/internal/key"
)

const (
	// MaxWithdrawals is how many leases one MsgWithdrawLeases names.
	MaxWithdrawals = 100
	// MaxDenials is how many providers one message denies or allows, MaxDenied how many an
	// owner denies in all.
	MaxDenials = 100
	MaxDenied  = 1000
	// MaxOrderLifetime and MaxGraceBlocks bound the parameters.
	MaxOrderLifetime = 10 * 365 * 24 * time.Hour
	MaxGraceBlocks   = 1 << 40
)

// Gas that a message pays for what the chain does later on its behalf, in EndBlock, where
// nobody pays. A test compares each with the work.
const (
	// GasOrderEnd is paid by whoever opens an order: it is closed when it expires, and its
	// group paused.
	GasOrderEnd = 16_000
	// GasBidEnd is paid with a bid: it is closed with its order, and its deposit refunded.
	GasBidEnd = 45_000
	// GasLeaseEnd is paid with a lease: when its money ends the lease is closed and paid out,
	// the deployment paused, and closed when nobody pays.
	GasLeaseEnd = 70_000
	// GasPerByte is paid besides, with each order and each lease, for each byte of the
	// deployment's record, which is written again with each end.
	GasPerByte = 40
)

// prepay consumes gas for work that the chain does later.
func prepay(ctx context.Context, gas uint64, what string) {
	sdk.UnwrapSDKContext(ctx).GasMeter().ConsumeGas(gas, what)
}

// DefaultTradeParams are those of a new chain.
func DefaultTradeParams() tradev1.Params {
	return tradev1.Params{OrderLifetime: 24 * time.Hour, GraceBlocks: 14_400}
}

// ValidateTradeParams checks parameters by themselves.
func ValidateTradeParams(p tradev1.Params) error {
	if p.OrderLifetime < 0 || p.OrderLifetime > MaxOrderLifetime || p.OrderLifetime%time.Second != 0 {
		return ErrInvalidTradeParam.Wrapf("order_lifetime %s; use whole seconds up to %s, or 0 for no end", p.OrderLifetime, MaxOrderLifetime)
	}
	if p.GraceBlocks < 0 || p.GraceBlocks > MaxGraceBlocks {
		return ErrInvalidTradeParam.Wrapf("grace_blocks %d; use 0 to %d", p.GraceBlocks, int64(MaxGraceBlocks))
	}
	return nil
}

// TradeParams returns the parameters of akash.trade.v1.
func (k *Keeper) TradeParams(ctx context.Context) (tradev1.Params, error) {
	p, err := k.trade.Get(ctx)
	if errors.Is(err, collections.ErrNotFound) {
		return DefaultTradeParams(), nil
	}
	return p, err
}

// GraceBlocks returns for how many blocks a deployment that has run out of money waits.
func (k *Keeper) GraceBlocks(ctx context.Context) (int64, error) {
	p, err := k.TradeParams(ctx)
	return p.GraceBlocks, err
}

func (k *Keeper) setTradeParams(ctx context.Context, p tradev1.Params) error {
	if err := ValidateTradeParams(p); err != nil {
		return err
	}
	return k.trade.Set(ctx, p)
}

func errExpired(o *order) error {
	return ErrOrderDurationExceeded.Wrapf("the order ended at %s", time.Unix(o.EndsAt, 0).UTC().Format(time.RFC3339))
}

func deniedKey(owner, provider sdk.AccAddress) []byte {
	return append(key.Addr(make([]byte, 0, 64), owner), provider...)
}

type tradeServer struct{ k *Keeper }

// NewTradeMsgServer returns the handlers of akash.trade.v1's messages.
func NewTradeMsgServer(k *Keeper) tradev1.MsgServer { return tradeServer{k} }

// WithdrawLeases pays a provider what its leases have earned until now, all or none. Those
// whose payment has ended meanwhile were paid then; they are reported, not refused.
func (s tradeServer) WithdrawLeases(ctx context.Context, m *tradev1.MsgWithdrawLeases) (*tradev1.MsgWithdrawLeasesResponse, error) {
	provider, err := sdk.AccAddressFromBech32(m.Provider)
	if err != nil {
		return nil, sdkerrors.ErrInvalidAddress.Wrapf("provider %q: %s", m.Provider, err)
	}
	if n := len(m.Leases); n == 0 || n > MaxWithdrawals {
		return nil, ErrInvalidList.Wrapf("%d leases; name 1 to %d", n, MaxWithdrawals)
	}
	ids := make([]bidID, len(m.Leases))
	seen := make(map[string]bool, len(m.Leases))
	for i := range m.Leases {
		if ids[i], err = parseLeaseID(&m.Leases[i]); err != nil {
			return nil, err
		}
		if !ids[i].provider.Equals(provider) {
			return nil, ErrInvalidList.Wrapf("lease %s isn't one of %s", m.Leases[i], m.Provider)
		}
		if k := string(ids[i].Key()); seen[k] {
			return nil, ErrInvalidList.Wrapf("lease %s is there twice", m.Leases[i])
		} else {
			seen[k] = true
		}
	}
	res := &tradev1.MsgWithdrawLeasesResponse{Withdrawals: make([]tradev1.Withdrawal, len(ids))}
	for i, id := range ids {
		w := &res.Withdrawals[i]
		w.ID = m.Leases[i]
		if w.Amount, w.Ended, err = s.k.withdraw(ctx, id); err != nil {
			return nil, errorsmod.Wrapf(err, "lease %s", w.ID) // fmt would hide its code
		}
	}
	return res, nil
}

// withdraw pays what a lease has earned; if its money ended before this block, all of it, by
// ending it. Ended says that it had ended already.
func (k *Keeper) withdraw(ctx context.Context, id bidID) (amount sdk.Coin, ended bool, err error) {
	e, _, err := k.entry(ctx, id, leaseActive, leaseReclaiming, leaseClosed, leaseDry)
	if err != nil {
		return amount, false, err
	}
	if e.Lease == nil {
		return amount, false, ErrUnknownLease
	}
	if e.Lease.State != marketv1.LeaseActive && e.Lease.State != marketv1.LeaseReclaiming {
		return sdk.NewInt64Coin(e.Bid.Price.Denom, 0), true, nil
	}
	overdue, err := k.escrow.Overdue(ctx, id.Account())
	if err != nil {
		return amount, false, err
	}
	if !overdue {
		amount, err = k.escrow.Withdraw(ctx, id.Account(), id.payment())
		return amount, false, err
	}
	before, err := k.escrow.Payment(ctx, id.Account(), id.payment())
	if err != nil {
		return amount, false, err
	}
	if _, err := k.deployment.EndIfOverdue(ctx, id.ID); err != nil {
		return amount, false, err
	}
	after, err := k.escrow.Payment(ctx, id.Account(), id.payment())
	if err != nil {
		return amount, false, err
	}
	return after.State.Withdrawn.Sub(before.State.Withdrawn), false, nil
}

// providers reads the list of a message.
func providers(list []string, owner sdk.AccAddress) ([]sdk.AccAddress, error) {
	if n := len(list); n == 0 || n > MaxDenials {
		return nil, ErrInvalidList.Wrapf("%d providers; name 1 to %d", n, MaxDenials)
	}
	seen := make(map[string]bool, len(list))
	out := make([]sdk.AccAddress, len(list))
	for i, text := range list {
		a, err := sdk.AccAddressFromBech32(text)
		switch {
		case err != nil:
			return nil, ErrInvalidList.Wrapf("provider %q: %s", text, err)
		case a.Equals(owner):
			return nil, ErrInvalidList.Wrap("an owner can't bid on orders of its own")
		case seen[string(a)]:
			return nil, ErrInvalidList.Wrapf("provider %s is there twice", text)
		}
		seen[string(a)], out[i] = true, a
	}
	return out, nil
}

// DenyProviders keeps providers from bidding on the owner's orders from now on. Bids and
// leases that there are stay. A provider that is denied already stays so.
func (s tradeServer) DenyProviders(ctx context.Context, m *tradev1.MsgDenyProviders) (*tradev1.MsgDenyProvidersResponse, error) {
	owner, err := sdk.AccAddressFromBech32(m.Owner)
	if err != nil {
		return nil, sdkerrors.ErrInvalidAddress.Wrapf("owner %q: %s", m.Owner, err)
	}
	list, err := providers(m.Providers, owner)
	if err != nil {
		return nil, err
	}
	n := 0
	err = s.k.denied.Walk(ctx, new(collections.Range[[]byte]).Prefix(key.Addr(nil, owner)), func([]byte) (bool, error) {
		n++
		return n > MaxDenied, nil
	})
	if err != nil {
		return nil, err
	}
	for _, p := range list {
		if has, err := s.k.denied.Has(ctx, deniedKey(owner, p)); err != nil {
			return nil, err
		} else if has {
			continue
		}
		if n++; n > MaxDenied {
			return nil, ErrTooManyDenials.Wrapf("at most %d; allow some again first", MaxDenied)
		}
		if err := s.k.denied.Set(ctx, deniedKey(owner, p)); err != nil {
			return nil, err
		}
		if err := emit(ctx, &eventsv1.EventProviderDenied{Owner: owner.String(), Provider: p.String()}); err != nil {
			return nil, err
		}
	}
	return &tradev1.MsgDenyProvidersResponse{}, nil
}

// AllowProviders takes denials back.
func (s tradeServer) AllowProviders(ctx context.Context, m *tradev1.MsgAllowProviders) (*tradev1.MsgAllowProvidersResponse, error) {
	owner, err := sdk.AccAddressFromBech32(m.Owner)
	if err != nil {
		return nil, sdkerrors.ErrInvalidAddress.Wrapf("owner %q: %s", m.Owner, err)
	}
	list, err := providers(m.Providers, owner)
	if err != nil {
		return nil, err
	}
	for _, p := range list {
		if has, err := s.k.denied.Has(ctx, deniedKey(owner, p)); err != nil {
			return nil, err
		} else if !has {
			return nil, ErrNotDenied.Wrap(p.String())
		}
		if err := s.k.denied.Remove(ctx, deniedKey(owner, p)); err != nil {
			return nil, err
		}
		if err := emit(ctx, &eventsv1.EventProviderAllowed{Owner: owner.String(), Provider: p.String()}); err != nil {
			return nil, err
		}
	}
	return &tradev1.MsgAllowProvidersResponse{}, nil
}

// UpdateParams changes the parameters; only the authority (governance) may.
func (s tradeServer) UpdateParams(ctx context.Context, m *tradev1.MsgUpdateParams) (*tradev1.MsgUpdateParamsResponse, error) {
	if m.Authority != s.k.authority {
		return nil, sdkerrors.ErrUnauthorized.Wrapf("%s may not change parameters, only %s", m.Authority, s.k.authority)
	}
	return &tradev1.MsgUpdateParamsResponse{}, s.k.setTradeParams(ctx, m.Params)
}
