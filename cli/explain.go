package cli

import (
	"context"
	"fmt"
	"sort"
	"strings"
	"sync"
	"time"

	"github.com/cosmos/cosmos-sdk/types/query"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	auditv1 "github.com/akash-supercloud/akash/api/akash/audit/v1"
	deploymentv1beta4 "github.com/akash-supercloud/akash/api/akash/deployment/v1beta4"
	providerv1beta4 "github.com/akash-supercloud/akash/api/akash/provider/v1beta4"
	"github.com/akash-supercloud/akash/client"
	"github.com/akash-supercloud/akash/match"
	"github.com/akash-supercloud/akash/sdl"
)

// verdict is what one provider makes of one group.
type verdict struct {
	Provider string   `json:"provider"`
	Group    string   `json:"group"`
	Bids     bool     `json:"bids"`
	Price    string   `json:"price_per_month,omitempty"`
	Reasons  []string `json:"reasons,omitempty"`
	// Asked tells that the provider itself answered; else only the chain's data were looked at.
	Asked bool `json:"asked"`
}

// explain says for each provider and group whether it would bid, and if not, why.
func (a *app) explain(ctx context.Context, c *client.Client, spec *sdl.SDL) error {
	l := a.live()
	defer l.end()
	l.now("asking the providers")
	providers, err := c.Providers(ctx, 500)
	if err != nil {
		return err
	}
	blockTime, err := c.BlockTime(ctx)
	if err != nil {
		return err
	}
	groups := spec.Groups()
	verdicts := make([]verdict, 0, len(providers)*len(groups))
	var mu sync.Mutex
	var wg sync.WaitGroup
	slots := make(chan struct{}, 16)
	for _, p := range providers {
		audited := a.audited(ctx, c, p.Owner)
		for _, g := range groups {
			wg.Add(1)
			slots <- struct{}{}
			go func() {
				defer wg.Done()
				defer func() { <-slots }()
				v := judge(ctx, c, p, audited, g, blockTime)
				mu.Lock()
				verdicts = append(verdicts, v)
				mu.Unlock()
			}()
		}
	}
	wg.Wait()
	l.end()
	sort.Slice(verdicts, func(i, j int) bool {
		x, y := verdicts[i], verdicts[j]
		if x.Group != y.Group {
			return x.Group < y.Group
		}
		if x.Bids != y.Bids {
			return x.Bids
		}
		return x.Provider < y.Provider
	})
	would := map[string]bool{}
	for _, v := range verdicts {
		would[v.Group] = would[v.Group] || v.Bids
	}
	if a.json() {
		for _, v := range verdicts {
			if err := a.printJSON(v); err != nil {
				return err
			}
		}
	} else {
		for _, g := range groups {
			fmt.Fprintln(a.out, a.style.bold.Render(g.Name))
			if len(providers) == 0 {
				fmt.Fprintln(a.out, "  no provider is registered on this chain")
			}
			for _, v := range verdicts {
				if v.Group != g.Name {
					continue
				}
				switch {
				case v.Bids:
					fmt.Fprintf(a.out, "  %s %s would bid %s a month\n", a.style.good.Render("✓"), v.Provider, v.Price)
				case len(v.Reasons) == 0:
					fmt.Fprintf(a.out, "  ? %s fits by what the chain knows, but couldn't be asked\n", v.Provider)
				default:
					fmt.Fprintf(a.out, "  %s %s\n      %s\n", a.style.bad.Render("✗"), v.Provider, strings.Join(v.Reasons, "\n      "))
				}
			}
		}
	}
	for _, g := range groups {
		if !would[g.Name] {
			return fmt.Errorf("no provider said it would bid on %s", g.Name)
		}
	}
	return nil
}

func (a *app) audited(ctx context.Context, c *client.Client, owner string) []auditv1.AuditedProvider {
	res, err := auditv1.NewQueryClient(c.Conn()).ProviderAttributes(ctx, &auditv1.QueryProviderAttributesRequest{
		Owner: owner, Pagination: &query.PageRequest{Limit: 100},
	})
	if err != nil {
		return nil // none, as far as can be seen
	}
	return res.Providers
}

func judge(ctx context.Context, c *client.Client, p providerv1beta4.Provider, audited []auditv1.AuditedProvider, g deploymentv1beta4.GroupSpec, blockTime time.Duration) verdict {
	v := verdict{Provider: p.Owner, Group: g.Name}
	for _, r := range match.Attributes(g.Requirements, p.Attributes, audited) {
		v.Reasons = append(v.Reasons, r.String())
	}
	for _, r := range match.Capabilities(g.Resources, p.Attributes) {
		v.Reasons = append(v.Reasons, r.String())
	}
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	res, err := c.Screen(ctx, p, g)
	switch {
	case status.Code(err) == codes.Unimplemented:
		// It can't be asked; what the chain knows is all there is.
	case err != nil:
		v.Reasons = append(v.Reasons, "can't be reached: "+explain(err))
	default:
		v.Asked = true
		if len(v.Reasons) == 0 || !res.Passed {
			v.Reasons = append(v.Reasons, without(res.Reasons, v.Reasons)...)
		}
		v.Bids = res.Passed && len(v.Reasons) == 0
		if res.Price != nil {
			v.Price = client.PerMonth(*res.Price, blockTime)
		}
		if !v.Bids && len(v.Reasons) == 0 {
			v.Reasons = append(v.Reasons, "it gave no reason")
		}
	}
	return v
}

func without(list, known []string) []string {
	var out []string
next:
	for _, s := range list {
		for _, k := range known {
			if s == k {
				continue next
			}
		}
		out = append(out, s)
	}
	return out
}
