// Package provider is the provider daemon: it earns by running strangers' containers. This file
// wires its parts; each part's own package says what it owns.
//
// What always holds:
//   - Starting and stopping never touches running containers.
//   - What runs is routed as soon as this program runs, whether or not a node can be reached.
//   - A node that is down stops bids and closes, nothing else; all goes on by itself.
package provider

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/akash-supercloud/akash/client"
	"github.com/akash-supercloud/akash/provider/bid"
	"github.com/akash-supercloud/akash/provider/gateway"
	"github.com/akash-supercloud/akash/provider/ingress"
	"github.com/akash-supercloud/akash/provider/inventory"
	"github.com/akash-supercloud/akash/provider/pricing"
	"github.com/akash-supercloud/akash/provider/runtime"
	"github.com/akash-supercloud/akash/provider/state"
	"github.com/akash-supercloud/akash/provider/treasury"
	"github.com/akash-supercloud/akash/provider/watch"
	"github.com/akash-supercloud/akash/provider/workload"
)

// Deps are what a provider runs with. The caller closes them after Run.
type Deps struct {
	Client  *client.Client
	Runtime runtime.Runtime
	Log     *slog.Logger
	// Ready is called once, when the gateway answers and bids are made. May be nil.
	Ready func()
}

// Run runs the provider until ctx ends, and then returns nil. It fails at once when the config is
// wrong, a port is taken or another provider has the home; later only when the chain refuses the
// provider's registration or a listener breaks.
func Run(ctx context.Context, cfg Config, d Deps) error {
	if err := cfg.Validate(); err != nil {
		return err
	}
	if d.Log == nil {
		d.Log = slog.New(slog.DiscardHandler)
	}
	self, err := Address(d.Client, cfg)
	if err != nil {
		return err
	}
	chain := newClientChain(d.Client, self, cfg.From, d.Log)
	cert := &certificate{c: d.Client, chain: chain, cfg: cfg}
	if err := cert.load(); err != nil {
		d.Log.Warn("the certificate on the disk isn't usable; making a new one", "err", err)
	}
	return run(ctx, cfg, d, node{
		self: self, chainID: d.Client.ChainID(), chain: chain, certificate: cert.get, renew: cert.ensure,
		register: func(ctx context.Context) error { _, err := Register(ctx, d.Client, cfg); return err },
	})
}

// node is the provider's side of the chain.
type node struct {
	self, chainID string
	chain         chainAPI
	// register makes the chain's record of the provider right; renew its certificate.
	register, renew func(context.Context) error
	certificate     func() (*tls.Certificate, error)
	// reconcile and settle replace the defaults of workload and gateway in tests; 0: the defaults.
	reconcile, settle time.Duration
	// opened is told the state's file in tests.
	opened func(*state.Store)
}

// chainAPI is what all parts together ask of the chain.
type chainAPI interface {
	watch.Source
	bid.Chain
	workload.Chain
	gateway.Chain
	treasury.Chain
	listings
	BlockTime(ctx context.Context) (time.Duration, error)
}

func run(ctx context.Context, cfg Config, d Deps, n node) error {
	if err := os.MkdirAll(cfg.Home, 0o700); err != nil {
		return err
	}
	store, last, err := openState(filepath.Join(cfg.Home, "provider.db"), n.chainID)
	if err != nil {
		return err
	}
	defer store.Close()
	if n.opened != nil {
		n.opened(store)
	}
	listeners, err := listenAll(cfg)
	if err != nil {
		return err
	}
	defer listeners.close()

	self, chain := n.self, n.chain
	met := newMetrics()
	router := ingress.NewRouter(d.Log)
	router.Requests = met.count(met.ingress)
	ports := ingress.NewPorts(cfg.PortsHost, d.Log)
	defer ports.Close()
	inv := inventory.New(d.Runtime)
	prices, err := pricing.New(cfg.Pricing)
	if err != nil { // the program was there a moment ago
		return err
	}
	var blockTime atomic.Int64
	blockTime.Store(int64(cfg.BlockTime))
	var watcher *watch.Watcher
	synced := func() bool { return watcher.Synced() }
	deposit, _ := cfg.deposit()
	first, lastPort, _ := cfg.portRange()

	bids := bid.New(bid.Options{
		Provider: self, Chain: chain, Store: store, Inventory: inv, Pricing: prices,
		BlockTime: func() time.Duration { return time.Duration(blockTime.Load()) },
		Allow:     cfg.AllowOwners, Deny: cfg.DenyOwners, Require: cfg.RequireAttributes,
		Timeout: cfg.BidTimeout, Reclamation: cfg.ReclamationWindow, Deposit: deposit,
		Log: d.Log, Count: met.count(met.bids),
	})
	work := workload.New(workload.Options{
		Provider: self, Chain: chain, Store: store, Inventory: inv, Runtime: d.Runtime, Router: router, Ports: ports,
		Synced: synced, Domain: cfg.IngressDomain, PublicHost: cfg.Host, BlockedHosts: cfg.BlockedHostnames,
		FirstPort: first, LastPort: lastPort, ManifestTimeout: cfg.ManifestTimeout, UnstableAfter: cfg.UnstableAfter,
		Reconcile: n.reconcile, Freed: bids.Freed, Log: d.Log, Count: met.count(met.work),
	})
	handler := &market{self: self, chain: chain, store: store, bids: bids, work: work, saved: last}
	watcher = watch.New(chain, handler, last, watch.Options{Log: d.Log})
	gate := gateway.New(gateway.Options{
		Provider: self, Chain: chain, Workload: work, Bids: bids, Inventory: inv, Runtime: d.Runtime,
		Certificate: n.certificate, PublicHost: cfg.Host, Version: cfg.Version, Commit: cfg.Commit,
		Reclamation: cfg.ReclamationWindow, Settle: n.settle, Log: d.Log,
		Healthy: func() error { return healthy(watcher) },
	})
	money := treasury.New(treasury.Options{
		Chain: chain, Height: watcher.Height, Synced: synced, Every: cfg.WithdrawEvery, Minimum: cfg.WithdrawMinimum, Log: d.Log,
	})
	met.gauge("provider_chain_height", "Height of the last block handled.", func() float64 { return float64(watcher.Height()) })
	met.gauge("provider_leases", "Open leases.", func() float64 { n, _ := work.Counts(); return float64(n) })
	met.gauge("provider_orders", "Orders looked at or bid on.", func() float64 { return float64(bids.Orders()) })

	// What runs already is counted before anything new is promised.
	if err := work.Restore(); err != nil {
		return err
	}
	if err := inv.Refresh(ctx); err != nil {
		d.Log.Warn("can't measure the machine; no bids until it works", "err", err)
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return router.Serve(ctx, listeners.ingress) })
	g.Go(func() error { return work.Run(ctx) })
	g.Go(func() error { return every(ctx, 30*time.Second, func() { quietly(d.Log, inv.Refresh(ctx)) }) })
	if listeners.metrics != nil {
		g.Go(func() error { return serveHTTP(ctx, listeners.metrics, met.handler(bids.Decisions)) })
	}
	g.Go(func() error {
		// These need the chain, and wait for it.
		if err := patiently(ctx, d.Log, "register", func() error { return n.register(ctx) }); err != nil {
			return err
		}
		if err := patiently(ctx, d.Log, "publish the certificate", func() error { return n.renew(ctx) }); err != nil {
			return err
		}
		if cfg.BlockTime == 0 {
			measure := func() error { return measureBlockTime(ctx, chain, &blockTime) }
			if err := patiently(ctx, d.Log, "measure the block time", measure); err != nil {
				return err
			}
			g.Go(func() error { return every(ctx, time.Minute, func() { quietly(d.Log, measure()) }) })
		}
		if err := bids.Start(ctx); err != nil {
			return err
		}
		g.Go(func() error { return watcher.Run(ctx) })
		g.Go(func() error { return gate.Serve(ctx, listeners.gateway) })
		if listeners.grpc != nil {
			g.Go(func() error { return gate.ServeGRPC(ctx, listeners.grpc) })
		}
		g.Go(func() error { return money.Run(ctx) })
		g.Go(func() error { return every(ctx, 10*time.Minute, func() { quietly(d.Log, handler.Recheck(ctx)) }) })
		g.Go(func() error { return every(ctx, 12*time.Hour, func() { quietly(d.Log, n.renew(ctx)) }) })
		d.Log.Info("provider is ready", "address", self, "gateway", cfg.HostURI, "ingress", listeners.ingress.Addr().String(), "domain", cfg.IngressDomain)
		if d.Ready != nil {
			d.Ready()
		}
		return nil
	})
	err = g.Wait()
	bids.Wait()
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}
