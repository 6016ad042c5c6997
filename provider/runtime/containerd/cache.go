package containerd

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	containerdclient "github.com/containerd/containerd/v2/client"
	"github.com/containerd/containerd/v2/core/images"
	"github.com/containerd/errdefs"
	"golang.org/x/sys/unix"
)

const (
	// labelUsed is when an image was last needed, in Unix seconds.
	labelUsed = "akash.used"
	// freshImage is how long an image that was just fetched or started from is safe from
	// being deleted: whoever fetched it may not have made its container yet.
	freshImage = 10 * time.Minute
	cacheEvery = time.Minute
)

// touch remembers that an image is needed now.
func (rt *Runtime) touch(digest string) {
	rt.mu.Lock()
	rt.imageUsed[digest] = time.Now()
	rt.mu.Unlock()
}

// cached is an image on the machine, under all its names.
type cached struct {
	digest string
	names  []string
	used   time.Time
	label  time.Time // used, as it is written down
	bytes  int64
}

// trimImages deletes images that no replica uses, those first that weren't used for longest, until
// the unused ones fit Options.ImageCacheBytes and the disk has ReservedDisk free again.
func (rt *Runtime) trimImages(ctx context.Context) error {
	all, err := rt.unusedImages(ctx)
	if err != nil {
		return err
	}
	var sum int64
	for _, c := range all {
		sum += c.bytes
	}
	var errs []error
	for _, c := range all {
		if sum <= rt.opt.ImageCacheBytes && !rt.diskShort() {
			break
		}
		if time.Since(c.used) < freshImage {
			continue
		}
		for i, name := range c.names {
			var opts []images.DeleteOpt
			if i == len(c.names)-1 { // the files go with the last name
				opts = append(opts, images.SynchronousDelete())
			}
			if err := rt.client.ImageService().Delete(ctx, name, opts...); err != nil && !errdefs.IsNotFound(err) {
				errs = append(errs, err)
			}
		}
		rt.mu.Lock()
		delete(rt.imageUsed, c.digest)
		rt.mu.Unlock()
		sum -= c.bytes
		rt.log.Info("an unused image was deleted", "image", c.names[0], "bytes", c.bytes, "unused_for", time.Since(c.used).Round(time.Second).String())
	}
	return errors.Join(errs...)
}

// diskShort says that less is free on the disk than is reserved for the machine itself.
func (rt *Runtime) diskShort() bool {
	var s unix.Statfs_t
	if unix.Statfs(rt.opt.Home, &s) != nil {
		return false
	}
	reserved := rt.opt.ReservedDisk
	if reserved == 0 {
		reserved = min(2<<30, uint64(s.Blocks)*uint64(s.Bsize)/4)
	}
	return uint64(s.Bavail)*uint64(s.Bsize) < reserved
}

// unusedImages returns the images that no replica uses, least recently used first.
func (rt *Runtime) unusedImages(ctx context.Context) ([]*cached, error) {
	list, err := rt.client.ListImages(ctx)
	if err != nil {
		return nil, err
	}
	needed := rt.neededImages()
	now := time.Now()
	byDigest := map[string]*cached{}
	var out []*cached
	for _, img := range list {
		digest := img.Target().Digest.String()
		c := byDigest[digest]
		if c == nil {
			c = &cached{digest: digest}
			byDigest[digest] = c
			if !needed[digest] {
				out = append(out, c)
			}
		}
		if n, err := strconv.ParseInt(img.Labels()[labelUsed], 10, 64); err == nil && img.Name() == digest {
			c.label = time.Unix(n, 0)
		}
		if c.bytes == 0 && !needed[digest] {
			// What can't be measured counts as nothing, and goes when its turn comes.
			c.bytes, _ = img.Usage(ctx, containerdclient.WithSnapshotUsage())
		}
		c.names = append(c.names, img.Name())
	}
	rt.mu.Lock()
	for digest, c := range byDigest {
		if needed[digest] {
			rt.imageUsed[digest] = now
		}
		c.used = c.label
		if t, known := rt.imageUsed[digest]; known {
			c.used = t
		}
	}
	rt.mu.Unlock()
	for digest, c := range byDigest {
		// Written down now and then, for the next provider; to the hour is near enough.
		if c.used.Sub(c.label) > time.Hour {
			rec := images.Image{Name: digest, Labels: map[string]string{labelUsed: strconv.FormatInt(c.used.Unix(), 10)}}
			_, err := rt.client.ImageService().Update(ctx, rec, "labels."+labelUsed)
			if err != nil && !errdefs.IsNotFound(err) {
				return nil, err
			}
		}
	}
	slices.SortFunc(out, func(a, b *cached) int {
		if c := a.used.Compare(b.used); c != 0 {
			return c
		}
		return strings.Compare(a.digest, b.digest)
	})
	return out, nil
}

// neededImages are the digests of what runs or is to run.
func (rt *Runtime) neededImages() map[string]bool {
	rt.mu.Lock()
	leases := make([]*lease, 0, len(rt.leases))
	for _, l := range rt.leases {
		leases = append(leases, l)
	}
	rt.mu.Unlock()
	needed := map[string]bool{}
	for _, l := range leases {
		l.mu.Lock()
		for _, r := range l.replicas {
			if r.st.Running != nil {
				needed[r.st.Running.Image] = true
			}
		}
		services := make([]*service, 0, len(l.services))
		for _, s := range l.services {
			services = append(services, s)
		}
		l.mu.Unlock()
		for _, s := range services {
			s.mu.Lock()
			for _, digest := range s.images {
				needed[digest] = true
			}
			s.mu.Unlock()
		}
	}
	return needed
}
