// Package containerd runs leases on this machine with containerd, one container a
// replica, each in a gVisor sandbox of its own unless the operator chose runc.
//
// It owns, under its home folder and under names that carry a tag made from that
// folder: a containerd daemon (root, socket, config, log), the wanted state of each
// lease (leases/KEY/state.json), volumes, logs, network devices, one nftables table
// and the routes of one subnet. Nothing else on the machine is touched, but for
// net.ipv4.ip_forward, which is switched on.
//
// What always holds:
//   - What must run is on disk (with fsync) before it is made, so a kill -9 at any
//     moment leaves nothing that the next New doesn't find and finish or clean up.
//   - Containers and containerd live on when the provider dies or lets go.
//   - Packets of a container pass no further than its own lease and the public
//     internet: the table is complete before the first network device is made, and
//     a watch puts it back when something flushes it.
//   - A tenant sets no annotation, mount source, capability or device.
package containerd

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// Sandboxes a replica can run in.
const (
	GVisor = "gvisor"
	Runc   = "runc"
)

// Options say how the machine's containers are run. Only Home is needed.
type Options struct {
	// Home is the folder that everything is kept in; made if missing.
	Home string
	// Registry is a registry (host:port or URL; plain HTTP unless it says https) that stands
	// in for every registry named by images. Empty: images come from where they say.
	Registry string
	// AllowPrivateRegistries lets images come from registries at private, loopback or
	// link-local addresses. Off, so that a tenant can't make the provider call into its
	// own network. Registry is always allowed.
	AllowPrivateRegistries bool
	// Sandbox is GVisor (the default) or Runc. Runc is for tenants whom the operator trusts: it
	// shares the machine's kernel, and doesn't limit what a replica writes to its root filesystem.
	Sandbox string
	// Runsc and Containerd are the programs' paths. Default: beside the running program,
	// in bin beside it, in $PATH.
	Runsc, Containerd string
	// Subnet is the IPv4 network replicas get their addresses from, /12 to /24. Default:
	// the first of 10.233.0.0/16 … 10.254.0.0/16 that no route of the machine overlaps; it
	// is remembered.
	Subnet string
	// ReservedCPU (thousandths of a core), ReservedMemory and ReservedDisk (bytes) are kept
	// for the machine itself. Defaults: 100, 512 MiB, 2 GiB; each at most a quarter of what there is.
	ReservedCPU, ReservedMemory, ReservedDisk uint64
	// VolumeBytes is the part of the disk for persistent volumes. Default: half of what is allocatable.
	VolumeBytes uint64
	// StorageClass names the classes of persistent volumes, with commas between; they share
	// VolumeBytes in equal parts. Default: beta1 (HDD), beta2 (SSD) or beta3 (NVMe) by the kind of
	// disk that Home is on, and "default", which an SDL means that names none.
	StorageClass string
	// NodeName is the machine's name in the inventory. Default: its host name.
	NodeName string
	// LogBytes bounds each replica's log. Default 10 MiB, at least 64 KiB.
	LogBytes int64
	// LogRetention is how long logs are kept after Remove. Default 24 h; negative: not at all.
	LogRetention time.Duration
	// DNS are the resolvers (address or address:port) asked for names outside a lease.
	// Default 1.1.1.1 and 8.8.8.8.
	DNS []string
	// PidsLimit bounds the processes of a replica, sandbox included. Default 4096.
	PidsLimit int64
	// DeniedPorts are TCP ports no replica may reach outside its lease. Default 25.
	DeniedPorts []uint16
	// NewConnections a second and Connections at once bound what a replica opens to the
	// outside. Defaults 100 and 2000.
	NewConnections, Connections int
	// Bandwidth bounds what a replica sends to the outside and, apart from that, what it gets from there,
	// in bytes a second; what is over it is dropped. 0: no bound. What goes through the provider's own
	// ingress isn't counted.
	Bandwidth uint64
	// MaxImageBytes bounds an image's size as packed. Default 20 GiB.
	MaxImageBytes int64
	// ImageCacheBytes bounds what is kept of images that no replica uses, packed and unpacked; those
	// not used for longest go first. They also go when less than ReservedDisk is free. Default 20 GiB;
	// negative: none are kept.
	ImageCacheBytes int64
	// PullTimeout bounds one try to fetch an image. Default 15 minutes.
	PullTimeout time.Duration
	// StopGrace is how long a replica that is replaced has to end by itself. Default 10 s.
	StopGrace time.Duration
	// Log is where the backend tells what it does. Default: nowhere.
	Log *slog.Logger
}

func (o Options) withDefaults() (Options, error) {
	if o.Home == "" {
		return o, errors.New("containerd: no home folder given")
	}
	home, err := filepath.Abs(o.Home)
	if err != nil {
		return o, fmt.Errorf("containerd: home %q: %w", o.Home, err)
	}
	o.Home = home
	switch o.Sandbox {
	case "":
		o.Sandbox = GVisor
	case GVisor, Runc:
	default:
		return o, fmt.Errorf("containerd: sandbox %q is unknown; use %s or %s", o.Sandbox, GVisor, Runc)
	}
	if o.LogBytes == 0 {
		o.LogBytes = 10 << 20
	}
	o.LogBytes = max(o.LogBytes, 64<<10)
	if o.LogRetention == 0 {
		o.LogRetention = 24 * time.Hour
	}
	if len(o.DNS) == 0 {
		o.DNS = []string{"1.1.1.1", "8.8.8.8"}
	}
	resolvers := make([]string, 0, len(o.DNS))
	for _, s := range o.DNS {
		if a, err := netip.ParseAddr(s); err == nil {
			s = net.JoinHostPort(a.String(), "53")
		} else if _, err := netip.ParseAddrPort(s); err != nil {
			return o, fmt.Errorf("containerd: DNS resolver %q is no address; use 1.1.1.1 or 1.1.1.1:53", s)
		}
		resolvers = append(resolvers, s)
	}
	o.DNS = resolvers
	if o.PidsLimit <= 0 {
		o.PidsLimit = 4096
	}
	if o.DeniedPorts == nil {
		o.DeniedPorts = []uint16{25}
	}
	if o.NewConnections <= 0 {
		o.NewConnections = 100
	}
	if o.Connections <= 0 {
		o.Connections = 2000
	}
	// Packets are whole or not at all; nft takes 32 bits of burst.
	if o.Bandwidth > 0 {
		o.Bandwidth = min(max(o.Bandwidth, 16<<10), 1<<32-1)
	}
	if o.MaxImageBytes <= 0 {
		o.MaxImageBytes = 20 << 30
	}
	if o.ImageCacheBytes == 0 {
		o.ImageCacheBytes = 20 << 30
	}
	o.ImageCacheBytes = max(o.ImageCacheBytes, 0)
	if o.PullTimeout <= 0 {
		o.PullTimeout = 15 * time.Minute
	}
	if o.StopGrace <= 0 {
		o.StopGrace = 10 * time.Second
	}
	if o.NodeName == "" {
		o.NodeName, _ = os.Hostname()
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Registry != "" {
		if _, _, err := splitRegistry(o.Registry); err != nil {
			return o, err
		}
	}
	return o, nil
}

// splitRegistry returns the scheme and host:port of a registry option.
func splitRegistry(s string) (scheme, host string, err error) {
	if !strings.Contains(s, "://") {
		s = "http://" + s
	}
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") || strings.Trim(u.Path, "/") != "" {
		return "", "", fmt.Errorf("containerd: registry %q is no address; use host:port or https://host", s)
	}
	return u.Scheme, u.Host, nil
}

// program finds a program: the path given, beside the running program, or in $PATH.
func program(given, name, help string) (string, error) {
	if given != "" {
		p, err := exec.LookPath(given)
		if err != nil {
			return "", fmt.Errorf("containerd: %s not found at %s; %s", name, given, help)
		}
		return filepath.Abs(p)
	}
	if self, err := os.Executable(); err == nil {
		dir := filepath.Dir(self)
		for _, p := range []string{filepath.Join(dir, name), filepath.Join(dir, "bin", name)} {
			if p, err := exec.LookPath(p); err == nil {
				return p, nil
			}
		}
	}
	if p, err := exec.LookPath(name); err == nil {
		return filepath.Abs(p)
	}
	for _, dir := range []string{"/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"} {
		if p, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return p, nil
		}
	}
	return "", fmt.Errorf("containerd: %s is not installed; %s", name, help)
}
