package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	sdk "github.com/cosmos/cosmos-sdk/types"
	"github.com/cosmos/cosmos-sdk/types/query"
	"github.com/cosmos/cosmos-sdk/x/authz"
	slashingtypes "github.com/cosmos/cosmos-sdk/x/slashing/types"
	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	certv1 "github.com/akash-supercloud/akash/api/akash/cert/v1"

	auditv1 "github.com/akash-supercloud/akash/api/akash/audit/v1"
	attributesv1 "github.com/akash-supercloud/akash/api/akash/base/attributes/v1"
	depositv1 "github.com/akash-supercloud/akash/api/akash/base/deposit/v1"
	deploymentv1 "github.com/akash-supercloud/akash/api/akash/deployment/v1"
	deploymentv1beta4 "github.com/akash-supercloud/akash/api/akash/deployment/v1beta4"
	escrowid "github.com/akash-supercloud/akash/api/akash/escrow/id/v1"
	escrowv1 "github.com/akash-supercloud/akash/api/akash/escrow/v1"
	marketv1 "github.com/akash-supercloud/akash/api/akash/market/v1"
	marketv1beta5 "github.com/akash-supercloud/akash/api/akash/market/v1beta5"
	providerv1beta4 "github.com/akash-supercloud/akash/api/akash/provider/v1beta4"
	tradev1 "github.com/akash-supercloud/akash/api/akash/trade/v1"
	appcmd "github.com/akash-supercloud/akash/app/cmd"
	"github.com/akash-supercloud/akash/client/auth"
)

// txCmd is the chain's tx commands, with those of the market's modules in place of generic ones.
func txCmd(a *app) *cobra.Command {
	return a.lazy("tx", "Sign and send transactions", func() *cobra.Command {
		own := []*cobra.Command{txDeploymentCmd(a), txMarketCmd(a), txEscrowCmd(a), txProviderCmd(a), txCertCmd(a), txAuditCmd(a), txSlashingCmd(a)}
		return a.withOwn(own, appcmd.Tx)
	})
}

// withOwn makes the command that holds a module's commands: ours alone if it is one of ours
// that is called, which saves making an app.
func (a *app) withOwn(own []*cobra.Command, all func() *cobra.Command) *cobra.Command {
	for i, arg := range a.args {
		if i+1 < len(a.args) && (arg == "tx" || arg == "query" || arg == "q") {
			for _, c := range own {
				if c.Name() == a.args[i+1] {
					cmd := &cobra.Command{Use: arg}
					if arg == "q" {
						cmd.Use, cmd.Aliases = "query", []string{"q"}
					}
					replace(a, cmd, own...)
					return cmd
				}
			}
		}
	}
	cmd := a.mount(all())
	replace(a, cmd, own...)
	return cmd
}

// replace adds commands in place of those with the same names. They prepare themselves.
func replace(a *app, parent *cobra.Command, cmds ...*cobra.Command) {
	for _, c := range cmds {
		for _, old := range parent.Commands() {
			if old.Name() == c.Name() {
				parent.RemoveCommand(old)
			}
		}
		c.PersistentPreRunE = func(cmd *cobra.Command, _ []string) error { return a.prepare(cmd) }
		parent.AddCommand(c)
	}
}

// parent makes a command that only holds others.
func parent(use, short string, cmds ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{Use: use, Short: short}
	cmd.AddCommand(cmds...)
	return cmd
}

// send signs, sends and prints.
func (a *app) send(ctx context.Context, make func(ctx context.Context, owner string) ([]sdk.Msg, error)) error {
	c, owner, err := a.me(ctx)
	if err != nil {
		return err
	}
	msgs, err := make(ctx, owner)
	if err != nil {
		return err
	}
	l := a.live()
	l.now("sending the transaction")
	res, err := c.Send(ctx, "", msgs...)
	l.end()
	if err != nil {
		return err
	}
	return a.print(map[string]any{"txhash": res.TxHash, "height": res.Height, "gas_used": res.GasUsed, "gas_wanted": res.GasWanted}, func() string {
		return fmt.Sprintf("done in block %d, transaction %s\n", res.Height, res.TxHash)
	})
}

// ids are the flags that name orders, bids and leases.
type ids struct {
	owner, provider  string
	dseq             uint64
	gseq, oseq, bseq uint32
}

func (i *ids) add(cmd *cobra.Command, names ...string) {
	f := cmd.Flags()
	for _, n := range names {
		switch n {
		case "owner":
			f.StringVar(&i.owner, n, "", "address of the tenant")
		case "provider":
			f.StringVar(&i.provider, n, "", "address of the provider")
		case "dseq":
			f.Uint64Var(&i.dseq, n, 0, "number of the deployment")
		case "gseq":
			f.Uint32Var(&i.gseq, n, 1, "number of the group in the deployment")
		case "oseq":
			f.Uint32Var(&i.oseq, n, 1, "number of the order of the group")
		}
	}
}

func (i *ids) need(names ...string) error {
	var missing []string
	for _, n := range names {
		if n == "dseq" && i.dseq == 0 || n == "owner" && i.owner == "" || n == "provider" && i.provider == "" {
			missing = append(missing, "--"+n)
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("%s is missing", strings.Join(missing, ", "))
	}
	return nil
}

func (i *ids) bid() marketv1.BidID {
	return marketv1.BidID{Owner: i.owner, DSeq: i.dseq, GSeq: i.gseq, OSeq: i.oseq, Provider: i.provider, BSeq: i.bseq}
}

func txDeploymentCmd(a *app) *cobra.Command {
	var deposit depositFlags
	var dseq uint64
	create := &cobra.Command{
		Use: "create FILE", Short: "Create a deployment from an SDL file; `akash deploy` does the whole way", Args: oneFile,
		RunE: func(cmd *cobra.Command, args []string) error {
			spec, err := a.readSDL(args[0])
			if err != nil {
				return err
			}
			coin, sources, err := deposit.parse()
			if err != nil {
				return err
			}
			return a.send(cmd.Context(), func(ctx context.Context, owner string) ([]sdk.Msg, error) {
				c, err := a.client(ctx)
				if err != nil {
					return nil, err
				}
				groups := spec.Groups()
				if coin.Denom == "" {
					if coin, err = c.MinDeposit(ctx, groups[0].Resources[0].Price.Denom); err != nil {
						return nil, err
					}
				}
				if dseq == 0 {
					st, err := c.RPC().Status(ctx)
					if err != nil {
						return nil, err
					}
					if st.SyncInfo.CatchingUp {
						return nil, errors.New("the node is catching up with the chain; wait until it has, or choose a number with --dseq")
					}
					dseq = uint64(st.SyncInfo.LatestBlockHeight)
				}
				fmt.Fprintf(a.err, "deployment %d\n", dseq)
				return []sdk.Msg{&deploymentv1beta4.MsgCreateDeployment{
					ID: deploymentv1.DeploymentID{Owner: owner, DSeq: dseq}, Groups: groups, Hash: spec.Hash(), Reclamation: spec.Reclamation(),
					Deposit: depositv1.Deposit{Amount: coin, Sources: sources},
				}}, nil
			})
		},
	}
	create.Flags().Uint64Var(&dseq, "dseq", 0, "number of the deployment (default: the height of the last block)")
	deposit.add(create, "deployment")

	var up ids
	update := &cobra.Command{
		Use: "update FILE", Short: "Record a new manifest's hash; `akash update` does the whole way", Args: oneFile,
		RunE: func(cmd *cobra.Command, args []string) error {
			spec, err := a.readSDL(args[0])
			if err != nil {
				return err
			}
			if err := up.need("dseq"); err != nil {
				return err
			}
			return a.send(cmd.Context(), func(ctx context.Context, owner string) ([]sdk.Msg, error) {
				c, err := a.client(ctx)
				if err != nil {
					return nil, err
				}
				id := deploymentv1.DeploymentID{Owner: owner, DSeq: up.dseq}
				d, err := c.Deployment(ctx, id)
				if err != nil {
					return nil, err
				}
				if err := sameGroups(d, spec); err != nil {
					return nil, err
				}
				return []sdk.Msg{&deploymentv1beta4.MsgUpdateDeployment{ID: id, Hash: spec.Hash()}}, nil
			})
		},
	}
	up.add(update, "dseq")

	simple := func(use, short string, withGroup bool, msg func(id deploymentv1.DeploymentID, g deploymentv1.GroupID) sdk.Msg) *cobra.Command {
		var i ids
		c := &cobra.Command{Use: use, Short: short, Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error {
			if err := i.need("dseq"); err != nil {
				return err
			}
			return a.send(cmd.Context(), func(_ context.Context, owner string) ([]sdk.Msg, error) {
				id := deploymentv1.DeploymentID{Owner: owner, DSeq: i.dseq}
				return []sdk.Msg{msg(id, deploymentv1.MakeGroupID(id, i.gseq))}, nil
			})
		}}
		i.add(c, "dseq")
		if withGroup {
			i.add(c, "gseq")
		}
		return c
	}
	return parent("deployment", "Create, update and close deployments", create, update,
		simple("close", "Close a deployment", false, func(id deploymentv1.DeploymentID, _ deploymentv1.GroupID) sdk.Msg {
			return &deploymentv1beta4.MsgCloseDeployment{ID: id}
		}),
		parent("group", "Close, pause and start groups of a deployment",
			simple("close", "Close a group for good", true, func(_ deploymentv1.DeploymentID, g deploymentv1.GroupID) sdk.Msg {
				return &deploymentv1beta4.MsgCloseGroup{ID: g}
			}),
			simple("pause", "Stop a group: its lease ends, it can be started again", true, func(_ deploymentv1.DeploymentID, g deploymentv1.GroupID) sdk.Msg {
				return &deploymentv1beta4.MsgPauseGroup{ID: g}
			}),
			simple("start", "Start a paused group: a new order goes to the market", true, func(_ deploymentv1.DeploymentID, g deploymentv1.GroupID) sdk.Msg {
				return &deploymentv1beta4.MsgStartGroup{ID: g}
			})),
	)
}

// closeReason reads why a provider ends a lease.
func closeReason(text string) (marketv1.LeaseClosedReason, error) {
	switch strings.ToLower(strings.ReplaceAll(text, "-", "_")) {
	case "unstable":
		return marketv1.LeaseClosedReasonUnstable, nil
	case "decommissioned", "decommission":
		return marketv1.LeaseClosedReasonDecommissioned, nil
	case "unspecified", "":
		return marketv1.LeaseClosedReasonUnspecified, nil
	case "manifest_timeout":
		return marketv1.LeaseClosedReasonManifestTimeout, nil
	}
	return 0, fmt.Errorf("--reason %q: use unstable, decommissioned, manifest-timeout or unspecified", text)
}

func txMarketCmd(a *app) *cobra.Command {
	// one makes a command whose message is made of an id. mine is the side that signs.
	one := func(use, short, mine string, build func(cmd *cobra.Command) func(ctx context.Context, id marketv1.BidID) (sdk.Msg, error)) *cobra.Command {
		i := &ids{}
		c := &cobra.Command{Use: use, Short: short, Args: cobra.NoArgs}
		msg := build(c)
		other := "provider"
		if mine == "provider" {
			other = "owner"
		}
		i.add(c, other, "dseq", "gseq", "oseq")
		c.RunE = func(cmd *cobra.Command, _ []string) error {
			if err := i.need(other, "dseq"); err != nil {
				return err
			}
			return a.send(cmd.Context(), func(ctx context.Context, me string) ([]sdk.Msg, error) {
				if mine == "provider" {
					i.provider = me
				} else {
					i.owner = me
				}
				m, err := msg(ctx, i.bid())
				return []sdk.Msg{m}, err
			})
		}
		return c
	}
	createBid := one("create", "Bid on an order", "provider", func(cmd *cobra.Command) func(context.Context, marketv1.BidID) (sdk.Msg, error) {
		var price string
		var deposit depositFlags
		var window time.Duration
		cmd.Flags().StringVar(&price, "price", "", "price a block, for example 1.5uact")
		cmd.Flags().DurationVar(&window, "reclamation-window", 0, "how long before taking the lease back you say so")
		deposit.add(cmd, "bid")
		return func(ctx context.Context, id marketv1.BidID) (sdk.Msg, error) {
			p, err := sdk.ParseDecCoin(price)
			if err != nil {
				return nil, fmt.Errorf("--price %q: write for example 1.5uact", price)
			}
			coin, sources, err := deposit.parse()
			if err != nil {
				return nil, err
			}
			c, err := a.client(ctx)
			if err != nil {
				return nil, err
			}
			market := marketv1beta5.NewQueryClient(c.Conn())
			if coin.Denom == "" {
				res, err := market.Params(ctx, &marketv1beta5.QueryParamsRequest{})
				if err != nil {
					return nil, err
				}
				if ok, found := res.Params.BidMinDeposits.Find(p.Denom); ok {
					coin = found
				} else {
					return nil, fmt.Errorf("the chain takes no bid deposits in %s; it takes %s", p.Denom, res.Params.BidMinDeposits)
				}
			}
			order, err := market.Order(ctx, &marketv1beta5.QueryOrderRequest{ID: id.OrderID()})
			if err != nil {
				return nil, err
			}
			msg := &marketv1beta5.MsgCreateBid{ID: id, Price: p, Deposit: depositv1.Deposit{Amount: coin, Sources: sources}}
			for _, u := range order.Order.Spec.Resources {
				msg.ResourcesOffer = append(msg.ResourcesOffer, marketv1beta5.ResourceOffer{Resources: u.Resources, Count: u.Count})
			}
			if window > 0 {
				msg.ReclamationWindow = &window
			}
			return msg, nil
		}
	})
	reasonFlag := func(cmd *cobra.Command) *string {
		return cmd.Flags().String("reason", "unspecified", "unstable, decommissioned, manifest-timeout or unspecified")
	}
	list := func(use, short string, msg func(me string, providers []string) sdk.Msg) *cobra.Command {
		return &cobra.Command{Use: use + " PROVIDER...", Short: short, Args: cobra.MinimumNArgs(1), RunE: func(cmd *cobra.Command, args []string) error {
			return a.send(cmd.Context(), func(_ context.Context, me string) ([]sdk.Msg, error) { return []sdk.Msg{msg(me, args)}, nil })
		}}
	}
	return parent("market", "Bids and leases",
		parent("bid", "Make and close bids", createBid,
			one("close", "Take a bid back, or end the lease that it won", "provider", func(cmd *cobra.Command) func(context.Context, marketv1.BidID) (sdk.Msg, error) {
				reason := reasonFlag(cmd)
				return func(_ context.Context, id marketv1.BidID) (sdk.Msg, error) {
					r, err := closeReason(*reason)
					return &marketv1beta5.MsgCloseBid{ID: id, Reason: r}, err
				}
			}),
			one("start-reclaim", "Say that a lease will be taken back", "provider", func(cmd *cobra.Command) func(context.Context, marketv1.BidID) (sdk.Msg, error) {
				reason := reasonFlag(cmd)
				return func(_ context.Context, id marketv1.BidID) (sdk.Msg, error) {
					r, err := closeReason(*reason)
					return &marketv1beta5.MsgLeaseStartReclaim{ID: id.LeaseID(), Reason: r}, err
				}
			})),
		parent("lease", "Take bids, withdraw, close",
			one("create", "Take a bid", "owner", func(*cobra.Command) func(context.Context, marketv1.BidID) (sdk.Msg, error) {
				return func(_ context.Context, id marketv1.BidID) (sdk.Msg, error) {
					return &marketv1beta5.MsgCreateLease{BidID: id}, nil
				}
			}),
			withdrawCmd(a, one("withdraw", "Get what a lease has earned, or many by OWNER/DSEQ/GSEQ/OSEQ each", "provider", func(*cobra.Command) func(context.Context, marketv1.BidID) (sdk.Msg, error) {
				return func(_ context.Context, id marketv1.BidID) (sdk.Msg, error) {
					return &marketv1beta5.MsgWithdrawLease{ID: id.LeaseID()}, nil
				}
			})),
			one("close", "End a lease; its group goes to the market again", "owner", func(*cobra.Command) func(context.Context, marketv1.BidID) (sdk.Msg, error) {
				return func(_ context.Context, id marketv1.BidID) (sdk.Msg, error) {
					return &marketv1beta5.MsgCloseLease{ID: id.LeaseID(), Reason: marketv1.LeaseClosedReasonOwner}, nil
				}
			})),
		list("deny", "Keep providers from bidding on your orders", func(me string, providers []string) sdk.Msg {
			return &tradev1.MsgDenyProviders{Owner: me, Providers: providers}
		}),
		list("allow", "Let providers bid again that you denied", func(me string, providers []string) sdk.Msg {
			return &tradev1.MsgAllowProviders{Owner: me, Providers: providers}
		}),
	)
}

// withdrawCmd lets the command take many leases as arguments, which go in one message.
func withdrawCmd(a *app, one *cobra.Command) *cobra.Command {
	single := one.RunE
	one.Use, one.Args = "withdraw [OWNER/DSEQ/GSEQ/OSEQ]...", cobra.ArbitraryArgs
	one.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return single(cmd, args)
		}
		return a.send(cmd.Context(), func(_ context.Context, me string) ([]sdk.Msg, error) {
			m := &tradev1.MsgWithdrawLeases{Provider: me}
			for _, text := range args {
				id, err := marketv1.ParseLeaseID(text + "/" + me)
				if err != nil {
					return nil, fmt.Errorf("%q isn't a lease's OWNER/DSEQ/GSEQ/OSEQ", text)
				}
				m.Leases = append(m.Leases, id)
			}
			return []sdk.Msg{m}, nil
		})
	}
	return one
}

func txEscrowCmd(a *app) *cobra.Command {
	var i ids
	var sources string
	run := func(cmd *cobra.Command, args []string) error {
		amount := args[len(args)-1]
		coin, err := sdk.ParseCoinNormalized(amount)
		if err != nil {
			return fmt.Errorf("%q isn't a coin; write for example 5000000uact", amount)
		}
		if err := i.need("dseq"); err != nil {
			return err
		}
		from, err := parseSources(sources)
		if err != nil {
			return err
		}
		return a.send(cmd.Context(), func(_ context.Context, me string) ([]sdk.Msg, error) {
			owner := i.owner
			if owner == "" {
				owner = me
			}
			id := deploymentv1.DeploymentID{Owner: owner, DSeq: i.dseq}
			return []sdk.Msg{&escrowv1.MsgAccountDeposit{
				Signer: me, ID: escrowid.Account{Scope: escrowid.ScopeDeployment, XID: id.String()},
				Deposit: depositv1.Deposit{Amount: coin, Sources: from},
			}}, nil
		})
	}
	deposit := &cobra.Command{
		Use: "deposit [deployment] AMOUNT", Short: "Put money into a deployment's account", RunE: run,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 1 || len(args) == 2 && args[0] == "deployment" {
				return nil
			}
			return errors.New("write the amount, for example: akash tx escrow deposit 5000000uact --dseq 42")
		},
	}
	i.add(deposit, "owner", "dseq")
	deposit.Flags().StringVar(&sources, "deposit-sources", "grant,balance", "where the deposit comes from, in order")
	return parent("escrow", "Money of deployments", deposit, txGrantCmd(a), txUngrantCmd(a))
}

// txGrantCmd lets another account pay deposits from ours.
func txGrantCmd(a *app) *cobra.Command {
	var limit, scopes string
	var lifetime time.Duration
	cmd := &cobra.Command{
		Use: "grant GRANTEE", Short: "Let another account pay deposits with your money, up to a limit", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			coin, err := sdk.ParseCoinNormalized(limit)
			if err != nil {
				return fmt.Errorf("--spend-limit %q: write for example 5000000uact", limit)
			}
			grant := &escrowv1.DepositAuthorization{SpendLimit: coin}
			for _, s := range strings.Split(scopes, ",") {
				switch strings.TrimSpace(s) {
				case "deployment":
					grant.Scopes = append(grant.Scopes, escrowv1.DepositScopeDeployment)
				case "bid":
					grant.Scopes = append(grant.Scopes, escrowv1.DepositScopeBid)
				default:
					return fmt.Errorf("--scopes %q: use deployment, bid or both", scopes)
				}
			}
			grantee, err := sdk.AccAddressFromBech32(args[0])
			if err != nil {
				return fmt.Errorf("%q isn't an account address", args[0])
			}
			return a.send(cmd.Context(), func(_ context.Context, me string) ([]sdk.Msg, error) {
				granter, err := sdk.AccAddressFromBech32(me)
				if err != nil {
					return nil, err
				}
				var until *time.Time
				if lifetime > 0 {
					t := time.Now().Add(lifetime)
					until = &t
				}
				msg, err := authz.NewMsgGrant(granter, grantee, grant, until)
				return []sdk.Msg{msg}, err
			})
		},
	}
	cmd.Flags().StringVar(&limit, "spend-limit", "", "the most that may be spent, for example 5000000uact")
	cmd.Flags().StringVar(&scopes, "scopes", "deployment", "what for: deployment, bid or both")
	cmd.Flags().DurationVar(&lifetime, "expires-in", 0, "how long it holds (default: for ever)")
	return cmd
}

func txUngrantCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "revoke GRANTEE", Short: "Take such a grant back", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			grantee, err := sdk.AccAddressFromBech32(args[0])
			if err != nil {
				return fmt.Errorf("%q isn't an account address", args[0])
			}
			return a.send(cmd.Context(), func(_ context.Context, me string) ([]sdk.Msg, error) {
				granter, err := sdk.AccAddressFromBech32(me)
				if err != nil {
					return nil, err
				}
				msg := authz.NewMsgRevoke(granter, grantee, sdk.MsgTypeURL(&escrowv1.MsgAccountDeposit{}))
				return []sdk.Msg{&msg}, nil
			})
		},
	}
}

// providerFile is the provider.yaml of today's tools.
type providerFile struct {
	Host       string `yaml:"host"`
	Attributes []struct {
		Key   string `yaml:"key"`
		Value string `yaml:"value"`
	} `yaml:"attributes"`
	Info struct {
		Email   string `yaml:"email"`
		Website string `yaml:"website"`
	} `yaml:"info"`
}

func (a *app) readProvider(name string) (providerFile, []attributesv1.Attribute, error) {
	var p providerFile
	data, err := a.readFile(name)
	if err != nil {
		return p, nil, err
	}
	if err := yaml.Unmarshal(data, &p); err != nil {
		return p, nil, fmt.Errorf("%s: %w", name, err)
	}
	if p.Host == "" {
		return p, nil, fmt.Errorf("%s: host is missing; write for example host: https://provider.example.com:8443", name)
	}
	var attrs []attributesv1.Attribute
	for _, at := range p.Attributes {
		attrs = append(attrs, attributesv1.Attribute{Key: at.Key, Value: at.Value})
	}
	return p, attrs, nil
}

func txProviderCmd(a *app) *cobra.Command {
	cmd := func(use, short string, msg func(owner string, p providerFile, attrs []attributesv1.Attribute) sdk.Msg) *cobra.Command {
		return &cobra.Command{
			Use: use + " FILE", Short: short,
			Long: short + ". The file is YAML:\n\n  host: https://provider.example.com:8443\n  attributes:\n    - key: region\n      value: eu-west\n  info:\n    email: me@example.com\n    website: https://example.com",
			Args: func(_ *cobra.Command, args []string) error {
				if len(args) != 1 {
					return errors.New("name one file that describes the provider")
				}
				return nil
			},
			RunE: func(cmd *cobra.Command, args []string) error {
				p, attrs, err := a.readProvider(args[0])
				if err != nil {
					return err
				}
				return a.send(cmd.Context(), func(_ context.Context, owner string) ([]sdk.Msg, error) {
					return []sdk.Msg{msg(owner, p, attrs)}, nil
				})
			},
		}
	}
	remove := &cobra.Command{
		Use: "delete", Short: "Take back one's registration as a provider, once it has no leases", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.send(cmd.Context(), func(_ context.Context, owner string) ([]sdk.Msg, error) {
				return []sdk.Msg{&providerv1beta4.MsgDeleteProvider{Owner: owner}}, nil
			})
		},
	}
	return parent("provider", "Register as a provider", remove,
		cmd("create", "Register as a provider", func(owner string, p providerFile, attrs []attributesv1.Attribute) sdk.Msg {
			return &providerv1beta4.MsgCreateProvider{Owner: owner, HostURI: p.Host, Attributes: attrs, Info: providerv1beta4.Info{EMail: p.Info.Email, Website: p.Info.Website}}
		}),
		cmd("update", "Change a registered provider", func(owner string, p providerFile, attrs []attributesv1.Attribute) sdk.Msg {
			return &providerv1beta4.MsgUpdateProvider{Owner: owner, HostURI: p.Host, Attributes: attrs, Info: providerv1beta4.Info{EMail: p.Info.Email, Website: p.Info.Website}}
		}))
}

func txSlashingCmd(a *app) *cobra.Command {
	cmd := &cobra.Command{Use: "slashing", Short: "Validators that missed blocks"}
	cmd.AddCommand(&cobra.Command{
		Use: "unjail", Short: "Bring one's own jailed validator back", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.send(cmd.Context(), func(_ context.Context, owner string) ([]sdk.Msg, error) {
				addr, err := sdk.AccAddressFromBech32(owner)
				if err != nil {
					return nil, err
				}
				return []sdk.Msg{slashingtypes.NewMsgUnjail(sdk.ValAddress(addr).String())}, nil
			})
		},
	})
	return cmd
}

func txCertCmd(a *app) *cobra.Command {
	kind := func(_ *cobra.Command, args []string) error {
		if len(args) == 0 || args[0] != "client" && args[0] != "server" || args[0] == "client" && len(args) > 1 {
			return errors.New("write client, or server and its host names")
		}
		return nil
	}
	var overwrite bool
	generate := &cobra.Command{
		Use: "generate client|server [DOMAIN…]", Short: "Make a certificate and its key in <home>/<address>.pem", Args: kind,
		RunE: func(cmd *cobra.Command, args []string) error {
			if args[0] == "server" && len(args) < 2 {
				return errors.New("name the host names that the server answers to")
			}
			c, owner, err := a.keysOnly()
			if err != nil {
				return err
			}
			if _, err := os.Stat(auth.KeyFile(a.home, owner)); err == nil && !overwrite {
				return fmt.Errorf("%s exists; add --overwrite to replace it", auth.KeyFile(a.home, owner))
			}
			certPEM, _, keyPEM, err := auth.NewCertificate(owner, args[1:], time.Now())
			if err != nil {
				return err
			}
			path, err := auth.WriteKeyFile(c, a.from, a.home, certPEM, keyPEM)
			if err != nil {
				return err
			}
			return a.print(map[string]any{"file": path}, func() string {
				return fmt.Sprintf("%s\npublish it with `akash tx cert publish %s`\n", path, args[0])
			})
		},
	}
	generate.Flags().BoolVar(&overwrite, "overwrite", false, "replace a certificate that is there")
	publish := &cobra.Command{
		Use: "publish client|server", Short: "Put the certificate of <home>/<address>.pem on the chain", Args: kind,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.send(cmd.Context(), func(ctx context.Context, owner string) ([]sdk.Msg, error) {
				c, err := a.client(ctx)
				if err != nil {
					return nil, err
				}
				cert, err := auth.ReadKeyFile(c.Keyring(), owner, a.home)
				if errors.Is(err, os.ErrNotExist) {
					return nil, fmt.Errorf("%s doesn't exist; make it with `akash tx cert generate client`", auth.KeyFile(a.home, owner))
				}
				if err != nil {
					return nil, err
				}
				certPEM, pubPEM, err := auth.PublicPEM(cert.Leaf)
				return []sdk.Msg{&certv1.MsgCreateCertificate{Owner: owner, Cert: certPEM, Pubkey: pubPEM}}, err
			})
		},
	}
	var serial string
	revoke := &cobra.Command{
		Use: "revoke [client|server]", Short: "Revoke a certificate: the one in <home>/<address>.pem, or --serial", Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.send(cmd.Context(), func(ctx context.Context, owner string) ([]sdk.Msg, error) {
				if serial == "" {
					c, err := a.client(ctx)
					if err != nil {
						return nil, err
					}
					cert, err := auth.ReadKeyFile(c.Keyring(), owner, a.home)
					if err != nil {
						return nil, fmt.Errorf("%w; or name the certificate with --serial, see `akash query cert list`", err)
					}
					serial = cert.Leaf.SerialNumber.String()
				}
				return []sdk.Msg{&certv1.MsgRevokeCertificate{ID: certv1.ID{Owner: owner, Serial: serial}}}, nil
			})
		},
	}
	revoke.Flags().StringVar(&serial, "serial", "", "serial number of the certificate")
	return parent("cert", "Certificates for mTLS with providers; tokens need none", generate, publish, revoke)
}

func txAuditCmd(a *app) *cobra.Command {
	create := &cobra.Command{
		Use: "create PROVIDER [KEY VALUE]…", Short: "Sign attributes of a provider; without any, all that it claims",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args)%2 != 1 {
				return errors.New("write a provider's address, then keys and values in pairs")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.send(cmd.Context(), func(ctx context.Context, me string) ([]sdk.Msg, error) {
				msg := &auditv1.MsgSignProviderAttributes{Owner: args[0], Auditor: me}
				for i := 1; i < len(args); i += 2 {
					msg.Attributes = append(msg.Attributes, attributesv1.Attribute{Key: args[i], Value: args[i+1]})
				}
				if len(msg.Attributes) == 0 {
					c, err := a.client(ctx)
					if err != nil {
						return nil, err
					}
					p, err := c.Provider(ctx, args[0])
					if err != nil {
						return nil, err
					}
					msg.Attributes = p.Attributes
				}
				return []sdk.Msg{msg}, nil
			})
		},
	}
	remove := &cobra.Command{
		Use: "delete PROVIDER [KEY]…", Short: "Take back your signature of attributes; without any, of all", Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.send(cmd.Context(), func(_ context.Context, me string) ([]sdk.Msg, error) {
				return []sdk.Msg{&auditv1.MsgDeleteProviderAttributes{Owner: args[0], Auditor: me, Keys: args[1:]}}, nil
			})
		},
	}
	return parent("audit", "Vouch for providers", parent("attr", "Sign attributes of providers", create, remove))
}

// page are the flags of a list.
type page struct {
	key     string
	limit   uint64
	offset  uint64
	reverse bool
	total   bool
}

func (p *page) add(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&p.key, "page-key", "", "next_key of the page before")
	f.Uint64Var(&p.limit, "limit", 100, "how many at most")
	f.Uint64Var(&p.offset, "offset", 0, "how many to skip")
	f.BoolVar(&p.reverse, "reverse", false, "last first")
	f.BoolVar(&p.total, "count-total", false, "count them all")
}

func (p *page) request() (*query.PageRequest, error) {
	key, err := decodeKey(p.key)
	if err != nil {
		return nil, err
	}
	return &query.PageRequest{Key: key, Limit: p.limit, Offset: p.offset, Reverse: p.reverse, CountTotal: p.total}, nil
}
