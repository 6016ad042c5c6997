// Package gateway is the provider's face to tenants: REST and WebSocket over TLS 1.3, and gRPC.
//
// What always holds:
//   - A tenant reaches only leases of its own account, and with a token only what the token allows:
//     provider, deployment, scope and service alike.
//   - A manifest is taken only when its hash and groups are the chain's, and is on the disk before
//     the answer.
//   - No client can hold memory: bodies, headers, frames, times and the number of streams are bounded,
//     and a client that doesn't read is dropped.
package gateway

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	cryptotypes "github.com/cosmos/cosmos-sdk/crypto/types"
	"golang.org/x/net/netutil"

	deploymentv1 "github.com/akash-supercloud/akash/api/akash/deployment/v1"
	deploymentv1beta4 "github.com/akash-supercloud/akash/api/akash/deployment/v1beta4"
	manifestv2 "github.com/akash-supercloud/akash/api/akash/manifest/v2beta3"
	marketv1 "github.com/akash-supercloud/akash/api/akash/market/v1"
	"github.com/akash-supercloud/akash/client/auth"
	"github.com/akash-supercloud/akash/provider/bid"
	"github.com/akash-supercloud/akash/provider/inventory"
	"github.com/akash-supercloud/akash/provider/runtime"
	"github.com/akash-supercloud/akash/provider/workload"
)

// Chain is what the gateway asks of the chain. Something that isn't there is an error whose gRPC
// code is NotFound.
type Chain interface {
	// PubKey returns an account's key; an error that is auth.ErrUnknownIssuer when there is none.
	PubKey(ctx context.Context, address string) (cryptotypes.PubKey, error)
	// Certificate returns a certificate; nil when there is none, valid that it isn't revoked.
	Certificate(ctx context.Context, owner, serial string) (certPEM []byte, valid bool, err error)
	Deployment(ctx context.Context, id deploymentv1.DeploymentID) (deploymentv1beta4.QueryDeploymentResponse, error)
	// OpenLeases are the deployment's leases with this provider that aren't closed.
	OpenLeases(ctx context.Context, id deploymentv1.DeploymentID) ([]marketv1.Lease, error)
}

// Workload is what keeps the leases.
type Workload interface {
	Ensure(leases []marketv1.Lease) error
	Accept(leases []workload.Accepted, hash []byte) error
	Lease(ctx context.Context, id marketv1.LeaseID) (workload.View, error)
	CheckHosts(owner string, hosts []string) error
	Counts() (leases, deployments int)
}

// Bids is what bids.
type Bids interface {
	Orders() int
	Screen(ctx context.Context, owner string, spec deploymentv1beta4.GroupSpec) (bid.Screening, error)
}

// Options configure a Server. All but Reclamation, Settle, Log and Now are needed.
type Options struct {
	// Provider is the provider's own address.
	Provider  string
	Chain     Chain
	Workload  Workload
	Bids      Bids
	Inventory *inventory.Inventory
	Runtime   runtime.Runtime
	// Certificate is shown to clients; it is asked for with each connection.
	Certificate func() (*tls.Certificate, error)
	// PublicHost is the provider's own host name.
	PublicHost string
	// Version is the program's version and the commit it was built from.
	Version, Commit string
	Reclamation     time.Duration
	// Settle is how long a manifest waits for a node that doesn't show its deployment yet; 0: 2 s.
	Settle time.Duration
	// Healthy says whether the provider follows the chain; a reason when it doesn't.
	Healthy func() error
	Log     *slog.Logger
	Now     func() time.Time
}

// Limits.
const (
	maxManifest       = 1 << 20
	maxStreamsAll     = 1024
	maxStreamsTenant  = 32
	maxUploadsAtATime = 64
	maxConnections    = 4096 // more wait; idle ones end by themselves
)

// Server answers tenants.
type Server struct {
	opt     Options
	keys    cache[cryptotypes.PubKey]
	certs   cache[[]byte]
	streams streams
	uploads chan struct{}
	started time.Time
}

// New returns a server that listens nowhere yet.
func New(opt Options) *Server {
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	if opt.Now == nil {
		opt.Now = time.Now
	}
	if opt.Settle == 0 {
		opt.Settle = 2 * time.Second
	}
	if opt.Healthy == nil {
		opt.Healthy = func() error { return nil }
	}
	return &Server{
		opt: opt, uploads: make(chan struct{}, maxUploadsAtATime), started: time.Now(),
		keys: cache[cryptotypes.PubKey]{ttl: 10 * time.Minute, max: 10_000},
		// Short, so that a revoked certificate opens nothing for longer than a few blocks.
		certs:   cache[[]byte]{ttl: 3 * time.Second, max: 10_000},
		streams: streams{byOwner: map[string]int{}},
	}
}

// TLSConfig is the TLS of both servers: 1.3 only, a client certificate asked for and judged by the
// chain, not by an authority.
func (s *Server) TLSConfig() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13,
		// The certificate, if there is one, is checked with each request: so a tenant learns why it
		// isn't taken, and a revoked one ends at once.
		ClientAuth:     tls.RequestClientCert,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return s.opt.Certificate() },
	}
}

// Serve answers REST and WebSocket on l until ctx ends.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	cfg := s.TLSConfig()
	cfg.NextProtos = []string{"http/1.1"} // WebSockets need it
	srv := &http.Server{
		Handler: s.Handler(), TLSConfig: cfg,
		ReadHeaderTimeout: 3 * time.Second, ReadTimeout: 130 * time.Second, IdleTimeout: 2 * time.Minute,
		MaxHeaderBytes: 64 << 10,
		BaseContext:    func(net.Listener) context.Context { return ctx },
		ErrorLog:       slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug),
	}
	done := make(chan error, 1)
	go func() { done <- srv.ServeTLS(netutil.LimitListener(l, maxConnections), "", "") }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		end, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		if srv.Shutdown(end) != nil {
			_ = srv.Close()
		}
		return nil
	}
}

// caller is who sent a request and what it may do.
type caller struct {
	owner  string // empty: nobody in particular
	claims auth.Claims
}

// denied is an answer that says no.
type denied struct {
	status  int
	message string
}

func (d *denied) Error() string { return d.message }

func deny(status int, message string) *denied { return &denied{status, message} }

// authenticate finds out who sends a request. No credentials at all is no error.
func (s *Server) authenticate(r *http.Request) (caller, *denied) {
	header := r.Header.Get("Authorization")
	var peer *x509.Certificate
	if r.TLS != nil && len(r.TLS.PeerCertificates) > 0 {
		peer = r.TLS.PeerCertificates[0]
	}
	switch {
	case peer != nil && header != "":
		return caller{}, deny(http.StatusBadRequest, "auth: ambiguous authentication. may not use mTLS and JWT at the same time")
	case peer != nil:
		if len(r.TLS.PeerCertificates) != 1 {
			return caller{}, deny(http.StatusUnauthorized, "unauthorized access: exactly one certificate is taken")
		}
		return s.byCertificate(r.Context(), peer)
	case header != "":
		return s.byToken(r.Context(), header)
	}
	return caller{}, nil
}

func (s *Server) byCertificate(ctx context.Context, peer *x509.Certificate) (caller, *denied) {
	owner, err := auth.VerifyPeer(peer, func(owner, serial string) ([]byte, bool, error) {
		if pem, ok := s.certs.get(owner + "/" + serial); ok {
			return pem, true, nil
		}
		pem, valid, err := s.opt.Chain.Certificate(ctx, owner, serial)
		if err == nil && valid {
			s.certs.put(owner+"/"+serial, pem)
		}
		return pem, valid, err
	}, s.opt.Now(), x509.ExtKeyUsageClientAuth)
	switch {
	case err == nil:
		return caller{owner: owner, claims: auth.Claims{Issuer: owner, Leases: auth.Leases{Access: auth.AccessFull}}}, nil
	case errors.Is(err, auth.ErrCertificate), errors.Is(err, auth.ErrCertificateUnknown), errors.Is(err, auth.ErrCertificateRevoked):
		return caller{}, deny(http.StatusUnauthorized, "unauthorized access: "+err.Error())
	}
	s.opt.Log.Warn("gateway: a client certificate can't be checked now", "err", err)
	return caller{}, deny(http.StatusInternalServerError, "the certificate can't be checked on the chain now; try again")
}

func (s *Server) byToken(ctx context.Context, header string) (caller, *denied) {
	f := strings.Fields(header)
	if len(f) != 2 || !strings.EqualFold(f[0], "Bearer") {
		return caller{}, deny(http.StatusBadRequest, "invalid authorization header")
	}
	claims, err := auth.Verify(f[1], func(address string) (cryptotypes.PubKey, error) {
		if key, ok := s.keys.get(address); ok {
			return key, nil
		}
		key, err := s.opt.Chain.PubKey(ctx, address)
		if err == nil {
			s.keys.put(address, key)
		}
		return key, err
	}, s.opt.Now())
	switch {
	case err == nil:
		return caller{owner: claims.Issuer, claims: claims}, nil
	case errors.Is(err, auth.ErrExpired):
		return caller{}, deny(http.StatusUnauthorized, "JWT is expired")
	case errors.Is(err, auth.ErrMalformed), errors.Is(err, auth.ErrBadSignature):
		return caller{}, deny(http.StatusUnauthorized, "JWT is invalid")
	case errors.Is(err, auth.ErrClaims):
		return caller{}, deny(http.StatusBadRequest, "JWT has invalid claims")
	}
	s.opt.Log.Warn("gateway: a token can't be checked now", "err", err)
	return caller{}, deny(http.StatusInternalServerError, "unknown error while processing JWT")
}

// allow says whether a caller may do scope with a lease (gseq and oseq 0: the deployment) and one of
// its services (empty: the lease as a whole).
func (s *Server) allow(c caller, scope auth.Scope, dseq uint64, gseq, oseq uint32, service string) *denied {
	if c.owner == "" || !c.claims.Allows(s.opt.Provider, scope, dseq, gseq, oseq, service) {
		return deny(http.StatusUnauthorized, "unauthorized access")
	}
	return nil
}

func (d *denied) write(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(d.status)
	_ = json.NewEncoder(w).Encode(map[string]string{"message": d.message})
}

// cache remembers what the chain said for a while, a bounded number of answers.
type cache[V any] struct {
	ttl time.Duration
	max int
	mu  sync.Mutex
	m   map[string]cached[V]
}

type cached[V any] struct {
	v  V
	at time.Time
}

func (c *cache[V]) get(key string) (V, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.m[key]
	if !ok || time.Since(e.at) > c.ttl {
		delete(c.m, key)
		var zero V
		return zero, false
	}
	return e.v, true
}

func (c *cache[V]) put(key string, v V) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.m == nil || len(c.m) >= c.max {
		c.m = map[string]cached[V]{}
	}
	c.m[key] = cached[V]{v, time.Now()}
}

// streams counts the open WebSockets.
type streams struct {
	mu      sync.Mutex
	all     int
	byOwner map[string]int
}

func (s *streams) open(owner string) (close func(), ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all >= maxStreamsAll || s.byOwner[owner] >= maxStreamsTenant {
		return nil, false
	}
	s.all++
	s.byOwner[owner]++
	return sync.OnceFunc(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.all--
		if s.byOwner[owner]--; s.byOwner[owner] == 0 {
			delete(s.byOwner, owner)
		}
	}), true
}

// groups is a manifest's JSON form.
type groups []manifestv2.Group

// groupService is one service of a manifest.
type groupService = manifestv2.Service
