package ante

import (
	sdk "github.com/cosmos/cosmos-sdk/types"
	sdkante "github.com/cosmos/cosmos-sdk/x/auth/ante"
	authtypes "github.com/cosmos/cosmos-sdk/x/auth/types"
)

// grantedFeeGas is what paying a fee out of another's allowance uses, a little rounded up.
const grantedFeeGas = 25_000

// nextBlock lets a simulation run as part of the next block, which is the first that the transaction can be in. On the last
// block's height a lease that began there has earned nothing yet, so that a withdrawal seemed cheaper than it is.
type nextBlock struct{}

func (nextBlock) AnteHandle(ctx sdk.Context, tx sdk.Tx, simulate bool, next sdk.AnteHandler) (sdk.Context, error) {
	if simulate && ctx.BlockHeight() > 0 {
		ctx = ctx.WithBlockHeight(ctx.BlockHeight() + 1)
	}
	return next(ctx, tx, simulate)
}

// feeDecorator takes the fee as the SDK does. A simulation without a fee, which is what wallets and cosmjs ask
// for, also finds the gas that taking one will use: messages cost so little here that clients, who add 30 %,
// would else run out of gas. It changes nothing but what a simulation finds.
type feeDecorator struct {
	sdk.AnteDecorator
	bank  authtypes.BankKeeper
	denom string
}

func (d feeDecorator) AnteHandle(ctx sdk.Context, tx sdk.Tx, simulate bool, next sdk.AnteHandler) (sdk.Context, error) {
	f, ok := tx.(sdk.FeeTx)
	if simulate && ok && f.GetFee().IsZero() && len(f.FeeGranter()) == 0 {
		// Any amount uses the same gas. Who has no coin to pay with is paid for, though wallets don't say so here.
		branch, _ := ctx.CacheContext()
		before := ctx.GasMeter().GasConsumed()
		err := d.bank.SendCoinsFromAccountToModule(branch, f.FeePayer(), sdkante.FeeRecipientModule, sdk.NewCoins(sdk.NewInt64Coin(d.denom, 1)))
		if used := ctx.GasMeter().GasConsumed() - before; err != nil && used < grantedFeeGas {
			ctx.GasMeter().ConsumeGas(grantedFeeGas-used, "fee out of an allowance")
		}
	}
	return d.AnteDecorator.AnteHandle(ctx, tx, simulate, next)
}
