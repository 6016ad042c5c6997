package fake

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/akash-supercloud/akash/provider/runtime"
	"github.com/akash-supercloud/akash/provider/runtime/runtimetest"
)

func TestSuite(t *testing.T) {
	r := New()
	r.FailImage("missing", "it wasn't found at the registry")
	b := &runtimetest.Backend{Runtime: r, Image: "one", OtherImage: "two", Missing: "missing"}
	b.Restart = func() runtime.Runtime { r = r.Restart(); return r }
	runtimetest.Suite(t, b)
}

func TestControls(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	r, id := New(), runtimetest.Lease(1)
	broken := errors.New("broken")
	r.Break(broken)
	spec := runtimetest.Spec(id, 1, runtimetest.Service("web", "one", runtimetest.Count(2)))
	if err := r.Apply(ctx, spec); !errors.Is(err, broken) {
		t.Fatalf("Apply = %v", err)
	}
	r.Break(nil)
	if err := r.Apply(ctx, spec); err != nil {
		t.Fatal(err)
	}
	if err := r.SetState(id, "web", 1, runtime.StateBackoff, "it ended"); err != nil {
		t.Fatal(err)
	}
	if st, _ := r.Status(ctx, id); st.Services["web"].Ready != 1 || st.Services["web"].Reason != "it ended" {
		t.Errorf("status: %+v", st)
	}
	if _, err := r.Exec(ctx, id, "web", 1, []string{"x"}, runtime.Stdio{}); !errors.Is(err, runtime.ErrNotRunning) {
		t.Errorf("exec in what doesn't run: %v", err)
	}
	lines := make(chan string, 10)
	go func() {
		_ = r.Logs(ctx, id, runtime.LogOptions{Follow: true, Tail: -1}, func(l runtime.LogLine) error { lines <- l.Line; return nil })
	}()
	for _, s := range []string{"a", "b"} {
		if err := r.Write(id, "web", 0, s); err != nil {
			t.Fatal(err)
		}
		select {
		case got := <-lines:
			if got != s {
				t.Errorf("line %q, want %q", got, s)
			}
		case <-ctx.Done():
			t.Fatal("no line")
		}
	}
	if err := r.Write(id, "web", 5, "x"); !errors.Is(err, runtime.ErrNotFound) {
		t.Errorf("a line of no replica: %v", err)
	}
}
