// Package appcmd is the commands of a chain node and of its modules, in the Cosmos way, ready to be mounted
// under a root command: start, genesis, comet, export, snapshots, prune, rollback, tx and query.
//
// What always holds: each command sets up its own contexts (the root needs no hook for them), reads the home from
// --home, else AKASH_HOME, else ~/.akash, and never asks a network for anything that the command didn't name.
package appcmd

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"cosmossdk.io/log/v2"

	"github.com/cosmos/cosmos-sdk/client"
	"github.com/cosmos/cosmos-sdk/client/flags"
	"github.com/cosmos/cosmos-sdk/server"
	authtypes "github.com/cosmos/cosmos-sdk/x/auth/types"

	"github.com/akash-supercloud/akash/app"
	"github.com/akash-supercloud/akash/app/genesis"
	"github.com/akash-supercloud/akash/app/node"
)

// EnvPrefix begins the environment variables that stand for flags: AKASH_HOME, AKASH_NODE, AKASH_CHAIN_ID, …
const EnvPrefix = "AKASH"

// offline is the chain's codecs and module commands, made once.
var offline = sync.OnceValue(app.NewOffline)

// DefaultHome is AKASH_HOME, else ~/.akash.
func DefaultHome() string {
	if h := os.Getenv(EnvPrefix + "_HOME"); h != "" {
		return h
	}
	h, err := os.UserHomeDir()
	if err != nil {
		return ".akash"
	}
	return filepath.Join(h, ".akash")
}

// fromEnv gives every flag that wasn't set on the command line the value of its environment variable.
func fromEnv(cmd *cobra.Command) error {
	for _, name := range []string{
		flags.FlagHome, flags.FlagNode, flags.FlagChainID, flags.FlagFrom, flags.FlagKeyringBackend, flags.FlagKeyringDir, flags.FlagGas,
		flags.FlagGasPrices, flags.FlagGasAdjustment, flags.FlagBroadcastMode, flags.FlagOutput, flags.FlagSignMode,
	} {
		f := cmd.Flags().Lookup(name)
		value := os.Getenv(EnvPrefix + "_" + strings.ToUpper(strings.ReplaceAll(name, "-", "_")))
		if f == nil || f.Changed || value == "" {
			continue
		}
		if err := cmd.Flags().Set(name, value); err != nil {
			return fmt.Errorf("%s_%s: %w", EnvPrefix, strings.ToUpper(strings.ReplaceAll(name, "-", "_")), err)
		}
	}
	return nil
}

func homeOf(cmd *cobra.Command) string {
	if h, err := cmd.Flags().GetString(flags.FlagHome); err == nil && h != "" {
		return h
	}
	return DefaultHome()
}

// withHome gives cmd the flag --home unless it has one.
func withHome(cmd *cobra.Command) *cobra.Command {
	if cmd.Flags().Lookup(flags.FlagHome) == nil && cmd.PersistentFlags().Lookup(flags.FlagHome) == nil {
		cmd.PersistentFlags().String(flags.FlagHome, DefaultHome(), "folder of the node's config and data")
	}
	return cmd
}

// clientContext is what the SDK's commands work with.
func clientContext(cmd *cobra.Command, enc app.Encoding) client.Context {
	return client.Context{}.
		WithCodec(enc.Codec).WithInterfaceRegistry(enc.Registry).WithTxConfig(enc.TxConfig).WithLegacyAmino(enc.Amino).
		WithInput(cmd.InOrStdin()).WithOutput(cmd.OutOrStdout()).WithAccountRetriever(authtypes.AccountRetriever{}).
		WithBroadcastMode(flags.BroadcastSync).WithHomeDir(homeOf(cmd)).WithKeyringDir(homeOf(cmd)).WithViper("")
}

// forServer prepares the commands that read a node's home: client and server contexts.
func forServer(enc app.Encoding) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, _ []string) error {
		if err := fromEnv(cmd); err != nil {
			return err
		}
		setContext(cmd)
		c, err := client.ReadPersistentCommandFlags(clientContext(cmd, enc), cmd.Flags())
		if err != nil {
			return err
		}
		if err := client.SetCmdClientContext(cmd, c); err != nil {
			return err
		}
		preset, err := genesis.Find("mainnet")
		if err != nil {
			return err
		}
		if p, err := cmd.Flags().GetString(flagPreset); err == nil {
			if preset, err = genesis.Find(p); err != nil {
				return err
			}
		}
		v, comet, err := node.Files(homeOf(cmd), preset.BlockTime)
		if err != nil {
			return err
		}
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			if !sections[f.Name] && err == nil {
				err = v.BindPFlag(f.Name, f)
			}
		})
		if err != nil {
			return err
		}
		return server.SetCmdServerContext(cmd, server.NewContext(v, comet, log.NewLogger(cmd.ErrOrStderr(), log.LevelOption(zerolog.WarnLevel))))
	}
}

// sections are the tables of app.toml and config.toml; a flag of that name means something else.
var sections = map[string]bool{
	"grpc": true, "api": true, "rpc": true, "p2p": true, "mempool": true, "consensus": true, "storage": true, "telemetry": true, "node": true,
}

func setContext(cmd *cobra.Command) {
	ctx := cmd.Context()
	if ctx == nil {
		ctx = context.Background()
	}
	cmd.SetContext(context.WithValue(context.WithValue(ctx, client.ClientContextKey, &client.Context{}), server.ServerContextKey, server.NewDefaultContext()))
}
