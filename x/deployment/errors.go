package deployment

import (
	"google.golang.org/grpc/codes"

	errorsmod "cosmossdk.io/errors"
)

// Errors of the codespace "deployment".
var (
	// ErrNameDoesNotExist is kept for clients that know it.
	ErrNameDoesNotExist = register(1, codes.NotFound, "Name does not exist")
	// ErrInvalidRequest is returned for a request that can't be understood.
	ErrInvalidRequest = register(2, codes.InvalidArgument, "Invalid request")
	// ErrDeploymentExists is returned when the id is used already, also by a closed deployment.
	ErrDeploymentExists = register(3, codes.AlreadyExists, "Deployment exists")
	// ErrDeploymentNotFound is returned when there is no such deployment.
	ErrDeploymentNotFound = register(4, codes.NotFound, "Deployment not found")
	// ErrDeploymentClosed is returned for changes of a closed deployment.
	ErrDeploymentClosed = register(5, codes.FailedPrecondition, "Deployment closed")
	// ErrOwnerAcctMissing is kept for clients that know it.
	ErrOwnerAcctMissing = register(6, codes.InvalidArgument, "Owner account missing")
	// ErrInvalidGroups is returned for no group or too many.
	ErrInvalidGroups = register(7, codes.InvalidArgument, "Invalid groups")
	// ErrInvalidDeploymentID is returned for an owner that isn't an address or a dseq of zero.
	ErrInvalidDeploymentID = register(8, codes.InvalidArgument, "Invalid: deployment id")
	// ErrEmptyHash is returned when there is no manifest hash.
	ErrEmptyHash = register(9, codes.InvalidArgument, "Invalid: empty hash")
	// ErrInvalidHash is returned for a hash that isn't 32 bytes, or not new in an update.
	ErrInvalidHash = register(10, codes.InvalidArgument, "Invalid: deployment hash")
	// ErrInternal is returned when the chain's own state is broken.
	ErrInternal = register(11, codes.Internal, "internal error")
	// ErrInvalidDeployment is returned for a deployment that can't be right by itself.
	ErrInvalidDeployment = register(12, codes.InvalidArgument, "Invalid deployment")
	// ErrInvalidGroupID is returned for a group id that isn't one.
	ErrInvalidGroupID = register(13, codes.InvalidArgument, "Invalid deployment's group ID")
	// ErrGroupNotFound is returned when there is no such group.
	ErrGroupNotFound = register(14, codes.NotFound, "Group not found")
	// ErrGroupClosed is returned for changes of a group that has ended.
	ErrGroupClosed = register(15, codes.FailedPrecondition, "Group already closed")
	// ErrGroupOpen is returned when an open group is started.
	ErrGroupOpen = register(16, codes.FailedPrecondition, "Group open")
	// ErrGroupPaused is returned when a paused group is paused.
	ErrGroupPaused = register(17, codes.FailedPrecondition, "Group paused")
	// ErrGroupNotOpen is returned when something needs an open group.
	ErrGroupNotOpen = register(18, codes.FailedPrecondition, "Group not open")
	// ErrGroupSpecInvalid is returned for a group that breaks a limit.
	ErrGroupSpecInvalid = register(19, codes.InvalidArgument, "GroupSpec invalid")
	// ErrInvalidDeposit is returned for a deposit that is malformed, too small or of a
	// denomination that isn't taken.
	ErrInvalidDeposit = register(20, codes.InvalidArgument, "Deposit invalid")
	// ErrInvalidIDPath is kept for clients that know it.
	ErrInvalidIDPath = register(21, codes.InvalidArgument, "ID path invalid")
	// ErrInvalidParam is returned for parameters that can't be right.
	ErrInvalidParam = register(22, codes.InvalidArgument, "parameter invalid")
	// ErrInvalidEscrowID is kept for clients that know it.
	ErrInvalidEscrowID = register(23, codes.InvalidArgument, "invalid escrow id")
	// ErrInvalidPrice is returned for prices in a denomination that isn't taken.
	ErrInvalidPrice = register(24, codes.InvalidArgument, "invalid price")
	// ErrDuplicateGroupName is returned when two groups have one name.
	ErrDuplicateGroupName = register(25, codes.InvalidArgument, "duplicate group name")
	// ErrInvalidReclamation is returned for a reclamation window that isn't allowed.
	ErrInvalidReclamation = register(26, codes.InvalidArgument, "invalid reclamation configuration")
)

func register(code uint32, status codes.Code, text string) *errorsmod.Error {
	return errorsmod.RegisterWithGRPCCode(ModuleName, code, status, text)
}
