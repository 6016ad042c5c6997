package containerd

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	marketv1 "github.com/akash-supercloud/akash/api/akash/market/v1"
	"github.com/akash-supercloud/akash/provider/runtime"
)

const (
	sampleEvery = 15 * time.Second
	spanLength  = 10 * time.Minute
	daySpans    = 24 * 6
	// diskEvery is how many samples a look at the disk serves: it goes through files.
	diskEvery = 8
)

// counters are what the kernel has counted for a container since it was made.
type counters struct {
	at                     time.Time
	cpu                    time.Duration
	memory, disk           uint64
	received, sent         uint64
	container, name, owner string
}

// meter is what is known of one replica.
type meter struct {
	Service string
	Name    string
	Day     []runtime.Sample

	last, span counters // at the last sample, and where the span of Day that goes on began
	now        runtime.Sample
}

// meters are a lease's, by slot, in memory and, span by span, in a file beside its logs.
type meters struct {
	path string
	mu   sync.Mutex
	all  map[string]*meter
}

func openMeters(path string) *meters {
	m := &meters{path: path, all: map[string]*meter{}}
	if b, err := os.ReadFile(path); err == nil && json.Unmarshal(b, &m.all) != nil || m.all == nil {
		m.all = map[string]*meter{} // figures for people: what can't be read is begun anew
	}
	return m
}

// between is what was used from a to b.
func between(a, b counters) runtime.Sample {
	s := runtime.Sample{Time: b.at.UTC(), Seconds: b.at.Sub(a.at).Seconds(), Memory: b.memory, Disk: b.disk}
	if d := b.at.Sub(a.at); d > 0 && b.cpu > a.cpu {
		s.CPU = uint64(float64(b.cpu-a.cpu) / float64(d) * 1000)
	}
	s.Received, s.Sent = b.received-min(a.received, b.received), b.sent-min(a.sent, b.sent)
	return s
}

// add takes a measurement and reports whether a span ended with it.
func (m *meters) add(slot string, c counters) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	one := m.all[slot]
	if one == nil {
		one = &meter{}
		m.all[slot] = one
	}
	one.Service, one.Name = c.owner, c.name
	if one.last.container != c.container { // another container: its counters began at nothing
		one.last, one.span = c, c
		return false
	}
	one.now = between(one.last, c)
	one.last = c
	if c.at.Sub(one.span.at) < spanLength {
		return false
	}
	one.Day = append(one.Day, between(one.span, c))
	one.Day = slices.DeleteFunc(one.Day, func(s runtime.Sample) bool { return c.at.Sub(s.Time) > 24*time.Hour })
	if len(one.Day) > daySpans {
		one.Day = slices.Clone(one.Day[len(one.Day)-daySpans:])
	}
	one.span = c
	return true
}

// disk fills in what the last look at the disk said; false: there was none of this container.
func (m *meters) disk(slot string, c *counters) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	one := m.all[slot]
	if one == nil || one.last.container != c.container {
		return false
	}
	c.disk = one.last.disk
	return true
}

// keep forgets replicas that there are no more.
func (m *meters) keep(slots map[string]bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for k := range m.all {
		if !slots[k] {
			delete(m.all, k)
		}
	}
}

func (m *meters) save() error {
	m.mu.Lock()
	b, err := json.Marshal(m.all)
	m.mu.Unlock()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(m.path), 0o700); err != nil {
		return err
	}
	return writeFile(m.path, b, 0o600)
}

// Usage implements runtime.Meter.
func (rt *Runtime) Usage(_ context.Context, id marketv1.LeaseID) ([]runtime.Usage, error) {
	rt.mu.Lock()
	l := rt.leases[leaseKey(id)]
	rt.mu.Unlock()
	if l == nil {
		return nil, runtime.ErrNotFound
	}
	l.meters.mu.Lock()
	defer l.meters.mu.Unlock()
	slots := make([]string, 0, len(l.meters.all))
	for k := range l.meters.all {
		slots = append(slots, k)
	}
	slices.SortFunc(slots, func(a, b string) int {
		sa, ia, _ := strings.Cut(a, "/")
		sb, ib, _ := strings.Cut(b, "/")
		if c := strings.Compare(sa, sb); c != 0 {
			return c
		}
		na, _ := strconv.Atoi(ia)
		nb, _ := strconv.Atoi(ib)
		return na - nb
	})
	out := []runtime.Usage{}
	for _, k := range slots {
		m := l.meters.all[k]
		out = append(out, runtime.Usage{Service: m.Service, Replica: m.Name, Now: m.now, Day: append([]runtime.Sample{}, m.Day...)})
	}
	return out, nil
}

// watchUsage measures what runs.
func (rt *Runtime) watchUsage() {
	defer rt.wg.Done()
	t := time.NewTicker(sampleEvery)
	defer t.Stop()
	for n := 0; ; n++ {
		rt.measure(n%diskEvery == 0)
		select {
		case <-rt.ctx.Done():
			return
		case <-t.C:
		}
	}
}

// measure takes one sample of every replica that runs.
func (rt *Runtime) measure(disk bool) {
	rt.mu.Lock()
	leases := make([]*lease, 0, len(rt.leases))
	for _, l := range rt.leases {
		leases = append(leases, l)
	}
	rt.mu.Unlock()
	type running struct {
		slot, id, service, name string
		index                   int
	}
	for _, l := range leases {
		var rs []running
		slots := map[string]bool{}
		l.mu.Lock()
		if l.removing {
			l.mu.Unlock()
			continue
		}
		for k, r := range l.replicas {
			slots[k] = true
			if r.cur != nil {
				rs = append(rs, running{k, r.cur.id, r.service, r.name, r.index})
			}
		}
		l.mu.Unlock()
		l.meters.keep(slots)
		save := false
		for _, r := range rs {
			c, err := rt.count(l.key, r.id)
			if err != nil { // it ended meanwhile
				continue
			}
			c.container, c.owner, c.name = r.id, r.service, r.name
			known := l.meters.disk(r.slot, &c)
			if disk || !known {
				c.disk = rt.diskUse(l.key, r.service, r.index, r.id)
			}
			save = l.meters.add(r.slot, c) || save
		}
		if !save {
			continue
		}
		l.mu.Lock() // a removal takes the folder away
		if !l.removing {
			if err := l.meters.save(); err != nil {
				rt.log.Warn("what a lease used can't be written down", "lease", l.id.String(), "error", err)
			}
		}
		l.mu.Unlock()
	}
}

// count reads the kernel's counters of a container.
func (rt *Runtime) count(key, id string) (c counters, err error) {
	path := rt.cgroupPath(key, id)
	c.at = time.Now()
	if rt.unified {
		b, err := os.ReadFile("/sys/fs/cgroup" + path + "/cpu.stat")
		if err != nil {
			return c, err
		}
		for line := range strings.Lines(string(b)) {
			if v, ok := strings.CutPrefix(line, "usage_usec "); ok {
				n, _ := strconv.ParseInt(strings.TrimSpace(v), 10, 64)
				c.cpu = time.Duration(n) * time.Microsecond
			}
		}
		if c.memory, err = readNumber("/sys/fs/cgroup" + path + "/memory.current"); err != nil {
			return c, err
		}
	} else {
		n, err := readNumber("/sys/fs/cgroup/cpuacct" + path + "/cpuacct.usage")
		if err != nil {
			return c, err
		}
		c.cpu = time.Duration(n)
		if c.memory, err = readNumber("/sys/fs/cgroup/memory" + path + "/memory.usage_in_bytes"); err != nil {
			return c, err
		}
	}
	// The host's end of the pair receives what the container sends.
	dev := "/sys/class/net/" + rt.net.veth(id) + "/statistics/"
	if c.sent, err = readNumber(dev + "rx_bytes"); err != nil {
		return c, err
	}
	c.received, err = readNumber(dev + "tx_bytes")
	return c, err
}

func readNumber(path string) (uint64, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	return strconv.ParseUint(strings.TrimSpace(string(b)), 10, 64)
}

// diskUse is what a replica has written: to its root filesystem and to its volumes.
func (rt *Runtime) diskUse(key, service string, index int, id string) uint64 {
	var n uint64
	if u, err := rt.client.SnapshotService(snapshotter).Usage(rt.ctx, id); err == nil && u.Size > 0 {
		n = uint64(u.Size)
	}
	mounts, _ := filepath.Glob(rt.volumeMount(key, service, index, "*"))
	for _, m := range mounts {
		var s unix.Statfs_t
		if unix.Statfs(m, &s) == nil {
			n = saturate(n, uint64(s.Blocks-s.Bfree)*uint64(s.Bsize))
		}
	}
	return n
}
