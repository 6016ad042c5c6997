package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"time"

	"cosmossdk.io/math"
	"github.com/spf13/cobra"

	"github.com/akash-supercloud/akash/provider/pricing"
)

// quoted is what a provider would ask for one group of an SDL.
type quoted struct {
	Group    string       `json:"group"`
	Price    string       `json:"price"` // a block
	Most     string       `json:"most"`  // that the SDL pays a block
	Monthly  string       `json:"monthly"`
	Currency string       `json:"currency"`
	Lines    []quotedLine `json:"lines"`
	Problem  string       `json:"problem,omitempty"`
}

type quotedLine struct {
	What     string `json:"what"`
	Quantity string `json:"quantity"`
	Each     string `json:"each"`
	Sum      string `json:"sum"`
}

func providerPriceCmd(a *app) *cobra.Command {
	var file, owner, idle string
	var blockTime time.Duration
	var explain bool
	cmd := &cobra.Command{
		Use: "price SDL", Short: "Say what an SDL would cost with this provider's prices", Args: cobra.ExactArgs(1),
		Long: "Say what each group of an SDL would cost with the prices of the provider's file, and with --explain how\n" +
			"the price comes about. Nothing is sent; the chain is asked for its time between blocks only, unless\n" +
			"--block-time says it.",
		RunE: func(cmd *cobra.Command, args []string) error {
			doc, err := a.readSDL(args[0])
			if err != nil {
				return err
			}
			if file == "" {
				file = filepath.Join(a.home, providerFileName)
			}
			cfg, _, _, err := readProviderConfig(file)
			if err != nil && !(errors.Is(err, fs.ErrNotExist) && !cmd.Flags().Changed("config")) {
				return err
			}
			engine, err := pricing.New(cfg.Pricing)
			if err != nil {
				return err
			}
			free, err := math.LegacyNewDecFromStr(idle)
			if err != nil || free.IsNegative() || free.GT(math.LegacyOneDec()) {
				return fmt.Errorf("--idle %q is no part of the hardware; use 0 to 1", idle)
			}
			if blockTime == 0 {
				blockTime = cfg.BlockTime
			}
			if blockTime == 0 {
				c, err := a.client(cmd.Context())
				if err != nil {
					return fmt.Errorf("%w; or say the chain's time between blocks with --block-time", err)
				}
				if blockTime, err = c.BlockTime(cmd.Context()); err != nil {
					return err
				}
			}
			var out []quoted
			for _, g := range doc.Groups() {
				most := pricing.Max(g)
				one := quoted{Group: g.Name, Most: pricing.Text(most.Amount) + most.Denom, Lines: []quotedLine{}}
				q, err := engine.Quote(cmd.Context(), pricing.Request{Owner: owner, Spec: g, BlockTime: blockTime, Idle: free})
				if errors.Is(err, pricing.ErrNoPrice) {
					one.Problem = err.Error()
					out = append(out, one)
					continue
				} else if err != nil {
					return err
				}
				one.Price, one.Monthly, one.Currency = pricing.Text(q.Price.Amount)+q.Price.Denom, pricing.Text(q.Monthly), q.Currency
				for _, l := range q.Lines {
					one.Lines = append(one.Lines, quotedLine{l.What, pricing.Text(l.Quantity), pricing.Text(l.Each), pricing.Text(l.Sum)})
				}
				if q.Price.Amount.GT(most.Amount) {
					one.Problem = fmt.Sprintf("the SDL pays at most %s a block, so the provider wouldn't bid", one.Most)
				}
				out = append(out, one)
			}
			return a.print(out, func() string { return quotesText(out, explain, blockTime) })
		},
	}
	f := cmd.Flags()
	f.StringVar(&file, "config", "", "the provider's file (default <home>/"+providerFileName+")")
	f.StringVar(&owner, "owner", "", "the tenant's address, for a pricing program that looks at it")
	f.StringVar(&idle, "idle", "0", "the part of the hardware that is free, 0 to 1, for the idle discount")
	f.DurationVar(&blockTime, "block-time", 0, "the chain's time between blocks (default: what the chain says)")
	f.BoolVar(&explain, "explain", false, "show how the price comes about")
	return cmd
}

func quotesText(list []quoted, explain bool, blockTime time.Duration) string {
	var b strings.Builder
	rows := [][]string{{"GROUP", "A BLOCK", "A MONTH", "THE SDL PAYS"}}
	for _, q := range list {
		rows = append(rows, []string{q.Group, q.Price, strings.TrimSpace(q.Monthly + " " + strings.ToUpper(q.Currency)), q.Most})
	}
	b.WriteString(table(rows))
	for _, q := range list {
		if explain && len(q.Lines) > 0 {
			lines := [][]string{{"", "QUANTITY", "EACH A MONTH", "SUM"}}
			for _, l := range q.Lines {
				lines = append(lines, []string{l.What, l.Quantity, l.Each, l.Sum})
			}
			fmt.Fprintf(&b, "\n%s, at a block every %s:\n%s", q.Group, blockTime, table(lines))
		}
		if q.Problem != "" {
			fmt.Fprintf(&b, "\n%s: %s\n", q.Group, q.Problem)
		}
	}
	return b.String()
}
