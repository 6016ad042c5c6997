package appcmd

import (
	"encoding/base64"
	"fmt"
	"reflect"
	"strings"

	"github.com/cosmos/gogoproto/proto"
	"github.com/spf13/cobra"
	"google.golang.org/protobuf/encoding/protojson"
	protov2 "google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	autocliv1 "cosmossdk.io/api/cosmos/autocli/v1"

	"github.com/cosmos/cosmos-sdk/client"
	"github.com/cosmos/cosmos-sdk/client/flags"
	"github.com/cosmos/cosmos-sdk/client/grpc/cmtservice"
	nodeservice "github.com/cosmos/cosmos-sdk/client/grpc/node"
	"github.com/cosmos/cosmos-sdk/client/rpc"
	sdk "github.com/cosmos/cosmos-sdk/types"
	authcli "github.com/cosmos/cosmos-sdk/x/auth/client/cli"
)

// Query returns "query": every query of every module, made from the protobuf descriptions and the modules' own
// hints (AutoCLIOptions). Fields of the request that aren't arguments are flags; nested ones have dotted names.
func Query() *cobra.Command {
	chain := offline()
	cmd := &cobra.Command{
		Use:               "query",
		Aliases:           []string{"q"},
		Short:             "ask a node",
		PersistentPreRunE: forClient(chain.Encoding),
	}
	for _, m := range chain.QueryServices() {
		sub := &cobra.Command{Use: m.Module, Short: "queries of the " + m.Module + " module"}
		addService(sub, m.Options)
		cmd.AddCommand(sub)
	}
	chain.BasicManager().AddQueryCommands(cmd) // of modules that bring their own: IBC's
	walk(cmd, func(c *cobra.Command) { c.DisableFlagParsing = c.DisableFlagParsing && !c.HasSubCommands() })
	cmd.AddCommand(authcli.QueryTxCmd(), authcli.QueryTxsByEventsCmd(), rpc.WaitTxCmd())
	comet := &cobra.Command{Use: "comet", Short: "blocks, validators and state of the node"}
	addService(comet, cmtservice.CometBFTAutoCLIDescriptor)
	cmd.AddCommand(comet)
	info := &cobra.Command{Use: "node", Short: "config and status of the node"}
	addService(info, nodeservice.ServiceAutoCLIDescriptor)
	cmd.AddCommand(info)
	return withHome(cmd)
}

// QueryService returns a command called use with one subcommand for each query of the gRPC service called
// service ("akash.market.v1beta5.Query").
func QueryService(use, service string) *cobra.Command {
	cmd := &cobra.Command{Use: use, Short: "queries of " + service, PersistentPreRunE: forClient(offline().Encoding)}
	addService(cmd, &autocliv1.ServiceCommandDescriptor{Service: service})
	return withHome(cmd)
}

func addService(cmd *cobra.Command, options *autocliv1.ServiceCommandDescriptor) {
	for name, sub := range options.GetSubCommands() {
		child := &cobra.Command{Use: name, Short: "queries of " + sub.Service}
		addService(child, sub)
		cmd.AddCommand(child)
	}
	if options.GetService() == "" {
		return
	}
	d, err := proto.HybridResolver.FindDescriptorByName(protoreflect.FullName(options.Service))
	if err != nil {
		return // a service whose descriptions aren't in this program
	}
	hints := map[string]*autocliv1.RpcCommandOptions{}
	for _, o := range options.RpcCommandOptions {
		hints[o.RpcMethod] = o
	}
	methods := d.(protoreflect.ServiceDescriptor).Methods()
	for i := range methods.Len() {
		hint := hints[string(methods.Get(i).Name())]
		if hint.GetSkip() || methods.Get(i).IsStreamingServer() || methods.Get(i).IsStreamingClient() {
			continue
		}
		cmd.AddCommand(query(methods.Get(i), hint))
	}
}

// query makes the command of one method.
func query(m protoreflect.MethodDescriptor, hint *autocliv1.RpcCommandOptions) *cobra.Command {
	var args []string
	variadic, optional := false, 0
	for _, p := range hint.GetPositionalArgs() {
		args = append(args, p.ProtoField)
		variadic = variadic || p.Varargs
		if p.Optional {
			optional++
		}
	}
	use := hint.GetUse()
	if use == "" {
		use = kebab(string(m.Name()))
		for _, a := range args {
			use += " [" + a + "]"
		}
	}
	short := hint.GetShort()
	if short == "" {
		short = "call " + string(m.Name()) + " of " + string(m.Parent().FullName())
	}
	check := cobra.RangeArgs(len(args)-optional, len(args))
	if variadic {
		check = cobra.MinimumNArgs(len(args) - optional - 1)
	}
	in := m.Input()
	set := map[string]func(*dynamicpb.Message) error{}
	cmd := &cobra.Command{
		Use: use, Short: short, Long: hint.GetLong(), Example: hint.GetExample(), Aliases: hint.GetAlias(), Args: check, SilenceUsage: true,
		RunE: func(cmd *cobra.Command, given []string) error {
			c, err := client.GetClientQueryContext(cmd)
			if err != nil {
				return err
			}
			req := dynamicpb.NewMessage(in)
			for i, text := range given {
				path := args[min(i, len(args)-1)]
				if err := put(req, strings.Split(path, "."), text); err != nil {
					return err
				}
			}
			for name, fn := range set {
				if cmd.Flags().Changed(name) {
					if err := fn(req); err != nil {
						return fmt.Errorf("--%s: %w", name, err)
					}
				}
			}
			data, err := protov2.Marshal(req)
			if err != nil {
				return err
			}
			path := fmt.Sprintf("/%s/%s", m.Parent().FullName(), m.Name())
			res, _, err := c.QueryWithData(path, data)
			if err != nil {
				return err
			}
			typ := proto.MessageType(string(m.Output().FullName()))
			if typ == nil {
				return fmt.Errorf("the answer's type %s isn't known to this program", m.Output().FullName())
			}
			out := reflect.New(typ.Elem()).Interface().(proto.Message)
			if err := proto.Unmarshal(res, out); err != nil {
				return err
			}
			return c.PrintProto(out)
		},
	}
	flags.AddQueryFlagsToCmd(cmd)
	isArg := map[string]bool{}
	for _, a := range args {
		isArg[a] = true
	}
	addFlags(cmd, set, in, "", nil, isArg, 0)
	return cmd
}

// addFlags makes a flag for each field of in, two levels deep; deeper ones are one flag that takes JSON.
func addFlags(cmd *cobra.Command, set map[string]func(*dynamicpb.Message) error, in protoreflect.MessageDescriptor, prefix string, path []string, skip map[string]bool, depth int) {
	fields := in.Fields()
	for i := range fields.Len() {
		f := fields.Get(i)
		at := append(append([]string(nil), path...), string(f.Name()))
		if skip[strings.Join(at, ".")] {
			continue
		}
		name := prefix + strings.ReplaceAll(string(f.Name()), "_", "-")
		if f.Message() != nil && !f.IsList() && !f.IsMap() && depth < 2 && !scalarMessage(f.Message()) {
			inner := prefix + strings.ReplaceAll(string(f.Name()), "_", "-") + "."
			if f.Message().FullName() == "cosmos.base.query.v1beta1.PageRequest" {
				inner = prefix + "page-"
			}
			addFlags(cmd, set, f.Message(), inner, at, skip, depth+1)
			continue
		}
		if cmd.Flags().Lookup(name) != nil {
			name = "request-" + name
			if cmd.Flags().Lookup(name) != nil {
				continue
			}
		}
		switch {
		case f.IsList():
			v := cmd.Flags().StringArray(name, nil, about(f)+", repeatable")
			set[name] = func(m *dynamicpb.Message) error {
				for _, text := range *v {
					if err := put(m, at, text); err != nil {
						return err
					}
				}
				return nil
			}
		case f.Kind() == protoreflect.BoolKind:
			v := cmd.Flags().Bool(name, false, about(f))
			set[name] = func(m *dynamicpb.Message) error { return put(m, at, fmt.Sprint(*v)) }
		default:
			v := cmd.Flags().String(name, "", about(f))
			set[name] = func(m *dynamicpb.Message) error { return put(m, at, *v) }
		}
	}
}

func about(f protoreflect.FieldDescriptor) string {
	switch {
	case f.Enum() != nil:
		var names []string
		for i := range f.Enum().Values().Len() {
			names = append(names, string(f.Enum().Values().Get(i).Name()))
		}
		return "one of " + strings.Join(names, ", ")
	case f.Message() != nil:
		return string(f.Message().FullName())
	}
	return f.Kind().String()
}

// scalarMessage tells whether a message is written as one word.
func scalarMessage(d protoreflect.MessageDescriptor) bool {
	switch d.FullName() {
	case "cosmos.base.v1beta1.Coin", "google.protobuf.Timestamp", "google.protobuf.Duration", "google.protobuf.Any":
		return true
	}
	return false
}

// put sets the field at path of m from text; a repeated field gets one more element.
func put(m protoreflect.Message, path []string, text string) error {
	f := m.Descriptor().Fields().ByName(protoreflect.Name(path[0]))
	if f == nil {
		return fmt.Errorf("%s has no field %s", m.Descriptor().FullName(), path[0])
	}
	if len(path) > 1 {
		return put(m.Mutable(f).Message(), path[1:], text)
	}
	if f.IsMap() {
		return fmt.Errorf("field %s can't be given on the command line", f.Name())
	}
	v, err := value(m, f, text)
	if err != nil {
		return fmt.Errorf("%q is not a %s", text, about(f))
	}
	if f.IsList() {
		m.Mutable(f).List().Append(v)
	} else {
		m.Set(f, v)
	}
	return nil
}

func value(m protoreflect.Message, f protoreflect.FieldDescriptor, text string) (protoreflect.Value, error) {
	switch f.Kind() {
	case protoreflect.StringKind:
		return protoreflect.ValueOfString(text), nil
	case protoreflect.BytesKind:
		b, err := base64.StdEncoding.DecodeString(text)
		return protoreflect.ValueOfBytes(b), err
	case protoreflect.MessageKind:
		var v protoreflect.Value
		if f.IsList() {
			v = m.NewField(f).List().NewElement()
		} else {
			v = m.NewField(f)
		}
		if f.Message().FullName() == "cosmos.base.v1beta1.Coin" {
			coin, err := sdk.ParseCoinNormalized(text)
			if err != nil {
				return v, err
			}
			fields := f.Message().Fields()
			v.Message().Set(fields.ByName("denom"), protoreflect.ValueOfString(coin.Denom))
			v.Message().Set(fields.ByName("amount"), protoreflect.ValueOfString(coin.Amount.String()))
			return v, nil
		}
		if n := f.Message().FullName(); n == "google.protobuf.Timestamp" || n == "google.protobuf.Duration" {
			text = fmt.Sprintf("%q", text)
		}
		return v, protojson.Unmarshal([]byte(text), v.Message().Interface())
	}
	// Numbers, booleans and enums: let protojson read them.
	if f.Enum() != nil {
		text = fmt.Sprintf("%q", text)
	}
	one := dynamicpb.NewMessage(m.Descriptor())
	if f.IsList() {
		text = "[" + text + "]"
	}
	if err := protojson.Unmarshal([]byte(fmt.Sprintf("{%q:%s}", f.JSONName(), text)), one); err != nil {
		return protoreflect.Value{}, err
	}
	if f.IsList() {
		return one.Get(f).List().Get(0), nil
	}
	return one.Get(f), nil
}

func kebab(name string) string {
	var b strings.Builder
	for i, r := range name {
		if r >= 'A' && r <= 'Z' {
			if i > 0 {
				b.WriteByte('-')
			}
			r += 'a' - 'A'
		}
		b.WriteRune(r)
	}
	return b.String()
}
