package node

import (
	"context"
	"net"
	"time"

	"go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/test/bufconn"

	"github.com/cosmos/cosmos-sdk/client"
	"github.com/cosmos/cosmos-sdk/codec"
	"github.com/cosmos/cosmos-sdk/server/config"
	"github.com/cosmos/cosmos-sdk/server/grpc/gogoreflection"
	reflection "github.com/cosmos/cosmos-sdk/server/grpc/reflection/v2alpha1"
	sdk "github.com/cosmos/cosmos-sdk/types"
	_ "github.com/cosmos/cosmos-sdk/types/tx/amino" // amino.proto, which reflection shows

	"github.com/akash-supercloud/akash/app"
)

// Bounds of the gRPC server; how many connections there may be is rpc.grpc_max_open_connections of config.toml.
const (
	// grpcStreams is how many calls one connection may have open; more wait in the client.
	grpcStreams = 100
	// grpcIdle is how long a connection without calls stays open.
	grpcIdle = 10 * time.Minute
	// grpcHeaders bounds a call's headers, in bytes.
	grpcHeaders = 64 << 10
)

// newGRPC returns the chain's gRPC server, as the SDK's NewGRPCServer does but with bounds, which that one can't be
// given: without them one connection may open any number of calls.
func newGRPC(chain *app.App, c client.Context, cfg config.GRPCConfig) (*grpc.Server, error) {
	s := grpc.NewServer(
		grpc.ForceServerCodec(guard{codec.NewProtoCodec(c.InterfaceRegistry).GRPCCodec()}),
		grpc.MaxSendMsgSize(cfg.MaxSendMsgSize),
		grpc.MaxRecvMsgSize(cfg.MaxRecvMsgSize),
		grpc.MaxConcurrentStreams(grpcStreams),
		grpc.MaxHeaderListSize(grpcHeaders),
		grpc.ConnectionTimeout(10*time.Second),
		grpc.KeepaliveParams(keepalive.ServerParameters{MaxConnectionIdle: grpcIdle, Time: time.Minute, Timeout: 20 * time.Second}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 10 * time.Second, PermitWithoutStream: true}),
		grpc.StatsHandler(otelgrpc.NewServerHandler()),
	)
	chain.RegisterGRPCServerWithSkipCheckHeader(s, cfg.SkipCheckHeader)
	modes := map[string]int32{}
	for _, m := range c.TxConfig.SignModeHandler().SupportedModes() {
		modes[m.String()] = int32(m)
	}
	err := reflection.Register(s, reflection.Config{
		SigningModes: modes, ChainID: c.ChainID, SdkConfig: sdk.GetConfig(), InterfaceRegistry: c.InterfaceRegistry,
	})
	gogoreflection.Register(s)
	return s, err
}

// guard looks at the numbers of a request before it is read.
type guard struct{ encoding.Codec }

func (g guard) Unmarshal(data []byte, v any) error {
	if err := app.CheckDigits(data); err != nil {
		return err
	}
	return g.Codec.Unmarshal(data, v)
}

// inside is a connection of REST to gRPC that doesn't go through the door, so strangers who hold all of the
// door's places don't keep REST out.
func inside(c client.Context, cfg config.GRPCConfig) (*bufconn.Listener, *grpc.ClientConn, error) {
	l := bufconn.Listen(256 << 10)
	conn, err := grpc.NewClient("passthrough:///inside", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return l.DialContext(ctx) }),
		grpc.WithDefaultCallOptions(grpc.ForceCodec(codec.NewProtoCodec(c.InterfaceRegistry).GRPCCodec()),
			grpc.MaxCallRecvMsgSize(cfg.MaxSendMsgSize), grpc.MaxCallSendMsgSize(cfg.MaxRecvMsgSize)))
	return l, conn, err
}
