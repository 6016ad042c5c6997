package ingress

import (
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// A UDP port keeps one socket to a replica for each client that sent something lately: so replies
// find their way back, and a client stays with its replica.
const (
	maxFlows = 1024
	flowIdle = time.Minute
)

type udpForwarder struct {
	conn     *net.UDPConn
	backends atomic.Pointer[[]string]
	next     atomic.Uint32

	mu    sync.Mutex
	flows map[netip.AddrPort]*net.UDPConn
	ended bool
}

func listenUDP(addr string) (*udpForwarder, error) {
	a, err := net.ResolveUDPAddr("udp", addr)
	if err != nil {
		return nil, err
	}
	conn, err := net.ListenUDP("udp", a)
	if err != nil {
		return nil, err
	}
	f := &udpForwarder{conn: conn, flows: map[netip.AddrPort]*net.UDPConn{}}
	go f.run()
	return f, nil
}

func (f *udpForwarder) set(backends []string) { f.backends.Store(&backends) }

func (f *udpForwarder) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ended = true
	_ = f.conn.Close()
	for _, c := range f.flows {
		_ = c.Close()
	}
}

func (f *udpForwarder) run() {
	buf := make([]byte, 64<<10)
	for {
		n, from, err := f.conn.ReadFromUDPAddrPort(buf)
		if err != nil {
			f.mu.Lock()
			ended := f.ended
			f.mu.Unlock()
			if ended {
				return
			}
			time.Sleep(10 * time.Millisecond)
			continue
		}
		if c := f.flow(from); c != nil {
			_ = c.SetReadDeadline(time.Now().Add(flowIdle))
			_, _ = c.Write(buf[:n])
		}
	}
}

// flow is the client's socket to a replica; nil when there is no replica or no room for one more.
func (f *udpForwarder) flow(from netip.AddrPort) *net.UDPConn {
	f.mu.Lock()
	defer f.mu.Unlock()
	if c := f.flows[from]; c != nil {
		return c
	}
	backends := f.backends.Load()
	if f.ended || len(f.flows) >= maxFlows || backends == nil || len(*backends) == 0 {
		return nil
	}
	to, err := net.ResolveUDPAddr("udp", (*backends)[int(f.next.Add(1))%len(*backends)])
	if err != nil {
		return nil
	}
	c, err := net.DialUDP("udp", nil, to)
	if err != nil {
		return nil
	}
	f.flows[from] = c
	go f.replies(from, c)
	return c
}

// replies brings a replica's answers to the client until both have been silent for a while.
func (f *udpForwarder) replies(from netip.AddrPort, c *net.UDPConn) {
	defer func() {
		_ = c.Close()
		f.mu.Lock()
		delete(f.flows, from)
		f.mu.Unlock()
	}()
	_ = c.SetReadDeadline(time.Now().Add(flowIdle))
	buf := make([]byte, 64<<10)
	for {
		n, err := c.Read(buf)
		if err != nil {
			return // idle, or the replica refuses: the next packet finds another
		}
		_ = c.SetReadDeadline(time.Now().Add(flowIdle))
		if _, err := f.conn.WriteToUDPAddrPort(buf[:n], from); err != nil {
			return
		}
	}
}
