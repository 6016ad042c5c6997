package containerd

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	goruntime "runtime"
	"testing"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// outside is a network namespace that plays the world beyond the machine: one public address
// and several that no replica may reach, each with a listener that echoes a line, over TCP and
// UDP. The host's own listeners are in forbidden too.
type outside struct {
	public                  string
	large                   string // an address that serves a MiB by HTTP
	forbidden, forbiddenTCP []string
}

func echo(t testing.TB, addr string) {
	t.Helper()
	l, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				b := make([]byte, 64)
				n, _ := c.Read(b)
				_, _ = c.Write(b[:n])
			}()
		}
	}()
	u, err := net.ListenPacket("udp", addr)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		b := make([]byte, 64)
		for {
			n, from, err := u.ReadFrom(b)
			if err != nil {
				return
			}
			_, _ = u.WriteTo(b[:n], from)
		}
	}()
	t.Cleanup(func() { l.Close(); u.Close() })
}

func newOutside(t testing.TB, rt *Runtime) *outside {
	t.Helper()
	const port = 7777
	public := "203.0.113." + fmt.Sprint(10+int(rt.tag[0])%100)
	private := []string{"169.254.169.254", "10.99.1.1", "172.20.9.9", "192.168.77.7", "100.64.7.7", "198.18.5.5"}
	dev, peer := "akt"+rt.tag+"0", "akt"+rt.tag+"1"
	done := make(chan error)
	stop := make(chan struct{})
	go func() {
		goruntime.LockOSThread() // never unlocked: the thread ends with the namespace
		err := func() error {
			host, err := netns.Get()
			if err != nil {
				return err
			}
			_, err = netns.New()
			if err != nil {
				return err
			}
			attrs := netlink.NewLinkAttrs()
			attrs.Name = peer
			v := &netlink.Veth{LinkAttrs: attrs, PeerName: dev, PeerNamespace: netlink.NsFd(host)}
			if err := netlink.LinkAdd(v); err != nil {
				return err
			}
			link, err := netlink.LinkByName(peer)
			if err != nil {
				return err
			}
			lo, err := netlink.LinkByName("lo")
			if err != nil {
				return err
			}
			for _, a := range append([]string{public}, private...) {
				if err := netlink.AddrAdd(lo, &netlink.Addr{IPNet: hostNet(netip.MustParseAddr(a))}); err != nil {
					return err
				}
			}
			if err := netlink.AddrAdd(link, &netlink.Addr{IPNet: hostNet(netip.MustParseAddr("203.0.113.2"))}); err != nil {
				return err
			}
			if err := netlink.LinkSetUp(lo); err != nil {
				return err
			}
			if err := netlink.LinkSetUp(link); err != nil {
				return err
			}
			gw := netip.MustParseAddr("203.0.113.1")
			if err := netlink.RouteAdd(&netlink.Route{Dst: hostNet(gw), LinkIndex: link.Attrs().Index, Scope: netlink.SCOPE_LINK}); err != nil {
				return err
			}
			if err := netlink.RouteAdd(&netlink.Route{Gw: gw.AsSlice(), LinkIndex: link.Attrs().Index}); err != nil {
				return err
			}
			for _, a := range append([]string{public}, private...) {
				echo(t, fmt.Sprintf("%s:%d", a, port))
			}
			big, err := net.Listen("tcp", public+":7780")
			if err != nil {
				return err
			}
			go func() {
				_ = http.Serve(big, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, 1<<20)) }))
			}()
			t.Cleanup(func() { big.Close() })
			// A denied port on an address that is allowed.
			echo(t, public+":25")
			return nil
		}()
		done <- err
		<-stop
	}()
	if err := <-done; err != nil {
		t.Fatalf("the outside: %v", err)
	}
	link, err := netlink.LinkByName(dev)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = netlink.LinkDel(link); close(stop) })
	if err := netlink.AddrAdd(link, &netlink.Addr{IPNet: hostNet(netip.MustParseAddr("203.0.113.1"))}); err != nil {
		t.Fatal(err)
	}
	if err := netlink.LinkSetUp(link); err != nil {
		t.Fatal(err)
	}
	o := &outside{public: fmt.Sprintf("%s:%d", public, port), large: public + ":7780"}
	for _, a := range append([]string{public, "203.0.113.2"}, private...) {
		// Replies' way, and the host's way out: to these addresses only.
		err := netlink.RouteReplace(&netlink.Route{Dst: hostNet(netip.MustParseAddr(a)), LinkIndex: link.Attrs().Index, Scope: unix.RT_SCOPE_LINK, Src: net.IPv4(203, 0, 113, 1)})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, a := range private {
		o.forbidden = append(o.forbidden, fmt.Sprintf("%s:%d", a, port))
	}
	o.forbiddenTCP = []string{public + ":25"}
	// The listeners are real: the host reaches them.
	for _, a := range append([]string{o.public, public + ":25"}, o.forbidden...) {
		c, err := net.Dial("tcp", a)
		if err != nil {
			t.Fatalf("the outside %s isn't there: %v", a, err)
		}
		c.Close()
	}
	// The host itself: any address, any port.
	echo(t, "0.0.0.0:7778")
	addrs, _ := net.InterfaceAddrs()
	for _, a := range addrs {
		if p, err := netip.ParsePrefix(a.String()); err == nil && !p.Addr().IsLoopback() {
			if p.Addr().Is4() {
				o.forbidden = append(o.forbidden, netip.AddrPortFrom(p.Addr(), 7778).String())
			}
		}
	}
	o.forbidden = append(o.forbidden, netip.AddrPortFrom(rt.net.gateway, 7778).String(), "203.0.113.1:7778", "127.0.0.1:7778")
	return o
}
