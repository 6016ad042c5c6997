package appcmd

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/cosmos/cosmos-sdk/client"
	"github.com/cosmos/cosmos-sdk/client/flags"
	authcli "github.com/cosmos/cosmos-sdk/x/auth/client/cli"

	"github.com/akash-supercloud/akash/app"
)

// GasPrices is what a client pays for gas unless told otherwise: ten times what a node asks at least.
const GasPrices = "0.025uakt"

// forClient prepares commands that talk to a node: keyring, node, chain id (asked from the node if not given).
func forClient(enc app.Encoding) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, _ []string) error {
		if err := fromEnv(cmd); err != nil {
			return err
		}
		setContext(cmd)
		c, err := client.ReadPersistentCommandFlags(clientContext(cmd, enc), cmd.Flags())
		if err != nil {
			return err
		}
		offline, _ := cmd.Flags().GetBool(flags.FlagOffline)
		if f := cmd.Flags().Lookup(flags.FlagChainID); f != nil && f.Value.String() == "" && !offline && c.Client != nil {
			if s, err := c.Client.Status(cmd.Context()); err == nil {
				c = c.WithChainID(s.NodeInfo.Network)
				if err := cmd.Flags().Set(flags.FlagChainID, s.NodeInfo.Network); err != nil {
					return err
				}
			}
		}
		return client.SetCmdClientContext(cmd, c)
	}
}

// Tx returns "tx": sign and send messages of the Cosmos SDK's modules, and handle signed transactions. Commands of
// the market's modules are added by the caller, who can give them TxFlags.
func Tx() *cobra.Command {
	chain := offline()
	cmd := &cobra.Command{
		Use:               "tx",
		Short:             "sign and send transactions",
		PersistentPreRunE: forClient(chain.Encoding),
	}
	cmd.AddCommand(authcli.GetSignCommand(), authcli.GetSignBatchCommand(), authcli.GetMultiSignCommand(), authcli.GetMultiSignBatchCmd(),
		authcli.GetValidateSignaturesCommand(), authcli.GetBroadcastCommand(), authcli.GetEncodeCommand(), authcli.GetDecodeCommand(),
		authcli.GetSimulateCmd())
	chain.BasicManager().AddTxCommands(cmd)
	walk(cmd, func(c *cobra.Command) { defaults(c.Flags()); ownWords(c); fourForIBC(c) })
	return withHome(cmd)
}

// fourForIBC checks the arguments of ibc-go's transfer, which says that it takes two and then reads the fourth.
func fourForIBC(cmd *cobra.Command) {
	if cmd.Name() != "transfer" || !cmd.HasParent() || cmd.Parent().Name() != "ibc-transfer" {
		return
	}
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if len(args) != 4 {
			return fmt.Errorf("%d arguments instead of 4: name the port, the channel, the receiver and the coins, as in `%s transfer channel-0 cosmos1… 5uakt`",
				len(args), cmd.CommandPath())
		}
		return nil
	}
}

// TxFlags gives cmd the usual flags of a transaction, with this chain's defaults.
func TxFlags(cmd *cobra.Command) {
	flags.AddTxFlagsToCmd(cmd)
	defaults(cmd.Flags())
}

func defaults(fs *pflag.FlagSet) {
	if fs.Lookup(flags.FlagGas) == nil || fs.Lookup(flags.FlagGasPrices) == nil {
		return
	}
	for name, value := range map[string]string{flags.FlagGas: "auto", flags.FlagGasAdjustment: "1.5", flags.FlagGasPrices: GasPrices} {
		f := fs.Lookup(name)
		if f == nil {
			continue
		}
		if err := f.Value.Set(value); err != nil {
			panic(err)
		}
		f.DefValue = value
	}
}

// sdkWords are how the SDK's help names programs and commands, and what they are called here.
var sdkWords = strings.NewReplacer("<appd> tendermint ", "akash comet ", "akash tendermint ", "akash comet ", "<appd>", "akash", "simd ", "akash ")

// ownWords corrects the help of one of the SDK's commands.
func ownWords(cmd *cobra.Command) {
	cmd.Short, cmd.Long, cmd.Example = sdkWords.Replace(cmd.Short), sdkWords.Replace(cmd.Long), sdkWords.Replace(cmd.Example)
}

func walk(cmd *cobra.Command, fn func(*cobra.Command)) {
	fn(cmd)
	for _, c := range cmd.Commands() {
		walk(c, fn)
	}
}
