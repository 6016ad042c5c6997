// Package gateway is the client of a provider's gateway: what a tenant asks the provider
// itself, off the chain. It owns the wire form of those answers and the trust in the
// provider's TLS.
//
// What always holds:
//   - The other end is the provider: its certificate is a public one for the host name that
//     the chain holds for it, or the very certificate that the chain holds for its account.
//   - No answer is read without a bound on its size.
package gateway

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	marketv1 "github.com/akash-supercloud/akash/api/akash/market/v1"
	"github.com/akash-supercloud/akash/client/auth"
)

// Auth says who the caller is and how the provider is known. One of Token and Certificate;
// neither for the routes that everybody may use.
type Auth struct {
	// Token returns a token for the provider; called for each request.
	Token func() (string, error)
	// Certificate is shown to the provider.
	Certificate *tls.Certificate
	// Lookup asks the chain for a certificate (see auth.VerifyPeer). Without it only public
	// certificates are trusted.
	Lookup func(ctx context.Context, owner, serial string) (certPEM []byte, valid bool, err error)
}

// Client talks to one provider. Safe for use by many goroutines.
type Client struct {
	base     *url.URL
	provider string
	auth     Auth
	http     *http.Client
}

// maxAnswer bounds the body of an answer.
const maxAnswer = 16 << 20

// New makes a client of the provider whose gateway is at hostURI (https://host:port) and
// whose account is providerAddress. It connects with the first request.
func New(hostURI, providerAddress string, a Auth) (*Client, error) {
	u, err := url.Parse(hostURI)
	if err != nil || u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("provider %s registered the address %q, which isn't https://host:port", providerAddress, hostURI)
	}
	if a.Token != nil && a.Certificate != nil {
		return nil, errors.New("a provider takes a token or a certificate, not both")
	}
	c := &Client{base: &url.URL{Scheme: "https", Host: u.Host}, provider: providerAddress, auth: a}
	c.http = &http.Client{Transport: &http.Transport{
		DialContext:           Dial,
		TLSClientConfig:       c.tlsConfig(u.Hostname()),
		TLSHandshakeTimeout:   15 * time.Second,
		ResponseHeaderTimeout: 130 * time.Second, // a manifest upload waits for the chain up to 120 s
		MaxIdleConnsPerHost:   4,
		IdleConnTimeout:       time.Minute,
	}}
	return c, nil
}

// Close lets go of idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Provider returns the provider's account.
func (c *Client) Provider() string { return c.provider }

// TLSConfig returns what the connections are made with, for other protocols on the same host.
func (c *Client) TLSConfig() *tls.Config { return c.tlsConfig(c.base.Hostname()) }

func (c *Client) tlsConfig(host string) *tls.Config {
	cfg := &tls.Config{
		MinVersion: tls.VersionTLS13,
		ServerName: host,
		// The check below does more, and less: a name isn't needed where the chain vouches.
		InsecureSkipVerify: true,
		VerifyConnection:   func(s tls.ConnectionState) error { return c.verify(host, s) },
	}
	if c.auth.Certificate != nil {
		cfg.Certificates = []tls.Certificate{*c.auth.Certificate}
		if net.ParseIP(host) == nil {
			// By this name a provider with a public certificate knows that it should ask for ours.
			cfg.ServerName = "mtls." + host
		}
	}
	return cfg
}

func (c *Client) verify(host string, s tls.ConnectionState) error {
	if len(s.PeerCertificates) == 0 {
		return errors.New("the provider showed no certificate")
	}
	leaf := s.PeerCertificates[0]
	between := x509.NewCertPool()
	for _, cert := range s.PeerCertificates[1:] {
		between.AddCert(cert)
	}
	_, public := leaf.Verify(x509.VerifyOptions{DNSName: host, Intermediates: between})
	if public == nil {
		return nil
	}
	if len(s.PeerCertificates) != 1 || c.auth.Lookup == nil {
		return fmt.Errorf("the provider's certificate isn't trusted: %w", public)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	owner, err := auth.VerifyPeer(leaf, func(owner, serial string) ([]byte, bool, error) {
		return c.auth.Lookup(ctx, owner, serial)
	}, time.Now(), x509.ExtKeyUsageServerAuth)
	if err != nil {
		return fmt.Errorf("the provider's certificate isn't trusted: %w", err)
	}
	if owner != c.provider {
		return fmt.Errorf("the provider's certificate isn't trusted: it is of %s, not %s", owner, c.provider)
	}
	return nil
}

// Error is an answer that says no.
type Error struct {
	Provider string
	// Status is the HTTP status.
	Status int
	// Message is what the provider said, on one line.
	Message string
}

func (e *Error) Error() string {
	msg := e.Message
	if msg == "" {
		msg = strings.ToLower(http.StatusText(e.Status))
	}
	return fmt.Sprintf("provider %s answered %d: %s", e.Provider, e.Status, msg)
}

// UnreachableError says that the provider couldn't be asked.
type UnreachableError struct {
	Provider, Host string
	Err            error
}

func (e *UnreachableError) Error() string {
	err := e.Err
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	return fmt.Sprintf("provider %s can't be reached at %s: %v", e.Provider, e.Host, err)
}

func (e *UnreachableError) Unwrap() error { return e.Err }

func (c *Client) header() (http.Header, error) {
	h := http.Header{}
	if c.auth.Token != nil {
		token, err := c.auth.Token()
		if err != nil {
			return nil, fmt.Errorf("token for provider %s: %w", c.provider, err)
		}
		h.Set("Authorization", "Bearer "+token)
	}
	return h, nil
}

func (c *Client) do(ctx context.Context, method, path string, body []byte, out any) error {
	req, err := http.NewRequestWithContext(ctx, method, c.base.JoinPath(path).String(), bytes.NewReader(body))
	if err != nil {
		return err
	}
	if req.Header, err = c.header(); err != nil {
		return err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	res, err := c.http.Do(req)
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return &UnreachableError{Provider: c.provider, Host: c.base.Host, Err: err}
	}
	defer res.Body.Close()
	data, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	if err != nil {
		return &UnreachableError{Provider: c.provider, Host: c.base.Host, Err: err}
	}
	if len(data) > maxAnswer {
		return &Error{Provider: c.provider, Status: res.StatusCode, Message: "the answer is too long"}
	}
	if res.StatusCode != http.StatusOK {
		return &Error{Provider: c.provider, Status: res.StatusCode, Message: message(data)}
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(data, out); err != nil {
		return &Error{Provider: c.provider, Status: res.StatusCode, Message: "the answer can't be read: " + err.Error()}
	}
	return nil
}

// message takes the text out of an error's body: JSON {"message"} or plain.
func message(data []byte) string {
	var m struct {
		Message string `json:"message"`
	}
	text := string(data)
	if json.Unmarshal(data, &m) == nil && m.Message != "" {
		text = m.Message
	}
	text = strings.ToValidUTF8(strings.Join(strings.Fields(text), " "), "")
	if len(text) > 1000 {
		text = strings.ToValidUTF8(text[:1000], "") + "…"
	}
	return text
}

// PutManifest uploads the manifest of a deployment, as manifest.Manifest.JSON writes it.
func (c *Client) PutManifest(ctx context.Context, dseq uint64, manifest []byte) error {
	return c.do(ctx, http.MethodPut, "/deployment/"+strconv.FormatUint(dseq, 10)+"/manifest", manifest, nil)
}

// GetManifest returns the groups that the provider runs for a lease, as JSON.
func (c *Client) GetManifest(ctx context.Context, lease marketv1.LeaseID) (json.RawMessage, error) {
	var out json.RawMessage
	return out, c.do(ctx, http.MethodGet, leasePath(lease)+"/manifest", nil, &out)
}

func leasePath(l marketv1.LeaseID) string {
	return fmt.Sprintf("/lease/%d/%d/%d", l.DSeq, l.GSeq, l.OSeq)
}

// LeaseStatus is how the services of a lease are.
type LeaseStatus struct {
	// Errors say in plain sentences why something doesn't run.
	Errors         []string                   `json:"errors,omitempty"`
	Services       map[string]ServiceStatus   `json:"services"`
	ForwardedPorts map[string][]ForwardedPort `json:"forwarded_ports"`
	IPs            map[string][]LeasedIP      `json:"ips"`
}

// ServiceStatus is how one service is.
type ServiceStatus struct {
	Name      string `json:"name"`
	Available int32  `json:"available"`
	Total     int32  `json:"total"`
	// URIs are host names, or host:port, that answer over HTTP.
	URIs               []string `json:"uris"`
	ObservedGeneration int64    `json:"observed_generation"`
	Replicas           int32    `json:"replicas"`
	UpdatedReplicas    int32    `json:"updated_replicas"`
	ReadyReplicas      int32    `json:"ready_replicas"`
	AvailableReplicas  int32    `json:"available_replicas"`
}

// Ready reports whether all replicas of the newest manifest run.
func (s ServiceStatus) Ready() bool {
	return s.Total > 0 && s.Available >= s.Total
}

// ForwardedPort is a port of the provider that leads to a service.
type ForwardedPort struct {
	Host         string `json:"host"`
	Port         uint16 `json:"port"`
	ExternalPort uint16 `json:"externalPort"`
	Proto        string `json:"proto"`
	Name         string `json:"name"`
}

// LeasedIP is an address that leads to a service.
type LeasedIP struct {
	Port         uint32
	ExternalPort uint32
	Protocol     string
	IP           string
}

// LeaseStatus asks how a lease is.
func (c *Client) LeaseStatus(ctx context.Context, lease marketv1.LeaseID) (LeaseStatus, error) {
	var out LeaseStatus
	return out, c.do(ctx, http.MethodGet, leasePath(lease)+"/status", nil, &out)
}

// ServiceStatus asks how one service of a lease is.
func (c *Client) ServiceStatus(ctx context.Context, lease marketv1.LeaseID, service string) (ServiceStatus, error) {
	var out ServiceStatus
	return out, c.do(ctx, http.MethodGet, leasePath(lease)+"/service/"+url.PathEscape(service)+"/status", nil, &out)
}

// Status returns the provider's own status, as JSON.
func (c *Client) Status(ctx context.Context) (json.RawMessage, error) {
	var out json.RawMessage
	return out, c.do(ctx, http.MethodGet, "/status", nil, &out)
}

// Version returns the provider's version, as JSON.
func (c *Client) Version(ctx context.Context) (json.RawMessage, error) {
	var out json.RawMessage
	return out, c.do(ctx, http.MethodGet, "/version", nil, &out)
}

// Address returns the account that the provider says it has.
func (c *Client) Address(ctx context.Context) (string, error) {
	var out struct {
		Address string `json:"address"`
	}
	return out.Address, c.do(ctx, http.MethodGet, "/address", nil, &out)
}
