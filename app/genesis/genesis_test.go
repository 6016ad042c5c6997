package genesis_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"cosmossdk.io/math"

	sdk "github.com/cosmos/cosmos-sdk/types"
	banktypes "github.com/cosmos/cosmos-sdk/x/bank/types"
	genutiltypes "github.com/cosmos/cosmos-sdk/x/genutil/types"

	"github.com/akash-supercloud/akash/app"
	"github.com/akash-supercloud/akash/app/genesis"
	"github.com/akash-supercloud/akash/app/node"
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

func TestCheck(t *testing.T) {
	p, err := genesis.Find("mainnet")
	if err != nil {
		t.Fatal(err)
	}
	if p.Supply != 100_000_000_000_000 || p.Validators != 64 {
		t.Errorf("mainnet has %duakt and %d validators", p.Supply, p.Validators)
	}
	home := t.TempDir()
	if err := node.Init(home, node.GenesisConfig{Preset: "mainnet"}); err != nil {
		t.Fatal(err)
	}
	path := home + "/config/genesis.json"
	good := func() *genutiltypes.AppGenesis {
		doc, err := genesis.Read(path)
		if err != nil {
			t.Fatal(err)
		}
		var flat bytes.Buffer
		if err := json.Compact(&flat, doc.AppState); err != nil {
			t.Fatal(err)
		}
		doc.AppState = flat.Bytes()
		return doc
	}
	if wrong := genesis.Check(good(), nil); len(wrong) > 0 {
		t.Fatal(wrong)
	}
	supply := math.NewInt(p.Supply)
	said := func(doc *genutiltypes.AppGenesis, parts ...string) {
		t.Helper()
		wrong := errors.Join(genesis.Check(doc, &supply)...)
		for _, part := range parts {
			if wrong == nil || !strings.Contains(wrong.Error(), part) {
				t.Errorf("it says %v, not %q", wrong, part)
			}
		}
	}
	said(good(), "app_state.bank: all accounts have", "100000000000000uakt")

	// Completed it is whole, and all of it is there.
	doc := good()
	var state map[string]json.RawMessage
	if err := json.Unmarshal(doc.AppState, &state); err != nil {
		t.Fatal(err)
	}
	if _, err := genesis.Complete(app.NewOffline().Codec, state, supply); err != nil {
		t.Fatal(err)
	}
	if doc.AppState, err = json.Marshal(state); err != nil {
		t.Fatal(err)
	}
	if wrong := genesis.Check(doc, &supply); len(wrong) > 0 {
		t.Error(wrong)
	}

	change := func(old, now string) *genutiltypes.AppGenesis {
		doc := good()
		if !bytes.Contains(doc.AppState, []byte(old)) {
			t.Fatalf("no %s in the genesis", old)
		}
		doc.AppState = bytes.Replace(doc.AppState, []byte(old), []byte(now), 1)
		return doc
	}
	said(change(`"bond_denom":"uakt"`, `"bond_denom":""`), "app_state.staking: bond denom")
	said(change(`"mint":{`, `"moon":{"a":1},"mint":{`), "app_state.moon: this program has no such module")
	said(change(`"mint":{`, `"mint2":{`), "app_state.mint: is missing", "app_state.mint2: this program has no such module")
	said(change(`"value":{"denom":"uakt","amount":"1000000000000"}`, `"value":{"denom":"uakt","amount":"9000000000000"}`), "gen_txs[0]: validator stakes 9000000000000uakt, but its account")
	if err := os.WriteFile(home+"/broken", []byte("{\n\"a\": 1,\n}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := genesis.Read(home + "/broken"); err == nil || !strings.Contains(err.Error(), "line 3") {
		t.Errorf("broken JSON: %v", err)
	}
}

func TestRegistry(t *testing.T) {
	home := t.TempDir()
	if err := node.Init(home, node.GenesisConfig{}); err != nil {
		t.Fatal(err)
	}
	doc, err := genesis.Read(home + "/config/genesis.json")
	if err != nil {
		t.Fatal(err)
	}
	r := genesis.Registry{Network: "devnet", RPC: []string{"https://rpc.example"}, Seeds: []string{"ab@seed.example:26656"}}
	if err := r.Write(doc, home+"/registry"); err != nil {
		t.Fatal(err)
	}
	read := func(name string, into any) {
		t.Helper()
		text, err := os.ReadFile(home + "/registry/" + name)
		if err = errors.Join(err, json.Unmarshal(text, into)); err != nil {
			t.Fatal(err)
		}
	}
	var chain map[string]any
	read("chain.json", &chain)
	for _, key := range []string{"$schema", "chain_name", "chain_type", "status", "network_type", "pretty_name", "chain_id", "bech32_prefix", "daemon_name",
		"node_home", "key_algos", "slip44", "fees", "staking", "codebase", "peers", "apis"} {
		if chain[key] == nil {
			t.Errorf("chain.json has no %s", key)
		}
	}
	if chain["chain_id"] != "localakash" || chain["bech32_prefix"] != "akash" || chain["slip44"] != 118.0 {
		t.Errorf("chain.json: %v", chain)
	}
	var list struct {
		Assets []struct {
			Base, Display, Symbol, Name, TypeAsset string
			DenomUnits                             []struct {
				Denom    string
				Exponent int
			} `json:"denom_units"`
		}
	}
	read("assetlist.json", &list)
	if len(list.Assets) != 2 || list.Assets[0].Base != "uakt" || list.Assets[1].Display != "act" || list.Assets[0].DenomUnits[2].Exponent != 6 {
		t.Errorf("assetlist.json: %+v", list)
	}
	if _, _, err := (genesis.Registry{Name: "A b"}).Files(doc); err == nil {
		t.Error("a name with a space is taken")
	}
}
