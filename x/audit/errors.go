package audit

import (
	"cosmossdk.io/errors"
	"google.golang.org/grpc/codes"
)

// Errors of the registry. Codes and texts are part of the wire; don't change them.
var (
	ErrProviderNotFound  = errors.RegisterWithGRPCCode(ModuleName, 1, codes.NotFound, "invalid provider: address not found")
	ErrInvalidAddress    = errors.RegisterWithGRPCCode(ModuleName, 2, codes.InvalidArgument, "invalid address")
	ErrAttributeNotFound = errors.RegisterWithGRPCCode(ModuleName, 3, codes.NotFound, "attribute not found")
	// ErrAttributes is ours: returned when signed attributes are ill-formed, too many, or there twice.
	ErrAttributes = errors.RegisterWithGRPCCode(ModuleName, 4, codes.InvalidArgument, "attribute specification error")
)
