package containerd

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	goruntime "runtime"
	"testing"
	"time"

	"github.com/akash-supercloud/akash/provider/runtime"
	"github.com/akash-supercloud/akash/provider/runtime/runtimetest"
)

// runscPath finds runsc where make setup puts it.
func runscPath() string {
	_, self, _, _ := goruntime.Caller(0)
	if p, err := program("", "runsc", ""); err == nil {
		return p
	}
	p := filepath.Join(filepath.Dir(self), "../../../build/bin/runsc")
	if _, err := os.Stat(p); err != nil {
		return ""
	}
	return p
}

func need(t testing.TB, sandbox string) {
	t.Helper()
	paths := []string{}
	for _, name := range []string{"containerd", "nft", "mkfs.ext4", "runc"} {
		p, _ := program("", name, "")
		paths = append(paths, p)
	}
	if sandbox == GVisor {
		paths = append(paths, runscPath())
	}
	runtimetest.RequireContainers(t, paths...)
}

func testLog(t testing.TB) *slog.Logger {
	if !testing.Verbose() {
		return nil
	}
	return slog.New(slog.NewTextHandler(testWriter{t}, nil))
}

type testWriter struct{ t testing.TB }

func (w testWriter) Write(b []byte) (int, error) {
	_, _ = os.Stderr.Write(b)
	return len(b), nil
}

func openTest(t testing.TB, opt Options) *Runtime {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	rt, err := New(ctx, opt)
	if err != nil {
		t.Fatal(err)
	}
	return rt
}

// crash lets go as kill -9 does as far as a process can with itself: nothing is said to
// containerd, nothing is written.
func (rt *Runtime) crash() {
	rt.cancel()
	rt.dns.close()
	rt.lock.Close()
	rt.wg.Wait()
	rt.client.Close()
}

func destroy(t testing.TB, rt *Runtime) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := rt.Destroy(ctx); err != nil {
		t.Error(err)
	}
}

func testSuite(t *testing.T, sandbox string) {
	need(t, sandbox)
	reg := runtimetest.NewRegistry(t)
	opt := Options{Home: t.TempDir(), Registry: reg.Addr, Sandbox: sandbox, Runsc: runscPath(), StopGrace: 3 * time.Second, Log: testLog(t), DNS: []string{"127.0.0.1:1"}}
	rt := openTest(t, opt)
	b := &runtimetest.Backend{
		Runtime: rt, Real: true,
		Image: "registry.example.com/test/app:1", OtherImage: "registry.example.com/test/app:2",
		Missing: "registry.example.com/test/nothing:1", Private: "registry.example.com/private/app:1",
	}
	b.Restart = func() runtime.Runtime {
		rt.crash()
		rt = openTest(t, opt)
		return rt
	}
	defer func() { destroy(t, rt) }()
	out := newOutside(t, rt)
	b.Outside, b.Forbidden, b.ForbiddenTCP = out.public, out.forbidden, out.forbiddenTCP
	runtimetest.Suite(t, b)
}

func TestSuiteGVisor(t *testing.T) { testSuite(t, GVisor) }

func TestSuiteRunc(t *testing.T) { testSuite(t, Runc) }
