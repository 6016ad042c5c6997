// Package cli is the command line: one file a noun. It owns what a person reads and types;
// what is done is done by the packages below.
//
// What always holds:
//   - Results go to standard output, everything else to standard error.
//   - With --output json the result is JSON, one object, or one a line where there are many.
//   - A failure is one clear sentence on standard error and an exit code that isn't 0.
//   - A terminal gets colours and live progress; a pipe gets plain lines.
package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
	"time"

	sdkclient "github.com/cosmos/cosmos-sdk/client"
	"github.com/cosmos/cosmos-sdk/client/flags"
	"github.com/cosmos/cosmos-sdk/crypto/keyring"
	authtypes "github.com/cosmos/cosmos-sdk/x/auth/types"
	gogoproto "github.com/cosmos/gogoproto/proto"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"sigs.k8s.io/yaml"

	"github.com/akash-supercloud/akash/client"
	"github.com/akash-supercloud/akash/client/tx"
	"github.com/akash-supercloud/akash/manifest"
)

// EnvPrefix begins the names of environment variables that set flags: AKASH_NODE sets --node.
const EnvPrefix = "AKASH_"

// Main runs the program and returns its exit code. Ctrl-C ends the command's context; a
// second one ends the program.
func Main() int {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-signals
		cancel()
		// The same Ctrl-C may come twice, from the terminal and from a parent.
		for first := time.Now(); ; {
			<-signals
			if time.Since(first) > time.Second {
				os.Exit(130)
			}
		}
	}()
	return Run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
}

// Run runs one command and returns its exit code.
func Run(ctx context.Context, args []string, in io.Reader, out, errOut io.Writer) int {
	args = longOutput(args)
	a := &app{args: args, in: in, out: out, err: errOut, tty: isTerminal(errOut)}
	defer a.close()
	root := newRoot(a)
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errOut)
	// SDK commands keep their context behind a pointer here.
	ctx = context.WithValue(ctx, sdkclient.ClientContextKey, &sdkclient.Context{})
	err := a.execute(ctx, root)
	if err == nil {
		return 0
	}
	var quiet *exitError
	if errors.As(err, &quiet) {
		return quiet.code
	}
	if a.json() {
		b, _ := json.Marshal(map[string]string{"error": explain(err)})
		fmt.Fprintf(errOut, "%s\n", b)
		return 1
	}
	fmt.Fprintln(errOut, a.style.bad.Render("Error:"), explain(err))
	return 1
}

// execute runs the command; one that panics, whoever's code it is, has failed like any other. The stack is for those
// who ask for it: by --log-level debug or AKASH_LOG_LEVEL=debug.
func (a *app) execute(ctx context.Context, root *cobra.Command) (err error) {
	defer func() {
		r := recover()
		if r == nil {
			return
		}
		if a.debug() {
			fmt.Fprintf(a.err, "%v\n%s", r, debug.Stack())
		}
		what, _, _ := strings.Cut(fmt.Sprint(r), "\n")
		err = fmt.Errorf("this command has a fault of its own: %s; please report it, with what %sLOG_LEVEL=debug adds", what, EnvPrefix)
	}()
	return root.ExecuteContext(ctx)
}

// debug reports whether the program is to say how it came to fail.
func (a *app) debug() bool {
	for i, arg := range a.args {
		if arg == "--log-level=debug" || arg == "--log-level" && i+1 < len(a.args) && a.args[i+1] == "debug" {
			return true
		}
	}
	return os.Getenv(EnvPrefix+"LOG_LEVEL") == "debug"
}

// longOutput writes -o as --output before the SDK's commands, which have the long one alone.
func longOutput(args []string) []string {
	args = slices.Clone(args)
	for i, arg := range args {
		if i+1 < len(args) && arg == "-o" && (args[i+1] == "json" || args[i+1] == "text") {
			args[i] = "--output"
		}
	}
	return args
}

// exitError ends the program with a code; all was said already.
type exitError struct{ code int }

func (e *exitError) Error() string { return fmt.Sprintf("exit code %d", e.code) }

// position is where in the source an error of the SDK was made; it says nothing to a user.
var position = regexp.MustCompile(`[ \t]*\[[^\[\]\s]+\.go:[0-9]+\]`)

// explain makes one sentence of an error.
func explain(err error) string {
	if err == nil {
		return ""
	}
	text := err.Error()
	if errors.Is(err, context.Canceled) && text == context.Canceled.Error() {
		return "stopped"
	}
	// A status in the chain of errors prints itself with "rpc error: code = …".
	if st, ok := status.FromError(err); ok && strings.Contains(text, "rpc error: code = ") {
		switch st.Code() {
		case codes.Unavailable:
			return "the node's gRPC doesn't answer: " + st.Message() + "; name its address with --grpc"
		case codes.Unimplemented:
			return "the node doesn't know this: " + st.Message()
		case codes.DeadlineExceeded:
			return "the node takes too long to answer"
		}
		text = st.Message()
		if plain, ok := tx.Sentence(text); ok {
			text = plain
		}
	}
	switch {
	case strings.Contains(text, "context did not contain latest block height"):
		return "the node has just started and has no block to answer from yet; try again in a moment"
	case strings.HasPrefix(text, "post failed: ") && strings.Contains(text, "connection refused"):
		return "no chain answers: " + text[strings.LastIndex(text, "dial "):] + "; start one with `akash up` or name one with --node"
	}
	text = position.ReplaceAllString(text, "")
	return strings.TrimSpace(strings.TrimPrefix(text, manifest.ErrCrossValidation.Error()+": "))
}

// app is one run of the program: where its output goes, and what it was told.
type app struct {
	args     []string
	in       io.Reader
	out, err io.Writer
	tty      bool // err is a terminal
	style    styles

	home       string
	node, grpc string
	chainID    string
	from       string
	backend    string
	keyringDir string
	gasPrices  string
	adjustment float64
	output     string

	// local is the market of this machine, if the defaults are taken from it.
	local   *localMarket
	ingress string // port of HTTP host names
	conn    *client.Client
}

// localMarket is what `akash up` writes for clients.
type localMarket struct {
	Node       string `json:"node"`
	GRPC       string `json:"grpc"`
	ChainID    string `json:"chain_id"`
	KeyringDir string `json:"keyring_dir"`
	From       string `json:"from"`
	Ingress    string `json:"ingress"`
}

func (a *app) json() bool { return a.output == "json" }

// flagsOf adds the flags that every command has.
func (a *app) flagsOf(f *pflag.FlagSet) {
	f.StringVar(&a.home, flags.FlagHome, client.DefaultHome(), "folder of keys, certificates and node data")
	f.StringVarP(&a.output, flags.FlagOutput, "o", "text", "text or json")
	f.StringVar(&a.node, flags.FlagNode, "", "RPC URL of a node (default: the market that akash up runs, else "+client.DefaultNode+")")
	f.StringVar(&a.grpc, "grpc", "", "gRPC address of the node, host:port (default: its host, port 9090)")
	f.StringVar(&a.chainID, flags.FlagChainID, "", "id of the chain (default: the node's)")
	f.StringVar(&a.from, flags.FlagFrom, "", "name or address of the key to sign with")
	f.StringVar(&a.backend, flags.FlagKeyringBackend, client.DefaultBackend, "where keys are kept: os, file, test")
	f.StringVar(&a.keyringDir, flags.FlagKeyringDir, "", "folder of the keys (default: home)")
	f.StringVar(&a.gasPrices, flags.FlagGasPrices, client.DefaultGasPrices, "what to offer for a unit of gas")
	f.Float64Var(&a.adjustment, flags.FlagGasAdjustment, 1.3, "factor on the simulated gas")
}

func newRoot(a *app) *cobra.Command {
	root := &cobra.Command{
		Use:   "akash",
		Short: "A decentralized cloud market in one program",
		Long: `akash is a whole cloud market in one program: rent compute by container, sell yours, or run
the chain that brings both together.

  akash up                   a whole market on this machine
  akash deploy deploy.yaml   rent: from a file to a URL that answers
  akash ls                   what you rent
  akash provider run         sell this machine's spare compute
  akash start                run a node of the chain

Every flag can be set by an environment variable: AKASH_NODE for --node.`,
		SilenceUsage:      true,
		SilenceErrors:     true,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error { return a.prepare(cmd) },
	}
	a.flagsOf(root.PersistentFlags())
	root.AddGroup(
		&cobra.Group{ID: "rent", Title: "Rent:"},
		&cobra.Group{ID: "sell", Title: "Sell:"},
		&cobra.Group{ID: "chain", Title: "Chain:"},
		&cobra.Group{ID: "local", Title: "This machine:"},
	)
	group := func(id string, cmds ...*cobra.Command) {
		for _, c := range cmds {
			c.GroupID = id
		}
		root.AddCommand(cmds...)
	}
	group("rent", deployCmd(a), lsCmd(a), statusCmd(a), logsCmd(a), updateCmd(a), closeCmd(a), sdlCmd(a))
	group("sell", providerCmd(a))
	group("chain", txCmd(a), queryCmd(a), keysCmd(), authCmd(a))
	group("chain", nodeCmds(a)...)
	group("local", localCmds(a)...)
	root.AddCommand(versionCmd(a))
	refuseUnknown(root)
	return root
}

// refuseUnknown makes a command that only holds others fail when none of them is named; cobra
// prints the help and calls it a success.
func refuseUnknown(cmd *cobra.Command) {
	for _, c := range cmd.Commands() {
		refuseUnknown(c)
	}
	if cmd.HasParent() && cmd.HasSubCommands() && !cmd.Runnable() {
		cmd.Args = cobra.ArbitraryArgs
		cmd.RunE = func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cmd.Help()
			}
			return fmt.Errorf("unknown command %q for %q; see `%s --help`", args[0], cmd.CommandPath(), cmd.CommandPath())
		}
	}
}

// lazy builds a command only if this run may need it: those of the chain make an app first,
// which takes longer than most commands do. Otherwise there is a line for the help.
func (a *app) lazy(name, short string, build func() *cobra.Command, aliases ...string) *cobra.Command {
	if a.named(append(aliases, name)...) || a.named("completion", cobra.ShellCompRequestCmd, cobra.ShellCompNoDescRequestCmd) {
		cmd := build()
		cmd.Short = short
		return cmd
	}
	return &cobra.Command{Use: name, Aliases: aliases, Short: short, Run: func(*cobra.Command, []string) {}}
}

// named reports whether any of the words is among the arguments.
func (a *app) named(words ...string) bool {
	return slices.ContainsFunc(a.args, func(arg string) bool { return slices.Contains(words, arg) })
}

// mount makes another package's command take its defaults from here.
func (a *app) mount(cmd *cobra.Command) *cobra.Command {
	inner := cmd.PersistentPreRunE
	cmd.PersistentPreRunE = func(c *cobra.Command, args []string) error {
		if err := a.prepare(c); err != nil {
			return err
		}
		if inner == nil {
			return nil
		}
		return inner(c, args)
	}
	return cmd
}

// prepare reads the environment and finds the defaults; before every command.
func (a *app) prepare(cmd *cobra.Command) error {
	var err error
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		name := EnvPrefix + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
		value, ok := os.LookupEnv(name)
		if !ok || value == "" || f.Changed || err != nil {
			return
		}
		// A market's home is a folder of its own, below the one that the variable names.
		if f.Name == flags.FlagHome && cmd.InheritedFlags().Lookup(flags.FlagHome) == nil && isLocal(cmd) {
			value = filepath.Join(value, "local")
		}
		if e := cmd.Flags().Set(f.Name, value); e != nil {
			err = fmt.Errorf("%s: %w", name, e)
		}
	})
	if err != nil {
		return err
	}
	a.pull(cmd)
	if a.output != "text" && a.output != "json" {
		return fmt.Errorf("--output %q: use text or json", a.output)
	}
	a.style = newStyles(a.tty && isTerminal(a.out) && os.Getenv("NO_COLOR") == "")
	a.findLocal(cmd)
	if err := a.push(cmd); err != nil {
		return err
	}
	if !usesKeys(cmd) {
		return nil
	}
	return a.sdkContext(cmd)
}

// shared are the flags that commands of other packages have under the same names.
func (a *app) shared() map[string]*string {
	return map[string]*string{
		flags.FlagHome: &a.home, flags.FlagOutput: &a.output, flags.FlagNode: &a.node, flags.FlagChainID: &a.chainID,
		flags.FlagFrom: &a.from, flags.FlagKeyringBackend: &a.backend, flags.FlagKeyringDir: &a.keyringDir,
	}
}

// pull takes over what was given to a flag of another package's command.
func (a *app) pull(cmd *cobra.Command) {
	for name, value := range a.shared() {
		if f := cmd.Flags().Lookup(name); f != nil && f.Changed && !isLocal(cmd) {
			*value = f.Value.String()
		}
	}
}

// push gives another package's command the values that were found here.
func (a *app) push(cmd *cobra.Command) error {
	if isLocal(cmd) {
		return nil
	}
	root := cmd.Root().PersistentFlags()
	for name, value := range a.shared() {
		f := cmd.Flags().Lookup(name)
		if f == nil || f == root.Lookup(name) || f.Changed || *value == "" || *value == f.Value.String() {
			continue // as it is; some commands mind a flag that was set, even to its default
		}
		if err := cmd.Flags().Set(name, *value); err != nil {
			return err
		}
	}
	return nil
}

// findLocal takes the defaults from the market of this machine when nothing else is said.
func (a *app) findLocal(cmd *cobra.Command) {
	said := func(name string) bool {
		f := cmd.Flags().Lookup(name)
		return f != nil && f.Changed
	}
	for _, path := range []string{filepath.Join(a.home, "localnet.json"), filepath.Join(a.home, "local", "localnet.json")} {
		data, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		var l localMarket
		if json.Unmarshal(data, &l) != nil || l.Node == "" {
			continue
		}
		if said(flags.FlagNode) && a.node != l.Node {
			continue // some other chain is meant
		}
		a.local = &l
		a.node = l.Node
		if !said("grpc") {
			a.grpc = l.GRPC
		}
		if !said(flags.FlagKeyringBackend) && !said(flags.FlagKeyringDir) && l.KeyringDir != "" {
			a.backend, a.keyringDir = keyring.BackendTest, l.KeyringDir
			if !said(flags.FlagFrom) {
				a.from = l.From
			}
		}
		a.ingress = portOf(l.Ingress)
		return
	}
}

func portOf(address string) string {
	i := strings.LastIndex(address, ":")
	port := strings.TrimSuffix(address[i+1:], "/")
	if i < 0 || port == "" || strings.Trim(port, "0123456789") != "" {
		return ""
	}
	return port
}

func (a *app) config() client.Config {
	return client.Config{
		Node: a.node, GRPC: a.grpc, ChainID: a.chainID, Home: a.home, KeyringBackend: a.backend, KeyringDir: a.keyringDir,
		From: a.from, GasPrices: a.gasPrices, GasAdjustment: a.adjustment, Input: a.in,
	}
}

// client connects, once.
func (a *app) client(ctx context.Context) (*client.Client, error) {
	if a.conn != nil {
		return a.conn, nil
	}
	c, err := client.New(ctx, a.config())
	if err != nil {
		return nil, err
	}
	a.conn = c
	return c, nil
}

func (a *app) close() {
	if a.conn != nil {
		_ = a.conn.Close()
	}
}

// sdkContext prepares what commands of the SDK (keys, standard transactions and queries) need.
func (a *app) sdkContext(cmd *cobra.Command) error {
	enc := client.NewEncoding()
	dir := a.keyringDir
	if dir == "" {
		dir = a.home
	}
	ctx := sdkclient.GetClientContextFromCmd(cmd).
		WithCodec(enc.Codec).WithInterfaceRegistry(enc.Registry).WithTxConfig(enc.TxConfig).WithLegacyAmino(enc.Amino).
		WithInput(a.in).WithOutput(a.out).WithOutputFormat(a.output).
		WithAccountRetriever(authtypes.AccountRetriever{}).WithHomeDir(a.home).WithKeyringDir(dir).WithChainID(a.chainID).
		WithViper("AKASH").WithCmdContext(cmd.Context())
	if a.node != "" {
		rpc, err := sdkclient.NewClientFromNode(a.node)
		if err != nil {
			return fmt.Errorf("node %q: %w", a.node, err)
		}
		ctx = ctx.WithNodeURI(a.node).WithClient(rpc)
		if a.chainID == "" && a.local != nil {
			ctx = ctx.WithChainID(a.local.ChainID)
		}
	}
	if usesKeys(cmd) {
		kr, err := client.OpenKeyring(a.config(), enc.Codec)
		if err != nil {
			return err
		}
		ctx = ctx.WithKeyring(kr)
	}
	return sdkclient.SetCmdClientContext(cmd, ctx)
}

// usesKeys reports whether a command is one of the SDK's that expect an open keyring.
func usesKeys(cmd *cobra.Command) bool {
	for c := cmd; c != nil; c = c.Parent() {
		if c.Name() == "keys" {
			return true
		}
	}
	return false
}

func isLocal(cmd *cobra.Command) bool { return cmd.Name() == "up" || cmd.Name() == "down" }

// print writes v: JSON as it is, or text by the function given.
func (a *app) print(v any, text func() string) error {
	if a.json() {
		return a.printJSON(v)
	}
	_, err := io.WriteString(a.out, text())
	return err
}

func (a *app) printJSON(v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(a.out, "%s\n", b)
	return err
}

// printProto writes an answer of the chain as JSON or, for people, YAML.
func (a *app) printProto(c *client.Client, m gogoproto.Message) error {
	b, err := c.Codec().MarshalJSON(m)
	if err != nil {
		return err
	}
	if !a.json() {
		if b, err = yaml.JSONToYAML(b); err != nil {
			return err
		}
		_, err = a.out.Write(b)
		return err
	}
	_, err = fmt.Fprintf(a.out, "%s\n", b)
	return err
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd())) && os.Getenv("TERM") != "dumb"
}
