package market

import (
	"google.golang.org/grpc/codes"

	errorsmod "cosmossdk.io/errors"
)

// Errors of the codespace "trade": of what the market has beyond the Akash protocol.
var (
	// ErrInvalidTradeParam is returned for parameters that can't be.
	ErrInvalidTradeParam = registerTrade(1, codes.InvalidArgument, "parameter invalid")
	// ErrProviderDenied is returned for bids of a provider that the order's owner denies.
	ErrProviderDenied = registerTrade(2, codes.PermissionDenied, "the order's owner denies this provider")
	// ErrInvalidList is returned for a list of providers or leases that is empty, too long,
	// names something twice or something that isn't one.
	ErrInvalidList = registerTrade(3, codes.InvalidArgument, "invalid list")
	// ErrTooManyDenials is returned when an owner would deny more providers than may be.
	ErrTooManyDenials = registerTrade(4, codes.FailedPrecondition, "too many denied providers")
	// ErrNotDenied is returned when a denial is taken back that there isn't.
	ErrNotDenied = registerTrade(5, codes.NotFound, "provider isn't denied")
)

func registerTrade(code uint32, status codes.Code, text string) *errorsmod.Error {
	return errorsmod.RegisterWithGRPCCode(TradeName, code, status, text)
}
