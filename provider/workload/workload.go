// Package workload makes what runs equal to what the chain says must run.
//
// What always holds:
//   - Level, not edge: each lease has a worker that compares the record (what the chain and the
//     tenant want) with the runtime, at start, on every event and on a timer, until they agree.
//   - A manifest is on the disk before it is acknowledged.
//   - Only a close that the chain tells of removes a workload. A node, RPC or runtime that can't be
//     asked never does, nor does a restart of this program.
//   - Only the tenant's own failing workload, seen failing for long, makes the provider close a lease
//     as unstable. Time in which nothing could be seen doesn't count.
package workload

import (
	"context"
	"crypto/sha1"
	"encoding/base32"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"cosmossdk.io/math"
	sdk "github.com/cosmos/cosmos-sdk/types"
	"github.com/cosmos/gogoproto/proto"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	deploymentv1 "github.com/akash-supercloud/akash/api/akash/deployment/v1"
	deploymentv1beta4 "github.com/akash-supercloud/akash/api/akash/deployment/v1beta4"
	manifestv2 "github.com/akash-supercloud/akash/api/akash/manifest/v2beta3"
	marketv1 "github.com/akash-supercloud/akash/api/akash/market/v1"
	"github.com/akash-supercloud/akash/manifest"
	"github.com/akash-supercloud/akash/provider/ingress"
	"github.com/akash-supercloud/akash/provider/inventory"
	"github.com/akash-supercloud/akash/provider/runtime"
	"github.com/akash-supercloud/akash/provider/state"
)

var (
	// ErrNoLease is returned when the provider has no open lease of that id.
	ErrNoLease = errors.New("no lease for deployment")
	// ErrHost is returned when a manifest asks for a host name that it can't have; the text names it.
	ErrHost = errors.New("hostname not allowed")
	// ErrNoPort is returned when no port of the host is left for a service.
	ErrNoPort = errors.New("no free port on the provider's host")
)

// Chain is what workload asks of the chain. Something that isn't there is an error whose gRPC code
// is NotFound.
type Chain interface {
	Lease(ctx context.Context, id marketv1.LeaseID) (marketv1.Lease, error)
	// Leases are the provider's own leases that aren't closed.
	Leases(ctx context.Context) ([]marketv1.Lease, error)
	GroupSpec(ctx context.Context, id deploymentv1.GroupID) (deploymentv1beta4.GroupSpec, error)
	Send(ctx context.Context, msgs ...sdk.Msg) error
}

// Options configure a Manager. Provider, Chain, Store, Inventory, Runtime, Router and Ports are needed.
type Options struct {
	// Provider is the provider's own address.
	Provider  string
	Chain     Chain
	Store     *state.Store
	Inventory *inventory.Inventory
	Runtime   runtime.Runtime
	Router    *ingress.Router
	Ports     *ingress.Ports
	// Synced says whether the provider's picture is the chain's present; nothing is removed by
	// comparison while it isn't.
	Synced func() bool
	// Domain is what host names made for services end in, without a leading dot.
	Domain string
	// PublicHost is the provider's own host name.
	PublicHost string
	// BlockedHosts can't be used by tenants; ".example.com" stands for the domain and all below.
	BlockedHosts []string
	// FirstPort to LastPort are the host's ports given to services; 0: none are given.
	FirstPort, LastPort uint16
	// ManifestTimeout is how long a won lease waits for its manifest; 0: 5 minutes.
	ManifestTimeout time.Duration
	// UnstableAfter is how long a tenant's workload may fail; 0: 24 hours, negative: for ever.
	UnstableAfter time.Duration
	// Reconcile is how often chain and runtime are compared as a whole; 0: 1 minute.
	Reconcile time.Duration
	// Freed is called after a lease's resources became free.
	Freed func()
	Log   *slog.Logger
	Now   func() time.Time
	// Count is told each outcome: "applied", "apply failed", "removed", "closed: …".
	Count func(outcome string)
}

// Manager has a worker for each lease. It is safe for use by several goroutines.
type Manager struct {
	opt Options

	mu      sync.Mutex
	ctx     context.Context
	wg      sync.WaitGroup
	workers map[string]*worker
	// absent counts how often in a row the chain said that it doesn't have a lease open.
	absent map[string]int
}

// New returns a manager that does nothing before Run.
func New(opt Options) *Manager {
	if opt.ManifestTimeout == 0 {
		opt.ManifestTimeout = 5 * time.Minute
	}
	if opt.UnstableAfter == 0 {
		opt.UnstableAfter = 24 * time.Hour
	}
	if opt.Reconcile == 0 {
		opt.Reconcile = time.Minute
	}
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	if opt.Now == nil {
		opt.Now = time.Now
	}
	if opt.Count == nil {
		opt.Count = func(string) {}
	}
	if opt.Freed == nil {
		opt.Freed = func() {}
	}
	return &Manager{opt: opt, workers: map[string]*worker{}, absent: map[string]int{}}
}

// key is what holds a lease's room in the inventory: its order, so that a won bid's room goes over.
func key(id marketv1.LeaseID) string { return id.OrderID().String() }

// Apply stores the effects of an event of the chain in tx. It returns what is to be done once tx
// is committed.
func (m *Manager) Apply(tx *state.Tx, ev proto.Message) (func(), error) {
	switch ev := ev.(type) {
	case *marketv1.EventLeaseCreated:
		if ev.ID.Provider == m.opt.Provider {
			return m.add(tx, ev.ID, ev.Price)
		}
	case *marketv1.EventLeaseClosed:
		if ev.ID.Provider == m.opt.Provider {
			return m.closed(tx, ev.ID, ev.Reason.String())
		}
	}
	return nil, nil
}

// Add stores a lease that a query found open. It returns what is to be done after the commit.
func (m *Manager) Add(tx *state.Tx, l marketv1.Lease) (func(), error) {
	return m.add(tx, l.ID, l.Price)
}

func (m *Manager) add(tx *state.Tx, id marketv1.LeaseID, price sdk.DecCoin) (func(), error) {
	id.BSeq = 0
	l, ok, err := tx.Lease(id)
	if err != nil {
		return nil, err
	}
	if !ok {
		if price.Amount.IsNil() {
			price.Amount = math.LegacyZeroDec()
		}
		l = state.Lease{ID: id, Price: price, WonAt: m.opt.Now()}
		if o, ok, err := tx.Order(id.OrderID()); err != nil {
			return nil, err
		} else if ok {
			l.Spec = o.Spec
		}
		if err := tx.PutLease(l); err != nil {
			return nil, err
		}
		m.opt.Log.Info("lease won", "lease", id.String(), "price", price.String())
	}
	return func() {
		m.hold(l)
		m.kick(id)
	}, nil
}

// hold makes sure that a lease's room isn't offered to others.
func (m *Manager) hold(l state.Lease) {
	if len(l.Spec) == 0 {
		return
	}
	if spec, err := l.GroupSpec(); err == nil {
		m.opt.Inventory.Hold(key(l.ID), spec, true)
	}
}

func (m *Manager) closed(tx *state.Tx, id marketv1.LeaseID, reason string) (func(), error) {
	id.BSeq = 0
	l, ok, err := tx.Lease(id)
	if err != nil || !ok || l.Closed {
		return nil, err
	}
	l.Closed = true
	return func() {
		m.opt.Log.Info("lease closed", "lease", id.String(), "reason", reason)
		m.opt.Count("closed: " + reason)
		m.kick(id)
	}, tx.PutLease(l)
}

// Accepted is a lease with its group of a manifest that was found right.
type Accepted struct {
	Lease marketv1.LeaseID
	Group manifestv2.Group
}

// Accept stores a manifest for leases of one deployment, all or none, and starts it. When it
// returns nil the manifest is on the disk. Errors: ErrNoLease, ErrHost, ErrNoPort.
func (m *Manager) Accept(leases []Accepted, hash []byte) error {
	if len(leases) == 0 {
		return ErrNoLease
	}
	var kick []marketv1.LeaseID
	err := m.opt.Store.Update(func(tx *state.Tx) error {
		for _, a := range leases {
			others, err := m.accept(tx, a, hash)
			if err != nil {
				return err
			}
			kick = append(append(kick, others...), a.Lease)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, id := range kick {
		m.kick(id)
	}
	return nil
}

// accept also returns the leases that got a host name by it.
func (m *Manager) accept(tx *state.Tx, a Accepted, hash []byte) ([]marketv1.LeaseID, error) {
	l, ok, err := tx.Lease(a.Lease)
	if err != nil {
		return nil, err
	}
	if !ok || l.Closed || l.Close != 0 {
		return nil, ErrNoLease
	}
	raw, err := json.Marshal(a.Group)
	if err != nil {
		return nil, fmt.Errorf("write the manifest: %w", err)
	}
	others, err := m.claimHosts(tx, l, a.Group)
	if err != nil {
		return nil, err
	}
	if err := m.claimPorts(tx, l, a.Group); err != nil {
		return nil, err
	}
	if string(raw) != string(l.Manifest) {
		l.Generation++
		l.UnhealthyFor = 0
	}
	l.Manifest, l.Hash, l.AcceptedAt = raw, hash, m.opt.Now()
	return others, tx.PutLease(l)
}

// CheckHosts says whether a tenant could have these host names.
func (m *Manager) CheckHosts(owner string, hosts []string) error {
	return m.opt.Store.View(func(tx *state.Tx) error {
		for _, h := range hosts {
			if err := m.checkHost(tx, owner, strings.ToLower(h)); err != nil {
				return err
			}
		}
		return nil
	})
}

func (m *Manager) checkHost(tx *state.Tx, owner, host string) error {
	// Names of the form made for services could be another tenant's.
	if label, rest, ok := strings.Cut(host, "."); ok && rest == m.opt.Domain && madeLabel.MatchString(label) {
		return fmt.Errorf("%w: %q is of the form that this provider makes itself", ErrHost, host)
	}
	blocked := append(slices.Clone(m.opt.BlockedHosts), m.opt.PublicHost, m.opt.Domain)
	for _, b := range blocked {
		b = strings.ToLower(b)
		switch {
		case b == "" || b == ".":
		case b == host:
			return fmt.Errorf("%w: %q is blocked by this provider", ErrHost, host)
		case b[0] == '.' && (host == b[1:] || strings.HasSuffix(host, b)):
			return fmt.Errorf("%w: domain %q is blocked by this provider", ErrHost, host)
		}
	}
	if has := tx.Host(host); has != "" && !strings.HasPrefix(has, owner+"/") {
		return fmt.Errorf("%w: host %q in use", ErrHost, host)
	}
	return nil
}

// claimHosts gives a lease the host names that its manifest accepts. One that another lease of the
// same owner has stays there until that lease ends.
func (m *Manager) claimHosts(tx *state.Tx, l state.Lease, g manifestv2.Group) ([]marketv1.LeaseID, error) {
	id := l.ID.String()
	want := acceptHosts(g)
	for _, h := range want {
		if err := m.checkHost(tx, l.ID.Owner, h); err != nil {
			return nil, err
		}
		if tx.Host(h) == "" {
			if err := tx.PutHost(h, id); err != nil {
				return nil, err
			}
		}
	}
	return m.freeHosts(tx, id, want)
}

// freeHosts takes from a lease the host names that aren't in keep, and gives each to the next
// lease that asks for it; it returns those leases.
func (m *Manager) freeHosts(tx *state.Tx, lease string, keep []string) (others []marketv1.LeaseID, err error) {
	var freed []string
	for h, has := range tx.Hosts() {
		if has == lease && !slices.Contains(keep, h) {
			freed = append(freed, h)
			if err := tx.DeleteHost(h); err != nil {
				return nil, err
			}
		}
	}
	if len(freed) == 0 {
		return nil, nil
	}
	leases, err := tx.Leases()
	if err != nil {
		return nil, err
	}
	slices.SortFunc(leases, func(a, b state.Lease) int { return a.AcceptedAt.Compare(b.AcceptedAt) })
	for _, other := range leases {
		g, ok := group(other)
		if !ok || other.Closed || other.ID.String() == lease {
			continue
		}
		for _, h := range acceptHosts(g) {
			if slices.Contains(freed, h) && tx.Host(h) == "" {
				if err := tx.PutHost(h, other.ID.String()); err != nil {
					return nil, err
				}
				others = append(others, other.ID)
			}
		}
	}
	return others, nil
}

func acceptHosts(g manifestv2.Group) []string {
	var out []string
	for _, s := range g.Services {
		for _, e := range s.Expose {
			if manifest.IsIngress(e) {
				for _, h := range e.Hosts {
					out = append(out, strings.ToLower(h))
				}
			}
		}
	}
	return out
}

// forwarded says whether an expose gets a port of the host.
func forwarded(e manifestv2.ServiceExpose) bool {
	return e.Global && !manifest.IsIngress(e) && e.IP == ""
}

// claimPorts gives a lease a port of the host for each port that its services show the world.
// Ports it has already stay the same.
func (m *Manager) claimPorts(tx *state.Tx, l state.Lease, g manifestv2.Group) error {
	all, err := tx.Ports()
	if err != nil {
		return err
	}
	used := map[string]bool{}
	var mine []state.Port
	for _, p := range all {
		used[p.Proto+strconv.Itoa(int(p.HostPort))] = true
		if p.Lease == l.ID.String() {
			mine = append(mine, p)
		}
	}
	var keep []state.Port
	for _, s := range g.Services {
		for _, e := range s.Expose {
			if !forwarded(e) {
				continue
			}
			p := state.Port{Lease: l.ID.String(), Service: s.Name, Port: e.Port, External: manifest.ExternalPort(e), Proto: strings.ToUpper(e.Proto)}
			i := slices.IndexFunc(mine, func(q state.Port) bool {
				return q.Service == p.Service && q.External == p.External && q.Proto == p.Proto
			})
			if i >= 0 {
				p.HostPort = mine[i].HostPort
			} else if p.HostPort, err = m.freePort(used, p); err != nil {
				return err
			}
			used[p.Proto+strconv.Itoa(int(p.HostPort))] = true
			keep = append(keep, p)
			if err := tx.PutPort(p); err != nil {
				return err
			}
		}
	}
	for _, p := range mine {
		if !slices.ContainsFunc(keep, func(q state.Port) bool { return q.HostPort == p.HostPort && q.Proto == p.Proto }) {
			if err := tx.DeletePort(p.Proto, p.HostPort); err != nil {
				return err
			}
		}
	}
	return nil
}

// freePort looks from a place of the service's own on, so that ports aren't reused at once.
func (m *Manager) freePort(used map[string]bool, p state.Port) (uint16, error) {
	if m.opt.FirstPort == 0 || m.opt.LastPort < m.opt.FirstPort {
		return 0, fmt.Errorf("%w: the operator gives none", ErrNoPort)
	}
	n := int(m.opt.LastPort-m.opt.FirstPort) + 1
	sum := sha1.Sum([]byte(p.Lease + p.Service + p.Proto + strconv.Itoa(int(p.External))))
	start := (int(sum[0])<<16 | int(sum[1])<<8 | int(sum[2])) % n
	for i := range n {
		port := int(m.opt.FirstPort) + (start+i)%n
		if !used[p.Proto+strconv.Itoa(port)] {
			return uint16(port), nil
		}
	}
	return 0, fmt.Errorf("%w: all of %d to %d are in use", ErrNoPort, m.opt.FirstPort, m.opt.LastPort)
}

func group(l state.Lease) (manifestv2.Group, bool) {
	var g manifestv2.Group
	if len(l.Manifest) == 0 || json.Unmarshal(l.Manifest, &g) != nil {
		return g, false
	}
	return g, true
}

// madeLabel is the form of the first label of HostName.
var madeLabel = regexp.MustCompile(`^[0-9a-v]{26}$`)

// HostName is the name made for a service of a lease: a UUID of version 5 in base32hex, and the
// provider's ingress domain.
func HostName(id marketv1.LeaseID, service, domain string) string {
	dns := [16]byte{0x6b, 0xa7, 0xb8, 0x10, 0x9d, 0xad, 0x11, 0xd1, 0x80, 0xb4, 0x00, 0xc0, 0x4f, 0xd4, 0x30, 0xc8}
	h := sha1.New()
	h.Write(dns[:])
	h.Write([]byte(id.String() + service))
	u := h.Sum(nil)[:16]
	u[6] = u[6]&0x0f | 0x50
	u[8] = u[8]&0x3f | 0x80
	return strings.ToLower(base32.HexEncoding.WithPadding(base32.NoPadding).EncodeToString(u)) + "." + domain
}

// hosts are the names that each ingress service of a lease answers to now.
func (m *Manager) hosts(l state.Lease, g manifestv2.Group, claims map[string]string) map[string][]string {
	out := map[string][]string{}
	id := l.ID.String()
	for _, s := range g.Services {
		for _, e := range s.Expose {
			if !manifest.IsIngress(e) {
				continue
			}
			if len(out[s.Name]) == 0 && m.opt.Domain != "" {
				out[s.Name] = append(out[s.Name], HostName(l.ID, s.Name, m.opt.Domain))
			}
			for _, h := range e.Hosts {
				if h = strings.ToLower(h); claims[h] == id && !slices.Contains(out[s.Name], h) {
					out[s.Name] = append(out[s.Name], h)
				}
			}
		}
	}
	return out
}

// route sets the lease's routes and ports by what runs now.
func (m *Manager) route(l state.Lease, g manifestv2.Group, st runtime.LeaseStatus) {
	var claims map[string]string
	var ports []state.Port
	_ = m.opt.Store.View(func(tx *state.Tx) (err error) {
		claims = tx.Hosts()
		ports, err = tx.Ports()
		return err
	})
	id := l.ID.String()
	backends := func(service string, port uint32) (out []string) {
		for _, r := range st.Services[service].Replicas {
			if r.State == runtime.StateRunning && r.IP != "" {
				out = append(out, net.JoinHostPort(r.IP, strconv.Itoa(int(port))))
			}
		}
		return out
	}
	hosts := m.hosts(l, g, claims)
	var routes []ingress.Route
	for _, s := range g.Services {
		for _, e := range s.Expose {
			if manifest.IsIngress(e) {
				o := e.HTTPOptions
				routes = append(routes, ingress.Route{Hosts: hosts[s.Name], Service: s.Name, Backends: backends(s.Name, e.Port), Options: ingress.Options{
					MaxBodySize: int64(o.MaxBodySize), ReadTimeout: ms(o.ReadTimeout), SendTimeout: ms(o.SendTimeout),
					NextTries: int(o.NextTries), NextTimeout: ms(o.NextTimeout), NextCases: o.NextCases,
				}})
				break
			}
		}
	}
	m.opt.Router.SetLease(id, routes)
	var forwards []ingress.Forward
	for _, p := range ports {
		if p.Lease == id {
			forwards = append(forwards, ingress.Forward{Proto: p.Proto, Port: p.HostPort, Backends: backends(p.Service, p.Port)})
		}
	}
	if err := m.opt.Ports.SetLease(id, forwards); err != nil {
		m.opt.Log.Warn("some ports of the lease aren't open", "lease", id, "err", err)
	}
}

func ms(n uint32) time.Duration { return time.Duration(n) * time.Millisecond }

// View is how a lease is, for its tenant.
type View struct {
	Lease  state.Lease
	Group  manifestv2.Group
	Status runtime.LeaseStatus
	// URIs are the host names of each service that is reached by HTTP.
	URIs  map[string][]string
	Ports []state.Port
}

// Lease returns how a lease is. ErrNoLease when there is none, or it has no manifest yet.
func (m *Manager) Lease(ctx context.Context, id marketv1.LeaseID) (View, error) {
	var v View
	var claims map[string]string
	err := m.opt.Store.View(func(tx *state.Tx) error {
		l, ok, err := tx.Lease(id)
		if err != nil {
			return err
		}
		g, has := group(l)
		if !ok || l.Closed || !has {
			return ErrNoLease
		}
		v.Lease, v.Group = l, g
		claims = tx.Hosts()
		ports, err := tx.Ports()
		for _, p := range ports {
			if p.Lease == id.String() {
				v.Ports = append(v.Ports, p)
			}
		}
		return err
	})
	if err != nil {
		return v, err
	}
	v.URIs = m.hosts(v.Lease, v.Group, claims)
	v.Status, err = m.opt.Runtime.Status(ctx, id)
	if errors.Is(err, runtime.ErrNotFound) {
		err = nil // accepted, not started yet
	}
	return v, err
}

// Counts are how many leases are open, and how many deployments have a manifest.
func (m *Manager) Counts() (leases, deployments int) {
	_ = m.opt.Store.View(func(tx *state.Tx) error {
		all, err := tx.Leases()
		seen := map[string]bool{}
		for _, l := range all {
			if l.Closed {
				continue
			}
			leases++
			if len(l.Manifest) > 0 {
				seen[l.ID.DeploymentID().String()] = true
			}
		}
		deployments = len(seen)
		return err
	})
	return leases, deployments
}

// Run works until ctx ends. What runs is left running.
func (m *Manager) Run(ctx context.Context) error {
	m.mu.Lock()
	m.ctx = ctx
	m.mu.Unlock()
	var leases []state.Lease
	if err := m.opt.Store.View(func(tx *state.Tx) (err error) { leases, err = tx.Leases(); return err }); err != nil {
		return err
	}
	for _, l := range leases {
		m.kick(l.ID)
	}
	tick := time.NewTicker(m.opt.Reconcile)
	defer tick.Stop()
	changes := m.opt.Runtime.Changes()
	first := time.After(min(m.opt.Reconcile, 2*time.Second))
	for {
		select {
		case <-ctx.Done():
			m.wg.Wait()
			return ctx.Err()
		case id, ok := <-changes:
			if !ok {
				changes = nil
			} else {
				m.kickKnown(id)
			}
		case <-first:
			m.reconcile(ctx)
		case <-tick.C:
			m.reconcile(ctx)
		}
	}
}

// reconcile compares chain, records and runtime as a whole.
func (m *Manager) reconcile(ctx context.Context) {
	if err := m.compare(ctx); err != nil && ctx.Err() == nil {
		m.opt.Log.Warn("chain and machine can't be compared now; nothing is removed", "err", err)
	}
}

func (m *Manager) compare(ctx context.Context) error {
	if !m.opt.Synced() {
		return nil
	}
	onChain, err := m.opt.Chain.Leases(ctx)
	if err != nil {
		return fmt.Errorf("list the provider's leases: %w", err)
	}
	running, err := m.opt.Runtime.List(ctx)
	if err != nil {
		return fmt.Errorf("list what runs: %w", err)
	}
	open := map[string]marketv1.Lease{}
	for _, l := range onChain {
		open[l.ID.String()] = l
	}
	var records []state.Lease
	var after []func()
	err = m.opt.Store.Update(func(tx *state.Tx) error {
		for _, l := range onChain {
			if _, ok, err := tx.Lease(l.ID); err != nil {
				return err
			} else if ok {
				continue
			}
			f, err := m.Add(tx, l)
			if err != nil {
				return err
			}
			after = append(after, f)
		}
		var err error
		records, err = tx.Leases()
		return err
	})
	if err != nil {
		return err
	}
	for _, f := range after {
		f()
	}
	known := map[string]bool{}
	for _, l := range records {
		id := l.ID.String()
		known[id] = true
		m.hold(l)
		if _, ok := open[id]; ok || l.Closed {
			delete(m.absent, id)
			continue
		}
		if m.gone(ctx, l.ID) {
			var f func()
			err := m.opt.Store.Update(func(tx *state.Tx) (err error) { f, err = m.closed(tx, l.ID, "not open on the chain"); return err })
			if err != nil {
				return err
			}
			if f != nil {
				f()
			}
		}
	}
	for _, id := range running {
		if known[id.String()] {
			continue
		}
		if id.Provider != m.opt.Provider {
			m.opt.Log.Warn("a workload of another provider runs here; it is left alone", "lease", id.String())
			continue
		}
		if _, ok := open[id.String()]; !ok && m.gone(ctx, id) {
			m.opt.Log.Info("removing a workload whose lease is closed", "lease", id.String())
			if err := m.opt.Runtime.Remove(ctx, id); err != nil {
				m.opt.Log.Warn("can't remove a workload; trying again later", "lease", id.String(), "err", err)
			} else {
				delete(m.absent, id.String())
				m.opt.Count("removed")
			}
		}
	}
	return nil
}

// gone says whether the chain clearly says, twice in a row, that a lease isn't open. Only the
// reconciler calls it.
func (m *Manager) gone(ctx context.Context, id marketv1.LeaseID) bool {
	l, err := m.opt.Chain.Lease(ctx, id)
	over := err == nil && (l.State == marketv1.LeaseClosed || l.State == marketv1.LeaseInsufficientFunds)
	if !(over || status.Code(err) == codes.NotFound) || !m.opt.Synced() {
		delete(m.absent, id.String())
		return false
	}
	m.absent[id.String()]++
	return m.absent[id.String()] >= 2
}

// Ensure makes records of leases that a query found open and whose event wasn't read yet.
func (m *Manager) Ensure(leases []marketv1.Lease) error {
	var after []func()
	err := m.opt.Store.Update(func(tx *state.Tx) error {
		for _, l := range leases {
			if l.ID.Provider != m.opt.Provider {
				continue
			}
			f, err := m.Add(tx, l)
			if err != nil {
				return err
			}
			after = append(after, f)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, f := range after {
		f()
	}
	return nil
}

// Restore holds the room of every lease on record, before anything new is promised.
func (m *Manager) Restore() error {
	var leases []state.Lease
	if err := m.opt.Store.View(func(tx *state.Tx) (err error) { leases, err = tx.Leases(); return err }); err != nil {
		return err
	}
	for _, l := range leases {
		m.hold(l)
	}
	return nil
}
