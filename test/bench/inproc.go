package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	abci "github.com/cometbft/cometbft/abci/types"
	dbm "github.com/cosmos/cosmos-db"

	"cosmossdk.io/log/v2"

	"github.com/cosmos/cosmos-sdk/baseapp"
	genutiltypes "github.com/cosmos/cosmos-sdk/x/genutil/types"

	"github.com/akash-supercloud/akash/app"
	"github.com/akash-supercloud/akash/app/node"
)

// inprocess measures the state machine alone, in this process: CheckTx, FinalizeBlock and Commit of a lease's whole life,
// without CometBFT and RPC. So changes of the chain's own code show without the noise around it.
func inprocess(_ context.Context, args []string) (err error) {
	f := flag.NewFlagSet("bench app", flag.ContinueOnError)
	n := f.Int("n", 2000, fmt.Sprintf("how many leases; at most %d", maxLives))
	profile := f.String("cpuprofile", "", "write a CPU profile to this file")
	set := f.String("set", "", "options of the node, as in block-executor=block-stm,signature-cache=0")
	if err := f.Parse(args); err != nil {
		return err
	}
	if *n < 100 || *n > maxLives {
		return fmt.Errorf("-n %d; use 100 to %d", *n, maxLives)
	}
	options := appOptions{}
	for _, pair := range strings.FieldsFunc(*set, func(r rune) bool { return r == ',' }) {
		name, value, _ := strings.Cut(pair, "=")
		options[name] = value
	}
	home, err := os.MkdirTemp("", "akash-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(home)) }()
	users := newUsers(tenants + providers)
	if err := node.Init(home, node.GenesisConfig{Accounts: funds(users)}); err != nil {
		return err
	}
	doc, err := genutiltypes.AppGenesisFromFile(filepath.Join(home, "config", "genesis.json"))
	if err != nil {
		return err
	}
	db, err := dbm.NewDB("application", dbm.GoLevelDBBackend, home)
	if err != nil {
		return err
	}
	m := machine{App: app.New(log.NewNopLogger(), db, options, baseapp.SetChainID(chainID), baseapp.SetMinGasPrices(app.MinGasPrices)), now: time.Now()}
	defer func() { err = errors.Join(err, m.Close()) }()
	params := doc.Consensus.Params.ToProto()
	if _, err := m.InitChain(&abci.RequestInitChain{ChainId: chainID, AppStateBytes: doc.AppState, ConsensusParams: &params, InitialHeight: 1, Time: m.now}); err != nil {
		return err
	}
	if _, err := m.block(nil); err != nil {
		return err
	}
	var txs [][]byte
	for _, u := range users[tenants:] {
		tx, err := u.registerTx()
		if err != nil {
			return err
		}
		txs = append(txs, tx)
	}
	if _, err := m.run(txs); err != nil {
		return err
	}
	all := lives(users, *n)
	if *profile != "" {
		out, err := os.Create(*profile)
		if err != nil {
			return err
		}
		defer out.Close()
		if err := pprof.StartCPUProfile(out); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	t := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "message\ttxs\tCPU ms/tx\tcheck\trun\tcommit\tallocations\tKiB\tgas\t")
	var sum cost
	for _, k := range kinds {
		txs = txs[:0]
		for _, l := range all {
			tx, err := l.tx(k)
			if err != nil {
				return err
			}
			txs = append(txs, tx)
		}
		runtime.GC()
		c, err := m.run(txs)
		if err != nil {
			return fmt.Errorf("%s: %w", k, err)
		}
		c.row(t, k.String())
		sum.add(c)
	}
	sum.row(t, "all")
	return t.Flush()
}

type appOptions map[string]any

func (o appOptions) Get(name string) any { return o[name] }

// cost is what transactions cost, in all.
type cost struct {
	txs                          int
	cpu, check, finalize, commit time.Duration
	allocs, bytes                uint64
	gas                          int64
}

func (c *cost) add(o cost) {
	c.txs += o.txs
	c.cpu += o.cpu
	c.check += o.check
	c.finalize += o.finalize
	c.commit += o.commit
	c.allocs += o.allocs
	c.bytes += o.bytes
	c.gas += o.gas
}

func (c *cost) row(t *tabwriter.Writer, name string) {
	each := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 / float64(c.txs) }
	n := uint64(c.txs)
	fmt.Fprintf(t, "%s\t%d\t%.3f\t%.3f\t%.3f\t%.3f\t%d\t%.1f\t%d\t\n", name, c.txs, each(c.cpu), each(c.check), each(c.finalize), each(c.commit),
		c.allocs/n, float64(c.bytes/n)/1024, c.gas/int64(n))
}

// machine is the state machine and the time of its next block.
type machine struct {
	*app.App
	height int64
	now    time.Time
}

// run checks and runs transactions in blocks of 400.
func (m *machine) run(txs [][]byte) (c cost, err error) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	began := used()
	for len(txs) > 0 {
		n := min(400, len(txs))
		at := used()
		for _, tx := range txs[:n] {
			res, err := m.CheckTx(&abci.RequestCheckTx{Tx: tx})
			if err != nil {
				return c, err
			}
			if res.Code != 0 {
				return c, errors.New(res.Log)
			}
		}
		c.check += used() - at
		b, err := m.block(txs[:n])
		if err != nil {
			return c, err
		}
		c.add(b)
		txs = txs[n:]
	}
	c.cpu = used() - began
	runtime.ReadMemStats(&after)
	c.allocs, c.bytes = after.Mallocs-before.Mallocs, after.TotalAlloc-before.TotalAlloc
	return c, nil
}

func (m *machine) block(txs [][]byte) (c cost, err error) {
	m.height++
	m.now = m.now.Add(time.Second)
	at := used()
	res, err := m.FinalizeBlock(&abci.RequestFinalizeBlock{Height: m.height, Time: m.now, Txs: txs})
	if err != nil {
		return c, err
	}
	c.finalize = used() - at
	at = used()
	if _, err := m.Commit(); err != nil {
		return c, err
	}
	c.commit = used() - at
	c.txs = len(txs)
	for i, r := range res.TxResults {
		if r.Code != 0 {
			return c, fmt.Errorf("transaction %d: %s", i, r.Log)
		}
		c.gas += r.GasUsed
	}
	return c, nil
}

// used is the processor time of this process until now.
func used() time.Duration {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		return 0
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}
