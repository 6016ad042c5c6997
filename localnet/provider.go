package localnet

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"time"

	sdk "github.com/cosmos/cosmos-sdk/types"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	attributesv1 "github.com/akash-supercloud/akash/api/akash/base/attributes/v1"
	certv1 "github.com/akash-supercloud/akash/api/akash/cert/v1"
	providerv1beta4 "github.com/akash-supercloud/akash/api/akash/provider/v1beta4"
	"github.com/akash-supercloud/akash/client/auth"
	"github.com/akash-supercloud/akash/provider/runtime/containerd"
)

// providerHome is the provider's folder: certificate, database, containers.
func (m *market) providerHome() string { return filepath.Join(m.o.Home, "provider") }

// hostURI is where tenants find the provider's gateway.
func (m *market) hostURI() string {
	return "https://" + net.JoinHostPort(m.gatewayHost(), strconv.Itoa(m.o.Ports.Gateway))
}

// gatewayHost is a name rather than an address, so that TLS clients send it.
func (m *market) gatewayHost() string { return "localhost" }

// register puts what the chain must know of the provider there: its record and its certificate, in one
// transaction, if they aren't there yet or are other ones.
func (m *market) register(ctx context.Context) error {
	var msgs []sdk.Msg
	attributes := []attributesv1.Attribute{{Key: "host", Value: "akash"}, {Key: "region", Value: "local"}}
	known, err := providerv1beta4.NewQueryClient(m.client.Conn()).Provider(ctx, &providerv1beta4.QueryProviderRequest{Owner: m.provider})
	switch {
	case status.Code(err) == codes.NotFound:
		msgs = append(msgs, &providerv1beta4.MsgCreateProvider{Owner: m.provider, HostURI: m.hostURI(), Attributes: attributes})
	case err != nil:
		return fmt.Errorf("ask for the provider's record: %w", err)
	case known.Provider.HostURI != m.hostURI(): // other ports this time
		msgs = append(msgs, &providerv1beta4.MsgUpdateProvider{Owner: m.provider, HostURI: m.hostURI(), Attributes: known.Provider.Attributes, Info: known.Provider.Info})
	}

	valid, err := m.certificateStands(ctx)
	if err != nil {
		return err
	}
	if !valid {
		certPEM, pubPEM, keyPEM, err := auth.NewCertificate(m.provider, []string{m.gatewayHost(), m.o.Listen}, time.Now())
		if err != nil {
			return err
		}
		// The file first: a certificate on the chain without its key is of no use.
		if _, err := auth.WriteKeyFile(m.client.Keyring(), "provider", m.providerHome(), certPEM, keyPEM); err != nil {
			return fmt.Errorf("keep the provider's certificate: %w", err)
		}
		msgs = append(msgs, &certv1.MsgCreateCertificate{Owner: m.provider, Cert: certPEM, Pubkey: pubPEM})
	}
	if len(msgs) == 0 {
		return nil
	}
	if _, err := m.client.Send(ctx, "provider", msgs...); err != nil {
		return fmt.Errorf("register the provider: %w", err)
	}
	return nil
}

// certificateStands tells whether the certificate in the provider's folder is valid, and on the chain.
func (m *market) certificateStands(ctx context.Context) (bool, error) {
	pair, err := auth.ReadKeyFile(m.client.Keyring(), "provider", m.providerHome())
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	cert, err := x509.ParseCertificate(pair.Certificate[0])
	if err != nil || time.Now().Add(24*time.Hour).After(cert.NotAfter) {
		return false, nil
	}
	on, err := certv1.NewQueryClient(m.client.Conn()).Certificates(ctx, &certv1.QueryCertificatesRequest{
		Filter: certv1.CertificateFilter{Owner: m.provider, Serial: cert.SerialNumber.String(), State: "valid"},
	})
	if err != nil {
		return false, fmt.Errorf("ask for the provider's certificate: %w", err)
	}
	return len(on.Certificates) == 1, nil
}

// startProvider registers the provider, runs it, and returns once its gateway answers.
func (m *market) startProvider(ctx context.Context) (string, error) {
	if err := m.register(ctx); err != nil {
		return "", err
	}
	args, err := m.providerArgs()
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

// removeWorkloads takes away the provider's containers, its containerd, networks and mounts.
func removeWorkloads(ctx context.Context, o Options) error {
	home := runtimeHome(o.Home)
	if _, err := os.Stat(home); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	runsc, err := o.sandbox()
	if err != nil {
		return err
	}
	rt, err := containerd.New(ctx, containerd.Options{Home: home, Runsc: runsc, LogRetention: -1})
	if err != nil {
		return err
	}
	return rt.Destroy(ctx)
}

// runtimeHome is where the provider keeps its containers.
func runtimeHome(home string) string { return filepath.Join(home, "provider", "runtime") }

// providerArgs writes the provider's configuration and returns the command that runs it.
func (m *market) providerArgs() ([]string, error) {
	return []string{"provider", "run", "--home", m.providerHome()}, nil
}
