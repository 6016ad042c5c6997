package node

import (
	"context"
	"fmt"
	"regexp"

	abci "github.com/cometbft/cometbft/abci/types"
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

var (
	upgradeNeeded = regexp.MustCompile(`UPGRADE "([^"]*)" NEEDED at`)
	upgradeEarly  = regexp.MustCompile(`BINARY UPDATED BEFORE TRIGGER! UPGRADE "([^"]*)"`)
	upgradeLost   = regexp.MustCompile(`upgrade handler is missing for (.*) upgrade plan`)
)

// blockError says why a block can't be run, and what to do.
func blockError(height int64, err error) error {
	text := err.Error()
	if m := upgradeNeeded.FindStringSubmatch(text); m != nil {
		return fmt.Errorf("upgrade %q is due at block %d and this program doesn't have it; put the program of that upgrade in its place and start it again", m[1], height)
	}
	if m := upgradeEarly.FindStringSubmatch(text); m != nil {
		return fmt.Errorf("this program already has upgrade %q, which isn't due at block %d; run the program from before the upgrade until then", m[1], height)
	}
	if m := upgradeLost.FindStringSubmatch(text); m != nil {
		return fmt.Errorf("this program is older than the chain's state, which went through upgrade %q; run a program that has it", m[1])
	}
	return fmt.Errorf("block %d can't be run: %w; if the disk is full, free space and start again; else %s", height, err, anew)
}
