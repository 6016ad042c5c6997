package escrow

import (
	"context"

	"github.com/cosmos/gogoproto/grpc"
	googlegrpc "google.golang.org/grpc"

	sdk "github.com/cosmos/cosmos-sdk/types"
	"github.com/cosmos/cosmos-sdk/types/module"
	"github.com/cosmos/cosmos-sdk/x/authz"
	authzmodule "github.com/cosmos/cosmos-sdk/x/authz/module"

	types "github.com/akash-supercloud/akash/api/akash/escrow/v1"
)

// AuthzModule is the SDK's authz module, which tells escrow of deposit grants besides.
// Authz finds grants by granter; a deposit has to find them by grantee, without looking at
// every grant of the chain.
type AuthzModule struct {
	authzmodule.AppModule
	escrow *Keeper
}

// NewAuthzModule wraps the SDK's module; the application wires the result in its place.
func NewAuthzModule(m authzmodule.AppModule, escrow *Keeper) AuthzModule {
	return AuthzModule{AppModule: m, escrow: escrow}
}

// RegisterServices registers all that authz does, migrations too, with grants on their way through escrow.
func (m AuthzModule) RegisterServices(cfg module.Configurator) {
	m.AppModule.RegisterServices(grantConfigurator{cfg, m.escrow})
}

// grantConfigurator puts grantServer in front of authz's own server.
type grantConfigurator struct {
	module.Configurator
	escrow *Keeper
}

func (c grantConfigurator) MsgServer() grpc.Server {
	return grantRegistrar{c.Configurator.MsgServer(), c.escrow}
}

type grantRegistrar struct {
	grpc.Server
	escrow *Keeper
}

func (r grantRegistrar) RegisterService(desc *googlegrpc.ServiceDesc, impl any) {
	r.Server.RegisterService(desc, grantServer{impl.(authz.MsgServer), r.escrow})
}

type grantServer struct {
	authz.MsgServer
	escrow *Keeper
}

// Grant is authz's own, after which escrow knows of the grant.
func (s grantServer) Grant(ctx context.Context, m *authz.MsgGrant) (*authz.MsgGrantResponse, error) {
	res, err := s.MsgServer.Grant(ctx, m)
	if err != nil {
		return nil, err
	}
	a, err := m.GetAuthorization()
	if err != nil {
		return nil, err
	}
	if _, ok := a.(*types.DepositAuthorization); !ok {
		return res, nil
	}
	granter, err := sdk.AccAddressFromBech32(m.Granter)
	if err != nil {
		return nil, err
	}
	grantee, err := sdk.AccAddressFromBech32(m.Grantee)
	if err != nil {
		return nil, err
	}
	return res, s.escrow.IndexGrant(ctx, grantee, granter)
}
