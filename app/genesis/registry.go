package genesis

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"time"

	banktypes "github.com/cosmos/cosmos-sdk/x/bank/types"
	genutiltypes "github.com/cosmos/cosmos-sdk/x/genutil/types"
	stakingtypes "github.com/cosmos/cosmos-sdk/x/staking/types"

	"github.com/akash-supercloud/akash/app"
)

// Registry is what the chain registry's files say beside the genesis.
type Registry struct {
	// Name is the network's folder in the registry: lower case letters and digits; default "akash".
	Name string
	// PrettyName is what people read; default "Akash".
	PrettyName string
	// Website of the network; default none.
	Website string
	// Network is mainnet, testnet or devnet; default mainnet.
	Network string
	// RPC, REST and GRPC are public addresses of nodes.
	RPC, REST, GRPC []string
	// Seeds and Peers are nodes to connect with, each ID@host:port.
	Seeds, Peers []string
	// GenesisURL is where the genesis can be had; default none.
	GenesisURL string
}

// gasPrice is what wallets offer, in uakt: ten times what a node asks at least, as our own client does.
const gasPrice = json.Number("0.025")

type obj = map[string]any

// Files returns chain.json and assetlist.json, in the form of the Cosmos chain registry, by which wallets add a network.
func (r Registry) Files(doc *genutiltypes.AppGenesis) (chainJSON, assetsJSON []byte, err error) {
	def := func(s *string, v string) {
		if *s == "" {
			*s = v
		}
	}
	def(&r.Name, "akash")
	def(&r.PrettyName, "Akash")
	def(&r.Network, "mainnet")
	if strings.Trim(r.Name, "abcdefghijklmnopqrstuvwxyz0123456789") != "" {
		return nil, nil, fmt.Errorf("the registry's name %q may have lower case letters and digits only", r.Name)
	}
	if r.Network != "mainnet" && r.Network != "testnet" && r.Network != "devnet" {
		return nil, nil, fmt.Errorf("the kind of network %q is none of mainnet, testnet, devnet", r.Network)
	}
	var state map[string]json.RawMessage
	if err := json.Unmarshal(doc.AppState, &state); err != nil {
		return nil, nil, fmt.Errorf("app_state of the genesis: %w", err)
	}
	cdc := app.NewOffline().Codec
	var staking stakingtypes.GenesisState
	if err := cdc.UnmarshalJSON(state[stakingtypes.ModuleName], &staking); err != nil {
		return nil, nil, fmt.Errorf("app_state.staking of the genesis: %w", err)
	}
	var bank banktypes.GenesisState
	if err := cdc.UnmarshalJSON(state[banktypes.ModuleName], &bank); err != nil {
		return nil, nil, fmt.Errorf("app_state.bank of the genesis: %w", err)
	}
	apis := func(all []string) []obj {
		out := []obj{}
		for _, a := range all {
			out = append(out, obj{"address": a, "provider": r.PrettyName})
		}
		return out
	}
	peers := func(all []string) ([]obj, error) {
		out := []obj{}
		for _, p := range all {
			id, addr, ok := strings.Cut(p, "@")
			if !ok {
				return nil, fmt.Errorf("peer %q isn't ID@host:port", p)
			}
			out = append(out, obj{"id": id, "address": addr, "provider": r.PrettyName})
		}
		return out, nil
	}
	seeds, err := peers(r.Seeds)
	if err != nil {
		return nil, nil, err
	}
	persistent, err := peers(r.Peers)
	if err != nil {
		return nil, nil, err
	}
	codebase := obj{
		"recommended_version": app.NodeVersion(), "compatible_versions": []string{app.NodeVersion()},
		"consensus": obj{"type": "cometbft", "version": dependency("github.com/cometbft/cometbft")},
		"sdk":       obj{"type": "cosmos", "version": dependency("github.com/cosmos/cosmos-sdk")},
		"ibc":       obj{"type": "go", "version": dependency("github.com/cosmos/ibc-go/v11"), "ics_enabled": []string{"ics20-1"}},
	}
	if r.GenesisURL != "" {
		codebase["genesis"] = obj{"genesis_url": r.GenesisURL}
	}
	chain := obj{
		"$schema": "../chain.schema.json", "chain_name": r.Name, "chain_type": "cosmos", "status": "live", "network_type": r.Network,
		"pretty_name": r.PrettyName, "chain_id": doc.ChainID, "bech32_prefix": app.Bech32Prefix, "daemon_name": app.Name, "node_home": "$HOME/.akash",
		"key_algos": []string{"secp256k1"}, "slip44": 118,
		"fees": obj{"fee_tokens": []obj{{"denom": app.BondDenom, "fixed_min_gas_price": json.Number(strings.TrimSuffix(app.MinGasPrices, app.BondDenom)),
			"low_gas_price": gasPrice, "average_gas_price": gasPrice, "high_gas_price": gasPrice}}},
		"staking":  obj{"staking_tokens": []obj{{"denom": staking.Params.BondDenom}}, "lock_duration": obj{"time": fmt.Sprintf("%ds", int64(staking.Params.UnbondingTime/time.Second))}},
		"codebase": codebase,
		"peers":    obj{"seeds": seeds, "persistent_peers": persistent},
		"apis":     obj{"rpc": apis(r.RPC), "rest": apis(r.REST), "grpc": apis(r.GRPC)},
	}
	if r.Website != "" {
		chain["website"] = r.Website
	}
	assets := []obj{}
	for _, base := range []string{app.BondDenom, app.CreditDenom} { // the coin of fees and stake first
		for _, m := range bank.DenomMetadata {
			if m.Base != base {
				continue
			}
			var units []obj
			for _, u := range m.DenomUnits {
				units = append(units, obj{"denom": u.Denom, "exponent": u.Exponent})
			}
			assets = append(assets, obj{"description": m.Description, "denom_units": units, "type_asset": "sdk.coin", "base": m.Base, "name": m.Name, "display": m.Display, "symbol": m.Symbol})
		}
	}
	if len(assets) == 0 {
		return nil, nil, errors.New("app_state.bank of the genesis describes no coin (denom_metadata)")
	}
	if chainJSON, err = json.MarshalIndent(chain, "", "  "); err != nil {
		return nil, nil, err
	}
	assetsJSON, err = json.MarshalIndent(obj{"$schema": "../assetlist.schema.json", "chain_name": r.Name, "assets": assets}, "", "  ")
	return append(chainJSON, '\n'), append(assetsJSON, '\n'), err
}

// Write writes the two files into a folder, which it makes if need be.
func (r Registry) Write(doc *genutiltypes.AppGenesis, dir string) error {
	chain, assets, err := r.Files(doc)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	return errors.Join(os.WriteFile(filepath.Join(dir, "chain.json"), chain, 0o644), os.WriteFile(filepath.Join(dir, "assetlist.json"), assets, 0o644))
}

// dependency is the version of a module in this program, without the v.
func dependency(path string) string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, d := range info.Deps {
			if d.Path == path {
				return strings.TrimPrefix(d.Version, "v")
			}
		}
	}
	return "unknown"
}
