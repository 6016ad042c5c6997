// Package fake is a runtime in memory, for tests of the provider: leases "run" at once, and a
// test says what fails, ends, or is written to logs. It passes runtimetest as far as that asks
// for no real containers.
package fake

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	manifestv2 "github.com/akash-supercloud/akash/api/akash/manifest/v2beta3"
	marketv1 "github.com/akash-supercloud/akash/api/akash/market/v1"
	"github.com/akash-supercloud/akash/match"
	"github.com/akash-supercloud/akash/provider/runtime"
)

// Runtime is the fake. Make it with New. Fields may be changed before use; methods are safe for
// many goroutines.
type Runtime struct {
	// Nodes is what Inventory answers.
	Nodes match.Inventory
	// Address says where a replica is reached. Default: 127.0.0.1.
	Address func(lease marketv1.LeaseID, service string, index int) string
	// OnExec answers Exec. Default: the command's words are written to Stdout, exit code 0.
	OnExec func(lease marketv1.LeaseID, service string, index int, cmd []string, io runtime.Stdio) (int, error)

	m *machine
	// changes are of this Runtime, not of the machine: the one before may still be read.
	changes chan marketv1.LeaseID
}

// machine is what outlives a Runtime.
type machine struct {
	mu     sync.Mutex
	leases map[string]*lease
	broken error
	images map[string]string // reason by image that can't be had
	next   chan struct{}     // closed and renewed at each change
	now    time.Time
}

type lease struct {
	id     marketv1.LeaseID
	spec   runtime.Spec
	reps   map[string][]*replica // by service
	logs   []runtime.LogLine
	events []runtime.Event
}

type replica struct {
	runtime.Replica
	hash string
}

var (
	_ runtime.Runtime = (*Runtime)(nil)
	_ runtime.Execer  = (*Runtime)(nil)
	_ runtime.Eventer = (*Runtime)(nil)
)

// New returns a fake with one node of 8 cores, 32 GiB of memory, 256 GiB of disk and as much
// for volumes of class beta2.
func New() *Runtime {
	res := match.Resources{CPU: 8000, Memory: 32 << 30, EphemeralStorage: 256 << 30}
	return &Runtime{
		Nodes: match.Inventory{
			Nodes: []match.Node{{Name: "fake", Allocatable: res, Available: res, StorageClasses: []string{"beta2"},
				CPU: match.CPUInfo{Vendor: "amd", Model: "fake", Cores: 8}, Arch: "amd64"}},
			Storage: []match.StoragePool{{Class: "beta2", Allocatable: 256 << 30, Available: 256 << 30}},
		},
		m:       &machine{leases: map[string]*lease{}, images: map[string]string{}, next: make(chan struct{})},
		changes: make(chan marketv1.LeaseID, 256),
	}
}

// Restart returns a new Runtime on the same machine, as after the provider was killed.
func (r *Runtime) Restart() *Runtime {
	n := *r
	n.changes = make(chan marketv1.LeaseID, 256)
	return &n
}

// FailImage makes an image impossible to get, for the reason; an empty reason mends it (for
// later calls of Apply).
func (r *Runtime) FailImage(image, reason string) {
	r.m.mu.Lock()
	defer r.m.mu.Unlock()
	if reason == "" {
		delete(r.m.images, image)
		return
	}
	r.m.images[image] = reason
}

// Break makes Apply and Remove fail with err, until it is nil.
func (r *Runtime) Break(err error) {
	r.m.mu.Lock()
	defer r.m.mu.Unlock()
	r.m.broken = err
}

// SetState changes a replica, as if it had ended or come back by itself.
func (r *Runtime) SetState(id marketv1.LeaseID, service string, index int, s runtime.State, reason string) error {
	r.m.mu.Lock()
	defer r.m.mu.Unlock()
	rep := r.find(id, service, index)
	if rep == nil {
		return runtime.ErrNotFound
	}
	rep.State, rep.Reason = s, reason
	if s == runtime.StateRunning {
		rep.Restarts++
		rep.StartedAt = r.tick()
	}
	l := r.m.leases[id.String()]
	l.events = append(l.events, runtime.Event{Time: r.tick(), Service: service, Replica: rep.Name, Warning: s != runtime.StateRunning, Reason: "State", Note: string(s) + ": " + reason})
	r.changed(id)
	return nil
}

// Write adds a line to a replica's log.
func (r *Runtime) Write(id marketv1.LeaseID, service string, index int, line string) error {
	r.m.mu.Lock()
	defer r.m.mu.Unlock()
	rep := r.find(id, service, index)
	if rep == nil {
		return runtime.ErrNotFound
	}
	l := r.m.leases[id.String()]
	l.logs = append(l.logs, runtime.LogLine{Replica: rep.Name, Service: service, Line: line})
	r.changed(id)
	return nil
}

// Spec returns what was applied last.
func (r *Runtime) Spec(id marketv1.LeaseID) (runtime.Spec, error) {
	r.m.mu.Lock()
	defer r.m.mu.Unlock()
	l := r.m.leases[id.String()]
	if l == nil {
		return runtime.Spec{}, runtime.ErrNotFound
	}
	return l.spec, nil
}

// tick is a clock that never shows a time twice; m.mu is held.
func (r *Runtime) tick() time.Time {
	n := time.Now()
	if !n.After(r.m.now) {
		n = r.m.now.Add(time.Nanosecond)
	}
	r.m.now = n
	return n
}

func (r *Runtime) find(id marketv1.LeaseID, service string, index int) *replica {
	l := r.m.leases[id.String()]
	if l == nil || index < 0 || index >= len(l.reps[service]) {
		return nil
	}
	return l.reps[service][index]
}

// changed tells readers; m.mu is held.
func (r *Runtime) changed(id marketv1.LeaseID) {
	close(r.m.next)
	r.m.next = make(chan struct{})
	select {
	case r.changes <- id:
	default:
	}
}

// Inventory implements runtime.Runtime.
func (r *Runtime) Inventory(context.Context) (match.Inventory, error) { return r.Nodes, nil }

func hash(s manifestv2.Service) string {
	s.Count, s.Expose, s.Credentials = 0, nil, nil
	b, _ := json.Marshal(s)
	return fmt.Sprintf("%x", sha256.Sum256(b))
}

// Apply implements runtime.Runtime.
func (r *Runtime) Apply(ctx context.Context, spec runtime.Spec) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	r.m.mu.Lock()
	defer r.m.mu.Unlock()
	if r.m.broken != nil {
		return r.m.broken
	}
	l := r.m.leases[spec.Lease.String()]
	if l == nil {
		l = &lease{id: spec.Lease, reps: map[string][]*replica{}}
		r.m.leases[spec.Lease.String()] = l
	}
	l.spec = spec
	wanted := map[string]bool{}
	for _, s := range spec.Group.Services {
		wanted[s.Name] = true
		list := l.reps[s.Name]
		if len(list) > int(s.Count) {
			list = list[:s.Count]
		}
		h := hash(s)
		for i := range int(s.Count) {
			if i == len(list) {
				sum := sha256.Sum256([]byte(spec.Lease.String()))
				list = append(list, &replica{Replica: runtime.Replica{Index: i, Name: fmt.Sprintf("%s-%d-%x", s.Name, i, sum[:4])}})
			}
			rep := list[i]
			if why := r.m.images[s.Image]; why != "" {
				rep.Reason = fmt.Sprintf("the image %s can't be fetched: %s", s.Image, why)
				if rep.State != runtime.StateRunning {
					rep.State = runtime.StateBackoff
				} else if rep.hash == h {
					rep.Reason = ""
				}
				continue
			}
			rep.Reason, rep.Generation = "", spec.Generation
			if rep.State != runtime.StateRunning || rep.hash != h {
				rep.State, rep.hash, rep.StartedAt, rep.IP = runtime.StateRunning, h, r.tick(), "127.0.0.1"
				if r.Address != nil {
					rep.IP = r.Address(spec.Lease, s.Name, i)
				}
				l.events = append(l.events, runtime.Event{Time: rep.StartedAt, Service: s.Name, Replica: rep.Name, Reason: "Started", Note: fmt.Sprintf("it runs, generation %d", spec.Generation)})
			}
		}
		l.reps[s.Name] = list
	}
	for name := range l.reps {
		if !wanted[name] {
			delete(l.reps, name)
		}
	}
	r.changed(spec.Lease)
	return nil
}

// Remove implements runtime.Runtime. Logs go too.
func (r *Runtime) Remove(ctx context.Context, id marketv1.LeaseID) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	r.m.mu.Lock()
	defer r.m.mu.Unlock()
	if r.m.broken != nil {
		return r.m.broken
	}
	if _, ok := r.m.leases[id.String()]; ok {
		delete(r.m.leases, id.String())
		r.changed(id)
	}
	return nil
}

// List implements runtime.Runtime.
func (r *Runtime) List(context.Context) ([]marketv1.LeaseID, error) {
	r.m.mu.Lock()
	defer r.m.mu.Unlock()
	var ids []marketv1.LeaseID
	for _, l := range r.m.leases {
		ids = append(ids, l.id)
	}
	slices.SortFunc(ids, func(a, b marketv1.LeaseID) int { return strings.Compare(a.String(), b.String()) })
	return ids, nil
}

// Status implements runtime.Runtime.
func (r *Runtime) Status(_ context.Context, id marketv1.LeaseID) (runtime.LeaseStatus, error) {
	r.m.mu.Lock()
	defer r.m.mu.Unlock()
	l := r.m.leases[id.String()]
	if l == nil {
		return runtime.LeaseStatus{}, runtime.ErrNotFound
	}
	out := runtime.LeaseStatus{Generation: l.spec.Generation, Services: map[string]runtime.ServiceStatus{}}
	for _, s := range l.spec.Group.Services {
		st := runtime.ServiceStatus{Total: s.Count}
		for _, rep := range l.reps[s.Name] {
			x := rep.Replica
			if x.State == runtime.StateRunning {
				st.Ready++
			} else {
				x.IP = ""
			}
			if st.Reason == "" {
				st.Reason = x.Reason
			}
			st.Replicas = append(st.Replicas, x)
		}
		out.Services[s.Name] = st
	}
	return out, nil
}

// Logs implements runtime.Runtime.
func (r *Runtime) Logs(ctx context.Context, id marketv1.LeaseID, opt runtime.LogOptions, fn func(runtime.LogLine) error) error {
	next := 0
	for first := true; ; first = false {
		r.m.mu.Lock()
		l := r.m.leases[id.String()]
		var lines []runtime.LogLine
		if l != nil {
			lines = slices.Clone(l.logs[min(next, len(l.logs)):])
			next = len(l.logs)
		}
		more := r.m.next
		r.m.mu.Unlock()
		if l == nil {
			if first {
				return runtime.ErrNotFound
			}
			return nil
		}
		lines = slices.DeleteFunc(lines, func(x runtime.LogLine) bool {
			return len(opt.Services) > 0 && !slices.Contains(opt.Services, x.Service)
		})
		if first && opt.Tail >= 0 {
			left := map[string]int{}
			for i := len(lines) - 1; i >= 0; i-- {
				if left[lines[i].Replica]++; left[lines[i].Replica] > opt.Tail {
					lines = slices.Delete(lines, i, i+1)
				}
			}
		}
		for _, line := range lines {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := fn(line); err != nil {
				return err
			}
		}
		if !opt.Follow {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-more:
		}
	}
}

// Events implements runtime.Eventer.
func (r *Runtime) Events(ctx context.Context, id marketv1.LeaseID, follow bool, fn func(runtime.Event) error) error {
	next := 0
	for first := true; ; first = false {
		r.m.mu.Lock()
		l := r.m.leases[id.String()]
		var list []runtime.Event
		if l != nil {
			list = slices.Clone(l.events[min(next, len(l.events)):])
			next = len(l.events)
		}
		more := r.m.next
		r.m.mu.Unlock()
		if l == nil {
			if first {
				return runtime.ErrNotFound
			}
			return nil
		}
		for _, e := range list {
			if err := fn(e); err != nil {
				return err
			}
		}
		if !follow {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-more:
		}
	}
}

// Exec implements runtime.Execer.
func (r *Runtime) Exec(_ context.Context, id marketv1.LeaseID, service string, index int, cmd []string, stdio runtime.Stdio) (int, error) {
	if len(cmd) == 0 {
		return 0, errors.New("fake: no command to run")
	}
	r.m.mu.Lock()
	rep := r.find(id, service, index)
	running := rep != nil && rep.State == runtime.StateRunning
	r.m.mu.Unlock()
	switch {
	case rep == nil:
		return 0, runtime.ErrNotFound
	case !running:
		return 0, runtime.ErrNotRunning
	case r.OnExec != nil:
		return r.OnExec(id, service, index, cmd, stdio)
	}
	_, err := io.WriteString(stdio.Stdout, strings.Join(cmd, " ")+"\n")
	return 0, err
}

// Changes implements runtime.Runtime.
func (r *Runtime) Changes() <-chan marketv1.LeaseID { return r.changes }

// Close implements runtime.Runtime.
func (r *Runtime) Close() error { return nil }
