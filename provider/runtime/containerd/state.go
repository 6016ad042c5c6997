package containerd

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	manifestv2 "github.com/akash-supercloud/akash/api/akash/manifest/v2beta3"
	marketv1 "github.com/akash-supercloud/akash/api/akash/market/v1"
	"github.com/akash-supercloud/akash/provider/runtime"
)

// leaseState is what is known of a lease on disk, in two files. state.json is what is wanted:
// written with fsync before anything is made from it. replicas.json is what was made of it:
// written at every start and end, without fsync, because a crash of the machine, the only thing
// that could lose it, ends the containers too.
type leaseState struct {
	Lease marketv1.LeaseID
	// Spec is what is wanted; nil when the file was lost and the lease was found by its
	// containers only.
	Spec *runtime.Spec `json:",omitempty"`
	// Block is the lease's part of the subnet, Slots the address of each "service/index".
	Block string
	Slots map[string]string
	// Removing says that Remove began: nothing of the lease may be started again.
	Removing bool `json:",omitempty"`
	// Replicas are by "service/index".
	Replicas map[string]*replicaState `json:"-"`
}

// replicaState is what a replica needs to remember over a restart of the provider.
type replicaState struct {
	// Running is what its container was made from, Container the container's id. A container
	// named here may not have been started, or may be gone.
	Running   *wanted `json:",omitempty"`
	Container string  `json:",omitempty"`
	// Generation is the newest one that the running container satisfies.
	Generation uint64
	StartedAt  time.Time
	Restarts   uint32
	Streak     uint32 // failures in a row, for the pause before the next try
	ExitCode   *uint32
	Reason     string
}

// wanted is one version of a service, enough to start a replica of it.
type wanted struct {
	Service manifestv2.Service
	Env     []string // AKASH_*
	// Hash names what matters of Service to a running container.
	Hash       string
	Generation uint64
	// Image is the digest that the image's name stood for; empty: not asked yet.
	Image string `json:",omitempty"`
}

// serviceHash changes when a running container has to be replaced. The count, what the
// ingress does, and credentials don't matter to it, nor do the AKASH_* variables: a provider
// whose public name changed mustn't restart its tenants.
func serviceHash(s manifestv2.Service) string {
	type expose struct {
		Port, As uint32
		Proto    string
	}
	exposes := make([]expose, 0, len(s.Expose))
	for _, e := range s.Expose {
		exposes = append(exposes, expose{e.Port, e.ExternalPort, e.Proto})
	}
	s.Count, s.Expose, s.Credentials = 0, nil, nil
	if s.Params != nil {
		p := *s.Params
		p.Credentials, p.Permissions = nil, nil
		s.Params = &p
	}
	s.Resources.ID, s.Resources.Endpoints = 0, nil
	b, err := json.Marshal(struct {
		Service manifestv2.Service
		Expose  []expose
	}{s, exposes})
	if err != nil {
		// The types marshal always; a hash that never matches is safe all the same.
		b = []byte(err.Error() + newID())
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:12])
}

// leaseKey is the lease's short name in file, cgroup and device names.
func leaseKey(id marketv1.LeaseID) string {
	sum := sha256.Sum256([]byte(id.String()))
	return hex.EncodeToString(sum[:8])
}

// newID returns a container id: hex of a fixed length, because runsc takes a prefix of an
// id for the id.
func newID() string {
	var b [16]byte
	_, _ = rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

func slotKey(service string, index int) string { return fmt.Sprintf("%s/%d", service, index) }

// writeFile replaces a file so that after a crash it holds the old or the new, whole.
func writeFile(path string, data []byte, perm fs.FileMode) error {
	if err := replaceFile(path, data, perm, true); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// replaceFile replaces a file so that whoever reads it, also after a kill -9, sees the old or the
// new, whole.
func replaceFile(path string, data []byte, perm fs.FileMode, sync bool) error {
	tmp := path + ".tmp"
	f, err := os.OpenFile(tmp, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, perm)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if sync {
		err = errors.Join(err, f.Sync())
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(tmp, path)
	}
	if err != nil {
		_ = os.Remove(tmp)
	}
	return err
}

func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

func (s *leaseState) save(dir string) error {
	b, err := json.Marshal(s)
	if err != nil {
		return err
	}
	return writeFile(filepath.Join(dir, "state.json"), b, 0o600)
}

func (s *leaseState) saveReplicas(dir string) error {
	b, err := json.Marshal(s.Replicas)
	if err != nil {
		return err
	}
	return replaceFile(filepath.Join(dir, "replicas.json"), b, 0o600, false)
}

func loadState(dir string) (*leaseState, error) {
	b, err := os.ReadFile(filepath.Join(dir, "state.json"))
	if err != nil {
		return nil, err
	}
	s := new(leaseState)
	if err := json.Unmarshal(b, s); err != nil {
		return nil, fmt.Errorf("%s/state.json is damaged: %w", dir, err)
	}
	if s.Slots == nil {
		s.Slots = map[string]string{}
	}
	if b, err := os.ReadFile(filepath.Join(dir, "replicas.json")); err == nil {
		if json.Unmarshal(b, &s.Replicas) != nil {
			s.Replicas = nil // the labels of what runs say the rest
		}
	}
	if s.Replicas == nil {
		s.Replicas = map[string]*replicaState{}
	}
	for k, r := range s.Replicas {
		if r == nil {
			delete(s.Replicas, k)
		}
	}
	return s, nil
}
