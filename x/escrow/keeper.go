package escrow

import (
	"context"
	"time"

	corestore "cosmossdk.io/core/store"

	"github.com/cosmos/cosmos-sdk/codec"
	sdk "github.com/cosmos/cosmos-sdk/types"
	"github.com/cosmos/cosmos-sdk/x/authz"
)

// BankKeeper is what escrow asks of the bank.
type BankKeeper interface {
	SpendableCoin(ctx context.Context, addr sdk.AccAddress, denom string) sdk.Coin
	GetBalance(ctx context.Context, addr sdk.AccAddress, denom string) sdk.Coin
	SendCoins(ctx context.Context, from, to sdk.AccAddress, amt sdk.Coins) error
}

// AuthzKeeper is what escrow asks of the grants.
type AuthzKeeper interface {
	GetAuthorization(ctx context.Context, grantee, granter sdk.AccAddress, msgType string) (authz.Authorization, *time.Time)
	SaveGrant(ctx context.Context, grantee, granter sdk.AccAddress, authorization authz.Authorization, expiration *time.Time) error
	DeleteGrant(ctx context.Context, grantee, granter sdk.AccAddress, msgType string) error
	IterateGrants(ctx context.Context, handler func(granter, grantee sdk.AccAddress, grant authz.Grant) bool)
}

// Keeper holds the escrow accounts.
type Keeper struct {
	cdc   codec.Codec
	bank  BankKeeper
	authz AuthzKeeper
}

// NewKeeper returns the keeper of escrow accounts.
func NewKeeper(cdc codec.Codec, storeService corestore.KVStoreService, bank BankKeeper, authz AuthzKeeper) *Keeper {
	return &Keeper{cdc: cdc, bank: bank, authz: authz}
}

// EndBlock closes accounts that ran dry.
func (k *Keeper) EndBlock(ctx context.Context) error { return nil }
