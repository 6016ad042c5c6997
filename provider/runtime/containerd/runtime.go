package containerd

import (
	"context"
	"crypto/sha256"
	"debug/elf"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	// Without these, what tasks measure and containerd's events can't be decoded.
	apievents "github.com/containerd/containerd/api/events"
	containerdclient "github.com/containerd/containerd/v2/client"
	"github.com/containerd/typeurl/v2"
	"golang.org/x/sys/unix"

	marketv1 "github.com/akash-supercloud/akash/api/akash/market/v1"
	"github.com/akash-supercloud/akash/provider/runtime"
)

// Runtime runs leases on this machine. It is made by New and safe for use by many goroutines.
type Runtime struct {
	opt           Options
	log           *slog.Logger
	tag           string // names things of this home on the machine
	run           string // /run/akash-TAG
	unified       bool   // cgroup v2
	runtimeBinary string // what the shim calls: runc, or our wrapper of runsc
	lock          *os.File
	daemon        *daemon
	client        *containerdclient.Client
	net           *network
	dns           *nameserver
	changes       chan marketv1.LeaseID

	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu     sync.Mutex
	leases map[string]*lease // by key
	oom    map[string]bool   // containers of which the kernel killed something for memory
	// imageUsed is when each image was last needed, by digest.
	imageUsed map[string]time.Time

	garbage atomic.Bool // a snapshot was removed, its files weren't yet

	usage struct {
		sync.Mutex
		at    time.Time
		bytes uint64
	}
}

var (
	_ runtime.Runtime = (*Runtime)(nil)
	_ runtime.Execer  = (*Runtime)(nil)
	_ runtime.Eventer = (*Runtime)(nil)
	_ runtime.Meter   = (*Runtime)(nil)
)

// tagOf names a home in device and table names: 20 bits are enough for the homes of one machine.
func tagOf(home string) string {
	sum := sha256.Sum256([]byte(home))
	return hex.EncodeToString(sum[:3])[:5]
}

// New starts the home's containerd or finds it running, takes over every lease that is on the
// machine, and goes on where the last provider stopped: replicas that run aren't touched, what
// was half made is finished or cleaned up. Its errors say what is missing or in the way.
func New(ctx context.Context, opt Options) (_ *Runtime, err error) {
	opt, err = opt.withDefaults()
	if err != nil {
		return nil, err
	}
	if os.Geteuid() != 0 {
		return nil, errors.New("containerd: containers need root; run the provider as root")
	}
	bin, err := program(opt.Containerd, "containerd", "install containerd (apt-get install containerd)")
	if err != nil {
		return nil, err
	}
	nft, err := program("", "nft", "install nftables (apt-get install nftables)")
	if err != nil {
		return nil, err
	}
	if _, err := program("", "mkfs.ext4", "install e2fsprogs (apt-get install e2fsprogs)"); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(opt.Home, 0o711); err != nil {
		return nil, fmt.Errorf("containerd: home: %w", err)
	}
	if opt.Home, err = filepath.EvalSymlinks(opt.Home); err != nil {
		return nil, fmt.Errorf("containerd: home: %w", err)
	}
	if opt.StorageClass == "" {
		opt.StorageClass = storageClass(opt.Home) + ",default"
	}
	tag := tagOf(opt.Home)
	rt := &Runtime{
		opt: opt, log: opt.Log, tag: tag, run: "/run/akash-" + tag,
		changes: make(chan marketv1.LeaseID, 256),
		leases:  map[string]*lease{}, oom: map[string]bool{}, imageUsed: map[string]time.Time{},
	}
	_, uerr := os.Stat("/sys/fs/cgroup/cgroup.controllers")
	rt.unified = uerr == nil
	if rt.lock, err = lockHome(opt.Home); err != nil {
		return nil, err
	}
	rt.ctx, rt.cancel = context.WithCancel(context.Background())
	defer func() {
		if err != nil {
			rt.Close()
		}
	}()
	if rt.runtimeBinary, err = rt.prepareSandbox(); err != nil {
		return nil, err
	}
	if err := rt.prepareNetwork(nft); err != nil {
		return nil, err
	}
	if err := rt.loadLeases(); err != nil {
		return nil, err
	}
	// The rules stand before anything is started.
	if err := rt.net.rules(ctx); err != nil {
		return nil, err
	}
	rt.dns = &nameserver{lookup: rt.lookupName, upstream: opt.DNS}
	if err := rt.dns.listen(rt.net.gateway); err != nil {
		return nil, fmt.Errorf("containerd: names can't be served on %s: %w", rt.net.gateway, err)
	}
	rt.daemon = &daemon{bin: bin, dir: filepath.Join(opt.Home, "containerd"), run: rt.run, log: rt.log}
	if err := rt.daemon.start(ctx); err != nil {
		return nil, err
	}
	if rt.client, err = containerdclient.New(rt.daemon.socket(), containerdclient.WithDefaultNamespace(namespace), containerdclient.WithTimeout(10*time.Second)); err != nil {
		return nil, fmt.Errorf("containerd: %w", err)
	}
	if err := rt.adopt(ctx); err != nil {
		return nil, err
	}
	rt.wg.Add(4)
	go rt.watchEvents()
	go rt.watchMachine()
	go rt.watchImages()
	go rt.watchUsage()
	return rt, nil
}

// lockHome makes sure that one provider has the home at a time.
func lockHome(home string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(home, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("containerd: home: %w", err)
	}
	// A provider that was killed while it started a program holds the lock a moment longer, by
	// the child that wasn't that program yet.
	for range 100 {
		if err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err == nil {
			return f, nil
		}
		time.Sleep(20 * time.Millisecond)
	}
	f.Close()
	return nil, fmt.Errorf("containerd: the home %s is in use by another provider; stop that one first", home)
}

// prepareSandbox returns the program that the shim is to call.
func (rt *Runtime) prepareSandbox() (string, error) {
	if rt.opt.Sandbox == Runc {
		return program("", "runc", "install runc (apt-get install runc)")
	}
	runsc, err := program(rt.opt.Runsc, "runsc", "build it with make setup, or name it by the runsc option")
	if err != nil {
		return "", err
	}
	if f, err := elf.Open(runsc); err == nil {
		dynamic := slices.ContainsFunc(f.Progs, func(p *elf.Prog) bool { return p.Type == elf.PT_INTERP })
		f.Close()
		if dynamic { // it runs itself anew in a root without libraries: "waiting for sandbox to start: EOF"
			return "", fmt.Errorf("containerd: %s is linked dynamically and can't start a sandbox; build it with CGO_ENABLED=0 (make setup does)", runsc)
		}
	}
	// The shim passes only a few flags on; the rest is said here. Annotations may override flags
	// (the size of the root filesystem is one): none comes from a tenant.
	wrapper := filepath.Join(rt.opt.Home, "runsc.sh")
	text := fmt.Sprintf("#!/bin/sh\n# Written by akash at every start.\nexec %s --platform=systrap --allow-flag-override \"$@\"\n", shellQuote(runsc))
	if old, err := os.ReadFile(wrapper); err == nil && string(old) == text {
		return wrapper, nil
	}
	if err := writeFile(wrapper, []byte(text), 0o700); err != nil {
		return "", fmt.Errorf("containerd: %w", err)
	}
	if out, err := exec.Command(wrapper, "--version").CombinedOutput(); err != nil {
		return "", fmt.Errorf("containerd: %s doesn't run: %s", runsc, strings.TrimSpace(string(out)))
	}
	return wrapper, nil
}

func shellQuote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

func (rt *Runtime) prepareNetwork(nft string) error {
	file := filepath.Join(rt.opt.Home, "network.json")
	var kept struct{ Subnet string }
	if b, err := os.ReadFile(file); err == nil {
		if err := json.Unmarshal(b, &kept); err != nil {
			return fmt.Errorf("containerd: %s is damaged: %w", file, err)
		}
	}
	if kept.Subnet != "" && rt.opt.Subnet != "" && kept.Subnet != rt.opt.Subnet {
		if left, _ := os.ReadDir(filepath.Join(rt.opt.Home, "leases")); len(left) > 0 {
			return fmt.Errorf("containerd: leases have addresses of the subnet %s, so it can't become %s while they run", kept.Subnet, rt.opt.Subnet)
		}
		(&network{subnet: mustPrefix(kept.Subnet)}).unclaim()
		kept.Subnet = ""
	}
	p, err := chooseSubnet(rt.opt.Subnet, kept.Subnet)
	if err != nil {
		return err
	}
	rt.net = &network{
		tag: rt.tag, dir: filepath.Join(rt.run, "netns"), nft: nft,
		subnet: p, gateway: p.Addr().Next(), opt: &rt.opt,
		blocks: map[string]netip.Prefix{}, ports: map[string][]portMap{},
	}
	if kept.Subnet != p.String() {
		b, _ := json.Marshal(struct{ Subnet string }{p.String()})
		if err := writeFile(file, b, 0o600); err != nil {
			return fmt.Errorf("containerd: %w", err)
		}
	}
	return rt.net.claim()
}

func mustPrefix(s string) netip.Prefix {
	p, _ := netip.ParsePrefix(s)
	return p
}

// Changes implements runtime.Runtime.
func (rt *Runtime) Changes() <-chan marketv1.LeaseID { return rt.changes }

func (rt *Runtime) changed(id marketv1.LeaseID) {
	select {
	case rt.changes <- id:
	default: // readers look on a timer too
	}
}

// Close lets go: goroutines end, containers and containerd run on.
func (rt *Runtime) Close() error {
	rt.cancel()
	if rt.dns != nil {
		rt.dns.close()
	}
	rt.wg.Wait()
	var err error
	if rt.client != nil {
		err = rt.client.Close()
	}
	return errors.Join(err, rt.lock.Close())
}

// Destroy removes every lease, stops containerd and takes back what New put on the machine;
// the home folder's images, logs and network choice are deleted too. The Runtime is closed by it.
func (rt *Runtime) Destroy(ctx context.Context) error {
	ids, err := rt.List(ctx)
	if err != nil {
		return err
	}
	for _, id := range ids {
		if err := rt.Remove(ctx, id); err != nil {
			return err
		}
	}
	if err := rt.Close(); err != nil {
		rt.log.Warn("closing", "error", err)
	}
	err = rt.daemon.stop()
	// runsc keeps one mount of an empty network namespace a root.
	err = errors.Join(err, unmountBelow(rt.run), os.RemoveAll(rt.run))
	rt.net.sweep(nil)
	rt.net.unclaim()
	rt.removeCgroup("/akash-" + rt.tag)
	err = errors.Join(err, rt.net.dropTable(ctx), unmountBelow(filepath.Join(rt.opt.Home, "containerd")))
	for _, name := range []string{"containerd", "leases", "volumes", "logs", "network.json", "runsc.sh", "lock"} {
		err = errors.Join(err, os.RemoveAll(filepath.Join(rt.opt.Home, name)))
	}
	return err
}

// watchEvents notes what only containerd's events tell: that memory ran out.
func (rt *Runtime) watchEvents() {
	defer rt.wg.Done()
	for rt.ctx.Err() == nil {
		ctx, cancel := context.WithCancel(rt.ctx)
		events, errs := rt.client.Subscribe(ctx, `topic=="/tasks/oom"`)
	read:
		for {
			select {
			case e := <-events:
				if e == nil || e.Event == nil {
					break read
				}
				v, err := typeurl.UnmarshalAny(e.Event)
				if err != nil {
					continue
				}
				if o, ok := v.(*apievents.TaskOOM); ok {
					rt.mu.Lock()
					if len(rt.oom) < 10_000 {
						rt.oom[o.ContainerID] = true
					}
					rt.mu.Unlock()
				}
			case <-errs:
				break read
			case <-rt.ctx.Done():
				break read
			}
		}
		cancel()
		select {
		case <-rt.ctx.Done():
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// watchMachine brings containerd and the packet rules back when they are gone, and bounds logs.
func (rt *Runtime) watchMachine() {
	defer rt.wg.Done()
	fast, slow := time.NewTicker(250*time.Millisecond), time.NewTicker(5*time.Second)
	logs := time.NewTicker(500 * time.Millisecond)
	defer fast.Stop()
	defer slow.Stop()
	defer logs.Stop()
	failures := 0
	rt.trimLogs()
	// What containerd was still making when the last provider died shows up a little later.
	late := time.After(10 * time.Second)
	for {
		select {
		case <-rt.ctx.Done():
			return
		case <-fast.C:
			if rt.daemon.running() {
				failures = 0
				continue
			}
			rt.log.Warn("containerd ended; starting it again; containers run on")
			if err := rt.daemon.start(rt.ctx); err != nil && rt.ctx.Err() == nil {
				failures++
				rt.log.Error("containerd can't be started", "error", err)
				select {
				case <-rt.ctx.Done():
				case <-time.After(min(time.Duration(failures)*time.Second, 30*time.Second)):
				}
			}
		case <-late:
			rt.sweepProcesses(rt.known())
		case <-logs.C:
			rt.trimLogs()
		case <-slow.C:
			if rt.garbage.Load() {
				if err := rt.collect(rt.ctx); err != nil && rt.ctx.Err() == nil {
					rt.log.Warn("removed containers", "error", err)
				}
			}
			if !rt.net.intact(rt.ctx) && rt.ctx.Err() == nil {
				rt.log.Warn("the packet rules were gone; putting them back")
				if err := rt.net.rules(rt.ctx); err != nil && rt.ctx.Err() == nil {
					rt.log.Error("the packet rules can't be put back", "error", err)
				}
			}
			if !rt.net.claimed() {
				if err := rt.net.claim(); err != nil {
					rt.log.Error("the subnet's route can't be put back", "error", err)
				}
			}
		}
	}
}

// watchImages keeps the image cache within its bound.
func (rt *Runtime) watchImages() {
	defer rt.wg.Done()
	t := time.NewTicker(cacheEvery)
	defer t.Stop()
	for {
		select {
		case <-rt.ctx.Done():
			return
		case <-t.C:
			if err := rt.trimImages(rt.ctx); err != nil && rt.ctx.Err() == nil {
				rt.log.Warn("unused images can't be deleted", "error", err)
			}
		}
	}
}

// List implements runtime.Runtime. Leases whose removal isn't finished are in it.
func (rt *Runtime) List(context.Context) ([]marketv1.LeaseID, error) {
	rt.mu.Lock()
	defer rt.mu.Unlock()
	ids := make([]marketv1.LeaseID, 0, len(rt.leases))
	for _, l := range rt.leases {
		ids = append(ids, l.id)
	}
	slices.SortFunc(ids, func(a, b marketv1.LeaseID) int { return strings.Compare(a.String(), b.String()) })
	return ids, nil
}

// lookupName returns the running replicas of a service, of the lease that the asker is in.
func (rt *Runtime) lookupName(asker netip.Addr, service string) ([]netip.Addr, bool) {
	rt.mu.Lock()
	var l *lease
	for _, x := range rt.leases {
		if x.block.Contains(asker) {
			l = x
			break
		}
	}
	rt.mu.Unlock()
	if l == nil {
		return nil, false
	}
	return l.lookup(service)
}
