package cert

import (
	"context"

	cosmoserrors "cosmossdk.io/errors"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	sdk "github.com/cosmos/cosmos-sdk/types"
	"github.com/cosmos/cosmos-sdk/types/query"

	certv1 "github.com/akash-supercloud/akash/api/akash/cert/v1"
)

// MaxPage is the most records one list answer holds.
const MaxPage = 10_000

type msgServer struct{ k *Keeper }

// NewMsgServer returns the server of the registry's messages.
func NewMsgServer(k *Keeper) certv1.MsgServer { return msgServer{k} }

func (s msgServer) CreateCertificate(ctx context.Context, msg *certv1.MsgCreateCertificate) (*certv1.MsgCreateCertificateResponse, error) {
	sdk.UnwrapSDKContext(ctx).GasMeter().ConsumeGas(checkGas, "certificate check")
	if err := s.k.Create(ctx, msg.Owner, msg.Cert, msg.Pubkey); err != nil {
		return nil, err
	}
	return &certv1.MsgCreateCertificateResponse{}, nil
}

func (s msgServer) RevokeCertificate(ctx context.Context, msg *certv1.MsgRevokeCertificate) (*certv1.MsgRevokeCertificateResponse, error) {
	if err := s.k.Revoke(ctx, msg.ID); err != nil {
		return nil, err
	}
	return &certv1.MsgRevokeCertificateResponse{}, nil
}

type queryServer struct{ k *Keeper }

// NewQueryServer returns the server of the registry's queries.
func NewQueryServer(k *Keeper) certv1.QueryServer { return queryServer{k} }

// Certificates lists certificates, of one owner, serial number or state if the filter says so. A filter of owner
// and serial number that finds nothing is an empty list, not an error.
func (s queryServer) Certificates(ctx context.Context, req *certv1.QueryCertificatesRequest) (*certv1.QueryCertificatesResponse, error) {
	if req == nil {
		return nil, status.Error(codes.InvalidArgument, "empty request")
	}
	var page query.PageRequest
	if req.Pagination != nil {
		page = *req.Pagination
	}
	if page.Offset > 0 && len(page.Key) > 0 {
		return nil, status.Error(codes.InvalidArgument, "pagination.key and pagination.offset exclude each other; give one")
	}
	page.Limit = min(page.Limit, MaxPage)

	state := certv1.CertificateStateInvalid
	if text := req.Filter.State; text != "" {
		n, ok := certv1.State_value[text]
		if !ok || n == int32(certv1.CertificateStateInvalid) {
			return nil, cosmoserrors.Wrapf(ErrInvalidState, "%.40q; use valid or revoked", text)
		}
		state = certv1.State(n)
	}
	var serial []byte
	if req.Filter.Serial != "" {
		raw, err := parseSerial(req.Filter.Serial)
		if err != nil {
			return nil, err
		}
		serial = raw
	}
	var options []func(*query.CollectionsPaginateOptions[key])
	if req.Filter.Owner != "" {
		owner, err := parseOwner(req.Filter.Owner)
		if err != nil {
			return nil, err
		}
		if serial != nil {
			return s.one(ctx, certv1.ID{Owner: req.Filter.Owner, Serial: req.Filter.Serial}, state)
		}
		options = append(options, query.WithCollectionPaginationPairPrefix[sdk.AccAddress, []byte](owner))
	}
	found, next, err := query.CollectionFilteredPaginate(ctx, s.k.certs, &page,
		func(at key, c certv1.Certificate) (bool, error) {
			return (state == certv1.CertificateStateInvalid || c.State == state) && (serial == nil || string(serial) == string(at.K2())), nil
		},
		func(at key, c certv1.Certificate) (certv1.CertificateResponse, error) {
			return certv1.CertificateResponse{Certificate: c, Serial: serialText(at.K2())}, nil
		}, options...)
	if err != nil {
		return nil, status.Error(codes.InvalidArgument, err.Error())
	}
	return &certv1.QueryCertificatesResponse{Certificates: found, Pagination: next}, nil
}

func (s queryServer) one(ctx context.Context, id certv1.ID, state certv1.State) (*certv1.QueryCertificatesResponse, error) {
	out := &certv1.QueryCertificatesResponse{Pagination: &query.PageResponse{}}
	at, crt, err := s.k.get(ctx, id)
	switch {
	case cosmoserrors.IsOf(err, ErrCertificateNotFound):
		return out, nil
	case err != nil:
		return nil, err
	case state == certv1.CertificateStateInvalid || crt.State == state:
		out.Certificates = []certv1.CertificateResponse{{Certificate: crt, Serial: serialText(at.K2())}}
		out.Pagination.Total = 1
	}
	return out, nil
}
