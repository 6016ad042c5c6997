package app

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	abci "github.com/cometbft/cometbft/abci/types"
	"github.com/spf13/cast"

	"github.com/cosmos/cosmos-sdk/client/flags"
	servertypes "github.com/cosmos/cosmos-sdk/server/types"
	storetypes "github.com/cosmos/cosmos-sdk/store/v2/types"
	sdk "github.com/cosmos/cosmos-sdk/types"
	"github.com/cosmos/cosmos-sdk/types/module"
	upgradetypes "github.com/cosmos/cosmos-sdk/x/upgrade/types"

	"github.com/akash-supercloud/akash/app/upgrades"
)

// OptionNext is an option for tests of upgrades: a Next, which no file or flag can hold.
const OptionNext = "next-version"

// Next makes this program the next version of itself.
type Next struct {
	Upgrades []upgrades.Upgrade
	// Stores are the names of stores that this version doesn't have.
	Stores []string
	// Modules may put other modules in place of this version's.
	Modules func(modules map[string]any, stores map[string]*storetypes.KVStoreKey)
}

func nextOf(opts servertypes.AppOptions) Next {
	next, _ := opts.Get(OptionNext).(Next)
	return next
}

// prepareUpgrades registers the upgrades, and changes the stores if the next block is that of one.
func (a *App) prepareUpgrades(opts servertypes.AppOptions, all []upgrades.Upgrade) error {
	home := cast.ToString(opts.Get(flags.FlagHome))
	var due upgradetypes.Plan
	if home != "" {
		var err error
		if due, err = a.Upgrade.ReadUpgradeInfoFromDisk(); err != nil {
			return fmt.Errorf("%s, which a stop for an upgrade left there, can't be read: %w", filepath.Join(home, "data", upgradetypes.UpgradeInfoFilename), err)
		}
	}
	for _, u := range all {
		if u.Name == "" {
			continue // a place that waits for its name
		}
		a.Upgrade.SetUpgradeHandler(u.Name, func(ctx context.Context, _ upgradetypes.Plan, from module.VersionMap) (module.VersionMap, error) {
			to, err := a.modules.RunMigrations(ctx, a.configurator, from)
			if err == nil && u.Change != nil {
				err = u.Change(ctx, from)
			}
			return to, err
		})
		if u.Name == due.Name && !a.Upgrade.IsSkipHeight(due.Height) {
			a.SetStoreLoader(upgradetypes.UpgradeStoreLoader(due.Height, &u.Stores))
		}
	}
	return nil
}

func (a *App) preBlock(ctx sdk.Context, _ *abci.RequestFinalizeBlock) (*sdk.ResponsePreBlock, error) {
	res, err := a.modules.PreBlock(ctx)
	if err != nil {
		err = a.upgradeFault(ctx, err)
	}
	return res, err
}

// upgradeFault says what an error of the upgrade module means for the operator.
func (a *App) upgradeFault(ctx sdk.Context, err error) error {
	plan, planErr := a.Upgrade.GetUpgradePlan(ctx)
	if planErr != nil && !errors.Is(planErr, upgradetypes.ErrNoUpgradePlanFound) {
		return err
	}
	planned, height := planErr == nil, ctx.BlockHeight()
	switch last, at, lastErr := a.Upgrade.GetLastCompletedUpgrade(ctx); {
	case planned && plan.ShouldExecute(height) && !a.Upgrade.HasHandler(plan.Name):
		return &upgrades.Needed{Name: plan.Name, Height: plan.Height, Info: plan.Info, Version: NodeVersion()}
	case planned && !plan.ShouldExecute(height) && a.Upgrade.HasHandler(plan.Name):
		return upgrades.Wrongf("this program (%s) is for the chain after height %d, where it upgrades to %q, and the chain is at %d; run the version before until then",
			NodeVersion(), plan.Height, plan.Name, height)
	case lastErr == nil && last != "" && !a.Upgrade.HasHandler(last):
		return upgrades.Wrongf("this program (%s) is older than the chain, which upgraded to %q at height %d; install the version that has that upgrade", NodeVersion(), last, at)
	}
	return err
}
