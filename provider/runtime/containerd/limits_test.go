package containerd

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/akash-supercloud/akash/provider/runtime"
	"github.com/akash-supercloud/akash/provider/runtime/runtimetest"
)

func blocks(t *testing.T, path string) int64 {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		t.Fatal(err)
	}
	return st.Blocks * 512
}

// TestLogBound: a replica that writes without end keeps a bounded log, whose newest lines are
// whole and in order, also for a reader that follows.
func TestLogBound(t *testing.T) {
	need(t, Runc)
	reg := runtimetest.NewRegistry(t)
	opt := testOptions(t, Runc, reg.Addr)
	opt.LogBytes = 1 << 20
	opt.Log = nil
	rt := openTest(t, opt)
	defer func() { destroy(t, rt) }()
	id := runtimetest.Lease(1)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := rt.Apply(ctx, runtimetest.Spec(id, 1, runtimetest.Service("spam", testImage, runtimetest.Args("spam"), runtimetest.CPU(100)))); err != nil {
		t.Fatal(err)
	}
	path := rt.logPath(leaseKey(id), "spam", 0)
	var size int64
	runtimetest.Until(t, 30*time.Second, "16 MiB are written", func() (bool, string) {
		st, err := os.Stat(path)
		if err != nil {
			return false, err.Error()
		}
		size = st.Size()
		return size > 16<<20, fmt.Sprint(size)
	})
	runtimetest.Until(t, 10*time.Second, "the log was trimmed", func() (bool, string) {
		b := blocks(t, path)
		return b < size/4, fmt.Sprintf("%d of %d bytes", b, size)
	})
	next, n := -1, 0
	enough := errors.New("enough")
	err := rt.Logs(ctx, id, runtime.LogOptions{Follow: true, Tail: 10}, func(l runtime.LogLine) error {
		var i int
		if _, err := fmt.Sscanf(l.Line, "%d x", &i); err != nil || !strings.HasSuffix(l.Line, "xxx") {
			// A reader that is slower than the writer by more than the bound loses lines, not halves.
			if len(l.Line) > 2000 {
				return fmt.Errorf("line %q", l.Line[:50])
			}
			return nil
		}
		if next >= 0 && i < next {
			return fmt.Errorf("line %d after %d", i, next)
		}
		next = i
		if n++; n == 2000 {
			return enough
		}
		return nil
	})
	if !errors.Is(err, enough) {
		t.Error(err)
	}
	t.Logf("%d bytes written, %d kept", size, blocks(t, path))
}

// TestTrimLog: what is kept is the end, to the byte.
func TestTrimLog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "web.0.log")
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	total := 0
	write := func(n int) {
		for range n {
			fmt.Fprintf(f, "line %07d\n", total)
			total++
		}
	}
	write(100_000)
	if err := trimLog(path, 256<<10); err != nil {
		t.Skipf("this filesystem can't punch holes: %v", err)
	}
	if b := blocks(t, path); b > 256<<10 {
		t.Errorf("%d bytes kept", b)
	}
	write(10)
	r := &logReader{path: path}
	if err := r.seek(-1); err != nil {
		t.Fatal(err)
	}
	var lines []string
	for more := true; more; {
		if more, err = r.read(func(l runtime.LogLine) error { lines = append(lines, l.Line); return nil }, true); err != nil {
			t.Fatal(err)
		}
	}
	if len(lines) < 10_000 {
		t.Fatalf("%d lines kept", len(lines))
	}
	for i, l := range lines {
		if want := fmt.Sprintf("line %07d", total-len(lines)+i); l != want {
			t.Fatalf("line %d is %q, want %q", i, l, want)
		}
	}
	for _, tail := range []int{0, 1, 7, 9000} {
		r := &logReader{path: path}
		if err := r.seek(tail); err != nil {
			t.Fatal(err)
		}
		n := 0
		for more := true; more; {
			if more, err = r.read(func(runtime.LogLine) error { n++; return nil }, true); err != nil {
				t.Fatal(err)
			}
		}
		if n != tail {
			t.Errorf("tail %d gave %d lines", tail, n)
		}
	}
}

// TestRulesComeBack: someone flushes the machine's packet rules; ours return, whole.
func TestRulesComeBack(t *testing.T) {
	need(t, Runc)
	reg := runtimetest.NewRegistry(t)
	rt := openTest(t, testOptions(t, Runc, reg.Addr))
	defer func() { destroy(t, rt) }()
	ctx := context.Background()
	spec := runtimetest.Spec(runtimetest.Lease(1), 1, runtimetest.Service("web", testImage), runtimetest.Service("db", testImage))
	if err := rt.Apply(ctx, spec); err != nil {
		t.Fatal(err)
	}
	list := func() string {
		out, _ := exec.Command(rt.net.nft, "-s", "list", "table", "inet", rt.net.table()).Output()
		return string(out)
	}
	before := list()
	if !strings.Contains(before, "8080") {
		t.Fatalf("the table lacks the lease: %s", before)
	}
	if err := rt.net.dropTable(ctx); err != nil {
		t.Fatal(err)
	}
	rt.net.unclaim()
	runtimetest.Until(t, 20*time.Second, "the rules are back", func() (bool, string) {
		now := list()
		return now == before && rt.net.claimed(), now
	})
}

// TestNameserver: the gateway answers for the asker's own lease only.
func TestNameserver(t *testing.T) {
	need(t, Runc)
	reg := runtimetest.NewRegistry(t)
	rt := openTest(t, testOptions(t, Runc, reg.Addr))
	defer func() { destroy(t, rt) }()
	ctx := context.Background()
	a, b := runtimetest.Lease(1), runtimetest.Lease(2)
	if err := errors.Join(
		rt.Apply(ctx, runtimetest.Spec(a, 1, runtimetest.Service("web", testImage), runtimetest.Service("db", testImage, runtimetest.Count(2)))),
		rt.Apply(ctx, runtimetest.Spec(b, 1, runtimetest.Service("other", testImage))),
	); err != nil {
		t.Fatal(err)
	}
	ip := runtimetest.Ready(t, rt, a, "web", 1).Replicas[0].IP
	server := net.JoinHostPort(rt.net.gateway.String(), "53")
	code, body := runtimetest.Get(t, ip, "/dns", "server", server, "name", "db")
	got := strings.Fields(body)
	slices.Sort(got)
	var want []string
	for _, r := range runtimetest.Ready(t, rt, a, "db", 1).Replicas {
		want = append(want, r.IP)
	}
	slices.Sort(want)
	if code != 200 || !slices.Equal(got, want) {
		t.Errorf("db = %d %v, want %v", code, got, want)
	}
	if code, body := runtimetest.Get(t, ip, "/dns", "server", server, "name", "other"); code == 200 {
		t.Errorf("another lease's name answers: %s", body)
	}
}

// TestClearErrors: what is missing or in the way is said before anything is made.
func TestClearErrors(t *testing.T) {
	need(t, Runc)
	ctx := context.Background()
	for _, tt := range []struct {
		name, want string
		change     func(*Options)
	}{
		{"no home", "no home", func(o *Options) { o.Home = "" }},
		{"sandbox", "unknown", func(o *Options) { o.Sandbox = "kvm" }},
		{"no containerd", "install containerd", func(o *Options) { o.Containerd = "/nowhere/containerd" }},
		{"no runsc", "make setup", func(o *Options) { o.Sandbox, o.Runsc = GVisor, "/nowhere/runsc" }},
		{"subnet of the machine", "overlaps", func(o *Options) { o.Subnet = "127.0.0.0/16" }},
		{"no subnet", "10.233.0.0/16", func(o *Options) { o.Subnet = "10.0.0.0/8" }},
		{"registry", "host:port", func(o *Options) { o.Registry = "http://" }},
		{"resolver", "resolver", func(o *Options) { o.DNS = []string{"one"} }},
		{"containerd that ends", "last words", func(o *Options) { o.Containerd = "/bin/false" }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			opt := testOptions(t, Runc, "127.0.0.1:1")
			tt.change(&opt)
			rt, err := New(ctx, opt)
			if err == nil {
				destroy(t, rt)
				t.Fatal("no error")
			}
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v; want a word of %q", err, tt.want)
			}
			t.Log(err)
			if opt.Home != "" { // leave the machine as it was
				n := &network{tag: tagOf(opt.Home), nft: "nft", subnet: mustPrefix("10.233.0.0/16"), opt: &opt}
				if b, err := os.ReadFile(filepath.Join(opt.Home, "network.json")); err == nil {
					_, text, _ := strings.Cut(string(b), `:"`)
					n.subnet = mustPrefix(strings.TrimSuffix(text, `"}`))
					n.unclaim()
				}
				_ = n.dropTable(ctx)
				_ = os.RemoveAll("/run/akash-" + n.tag)
			}
		})
	}
}

func TestPause(t *testing.T) {
	for streak, want := range map[uint32]time.Duration{0: 0, 1: time.Second, 2: 2 * time.Second, 3: 4 * time.Second, 9: 256 * time.Second, 10: 5 * time.Minute, 4_000_000_000: 5 * time.Minute} {
		if got := pause(streak); got != want {
			t.Errorf("pause(%d) = %s, want %s", streak, got, want)
		}
	}
}

func TestAllocate(t *testing.T) {
	opt := &Options{}
	n := &network{subnet: mustPrefix("10.233.0.0/24"), opt: opt, blocks: map[string]netip.Prefix{}, ports: map[string][]portMap{}}
	seen := map[netip.Prefix]bool{}
	for i := range 15 { // 16 blocks, the first is the gateway's
		p, err := n.allocate(fmt.Sprint(i), 5)
		if err != nil {
			t.Fatal(err)
		}
		for q := range seen {
			if q.Overlaps(p) {
				t.Fatalf("%s overlaps %s", p, q)
			}
		}
		if p.Contains(n.subnet.Addr().Next()) || !n.subnet.Overlaps(p) || p.Bits() != 28 {
			t.Fatalf("block %s", p)
		}
		seen[p] = true
	}
	if _, err := n.allocate("more", 5); err == nil {
		t.Fatal("a full subnet gives addresses")
	}
	delete(n.blocks, "3")
	if p, err := n.allocate("again", 14); err != nil || !seen[p] {
		t.Fatalf("a freed block isn't used again: %s %v", p, err)
	}
	delete(n.blocks, "4")
	if _, err := n.allocate("large", 100); err == nil {
		t.Fatal("a large block where there is none")
	}
}

// BenchmarkFirstAnswer is the time from Apply to the first HTTP 200, the image present.
func BenchmarkFirstAnswer(b *testing.B) {
	for _, sandbox := range []string{GVisor, Runc} {
		b.Run(sandbox, func(b *testing.B) {
			need(b, sandbox)
			reg := runtimetest.NewRegistry(b)
			opt := testOptions(b, sandbox, reg.Addr)
			opt.Log = nil
			rt := openTest(b, opt)
			defer func() { destroy(b, rt) }()
			ctx := context.Background()
			one := func(i int) (time.Duration, time.Duration) {
				id := runtimetest.Lease(i)
				began := time.Now()
				if err := rt.Apply(ctx, runtimetest.Spec(id, 1, runtimetest.Service("web", testImage, runtimetest.CPU(1000)))); err != nil {
					b.Fatal(err)
				}
				st, err := rt.Status(ctx, id)
				if err != nil || st.Services["web"].Ready != 1 {
					b.Fatal(err, st)
				}
				ip := st.Services["web"].Replicas[0].IP
				for {
					conn, err := net.DialTimeout("tcp", ip+":8080", time.Second)
					if err == nil {
						fmt.Fprint(conn, "GET / HTTP/1.0\r\n\r\n")
						buf := make([]byte, 12)
						n, _ := conn.Read(buf)
						conn.Close()
						if strings.HasSuffix(string(buf[:n]), " 200") {
							break
						}
					}
					time.Sleep(time.Millisecond)
				}
				up := time.Since(began)
				began = time.Now()
				if err := rt.Remove(ctx, id); err != nil {
					b.Fatal(err)
				}
				return up, time.Since(began)
			}
			one(0)
			var ups, downs []time.Duration
			for i := 0; b.Loop(); i++ {
				up, down := one(i + 1)
				ups, downs = append(ups, up), append(downs, down)
			}
			slices.Sort(ups)
			slices.Sort(downs)
			at := func(d []time.Duration, p int) float64 { return float64(d[(len(d)-1)*p/100].Microseconds()) / 1000 }
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(at(ups, 50), "up-p50-ms")
			b.ReportMetric(at(ups, 95), "up-p95-ms")
			b.ReportMetric(at(downs, 50), "down-p50-ms")
		})
	}
}

// TestConnectionRate: a replica that opens connections as fast as it can gets its rate, and its
// number at once; its neighbours aren't held up, nor is what stays in the lease.
func TestConnectionRate(t *testing.T) {
	sandboxes(t, func(t *testing.T, sandbox string) {
		reg := runtimetest.NewRegistry(t)
		opt := testOptions(t, sandbox, reg.Addr)
		opt.NewConnections, opt.Connections = 20, 30
		rt := openTest(t, opt)
		defer func() { destroy(t, rt) }()
		out := newOutside(t, rt)
		ctx := context.Background()
		id := runtimetest.Lease(1)
		if err := rt.Apply(ctx, runtimetest.Spec(id, 1, runtimetest.Service("web", testImage), runtimetest.Service("db", testImage))); err != nil {
			t.Fatal(err)
		}
		web, db := runtimetest.Ready(t, rt, id, "web", 1).Replicas[0].IP, runtimetest.Ready(t, rt, id, "db", 1).Replicas[0].IP
		runtimetest.Get(t, db, "/")
		var n int
		_, body := runtimetest.Get(t, web, "/flood", "addr", out.public, "times", "300")
		_, _ = fmt.Sscan(body, &n)
		// The burst is 40, one second adds 20, but no more than 30 at once.
		if n < 10 || n > 60 {
			t.Errorf("%d of 300 connections came to be", n)
		}
		t.Logf("%d of 300 connections came to be", n)
		if code, body := runtimetest.Get(t, db, "/dial", "addr", out.public); code != 200 {
			t.Errorf("a neighbour is held up: %d %s", code, body)
		}
		_, body = runtimetest.Get(t, web, "/flood", "addr", "db:8080", "times", "200")
		if _, _ = fmt.Sscan(body, &n); n != 200 {
			t.Errorf("%d of 200 connections within the lease", n)
		}
	})
}
