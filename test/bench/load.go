package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/akash-supercloud/akash/app/node"
)

// loadConfig is what all loads share.
type loadConfig struct {
	bin  string
	n    int      // lives, or half as many sends
	args []string // further arguments of akash start
}

const (
	tenants   = 400
	providers = 80
	maxLives  = 20_000
)

func load(ctx context.Context, args []string) error {
	f := flag.NewFlagSet("bench load", flag.ContinueOnError)
	bin := f.String("bin", "build/akash", "the akash program")
	n := f.Int("n", 3000, fmt.Sprintf("how many deployments or leases, and twice as many sends; at most %d", maxLives))
	output := f.String("output", "table", "table or json")
	further := f.String("node", "", "further arguments of akash start, separated by spaces")
	f.Usage = func() {
		fmt.Fprintln(f.Output(), "bench load [flags] KIND ...\n\nKinds: sends, create, lifecycle (each step by itself), mixed (all steps at once), leases (10,000 that stay)")
		f.PrintDefaults()
	}
	if err := f.Parse(args); err != nil {
		return err
	}
	if *n < 100 || *n > maxLives {
		return fmt.Errorf("-n %d; use 100 to %d", *n, maxLives)
	}
	what := f.Args()
	if len(what) == 0 {
		what = []string{"sends", "create", "lifecycle", "mixed", "leases"}
	}
	c := loadConfig{bin: *bin, n: *n, args: strings.Fields(*further)}
	var results []result
	for _, name := range what {
		rs, err := c.run(ctx, name)
		if err != nil {
			return err
		}
		results = append(results, rs...)
	}
	if *output == "json" {
		fmt.Println(toJSON(results))
		return nil
	}
	printResults(os.Stdout, results)
	return nil
}

func printResults(w io.Writer, results []result) {
	fmt.Fprintf(w, "\n%s/%s, %d CPUs shared with the load, %s; one validator, a pause of 200 ms after each commit, %d connections\n\n",
		runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), runtime.Version(), connections)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "load\ttxs\ts\ttxs/s\tCPU ms/tx\tcores\tblocks\tmedian ms\tp99 ms\tRSS MiB\tpeak MiB\t")
	for _, r := range results {
		fmt.Fprintf(t, "%s\t%d\t%.1f\t%.0f\t%.2f\t%.2f\t%d\t%.0f\t%.0f\t%d\t%d\t\n",
			r.Name, r.Txs, r.Seconds, r.PerSecond, r.CPU, r.Cores, r.Blocks, r.BlockMedian, r.BlockP99, r.RSS, r.Peak)
	}
	_ = t.Flush()
}

// run measures one kind of load on a new chain.
func (c loadConfig) run(ctx context.Context, name string) (results []result, err error) {
	home, err := os.MkdirTemp("", "akash-bench-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(home)) }()
	users := newUsers(tenants + providers)
	if err := node.Init(home, node.GenesisConfig{BlockTime: 200 * time.Millisecond, Accounts: funds(users)}); err != nil {
		return nil, err
	}
	p, err := startNode(ctx, c.bin, home, c.args...)
	if err != nil {
		return nil, err
	}
	defer p.stop()
	return c.on(ctx, p, users, name)
}

// on measures one kind of load on a running node.
func (c loadConfig) on(ctx context.Context, p *process, users []*user, name string) (results []result, err error) {
	var heights []int64
	drive := func(name string, streams [][][]byte) error {
		r, hs, err := p.drive(ctx, name, streams)
		results, heights = append(results, r), append(heights, hs...)
		return err
	}
	if name == "sends" {
		streams, err := sends(users, 2*c.n)
		if err != nil {
			return nil, err
		}
		if err := drive("send", streams); err != nil {
			return nil, err
		}
		return results, p.check(heights)
	}

	registrations := make([][][]byte, connections)
	for i, u := range users[tenants:] {
		tx, err := u.register()
		if err != nil {
			return nil, err
		}
		registrations[i%connections] = append(registrations[i%connections], tx)
	}
	if _, hs, err := p.drive(ctx, "register", registrations); err != nil {
		return nil, err
	} else if err := p.check(hs); err != nil {
		return nil, err
	}

	n, steps := c.n, kinds
	switch name {
	case "create":
		steps = kinds[:1]
	case "lifecycle":
	case "leases":
		n, steps = 10_000, kinds[:3]
	case "mixed":
		streams, err := mixed(lives(users, n))
		if err != nil {
			return nil, err
		}
		if err := drive("create, bid, lease, close at once", streams); err != nil {
			return nil, err
		}
		return results, p.check(heights)
	default:
		return nil, fmt.Errorf("there is no load %q; use sends, create, lifecycle, mixed or leases", name)
	}
	all := lives(users, n)
	for _, k := range steps {
		streams := make([][][]byte, connections)
		for i := range all {
			tx, err := all[i].step(k)
			if err != nil {
				return nil, err
			}
			streams[i%connections] = append(streams[i%connections], tx)
		}
		if err := drive(k.String(), streams); err != nil {
			return nil, err
		}
	}
	if len(steps) > 1 {
		results = append(results, sum(fmt.Sprintf("%d × %s to %s", n, steps[0], steps[len(steps)-1]), results))
	}
	return results, p.check(heights)
}

// sum adds up loads that came one after another.
func sum(name string, parts []result) result {
	s := result{Name: name}
	cpu := 0.0
	for _, r := range parts {
		s.Txs += r.Txs
		s.Seconds += r.Seconds
		cpu += r.CPU * float64(r.Txs)
		s.Blocks += r.Blocks
		s.BlockMedian = max(s.BlockMedian, r.BlockMedian)
		s.BlockP99 = max(s.BlockP99, r.BlockP99)
		s.RSS, s.Peak = r.RSS, r.Peak
	}
	s.PerSecond = float64(s.Txs) / s.Seconds
	s.CPU = cpu / float64(s.Txs)
	s.Cores = cpu / 1000 / s.Seconds
	return s
}

// sends are n sends of one unit, from each user to the next. A user's transactions share a connection.
func sends(users []*user, n int) ([][][]byte, error) {
	streams := make([][][]byte, connections)
	for i := range n {
		u := i % len(users)
		tx, err := users[u].send(users[(u+1)%len(users)])
		if err != nil {
			return nil, err
		}
		streams[u%connections] = append(streams[u%connections], tx)
	}
	return streams, nil
}

// lives are n leases' lives. The users of life i have indexes that are i modulo connections, so each has one connection.
func lives(users []*user, n int) []*life {
	all := make([]*life, n)
	for i := range all {
		all[i] = &life{tenant: users[i%tenants], provider: users[tenants+i%providers], dseq: uint64(1 + i/tenants)}
	}
	return all
}

// mixed are lives in waves: while some are created others are closed.
func mixed(all []*life) ([][][]byte, error) {
	streams := make([][][]byte, connections)
	for conn := range streams {
		var own []*life
		for i := conn; i < len(all); i += connections {
			own = append(own, all[i])
		}
		// Wave w's step k is sent together with wave w-1's step k+1: all kinds are in flight at once.
		const wave = tenants / connections / 2
		waves := (len(own) + wave - 1) / wave
		for round := range waves + len(kinds) - 1 {
			for _, k := range kinds {
				w := round - int(k)
				if w < 0 || w >= waves {
					continue
				}
				for _, l := range own[w*wave : min((w+1)*wave, len(own))] {
					tx, err := l.step(k)
					if err != nil {
						return nil, err
					}
					streams[conn] = append(streams[conn], tx)
				}
			}
		}
	}
	return streams, nil
}
