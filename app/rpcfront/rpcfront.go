// Package rpcfront serves CometBFT's RPC on a listener of our own.
//
// CometBFT 0.40 reports the version 0.39.0 in its status, from which published JavaScript clients choose a codec
// that doesn't fit. This front serves the same routes with the same code, reports the version whose JSON they
// are (0.38), and adds the method "akash", which clients ask for the protocol versions. What always holds: the
// number of connections, subscriptions and the size of requests are bounded by the node's config, and after
// Serve has returned no connection is left.
package rpcfront

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync"
	"time"

	cmtcfg "github.com/cometbft/cometbft/config"
	cmtpubsub "github.com/cometbft/cometbft/libs/pubsub"
	"github.com/cometbft/cometbft/node"
	coretypes "github.com/cometbft/cometbft/rpc/core/types"
	rpcserver "github.com/cometbft/cometbft/rpc/jsonrpc/server"
	rpctypes "github.com/cometbft/cometbft/rpc/jsonrpc/types"
	"github.com/rs/cors"
	"golang.org/x/net/netutil"

	discoveryv1 "github.com/akash-supercloud/akash/api/akash/discovery/v1"
)

// ReportedVersion is the CometBFT version in status: the release whose JSON the routes speak.
const ReportedVersion = "0.38.21"

// Front is the RPC of one node. Make one with New.
type Front struct {
	handler http.Handler
	config  *rpcserver.Config
	node    *node.Node
}

// New prepares the RPC of node n within the limits of cfg. info answers the method "akash".
func New(n *node.Node, cfg *cmtcfg.RPCConfig, info *discoveryv1.Akash) (*Front, error) {
	env, err := n.ConfigureRPC()
	if err != nil {
		return nil, err
	}
	routes := env.GetRoutes()
	if cfg.Unsafe {
		env.AddUnsafeRoutes(routes)
	}
	routes["status"] = rpcserver.NewRPCFunc(func(c *rpctypes.Context) (*coretypes.ResultStatus, error) {
		s, err := env.Status(c)
		if err == nil {
			s.NodeInfo.Version = ReportedVersion // NodeInfo is a value: the node's own stays as it is
		}
		return s, err
	}, "")
	routes["akash"] = rpcserver.NewRPCFunc(func(*rpctypes.Context) (*discoveryv1.Akash, error) { return info, nil }, "")

	limits := rpcserver.DefaultConfig()
	limits.MaxRequestBatchSize = cfg.MaxRequestBatchSize
	limits.MaxBodyBytes = cfg.MaxBodyBytes
	limits.MaxHeaderBytes = cfg.MaxHeaderBytes
	limits.MaxOpenConnections = cfg.MaxOpenConnections
	if limits.WriteTimeout <= cfg.TimeoutBroadcastTxCommit { // else broadcast_tx_commit is cut off
		limits.WriteTimeout = cfg.TimeoutBroadcastTxCommit + time.Second
	}
	log := n.Logger.With("module", "rpc-server")
	ws := rpcserver.NewWebsocketManager(routes,
		rpcserver.OnDisconnect(func(remote string) {
			err := n.EventBus().UnsubscribeAll(context.Background(), remote)
			if err != nil && !errors.Is(err, cmtpubsub.ErrSubscriptionNotFound) {
				log.Error("can't end the subscriptions of a client that left", "client", remote, "err", err)
			}
		}),
		rpcserver.ReadLimit(limits.MaxBodyBytes),
		rpcserver.WriteChanCapacity(cfg.WebSocketWriteBufferSize))
	ws.SetLogger(log.With("protocol", "websocket"))
	mux := http.NewServeMux()
	mux.HandleFunc("/websocket", ws.WebsocketHandler)
	rpcserver.RegisterRPCFuncs(mux, routes, log)

	var handler http.Handler = mux
	if cfg.IsCorsEnabled() {
		handler = cors.New(cors.Options{
			AllowedOrigins: cfg.CORSAllowedOrigins,
			AllowedMethods: cfg.CORSAllowedMethods,
			AllowedHeaders: cfg.CORSAllowedHeaders,
		}).Handler(mux)
	}
	return &Front{handler: handler, config: limits, node: n}, nil
}

// Serve answers on l until ctx ends; then it closes l and every connection, WebSockets too, and returns nil.
func (f *Front) Serve(ctx context.Context, l net.Listener) error {
	if f.config.MaxOpenConnections > 0 {
		l = netutil.LimitListener(l, f.config.MaxOpenConnections)
	}
	tracked := &listener{Listener: l, open: map[net.Conn]struct{}{}}
	stop := context.AfterFunc(ctx, tracked.closeAll)
	defer stop()
	defer tracked.closeAll()
	err := rpcserver.Serve(tracked, f.handler, f.node.Logger.With("module", "rpc-server"), f.config)
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// listener remembers its open connections: WebSockets are out of the HTTP server's hands.
type listener struct {
	net.Listener
	mu     sync.Mutex
	open   map[net.Conn]struct{} // protected by mu
	closed bool                  // protected by mu
}

func (l *listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	t := &conn{Conn: c, of: l}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		_ = c.Close()
		return nil, net.ErrClosed
	}
	l.open[t] = struct{}{}
	return t, nil
}

func (l *listener) closeAll() {
	_ = l.Listener.Close()
	l.mu.Lock()
	l.closed = true
	open := make([]net.Conn, 0, len(l.open))
	for c := range l.open {
		open = append(open, c)
	}
	l.mu.Unlock()
	for _, c := range open {
		_ = c.Close()
	}
}

type conn struct {
	net.Conn
	of *listener
}

func (c *conn) Close() error {
	c.of.mu.Lock()
	delete(c.of.open, c)
	c.of.mu.Unlock()
	return c.Conn.Close()
}
