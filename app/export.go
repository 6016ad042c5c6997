package app

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"

	cmtproto "github.com/cometbft/cometbft/proto/tendermint/types"
	dbm "github.com/cosmos/cosmos-db"

	"cosmossdk.io/log/v2"

	servertypes "github.com/cosmos/cosmos-sdk/server/types"
	sdk "github.com/cosmos/cosmos-sdk/types"
	distrtypes "github.com/cosmos/cosmos-sdk/x/distribution/types"
	slashingtypes "github.com/cosmos/cosmos-sdk/x/slashing/types"
	"github.com/cosmos/cosmos-sdk/x/staking"
	stakingtypes "github.com/cosmos/cosmos-sdk/x/staking/types"

	"github.com/akash-supercloud/akash/x/deployment"
	"github.com/akash-supercloud/akash/x/escrow"
	"github.com/akash-supercloud/akash/x/market"
)

// Export writes the state of a height (-1: the latest) as a genesis: of a chain that goes on at the next height, or, for
// height zero, of one that begins at its first block. See ForZeroHeight.
func Export(logger log.Logger, db dbm.DB, height int64, forZeroHeight bool, jailAllowed []string, opts servertypes.AppOptions, modules []string) (servertypes.ExportedApp, error) {
	if len(jailAllowed) > 0 {
		return servertypes.ExportedApp{}, errors.New("--jail-allowed-addrs isn't offered; jail nobody, or change the exported validators yourself")
	}
	a := New(logger, db, opts)
	if height > 0 {
		if err := a.LoadHeight(height); err != nil {
			return servertypes.ExportedApp{}, fmt.Errorf("no state of height %d here: %w", height, err)
		}
	}
	ctx := a.NewContextLegacy(true, cmtproto.Header{Height: a.LastBlockHeight()})
	if forZeroHeight {
		return a.ForZeroHeight(ctx, modules)
	}
	return a.ExportState(ctx, modules)
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

// ForZeroHeight is ExportState for a chain that begins anew at its first block: rewards and what leases have earned are
// paid out, and every height in the state becomes 0. It changes the state that ctx sees.
func (a *App) ForZeroHeight(ctx sdk.Context, modules []string) (servertypes.ExportedApp, error) {
	if err := a.Escrow.SettleAll(ctx); err != nil {
		return servertypes.ExportedApp{}, err
	}
	if err := a.restartStaking(ctx); err != nil {
		return servertypes.ExportedApp{}, err
	}
	out, err := a.ExportState(ctx, modules)
	if err != nil {
		return out, err
	}
	var state map[string]json.RawMessage
	if err := json.Unmarshal(out.AppState, &state); err != nil {
		return out, err
	}
	for _, name := range []string{escrow.ModuleName, deployment.ModuleName, market.ModuleName, market.TradeName} {
		var v any
		if state[name] == nil {
			continue
		}
		if err := json.Unmarshal(state[name], &v); err != nil {
			return out, err
		}
		zeroHeights(v, a.LastBlockHeight())
		if state[name], err = json.Marshal(v); err != nil {
			return out, err
		}
	}
	out.Height = 0
	out.AppState, err = json.MarshalIndent(state, "", "  ")
	return out, err
}

// zeroHeights sets the heights in the market's state that lie in the past to 0, and brings those to come nearer.
func zeroHeights(v any, now int64) {
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			zeroHeights(e, now)
		}
	case map[string]any:
		for _, k := range slices.Sorted(maps.Keys(v)) {
			e := v[k]
			switch k {
			case "created_at", "settled_at", "closed_on":
				v[k] = "0"
			case "ends_at":
				if at, err := strconv.ParseInt(fmt.Sprint(e), 10, 64); err == nil {
					v[k] = fmt.Sprint(max(at-now, 1))
				}
			default:
				zeroHeights(e, now)
			}
		}
	}
}

// restartStaking pays out rewards and commissions and begins staking's and slashing's counts of blocks anew.
func (a *App) restartStaking(ctx sdk.Context) error {
	codec := a.Staking.ValidatorAddressCodec()
	validators, err := a.Staking.GetAllValidators(ctx)
	if err != nil {
		return err
	}
	delegations, err := a.Staking.GetAllDelegations(ctx)
	if err != nil {
		return err
	}
	operators := make([]sdk.ValAddress, len(validators))
	for i, v := range validators {
		if operators[i], err = codec.StringToBytes(v.OperatorAddress); err != nil {
			return err
		}
		if _, err := a.Distribution.WithdrawValidatorCommission(ctx, operators[i]); err != nil && !errors.Is(err, distrtypes.ErrNoValidatorCommission) {
			return err
		}
	}
	for _, d := range delegations {
		val, err := codec.StringToBytes(d.ValidatorAddress)
		if err != nil {
			return err
		}
		if _, err := a.Distribution.WithdrawDelegationRewards(ctx, sdk.MustAccAddressFromBech32(d.DelegatorAddress), val); err != nil {
			return err
		}
	}
	a.Distribution.DeleteAllValidatorSlashEvents(ctx)
	a.Distribution.DeleteAllValidatorHistoricalRewards(ctx)

	zero := ctx.WithBlockHeight(0)
	hooks := a.Distribution.Hooks()
	for i, v := range validators {
		scraps, err := a.Distribution.GetValidatorOutstandingRewardsCoins(zero, operators[i])
		if err != nil {
			return err
		}
		pool, err := a.Distribution.FeePool.Get(zero)
		if err != nil {
			return err
		}
		pool.CommunityPool = pool.CommunityPool.Add(scraps...)
		if err := a.Distribution.FeePool.Set(zero, pool); err != nil {
			return err
		}
		if err := hooks.AfterValidatorCreated(zero, operators[i]); err != nil {
			return err
		}
		v.UnbondingHeight = 0
		if err := a.Staking.SetValidator(zero, v); err != nil {
			return err
		}
	}
	for _, d := range delegations {
		val, err := codec.StringToBytes(d.ValidatorAddress)
		if err != nil {
			return err
		}
		del := sdk.MustAccAddressFromBech32(d.DelegatorAddress)
		if err := hooks.BeforeDelegationCreated(zero, del, val); err != nil {
			return err
		}
		if err := hooks.AfterDelegationModified(zero, del, val); err != nil {
			return err
		}
	}

	var unbondings []stakingtypes.UnbondingDelegation
	if err := a.Staking.IterateUnbondingDelegations(ctx, func(_ int64, u stakingtypes.UnbondingDelegation) bool {
		unbondings = append(unbondings, u)
		return false
	}); err != nil {
		return err
	}
	for _, u := range unbondings {
		for i := range u.Entries {
			u.Entries[i].CreationHeight = 0
		}
		if err := a.Staking.SetUnbondingDelegation(ctx, u); err != nil {
			return err
		}
	}
	var redelegations []stakingtypes.Redelegation
	if err := a.Staking.IterateRedelegations(ctx, func(_ int64, r stakingtypes.Redelegation) bool {
		redelegations = append(redelegations, r)
		return false
	}); err != nil {
		return err
	}
	for _, r := range redelegations {
		for i := range r.Entries {
			r.Entries[i].CreationHeight = 0
		}
		if err := a.Staking.SetRedelegation(ctx, r); err != nil {
			return err
		}
	}

	infos := map[string]slashingtypes.ValidatorSigningInfo{}
	var order []sdk.ConsAddress
	if err := a.Slashing.IterateValidatorSigningInfos(ctx, func(addr sdk.ConsAddress, info slashingtypes.ValidatorSigningInfo) bool {
		infos[string(addr)], order = info, append(order, addr)
		return false
	}); err != nil {
		return err
	}
	for _, addr := range order {
		info := infos[string(addr)]
		info.StartHeight = 0
		if err := a.Slashing.SetValidatorSigningInfo(ctx, addr, info); err != nil {
			return err
		}
	}
	return nil
}
