package cli

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"cosmossdk.io/math"
	sdk "github.com/cosmos/cosmos-sdk/types"
	"github.com/spf13/cobra"

	deploymentv1 "github.com/akash-supercloud/akash/api/akash/deployment/v1"
	deploymentv1beta4 "github.com/akash-supercloud/akash/api/akash/deployment/v1beta4"
	escrowtypes "github.com/akash-supercloud/akash/api/akash/escrow/types/v1"
	marketv1 "github.com/akash-supercloud/akash/api/akash/market/v1"
	marketv1beta5 "github.com/akash-supercloud/akash/api/akash/market/v1beta5"
	"github.com/akash-supercloud/akash/client"
	"github.com/akash-supercloud/akash/client/gateway"
)

func dseqArg(_ *cobra.Command, args []string) error {
	if len(args) != 1 {
		return errors.New("name one deployment by its number; see `akash ls`")
	}
	_, err := parseDSeq(args[0])
	return err
}

func parseDSeq(text string) (uint64, error) {
	dseq, err := strconv.ParseUint(text, 10, 64)
	if err != nil || dseq == 0 {
		return 0, fmt.Errorf("%q isn't a deployment's number; see `akash ls`", text)
	}
	return dseq, nil
}

// mine returns the client, the signer's address and a deployment's id.
func (a *app) mine(ctx context.Context, dseq string) (*client.Client, deploymentv1.DeploymentID, error) {
	var id deploymentv1.DeploymentID
	n, err := parseDSeq(dseq)
	if err != nil {
		return nil, id, err
	}
	c, owner, err := a.me(ctx)
	if err != nil {
		return nil, id, err
	}
	return c, deploymentv1.DeploymentID{Owner: owner, DSeq: n}, nil
}

// me returns the client and the address of the key to sign with.
func (a *app) me(ctx context.Context) (*client.Client, string, error) {
	c, err := a.client(ctx)
	if err != nil {
		return nil, "", err
	}
	addr, err := c.Address("")
	if err != nil {
		return nil, "", err
	}
	return c, addr.String(), nil
}

// money is what a deployment's account holds and how long that lasts.
type money struct {
	Balance  sdk.DecCoins // what is left now; empty when overdrawn
	Rate     sdk.DecCoins // a block
	Blocks   int64        // until the first coin runs out; -1 if nothing is being spent
	TimeLeft time.Duration
}

// moneyOf works out the balance now: the chain settles an account only when it is touched.
func moneyOf(account escrowtypes.Account, leases []marketv1beta5.QueryLeaseResponse, height int64, blockTime time.Duration) money {
	m := money{Blocks: -1}
	for _, l := range leases {
		if l.EscrowPayment.State.State == escrowtypes.StateOpen && l.EscrowPayment.State.Rate.IsValid() {
			m.Rate = m.Rate.Add(l.EscrowPayment.State.Rate)
		}
	}
	since := max(height-account.State.SettledAt, 0)
	for _, f := range account.State.Funds {
		left := f.Amount
		rate := m.Rate.AmountOf(f.Denom)
		if account.State.State == escrowtypes.StateOpen {
			left = left.Sub(rate.MulInt64(since))
		}
		if left.IsNegative() {
			left = math.LegacyZeroDec()
		}
		if left.IsPositive() {
			m.Balance = m.Balance.Add(sdk.DecCoin{Denom: f.Denom, Amount: left})
		}
		if rate.IsPositive() {
			if blocks := left.Quo(rate).TruncateInt64(); m.Blocks < 0 || blocks < m.Blocks {
				m.Blocks = blocks
			}
		}
	}
	m.TimeLeft = timeOf(m.Blocks, blockTime)
	return m
}

// timeOf is how long so many blocks take, at most a hundred years; 0 for less than none.
func timeOf(blocks int64, blockTime time.Duration) time.Duration {
	const most = 100 * 365 * 24 * time.Hour
	switch {
	case blocks < 0:
		return 0
	case blockTime > 0 && blocks < int64(most/blockTime):
		return time.Duration(blocks) * blockTime
	}
	return most
}

func coinsText(list sdk.DecCoins) string {
	if len(list) == 0 {
		return "0"
	}
	var out []string
	for _, c := range list {
		out = append(out, client.Coins(c))
	}
	return strings.Join(out, " + ")
}

func monthText(list sdk.DecCoins, blockTime time.Duration) string {
	if len(list) == 0 {
		return "-"
	}
	var out []string
	for _, c := range list {
		out = append(out, client.PerMonth(c, blockTime))
	}
	return strings.Join(out, " + ")
}

func span(d time.Duration) string {
	switch {
	case d >= 48*time.Hour:
		return fmt.Sprintf("%d days", int(d/(24*time.Hour)))
	case d >= 2*time.Hour:
		return fmt.Sprintf("%d hours", int(d/time.Hour))
	case d >= 2*time.Minute:
		return fmt.Sprintf("%d min", int(d/time.Minute))
	}
	return fmt.Sprintf("%d s", int(d/time.Second))
}

func (m money) left() string {
	if m.Blocks < 0 {
		return "-"
	}
	return span(m.TimeLeft)
}

// enum writes a state without its prefix.
func enum(s fmt.Stringer) string { return strings.ToLower(s.String()) }

func lsCmd(a *app) *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use:     "ls",
		Aliases: []string{"list"},
		Short:   "List your deployments: state, provider, price, money left",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx := cmd.Context()
			c, owner, err := a.me(ctx)
			if err != nil {
				return err
			}
			state := "active"
			if all {
				state = ""
			}
			list, err := c.Deployments(ctx, owner, state, 0)
			if err != nil {
				return err
			}
			leases, err := c.Leases(ctx, owner, 0, "")
			if err != nil {
				return err
			}
			height, blockTime, err := c.Pace(ctx)
			if err != nil {
				return err
			}
			rows := [][]string{{"DSEQ", "STATE", "GROUPS", "PROVIDER", "PRICE A MONTH", "MONEY LEFT", "LASTS"}}
			for _, d := range list {
				var own []marketv1beta5.QueryLeaseResponse
				var providers []string
				for _, l := range leases {
					if l.Lease.ID.DSeq != d.Deployment.ID.DSeq {
						continue
					}
					own = append(own, l)
					if l.Lease.State == marketv1.LeaseActive || l.Lease.State == marketv1.LeaseReclaiming {
						providers = append(providers, l.Lease.ID.Provider)
					}
				}
				m := moneyOf(d.EscrowAccount, own, height, blockTime)
				if a.json() {
					groups := []map[string]any{}
					for _, g := range d.Groups {
						groups = append(groups, map[string]any{"name": g.GroupSpec.Name, "state": enum(g.State)})
					}
					item := map[string]any{
						"dseq": d.Deployment.ID.DSeq, "state": enum(d.Deployment.State), "groups": groups, "providers": nonNil(providers),
						"price_per_block": m.Rate.String(), "price_per_month": monthText(m.Rate, blockTime), "balance": m.Balance.String(),
						"hash": fmt.Sprintf("%x", d.Deployment.Hash),
					}
					if m.Blocks >= 0 {
						item["blocks_left"] = m.Blocks
					}
					if err := a.printJSON(item); err != nil {
						return err
					}
					continue
				}
				var groups []string
				for _, g := range d.Groups {
					text := g.GroupSpec.Name
					if g.State != deploymentv1beta4.GroupOpen && d.Deployment.State == deploymentv1.DeploymentActive {
						text += " (" + enum(g.State) + ")"
					}
					groups = append(groups, text)
				}
				who := strings.Join(providers, ",")
				if who == "" {
					who = "-"
				}
				rows = append(rows, []string{
					strconv.FormatUint(d.Deployment.ID.DSeq, 10), enum(d.Deployment.State), strings.Join(groups, ","), who,
					monthText(m.Rate, blockTime), coinsText(m.Balance), m.left(),
				})
			}
			if a.json() {
				return nil
			}
			if len(rows) == 1 {
				fmt.Fprintf(a.err, "%s has no deployments; make one with `akash deploy FILE`\n", owner)
				return nil
			}
			_, err = fmt.Fprint(a.out, table(rows))
			return err
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "closed ones too")
	return cmd
}

func nonNil(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}

// running returns a deployment's leases that are not closed.
func running(ctx context.Context, c *client.Client, id deploymentv1.DeploymentID) (all, live []marketv1beta5.QueryLeaseResponse, err error) {
	all, err = c.Leases(ctx, id.Owner, id.DSeq, "")
	for _, l := range all {
		if l.Lease.State == marketv1.LeaseActive || l.Lease.State == marketv1.LeaseReclaiming {
			live = append(live, l)
		}
	}
	return all, live, err
}

func statusCmd(a *app) *cobra.Command {
	var auth string
	cmd := &cobra.Command{
		Use:   "status [DSEQ]",
		Short: "Show a deployment: services, URLs, what is wrong, money left; without DSEQ the chain's node",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil
			}
			return dseqArg(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			if len(args) == 0 {
				return a.nodeStatus(ctx)
			}
			c, id, err := a.mine(ctx, args[0])
			if err != nil {
				return err
			}
			return a.status(ctx, c, id, client.AuthType(auth))
		},
	}
	cmd.Flags().StringVar(&auth, "auth", "jwt", "how the provider knows you: jwt or mtls")
	return cmd
}

func (a *app) status(ctx context.Context, c *client.Client, id deploymentv1.DeploymentID, auth client.AuthType) error {
	d, err := c.Deployment(ctx, id)
	if err != nil {
		return err
	}
	all, live, err := running(ctx, c, id)
	if err != nil {
		return err
	}
	height, blockTime, err := c.Pace(ctx)
	if err != nil {
		return err
	}
	m := moneyOf(d.EscrowAccount, all, height, blockTime)
	type leaseInfo struct {
		GSeq     uint32               `json:"gseq"`
		OSeq     uint32               `json:"oseq"`
		Provider string               `json:"provider"`
		State    string               `json:"state"`
		Price    string               `json:"price_per_block"`
		PerMonth string               `json:"price_per_month"`
		Reason   string               `json:"reason,omitempty"`
		URLs     []string             `json:"urls"`
		Ports    []string             `json:"ports"`
		Status   *gateway.LeaseStatus `json:"status,omitempty"`
		Error    string               `json:"error,omitempty"`

		status gateway.LeaseStatus
	}
	infos := []*leaseInfo{}
	for _, l := range all {
		info := &leaseInfo{
			GSeq: l.Lease.ID.GSeq, OSeq: l.Lease.ID.OSeq, Provider: l.Lease.ID.Provider, State: enum(l.Lease.State),
			Price: l.Lease.Price.String(), PerMonth: client.PerMonth(l.Lease.Price, blockTime), URLs: []string{}, Ports: []string{},
		}
		if l.Lease.Reason != marketv1.LeaseClosedReasonInvalid {
			info.Reason = strings.ReplaceAll(strings.TrimPrefix(enum(l.Lease.Reason), "lease_closed_reason_"), "_", " ")
		}
		infos = append(infos, info)
	}
	var wg sync.WaitGroup
	for i, l := range all {
		if l.Lease.State != marketv1.LeaseActive && l.Lease.State != marketv1.LeaseReclaiming {
			continue
		}
		wg.Add(1)
		go func() {
			defer wg.Done()
			ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
			defer cancel()
			info := infos[i]
			g, err := c.Gateway(ctx, l.Lease.ID.Provider, "", auth)
			if err == nil {
				defer g.Close()
				info.status, err = g.LeaseStatus(ctx, l.Lease.ID)
			}
			if err != nil {
				info.Error = explain(err)
				return
			}
			info.Status = &info.status
			urls, ports := client.Endpoints(info.status, a.ingress)
			for _, u := range urls {
				info.URLs = append(info.URLs, u.Address)
			}
			for _, p := range ports {
				info.Ports = append(info.Ports, p.Address)
			}
		}()
	}
	wg.Wait()
	if a.json() {
		out := map[string]any{
			"owner": id.Owner, "dseq": id.DSeq, "state": enum(d.Deployment.State), "hash": fmt.Sprintf("%x", d.Deployment.Hash),
			"balance": m.Balance.String(), "price_per_block": m.Rate.String(), "price_per_month": monthText(m.Rate, blockTime), "leases": infos,
		}
		if m.Blocks >= 0 {
			out["blocks_left"] = m.Blocks
		}
		return a.printJSON(out)
	}
	rows := [][]string{
		{"deployment", fmt.Sprintf("%d, %s", id.DSeq, enum(d.Deployment.State))},
		{"owner", id.Owner},
		{"costs", monthText(m.Rate, blockTime) + " a month"},
		{"money left", coinsText(m.Balance) + ", lasts " + m.left()},
	}
	for _, g := range d.Groups {
		rows = append(rows, []string{"group " + g.GroupSpec.Name, enum(g.State)})
	}
	fmt.Fprint(a.out, table(rows))
	if len(live) == 0 && d.Deployment.State == deploymentv1.DeploymentActive {
		fmt.Fprintln(a.out, "no lease runs")
	}
	for _, info := range infos {
		head := fmt.Sprintf("\nlease %d/%d with %s, %s, %s a month", info.GSeq, info.OSeq, info.Provider, info.State, info.PerMonth)
		if info.Reason != "" {
			head += ", closed: " + info.Reason
		}
		fmt.Fprintln(a.out, a.style.bold.Render(head))
		if info.Error != "" {
			fmt.Fprintln(a.out, "  "+a.style.bad.Render(info.Error))
			continue
		}
		if info.Status == nil {
			continue
		}
		rows := [][]string{}
		urls, ports := client.Endpoints(info.status, a.ingress)
		for _, s := range sortedServices(info.status) {
			state := a.style.good.Render("ready")
			if !s.Ready() {
				state = a.style.bad.Render("not ready")
			}
			row := []string{"  " + s.Name, fmt.Sprintf("%d/%d", s.Available, s.Total), state}
			var at []string
			for _, e := range append(append([]client.Endpoint{}, urls...), ports...) {
				if e.Service == s.Name {
					at = append(at, a.style.link.Render(e.Address))
				}
			}
			rows = append(rows, append(row, strings.Join(at, " ")))
		}
		fmt.Fprint(a.out, table(rows))
		for _, e := range info.status.Errors {
			fmt.Fprintln(a.out, "  "+a.style.bad.Render(e))
		}
	}
	return nil
}

func sortedServices(st gateway.LeaseStatus) []gateway.ServiceStatus {
	out := make([]gateway.ServiceStatus, 0, len(st.Services))
	for name, s := range st.Services {
		if s.Name == "" {
			s.Name = name
		}
		out = append(out, s)
	}
	for i := 1; i < len(out); i++ {
		for j := i; j > 0 && out[j].Name < out[j-1].Name; j-- {
			out[j], out[j-1] = out[j-1], out[j]
		}
	}
	return out
}

func logsCmd(a *app) *cobra.Command {
	var (
		opt  gateway.LogOptions
		auth string
	)
	cmd := &cobra.Command{
		Use:   "logs DSEQ",
		Short: "Print what the services write",
		Args:  dseqArg,
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			c, id, err := a.mine(ctx, args[0])
			if err != nil {
				return err
			}
			if _, err := c.Deployment(ctx, id); err != nil {
				return err
			}
			_, live, err := running(ctx, c, id)
			if err != nil {
				return err
			}
			if len(live) == 0 {
				return fmt.Errorf("deployment %d has no running lease", id.DSeq)
			}
			ctx, cancel := context.WithCancel(ctx)
			defer cancel()
			var mu sync.Mutex
			errs := make(chan error, len(live))
			for _, l := range live {
				go func() {
					g, err := c.Gateway(ctx, l.Lease.ID.Provider, "", client.AuthType(auth))
					if err != nil {
						errs <- err
						return
					}
					defer g.Close()
					errs <- g.Logs(ctx, l.Lease.ID, opt, func(name, line string) error {
						mu.Lock()
						defer mu.Unlock()
						if a.json() {
							return a.printJSON(map[string]string{"name": name, "message": line})
						}
						_, err := fmt.Fprintf(a.out, "%s %s\n", a.style.dim.Render("["+name+"]"), printable(line))
						return err
					})
				}()
			}
			var first error
			for range live {
				if err := <-errs; err != nil && first == nil {
					first = err
				}
			}
			if opt.Follow && errors.Is(first, context.Canceled) {
				return nil // Ctrl-C is how following ends
			}
			return first
		},
	}
	f := cmd.Flags()
	f.BoolVarP(&opt.Follow, "follow", "f", false, "go on until Ctrl-C")
	f.StringSliceVar(&opt.Services, "service", nil, "only these services")
	f.IntVar(&opt.Tail, "tail", -1, "only the last lines of each replica")
	f.StringVar(&auth, "auth", "jwt", "how the provider knows you: jwt or mtls")
	return cmd
}

// printable takes control characters but tabs and colours out of a tenant's line, so that it
// can't steer the terminal.
func printable(line string) string {
	return strings.Map(func(r rune) rune {
		if r == '\t' || r >= ' ' && r != 0x7f && (r < 0x80 || r > 0x9f) {
			return r
		}
		return -1
	}, line)
}

func closeCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "close DSEQ…",
		Short: "Close deployments; what is left of the deposit comes back",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return errors.New("name the deployments by their numbers; see `akash ls`")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			for _, arg := range args {
				c, id, err := a.mine(ctx, arg)
				if err != nil {
					return err
				}
				l := a.live()
				l.now(fmt.Sprintf("closing deployment %d", id.DSeq))
				res, err := c.Send(ctx, "", &deploymentv1beta4.MsgCloseDeployment{ID: id})
				l.end()
				if err != nil {
					return err
				}
				back := received(res, id.Owner)
				err = a.print(map[string]any{"dseq": id.DSeq, "returned": back.String(), "tx": res.TxHash, "height": res.Height}, func() string {
					return fmt.Sprintf("deployment %d is closed; %s came back\n", id.DSeq, exact(back))
				})
				if err != nil {
					return err
				}
			}
			return nil
		},
	}
}

// exact writes coins to the last unit: a refund is checked against what was paid.
func exact(coins sdk.Coins) string {
	if coins.IsZero() {
		return "nothing"
	}
	var parts []string
	for _, c := range coins {
		if name, ok := strings.CutPrefix(c.Denom, "u"); ok && len(name) >= 3 {
			million := math.NewInt(1_000_000)
			parts = append(parts, fmt.Sprintf("%s.%06d %s", c.Amount.Quo(million), c.Amount.Mod(million).Int64(), strings.ToUpper(name)))
		} else {
			parts = append(parts, c.String())
		}
	}
	return strings.Join(parts, " and ")
}

// received adds up what an account got in a transaction.
func received(res *sdk.TxResponse, address string) sdk.Coins {
	var total sdk.Coins
	for _, e := range res.Events {
		if e.Type != "coin_received" {
			continue
		}
		var to, amount string
		for _, at := range e.Attributes {
			switch at.Key {
			case "receiver":
				to = at.Value
			case "amount":
				amount = at.Value
			}
		}
		if to != address {
			continue
		}
		if coins, err := sdk.ParseCoinsNormalized(amount); err == nil {
			total = total.Add(coins...)
		}
	}
	return total
}
