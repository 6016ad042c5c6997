// Package node runs a full node in this process: CometBFT, the chain, and the three doors to it (RPC, gRPC, REST).
//
// What always holds: all ports are taken before anything starts, so a taken one costs nothing; Run returns only
// when every listener is closed and every database is written; a node that was killed goes on from its last block.
package node

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	cmtdb "github.com/cometbft/cometbft-db"
	cmtcfg "github.com/cometbft/cometbft/config"
	cmtnode "github.com/cometbft/cometbft/node"
	"github.com/cometbft/cometbft/p2p"
	"github.com/cometbft/cometbft/privval"
	"github.com/cometbft/cometbft/proxy"
	"github.com/cometbft/cometbft/rpc/client/local"
	cmttypes "github.com/cometbft/cometbft/types"
	dbm "github.com/cosmos/cosmos-db"
	"github.com/gorilla/handlers"
	"github.com/improbable-eng/grpc-web/go/grpcweb"
	"github.com/rs/zerolog"
	"golang.org/x/net/netutil"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"

	"cosmossdk.io/log/v2"

	"github.com/cosmos/cosmos-sdk/client"
	"github.com/cosmos/cosmos-sdk/server"
	"github.com/cosmos/cosmos-sdk/server/api"
	cmtlog "github.com/cosmos/cosmos-sdk/server/log"
	grpctypes "github.com/cosmos/cosmos-sdk/types/grpc"
	"github.com/cosmos/cosmos-sdk/x/auth/types"
	genutiltypes "github.com/cosmos/cosmos-sdk/x/genutil/types"

	"github.com/akash-supercloud/akash/app"
	"github.com/akash-supercloud/akash/app/rpcfront"
	"github.com/akash-supercloud/akash/internal/sleep"
)

// stopGrace is how long open requests may take to end once the node stops.
const stopGrace = 3 * time.Second

// Run runs the node of cfg.Home until ctx ends, then stops it and returns nil. It fails at once if the home
// isn't one, a port is taken, or another node runs on the same home; and later if the chain itself stops.
func Run(ctx context.Context, cfg Config) error {
	s, err := load(cfg)
	if err != nil {
		return err
	}
	logger, err := newLogger(cfg)
	if err != nil {
		return err
	}
	if len(cfg.StateSync) > 0 {
		if err := stateSync(ctx, s.comet, cfg.StateSync, logger); err != nil {
			return err
		}
	}
	tuneGC()
	return run(ctx, s, logger, cfg.Ready)
}

func newLogger(cfg Config) (log.Logger, error) {
	if cfg.Log == nil {
		return log.NewNopLogger(), nil
	}
	level := zerolog.InfoLevel
	if cfg.LogLevel != "" {
		var err error
		if level, err = zerolog.ParseLevel(cfg.LogLevel); err != nil {
			return nil, fmt.Errorf("log level %q is unknown; use debug, info, warn or error", cfg.LogLevel)
		}
	}
	options := []log.Option{log.LevelOption(level), log.ColorOption(false)}
	if cfg.LogJSON {
		options = append(options, log.OutputJSONOption())
	}
	return log.NewLogger(cfg.Log, options...), nil
}

func run(ctx context.Context, s settings, logger log.Logger, ready func(Addresses)) (err error) {
	// Ports first: whatever else goes wrong, nothing has started yet.
	var doors [3]net.Listener
	for i, d := range []struct{ name, addr, flag string }{
		{"RPC", strings.TrimPrefix(s.comet.RPC.ListenAddress, "tcp://"), "--rpc-addr"},
		{"gRPC", s.sdk.GRPC.Address, "--grpc-addr"},
		{"REST", strings.TrimPrefix(s.sdk.API.Address, "tcp://"), "--rest-addr"},
	} {
		l, err := listen(d.name, d.addr, d.flag)
		if err != nil {
			return err
		}
		defer l.Close()
		doors[i] = l
	}
	rpcDoor, grpcDoor, restDoor := doors[0], doors[1], doors[2]

	unlock, err := lockHome(s.comet.RootDir)
	if err != nil {
		return err
	}
	defer unlock()
	if err := checkSigner(s.comet); err != nil {
		return err
	}
	if err := repairWAL(s.comet.Consensus.WalFile(), logger); err != nil {
		return err
	}

	db, err := dbm.NewDB("application", server.GetAppDBBackend(s.viper), filepath.Join(s.comet.RootDir, "data"))
	if err != nil {
		return fmt.Errorf("the chain's database %s can't be opened: %w; %s", filepath.Join(s.comet.RootDir, "data", "application.db"), err, anew)
	}
	chain, err := open(logger, db, s)
	if err != nil {
		return errors.Join(err, db.Close())
	}
	// Set when a call into the chain never returns: then nothing can be closed, and the process ends.
	stuck := false
	defer func() {
		if !stuck {
			err = errors.Join(err, chain.Close())
		}
	}()

	comet := *s.comet
	rpc := *s.comet.RPC
	rpc.ListenAddress, rpc.GRPCListenAddress = "", "" // package rpcfront listens instead
	comet.RPC = &rpc
	// CometBFT leaves its index open; this node may start again in the same process.
	dbs := &databases{}
	defer func() {
		if !stuck {
			dbs.close()
		}
	}()
	key, err := p2p.LoadOrGenNodeKey(comet.NodeKeyFile())
	if err != nil {
		return err
	}
	genesis, err := genutiltypes.AppGenesisFromFile(comet.GenesisFile())
	if err != nil {
		return fmt.Errorf("genesis %s: %w", comet.GenesisFile(), err)
	}
	if err := sameGenesis(&comet, genesis, dbs.open, logger); err != nil {
		return err
	}
	watch := &watched{Application: server.NewCometABCIWrapper(chain), failed: make(chan error, 1)}
	tm, err := newComet(ctx, &comet, privval.LoadOrGenFilePV(comet.PrivValidatorKeyFile(), comet.PrivValidatorStateFile()),
		key, proxy.NewLocalClientCreator(watch), func() (*cmttypes.GenesisDoc, error) { return genesis.ToGenesisDoc() },
		dbs.open, cmtnode.DefaultMetricsProvider(comet.Instrumentation), cmtlog.CometLoggerWrapper{Logger: logger})
	if err != nil {
		select {
		case failure := <-watch.failed:
			return failure
		default:
		}
		if ctx.Err() != nil {
			return nil // while it replayed blocks
		}
		return startError(err, &comet)
	}
	watch.syncing = tm.ConsensusReactor().WaitSync
	consensus, err := tm.ConfigureRPC() // the one door to it
	if err != nil {
		return err
	}
	stopped := ended(consensus.ConsensusState)
	enc := chain.Encoding
	c := client.Context{}.WithCodec(enc.Codec).WithInterfaceRegistry(enc.Registry).WithLegacyAmino(enc.Amino).WithTxConfig(enc.TxConfig).
		WithAccountRetriever(types.AccountRetriever{}).WithHomeDir(comet.RootDir).WithChainID(genesis.ChainID).WithClient(local.New(tm))
	chain.RegisterTxService(c)
	chain.RegisterTendermintService(c)
	chain.RegisterNodeService(c, s.sdk)

	if err := tm.Start(); err != nil {
		return fmt.Errorf("the node can't start: %w", err)
	}
	defer func() {
		if stuck {
			return
		}
		if tm.IsRunning() {
			err = errors.Join(err, tm.Stop())
		}
		tm.Wait()
	}()

	front, err := rpcfront.New(tm, s.comet.RPC, app.Info(genesis.ChainID))
	if err != nil {
		return err
	}
	within, conn, err := inside(c, s.sdk.GRPC)
	if err != nil {
		return err
	}
	defer conn.Close()
	c = c.WithGRPCClient(conn)
	grpcServer, err := newGRPC(chain, c, s.sdk.GRPC)
	if err != nil {
		return err
	}
	rest := api.New(c, logger.With("module", "api-server"), grpcServer)
	chain.RegisterAPIRoutes(rest, s.sdk.API)
	restServer := &http.Server{
		Handler:           restHandler(rest, grpcServer, s.sdk.API.EnableUnsafeCORS, int64(s.sdk.API.RPCMaxBodyBytes), chain.LastBlockHeight),
		ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second, WriteTimeout: time.Minute, IdleTimeout: 2 * time.Minute,
		MaxHeaderBytes: 1 << 16,
	}

	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error { return front.Serve(gctx, rpcDoor) })
	g.Go(func() error {
		defer context.AfterFunc(gctx, func() { stopGRPC(grpcServer) })()
		err := grpcServer.Serve(netutil.LimitListener(grpcDoor, max(s.comet.RPC.GRPCMaxOpenConnections, 1)))
		if err != nil && gctx.Err() == nil {
			return fmt.Errorf("gRPC: %w", err)
		}
		return nil
	})
	g.Go(func() error {
		if err := grpcServer.Serve(within); err != nil && gctx.Err() == nil {
			return fmt.Errorf("gRPC: %w", err)
		}
		return nil
	})
	g.Go(func() error {
		defer context.AfterFunc(gctx, func() { stopHTTP(restServer) })()
		err := restServer.Serve(netutil.LimitListener(restDoor, int(max(s.sdk.API.MaxOpenConnections, 1))))
		if err != nil && gctx.Err() == nil {
			return fmt.Errorf("REST: %w", err)
		}
		return nil
	})
	g.Go(func() error {
		select {
		case <-gctx.Done():
			return nil
		case <-tm.Quit():
			return errors.New("the node stopped by itself; its log says why")
		case err := <-watch.failed:
			if stuck = watch.syncing(); !stuck {
				linger(gctx, logger, err)
			}
			return err
		case <-stopped:
			select {
			case err := <-watch.failed:
				linger(gctx, logger, err)
				return err
			default:
			}
			if gctx.Err() != nil || !tm.IsRunning() {
				return nil
			}
			return errConsensus
		}
	})
	if ready != nil {
		ready(Addresses{
			RPC: rpcDoor.Addr().String(), GRPC: grpcDoor.Addr().String(), REST: restDoor.Addr().String(),
			P2P: strings.TrimPrefix(comet.P2P.ListenAddress, "tcp://"),
		})
	}
	return g.Wait()
}

// lingerTime is how long a node that can't run a block goes on speaking to others.
const lingerTime = 5 * time.Second

// linger lets the votes for a block reach the others before this node ends: an upgrade ends all of them at one block, and
// the last ones couldn't decide it if the first took their votes with them.
func linger(ctx context.Context, logger log.Logger, why error) {
	logger.Error("this node ends in a moment", "err", why)
	sleep.For(ctx, lingerTime)
}

// errConsensus is what Run returns when CometBFT gave up making blocks and would go on serving the last one for ever.
var errConsensus = errors.New("the node stopped making blocks because of a failure in consensus, see the log above; " +
	"if the disk is full, free space and start it again")

// ended returns a channel that closes when the consensus routine does, by a stop or by a failure. One that never
// starts, as when the node ends while it still catches up, leaves it open.
func ended(consensus any) <-chan struct{} {
	c := make(chan struct{})
	if w, ok := consensus.(interface{ Wait() }); ok {
		go func() {
			w.Wait()
			close(c)
		}()
	}
	return c
}

// newComet opens CometBFT's data and replays the blocks that the chain doesn't have yet. It panics over data that it can't read.
func newComet(ctx context.Context, comet *cmtcfg.Config, key cmttypes.PrivValidator, nodeKey *p2p.NodeKey, creator proxy.ClientCreator,
	genesis cmtnode.GenesisDocProvider, dbs cmtcfg.DBProvider, metrics cmtnode.MetricsProvider, logger cmtlog.CometLoggerWrapper,
) (tm *cmtnode.Node, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%w: %v", errData, r)
		}
	}()
	return cmtnode.NewNodeWithContext(ctx, comet, key, nodeKey, creator, genesis, dbs, metrics, logger)
}

// errData marks what is wrong with a node's data.
var errData = errors.New("not readable")

// startError puts into words what CometBFT says of a genesis that nobody can make blocks from, and of data that doesn't fit together.
func startError(err error, comet *cmtcfg.Config) error {
	text := err.Error()
	switch {
	case strings.Contains(text, "validator set is empty after InitGenesis"):
		return fmt.Errorf("genesis %s has no validator, so nobody would make blocks; add one by akash genesis add-account, then gentx, then collect", comet.GenesisFile())
	case errors.Is(err, errData), strings.Contains(text, "leveldb"), strings.Contains(text, "handshake"):
		return fmt.Errorf("the blocks and the state in %s don't fit together or are damaged: %w; %s", comet.DBDir(), err, anew)
	}
	return err
}

// open loads the chain; the SDK panics over a state that it can't read.
func open(logger log.Logger, db dbm.DB, s settings) (chain *app.App, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("the chain's state in %s can't be loaded: %v; %s", filepath.Join(s.comet.RootDir, "data", "application.db"), r, anew)
		}
	}()
	return app.New(logger, db, s.viper, server.DefaultBaseappOptions(s.viper)...), nil
}

func listen(name, addr, flag string) (net.Listener, error) {
	l, err := net.Listen("tcp", addr)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("the %s address %s is taken: another program listens there; stop it or choose another with %s", name, addr, flag)
	}
	if err != nil {
		return nil, fmt.Errorf("the %s address %q can't be used: %w", name, addr, err)
	}
	return l, nil
}

// lockFile is in the data folder; whoever holds it may write there.
const lockFile = "node.lock"

// lockHome keeps a second node off the same home, whose two signatures for one block would be punished.
func lockHome(home string) (unlock func(), err error) {
	path := filepath.Join(home, "data", lockFile)
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("another node runs on %s; stop it first", home)
	}
	return func() { _ = f.Close() }, nil
}

// restHandler answers gRPC-Web and, for all else, the modules' REST routes.
func restHandler(rest *api.Server, g *grpc.Server, cors bool, maxBody int64, latest func() int64) http.Handler {
	var options []grpcweb.Option
	if cors {
		options = append(options, grpcweb.WithOriginFunc(func(string) bool { return true }))
	}
	web := grpcweb.WrapServer(g, options...)
	var rests http.Handler = rest.GRPCGatewayRouter
	if cors {
		rests = handlers.CORS(handlers.AllowedOrigins([]string{"*"}), handlers.AllowedHeaders([]string{"Content-Type", "X-Cosmos-Block-Height"}),
			handlers.AllowedMethods([]string{"GET", "POST", "OPTIONS"}))(rests)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		if web.IsGrpcWebRequest(r) || web.IsAcceptableGrpcCorsRequest(r) {
			web.ServeHTTP(w, r)
			return
		}
		// Numbers are looked at before they are read; in the address the server's bound on headers holds them.
		body, err := io.ReadAll(r.Body)
		if err == nil {
			err = app.CheckDigits(body)
		}
		if asked := r.Header.Get(grpctypes.GRPCBlockHeightHeader); asked == "" {
			r.Header.Del(grpctypes.GRPCBlockHeightHeader)
		} else if err == nil {
			err = checkHeight(asked, latest)
		}
		if err != nil {
			text, _ := json.Marshal(map[string]any{"code": codes.InvalidArgument, "message": err.Error(), "details": []any{}})
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusBadRequest)
			_, _ = w.Write(text)
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		rests.ServeHTTP(w, r)
	})
}

// checkHeight refuses a height to be asked at that isn't one, which the SDK would answer as a fault of its own.
func checkHeight(header string, latest func() int64) error {
	h, err := strconv.ParseInt(header, 10, 64)
	if err != nil || h < 0 {
		return fmt.Errorf("%s: %q is no height; use 0 for the latest block, or a block's number", grpctypes.GRPCBlockHeightHeader, header)
	}
	if n := latest(); h > n {
		return fmt.Errorf("%s: there is no block %d yet; the latest is %d", grpctypes.GRPCBlockHeightHeader, h, n)
	}
	return nil
}

func stopGRPC(s *grpc.Server) {
	t := time.AfterFunc(stopGrace, s.Stop)
	defer t.Stop()
	s.GracefulStop()
}

func stopHTTP(s *http.Server) {
	ctx, cancel := context.WithTimeout(context.Background(), stopGrace)
	defer cancel()
	if s.Shutdown(ctx) != nil {
		_ = s.Close()
	}
}

// databases remembers what CometBFT opened.
type databases struct{ all []cmtdb.DB }

func (d *databases) open(c *cmtcfg.DBContext) (cmtdb.DB, error) {
	db, err := cmtcfg.DefaultDBProvider(c)
	if err == nil {
		d.all = append(d.all, db)
	}
	return db, err
}

// close closes what is still open; a second close is refused by the database, which is no fault.
func (d *databases) close() {
	for _, db := range d.all {
		_ = db.Close()
	}
}
