package audit

import (
	"context"

	cosmoserrors "cosmossdk.io/errors"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	sdk "github.com/cosmos/cosmos-sdk/types"
	"github.com/cosmos/cosmos-sdk/types/query"

	auditv1 "github.com/akash-supercloud/akash/api/akash/audit/v1"
	"github.com/akash-supercloud/akash/x/internal/event"
	"github.com/akash-supercloud/akash/x/internal/key"
	"github.com/akash-supercloud/akash/x/internal/page"
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
	if err := event.Emit(ctx, &auditv1.EventTrustedAuditorCreated{Owner: owner.String(), Auditor: auditor.String()}); err != nil {
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
	if err := event.Emit(ctx, &auditv1.EventTrustedAuditorDeleted{Owner: owner.String(), Auditor: auditor.String()}); err != nil {
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

// AllProvidersAttributes lists all records.
func (s queryServer) AllProvidersAttributes(ctx context.Context, req *auditv1.QueryAllProvidersAttributesRequest) (*auditv1.QueryProvidersResponse, error) {
	if req == nil {
		return nil, status.Error(codes.InvalidArgument, "empty request")
	}
	return s.list(ctx, req.Pagination, auditv1.AttributesFilters{})
}

// ProviderAttributes lists the records of one provider.
func (s queryServer) ProviderAttributes(ctx context.Context, req *auditv1.QueryProviderAttributesRequest) (*auditv1.QueryProvidersResponse, error) {
	if req == nil {
		return nil, status.Error(codes.InvalidArgument, "empty request")
	}
	return s.list(ctx, req.Pagination, auditv1.AttributesFilters{Owners: []string{req.Owner}})
}

// ProviderAuditorAttributes returns one record, or ErrProviderNotFound.
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

// AuditorAttributes lists the records of one auditor.
func (s queryServer) AuditorAttributes(ctx context.Context, req *auditv1.QueryAuditorAttributesRequest) (*auditv1.QueryProvidersResponse, error) {
	if req == nil {
		return nil, status.Error(codes.InvalidArgument, "empty request")
	}
	return s.list(ctx, req.Pagination, auditv1.AttributesFilters{Auditors: []string{req.Auditor}})
}

// list lists records of at most one owner and at most one auditor.
func (s queryServer) list(ctx context.Context, req *query.PageRequest, f auditv1.AttributesFilters) (*auditv1.QueryProvidersResponse, error) {
	p, err := page.New(req, &f, func() bool { return true })
	if err != nil {
		return nil, err
	}
	if len(f.Owners) > 1 || len(f.Auditors) > 1 {
		return nil, status.Error(codes.InvalidArgument, "pagination.key is not one that this query gave")
	}
	var prefix []byte
	for _, text := range f.Owners {
		owner, err := parseAddress("owner", text)
		if err != nil {
			return nil, err
		}
		prefix = key.Addr(nil, owner)
	}
	auditor := ""
	for _, text := range f.Auditors {
		addr, err := parseAddress("auditor", text)
		if err != nil {
			return nil, err
		}
		auditor = addr.String()
	}
	res := &auditv1.QueryProvidersResponse{Providers: []auditv1.AuditedProvider{}}
	err = page.Walk(ctx, p, 0, s.k.records, prefix, func(b []byte, value func() (auditv1.AuditedAttributesStore, error)) (func() error, error) {
		if r, err := record(b, auditv1.AuditedAttributesStore{}); err != nil || auditor != "" && r.Auditor != auditor {
			return nil, err
		}
		return func() error {
			v, err := value()
			if err != nil {
				return err
			}
			r, err := record(b, v)
			res.Providers = append(res.Providers, r)
			return err
		}, nil
	})
	if err != nil {
		return nil, err
	}
	res.Pagination = p.Response()
	return res, nil
}
