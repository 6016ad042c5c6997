package localnet

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/akash-supercloud/akash/client"
)

// Up brings the market of a home folder up and keeps it up until ctx ends; then it ends the provider,
// the node and the registry, in this order, and leaves containers running. It returns nil after such an
// end, and an error, in words for a person, if the market couldn't be brought up.
func Up(ctx context.Context, o Options) (err error) {
	o, err = o.normal()
	if err != nil {
		return err
	}
	accounts, err := o.accounts()
	if err != nil {
		return err
	}
	if err := preflight(o); err != nil {
		return err
	}
	unlock, err := take(o.Home)
	if err != nil {
		return err
	}
	defer unlock()
	if err := writePid(o.Home, "up", os.Getpid()); err != nil {
		return err
	}
	defer os.Remove(pidFile(o.Home, "up"))

	p := newProgress(o.Out)
	// What an up that was killed left behind is in the way.
	for _, part := range []string{"provider", "node"} {
		if err := end(o.Home, part, endWait); err != nil {
			return err
		}
	}
	if o.Reset {
		if err := p.step("reset", func() (string, error) { return "removed what was there", remove(ctx, o) }); err != nil {
			return err
		}
	}
	if err := o.checkPorts(); err != nil {
		return err
	}

	m := &market{o: o, p: p}
	defer m.stop()
	for _, s := range []struct {
		name string
		run  func(context.Context) (string, error)
	}{
		{"chain", func(ctx context.Context) (string, error) { return m.makeChain(ctx, accounts) }},
		{"registry", m.startRegistry},
		{"images", m.pushImages},
		{"node", m.startNode},
		{"accounts", func(ctx context.Context) (string, error) { return m.fundAccounts(ctx, accounts) }},
		{"provider", m.startProvider},
	} {
		if err := p.step(s.name, func() (string, error) { return s.run(ctx) }); err != nil {
			return m.explain(ctx, s.name, err)
		}
	}
	// The example of an earlier up may still run.
	var earlier *Demo
	if s, err := ReadState(o.Home); err == nil {
		earlier = s.Demo
	}
	if err := m.writeState(earlier); err != nil {
		return err
	}
	if !o.NoDemo {
		if err := p.step("example", func() (string, error) { return m.deployDemo(ctx) }); err != nil {
			if ctx.Err() != nil {
				return m.explain(ctx, "example", err)
			}
			// The market is good without it, and its user finds out more while it is up.
			m.noDemo = m.whyNoDemo(ctx, err)
			if err := m.writeState(nil); err != nil {
				return err
			}
		}
	}
	state, err := ReadState(o.Home)
	if err != nil {
		return err
	}
	done := Ready{State: state, Warning: m.noDemo, ReadySeconds: math.Round(time.Since(p.began).Seconds()*100) / 100}
	if m.demo != nil {
		done.URL = m.demo.URL
	}
	if o.Result == nil {
		m.printReady(done)
	} else if o.onReady == nil { // else the parent writes it
		if err := writeJSON(o.Result, done); err != nil {
			return err
		}
	}
	if o.onReady != nil {
		o.onReady(done)
	}
	<-ctx.Done()
	p.line("")
	p.line("stopping; containers go on, and the next akash up takes them over")
	return nil
}

// Down ends the market of a home folder; with all it removes its containers and files too. A market
// that isn't up is no error.
func Down(ctx context.Context, o Options, all bool) error {
	o, err := o.normal()
	if err != nil {
		return err
	}
	if ours, err := isHome(o.Home); err != nil || !ours {
		return errors.Join(err, notOurs(o.Home))
	}
	if _, err := os.Stat(o.Home); errors.Is(err, os.ErrNotExist) {
		fmt.Fprintf(o.Out, "there is nothing at %s\n", o.Home)
		return o.stopped(true)
	}
	p := newProgress(o.Out)
	if err := p.step("stop", func() (string, error) {
		for _, part := range []string{"up", "provider", "node"} {
			if err := end(o.Home, part, 2*endWait); err != nil {
				return "", err
			}
		}
		return "the market is down", nil
	}); err != nil {
		return err
	}
	if !all {
		return o.stopped(false)
	}
	unlock, err := take(o.Home)
	if err != nil {
		return err
	}
	defer unlock()
	if err := p.step("remove", func() (string, error) {
		if err := remove(ctx, o); err != nil {
			return "", err
		}
		return "containers, networks and " + o.Home, os.RemoveAll(o.Home)
	}); err != nil {
		return err
	}
	return o.stopped(true)
}

// stopped tells a program that the market is down.
func (o Options) stopped(removed bool) error {
	if o.Result == nil {
		return nil
	}
	return writeJSON(o.Result, Stopped{Stopped: true, Removed: removed})
}

func notOurs(home string) error {
	return fmt.Errorf("%s isn't empty and isn't a market's home; choose another folder with --home", home)
}

// claim makes the home folder, with its mark, if need be. A folder that is someone else's is an error.
func claim(home string) (mark *os.File, err error) {
	ours, err := isHome(home)
	if err != nil {
		return nil, err
	}
	if !ours {
		return nil, notOurs(home)
	}
	if err := os.MkdirAll(home, 0o755); err != nil {
		return nil, fmt.Errorf("make the home folder: %w", err)
	}
	// The mark first: what a crash leaves is ours.
	if mark, err = os.OpenFile(filepath.Join(home, marker), os.O_CREATE|os.O_RDWR, 0o644); err != nil {
		return nil, err
	}
	for _, d := range []string{"run", "logs"} {
		if err := os.MkdirAll(filepath.Join(home, d), 0o755); err != nil {
			mark.Close()
			return nil, fmt.Errorf("make the home folder: %w", err)
		}
	}
	return mark, nil
}

// take claims the home folder and sees to it that only one process uses it.
func take(home string) (func(), error) {
	f, err := claim(home)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			by := ""
			if pid := running(home, "up"); pid != 0 {
				by = fmt.Sprintf(" (pid %d)", pid)
			}
			return nil, fmt.Errorf("a market is up in %s already%s; stop it with akash down, or choose another --home and --port-offset", home, by)
		}
		return nil, err
	}
	return func() { f.Close() }, nil
}

// remove takes away all that the home folder holds, and what it holds elsewhere: containers, networks,
// mounts. The folder itself, its mark and its logs stay. The parts must have ended.
func remove(ctx context.Context, o Options) error {
	if err := removeWorkloads(ctx, o); err != nil {
		return fmt.Errorf("remove the containers: %w", err)
	}
	entries, err := os.ReadDir(o.Home)
	if err != nil {
		return err
	}
	for _, e := range entries {
		switch e.Name() {
		case marker, "run", "logs":
			continue
		}
		if err := os.RemoveAll(filepath.Join(o.Home, e.Name())); err != nil {
			return err
		}
	}
	for _, part := range []string{"node", "provider", "registry"} {
		if err := os.RemoveAll(logFile(o.Home, part)); err != nil {
			return err
		}
	}
	return nil
}

// market is what Up has running.
type market struct {
	o        Options
	p        *progress
	registry *registry
	regLog   io.Closer
	stops    []func() // of the children, last started last
	fresh    bool     // the chain is new
	client   *client.Client
	provider string // its address
	demo     *Demo
	noDemo   string // why there is none, if it failed
}

func (m *market) stop() {
	for i := len(m.stops) - 1; i >= 0; i-- {
		m.stops[i]()
	}
	if m.registry != nil {
		m.registry.Close()
		m.regLog.Close()
	}
}

// start keeps a program running and returns once ok says that it serves.
func (m *market) start(ctx context.Context, name string, args []string, limit time.Duration, ok func(context.Context) error) error {
	c := &child{name: name, args: args, home: m.o.Home, done: make(chan struct{}),
		note: func(s string) { m.p.line("%s (log: %s)", s, logFile(m.o.Home, name)) }}
	run, cancel := context.WithCancel(context.Background())
	go c.run(run)
	m.stops = append(m.stops, func() { cancel(); <-c.done })
	return poll(ctx, limit, func(ctx context.Context) error {
		err := ok(ctx)
		// One that fails again at once won't serve.
		if died := c.failed(2); err != nil && died != nil {
			return final{fmt.Errorf("the %s doesn't stay up: %w", name, died)}
		}
		return err
	})
}

// final is an error that polling can't mend.
type final struct{ error }

func (f final) Unwrap() error { return f.error }

// poll calls ok until it returns nil, ctx ends, or the limit is reached; then it returns ok's last error.
func poll(ctx context.Context, limit time.Duration, ok func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	tick := time.NewTicker(25 * time.Millisecond)
	defer tick.Stop()
	for {
		err := ok(ctx)
		if err == nil {
			return nil
		}
		if f := (final{}); errors.As(err, &f) {
			return f.error
		}
		select {
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.DeadlineExceeded) {
				return fmt.Errorf("not within %v: %w", limit, err)
			}
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// explain adds to an error what helps a person: the end of the log of the part that failed.
func (m *market) explain(ctx context.Context, step string, err error) error {
	if ctx.Err() != nil {
		return errors.New("interrupted before the market was ready; run akash up again to go on")
	}
	if step != "node" && step != "provider" {
		return fmt.Errorf("%s: %w", step, err)
	}
	text := fmt.Sprintf("%s: %v", step, err)
	if end := tail(m.o.Home, step, 5); end != "" {
		text += "\nthe last lines of " + logFile(m.o.Home, step) + ":\n  " + strings.ReplaceAll(end, "\n", "\n  ")
	}
	return errors.New(text)
}

func (m *market) startRegistry(context.Context) (string, error) {
	log, err := openLog(m.o.Home, "registry")
	if err != nil {
		return "", err
	}
	addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(m.o.Ports.Registry))
	l, err := net.Listen("tcp", addr)
	if err != nil {
		log.Close()
		return "", err
	}
	m.regLog = log
	m.registry, err = serveRegistry(l, filepath.Join(m.o.Home, "registry"), log)
	return "http://" + addr, err
}

func (m *market) pushImages(ctx context.Context) (string, error) {
	pushed, err := pushExamples(ctx, m.o.Examples, m.registryAddr())
	if err == nil && len(pushed) == 0 {
		if !m.o.NoDemo {
			return "", fmt.Errorf("the example programs aren't in %s; run make examples, or go without them by --no-demo", m.o.Examples)
		}
		return "none: the example programs aren't in " + m.o.Examples, nil
	}
	return strings.Join(pushed, ", "), err
}

func (m *market) registryAddr() string {
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(m.o.Ports.Registry))
}

// local is the address by which this machine reaches a part.
func (o Options) local(port int) string {
	host := o.Listen
	if ip := net.ParseIP(host); ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, strconv.Itoa(port))
}

func (o Options) bind(port int) string { return net.JoinHostPort(o.Listen, strconv.Itoa(port)) }

func (m *market) writeState(d *Demo) error {
	o := m.o
	ingress := "http://localhost"
	if o.Ports.Ingress != 80 {
		ingress += ":" + strconv.Itoa(o.Ports.Ingress)
	}
	sandbox, err := o.sandbox()
	if err != nil {
		return err
	}
	return State{
		Node:       "http://" + o.local(o.Ports.RPC),
		GRPC:       o.local(o.Ports.GRPC),
		REST:       "http://" + o.local(o.Ports.REST),
		ChainID:    ChainID,
		KeyringDir: o.Home,
		From:       "tenant",
		Provider:   m.provider,
		Gateway:    "https://" + o.local(o.Ports.Gateway),
		Ingress:    ingress,
		Registry:   "http://" + m.registryAddr(),
		Sandbox:    sandbox,
		Demo:       d,
	}.write(o.Home)
}

func (m *market) printReady(s Ready) {
	p, stop := m.p, "Ctrl-C; containers go on until "+os.Args[0]+" down --all"
	if m.o.onReady != nil { // in the background
		stop = os.Args[0] + " down; with --all containers and files go too"
		if home, err := DefaultHome(); err != nil || home != m.o.Home {
			stop = os.Args[0] + " down --home " + m.o.Home + "; with --all containers and files go too"
		}
	}
	p.line("")
	p.line("%s after %.1f s. Everything is in %s", p.strong("Ready"), s.ReadySeconds, m.o.Home)
	for _, row := range [][2]string{
		{"RPC", s.Node}, {"gRPC", s.GRPC}, {"REST", s.REST}, {"provider", s.Gateway + "  " + s.Provider},
		{"pages", s.Ingress}, {"registry", s.Registry}, {"keys", "tenant, provider, validator (keyring test in " + s.KeyringDir + ")"},
		{"stop", stop},
	} {
		p.line("  %-9s %s", row[0], row[1])
	}
	switch {
	case s.URL != "":
		p.line("")
		p.line("A container won by auction answers at  %s", p.strong(s.URL))
	case s.Warning != "":
		p.line("")
		p.line("Warning: no example runs: %s", s.Warning)
	}
	p.line("")
}
