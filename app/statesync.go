package app

import (
	"fmt"

	abci "github.com/cometbft/cometbft/abci/types"

	"github.com/cosmos/cosmos-sdk/store/v2/cache"
)

// ApplySnapshotChunk takes a part of a snapshot. Once it was the last one, what was read before is forgotten: transactions
// and queries reach a node while it still has no state, and the SDK's cache between blocks would keep their
// "there is nothing", so that this node alone wouldn't find those accounts or parameters and went a way of its own.
func (a *App) ApplySnapshotChunk(req *abci.RequestApplySnapshotChunk) (*abci.ResponseApplySnapshotChunk, error) {
	res, err := a.BaseApp.ApplySnapshotChunk(req)
	if err != nil || res.Result != abci.ResponseApplySnapshotChunk_ACCEPT || a.LastBlockHeight() == 0 || !a.cacheBetweenBlocks {
		return res, err
	}
	stores := a.CommitMultiStore()
	stores.SetInterBlockCache(cache.NewCommitKVStoreCacheManager(cache.DefaultCommitKVStoreCacheSize))
	if err := stores.LoadLatestVersion(); err != nil {
		return nil, fmt.Errorf("the state of block %d can't be loaded from the snapshot: %w", a.LastBlockHeight(), err)
	}
	return res, nil
}
