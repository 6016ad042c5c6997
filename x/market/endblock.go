package market

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"cosmossdk.io/collections"

	sdk "github.com/cosmos/cosmos-sdk/types"

	eventsv1 "github.com/akash-supercloud/akash/api/akash/events/v1"
)

// SweepPerBlock is how many open orders a block looks at to find expired ones. Where there
// are more, the next block goes on from there.
const SweepPerBlock = 100

// EndBlock closes orders whose time is over, of the next SweepPerBlock open ones, and pauses
// their groups.
//
// An order that can't be closed, which only a defect could cause, is left as it was and
// reported in the log; it never stops the chain.
func (k *Keeper) EndBlock(ctx context.Context) error {
	c := sdk.UnwrapSDKContext(ctx)
	k.pace.note(c.BlockHeight(), c.BlockTime())
	from, err := k.sweep.Get(ctx)
	if err != nil && !errors.Is(err, collections.ErrNotFound) {
		return err
	}
	expired, next, err := k.expired(ctx, from)
	if err != nil {
		return err
	}
	if len(next) == 0 && len(from) > 0 {
		err = k.sweep.Remove(ctx)
	} else if string(next) != string(from) {
		err = k.sweep.Set(ctx, next)
	}
	if err != nil {
		return err
	}
	for _, id := range expired {
		branch, write := c.CacheContext()
		if err := k.expire(branch, id); err != nil {
			c.Logger().Error("market: an expired order can't be closed", "order", id.wire().String(), "err", err)
			continue
		}
		write()
	}
	return nil
}

// expired looks at open orders from a key on, and returns those whose time is over, and the
// key of the first that it didn't look at; none: it saw the last.
func (k *Keeper) expired(ctx context.Context, from []byte) (ids []orderID, next []byte, err error) {
	r := new(collections.Range[[]byte])
	if len(from) > 0 {
		r = r.StartInclusive(from)
	}
	it, err := k.orders[orderOpen].Iterate(ctx, r)
	if err != nil {
		return nil, nil, err
	}
	defer it.Close()
	at := now(ctx)
	for n := 0; it.Valid(); it.Next() {
		kv, err := it.KeyValue()
		if err != nil {
			return nil, nil, err
		}
		if n++; n > SweepPerBlock {
			return ids, kv.Key, nil
		}
		if !kv.Value.expired(at) {
			continue
		}
		id, err := readOrderID(kv.Key)
		if err != nil {
			return nil, nil, err
		}
		ids = append(ids, id)
	}
	return ids, nil, nil
}

// expire closes an open order whose time is over, and pauses its group. A panic in there is
// an error like others.
func (k *Keeper) expire(ctx context.Context, id orderID) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v", r)
		}
	}()
	o, err := k.order(ctx, id)
	if err != nil {
		return err
	}
	if err := emit(ctx, &eventsv1.EventOrderExpired{ID: id.wire()}); err != nil {
		return err
	}
	if err := k.deployment.PauseGroup(ctx, id.ID, id.gseq); err != nil {
		return err
	}
	return k.closeOpenOrder(ctx, id, o)
}

// pace is how fast blocks came of late on this node. It is no part of the state.
type pace struct {
	mu   sync.Mutex
	seen [101]struct {
		height int64
		at     time.Time
	}
	n int // how many of them are filled
}

// note remembers a block; only ones that follow the last count.
func (p *pace) note(height int64, at time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch last := max(0, p.n-1); {
	case p.n > 0 && p.seen[last].height == height: // proposed twice
		p.n--
	case p.n > 0 && p.seen[last].height > height: // an earlier block again
		p.n = 0
	}
	if p.n == len(p.seen) {
		copy(p.seen[:], p.seen[1:])
		p.n--
	}
	p.seen[p.n].height, p.seen[p.n].at = height, at
	p.n++
}

// mean is the time between blocks, of the last 100; 0: not known yet.
func (p *pace) mean() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.n < 2 {
		return 0
	}
	first, last := p.seen[0], p.seen[p.n-1]
	return last.at.Sub(first.at) / time.Duration(last.height-first.height)
}
