// Package ante checks a transaction before its messages run: size, memo, timeout, fee, signatures, sequence.
//
// It is the Cosmos SDK's chain of decorators, with unordered transactions allowed. What always holds: a
// transaction that fails here has changed nothing, save that a fee is taken in a block; and gas doesn't
// depend on what a node happens to remember.
package ante

import (
	"time"

	sdk "github.com/cosmos/cosmos-sdk/types"
	sdkante "github.com/cosmos/cosmos-sdk/x/auth/ante"
	authtypes "github.com/cosmos/cosmos-sdk/x/auth/types"
	txsigning "github.com/cosmos/cosmos-sdk/x/tx/signing"
)

// MaxUnordered is how far ahead an unordered transaction's timeout may lie. Each takes a key in the state
// until then.
const MaxUnordered = 10 * time.Minute

// Options are what the checks read and write. All fields are required.
type Options struct {
	Account   sdkante.AccountKeeper
	Bank      authtypes.BankKeeper
	Feegrant  sdkante.FeegrantKeeper
	SignModes *txsigning.HandlerMap
}

// New returns the checks as one handler.
func New(o Options) (sdk.AnteHandler, error) {
	return sdkante.NewAnteHandler(sdkante.HandlerOptions{
		AccountKeeper:   o.Account,
		BankKeeper:      o.Bank,
		FeegrantKeeper:  o.Feegrant,
		SignModeHandler: o.SignModes,
		SigGasConsumer:  sdkante.DefaultSigVerificationGasConsumer,
		SigVerifyOptions: []sdkante.SigVerificationDecoratorOption{
			sdkante.WithMaxUnorderedTxTimeoutDuration(MaxUnordered),
		},
	})
}
