package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	abci "github.com/cometbft/cometbft/abci/types"
	cmtcfg "github.com/cometbft/cometbft/config"
	cmtlog "github.com/cometbft/cometbft/libs/log"
	cmtnode "github.com/cometbft/cometbft/node"
	"github.com/cometbft/cometbft/p2p"
	"github.com/cometbft/cometbft/privval"
	cmtproto "github.com/cometbft/cometbft/proto/tendermint/types"
	"github.com/cometbft/cometbft/proxy"
	cmttypes "github.com/cometbft/cometbft/types"
	dbm "github.com/cosmos/cosmos-db"

	"cosmossdk.io/log/v2"

	"github.com/cosmos/cosmos-sdk/baseapp"
	"github.com/cosmos/cosmos-sdk/server"
	pruningtypes "github.com/cosmos/cosmos-sdk/store/v2/pruning/types"
	storetypes "github.com/cosmos/cosmos-sdk/store/v2/types"
	sdk "github.com/cosmos/cosmos-sdk/types"
	authtypes "github.com/cosmos/cosmos-sdk/x/auth/types"
	banktypes "github.com/cosmos/cosmos-sdk/x/bank/types"
	genutiltypes "github.com/cosmos/cosmos-sdk/x/genutil/types"

	attributesv1 "github.com/akash-supercloud/akash/api/akash/base/attributes/v1"
	providerv1beta4 "github.com/akash-supercloud/akash/api/akash/provider/v1beta4"
	"github.com/akash-supercloud/akash/app"
	"github.com/akash-supercloud/akash/app/node"
	"github.com/akash-supercloud/akash/x/escrow"
)

const maxFill = 2_000_000

// fill measures a node whose state holds many leases.
func fill(ctx context.Context, args []string) error {
	f := flag.NewFlagSet("bench fill", flag.ContinueOnError)
	n := f.Int("leases", 100_000, fmt.Sprintf("how many leases; at most %d, 0 for none", maxFill))
	lives := f.Int("n", 1000, "how many leases' lives to load the node with")
	bin := f.String("bin", "build/akash", "the akash program")
	home := f.String("home", "", "keep the filled node here, and use it again if it is there")
	further := f.String("node", "", "further arguments of akash start, separated by spaces")
	output := f.String("output", "table", "table or json")
	if err := f.Parse(args); err != nil {
		return err
	}
	if *n < 0 || *n > maxFill || *lives < 100 || *lives > maxLives {
		return fmt.Errorf("-leases %d -n %d; use at most %d, and 100 to %d", *n, *lives, maxFill, maxLives)
	}
	dir := *home
	if dir == "" {
		var err error
		if dir, err = os.MkdirTemp("", "akash-bench-"); err != nil {
			return err
		}
		defer os.RemoveAll(dir)
	}
	users := newUsers(tenants + providers)
	var r report
	r.Leases = *n
	if _, err := os.Stat(filepath.Join(dir, "config", "genesis.json")); errors.Is(err, os.ErrNotExist) {
		began := time.Now()
		if err := newHome(dir, users, *n); err != nil {
			return err
		}
		// A process of its own shows its memory, and leaves nothing open.
		self, err := os.Executable()
		if err != nil {
			return err
		}
		cmd := exec.CommandContext(ctx, self, "import", dir, strconv.Itoa(*n))
		cmd.Stderr = os.Stderr
		cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("import: %w", err)
		}
		r.FillSeconds = time.Since(began).Seconds()
		if u, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
			r.FillPeak = u.Maxrss >> 10
		}
		fmt.Fprintf(os.Stderr, "%d leases in %.0f s, at most %d MiB\n", *n, r.FillSeconds, r.FillPeak)
	}
	began := time.Now()
	p, err := startNode(ctx, *bin, dir, strings.Fields(*further)...)
	if err != nil {
		return err
	}
	defer p.stop()
	r.StartSeconds = time.Since(began).Seconds()
	r.DiskMiB = diskMiB(filepath.Join(dir, "data", "application.db"))
	if r.Queries, err = queries(ctx, p.grpc); err != nil {
		return err
	}
	if *home != "" { // the accounts' sequences have moved if it was used before
		fmt.Fprintln(os.Stderr, "a kept home can be loaded once; queries can be repeated")
	}
	c := loadConfig{bin: *bin, n: *lives}
	if r.Load, err = c.on(ctx, p, users, "mixed"); err != nil {
		return err
	}
	if *output == "json" {
		fmt.Println(toJSON(r))
		return nil
	}
	fmt.Printf("\n%d leases in state: filled in %.0f s with at most %d MiB; node ready after %.1f s; application.db %d MiB\n", r.Leases, r.FillSeconds, r.FillPeak, r.StartSeconds, r.DiskMiB)
	printResults(os.Stdout, r.Load)
	t := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "\nquery (gRPC, pages of 100)\truns\tmedian ms\tp99 ms\trecords\tpage goes on")
	for _, q := range r.Queries {
		fmt.Fprintf(t, "%s\t%d\t%.1f\t%.1f\t%d\t%v\n", q.Name, q.Runs, q.Median, q.P99, q.Records, q.More)
	}
	return t.Flush()
}

// report is what bench fill measures.
type report struct {
	Leases       int      `json:"leases"`
	FillSeconds  float64  `json:"fill_seconds"`
	FillPeak     int64    `json:"fill_peak_rss_mib"`
	StartSeconds float64  `json:"start_seconds"`
	DiskMiB      int64    `json:"application_db_mib"`
	Load         []result `json:"load"`
	Queries      []query  `json:"queries"`
}

// newHome makes the home of a node with the escrow's coins for n leases.
func newHome(home string, users []*user, n int) error {
	if err := node.Init(home, node.GenesisConfig{BlockTime: 200 * time.Millisecond, Accounts: funds(users)}); err != nil {
		return err
	}
	path := filepath.Join(home, "config", "genesis.json")
	doc, err := genutiltypes.AppGenesisFromFile(path)
	if err != nil {
		return err
	}
	enc := app.NewEncoding()
	state, err := genutiltypes.GenesisStateFromAppGenesis(doc)
	if err != nil {
		return err
	}
	if held := escrowed(n); held > 0 {
		var bank banktypes.GenesisState
		enc.Codec.MustUnmarshalJSON(state[banktypes.ModuleName], &bank)
		coins := sdk.NewCoins(sdk.NewInt64Coin(app.CreditDenom, held))
		bank.Balances = append(bank.Balances, banktypes.Balance{Address: authtypes.NewModuleAddress(escrow.ModuleName).String(), Coins: coins})
		bank.Supply = bank.Supply.Add(coins...)
		state[banktypes.ModuleName] = enc.Codec.MustMarshalJSON(&bank)
	}
	var registry providerv1beta4.GenesisState
	enc.Codec.MustUnmarshalJSON(state["provider"], &registry)
	for i := range fillProviders {
		registry.Providers = append(registry.Providers, providerv1beta4.Provider{
			Owner: fillAddress('p', i).String(), HostURI: "https://provider.localhost:8443", Attributes: []attributesv1.Attribute{{Key: "region", Value: "us-west"}},
		})
	}
	state["provider"] = enc.Codec.MustMarshalJSON(&registry)
	text, err := json.Marshal(state)
	if err != nil {
		return err
	}
	doc.AppState = text
	return doc.SaveAs(path)
}

// importing is the process that fills a home: import HOME LEASES.
func importing(ctx context.Context, args []string) error {
	if len(args) != 2 {
		return errors.New("import HOME LEASES")
	}
	n, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	return fillHome(ctx, args[0], n)
}

// fillHome runs the node of home in this process, without listeners, until n leases are in its state. The modules import
// them as they import a genesis, in parts: one part before each block. So neither memory nor a block's time grows with n,
// and what remains is a node like any other, its blocks and hashes included.
func fillHome(ctx context.Context, home string, n int) (err error) {
	db, err := dbm.NewDB("application", dbm.GoLevelDBBackend, filepath.Join(home, "data"))
	if err != nil {
		return err
	}
	a := app.New(log.NewNopLogger(), db, appOptions{}, baseapp.SetChainID(chainID),
		baseapp.SetPruning(pruningtypes.NewCustomPruningOptions(2, 10)), baseapp.SetIAVLCacheSize(500_000))
	defer func() { err = errors.Join(err, a.Close()) }()
	f := &filler{Application: server.NewCometABCIWrapper(a), app: a, leases: n, done: make(chan struct{}), failed: make(chan error, 1)}
	cfg := node.DefaultComet(time.Millisecond)
	cfg.SetRoot(home)
	cfg.P2P.ListenAddress, cfg.RPC.ListenAddress, cfg.RPC.GRPCListenAddress, cfg.P2P.PexReactor = "tcp://127.0.0.1:0", "", "", false
	cfg.Consensus.SkipTimeoutCommit = true
	cfg.Consensus.TimeoutPropose = time.Minute
	key, err := p2p.LoadOrGenNodeKey(cfg.NodeKeyFile())
	if err != nil {
		return err
	}
	doc, err := genutiltypes.AppGenesisFromFile(cfg.GenesisFile())
	if err != nil {
		return err
	}
	tm, err := cmtnode.NewNodeWithContext(ctx, cfg, privval.LoadOrGenFilePV(cfg.PrivValidatorKeyFile(), cfg.PrivValidatorStateFile()), key,
		proxy.NewLocalClientCreator(f), func() (*cmttypes.GenesisDoc, error) { return doc.ToGenesisDoc() }, cmtcfg.DefaultDBProvider,
		cmtnode.DefaultMetricsProvider(cfg.Instrumentation), cmtlog.NewNopLogger())
	if err != nil {
		return err
	}
	if err := tm.Start(); err != nil {
		return err
	}
	select {
	case <-f.done:
	case err = <-f.failed:
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	err = errors.Join(err, tm.Stop())
	tm.Wait()
	return err
}

// filler is the chain with imports before its blocks.
type filler struct {
	abci.Application
	app    *app.App
	leases int
	next   int
	done   chan struct{}
	failed chan error
	began  time.Time
}

func (f *filler) FinalizeBlock(ctx context.Context, r *abci.RequestFinalizeBlock) (*abci.ResponseFinalizeBlock, error) {
	if r.Height > 1 && f.next < f.leases { // before the first commit there is nothing to write to
		to := min(f.next+perChunk, f.leases)
		if err := f.load(r, newChunk(f.next, to)); err != nil {
			f.failed <- err
			<-ctx.Done()
			return nil, err
		}
		f.next = to
		if f.began.IsZero() {
			f.began = time.Now()
		}
		if to/100_000 != (to-1)/100_000 {
			now, _ := memoryOf(os.Getpid())
			fmt.Fprintf(os.Stderr, "%d leases after %.0f s, %d MiB\n", to, time.Since(f.began).Seconds(), now)
		}
	} else if r.Height > 1 && f.next >= f.leases && f.done != nil {
		defer func(c chan struct{}) { time.AfterFunc(time.Second, func() { close(c) }) }(f.done)
		f.done = nil
	}
	return f.Application.FinalizeBlock(ctx, r)
}

func (f *filler) load(r *abci.RequestFinalizeBlock, c chunk) error {
	branch := f.app.CommitMultiStore().CacheMultiStore()
	ctx := sdk.NewContext(branch, cmtproto.Header{ChainID: chainID, Height: r.Height, Time: r.Time}, false, log.NewNopLogger()).
		WithGasMeter(storetypes.NewInfiniteGasMeter()).WithEventManager(sdk.NewEventManager())
	if err := f.app.Escrow.InitGenesis(ctx, &c.escrow); err != nil {
		return err
	}
	if err := f.app.Deployment.InitGenesis(ctx, &c.deployment); err != nil {
		return err
	}
	if err := f.app.Market.InitGenesis(ctx, &c.market); err != nil {
		return err
	}
	branch.Write()
	return nil
}

func diskMiB(dir string) int64 {
	var sum int64
	_ = filepath.Walk(dir, func(_ string, i os.FileInfo, err error) error {
		if err == nil {
			sum += i.Size()
		}
		return nil
	})
	return sum >> 20
}
