// Package market keeps orders, bids and leases, and moves them through their states.
//
// It owns the record of each order, and one record for each bid and the lease that it
// became, each stored by class (store.Classes): what lists can be filtered by; and the rules
// of akash.trade.v1: orders expire, owners deny providers, many leases are paid at once. What always holds (Invariants): an open group has exactly one open or active
// order; an open order lists exactly its open bids; an active order has one active bid with
// one running lease, whose payment is open; every other bid, lease and deposit has ended.
package market

import (
	"context"
	"errors"
	"sync"
	"time"

	"cosmossdk.io/collections"
	corestore "cosmossdk.io/core/store"

	"github.com/cosmos/cosmos-sdk/codec"
	sdk "github.com/cosmos/cosmos-sdk/types"

	auditv1 "github.com/akash-supercloud/akash/api/akash/audit/v1"
	deploymentv1beta4 "github.com/akash-supercloud/akash/api/akash/deployment/v1beta4"
	marketv1 "github.com/akash-supercloud/akash/api/akash/market/v1"
	types "github.com/akash-supercloud/akash/api/akash/market/v1beta5"
	providerv1beta4 "github.com/akash-supercloud/akash/api/akash/provider/v1beta4"
	tradev1 "github.com/akash-supercloud/akash/api/akash/trade/v1"
	"github.com/akash-supercloud/akash/x/deployment"
	"github.com/akash-supercloud/akash/x/escrow"
	"github.com/akash-supercloud/akash/x/internal/store"
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

	schema collections.Schema
	params collections.Item[types.Params]
	orders store.Classes[order]
	// entries are bids and leases by order and provider, byProvider the same the other way,
	// the class in the key.
	entries    store.Classes[entry]
	byProvider collections.KeySet[[]byte]

	// What follows is akash.trade.v1's.
	trade collections.Item[tradev1.Params]
	// denied are the providers that may not bid on an owner's orders: owner | provider.
	denied collections.KeySet[[]byte]
	// sweep is the open order at which the search for expired ones goes on; none: the first.
	sweep collections.Item[[]byte]

	pace            pace
	allowInvariants bool
	checking        sync.Mutex // held while the invariants are checked for a query
}

var _ deployment.Market = (*Keeper)(nil)

// NewKeeper returns the keeper of the market and joins it to the deployments, so that
// their groups open and close orders. Authority is the address that may change the
// parameters.
func NewKeeper(cdc codec.Codec, storeService corestore.KVStoreService, escrow *escrow.Keeper, deployment *deployment.Keeper,
	provider ProviderKeeper, audit AuditKeeper, _ AccountKeeper, _ BankKeeper, authority string,
) *Keeper {
	sb := collections.NewSchemaBuilder(storeService)
	var names []string
	for _, c := range entryClasses {
		names = append(names, c.name)
	}
	k := &Keeper{
		cdc: cdc, escrow: escrow, deployment: deployment, provider: provider, audit: audit, authority: authority,
		params:     collections.NewItem(sb, collections.NewPrefix(0), "params", codec.CollValue[types.Params](cdc)),
		orders:     store.NewClasses(sb, 1, orderCodec{}, "open_orders", "active_orders", "closed_orders"),
		byProvider: collections.NewKeySet(sb, collections.NewPrefix(4), "by_provider", collections.BytesKey),
		trade:      collections.NewItem(sb, collections.NewPrefix(5), "trade_params", codec.CollValue[tradev1.Params](cdc)),
		denied:     collections.NewKeySet(sb, collections.NewPrefix(6), "denied", collections.BytesKey),
		sweep:      collections.NewItem(sb, collections.NewPrefix(7), "sweep", collections.BytesValue),
		entries:    store.NewClasses(sb, 16, entryCodec{}, names...),
	}
	schema, err := sb.Build()
	if err != nil {
		panic(err)
	}
	k.schema = schema
	deployment.SetMarket(k)
	return k
}

func height(ctx context.Context) int64 { return sdk.UnwrapSDKContext(ctx).BlockHeight() }

func now(ctx context.Context) int64 { return sdk.UnwrapSDKContext(ctx).BlockTime().Unix() }

// Params returns the parameters.
func (k *Keeper) Params(ctx context.Context) (types.Params, error) {
	p, err := k.params.Get(ctx)
	if errors.Is(err, collections.ErrNotFound) {
		return DefaultParams(), nil
	}
	return p, err
}

// ReclamationBounds returns the shortest and the longest reclamation window allowed.
func (k *Keeper) ReclamationBounds(ctx context.Context) (least, most time.Duration, err error) {
	p, err := k.Params(ctx)
	return p.MinReclamationWindow, p.MaxReclamationWindow, err
}

// order returns an order in whatever state.
func (k *Keeper) order(ctx context.Context, id orderID) (order, error) {
	o, _, err := k.orders.Find(ctx, id.Key())
	if errors.Is(err, collections.ErrNotFound) {
		return o, ErrOrderNotFound
	}
	return o, err
}

// setOrder stores an order that was in class from, or store.None, by its state.
func (k *Keeper) setOrder(ctx context.Context, id orderID, from int, o order) error {
	return k.orders.Move(ctx, id.Key(), from, o.class(), o)
}

// entry returns a bid with its lease, if it has one; false if there is no such bid in the
// classes given, or in any, if none is.
func (k *Keeper) entry(ctx context.Context, id bidID, classes ...int) (entry, bool, error) {
	e, class, err := k.entries.Find(ctx, id.Key(), classes...)
	if errors.Is(err, collections.ErrNotFound) {
		return e, false, nil
	}
	e.stored = class
	e.name(id)
	return e, err == nil, err
}

// setEntry stores a bid by its state and that of its lease, and moves it in the index.
func (k *Keeper) setEntry(ctx context.Context, id bidID, e entry) error {
	class := e.class()
	if class < 0 {
		return ErrInternal.Wrapf("bid %s is %s with the lease %v", id.wire(), e.Bid.State, e.Lease)
	}
	if class != e.stored {
		if e.stored != store.None {
			if err := k.byProvider.Remove(ctx, id.providerKey(e.stored)); err != nil {
				return err
			}
		}
		if err := k.byProvider.Set(ctx, id.providerKey(class)); err != nil {
			return err
		}
	}
	return k.entries.Move(ctx, id.Key(), e.stored, class, e)
}

// OpenOrder opens order number oseq of a group, of a deployment whose record has size bytes.
// Its end is paid for now (GasOrderEnd).
func (k *Keeper) OpenOrder(ctx context.Context, id deployment.ID, gseq, oseq uint32, size int) error {
	oid := orderID{id, gseq, oseq}
	p, err := k.TradeParams(ctx)
	if err != nil {
		return err
	}
	o := order{State: types.OrderOpen, CreatedAt: height(ctx)}
	if p.OrderLifetime > 0 {
		o.EndsAt = now(ctx) + int64(p.OrderLifetime/time.Second)
	}
	prepay(ctx, GasOrderEnd+GasPerByte*uint64(size), "closing the order when it expires")
	if err := k.setOrder(ctx, oid, store.None, o); err != nil {
		return err
	}
	return emit(ctx, &marketv1.EventOrderCreated{ID: oid.wire()})
}

func errIf(is bool, err error) error {
	if is {
		return err
	}
	return nil
}

// CloseOrder ends order number oseq of a group, if it is open or active, with its bids and
// its lease.
func (k *Keeper) CloseOrder(ctx context.Context, id deployment.ID, gseq, oseq uint32, end deployment.End) error {
	oid := orderID{id, gseq, oseq}
	o, err := k.order(ctx, oid)
	if err != nil {
		return err
	}
	switch o.State {
	case types.OrderOpen:
		return k.closeOpenOrder(ctx, oid, o)
	case types.OrderActive:
		return k.closeActiveOrder(ctx, oid, o, end)
	}
	return nil
}

func (k *Keeper) closeOpenOrder(ctx context.Context, id orderID, o order) error {
	bids := o.Bids
	o.State, o.Bids, o.EndsAt = types.OrderClosed, nil, 0
	if err := k.setOrder(ctx, id, orderOpen, o); err != nil {
		return err
	}
	if err := emit(ctx, &marketv1.EventOrderClosed{ID: id.wire()}); err != nil {
		return err
	}
	for _, p := range bids {
		if err := k.endBid(ctx, bidID{id, sdk.AccAddress(p)}, types.BidClosed); err != nil {
			return err
		}
	}
	return nil
}

// endBid ends an open bid, as lost or closed, and gives its deposit back.
func (k *Keeper) endBid(ctx context.Context, id bidID, state types.Bid_State) error {
	e, found, err := k.entry(ctx, id, bidOpen)
	if err != nil {
		return err
	}
	if !found || e.Bid.State != types.BidOpen {
		return ErrInternal.Wrapf("bid %s isn't open, but its order lists it", id.wire())
	}
	e.Bid.State = state
	if err := k.setEntry(ctx, id, e); err != nil {
		return err
	}
	if err := emitBidEnded(ctx, e.Bid.ID, state); err != nil {
		return err
	}
	return k.escrow.CloseAccount(ctx, id.account(), false)
}

// closeActiveOrder ends an active order, its bid and its lease.
func (k *Keeper) closeActiveOrder(ctx context.Context, id orderID, o order, end deployment.End) error {
	if len(o.Bids) != 1 {
		return ErrInternal.Wrapf("active order %s has %d winners", id.wire(), len(o.Bids))
	}
	bid := bidID{id, sdk.AccAddress(o.Bids[0])}
	e, found, err := k.entry(ctx, bid, leaseActive, leaseReclaiming)
	if err != nil {
		return err
	}
	if !found || e.Lease == nil || e.Bid.State != types.BidActive {
		return ErrInternal.Wrapf("active order %s has no active bid", id.wire())
	}
	o.State, o.Bids = types.OrderClosed, nil
	if err := k.setOrder(ctx, id, orderActive, o); err != nil {
		return err
	}
	e.Bid.State = types.BidClosed
	e.Lease.State, e.Lease.Reason, e.Lease.ClosedOn = end.Lease, end.Reason, height(ctx)
	if err := k.setEntry(ctx, bid, e); err != nil {
		return err
	}
	if err := emit(ctx, &marketv1.EventOrderClosed{ID: id.wire()}); err != nil {
		return err
	}
	if err := emitBidEnded(ctx, e.Bid.ID, types.BidClosed); err != nil {
		return err
	}
	if err := emit(ctx, &marketv1.EventLeaseClosed{ID: e.Lease.ID, Reason: end.Reason}); err != nil {
		return err
	}
	if !end.Account {
		if err := k.escrow.ClosePayment(ctx, id.Account(), bid.payment()); err != nil {
			return err
		}
	}
	return k.escrow.CloseAccount(ctx, bid.account(), false)
}

// HasActiveLeases reports whether a provider serves anyone.
func (k *Keeper) HasActiveLeases(ctx context.Context, provider sdk.AccAddress) (bool, error) {
	for _, class := range []int{leaseActive, leaseReclaiming} {
		it, err := k.byProvider.Iterate(ctx, new(collections.Range[[]byte]).Prefix(providerPrefix(provider, class)))
		if err != nil {
			return false, err
		}
		has := it.Valid()
		if err := it.Close(); err != nil || has {
			return has, err
		}
	}
	return false, nil
}

// wireOrder is an order as clients know it: with what its group asks for.
func wireOrder(id orderID, o order, g deploymentv1beta4.Group, d deployment.Record) types.Order {
	return types.Order{ID: id.wire(), State: o.State, Spec: g.GroupSpec, CreatedAt: o.CreatedAt, Reclamation: d.Deployment.Reclamation}
}
