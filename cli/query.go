package cli

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	sdk "github.com/cosmos/cosmos-sdk/types"
	sdkquery "github.com/cosmos/cosmos-sdk/types/query"
	gogoproto "github.com/cosmos/gogoproto/proto"
	"github.com/spf13/cobra"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	auditv1 "github.com/akash-supercloud/akash/api/akash/audit/v1"
	certv1 "github.com/akash-supercloud/akash/api/akash/cert/v1"
	deploymentv1 "github.com/akash-supercloud/akash/api/akash/deployment/v1"
	deploymentv1beta4 "github.com/akash-supercloud/akash/api/akash/deployment/v1beta4"
	escrowv1 "github.com/akash-supercloud/akash/api/akash/escrow/v1"
	marketv1 "github.com/akash-supercloud/akash/api/akash/market/v1"
	marketv1beta5 "github.com/akash-supercloud/akash/api/akash/market/v1beta5"
	providerv1beta4 "github.com/akash-supercloud/akash/api/akash/provider/v1beta4"
	tradev1 "github.com/akash-supercloud/akash/api/akash/trade/v1"
	appcmd "github.com/akash-supercloud/akash/app/cmd"
)

func queryCmd(a *app) *cobra.Command {
	return a.lazy("query", "Ask the chain", func() *cobra.Command {
		own := []*cobra.Command{queryDeploymentCmd(a), queryMarketCmd(a), queryEscrowCmd(a), queryProviderCmd(a), queryCertCmd(a), queryAuditCmd(a), queryInvariantsCmd(a)}
		return a.withOwn(own, appcmd.Query)
	}, "q")
}

func decodeKey(text string) ([]byte, error) {
	if text == "" {
		return nil, nil
	}
	key, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil, fmt.Errorf("--page-key %q isn't base64; take next_key of the page before", text)
	}
	return key, nil
}

// ask runs a query and prints the answer.
func (a *app) ask1(ctx context.Context, q func(ctx context.Context, conn grpc.ClientConnInterface) (gogoproto.Message, error)) error {
	c, err := a.client(ctx)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	res, err := q(ctx, c.Conn())
	if err != nil {
		return err
	}
	return a.printProto(c, res)
}

// one makes a query for one thing; list for many. flags adds the flags.
func (a *app) queryCmd1(use, short string, args cobra.PositionalArgs, flags func(*cobra.Command), q func(ctx context.Context, conn grpc.ClientConnInterface, args []string) (gogoproto.Message, error)) *cobra.Command {
	cmd := &cobra.Command{Use: use, Short: short, Args: args, RunE: func(cmd *cobra.Command, args []string) error {
		return a.ask1(cmd.Context(), func(ctx context.Context, conn grpc.ClientConnInterface) (gogoproto.Message, error) {
			return q(ctx, conn, args)
		})
	}}
	if flags != nil {
		flags(cmd)
	}
	return cmd
}

// filters are the flags of the market's lists.
type filters struct {
	ids
	page
	state string
}

func (f *filters) add(cmd *cobra.Command, names ...string) {
	f.ids.add(cmd, names...)
	for _, n := range names {
		if n == "gseq" || n == "oseq" { // any, unless given
			if fl := cmd.Flags().Lookup(n); fl != nil {
				_ = fl.Value.Set("0")
				fl.DefValue = "0"
			}
		}
	}
	cmd.Flags().StringVar(&f.state, "state", "", "only those in this state")
	f.page.add(cmd)
}

func queryDeploymentCmd(a *app) *cobra.Command {
	var l filters
	var get, group ids
	return parent("deployment", "Deployments and their groups",
		a.queryCmd1("list", "List deployments", cobra.NoArgs, func(c *cobra.Command) { l.add(c, "owner", "dseq") },
			func(ctx context.Context, conn grpc.ClientConnInterface, _ []string) (gogoproto.Message, error) {
				p, err := l.request()
				if err != nil {
					return nil, err
				}
				return deploymentv1beta4.NewQueryClient(conn).Deployments(ctx, &deploymentv1beta4.QueryDeploymentsRequest{
					Filters: deploymentv1beta4.DeploymentFilters{Owner: l.owner, DSeq: l.dseq, State: l.state}, Pagination: p})
			}),
		a.queryCmd1("get", "One deployment", cobra.NoArgs, func(c *cobra.Command) { get.add(c, "owner", "dseq") },
			func(ctx context.Context, conn grpc.ClientConnInterface, _ []string) (gogoproto.Message, error) {
				if err := a.mineIfNone(&get); err != nil {
					return nil, err
				}
				return deploymentv1beta4.NewQueryClient(conn).Deployment(ctx, &deploymentv1beta4.QueryDeploymentRequest{
					ID: deploymentv1.DeploymentID{Owner: get.owner, DSeq: get.dseq}})
			}),
		parent("group", "Groups of a deployment", a.queryCmd1("get", "One group", cobra.NoArgs, func(c *cobra.Command) { group.add(c, "owner", "dseq", "gseq") },
			func(ctx context.Context, conn grpc.ClientConnInterface, _ []string) (gogoproto.Message, error) {
				if err := a.mineIfNone(&group); err != nil {
					return nil, err
				}
				return deploymentv1beta4.NewQueryClient(conn).Group(ctx, &deploymentv1beta4.QueryGroupRequest{
					ID: deploymentv1.GroupID{Owner: group.owner, DSeq: group.dseq, GSeq: group.gseq}})
			})),
		a.queryCmd1("params", "Parameters", cobra.NoArgs, nil, func(ctx context.Context, conn grpc.ClientConnInterface, _ []string) (gogoproto.Message, error) {
			return deploymentv1beta4.NewQueryClient(conn).Params(ctx, &deploymentv1beta4.QueryParamsRequest{})
		}),
	)
}

// mineIfNone takes the signer as the owner when none was given.
func (a *app) mineIfNone(i *ids) error {
	if i.owner == "" && a.conn != nil {
		if addr, err := a.conn.Address(""); err == nil {
			i.owner = addr.String()
		}
	}
	return i.need("owner", "dseq")
}

func queryMarketCmd(a *app) *cobra.Command {
	var ol, bl, ll filters
	var og, bg, lg, fu ids
	de := ids{dseq: 1} // of which it needs the owner only
	return parent("market", "Orders, bids and leases",
		parent("order", "Orders",
			a.queryCmd1("list", "List orders", cobra.NoArgs, func(c *cobra.Command) { ol.add(c, "owner", "dseq", "gseq", "oseq") },
				func(ctx context.Context, conn grpc.ClientConnInterface, _ []string) (gogoproto.Message, error) {
					p, err := ol.request()
					if err != nil {
						return nil, err
					}
					return marketv1beta5.NewQueryClient(conn).Orders(ctx, &marketv1beta5.QueryOrdersRequest{Pagination: p,
						Filters: marketv1beta5.OrderFilters{Owner: ol.owner, DSeq: ol.dseq, GSeq: ol.gseq, OSeq: ol.oseq, State: ol.state}})
				}),
			a.queryCmd1("get", "One order", cobra.NoArgs, func(c *cobra.Command) { og.add(c, "owner", "dseq", "gseq", "oseq") },
				func(ctx context.Context, conn grpc.ClientConnInterface, _ []string) (gogoproto.Message, error) {
					if err := a.mineIfNone(&og); err != nil {
						return nil, err
					}
					return marketv1beta5.NewQueryClient(conn).Order(ctx, &marketv1beta5.QueryOrderRequest{ID: og.bid().OrderID()})
				})),
		parent("bid", "Bids",
			a.queryCmd1("list", "List bids", cobra.NoArgs, func(c *cobra.Command) { bl.add(c, "owner", "dseq", "gseq", "oseq", "provider") },
				func(ctx context.Context, conn grpc.ClientConnInterface, _ []string) (gogoproto.Message, error) {
					p, err := bl.request()
					if err != nil {
						return nil, err
					}
					return marketv1beta5.NewQueryClient(conn).Bids(ctx, &marketv1beta5.QueryBidsRequest{Pagination: p,
						Filters: marketv1beta5.BidFilters{Owner: bl.owner, DSeq: bl.dseq, GSeq: bl.gseq, OSeq: bl.oseq, Provider: bl.provider, State: bl.state}})
				}),
			a.queryCmd1("get", "One bid", cobra.NoArgs, func(c *cobra.Command) { bg.add(c, "owner", "dseq", "gseq", "oseq", "provider") },
				func(ctx context.Context, conn grpc.ClientConnInterface, _ []string) (gogoproto.Message, error) {
					if err := errors.Join(a.mineIfNone(&bg), bg.need("provider")); err != nil {
						return nil, err
					}
					return marketv1beta5.NewQueryClient(conn).Bid(ctx, &marketv1beta5.QueryBidRequest{ID: bg.bid()})
				})),
		parent("lease", "Leases",
			a.queryCmd1("list", "List leases", cobra.NoArgs, func(c *cobra.Command) { ll.add(c, "owner", "dseq", "gseq", "oseq", "provider") },
				func(ctx context.Context, conn grpc.ClientConnInterface, _ []string) (gogoproto.Message, error) {
					p, err := ll.request()
					if err != nil {
						return nil, err
					}
					return marketv1beta5.NewQueryClient(conn).Leases(ctx, &marketv1beta5.QueryLeasesRequest{Pagination: p,
						Filters: marketv1.LeaseFilters{Owner: ll.owner, DSeq: ll.dseq, GSeq: ll.gseq, OSeq: ll.oseq, Provider: ll.provider, State: ll.state}})
				}),
			a.queryCmd1("get", "One lease", cobra.NoArgs, func(c *cobra.Command) { lg.add(c, "owner", "dseq", "gseq", "oseq", "provider") },
				func(ctx context.Context, conn grpc.ClientConnInterface, _ []string) (gogoproto.Message, error) {
					if err := errors.Join(a.mineIfNone(&lg), lg.need("provider")); err != nil {
						return nil, err
					}
					return marketv1beta5.NewQueryClient(conn).Lease(ctx, &marketv1beta5.QueryLeaseRequest{ID: lg.bid().LeaseID()})
				})),
		a.queryCmd1("funding", "What a deployment's account holds now, and how long it lasts", cobra.NoArgs, func(c *cobra.Command) { fu.add(c, "owner", "dseq") },
			func(ctx context.Context, conn grpc.ClientConnInterface, _ []string) (gogoproto.Message, error) {
				if err := errors.Join(a.mineIfNone(&fu), fu.need("dseq")); err != nil {
					return nil, err
				}
				return tradev1.NewQueryClient(conn).Funding(ctx, &tradev1.QueryFundingRequest{Owner: fu.owner, Dseq: fu.dseq})
			}),
		a.queryCmd1("denials", "Providers that an owner denies", cobra.NoArgs, func(c *cobra.Command) { de.add(c, "owner") },
			func(ctx context.Context, conn grpc.ClientConnInterface, _ []string) (gogoproto.Message, error) {
				if err := a.mineIfNone(&de); err != nil {
					return nil, err
				}
				return tradev1.NewQueryClient(conn).Denials(ctx, &tradev1.QueryDenialsRequest{Owner: de.owner, Pagination: &sdkquery.PageRequest{Limit: 1000}})
			}),
		a.queryCmd1("rules", "Parameters beyond the Akash protocol: how long orders and grace last", cobra.NoArgs, nil,
			func(ctx context.Context, conn grpc.ClientConnInterface, _ []string) (gogoproto.Message, error) {
				return tradev1.NewQueryClient(conn).Params(ctx, &tradev1.QueryParamsRequest{})
			}),
		a.queryCmd1("params", "Parameters", cobra.NoArgs, nil, func(ctx context.Context, conn grpc.ClientConnInterface, _ []string) (gogoproto.Message, error) {
			return marketv1beta5.NewQueryClient(conn).Params(ctx, &marketv1beta5.QueryParamsRequest{})
		}),
	)
}

func queryInvariantsCmd(a *app) *cobra.Command {
	return a.queryCmd1("invariants", "Have the node check the whole market's state; its operator has to allow it", cobra.NoArgs, nil,
		func(ctx context.Context, conn grpc.ClientConnInterface, _ []string) (gogoproto.Message, error) {
			return tradev1.NewQueryClient(conn).Invariants(ctx, &tradev1.QueryInvariantsRequest{})
		})
}

// fundingOf asks the chain what a deployment's account holds, which knows what it owes to the last fraction.
func fundingOf(ctx context.Context, q tradev1.QueryClient, id deploymentv1.DeploymentID, blockTime time.Duration) (money, error) {
	res, err := q.Funding(ctx, &tradev1.QueryFundingRequest{Owner: id.Owner, Dseq: id.DSeq})
	if err != nil {
		return money{}, err
	}
	m := money{Blocks: max(res.BlocksLeft, -1)}
	if res.Balance.IsValid() && res.Balance.IsPositive() {
		m.Balance = sdk.NewDecCoins(sdk.NewDecCoinFromCoin(res.Balance))
	}
	if !res.Spent.Amount.IsNil() && res.Spent.IsValid() && res.Spent.IsPositive() {
		m.Rate = sdk.NewDecCoins(res.Spent)
	}
	m.TimeLeft = timeOf(m.Blocks, blockTime)
	return m, nil
}

func queryEscrowCmd(a *app) *cobra.Command {
	var al, pl filters
	var xa, xp string
	var b ids
	blocks := &cobra.Command{
		Use: "blocks-remaining", Short: "How long a deployment's money lasts", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx := cmd.Context()
			c, err := a.client(ctx)
			if err != nil {
				return err
			}
			if err := a.mineIfNone(&b); err != nil {
				return err
			}
			id := deploymentv1.DeploymentID{Owner: b.owner, DSeq: b.dseq}
			height, blockTime, err := c.Pace(ctx)
			if err != nil {
				return err
			}
			m, err := fundingOf(ctx, tradev1.NewQueryClient(c.Conn()), id, blockTime)
			if code := status.Code(err); code == codes.Unimplemented || code == codes.NotFound { // a node of today's Akash; no such deployment
				d, err := c.Deployment(ctx, id)
				if err != nil {
					return err
				}
				leases, err := c.Leases(ctx, id.Owner, id.DSeq, "")
				if err != nil {
					return err
				}
				m = moneyOf(d.EscrowAccount, leases, height, blockTime)
			} else if err != nil {
				return err
			}
			out := map[string]any{"balance_remaining": m.Balance.String(), "rate": m.Rate.String(), "blocks_remaining": nil, "estimated_seconds_remaining": nil}
			if m.Blocks >= 0 {
				out["blocks_remaining"], out["estimated_seconds_remaining"] = m.Blocks, int64(m.TimeLeft.Seconds())
			}
			return a.print(out, func() string {
				if m.Blocks < 0 {
					return fmt.Sprintf("balance: %s\nnothing is being spent\n", m.Balance)
				}
				return fmt.Sprintf("balance: %s\nrate: %s a block\nblocks: %d\nlasts: %s\n", m.Balance, m.Rate, m.Blocks, span(m.TimeLeft))
			})
		},
	}
	b.add(blocks, "owner", "dseq")
	return parent("escrow", "Accounts and payments",
		a.queryCmd1("accounts", "List accounts", cobra.NoArgs, func(c *cobra.Command) {
			al.add(c)
			c.Flags().StringVar(&xa, "xid", "", "id: deployment/owner/dseq, or a part of it from the left")
		}, func(ctx context.Context, conn grpc.ClientConnInterface, _ []string) (gogoproto.Message, error) {
			p, err := al.request()
			if err != nil {
				return nil, err
			}
			return escrowv1.NewQueryClient(conn).Accounts(ctx, &escrowv1.QueryAccountsRequest{State: al.state, XID: xa, Pagination: p})
		}),
		a.queryCmd1("payments", "List payments", cobra.NoArgs, func(c *cobra.Command) {
			pl.add(c)
			c.Flags().StringVar(&xp, "xid", "", "id: deployment/owner/dseq/gseq/oseq/provider, or a part of it from the left")
		}, func(ctx context.Context, conn grpc.ClientConnInterface, _ []string) (gogoproto.Message, error) {
			p, err := pl.request()
			if err != nil {
				return nil, err
			}
			return escrowv1.NewQueryClient(conn).Payments(ctx, &escrowv1.QueryPaymentsRequest{State: pl.state, XID: xp, Pagination: p})
		}),
		blocks)
}

func queryProviderCmd(a *app) *cobra.Command {
	var p page
	return parent("provider", "Registered providers",
		a.queryCmd1("list", "List providers", cobra.NoArgs, p.add, func(ctx context.Context, conn grpc.ClientConnInterface, _ []string) (gogoproto.Message, error) {
			req, err := p.request()
			if err != nil {
				return nil, err
			}
			return providerv1beta4.NewQueryClient(conn).Providers(ctx, &providerv1beta4.QueryProvidersRequest{Pagination: req})
		}),
		a.queryCmd1("get ADDRESS", "One provider", cobra.ExactArgs(1), nil, func(ctx context.Context, conn grpc.ClientConnInterface, args []string) (gogoproto.Message, error) {
			return providerv1beta4.NewQueryClient(conn).Provider(ctx, &providerv1beta4.QueryProviderRequest{Owner: args[0]})
		}))
}

func queryCertCmd(a *app) *cobra.Command {
	var f filters
	var serial string
	return parent("cert", "Certificates", a.queryCmd1("list", "List certificates", cobra.NoArgs, func(c *cobra.Command) {
		f.add(c, "owner")
		c.Flags().StringVar(&serial, "serial", "", "serial number")
	}, func(ctx context.Context, conn grpc.ClientConnInterface, _ []string) (gogoproto.Message, error) {
		p, err := f.request()
		if err != nil {
			return nil, err
		}
		return certv1.NewQueryClient(conn).Certificates(ctx, &certv1.QueryCertificatesRequest{
			Filter: certv1.CertificateFilter{Owner: f.owner, Serial: serial, State: f.state}, Pagination: p})
	}))
}

func queryAuditCmd(a *app) *cobra.Command {
	var p page
	var auditor string
	return parent("audit", "Attributes that auditors signed",
		a.queryCmd1("list", "List signed attributes of all providers", cobra.NoArgs, p.add, func(ctx context.Context, conn grpc.ClientConnInterface, _ []string) (gogoproto.Message, error) {
			req, err := p.request()
			if err != nil {
				return nil, err
			}
			return auditv1.NewQueryClient(conn).AllProvidersAttributes(ctx, &auditv1.QueryAllProvidersAttributesRequest{Pagination: req})
		}),
		a.queryCmd1("get PROVIDER", "Signed attributes of a provider", cobra.ExactArgs(1), func(c *cobra.Command) {
			c.Flags().StringVar(&auditor, "auditor", "", "only those of this auditor")
		}, func(ctx context.Context, conn grpc.ClientConnInterface, args []string) (gogoproto.Message, error) {
			q := auditv1.NewQueryClient(conn)
			if auditor != "" {
				return q.ProviderAuditorAttributes(ctx, &auditv1.QueryProviderAuditorRequest{Auditor: auditor, Owner: args[0]})
			}
			return q.ProviderAttributes(ctx, &auditv1.QueryProviderAttributesRequest{Owner: args[0]})
		}))
}
