package node

import (
	"context"
	"errors"
	"fmt"
	"strings"

	abci "github.com/cometbft/cometbft/abci/types"

	"github.com/akash-supercloud/akash/app/upgrades"
)

// watched is the chain with an eye on the one call whose failure no node survives. CometBFT would answer it with a
// panic or with a log line; the node says why and ends instead.
type watched struct {
	abci.Application
	failed chan error // gets the first failure
	// syncing tells whether CometBFT would panic over an error; nil until it runs.
	syncing func() bool
}

func (w *watched) FinalizeBlock(ctx context.Context, req *abci.RequestFinalizeBlock) (res *abci.ResponseFinalizeBlock, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%v", r)
		}
		if err == nil {
			return
		}
		err = blockError(req.Height, err)
		select {
		case w.failed <- err:
		default:
		}
		if w.syncing != nil && w.syncing() {
			select {} // the node is ending
		}
	}()
	return w.Application.FinalizeBlock(ctx, req)
}

// blockError says why a block can't be run, and what to do.
func blockError(height int64, err error) error {
	// These say by themselves what to do.
	if needed := new(upgrades.Needed); errors.As(err, &needed) {
		return needed
	}
	if wrong := new(upgrades.Wrong); errors.As(err, &wrong) {
		return wrong
	}
	if strings.Contains(err.Error(), "halt per configuration") {
		return fmt.Errorf("the node halts at block %d, as halt-height or halt-time of its config says; take that setting away to go on", height)
	}
	return fmt.Errorf("block %d can't be run: %w; if the disk is full, free space and start again; else %s", height, err, anew)
}
