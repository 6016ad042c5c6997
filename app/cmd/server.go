package appcmd

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"cosmossdk.io/math"

	"github.com/cosmos/cosmos-sdk/client/flags"
	"github.com/cosmos/cosmos-sdk/client/pruning"
	"github.com/cosmos/cosmos-sdk/client/snapshot"
	"github.com/cosmos/cosmos-sdk/server"
	banktypes "github.com/cosmos/cosmos-sdk/x/bank/types"
	"github.com/cosmos/cosmos-sdk/x/genutil"
	genutilcli "github.com/cosmos/cosmos-sdk/x/genutil/client/cli"
	genutiltypes "github.com/cosmos/cosmos-sdk/x/genutil/types"

	"github.com/akash-supercloud/akash/app"
	"github.com/akash-supercloud/akash/app/genesis"
	"github.com/akash-supercloud/akash/app/node"
)

const flagPreset = "preset"

// Start returns "start": run the node of a home folder until it is interrupted.
func Start() *cobra.Command {
	var cfg node.Config
	var set map[string]string
	cmd := &cobra.Command{
		Use:   "start",
		Short: "run a node",
		Long: "Run the node whose config, keys and data are in the home folder, until Ctrl-C or SIGTERM.\n" +
			"It listens for RPC, gRPC and REST; the addresses in config.toml and app.toml count unless a flag says otherwise.",
		Example: "  akash start --p2p-addr 0.0.0.0:26656 --peers ID@HOST:26656             join a network from its first block\n" +
			"  akash start --peers ID@HOST:26656 --state-sync http://A:26657,http://B:26657   or from a snapshot of now",
		Args:              cobra.NoArgs,
		SilenceUsage:      true,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error { return fromEnv(cmd) },
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg.Home = homeOf(cmd)
			cfg.Log = cmd.ErrOrStderr()
			cfg.Options = map[string]any{}
			for name, value := range set {
				if err := node.CheckSetting(cfg.Home, name); err != nil {
					return fmt.Errorf("--set %s=%s: %w", name, value, err)
				}
				cfg.Options[name] = value
			}
			for _, name := range []string{server.FlagMinGasPrices, server.FlagPruning, server.FlagBlockExecutor} {
				if f := cmd.Flags().Lookup(name); f.Changed {
					cfg.Options[name] = f.Value.String()
				}
			}
			if skip := cmd.Flags().Lookup(server.FlagUnsafeSkipUpgrades); skip.Changed {
				heights, err := cmd.Flags().GetIntSlice(server.FlagUnsafeSkipUpgrades)
				if err != nil {
					return err
				}
				cfg.Options[server.FlagUnsafeSkipUpgrades] = heights
			}
			cfg.Ready = func(a node.Addresses) {
				fmt.Fprintf(cmd.OutOrStdout(), "node %s: RPC http://%s, gRPC %s, REST http://%s\n", cfg.Home, a.RPC, a.GRPC, a.REST)
			}
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			return node.Run(ctx, cfg)
		},
	}
	f := cmd.Flags()
	f.StringVar(&cfg.RPCAddr, "rpc-addr", "", "host:port of the RPC")
	f.StringVar(&cfg.GRPCAddr, "grpc-addr", "", "host:port of gRPC")
	f.StringVar(&cfg.RESTAddr, "rest-addr", "", "host:port of REST")
	f.StringVar(&cfg.P2PAddr, "p2p-addr", "", "host:port for other nodes")
	f.StringSliceVar(&cfg.Peers, "peers", nil, "nodes to stay connected with, each ID@host:port")
	f.StringSliceVar(&cfg.Seeds, "seeds", nil, "nodes to ask for others, each ID@host:port")
	f.StringSliceVar(&cfg.StateSync, "state-sync", nil, "two or more RPC URLs from which a node without blocks takes the state, instead of replaying all blocks")
	f.StringVar(&cfg.LogLevel, "log-level", "info", "debug, info, warn or error")
	f.BoolVar(&cfg.LogJSON, "log-json", false, "write the log as JSON")
	f.String(server.FlagMinGasPrices, app.MinGasPrices, "the least gas price that this node takes")
	f.IntSlice(server.FlagUnsafeSkipUpgrades, nil, "heights whose upgrade to skip, which forks this node off unless all do")
	f.String(server.FlagPruning, "default", "which old states to keep: default, nothing, everything, custom")
	f.String(server.FlagBlockExecutor, "sequential", "how transactions run: sequential, block-stm")
	f.StringToStringVar(&set, "set", nil, "override a setting of app.toml or config.toml, as in consensus.timeout_commit=1s")
	return withHome(cmd)
}

// Genesis returns "genesis": make and check a network's first state.
func Genesis() *cobra.Command {
	chain := offline()
	enc, basics := chain.Encoding, chain.BasicManager()
	home := DefaultHome()
	sdkCommands := genutilcli.Commands(enc.TxConfig, basics, home)
	cmd := &cobra.Command{
		Use:               "genesis",
		Short:             "make a network's first state",
		PersistentPreRunE: forServer(enc),
	}
	for _, sub := range sdkCommands.Commands() {
		switch sub.Name() { // shorter names; the SDK's stay as aliases
		case "add-genesis-account":
			sub.Use, sub.Aliases = "add-account [address_or_key_name] [coin][,[coin]]", append(sub.Aliases, "add-genesis-account")
		case "bulk-add-genesis-account":
			sub.Use, sub.Aliases = "add-accounts [/file/path.json]", append(sub.Aliases, "bulk-add-genesis-account")
		case "collect-gentxs":
			sub.Use, sub.Aliases = "collect", append(sub.Aliases, "collect-gentxs")
			sub.Short = "take the validators' transactions into the genesis"
			sub.RunE = func(cmd *cobra.Command, _ []string) error {
				file := server.GetServerContextFromCmd(cmd).Config.GenesisFile()
				doc, err := genesis.Read(file)
				if err != nil {
					return err
				}
				dir, err := cmd.Flags().GetString("gentx-dir")
				if err != nil {
					return err
				}
				if dir == "" {
					dir = filepath.Join(homeOf(cmd), "config", "gentx")
				}
				if err := genesis.CheckGentxs(doc, dir); err != nil {
					return err
				}
				if err := collectGentxs(cmd, chain, dir); err != nil {
					return err
				}
				return printCollected(cmd, file)
			}
		case "validate":
			continue // ours says all that is wrong
		}
		cmd.AddCommand(sub)
	}
	cmd.AddCommand(genesisInit(chain), genesisValidate(), genesisComplete(chain), genesisRegistry())
	walk(cmd, ownWords)
	return withHome(cmd)
}

// collectGentxs does what the SDK's collect-gentxs does, but doesn't print the genesis.
func collectGentxs(cmd *cobra.Command, chain *app.App, dir string) error {
	enc, config := chain.Encoding, server.GetServerContextFromCmd(cmd).Config
	config.SetRoot(homeOf(cmd))
	nodeID, key, err := genutil.InitializeNodeValidatorFiles(config)
	if err != nil {
		return fmt.Errorf("the node's keys: %w", err)
	}
	doc, err := genesis.Read(config.GenesisFile())
	if err != nil {
		return err
	}
	module, ok := chain.BasicManager()[genutiltypes.ModuleName].(genutil.AppModuleBasic)
	if !ok {
		return errors.New("the chain has no genesis transactions")
	}
	_, err = genutil.GenAppStateFromConfig(enc.Codec, enc.TxConfig, config, genutiltypes.NewInitConfig(doc.ChainID, dir, nodeID, key), doc,
		banktypes.GenesisBalancesIterator{}, module.GenTxValidator, enc.TxConfig.SigningContext().ValidatorAddressCodec())
	return err
}

// printCollected says in a few words what is in a genesis, or with --output json prints all of it.
func printCollected(cmd *cobra.Command, file string) error {
	if f := cmd.Flags().Lookup(flags.FlagOutput); f != nil && f.Value.String() == "json" {
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		var line bytes.Buffer
		if err := json.Compact(&line, text); err != nil {
			return err
		}
		_, err = fmt.Fprintln(cmd.OutOrStdout(), line.String())
		return err
	}
	doc, err := genesis.Read(file)
	if err != nil {
		return err
	}
	var state struct {
		Auth struct {
			Accounts []json.RawMessage `json:"accounts"`
		} `json:"auth"`
		Genutil struct {
			Gentxs []json.RawMessage `json:"gen_txs"`
		} `json:"genutil"`
	}
	if err := json.Unmarshal(doc.AppState, &state); err != nil {
		return fmt.Errorf("app_state of %s: %w", file, err)
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "chain: %s\nvalidators: %d\naccounts: %d\nfile: %s\n",
		doc.ChainID, len(state.Genutil.Gentxs), len(state.Auth.Accounts), file)
	return err
}

// genesisFile is the file that a command is about: the first argument, else the home's.
func genesisFile(cmd *cobra.Command, args []string) string {
	if len(args) > 0 {
		return args[0]
	}
	return server.GetServerContextFromCmd(cmd).Config.GenesisFile()
}

func genesisValidate() *cobra.Command {
	var preset string
	cmd := &cobra.Command{
		Use:     "validate [FILE]",
		Aliases: []string{"validate-genesis"},
		Short:   "say all that is wrong with a genesis",
		Long: "Check a genesis (default: the home's), module by module, its validators' transactions against its accounts, and whether a chain\n" +
			"starts from it. With --supply-of mainnet also that all AKT add up to that network's first supply.",
		Args: cobra.MaximumNArgs(1), SilenceUsage: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			path := genesisFile(cmd, args)
			doc, err := genesis.Read(path)
			if err != nil {
				return err
			}
			var supply *math.Int
			if preset != "" {
				p, err := genesis.Find(preset)
				if err != nil {
					return err
				}
				if n := math.NewInt(p.Supply); p.Supply != 0 {
					supply = &n
				}
			}
			if wrong := genesis.Check(doc, supply); len(wrong) > 0 {
				return fmt.Errorf("genesis %s: %w", path, errors.Join(wrong...))
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s is a valid genesis of chain %s\n", path, doc.ChainID)
			return nil
		},
	}
	cmd.Flags().StringVar(&preset, "supply-of", "", "preset whose first supply all AKT have to add up to")
	return cmd
}

func genesisComplete(chain *app.App) *cobra.Command {
	var preset string
	cmd := &cobra.Command{
		Use:   "complete",
		Short: "put the AKT that no account has into the community pool",
		Long:  "Put what all accounts lack to the network's first supply (mainnet: 100,000,000 AKT) into the community pool.",
		Args:  cobra.NoArgs, SilenceUsage: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := genesis.Find(preset)
			if err != nil {
				return err
			}
			if p.Supply == 0 {
				return fmt.Errorf("preset %s has no fixed supply", p.Name)
			}
			path := genesisFile(cmd, args)
			doc, err := genesis.Read(path)
			if err != nil {
				return err
			}
			var state map[string]json.RawMessage
			if err := json.Unmarshal(doc.AppState, &state); err != nil {
				return fmt.Errorf("app_state of %s: %w", path, err)
			}
			rest, err := genesis.Complete(chain.Codec, state, math.NewInt(p.Supply))
			if err != nil {
				return err
			}
			if doc.AppState, err = json.Marshal(state); err != nil {
				return err
			}
			if err := doc.SaveAs(path); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%suakt into the community pool; %duakt in all\n", rest, p.Supply)
			return nil
		},
	}
	cmd.Flags().StringVar(&preset, "supply-of", "mainnet", "preset whose first supply it is")
	return cmd
}

func genesisRegistry() *cobra.Command {
	var r genesis.Registry
	cmd := &cobra.Command{
		Use:   "chain-registry FOLDER",
		Short: "write chain.json and assetlist.json, by which wallets add the network",
		Long:  "Write chain.json and assetlist.json of the home's network, in the form of the Cosmos chain registry, into a folder.",
		Args:  cobra.ExactArgs(1), SilenceUsage: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			doc, err := genesis.Read(genesisFile(cmd, nil))
			if err != nil {
				return err
			}
			if err := r.Write(doc, args[0]); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s\n%s\n", filepath.Join(args[0], "chain.json"), filepath.Join(args[0], "assetlist.json"))
			return nil
		},
	}
	f := cmd.Flags()
	f.StringVar(&r.Name, "name", "akash", "the network's name in the registry, lower case letters and digits")
	f.StringVar(&r.PrettyName, "pretty-name", "Akash", "the name that people read")
	f.StringVar(&r.Network, "network-type", "mainnet", "mainnet, testnet or devnet")
	f.StringVar(&r.Website, "website", "", "the network's page")
	f.StringVar(&r.GenesisURL, "genesis-url", "", "where the genesis can be had")
	f.StringSliceVar(&r.RPC, "rpc-url", nil, "public RPC addresses")
	f.StringSliceVar(&r.REST, "rest-url", nil, "public REST addresses")
	f.StringSliceVar(&r.GRPC, "grpc-url", nil, "public gRPC addresses")
	f.StringSliceVar(&r.Seeds, "seeds", nil, "seeds, each ID@host:port")
	f.StringSliceVar(&r.Peers, "peers", nil, "peers, each ID@host:port")
	return cmd
}

// genesisInit differs from the SDK's init in that the parameters are those of a preset.
func genesisInit(chain *app.App) *cobra.Command {
	var preset, chainID string
	var overwrite bool
	cmd := &cobra.Command{
		Use:   "init MONIKER",
		Short: "make a node's keys and config, and a genesis without accounts",
		Long: "Make the home folder of a node: its keys, config.toml and app.toml, and a genesis with the parameters of a preset.\n" +
			"Then: add-account, gentx, collect, validate. To join a network that exists, replace config/genesis.json by that network's,\n" +
			"then akash start with --peers, and --state-sync to begin from a snapshot.",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := genesis.Find(preset)
			if err != nil {
				return err
			}
			if chainID == "" {
				chainID = p.ChainID
			}
			config := server.GetServerContextFromCmd(cmd).Config
			config.SetRoot(homeOf(cmd))
			config.Moniker = args[0]
			if _, err := os.Stat(config.GenesisFile()); err == nil && !overwrite {
				return fmt.Errorf("%s exists; add --overwrite to replace it", config.GenesisFile())
			}
			id, _, err := genutil.InitializeNodeValidatorFiles(config)
			if err != nil {
				return err
			}
			doc, err := p.Doc(chainID, time.Now(), p.State(chain.Codec, chain.DefaultGenesis()))
			if err != nil {
				return err
			}
			if err := doc.SaveAs(config.GenesisFile()); err != nil {
				return err
			}
			if err := node.WriteComet(config); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s of chain %s in %s, node id %s\n", p.Name, chainID, config.RootDir, id)
			return nil
		},
	}
	cmd.Flags().StringVar(&preset, flagPreset, "mainnet", "parameters: local, testnet or mainnet")
	cmd.Flags().StringVar(&chainID, flags.FlagChainID, "", "name of the network; default the preset's")
	cmd.Flags().BoolVar(&overwrite, "overwrite", false, "replace a genesis that is there")
	return cmd
}

// Comet returns "comet": the node's identity and repairs of its block store.
func Comet() *cobra.Command {
	cmd := &cobra.Command{
		Use:               "comet",
		Aliases:           []string{"cometbft", "tendermint"},
		Short:             "identity and block store of a node",
		PersistentPreRunE: forServer(offline().Encoding),
	}
	cmd.AddCommand(server.ShowNodeIDCmd(), server.ShowValidatorCmd(), server.ShowAddressCmd(), server.VersionCmd(),
		reset(), signAfter(), server.BootstrapStateCmd(app.Creator))
	walk(cmd, ownWords)
	return withHome(cmd)
}

// reset takes the place of CometBFT's unsafe-reset-all, which forgets what was signed.
func reset() *cobra.Command {
	return &cobra.Command{
		Use:   "reset",
		Short: "remove a stopped node's blocks and state, to take them from the network anew",
		Long: "Remove the blocks and the state of a stopped node. Its keys, its config and the record of what its validator signed last stay,\n" +
			"so that it can begin anew by `akash start`, or faster by `akash start --state-sync`.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return node.Reset(homeOf(cmd)) },
	}
}

func signAfter() *cobra.Command {
	return &cobra.Command{
		Use:   "sign-after HEIGHT",
		Short: "make a stopped validator sign nothing up to a height",
		Long: "Make the validator of a stopped node sign nothing up to and including HEIGHT. For when data/priv_validator_state.json is lost\n" +
			"or torn: with a height that the network has not reached yet, no block can be signed a second time, which would be punished.",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			height, err := strconv.ParseInt(args[0], 10, 64)
			if err != nil || height < 1 {
				return fmt.Errorf("%q isn't a block's height", args[0])
			}
			return node.SignAfter(homeOf(cmd), height)
		},
	}
}

// Export returns "export": write a node's state as a genesis.
func Export() *cobra.Command { return served(server.ExportCmd(app.Export, DefaultHome())) }

// Snapshots returns "snapshots": list, take, restore and pack state snapshots.
func Snapshots() *cobra.Command { return served(snapshot.Cmd(app.Creator)) }

// Prune returns "prune": drop old states of a stopped node.
func Prune() *cobra.Command { return served(pruning.Cmd(app.Creator, DefaultHome())) }

// Rollback returns "rollback": take a stopped node one block back.
func Rollback() *cobra.Command { return served(server.NewRollbackCmd(app.Creator, DefaultHome())) }

func served(cmd *cobra.Command) *cobra.Command {
	cmd.PersistentPreRunE = forServer(offline().Encoding)
	walk(cmd, ownWords)
	return withHome(cmd)
}
