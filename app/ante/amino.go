package ante

import (
	"errors"

	storetypes "github.com/cosmos/cosmos-sdk/store/v2/types"
	sdk "github.com/cosmos/cosmos-sdk/types"
	sdkerrors "github.com/cosmos/cosmos-sdk/types/errors"
	"github.com/cosmos/cosmos-sdk/types/tx/signing"
	authsigning "github.com/cosmos/cosmos-sdk/x/auth/signing"
)

// eitherNames checks signatures; one over amino JSON, as hardware wallets make it, is good if it is over the
// messages with their type URLs, or with their legacy names. A transaction that has neither costs two checks.
type eitherNames struct{ urls, names sdk.AnteDecorator }

func (d eitherNames) AnteHandle(ctx sdk.Context, tx sdk.Tx, simulate bool, next sdk.AnteHandler) (sdk.Context, error) {
	if simulate || !signsAmino(tx) {
		return d.urls.AnteHandle(ctx, tx, simulate, next)
	}
	// Each in a branch of its own: what the first wrote before it failed isn't there for the second.
	only := func(ctx sdk.Context, _ sdk.Tx, _ bool) (sdk.Context, error) { return ctx, nil }
	var first error
	for _, check := range []sdk.AnteDecorator{d.urls, d.names} {
		// Only the gas of the one that is good counts: a node that remembers the signature takes the first for it.
		branch, write := ctx.CacheContext()
		meter := storetypes.NewInfiniteGasMeter()
		_, err := check.AnteHandle(branch.WithGasMeter(meter), tx, simulate, only)
		if err == nil {
			write()
			ctx.GasMeter().ConsumeGas(meter.GasConsumed(), "signatures")
			return next(ctx, tx, simulate)
		}
		if first == nil {
			first = err
		}
		if !errors.Is(err, sdkerrors.ErrUnauthorized) {
			break // not for the signature
		}
	}
	return ctx, first
}

// signsAmino says whether any signer of a transaction signed amino JSON by itself.
func signsAmino(tx sdk.Tx) bool {
	s, ok := tx.(authsigning.SigVerifiableTx)
	if !ok {
		return false
	}
	sigs, err := s.GetSignaturesV2()
	if err != nil {
		return false // the check says why
	}
	for _, sig := range sigs {
		if one, ok := sig.Data.(*signing.SingleSignatureData); ok && one.SignMode == signing.SignMode_SIGN_MODE_LEGACY_AMINO_JSON {
			return true
		}
	}
	return false
}
