package containerd

import (
	"context"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/akash-supercloud/akash/provider/runtime/runtimetest"
)

// TestUsage: what a replica uses is measured, each replica by itself, and the day outlives the provider.
func TestUsage(t *testing.T) {
	sandboxes(t, func(t *testing.T, sandbox string) {
		reg := runtimetest.NewRegistry(t)
		opt := testOptions(t, sandbox, reg.Addr)
		rt := openTest(t, opt)
		defer func() { destroy(t, rt) }()
		ctx := context.Background()
		id := runtimetest.Lease(1)
		if err := rt.Apply(ctx, runtimetest.Spec(id, 1, runtimetest.Service("busy", testImage), runtimetest.Service("idle", testImage))); err != nil {
			t.Fatal(err)
		}
		busy := runtimetest.Ready(t, rt, id, "busy", 1).Replicas[0].IP
		idle := runtimetest.Ready(t, rt, id, "idle", 1).Replicas[0].IP
		runtimetest.Get(t, busy, "/")
		runtimetest.Get(t, idle, "/")
		rt.measure(true)
		l := rt.leases[leaseKey(id)]
		l.meters.mu.Lock()
		for _, m := range l.meters.all {
			m.span.at = m.span.at.Add(-spanLength)
		}
		l.meters.mu.Unlock()
		for range 8 {
			resp, err := http.Get("http://" + busy + ":8080/large")
			if err != nil {
				t.Fatal(err)
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
		}
		rt.measure(true)
		check := func() {
			t.Helper()
			us, err := rt.Usage(ctx, id)
			if err != nil || len(us) != 2 || us[0].Service != "busy" || us[1].Service != "idle" {
				t.Fatalf("%+v, %v", us, err)
			}
			for _, u := range us {
				if len(u.Day) != 1 || u.Day[0].Seconds < spanLength.Seconds() || u.Day[0].Memory < 1<<20 {
					t.Errorf("%s: %+v", u.Service, u.Day)
				}
			}
			if b, i := us[0].Day[0], us[1].Day[0]; b.Sent < 8<<20 || b.Sent > 12<<20 || i.Sent > 1<<20 {
				t.Errorf("busy sent %d bytes, idle %d", b.Sent, i.Sent)
			}
		}
		check()
		us, _ := rt.Usage(ctx, id)
		if now := us[0].Now; now.CPU == 0 || now.Sent < 8<<20 || time.Since(now.Time) > time.Minute {
			t.Errorf("now: %+v", now)
		}
		rt.crash()
		rt = openTest(t, opt)
		check()
	})
}
