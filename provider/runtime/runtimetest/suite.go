// Package runtimetest is what every backend of provider/runtime must pass. Suite runs on the
// in-memory fake and, in a container's eyes too, on real backends; it knows nothing of how a
// backend works inside.
package runtimetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"cosmossdk.io/math"

	attributesv1 "github.com/akash-supercloud/akash/api/akash/base/attributes/v1"
	resources "github.com/akash-supercloud/akash/api/akash/base/resources/v1beta4"
	manifestv2 "github.com/akash-supercloud/akash/api/akash/manifest/v2beta3"
	marketv1 "github.com/akash-supercloud/akash/api/akash/market/v1"
	"github.com/akash-supercloud/akash/provider/runtime"
)

// Backend is a backend under test.
type Backend struct {
	Runtime runtime.Runtime
	// Restart gives up the Runtime without Close, as kill -9 of the provider does, and returns
	// a new one over what is there.
	Restart func() runtime.Runtime
	// Image, OtherImage and Missing name images: two that run, one that doesn't exist.
	Image, OtherImage, Missing string
	// Private is an image that only the user u with the password secret may have; empty: not tested.
	Private string
	// Real says that replicas are containers of the test image, reached by their address.
	Real bool
	// Forbidden are addresses (host:port) of echo servers, over TCP and UDP, that must be out of
	// reach; ForbiddenTCP only over TCP. The backend's test opens them.
	Forbidden, ForbiddenTCP []string
	// Outside is the address of an echo server (it answers the first line) on the public side; empty: not tested.
	Outside string
}

// RequireContainers skips the test where containers can't be run. With AKASH_TEST_CONTAINERS=1
// that is a failure.
func RequireContainers(t testing.TB, programs ...string) {
	t.Helper()
	why := ""
	if os.Geteuid() != 0 {
		why = "containers need root"
	}
	for _, p := range programs {
		if why == "" && p == "" {
			why = "a program is missing"
		}
	}
	if why == "" {
		return
	}
	if os.Getenv("AKASH_TEST_CONTAINERS") == "1" {
		t.Fatal("AKASH_TEST_CONTAINERS=1, but " + why)
	}
	t.Skip(why + "; set AKASH_TEST_CONTAINERS=1 to make this a failure")
}

// Lease returns a lease id of its own for each number.
func Lease(n int) marketv1.LeaseID {
	return marketv1.LeaseID{Owner: "akash1testowner", DSeq: uint64(1000 + n), GSeq: 1, OSeq: 1, Provider: "akash1testprovider"}
}

func value(n uint64) resources.ResourceValue {
	return resources.ResourceValue{Val: math.NewIntFromUint64(n)}
}

// Volume is storage for Service.
func Volume(name string, size uint64, class, mount string) (resources.Storage, *manifestv2.StorageParams) {
	s := resources.Storage{Name: name, Quantity: value(size)}
	switch class {
	case "":
	case "ram":
		s.Attributes = []attributesv1.Attribute{{Key: "class", Value: "ram"}, {Key: "persistent", Value: "false"}}
	default:
		s.Attributes = []attributesv1.Attribute{{Key: "class", Value: class}, {Key: "persistent", Value: "true"}}
	}
	if mount == "" {
		return s, nil
	}
	return s, &manifestv2.StorageParams{Name: name, Mount: mount}
}

// Service returns a service of the test image: half a core, 128 MiB, 64 MiB of disk, port 8080 as 80.
func Service(name, image string, change ...func(*manifestv2.Service)) manifestv2.Service {
	s := manifestv2.Service{
		Name: name, Image: image, Count: 1,
		Resources: resources.Resources{
			ID:      1,
			CPU:     &resources.CPU{Units: value(500)},
			Memory:  &resources.Memory{Quantity: value(128 << 20)},
			Storage: []resources.Storage{{Name: "default", Quantity: value(64 << 20)}},
		},
		Expose: []manifestv2.ServiceExpose{{Port: 8080, ExternalPort: 80, Proto: "TCP", Global: true}},
	}
	for _, c := range change {
		c(&s)
	}
	return s
}

// Count, Env and so on are changes for Service.
func Count(n uint32) func(*manifestv2.Service) { return func(s *manifestv2.Service) { s.Count = n } }

// Env sets the environment.
func Env(env ...string) func(*manifestv2.Service) {
	return func(s *manifestv2.Service) { s.Env = env }
}

// Args sets args.
func Args(args ...string) func(*manifestv2.Service) {
	return func(s *manifestv2.Service) { s.Args = args }
}

// Command sets command.
func Command(c ...string) func(*manifestv2.Service) {
	return func(s *manifestv2.Service) { s.Command = c }
}

// Memory sets the memory in bytes.
func Memory(n uint64) func(*manifestv2.Service) {
	return func(s *manifestv2.Service) { s.Resources.Memory.Quantity = value(n) }
}

// CPU sets thousandths of a core.
func CPU(n uint64) func(*manifestv2.Service) {
	return func(s *manifestv2.Service) { s.Resources.CPU.Units = value(n) }
}

// With adds a volume.
func With(name string, size uint64, class, mount string) func(*manifestv2.Service) {
	return func(s *manifestv2.Service) {
		st, p := Volume(name, size, class, mount)
		s.Resources.Storage = append(s.Resources.Storage, st)
		if p != nil {
			if s.Params == nil {
				s.Params = &manifestv2.ServiceParams{}
			}
			s.Params.Storage = append(s.Params.Storage, *p)
		}
	}
}

// Spec returns a spec of the services.
func Spec(lease marketv1.LeaseID, generation uint64, services ...manifestv2.Service) runtime.Spec {
	return runtime.Spec{
		Lease: lease, Generation: generation,
		Group: manifestv2.Group{Name: "group", Services: services},
		Env:   []string{"AKASH_OWNER=" + lease.Owner, "BOTH=provider"},
	}
}

// Until polls until ok is true, or fails the test with what it saw last.
func Until(t testing.TB, limit time.Duration, what string, ok func() (bool, string)) {
	t.Helper()
	end := time.Now().Add(limit)
	for {
		done, saw := ok()
		if done {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%s: not within %s; last seen: %s", what, limit, saw)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// Ready waits until all replicas of a service run the generation, and returns the service's status.
func Ready(t testing.TB, rt runtime.Runtime, id marketv1.LeaseID, service string, generation uint64) runtime.ServiceStatus {
	t.Helper()
	var s runtime.ServiceStatus
	Until(t, 30*time.Second, service+" is ready", func() (bool, string) {
		st, err := rt.Status(context.Background(), id)
		if err != nil {
			return false, err.Error()
		}
		s = st.Services[service]
		if s.Total == 0 || s.Ready != s.Total || len(s.Replicas) != int(s.Total) {
			return false, fmt.Sprintf("%+v", s)
		}
		for _, r := range s.Replicas {
			if r.Generation != generation {
				return false, fmt.Sprintf("%+v", s)
			}
		}
		return true, ""
	})
	return s
}

// Get asks a replica's HTTP side, until it answers at all.
func Get(t testing.TB, ip, path string, query ...string) (int, string) {
	t.Helper()
	v := url.Values{}
	for i := 0; i+1 < len(query); i += 2 {
		v.Set(query[i], query[i+1])
	}
	u := "http://" + ip + ":8080" + path + "?" + v.Encode()
	client := &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	var code int
	var body string
	Until(t, 20*time.Second, "GET "+u, func() (bool, string) {
		resp, err := client.Get(u)
		if err != nil {
			return false, err.Error()
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			return false, err.Error()
		}
		code, body = resp.StatusCode, string(b)
		return true, ""
	})
	return code, body
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func apply(t testing.TB, b *Backend, s runtime.Spec) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	must(t, b.Runtime.Apply(ctx, s))
}

func remove(t testing.TB, b *Backend, id marketv1.LeaseID) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	must(t, b.Runtime.Remove(ctx, id))
}

// Suite runs every test that the backend can be asked to pass.
func Suite(t *testing.T, b *Backend) {
	tests := []struct {
		name string
		real bool
		run  func(*testing.T, *Backend)
	}{
		{"life", false, testLife},
		{"update", false, testUpdate},
		{"missing image", false, testMissingImage},
		{"replicas", false, testReplicas},
		{"restart of the provider", false, testRestart},
		{"inventory", false, testInventory},
		{"http, env, command", true, testHTTP},
		{"names and ports in the lease", true, testNames},
		{"logs", true, testLogs},
		{"exec", true, testExec},
		{"memory limit", true, testMemory},
		{"crash loop", true, testCrashLoop},
		{"bad command", true, testBadCommand},
		{"volumes", true, testVolumes},
		{"private image", true, testPrivate},
		{"isolation", true, testIsolation},
		{"privileges", true, testPrivileges},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.real && !b.Real {
				t.Skip("the backend has no real containers")
			}
			tt.run(t, b)
		})
	}
	ids, err := b.Runtime.List(context.Background())
	must(t, err)
	if len(ids) != 0 {
		t.Errorf("leases are left: %v", ids)
	}
}

func testLife(t *testing.T, b *Backend) {
	ctx := context.Background()
	id := Lease(1)
	if _, err := b.Runtime.Status(ctx, id); !errors.Is(err, runtime.ErrNotFound) {
		t.Fatalf("status of nothing: %v", err)
	}
	remove(t, b, id) // of nothing: no error
	spec := Spec(id, 1, Service("web", b.Image))
	apply(t, b, spec)
	s := Ready(t, b.Runtime, id, "web", 1)
	first := s.Replicas[0]
	if first.State != runtime.StateRunning || first.IP == "" || first.StartedAt.IsZero() || first.Name == "" || s.Reason != "" {
		t.Errorf("replica: %+v, reason %q", first, s.Reason)
	}
	ids, err := b.Runtime.List(ctx)
	must(t, err)
	if !slices.Contains(ids, id) {
		t.Errorf("List = %v lacks %v", ids, id)
	}
	apply(t, b, spec)
	spec.Generation = 2
	apply(t, b, spec)
	if again := Ready(t, b.Runtime, id, "web", 2).Replicas[0]; !again.StartedAt.Equal(first.StartedAt) || again.Restarts != 0 {
		t.Errorf("applying the same again touched the replica: %+v, was %+v", again, first)
	}
	remove(t, b, id)
	remove(t, b, id)
	if _, err := b.Runtime.Status(ctx, id); !errors.Is(err, runtime.ErrNotFound) {
		t.Errorf("status after remove: %v", err)
	}
	if ids, _ := b.Runtime.List(ctx); slices.Contains(ids, id) {
		t.Error("List still has the removed lease")
	}
}

func testUpdate(t *testing.T, b *Backend) {
	id := Lease(2)
	defer remove(t, b, id)
	apply(t, b, Spec(id, 1, Service("web", b.Image, Env("MARK=one")), Service("db", b.Image)))
	web, db := Ready(t, b.Runtime, id, "web", 1).Replicas[0], Ready(t, b.Runtime, id, "db", 1).Replicas[0]
	apply(t, b, Spec(id, 2, Service("web", b.Image, Env("MARK=two")), Service("db", b.Image)))
	web2, db2 := Ready(t, b.Runtime, id, "web", 2).Replicas[0], Ready(t, b.Runtime, id, "db", 2).Replicas[0]
	if !web2.StartedAt.After(web.StartedAt) {
		t.Error("the changed service wasn't replaced")
	}
	if !db2.StartedAt.Equal(db.StartedAt) {
		t.Error("the unchanged service was replaced")
	}
	if b.Real {
		if _, v := Get(t, web2.IP, "/env", "name", "MARK"); v != "two" {
			t.Errorf("MARK is %q after the update", v)
		}
	}
	apply(t, b, Spec(id, 3, Service("web", b.OtherImage, Env("MARK=two"))))
	Ready(t, b.Runtime, id, "web", 3)
	st, err := b.Runtime.Status(context.Background(), id)
	must(t, err)
	if _, there := st.Services["db"]; there || st.Generation != 3 {
		t.Errorf("a service that isn't in the spec any more is there: %+v", st)
	}
}

func testMissingImage(t *testing.T, b *Backend) {
	id := Lease(3)
	defer remove(t, b, id)
	apply(t, b, Spec(id, 1, Service("web", b.Missing), Service("db", b.Image)))
	st, err := b.Runtime.Status(context.Background(), id)
	must(t, err)
	web := st.Services["web"]
	if web.Ready != 0 || web.Reason == "" || !strings.Contains(web.Reason, b.Missing) {
		t.Errorf("a missing image: %+v", web)
	}
	t.Logf("reason: %s", web.Reason)
	Ready(t, b.Runtime, id, "db", 1)
	// Corrected, it runs at once; spoilt again, the running one stays and the reason is said.
	apply(t, b, Spec(id, 2, Service("web", b.Image), Service("db", b.Image)))
	before := Ready(t, b.Runtime, id, "web", 2).Replicas[0]
	apply(t, b, Spec(id, 3, Service("web", b.Missing), Service("db", b.Image)))
	st, err = b.Runtime.Status(context.Background(), id)
	must(t, err)
	web = st.Services["web"]
	if web.Ready != 1 || web.Reason == "" || !web.Replicas[0].StartedAt.Equal(before.StartedAt) || web.Replicas[0].Generation != 2 {
		t.Errorf("after a failed update: %+v", web)
	}
	t.Logf("reason: %s", web.Reason)
}

func testReplicas(t *testing.T, b *Backend) {
	id := Lease(4)
	defer remove(t, b, id)
	apply(t, b, Spec(id, 1, Service("web", b.Image, Count(3), Env("MARK=a"))))
	s := Ready(t, b.Runtime, id, "web", 1)
	seen := map[string]bool{}
	for i, r := range s.Replicas {
		if r.Index != i || seen[r.Name] || b.Real && seen[r.IP] {
			t.Errorf("replica %d: %+v", i, r)
		}
		seen[r.Name], seen[r.IP] = true, true
	}
	if b.Real {
		for _, r := range s.Replicas {
			Get(t, r.IP, "/") // all take requests
		}
		// While replicas are replaced there is one that answers at each moment.
		stop, failed := make(chan struct{}), make(chan string, 1)
		go func() {
			client := &http.Client{Timeout: 2 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
			var worst string
			for {
				select {
				case <-stop:
					failed <- worst
					return
				default:
				}
				ok := false
				for _, r := range s.Replicas {
					if resp, err := client.Get("http://" + r.IP + ":8080/"); err == nil {
						resp.Body.Close()
						ok = true
						break
					}
				}
				if !ok {
					worst = "no replica answered"
				}
				time.Sleep(5 * time.Millisecond)
			}
		}()
		apply(t, b, Spec(id, 2, Service("web", b.Image, Count(3), Env("MARK=b"))))
		Ready(t, b.Runtime, id, "web", 2)
		close(stop)
		if w := <-failed; w != "" {
			t.Error("during the update: " + w)
		}
	}
	apply(t, b, Spec(id, 3, Service("web", b.Image, Count(1), Env("MARK=b"))))
	Ready(t, b.Runtime, id, "web", 3)
}

func testRestart(t *testing.T, b *Backend) {
	id := Lease(5)
	defer remove(t, b, id)
	apply(t, b, Spec(id, 1, Service("web", b.Image, Count(2))))
	before := Ready(t, b.Runtime, id, "web", 1)
	b.Runtime = b.Restart()
	ids, err := b.Runtime.List(context.Background())
	must(t, err)
	if !slices.Contains(ids, id) {
		t.Fatalf("after a restart List is %v", ids)
	}
	after := Ready(t, b.Runtime, id, "web", 1)
	for i := range before.Replicas {
		if x, y := before.Replicas[i], after.Replicas[i]; !x.StartedAt.Equal(y.StartedAt) || x.IP != y.IP || y.Restarts != 0 {
			t.Errorf("a restart touched a replica: %+v, was %+v", y, x)
		}
	}
	apply(t, b, Spec(id, 2, Service("web", b.Image, Count(2))))
	for i, r := range Ready(t, b.Runtime, id, "web", 2).Replicas {
		if !r.StartedAt.Equal(before.Replicas[i].StartedAt) {
			t.Error("applying the same after a restart touched a replica")
		}
	}
}

func testInventory(t *testing.T, b *Backend) {
	inv, err := b.Runtime.Inventory(context.Background())
	must(t, err)
	if len(inv.Nodes) == 0 {
		t.Fatal("no nodes")
	}
	for _, n := range inv.Nodes {
		if n.Name == "" || n.Arch == "" || n.CPU.Cores == 0 || n.Allocatable.CPU == 0 || n.Allocatable.CPU > uint64(n.CPU.Cores)*1000 ||
			n.Allocatable.Memory == 0 || n.Allocatable.EphemeralStorage == 0 || n.Available != n.Allocatable {
			t.Errorf("node: %+v", n)
		}
	}
	t.Logf("%+v", inv)
}

func testHTTP(t *testing.T, b *Backend) {
	id := Lease(6)
	defer remove(t, b, id)
	apply(t, b, Spec(id, 1,
		Service("web", b.Image, Env("MARK=x=y", "EMPTY")),
		Service("cmd", b.Image, Command("/app", "args"), Args("one", "two")),
		Service("args", b.Image, Args("args", "three")),
	))
	ip := Ready(t, b.Runtime, id, "web", 1).Replicas[0].IP
	if code, body := Get(t, ip, "/"); code != 200 || body != "hello" {
		t.Errorf("GET / = %d %q", code, body)
	}
	for name, want := range map[string]string{"MARK": "x=y", "EMPTY": "", "FROM_IMAGE": "yes", "BOTH": "provider", "AKASH_OWNER": id.Owner} {
		if code, v := Get(t, ip, "/env", "name", name); code != 200 || v != want {
			t.Errorf("%s = %d %q, want %q", name, code, v, want)
		}
	}
	for service, want := range map[string]string{"cmd": "args|one|two", "args": "args|three"} {
		Until(t, 10*time.Second, service+" says its arguments", func() (bool, string) {
			lines := Lines(t, b.Runtime, id, -1, service)
			return slices.Contains(lines, want), fmt.Sprint(lines)
		})
	}
	// A write within the disk's size passes, one beyond it fails and does no harm.
	if code, body := Get(t, ip, "/write", "path", "/tmp/a", "bytes", fmt.Sprint(16<<20)); code != 200 {
		t.Errorf("16 MiB of 64: %d %s", code, body)
	}
}

func testNames(t *testing.T, b *Backend) {
	id := Lease(7)
	defer remove(t, b, id)
	apply(t, b, Spec(id, 1, Service("web", b.Image), Service("db", b.Image, Count(2))))
	web := Ready(t, b.Runtime, id, "web", 1).Replicas[0].IP
	for _, r := range Ready(t, b.Runtime, id, "db", 1).Replicas {
		Get(t, r.IP, "/")
	}
	for _, u := range []string{"http://db:8080/", "http://db/", "http://web:8080/", "http://localhost:8080/"} {
		if code, body := Get(t, web, "/get", "url", u); code != 200 || body != "200 hello" {
			t.Errorf("GET %s from inside = %d %q", u, code, body)
		}
	}
	if code, _ := Get(t, web, "/get", "url", "http://other:8080/"); code == 200 {
		t.Error("an unknown name answered")
	}
	if code, body := Get(t, web, "/dial", "network", "udp", "addr", "db:8081"); code != 200 || body != "ping\n" {
		t.Errorf("UDP in the lease: %d %q", code, body)
	}
	// A service that comes by an update is known to those that stay.
	apply(t, b, Spec(id, 2, Service("web", b.Image), Service("db", b.Image, Count(2)), Service("late", b.Image)))
	Get(t, Ready(t, b.Runtime, id, "late", 2).Replicas[0].IP, "/")
	if code, body := Get(t, web, "/get", "url", "http://late:8080/"); code != 200 {
		t.Errorf("a new service from an old replica: %d %q", code, body)
	}
}

// Lines returns the log lines of services as they are now.
func Lines(t testing.TB, rt runtime.Runtime, id marketv1.LeaseID, tail int, services ...string) []string {
	t.Helper()
	var out []string
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := rt.Logs(ctx, id, runtime.LogOptions{Services: services, Tail: tail}, func(l runtime.LogLine) error {
		out = append(out, l.Line)
		return nil
	}); err != nil && !errors.Is(err, runtime.ErrNotFound) {
		t.Fatal(err)
	}
	return out
}

func testLogs(t *testing.T, b *Backend) {
	id := Lease(8)
	apply(t, b, Spec(id, 1, Service("web", b.Image, Env("MARK=m")), Service("db", b.Image)))
	ip := Ready(t, b.Runtime, id, "web", 1).Replicas[0].IP
	// A reader that follows from before.
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	followed := make(chan runtime.LogLine, 1000)
	ended := make(chan error, 1)
	go func() {
		ended <- b.Runtime.Logs(ctx, id, runtime.LogOptions{Services: []string{"web"}, Follow: true, Tail: -1}, func(l runtime.LogLine) error {
			followed <- l
			return nil
		})
	}()
	next := func(want string) {
		t.Helper()
		select {
		case l := <-followed:
			if l.Line != want || l.Service != "web" || l.Replica == "" {
				t.Fatalf("followed %+v, want %q", l, want)
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("no line %q", want)
		}
	}
	next("started m")
	Get(t, ip, "/log", "line", "n#", "times", "20")
	for i := range 20 {
		next(fmt.Sprintf("n%d", i))
	}
	Get(t, ip, "/error", "line", "to stderr")
	next("to stderr")
	long := strings.Repeat("y", 1000)
	Get(t, ip, "/log", "line", strings.Repeat(long, 100))
	for n := 0; n < 100_000; {
		select {
		case l := <-followed:
			if len(l.Line) > 64<<10 || strings.Trim(l.Line, "y") != "" {
				t.Fatalf("a part of a long line has %d bytes", len(l.Line))
			}
			n += len(l.Line)
		case <-time.After(10 * time.Second):
			t.Fatal("a long line is cut")
		}
	}
	Get(t, ip, "/log", "line", "last")
	next("last")
	if got := Lines(t, b.Runtime, id, 1, "web"); !slices.Equal(got, []string{"last"}) {
		t.Errorf("tail 1: %q", got)
	}
	if got := Lines(t, b.Runtime, id, 0, "web"); len(got) != 0 {
		t.Errorf("tail 0: %q", got)
	}
	if got := Lines(t, b.Runtime, id, -1); !slices.Contains(got, "started m") || !slices.Contains(got, "started ") {
		t.Errorf("all services: %d lines, without both beginnings", len(got))
	}
	stop := errors.New("enough")
	if err := b.Runtime.Logs(ctx, id, runtime.LogOptions{Tail: -1}, func(runtime.LogLine) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("the reader's error: %v", err)
	}
	remove(t, b, id)
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("following ended with %v", err)
		}
	case <-time.After(10 * time.Second):
		t.Error("following doesn't end with the lease")
	}
}

func testExec(t *testing.T, b *Backend) {
	x, ok := b.Runtime.(runtime.Execer)
	if !ok {
		t.Skip("the backend can't exec")
	}
	id := Lease(9)
	defer remove(t, b, id)
	apply(t, b, Spec(id, 1, Service("web", b.Image, Env("MARK=inside"))))
	Ready(t, b.Runtime, id, "web", 1)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	run := func(stdin io.Reader, tty bool, cmd ...string) (int, string, string, error) {
		var out, errOut bytes.Buffer
		code, err := x.Exec(ctx, id, "web", 0, cmd, runtime.Stdio{Stdin: stdin, Stdout: &out, Stderr: &errOut, TTY: tty})
		return code, out.String(), errOut.String(), err
	}
	if code, out, _, err := run(nil, false, "/app", "env", "MARK"); err != nil || code != 0 || out != "inside\n" {
		t.Errorf("env: %d %q %v", code, out, err)
	}
	if code, out, _, err := run(nil, false, "/app", "exit", "42"); err != nil || code != 42 || out != "about to end with 42\n" {
		t.Errorf("exit: %d %q %v", code, out, err)
	}
	big := strings.Repeat("0123456789abcdef", 64<<10) // 1 MiB
	if code, out, errOut, err := run(strings.NewReader(big), false, "/app", "cat"); err != nil || code != 0 || out != big || !strings.Contains(errOut, "copied 1048576") {
		t.Errorf("cat: %d, %d bytes, %q, %v", code, len(out), errOut, err)
	}
	if code, out, errOut, err := run(nil, true, "/app", "tty"); err != nil || code != 0 || !strings.Contains(out, "terminal: true") || errOut != "" {
		t.Errorf("tty: %d %q %q %v", code, out, errOut, err)
	}
	if code, _, _, err := run(nil, false, "/nothing"); !errors.Is(err, runtime.ErrNoCommand) {
		t.Errorf("a missing command: %d %v", code, err)
	}
	if _, err := x.Exec(ctx, id, "web", 7, []string{"/app"}, runtime.Stdio{}); !errors.Is(err, runtime.ErrNotFound) {
		t.Errorf("a missing replica: %v", err)
	}
	short, stop := context.WithTimeout(ctx, 500*time.Millisecond)
	defer stop()
	r, w := io.Pipe()
	defer w.Close()
	if _, err := x.Exec(short, id, "web", 0, []string{"/app", "cat"}, runtime.Stdio{Stdin: r, Stdout: io.Discard}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a command that is given up: %v", err)
	}
	if code, out, _, err := run(nil, false, "/app", "env", "MARK"); err != nil || code != 0 || out != "inside\n" {
		t.Errorf("after that: %d %q %v", code, out, err)
	}
}

func testMemory(t *testing.T, b *Backend) {
	id := Lease(10)
	defer remove(t, b, id)
	apply(t, b, Spec(id, 1, Service("hog", b.Image, Memory(64<<20), Args("hog")), Service("calm", b.Image)))
	Until(t, 30*time.Second, "the hog is killed", func() (bool, string) {
		st, err := b.Runtime.Status(context.Background(), id)
		if err != nil {
			return false, err.Error()
		}
		s := st.Services["hog"]
		if len(s.Replicas) == 1 && strings.Contains(s.Replicas[0].Reason, "used more than its 64Mi of memory") {
			t.Logf("reason: %s", s.Replicas[0].Reason)
			return true, ""
		}
		return false, fmt.Sprintf("%+v", s)
	})
	Get(t, Ready(t, b.Runtime, id, "calm", 1).Replicas[0].IP, "/")
}

func testCrashLoop(t *testing.T, b *Backend) {
	id := Lease(11)
	defer remove(t, b, id)
	apply(t, b, Spec(id, 1, Service("bad", b.Image, Args("exit", "3"))))
	var at []time.Time
	Until(t, 30*time.Second, "three restarts", func() (bool, string) {
		st, err := b.Runtime.Status(context.Background(), id)
		if err != nil {
			return false, err.Error()
		}
		r := st.Services["bad"].Replicas[0]
		if int(r.Restarts) > len(at) {
			at = append(at, time.Now())
		}
		if r.Restarts >= 3 && r.State == runtime.StateBackoff {
			if r.ExitCode == nil || *r.ExitCode != 3 || !strings.Contains(r.Reason, "exit code 3") {
				t.Errorf("replica: %+v", r)
			}
			t.Logf("reason: %s", r.Reason)
			return true, ""
		}
		return false, fmt.Sprintf("%+v", r)
	})
	if len(at) == 3 {
		if a, c := at[1].Sub(at[0]), at[2].Sub(at[1]); a < 900*time.Millisecond || c < 1900*time.Millisecond {
			t.Errorf("pauses were %s and %s, want 1s and 2s", a, c)
		}
	}
	if e, ok := b.Runtime.(runtime.Eventer); ok {
		var reasons []string
		must(t, e.Events(context.Background(), id, false, func(e runtime.Event) error {
			reasons = append(reasons, e.Reason)
			if e.Time.IsZero() || e.Note == "" {
				t.Errorf("event: %+v", e)
			}
			return nil
		}))
		for _, want := range []string{"Pulled", "Started", "BackOff"} {
			if !slices.Contains(reasons, want) {
				t.Errorf("events %v lack %s", reasons, want)
			}
		}
	}
	// A corrected manifest doesn't wait for the pause.
	began := time.Now()
	apply(t, b, Spec(id, 2, Service("bad", b.Image)))
	Ready(t, b.Runtime, id, "bad", 2)
	if d := time.Since(began); d > 3*time.Second {
		t.Errorf("the corrected service took %s", d)
	}
}

func testBadCommand(t *testing.T, b *Backend) {
	id := Lease(12)
	defer remove(t, b, id)
	apply(t, b, Spec(id, 1, Service("web", b.Image, Command("/nothing"))))
	st, err := b.Runtime.Status(context.Background(), id)
	must(t, err)
	s := st.Services["web"]
	if s.Ready != 0 || !strings.Contains(s.Reason, "/nothing") {
		t.Errorf("status: %+v", s)
	}
	t.Logf("reason: %s", s.Reason)
	apply(t, b, Spec(id, 2, Service("web", b.Image)))
	Ready(t, b.Runtime, id, "web", 2)
	apply(t, b, Spec(id, 3, Service("web", b.Image, Command("/nothing"))))
	st, err = b.Runtime.Status(context.Background(), id)
	must(t, err)
	s = st.Services["web"]
	if s.Ready != 1 || s.Replicas[0].Generation != 2 || !strings.Contains(s.Reason, "/nothing") {
		t.Errorf("after an update that doesn't start: %+v", s)
	}
	t.Logf("reason: %s", s.Reason)
	Get(t, s.Replicas[0].IP, "/")
}

func testVolumes(t *testing.T, b *Backend) {
	id := Lease(13)
	defer remove(t, b, id)
	service := func(mark string) manifestv2.Service {
		return Service("web", b.Image, Env("MARK="+mark), With("data", 32<<20, "beta2", "/data"), With("fast", 8<<20, "ram", "/fast"))
	}
	apply(t, b, Spec(id, 1, service("a")))
	ip := Ready(t, b.Runtime, id, "web", 1).Replicas[0].IP
	for _, w := range []struct {
		path  string
		bytes int
		ok    bool
	}{
		{"/data/kept", 8 << 20, true}, {"/data/large", 64 << 20, false},
		{"/fast/a", 4 << 20, true}, {"/fast/b", 16 << 20, false},
		{"/tmp/root", 8 << 20, true},
	} {
		code, body := Get(t, ip, "/write", "path", w.path, "bytes", fmt.Sprint(w.bytes))
		if (code == 200) != w.ok {
			t.Errorf("writing %d bytes to %s: %d %s", w.bytes, w.path, code, body)
		}
	}
	check := func(generation uint64) {
		t.Helper()
		Until(t, 20*time.Second, "the volume is back", func() (bool, string) {
			ip := Ready(t, b.Runtime, id, "web", generation).Replicas[0].IP
			code, size := Get(t, ip, "/stat", "path", "/data/kept")
			return code == 200 && size == fmt.Sprint(8<<20), fmt.Sprint(code, " ", size)
		})
	}
	apply(t, b, Spec(id, 2, service("b")))
	check(2)
	if code, _ := Get(t, ip, "/stat", "path", "/tmp/root"); code == 200 {
		t.Error("the root filesystem outlived an update")
	}
	// And a crash.
	http.Get("http://" + ip + ":8080/exit?code=1") //nolint:errcheck // it never answers
	Until(t, 20*time.Second, "a restart", func() (bool, string) {
		st, err := b.Runtime.Status(context.Background(), id)
		if err != nil {
			return false, err.Error()
		}
		r := st.Services["web"].Replicas[0]
		return r.Restarts == 1 && r.State == runtime.StateRunning, fmt.Sprintf("%+v", r)
	})
	check(2)
}

func testPrivate(t *testing.T, b *Backend) {
	if b.Private == "" {
		t.Skip("no private image")
	}
	id, other := Lease(14), Lease(15)
	defer remove(t, b, id)
	defer remove(t, b, other)
	host, _, _ := strings.Cut(b.Private, "/")
	service := func(password string) manifestv2.Service {
		s := Service("web", b.Private)
		if password != "" {
			s.Credentials = &manifestv2.ImageCredentials{Host: host, Username: "u", Password: password}
		}
		return s
	}
	reason := func(id marketv1.LeaseID) string {
		st, err := b.Runtime.Status(context.Background(), id)
		must(t, err)
		return st.Services["web"].Reason
	}
	apply(t, b, Spec(id, 1, service("wrong")))
	if r := reason(id); !strings.Contains(r, "credentials") {
		t.Errorf("reason with a wrong password: %q", r)
	} else {
		t.Logf("reason: %s", r)
	}
	remove(t, b, id)
	apply(t, b, Spec(id, 2, service("secret")))
	Ready(t, b.Runtime, id, "web", 2)
	// The image is on the machine now; another tenant without credentials doesn't get it.
	apply(t, b, Spec(other, 1, service("")))
	if r := reason(other); !strings.Contains(r, "credentials") {
		t.Errorf("another tenant's private image: %q", r)
	}
}

func testIsolation(t *testing.T, b *Backend) {
	id, other := Lease(16), Lease(17)
	defer remove(t, b, id)
	defer remove(t, b, other)
	apply(t, b, Spec(id, 1, Service("web", b.Image)))
	apply(t, b, Spec(other, 1, Service("web", b.Image)))
	ip, otherIP := Ready(t, b.Runtime, id, "web", 1).Replicas[0].IP, Ready(t, b.Runtime, other, "web", 1).Replicas[0].IP
	Get(t, otherIP, "/")
	var wg sync.WaitGroup
	try := func(network, addr string) {
		wg.Add(1)
		go func() {
			defer wg.Done()
			q := url.Values{"network": {network}, "addr": {addr}}
			resp, err := http.Get("http://" + ip + ":8080/dial?" + q.Encode())
			if err != nil {
				t.Error(err)
				return
			}
			defer resp.Body.Close()
			if body, _ := io.ReadAll(resp.Body); resp.StatusCode == 200 {
				t.Errorf("%s was reached by %s: %s", addr, network, body)
			}
		}()
	}
	for _, addr := range append([]string{otherIP + ":8080", otherIP + ":80"}, b.Forbidden...) {
		try("tcp", addr)
	}
	for _, addr := range append([]string{otherIP + ":8081"}, b.Forbidden...) {
		try("udp", addr)
	}
	for _, addr := range b.ForbiddenTCP {
		try("tcp", addr)
	}
	wg.Wait()
	t.Logf("out of reach: %v %v", b.Forbidden, b.ForbiddenTCP)
	if b.Outside != "" {
		if code, body := Get(t, ip, "/dial", "addr", b.Outside); code != 200 || body != "ping\n" {
			t.Errorf("the public side %s: %d %s", b.Outside, code, body)
		}
	}
}

func testPrivileges(t *testing.T, b *Backend) {
	id := Lease(18)
	defer remove(t, b, id)
	apply(t, b, Spec(id, 1, Service("web", b.Image)))
	_, body := Get(t, Ready(t, b.Runtime, id, "web", 1).Replicas[0].IP, "/self")
	for line := range strings.Lines(body) {
		k, v, _ := strings.Cut(strings.TrimSpace(line), ":")
		v = strings.TrimSpace(v)
		switch k {
		case "CapEff", "CapBnd", "CapPrm":
			var caps uint64
			_, _ = fmt.Sscanf(v, "%x", &caps)
			for name, bit := range map[string]uint{"NET_ADMIN": 12, "NET_RAW": 13, "SYS_MODULE": 16, "SYS_PTRACE": 19, "SYS_ADMIN": 21, "MKNOD": 27} {
				if caps>>bit&1 == 1 {
					t.Errorf("%s has CAP_%s", k, name)
				}
			}
		case "NoNewPrivs":
			if v != "1" {
				t.Errorf("NoNewPrivs is %s", v)
			}
		case "Seccomp":
			t.Logf("seccomp mode %s", v)
		}
	}
}
