package containerd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/containerd/containerd/v2/core/mount"
	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"

	manifestv2 "github.com/akash-supercloud/akash/api/akash/manifest/v2beta3"
)

// disk is one entry of a service's storage, read.
type disk struct {
	name       string
	size       uint64
	persistent bool
	ram        bool
	mount      string // empty: nowhere
	readOnly   bool
}

// disks reads what a service says of storage.
func disks(s *manifestv2.Service) []disk {
	var out []disk
	for _, v := range s.Resources.Storage {
		d := disk{name: v.Name, size: units(v.Quantity)}
		for _, a := range v.Attributes {
			switch {
			case a.Key == "persistent" && a.Value == "true":
				d.persistent = true
			case a.Key == "class" && a.Value == "ram":
				d.ram = true
			}
		}
		if s.Params != nil {
			for _, p := range s.Params.Storage {
				if p.Name == v.Name {
					d.mount, d.readOnly = p.Mount, p.ReadOnly
				}
			}
		}
		out = append(out, d)
	}
	return out
}

// rootSize is what a replica may write outside its volumes: the sum of the service's
// ephemeral storage that is mounted nowhere, and a little where there is none.
func rootSize(s *manifestv2.Service) uint64 {
	var n uint64
	for _, d := range disks(s) {
		if !d.persistent && !d.ram && d.mount == "" {
			n = saturate(n, d.size)
		}
	}
	if n == 0 {
		n = 128 << 20
	}
	return n
}

// ramSize is the sum of a service's volumes in memory.
func ramSize(s *manifestv2.Service) uint64 {
	var n uint64
	for _, d := range disks(s) {
		if d.ram && d.mount != "" {
			n = saturate(n, d.size)
		}
	}
	return n
}

func saturate(a, b uint64) uint64 {
	if a+b < a {
		return ^uint64(0)
	}
	return a + b
}

func (rt *Runtime) volumeImage(key, service string, index int, name string) string {
	return filepath.Join(rt.opt.Home, "volumes", key, fmt.Sprintf("%s-%d-%s.img", service, index, name))
}

func (rt *Runtime) volumeMount(key, service string, index int, name string) string {
	return filepath.Join(rt.run, "volumes", key, fmt.Sprintf("%s-%d-%s", service, index, name))
}

// volume makes sure that a replica's persistent volume exists and is mounted, and returns
// where. A volume is an ext4 image with all its blocks allocated, so its size is a promise
// both ways. The owner of an empty volume becomes uid:gid.
func (rt *Runtime) volume(ctx context.Context, key, service string, index int, d disk, uid, gid uint32) (string, error) {
	image, at := rt.volumeImage(key, service, index, d.name), rt.volumeMount(key, service, index, d.name)
	if err := errors.Join(os.MkdirAll(filepath.Dir(image), 0o700), os.MkdirAll(at, 0o700)); err != nil {
		return "", err
	}
	if mounted, err := mountinfo.Mounted(at); err != nil {
		return "", err
	} else if mounted {
		return at, nil
	}
	fresh := false
	switch st, err := os.Stat(image); {
	case err == nil:
		if uint64(st.Size()) < d.size {
			return "", fmt.Errorf("the volume %q has %s and can't grow to %s; keep its size, or make a new deployment", d.name, bytesText(uint64(st.Size())), bytesText(d.size))
		}
	case os.IsNotExist(err):
		fresh = true
		if err := makeVolume(ctx, image, d.size); err != nil {
			if errors.Is(err, unix.ENOSPC) {
				return "", fmt.Errorf("the provider's disk has no room for the volume %q of %s", d.name, bytesText(d.size))
			}
			return "", fmt.Errorf("can't make the volume %q: %w", d.name, err)
		}
	default:
		return "", err
	}
	m := mount.Mount{Type: "ext4", Source: image, Options: []string{"loop", "nosuid", "nodev", "noatime"}}
	if err := m.Mount(at); err != nil {
		return "", fmt.Errorf("can't mount the volume %q: %w", d.name, err)
	}
	if fresh {
		// Databases refuse to begin in a folder that has something in it.
		_ = os.Remove(filepath.Join(at, "lost+found"))
		if err := errors.Join(os.Chown(at, int(uid), int(gid)), os.Chmod(at, 0o755)); err != nil {
			return "", err
		}
	}
	return at, nil
}

func makeVolume(ctx context.Context, image string, size uint64) error {
	tmp := image + ".tmp"
	_ = os.Remove(tmp)
	f, err := os.OpenFile(tmp, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	defer os.Remove(tmp)
	// Never sparse: on a full host a sparse image loses data without a word.
	err = unix.Fallocate(int(f.Fd()), 0, 0, int64(size))
	err = errors.Join(err, f.Close())
	if err != nil {
		return err
	}
	mkfs, err := program("", "mkfs.ext4", "install e2fsprogs")
	if err != nil {
		return err
	}
	out, err := exec.CommandContext(ctx, mkfs, "-q", "-F", "-m", "0", "-E", "lazy_itable_init=1,lazy_journal_init=1,nodiscard", tmp).CombinedOutput()
	if err != nil {
		return fmt.Errorf("mkfs.ext4: %s: %w", strings.TrimSpace(string(out)), err)
	}
	if err := os.Rename(tmp, image); err != nil {
		return err
	}
	return syncDir(filepath.Dir(image))
}

// dropVolumes unmounts and deletes the volumes of a lease.
func (rt *Runtime) dropVolumes(key string) error {
	return errors.Join(
		unmountBelow(filepath.Join(rt.run, "volumes", key)),
		os.RemoveAll(filepath.Join(rt.run, "volumes", key)),
		os.RemoveAll(filepath.Join(rt.opt.Home, "volumes", key)),
	)
}

func unmountBelow(dir string) error {
	infos, err := mountinfo.GetMounts(mountinfo.PrefixFilter(dir))
	if err != nil {
		return err
	}
	for i := len(infos) - 1; i >= 0; i-- {
		p := infos[i].Mountpoint
		if err := unix.Unmount(p, 0); err != nil {
			if err := unix.Unmount(p, unix.MNT_DETACH); err != nil && !errors.Is(err, unix.EINVAL) {
				return fmt.Errorf("containerd: can't unmount %s: %w", p, err)
			}
		}
	}
	return nil
}

// bytesText writes an amount as people do: 64Mi, 1.5Gi.
func bytesText(n uint64) string {
	const steps = "KMGTPE"
	if n < 1024 {
		return fmt.Sprintf("%d bytes", n)
	}
	f, i := float64(n), -1
	for f >= 1024 && i < len(steps)-1 {
		f /= 1024
		i++
	}
	return strings.TrimSuffix(fmt.Sprintf("%.1f", f), ".0") + string(steps[i]) + "i"
}
