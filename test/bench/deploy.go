package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"time"

	"github.com/akash-supercloud/akash/examples"
	"github.com/akash-supercloud/akash/test/market"
)

func deploy(args []string) error {
	f := flag.NewFlagSet("bench deploy", flag.ContinueOnError)
	runs := f.Int("runs", 7, "how often to deploy, at most 100")
	if err := f.Parse(args); err != nil {
		return err
	}
	return deploys(min(max(*runs, 1), 100))
}

// tb is what the market helper needs of a test.
type tb struct{ cleanups []func() }

type failure string

func (t *tb) Helper()                    {}
func (t *tb) Logf(f string, args ...any) { fmt.Fprintf(os.Stderr, f+"\n", args...) }
func (t *tb) Fatalf(f string, a ...any)  { panic(failure(fmt.Sprintf(f, a...))) }
func (t *tb) Cleanup(fn func())          { t.cleanups = append(t.cleanups, fn) }
func (t *tb) close() {
	for i := len(t.cleanups) - 1; i >= 0; i-- {
		t.cleanups[i]()
	}
}

func deploys(runs int) (err error) {
	t := &tb{}
	defer t.close()
	defer func() {
		if f, ok := recover().(failure); ok {
			err = fmt.Errorf("%s", string(f))
		}
	}()
	m := market.New(t)
	var first, again row
	first = append(first, m.Up(t, "--no-demo"))

	file := filepath.Join(m.Home, "bench.yaml")
	if err := os.WriteFile(file, examples.Web, 0o644); err != nil {
		return err
	}
	rows := map[string]row{}
	var order []string
	add := func(name string, d time.Duration) {
		if rows[name] == nil {
			order = append(order, name)
		}
		rows[name] = append(rows[name], d)
	}
	for i := range runs + 1 {
		began := time.Now()
		r := m.Run(t, "deploy", file, "--output", "json")
		url := urlIn.FindString(r.Stdout)
		market.Page(t, url, "Hello")
		total := time.Since(began)
		var out struct {
			Dseq    json.Number        `json:"dseq"`
			Seconds map[string]float64 `json:"seconds"`
		}
		if err := json.Unmarshal([]byte(r.Stdout), &out); err != nil {
			return fmt.Errorf("akash deploy --output json: %w: %s", err, r.Stdout)
		}
		if i > 0 { // the first one pulls the image
			for _, part := range parts {
				add("  "+part, time.Duration(out.Seconds[part]*float64(time.Second)))
			}
			add("akash deploy to the first 200, image present", total)
		}
		m.Run(t, "close", out.Dseq.String())
	}
	m.Stop()
	again = append(again, m.Up(t, "--no-demo"))

	fmt.Printf("\n%s/%s, %d CPUs, %s, blocks of 500 ms, gVisor (systrap), %d runs\n\n", runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), runtime.Version(), runs)
	fmt.Printf("%-46s %8s %8s %8s\n", "seconds", "median", "min", "max")
	line := func(name string, r row) {
		fmt.Printf("%-46s %8.2f %8.2f %8.2f\n", name, r.median().Seconds(), slices.Min(r).Seconds(), slices.Max(r).Seconds())
	}
	line("akash up to ready, new home", first)
	line("akash up to ready, same home again", again)
	for _, name := range order {
		line(name, rows[name])
	}
	return nil
}

// parts of a deployment, as akash deploy names and measures them.
var parts = []string{"create", "bid", "lease", "manifest", "container", "route"}

var urlIn = regexp.MustCompile(`http://[a-z0-9.-]+localhost(:\d+)?`)

type row []time.Duration

func (r row) median() time.Duration {
	s := slices.Sorted(slices.Values(r))
	return s[len(s)/2]
}
