package app

import (
	"context"
	"errors"

	abci "github.com/cometbft/cometbft/abci/types"

	"github.com/cosmos/cosmos-sdk/client"
	sdk "github.com/cosmos/cosmos-sdk/types"
	sdkerrors "github.com/cosmos/cosmos-sdk/types/errors"
)

// MaxDigits is the longest row of digits that the chain reads, in a transaction or a query. The largest amount has 78.
const MaxDigits = 1000

// ErrDigits is returned for bytes with a longer row of digits.
var ErrDigits = errors.New("a number of more than 1000 digits")

// CheckDigits returns ErrDigits if b holds a row of more than MaxDigits digits. Amounts are read as numbers before they are
// found to be too large, and that takes a time that grows with the square of their length: a megabyte of digits, which costs its
// sender nothing, takes a second. So they are looked for first, in bytes that came from outside.
func CheckDigits(b []byte) error {
	// Whoever has a row of that length has a digit at each multiple of it; few others do at many.
	for i := MaxDigits; i < len(b); i += MaxDigits {
		if !digit(b[i]) {
			continue
		}
		from, to := i, i+1
		for from > 0 && digit(b[from-1]) && to-from <= MaxDigits {
			from--
		}
		for to < len(b) && digit(b[to]) && to-from <= MaxDigits {
			to++
		}
		if to-from > MaxDigits {
			return ErrDigits
		}
	}
	return nil
}

// digit tells whether c may be inside a decimal number; Go reads 1_000 too.
func digit(c byte) bool { return c >= '0' && c <= '9' || c == '_' }

// txConfig is the SDK's, with a decoder that looks at numbers first.
type txConfig struct{ client.TxConfig }

func (c txConfig) TxDecoder() sdk.TxDecoder {
	decode := c.TxConfig.TxDecoder()
	return func(raw []byte) (sdk.Tx, error) {
		if err := CheckDigits(raw); err != nil {
			return nil, sdkerrors.ErrTxDecode.Wrap(err.Error())
		}
		return decode(raw)
	}
}

// Query answers a query, whose numbers are looked at first.
func (a *App) Query(ctx context.Context, req *abci.RequestQuery) (*abci.ResponseQuery, error) {
	if err := CheckDigits(req.Data); err != nil {
		return sdkerrors.QueryResult(sdkerrors.ErrInvalidRequest.Wrap(err.Error()), false), nil
	}
	return a.BaseApp.Query(ctx, req)
}
