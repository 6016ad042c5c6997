package containerd

import (
	"context"
	"math/rand/v2"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"time"

	"github.com/miekg/dns"
	"golang.org/x/sys/unix"
)

// nameserver answers the replicas' questions on the gateway: the names of services of the
// asker's own lease, and for the rest what the upstream resolvers say. Who asks is known by
// the source address, which nft lets nobody forge.
type nameserver struct {
	// lookup returns the addresses of a service in the lease that has the asker's address.
	lookup   func(asker netip.Addr, service string) ([]netip.Addr, bool)
	upstream []string
	busy     chan struct{} // bounds the questions on their way upstream
	servers  []*dns.Server
}

// listen starts serving on the gateway, which needn't be an address of the machine yet.
func (n *nameserver) listen(gateway netip.Addr) error {
	n.busy = make(chan struct{}, 256)
	lc := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		var err error
		if cerr := c.Control(func(fd uintptr) {
			err = unix.SetsockoptInt(int(fd), unix.SOL_IP, unix.IP_FREEBIND, 1)
		}); cerr != nil {
			return cerr
		}
		return err
	}}
	addr := netip.AddrPortFrom(gateway, 53).String()
	pc, err := lc.ListenPacket(context.Background(), "udp4", addr)
	if err != nil {
		return err
	}
	l, err := lc.Listen(context.Background(), "tcp4", addr)
	if err != nil {
		pc.Close()
		return err
	}
	h := dns.HandlerFunc(n.serve)
	n.servers = []*dns.Server{
		{PacketConn: pc, Handler: h, UDPSize: 1232},
		{Listener: l, Handler: h, ReadTimeout: 5 * time.Second, WriteTimeout: 5 * time.Second, MaxTCPQueries: 16},
	}
	for _, s := range n.servers {
		go func() { _ = s.ActivateAndServe() }()
	}
	return nil
}

func (n *nameserver) close() {
	for _, s := range n.servers {
		_ = s.Shutdown()
		if s.PacketConn != nil {
			s.PacketConn.Close()
		}
		if s.Listener != nil {
			s.Listener.Close()
		}
	}
}

func (n *nameserver) serve(w dns.ResponseWriter, q *dns.Msg) {
	m := new(dns.Msg)
	m.SetReply(q)
	m.RecursionAvailable = true
	answer := func(code int) {
		m.Rcode = code
		_ = w.WriteMsg(m)
	}
	if q.Opcode != dns.OpcodeQuery || len(q.Question) != 1 {
		answer(dns.RcodeNotImplemented)
		return
	}
	ap, err := netip.ParseAddrPort(w.RemoteAddr().String())
	if err != nil {
		answer(dns.RcodeRefused)
		return
	}
	question := q.Question[0]
	name := strings.ToLower(strings.TrimSuffix(question.Name, "."))
	if !strings.Contains(name, ".") {
		addrs, known := n.lookup(ap.Addr().Unmap(), name)
		if !known {
			answer(dns.RcodeNameError)
			return
		}
		if question.Qtype == dns.TypeA || question.Qtype == dns.TypeANY {
			rand.Shuffle(len(addrs), func(i, j int) { addrs[i], addrs[j] = addrs[j], addrs[i] })
			for _, a := range addrs {
				m.Answer = append(m.Answer, &dns.A{
					Hdr: dns.RR_Header{Name: question.Name, Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: 1},
					A:   a.AsSlice(),
				})
			}
		}
		answer(dns.RcodeSuccess)
		return
	}
	select {
	case n.busy <- struct{}{}:
		defer func() { <-n.busy }()
	default:
		answer(dns.RcodeServerFailure)
		return
	}
	network := "udp"
	if _, ok := w.RemoteAddr().(*net.TCPAddr); ok {
		network = "tcp"
	}
	for _, up := range n.upstream {
		c := dns.Client{Net: network, Timeout: 2 * time.Second}
		r, _, err := c.Exchange(q, up)
		if err != nil || r == nil {
			continue
		}
		r.Id = q.Id
		_ = w.WriteMsg(r)
		return
	}
	answer(dns.RcodeServerFailure)
}
