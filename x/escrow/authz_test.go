package escrow

import (
	"testing"

	"github.com/cosmos/gogoproto/grpc"
	googlegrpc "google.golang.org/grpc"

	"github.com/cosmos/cosmos-sdk/types/module"
	"github.com/cosmos/cosmos-sdk/x/authz"
	authzmodule "github.com/cosmos/cosmos-sdk/x/authz/module"
)

// registered is what a module registers, by name.
type registered map[string]any

func (r registered) RegisterService(d *googlegrpc.ServiceDesc, impl any) { r[d.ServiceName] = impl }
func (r registered) MsgServer() grpc.Server                              { return r }
func (r registered) QueryServer() grpc.Server                            { return r }
func (r registered) Error() error                                        { return nil }
func (r registered) RegisterMigration(name string, from uint64, f module.MigrationHandler) error {
	r[name+" migration"] = from
	return nil
}

// TestAuthzModule holds that the wrapper registers all that the SDK's module does, and itself in front of grants.
func TestAuthzModule(t *testing.T) {
	want, got := registered{}, registered{}
	authzmodule.AppModule{}.RegisterServices(want)
	NewAuthzModule(authzmodule.AppModule{}, nil).RegisterServices(got)
	if len(want) < 3 || len(got) != len(want) {
		t.Errorf("registered %v, want %v", got, want)
	}
	for name := range want {
		if got[name] == nil {
			t.Errorf("%s isn't registered", name)
		}
	}
	if _, ok := got["cosmos.authz.v1beta1.Msg"].(grantServer); !ok {
		t.Errorf("grants are handled by %T", got["cosmos.authz.v1beta1.Msg"])
	}
	var _ authz.MsgServer = grantServer{}
}
