package provider

import (
	"context"

	cosmoserrors "cosmossdk.io/errors"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	sdk "github.com/cosmos/cosmos-sdk/types"

	v1beta4 "github.com/akash-supercloud/akash/api/akash/provider/v1beta4"
	"github.com/akash-supercloud/akash/x/internal/event"
	"github.com/akash-supercloud/akash/x/internal/page"
)

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
	record := v1beta4.Provider(*msg)
	record.Owner = owner.String() // an address may be written in capitals too
	if err := s.k.providers.Set(ctx, owner, record); err != nil {
		return nil, err
	}
	if err := event.Emit(ctx, &v1beta4.EventProviderCreated{Owner: record.Owner}); err != nil {
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
	record := v1beta4.Provider(*msg)
	record.Owner = owner.String() // an address may be written in capitals too
	if err := s.k.providers.Set(ctx, owner, record); err != nil {
		return nil, err
	}
	if err := event.Emit(ctx, &v1beta4.EventProviderUpdated{Owner: record.Owner}); err != nil {
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
		return nil, cosmoserrors.Wrap(ErrActiveLeases, msg.Owner)
	}
	if err := s.k.providers.Remove(ctx, owner); err != nil {
		return nil, err
	}
	if err := event.Emit(ctx, &v1beta4.EventProviderDeleted{Owner: owner.String()}); err != nil {
		return nil, err
	}
	return &v1beta4.MsgDeleteProviderResponse{}, nil
}

type queryServer struct{ k *Keeper }

// NewQueryServer returns the server of the registry's queries.
func NewQueryServer(k *Keeper) v1beta4.QueryServer { return queryServer{k} }

// Providers lists all providers by address.
func (s queryServer) Providers(ctx context.Context, req *v1beta4.QueryProvidersRequest) (*v1beta4.QueryProvidersResponse, error) {
	if req == nil {
		return nil, status.Error(codes.InvalidArgument, "empty request")
	}
	p, err := page.New(req.Pagination, noFilters{}, func() bool { return true })
	if err != nil {
		return nil, err
	}
	res := &v1beta4.QueryProvidersResponse{Providers: []v1beta4.Provider{}}
	err = page.Walk(ctx, p, 0, s.k.providers, nil, func(_ []byte, value func() (v1beta4.Provider, error)) (func() error, error) {
		return func() error {
			one, err := value()
			res.Providers = append(res.Providers, one)
			return err
		}, nil
	})
	res.Pagination = p.Response()
	return res, err
}

// noFilters are the filters of a list that has none.
type noFilters struct{}

func (noFilters) Reset() {}

func (noFilters) Marshal() ([]byte, error) { return nil, nil }

func (noFilters) Unmarshal(b []byte) error {
	if len(b) > 0 {
		return ErrInternal
	}
	return nil
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
