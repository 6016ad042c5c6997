package containerd

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	goruntime "runtime"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// network gives each replica a network namespace of its own, joined to the host by a routed
// veth pair: the replica has one /32 address, everything it sends passes the host's
// forwarding, and so the rules, also what goes to its own lease. (A bridge a lease was the
// other way; there, packets inside a lease pass by the rules, and "as" ports can't be mapped.)
//
//	subnet   10.233.0.0/16   an unreachable route claims it, so unused addresses go nowhere
//	gateway  10.233.0.1      the host's address on every veth; DNS listens there
//	block    10.233.0.16/28  a lease's part; two addresses may talk when in the same block
type network struct {
	tag     string // names of devices begin with "ak"+tag
	dir     string // folder of the namespaces
	nft     string
	subnet  netip.Prefix
	gateway netip.Addr
	opt     *Options

	mu     sync.Mutex
	blocks map[string]netip.Prefix // by lease key
	ports  map[string][]portMap    // by lease key
}

// portMap says that a replica is reached on port as where it listens on port.
type portMap struct {
	proto    string // tcp, udp
	addr     netip.Addr
	as, port uint16
}

func (n *network) table() string { return "akash_" + n.tag }

// veth is the host's device of a container.
func (n *network) veth(id string) string { return "ak" + n.tag + "v" + id[:7] }

func (n *network) nsPath(id string) string { return filepath.Join(n.dir, id) }

// chooseSubnet returns the configured subnet, the remembered one, or the first free one.
func chooseSubnet(configured, remembered string) (netip.Prefix, error) {
	if configured != "" || remembered != "" {
		text := configured
		if text == "" {
			text = remembered
		}
		p, err := netip.ParsePrefix(text)
		if err != nil || !p.Addr().Is4() || p.Bits() < 12 || p.Bits() > 24 || p.Masked() != p {
			return p, fmt.Errorf("containerd: subnet %q is no IPv4 network between /12 and /24; use for example 10.233.0.0/16", text)
		}
		if text == remembered && (&network{subnet: p}).claimed() {
			return p, nil
		}
		if by, err := overlaps(p); err != nil {
			return p, err
		} else if by != "" {
			return p, fmt.Errorf("containerd: subnet %s overlaps %s, which the machine uses already; choose another", p, by)
		}
		return p, nil
	}
	for i := 233; i < 255; i++ {
		p := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i), 0, 0}), 16)
		by, err := overlaps(p)
		if err != nil {
			return p, err
		}
		if by == "" {
			return p, nil
		}
	}
	return netip.Prefix{}, errors.New("containerd: every subnet from 10.233.0.0/16 to 10.254.0.0/16 is used on this machine; choose one with the subnet option")
}

// claimProtocol marks routes of ours. A subnet that was claimed by this home is known by
// being remembered; one claimed by another home shows up as an overlap.
const claimProtocol = 0x61

// overlaps names the route or address that p overlaps with, other than the default route.
func overlaps(p netip.Prefix) (string, error) {
	routes, err := netlink.RouteListFiltered(netlink.FAMILY_V4, &netlink.Route{Table: unix.RT_TABLE_UNSPEC}, netlink.RT_FILTER_TABLE)
	if err != nil {
		return "", fmt.Errorf("containerd: can't read the machine's routes: %w", err)
	}
	for _, r := range routes {
		if r.Dst == nil {
			continue
		}
		a, ok := netip.AddrFromSlice(r.Dst.IP.To4())
		ones, _ := r.Dst.Mask.Size()
		if !ok || ones == 0 {
			continue
		}
		if q := netip.PrefixFrom(a, ones); q.Overlaps(p) {
			return q.String(), nil
		}
	}
	return "", nil
}

// claim puts the route that says the subnet is ours.
func (n *network) claim() error {
	_, dst, _ := net.ParseCIDR(n.subnet.String())
	r := &netlink.Route{Dst: dst, Type: unix.RTN_UNREACHABLE, Protocol: claimProtocol}
	if err := netlink.RouteReplace(r); err != nil {
		return fmt.Errorf("containerd: can't claim %s: %w", n.subnet, err)
	}
	const forward = "/proc/sys/net/ipv4/ip_forward"
	if b, _ := os.ReadFile(forward); strings.TrimSpace(string(b)) != "1" {
		if err := os.WriteFile(forward, []byte("1\n"), 0o644); err != nil {
			return fmt.Errorf("containerd: can't switch on forwarding: %w", err)
		}
	}
	return nil
}

// claimed says whether the subnet's claim is in place.
func (n *network) claimed() bool {
	_, dst, _ := net.ParseCIDR(n.subnet.String())
	rs, err := netlink.RouteListFiltered(netlink.FAMILY_V4, &netlink.Route{Dst: dst, Protocol: claimProtocol}, netlink.RT_FILTER_DST|netlink.RT_FILTER_PROTOCOL)
	return err == nil && len(rs) > 0
}

func (n *network) unclaim() {
	_, dst, _ := net.ParseCIDR(n.subnet.String())
	_ = netlink.RouteDel(&netlink.Route{Dst: dst, Type: unix.RTN_UNREACHABLE, Protocol: claimProtocol})
}

// reserve notes that a block is a lease's; it is how blocks found on disk are taken.
func (n *network) reserve(key string, block netip.Prefix) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.blocks[key] = block
}

// allocate returns a block with room for the given number of addresses.
func (n *network) allocate(key string, addresses int) (netip.Prefix, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	bits := 28
	for bits > n.subnet.Bits()+1 && 1<<(32-bits) < addresses {
		bits--
	}
	size := uint32(1) << (32 - bits)
	if int(size) < addresses {
		return netip.Prefix{}, fmt.Errorf("containerd: %d replicas are more than the subnet %s has addresses for", addresses, n.subnet)
	}
	base := binary.BigEndian.Uint32(n.subnet.Addr().AsSlice())
	total := uint32(1) << (32 - n.subnet.Bits())
next:
	// The first block of any size holds the gateway and isn't given out.
	for off := max(size, 16); off+size <= total; off += size {
		var b [4]byte
		binary.BigEndian.PutUint32(b[:], base+off)
		p := netip.PrefixFrom(netip.AddrFrom4(b), bits)
		for _, used := range n.blocks {
			if used.Overlaps(p) {
				continue next
			}
		}
		n.blocks[key] = p
		return p, nil
	}
	return netip.Prefix{}, fmt.Errorf("containerd: the subnet %s has no addresses left; give a larger one", n.subnet)
}

// addressAt returns address number i of a block.
func addressAt(p netip.Prefix, i int) netip.Addr {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], binary.BigEndian.Uint32(p.Addr().AsSlice())+uint32(i))
	return netip.AddrFrom4(b)
}

// open lets the addresses of a lease's block talk to each other, by the given port maps.
// It may be called again with others.
func (n *network) open(ctx context.Context, key string, block netip.Prefix, ports []portMap) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.blocks[key] = block
	var s strings.Builder
	t := n.table()
	fmt.Fprintf(&s, "add element inet %s pairs { %s . %s }\n", t, block, block)
	old := n.ports[key]
	for _, m := range old {
		fmt.Fprintf(&s, "add element inet %s as_%s { %s . %d : %s . %d }\n", t, m.proto, m.addr, m.as, m.addr, m.port)
		fmt.Fprintf(&s, "delete element inet %s as_%s { %s . %d }\n", t, m.proto, m.addr, m.as)
	}
	for _, m := range ports {
		fmt.Fprintf(&s, "add element inet %s as_%s { %s . %d : %s . %d }\n", t, m.proto, m.addr, m.as, m.addr, m.port)
	}
	if err := n.run(ctx, s.String()); err != nil {
		return err
	}
	n.ports[key] = ports
	return nil
}

// shut undoes open and gives the block back.
func (n *network) shut(ctx context.Context, key string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	block, ok := n.blocks[key]
	if !ok {
		return nil
	}
	var s strings.Builder
	t := n.table()
	fmt.Fprintf(&s, "add element inet %s pairs { %s . %s }\n", t, block, block)
	fmt.Fprintf(&s, "delete element inet %s pairs { %s . %s }\n", t, block, block)
	for _, m := range n.ports[key] {
		fmt.Fprintf(&s, "add element inet %s as_%s { %s . %d : %s . %d }\n", t, m.proto, m.addr, m.as, m.addr, m.port)
		fmt.Fprintf(&s, "delete element inet %s as_%s { %s . %d }\n", t, m.proto, m.addr, m.as)
	}
	if err := n.run(ctx, s.String()); err != nil {
		return err
	}
	delete(n.blocks, key)
	delete(n.ports, key)
	return nil
}

// rules writes the whole table, in one transaction: what was in it is replaced, connections
// that are open go on.
func (n *network) rules(ctx context.Context) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	var pairs, tcp, udp []string
	for _, b := range n.blocks {
		pairs = append(pairs, fmt.Sprintf("%s . %s", b, b))
	}
	for _, ms := range n.ports {
		for _, m := range ms {
			e := fmt.Sprintf("%s . %d : %s . %d", m.addr, m.as, m.addr, m.port)
			if m.proto == "udp" {
				udp = append(udp, e)
			} else {
				tcp = append(tcp, e)
			}
		}
	}
	elements := func(list []string) string {
		if len(list) == 0 {
			return ""
		}
		return "elements = { " + strings.Join(list, ", ") + " }"
	}
	var denied string
	if len(n.opt.DeniedPorts) > 0 {
		var ps []string
		for _, p := range n.opt.DeniedPorts {
			ps = append(ps, strconv.Itoa(int(p)))
		}
		denied = "tcp dport { " + strings.Join(ps, ", ") + " } counter drop"
	}
	veths := fmt.Sprintf("%q", "ak"+n.tag+"v*")
	var sets, up, down string
	if rate := n.opt.Bandwidth; rate > 0 {
		// A burst of a second's worth, so that short answers go out at the line's own speed.
		limit := fmt.Sprintf("limit rate over %[1]d bytes/second burst %[1]d bytes", rate)
		sets = "set up_rate { type ipv4_addr; size 65535; flags dynamic,timeout; timeout 60s; }\n" +
			"  set down_rate { type ipv4_addr; size 65535; flags dynamic,timeout; timeout 60s; }"
		up = "oifname != " + veths + " update @up_rate { ip saddr " + limit + " } counter drop"
		down = "iifname != " + veths + " update @down_rate { ip daddr " + limit + " } counter drop"
	}
	s := fmt.Sprintf(`add table inet %[1]s
delete table inet %[1]s
table inet %[1]s {
  set blocked { type ipv4_addr; flags interval; auto-merge
    elements = { 0.0.0.0/8, 10.0.0.0/8, 100.64.0.0/10, 127.0.0.0/8, 169.254.0.0/16, 172.16.0.0/12, 192.0.0.0/24, 192.0.2.0/24, 192.88.99.0/24, 192.168.0.0/16, 198.18.0.0/15, 198.51.100.0/24, 224.0.0.0/4, 240.0.0.0/4, %[3]s } }
  set pairs { type ipv4_addr . ipv4_addr; flags interval; %[5]s }
  map as_tcp { type ipv4_addr . inet_service : ipv4_addr . inet_service; %[6]s }
  map as_udp { type ipv4_addr . inet_service : ipv4_addr . inet_service; %[7]s }
  set new_rate { type ipv4_addr; size 65535; flags dynamic,timeout; timeout 60s; }
  set dns_rate { type ipv4_addr; size 65535; flags dynamic,timeout; timeout 60s; }
  set at_once { type ipv4_addr; size 65535; flags dynamic; }
  %[12]s
  chain pre { type nat hook prerouting priority -101; policy accept;
    iifname %[2]s dnat ip to ip daddr . tcp dport map @as_tcp
    iifname %[2]s dnat ip to ip daddr . udp dport map @as_udp
  }
  chain input { type filter hook input priority -10; policy accept;
    iifname %[2]s jump tin
  }
  chain tin {
    meta nfproto ipv6 drop
    ct state established,related accept
    fib saddr . iif oif missing drop
    ip daddr %[4]s meta l4proto { tcp, udp } th dport 53 update @dns_rate { ip saddr limit rate 200/second burst 100 packets } accept
    counter drop
  }
  chain forward { type filter hook forward priority -10; policy accept;
    iifname %[2]s jump tfwd
    oifname %[2]s jump tto
  }
  chain tfwd {
    meta nfproto ipv6 drop
    fib saddr . iif oif missing drop
    %[13]s
    ct state established,related accept
    ct state invalid drop
    ip saddr . ip daddr @pairs accept
    ip daddr @blocked counter drop
    oifname %[2]s drop
    %[8]s
    ct state new update @new_rate { ip saddr limit rate over %[9]d/second burst %[10]d packets } counter drop
    ct state new add @at_once { ip saddr ct count over %[11]d } counter drop
    accept
  }
  chain tto {
    %[14]s
    ct state established,related accept
    counter drop
  }
  chain post { type nat hook postrouting priority srcnat; policy accept;
    iifname %[2]s oifname != %[2]s masquerade
  }
}
`, n.table(), veths, n.subnet, n.gateway, elements(pairs), elements(tcp), elements(udp), denied, n.opt.NewConnections, 2*n.opt.NewConnections, n.opt.Connections, sets, up, down)
	return n.run(ctx, s)
}

// intact says whether the table is there.
func (n *network) intact(ctx context.Context) bool {
	return exec.CommandContext(ctx, n.nft, "list", "chain", "inet", n.table(), "tfwd").Run() == nil
}

func (n *network) dropTable(ctx context.Context) error {
	return n.run(ctx, fmt.Sprintf("add table inet %[1]s\ndelete table inet %[1]s\n", n.table()))
}

func (n *network) run(ctx context.Context, script string) error {
	// What was begun is ended, also when the caller has given up: what it changes was decided on.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, n.nft, "-f", "-")
	cmd.Stdin = strings.NewReader(script)
	if out, err := cmd.CombinedOutput(); err != nil {
		line, _, _ := bytes.Cut(bytes.TrimSpace(out), []byte("\n"))
		return fmt.Errorf("containerd: nft: %s: %w", line, err)
	}
	return nil
}

// hardware is a replica's hardware address. It follows from the IP address, so a replica
// made anew with the same address is reached at once.
func hardware(a netip.Addr) net.HardwareAddr {
	b := a.As4()
	return net.HardwareAddr{0x02, 0xa4, b[0], b[1], b[2], b[3]}
}

// attach makes the container's network namespace with its device. What an earlier try left
// is replaced.
func (n *network) attach(id string, addr netip.Addr) (path string, err error) {
	n.detach(id)
	defer func() {
		if err != nil {
			n.detach(id)
		}
	}()
	path = n.nsPath(id)
	if err := newNamespace(path); err != nil {
		return "", fmt.Errorf("containerd: can't make a network namespace: %w", err)
	}
	ns, err := netns.GetFromPath(path)
	if err != nil {
		return "", err
	}
	defer ns.Close()
	host := n.veth(id)
	attrs := netlink.NewLinkAttrs()
	attrs.Name = host
	attrs.TxQLen = 1000
	gw := net.HardwareAddr{0x02, 0xa4, 0, 0, 0, 1}
	attrs.HardwareAddr = gw
	veth := &netlink.Veth{LinkAttrs: attrs, PeerName: "eth0", PeerNamespace: netlink.NsFd(ns), PeerHardwareAddr: hardware(addr)}
	if err := netlink.LinkAdd(veth); err != nil {
		return "", fmt.Errorf("containerd: can't make the device %s: %w", host, err)
	}
	link, err := netlink.LinkByName(host)
	if err != nil {
		return "", err
	}
	if err := os.WriteFile("/proc/sys/net/ipv6/conf/"+host+"/disable_ipv6", []byte("1"), 0o644); err != nil && !os.IsNotExist(err) {
		return "", fmt.Errorf("containerd: can't switch IPv6 off on %s: %w", host, err)
	}
	in, err := netlink.NewHandleAt(ns)
	if err != nil {
		return "", err
	}
	defer in.Close()
	steps := []func() error{
		func() error { return netlink.AddrReplace(link, &netlink.Addr{IPNet: hostNet(n.gateway)}) },
		func() error { return netlink.LinkSetUp(link) },
		func() error {
			return netlink.RouteReplace(&netlink.Route{Dst: hostNet(addr), LinkIndex: link.Attrs().Index, Scope: netlink.SCOPE_LINK, Src: n.gateway.AsSlice(), Protocol: claimProtocol})
		},
		func() error {
			// Fixed neighbours: no ARP to wait for, none to forge.
			return netlink.NeighSet(&netlink.Neigh{LinkIndex: link.Attrs().Index, State: netlink.NUD_PERMANENT, IP: addr.AsSlice(), HardwareAddr: hardware(addr)})
		},
		func() error {
			lo, err := in.LinkByName("lo")
			if err != nil {
				return err
			}
			return in.LinkSetUp(lo)
		},
		func() error {
			eth, err := in.LinkByName("eth0")
			if err != nil {
				return err
			}
			i := eth.Attrs().Index
			return errors.Join(
				in.AddrReplace(eth, &netlink.Addr{IPNet: hostNet(addr)}),
				in.LinkSetUp(eth),
				in.RouteReplace(&netlink.Route{Dst: hostNet(n.gateway), LinkIndex: i, Scope: netlink.SCOPE_LINK}),
				in.RouteReplace(&netlink.Route{Gw: n.gateway.AsSlice(), LinkIndex: i}),
			)
		},
	}
	for i, step := range steps {
		if err := step(); err != nil {
			return "", fmt.Errorf("containerd: network of %s, step %d: %w", addr, i, err)
		}
	}
	return path, nil
}

// detach removes the container's device and namespace; what isn't there is no error.
func (n *network) detach(id string) {
	if link, err := netlink.LinkByName(n.veth(id)); err == nil {
		_ = netlink.LinkDel(link)
	}
	path := n.nsPath(id)
	_ = unix.Unmount(path, unix.MNT_DETACH)
	_ = os.Remove(path)
}

// sweep removes devices and namespaces of containers that aren't kept.
func (n *network) sweep(keep map[string]bool) {
	veths := map[string]bool{}
	for id := range keep {
		veths[n.veth(id)] = true
	}
	if links, err := netlink.LinkList(); err == nil {
		for _, l := range links {
			name := l.Attrs().Name
			if strings.HasPrefix(name, "ak"+n.tag+"v") && !veths[name] {
				_ = netlink.LinkDel(l)
			}
		}
	}
	entries, _ := os.ReadDir(n.dir)
	for _, e := range entries {
		if !keep[e.Name()] {
			_ = unix.Unmount(filepath.Join(n.dir, e.Name()), unix.MNT_DETACH)
			_ = os.Remove(filepath.Join(n.dir, e.Name()))
		}
	}
}

func hostNet(a netip.Addr) *net.IPNet {
	return &net.IPNet{IP: a.AsSlice(), Mask: net.CIDRMask(32, 32)}
}

// newNamespace makes a network namespace without IPv6 and holds it by a mount at path.
func newNamespace(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o711); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDONLY, 0o444)
	if err != nil {
		return err
	}
	f.Close()
	errc := make(chan error, 1)
	go func() {
		// The thread is never unlocked, so it ends with the goroutine and no other
		// goroutine can meet its namespace.
		goruntime.LockOSThread()
		errc <- func() error {
			if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
				return err
			}
			for _, conf := range []string{"all", "default"} {
				err := os.WriteFile("/proc/sys/net/ipv6/conf/"+conf+"/disable_ipv6", []byte("1"), 0o644)
				if err != nil && !os.IsNotExist(err) {
					return err
				}
			}
			return unix.Mount(fmt.Sprintf("/proc/self/task/%d/ns/net", unix.Gettid()), path, "", unix.MS_BIND, "")
		}()
	}()
	return <-errc
}
