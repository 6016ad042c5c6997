package escrow

import (
	"context"
	"slices"
	"time"

	"cosmossdk.io/collections"
	"cosmossdk.io/math"

	sdk "github.com/cosmos/cosmos-sdk/types"
	"github.com/cosmos/cosmos-sdk/x/authz"

	depositv1 "github.com/akash-supercloud/akash/api/akash/base/deposit/v1"
	types "github.com/akash-supercloud/akash/api/akash/escrow/v1"
	"github.com/akash-supercloud/akash/x/escrow/ledger"
	"github.com/akash-supercloud/akash/x/internal/key"
)

// maxGrants is how many granters' grants one deposit looks at; its signer pays the gas.
const maxGrants = 1000

// ValidateDeposit checks a deposit by itself: a positive amount, at least one source, none
// twice.
func ValidateDeposit(d depositv1.Deposit) error {
	if d.Amount.Amount.IsNil() || d.Amount.Validate() != nil || !d.Amount.IsPositive() {
		return ErrInvalidDeposit.Wrapf("amount %q is not a positive amount of one denomination", coinText(d.Amount))
	}
	if len(d.Sources) == 0 {
		return ErrInvalidDeposit.Wrap("no source named; use balance, grant or both")
	}
	for i, s := range d.Sources {
		if s != depositv1.SourceBalance && s != depositv1.SourceGrant {
			return ErrInvalidDeposit.Wrapf("source %s is not one; use balance or grant", s)
		}
		if slices.Contains(d.Sources[:i], s) {
			return ErrInvalidDeposit.Wrapf("source %s is named twice", s)
		}
	}
	return nil
}

// coinText never panics, whatever came from outside.
func coinText(c sdk.Coin) string {
	if c.Amount.IsNil() {
		return c.Denom
	}
	return c.Amount.String() + c.Denom
}

// fill takes the deposit from its sources, in the order given, each as far as it goes.
func (k *Keeper) fill(ctx context.Context, id AccountID, r *record, signer sdk.AccAddress, d depositv1.Deposit) error {
	a, err := id.parts()
	if err != nil {
		return err
	}
	own := a.payer().Equals(signer)
	left, outOfScope := d.Amount.Amount, false
	for _, source := range d.Sources {
		if !left.IsPositive() {
			break
		}
		if source == depositv1.SourceBalance {
			amount := math.MinInt(left, k.bank.SpendableCoin(ctx, signer, r.Denom).Amount)
			if err := k.take(ctx, id, r, signer, ledger.Balance, amount, own); err != nil {
				return err
			}
			left = left.Sub(amount)
		} else if left, outOfScope, err = k.takeGrants(ctx, id, a, r, signer, left); err != nil {
			return err
		}
	}
	if left.IsPositive() && outOfScope {
		return ErrUnauthorizedDepositScope.Wrapf("%s%s of %s are not covered, and a grant that has them is not for this kind of deposit", left, r.Denom, d.Amount)
	}
	if left.IsPositive() {
		return ErrInvalidDeposit.Wrapf("insufficient balance: %s%s of %s are not covered", left, r.Denom, d.Amount)
	}
	return nil
}

// take moves amount from one depositor to the module account.
func (k *Keeper) take(ctx context.Context, id AccountID, r *record, from sdk.AccAddress, source ledger.Source, amount math.Int, own bool) error {
	if !amount.IsPositive() {
		return nil
	}
	d := ledger.Deposit{Owner: string(from), Source: source, Amount: amount}
	if err := translate(r.Deposit(d, height(ctx), own), r); err != nil {
		return err
	}
	if err := k.bank.SendCoinsFromAccountToModule(ctx, from, ModuleName, sdk.Coins{{Denom: r.Denom, Amount: amount}}); err != nil {
		return err
	}
	return k.emitDeposited(ctx, id, r.Denom, d)
}

// offer is what one granter allows and has.
type offer struct {
	granter sdk.AccAddress
	grant   *types.DepositAuthorization
	expires *time.Time
	amount  math.Int
}

// takeGrants takes up to left from those who granted deposits to signer, and returns what
// isn't covered, and whether grants for other scopes have more. Who can give most gives first, so that grants of next to nothing, which
// anyone can make to anyone, stand in nobody's way.
func (k *Keeper) takeGrants(ctx context.Context, id AccountID, a account, r *record, signer sdk.AccAddress, left math.Int) (math.Int, bool, error) {
	offers, outOfScope, err := k.offers(ctx, a, r.Denom, signer)
	if err != nil {
		return left, false, err
	}
	// A grant belongs to its grantee. Money that a grantee spends on somebody else's
	// account is, for that account, the granter's own: it goes back to the granter, but
	// raises no limit, because the account doesn't know whose.
	source := ledger.Grant
	if !a.payer().Equals(signer) {
		source = ledger.Balance
	}
	for _, o := range offers {
		if !left.IsPositive() {
			break
		}
		amount := math.MinInt(left, o.amount)
		if err := k.take(ctx, id, r, o.granter, source, amount, false); err != nil {
			return left, false, err
		}
		// A grant that is used up stays, empty, so that a refund finds it.
		rest := o.grant.WithLimits(o.grant.Limits().Sub(sdk.Coin{Denom: r.Denom, Amount: amount}))
		if err := k.authz.SaveGrant(ctx, signer, o.granter, rest, o.expires); err != nil {
			return left, false, err
		}
		left = left.Sub(amount)
	}
	return left, outOfScope, nil
}

// offers returns who can pay into the account in signer's stead, the largest amount first,
// and whether others could if their grants were for its scope.
func (k *Keeper) offers(ctx context.Context, a account, denom string, signer sdk.AccAddress) (offers []offer, outOfScope bool, err error) {
	granters, err := k.granters(ctx, signer)
	if err != nil {
		return nil, false, err
	}
	now := sdk.UnwrapSDKContext(ctx).BlockTime()
	for _, granter := range granters {
		found, expires := k.authz.GetAuthorization(ctx, signer, granter, types.DepositMsgType)
		grant, ok := found.(*types.DepositAuthorization)
		if !ok { // revoked or expired since
			if err := k.grants.Remove(ctx, grantKey(signer, granter)); err != nil {
				return nil, false, err
			}
			continue
		}
		if granter.Equals(signer) || (expires != nil && !expires.After(now)) {
			continue
		}
		amount := grant.Limits().AmountOf(denom)
		if amount.IsPositive() {
			amount = math.MinInt(amount, k.bank.SpendableCoin(ctx, granter, denom).Amount)
		}
		switch {
		case !amount.IsPositive():
		case grant.Allows(a.scope):
			offers = append(offers, offer{granter, grant, expires, amount})
		default:
			outOfScope = true
		}
	}
	slices.SortStableFunc(offers, func(a, b offer) int { return b.amount.BigIntMut().Cmp(a.amount.BigIntMut()) })
	return offers, outOfScope, nil
}

// refund sends unspent money back to its depositor. What a grant paid raises the grant
// again, if it is still there.
func (k *Keeper) refund(ctx context.Context, id AccountID, denom string, t ledger.Transfer) error {
	to := sdk.AccAddress(t.To)
	coin := sdk.Coin{Denom: denom, Amount: t.Amount}
	if err := k.bank.SendCoins(ctx, k.address, to, sdk.Coins{coin}); err != nil {
		return err
	}
	if t.Source == ledger.Grant {
		a, err := id.parts()
		if err != nil {
			return err
		}
		found, expires := k.authz.GetAuthorization(ctx, a.payer(), to, types.DepositMsgType)
		grant, ok := found.(*types.DepositAuthorization)
		if ok && (expires == nil || expires.After(sdk.UnwrapSDKContext(ctx).BlockTime())) {
			if err := k.authz.SaveGrant(ctx, a.payer(), to, grant.WithLimits(grant.Limits().Add(coin)), expires); err != nil {
				return err
			}
		}
	}
	return k.emitRefunded(ctx, id, denom, t)
}

func grantKey(grantee, granter sdk.AccAddress) []byte {
	return append(key.Addr(nil, grantee), granter...)
}

func (k *Keeper) granters(ctx context.Context, grantee sdk.AccAddress) ([]sdk.AccAddress, error) {
	it, err := k.grants.Iterate(ctx, new(collections.Range[[]byte]).Prefix(key.Addr(nil, grantee)))
	if err != nil {
		return nil, err
	}
	defer it.Close()
	var out []sdk.AccAddress
	for ; it.Valid() && len(out) < maxGrants; it.Next() {
		b, err := it.Key()
		if err != nil {
			return nil, err
		}
		r := key.Read(b)
		r.Addr()
		out = append(out, sdk.AccAddress(r.Rest()))
	}
	return out, nil
}

// IndexGrant remembers that granter allowed grantee to deposit.
func (k *Keeper) IndexGrant(ctx context.Context, grantee, granter sdk.AccAddress) error {
	return k.grants.Set(ctx, grantKey(grantee, granter))
}

// indexGrants finds the deposit grants that authz holds already.
func (k *Keeper) indexGrants(ctx context.Context) (err error) {
	k.authz.IterateGrants(ctx, func(granter, grantee sdk.AccAddress, grant authz.Grant) bool {
		if grant.Authorization == nil || grant.Authorization.TypeUrl != "/akash.escrow.v1.DepositAuthorization" {
			return false
		}
		err = k.IndexGrant(ctx, grantee, granter)
		return err != nil
	})
	return err
}
