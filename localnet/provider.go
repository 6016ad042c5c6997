package localnet

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/akash-supercloud/akash/provider/runtime/containerd"
)

// providerHome is the provider's folder: configuration, certificate, database, containers.
func (m *market) providerHome() string { return filepath.Join(m.o.Home, "provider") }

// runtimeHome is where the provider keeps its containers.
func runtimeHome(home string) string { return filepath.Join(home, "provider", "runtime") }

// configure writes the provider's configuration: that of an earlier Up, which its user may have changed,
// with this one's addresses.
func (m *market) configure() (string, error) {
	path := filepath.Join(m.providerHome(), "provider.yaml")
	c := map[string]any{
		"attributes": map[string]string{"host": "akash", "region": "local"},
		"block_time": "500ms", // too young a chain can't be measured
	}
	text, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	if err := yaml.Unmarshal(text, &c); err != nil {
		return "", fmt.Errorf("%s: %w", path, err)
	}
	o, to := m.o, m.clientConfig()
	maps.Copy(c, map[string]any{
		"from": "provider", "host": "localhost", "ingress_domain": "localhost", "ports_host": o.Listen,
		"gateway_listen": o.bind(o.Ports.Gateway), "grpc_listen": o.bind(o.Ports.GatewayGRPC), "ingress_listen": o.bind(o.Ports.Ingress),
		"node": to.Node, "grpc": to.GRPC, "chain_id": to.ChainID, "keyring_backend": to.KeyringBackend, "keyring_dir": to.KeyringDir,
	})
	if text, err = yaml.Marshal(c); err != nil {
		return "", err
	}
	if err := os.MkdirAll(m.providerHome(), 0o711); err != nil {
		return "", err
	}
	head := "# The provider of akash up. Keys and addresses are written anew at every start; the rest is yours to change.\n"
	return path, os.WriteFile(path, append([]byte(head), text...), 0o644)
}

// startProvider runs the provider, which registers itself, and returns once its gateway answers.
func (m *market) startProvider(ctx context.Context) (string, error) {
	config, err := m.configure()
	if err != nil {
		return "", err
	}
	args, err := m.providerArgs(config)
	if err != nil {
		return "", err
	}
	url := "https://" + m.o.local(m.o.Ports.Gateway)
	// Whose certificate it is doesn't matter here: nothing is sent.
	web := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS13}, DisableKeepAlives: true}}
	err = m.start(ctx, "provider", args, 90*time.Second, func(ctx context.Context) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/status", nil)
		if err != nil {
			return err
		}
		resp, err := web.Do(req)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		body, _ := io.ReadAll(io.LimitReader(resp.Body, 512))
		if resp.StatusCode != http.StatusOK {
			return fmt.Errorf("its gateway answers %s: %s", resp.Status, body)
		}
		return nil
	})
	return fmt.Sprintf("%s, gVisor", url), err
}

// providerArgs run the provider by the same command that any operator uses.
func (m *market) providerArgs(config string) ([]string, error) {
	runsc, err := m.o.sandbox()
	return []string{"provider", "run", "--home", m.providerHome(), "--config", config,
		"--registry", m.registryAddr(), "--runsc", runsc}, err
}

// removeWorkloads takes away the provider's containers, its containerd, networks and mounts.
func removeWorkloads(ctx context.Context, o Options) error {
	home := runtimeHome(o.Home)
	if _, err := os.Stat(home); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	runsc, err := o.sandbox()
	if err != nil {
		// It may have been named by a flag when the market was started.
		s, serr := ReadState(o.Home)
		if _, ferr := os.Stat(s.Sandbox); serr != nil || ferr != nil {
			return errors.New("runsc, the gVisor sandbox, isn't found, and containers can't be removed without it; put it in PATH or run `make sandbox`")
		}
		runsc = s.Sandbox
	}
	rt, err := containerd.New(ctx, containerd.Options{Home: home, Runsc: runsc, LogRetention: -1})
	if err != nil {
		return err
	}
	return rt.Destroy(ctx)
}
