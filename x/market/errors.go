package market

import (
	"google.golang.org/grpc/codes"

	errorsmod "cosmossdk.io/errors"
)

// Errors of the codespace "market". Their texts are part of the protocol.
var (
	ErrEmptyProvider               = register(1, codes.InvalidArgument, "empty provider")
	ErrSameAccount                 = register(2, codes.InvalidArgument, "owner and provider are the same account")
	ErrInternal                    = register(3, codes.Internal, "internal error")
	ErrBidOverOrder                = register(4, codes.InvalidArgument, "bid price above max order price")
	ErrAttributeMismatch           = register(5, codes.InvalidArgument, "attribute mismatch")
	ErrUnknownBid                  = register(6, codes.NotFound, "unknown bid")
	ErrUnknownLease                = register(7, codes.NotFound, "unknown lease")
	ErrUnknownLeaseForBid          = register(8, codes.NotFound, "unknown lease for bid")
	ErrUnknownOrderForBid          = register(9, codes.NotFound, "unknown order for bid")
	ErrLeaseNotActive              = register(10, codes.FailedPrecondition, "lease not active")
	ErrBidNotActive                = register(11, codes.FailedPrecondition, "bid not active")
	ErrBidNotOpen                  = register(12, codes.FailedPrecondition, "bid not open")
	ErrOrderNotOpen                = register(13, codes.FailedPrecondition, "bid: order not open")
	ErrNoLeaseForOrder             = register(14, codes.NotFound, "no lease for order")
	ErrOrderNotFound               = register(15, codes.NotFound, "invalid order: order not found")
	ErrGroupNotFound               = register(16, codes.NotFound, "group not found")
	ErrGroupNotOpen                = register(17, codes.FailedPrecondition, "group not open")
	ErrBidNotFound                 = register(18, codes.NotFound, "invalid bid: bid not found")
	ErrBidZeroPrice                = register(19, codes.InvalidArgument, "invalid bid: zero price")
	ErrLeaseNotFound               = register(20, codes.NotFound, "invalid lease: lease not found")
	ErrBidExists                   = register(21, codes.AlreadyExists, "invalid bid: bid exists from provider")
	ErrBidInvalidPrice             = register(22, codes.InvalidArgument, "bid price is invalid")
	ErrOrderActive                 = register(23, codes.FailedPrecondition, "order active")
	ErrOrderClosed                 = register(24, codes.FailedPrecondition, "order closed")
	ErrOrderExists                 = register(25, codes.AlreadyExists, "order already exists in store")
	ErrOrderDurationExceeded       = register(26, codes.FailedPrecondition, "order duration has exceeded the bidding duration")
	ErrOrderTooEarly               = register(27, codes.FailedPrecondition, "order: chain height to low for bidding")
	ErrInvalidDeposit              = register(28, codes.InvalidArgument, "deposit invalid")
	ErrInvalidParam                = register(29, codes.InvalidArgument, "parameter invalid")
	ErrUnknownProvider             = register(30, codes.NotFound, "unknown provider")
	ErrInvalidBid                  = register(31, codes.InvalidArgument, "invalid bid")
	ErrCapabilitiesMismatch        = register(32, codes.InvalidArgument, "capabilities mismatch")
	ErrInvalidLeaseClosedReason    = register(33, codes.InvalidArgument, "invalid lease closed reason")
	ErrInvalidEscrowID             = register(34, codes.InvalidArgument, "invalid escrow id")
	ErrLeaseNotReclamable          = register(35, codes.FailedPrecondition, "lease does not have reclamation configured")
	ErrLeaseAlreadyReclaiming      = register(36, codes.FailedPrecondition, "reclamation already in progress")
	ErrReclamationNotStarted       = register(37, codes.FailedPrecondition, "reclamation not started; call MsgLeaseStartReclaim first")
	ErrReclamationWindowNotElapsed = register(38, codes.FailedPrecondition, "reclamation window has not elapsed")
	ErrReclamationWindowInvalid    = register(39, codes.InvalidArgument, "reclamation window outside governance bounds")
	ErrReclamationRequired         = register(40, codes.InvalidArgument, "order requires reclamation but bid does not offer it")
	ErrReclamationWindowTooShort   = register(41, codes.InvalidArgument, "reclamation window shorter than order minimum")
)

func register(code uint32, status codes.Code, text string) *errorsmod.Error {
	return errorsmod.RegisterWithGRPCCode(ModuleName, code, status, text)
}
