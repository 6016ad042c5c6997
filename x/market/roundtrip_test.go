package market

import (
	"testing"

	"github.com/cosmos/gogoproto/proto"

	sdk "github.com/cosmos/cosmos-sdk/types"

	authtypes "github.com/cosmos/cosmos-sdk/x/auth/types"

	"github.com/akash-supercloud/akash/x/escrow"
)

// roundTrip exports the state, starts another chain from it, and expects the same export
// and sound invariants there.
func roundTrip(t *testing.T, c *chain) {
	t.Helper()
	e, d, m := c.genesis()
	g := c.tradeGenesis()
	n := newChain(t)
	n.ctx = n.ctx.WithBlockHeight(c.ctx.BlockHeight()).WithBlockTime(c.ctx.BlockTime())
	held := c.bank.GetAllBalances(c.ctx, authAddress(escrow.ModuleName))
	if !held.Empty() {
		if err := n.bank.MintCoins(n.ctx, "mint", held); err != nil {
			t.Fatal(err)
		}
		if err := n.bank.SendCoinsFromModuleToModule(n.ctx, "mint", escrow.ModuleName, held); err != nil {
			t.Fatal(err)
		}
	}
	for _, err := range []error{n.deployment.InitGenesis(n.ctx, d), n.market.InitGenesis(n.ctx, m), n.escrow.InitGenesis(n.ctx, e), n.market.InitTradeGenesis(n.ctx, g)} {
		if err != nil {
			t.Fatalf("a chain can't start from the export: %v", err)
		}
	}
	if err := n.broken(); err != nil {
		t.Fatalf("a chain started from the export: %v", err)
	}
	e2, d2, m2 := n.genesis()
	for _, p := range [][2]proto.Message{{e, e2}, {d, d2}, {m, m2}, {g, n.tradeGenesis()}} {
		a, b := c.cdc.MustMarshalJSON(p[0]), c.cdc.MustMarshalJSON(p[1])
		if string(a) != string(b) {
			t.Fatalf("export of a chain started from an export differs:\n%s\n%s", a, b)
		}
	}
}

func authAddress(module string) sdk.AccAddress { return authtypes.NewModuleAddress(module) }
