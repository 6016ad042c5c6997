package provider

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	sdk "github.com/cosmos/cosmos-sdk/types"
	"go.yaml.in/yaml/v3"

	attributesv1 "github.com/akash-supercloud/akash/api/akash/base/attributes/v1"
	providerv1beta4 "github.com/akash-supercloud/akash/api/akash/provider/v1beta4"
	"github.com/akash-supercloud/akash/match"
	"github.com/akash-supercloud/akash/provider/pricing"
)

// Config is everything an operator can set. LoadConfig reads it from YAML under these names; what
// isn't set has the default of DefaultConfig.
type Config struct {
	// Home is where the provider keeps its state and certificate. Not in the file.
	Home string `yaml:"-"`
	// From is the name or address of the provider's key in the client's keyring.
	From string `yaml:"from"`
	// Host is the provider's public host name; it goes to the chain as https://host:port, with the
	// port of gateway_listen.
	Host string `yaml:"host"`
	// HostURI replaces that address, for a gateway behind a forwarded port.
	HostURI string `yaml:"host_uri"`

	// GatewayListen is where tenants reach the provider; 0.0.0.0:8443. GRPCListen likewise for
	// gRPC; 0.0.0.0:8444, "off" for none.
	GatewayListen string `yaml:"gateway_listen"`
	GRPCListen    string `yaml:"grpc_listen"`
	// IngressListen is where the public reaches tenants' HTTP services; 0.0.0.0:80.
	IngressListen string `yaml:"ingress_listen"`
	// IngressDomain is what the services' own host names end in; "ingress." and the host, or
	// "localhost" when the host is that.
	IngressDomain string `yaml:"ingress_domain"`
	// MetricsListen serves Prometheus metrics at /metrics, and at /decisions the last orders with why
	// they were bid on or not; empty: nowhere.
	MetricsListen string `yaml:"metrics_listen"`
	// Ports are the ports of this machine given to services, "first-last"; 30000-32767, "off" for none.
	Ports string `yaml:"ports"`
	// PortsHost is the address those ports are opened on; empty: all.
	PortsHost string `yaml:"ports_host"`

	// Attributes describe the provider on the chain, by key; host: akash.
	Attributes map[string]string `yaml:"attributes"`
	// Email and Website are shown to tenants.
	Email   string `yaml:"email"`
	Website string `yaml:"website"`

	Pricing pricing.Config `yaml:"pricing"`
	// BlockTime is the chain's time between blocks; 0: measured.
	BlockTime time.Duration `yaml:"block_time"`

	// AllowOwners are the only tenants served, if any are named; DenyOwners are never served.
	AllowOwners []string `yaml:"allow_owners"`
	DenyOwners  []string `yaml:"deny_owners"`
	// RequireAttributes must be asked for by an order for it to be bid on.
	RequireAttributes map[string]string `yaml:"require_attributes"`
	// BlockedHostnames can't be used by tenants; ".example.com" stands for a domain and all below it.
	BlockedHostnames []string `yaml:"blocked_hostnames"`

	// BidTimeout is how long a bid stays open; 5m, negative: until the order ends.
	BidTimeout time.Duration `yaml:"bid_timeout"`
	// BidDeposit is paid for each bid, such as 500000uakt; empty: the chain's minimum.
	BidDeposit string `yaml:"bid_deposit"`
	// ReclamationWindow is the notice given before a lease is taken back; 0: no such promise.
	ReclamationWindow time.Duration `yaml:"reclamation_window"`
	// ManifestTimeout is how long a won lease waits for its manifest; 5m.
	ManifestTimeout time.Duration `yaml:"manifest_timeout"`
	// UnstableAfter is how long a tenant's workload may fail before the lease is closed; 24h,
	// negative: for ever.
	UnstableAfter time.Duration `yaml:"unstable_after"`
	// WithdrawEvery is how often earnings are withdrawn; 24h. WithdrawMinimum is the least that is
	// withdrawn from a lease, in millionths of its coin; 10000.
	WithdrawEvery   time.Duration `yaml:"withdraw_every"`
	WithdrawMinimum int64         `yaml:"withdraw_minimum"`

	// Version and Commit are what /version says. Not in the file.
	Version string `yaml:"-"`
	Commit  string `yaml:"-"`
}

// DefaultConfig returns the defaults. Home and From have none.
func DefaultConfig() Config {
	return Config{
		Host:          "localhost",
		GatewayListen: "0.0.0.0:8443", GRPCListen: "0.0.0.0:8444", IngressListen: "0.0.0.0:80",
		Ports:      "30000-32767",
		Attributes: map[string]string{"host": "akash"},
		Pricing:    pricing.DefaultConfig(),
		BidTimeout: 5 * time.Minute, ManifestTimeout: 5 * time.Minute, UnstableAfter: 24 * time.Hour,
		WithdrawEvery: 24 * time.Hour, WithdrawMinimum: 10_000,
		Version: "dev",
	}
}

// LoadConfig reads a YAML file over the defaults. An unknown name in it is an error that says where.
func LoadConfig(path string) (Config, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return Config{}, fmt.Errorf("provider config: %w", err)
	}
	c, err := ParseConfig(data)
	if err != nil {
		return c, fmt.Errorf("provider config %s: %w", path, err)
	}
	return c, nil
}

// ParseConfig reads YAML over the defaults.
func ParseConfig(data []byte) (Config, error) {
	c := DefaultConfig()
	dec := yaml.NewDecoder(bytes.NewReader(data))
	dec.KnownFields(true)
	if err := dec.Decode(&c); err != nil && !errors.Is(err, io.EOF) {
		return c, err
	}
	return c, nil
}

// Validate checks the config and fills in what follows from other settings. Its error names every
// setting that is wrong.
func (c *Config) Validate() error {
	var errs []error
	bad := func(name, format string, args ...any) {
		errs = append(errs, fmt.Errorf("%s: %s", name, fmt.Sprintf(format, args...)))
	}
	if c.From == "" {
		bad("from", "name the provider's key")
	}
	if c.Home == "" {
		bad("home", "name the provider's folder")
	}
	if c.Host == "" || strings.ContainsAny(c.Host, ":/ ") {
		bad("host", "%q is not a host name; write for example provider.example.com", c.Host)
	}
	listen := func(name, addr string) {
		if _, port, err := net.SplitHostPort(addr); err != nil {
			bad(name, "%q is not an address; write for example 0.0.0.0:8443", addr)
		} else if _, err := strconv.ParseUint(port, 10, 16); err != nil {
			bad(name, "%q is not a port; use 0 to 65535", port)
		}
	}
	listen("gateway_listen", c.GatewayListen)
	listen("ingress_listen", c.IngressListen)
	if c.GRPCListen != "off" {
		listen("grpc_listen", c.GRPCListen)
	}
	if c.MetricsListen != "" {
		listen("metrics_listen", c.MetricsListen)
	}
	if c.HostURI == "" {
		_, port, _ := net.SplitHostPort(c.GatewayListen)
		c.HostURI = "https://" + net.JoinHostPort(c.Host, port)
	}
	if u, err := url.Parse(c.HostURI); err != nil || u.Scheme != "https" || u.Host == "" || (u.Path != "" && u.Path != "/") {
		bad("host_uri", "%q is not of the form https://host:port", c.HostURI)
	}
	if c.IngressDomain == "" {
		c.IngressDomain = "ingress." + c.Host
		if c.Host == "localhost" {
			c.IngressDomain = "localhost"
		}
	}
	c.IngressDomain = strings.ToLower(strings.Trim(c.IngressDomain, "."))
	if _, _, err := c.portRange(); err != nil {
		bad("ports", "%v", err)
	}
	for _, key := range slices.Sorted(maps.Keys(c.Attributes)) {
		if !match.ValidKey(key, false) {
			bad("attributes", "%q is not a key; use letters, digits, and / . - _ after a first letter", key)
		}
	}
	if _, err := pricing.New(c.Pricing); err != nil {
		errs = append(errs, err)
	}
	if _, err := c.deposit(); err != nil {
		bad("bid_deposit", "%v", err)
	}
	for name, list := range map[string][]string{"allow_owners": c.AllowOwners, "deny_owners": c.DenyOwners} {
		for _, a := range list {
			if _, err := sdk.AccAddressFromBech32(a); err != nil {
				bad(name, "%q is not an account's address", a)
			}
		}
	}
	for name, d := range map[string]time.Duration{"block_time": c.BlockTime, "reclamation_window": c.ReclamationWindow, "manifest_timeout": c.ManifestTimeout, "withdraw_every": c.WithdrawEvery} {
		if d < 0 {
			bad(name, "%s is negative", d)
		}
	}
	return errors.Join(errs...)
}

func (c Config) portRange() (first, last uint16, err error) {
	if c.Ports == "" || c.Ports == "off" {
		return 0, 0, nil
	}
	a, b, ok := strings.Cut(c.Ports, "-")
	f, err1 := strconv.ParseUint(strings.TrimSpace(a), 10, 16)
	l, err2 := strconv.ParseUint(strings.TrimSpace(b), 10, 16)
	if !ok || err1 != nil || err2 != nil || f == 0 || l < f {
		return 0, 0, fmt.Errorf("%q is not a range of ports; write for example 30000-32767", c.Ports)
	}
	return uint16(f), uint16(l), nil
}

func (c Config) deposit() (sdk.Coin, error) {
	if c.BidDeposit == "" {
		return sdk.Coin{}, nil
	}
	coin, err := sdk.ParseCoinNormalized(c.BidDeposit)
	if err != nil || !coin.IsPositive() {
		return sdk.Coin{}, fmt.Errorf("%q is not an amount; write for example 500000uakt", c.BidDeposit)
	}
	return coin, nil
}

// attributes are those of the record on the chain, sorted by key.
func (c Config) attributes() []attributesv1.Attribute {
	out := []attributesv1.Attribute{}
	for _, key := range slices.Sorted(maps.Keys(c.Attributes)) {
		out = append(out, attributesv1.Attribute{Key: key, Value: c.Attributes[key]})
	}
	return out
}

// record is what the chain should hold about the provider.
func (c Config) record(address string) providerv1beta4.Provider {
	return providerv1beta4.Provider{Owner: address, HostURI: c.HostURI, Attributes: c.attributes(), Info: providerv1beta4.Info{EMail: c.Email, Website: c.Website}}
}
