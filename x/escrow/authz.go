package escrow

import (
	"context"

	"github.com/cosmos/cosmos-sdk/types/module"

	sdk "github.com/cosmos/cosmos-sdk/types"
	"github.com/cosmos/cosmos-sdk/x/authz"
	authzkeeper "github.com/cosmos/cosmos-sdk/x/authz/keeper"
	authzmodule "github.com/cosmos/cosmos-sdk/x/authz/module"

	types "github.com/akash-supercloud/akash/api/akash/escrow/v1"
)

// AuthzModule is the SDK's authz module, which tells escrow of deposit grants besides.
// Authz finds grants by granter; a deposit has to find them by grantee, without looking at
// every grant of the chain.
type AuthzModule struct {
	authzmodule.AppModule
	grants authzkeeper.Keeper
	escrow *Keeper
}

// NewAuthzModule wraps the SDK's module; the application wires the result in its place.
func NewAuthzModule(m authzmodule.AppModule, grants authzkeeper.Keeper, escrow *Keeper) AuthzModule {
	return AuthzModule{AppModule: m, grants: grants, escrow: escrow}
}

// RegisterServices registers authz's services.
func (m AuthzModule) RegisterServices(cfg module.Configurator) {
	authz.RegisterQueryServer(cfg.QueryServer(), m.grants)
	authz.RegisterMsgServer(cfg.MsgServer(), grantServer{m.grants, m.escrow})
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
