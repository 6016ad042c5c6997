package provider

import (
	"context"

	cosmoserrors "cosmossdk.io/errors"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	sdk "github.com/cosmos/cosmos-sdk/types"
	"github.com/cosmos/cosmos-sdk/types/query"

	v1beta4 "github.com/akash-supercloud/akash/api/akash/provider/v1beta4"
)

// MaxPage is the most records one list answer holds.
const MaxPage = 10_000

type msgServer struct{ k *Keeper }

// NewMsgServer returns the server of the registry's messages.
func NewMsgServer(k *Keeper) v1beta4.MsgServer { return msgServer{k} }

func (s msgServer) CreateProvider(ctx context.Context, msg *v1beta4.MsgCreateProvider) (*v1beta4.MsgCreateProviderResponse, error) {
	owner, err := checkRecord(msg.Owner, msg.HostURI, msg.Attributes, msg.Info)
	if err != nil {
		return nil, err
	}
	if there, err := s.k.Has(ctx, owner); err != nil {
		return nil, err
	} else if there {
		return nil, cosmoserrors.Wrap(ErrProviderExists, msg.Owner)
	}
	if err := s.k.providers.Set(ctx, owner, v1beta4.Provider(*msg)); err != nil {
		return nil, err
	}
	if err := emit(ctx, &v1beta4.EventProviderCreated{Owner: msg.Owner}); err != nil {
		return nil, err
	}
	return &v1beta4.MsgCreateProviderResponse{}, nil
}

func (s msgServer) UpdateProvider(ctx context.Context, msg *v1beta4.MsgUpdateProvider) (*v1beta4.MsgUpdateProviderResponse, error) {
	owner, err := checkRecord(msg.Owner, msg.HostURI, msg.Attributes, msg.Info)
	if err != nil {
		return nil, err
	}
	if there, err := s.k.Has(ctx, owner); err != nil {
		return nil, err
	} else if !there {
		return nil, cosmoserrors.Wrap(ErrProviderNotFound, msg.Owner)
	}
	if err := s.k.providers.Set(ctx, owner, v1beta4.Provider(*msg)); err != nil {
		return nil, err
	}
	if err := emit(ctx, &v1beta4.EventProviderUpdated{Owner: msg.Owner}); err != nil {
		return nil, err
	}
	return &v1beta4.MsgUpdateProviderResponse{}, nil
}

func (s msgServer) DeleteProvider(ctx context.Context, msg *v1beta4.MsgDeleteProvider) (*v1beta4.MsgDeleteProviderResponse, error) {
	owner, err := sdk.AccAddressFromBech32(msg.Owner)
	if err != nil {
		return nil, cosmoserrors.Wrapf(ErrInvalidAddress, "owner %s", quote(msg.Owner))
	}
	if there, err := s.k.Has(ctx, owner); err != nil {
		return nil, err
	} else if !there {
		return nil, cosmoserrors.Wrap(ErrProviderNotFound, msg.Owner)
	}
	if s.k.leases == nil {
		return nil, cosmoserrors.Wrap(ErrInternal, "this chain can't tell whether the provider has leases")
	}
	if busy, err := s.k.leases.HasActiveLeases(ctx, owner); err != nil {
		return nil, err
	} else if busy {
		return nil, cosmoserrors.Wrap(ErrActiveLeases, "close them first")
	}
	if err := s.k.providers.Remove(ctx, owner); err != nil {
		return nil, err
	}
	if err := emit(ctx, &v1beta4.EventProviderDeleted{Owner: msg.Owner}); err != nil {
		return nil, err
	}
	return &v1beta4.MsgDeleteProviderResponse{}, nil
}

type queryServer struct{ k *Keeper }

// NewQueryServer returns the server of the registry's queries.
func NewQueryServer(k *Keeper) v1beta4.QueryServer { return queryServer{k} }

func (s queryServer) Providers(ctx context.Context, req *v1beta4.QueryProvidersRequest) (*v1beta4.QueryProvidersResponse, error) {
	if req == nil {
		return nil, status.Error(codes.InvalidArgument, "empty request")
	}
	page, err := Page(req.Pagination)
	if err != nil {
		return nil, err
	}
	found, next, err := query.CollectionPaginate(ctx, s.k.providers, page,
		func(_ sdk.AccAddress, p v1beta4.Provider) (v1beta4.Provider, error) { return p, nil })
	if err != nil {
		return nil, status.Error(codes.InvalidArgument, err.Error())
	}
	return &v1beta4.QueryProvidersResponse{Providers: found, Pagination: next}, nil
}

func (s queryServer) Provider(ctx context.Context, req *v1beta4.QueryProviderRequest) (*v1beta4.QueryProviderResponse, error) {
	if req == nil {
		return nil, status.Error(codes.InvalidArgument, "empty request")
	}
	owner, err := sdk.AccAddressFromBech32(req.Owner)
	if err != nil {
		return nil, cosmoserrors.Wrapf(ErrInvalidAddress, "owner %s", quote(req.Owner))
	}
	p, ok, err := s.k.Provider(ctx, owner)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, cosmoserrors.Wrap(ErrProviderNotFound, req.Owner)
	}
	return &v1beta4.QueryProviderResponse{Provider: p}, nil
}

// Page returns a copy of req whose limit is at most MaxPage, so that no single answer grows without bound.
func Page(req *query.PageRequest) (*query.PageRequest, error) {
	if req == nil {
		return &query.PageRequest{}, nil
	}
	if req.Offset > 0 && len(req.Key) > 0 {
		return nil, status.Error(codes.InvalidArgument, "pagination.key and pagination.offset exclude each other; give one")
	}
	page := *req
	page.Limit = min(page.Limit, MaxPage)
	return &page, nil
}
