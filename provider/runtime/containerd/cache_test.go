package containerd

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/akash-supercloud/akash/provider/runtime/runtimetest"
)

// TestImageCache: images that nothing uses go when they are over the bound, the one unused for longest
// first; what runs keeps its image, and what is deployed again fetches it again.
func TestImageCache(t *testing.T) {
	need(t, Runc)
	reg := runtimetest.NewRegistry(t)
	opt := testOptions(t, Runc, reg.Addr)
	rt := openTest(t, opt)
	defer func() { destroy(t, rt) }()
	ctx := context.Background()
	other := "registry.example.com/test/app:2"
	deploy := func(lease int, image string) {
		t.Helper()
		if err := rt.Apply(ctx, runtimetest.Spec(runtimetest.Lease(lease), 1, runtimetest.Service("web", image))); err != nil {
			t.Fatal(err)
		}
		runtimetest.Ready(t, rt, runtimetest.Lease(lease), "web", 1)
	}
	names := func() []string {
		t.Helper()
		list, err := rt.client.ImageService().List(ctx)
		if err != nil {
			t.Fatal(err)
		}
		var out []string
		for _, i := range list {
			out = append(out, i.Name)
		}
		return out
	}
	deploy(1, testImage)
	deploy(2, other)
	if err := rt.Remove(ctx, runtimetest.Lease(2)); err != nil {
		t.Fatal(err)
	}
	unused, err := rt.unusedImages(ctx)
	if err != nil || len(unused) != 1 || unused[0].bytes <= 0 || len(unused[0].names) != 2 {
		t.Fatalf("unused: %+v, %v", unused, err)
	}
	// Within the bound, and just used: both keep it.
	for _, bound := range []int64{unused[0].bytes, 0} {
		rt.opt.ImageCacheBytes = bound
		if err := rt.trimImages(ctx); err != nil || len(names()) != 4 {
			t.Fatalf("bound %d: %v, %v", bound, names(), err)
		}
	}
	rt.mu.Lock()
	rt.imageUsed[unused[0].digest] = time.Now().Add(-time.Hour)
	rt.mu.Unlock()
	if err := rt.trimImages(ctx); err != nil {
		t.Fatal(err)
	}
	if left := names(); len(left) != 2 || slices.Contains(left, other) || slices.Contains(left, unused[0].digest) {
		t.Errorf("left: %v", left)
	}
	deploy(2, other)
	// When it was used outlives the provider.
	rt.crash()
	rt = openTest(t, opt)
	runtimetest.Ready(t, rt, runtimetest.Lease(1), "web", 1)
	img, err := rt.client.GetImage(ctx, unused[0].digest)
	if err != nil {
		t.Fatal(err)
	}
	if n, _ := strconv.ParseInt(img.Labels()[labelUsed], 10, 64); time.Since(time.Unix(n, 0)) > time.Minute {
		t.Errorf("used at %d", n)
	}
}

// TestBandwidth: a replica gets and sends no faster than its bound allows.
func TestBandwidth(t *testing.T) {
	sandboxes(t, func(t *testing.T, sandbox string) {
		reg := runtimetest.NewRegistry(t)
		opt := testOptions(t, sandbox, reg.Addr)
		opt.Bandwidth = 256 << 10
		rt := openTest(t, opt)
		defer func() { destroy(t, rt) }()
		out := newOutside(t, rt)
		ctx := context.Background()
		if err := rt.Apply(ctx, runtimetest.Spec(runtimetest.Lease(1), 1, runtimetest.Service("web", testImage), runtimetest.Service("db", testImage))); err != nil {
			t.Fatal(err)
		}
		web := runtimetest.Ready(t, rt, runtimetest.Lease(1), "web", 1).Replicas[0].IP
		db := runtimetest.Ready(t, rt, runtimetest.Lease(1), "db", 1).Replicas[0].IP
		runtimetest.Get(t, web, "/")
		runtimetest.Get(t, db, "/")
		get := func(url string) time.Duration {
			t.Helper()
			began := time.Now()
			client := http.Client{Timeout: time.Minute}
			resp, err := client.Get(fmt.Sprintf("http://%s:8080/fetch?url=%s", web, url))
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			if b, err := io.ReadAll(resp.Body); err != nil || string(b) != strconv.Itoa(1<<20) {
				t.Fatalf("%s: %q, %v", url, b, err)
			}
			return time.Since(began)
		}
		// A MiB: a quarter at once, the rest at a quarter a second.
		if d := get("http://" + out.large); d < 2*time.Second {
			t.Errorf("a MiB came within %s", d)
		} else {
			t.Logf("a MiB from outside took %s", d)
		}
		if d := get("http://db:8080/large"); d > 2*time.Second {
			t.Errorf("a MiB within the lease took %s", d)
		}
	})
}
