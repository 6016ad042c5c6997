package appcmd

import (
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/cosmos/cosmos-sdk/client/flags"
	"github.com/cosmos/cosmos-sdk/client/pruning"
	"github.com/cosmos/cosmos-sdk/client/snapshot"
	"github.com/cosmos/cosmos-sdk/server"
	"github.com/cosmos/cosmos-sdk/x/genutil"
	genutilcli "github.com/cosmos/cosmos-sdk/x/genutil/client/cli"

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
		}
		cmd.AddCommand(sub)
	}
	cmd.AddCommand(genesisInit(chain))
	walk(cmd, ownWords)
	return withHome(cmd)
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
