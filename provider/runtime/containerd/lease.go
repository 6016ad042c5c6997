package containerd

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	containerdclient "github.com/containerd/containerd/v2/client"

	manifestv2 "github.com/akash-supercloud/akash/api/akash/manifest/v2beta3"
	marketv1 "github.com/akash-supercloud/akash/api/akash/market/v1"
	"github.com/akash-supercloud/akash/provider/runtime"
)

// lease is one lease on the machine. Each replica has a goroutine that makes what runs equal
// to what is wanted; lease keeps what they share.
type lease struct {
	rt     *Runtime
	id     marketv1.LeaseID
	key    string
	block  netip.Prefix // doesn't change
	events *history
	meters *meters

	ctx    context.Context // ends with the runtime, or when the lease is removed
	cancel context.CancelFunc
	// apply is held by Apply and Remove, one at a time.
	apply chan struct{}

	mu       sync.Mutex
	state    *leaseState
	services map[string]*service
	replicas map[string]*replica
	seq      uint64        // counts Apply
	settled  chan struct{} // closed and renewed when a replica settles
	removing bool
}

// service is what the replicas of one service share.
type service struct {
	// turn is held while a running replica is replaced, so they go one at a time.
	turn chan struct{}
	// pull is held while the image is fetched.
	pull chan struct{}

	mu sync.Mutex
	// images are the digests by hash; bad are versions that didn't start, and why.
	images map[string]string
	bad    map[string]string
}

func (rt *Runtime) newLease(id marketv1.LeaseID, state *leaseState) *lease {
	key := leaseKey(id)
	l := &lease{
		rt: rt, id: id, key: key, state: state,
		events: openHistory(rt.logDir(key)), meters: openMeters(filepath.Join(rt.logDir(key), "usage.json")),
		apply: make(chan struct{}, 1), services: map[string]*service{}, replicas: map[string]*replica{},
		settled: make(chan struct{}),
	}
	l.ctx, l.cancel = context.WithCancel(rt.ctx)
	return l
}

func (l *lease) dir() string { return filepath.Join(l.rt.opt.Home, "leases", l.key) }

// save writes the state; l.mu is held.
func (l *lease) save() error {
	if err := os.MkdirAll(l.dir(), 0o700); err != nil {
		return err
	}
	return l.state.save(l.dir())
}

func (l *lease) service(name string) *service {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.services[name]
	if s == nil {
		s = &service{turn: make(chan struct{}, 1), pull: make(chan struct{}, 1), images: map[string]string{}, bad: map[string]string{}}
		l.services[name] = s
	}
	return s
}

// address returns the address that a replica keeps for the lease's life.
func (l *lease) address(service string, index int) (netip.Addr, netip.Prefix, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	a, err := netip.ParseAddr(l.state.Slots[slotKey(service, index)])
	if err != nil {
		return a, l.block, fmt.Errorf("containerd: %s has no address", slotKey(service, index))
	}
	return a, l.block, nil
}

// lookup returns the addresses of a service's running replicas, or of all when none runs.
func (l *lease) lookup(name string) ([]netip.Addr, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var running, all []netip.Addr
	for key, text := range l.state.Slots {
		svc, _, _ := strings.Cut(key, "/")
		if svc != name {
			continue
		}
		a, err := netip.ParseAddr(text)
		if err != nil {
			continue
		}
		all = append(all, a)
		if r := l.replicas[key]; r != nil && r.cur != nil {
			running = append(running, a)
		}
	}
	if len(running) > 0 {
		return running, true
	}
	return all, len(all) > 0
}

// note remembers an event and tells readers of Changes.
func (l *lease) note(service, replica string, warning bool, reason, text string) {
	l.events.add(runtime.Event{Service: service, Replica: replica, Warning: warning, Reason: reason, Note: text})
	l.rt.log.Info("lease event", "lease", l.id.String(), "service", service, "replica", replica, "reason", reason, "note", text)
	l.rt.changed(l.id)
}

// slots gives an address to each replica of a spec that has none; l.mu is held. Addresses of
// slots that are gone are free again.
func (l *lease) slots(spec *runtime.Spec) error {
	want := map[string]bool{}
	for _, s := range spec.Group.Services {
		for i := range int(s.Count) {
			want[slotKey(s.Name, i)] = true
		}
	}
	used := map[string]bool{}
	for k, a := range l.state.Slots {
		if !want[k] {
			delete(l.state.Slots, k)
			continue
		}
		used[a] = true
	}
	keys := make([]string, 0, len(want))
	for k := range want {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	next, size := 1, 1<<(32-l.block.Bits())
	for _, k := range keys {
		if l.state.Slots[k] != "" {
			continue
		}
		for next < size-1 && used[addressAt(l.block, next).String()] {
			next++
		}
		if next >= size-1 {
			return fmt.Errorf("containerd: lease %s has addresses for %d replicas only; close it and deploy again for more", l.id, size-2)
		}
		a := addressAt(l.block, next).String()
		l.state.Slots[k], used[a] = a, true
	}
	return nil
}

// ports are the exposes that peers of the lease reach under another port.
func (l *lease) ports(spec *runtime.Spec) []portMap {
	var out []portMap
	for _, s := range spec.Group.Services {
		taken := map[string]bool{}
		for _, e := range s.Expose {
			proto := "tcp"
			if strings.EqualFold(e.Proto, "udp") {
				proto = "udp"
			}
			id := fmt.Sprintf("%s/%d", proto, e.ExternalPort)
			if e.ExternalPort == 0 || e.ExternalPort == e.Port || taken[id] || e.ExternalPort > 65535 || e.Port > 65535 {
				continue
			}
			taken[id] = true
			for i := range int(s.Count) {
				if a, err := netip.ParseAddr(l.state.Slots[slotKey(s.Name, i)]); err == nil {
					out = append(out, portMap{proto, a, uint16(e.ExternalPort), uint16(e.Port)})
				}
			}
		}
	}
	return out
}

type hostFiles struct{ hosts, resolv string }

func (rt *Runtime) hostFiles(key, service string, index int) hostFiles {
	dir := filepath.Join(rt.opt.Home, "leases", key)
	return hostFiles{
		hosts:  filepath.Join(dir, fmt.Sprintf("hosts-%s-%d", service, index)),
		resolv: filepath.Join(dir, "resolv.conf"),
	}
}

// writeNames writes each replica's hosts file and the lease's resolv.conf. The names of the
// lease's services are in both the files and DNS: the files work while the provider doesn't,
// DNS leaves out replicas that are down. Files are written in place, because containers have
// them mounted.
func (l *lease) writeNames() error {
	l.mu.Lock()
	slots := make(map[string]string, len(l.state.Slots))
	keys := make([]string, 0, len(slots))
	for k, a := range l.state.Slots {
		slots[k] = a
		keys = append(keys, k)
	}
	l.mu.Unlock()
	slices.Sort(keys)
	if err := os.MkdirAll(l.dir(), 0o700); err != nil {
		return err
	}
	for _, own := range keys {
		var b strings.Builder
		name, idx, _ := strings.Cut(own, "/")
		index, _ := strconv.Atoi(idx)
		fmt.Fprintf(&b, "127.0.0.1\tlocalhost\n%s\t%s-%s\n", slots[own], name, idx)
		for _, k := range keys {
			svc, _, _ := strings.Cut(k, "/")
			fmt.Fprintf(&b, "%s\t%s\n", slots[k], svc)
		}
		if err := writeInPlace(l.rt.hostFiles(l.key, name, index).hosts, b.String()); err != nil {
			return err
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "nameserver %s\n", l.rt.net.gateway)
	for _, up := range l.rt.opt.DNS {
		// What a replica can reach itself also serves while the provider doesn't.
		if ap, err := netip.ParseAddrPort(up); err == nil && ap.Port() == 53 && ap.Addr().Is4() && public(ap.Addr()) {
			fmt.Fprintf(&b, "nameserver %s\n", ap.Addr())
		}
	}
	b.WriteString("options timeout:2 attempts:2\n")
	return writeInPlace(l.rt.hostFiles(l.key, "", 0).resolv, b.String())
}

func writeInPlace(path, text string) error {
	if old, err := os.ReadFile(path); err == nil && string(old) == text {
		return nil
	}
	return os.WriteFile(path, []byte(text), 0o644)
}

// Apply implements runtime.Runtime.
func (rt *Runtime) Apply(ctx context.Context, spec runtime.Spec) error {
	if err := checkSpec(&spec); err != nil {
		return err
	}
	key := leaseKey(spec.Lease)
	for {
		rt.mu.Lock()
		if rt.ctx.Err() != nil {
			rt.mu.Unlock()
			return errors.New("containerd: closed")
		}
		l := rt.leases[key]
		if l == nil {
			var err error
			if l, err = rt.openLease(&spec); err != nil {
				rt.mu.Unlock()
				return err
			}
		}
		rt.mu.Unlock()
		again, err := l.applySpec(ctx, &spec)
		if !again {
			return err
		}
	}
}

// openLease makes the lease with a block of addresses; rt.mu is held.
func (rt *Runtime) openLease(spec *runtime.Spec) (*lease, error) {
	key := leaseKey(spec.Lease)
	count := 0
	for _, s := range spec.Group.Services {
		count += int(s.Count)
	}
	block, err := rt.net.allocate(key, count+2)
	if err != nil {
		return nil, err
	}
	l := rt.newLease(spec.Lease, &leaseState{Lease: spec.Lease, Block: block.String(), Slots: map[string]string{}, Replicas: map[string]*replicaState{}})
	l.block = block
	rt.leases[key] = l
	_ = os.Remove(filepath.Join(rt.logDir(key), "closed"))
	return l, nil
}

func checkSpec(spec *runtime.Spec) error {
	if spec.Lease.Owner == "" || spec.Lease.DSeq == 0 || spec.Lease.Provider == "" {
		return fmt.Errorf("containerd: %s is no whole lease id", spec.Lease)
	}
	names := map[string]bool{}
	for _, s := range spec.Group.Services {
		// Names become file and host names. The manifest's rules are stricter; a slip there mustn't
		// become a path here.
		if s.Name == "" || len(s.Name) > 63 || strings.ContainsAny(s.Name, "/\\ \t\n\x00") || s.Name[0] == '.' || names[s.Name] {
			return fmt.Errorf("containerd: %q is no service name, or there twice", s.Name)
		}
		names[s.Name] = true
		if s.Count > 1000 {
			return fmt.Errorf("containerd: service %q wants %d replicas; at most 1000", s.Name, s.Count)
		}
		for _, d := range disks(&s) {
			if strings.ContainsAny(d.name, "/\\\x00") || d.name == ".." || d.mount != "" && (!filepath.IsAbs(d.mount) || filepath.Clean(d.mount) == "/") {
				return fmt.Errorf("containerd: service %q: the volume %q can't be mounted at %q", s.Name, d.name, d.mount)
			}
		}
	}
	return nil
}

// applySpec makes the spec the wanted one and waits until each replica has settled. again says
// that the lease was removed meanwhile.
func (l *lease) applySpec(ctx context.Context, spec *runtime.Spec) (again bool, err error) {
	select {
	case l.apply <- struct{}{}:
	case <-ctx.Done():
		return false, ctx.Err()
	}
	locked := true
	defer func() {
		if locked {
			<-l.apply
		}
	}()
	l.mu.Lock()
	if l.removing {
		l.mu.Unlock()
		select { // Remove holds apply until it has ended, or failed and is to be called again.
		case <-ctx.Done():
			return false, ctx.Err()
		case <-time.After(10 * time.Millisecond):
		}
		l.rt.mu.Lock()
		still := l.rt.leases[l.key] == l
		l.rt.mu.Unlock()
		if still {
			return false, fmt.Errorf("containerd: lease %s is being removed", l.id)
		}
		return true, nil
	}
	if err := l.slots(spec); err != nil {
		l.mu.Unlock()
		return false, err
	}
	l.state.Spec = spec
	if err := l.save(); err != nil {
		l.mu.Unlock()
		return false, fmt.Errorf("containerd: the lease can't be written down: %w", err)
	}
	ports := l.ports(spec)
	l.mu.Unlock()
	// From here on the spec is what is wanted, whatever fails: replicas try again by themselves.
	err = errors.Join(l.rt.net.open(ctx, l.key, l.block, ports), l.writeNames())
	l.mu.Lock()
	l.seq++
	seq := l.seq
	l.want(spec)
	l.mu.Unlock()
	l.rt.changed(l.id)
	// Others may apply while this one waits: the newest spec wins.
	<-l.apply
	locked = false
	if err != nil {
		return false, fmt.Errorf("containerd: lease %s: %w", l.id, err)
	}
	return false, l.waitSettled(ctx, seq)
}

// want tells each replica what is wanted of it, and starts goroutines for new ones; l.mu is held.
func (l *lease) want(spec *runtime.Spec) {
	wantedKeys := map[string]bool{}
	for _, s := range spec.Group.Services {
		w := &wanted{Service: s, Env: spec.Env, Hash: serviceHash(s), Generation: spec.Generation}
		for i := range int(s.Count) {
			k := slotKey(s.Name, i)
			wantedKeys[k] = true
			r := l.replicas[k]
			if r == nil {
				r = l.newReplica(s.Name, i)
			}
			l.setWant(r, w)
		}
	}
	for k, r := range l.replicas {
		if !wantedKeys[k] {
			l.setWant(r, nil)
		}
	}
}

// newReplica makes a replica that isn't wanted yet; l.mu is held.
func (l *lease) newReplica(service string, index int) *replica {
	k := slotKey(service, index)
	st := l.state.Replicas[k]
	if st == nil {
		st = &replicaState{}
		l.state.Replicas[k] = st
	}
	r := &replica{
		l: l, service: service, index: index, key: k, name: replicaName(l.key, service, index),
		st: st, wake: make(chan struct{}, 1), done: make(chan struct{}), state: runtime.StateStarting,
	}
	l.replicas[k] = r
	return r
}

// setWant changes what a replica is to be and wakes it; l.mu is held.
func (l *lease) setWant(r *replica, w *wanted) {
	r.want, r.seq = w, l.seq
	if !r.running {
		r.running = true
		l.rt.wg.Add(1)
		go r.loop()
		return
	}
	if r.busyWith != "" && (w == nil || w.Hash != r.busyWith) && r.stopPull != nil {
		r.stopPull()
	}
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// waitSettled returns when every replica has tried what Apply number seq wanted.
func (l *lease) waitSettled(ctx context.Context, seq uint64) error {
	for {
		l.mu.Lock()
		ch, open := l.settled, false
		for _, r := range l.replicas {
			if r.settledSeq < seq {
				open = true
			}
		}
		l.mu.Unlock()
		if !open {
			return nil
		}
		select {
		case <-ch:
		case <-ctx.Done():
			return ctx.Err()
		case <-l.ctx.Done():
			return errors.New("containerd: the lease was removed, or the provider closed, while it was being applied")
		}
	}
}

// Remove implements runtime.Runtime. Logs and events stay for Options.LogRetention.
func (rt *Runtime) Remove(ctx context.Context, id marketv1.LeaseID) error {
	key := leaseKey(id)
	rt.mu.Lock()
	l := rt.leases[key]
	rt.mu.Unlock()
	if l == nil {
		return nil
	}
	return l.remove(ctx)
}

func (l *lease) remove(ctx context.Context) error {
	rt := l.rt
	select {
	case l.apply <- struct{}{}:
		defer func() { <-l.apply }()
	case <-ctx.Done():
		return ctx.Err()
	}
	rt.mu.Lock()
	if rt.leases[l.key] != l {
		rt.mu.Unlock()
		return nil
	}
	rt.mu.Unlock()
	l.mu.Lock()
	l.removing, l.state.Removing = true, true
	if err := l.save(); err != nil {
		// A full disk mustn't keep a lease that has to go.
		rt.log.Warn("the removal can't be written down", "lease", l.id.String(), "error", err)
	}
	var loops []*replica
	for _, r := range l.replicas {
		if r.running {
			loops = append(loops, r)
		}
	}
	l.mu.Unlock()
	l.cancel() // the goroutines leave what runs; it is ended below
	for _, r := range loops {
		select {
		case <-r.done:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	ids, err := rt.containersOf(ctx, l.id.String())
	if err != nil {
		return err
	}
	errs := make([]error, len(ids))
	var wg sync.WaitGroup
	gate := make(chan struct{}, 8)
	for i, id := range ids {
		wg.Add(1)
		gate <- struct{}{}
		go func() {
			defer func() { <-gate; wg.Done() }()
			// Its volumes go with it: there is nothing that a longer grace would save.
			errs[i] = rt.destroy(ctx, l.key, id, min(time.Second, rt.opt.StopGrace))
		}()
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	// What was made for a container that never came to be.
	l.mu.Lock()
	for _, st := range l.state.Replicas {
		if st.Container != "" {
			rt.net.detach(st.Container)
		}
	}
	l.mu.Unlock()
	if err := rt.collect(ctx); err != nil {
		return err
	}
	rt.removeCgroup("/akash-" + rt.tag + "/" + l.key)
	if err := rt.dropVolumes(l.key); err != nil {
		return err
	}
	if err := rt.net.shut(ctx, l.key); err != nil {
		return err
	}
	l.note("", "", false, "Removed", "the lease ended; all of it was removed")
	if rt.opt.LogRetention < 0 {
		_ = os.RemoveAll(rt.logDir(l.key))
	} else if _, err := os.Stat(rt.logDir(l.key)); err == nil {
		_ = os.WriteFile(filepath.Join(rt.logDir(l.key), "closed"), nil, 0o600)
	}
	if err := os.RemoveAll(l.dir()); err != nil {
		return fmt.Errorf("containerd: %w", err)
	}
	rt.mu.Lock()
	delete(rt.leases, l.key)
	rt.mu.Unlock()
	l.events.close()
	rt.changed(l.id)
	return nil
}

// containersOf returns the ids of a lease's containers, whatever their state.
func (rt *Runtime) containersOf(ctx context.Context, lease string) ([]string, error) {
	cs, err := rt.client.Containers(ctx, fmt.Sprintf("labels.%q==%q", labelLease, lease))
	if err != nil {
		return nil, fmt.Errorf("containerd: containers can't be listed: %w", err)
	}
	ids := make([]string, 0, len(cs))
	for _, c := range cs {
		ids = append(ids, c.ID())
	}
	return ids, nil
}

// Status implements runtime.Runtime.
func (rt *Runtime) Status(_ context.Context, id marketv1.LeaseID) (runtime.LeaseStatus, error) {
	rt.mu.Lock()
	l := rt.leases[leaseKey(id)]
	rt.mu.Unlock()
	if l == nil {
		return runtime.LeaseStatus{}, runtime.ErrNotFound
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	out := runtime.LeaseStatus{Services: map[string]runtime.ServiceStatus{}}
	if l.state.Spec != nil {
		out.Generation = l.state.Spec.Generation
		for _, s := range l.state.Spec.Group.Services {
			out.Services[s.Name] = runtime.ServiceStatus{Total: s.Count}
		}
	}
	for _, r := range l.replicas {
		if r.running && r.want == nil {
			continue // on its way out
		}
		s := out.Services[r.service]
		rep := runtime.Replica{
			Index: r.index, Name: r.name, State: r.state, Reason: r.reason,
			Generation: r.st.Generation, Restarts: r.st.Restarts, ExitCode: r.st.ExitCode,
		}
		if r.cur != nil {
			rep.IP, rep.StartedAt = l.state.Slots[r.key], r.st.StartedAt
			if rep.State == runtime.StateRunning {
				s.Ready++
			}
		}
		if l.state.Spec == nil {
			s.Total++
		}
		s.Replicas = append(s.Replicas, rep)
		out.Services[r.service] = s
	}
	for name, s := range out.Services {
		slices.SortFunc(s.Replicas, func(a, b runtime.Replica) int { return a.Index - b.Index })
		for _, r := range s.Replicas {
			// A replica that runs an old version because the new one failed counts as ready, but
			// the reason is said.
			if r.Reason != "" && s.Reason == "" && (s.Ready < s.Total || r.State == runtime.StateRunning) {
				s.Reason = r.Reason
			}
		}
		if s.Reason == "" && s.Ready < s.Total {
			s.Reason = "it is being started"
		}
		out.Services[name] = s
	}
	return out, nil
}

// loadLeases reads what is on disk.
func (rt *Runtime) loadLeases() error {
	root := filepath.Join(rt.opt.Home, "leases")
	entries, err := os.ReadDir(root)
	if err != nil && !os.IsNotExist(err) {
		return fmt.Errorf("containerd: %w", err)
	}
	for _, e := range entries {
		dir := filepath.Join(root, e.Name())
		st, err := loadState(dir)
		if err != nil {
			if os.IsNotExist(err) { // died between the folder and the file: nothing was made
				_ = os.RemoveAll(dir)
				continue
			}
			// Its containers, if any, are still found by their labels.
			rt.log.Error("a lease's state can't be read", "error", err)
			_ = os.Rename(filepath.Join(dir, "state.json"), filepath.Join(dir, "state.json.damaged"))
			continue
		}
		block, err := netip.ParsePrefix(st.Block)
		if err != nil || leaseKey(st.Lease) != e.Name() {
			rt.log.Error("a lease's state makes no sense", "folder", dir)
			continue
		}
		l := rt.newLease(st.Lease, st)
		l.block, l.removing = block, st.Removing
		rt.leases[l.key] = l
		rt.net.reserve(l.key, block)
		if st.Spec != nil {
			rt.net.ports[l.key] = l.ports(st.Spec)
		}
	}
	return nil
}

// adopt finds out what runs, cleans up what was half made, and lets leases go on.
func (rt *Runtime) adopt(ctx context.Context) error {
	cs, err := rt.client.Containers(ctx)
	if err != nil {
		return fmt.Errorf("containerd: containers can't be listed: %w", err)
	}
	keep := map[string]bool{}
	var drop []struct{ key, id string }
	for _, c := range cs {
		labels, err := c.Labels(ctx)
		if err != nil {
			continue
		}
		id, err := marketv1.ParseLeaseID(labels[labelLease])
		if err != nil {
			drop = append(drop, struct{ key, id string }{"unknown", c.ID()})
			continue
		}
		key := leaseKey(id)
		keep[c.ID()] = true
		l := rt.leases[key]
		addr, block, okAddr := parseAddress(labels[labelAddress])
		if l == nil { // the file is lost: the labels say enough to go on and to remove it
			if !okAddr {
				drop = append(drop, struct{ key, id string }{key, c.ID()})
				continue
			}
			l = rt.newLease(id, &leaseState{Lease: id, Block: block.String(), Slots: map[string]string{}, Replicas: map[string]*replicaState{}})
			l.block = block
			rt.leases[key] = l
			if err := rt.net.open(ctx, key, block, nil); err != nil {
				return err
			}
		}
		index, err := strconv.Atoi(labels[labelReplica])
		if err != nil || l.removing {
			continue // Remove ends it
		}
		name := labels[labelService]
		slot := slotKey(name, index)
		alive := false
		if task, err := c.Task(ctx, nil); err == nil {
			if st, err := task.Status(ctx); err == nil && (st.Status == containerdclient.Running || st.Status == containerdclient.Paused) {
				alive = true
			}
		}
		st := l.state.Replicas[slot]
		known := st != nil && st.Container == c.ID()
		if st == nil && alive {
			st = &replicaState{}
			l.state.Replicas[slot] = st
		}
		r := l.replicas[slot]
		if r == nil && st != nil {
			r = l.newReplica(name, index)
		}
		if !alive || r.cur != nil && !known {
			if !alive && known {
				rt.recordExit(ctx, l, r, c)
			}
			drop = append(drop, struct{ key, id string }{key, c.ID()})
			continue
		}
		if r.cur != nil {
			drop = append(drop, struct{ key, id string }{key, r.cur.id})
		}
		gen, _ := strconv.ParseUint(labels[labelGeneration], 10, 64)
		if l.state.Slots[slot] == "" {
			l.state.Slots[slot] = addr.String()
		}
		st.Container = c.ID()
		if st.Running == nil || st.Running.Hash != labels[labelHash] {
			st.Running = &wanted{Service: manifestv2.Service{Name: name}, Hash: labels[labelHash], Generation: gen}
			st.Generation = gen
		}
		st.Generation = max(st.Generation, gen)
		if st.StartedAt.IsZero() {
			st.StartedAt = time.Now()
		}
		r.cur = &current{id: c.ID(), w: st.Running}
		r.state = runtime.StateRunning
		if err := rt.limitCPU(key, c.ID(), &st.Running.Service); err != nil {
			rt.log.Warn("the CPU limit can't be set", "container", c.ID(), "error", err)
		}
	}
	for _, d := range drop {
		if err := rt.destroy(ctx, d.key, d.id, 0); err != nil {
			return err
		}
		delete(keep, d.id)
	}
	rt.net.sweep(keep)
	rt.sweepProcesses(keep)
	if err := rt.dropSnapshots(ctx, keep); err != nil {
		rt.log.Warn("left snapshots", "error", err)
	}
	rt.dropHalfVolumes()
	for _, l := range rt.leases {
		if l.removing {
			rt.wg.Add(1)
			go rt.finishRemoval(l)
			continue
		}
		l.mu.Lock()
		for _, r := range l.replicas {
			if r.cur != nil {
				r.watch()
			}
		}
		spec := l.state.Spec
		l.mu.Unlock()
		if spec != nil {
			if err := l.writeNames(); err != nil {
				rt.log.Error("names", "error", err)
			}
			l.mu.Lock()
			l.want(spec)
			l.mu.Unlock()
		}
	}
	return nil
}

// recordExit notes how a container ended while no provider looked.
func (rt *Runtime) recordExit(ctx context.Context, l *lease, r *replica, c containerdclient.Container) {
	e := exit{gone: true, at: time.Now()}
	if task, err := c.Task(ctx, nil); err == nil {
		st, err := task.Status(ctx)
		if err == nil && st.Status == containerdclient.Created {
			return // it never ran
		}
		if err == nil && st.Status == containerdclient.Stopped {
			e = exit{code: st.ExitStatus, at: st.ExitTime}
		}
	}
	l.mu.Lock()
	r.ended(c.ID(), e)
	l.mu.Unlock()
}

// finishRemoval goes on with a removal that the last provider began.
func (rt *Runtime) finishRemoval(l *lease) {
	defer rt.wg.Done()
	for rt.ctx.Err() == nil {
		err := l.remove(rt.ctx)
		if err == nil {
			return
		}
		rt.log.Error("a removal isn't finished; trying again", "lease", l.id.String(), "error", err)
		select {
		case <-rt.ctx.Done():
		case <-time.After(5 * time.Second):
		}
	}
}

// dropSnapshots removes root filesystems whose container was never made.
func (rt *Runtime) dropSnapshots(ctx context.Context, keep map[string]bool) error {
	s := rt.client.SnapshotService(snapshotter)
	var stale []string
	err := walkSnapshots(ctx, s, func(name string) {
		if isID(name) && !keep[name] {
			stale = append(stale, name)
		}
	})
	for _, name := range stale {
		err = errors.Join(err, s.Remove(ctx, name))
	}
	return err
}

// isID says whether a name has the form of newID.
func isID(s string) bool {
	return len(s) == 32 && strings.Trim(s, "0123456789abcdef") == ""
}

// dropHalfVolumes deletes volumes that were being made when the last provider died.
func (rt *Runtime) dropHalfVolumes() {
	half, _ := filepath.Glob(filepath.Join(rt.opt.Home, "volumes", "*", "*.tmp"))
	for _, f := range half {
		_ = os.Remove(f)
	}
}
