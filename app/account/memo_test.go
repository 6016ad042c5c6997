package account_test

import (
	"testing"
	"time"

	abci "github.com/cometbft/cometbft/abci/types"
	dbm "github.com/cosmos/cosmos-db"

	"cosmossdk.io/log/v2"

	"github.com/cosmos/cosmos-sdk/baseapp"
	"github.com/cosmos/cosmos-sdk/crypto/keys/secp256k1"
	sdk "github.com/cosmos/cosmos-sdk/types"
	genutiltypes "github.com/cosmos/cosmos-sdk/x/genutil/types"

	"github.com/akash-supercloud/akash/app"
	"github.com/akash-supercloud/akash/app/account"
	"github.com/akash-supercloud/akash/app/node"
)

type none struct{}

func (none) Get(string) any { return nil }

func newChain(t *testing.T) (*app.App, sdk.Context) {
	t.Helper()
	home := t.TempDir()
	if err := node.Init(home, node.GenesisConfig{}); err != nil {
		t.Fatal(err)
	}
	doc, err := genutiltypes.AppGenesisFromFile(home + "/config/genesis.json")
	if err != nil {
		t.Fatal(err)
	}
	a := app.New(log.NewNopLogger(), dbm.NewMemDB(), none{}, baseapp.SetChainID("localakash"))
	params := doc.Consensus.Params.ToProto()
	now := time.Unix(1_700_000_000, 0).UTC()
	if _, err := a.InitChain(&abci.RequestInitChain{ChainId: "localakash", AppStateBytes: doc.AppState, ConsensusParams: &params, InitialHeight: 1, Time: now}); err != nil {
		t.Fatal(err)
	}
	if _, err := a.FinalizeBlock(&abci.RequestFinalizeBlock{Height: 1, Time: now}); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Commit(); err != nil {
		t.Fatal(err)
	}
	return a, a.NewContext(true)
}

// TestMemo holds that what the checks remember is what the store has, before, within and after them.
func TestMemo(t *testing.T) {
	a, ctx := newChain(t)
	k := a.Account
	key := secp256k1.GenPrivKeyFromSecret([]byte("memo")).PubKey()
	addr := sdk.AccAddress(key.Address())
	acc := k.NewAccountWithAddress(ctx, addr)
	k.SetAccount(ctx, acc)
	number := acc.GetAccountNumber()

	checks := account.Remember(ctx)
	peek := account.Peek(checks)
	if k.GetAccount(peek, addr) == nil {
		t.Fatal("the account isn't there")
	}
	gas := func(c sdk.Context) uint64 {
		before := c.GasMeter().GasConsumed()
		k.GetAccount(c, addr)
		return c.GasMeter().GasConsumed() - before
	}
	if gas(checks) == 0 {
		t.Error("what was read through Peek is remembered, so gas depends on who peeks")
	}
	if n := gas(checks); n != 0 {
		t.Errorf("a second read took %d gas", n)
	}
	in := k.GetAccount(checks, addr)
	if err := in.SetSequence(7); err != nil {
		t.Fatal(err)
	}
	if err := in.SetPubKey(key); err != nil {
		t.Fatal(err)
	}
	if got := k.GetAccount(ctx, addr).GetSequence(); got != 0 {
		t.Errorf("sequence %d is in the store before it was saved", got)
	}
	k.SetAccount(checks, in)
	for name, c := range map[string]sdk.Context{"within": checks, "outside": ctx} {
		if got := k.GetAccount(c, addr); got.GetSequence() != 7 || !got.GetPubKey().Equals(key) || got.GetAccountNumber() != number {
			t.Errorf("%s the checks the account is %v", name, got)
		}
	}
	account.Forget(checks)
	if gas(checks) == 0 {
		t.Error("the account is remembered after Forget")
	}
	if owner, err := k.Accounts.Indexes.Number.MatchExact(ctx, number); err != nil || !owner.Equals(addr) {
		t.Errorf("number %d belongs to %s, %v", number, owner, err)
	}
	if p := k.GetParams(account.Remember(ctx)); p != k.GetParams(ctx) {
		t.Error("other parameters are remembered than are stored")
	}
}

// TestSetAccountNumber holds that a number can't be taken from its account.
func TestSetAccountNumber(t *testing.T) {
	a, ctx := newChain(t)
	k := a.Account
	one := k.NewAccountWithAddress(ctx, sdk.AccAddress("one-----------------"))
	k.SetAccount(ctx, one)
	other := k.NewAccountWithAddress(ctx, sdk.AccAddress("other---------------"))
	if err := other.SetAccountNumber(one.GetAccountNumber()); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if recover() == nil {
			t.Error("two accounts have one number")
		}
	}()
	k.SetAccount(ctx, other)
}
