package market

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	sdk "github.com/cosmos/cosmos-sdk/types"

	deploymentv1beta4 "github.com/akash-supercloud/akash/api/akash/deployment/v1beta4"
	escrowtypes "github.com/akash-supercloud/akash/api/akash/escrow/types/v1"
	marketv1 "github.com/akash-supercloud/akash/api/akash/market/v1"
	types "github.com/akash-supercloud/akash/api/akash/market/v1beta5"
	"github.com/akash-supercloud/akash/x/deployment"
	"github.com/akash-supercloud/akash/x/internal/store"
)

// DefaultGenesis returns the state of a new chain.
func DefaultGenesis() *types.GenesisState {
	return &types.GenesisState{Params: DefaultParams(), Orders: []types.Order{}, Leases: []marketv1.Lease{}, Bids: []types.Bid{}}
}

// ValidateGenesis checks a genesis state by itself.
func ValidateGenesis(g *types.GenesisState) error {
	_, err := readGenesis(g)
	return err
}

type genesisOrder struct {
	id orderID
	order
}

type genesisEntry struct {
	id bidID
	entry
}

type contents struct {
	orders  []*genesisOrder
	entries []*genesisEntry
}

// readGenesis puts bids to their orders and leases to their bids.
func readGenesis(g *types.GenesisState) (c contents, err error) {
	if err := ValidateParams(g.Params); err != nil {
		return c, err
	}
	orders := make(map[string]*genesisOrder, len(g.Orders))
	for i := range g.Orders {
		w := &g.Orders[i]
		id, err := parseOrderID(&w.ID, func(f string, a ...any) error { return ErrOrderNotFound.Wrapf(f, a...) })
		if err != nil {
			return c, fmt.Errorf("orders[%d]: %w", i, err)
		}
		if w.State < types.OrderOpen || w.State > types.OrderClosed || w.CreatedAt < 0 {
			return c, fmt.Errorf("orders[%d]: state %s, created at %d", i, w.State, w.CreatedAt)
		}
		if orders[string(id.Key())] != nil {
			return c, fmt.Errorf("orders[%d]: %w", i, ErrOrderExists)
		}
		o := &genesisOrder{id, order{State: w.State, CreatedAt: w.CreatedAt}}
		orders[string(id.Key())] = o
		c.orders = append(c.orders, o)
	}
	entries := make(map[string]*genesisEntry, len(g.Bids))
	for i := range g.Bids {
		b := g.Bids[i]
		id, err := parseBidID(&b.ID)
		if err != nil {
			return c, fmt.Errorf("bids[%d]: %w", i, err)
		}
		o := orders[string(id.orderID.Key())]
		switch {
		case o == nil:
			return c, fmt.Errorf("bids[%d]: %w", i, ErrUnknownOrderForBid)
		case entries[string(id.Key())] != nil:
			return c, fmt.Errorf("bids[%d]: %w", i, ErrBidExists)
		case b.State < types.BidOpen || b.State > types.BidClosed || b.Price.Amount.IsNil():
			return c, fmt.Errorf("bids[%d]: %w", i, ErrInvalidBid)
		case b.State == types.BidOpen && o.State == types.OrderOpen, b.State == types.BidActive && o.State == types.OrderActive:
			o.Bids = append(o.Bids, string(id.provider))
		case b.State == types.BidOpen || b.State == types.BidActive:
			return c, fmt.Errorf("bids[%d]: the bid is %s, but its order is %s", i, b.State, o.State)
		}
		e := &genesisEntry{id, entry{Bid: b, stored: store.None}}
		entries[string(id.Key())] = e
		c.entries = append(c.entries, e)
	}
	for i := range g.Leases {
		l := g.Leases[i]
		id, err := parseLeaseID(&l.ID)
		if err != nil {
			return c, fmt.Errorf("leases[%d]: %w", i, err)
		}
		e := entries[string(id.Key())]
		if e == nil || e.Lease != nil {
			return c, fmt.Errorf("leases[%d]: %w", i, ErrBidNotFound)
		}
		if running := l.State == marketv1.LeaseActive || l.State == marketv1.LeaseReclaiming; running != (e.Bid.State == types.BidActive) {
			return c, fmt.Errorf("leases[%d]: the lease is %s, but its bid is %s", i, l.State, e.Bid.State)
		}
		e.Lease = &l
	}
	for _, e := range c.entries {
		if e.class() < 0 {
			return c, fmt.Errorf("bid %s is %s, which doesn't fit its lease", e.Bid.ID, e.Bid.State)
		}
	}
	for i, o := range c.orders {
		if o.State == types.OrderActive && (len(o.Bids) != 1 || entries[string(bidID{o.id, sdk.AccAddress(o.Bids[0])}.Key())].Lease == nil) {
			return c, fmt.Errorf("orders[%d] is active, but has not one bid with a lease", i)
		}
	}
	return c, nil
}

// InitGenesis fills the store from a genesis state, after the deployments'.
func (k *Keeper) InitGenesis(ctx context.Context, g *types.GenesisState) error {
	c, err := readGenesis(g)
	if err != nil {
		return err
	}
	if err := k.setParams(ctx, g.Params); err != nil {
		return err
	}
	for _, o := range c.orders {
		if err := k.setOrder(ctx, o.id, store.None, o.order); err != nil {
			return err
		}
		if err := k.deployment.SetOrders(ctx, o.id.ID, o.id.gseq, o.id.oseq); err != nil {
			return fmt.Errorf("order %s: %w", o.id.wire(), err)
		}
	}
	for _, e := range c.entries {
		if err := k.setEntry(ctx, e.id, e.entry); err != nil {
			return err
		}
	}
	return nil
}

// ExportGenesis returns the module's whole state: orders, bids and leases, each in order of
// their states, open ones first, and ids.
func (k *Keeper) ExportGenesis(ctx context.Context) (*types.GenesisState, error) {
	g := DefaultGenesis()
	p, err := k.Params(ctx)
	if err != nil {
		return nil, err
	}
	g.Params = p
	specs := k.newSpecs()
	err = k.eachOrder(ctx, func(id orderID, o order) error {
		w, err := specs.order(ctx, id, o)
		g.Orders = append(g.Orders, w)
		return err
	})
	if err != nil {
		return nil, err
	}
	err = k.eachBid(ctx, func(id bidID, e entry) error {
		g.Bids = append(g.Bids, e.Bid)
		if e.Lease != nil {
			g.Leases = append(g.Leases, *e.Lease)
		}
		return nil
	})
	return g, err
}

func (k *Keeper) eachOrder(ctx context.Context, fn func(orderID, order) error) error {
	return k.orders.Each(ctx, func(_ int, b []byte, o order) error {
		id, err := readOrderID(b)
		if err != nil {
			return err
		}
		return fn(id, o)
	})
}

func (k *Keeper) eachBid(ctx context.Context, fn func(bidID, entry) error) error {
	return k.entries.Each(ctx, func(class int, b []byte, e entry) error {
		id, err := readBidID(b)
		if err != nil {
			return err
		}
		e.name(id)
		e.stored = class
		return fn(id, e)
	})
}

// Invariants returns every way in which the market's state is broken, or doesn't fit the
// deployments and escrow; nil if none. It reads all of the state.
func (k *Keeper) Invariants(ctx context.Context) error {
	var broken []error
	bad := func(format string, args ...any) { broken = append(broken, fmt.Errorf(format, args...)) }

	seen := map[string]bool{}              // all orders, then all bids
	listed := map[string]types.Bid_State{} // bids that a live order lists
	live := map[string]uint32{}            // live orders by group
	orders := map[string]uint32{}          // latest orders by group
	err := k.eachOrder(ctx, func(id orderID, o order) error {
		group := string(groupKey(id.ID, id.gseq))
		orders[group] = max(orders[group], id.oseq)
		switch o.State {
		case types.OrderOpen, types.OrderActive:
			if live[group] != 0 {
				bad("order %s is %s, as is order %d", id.wire(), o.State, live[group])
			}
			live[group] = id.oseq
			state := types.BidOpen
			if o.State == types.OrderActive {
				state = types.BidActive
				if len(o.Bids) != 1 {
					bad("active order %s has %d winners", id.wire(), len(o.Bids))
				}
			}
			for _, p := range o.Bids {
				listed[string(bidID{id, sdk.AccAddress(p)}.Key())] = state
			}
		case types.OrderClosed:
			if len(o.Bids) > 0 {
				bad("closed order %s lists bids", id.wire())
			}
			if o.EndsAt != 0 {
				bad("closed order %s ends at %d", id.wire(), o.EndsAt)
			}
		default:
			bad("order %s is %s", id.wire(), o.State)
		}
		if _, class, err := k.orders.Find(ctx, id.Key()); err != nil || class != o.class() || seen[string(id.Key())] {
			bad("order %s is %s, but stored among others (%v)", id.wire(), o.State, err)
		}
		seen[string(id.Key())] = true
		return nil
	})
	if err != nil {
		return err
	}
	bids, leases := 0, 0
	clear(seen)
	err = k.eachBid(ctx, func(id bidID, e entry) error {
		bids++
		wire := id.wire()
		if state, ok := listed[string(id.Key())]; ok && state != e.Bid.State {
			bad("bid %s is %s, its order lists it as %s", wire, e.Bid.State, state)
		} else if !ok && (e.Bid.State == types.BidOpen || e.Bid.State == types.BidActive) {
			bad("bid %s is %s, but no order lists it", wire, e.Bid.State)
		}
		delete(listed, string(id.Key()))
		if e.stored != e.class() || seen[string(id.Key())] {
			bad("bid %s is %s, but stored among others", wire, e.Bid.State)
		}
		seen[string(id.Key())] = true
		if has, err := k.byProvider.Has(ctx, id.providerKey(e.stored)); err != nil || !has {
			bad("bid %s isn't in the index by provider (%v)", wire, err)
		}
		a, err := k.escrow.Account(ctx, id.account())
		ended := e.Bid.State == types.BidLost || e.Bid.State == types.BidClosed
		if err != nil || ended == (a.State.State == escrowtypes.StateOpen) {
			bad("bid %s is %s, its deposit's account %s (%v)", wire, e.Bid.State, a.State.State, err)
		}
		if e.Lease != nil {
			leases++
		}
		if e.Lease == nil {
			if e.Bid.State == types.BidActive {
				bad("bid %s is active, but has no lease", wire)
			}
			return nil
		}
		running := e.Lease.State == marketv1.LeaseActive || e.Lease.State == marketv1.LeaseReclaiming
		if overdue, err := k.escrow.Overdue(ctx, id.Account()); err != nil || running && overdue {
			return err // it waits to be ended, and is shown as if it had been
		}
		p, err := k.escrow.Payment(ctx, id.Account(), id.payment())
		if err != nil || running != (p.State.State == escrowtypes.StateOpen) || running != (e.Bid.State == types.BidActive) {
			bad("lease %s is %s, its bid %s, its payment %s (%v)", wire, e.Lease.State, e.Bid.State, p.State.State, err)
		}
		if dry := e.Lease.State == marketv1.LeaseInsufficientFunds; dry != (p.State.State == escrowtypes.StateOverdrawn) {
			bad("lease %s is %s, its payment %s", wire, e.Lease.State, p.State.State)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, b := range slices.Sorted(maps.Keys(listed)) {
		bad("an order lists bid %x as %s, but there is none", b, listed[b])
	}
	indexed := 0
	if err := k.byProvider.Walk(ctx, nil, func([]byte) (bool, error) { indexed++; return false, nil }); err != nil {
		return err
	}
	if indexed != bids {
		bad("%d bids, but %d in the index by provider", bids, indexed)
	}
	err = k.deployment.Each(ctx, func(id deployment.ID, d deployment.Record) error {
		for i, g := range d.Groups {
			key := string(groupKey(id, uint32(i+1)))
			if orders[key] != d.Orders[i] {
				bad("group %s has had %d orders, the latest is %d", g.ID, d.Orders[i], orders[key])
			}
			want := uint32(0)
			if g.State == deploymentv1beta4.GroupOpen {
				want = d.Orders[i]
			}
			if live[key] != want {
				bad("group %s is %s, but its live order is %d, not %d", g.ID, g.State, live[key], want)
			}
			delete(live, key)
		}
		return nil
	})
	for _, g := range slices.Sorted(maps.Keys(live)) {
		bad("orders of group %x, which doesn't exist", g)
	}
	if err != nil {
		return err
	}
	// Nothing is there that belongs to nobody.
	deployments := 0
	if err := k.deployment.Each(ctx, func(deployment.ID, deployment.Record) error { deployments++; return nil }); err != nil {
		return err
	}
	n, err := k.escrow.Count(ctx)
	if err != nil {
		return err
	}
	if n.Deployments != deployments || n.Bids != bids || n.Payments != leases {
		bad("%d deployments, %d bids and %d leases, but accounts of %d and %d, and %d payments", deployments, bids, leases, n.Deployments, n.Bids, n.Payments)
	}
	return errors.Join(broken...)
}
