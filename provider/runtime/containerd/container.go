package containerd

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/containerd/containerd/api/types/runc/options"
	containerdclient "github.com/containerd/containerd/v2/client"
	"github.com/containerd/containerd/v2/contrib/seccomp"
	"github.com/containerd/containerd/v2/core/containers"
	"github.com/containerd/containerd/v2/core/leases"
	"github.com/containerd/containerd/v2/pkg/cio"
	"github.com/containerd/containerd/v2/pkg/oci"
	"github.com/containerd/errdefs"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	manifestv2 "github.com/akash-supercloud/akash/api/akash/manifest/v2beta3"
)

// Labels of a container. With them alone every container can be told whose it is.
const (
	labelLease      = "akash.lease"
	labelService    = "akash.service"
	labelReplica    = "akash.replica"
	labelGeneration = "akash.generation"
	labelHash       = "akash.hash"
	labelAddress    = "akash.address" // address/bits of the lease's block
)

// capabilities a replica's process may have: Docker's, without NET_RAW, MKNOD, AUDIT_WRITE.
var capabilities = []string{
	"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL", "CAP_NET_BIND_SERVICE",
	"CAP_SETFCAP", "CAP_SETGID", "CAP_SETPCAP", "CAP_SETUID", "CAP_SYS_CHROOT",
}

// sandboxMemory is what gVisor itself may use beside the tenant's memory.
const sandboxMemory = 32 << 20

// startDeadline bounds create and start: a sandbox that hangs mustn't hang its lease.
const startDeadline = 60 * time.Second

func (rt *Runtime) cgroupPath(key, id string) string {
	return "/akash-" + rt.tag + "/" + key + "/" + id
}

// make creates the container, its network and volumes, without starting it.
func (rt *Runtime) make(ctx context.Context, l *lease, w *wanted, index int, id string) (containerdclient.Container, error) {
	svc := &w.Service
	img, err := rt.image(ctx, w.Image)
	if err != nil {
		return nil, fmt.Errorf("the image %s isn't here any more: %w", svc.Image, err)
	}
	cfg, err := imageConfig(ctx, img)
	if err != nil {
		return nil, fmt.Errorf("the image %s can't be read: %w", svc.Image, err)
	}
	args := commandLine(svc, cfg)
	if len(args) == 0 {
		return nil, fmt.Errorf("the image %s says no command to run; set command in the SDL", svc.Image)
	}
	addr, block, err := l.address(svc.Name, index)
	if err != nil {
		return nil, err
	}
	if err := l.writeNames(); err != nil {
		return nil, err
	}
	ns, err := rt.net.attach(id, addr)
	if err != nil {
		return nil, err
	}
	limit := int64(math.MaxInt64)
	var memory uint64
	if svc.Resources.Memory != nil {
		memory = saturate(units(svc.Resources.Memory.Quantity), ramSize(svc))
	}
	if memory > 0 && memory < math.MaxInt64-sandboxMemory {
		limit = int64(memory)
		if rt.opt.Sandbox == GVisor {
			limit += sandboxMemory
		}
	}
	shm := uint64(64 << 20)
	if memory > 0 {
		shm = min(shm, memory/2)
	}
	var millis uint64 = 1000
	if svc.Resources.CPU != nil && units(svc.Resources.CPU.Units) > 0 {
		millis = min(units(svc.Resources.CPU.Units), 1<<20)
	}
	quota, period := cpuQuota(millis)
	annotations := map[string]string{}
	if root := rootSize(svc); rt.opt.Sandbox == GVisor {
		annotations["dev.gvisor.flag.overlay2"] = fmt.Sprintf("root:self,size=%d", root)
	}
	// The environment: the image's, ours, the tenant's; the later wins.
	env := append(append([]string(nil), w.Env...), svc.Env...)
	for i, e := range env {
		if !strings.Contains(e, "=") {
			env[i] = e + "=" // without it the option below would take the variable away
		}
	}
	files := rt.hostFiles(l.key, svc.Name, index)
	opts := []oci.SpecOpts{
		oci.WithDefaultSpec(),
		oci.WithDefaultUnixDevices,
		oci.WithImageConfig(img),
		oci.WithProcessArgs(args...),
		oci.WithEnv(env),
		oci.WithHostname(fmt.Sprintf("%s-%d", svc.Name, index)),
		oci.WithoutMounts("/run", "/dev/shm"),
		oci.WithMounts([]specs.Mount{
			{Destination: "/dev/shm", Type: "tmpfs", Source: "shm", Options: []string{"nosuid", "noexec", "nodev", "mode=1777", fmt.Sprintf("size=%d", shm)}},
			{Destination: "/etc/hosts", Type: "bind", Source: files.hosts, Options: []string{"rbind", "ro"}},
			{Destination: "/etc/resolv.conf", Type: "bind", Source: files.resolv, Options: []string{"rbind", "ro"}},
		}),
		oci.WithCapabilities(capabilities),
		oci.WithNoNewPrivileges,
		oci.WithLinuxNamespace(specs.LinuxNamespace{Type: specs.NetworkNamespace, Path: ns}),
		oci.WithCgroup(rt.cgroupPath(l.key, id)),
		oci.WithCPUShares(max(2, millis*1024/1000)),
		oci.WithCPUCFS(quota, period),
		oci.WithPidsLimit(rt.opt.PidsLimit),
		oci.WithRlimit(&specs.POSIXRlimit{Type: "RLIMIT_NOFILE", Soft: nofile(), Hard: nofile()}),
		oci.WithAnnotations(annotations),
		rt.withVolumes(l.key, svc, index),
		// After the capabilities, which it looks at.
		seccomp.WithDefaultProfile(),
	}
	if limit != math.MaxInt64 {
		opts = append(opts, oci.WithMemoryLimit(uint64(limit)), oci.WithMemorySwap(limit))
	}
	opts = append(opts, slowStart(millis))
	return rt.client.NewContainer(ctx, id,
		containerdclient.WithImageName(w.Image),
		containerdclient.WithSnapshotter(snapshotter),
		containerdclient.WithNewSnapshot(id, img),
		containerdclient.WithNewSpec(opts...),
		containerdclient.WithRuntime("io.containerd.runc.v2", &options.Options{BinaryName: rt.runtimeBinary, Root: filepath.Join(rt.run, "sandbox")}),
		containerdclient.WithContainerLabels(map[string]string{
			labelLease:      l.id.String(),
			labelService:    svc.Name,
			labelReplica:    strconv.Itoa(index),
			labelGeneration: strconv.FormatUint(w.Generation, 10),
			labelHash:       w.Hash,
			labelAddress:    fmt.Sprintf("%s/%d", addr, block.Bits()),
		}),
	)
}

// commandLine follows what an SDL means: command replaces the image's ENTRYPOINT (and with it
// its CMD), args replaces CMD.
func commandLine(s *manifestv2.Service, cfg ocispec.ImageConfig) []string {
	var line []string
	if len(s.Command) > 0 {
		return append(append(line, s.Command...), s.Args...)
	}
	line = append(line, cfg.Entrypoint...)
	if len(s.Args) > 0 {
		return append(line, s.Args...)
	}
	return append(line, cfg.Cmd...)
}

// nofile is the most open files this process could give.
func nofile() uint64 {
	var r unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &r) != nil {
		return 1024
	}
	return min(r.Max, 1<<20)
}

func cpuQuota(millis uint64) (quota int64, period uint64) {
	return int64(max(millis*100, 1000)), 100_000
}

// slowStart gives a sandbox one whole core until it is started: under its own quota a small
// one would take seconds to begin. limitCPU takes it back.
func slowStart(millis uint64) oci.SpecOpts {
	if millis >= 1000 {
		return func(context.Context, oci.Client, *containers.Container, *oci.Spec) error { return nil }
	}
	return oci.WithCPUCFS(100_000, 100_000)
}

// limitCPU sets the quota that the tenant pays for.
func (rt *Runtime) limitCPU(key, id string, svc *manifestv2.Service) error {
	if svc.Resources.CPU == nil {
		return nil
	}
	millis := min(units(svc.Resources.CPU.Units), 1<<20)
	if millis == 0 || millis >= 1000 {
		return nil
	}
	quota, period := cpuQuota(millis)
	if rt.unified {
		return os.WriteFile("/sys/fs/cgroup"+rt.cgroupPath(key, id)+"/cpu.max", []byte(fmt.Sprintf("%d %d", quota, period)), 0o644)
	}
	return os.WriteFile("/sys/fs/cgroup/cpu"+rt.cgroupPath(key, id)+"/cpu.cfs_quota_us", []byte(strconv.FormatInt(quota, 10)), 0o644)
}

// withVolumes mounts the volumes that the service's params name. Who owns a new volume is
// known only when the image's user is.
func (rt *Runtime) withVolumes(key string, svc *manifestv2.Service, index int) oci.SpecOpts {
	return func(ctx context.Context, _ oci.Client, _ *containers.Container, s *oci.Spec) error {
		for _, d := range disks(svc) {
			switch {
			case d.mount == "":
			case d.ram:
				for i := range s.Mounts { // /dev/shm may be asked for
					if s.Mounts[i].Destination == d.mount {
						s.Mounts = append(s.Mounts[:i], s.Mounts[i+1:]...)
						break
					}
				}
				s.Mounts = append(s.Mounts, specs.Mount{Destination: d.mount, Type: "tmpfs", Source: "tmpfs",
					Options: []string{"nosuid", "nodev", "mode=1777", fmt.Sprintf("size=%d", d.size)}})
			default: // an ephemeral one too, where the SDL says where to put it
				at, err := rt.volume(ctx, key, svc.Name, index, d, s.Process.User.UID, s.Process.User.GID)
				if err != nil {
					return err
				}
				mode := "rw"
				if d.readOnly {
					mode = "ro"
				}
				s.Mounts = append(s.Mounts, specs.Mount{Destination: d.mount, Type: "bind", Source: at, Options: []string{"rbind", mode, "nosuid", "nodev"}})
			}
		}
		return nil
	}
}

// launch creates and starts the container's task, with its output into the log file.
func (rt *Runtime) launch(ctx context.Context, l *lease, w *wanted, index int, c containerdclient.Container) (containerdclient.Task, error) {
	log := rt.logPath(l.key, w.Service.Name, index)
	if err := prepareLog(log); err != nil {
		return nil, fmt.Errorf("the log can't be written: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, startDeadline)
	defer cancel()
	task, err := c.NewTask(ctx, cio.LogFile(log))
	if err != nil {
		return nil, startError(w, err)
	}
	if err := task.Start(ctx); err != nil {
		return nil, startError(w, err)
	}
	if err := rt.limitCPU(l.key, c.ID(), &w.Service); err != nil {
		rt.log.Warn("the CPU limit can't be set", "container", c.ID(), "error", err)
	}
	return task, nil
}

// startError says in plain words why a container doesn't start.
func startError(w *wanted, err error) error {
	text := err.Error()
	for _, s := range []string{"no such file or directory", "executable file not found", "not found in $PATH", "permission denied", "exec format error"} {
		if strings.Contains(text, s) && (strings.Contains(text, "exec") || strings.Contains(text, "starting container") || strings.Contains(text, "finding")) {
			what := "isn't in the image"
			switch s {
			case "permission denied":
				what = "may not be run"
			case "exec format error":
				what = "isn't a program for this kind of processor"
			}
			name := "the image's command"
			if len(w.Service.Command) > 0 {
				name = fmt.Sprintf("the command %q", w.Service.Command[0])
			} else if i := strings.Index(text, `exec: "`); i >= 0 {
				if q, _, ok := strings.Cut(text[i+7:], `"`); ok {
					name = fmt.Sprintf("the command %q", q)
				}
			}
			return fmt.Errorf("it can't be started: %s %s", name, what)
		}
	}
	if errors.Is(err, context.DeadlineExceeded) || errdefs.IsDeadlineExceeded(err) {
		return fmt.Errorf("it didn't start within %s", startDeadline)
	}
	if len(text) > 300 {
		text = text[:300] + "…"
	}
	return fmt.Errorf("it can't be started: %s", text)
}

// exit is how a container's process ended.
type exit struct {
	code uint32
	at   time.Time
	gone bool // nothing is known: its shim was killed
}

// wait blocks until the container's task ended, through restarts of containerd. It returns
// false only when ctx ended first.
func (rt *Runtime) wait(ctx context.Context, id string) (exit, bool) {
	for ctx.Err() == nil {
		c, err := rt.client.LoadContainer(ctx, id)
		if err == nil {
			var task containerdclient.Task
			task, err = c.Task(ctx, nil)
			if err == nil {
				var ch <-chan containerdclient.ExitStatus
				if ch, err = task.Wait(ctx); err == nil {
					select {
					case <-ctx.Done():
						return exit{}, false
					case st := <-ch:
						if st.Error() == nil {
							return exit{code: st.ExitCode(), at: st.ExitTime()}, true
						}
						err = st.Error()
					}
				}
			}
		}
		if errdefs.IsNotFound(err) {
			return exit{gone: true, at: time.Now()}, true
		}
		select {
		case <-ctx.Done():
		case <-time.After(100 * time.Millisecond):
		}
	}
	return exit{}, false
}

// exitReason says in plain words how a container ended.
func (rt *Runtime) exitReason(key, id string, w *wanted, e exit) string {
	switch {
	case rt.outOfMemory(key, id):
		size := "memory"
		if w != nil && w.Service.Resources.Memory != nil {
			size = bytesText(units(w.Service.Resources.Memory.Quantity)) + " of memory"
		}
		return "killed: used more than its " + size
	case e.gone:
		return "lost: its process on the machine was killed"
	case e.code == 0:
		return "ended by itself with exit code 0"
	case e.code > 128 && e.code < 128+65:
		return fmt.Sprintf("ended by the signal %s (exit code %d)", unix.SignalName(syscall.Signal(e.code-128)), e.code)
	default:
		return fmt.Sprintf("ended with exit code %d", e.code)
	}
}

// outOfMemory says whether the kernel killed something in the container's cgroup for memory.
func (rt *Runtime) outOfMemory(key, id string) bool {
	rt.mu.Lock()
	seen := rt.oom[id]
	rt.mu.Unlock()
	if seen {
		return true
	}
	file := "/sys/fs/cgroup/memory" + rt.cgroupPath(key, id) + "/memory.oom_control"
	if rt.unified {
		file = "/sys/fs/cgroup" + rt.cgroupPath(key, id) + "/memory.events"
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) == 2 && f[0] == "oom_kill" && f[1] != "0" {
			return true
		}
	}
	return false
}

// destroy ends a container, by itself within grace or else killed, and removes all of it. What isn't
// there is no error, so it may be called for what is half made.
func (rt *Runtime) destroy(ctx context.Context, key, id string, grace time.Duration) error {
	c, err := rt.client.LoadContainer(ctx, id)
	switch {
	case errdefs.IsNotFound(err):
	case err != nil:
		return fmt.Errorf("containerd: %w", err)
	default:
		if err := rt.endTask(ctx, c, key, grace); err != nil {
			return err
		}
		if err := c.Delete(ctx, containerdclient.WithSnapshotCleanup); err != nil && !errdefs.IsNotFound(err) {
			return fmt.Errorf("containerd: can't delete the container %s: %w", id, err)
		}
	}
	// NewContainer makes the snapshot first: it can be there alone.
	if err := rt.client.SnapshotService(snapshotter).Remove(ctx, id); err != nil && !errdefs.IsNotFound(err) {
		return fmt.Errorf("containerd: can't delete the snapshot %s: %w", id, err)
	}
	rt.killCgroup(key, id)
	rt.removeCgroup(rt.cgroupPath(key, id))
	// What runsc notes of a sandbox stays when it was killed instead of deleted.
	notes, _ := filepath.Glob(filepath.Join(rt.run, "sandbox", namespace, "*"+id+"*"))
	for _, n := range notes {
		_ = os.RemoveAll(n)
	}
	rt.net.detach(id)
	rt.mu.Lock()
	delete(rt.oom, id)
	rt.mu.Unlock()
	rt.garbage.Store(true)
	return nil
}

// collect makes containerd delete the files of removed snapshots now; by itself it does so
// only after many changes.
func (rt *Runtime) collect(ctx context.Context) error {
	rt.garbage.Store(false)
	manager := rt.client.LeasesService()
	l, err := manager.Create(ctx, leases.WithRandomID(), leases.WithExpiration(time.Hour))
	if err != nil {
		return fmt.Errorf("containerd: %w", err)
	}
	if err := manager.Delete(ctx, l, leases.SynchronousDelete); err != nil {
		return fmt.Errorf("containerd: files of removed containers can't be deleted: %w", err)
	}
	return nil
}

func (rt *Runtime) endTask(ctx context.Context, c containerdclient.Container, key string, grace time.Duration) error {
	task, err := c.Task(ctx, nil)
	if errdefs.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("containerd: %w", err)
	}
	wctx, cancel := context.WithCancel(ctx)
	defer cancel()
	done, err := task.Wait(wctx)
	if err != nil && !errdefs.IsNotFound(err) {
		return fmt.Errorf("containerd: %w", err)
	}
	if st, err := task.Status(ctx); err == nil && st.Status == containerdclient.Running && grace > 0 {
		if err := task.Kill(ctx, syscall.SIGTERM); err == nil {
			select {
			case <-done:
			case <-time.After(grace):
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
	var last error
	for i := range 100 {
		// Deleting fails while the process lives, and under runsc for a moment afterwards.
		if _, last = task.Delete(ctx); last == nil || errdefs.IsNotFound(last) {
			return nil
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if i%10 == 0 {
			_ = task.Kill(ctx, syscall.SIGKILL, containerdclient.WithKillAll)
		}
		if i == 50 { // its shim or sandbox doesn't listen
			rt.killCgroup(key, c.ID())
		}
		select {
		case <-done:
		case <-time.After(20 * time.Millisecond):
		}
		time.Sleep(5 * time.Millisecond)
	}
	return fmt.Errorf("containerd: can't end the container %s: %w", c.ID(), last)
}

// cgroupDirs are the folders of a cgroup, one a hierarchy.
func (rt *Runtime) cgroupDirs(path string) []string {
	if rt.unified {
		return []string{"/sys/fs/cgroup" + path}
	}
	dirs, _ := filepath.Glob("/sys/fs/cgroup/*" + path)
	return dirs
}

// killCgroup kills what still runs of a container whose shim can't any more.
func (rt *Runtime) killCgroup(key, id string) {
	for _, dir := range rt.cgroupDirs(rt.cgroupPath(key, id)) {
		b, err := os.ReadFile(filepath.Join(dir, "cgroup.procs"))
		if err != nil {
			continue
		}
		for _, f := range strings.Fields(string(b)) {
			if pid, err := strconv.Atoi(f); err == nil && pid > 1 {
				_ = syscall.Kill(pid, syscall.SIGKILL)
			}
		}
	}
}

// removeCgroup deletes the cgroup where it is left, empty ones below it too.
func (rt *Runtime) removeCgroup(path string) {
	for _, dir := range rt.cgroupDirs(path) {
		for range 50 {
			below, _ := os.ReadDir(dir)
			for _, e := range below {
				if e.IsDir() {
					_ = unix.Rmdir(filepath.Join(dir, e.Name()))
				}
			}
			if err := unix.Rmdir(dir); err == nil || !errors.Is(err, unix.EBUSY) {
				break
			}
			time.Sleep(2 * time.Millisecond) // its processes are still on their way out
		}
	}
}

// known returns the containers that replicas have or are making.
func (rt *Runtime) known() map[string]bool {
	rt.mu.Lock()
	all := make([]*lease, 0, len(rt.leases))
	for _, l := range rt.leases {
		all = append(all, l)
	}
	rt.mu.Unlock()
	keep := map[string]bool{}
	for _, l := range all {
		l.mu.Lock()
		for _, r := range l.replicas {
			if r.cur != nil {
				keep[r.cur.id] = true
			}
			keep[r.st.Container] = true
		}
		l.mu.Unlock()
	}
	return keep
}

// sweepProcesses ends shims and sandboxes of containers that aren't kept, and deletes what
// runc or runsc noted of them: left when the provider died in the middle of a start.
func (rt *Runtime) sweepProcesses(keep map[string]bool) {
	procs, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, p := range procs {
		b, err := os.ReadFile(p)
		if err != nil || !strings.Contains(string(b), rt.run) {
			continue
		}
		args := strings.Split(string(b), "\x00")
		if !strings.HasSuffix(args[0], "containerd-shim-runc-v2") {
			continue
		}
		for i := 1; i+1 < len(args); i++ {
			if id := args[i+1]; args[i] == "-id" && isID(id) && !keep[id] {
				pid, _ := strconv.Atoi(strings.Split(p, "/")[2])
				rt.log.Warn("ending a shim of no container", "container", id)
				if pid > 1 {
					_ = syscall.Kill(pid, syscall.SIGKILL)
				}
			}
		}
	}
	pattern := "/sys/fs/cgroup/*/akash-" + rt.tag + "/*/*"
	if rt.unified {
		pattern = "/sys/fs/cgroup/akash-" + rt.tag + "/*/*"
	}
	groups, _ := filepath.Glob(pattern)
	for _, g := range groups {
		if id, key := filepath.Base(g), filepath.Base(filepath.Dir(g)); isID(id) && !keep[id] {
			rt.killCgroup(key, id)
			rt.removeCgroup(rt.cgroupPath(key, id))
		}
	}
	notes := filepath.Join(rt.run, "sandbox", namespace)
	entries, _ := os.ReadDir(notes)
	for _, e := range entries {
		// runc: a folder named by the id; runsc: ID_sandbox:ID.lock, runsc-ID.sock and so on.
		n := strings.TrimPrefix(e.Name(), "runsc-")
		if len(n) >= 32 && isID(n[:32]) && !keep[n[:32]] {
			_ = os.RemoveAll(filepath.Join(notes, e.Name()))
		}
	}
}

// parseAddress reads the address label.
func parseAddress(label string) (netip.Addr, netip.Prefix, bool) {
	p, err := netip.ParsePrefix(label)
	if err != nil {
		return netip.Addr{}, netip.Prefix{}, false
	}
	return p.Addr(), p.Masked(), true
}
