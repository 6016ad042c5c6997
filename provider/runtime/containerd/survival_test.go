package containerd

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	marketv1 "github.com/akash-supercloud/akash/api/akash/market/v1"
	"github.com/akash-supercloud/akash/provider/runtime"
	"github.com/akash-supercloud/akash/provider/runtime/runtimetest"
)

const testImage = "registry.example.com/test/app:1"

func testOptions(t testing.TB, sandbox, registry string) Options {
	return Options{Home: t.TempDir(), Registry: registry, Sandbox: sandbox, Runsc: runscPath(),
		StopGrace: 2 * time.Second, Log: testLog(t), DNS: []string{"127.0.0.1:1"}}
}

// TestMain lets the test binary play a provider that is killed.
func TestMain(m *testing.M) {
	if text := os.Getenv("AKASH_TEST_PROVIDER"); text != "" {
		child(text)
		return
	}
	os.Exit(m.Run())
}

type childTask struct {
	Opt   Options
	Specs []runtime.Spec
}

// child opens the runtime, applies the specs, says so, and waits to be killed.
func child(text string) {
	var task childTask
	if err := json.Unmarshal([]byte(text), &task); err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
	rt, err := New(context.Background(), task.Opt)
	if err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
	fmt.Println("open")
	for _, s := range task.Specs {
		if err := rt.Apply(context.Background(), s); err != nil {
			fmt.Println("error", err)
			os.Exit(1)
		}
	}
	fmt.Println("applied")
	time.Sleep(5 * time.Minute)
}

// startChild runs child and returns it with the lines that it says.
func startChild(t *testing.T, opt Options, specs ...runtime.Spec) (*exec.Cmd, <-chan string) {
	t.Helper()
	opt.Log = nil
	text, err := json.Marshal(childTask{opt, specs})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "AKASH_TEST_PROVIDER="+string(text))
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := make(chan string, 100)
	go func() {
		s := bufio.NewScanner(out)
		for s.Scan() {
			lines <- s.Text()
		}
		close(lines)
	}()
	return cmd, lines
}

func kill(cmd *exec.Cmd) {
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
}

func waitLine(t *testing.T, lines <-chan string, want string) {
	t.Helper()
	for {
		select {
		case l, ok := <-lines:
			if !ok || strings.HasPrefix(l, "error") {
				t.Fatalf("the provider says %q", l)
			}
			if l == want {
				return
			}
		case <-time.After(time.Minute):
			t.Fatalf("the provider doesn't say %q", want)
		}
	}
}

// pids returns the pid of each running container's first process, by container.
func pids(t *testing.T, rt *Runtime) map[string]uint32 {
	t.Helper()
	ctx := context.Background()
	cs, err := rt.client.Containers(ctx)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]uint32{}
	for _, c := range cs {
		if task, err := c.Task(ctx, nil); err == nil {
			if !alive(int(task.Pid())) {
				t.Errorf("process %d of %s is dead", task.Pid(), c.ID())
			}
			out[c.ID()] = task.Pid()
		}
	}
	return out
}

func sandboxes(t *testing.T, run func(t *testing.T, sandbox string)) {
	for _, s := range []string{GVisor, Runc} {
		t.Run(s, func(t *testing.T) { need(t, s); run(t, s) })
	}
}

// machine is what of the whole machine a lease could leave something in.
func machine(t *testing.T, rt *Runtime) map[string][]string {
	t.Helper()
	out := map[string][]string{}
	links, err := netlink.LinkList()
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range links {
		if strings.Contains(l.Attrs().Name, rt.tag) { // others may work on the machine too
			out["links"] = append(out["links"], l.Attrs().Name)
		}
	}
	routes, _ := netlink.RouteList(nil, netlink.FAMILY_V4)
	for _, r := range routes {
		if r.Dst != nil && strings.HasPrefix(r.Dst.IP.String(), strings.TrimSuffix(rt.net.subnet.Addr().String(), "0.0")) {
			out["routes"] = append(out["routes"], r.String())
		}
	}
	rules, _ := exec.Command(rt.net.nft, "-s", "list", "table", "inet", rt.net.table()).Output() // -s: without counters
	for l := range strings.Lines(string(rules)) {
		out["rules"] = append(out["rules"], l)
	}
	mounts, _ := os.ReadFile("/proc/self/mountinfo")
	for l := range strings.Lines(string(mounts)) {
		if strings.Contains(l, rt.tag) || strings.Contains(l, rt.opt.Home) {
			f := strings.Fields(l)
			// One for each runsc root, not for each container; it goes with Destroy.
			if !strings.HasSuffix(f[4], "null-netns") {
				out["mounts"] = append(out["mounts"], f[4])
			}
		}
	}
	for _, dir := range []string{rt.run, filepath.Join(rt.opt.Home, "leases"), filepath.Join(rt.opt.Home, "volumes"),
		filepath.Join(rt.opt.Home, "containerd/root/io.containerd.snapshotter.v1.overlayfs/snapshots")} {
		_ = filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
			if strings.Contains(path, "/snapshots/") && strings.Count(strings.TrimPrefix(path, dir), "/") > 1 {
				return filepath.SkipDir
			}
			if err == nil {
				out["files"] = append(out["files"], path)
			}
			return nil
		})
	}
	for _, dir := range rt.cgroupDirs("/akash-" + rt.tag) {
		entries, _ := os.ReadDir(dir)
		for _, e := range entries {
			if e.IsDir() {
				out["cgroups"] = append(out["cgroups"], filepath.Join(dir, e.Name()))
			}
		}
	}
	procs, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, p := range procs {
		if b, err := os.ReadFile(p); err == nil && strings.Contains(string(b), "akash-"+rt.tag) {
			out["processes"] = append(out["processes"], strings.ReplaceAll(string(b), "\x00", " "))
		}
	}
	loops, _ := filepath.Glob("/sys/block/loop*/loop/backing_file")
	for _, l := range loops {
		if b, _ := os.ReadFile(l); strings.Contains(string(b), rt.opt.Home) {
			out["loops"] = append(out["loops"], string(b))
		}
	}
	cs, _ := rt.client.Containers(context.Background())
	for _, c := range cs {
		out["containers"] = append(out["containers"], c.ID())
	}
	for k := range out {
		slices.Sort(out[k])
	}
	return out
}

// same polls until the machine is as before: processes take a moment to end.
func same(t *testing.T, rt *Runtime, before map[string][]string) {
	t.Helper()
	runtimetest.Until(t, 10*time.Second, "the machine is as before", func() (bool, string) {
		after := machine(t, rt)
		for k := range after {
			for _, x := range after[k] {
				if !slices.Contains(before[k], x) {
					return false, fmt.Sprintf("left in %s: %s", k, x)
				}
			}
		}
		for k := range before {
			for _, x := range before[k] {
				if !slices.Contains(after[k], x) {
					return false, fmt.Sprintf("gone from %s: %s", k, x)
				}
			}
		}
		return true, ""
	})
}

func wholeSpec(id int) runtime.Spec {
	return runtimetest.Spec(runtimetest.Lease(id), 1,
		runtimetest.Service("web", testImage, runtimetest.Count(2), runtimetest.With("data", 16<<20, "beta2", "/data"), runtimetest.With("ram", 4<<20, "ram", "/ram")),
		runtimetest.Service("db", testImage))
}

func TestRemoveLeavesNothing(t *testing.T) {
	sandboxes(t, func(t *testing.T, sandbox string) {
		reg := runtimetest.NewRegistry(t)
		opt := testOptions(t, sandbox, reg.Addr)
		rt := openTest(t, opt)
		ctx := context.Background()
		// One lease first: the image stays, so do the folders that every lease shares.
		if err := errors.Join(rt.Apply(ctx, wholeSpec(1)), rt.Remove(ctx, runtimetest.Lease(1))); err != nil {
			t.Fatal(err)
		}
		before := machine(t, rt)
		for i := range 3 {
			if err := rt.Apply(ctx, wholeSpec(i)); err != nil {
				t.Fatal(err)
			}
			runtimetest.Ready(t, rt, runtimetest.Lease(i), "web", 1)
		}
		if during := machine(t, rt); len(during["mounts"]) <= len(before["mounts"]) || len(during["rules"]) == 0 ||
			len(during["links"]) != len(before["links"])+9 || len(during["loops"]) != 6 || len(during["processes"]) < 9 || len(during["cgroups"]) == 0 {
			t.Fatalf("the test doesn't see what runs: %v", during)
		}
		for i := range 3 {
			if err := rt.Remove(ctx, runtimetest.Lease(i)); err != nil {
				t.Fatal(err)
			}
		}
		same(t, rt, before)
		destroy(t, rt)
		links, _ := netlink.LinkList()
		for _, l := range links {
			if strings.Contains(l.Attrs().Name, rt.tag) {
				t.Errorf("the device %s is left", l.Attrs().Name)
			}
		}
		if rt.net.claimed() {
			t.Error("the subnet's route is left")
		}
		if out, err := exec.Command(rt.net.nft, "list", "table", "inet", rt.net.table()).CombinedOutput(); err == nil {
			t.Errorf("the table is left: %s", out)
		}
		if b, _ := os.ReadFile("/proc/self/mountinfo"); strings.Contains(string(b), rt.tag) || strings.Contains(string(b), opt.Home) {
			t.Error("mounts are left after Destroy")
		}
		if _, err := os.Stat(rt.run); !os.IsNotExist(err) {
			t.Errorf("%s is left", rt.run)
		}
		if left, _ := os.ReadDir(opt.Home); len(left) > 0 {
			t.Errorf("the home has %v", left)
		}
		if dirs := rt.cgroupDirs("/akash-" + rt.tag); sandbox == Runc && len(dirs) > 0 {
			t.Errorf("cgroups: %v", dirs)
		}
	})
}

// TestKilledProvider: kill -9 of the provider touches nothing; the next finds all of it.
func TestKilledProvider(t *testing.T) {
	sandboxes(t, func(t *testing.T, sandbox string) {
		reg := runtimetest.NewRegistry(t)
		opt := testOptions(t, sandbox, reg.Addr)
		spec := wholeSpec(1)
		cmd, lines := startChild(t, opt, spec)
		waitLine(t, lines, "applied")
		// Its home is its own.
		if _, err := New(context.Background(), opt); err == nil || !strings.Contains(err.Error(), "in use") {
			t.Errorf("a second provider with the same home: %v", err)
		}
		kill(cmd)
		rt := openTest(t, opt)
		defer func() { destroy(t, rt) }()
		first := pids(t, rt)
		if len(first) != 3 {
			t.Fatalf("%d containers, want 3", len(first))
		}
		for _, r := range runtimetest.Ready(t, rt, spec.Lease, "web", 1).Replicas {
			if code, body := runtimetest.Get(t, r.IP, "/"); code != 200 || body != "hello" || r.Restarts != 0 {
				t.Errorf("%+v answers %d %q", r, code, body)
			}
		}
		rt.crash()
		rt = openTest(t, opt)
		if second := pids(t, rt); fmt.Sprint(second) != fmt.Sprint(first) {
			t.Errorf("processes %v, were %v", second, first)
		}
		// A replica that ends while nobody looks is started again.
		ip := runtimetest.Ready(t, rt, spec.Lease, "db", 1).Replicas[0].IP
		_, _ = runtimetest.Get(t, ip, "/log", "line", "before")
		rt.crash()
		dial(ip, "/exit?code=7")
		rt = openTest(t, opt)
		runtimetest.Until(t, 20*time.Second, "db is back", func() (bool, string) {
			st, _ := rt.Status(context.Background(), spec.Lease)
			r := st.Services["db"].Replicas[0]
			return r.State == runtime.StateRunning && r.Restarts == 1 && r.ExitCode != nil && *r.ExitCode == 7, fmt.Sprintf("%+v", r)
		})
		if lines := runtimetest.Lines(t, rt, spec.Lease, -1, "db"); !slices.Contains(lines, "before") {
			t.Errorf("log lines are lost: %q", lines)
		}
	})
}

// dial asks for a path and doesn't mind when the answer never comes.
func dial(ip, path string) {
	conn, err := net.DialTimeout("tcp", ip+":8080", 5*time.Second)
	if err != nil {
		return
	}
	defer conn.Close()
	fmt.Fprintf(conn, "GET %s HTTP/1.0\r\n\r\n", path)
	_, _ = bufio.NewReader(conn).ReadString('\n')
}

// TestKilledAtAnyMoment kills the provider while it starts a lease, at random moments; the next
// one brings the lease to its end, or removes it, and nothing is left over.
func TestKilledAtAnyMoment(t *testing.T) {
	sandboxes(t, func(t *testing.T, sandbox string) {
		reg := runtimetest.NewRegistry(t)
		opt := testOptions(t, sandbox, reg.Addr)
		rt := openTest(t, opt)
		defer func() { destroy(t, rt) }()
		ctx := context.Background()
		if err := errors.Join(rt.Apply(ctx, wholeSpec(1)), rt.Remove(ctx, runtimetest.Lease(1))); err != nil {
			t.Fatal(err)
		}
		before := machine(t, rt)
		seed := uint64(time.Now().UnixNano())
		if s := os.Getenv("AKASH_TEST_SEED"); s != "" {
			seed, _ = strconv.ParseUint(s, 10, 64)
		}
		t.Logf("seed %d", seed)
		rnd := rand.New(rand.NewPCG(seed, 1))
		for round := range 8 {
			if err := rt.Close(); err != nil {
				t.Fatal(err)
			}
			spec := wholeSpec(round)
			cmd, lines := startChild(t, opt, spec)
			waitLine(t, lines, "open")
			after := time.Duration(rnd.IntN(1200)) * time.Millisecond
			time.Sleep(after) // the moment is what is random
			kill(cmd)
			rt = openTest(t, opt)
			ids, err := rt.List(ctx)
			if err != nil {
				t.Fatal(err)
			}
			if len(ids) > 0 && rnd.IntN(2) == 0 {
				// By itself, without a new Apply.
				runtimetest.Ready(t, rt, spec.Lease, "web", 1)
				runtimetest.Ready(t, rt, spec.Lease, "db", 1)
				if n := len(pids(t, rt)); n != 3 {
					t.Errorf("killed after %s: %d containers, want 3", after, n)
				}
			}
			if err := rt.Remove(ctx, spec.Lease); err != nil {
				t.Fatal(err)
			}
			same(t, rt, before)
		}
	})
}

// TestKilledContainerd: kill -9 of containerd; it comes back, containers never stopped.
func TestKilledContainerd(t *testing.T) {
	sandboxes(t, func(t *testing.T, sandbox string) {
		reg := runtimetest.NewRegistry(t)
		opt := testOptions(t, sandbox, reg.Addr)
		rt := openTest(t, opt)
		defer func() { destroy(t, rt) }()
		spec := wholeSpec(1)
		if err := rt.Apply(context.Background(), spec); err != nil {
			t.Fatal(err)
		}
		before := pids(t, rt)
		web := runtimetest.Ready(t, rt, spec.Lease, "web", 1).Replicas[0]
		db := runtimetest.Ready(t, rt, spec.Lease, "db", 1).Replicas[0]
		runtimetest.Get(t, web.IP, "/")
		runtimetest.Get(t, db.IP, "/")
		pid := rt.daemon.find()
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		// While it is away replicas answer, and one may even end.
		if code, _ := runtimetest.Get(t, web.IP, "/log", "line", "while away"); code != 200 {
			t.Error("the replica doesn't answer")
		}
		dial(db.IP, "/exit?code=9")
		runtimetest.Until(t, 20*time.Second, "containerd is back", func() (bool, string) {
			now := rt.daemon.find()
			return now != 0 && now != pid && rt.daemon.running(), strconv.Itoa(now)
		})
		runtimetest.Until(t, 30*time.Second, "db is started again", func() (bool, string) {
			st, err := rt.Status(context.Background(), spec.Lease)
			r := st.Services["db"].Replicas[0]
			return err == nil && r.State == runtime.StateRunning && r.Restarts == 1, fmt.Sprintf("%+v", r)
		})
		after := pids(t, rt)
		kept := 0
		for id, p := range before {
			if after[id] == p {
				kept++
			}
		}
		if kept != 2 || len(after) != 3 {
			t.Errorf("processes %v, were %v: 2 of 3 should be the same", after, before)
		}
		if lines := runtimetest.Lines(t, rt, spec.Lease, -1, "web"); !slices.Contains(lines, "while away") {
			t.Errorf("log lines are lost: %q", lines)
		}
	})
}

// TestKilledShim: a container whose shim is killed is made anew, and nothing of the old one lives.
func TestKilledShim(t *testing.T) {
	sandboxes(t, func(t *testing.T, sandbox string) {
		reg := runtimetest.NewRegistry(t)
		rt := openTest(t, testOptions(t, sandbox, reg.Addr))
		defer func() { destroy(t, rt) }()
		spec := runtimetest.Spec(runtimetest.Lease(1), 1, runtimetest.Service("web", testImage))
		if err := rt.Apply(context.Background(), spec); err != nil {
			t.Fatal(err)
		}
		runtimetest.Ready(t, rt, spec.Lease, "web", 1)
		var id string
		var old uint32
		for id, old = range pids(t, rt) {
		}
		procs, _ := filepath.Glob("/proc/[0-9]*/cmdline")
		killed := 0
		for _, p := range procs {
			b, _ := os.ReadFile(p)
			if strings.Contains(string(b), "containerd-shim") && strings.Contains(string(b), id) {
				n, _ := strconv.Atoi(strings.Split(p, "/")[2])
				_ = syscall.Kill(n, syscall.SIGKILL)
				killed++
			}
		}
		if killed != 1 {
			t.Fatalf("%d shims of %s", killed, id)
		}
		runtimetest.Until(t, 20*time.Second, "it is made anew", func() (bool, string) {
			st, _ := rt.Status(context.Background(), spec.Lease)
			r := st.Services["web"].Replicas[0]
			return r.State == runtime.StateRunning && r.Restarts == 1, fmt.Sprintf("%+v", r)
		})
		if alive(int(old)) {
			t.Error("the old container's process lives")
		}
		runtimetest.Get(t, runtimetest.Ready(t, rt, spec.Lease, "web", 1).Replicas[0].IP, "/")
	})
}

// TestLostState: the lease's files are gone; its labels say enough to find and remove it.
func TestLostState(t *testing.T) {
	need(t, Runc)
	reg := runtimetest.NewRegistry(t)
	opt := testOptions(t, Runc, reg.Addr)
	rt := openTest(t, opt)
	defer func() { destroy(t, rt) }()
	ctx := context.Background()
	if err := errors.Join(rt.Apply(ctx, wholeSpec(1)), rt.Remove(ctx, runtimetest.Lease(1))); err != nil {
		t.Fatal(err)
	}
	before := machine(t, rt)
	spec := wholeSpec(1)
	spec.Group.Services = spec.Group.Services[1:]
	if err := rt.Apply(ctx, spec); err != nil {
		t.Fatal(err)
	}
	first := pids(t, rt)
	ip := runtimetest.Ready(t, rt, spec.Lease, "db", 1).Replicas[0].IP
	for _, lost := range []string{"replicas.json", "state.json"} {
		rt.crash()
		if err := os.Remove(filepath.Join(opt.Home, "leases", leaseKey(spec.Lease), lost)); err != nil {
			t.Fatal(err)
		}
		rt = openTest(t, opt)
		if ids, _ := rt.List(ctx); !slices.Equal(ids, []marketv1.LeaseID{spec.Lease}) {
			t.Fatalf("without %s List is %v", lost, ids)
		}
		if now := pids(t, rt); fmt.Sprint(now) != fmt.Sprint(first) {
			t.Errorf("without %s: processes %v, were %v", lost, now, first)
		}
		if err := rt.Apply(ctx, spec); err != nil {
			t.Fatal(err)
		}
		if r := runtimetest.Ready(t, rt, spec.Lease, "db", 1).Replicas[0]; r.IP != ip || fmt.Sprint(pids(t, rt)) != fmt.Sprint(first) {
			t.Errorf("without %s the replica is another: %+v", lost, r)
		}
	}
	rt.crash()
	_ = os.RemoveAll(filepath.Join(opt.Home, "leases", leaseKey(spec.Lease)))
	rt = openTest(t, opt)
	if err := rt.Remove(ctx, spec.Lease); err != nil {
		t.Fatal(err)
	}
	same(t, rt, before)
}

// TestReboot: every process, mount, device, route and rule is gone, as after a crash of the
// machine; what must run runs again, with its volumes.
func TestReboot(t *testing.T) {
	sandboxes(t, func(t *testing.T, sandbox string) {
		reg := runtimetest.NewRegistry(t)
		opt := testOptions(t, sandbox, reg.Addr)
		rt := openTest(t, opt)
		defer func() { destroy(t, rt) }()
		ctx := context.Background()
		spec := wholeSpec(1)
		if err := rt.Apply(ctx, spec); err != nil {
			t.Fatal(err)
		}
		ip := runtimetest.Ready(t, rt, spec.Lease, "web", 1).Replicas[0].IP
		if code, body := runtimetest.Get(t, ip, "/write", "path", "/data/kept", "bytes", "12345"); code != 200 {
			t.Fatal(body)
		}
		rt.crash()
		_ = syscall.Kill(rt.daemon.find(), syscall.SIGKILL)
		rt.sweepProcesses(nil)
		rt.net.sweep(nil)
		rt.net.unclaim()
		if err := errors.Join(rt.net.dropTable(ctx), unmountBelow(rt.run), os.RemoveAll(rt.run)); err != nil {
			t.Fatal(err)
		}
		rt = openTest(t, opt)
		r := runtimetest.Ready(t, rt, spec.Lease, "web", 1).Replicas[0]
		runtimetest.Ready(t, rt, spec.Lease, "db", 1)
		if r.IP != ip {
			t.Errorf("the address is %s, was %s", r.IP, ip)
		}
		if code, body := runtimetest.Get(t, r.IP, "/stat", "path", "/data/kept"); code != 200 || body != "12345" {
			t.Errorf("the volume: %d %s", code, body)
		}
	})
}

// TestManyAtOnce: leases come, change and go at the same time, in random order; in the end what
// runs is what was wanted last.
func TestManyAtOnce(t *testing.T) {
	sandboxes(t, func(t *testing.T, sandbox string) {
		reg := runtimetest.NewRegistry(t)
		opt := testOptions(t, sandbox, reg.Addr)
		opt.Log = nil
		rt := openTest(t, opt)
		defer func() { destroy(t, rt) }()
		ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
		defer cancel()
		if err := errors.Join(rt.Apply(ctx, wholeSpec(1)), rt.Remove(ctx, runtimetest.Lease(1))); err != nil {
			t.Fatal(err)
		}
		before := machine(t, rt)
		seed := uint64(time.Now().UnixNano())
		t.Logf("seed %d", seed)
		var wg sync.WaitGroup
		last := make([]uint64, 6) // generation, 0: removed
		for i := range last {
			wg.Add(1)
			go func() {
				defer wg.Done()
				rnd := rand.New(rand.NewPCG(seed, uint64(i)))
				id := runtimetest.Lease(i)
				for g := uint64(1); g <= 5; g++ {
					if rnd.IntN(3) == 0 && g > 1 {
						if err := rt.Remove(ctx, id); err != nil {
							t.Error(err)
						}
						last[i] = 0
						continue
					}
					// Some are given up before they are done; they go on by themselves.
					actx, stop := ctx, context.CancelFunc(func() {})
					if rnd.IntN(3) == 0 {
						actx, stop = context.WithTimeout(ctx, time.Duration(rnd.IntN(200))*time.Millisecond)
					}
					err := rt.Apply(actx, runtimetest.Spec(id, g, runtimetest.Service("web", testImage, runtimetest.Count(uint32(1+rnd.IntN(2))), runtimetest.Env("MARK="+strconv.Itoa(rnd.IntN(2))))))
					stop()
					if err == nil {
						last[i] = g
					} else if !errors.Is(err, context.DeadlineExceeded) {
						t.Error(err)
					} else if st, err := rt.Status(ctx, id); err == nil {
						last[i] = st.Generation
					} else {
						last[i] = 0
					}
				}
			}()
		}
		wg.Wait()
		for i, g := range last {
			id := runtimetest.Lease(i)
			if g == 0 {
				if _, err := rt.Status(ctx, id); !errors.Is(err, runtime.ErrNotFound) {
					t.Errorf("lease %d was removed last, and is there: %v", i, err)
				}
				continue
			}
			for _, r := range runtimetest.Ready(t, rt, id, "web", g).Replicas {
				runtimetest.Get(t, r.IP, "/")
			}
			if err := rt.Remove(ctx, id); err != nil {
				t.Error(err)
			}
		}
		same(t, rt, before)
	})
}
