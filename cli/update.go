package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/spf13/cobra"

	deploymentv1 "github.com/akash-supercloud/akash/api/akash/deployment/v1"
	deploymentv1beta4 "github.com/akash-supercloud/akash/api/akash/deployment/v1beta4"
	"github.com/akash-supercloud/akash/client"
	"github.com/akash-supercloud/akash/client/gateway"
	"github.com/akash-supercloud/akash/sdl"
)

func updateCmd(a *app) *cobra.Command {
	var (
		auth    string
		timeout time.Duration
	)
	cmd := &cobra.Command{
		Use:   "update DSEQ FILE",
		Short: "Change images, commands, environment or ports of a running deployment",
		Long: `Change what a running deployment runs: images, commands, environment, host names. What was bought (CPU,
memory, storage, replicas, placement, price) can't change; that needs a new deployment.`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 2 {
				return errors.New("name a deployment by its number, and an SDL file")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			spec, err := a.readSDL(args[1])
			if err != nil {
				return err
			}
			c, id, err := a.mine(ctx, args[0])
			if err != nil {
				return err
			}
			return a.update(ctx, c, id, spec, client.AuthType(auth), timeout)
		},
	}
	cmd.Flags().StringVar(&auth, "auth", "jwt", "how the provider knows you: jwt or mtls")
	cmd.Flags().DurationVar(&timeout, "timeout", 10*time.Minute, "how long the services may take to run again")
	return cmd
}

// sameGroups refuses an SDL that asks for other groups than the chain holds.
func sameGroups(d *deploymentv1beta4.QueryDeploymentResponse, spec *sdl.SDL) error {
	want := spec.Groups()
	onChain := make([]deploymentv1beta4.GroupSpec, len(d.Groups))
	for i, g := range d.Groups {
		onChain[i] = g.GroupSpec
	}
	const advice = "what was bought can't change; close it and deploy anew"
	if len(want) != len(onChain) {
		return fmt.Errorf("the file has %d groups, deployment %d has %d: %s", len(want), d.Deployment.ID.DSeq, len(onChain), advice)
	}
	if err := spec.Manifest().CheckGroups(onChain); err != nil {
		return fmt.Errorf("%w: %s", err, advice)
	}
	for i := range want {
		x, err := want[i].Marshal()
		if err != nil {
			return err
		}
		y, err := onChain[i].Marshal()
		if err != nil {
			return err
		}
		if !bytes.Equal(x, y) {
			return fmt.Errorf("group %s differs from what was bought in its placement, prices or resources: %s", onChain[i].Name, advice)
		}
	}
	return nil
}

func (a *app) update(ctx context.Context, c *client.Client, id deploymentv1.DeploymentID, spec *sdl.SDL, auth client.AuthType, timeout time.Duration) error {
	d, err := c.Deployment(ctx, id)
	if err != nil {
		return err
	}
	if d.Deployment.State != deploymentv1.DeploymentActive {
		return fmt.Errorf("deployment %d is closed", id.DSeq)
	}
	if err := sameGroups(d, spec); err != nil {
		return err
	}
	_, live, err := running(ctx, c, id)
	if err != nil {
		return err
	}
	body, err := spec.Manifest().JSON()
	if err != nil {
		return err
	}
	l := a.live()
	defer l.end()
	if !bytes.Equal(d.Deployment.Hash, spec.Hash()) {
		l.now("recording the new manifest's hash on the chain")
		if _, err := c.Send(ctx, "", &deploymentv1beta4.MsgUpdateDeployment{ID: id, Hash: spec.Hash()}); err != nil {
			return err
		}
		l.keep(a.style.good.Render("✓") + " the chain has the new hash")
	}
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, fmt.Errorf("the services aren't ready after %s; see `akash status %d`", timeout, id.DSeq))
	defer cancel()
	urls := []string{}
	for _, lease := range live {
		g, err := c.Gateway(ctx, lease.Lease.ID.Provider, "", auth)
		if err != nil {
			return err
		}
		defer g.Close()
		before := map[string]int64{}
		if st, err := g.LeaseStatus(ctx, lease.Lease.ID); err == nil {
			before = generations(st)
		}
		l.now("sending the manifest to " + lease.Lease.ID.Provider)
		if err := client.PutManifest(ctx, g, id.DSeq, body, func(text string) { l.now(text) }); err != nil {
			return err
		}
		l.keep(a.style.good.Render("✓") + " " + lease.Lease.ID.Provider + " has the manifest")
		last, sent := "", time.Now()
		for {
			st, err := g.LeaseStatus(ctx, lease.Lease.ID)
			var news []string
			// Today's providers take the manifest first and act on it later: until something
			// moved, what is ready is the old.
			moved := time.Since(sent) > settleTime || !maps.Equal(before, generations(st))
			ready := err == nil && len(st.Services) > 0 && moved
			for _, s := range sortedServices(st) {
				if !s.Ready() || s.UpdatedReplicas < s.Total {
					ready = false
					news = append(news, fmt.Sprintf("%s %d/%d", s.Name, s.Available, s.Total))
				}
			}
			if err != nil {
				news = append(news, explain(err))
			}
			news = append(news, st.Errors...)
			if ready {
				ends, _ := client.Endpoints(st, a.ingress)
				for _, e := range ends {
					urls = append(urls, e.Address)
				}
				break
			}
			if text := "waiting for the services: " + strings.Join(news, "; "); text != last {
				last = text
				l.now(text)
			}
			select {
			case <-time.After(100 * time.Millisecond):
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
	}
	l.end()
	return a.print(map[string]any{"dseq": id.DSeq, "hash": fmt.Sprintf("%x", spec.Hash()), "leases": len(live), "urls": urls}, func() string {
		if len(live) == 0 {
			return fmt.Sprintf("deployment %d has the new hash; no lease runs\n", id.DSeq)
		}
		text := fmt.Sprintf("deployment %d is updated\n", id.DSeq)
		for _, u := range urls {
			text += "  " + a.style.link.Render(u) + "\n"
		}
		return text
	})
}

// settleTime is how long a provider may take to begin with an update before it is thought
// that nothing had to change.
const settleTime = 3 * time.Second

func generations(st gateway.LeaseStatus) map[string]int64 {
	out := map[string]int64{}
	for name, s := range st.Services {
		out[name] = s.ObservedGeneration
	}
	return out
}
