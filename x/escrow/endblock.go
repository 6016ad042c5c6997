package escrow

import (
	"context"
	"encoding/binary"
	"fmt"

	"cosmossdk.io/collections"

	sdk "github.com/cosmos/cosmos-sdk/types"
)

const (
	// MaxDryPerBlock is how many accounts one block closes; more wait for the next block. They
	// aren't paid for, nor charged for, the blocks that they wait.
	MaxDryPerBlock = 200
	// MaxGasPerBlock bounds the work of closing them, in gas, which nobody pays here: a deployment may hold hundreds of
	// bids whose deposits go back. The account that passes it is closed whole, the next ones wait for the next block.
	MaxGasPerBlock = 50_000_000
	// retryAfter is how many blocks later an account is tried again that couldn't be closed.
	retryAfter = 1000
)

// EndBlock closes the accounts whose money was good for this block, but isn't for the next:
// in the block in which the money ends, and at most MaxDryPerBlock of them, nor much more than MaxGasPerBlock of work.
//
// An account that can't be closed, which only a defect could cause, is left as it was,
// reported in the log, and tried again later; it never stops the chain.
func (k *Keeper) EndBlock(ctx context.Context) error {
	if k.hooks == nil {
		return nil
	}
	ids, err := k.dueNow(ctx)
	if err != nil {
		return err
	}
	sdkCtx := sdk.UnwrapSDKContext(ctx)
	start := sdkCtx.GasMeter().GasConsumed()
	for _, id := range ids {
		if sdkCtx.GasMeter().GasConsumed()-start >= MaxGasPerBlock {
			break
		}
		branch, write := sdkCtx.CacheContext()
		if err := k.closeDry(branch, id); err != nil {
			sdkCtx.Logger().Error("escrow: an account that ran dry can't be closed", "account", fmt.Sprintf("%x", []byte(id)), "err", err)
			if err := k.postpone(ctx, id); err != nil {
				return err
			}
			continue
		}
		write()
	}
	return nil
}

// closeDry lets whoever uses the account close it. A panic in there is an error like others.
func (k *Keeper) closeDry(ctx context.Context, id AccountID) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v", r)
		}
	}()
	return k.hooks.AccountDry(ctx, id)
}

func (k *Keeper) dueNow(ctx context.Context) ([]AccountID, error) {
	end := binary.BigEndian.AppendUint64(nil, uint64(height(ctx)+1))
	it, err := k.due.Iterate(ctx, new(collections.Range[[]byte]).EndExclusive(end))
	if err != nil {
		return nil, err
	}
	defer it.Close()
	var ids []AccountID
	for ; it.Valid() && len(ids) < MaxDryPerBlock; it.Next() {
		b, err := it.Key()
		if err != nil {
			return nil, err
		}
		ids = append(ids, AccountID(b[8:]))
	}
	return ids, nil
}

func (k *Keeper) postpone(ctx context.Context, id AccountID) error {
	r, err := k.load(ctx, id)
	if err != nil {
		return err
	}
	if err := k.due.Remove(ctx, dueKey(r.Due, id)); err != nil {
		return err
	}
	r.Due = height(ctx) + retryAfter
	if err := k.due.Set(ctx, dueKey(r.Due, id)); err != nil {
		return err
	}
	return k.put(ctx, id, &r)
}
