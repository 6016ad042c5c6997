package escrow

import (
	"google.golang.org/grpc/codes"

	errorsmod "cosmossdk.io/errors"
)

// Errors of the codespace "escrow".
var (
	// ErrAccountExists is returned when an account is opened that exists.
	ErrAccountExists = register(1, codes.AlreadyExists, "account exists")
	// ErrAccountClosed is returned for changes of an account that has ended.
	ErrAccountClosed = register(2, codes.FailedPrecondition, "account closed")
	// ErrAccountNotFound is returned when there is no such account.
	ErrAccountNotFound = register(3, codes.NotFound, "account not found")
	// ErrAccountOverdrawn is returned when an account has no money for one more block.
	ErrAccountOverdrawn = register(4, codes.FailedPrecondition, "account overdrawn")
	// ErrInvalidDenomination is returned when money isn't of the account's denomination.
	ErrInvalidDenomination = register(5, codes.InvalidArgument, "invalid denomination")
	// ErrPaymentExists is returned when a payment is opened that exists.
	ErrPaymentExists = register(6, codes.AlreadyExists, "payment exists")
	// ErrPaymentClosed is returned for changes of a payment that has ended.
	ErrPaymentClosed = register(7, codes.FailedPrecondition, "payment closed")
	// ErrPaymentNotFound is returned when there is no such payment.
	ErrPaymentNotFound = register(8, codes.NotFound, "payment not found")
	// ErrPaymentRateZero is returned when a payment is opened that costs nothing.
	ErrPaymentRateZero = register(9, codes.InvalidArgument, "payment rate zero")
	// ErrInvalidPayment is returned when a payment can't be right by itself.
	ErrInvalidPayment = register(10, codes.InvalidArgument, "invalid payment")
	// ErrInvalidSettlement is returned when figures don't add up.
	ErrInvalidSettlement = register(11, codes.InvalidArgument, "invalid settlement")
	// ErrInvalidID is returned for an identifier that isn't one.
	ErrInvalidID = register(12, codes.InvalidArgument, "invalid ID")
	// ErrInvalidAccount is returned when an account can't be right by itself.
	ErrInvalidAccount = register(13, codes.InvalidArgument, "invalid account")
	// ErrInvalidAccountDepositor is returned for a depositor that isn't an address.
	ErrInvalidAccountDepositor = register(14, codes.InvalidArgument, "invalid account depositor")
	// ErrUnauthorizedDepositScope is returned when a grant doesn't cover the account's scope.
	ErrUnauthorizedDepositScope = register(15, codes.PermissionDenied, "unauthorized deposit scope")
	// ErrInvalidDeposit is returned for deposits that are malformed or not covered.
	ErrInvalidDeposit = register(16, codes.InvalidArgument, "invalid deposit")
	// ErrInvalidAuthzScope is returned for a grant whose scope isn't one.
	ErrInvalidAuthzScope = register(17, codes.InvalidArgument, "invalid authz scope")
	// ErrMalformedKey is returned for stored keys that can't be read.
	ErrMalformedKey = register(18, codes.InvalidArgument, "malformed key")
)

func register(code uint32, status codes.Code, text string) *errorsmod.Error {
	return errorsmod.RegisterWithGRPCCode(ModuleName, code, status, text)
}
