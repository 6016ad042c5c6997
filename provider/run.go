package provider

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/akash-supercloud/akash/client/tx"
	"github.com/akash-supercloud/akash/provider/state"
	"github.com/akash-supercloud/akash/provider/watch"
)

// openState opens the provider's memory and checks that it is of the right chain.
func openState(path, chainID string) (store *state.Store, last int64, err error) {
	if store, err = state.Open(path); err != nil {
		return nil, 0, err
	}
	err = store.Update(func(tx *state.Tx) error {
		if has := tx.ChainID(); has != "" && has != chainID {
			return fmt.Errorf("%s belongs to chain %q, the node is of %q; use another home", path, has, chainID)
		}
		last = tx.Height()
		return tx.SetChainID(chainID)
	})
	if err != nil {
		_ = store.Close()
		return nil, 0, err
	}
	return store, last, nil
}

type listeners struct{ gateway, grpc, ingress, metrics net.Listener }

// listenAll opens every listener, so that a port that is taken is known before anything starts.
func listenAll(cfg Config) (l listeners, err error) {
	open := func(name, addr string, to *net.Listener) {
		if err != nil || addr == "" || addr == "off" {
			return
		}
		if *to, err = net.Listen("tcp", addr); err != nil {
			err = fmt.Errorf("%s: can't listen on %s: %w; free the port or choose another", name, addr, err)
		}
	}
	open("gateway_listen", cfg.GatewayListen, &l.gateway)
	open("grpc_listen", cfg.GRPCListen, &l.grpc)
	open("ingress_listen", cfg.IngressListen, &l.ingress)
	open("metrics_listen", cfg.MetricsListen, &l.metrics)
	if err != nil {
		l.close()
	}
	return l, err
}

func (l listeners) close() {
	for _, x := range []net.Listener{l.gateway, l.grpc, l.ingress, l.metrics} {
		if x != nil {
			_ = x.Close()
		}
	}
}

// healthy says why the provider doesn't follow the chain.
func healthy(w *watch.Watcher) error {
	if w.Synced() {
		return nil
	}
	head, at, ok := w.Head()
	switch {
	case !ok:
		return errors.New("the node hasn't answered yet")
	case time.Since(at) > 30*time.Second:
		return fmt.Errorf("the node hasn't answered for %s", time.Since(at).Round(time.Second))
	case head.CatchingUp:
		return errors.New("the node is catching up")
	case w.Height() < head.Height:
		return fmt.Errorf("%d blocks are still to be read", head.Height-w.Height())
	}
	return fmt.Errorf("the chain's last block is %s old", time.Since(head.Time).Round(time.Second))
}

func measureBlockTime(ctx context.Context, chain chainAPI, to *atomic.Int64) error {
	t, err := chain.BlockTime(ctx)
	if err == nil && t == 0 {
		err = errors.New("the chain has too few blocks yet")
	}
	if err == nil {
		to.Store(int64(t))
	}
	return err
}

// patiently tries until it works, the chain refuses, or ctx ends.
func patiently(ctx context.Context, log *slog.Logger, what string, do func() error) error {
	for pause := 200 * time.Millisecond; ; pause = min(pause*2, 10*time.Second) {
		err := do()
		var refused *tx.Error
		if err == nil || errors.As(err, &refused) || ctx.Err() != nil {
			return err
		}
		log.Warn("can't "+what+" yet; trying again", "in", pause, "err", err)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
	}
}

// every calls do again and again until ctx ends.
func every(ctx context.Context, d time.Duration, do func()) error {
	tick := time.NewTicker(d)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
			do()
		}
	}
}

func quietly(log *slog.Logger, err error) {
	if err != nil && !errors.Is(err, context.Canceled) {
		log.Warn("trying again later", "err", err)
	}
}

// serveHTTP serves plain HTTP until ctx ends.
func serveHTTP(ctx context.Context, l net.Listener, h http.Handler) error {
	srv := &http.Server{Handler: h, ReadHeaderTimeout: 5 * time.Second, MaxHeaderBytes: 16 << 10}
	stop := context.AfterFunc(ctx, func() { _ = srv.Close() })
	defer stop()
	if err := srv.Serve(l); ctx.Err() == nil {
		return err
	}
	return nil
}
