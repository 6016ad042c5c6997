package node

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	cmtcfg "github.com/cometbft/cometbft/config"
	"github.com/cometbft/cometbft/p2p"
	"github.com/spf13/viper"

	"github.com/cosmos/cosmos-sdk/client/flags"
	"github.com/cosmos/cosmos-sdk/server"
	serverconfig "github.com/cosmos/cosmos-sdk/server/config"
	pruningtypes "github.com/cosmos/cosmos-sdk/store/v2/pruning/types"

	"github.com/akash-supercloud/akash/app"
)

// Default addresses of a node.
const (
	DefaultRPCAddr  = "127.0.0.1:26657"
	DefaultGRPCAddr = "127.0.0.1:9090"
	DefaultRESTAddr = "127.0.0.1:1317"
	DefaultP2PAddr  = "127.0.0.1:26656"
)

// Config says where a node lives and listens. Addresses are host:port; port 0 takes a free one; an empty
// one is taken from the home's config files.
type Config struct {
	// Home is the folder that Init or the genesis commands made.
	Home string
	// RPCAddr, GRPCAddr, RESTAddr and P2PAddr are where the node listens.
	RPCAddr, GRPCAddr, RESTAddr, P2PAddr string
	// Log takes the log lines; nil drops them. LogLevel is debug, info, warn or error; default info.
	Log      io.Writer
	LogLevel string
	// LogJSON writes log lines as JSON.
	LogJSON bool
	// Ready is called once, when all listeners answer, with the addresses they really have.
	Ready func(Addresses)
	// Peers are nodes to stay connected with, Seeds nodes to ask for peers once, each ID@host:port. Empty takes config.toml's.
	Peers, Seeds []string
	// StateSync are RPC servers, at least two, from which a node without blocks takes a snapshot of the state
	// instead of replaying the chain from its first block.
	StateSync []string
	// Options override single settings of app.toml and config.toml by their dotted names
	// ("pruning", "minimum-gas-prices", "consensus.timeout_commit").
	Options map[string]any
}

// Addresses are host:port of each listener.
type Addresses struct{ RPC, GRPC, REST, P2P string }

// settings are all that a node reads from its home.
type settings struct {
	comet *cmtcfg.Config
	sdk   serverconfig.Config
	viper *viper.Viper
}

// DefaultComet returns CometBFT's config as this chain wants it, with a pause of blockTime after each commit.
func DefaultComet(blockTime time.Duration) *cmtcfg.Config {
	c := cmtcfg.DefaultConfig()
	c.Consensus.TimeoutCommit = blockTime
	if blockTime < 2*time.Second {
		// With few validators close together a lost proposal needn't cost more than two blocks.
		c.Consensus.TimeoutPropose = max(2*blockTime, time.Second)
		c.Consensus.TimeoutProposeDelta = blockTime / 2
		c.Consensus.TimeoutPrevote, c.Consensus.TimeoutPrevoteDelta = blockTime, blockTime/2
		c.Consensus.TimeoutPrecommit, c.Consensus.TimeoutPrecommitDelta = blockTime, blockTime/2
	}
	c.Mempool.MaxTxBytes = 1 << 20    // an SDL's groups are a few KiB, a manifest isn't sent here
	c.Mempool.MaxTxsBytes = 128 << 20 // 1 GiB would be a way to fill a small node's memory
	c.RPC.MaxOpenConnections = 900
	c.RPC.CORSAllowedOrigins = []string{"*"} // wallets and consoles in a browser; the RPC holds no secret
	c.RPC.PprofListenAddress = ""
	c.P2P.ListenAddress = "tcp://" + DefaultP2PAddr
	c.RPC.ListenAddress = "tcp://" + DefaultRPCAddr
	return c
}

// IndexedEvents are the attributes by which transactions can be searched, unless app.toml's index-events says otherwise;
// by hash and height they always can. They are what wallets and explorers search by, and the ids of what the market
// changes. What a search gives and what subscribers get holds all events either way. A lease's life has some 150
// attributes, and each that is indexed is a key in the index.
var IndexedEvents = []string{
	"message.action", "message.module", "message.sender", "transfer.recipient", "transfer.sender", "tx.acc_seq",
	"akash.deployment.v1.EventDeploymentCreated.id", "akash.deployment.v1.EventDeploymentUpdated.id", "akash.deployment.v1.EventDeploymentClosed.id",
	"akash.deployment.v1.EventGroupStarted.id", "akash.deployment.v1.EventGroupPaused.id", "akash.deployment.v1.EventGroupClosed.id",
	"akash.market.v1.EventOrderCreated.id", "akash.market.v1.EventOrderClosed.id", "akash.market.v1.EventBidCreated.id", "akash.market.v1.EventBidClosed.id",
	"akash.market.v1.EventLeaseCreated.id", "akash.market.v1.EventLeaseClosed.id", "akash.market.v1.EventLeaseReclaimStarted.id",
	"akash.provider.v1beta4.EventProviderCreated.owner", "akash.provider.v1beta4.EventProviderUpdated.owner",
}

// DefaultSDK returns the app.toml of this chain's nodes.
func DefaultSDK() *serverconfig.Config {
	c := serverconfig.DefaultConfig()
	c.MinGasPrices = app.MinGasPrices
	c.QueryGasLimit = 300_000_000 // a query that reads some 100,000 records ends there
	c.API.Enable, c.API.Address, c.API.EnableUnsafeCORS = true, "tcp://"+DefaultRESTAddr, true
	c.GRPC.Address = DefaultGRPCAddr
	c.StateSync.SnapshotInterval = 2000
	// Tree nodes that each store keeps in memory. The SDK's default, 781,250 a store, is memory without a bound in practice; with this
	// a load of 3,000 leases costs the same processor time and 200 MiB less.
	c.IAVLCacheSize = 30_000
	c.IndexEvents = slices.Clone(IndexedEvents)
	return c
}

// Files reads the config files of home, which it makes with this chain's defaults where they are missing. blockTime is
// the pause after each commit in a config.toml that it makes.
func Files(home string, blockTime time.Duration) (*viper.Viper, *cmtcfg.Config, error) {
	if _, err := os.Stat(filepath.Join(home, "config", "config.toml")); errors.Is(err, os.ErrNotExist) {
		comet := DefaultComet(blockTime)
		comet.SetRoot(home)
		if err := writeConfig(home, comet, DefaultSDK()); err != nil {
			return nil, nil, err
		}
	}
	v, err := read(home)
	if err != nil {
		return nil, nil, err
	}
	s, err := fromViper(v, home)
	return v, s.comet, err
}

// read reads both config files of home.
func read(home string) (*viper.Viper, error) {
	v := viper.New()
	v.SetConfigType("toml")
	for _, name := range []string{"config", "app"} {
		v.SetConfigFile(filepath.Join(home, "config", name+".toml"))
		if err := v.MergeInConfig(); err != nil {
			return nil, fmt.Errorf("%s.toml in %s can't be read: %w", name, filepath.Join(home, "config"), err)
		}
	}
	v.Set(flags.FlagHome, home)
	return v, nil
}

// load reads the home's config files and lays cfg over them.
func load(cfg Config) (settings, error) {
	if _, err := os.Stat(filepath.Join(cfg.Home, "config", "genesis.json")); errors.Is(err, os.ErrNotExist) {
		return settings{}, fmt.Errorf("there is no node in %s (config/genesis.json is missing); make one with \"akash genesis init\" or \"akash up\"", cfg.Home)
	}
	v, err := read(cfg.Home)
	if err != nil {
		return settings{}, err
	}
	for name, value := range cfg.Options {
		v.Set(name, value)
	}
	for name, list := range map[string][]string{"p2p.persistent_peers": cfg.Peers, "p2p.seeds": cfg.Seeds} {
		if len(list) == 0 {
			continue
		}
		for _, peer := range list {
			if err := checkPeer(peer); err != nil {
				return settings{}, err
			}
		}
		v.Set(name, strings.Join(list, ","))
	}
	for name, addr := range map[string]string{
		"rpc.laddr": cfg.RPCAddr, "grpc.address": cfg.GRPCAddr, "api.address": cfg.RESTAddr, "p2p.laddr": cfg.P2PAddr,
	} {
		if addr == "" {
			continue
		}
		if name != "grpc.address" {
			addr = "tcp://" + addr
		}
		v.Set(name, addr)
	}
	switch p := v.GetString(server.FlagPruning); p {
	case pruningtypes.PruningOptionDefault, pruningtypes.PruningOptionNothing, pruningtypes.PruningOptionEverything, pruningtypes.PruningOptionCustom:
	default:
		return settings{}, fmt.Errorf("pruning %q is none of default, nothing, everything, custom", p)
	}
	return fromViper(v, cfg.Home)
}

// unwritten are settings that work although the files that this program writes don't name them.
var unwritten = []string{app.OptionSignatureCache, app.OptionQueryInvariants, server.FlagUnsafeSkipUpgrades, server.FlagBlockExecutor, server.FlagBlockSTMWorkers}

// CheckSetting fails if neither config.toml nor app.toml of home, nor this program, knows a setting of that name.
func CheckSetting(home, name string) error {
	v, err := read(home)
	if err != nil { // Run says what is missing
		return nil
	}
	if v.IsSet(name) || slices.Contains(unwritten, name) {
		return nil
	}
	return fmt.Errorf("there is no setting %q; the names are those of config.toml and app.toml in %s, as in consensus.timeout_commit", name, filepath.Join(home, "config"))
}

// checkPeer refuses what can't be the address of a node.
func checkPeer(peer string) error {
	id, addr, _ := strings.Cut(peer, "@")
	_, err := hex.DecodeString(id)
	if _, port, splitErr := net.SplitHostPort(addr); err != nil || len(id) != 2*p2p.IDByteLength || splitErr != nil || port == "" {
		return fmt.Errorf("peer %q isn't ID@host:port; `akash comet show-node-id` on that machine prints its ID", peer)
	}
	return nil
}

func fromViper(v *viper.Viper, home string) (settings, error) {
	comet := cmtcfg.DefaultConfig()
	if err := v.Unmarshal(comet); err != nil {
		return settings{}, fmt.Errorf("config.toml: %w", err)
	}
	comet.SetRoot(home)
	if err := comet.ValidateBasic(); err != nil {
		return settings{}, fmt.Errorf("config.toml: %w", err)
	}
	sdk, err := serverconfig.GetConfig(v)
	if err != nil {
		return settings{}, fmt.Errorf("app.toml: %w", err)
	}
	if err := sdk.ValidateBasic(); err != nil {
		return settings{}, fmt.Errorf("app.toml: %w", err)
	}
	return settings{comet: comet, sdk: sdk, viper: v}, nil
}

// writeConfig saves both config files, readable by people and by "akash start".
func writeConfig(home string, comet *cmtcfg.Config, sdk *serverconfig.Config) error {
	if err := os.MkdirAll(filepath.Join(home, "config"), 0o700); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(home, "data"), 0o700); err != nil {
		return err
	}
	cmtcfg.WriteConfigFile(filepath.Join(home, "config", "config.toml"), comet)
	serverconfig.WriteConfigFile(filepath.Join(home, "config", "app.toml"), sdk)
	return nil
}

// allowInvariants lets the node of home check its whole state for whoever asks.
func allowInvariants(home string) error {
	path := filepath.Join(home, "config", "app.toml")
	old, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	line := "# Whether others may have this node check its whole state (akash query invariants), which is much work.\n" + app.OptionQueryInvariants + " = true\n\n"
	return os.WriteFile(path, append([]byte(line), old...), 0o644)
}

// localSDK is DefaultSDK for a chain on one machine: no snapshots, and old states are dropped soon.
func localSDK() *serverconfig.Config {
	c := DefaultSDK()
	c.StateSync.SnapshotInterval = 0
	c.Pruning, c.PruningKeepRecent, c.PruningInterval = pruningtypes.PruningOptionCustom, "1000", "100"
	return c
}

// WriteComet saves comet as config.toml of its root.
func WriteComet(comet *cmtcfg.Config) error {
	path := filepath.Join(comet.RootDir, "config", "config.toml")
	cmtcfg.WriteConfigFile(path, comet)
	_, err := os.Stat(path)
	return err
}
