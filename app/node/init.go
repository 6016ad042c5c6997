package node

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"cosmossdk.io/math"

	"github.com/cosmos/cosmos-sdk/client/tx"
	"github.com/cosmos/cosmos-sdk/crypto/hd"
	"github.com/cosmos/cosmos-sdk/crypto/keyring"
	sdk "github.com/cosmos/cosmos-sdk/types"
	"github.com/cosmos/cosmos-sdk/types/tx/signing"
	"github.com/cosmos/cosmos-sdk/x/genutil"
	genutiltypes "github.com/cosmos/cosmos-sdk/x/genutil/types"
	stakingtypes "github.com/cosmos/cosmos-sdk/x/staking/types"

	"github.com/akash-supercloud/akash/app"
	"github.com/akash-supercloud/akash/app/genesis"
)

// ValidatorKey is the name of the operator's key that Init makes in the home's test keyring.
const ValidatorKey = "validator"

// GenesisConfig is a new network of one validator.
type GenesisConfig struct {
	// ChainID of the network; default that of the preset ("localakash").
	ChainID string
	// Preset is one of genesis.Presets; default "local".
	Preset string
	// BlockTime is the pause after each commit; default that of the preset (local: 500 ms).
	BlockTime time.Duration
	// Moniker is the validator's name; default "validator".
	Moniker string
	// Accounts get their coins at genesis; thousands are fine.
	Accounts []genesis.Account
	// Stake is the validator's own stake in uakt; default 1,000,000 AKT.
	Stake int64
	// Time is the genesis time; default now.
	Time time.Time
}

// Init makes home the home of a node that is a network of its own: config files, consensus key, the operator's
// key (ValidatorKey in the keyring "test"), and the genesis. It fails if home has a genesis already.
func Init(home string, cfg GenesisConfig) error {
	if cfg.Preset == "" {
		cfg.Preset = "local"
	}
	preset, err := genesis.Find(cfg.Preset)
	if err != nil {
		return err
	}
	if cfg.ChainID == "" {
		cfg.ChainID = preset.ChainID
	}
	if cfg.BlockTime > 0 {
		preset.BlockTime = cfg.BlockTime
	}
	if cfg.Moniker == "" {
		cfg.Moniker = "validator"
	}
	if cfg.Stake == 0 {
		cfg.Stake = 1_000_000_000_000
	}
	if cfg.Time.IsZero() {
		cfg.Time = time.Now()
	}
	if _, err := os.Stat(filepath.Join(home, "config", "genesis.json")); err == nil {
		return fmt.Errorf("%s has a genesis already; choose another home or remove that one", home)
	}

	comet := DefaultComet(preset.BlockTime)
	comet.SetRoot(home)
	comet.Moniker = cfg.Moniker
	sdkConfig := DefaultSDK()
	if preset.Name == "local" {
		sdkConfig = localSDK()
		comet.P2P.AddrBookStrict, comet.P2P.PexReactor = false, false
	}
	if err := writeConfig(home, comet, sdkConfig); err != nil {
		return err
	}
	if preset.Name == "local" {
		if err := allowInvariants(home); err != nil {
			return err
		}
	}
	_, consensusKey, err := genutil.InitializeNodeValidatorFiles(comet)
	if err != nil {
		return err
	}

	chain := app.NewOffline()
	enc := chain.Encoding
	kr, err := keyring.New(app.Name, keyring.BackendTest, home, nil, enc.Codec)
	if err != nil {
		return err
	}
	operator, _, err := kr.NewMnemonic(ValidatorKey, keyring.English, sdk.FullFundraiserPath, keyring.DefaultBIP39Passphrase, hd.Secp256k1)
	if err != nil {
		return fmt.Errorf("the validator's key: %w", err)
	}
	addr, err := operator.GetAddress()
	if err != nil {
		return err
	}

	state := preset.State(enc.Codec, chain.DefaultGenesis())
	funds := sdk.NewCoins(sdk.NewInt64Coin(app.BondDenom, cfg.Stake).AddAmount(math.NewInt(1_000_000_000_000)), sdk.NewInt64Coin(app.CreditDenom, 1_000_000_000_000))
	accounts := append([]genesis.Account{{Address: addr.String(), Coins: funds}}, cfg.Accounts...)
	if err := genesis.Fund(enc.Codec, state, accounts); err != nil {
		return err
	}

	rate := preset.MinCommission
	if rate.IsZero() {
		rate = math.LegacyNewDecWithPrec(5, 2)
	}
	msg, err := stakingtypes.NewMsgCreateValidator(sdk.ValAddress(addr).String(), consensusKey, sdk.NewInt64Coin(app.BondDenom, cfg.Stake),
		stakingtypes.NewDescription(cfg.Moniker, "", "", "", ""),
		stakingtypes.NewCommissionRates(rate, math.LegacyOneDec(), math.LegacyNewDecWithPrec(1, 2)), math.OneInt())
	if err != nil {
		return err
	}
	b := enc.TxConfig.NewTxBuilder()
	if err := b.SetMsgs(msg); err != nil {
		return err
	}
	b.SetGasLimit(400_000)
	factory := tx.Factory{}.WithChainID(cfg.ChainID).WithKeybase(kr).WithTxConfig(enc.TxConfig).WithSignMode(signing.SignMode_SIGN_MODE_DIRECT)
	if err := tx.Sign(context.Background(), factory, ValidatorKey, b, true); err != nil {
		return err
	}
	text, err := enc.TxConfig.TxJSONEncoder()(b.GetTx())
	if err != nil {
		return err
	}
	genutiltypes.SetGenesisStateInAppState(enc.Codec, state, genutiltypes.NewGenesisState([]json.RawMessage{text}))
	if err := chain.BasicManager().ValidateGenesis(enc.Codec, enc.TxConfig, state); err != nil {
		return err
	}
	doc, err := preset.Doc(cfg.ChainID, cfg.Time, state)
	if err != nil {
		return err
	}
	return doc.SaveAs(comet.GenesisFile())
}
