package gateway

import (
	"context"
	"net"
	"time"

	"github.com/cosmos/cosmos-sdk/codec"
	codectypes "github.com/cosmos/cosmos-sdk/codec/types"
	gogo "github.com/cosmos/gogoproto/types"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/status"

	marketv1beta5 "github.com/akash-supercloud/akash/api/akash/market/v1beta5"
	providerrpc "github.com/akash-supercloud/akash/api/akash/provider/v1"
)

const (
	maxStatusStreams = 256
	maxScreenings    = 8
	statusEvery      = 2 * time.Second
)

// rpc is akash.provider.v1.ProviderRPC.
type rpc struct {
	s         *Server
	streams   chan struct{}
	screening chan struct{}
}

// ServeGRPC answers ProviderRPC on l until ctx ends.
func (s *Server) ServeGRPC(ctx context.Context, l net.Listener) error {
	cfg := s.TLSConfig()
	cfg.NextProtos = []string{"h2"}
	srv := grpc.NewServer(
		grpc.Creds(credentials.NewTLS(cfg)),
		grpc.ForceServerCodec(codec.NewProtoCodec(codectypes.NewInterfaceRegistry()).GRPCCodec()),
		grpc.MaxRecvMsgSize(1<<20), grpc.MaxConcurrentStreams(64), grpc.ConnectionTimeout(10*time.Second),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 30 * time.Second}),
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: time.Minute, Timeout: 20 * time.Second}),
	)
	providerrpc.RegisterProviderRPCServer(srv, &rpc{s: s, streams: make(chan struct{}, maxStatusStreams), screening: make(chan struct{}, maxScreenings)})
	done := make(chan error, 1)
	go func() { done <- srv.Serve(l) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		srv.Stop()
		return nil
	}
}

// GetStatus returns how the provider is.
func (r *rpc) GetStatus(context.Context, *gogo.Empty) (*providerrpc.Status, error) {
	return r.s.Status(), nil
}

// StreamStatus sends how the provider is at once, then after each change.
func (r *rpc) StreamStatus(_ *gogo.Empty, stream providerrpc.ProviderRPC_StreamStatusServer) error {
	select {
	case r.streams <- struct{}{}:
		defer func() { <-r.streams }()
	default:
		return status.Error(codes.ResourceExhausted, "too many status streams")
	}
	tick := time.NewTicker(statusEvery)
	defer tick.Stop()
	var last []byte
	for {
		st := r.s.Status()
		at := st.Timestamp
		st.Timestamp = time.Time{}
		now, err := st.Marshal()
		if err != nil {
			return status.Error(codes.Internal, err.Error())
		}
		if string(now) != string(last) {
			last, st.Timestamp = now, at
			if err := stream.Send(st); err != nil {
				return err
			}
		}
		select {
		case <-stream.Context().Done():
			return nil
		case <-tick.C:
		}
	}
}

// BidScreening says whether the provider would bid on a group, for how much, or why not.
func (r *rpc) BidScreening(ctx context.Context, req *providerrpc.BidScreeningRequest) (*providerrpc.BidScreeningResponse, error) {
	if req.GroupSpec == nil {
		return nil, status.Error(codes.InvalidArgument, "group_spec is missing")
	}
	if len(req.Hostnames) > 100 {
		return nil, status.Error(codes.InvalidArgument, "more than 100 host names")
	}
	select {
	case r.screening <- struct{}{}:
		defer func() { <-r.screening }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	sc, err := r.s.opt.Bids.Screen(ctx, "", *req.GroupSpec)
	if err != nil {
		return nil, status.Error(codes.Unavailable, err.Error())
	}
	out := &providerrpc.BidScreeningResponse{}
	for _, reason := range sc.Reasons {
		out.Reasons = append(out.Reasons, reason.String())
	}
	if err := r.s.opt.Workload.CheckHosts("", req.Hostnames); err != nil {
		out.Reasons = append(out.Reasons, err.Error())
	}
	out.Passed = len(out.Reasons) == 0
	if sc.Price.Denom != "" {
		price := sc.Price
		out.Price = &price
	}
	if out.Passed {
		for _, o := range sc.Offer {
			offer := marketv1beta5.ResourceOffer(o)
			out.ResourceOffers = append(out.ResourceOffers, &offer)
		}
	}
	return out, nil
}
