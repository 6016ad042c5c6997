package provider

import (
	"cosmossdk.io/errors"
	"google.golang.org/grpc/codes"
)

// Errors of the registry. Codes and texts are part of the wire; don't change them.
var (
	ErrInvalidProviderURI     = errors.RegisterWithGRPCCode(ModuleName, 1, codes.InvalidArgument, "invalid provider: invalid host uri")
	ErrNotAbsProviderURI      = errors.RegisterWithGRPCCode(ModuleName, 2, codes.InvalidArgument, "invalid provider: not absolute host uri")
	ErrProviderNotFound       = errors.RegisterWithGRPCCode(ModuleName, 3, codes.NotFound, "invalid provider: address not found")
	ErrProviderExists         = errors.RegisterWithGRPCCode(ModuleName, 4, codes.AlreadyExists, "invalid provider: already exists")
	ErrInvalidAddress         = errors.RegisterWithGRPCCode(ModuleName, 5, codes.InvalidArgument, "invalid address")
	ErrAttributes             = errors.RegisterWithGRPCCode(ModuleName, 6, codes.InvalidArgument, "attribute specification error")
	ErrIncompatibleAttributes = errors.RegisterWithGRPCCode(ModuleName, 7, codes.FailedPrecondition, "attributes cannot be changed")
	ErrInvalidInfoWebsite     = errors.RegisterWithGRPCCode(ModuleName, 8, codes.InvalidArgument, "invalid provider: invalid info website")
	ErrInternal               = errors.RegisterWithGRPCCode(ModuleName, 9, codes.Internal, "internal error")
	// ErrActiveLeases is ours: returned when a provider that still serves leases asks to be deleted.
	ErrActiveLeases = errors.RegisterWithGRPCCode(ModuleName, 11, codes.FailedPrecondition, "provider has active leases")
)
