package ingress

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Forward is a port of the host that leads to the replicas of a service.
type Forward struct {
	// Proto is TCP or UDP.
	Proto string
	Port  uint16
	// Backends are the running replicas as "ip:port".
	Backends []string
}

// portKey tells ports apart: the same number may be used for TCP and UDP.
type portKey struct {
	proto string
	port  uint16
}

// opened is a port that is open.
type opened interface {
	set(backends []string)
	close()
}

// Ports forwards TCP and UDP ports of the host. It is safe for use by several goroutines.
type Ports struct {
	host string
	log  *slog.Logger
	mu   sync.Mutex
	open map[portKey]opened
	// byLease are the ports of each lease.
	byLease map[string][]portKey
	closed  bool
}

// maxConnections is how many connections one forwarded port has at a time.
const maxConnections = 1024

type forwarder struct {
	l        net.Listener
	backends atomic.Pointer[[]string]
	next     atomic.Uint32
	slots    chan struct{}
	ctx      context.Context
	cancel   context.CancelFunc
}

// NewPorts forwards ports of the host's address host; empty means all addresses.
func NewPorts(host string, log *slog.Logger) *Ports {
	return &Ports{host: host, log: log, open: map[portKey]opened{}, byLease: map[string][]portKey{}}
}

// SetLease makes the forwarded ports of a lease equal to forwards. Ports that go on keep their
// connections. A port that can't be opened is reported and the others are still set.
func (p *Ports) SetLease(lease string, forwards []Forward) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return errors.New("ingress: closed")
	}
	var errs []error
	var now []portKey
	for _, f := range forwards {
		key := portKey{f.Proto, f.Port}
		fw := p.open[key]
		if fw != nil && !slices.Contains(p.byLease[lease], key) {
			errs = append(errs, fmt.Errorf("ingress: %s port %d belongs to another lease", f.Proto, f.Port))
			continue
		}
		if fw == nil {
			var err error
			if fw, err = p.listen(key); err != nil {
				errs = append(errs, fmt.Errorf("ingress: open %s port %d: %w", f.Proto, f.Port, err))
				continue
			}
			p.open[key] = fw
		}
		fw.set(slices.Clone(f.Backends))
		now = append(now, key)
	}
	for _, port := range p.byLease[lease] {
		if !slices.Contains(now, port) {
			p.open[port].close()
			delete(p.open, port)
		}
	}
	if len(now) == 0 {
		delete(p.byLease, lease)
	} else {
		p.byLease[lease] = now
	}
	return errors.Join(errs...)
}

func (p *Ports) listen(key portKey) (opened, error) {
	addr := net.JoinHostPort(p.host, fmt.Sprint(key.port))
	switch key.proto {
	case "TCP":
		l, err := net.Listen("tcp", addr)
		if err != nil {
			return nil, err
		}
		f := &forwarder{l: l, slots: make(chan struct{}, maxConnections)}
		f.ctx, f.cancel = context.WithCancel(context.Background())
		go f.run()
		return f, nil
	case "UDP":
		return listenUDP(addr)
	}
	return nil, fmt.Errorf("%q is neither TCP nor UDP", key.proto)
}

// Close closes every port and its connections.
func (p *Ports) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for _, f := range p.open {
		f.close()
	}
}

func (f *forwarder) set(backends []string) { f.backends.Store(&backends) }

func (f *forwarder) close() {
	f.cancel()
	_ = f.l.Close()
}

func (f *forwarder) run() {
	for {
		c, err := f.l.Accept()
		if err != nil {
			if f.ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
				return
			}
			time.Sleep(50 * time.Millisecond) // out of file descriptors: others may close some
			continue
		}
		select {
		case f.slots <- struct{}{}:
			go func() {
				defer func() { <-f.slots }()
				f.serve(c)
			}()
		default:
			_ = c.Close()
		}
	}
}

func (f *forwarder) serve(c net.Conn) {
	defer c.Close()
	backends := *f.backends.Load()
	first := int(f.next.Add(1))
	var b net.Conn
	for i := range backends {
		d := net.Dialer{Timeout: 5 * time.Second}
		conn, err := d.DialContext(f.ctx, "tcp", backends[(first+i)%len(backends)])
		if err == nil {
			b = conn
			break
		}
	}
	if b == nil {
		return
	}
	defer b.Close()
	stop := context.AfterFunc(f.ctx, func() { _ = c.Close(); _ = b.Close() })
	defer stop()
	done := make(chan struct{}, 2)
	half := func(dst, src net.Conn) {
		_, _ = io.Copy(dst, src)
		if cw, ok := dst.(*net.TCPConn); ok {
			_ = cw.CloseWrite()
		}
		done <- struct{}{}
	}
	go half(b, c)
	go half(c, b)
	<-done
	<-done
}
