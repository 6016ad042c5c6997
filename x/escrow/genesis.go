package escrow

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"cosmossdk.io/collections"
	"cosmossdk.io/math"

	sdk "github.com/cosmos/cosmos-sdk/types"

	escrowid "github.com/akash-supercloud/akash/api/akash/escrow/id/v1"
	escrowtypes "github.com/akash-supercloud/akash/api/akash/escrow/types/v1"
	types "github.com/akash-supercloud/akash/api/akash/escrow/v1"
	"github.com/akash-supercloud/akash/x/escrow/ledger"
	"github.com/akash-supercloud/akash/x/internal/store"
)

// DefaultGenesis returns the state of a new chain: no accounts.
func DefaultGenesis() *types.GenesisState {
	return &types.GenesisState{Accounts: []escrowtypes.Account{}, Payments: []escrowtypes.Payment{}}
}

// ValidateGenesis checks a genesis state by itself.
func ValidateGenesis(g *types.GenesisState) error {
	_, _, _, err := readGenesis(g)
	return err
}

type genesisPayment struct {
	account AccountID
	id      PaymentID
	ledger.Payment
}

// readGenesis turns a genesis state into accounts, with their running payments, and
// payments that have ended.
func readGenesis(g *types.GenesisState) (ids []AccountID, accounts map[string]*record, ended []genesisPayment, err error) {
	accounts = make(map[string]*record, len(g.Accounts))
	for i := range g.Accounts {
		id, r, err := readAccount(g.Accounts[i])
		if err != nil {
			return nil, nil, nil, fmt.Errorf("accounts[%d]: %w", i, err)
		}
		if accounts[string(id)] != nil {
			return nil, nil, nil, fmt.Errorf("accounts[%d]: %w", i, ErrAccountExists)
		}
		accounts[string(id)] = &r
		ids = append(ids, id)
	}
	seen := make(map[string]bool, len(g.Payments))
	for i := range g.Payments {
		id, pid, denom, p, err := readPayment(g.Payments[i])
		if err != nil {
			return nil, nil, nil, fmt.Errorf("payments[%d]: %w", i, err)
		}
		k := string(closedKey(id, pid))
		r := accounts[string(id)]
		switch {
		case seen[k]:
			return nil, nil, nil, fmt.Errorf("payments[%d]: %w", i, ErrPaymentExists)
		case r == nil:
			return nil, nil, nil, fmt.Errorf("payments[%d]: %w", i, ErrAccountNotFound)
		case denom != r.Denom:
			return nil, nil, nil, fmt.Errorf("payments[%d]: %w", i, ErrInvalidDenomination)
		}
		seen[k] = true
		if p.State != ledger.Open {
			ended = append(ended, genesisPayment{id, pid, p})
			continue
		}
		r.Payments = append(r.Payments, p)
		if r.State != ledger.Open || len(r.Payments) > ledger.MaxPayments {
			return nil, nil, nil, fmt.Errorf("payments[%d]: %w", i, ErrInvalidPayment)
		}
	}
	return ids, accounts, ended, nil
}

// InitGenesis fills the store from a genesis state. The coins that the accounts hold have
// to be the module account's in the bank's genesis.
func (k *Keeper) InitGenesis(ctx context.Context, g *types.GenesisState) error {
	ids, accounts, ended, err := readGenesis(g)
	if err != nil {
		return err
	}
	held := sdk.NewCoins()
	for _, id := range ids {
		r := accounts[string(id)]
		if sum := r.Funds().Add(r.Dues()); sum.IsPositive() {
			held = held.Add(sdk.NewCoin(r.Denom, sum))
		}
		r.class = store.None
		if err := k.save(ctx, id, r); err != nil {
			return err
		}
	}
	for _, p := range ended {
		if err := k.ended.Move(ctx, closedKey(p.account, p.id), store.None, endedClass(&p.Payment), p.Payment); err != nil {
			return err
		}
	}
	if has := k.bank.GetAllBalances(ctx, k.address); !has.IsAllGTE(held) {
		return fmt.Errorf("accounts hold %s, but the bank's genesis gives the module account %s only %s", held, k.address, has)
	}
	return k.indexGrants(ctx)
}

// ExportGenesis returns the module's whole state, as it was settled last. Accounts are in
// order of their state and keys, payments in order of accounts and payments.
func (k *Keeper) ExportGenesis(ctx context.Context) (*types.GenesisState, error) {
	g := DefaultGenesis()
	err := k.each(ctx, func(id AccountID, r record) error {
		a, err := wireAccount(id, &r)
		if err != nil {
			return err
		}
		g.Accounts = append(g.Accounts, a)
		payments := slices.Clone(r.Payments)
		for _, m := range k.ended {
			err := m.Walk(ctx, new(collections.Range[[]byte]).Prefix(id), func(_ []byte, p ledger.Payment) (bool, error) {
				payments = append(payments, p)
				return false, nil
			})
			if err != nil {
				return err
			}
		}
		slices.SortFunc(payments, func(a, b ledger.Payment) int { return cmp.Compare(a.ID, b.ID) })
		for _, p := range payments {
			w, err := wirePayment(id, r.Denom, p)
			if err != nil {
				return err
			}
			g.Payments = append(g.Payments, w)
		}
		return nil
	})
	return g, err
}

func (k *Keeper) each(ctx context.Context, fn func(AccountID, record) error) error {
	return k.accounts.Each(ctx, func(class int, id []byte, r record) error {
		r.class = class
		return fn(id, r)
	})
}

// Counts is how many accounts of each kind, and payments, there are.
type Counts struct{ Deployments, Bids, Payments int }

// Count counts. It reads all of the module's state.
func (k *Keeper) Count(ctx context.Context) (n Counts, err error) {
	err = k.each(ctx, func(id AccountID, r record) error {
		a, err := id.parts()
		if err != nil {
			return err
		}
		if a.scope == escrowid.ScopeDeployment {
			n.Deployments++
		} else {
			n.Bids++
		}
		n.Payments += len(r.Payments)
		return nil
	})
	if err != nil {
		return n, err
	}
	err = k.ended.Each(ctx, func(int, []byte, ledger.Payment) error { n.Payments++; return nil })
	return n, err
}

// Invariants returns every way in which escrow's state is broken; nil if none. It reads
// all of the module's state.
func (k *Keeper) Invariants(ctx context.Context) error {
	var broken []error
	held := map[string]math.Int{}
	queued, seen := map[string]bool{}, map[string]bool{}
	err := k.each(ctx, func(id AccountID, r record) error {
		if err := r.Check(); err != nil {
			broken = append(broken, fmt.Errorf("account %x: %w", []byte(id), err))
		}
		if r.class != r.wantClass() || seen[string(id)] {
			broken = append(broken, fmt.Errorf("account %x is %d, but stored among others", []byte(id), r.State))
		}
		seen[string(id)] = true
		sum, ok := held[r.Denom]
		if !ok {
			sum = math.ZeroInt()
		}
		held[r.Denom] = sum.Add(r.Funds()).Add(r.Dues())
		if r.due() != r.Due || r.Grace >= ledger.Never {
			broken = append(broken, fmt.Errorf("account %x: its money or its grace ends at %d, but it is queued for %d", []byte(id), r.due(), r.Due))
		}
		if r.Due != 0 {
			queued[string(dueKey(r.Due, id))] = true
		}
		return nil
	})
	if err != nil {
		return err
	}
	it, err := k.due.Iterate(ctx, nil)
	if err != nil {
		return err
	}
	defer it.Close()
	n := 0
	for ; it.Valid(); it.Next() {
		b, err := it.Key()
		if err != nil {
			return err
		}
		if n++; !queued[string(b)] {
			broken = append(broken, fmt.Errorf("queue entry %x belongs to no account", b))
		}
	}
	if n != len(queued) {
		broken = append(broken, fmt.Errorf("%d accounts should be queued, %d are", len(queued), n))
	}
	// What is in the module account beyond the accounts' money was sent there by itself.
	for _, denom := range slices.Sorted(maps.Keys(held)) {
		if has := k.bank.GetBalance(ctx, k.address, denom).Amount; !has.Equal(held[denom]) {
			broken = append(broken, fmt.Errorf("accounts hold %s%s, the module account %s%s", held[denom], denom, has, denom))
		}
	}
	for _, c := range k.bank.GetAllBalances(ctx, k.address) {
		if _, ok := held[c.Denom]; !ok {
			broken = append(broken, fmt.Errorf("the module account holds %s of no account", c))
		}
	}
	err = k.ended.Each(ctx, func(class int, b []byte, p ledger.Payment) error {
		if p.State == ledger.Open || p.Check() != nil || class != endedClass(&p) {
			broken = append(broken, fmt.Errorf("payment %x isn't one that has ended so", b))
		}
		if !seen[string(b[:max(0, len(b)-len(p.ID))])] {
			broken = append(broken, fmt.Errorf("payment %x belongs to no account", b))
		}
		return nil
	})
	return errors.Join(err, errors.Join(broken...))
}
