package genesis

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	abci "github.com/cometbft/cometbft/abci/types"
	dbm "github.com/cosmos/cosmos-db"

	"cosmossdk.io/log/v2"
	"cosmossdk.io/math"

	"github.com/cosmos/cosmos-sdk/baseapp"
	"github.com/cosmos/cosmos-sdk/codec"
	sdk "github.com/cosmos/cosmos-sdk/types"
	"github.com/cosmos/cosmos-sdk/types/module"
	authtypes "github.com/cosmos/cosmos-sdk/x/auth/types"
	banktypes "github.com/cosmos/cosmos-sdk/x/bank/types"
	distrtypes "github.com/cosmos/cosmos-sdk/x/distribution/types"
	genutiltypes "github.com/cosmos/cosmos-sdk/x/genutil/types"
	stakingtypes "github.com/cosmos/cosmos-sdk/x/staking/types"

	"github.com/akash-supercloud/akash/app"
)

// Read reads a genesis file. What isn't JSON is named with its line.
func Read(path string) (*genutiltypes.AppGenesis, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var any json.RawMessage
	if err := json.Unmarshal(text, &any); err != nil {
		at := len(text)
		if syntax := new(json.SyntaxError); errors.As(err, &syntax) {
			at = min(int(syntax.Offset), len(text))
		}
		return nil, fmt.Errorf("%s isn't JSON: line %d: %w", path, 1+bytes.Count(text[:at], []byte{'\n'}), err)
	}
	doc, err := genutiltypes.AppGenesisFromFile(path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return doc, nil
}

// Check says all that is wrong with a genesis, each with its place. supply, if not nil, is what all uakt have to add up
// to. Where nothing else is wrong it starts the chain in memory, as every node will.
func Check(doc *genutiltypes.AppGenesis, supply *math.Int) (wrong []error) {
	add := func(where string, err error) {
		if err != nil {
			wrong = append(wrong, fmt.Errorf("%s: %w", where, err))
		}
	}
	if err := doc.ValidateAndComplete(); err != nil {
		add("the file", err)
		return wrong
	}
	var state map[string]json.RawMessage
	if err := json.Unmarshal(doc.AppState, &state); err != nil {
		add("app_state", err)
		return wrong
	}
	chain := app.NewOffline()
	basics := chain.BasicManager()
	for _, name := range slices.Sorted(maps.Keys(state)) {
		if basics[name] == nil {
			add("app_state."+name, errors.New("this program has no such module; remove it, or use the version that has it"))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(basics)) {
		m, ok := basics[name].(module.HasGenesisBasics)
		if !ok || m.DefaultGenesis(chain.Codec) == nil {
			continue
		}
		if state[name] == nil {
			add("app_state."+name, errors.New("is missing"))
			continue
		}
		add("app_state."+name, guard(func() error { return m.ValidateGenesis(chain.Codec, chain.TxConfig, state[name]) }))
	}
	if len(wrong) > 0 {
		return wrong
	}
	for i, raw := range genutiltypes.GetGenesisStateFromAppState(chain.Codec, state).GenTxs {
		add(fmt.Sprintf("app_state.genutil.gen_txs[%d]", i), checkGentx(chain, state, raw))
	}
	for _, err := range twice(chain, genutiltypes.GetGenesisStateFromAppState(chain.Codec, state).GenTxs) {
		add("app_state.genutil", err)
	}
	var staking stakingtypes.GenesisState
	chain.Codec.MustUnmarshalJSON(state[stakingtypes.ModuleName], &staking)
	if len(staking.Validators) == 0 && len(genutiltypes.GetGenesisStateFromAppState(chain.Codec, state).GenTxs) == 0 {
		add("app_state.genutil", errors.New("there is no validator, so nobody would make blocks; each sends a file of akash genesis gentx, and akash genesis collect takes them in"))
	}
	if supply != nil {
		if got := total(chain.Codec, state); !got.Equal(*supply) {
			add("app_state.bank", fmt.Errorf("all accounts have %suakt, but the network begins with %suakt; akash genesis complete puts what is missing into the community pool", got, supply))
		}
	}
	if len(wrong) == 0 {
		add("the chain would not start", guard(func() error { return start(doc) }))
	}
	return wrong
}

// guard turns a panic of the SDK's checks into an error.
func guard(fn func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%v", r)
		}
	}()
	return fn()
}

func start(doc *genutiltypes.AppGenesis) error {
	a := app.New(log.NewNopLogger(), dbm.NewMemDB(), nothing{}, baseapp.SetChainID(doc.ChainID))
	defer a.Close()
	params := doc.Consensus.Params.ToProto()
	_, err := a.InitChain(&abci.RequestInitChain{ChainId: doc.ChainID, Time: doc.GenesisTime, InitialHeight: doc.InitialHeight, ConsensusParams: &params, AppStateBytes: doc.AppState})
	return err
}

type nothing struct{}

func (nothing) Get(string) any { return nil }

// CheckGentxs checks the files of a folder, which akash genesis gentx has made, against a genesis. It fails if there is none.
func CheckGentxs(doc *genutiltypes.AppGenesis, dir string) error {
	var state map[string]json.RawMessage
	if err := json.Unmarshal(doc.AppState, &state); err != nil {
		return fmt.Errorf("app_state of the genesis: %w", err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil {
		return err
	}
	if len(files) == 0 {
		return fmt.Errorf("there is no gentx in %s; put the validators' files there, or name their folder with --gentx-dir", dir)
	}
	chain := app.NewOffline()
	var wrong []error
	var all []json.RawMessage
	for _, path := range files {
		raw, err := os.ReadFile(path)
		if err == nil {
			err = checkGentx(chain, state, raw)
		}
		if err != nil {
			wrong = append(wrong, fmt.Errorf("%s: %w", path, err))
			continue
		}
		all = append(all, raw)
	}
	return errors.Join(append(wrong, twice(chain, all)...)...)
}

// gentx reads the message of a validator's genesis transaction.
func gentx(chain *app.App, raw json.RawMessage) (*stakingtypes.MsgCreateValidator, error) {
	tx, err := chain.TxConfig.TxJSONDecoder()(raw)
	if err != nil {
		return nil, fmt.Errorf("isn't a transaction: %w", err)
	}
	if len(tx.GetMsgs()) != 1 {
		return nil, fmt.Errorf("has %d messages; a gentx has one", len(tx.GetMsgs()))
	}
	msg, ok := tx.GetMsgs()[0].(*stakingtypes.MsgCreateValidator)
	if !ok {
		return nil, fmt.Errorf("has a %s; a gentx creates a validator", sdk.MsgTypeURL(tx.GetMsgs()[0]))
	}
	return msg, nil
}

func checkGentx(chain *app.App, state map[string]json.RawMessage, raw json.RawMessage) error {
	msg, err := gentx(chain, raw)
	if err != nil {
		return err
	}
	operator, err := sdk.ValAddressFromBech32(msg.ValidatorAddress)
	if err != nil {
		return fmt.Errorf("validator %q isn't an address that begins with %svaloper1", msg.ValidatorAddress, app.Bech32Prefix)
	}
	var staking stakingtypes.GenesisState
	chain.Codec.MustUnmarshalJSON(state[stakingtypes.ModuleName], &staking)
	switch {
	case msg.Value.Denom != staking.Params.BondDenom:
		return fmt.Errorf("%s stakes %s; stake is in %s", msg.Description.Moniker, msg.Value, staking.Params.BondDenom)
	case msg.Commission.Rate.LT(staking.Params.MinCommissionRate):
		return fmt.Errorf("%s takes a commission of %s; the least is %s", msg.Description.Moniker, msg.Commission.Rate, staking.Params.MinCommissionRate)
	case msg.Value.Amount.LT(sdk.DefaultPowerReduction):
		return fmt.Errorf("%s stakes %s; less than %s%s gives no vote", msg.Description.Moniker, msg.Value, sdk.DefaultPowerReduction, staking.Params.BondDenom)
	}
	account := sdk.AccAddress(operator).String()
	has := math.ZeroInt()
	for _, b := range banktypes.GetGenesisStateFromAppState(chain.Codec, state).Balances {
		if b.Address == account {
			has = b.Coins.AmountOf(msg.Value.Denom)
		}
	}
	if has.LT(msg.Value.Amount) {
		return fmt.Errorf("%s stakes %s, but its account %s has %s%s; akash genesis add-account gives it coins", msg.Description.Moniker, msg.Value, account, has, msg.Value.Denom)
	}
	return nil
}

// twice names validators that share an operator or a consensus key.
func twice(chain *app.App, all []json.RawMessage) (wrong []error) {
	seen := map[string]string{}
	for _, raw := range all {
		msg, err := gentx(chain, raw)
		if err != nil {
			continue // said already
		}
		for _, one := range [][2]string{{"operator " + msg.ValidatorAddress, msg.ValidatorAddress}, {"consensus key", msg.Pubkey.String()}} {
			what, key := one[0], one[1]
			if before, ok := seen[key]; ok {
				wrong = append(wrong, fmt.Errorf("%s and %s have the same %s; one of them has to go", before, msg.Description.Moniker, what))
			}
			seen[key] = msg.Description.Moniker
		}
	}
	slices.SortFunc(wrong, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return wrong
}

func total(cdc codec.JSONCodec, state map[string]json.RawMessage) math.Int {
	sum := math.ZeroInt()
	for _, b := range banktypes.GetGenesisStateFromAppState(cdc, state).Balances {
		sum = sum.Add(b.Coins.AmountOf(app.BondDenom))
	}
	return sum
}

// Complete puts into the community pool what all accounts lack to supply, in uakt, and returns how much that was. It
// fails if they have more already.
func Complete(cdc codec.Codec, state map[string]json.RawMessage, supply math.Int) (math.Int, error) {
	rest := supply.Sub(total(cdc, state))
	if rest.IsNegative() {
		return rest, fmt.Errorf("the accounts have %suakt more than the %suakt that the network begins with", rest.Neg(), supply)
	}
	if rest.IsZero() {
		return rest, nil
	}
	coin := sdk.NewCoin(app.BondDenom, rest)
	pool := authtypes.NewModuleAddress(distrtypes.ModuleName).String()
	var bank banktypes.GenesisState
	cdc.MustUnmarshalJSON(state[banktypes.ModuleName], &bank)
	i := slices.IndexFunc(bank.Balances, func(b banktypes.Balance) bool { return b.Address == pool })
	if i < 0 {
		i = len(bank.Balances)
		bank.Balances = append(bank.Balances, banktypes.Balance{Address: pool})
	}
	bank.Balances[i].Coins = bank.Balances[i].Coins.Add(coin)
	bank.Supply = bank.Supply.Add(coin)
	slices.SortFunc(bank.Balances, func(a, b banktypes.Balance) int { return strings.Compare(a.Address, b.Address) })
	var distr distrtypes.GenesisState
	cdc.MustUnmarshalJSON(state[distrtypes.ModuleName], &distr)
	distr.FeePool.CommunityPool = distr.FeePool.CommunityPool.Add(sdk.NewDecCoinFromCoin(coin))
	state[banktypes.ModuleName] = cdc.MustMarshalJSON(&bank)
	state[distrtypes.ModuleName] = cdc.MustMarshalJSON(&distr)
	return rest, nil
}
