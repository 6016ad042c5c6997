// Package provider is the registry of those who sell compute: who they are, where their gateway
// listens, and what they say of themselves.
//
// One record an owner, under the owner's address bytes. What always holds: a record in the store passes
// the checks of a create message, and a provider with active leases stays registered.
package provider

import (
	"context"
	"errors"

	"cosmossdk.io/collections"
	"cosmossdk.io/core/store"

	"github.com/cosmos/cosmos-sdk/codec"
	sdk "github.com/cosmos/cosmos-sdk/types"

	v1beta4 "github.com/akash-supercloud/akash/api/akash/provider/v1beta4"
)

const (
	// ModuleName is the module's name and error codespace.
	ModuleName = "provider"
	// StoreKey is the name of the module's store.
	StoreKey = ModuleName
)

// Leases tells whether a provider serves anyone; the market implements it.
type Leases interface {
	HasActiveLeases(ctx context.Context, provider sdk.AccAddress) (bool, error)
}

// Keeper reads and writes the registry.
type Keeper struct {
	schema    collections.Schema
	providers collections.Map[[]byte, v1beta4.Provider]
	leases    Leases
}

// NewKeeper returns a Keeper over the store. Call SetLeases before the first block: without it nothing
// can be deleted.
func NewKeeper(cdc codec.BinaryCodec, storeService store.KVStoreService) *Keeper {
	sb := collections.NewSchemaBuilder(storeService)
	k := &Keeper{
		providers: collections.NewMap(sb, collections.NewPrefix(1), "providers", collections.BytesKey, codec.CollValue[v1beta4.Provider](cdc)),
	}
	schema, err := sb.Build()
	if err != nil {
		panic(err)
	}
	k.schema = schema
	return k
}

// SetLeases says who knows of a provider's leases.
func (k *Keeper) SetLeases(l Leases) { k.leases = l }

// Provider returns the record of owner, and whether there is one.
func (k *Keeper) Provider(ctx context.Context, owner sdk.AccAddress) (v1beta4.Provider, bool, error) {
	p, err := k.providers.Get(ctx, owner)
	if errors.Is(err, collections.ErrNotFound) {
		return v1beta4.Provider{}, false, nil
	}
	return p, err == nil, err
}

// Has tells whether owner is registered.
func (k *Keeper) Has(ctx context.Context, owner sdk.AccAddress) (bool, error) {
	return k.providers.Has(ctx, owner)
}

// InitGenesis saves the providers of state.
func (k *Keeper) InitGenesis(ctx context.Context, state *v1beta4.GenesisState) error {
	for _, p := range state.Providers {
		addr, err := checkRecord(p.Owner, p.HostURI, p.Attributes, p.Info)
		if err != nil {
			return err
		}
		p.Owner = addr.String()
		if err := k.providers.Set(ctx, addr, p); err != nil {
			return err
		}
	}
	return nil
}

// ExportGenesis returns all providers, in the order of their addresses.
func (k *Keeper) ExportGenesis(ctx context.Context) (*v1beta4.GenesisState, error) {
	state := &v1beta4.GenesisState{Providers: []v1beta4.Provider{}}
	err := k.providers.Walk(ctx, nil, func(_ []byte, p v1beta4.Provider) (bool, error) {
		state.Providers = append(state.Providers, p)
		return false, nil
	})
	return state, err
}
