// Package ingress brings the public's requests to tenants' replicas: HTTP by host name, TCP and
// UDP by a port of the host.
//
// What always holds:
//   - A request reaches only a replica of the lease that the host name or port belongs to.
//   - A host name that no lease has gets 404, one whose service has no running replica gets 503;
//     both say so in one sentence.
//   - No client can hold memory: headers, bodies and idle times are bounded.
//   - Changing routes never disturbs requests on the way.
package ingress

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httputil"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Options say how requests to a service are passed on. Zero values mean the defaults of the SDL.
type Options struct {
	// MaxBodySize of a request in bytes; 1 MiB.
	MaxBodySize int64
	// ReadTimeout is the longest wait for the next part of the response, SendTimeout for the next
	// part of the request; 60 s.
	ReadTimeout, SendTimeout time.Duration
	// NextTries is how many replicas are tried in all, at least one; 0 means all.
	NextTries int
	// NextTimeout is how long other replicas may be tried; 0: as long as needed.
	NextTimeout time.Duration
	// NextCases are why another replica is tried: "error", "timeout", a status such as "502", "off".
	NextCases []string
}

func (o Options) withDefaults() Options {
	if o.MaxBodySize <= 0 {
		o.MaxBodySize = 1 << 20
	}
	if o.ReadTimeout <= 0 {
		o.ReadTimeout = time.Minute
	}
	if o.SendTimeout <= 0 {
		o.SendTimeout = time.Minute
	}
	if o.NextCases == nil {
		o.NextCases = []string{"error", "timeout"}
	}
	return o
}

// Route is where the requests to some host names go.
type Route struct {
	Hosts   []string
	Service string
	// Backends are the running replicas as "ip:port"; none: the service is starting.
	Backends []string
	Options  Options
}

// Router is the route table and the HTTP handler that follows it. The zero value isn't usable.
type Router struct {
	log   *slog.Logger
	proxy *httputil.ReverseProxy

	mu     sync.Mutex
	leases map[string][]Route
	table  atomic.Pointer[map[string]*target]

	// Requests counts what was served, by status class ("2xx", …), "404 host" and "503 starting".
	Requests func(class string)
}

// target is one service of one lease.
type target struct {
	lease    string
	service  string
	opt      Options
	backends []string
	next     *atomic.Uint32
}

type ctxKey int

const (
	ctxTarget ctxKey = iota
	ctxIdle
)

// NewRouter returns a router without routes.
func NewRouter(log *slog.Logger) *Router {
	r := &Router{log: log, leases: map[string][]Route{}, Requests: func(string) {}}
	r.table.Store(&map[string]*target{})
	transport := &http.Transport{
		DialContext:            (&net.Dialer{Timeout: 5 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		MaxIdleConnsPerHost:    64,
		IdleConnTimeout:        30 * time.Second,
		DisableCompression:     true,
		MaxResponseHeaderBytes: 256 << 10,
		ReadBufferSize:         16 << 10,
		WriteBufferSize:        16 << 10,
	}
	r.proxy = &httputil.ReverseProxy{
		Transport:  &balancer{base: transport},
		BufferPool: &pool{},
		// -1: what a service streams is passed on at once.
		FlushInterval: -1,
		Rewrite: func(p *httputil.ProxyRequest) {
			p.Out.URL.Scheme = "http"
			p.Out.URL.Host = p.In.Host // replaced by the replica's address in the balancer
			p.Out.Host = p.In.Host
			p.SetXForwarded()
		},
		ErrorHandler: r.failed,
		ErrorLog:     slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug),
	}
	return r
}

// SetLease replaces the routes of a lease. A host name that another lease has already stays there.
func (r *Router) SetLease(lease string, routes []Route) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if had, ok := r.leases[lease]; ok && reflect.DeepEqual(had, routes) {
		return
	}
	if len(routes) == 0 {
		delete(r.leases, lease)
	} else {
		r.leases[lease] = routes
	}
	r.rebuild()
}

// RemoveLease takes a lease's routes away.
func (r *Router) RemoveLease(lease string) { r.SetLease(lease, nil) }

// Hosts returns every host name that has a route.
func (r *Router) Hosts() []string { return slices.Sorted(maps.Keys(*r.table.Load())) }

func (r *Router) rebuild() {
	old := *r.table.Load()
	table := map[string]*target{}
	for _, lease := range slices.Sorted(maps.Keys(r.leases)) {
		for _, route := range r.leases[lease] {
			t := &target{lease: lease, service: route.Service, opt: route.Options.withDefaults(), backends: slices.Clone(route.Backends), next: new(atomic.Uint32)}
			for _, h := range route.Hosts {
				h = strings.ToLower(h)
				if had, ok := old[h]; ok && had.lease != lease && r.has(had.lease, h) {
					continue // it is served by that lease and stays so
				}
				if _, ok := table[h]; !ok {
					table[h] = t
				}
			}
		}
	}
	r.table.Store(&table)
}

func (r *Router) has(lease, host string) bool {
	for _, route := range r.leases[lease] {
		for _, h := range route.Hosts {
			if strings.EqualFold(h, host) {
				return true
			}
		}
	}
	return false
}

func (r *Router) lookup(host string) *target {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	return (*r.table.Load())[strings.TrimSuffix(strings.ToLower(host), ".")]
}

// ServeHTTP passes a request on to a replica.
func (r *Router) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	t := r.lookup(req.Host)
	if t == nil {
		r.Requests("404 host")
		fail(w, http.StatusNotFound, fmt.Sprintf("No deployment answers to the host name %q here. It may be closed, or the name may be mistyped.", clip(req.Host, 255)))
		return
	}
	if len(t.backends) == 0 {
		r.Requests("503 starting")
		w.Header().Set("Retry-After", "2")
		fail(w, http.StatusServiceUnavailable, fmt.Sprintf("The service %q is starting: no replica of it runs yet. Try again in a moment.", t.service))
		return
	}
	if req.ContentLength > t.opt.MaxBodySize {
		r.tooLarge(w, t)
		return
	}
	upgrade := req.Header.Get("Upgrade") != ""
	ctx, idle := newIdle(req.Context(), t.opt.ReadTimeout)
	defer idle.stop()
	ctx = context.WithValue(context.WithValue(ctx, ctxTarget, t), ctxIdle, idle)
	req = req.WithContext(ctx)
	if req.Body != nil && req.Body != http.NoBody && !upgrade {
		req.Body = &slowBody{ReadCloser: http.MaxBytesReader(w, req.Body, t.opt.MaxBodySize), rc: http.NewResponseController(w), wait: t.opt.SendTimeout, idle: idle}
	}
	rec := &recorder{ResponseWriter: w}
	r.proxy.ServeHTTP(rec, req)
	r.Requests(rec.class())
}

func (r *Router) tooLarge(w http.ResponseWriter, t *target) {
	r.Requests("4xx")
	w.Header().Set("Connection", "close")
	fail(w, http.StatusRequestEntityTooLarge, fmt.Sprintf("The request's body is larger than the %d bytes that this service takes (http_options.max_body_size).", t.opt.MaxBodySize))
}

func (r *Router) failed(w http.ResponseWriter, req *http.Request, err error) {
	t, _ := req.Context().Value(ctxTarget).(*target)
	if t == nil {
		fail(w, http.StatusBadGateway, "Bad gateway.")
		return
	}
	var large *http.MaxBytesError
	idle, _ := req.Context().Value(ctxIdle).(*idleTimer)
	switch {
	case errors.As(err, &large):
		r.tooLarge(w, t)
	case idle != nil && idle.fired.Load():
		fail(w, http.StatusGatewayTimeout, fmt.Sprintf("The service %q didn't answer within %s.", t.service, t.opt.ReadTimeout))
	case errors.Is(err, context.Canceled):
		w.WriteHeader(499) // the client went away; nobody reads this
	default:
		r.log.Debug("ingress: request failed", "lease", t.lease, "service", t.service, "err", err)
		fail(w, http.StatusBadGateway, fmt.Sprintf("No replica of the service %q could be reached.", t.service))
	}
}

func fail(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text+"\n")
}

func clip(s string, n int) string {
	if len(s) > n {
		return s[:n]
	}
	return s
}

// balancer sends a request to the next replica in turn, and to others while that fails.
type balancer struct{ base http.RoundTripper }

func (b *balancer) RoundTrip(req *http.Request) (*http.Response, error) {
	t := req.Context().Value(ctxTarget).(*target)
	idle := req.Context().Value(ctxIdle).(*idleTimer)
	tries := len(t.backends)
	if n := t.opt.NextTries; n > 0 {
		tries = min(tries, n)
	}
	if slices.Contains(t.opt.NextCases, "off") {
		tries = 1
	}
	body := &onceBody{ReadCloser: req.Body}
	first := int(t.next.Add(1))
	start := time.Now()
	var resp *http.Response
	var err error
	for i := range tries {
		out := req.Clone(req.Context())
		out.URL.Host = t.backends[(first+i)%len(t.backends)]
		if req.Body != nil && req.Body != http.NoBody {
			out.Body = body
		}
		if resp != nil {
			_ = resp.Body.Close()
		}
		resp, err = b.base.RoundTrip(out)
		last := i == tries-1 || (t.opt.NextTimeout > 0 && time.Since(start) > t.opt.NextTimeout)
		if last || req.Context().Err() != nil || !retry(t.opt.NextCases, req, body, resp, err) {
			break
		}
	}
	if err != nil {
		return nil, err
	}
	idle.touch()
	if resp.StatusCode == http.StatusSwitchingProtocols {
		// The connection is the client's and the service's now; either may be silent for long.
		idle.set(time.Hour)
		if rw, ok := resp.Body.(io.ReadWriteCloser); ok {
			resp.Body = &idleConn{ReadWriteCloser: rw, idle: idle}
		}
		return resp, nil
	}
	resp.Body = &idleBody{ReadCloser: resp.Body, idle: idle}
	return resp, nil
}

// retry says whether another replica may be asked: for the reasons the tenant named, and only
// where nothing of the request can have had an effect or been used up.
func retry(cases []string, req *http.Request, body *onceBody, resp *http.Response, err error) bool {
	if body.read.Load() {
		return false
	}
	if err != nil {
		var op *net.OpError
		unsent := errors.As(err, &op) && op.Op == "dial"
		kind := "error"
		var ne net.Error
		if errors.As(err, &ne) && ne.Timeout() {
			kind = "timeout"
		}
		return slices.Contains(cases, kind) && (unsent || safe(req.Method))
	}
	return safe(req.Method) && resp.StatusCode >= 400 && slices.Contains(cases, strconv.Itoa(resp.StatusCode))
}

func safe(method string) bool {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodPut, http.MethodDelete:
		return true
	}
	return false
}

// onceBody keeps a request's body open between attempts and remembers whether it was read. The
// server closes the body itself when the handler returns.
type onceBody struct {
	io.ReadCloser
	read atomic.Bool
}

func (b *onceBody) Read(p []byte) (int, error) { b.read.Store(true); return b.ReadCloser.Read(p) }
func (b *onceBody) Close() error               { return nil }

// slowBody gives the client a time for each part of its body.
type slowBody struct {
	io.ReadCloser
	rc   *http.ResponseController
	wait time.Duration
	idle *idleTimer
}

func (b *slowBody) Read(p []byte) (int, error) {
	_ = b.rc.SetReadDeadline(time.Now().Add(b.wait))
	n, err := b.ReadCloser.Read(p)
	if err != nil {
		_ = b.rc.SetReadDeadline(time.Time{})
	}
	b.idle.touch()
	return n, err
}

// idleTimer ends a request's context when nothing moved for a while.
type idleTimer struct {
	mu    sync.Mutex
	wait  time.Duration
	timer *time.Timer
	fired atomic.Bool
	// cancel ends the context; stop calls it.
	cancel context.CancelFunc
}

func newIdle(ctx context.Context, wait time.Duration) (context.Context, *idleTimer) {
	ctx, cancel := context.WithCancel(ctx)
	i := &idleTimer{wait: wait, cancel: cancel}
	i.timer = time.AfterFunc(wait, func() { i.fired.Store(true); cancel() })
	return ctx, i
}

func (i *idleTimer) touch() { i.mu.Lock(); defer i.mu.Unlock(); i.reset() }
func (i *idleTimer) set(d time.Duration) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.wait = d
	i.reset()
}
func (i *idleTimer) reset() {
	if !i.fired.Load() {
		i.timer.Reset(i.wait)
	}
}
func (i *idleTimer) stop() { i.mu.Lock(); defer i.mu.Unlock(); i.timer.Stop(); i.cancel() }

type idleBody struct {
	io.ReadCloser
	idle *idleTimer
}

func (b *idleBody) Read(p []byte) (int, error) { b.idle.touch(); return b.ReadCloser.Read(p) }

type idleConn struct {
	io.ReadWriteCloser
	idle *idleTimer
}

func (c *idleConn) Read(p []byte) (int, error)  { c.idle.touch(); return c.ReadWriteCloser.Read(p) }
func (c *idleConn) Write(p []byte) (int, error) { c.idle.touch(); return c.ReadWriteCloser.Write(p) }

// recorder remembers the status for the count.
type recorder struct {
	http.ResponseWriter
	status int
}

func (r *recorder) WriteHeader(status int) {
	if status >= 200 || status == 101 {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }
func (r *recorder) class() string {
	if r.status == 0 {
		return "2xx"
	}
	return strconv.Itoa(r.status/100) + "xx"
}

// pool lends copy buffers.
type pool struct{ p sync.Pool }

func (p *pool) Get() []byte {
	if b, ok := p.p.Get().(*[]byte); ok {
		return *b
	}
	return make([]byte, 32<<10)
}
func (p *pool) Put(b []byte) { p.p.Put(&b) }

// Serve serves HTTP on l until ctx ends, then gives requests on the way five seconds.
func (r *Router) Serve(ctx context.Context, l net.Listener) error {
	srv := &http.Server{
		Handler: r, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
		ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug),
	}
	done := make(chan error, 1)
	go func() { done <- srv.Serve(l) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		end, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if srv.Shutdown(end) != nil {
			_ = srv.Close()
		}
		return nil
	}
}
