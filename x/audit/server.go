package audit

import (
	"context"

	"cosmossdk.io/collections"
	cosmoserrors "cosmossdk.io/errors"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	sdk "github.com/cosmos/cosmos-sdk/types"
	"github.com/cosmos/cosmos-sdk/types/query"

	auditv1 "github.com/akash-supercloud/akash/api/akash/audit/v1"
	"github.com/akash-supercloud/akash/x/provider"
)

type msgServer struct{ k *Keeper }

// NewMsgServer returns the server of the registry's messages.
func NewMsgServer(k *Keeper) auditv1.MsgServer { return msgServer{k} }

func (s msgServer) SignProviderAttributes(ctx context.Context, msg *auditv1.MsgSignProviderAttributes) (*auditv1.MsgSignProviderAttributesResponse, error) {
	owner, auditor, err := parties(msg.Owner, msg.Auditor)
	if err != nil {
		return nil, err
	}
	if len(msg.Attributes) == 0 {
		return nil, cosmoserrors.Wrap(ErrAttributes, "nothing to sign")
	}
	if problem := provider.CheckAttributes(msg.Attributes); problem != "" {
		return nil, cosmoserrors.Wrap(ErrAttributes, problem)
	}
	if err := s.k.Sign(ctx, owner, auditor, msg.Attributes); err != nil {
		return nil, err
	}
	if err := emit(ctx, &auditv1.EventTrustedAuditorCreated{Owner: msg.Owner, Auditor: msg.Auditor}); err != nil {
		return nil, err
	}
	return &auditv1.MsgSignProviderAttributesResponse{}, nil
}

func (s msgServer) DeleteProviderAttributes(ctx context.Context, msg *auditv1.MsgDeleteProviderAttributes) (*auditv1.MsgDeleteProviderAttributesResponse, error) {
	owner, auditor, err := parties(msg.Owner, msg.Auditor)
	if err != nil {
		return nil, err
	}
	if err := s.k.Delete(ctx, owner, auditor, msg.Keys); err != nil {
		return nil, err
	}
	if err := emit(ctx, &auditv1.EventTrustedAuditorDeleted{Owner: msg.Owner, Auditor: msg.Auditor}); err != nil {
		return nil, err
	}
	return &auditv1.MsgDeleteProviderAttributesResponse{}, nil
}

func parties(owner, auditor string) (o, a sdk.AccAddress, err error) {
	if o, err = parseAddress("owner", owner); err != nil {
		return nil, nil, err
	}
	a, err = parseAddress("auditor", auditor)
	return o, a, err
}

type queryServer struct{ k *Keeper }

// NewQueryServer returns the server of the registry's queries.
func NewQueryServer(k *Keeper) auditv1.QueryServer { return queryServer{k} }

func (s queryServer) AllProvidersAttributes(ctx context.Context, req *auditv1.QueryAllProvidersAttributesRequest) (*auditv1.QueryProvidersResponse, error) {
	if req == nil {
		return nil, status.Error(codes.InvalidArgument, "empty request")
	}
	return s.list(ctx, req.Pagination)
}

func (s queryServer) ProviderAttributes(ctx context.Context, req *auditv1.QueryProviderAttributesRequest) (*auditv1.QueryProvidersResponse, error) {
	if req == nil {
		return nil, status.Error(codes.InvalidArgument, "empty request")
	}
	owner, err := parseAddress("owner", req.Owner)
	if err != nil {
		return nil, err
	}
	return s.list(ctx, req.Pagination, query.WithCollectionPaginationPairPrefix[sdk.AccAddress, sdk.AccAddress](owner))
}

func (s queryServer) ProviderAuditorAttributes(ctx context.Context, req *auditv1.QueryProviderAuditorRequest) (*auditv1.QueryProvidersResponse, error) {
	if req == nil {
		return nil, status.Error(codes.InvalidArgument, "empty request")
	}
	owner, auditor, err := parties(req.Owner, req.Auditor)
	if err != nil {
		return nil, err
	}
	p, ok, err := s.k.Get(ctx, owner, auditor)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, cosmoserrors.Wrapf(ErrProviderNotFound, "%s by %s", req.Owner, req.Auditor)
	}
	return &auditv1.QueryProvidersResponse{Providers: []auditv1.AuditedProvider{p}}, nil
}

func (s queryServer) AuditorAttributes(ctx context.Context, req *auditv1.QueryAuditorAttributesRequest) (*auditv1.QueryProvidersResponse, error) {
	if req == nil {
		return nil, status.Error(codes.InvalidArgument, "empty request")
	}
	auditor, err := parseAddress("auditor", req.Auditor)
	if err != nil {
		return nil, err
	}
	page, err := provider.Page(req.Pagination)
	if err != nil {
		return nil, err
	}
	providers, next, err := query.CollectionPaginate(ctx, s.k.records.Indexes.Auditor, page,
		func(at collections.Pair[sdk.AccAddress, sdk.AccAddress], _ collections.NoValue) (auditv1.AuditedProvider, error) {
			p, _, err := s.k.Get(ctx, at.K2(), at.K1())
			return p, err
		}, query.WithCollectionPaginationPairPrefix[sdk.AccAddress, sdk.AccAddress](auditor))
	if err != nil {
		return nil, status.Error(codes.InvalidArgument, err.Error())
	}
	return &auditv1.QueryProvidersResponse{Providers: providers, Pagination: next}, nil
}

func (s queryServer) list(ctx context.Context, req *query.PageRequest, options ...func(*query.CollectionsPaginateOptions[key])) (*auditv1.QueryProvidersResponse, error) {
	page, err := provider.Page(req)
	if err != nil {
		return nil, err
	}
	providers, next, err := query.CollectionPaginate(ctx, s.k.records, page,
		func(at key, v auditv1.AuditedAttributesStore) (auditv1.AuditedProvider, error) {
			return record(at, v), nil
		}, options...)
	if err != nil {
		return nil, status.Error(codes.InvalidArgument, err.Error())
	}
	return &auditv1.QueryProvidersResponse{Providers: providers, Pagination: next}, nil
}
