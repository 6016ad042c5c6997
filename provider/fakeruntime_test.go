package provider

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	marketv1 "github.com/akash-supercloud/akash/api/akash/market/v1"
	"github.com/akash-supercloud/akash/match"
	"github.com/akash-supercloud/akash/provider/runtime"
)

// fakeRuntime "runs" services: every replica is at 127.0.0.1, where the test listens.
type fakeRuntime struct {
	mu      sync.Mutex
	specs   map[string]runtime.Spec
	started map[string]time.Time // when a lease began to run; unchanged while it runs
	removes []string
	broken  bool // every call fails
	sick    bool // replicas never get ready
	changes chan marketv1.LeaseID
}

func newFakeRuntime() *fakeRuntime {
	return &fakeRuntime{specs: map[string]runtime.Spec{}, started: map[string]time.Time{}, changes: make(chan marketv1.LeaseID, 64)}
}

func (r *fakeRuntime) do(f func()) { r.mu.Lock(); defer r.mu.Unlock(); f() }

func (r *fakeRuntime) check() error {
	if r.broken {
		return errors.New("the container daemon doesn't answer")
	}
	return nil
}

func (r *fakeRuntime) Inventory(context.Context) (match.Inventory, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	res := match.Resources{CPU: 4000, Memory: 8 << 30, EphemeralStorage: 100 << 30}
	return match.Inventory{Nodes: []match.Node{{Name: "here", Allocatable: res, Available: res, Arch: "amd64"}}}, r.check()
}

func (r *fakeRuntime) Apply(_ context.Context, s runtime.Spec) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.check(); err != nil {
		return err
	}
	id := s.Lease.String()
	if _, ok := r.specs[id]; !ok {
		r.started[id] = time.Now()
	}
	r.specs[id] = s
	select {
	case r.changes <- s.Lease:
	default:
	}
	return nil
}

func (r *fakeRuntime) Remove(_ context.Context, id marketv1.LeaseID) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.check(); err != nil {
		return err
	}
	r.removes = append(r.removes, id.String())
	delete(r.specs, id.String())
	delete(r.started, id.String())
	return nil
}

func (r *fakeRuntime) List(context.Context) (out []marketv1.LeaseID, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.specs {
		out = append(out, s.Lease)
	}
	return out, r.check()
}

func (r *fakeRuntime) Status(_ context.Context, id marketv1.LeaseID) (runtime.LeaseStatus, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.check(); err != nil {
		return runtime.LeaseStatus{}, err
	}
	s, ok := r.specs[id.String()]
	if !ok {
		return runtime.LeaseStatus{}, runtime.ErrNotFound
	}
	out := runtime.LeaseStatus{Generation: s.Generation, Services: map[string]runtime.ServiceStatus{}}
	for _, svc := range s.Group.Services {
		st := runtime.ServiceStatus{Total: svc.Count, Ready: svc.Count}
		for i := range int(svc.Count) {
			rep := runtime.Replica{Index: i, Name: fmt.Sprintf("%s-%d", svc.Name, i), State: runtime.StateRunning, IP: "127.0.0.1", Generation: s.Generation}
			if r.sick {
				rep.State, rep.Reason = runtime.StateBackoff, "it ends with exit code 1"
			}
			st.Replicas = append(st.Replicas, rep)
		}
		if r.sick {
			st.Ready, st.Reason = 0, "it ends with exit code 1"
		}
		out.Services[svc.Name] = st
	}
	return out, nil
}

func (r *fakeRuntime) Logs(_ context.Context, id marketv1.LeaseID, opt runtime.LogOptions, fn func(runtime.LogLine) error) error {
	r.mu.Lock()
	s, ok := r.specs[id.String()]
	r.mu.Unlock()
	if !ok {
		return runtime.ErrNotFound
	}
	for _, svc := range s.Group.Services {
		for n := range 3 {
			if len(opt.Services) > 0 && opt.Services[0] != svc.Name {
				continue
			}
			if err := fn(runtime.LogLine{Replica: svc.Name + "-0", Service: svc.Name, Line: fmt.Sprintf("line %d", n)}); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *fakeRuntime) Events(_ context.Context, _ marketv1.LeaseID, _ bool, fn func(runtime.Event) error) error {
	return fn(runtime.Event{Service: "web", Replica: "web-0", Reason: "Started", Note: "The container runs."})
}

// Exec answers with what it was given.
func (r *fakeRuntime) Exec(_ context.Context, _ marketv1.LeaseID, service string, replica int, cmd []string, o runtime.Stdio) (int, error) {
	if cmd[0] == "missing" {
		return 0, fmt.Errorf("%w: missing", runtime.ErrNoCommand)
	}
	fmt.Fprintf(o.Stdout, "%s-%d %v\n", service, replica, cmd)
	fmt.Fprint(o.Stderr, "err")
	if o.Stdin != nil {
		b := make([]byte, 64)
		n, err := o.Stdin.Read(b)
		if err != nil && !errors.Is(err, io.EOF) {
			return 0, err
		}
		fmt.Fprintf(o.Stdout, "got %s", b[:n])
		select {
		case size := <-o.Resize:
			fmt.Fprintf(o.Stdout, "%dx%d", size.Width, size.Height)
		default:
		}
	}
	return 7, nil
}

func (r *fakeRuntime) Changes() <-chan marketv1.LeaseID { return r.changes }
func (r *fakeRuntime) Close() error                     { return nil }
