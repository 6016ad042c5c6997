package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/cosmos/cosmos-sdk/version"
	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"github.com/akash-supercloud/akash/client"
	"github.com/akash-supercloud/akash/provider"
	"github.com/akash-supercloud/akash/provider/runtime/containerd"
)

func providerCmd(a *app) *cobra.Command {
	return parent("provider", "Sell this machine's compute", providerRunCmd(a), providerInitCmd(a), providerStatusCmd(a), providerPriceCmd(a))
}

// runtimeConfig is the part "runtime" of a provider's file: how containers are run.
type runtimeConfig struct {
	Registry             string   `yaml:"registry"`
	AllowPrivateRegistry bool     `yaml:"allow_private_registries"`
	Sandbox              string   `yaml:"sandbox"`
	Runsc                string   `yaml:"runsc"`
	Containerd           string   `yaml:"containerd"`
	Subnet               string   `yaml:"subnet"`
	ReservedCPU          uint64   `yaml:"reserved_cpu"` // thousandths of a core
	ReservedMemory       uint64   `yaml:"reserved_memory"`
	ReservedDisk         uint64   `yaml:"reserved_disk"`
	VolumeBytes          uint64   `yaml:"volume_bytes"`
	StorageClass         string   `yaml:"storage_class"`
	NodeName             string   `yaml:"node_name"`
	DNS                  []string `yaml:"dns"`
	// What tenants may use of the machine beside what they rent. Sizes are in bytes, bandwidth in bytes
	// a second; what isn't set has containerd.Options' default.
	Pids            int64         `yaml:"pids"`
	LogBytes        int64         `yaml:"log_bytes"`
	LogRetention    time.Duration `yaml:"log_retention"`
	DeniedPorts     []uint16      `yaml:"denied_ports"`
	NewConnections  int           `yaml:"new_connections"`
	Connections     int           `yaml:"connections"`
	Bandwidth       uint64        `yaml:"bandwidth"`
	MaxImageBytes   int64         `yaml:"max_image_bytes"`
	ImageCacheBytes int64         `yaml:"image_cache_bytes"`
	PullTimeout     time.Duration `yaml:"pull_timeout"`
}

// options are what containers are run with, below home.
func (rt *runtimeConfig) options(home string, log *slog.Logger) containerd.Options {
	return containerd.Options{
		Home: home, Registry: rt.Registry, AllowPrivateRegistries: rt.AllowPrivateRegistry,
		Sandbox: rt.Sandbox, Runsc: rt.Runsc, Containerd: rt.Containerd, Subnet: rt.Subnet,
		ReservedCPU: rt.ReservedCPU, ReservedMemory: rt.ReservedMemory, ReservedDisk: rt.ReservedDisk,
		VolumeBytes: rt.VolumeBytes, StorageClass: rt.StorageClass, NodeName: rt.NodeName, DNS: rt.DNS,
		PidsLimit: rt.Pids, LogBytes: rt.LogBytes, LogRetention: rt.LogRetention, DeniedPorts: rt.DeniedPorts,
		NewConnections: rt.NewConnections, Connections: rt.Connections, Bandwidth: rt.Bandwidth,
		MaxImageBytes: rt.MaxImageBytes, ImageCacheBytes: rt.ImageCacheBytes, PullTimeout: rt.PullTimeout,
		Log: log,
	}
}

// chainConfig is the part of a provider's file that says which chain, and with which keys.
type chainConfig struct {
	Node           string `yaml:"node"`
	GRPC           string `yaml:"grpc"`
	ChainID        string `yaml:"chain_id"`
	KeyringBackend string `yaml:"keyring_backend"`
	KeyringDir     string `yaml:"keyring_dir"`
	GasPrices      string `yaml:"gas_prices"`
}

// providerFileName is where a provider's config is, below its home.
const providerFileName = "provider.yaml"

var yamlNoise = regexp.MustCompile(`yaml: unmarshal errors:|line \d+: | in type \S+`)

// readProviderConfig reads a provider's file. Its own settings, those of the chain and those
// of the runtime share it; an unknown name is an error.
func readProviderConfig(path string) (cfg provider.Config, chain chainConfig, rt runtimeConfig, err error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return provider.DefaultConfig(), chain, rt, err
	}
	fail := func(err error) (provider.Config, chainConfig, runtimeConfig, error) {
		// The lines are those of a part of the file, so they'd mislead.
		text := yamlNoise.ReplaceAllString(err.Error(), "")
		return provider.Config{}, chainConfig{}, runtimeConfig{}, fmt.Errorf("%s: %s", path, strings.Join(strings.Fields(text), " "))
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(data, &doc); err != nil {
		return fail(err)
	}
	var rest, forChain []*yaml.Node
	if len(doc.Content) == 1 && doc.Content[0].Kind == yaml.MappingNode {
		pairs := doc.Content[0].Content
		for i := 0; i+1 < len(pairs); i += 2 {
			switch name := pairs[i].Value; name {
			case "runtime":
				if err := strictly(pairs[i+1], &rt); err != nil {
					return fail(err)
				}
			case "node", "grpc", "chain_id", "keyring_backend", "keyring_dir", "gas_prices":
				forChain = append(forChain, pairs[i], pairs[i+1])
			default:
				rest = append(rest, pairs[i], pairs[i+1])
			}
		}
		if err := strictly(&yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Content: forChain}, &chain); err != nil {
			return fail(err)
		}
		if data, err = yaml.Marshal(&yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Content: rest}); err != nil {
			return fail(err)
		}
		if len(rest) == 0 {
			data = nil
		}
	}
	cfg, err = provider.ParseConfig(data)
	if err != nil {
		return fail(err)
	}
	return cfg, chain, rt, nil
}

func strictly(n *yaml.Node, into any) error {
	data, err := yaml.Marshal(n)
	if err != nil {
		return err
	}
	dec := yaml.NewDecoder(bytes.NewReader(data))
	dec.KnownFields(true)
	return dec.Decode(into)
}

func providerRunCmd(a *app) *cobra.Command {
	var file, level string
	var logJSON bool
	var rtFlags runtimeConfig
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Run the provider: bid, run tenants' containers, get paid",
		Long: `Run the provider until Ctrl-C. It reads <home>/provider.yaml (make one with "akash provider init"),
registers itself on the chain, bids on orders that fit this machine, and runs what it wins with containerd,
each replica in a gVisor sandbox. Containers go on when it stops; the next run finds them.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx := cmd.Context()
			given := cmd.Flags().Changed
			if file == "" {
				file = filepath.Join(a.home, providerFileName)
			}
			cfg, chain, rt, err := readProviderConfig(file)
			if err != nil && (!errors.Is(err, fs.ErrNotExist) || given("config")) {
				return err
			}
			use := func(flag string, to *string, from string) {
				if !given(flag) && from != "" {
					*to = from
				}
			}
			// What the file says counts before the defaults of this machine's market.
			use("node", &a.node, chain.Node)
			use("grpc", &a.grpc, chain.GRPC)
			use("chain-id", &a.chainID, chain.ChainID)
			use("keyring-backend", &a.backend, chain.KeyringBackend)
			use("keyring-dir", &a.keyringDir, chain.KeyringDir)
			use("gas-prices", &a.gasPrices, chain.GasPrices)
			if given("from") || cfg.From == "" {
				cfg.From = a.from
			}
			a.from = cfg.From
			if cfg.From == "" {
				return fmt.Errorf("name the provider's key: from in %s, or --from", file)
			}
			for _, f := range []struct {
				name     string
				to, from *string
			}{
				{"registry", &rt.Registry, &rtFlags.Registry}, {"sandbox", &rt.Sandbox, &rtFlags.Sandbox},
				{"runsc", &rt.Runsc, &rtFlags.Runsc}, {"containerd", &rt.Containerd, &rtFlags.Containerd},
			} {
				if given(f.name) {
					*f.to = *f.from
				}
			}
			cfg.Home = a.home
			cfg.Version, cfg.Commit = version.Version, version.Commit
			if cfg.Version == "" {
				cfg.Version = "dev"
			}
			log, err := logger(a, level, logJSON)
			if err != nil {
				return err
			}
			if err := os.MkdirAll(a.home, 0o755); err != nil {
				return err
			}
			c, err := a.client(ctx)
			if err != nil {
				return err
			}
			if err := cfg.Validate(); err != nil {
				return err
			}
			run, err := containerd.New(ctx, rt.options(filepath.Join(a.home, "runtime"), log.With("part", "containerd")))
			if err != nil {
				return err
			}
			defer run.Close()
			return provider.Run(ctx, cfg, provider.Deps{
				Client: c, Runtime: run, Log: log,
				Ready: func() { fmt.Fprintf(a.out, "provider %s is ready at %s\n", cfg.From, cfg.HostURI) },
			})
		},
	}
	f := cmd.Flags()
	f.StringVar(&file, "config", "", "the provider's file (default <home>/"+providerFileName+")")
	f.StringVar(&rtFlags.Registry, "registry", "", "registry that stands in for every registry that images name")
	f.StringVar(&rtFlags.Sandbox, "sandbox", "", "gvisor (default) or runc: weaker walls, for tenants you trust")
	f.StringVar(&rtFlags.Runsc, "runsc", "", "path of the gVisor sandbox (default: beside this program, in bin beside it, or in PATH)")
	f.StringVar(&rtFlags.Containerd, "containerd", "", "path of containerd (default: likewise)")
	f.StringVar(&level, "log-level", "info", "debug, info, warn or error")
	f.BoolVar(&logJSON, "log-json", false, "write the log as JSON")
	return cmd
}

func logger(a *app, level string, asJSON bool) (*slog.Logger, error) {
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		return nil, fmt.Errorf("--log-level %q: use debug, info, warn or error", level)
	}
	opt := &slog.HandlerOptions{Level: l}
	if asJSON {
		return slog.New(slog.NewJSONHandler(a.err, opt)), nil
	}
	return slog.New(slog.NewTextHandler(a.err, opt)), nil
}

const providerTemplate = `# What this machine sells, and how. Every setting has a default; docs/guides/provider.md has them all.

# The name of the key that bids and gets paid (akash keys list).
from: %s
# The public host name of this machine. Its DNS and that of *.ingress.<host> must lead here.
host: %s

# What tenants can choose by.
attributes:
  host: akash
#  region: eu-west

# Prices in USD a month; what is left out costs what stands here.
#pricing:
#  cpu: "1.60"                    # a core
#  memory: "0.80"                 # a GiB
#  storage: "0.02"                # a GiB of the container's own disk
#  endpoint: "0.05"               # an open port of a replica
#  minimum: "0"                   # the least that a group costs
#  akt_usd: "1.20"                # USD for an AKT; no default: without it no order in uakt is bid on

#gateway_listen: 0.0.0.0:8443
#ingress_listen: 0.0.0.0:80

# The chain. Without these the flags or this machine's market count.
#node: http://127.0.0.1:26657
#keyring_backend: test

# How containers are run.
#runtime:
#  sandbox: gvisor
#  reserved_cpu: 100              # thousandths of a core kept for the machine
#  reserved_memory: 536870912     # bytes
#  reserved_disk: 2147483648
`

func providerInitCmd(a *app) *cobra.Command {
	var host string
	var overwrite bool
	cmd := &cobra.Command{
		Use: "init", Short: "Write a provider's file to begin with", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			path := filepath.Join(a.home, providerFileName)
			if _, err := os.Stat(path); err == nil && !overwrite {
				return fmt.Errorf("%s exists; add --overwrite to replace it", path)
			}
			from := a.from
			if from == "" {
				from = "provider"
			}
			if err := os.MkdirAll(a.home, 0o755); err != nil {
				return err
			}
			if err := os.WriteFile(path, fmt.Appendf(nil, providerTemplate, from, host), 0o644); err != nil {
				return err
			}
			return a.print(map[string]string{"file": path}, func() string {
				return path + "\nlook it over, then: akash provider run\n"
			})
		},
	}
	cmd.Flags().StringVar(&host, "host", "localhost", "public host name of this machine")
	cmd.Flags().BoolVar(&overwrite, "overwrite", false, "replace a file that is there")
	return cmd
}

func providerStatusCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "status [ADDRESS]", Short: "Ask a provider how it is", Args: cobra.MaximumNArgs(1),
		Long: "Ask a provider how it is: one by its address, or the only one that is registered.",
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			c, err := a.client(ctx)
			if err != nil {
				return err
			}
			var address string
			if len(args) == 1 {
				address = args[0]
			} else {
				list, err := c.Providers(ctx, 2)
				if err != nil {
					return err
				}
				if len(list) != 1 {
					return errors.New("name a provider by its address; see `akash query provider list`")
				}
				address = list[0].Owner
			}
			g, err := c.Gateway(ctx, address, "", client.AuthNone)
			if err != nil {
				return err
			}
			defer g.Close()
			raw, err := g.Status(ctx)
			if err != nil {
				return err
			}
			return a.print(raw, func() string { return providerText(address, raw) })
		},
	}
}

// providerText shows the parts of a provider's status that people look for.
func providerText(address string, raw json.RawMessage) string {
	type amounts struct {
		CPU       uint64 `json:"cpu"`
		GPU       uint64 `json:"gpu"`
		Memory    uint64 `json:"memory"`
		Ephemeral uint64 `json:"storage_ephemeral"`
	}
	var st struct {
		Cluster struct {
			Leases    int `json:"leases"`
			Inventory struct {
				Error     string `json:"error"`
				Available struct {
					Nodes []struct {
						Name        string  `json:"name"`
						Allocatable amounts `json:"allocatable"`
						Available   amounts `json:"available"`
					} `json:"nodes"`
				} `json:"available"`
			} `json:"inventory"`
		} `json:"cluster"`
		BidEngine struct {
			Orders int `json:"orders"`
		} `json:"bidengine"`
		Host string `json:"cluster_public_hostname"`
	}
	if err := json.Unmarshal(raw, &st); err != nil {
		return string(raw) + "\n"
	}
	rows := [][]string{
		{"provider", address}, {"host", st.Host}, {"leases", fmt.Sprint(st.Cluster.Leases)}, {"orders looked at", fmt.Sprint(st.BidEngine.Orders)},
	}
	rows = slices.DeleteFunc(rows, func(r []string) bool { return r[1] == "" })
	text := table(rows)
	nodes := [][]string{{"NODE", "CPU FREE/ALL", "MEMORY", "DISK", "GPU"}}
	const gi = 1 << 30
	for _, n := range st.Cluster.Inventory.Available.Nodes {
		nodes = append(nodes, []string{
			n.Name, fmt.Sprintf("%.1f/%.1f", float64(n.Available.CPU)/1000, float64(n.Allocatable.CPU)/1000),
			fmt.Sprintf("%.1f/%.1f Gi", float64(n.Available.Memory)/gi, float64(n.Allocatable.Memory)/gi),
			fmt.Sprintf("%.1f/%.1f Gi", float64(n.Available.Ephemeral)/gi, float64(n.Allocatable.Ephemeral)/gi),
			fmt.Sprintf("%d/%d", n.Available.GPU, n.Allocatable.GPU),
		})
	}
	if len(nodes) > 1 {
		text += table(nodes)
	}
	if e := strings.TrimSpace(st.Cluster.Inventory.Error); e != "" {
		text += "inventory: " + e + "\n"
	}
	return text
}
