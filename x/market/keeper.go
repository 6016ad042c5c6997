package market

import (
	"context"

	corestore "cosmossdk.io/core/store"

	"github.com/cosmos/cosmos-sdk/codec"
	sdk "github.com/cosmos/cosmos-sdk/types"

	auditv1 "github.com/akash-supercloud/akash/api/akash/audit/v1"
	providerv1beta4 "github.com/akash-supercloud/akash/api/akash/provider/v1beta4"
	"github.com/akash-supercloud/akash/x/deployment"
	"github.com/akash-supercloud/akash/x/escrow"
)

// ProviderKeeper is what the market asks of the registry of providers.
type ProviderKeeper interface {
	// Provider returns the registered provider; false if there is none.
	Provider(ctx context.Context, owner sdk.AccAddress) (providerv1beta4.Provider, bool, error)
}

// AuditKeeper is what the market asks of the registry of audited attributes.
type AuditKeeper interface {
	// Audited returns what auditors signed about a provider, in order of auditor.
	Audited(ctx context.Context, owner sdk.AccAddress) ([]auditv1.AuditedProvider, error)
}

// AccountKeeper and BankKeeper keep room for what the market may ask of them.
type (
	AccountKeeper interface{}
	BankKeeper    interface{}
)

// Keeper holds orders, bids and leases.
type Keeper struct {
	cdc        codec.Codec
	escrow     *escrow.Keeper
	deployment *deployment.Keeper
	provider   ProviderKeeper
	audit      AuditKeeper
	authority  string
}

// NewKeeper returns the keeper of the market and joins it to the deployments, so that
// their groups open and close orders. Authority is the address that may change the
// parameters.
func NewKeeper(cdc codec.Codec, storeService corestore.KVStoreService, escrow *escrow.Keeper, deployment *deployment.Keeper,
	provider ProviderKeeper, audit AuditKeeper, _ AccountKeeper, _ BankKeeper, authority string,
) *Keeper {
	return &Keeper{cdc: cdc, escrow: escrow, deployment: deployment, provider: provider, audit: audit, authority: authority}
}
