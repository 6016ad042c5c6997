package deployment

import (
	sdk "github.com/cosmos/cosmos-sdk/types"

	types "github.com/akash-supercloud/akash/api/akash/deployment/v1beta4"
)

// DefaultGenesis returns the state of a new chain.
func DefaultGenesis() *types.GenesisState { return &types.GenesisState{} }

// ValidateGenesis checks a genesis state by itself.
func ValidateGenesis(g *types.GenesisState) error { return nil }

// InitGenesis fills the store.
func (k *Keeper) InitGenesis(ctx sdk.Context, g *types.GenesisState) error { return nil }

// ExportGenesis returns the whole state.
func (k *Keeper) ExportGenesis(ctx sdk.Context) (*types.GenesisState, error) {
	return DefaultGenesis(), nil
}
