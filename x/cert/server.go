package cert

import (
	"bytes"
	"context"

	cosmoserrors "cosmossdk.io/errors"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	sdk "github.com/cosmos/cosmos-sdk/types"

	certv1 "github.com/akash-supercloud/akash/api/akash/cert/v1"
	"github.com/akash-supercloud/akash/x/internal/page"
)

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

// Certificates lists certificates by owner and serial number, those of one owner, serial number or state if the
// filter says so.
func (s queryServer) Certificates(ctx context.Context, req *certv1.QueryCertificatesRequest) (*certv1.QueryCertificatesResponse, error) {
	if req == nil {
		return nil, status.Error(codes.InvalidArgument, "empty request")
	}
	f := req.Filter
	p, err := page.New(req.Pagination, &f, func() bool { return true })
	if err != nil {
		return nil, err
	}
	state, ok := certv1.State_value[f.State]
	if f.State != "" && (!ok || state == int32(certv1.CertificateStateInvalid)) {
		return nil, cosmoserrors.Wrapf(ErrInvalidState, "%.40q; use valid or revoked", f.State)
	}
	var prefix, serial []byte
	if f.Serial != "" {
		if serial, err = parseSerial(f.Serial); err != nil {
			return nil, err
		}
	}
	if f.Owner != "" {
		owner, err := parseOwner(f.Owner)
		if err != nil {
			return nil, err
		}
		prefix = at(owner, serial) // with no serial number: all of the owner's
	}
	res := &certv1.QueryCertificatesResponse{Certificates: []certv1.CertificateResponse{}}
	err = page.Walk(ctx, p, 0, s.k.certs, prefix, func(b []byte, value func() (certv1.Certificate, error)) (func() error, error) {
		_, raw, err := readAt(b)
		if err != nil || serial != nil && !bytes.Equal(raw, serial) {
			return nil, err
		}
		c, err := value()
		if err != nil || f.State != "" && int32(c.State) != state {
			return nil, err
		}
		return func() error {
			res.Certificates = append(res.Certificates, certv1.CertificateResponse{Certificate: c, Serial: serialText(raw)})
			return nil
		}, nil
	})
	if err != nil {
		return nil, err
	}
	res.Pagination = p.Response()
	return res, nil
}
