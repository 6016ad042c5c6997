package localnet

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/cosmos/cosmos-sdk/codec"
	"github.com/cosmos/cosmos-sdk/crypto/hd"
	"github.com/cosmos/cosmos-sdk/crypto/keyring"
	sdk "github.com/cosmos/cosmos-sdk/types"
	banktypes "github.com/cosmos/cosmos-sdk/x/bank/types"

	"github.com/akash-supercloud/akash/app"
	"github.com/akash-supercloud/akash/app/genesis"
	"github.com/akash-supercloud/akash/app/node"
	"github.com/akash-supercloud/akash/client"
)

// keys are the accounts every local market has beside the validator's.
var keys = []string{"tenant", "provider"}

// coinsOfKeys is what each of them has at genesis: enough for a very long time of trying things.
var coinsOfKeys = sdk.NewCoins(sdk.NewInt64Coin(app.BondDenom, 1_000_000_000_000), sdk.NewInt64Coin(app.CreditDenom, 1_000_000_000_000))

// clientConfig is how this process talks to its own chain.
func (m *market) clientConfig() client.Config {
	return client.Config{
		Node:           "http://" + m.o.local(m.o.Ports.RPC),
		GRPC:           m.o.local(m.o.Ports.GRPC),
		ChainID:        ChainID,
		Home:           m.o.Home,
		KeyringBackend: keyring.BackendTest,
		KeyringDir:     m.o.Home,
		From:           "tenant",
	}
}

// ensureKeys makes the accounts' keys that aren't there yet and returns all addresses by name.
func ensureKeys(kr keyring.Keyring) (map[string]sdk.AccAddress, error) {
	out := map[string]sdk.AccAddress{}
	for _, name := range keys {
		rec, err := kr.Key(name)
		if err != nil {
			path := hd.CreateHDPath(client.CoinType, 0, 0).String()
			if rec, _, err = kr.NewMnemonic(name, keyring.English, path, keyring.DefaultBIP39Passphrase, hd.Secp256k1); err != nil {
				return nil, fmt.Errorf("make the key %s: %w", name, err)
			}
		}
		if out[name], err = rec.GetAddress(); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// nodeHome is the validator's folder; madeMark says that its genesis is whole.
func (m *market) nodeHome() string { return filepath.Join(m.o.Home, "node") }
func (m *market) madeMark() string { return filepath.Join(m.nodeHome(), "genesis-made") }

// makeChain writes the genesis of a new chain, or leaves one that is there as it is.
func (m *market) makeChain(_ context.Context, extra []account) (string, error) {
	cdc := client.NewEncoding().Codec
	kr, err := client.OpenKeyring(m.clientConfig(), cdc)
	if err != nil {
		return "", err
	}
	addresses, err := ensureKeys(kr)
	if err != nil {
		return "", err
	}
	m.provider = addresses["provider"].String()
	if _, err := os.Stat(m.madeMark()); err == nil {
		return ChainID + " goes on", nil
	} else if !errors.Is(err, os.ErrNotExist) {
		return "", err
	}
	m.fresh = true
	if err := os.RemoveAll(m.nodeHome()); err != nil { // half made
		return "", err
	}
	var accounts []genesis.Account
	for _, name := range keys {
		accounts = append(accounts, genesis.Account{Address: addresses[name].String(), Coins: coinsOfKeys})
	}
	for _, a := range extra {
		accounts = append(accounts, genesis.Account{Address: a.address, Coins: a.coins})
	}
	if err := node.Init(m.nodeHome(), node.GenesisConfig{ChainID: ChainID, Accounts: accounts}); err != nil {
		return "", err
	}
	if err := m.takeValidatorKey(kr, cdc); err != nil {
		return "", fmt.Errorf("take over the validator's key: %w", err)
	}
	return fmt.Sprintf("%s, new, %d accounts", ChainID, len(accounts)+1), os.WriteFile(m.madeMark(), nil, 0o644)
}

// takeValidatorKey copies the validator's key from the node's keyring, so that one keyring has all.
func (m *market) takeValidatorKey(kr keyring.Keyring, cdc codec.Codec) error {
	own := m.clientConfig()
	own.KeyringDir = m.nodeHome()
	from, err := client.OpenKeyring(own, cdc)
	if err != nil {
		return err
	}
	const only = "between two keyrings of one process"
	armor, err := from.ExportPrivKeyArmor(node.ValidatorKey, only)
	if err != nil {
		return err
	}
	_ = kr.Delete(node.ValidatorKey) // of a genesis that was half made
	return kr.ImportPrivKey(node.ValidatorKey, armor, only)
}

// nodeArgs run the validator by the same command that anyone runs a node with.
func (m *market) nodeArgs() []string {
	o := m.o
	return []string{"start", "--home", m.nodeHome(), "--rpc-addr", o.bind(o.Ports.RPC), "--grpc-addr", o.bind(o.Ports.GRPC),
		"--rest-addr", o.bind(o.Ports.REST), "--p2p-addr", o.bind(o.Ports.P2P), "--log-level", "warn"}
}

// startNode runs the validator and returns once it makes blocks and answers on RPC and gRPC.
func (m *market) startNode(ctx context.Context) (string, error) {
	var height int64
	err := m.start(ctx, "node", m.nodeArgs(), 90*time.Second, func(ctx context.Context) error {
		if m.client == nil {
			c, err := client.New(ctx, m.clientConfig())
			if err != nil {
				return err
			}
			m.client = c
			m.stops = append([]func(){func() { c.Close() }}, m.stops...)
		}
		h, _, err := m.client.Height(ctx)
		if err != nil {
			return err
		}
		if h < 1 {
			return errors.New("it hasn't made a block yet")
		}
		if height == 0 {
			height = h
		}
		if !m.fresh && h <= height { // on an old home the last block may be from before
			return errors.New("it makes no new block")
		}
		// gRPC comes up after RPC.
		_, err = banktypes.NewQueryClient(m.client.Conn()).Params(ctx, &banktypes.QueryParamsRequest{})
		height = h
		return err
	})
	return fmt.Sprintf("block %d, %s", height, m.clientConfig().Node), err
}

// fundAccounts sees to it that each account has at least its coins. On a new chain genesis did that.
func (m *market) fundAccounts(ctx context.Context, accounts []account) (string, error) {
	if m.fresh || len(accounts) == 0 {
		return fmt.Sprintf("tenant, provider, validator and %d more", len(accounts)), nil
	}
	from, err := m.client.Address(node.ValidatorKey)
	if err != nil {
		return "", err
	}
	bank := banktypes.NewQueryClient(m.client.Conn())
	var msgs []sdk.Msg
	for _, a := range accounts {
		have, err := bank.AllBalances(ctx, &banktypes.QueryAllBalancesRequest{Address: a.address})
		if err != nil {
			return "", err
		}
		lacks := sdk.Coins{}
		for _, c := range a.coins {
			if short := c.Amount.Sub(have.Balances.AmountOf(c.Denom)); short.IsPositive() {
				lacks = lacks.Add(sdk.NewCoin(c.Denom, short))
			}
		}
		if !lacks.Empty() {
			msgs = append(msgs, &banktypes.MsgSend{FromAddress: from.String(), ToAddress: a.address, Amount: lacks})
		}
	}
	sent := len(msgs)
	const atOnce = 200
	for len(msgs) > 0 {
		n := min(atOnce, len(msgs))
		if _, err := m.client.Send(ctx, node.ValidatorKey, msgs[:n]...); err != nil {
			return "", fmt.Errorf("send coins to new accounts: %w", err)
		}
		msgs = msgs[n:]
	}
	return fmt.Sprintf("%d accounts, %d of them topped up", len(accounts), sent), nil
}
