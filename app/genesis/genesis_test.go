package genesis_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	sdk "github.com/cosmos/cosmos-sdk/types"
	banktypes "github.com/cosmos/cosmos-sdk/x/bank/types"

	"github.com/akash-supercloud/akash/app"
	"github.com/akash-supercloud/akash/app/genesis"
)

func address(n byte) string { return sdk.AccAddress(bytes.Repeat([]byte{n}, 20)).String() }

// TestPresets holds that each preset is a valid genesis with the coins where they belong.
func TestPresets(t *testing.T) {
	for _, p := range genesis.Presets() {
		chain := app.NewOffline()
		state := p.State(chain.Codec, chain.DefaultGenesis())
		accounts := []genesis.Account{
			{address(1), sdk.NewCoins(sdk.NewInt64Coin("uakt", 5))}, {address(2), sdk.NewCoins(sdk.NewInt64Coin("uact", 7))},
			{address(1), sdk.NewCoins(sdk.NewInt64Coin("uakt", 1), sdk.NewInt64Coin("uact", 2))},
		}
		if err := genesis.Fund(chain.Codec, state, accounts); err != nil {
			t.Fatal(err)
		}
		if err := chain.BasicManager().ValidateGenesis(chain.Codec, chain.TxConfig, state); err != nil {
			t.Errorf("%s: %v", p.Name, err)
		}
		var bank banktypes.GenesisState
		chain.Codec.MustUnmarshalJSON(state[banktypes.ModuleName], &bank)
		if got := bank.Supply.String(); got != "9uact,6uakt" || len(bank.Balances) != 2 {
			t.Errorf("%s: supply %s of %d accounts", p.Name, got, len(bank.Balances))
		}
		for _, m := range bank.DenomMetadata {
			if err := m.Validate(); err != nil {
				t.Errorf("%s: %v", p.Name, err)
			}
		}
		when := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
		a, err := p.Doc(p.ChainID, when, state)
		if err != nil {
			t.Fatal(err)
		}
		b, err := p.Doc(p.ChainID, when, p.State(chain.Codec, chain.DefaultGenesis()))
		if err != nil {
			t.Fatal(err)
		}
		if err := a.Consensus.Params.ValidateBasic(); err != nil {
			t.Errorf("%s: %v", p.Name, err)
		}
		var all map[string]json.RawMessage
		if err := json.Unmarshal(b.AppState, &all); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"staking", "mint", "gov", "bank", "distribution"} {
			if bytes.Contains(all[name], []byte(`"stake"`)) {
				t.Errorf("%s: module %s knows a coin called stake", p.Name, name)
			}
		}
	}
	if _, err := genesis.Find("moon"); err == nil || !strings.Contains(err.Error(), "local, testnet, mainnet") {
		t.Errorf("an unknown preset: %v", err)
	}
}

func TestFundRefuses(t *testing.T) {
	chain := app.NewOffline()
	p, err := genesis.Find("local")
	if err != nil {
		t.Fatal(err)
	}
	for name, a := range map[string]genesis.Account{
		"address": {"cosmos1qqqq", sdk.NewCoins(sdk.NewInt64Coin("uakt", 5))},
		"zero":    {address(1), sdk.Coins{{Denom: "uakt", Amount: sdk.NewInt64Coin("uakt", 0).Amount}}},
		"twice":   {address(1), sdk.Coins{sdk.NewInt64Coin("uakt", 1), sdk.NewInt64Coin("uakt", 1)}},
	} {
		if err := genesis.Fund(chain.Codec, p.State(chain.Codec, chain.DefaultGenesis()), []genesis.Account{a}); err == nil {
			t.Errorf("%s: it was funded", name)
		}
	}
}
