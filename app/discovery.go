package app

import (
	"context"
	"runtime/debug"

	gwruntime "github.com/grpc-ecosystem/grpc-gateway/runtime"

	"github.com/cosmos/cosmos-sdk/client"
	sdk "github.com/cosmos/cosmos-sdk/types"
	"github.com/cosmos/cosmos-sdk/version"

	discoveryv1 "github.com/akash-supercloud/akash/api/akash/discovery/v1"
)

// Info is what clients ask a node before anything else: which versions of the wire protocol it speaks. They
// refuse to work without an answer. It lists only modules that this chain serves.
func Info(chainID string) *discoveryv1.Akash {
	modules := []discoveryv1.ModuleVersion{
		{Module: "audit", Version: "v1"},
		{Module: "cert", Version: "v1"},
		{Module: "deployment", Version: "v1beta4"},
		{Module: "escrow", Version: "v1"},
		{Module: "market", Version: "v1beta5"},
		{Module: "provider", Version: "v1beta4"},
	}
	return &discoveryv1.Akash{
		ClientInfo: discoveryv1.ClientInfo{ApiVersion: "v1beta3"}, // the oldest: old clients read only this
		SupportedVersions: []discoveryv1.VersionInfo{
			{ApiVersion: "v1beta4", Modules: modules, Features: []string{}},
			{ApiVersion: "v1beta3", Modules: modules, Features: []string{}},
		},
		ChainID:     chainID,
		NodeVersion: NodeVersion(),
	}
}

// NodeVersion is the version of this program: what the build set, else what Go knows of the module.
func NodeVersion() string {
	if version.Version != "" {
		return version.Version
	}
	if b, ok := debug.ReadBuildInfo(); ok && b.Main.Version != "" {
		return b.Main.Version
	}
	return "(devel)"
}

type discovery struct{ a *App }

func (d discovery) GetInfo(ctx context.Context, _ *discoveryv1.GetInfoRequest) (*discoveryv1.GetInfoResponse, error) {
	return &discoveryv1.GetInfoResponse{Info: Info(sdk.UnwrapSDKContext(ctx).ChainID())}, nil
}

func registerDiscoveryRoutes(c client.Context, mux *gwruntime.ServeMux) {
	must(discoveryv1.RegisterDiscoveryHandlerClient(context.Background(), mux, discoveryv1.NewDiscoveryClient(c)))
}
