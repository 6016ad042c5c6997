// Package ante checks a transaction before its messages run: size, memo, timeout, fee, signatures, sequence.
//
// It is the Cosmos SDK's chain of decorators, with unordered transactions allowed. What always holds: a
// transaction that fails here has changed nothing, save that a fee is taken in a block; and gas doesn't
// depend on what a node happens to remember.
package ante

import (
	"errors"
	"time"

	sdk "github.com/cosmos/cosmos-sdk/types"
	sdkante "github.com/cosmos/cosmos-sdk/x/auth/ante"
	authtypes "github.com/cosmos/cosmos-sdk/x/auth/types"
	txsigning "github.com/cosmos/cosmos-sdk/x/tx/signing"
	ibcante "github.com/cosmos/ibc-go/v11/modules/core/ante"
	ibckeeper "github.com/cosmos/ibc-go/v11/modules/core/keeper"

	"github.com/akash-supercloud/akash/app/account"
)

// MaxUnordered is how far ahead an unordered transaction's timeout may lie. Each takes a key in the state
// until then.
const MaxUnordered = 10 * time.Minute

// DefaultCache is how many checked transactions a node remembers in each of two generations: 2 MiB, some seconds of
// full blocks.
const DefaultCache = 16_384

// Options are what the checks read and write. All fields but Cache are required.
type Options struct {
	Account   sdkante.AccountKeeper
	Bank      authtypes.BankKeeper
	Feegrant  sdkante.FeegrantKeeper
	SignModes *txsigning.HandlerMap
	// IBC tells which relayed packets have come already.
	IBC *ibckeeper.Keeper
	// LegacyNames is amino JSON once more, with the messages' other names.
	LegacyNames *txsigning.HandlerMap
	// Cache is how many checked transactions to remember, so that their signatures aren't checked again in the block.
	// Zero remembers none. It changes nothing but time.
	Cache int
	// FeeDenom is the coin that fees are usually paid in.
	FeeDenom string
}

// New returns the checks as one handler, in the SDK's order.
func New(o Options) (sdk.AnteHandler, error) {
	if o.Account == nil || o.Bank == nil || o.Feegrant == nil || o.SignModes == nil || o.LegacyNames == nil || o.IBC == nil || o.FeeDenom == "" {
		return nil, errors.New("ante: an option is missing")
	}
	check := func(modes *txsigning.HandlerMap) sdk.AnteDecorator {
		return sdkante.NewSigVerificationDecorator(o.Account, modes, sdkante.WithMaxUnorderedTxTimeoutDuration(MaxUnordered))
	}
	var signatures sdk.AnteDecorator = eitherNames{check(o.SignModes), check(o.LegacyNames)}
	if o.Cache > 0 {
		signatures = newSigCache(signatures, o.Account, o.Cache)
	}
	return sdk.ChainAnteDecorators(
		nextBlock{},
		shapeDecorator{o.Account},          // before all that takes keys and fees for whole
		sdkante.NewSetUpContextDecorator(), // the gas meter: before all that uses gas
		remember{},
		sdkante.NewExtensionOptionsDecorator(nil),
		sdkante.NewValidateBasicDecorator(),
		sdkante.NewTxTimeoutHeightDecorator(),
		sdkante.NewValidateMemoDecorator(o.Account),
		sdkante.NewConsumeGasForTxSizeDecorator(o.Account),
		feeDecorator{sdkante.NewDeductFeeDecorator(o.Account, o.Bank, o.Feegrant, nil), o.Bank, o.FeeDenom},
		sdkante.NewSetPubKeyDecorator(o.Account), // before all that needs the key
		sdkante.NewValidateSigCountDecorator(o.Account),
		sdkante.NewSigGasConsumeDecorator(o.Account, signatureGas),
		signatures,
		sdkante.NewIncrementSequenceDecorator(o.Account),
		ibcante.NewRedundantRelayDecorator(o.IBC), // in the mempool only: the second relayer of a packet pays nothing
		forget{},
	), nil
}

// remember and forget bound the checks, during which an account is read once.
type (
	remember struct{}
	forget   struct{}
)

func (remember) AnteHandle(ctx sdk.Context, tx sdk.Tx, simulate bool, next sdk.AnteHandler) (sdk.Context, error) {
	return next(account.Remember(ctx), tx, simulate)
}

func (forget) AnteHandle(ctx sdk.Context, tx sdk.Tx, simulate bool, next sdk.AnteHandler) (sdk.Context, error) {
	account.Forget(ctx)
	return next(ctx, tx, simulate)
}
