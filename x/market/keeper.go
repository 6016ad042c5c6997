// Package market keeps orders, bids and leases, and moves them through their states.
//
// It owns the record of each order, and one record for each bid and the lease that it
// became. What always holds (Invariants): an open group has exactly one open or active
// order; an open order lists exactly its open bids; an active order has one active bid with
// one running lease, whose payment is open; every other bid, lease and deposit has ended.
package market

import (
	"context"
	"errors"
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
	"github.com/akash-supercloud/akash/x/deployment"
	"github.com/akash-supercloud/akash/x/escrow"
	"github.com/akash-supercloud/akash/x/internal/key"
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
	// open are the open orders; orders all others. Who looks for work reads the first only.
	open   collections.Map[[]byte, order]
	orders collections.Map[[]byte, order]
	// entries are bids and leases by order and provider, byProvider the same the other way.
	entries    collections.Map[[]byte, entry]
	byProvider collections.KeySet[[]byte]
}

var _ deployment.Market = (*Keeper)(nil)

// NewKeeper returns the keeper of the market and joins it to the deployments, so that
// their groups open and close orders. Authority is the address that may change the
// parameters.
func NewKeeper(cdc codec.Codec, storeService corestore.KVStoreService, escrow *escrow.Keeper, deployment *deployment.Keeper,
	provider ProviderKeeper, audit AuditKeeper, _ AccountKeeper, _ BankKeeper, authority string,
) *Keeper {
	sb := collections.NewSchemaBuilder(storeService)
	k := &Keeper{
		cdc: cdc, escrow: escrow, deployment: deployment, provider: provider, audit: audit, authority: authority,
		params:     collections.NewItem(sb, collections.NewPrefix(0), "params", codec.CollValue[types.Params](cdc)),
		open:       collections.NewMap(sb, collections.NewPrefix(1), "open_orders", collections.BytesKey, orderCodec{}),
		orders:     collections.NewMap(sb, collections.NewPrefix(2), "orders", collections.BytesKey, orderCodec{}),
		entries:    collections.NewMap(sb, collections.NewPrefix(3), "bids", collections.BytesKey, entryCodec{}),
		byProvider: collections.NewKeySet(sb, collections.NewPrefix(4), "by_provider", collections.BytesKey),
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
	b := id.Key()
	o, err := k.open.Get(ctx, b)
	if errors.Is(err, collections.ErrNotFound) {
		o, err = k.orders.Get(ctx, b)
	}
	if errors.Is(err, collections.ErrNotFound) {
		return o, ErrOrderNotFound
	}
	return o, err
}

// entry returns a bid with its lease, if it has one; false if there is no such bid.
func (k *Keeper) entry(ctx context.Context, id bidID) (entry, bool, error) {
	e, err := k.entries.Get(ctx, id.Key())
	if errors.Is(err, collections.ErrNotFound) {
		return e, false, nil
	}
	e.name(id)
	return e, err == nil, err
}

// OpenOrder opens order number oseq of a group.
func (k *Keeper) OpenOrder(ctx context.Context, id deployment.ID, gseq, oseq uint32) error {
	oid := orderID{id, gseq, oseq}
	if err := k.open.Set(ctx, oid.Key(), order{State: types.OrderOpen, CreatedAt: height(ctx)}); err != nil {
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
	if err := k.open.Remove(ctx, id.Key()); err != nil {
		return err
	}
	bids := o.Bids
	o.State, o.Bids = types.OrderClosed, nil
	if err := k.orders.Set(ctx, id.Key(), o); err != nil {
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
	e, found, err := k.entry(ctx, id)
	if err != nil {
		return err
	}
	if !found || e.Bid.State != types.BidOpen {
		return ErrInternal.Wrapf("bid %s isn't open, but its order lists it", id.wire())
	}
	e.Bid.State = state
	if err := k.entries.Set(ctx, id.Key(), e); err != nil {
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
	e, found, err := k.entry(ctx, bid)
	if err != nil {
		return err
	}
	if !found || e.Lease == nil || e.Bid.State != types.BidActive {
		return ErrInternal.Wrapf("active order %s has no active bid", id.wire())
	}
	o.State, o.Bids = types.OrderClosed, nil
	if err := k.orders.Set(ctx, id.Key(), o); err != nil {
		return err
	}
	e.Bid.State = types.BidClosed
	e.Lease.State, e.Lease.Reason, e.Lease.ClosedOn = end.Lease, end.Reason, height(ctx)
	if err := k.entries.Set(ctx, bid.Key(), e); err != nil {
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
	it, err := k.byProvider.Iterate(ctx, new(collections.Range[[]byte]).Prefix(key.Addr(nil, provider)))
	if err != nil {
		return false, err
	}
	defer it.Close()
	for ; it.Valid(); it.Next() {
		b, err := it.Key()
		if err != nil {
			return false, err
		}
		id, err := readProviderKey(b)
		if err != nil {
			return false, err
		}
		e, _, err := k.entry(ctx, id)
		if err != nil || e.Bid.State == types.BidActive {
			return err == nil, err
		}
	}
	return false, nil
}

// wireOrder is an order as clients know it: with what its group asks for.
func wireOrder(id orderID, o order, g deploymentv1beta4.Group, d deployment.Record) types.Order {
	return types.Order{ID: id.wire(), State: o.State, Spec: g.GroupSpec, CreatedAt: o.CreatedAt, Reclamation: d.Deployment.Reclamation}
}
