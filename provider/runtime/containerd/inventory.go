package containerd

import (
	"bufio"
	"context"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	goruntime "runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	resources "github.com/akash-supercloud/akash/api/akash/base/resources/v1beta4"
	"github.com/akash-supercloud/akash/match"
)

// units returns a resource's amount; what isn't set or is out of range counts as 0 or as the most.
func units(v resources.ResourceValue) uint64 {
	if v.Val.IsNil() || v.Val.IsNegative() {
		return 0
	}
	if !v.Val.IsUint64() {
		return math.MaxUint64
	}
	return v.Val.Uint64()
}

// Inventory implements runtime.Runtime. Available is the same as Allocatable: what leases take
// of it is the provider's to count.
func (rt *Runtime) Inventory(context.Context) (match.Inventory, error) {
	cpu, err := readCPU("/proc/cpuinfo")
	if err != nil {
		return match.Inventory{}, err
	}
	memory, err := readMemory("/proc/meminfo")
	if err != nil {
		return match.Inventory{}, err
	}
	var sfs unix.Statfs_t
	if err := unix.Statfs(rt.opt.Home, &sfs); err != nil {
		return match.Inventory{}, fmt.Errorf("containerd: size of the disk: %w", err)
	}
	disk := uint64(sfs.Blocks) * uint64(sfs.Bsize)
	// What others than we fill isn't ours to sell.
	disk = min(disk, saturate(uint64(sfs.Bavail)*uint64(sfs.Bsize), rt.used()))
	keep := func(total, asked, otherwise uint64) uint64 {
		if asked == 0 {
			asked = min(otherwise, total/4)
		}
		if asked > total {
			return 0
		}
		return total - asked
	}
	allocatable := match.Resources{
		CPU:              keep(uint64(cpu.Cores)*1000, rt.opt.ReservedCPU, 100),
		Memory:           keep(memory, rt.opt.ReservedMemory, 512<<20),
		EphemeralStorage: keep(disk, rt.opt.ReservedDisk, 2<<30),
	}
	volumes := rt.opt.VolumeBytes
	if volumes == 0 {
		volumes = allocatable.EphemeralStorage / 2
	}
	volumes = min(volumes, allocatable.EphemeralStorage)
	allocatable.EphemeralStorage -= volumes
	var classes []string
	for c := range strings.SplitSeq(rt.opt.StorageClass, ",") {
		if c = strings.TrimSpace(c); c != "" && !slices.Contains(classes, c) {
			classes = append(classes, c)
		}
	}
	var pools []match.StoragePool
	for _, c := range classes {
		part := volumes / uint64(len(classes))
		pools = append(pools, match.StoragePool{Class: c, Allocatable: part, Available: part})
	}
	return match.Inventory{
		Nodes: []match.Node{{
			Name:           rt.opt.NodeName,
			Allocatable:    allocatable,
			Available:      allocatable,
			StorageClasses: classes,
			CPU:            cpu,
			Arch:           goruntime.GOARCH,
		}},
		Storage: pools,
	}, nil
}

// used is what lies below the home: volumes, images, root filesystems, logs. Counting takes a
// while, so an answer serves for a minute.
func (rt *Runtime) used() uint64 {
	rt.usage.Lock()
	defer rt.usage.Unlock()
	if time.Since(rt.usage.at) < time.Minute {
		return rt.usage.bytes
	}
	var n uint64
	var home unix.Stat_t
	_ = unix.Stat(rt.opt.Home, &home)
	_ = filepath.WalkDir(rt.opt.Home, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return nil // it went away meanwhile
		}
		var st unix.Stat_t
		if unix.Lstat(path, &st) != nil {
			return nil
		}
		if st.Dev != home.Dev {
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		if !d.IsDir() && st.Nlink > 1 {
			n = saturate(n, uint64(st.Blocks)*512/uint64(st.Nlink))
		} else {
			n = saturate(n, uint64(st.Blocks)*512)
		}
		return nil
	})
	rt.usage.at, rt.usage.bytes = time.Now(), n
	return n
}

func readCPU(path string) (match.CPUInfo, error) {
	f, err := os.Open(path)
	if err != nil {
		return match.CPUInfo{}, fmt.Errorf("containerd: %w", err)
	}
	defer f.Close()
	var c match.CPUInfo
	s := bufio.NewScanner(f)
	s.Buffer(nil, 1<<20)
	for s.Scan() {
		k, v, _ := strings.Cut(s.Text(), ":")
		v = strings.TrimSpace(v)
		switch strings.TrimSpace(k) {
		case "processor":
			c.Cores++
		case "vendor_id":
			c.Vendor = v
		case "model name":
			c.Model = v
		}
	}
	switch c.Vendor {
	case "GenuineIntel":
		c.Vendor = "intel"
	case "AuthenticAMD":
		c.Vendor = "amd"
	}
	// A limit on this process (a container, taskset) counts, not what the board has.
	if n := uint32(goruntime.NumCPU()); c.Cores == 0 || n < c.Cores {
		c.Cores = n
	}
	return c, s.Err()
}

func readMemory(path string) (uint64, error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, fmt.Errorf("containerd: %w", err)
	}
	defer f.Close()
	s := bufio.NewScanner(f)
	for s.Scan() {
		if f := strings.Fields(s.Text()); len(f) >= 2 && f[0] == "MemTotal:" {
			kb, err := strconv.ParseUint(f[1], 10, 53)
			return kb << 10, err
		}
	}
	return 0, fmt.Errorf("containerd: %s has no MemTotal", path)
}

// storageClass names the kind of disk that a folder is on: beta3 NVMe, beta2 SSD, beta1 HDD.
func storageClass(dir string) string {
	var st unix.Stat_t
	if unix.Stat(dir, &st) != nil {
		return "beta2"
	}
	dev := filepath.Join("/sys/dev/block", fmt.Sprintf("%d:%d", unix.Major(st.Dev), unix.Minor(st.Dev)))
	real, err := filepath.EvalSymlinks(dev)
	if err != nil {
		return "beta2"
	}
	if strings.Contains(real, "/nvme") {
		return "beta3"
	}
	for _, d := range []string{real, filepath.Dir(real)} { // a partition's disk is above it
		if b, err := os.ReadFile(filepath.Join(d, "queue", "rotational")); err == nil {
			if strings.TrimSpace(string(b)) == "1" {
				return "beta1"
			}
			return "beta2"
		}
	}
	return "beta2"
}
