// Package v1 is the wire form of escrow: the deposit message, the grant that lets another
// account deposit one's money, queries and genesis. Generated from proto/akash/escrow/v1;
// this file adds what the Cosmos SDK's authz module asks of a grant.
package v1

import (
	"context"
	"errors"
	"fmt"

	"cosmossdk.io/math"

	sdk "github.com/cosmos/cosmos-sdk/types"
	sdkerrors "github.com/cosmos/cosmos-sdk/types/errors"
	"github.com/cosmos/cosmos-sdk/x/authz"

	escrowid "github.com/akash-supercloud/akash/api/akash/escrow/id/v1"
)

// DepositMsgType is the message type under which authz keeps deposit grants.
const DepositMsgType = "/akash.escrow.v1.MsgAccountDeposit"

var _ authz.Authorization = (*DepositAuthorization)(nil)

// MsgTypeURL returns DepositMsgType.
func (*DepositAuthorization) MsgTypeURL() string { return DepositMsgType }

// Limits returns what may still be spent, whichever of the two fields says it.
func (a *DepositAuthorization) Limits() sdk.Coins {
	limits := a.SpendLimits
	if !a.SpendLimit.Amount.IsNil() && a.SpendLimit.IsPositive() {
		limits = limits.Add(a.SpendLimit)
	}
	return limits
}

// WithLimits returns a copy of a that may spend limits and nothing else.
func (a *DepositAuthorization) WithLimits(limits sdk.Coins) *DepositAuthorization {
	c := &DepositAuthorization{Scopes: a.Scopes, SpendLimit: sdk.Coin{Amount: math.ZeroInt()}, SpendLimits: limits}
	// The older field stays in use where the granter used it, so older clients see what is left.
	if sdk.ValidateDenom(a.SpendLimit.Denom) == nil {
		c.SpendLimit = sdk.Coin{Denom: a.SpendLimit.Denom, Amount: limits.AmountOf(a.SpendLimit.Denom)}
		c.SpendLimits = limits.Sub(sdk.NewCoins(c.SpendLimit)...)
	}
	return c
}

// Allows reports whether the grant is good for escrow accounts of scope.
func (a *DepositAuthorization) Allows(scope escrowid.Scope) bool {
	for _, s := range a.Scopes {
		if int32(s) == int32(scope) && scope != escrowid.ScopeInvalid {
			return true
		}
	}
	return false
}

// Accept checks a deposit that the grantee sends in the granter's name by authz's
// MsgExec, and takes its amount off the limit. The grant is deleted when nothing is left.
func (a *DepositAuthorization) Accept(_ context.Context, msg sdk.Msg) (authz.AcceptResponse, error) {
	m, ok := msg.(*MsgAccountDeposit)
	if !ok {
		return authz.AcceptResponse{}, sdkerrors.ErrUnauthorized.Wrapf("a deposit grant doesn't cover %s", sdk.MsgTypeURL(msg))
	}
	if !a.Allows(m.ID.Scope) {
		return authz.AcceptResponse{}, sdkerrors.ErrUnauthorized.Wrapf("the grant doesn't cover escrow accounts of scope %s", m.ID.Scope)
	}
	amount := m.Deposit.Amount
	if amount.Validate() != nil || !amount.IsPositive() {
		return authz.AcceptResponse{}, sdkerrors.ErrInvalidCoins.Wrap("the deposit's amount has to be a positive amount of one denomination")
	}
	limits := a.Limits()
	left, short := limits.SafeSub(amount)
	if short {
		return authz.AcceptResponse{}, sdkerrors.ErrInsufficientFunds.Wrapf("the grant allows %s, not %s", limits, amount)
	}
	if left.IsZero() {
		return authz.AcceptResponse{Accept: true, Delete: true}, nil
	}
	return authz.AcceptResponse{Accept: true, Updated: a.WithLimits(left)}, nil
}

// ValidateBasic checks that the limits are proper positive amounts, and that at least one
// scope is named, each once.
func (a *DepositAuthorization) ValidateBasic() error {
	single := !a.SpendLimit.Amount.IsNil() && !a.SpendLimit.Amount.IsZero()
	if single {
		if err := a.SpendLimit.Validate(); err != nil {
			return fmt.Errorf("spend_limit: %w", err)
		}
	}
	if err := a.SpendLimits.Validate(); err != nil {
		return fmt.Errorf("spend_limits: %w", err)
	}
	if !single && a.SpendLimits.Empty() {
		return errors.New("a deposit grant needs a positive spend limit")
	}
	if len(a.Scopes) == 0 {
		return errors.New("a deposit grant needs at least one scope: deployment or bid")
	}
	seen := map[DepositAuthorization_Scope]bool{}
	for _, s := range a.Scopes {
		if s != DepositScopeDeployment && s != DepositScopeBid {
			return fmt.Errorf("%s is not a scope of deposit grants; use deployment or bid", s)
		}
		if seen[s] {
			return fmt.Errorf("scope %s is named twice", s)
		}
		seen[s] = true
	}
	return nil
}
