// Package market lets tests and benchmarks drive a whole market on this machine through the akash
// program, as a person would: it owns the home folder, the ports and the processes of the markets
// it starts, and removes all of them.
package market

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
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/akash-supercloud/akash/localnet"
)

// TB is the part of testing.TB that is used here; benchmarks outside `go test` have one too.
type TB interface {
	Helper()
	Logf(format string, args ...any)
	Fatalf(format string, args ...any)
	Cleanup(func())
}

// Wanted says whether this run has containers: AKASH_TEST_CONTAINERS is 1. Else it says why not.
func Wanted() (bool, string) {
	if os.Getenv("AKASH_TEST_CONTAINERS") != "1" {
		return false, "needs root, containerd and runsc: set AKASH_TEST_CONTAINERS=1, or run make test"
	}
	return true, ""
}

// Market is one running (or stopped) market.
type Market struct {
	Bin  string // the akash program
	Home string
	Args []string // for up: ports and the like

	mu  sync.Mutex
	up  *exec.Cmd
	end chan struct{} // closed when up ended
	out *syncBuffer
}

// New makes a home folder below AKASH_TEST_DIR (or the system's folder for such) and picks ports. The
// market and all that belongs to it are removed when the test ends.
func New(t TB) *Market {
	t.Helper()
	bin, err := binary()
	if err != nil {
		t.Fatalf("%v", err)
	}
	base := os.Getenv("AKASH_TEST_DIR")
	if base == "" {
		base = os.TempDir()
	}
	home, err := os.MkdirTemp(base, "akash-e2e-")
	if err != nil {
		t.Fatalf("%v", err)
	}
	m := &Market{Bin: bin, Home: home, Args: []string{"--port-offset", strconv.Itoa(freeOffset(t))}}
	t.Cleanup(func() {
		m.Stop()
		if out, err := m.command(context.Background(), "down", "--all", "--home", m.Home).CombinedOutput(); err != nil {
			t.Logf("akash down --all: %v\n%s", err, out)
		}
		_ = os.RemoveAll(m.Home)
	})
	return m
}

// Prices makes the provider ask at least so many USD a month for a group, so that a few blocks cost whole
// coins. Before Up.
func (m *Market) Prices(t TB, minimum string) {
	t.Helper()
	for name, text := range map[string]string{
		".akash-localnet":        "", // makes it a market's home
		"provider/provider.yaml": "pricing: {minimum: \"" + minimum + "\"}\n",
	} {
		path := filepath.Join(m.Home, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatalf("%v", err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatalf("%v", err)
		}
	}
}

// binary is AKASH_BIN, or build/akash of this repository.
func binary() (string, error) {
	if b := os.Getenv("AKASH_BIN"); b != "" {
		return filepath.Abs(b)
	}
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for ; dir != "/"; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			b := filepath.Join(dir, "build", "akash")
			if _, err := os.Stat(b); err != nil {
				return "", fmt.Errorf("there is no %s; run make build", b)
			}
			return b, nil
		}
	}
	return "", errors.New("not inside the repository, and AKASH_BIN isn't set")
}

// freeOffset finds an offset at which every default port is free now. All stay below the ports that a
// provider gives to services, and below those that the kernel gives to outgoing connections.
func freeOffset(t TB) int {
	for i := range 60 {
		offset := 1000 + (os.Getpid()+37*i)%2200
		free := true
		for _, p := range []int{26657, 26656, 9090, 1317, 8443, 8444, 80, 5000} {
			l, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(p+offset))
			if err != nil {
				free = false
				break
			}
			l.Close()
		}
		if free {
			return offset
		}
	}
	t.Fatalf("no free ports")
	return 0
}

// Up starts the market and returns once it is ready, with how long that took.
func (m *Market) Up(t TB, args ...string) time.Duration {
	t.Helper()
	began := time.Now()
	m.mu.Lock()
	m.out, m.end = &syncBuffer{}, make(chan struct{})
	m.up = exec.Command(m.Bin, append(append([]string{"up", "--home", m.Home}, m.Args...), args...)...)
	m.up.Stdout, m.up.Stderr = m.out, m.out
	m.up.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	err := m.up.Start()
	if err == nil {
		go func(c *exec.Cmd, end chan struct{}) { _ = c.Wait(); close(end) }(m.up, m.end)
	}
	m.mu.Unlock()
	if err != nil {
		t.Fatalf("start %s: %v", m.Bin, err)
	}
	Eventually(t, 3*time.Minute, "akash up is ready", func() error {
		select {
		case <-m.end:
			t.Fatalf("akash up ended:\n%s\n%s", m.out, m.Logs())
		default:
		}
		if !strings.Contains(m.out.String(), "Ready") {
			return errors.New(m.out.String())
		}
		return nil
	})
	return time.Since(began)
}

// Output is what akash up has printed.
func (m *Market) Output() string { return m.out.String() }

// Stop ends akash up as Ctrl-C does. Containers go on.
func (m *Market) Stop() {
	m.mu.Lock()
	up, end := m.up, m.end
	m.up = nil
	m.mu.Unlock()
	if up == nil {
		return
	}
	_ = up.Process.Signal(syscall.SIGINT)
	select {
	case <-end:
	case <-time.After(time.Minute):
		_ = up.Process.Kill()
		<-end
	}
}

// Pid returns the process of a part: node, provider or up.
func (m *Market) Pid(t TB, part string) int {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(m.Home, "run", part+".pid"))
	if err != nil {
		return 0
	}
	var pid int
	if _, err := fmt.Sscan(string(b), &pid); err != nil {
		t.Fatalf("pid file of the %s: %v", part, err)
	}
	return pid
}

// Kill sends SIGKILL to a part and returns once another process has taken its place.
func (m *Market) Kill(t TB, part string) {
	t.Helper()
	pid := m.Pid(t, part)
	if pid == 0 {
		t.Fatalf("no %s is running", part)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatalf("kill the %s: %v", part, err)
	}
	Eventually(t, 30*time.Second, "the "+part+" is started again", func() error {
		if now := m.Pid(t, part); now == 0 || now == pid {
			return fmt.Errorf("pid %d", now)
		}
		return nil
	})
}

// State is what the market's localnet.json says.
func (m *Market) State(t TB) localnet.State {
	t.Helper()
	s, err := localnet.ReadState(m.Home)
	if err != nil {
		t.Fatalf("%v", err)
	}
	return s
}

// Result is what one run of the program gave.
type Result struct {
	Stdout, Stderr string
	Code           int
	Took           time.Duration
}

func (m *Market) command(ctx context.Context, args ...string) *exec.Cmd {
	c := exec.CommandContext(ctx, m.Bin, args...)
	c.Env = append(os.Environ(), "AKASH_HOME="+m.Home, "NO_COLOR=1", "TERM=dumb")
	return c
}

// Try runs the program as the market's tenant and returns whatever comes of it.
func (m *Market) Try(t TB, args ...string) Result {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 4*time.Minute)
	defer cancel()
	var out, errs bytes.Buffer
	c := m.command(ctx, args...)
	c.Stdout, c.Stderr = &out, &errs
	c.WaitDelay = 5 * time.Second
	began := time.Now()
	err := c.Run()
	r := Result{Stdout: out.String(), Stderr: errs.String(), Took: time.Since(began)}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		r.Code = exit.ExitCode()
	} else if err != nil {
		t.Fatalf("akash %s: %v\n%s%s", strings.Join(args, " "), err, r.Stdout, r.Stderr)
	}
	return r
}

// Run runs the program as the market's tenant; it must succeed.
func (m *Market) Run(t TB, args ...string) Result {
	t.Helper()
	r := m.Try(t, args...)
	if r.Code != 0 {
		t.Fatalf("akash %s: exit %d\n%s%s\n%s", strings.Join(args, " "), r.Code, r.Stdout, r.Stderr, m.Logs())
	}
	return r
}

// JSON runs the program with --output json and reads what it printed.
func (m *Market) JSON(t TB, into any, args ...string) Result {
	t.Helper()
	r := m.Run(t, append(args, "--output", "json")...)
	if err := json.Unmarshal([]byte(r.Stdout), into); err != nil {
		t.Fatalf("akash %s: not JSON (%v):\n%s", strings.Join(args, " "), err, r.Stdout)
	}
	return r
}

// Logs are the ends of the parts' logs, for a failing test.
func (m *Market) Logs() string {
	var b strings.Builder
	for _, part := range []string{"node", "provider"} {
		data, err := os.ReadFile(filepath.Join(m.Home, "logs", part+".log"))
		if err != nil {
			continue
		}
		fmt.Fprintf(&b, "--- %s.log (its end)\n%s\n", part, data[max(0, len(data)-6000):])
	}
	return b.String()
}

// Get fetches a page and returns its status and first 16 MiB. Names under .localhost are this machine.
func Get(url string) (int, string, error) {
	resp, err := web.Get(url)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, 16<<20))
	return resp.StatusCode, string(b), err
}

// web resolves *.localhost by itself: not every machine's resolver does.
var web = &http.Client{
	Timeout: 10 * time.Second,
	Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			if host, port, err := net.SplitHostPort(addr); err == nil && strings.HasSuffix(host, ".localhost") {
				addr = net.JoinHostPort("127.0.0.1", port)
			}
			return (&net.Dialer{}).DialContext(ctx, network, addr)
		},
	},
}

// Page waits until url answers 200 with want in it.
func Page(t TB, url, want string) string {
	t.Helper()
	var page string
	Eventually(t, time.Minute, url+" answers with "+want, func() error {
		code, body, err := Get(url)
		if err != nil {
			return err
		}
		if code != http.StatusOK || !strings.Contains(body, want) {
			return fmt.Errorf("%d: %.300s", code, body)
		}
		page = body
		return nil
	})
	return page
}

// Eventually calls ok until it returns nil. It fails the test with ok's last error after limit.
func Eventually(t TB, limit time.Duration, what string, ok func() error) {
	t.Helper()
	deadline := time.Now().Add(limit)
	for {
		err := ok()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s: %v", limit, what, err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}
