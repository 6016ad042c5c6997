package deployment

import (
	corestore "cosmossdk.io/core/store"

	"github.com/cosmos/cosmos-sdk/codec"

	"github.com/akash-supercloud/akash/x/escrow"
)

// Keeper holds deployments and their groups.
type Keeper struct {
	cdc       codec.Codec
	escrow    *escrow.Keeper
	authority string
}

// NewKeeper returns the keeper of deployments. Authority is the address that may change
// the parameters.
func NewKeeper(cdc codec.Codec, storeService corestore.KVStoreService, escrow *escrow.Keeper, authority string) *Keeper {
	return &Keeper{cdc: cdc, escrow: escrow, authority: authority}
}
