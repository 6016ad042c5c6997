package provider

import (
	"context"
	"errors"
	"fmt"

	"cosmossdk.io/math"
	sdk "github.com/cosmos/cosmos-sdk/types"
	"github.com/cosmos/gogoproto/proto"

	marketv1 "github.com/akash-supercloud/akash/api/akash/market/v1"
	marketv1beta5 "github.com/akash-supercloud/akash/api/akash/market/v1beta5"
	"github.com/akash-supercloud/akash/provider/bid"
	"github.com/akash-supercloud/akash/provider/state"
	"github.com/akash-supercloud/akash/provider/watch"
	"github.com/akash-supercloud/akash/provider/workload"
)

// listings are the queries that a whole read of the state needs.
type listings interface {
	OpenOrders(ctx context.Context) ([]marketv1.OrderID, error)
	OpenBids(ctx context.Context) ([]marketv1beta5.Bid, error)
	Leases(ctx context.Context) ([]marketv1.Lease, error)
}

// market is the watch.Handler: it stores what a block caused together with the block's height.
type market struct {
	self  string
	chain listings
	store *state.Store
	bids  *bid.Engine
	work  *workload.Manager
	// saved is the last height on the disk. Empty blocks are written only now and then: reading
	// them again does no harm.
	saved int64
}

// saveEvery is how many blocks without events pass before the height is written.
const saveEvery = 20

var _ watch.Handler = (*market)(nil)

// Block implements watch.Handler.
func (m *market) Block(_ context.Context, b watch.Block) error {
	if len(b.Events) == 0 && b.Height-m.saved < saveEvery {
		return nil
	}
	return m.update(func(tx *state.Tx) ([]func(), error) {
		var after []func()
		for _, ev := range b.Events {
			f, err := m.apply(tx, ev)
			if err != nil {
				return nil, err
			}
			after = append(after, f...)
		}
		return after, tx.SetHeight(b.Height)
	}, b.Height)
}

// apply stores an event's effects. Leases come first: they take over what the order's record knows.
func (m *market) apply(tx *state.Tx, ev proto.Message) ([]func(), error) {
	f1, err1 := m.work.Apply(tx, ev)
	f2, err2 := m.bids.Apply(tx, ev)
	return []func(){f1, f2}, errors.Join(err1, err2)
}

// update runs fn in a transaction, and what it returned once that is on the disk.
func (m *market) update(fn func(*state.Tx) ([]func(), error), height int64) error {
	var after []func()
	if err := m.store.Update(func(tx *state.Tx) (err error) { after, err = fn(tx); return err }); err != nil {
		return err
	}
	if height > 0 {
		m.saved = height
	}
	for _, f := range after {
		if f != nil {
			f()
		}
	}
	return nil
}

// Sync implements watch.Handler.
func (m *market) Sync(ctx context.Context, height int64) error {
	return m.read(ctx, func(tx *state.Tx) error { return tx.SetHeight(height) }, height)
}

// Recheck reads the whole state as Sync does, without a height: what events said already stays. It
// gives orders that were declined another chance, and finds whatever was missed.
func (m *market) Recheck(ctx context.Context) error {
	return m.read(ctx, func(*state.Tx) error { return nil }, 0)
}

func (m *market) read(ctx context.Context, end func(*state.Tx) error, height int64) error {
	leases, err := m.chain.Leases(ctx)
	if err != nil {
		return fmt.Errorf("list the provider's leases: %w", err)
	}
	bids, err := m.chain.OpenBids(ctx)
	if err != nil {
		return fmt.Errorf("list the provider's bids: %w", err)
	}
	orders, err := m.chain.OpenOrders(ctx)
	if err != nil {
		return fmt.Errorf("list the open orders: %w", err)
	}
	err = m.update(func(tx *state.Tx) ([]func(), error) {
		var after []func()
		for _, l := range leases {
			f, err := m.work.Add(tx, l)
			if err != nil {
				return nil, err
			}
			after = append(after, f)
		}
		for _, b := range bids {
			id := b.ID.OrderID()
			if _, ok, err := tx.Order(id); err != nil {
				return nil, err
			} else if ok {
				continue
			}
			// A bid this provider doesn't remember: taken up as one whose sending was interrupted.
			o := state.Order{ID: id, State: state.OrderSending, Price: sdk.DecCoin{Amount: math.LegacyZeroDec()}}
			if err := tx.PutOrder(o); err != nil {
				return nil, err
			}
		}
		for _, id := range orders {
			f, err := m.bids.See(tx, id)
			if err != nil {
				return nil, err
			}
			after = append(after, f)
		}
		return after, end(tx)
	}, height)
	if err != nil {
		return err
	}
	return m.bids.Recheck()
}
