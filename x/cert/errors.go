package cert

import (
	"cosmossdk.io/errors"
	"google.golang.org/grpc/codes"
)

// Errors of the registry. Codes and texts are part of the wire; don't change them.
var (
	ErrCertificateNotFound       = errors.RegisterWithGRPCCode(ModuleName, 1, codes.NotFound, "certificate not found")
	ErrInvalidAddress            = errors.RegisterWithGRPCCode(ModuleName, 2, codes.InvalidArgument, "invalid address")
	ErrCertificateExists         = errors.RegisterWithGRPCCode(ModuleName, 3, codes.AlreadyExists, "certificate exists")
	ErrCertificateAlreadyRevoked = errors.RegisterWithGRPCCode(ModuleName, 4, codes.FailedPrecondition, "certificate already revoked")
	ErrInvalidSerialNumber       = errors.RegisterWithGRPCCode(ModuleName, 5, codes.InvalidArgument, "invalid serial number")
	ErrInvalidCertificateValue   = errors.RegisterWithGRPCCode(ModuleName, 6, codes.InvalidArgument, "invalid certificate value")
	ErrInvalidPubkeyValue        = errors.RegisterWithGRPCCode(ModuleName, 7, codes.InvalidArgument, "invalid pubkey value")
	ErrInvalidState              = errors.RegisterWithGRPCCode(ModuleName, 8, codes.InvalidArgument, "invalid state")
	ErrInvalidKeySize            = errors.RegisterWithGRPCCode(ModuleName, 9, codes.InvalidArgument, "invalid key size")
)
