// Package account gives accounts numbers that every wallet can sign for.
//
// Cosmos SDK 0.55 numbers an account made after genesis by a 64-bit hash (2^63 and up). JavaScript
// wallets hold numbers in 53 bits and refuse those accounts. Here numbers are a plain sequence, as in
// earlier SDKs: an account made on this chain has a number below 2^53, always. The sequence lives in
// the auth store (the SDK keeps the key for its own migration), so it is part of the app hash.
package account

import (
	"context"
	"encoding/json"
	"fmt"

	"cosmossdk.io/collections"
	corestore "cosmossdk.io/core/store"

	"github.com/cosmos/cosmos-sdk/codec"
	sdk "github.com/cosmos/cosmos-sdk/types"
	"github.com/cosmos/cosmos-sdk/types/module"
	"github.com/cosmos/cosmos-sdk/x/auth"
	authkeeper "github.com/cosmos/cosmos-sdk/x/auth/keeper"
	authtypes "github.com/cosmos/cosmos-sdk/x/auth/types"
)

// MaxNumber is the first account number that is not handed out: JavaScript's safe integers end below it.
const MaxNumber = uint64(1) << 53

// Keeper is the SDK's account keeper with numbers out of a sequence. Give this one, never the inner
// keeper, to every module that may make accounts.
type Keeper struct {
	authkeeper.AccountKeeper
	// records are the inner keeper's accounts without their index by number.
	records collections.Map[sdk.AccAddress, sdk.AccountI]
}

// NewKeeper wraps inner, which has to be over the same store.
func NewKeeper(inner authkeeper.AccountKeeper, cdc codec.BinaryCodec, store corestore.KVStoreService) Keeper {
	return Keeper{AccountKeeper: inner, records: collections.NewMap(collections.NewSchemaBuilder(store), authtypes.AddressStoreKeyPrefix, "accounts",
		sdk.AccAddressKey, codec.CollInterfaceValue[sdk.AccountI](cdc))}
}

// NextAccountNumber takes the next number of the sequence.
func (k Keeper) NextAccountNumber(ctx context.Context, _ sdk.AccountI) uint64 {
	n, err := k.AccountNumber.Next(ctx)
	if err != nil {
		panic(fmt.Errorf("account number sequence: %w", err)) // the store itself is broken
	}
	return n
}

// NewAccount gives acc the next account number; it doesn't save acc.
func (k Keeper) NewAccount(ctx context.Context, acc sdk.AccountI) sdk.AccountI {
	if err := acc.SetAccountNumber(k.NextAccountNumber(ctx, acc)); err != nil {
		panic(err)
	}
	return acc
}

// NewAccountWithAddress makes a numbered base account of address addr; it doesn't save it.
func (k Keeper) NewAccountWithAddress(ctx context.Context, addr sdk.AccAddress) sdk.AccountI {
	acc := authtypes.ProtoBaseAccount()
	if err := acc.SetAddress(addr); err != nil {
		panic(err)
	}
	return k.NewAccount(ctx, acc)
}

// GetModuleAccountAndPermissions returns the account of a module, which it makes if need be.
func (k Keeper) GetModuleAccountAndPermissions(ctx context.Context, name string) (sdk.ModuleAccountI, []string) {
	addr, perms := k.GetModuleAddressAndPermissions(name)
	if addr == nil {
		return nil, []string{}
	}
	if acc := k.GetAccount(ctx, addr); acc != nil {
		m, ok := acc.(sdk.ModuleAccountI)
		if !ok {
			panic(fmt.Sprintf("account %s of module %s is not a module account", addr, name))
		}
		return m, perms
	}
	m := k.NewAccount(ctx, authtypes.NewEmptyModuleAccount(name, perms...)).(sdk.ModuleAccountI)
	k.SetModuleAccount(ctx, m)
	return m, perms
}

// GetModuleAccount returns the account of a module, which it makes if need be.
func (k Keeper) GetModuleAccount(ctx context.Context, name string) sdk.ModuleAccountI {
	m, _ := k.GetModuleAccountAndPermissions(ctx, name)
	return m
}

// Renumber gives the saved account of addr a number of the sequence if it has one of MaxNumber or more,
// which only code that went around this Keeper can have given.
func (k Keeper) Renumber(ctx context.Context, addr sdk.AccAddress) {
	acc := k.GetAccount(ctx, addr)
	if acc == nil || acc.GetAccountNumber() < MaxNumber {
		return
	}
	k.SetAccount(ctx, k.NewAccount(ctx, acc))
}

// Module is x/auth's module whose genesis starts the sequence behind the highest number it read.
type Module struct {
	auth.AppModule
	k Keeper
}

var (
	_ module.HasGenesis  = Module{}
	_ module.HasServices = Module{}
)

// NewModule returns the auth module of k.
func NewModule(cdc codec.Codec, k Keeper) Module {
	return Module{AppModule: auth.NewAppModule(cdc, k.AccountKeeper, nil), k: k}
}

// InitGenesis saves params and accounts of the genesis and sets the number sequence behind them.
func (m Module) InitGenesis(ctx sdk.Context, cdc codec.JSONCodec, data json.RawMessage) {
	var state authtypes.GenesisState
	cdc.MustUnmarshalJSON(data, &state)
	if err := m.k.Params.Set(ctx, state.Params); err != nil {
		panic(err)
	}
	accounts, err := authtypes.UnpackAccounts(state.Accounts)
	if err != nil {
		panic(err)
	}
	next := uint64(0)
	for _, acc := range authtypes.SanitizeGenesisAccounts(accounts) {
		n := acc.GetAccountNumber()
		if n >= MaxNumber {
			panic(fmt.Sprintf("genesis account %s has number %d; numbers end below 2^53", acc.GetAddress(), n))
		}
		next = max(next, n+1)
		m.k.SetAccount(ctx, acc)
	}
	if next > 0 {
		if err := m.k.AccountNumber.Set(ctx, next); err != nil {
			panic(err)
		}
	}
	m.k.GetModuleAccount(ctx, authtypes.FeeCollectorName)
}
