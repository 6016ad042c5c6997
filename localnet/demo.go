package localnet

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	deploymentv1 "github.com/akash-supercloud/akash/api/akash/deployment/v1"
	marketv1 "github.com/akash-supercloud/akash/api/akash/market/v1"
	"github.com/akash-supercloud/akash/client"
	"github.com/akash-supercloud/akash/examples"
	"github.com/akash-supercloud/akash/match"
	"github.com/akash-supercloud/akash/sdl"
)

// deployDemo rents a container for the example page, as any tenant would, unless an earlier up did and
// its lease still runs. It returns once the page answers 200.
func (m *market) deployDemo(ctx context.Context) (string, error) {
	if old, err := ReadState(m.o.Home); err == nil && old.Demo != nil && m.demoStands(ctx, old.Demo) {
		m.demo = old.Demo
		return fmt.Sprintf("deployment %d goes on", m.demo.Dseq), m.writeState(m.demo)
	}
	spec, err := sdl.Parse("examples/web/deploy.yaml", examples.Web)
	if err != nil {
		return "", err
	}
	d, err := m.client.Deploy(ctx, client.DeployOptions{
		Spec: spec, From: "tenant", IngressPort: strconv.Itoa(m.o.Ports.Ingress), ReadyTimeout: 2 * time.Minute,
	})
	if err != nil {
		return "", err
	}
	if len(d.URLs) == 0 {
		return "", fmt.Errorf("deployment %d has no URL", d.DSeq)
	}
	demo := &Demo{Dseq: d.DSeq, URL: d.URLs[0].Address}
	if err := answers(ctx, demo.URL, 10*time.Second); err != nil {
		return "", err
	}
	m.demo = demo
	var parts []string
	for _, t := range d.Timings {
		parts = append(parts, fmt.Sprintf("%s %.1f", t.Step, t.Took.Seconds()))
	}
	return fmt.Sprintf("deployment %d: %s", d.DSeq, strings.Join(parts, ", ")), m.writeState(m.demo)
}

// whyNoDemo puts in words why the example failed. When nobody bid, the provider is asked why.
func (m *market) whyNoDemo(ctx context.Context, failed error) string {
	text := failed.Error()
	if !errors.Is(failed, client.ErrNoBids) {
		return text
	}
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	var at *client.DeployError
	if errors.As(failed, &at) {
		if said := m.decided(ctx, at.DSeq); said != "" {
			return text + "; the provider decided: " + said
		}
	}
	p, err := m.client.Provider(ctx, m.provider)
	if err != nil {
		return text + "; " + err.Error()
	}
	spec, err := sdl.Parse("examples/web/deploy.yaml", examples.Web)
	if err != nil {
		return text
	}
	for _, g := range spec.Groups() {
		res, err := m.client.Screen(ctx, p, g)
		switch {
		case err != nil:
			text += "; the provider can't be asked why: " + err.Error()
		case !res.Passed && len(res.Reasons) > 0:
			text += "; the provider says: " + strings.Join(res.Reasons, ", ")
		case res.Passed:
			// Asked so, it doesn't know whose order it is.
			text += "; the provider says it has room, so look whether " + filepath.Join(m.providerHome(), "provider.yaml") + " refuses the tenant, then run akash up again"
		}
	}
	return text
}

// decided is why the provider declined an order of a deployment, if its configuration has it serve that.
func (m *market) decided(ctx context.Context, dseq uint64) string {
	text, err := os.ReadFile(filepath.Join(m.providerHome(), "provider.yaml"))
	var conf struct {
		MetricsListen string `yaml:"metrics_listen"`
	}
	if err != nil || yaml.Unmarshal(text, &conf) != nil || conf.MetricsListen == "" {
		return ""
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+conf.MetricsListen+"/decisions", nil)
	if err != nil {
		return ""
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return ""
	}
	defer resp.Body.Close()
	var all []struct {
		Order   marketv1.OrderID `json:"order"`
		Outcome string           `json:"outcome"`
		Reasons []match.Reason   `json:"reasons"`
	}
	if json.NewDecoder(io.LimitReader(resp.Body, 4<<20)).Decode(&all) != nil {
		return ""
	}
	for _, d := range all { // newest first
		if d.Order.DSeq == dseq && len(d.Reasons) > 0 {
			said := []string{d.Outcome}
			for _, r := range d.Reasons {
				said = append(said, r.String())
			}
			return strings.Join(said, ", ")
		}
	}
	return ""
}

// demoStands tells whether an earlier example still is what its URL says.
func (m *market) demoStands(ctx context.Context, d *Demo) bool {
	owner, err := m.client.Address("tenant")
	if err != nil {
		return false
	}
	on, err := m.client.Deployment(ctx, deploymentv1.DeploymentID{Owner: owner.String(), DSeq: d.Dseq})
	if err != nil || on.Deployment.State != deploymentv1.DeploymentActive {
		return false
	}
	// Other ports than last time make another URL of it.
	if !strings.HasSuffix(d.URL, portOf(m.o.Ports.Ingress)) {
		return false
	}
	return answers(ctx, d.URL, 20*time.Second) == nil
}

func portOf(port int) string {
	if port == 80 {
		return ""
	}
	return ":" + strconv.Itoa(port)
}

// answers waits until a page says 200.
func answers(ctx context.Context, url string, limit time.Duration) error {
	web := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			return client.Dial(ctx, network, addr)
		}}}
	return poll(ctx, limit, func(ctx context.Context) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		resp, err := web.Do(req)
		if err != nil {
			return err
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return fmt.Errorf("%s answers %s", url, resp.Status)
		}
		return nil
	})
}
