package app

import (
	"encoding/json"
	"errors"
	"fmt"

	cmtproto "github.com/cometbft/cometbft/proto/tendermint/types"
	dbm "github.com/cosmos/cosmos-db"

	"cosmossdk.io/log/v2"

	servertypes "github.com/cosmos/cosmos-sdk/server/types"
	sdk "github.com/cosmos/cosmos-sdk/types"
	"github.com/cosmos/cosmos-sdk/x/staking"
)

// Export writes the state of a height (-1: the latest) as a genesis. A genesis for height zero, for which
// stakes and schedules would have to be rewritten, isn't offered: start the new chain at the next height.
func Export(logger log.Logger, db dbm.DB, height int64, forZeroHeight bool, _ []string, opts servertypes.AppOptions, modules []string) (servertypes.ExportedApp, error) {
	if forZeroHeight {
		return servertypes.ExportedApp{}, errors.New("a genesis for height zero can't be made; leave out --for-zero-height and start the new chain at the height that the export names")
	}
	a := New(logger, db, opts)
	if height > 0 {
		if err := a.LoadHeight(height); err != nil {
			return servertypes.ExportedApp{}, fmt.Errorf("no state of height %d here: %w", height, err)
		}
	}
	return a.ExportState(a.NewContextLegacy(true, cmtproto.Header{Height: a.LastBlockHeight()}), modules)
}

// ExportState writes the state that ctx sees as a genesis; no modules means all.
func (a *App) ExportState(ctx sdk.Context, modules []string) (servertypes.ExportedApp, error) {
	state, err := a.modules.ExportGenesisForModules(ctx, a.Codec, modules)
	if err != nil {
		return servertypes.ExportedApp{}, err
	}
	text, err := json.MarshalIndent(state, "", "  ")
	if err != nil {
		return servertypes.ExportedApp{}, err
	}
	validators, err := staking.WriteValidators(ctx, a.Staking)
	return servertypes.ExportedApp{
		AppState:        text,
		Validators:      validators,
		Height:          a.LastBlockHeight() + 1,
		ConsensusParams: a.GetConsensusParams(ctx),
	}, err
}
