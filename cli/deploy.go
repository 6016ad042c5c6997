package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	sdk "github.com/cosmos/cosmos-sdk/types"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	depositv1 "github.com/akash-supercloud/akash/api/akash/base/deposit/v1"
	"github.com/akash-supercloud/akash/client"
	"github.com/akash-supercloud/akash/sdl"
)

// readSDL reads and checks a file; "-" is standard input.
func (a *app) readSDL(name string) (*sdl.SDL, error) {
	data, err := a.readFile(name)
	if err != nil {
		return nil, err
	}
	return sdl.Parse(name, data)
}

type depositFlags struct {
	amount  string
	sources string
}

func (d *depositFlags) add(cmd *cobra.Command, what string) {
	cmd.Flags().StringVar(&d.amount, "deposit", "", "deposit, for example 5000000uact (default: the least that the chain takes)")
	cmd.Flags().StringVar(&d.sources, "deposit-sources", "grant,balance", "where the deposit of the "+what+" comes from, in order")
}

func (d *depositFlags) parse() (sdk.Coin, []depositv1.Source, error) {
	var coin sdk.Coin
	if d.amount != "" {
		var err error
		if coin, err = sdk.ParseCoinNormalized(d.amount); err != nil {
			return coin, nil, fmt.Errorf("--deposit %q isn't a coin; write for example 5000000uact", d.amount)
		}
	}
	sources, err := parseSources(d.sources)
	return coin, sources, err
}

func parseSources(list string) ([]depositv1.Source, error) {
	var out []depositv1.Source
	for _, s := range strings.Split(list, ",") {
		switch strings.TrimSpace(s) {
		case "grant":
			out = append(out, depositv1.SourceGrant)
		case "balance":
			out = append(out, depositv1.SourceBalance)
		default:
			return nil, fmt.Errorf("deposit source %q: use grant, balance or both", s)
		}
	}
	return out, nil
}

func deployCmd(a *app) *cobra.Command {
	var (
		opt     client.DeployOptions
		deposit depositFlags
		explain bool
		auth    string
	)
	cmd := &cobra.Command{
		Use:   "deploy FILE",
		Short: "Deploy an SDL file: from the file to a URL that answers",
		Long: `Deploy an SDL file: create the deployment, wait for bids, take one, send the manifest to the provider,
and wait until every service runs and its URL answers.

If something fails on the way, the deployment is closed again and the deposit comes back, unless --keep.`,
		Example: `  akash deploy deploy.yaml
  akash deploy deploy.yaml --bid ask
  akash deploy deploy.yaml --explain     # would anybody bid? and if not, why?`,
		Args: oneFile,
		RunE: func(cmd *cobra.Command, args []string) error {
			spec, err := a.readSDL(args[0])
			if err != nil {
				return err
			}
			for _, w := range spec.Warnings() {
				fmt.Fprintln(a.err, a.style.dim.Render("warning: "+w.Error()))
			}
			c, err := a.client(cmd.Context())
			if err != nil {
				return err
			}
			if explain {
				return a.explain(cmd.Context(), c, spec)
			}
			if opt.Deposit, opt.Sources, err = deposit.parse(); err != nil {
				return err
			}
			opt.Spec, opt.Auth = spec, client.AuthType(auth)
			if opt.IngressPort == "" {
				opt.IngressPort = a.ingress
			}
			return a.deploy(cmd.Context(), c, opt)
		},
	}
	f := cmd.Flags()
	f.StringVar(&opt.Bid, "bid", client.BidCheapest, "which bid to take: cheapest, first, ask, or a provider's address")
	f.DurationVar(&opt.BidWait, "bid-wait", 0, "how long to wait for cheaper bids after the first (default: one block)")
	f.DurationVar(&opt.BidTimeout, "bid-timeout", time.Minute, "how long to wait for the first bid")
	f.DurationVar(&opt.ReadyTimeout, "timeout", 10*time.Minute, "how long the services may take to run and answer")
	f.Uint64Var(&opt.DSeq, "dseq", 0, "number of the deployment (default: the height of the last block)")
	f.BoolVar(&opt.Keep, "keep", false, "leave the deployment open if something fails")
	f.BoolVar(&explain, "explain", false, "deploy nothing; ask every provider whether it would bid, and why not")
	f.StringVar(&auth, "auth", "jwt", "how the provider knows you: jwt (a token) or mtls (a certificate)")
	f.StringVar(&opt.IngressPort, "ingress-port", "", "port where the providers' host names answer (default 80)")
	deposit.add(cmd, "deployment")
	return cmd
}

func oneFile(_ *cobra.Command, args []string) error {
	if len(args) != 1 {
		return errors.New("name one SDL file")
	}
	return nil
}

func (a *app) deploy(ctx context.Context, c *client.Client, opt client.DeployOptions) error {
	l := a.live()
	defer l.end()
	opt.Progress = func(e client.Event) {
		switch {
		case e.Done:
			l.keep(fmt.Sprintf("%s %-9s %8s  %s", a.style.good.Render("✓"), e.Step, seconds(e.Took), e.Text))
		case e.Bids != nil:
			l.now(e.Text, a.bidTable(e.Bids)...)
		default:
			l.now(e.Text)
		}
	}
	if opt.Bid == client.BidAsk {
		f, ok := a.in.(*os.File)
		if !ok || !term.IsTerminal(int(f.Fd())) {
			return errors.New("--bid ask needs a terminal; use cheapest, first or a provider's address")
		}
		opt.Choose = func(ctx context.Context, group string, bids []client.Bid) (n int, err error) {
			l.suspend(func() { n, err = a.ask(ctx, group, bids) })
			return n, err
		}
	}
	d, err := c.Deploy(ctx, opt)
	if err != nil {
		return err
	}
	l.end()
	return a.print(d, func() string {
		var b strings.Builder
		fmt.Fprintf(&b, "deployment %d runs for %s a month; ready in %s\n", d.DSeq, d.PerMonth, seconds(d.Total))
		rows := [][]string{}
		for _, u := range d.URLs {
			rows = append(rows, []string{"  " + u.Service, a.style.link.Render(u.Address)})
		}
		for _, p := range d.Ports {
			rows = append(rows, []string{"  " + p.Service, p.Address})
		}
		b.WriteString(table(rows))
		fmt.Fprintf(&b, "logs: akash logs %d -f   close: akash close %d\n", d.DSeq, d.DSeq)
		return b.String()
	})
}

func (a *app) bidTable(bids []client.Bid) []string {
	rows := [][]string{{"  PROVIDER", "PRICE A MONTH", "A BLOCK", "GROUP"}}
	for _, b := range bids {
		rows = append(rows, []string{"  " + b.ID.Provider, b.PerMonth, perBlock(b.Price), strconv.Itoa(int(b.ID.GSeq))})
	}
	return strings.Split(strings.TrimRight(table(rows), "\n"), "\n")
}

// perBlock writes a price to six decimals; the exact one is in the JSON.
func perBlock(c sdk.DecCoin) string {
	whole, frac, _ := strings.Cut(c.Amount.String(), ".")
	if len(frac) > 6 {
		frac = frac[:6]
	}
	return strings.TrimRight(whole+"."+strings.TrimRight(frac, "0"), ".") + c.Denom
}

// ask lets a person choose.
func (a *app) ask(ctx context.Context, group string, bids []client.Bid) (int, error) {
	rows := [][]string{{"  #", "PROVIDER", "PRICE A MONTH"}}
	for i, b := range bids {
		rows = append(rows, []string{fmt.Sprintf("%3d", i+1), b.ID.Provider, b.PerMonth})
	}
	fmt.Fprintf(a.err, "Bids on %s:\n%s", group, table(rows))
	line := make(chan string, 1)
	r := bufio.NewReader(a.in)
	for {
		fmt.Fprintf(a.err, "Which one? [1] ")
		go func() {
			text, err := r.ReadString('\n')
			if err != nil && text == "" {
				text = "none"
			}
			line <- strings.TrimSpace(text)
		}()
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case text := <-line:
			if text == "" {
				return 0, nil
			}
			if n, err := strconv.Atoi(text); err == nil && n >= 1 && n <= len(bids) {
				return n - 1, nil
			}
			if text == "none" || text == "q" {
				return 0, errors.New("no bid chosen")
			}
			fmt.Fprintf(a.err, "Type a number from 1 to %d, or q.\n", len(bids))
		}
	}
}
