package account

import (
	"bytes"
	"context"

	sdk "github.com/cosmos/cosmos-sdk/types"
	authtypes "github.com/cosmos/cosmos-sdk/x/auth/types"
)

// memo is what the checks of one transaction have read of accounts. They read the same account and parameters five to
// ten times, and each read decodes it anew, which was a third of the checks' cost. A read that the memo answers
// uses no gas; what is in it depends on the transaction alone, so all nodes agree on that.
//
// It lives from Remember to Forget, while nothing writes accounts but the checks, through the Keeper.
type memo struct {
	params   *authtypes.Params
	accounts []remembered // most transactions have one
	done     bool
}

// An account tells its own address only by way of its text.
type remembered struct {
	address sdk.AccAddress
	account sdk.AccountI
}

type memoKey struct{}

// Remember returns a context in which the Keeper reads each account from the store once.
func Remember(ctx sdk.Context) sdk.Context { return ctx.WithValue(memoKey{}, &memo{}) }

// Forget ends that for ctx and the context that it came from: messages read what is in the store.
func Forget(ctx sdk.Context) {
	if m := memoOf(ctx); m != nil {
		m.done = true
	}
}

// Peek returns a context that reads what ctx remembers, while what is read through it isn't remembered in ctx.
func Peek(ctx sdk.Context) sdk.Context {
	m := memoOf(ctx)
	if m == nil {
		return ctx
	}
	c := memo{params: m.params, accounts: m.accounts[:len(m.accounts):len(m.accounts)]}
	return ctx.WithValue(memoKey{}, &c)
}

func memoOf(ctx context.Context) *memo {
	if m, ok := ctx.Value(memoKey{}).(*memo); ok && !m.done {
		return m
	}
	return nil
}

func (m *memo) find(addr sdk.AccAddress) int {
	for i, a := range m.accounts {
		if bytes.Equal(a.address, addr) {
			return i
		}
	}
	return -1
}

// GetAccount returns the account of addr, or nil.
func (k Keeper) GetAccount(ctx context.Context, addr sdk.AccAddress) sdk.AccountI {
	m := memoOf(ctx)
	if m == nil {
		return k.AccountKeeper.GetAccount(ctx, addr)
	}
	if i := m.find(addr); i >= 0 {
		return m.accounts[i].account
	}
	a := k.AccountKeeper.GetAccount(ctx, addr)
	if a != nil {
		m.accounts = append(m.accounts, remembered{addr, a})
	}
	return a
}

// SetAccount saves acc, with the number that it has.
func (k Keeper) SetAccount(ctx context.Context, acc sdk.AccountI) {
	addr := acc.GetAddress()
	if m := memoOf(ctx); m != nil {
		if i := m.find(addr); i >= 0 {
			m.accounts[i].account = acc
		}
	}
	// The SDK's way reads the account that is there, removes its number from the index and adds it again. An
	// account's number never changes.
	if owner, err := k.Accounts.Indexes.Number.MatchExact(ctx, acc.GetAccountNumber()); err == nil && owner.Equals(addr) {
		if err := k.records.Set(ctx, addr, acc); err != nil {
			panic(err) // the store itself is broken
		}
		return
	}
	k.AccountKeeper.SetAccount(ctx, acc)
}

// GetParams returns the module's parameters.
func (k Keeper) GetParams(ctx context.Context) authtypes.Params {
	m := memoOf(ctx)
	if m == nil {
		return k.AccountKeeper.GetParams(ctx)
	}
	if m.params == nil {
		p := k.AccountKeeper.GetParams(ctx)
		m.params = &p
	}
	return *m.params
}
