package node

import (
	"context"

	abci "github.com/cometbft/cometbft/abci/types"
)

type failing struct {
	abci.BaseApplication
	err error
}

func (f failing) FinalizeBlock(context.Context, *abci.RequestFinalizeBlock) (*abci.ResponseFinalizeBlock, error) {
	return nil, f.err
}

// FailedBlock is what a node says when its chain can't run a block because of err.
func FailedBlock(height int64, err error) string {
	w := watched{Application: failing{err: err}, failed: make(chan error, 1)}
	_, _ = w.FinalizeBlock(context.Background(), &abci.RequestFinalizeBlock{Height: height})
	return (<-w.failed).Error()
}
