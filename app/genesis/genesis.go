// Package genesis makes the first state of a network: parameters by preset, accounts with funds, and the
// genesis file around them.
//
// What always holds: the supply of each coin is the sum of the balances, staking, fees and votes use uakt, and
// the same preset and accounts give the same bytes.
package genesis

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	cmttypes "github.com/cometbft/cometbft/types"

	"cosmossdk.io/math"

	"github.com/cosmos/cosmos-sdk/codec"
	codectypes "github.com/cosmos/cosmos-sdk/codec/types"
	"github.com/cosmos/cosmos-sdk/crypto/keys/ed25519"
	sdk "github.com/cosmos/cosmos-sdk/types"
	authtypes "github.com/cosmos/cosmos-sdk/x/auth/types"
	banktypes "github.com/cosmos/cosmos-sdk/x/bank/types"
	distrtypes "github.com/cosmos/cosmos-sdk/x/distribution/types"
	genutiltypes "github.com/cosmos/cosmos-sdk/x/genutil/types"
	govtypes "github.com/cosmos/cosmos-sdk/x/gov/types"
	govv1 "github.com/cosmos/cosmos-sdk/x/gov/types/v1"
	minttypes "github.com/cosmos/cosmos-sdk/x/mint/types"
	slashingtypes "github.com/cosmos/cosmos-sdk/x/slashing/types"
	stakingtypes "github.com/cosmos/cosmos-sdk/x/staking/types"

	"github.com/akash-supercloud/akash/app"
)

// Account is an address and the coins it has at genesis.
type Account struct {
	Address string
	Coins   sdk.Coins
}

// Preset is a network's parameters.
type Preset struct {
	// Name is "local", "testnet" or "mainnet".
	Name string
	// ChainID is the network's name if the operator gives none.
	ChainID string
	// BlockTime is the pause after each commit.
	BlockTime time.Duration
	// VotingPeriod and DepositPeriod are how long governance votes and collects deposits.
	VotingPeriod, ExpeditedVotingPeriod, DepositPeriod time.Duration
	// MinDeposit is what a proposal costs until it is decided, in uakt.
	MinDeposit int64
	// Unbonding is how long stake stays locked and slashable after it is withdrawn.
	Unbonding time.Duration
	// Supply is how many uakt there are at genesis; 0: what the accounts get.
	Supply int64
	// Validators is the most validators that sign blocks.
	Validators uint32
	// MinCommission is the least share of rewards that a validator keeps.
	MinCommission math.LegacyDec
	// SlashWindow is over how many blocks a validator's presence is counted.
	SlashWindow int64
	// CreditSends tells whether anyone may send uact to anyone; leases are paid in it either way.
	CreditSends bool
	// MaxBlockBytes and MaxBlockGas bound a block.
	MaxBlockBytes, MaxBlockGas int64
}

// Presets returns the known presets. Of the token economy only mainnet's first supply is decided here; inflation, halving
// and locks will have their own place, and until then are the Cosmos SDK's defaults.
func Presets() []Preset {
	const day = 24 * time.Hour
	public := Preset{
		BlockTime: 5 * time.Second, VotingPeriod: 3 * day, ExpeditedVotingPeriod: day, DepositPeriod: 14 * day,
		MinDeposit: 2_500_000_000, Unbonding: 14 * day, Validators: 64, MinCommission: math.LegacyNewDecWithPrec(5, 2),
		SlashWindow: 30_000, MaxBlockBytes: 4 << 20, MaxBlockGas: 500_000_000,
	}
	local, testnet, mainnet := public, public, public
	local.Name, local.ChainID = "local", "localakash"
	local.BlockTime = 500 * time.Millisecond
	local.VotingPeriod, local.ExpeditedVotingPeriod, local.DepositPeriod = 2*time.Minute, time.Minute, 10*time.Minute
	local.MinDeposit, local.Unbonding, local.MinCommission = 10_000_000, 10*time.Minute, math.LegacyZeroDec()
	local.CreditSends = true
	testnet.Name, testnet.ChainID, testnet.CreditSends = "testnet", "akash-testnet-1", true
	mainnet.Name, mainnet.ChainID, mainnet.Supply = "mainnet", "akash-supercloud-1", 100_000_000_000_000
	return []Preset{local, testnet, mainnet}
}

// Find returns the preset called name.
func Find(name string) (Preset, error) {
	var known []string
	for _, p := range Presets() {
		if p.Name == name {
			return p, nil
		}
		known = append(known, p.Name)
	}
	return Preset{}, fmt.Errorf("there is no preset %q; use one of %s", name, strings.Join(known, ", "))
}

// ConsensusParams returns the preset's bounds of blocks and evidence.
func (p Preset) ConsensusParams() *cmttypes.ConsensusParams {
	c := cmttypes.DefaultConsensusParams()
	c.Block.MaxBytes, c.Block.MaxGas = p.MaxBlockBytes, p.MaxBlockGas
	c.Validator.PubKeyTypes = []string{ed25519.KeyType}
	c.Evidence.MaxAgeDuration = p.Unbonding // whoever signed twice can still be slashed for all of it
	c.Evidence.MaxAgeNumBlocks = int64(p.Unbonding / p.BlockTime)
	return c
}

// State returns the modules' genesis: defaults with the preset's parameters.
func (p Preset) State(cdc codec.Codec, defaults map[string]json.RawMessage) map[string]json.RawMessage {
	state := maps.Clone(defaults)
	coin := func(n int64) sdk.Coins { return sdk.NewCoins(sdk.NewInt64Coin(app.BondDenom, n)) }

	staking := stakingtypes.DefaultGenesisState()
	staking.Params.BondDenom = app.BondDenom
	staking.Params.UnbondingTime = p.Unbonding
	staking.Params.MaxValidators = p.Validators
	staking.Params.MinCommissionRate = p.MinCommission
	staking.Params.KeyRotationFee.Denom = app.BondDenom
	state[stakingtypes.ModuleName] = cdc.MustMarshalJSON(staking)

	mint := minttypes.DefaultGenesisState()
	mint.Params.MintDenom = app.BondDenom
	mint.Params.BlocksPerYear = uint64(365 * 24 * time.Hour / p.BlockTime)
	state[minttypes.ModuleName] = cdc.MustMarshalJSON(mint)

	gov := govv1.DefaultGenesisState()
	gov.Params.MinDeposit, gov.Params.ExpeditedMinDeposit = coin(p.MinDeposit), coin(5*p.MinDeposit)
	gov.Params.VotingPeriod, gov.Params.ExpeditedVotingPeriod = &p.VotingPeriod, &p.ExpeditedVotingPeriod
	gov.Params.MaxDepositPeriod = &p.DepositPeriod
	gov.Params.Quorum = math.LegacyNewDecWithPrec(20, 2).String()
	state[govtypes.ModuleName] = cdc.MustMarshalJSON(gov)

	slashing := slashingtypes.DefaultGenesisState()
	slashing.Params.SignedBlocksWindow = p.SlashWindow
	slashing.Params.MinSignedPerWindow = math.LegacyNewDecWithPrec(5, 2)
	slashing.Params.DowntimeJailDuration = time.Minute
	slashing.Params.SlashFractionDowntime = math.LegacyZeroDec()
	state[slashingtypes.ModuleName] = cdc.MustMarshalJSON(slashing)

	distr := distrtypes.DefaultGenesisState()
	distr.Params.CommunityTax = math.LegacyZeroDec()
	state[distrtypes.ModuleName] = cdc.MustMarshalJSON(distr)

	bank := banktypes.DefaultGenesisState()
	bank.DenomMetadata = []banktypes.Metadata{
		metadata("act", "ACT", "Akash Compute Token", "Compute credit of the Akash network; 1 ACT is worth 1 US dollar."),
		metadata("akt", "AKT", "Akash Network", "Stake, fee and governance token of the Akash network."),
	}
	if !p.CreditSends {
		bank.SendEnabled = []banktypes.SendEnabled{{Denom: app.CreditDenom, Enabled: false}}
	}
	state[banktypes.ModuleName] = cdc.MustMarshalJSON(bank)
	return state
}

func metadata(unit, symbol, name, about string) banktypes.Metadata {
	return banktypes.Metadata{
		Description: about, Base: "u" + unit, Display: unit, Name: name, Symbol: symbol,
		DenomUnits: []*banktypes.DenomUnit{
			{Denom: "u" + unit, Exponent: 0}, {Denom: "m" + unit, Exponent: 3}, {Denom: unit, Exponent: 6},
		},
	}
}

// Fund adds accounts to state: base accounts and their balances. An address that is there twice gets the sum.
// It fails on an address that isn't one and on coins that aren't positive.
func Fund(cdc codec.Codec, state map[string]json.RawMessage, accounts []Account) error {
	var auth authtypes.GenesisState
	cdc.MustUnmarshalJSON(state[authtypes.ModuleName], &auth)
	var bank banktypes.GenesisState
	cdc.MustUnmarshalJSON(state[banktypes.ModuleName], &bank)

	known := map[string]bool{}
	existing, err := authtypes.UnpackAccounts(auth.Accounts)
	if err != nil {
		return err
	}
	for _, a := range existing {
		known[a.GetAddress().String()] = true
	}
	at := map[string]int{}
	for i, b := range bank.Balances {
		at[b.Address] = i
	}
	next := uint64(len(existing))
	for _, a := range accounts {
		addr, err := sdk.AccAddressFromBech32(a.Address)
		if err != nil {
			return fmt.Errorf("genesis account %q isn't an address that begins with %s1", a.Address, app.Bech32Prefix)
		}
		coins := a.Coins.Sort()
		if err := coins.Validate(); err != nil {
			return fmt.Errorf("coins of genesis account %s: %w", a.Address, err)
		}
		if !known[a.Address] {
			packed, err := codectypes.NewAnyWithValue(authtypes.NewBaseAccount(addr, nil, next, 0))
			if err != nil {
				return err
			}
			auth.Accounts = append(auth.Accounts, packed)
			known[a.Address] = true
			next++
		}
		if i, ok := at[a.Address]; ok {
			bank.Balances[i].Coins = bank.Balances[i].Coins.Add(coins...)
		} else {
			at[a.Address] = len(bank.Balances)
			bank.Balances = append(bank.Balances, banktypes.Balance{Address: a.Address, Coins: coins})
		}
		bank.Supply = bank.Supply.Add(coins...)
	}
	slices.SortFunc(bank.Balances, func(a, b banktypes.Balance) int { return strings.Compare(a.Address, b.Address) })
	state[authtypes.ModuleName] = cdc.MustMarshalJSON(&auth)
	state[banktypes.ModuleName] = cdc.MustMarshalJSON(&bank)
	return nil
}

// Doc wraps state into a genesis for chain chainID that starts at when.
func (p Preset) Doc(chainID string, when time.Time, state map[string]json.RawMessage) (*genutiltypes.AppGenesis, error) {
	text, err := json.Marshal(state)
	if err != nil {
		return nil, err
	}
	doc := &genutiltypes.AppGenesis{
		AppName: app.Name, AppVersion: app.NodeVersion(), GenesisTime: when.UTC().Round(0), ChainID: chainID, InitialHeight: 1,
		AppState: text, Consensus: &genutiltypes.ConsensusGenesis{Params: p.ConsensusParams()},
	}
	return doc, doc.ValidateAndComplete()
}
