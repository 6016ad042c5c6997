// Package runtime is the border between the provider and whatever runs tenants'
// containers. It owns the words both sides use; backends live below it (containerd,
// kubernetes, fake) and each passes runtimetest.
//
// What always holds:
//   - A backend is level, not edge: Apply takes the whole wanted state of a lease and
//     may be called any number of times; a service that is as wanted isn't touched.
//   - Workloads outlive the daemon. After a restart List finds every one of them, and
//     nothing but Apply or Remove changes them.
//   - Remove leaves nothing behind: no container, network, mount, file or rule.
package runtime

import (
	"context"
	"errors"
	"io"
	"time"

	manifestv2 "github.com/akash-supercloud/akash/api/akash/manifest/v2beta3"
	marketv1 "github.com/akash-supercloud/akash/api/akash/market/v1"
	"github.com/akash-supercloud/akash/match"
)

// ErrNotFound is returned when the lease, service or replica named isn't on this backend.
var ErrNotFound = errors.New("runtime: not found")

// ErrNotRunning is returned by Exec when the replica is known and doesn't run now.
var ErrNotRunning = errors.New("runtime: the replica isn't running")

// ErrNoCommand is wrapped by Exec's error when the container has no such program.
var ErrNoCommand = errors.New("runtime: no such command in the container")

// Spec is the wanted state of one lease.
type Spec struct {
	Lease marketv1.LeaseID
	// Group is what the tenant's manifest says for the lease's group, already validated.
	Group manifestv2.Group
	// Generation grows by one with every manifest accepted for the lease. Replicas carry it.
	Generation uint64
	// Env is added to each container unless the service sets the name itself: AKASH_*.
	Env []string
	// Hosts are the host names, by service, that the lease answers to; for information only.
	Hosts map[string][]string
}

// Runtime runs leases on the nodes of one provider.
type Runtime interface {
	// Inventory measures what the nodes have, whether used or not. Allocatable leaves out
	// what the operator reserved for the machine itself.
	Inventory(ctx context.Context) (match.Inventory, error)
	// Apply makes what runs for the lease equal to spec and returns once every replica was
	// started or has failed to start; why one failed is in Status. It returns an error only
	// when nothing could be attempted, or the backend itself is broken.
	// Pulling an image may take minutes; ctx ends the wait, not the replicas already running.
	Apply(ctx context.Context, spec Spec) error
	// Remove stops the lease's replicas and deletes all that belongs to it. Removing what
	// isn't there is no error. keepLogs leaves its log files for the retention time.
	Remove(ctx context.Context, lease marketv1.LeaseID) error
	// List returns every lease that has anything on the backend, whoever put it there.
	List(ctx context.Context) ([]marketv1.LeaseID, error)
	// Status says how the lease's services are; ErrNotFound if the backend has nothing of it.
	Status(ctx context.Context, lease marketv1.LeaseID) (LeaseStatus, error)
	// Logs calls fn for each line, oldest first, until it returns an error, ctx ends, or, when
	// not following, the end is reached.
	Logs(ctx context.Context, lease marketv1.LeaseID, opt LogOptions, fn func(LogLine) error) error
	// Changes yields a value whenever the status of some lease may have changed. It is a hint:
	// readers must also look on a timer.
	Changes() <-chan marketv1.LeaseID
	// Close lets go of the backend. Replicas go on running.
	Close() error
}

// Execer is implemented by backends that can run a command inside a replica.
type Execer interface {
	// Exec returns the command's exit code; an error only when it couldn't be run.
	Exec(ctx context.Context, lease marketv1.LeaseID, service string, replica int, cmd []string, io Stdio) (int, error)
}

// Eventer is implemented by backends that remember what happened to a service.
type Eventer interface {
	Events(ctx context.Context, lease marketv1.LeaseID, follow bool, fn func(Event) error) error
}

// Meter is implemented by backends that measure what replicas use.
type Meter interface {
	// Usage returns a lease's replicas, ordered by service and index; ErrNotFound if the backend has
	// nothing of the lease.
	Usage(ctx context.Context, lease marketv1.LeaseID) ([]Usage, error)
}

// Usage is what one replica uses.
type Usage struct {
	Service string `json:"service"`
	Replica string `json:"replica"`
	// Now is the last minute or less; Time is zero before the first measurement.
	Now Sample `json:"now"`
	// Day are the last 24 hours, oldest first, one sample for every ten minutes that it ran.
	Day []Sample `json:"day"`
}

// Sample is what a replica used in a span of time.
type Sample struct {
	// Time is the span's end, Seconds its length.
	Time    time.Time `json:"time"`
	Seconds float64   `json:"seconds"`
	// CPU is the mean, in thousandths of a core.
	CPU uint64 `json:"cpu_millis"`
	// Memory and Disk are bytes in use at the span's end: Disk is what was written to the root
	// filesystem and to volumes.
	Memory uint64 `json:"memory_bytes"`
	Disk   uint64 `json:"disk_bytes"`
	// Received and Sent are bytes that came in and went out over the network.
	Received uint64 `json:"received_bytes"`
	Sent     uint64 `json:"sent_bytes"`
}

// Stdio is what an Exec is connected to. Stdin may be nil. With TTY, Stderr gets nothing.
type Stdio struct {
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	TTY            bool
	Resize         <-chan Size
}

// Size is a terminal's size in characters.
type Size struct{ Width, Height uint16 }

// LeaseStatus is how a lease's services are, by service name.
type LeaseStatus struct {
	Generation uint64
	Services   map[string]ServiceStatus
}

// ServiceStatus is how one service is.
type ServiceStatus struct {
	// Total is the wanted number of replicas, Ready how many run now.
	Total, Ready uint32
	Replicas     []Replica
	// Reason says in one plain sentence why Ready is below Total; empty when it isn't.
	Reason string
}

// State is where a replica is in its life.
type State string

// The states of a replica.
const (
	StatePulling  State = "pulling" // its image is being fetched
	StateStarting State = "starting"
	StateRunning  State = "running"
	StateBackoff  State = "backoff" // it ended or failed to start, and is tried again after a pause
	StateFailed   State = "failed"  // it won't be tried again before the manifest changes
)

// Replica is one running (or failing) copy of a service.
type Replica struct {
	// Index counts from 0 within the service. Name is "service-index" with the lease's short id:
	// what logs and events call it.
	Index int
	Name  string
	State State
	// Reason says why it isn't running, in one plain sentence.
	Reason string
	// IP is where the provider's own host reaches the replica; empty until it has one.
	IP         string
	Generation uint64
	StartedAt  time.Time
	Restarts   uint32
	ExitCode   *uint32
}

// LogOptions choose lines.
type LogOptions struct {
	Services []string // empty: all
	Follow   bool
	Tail     int // last lines of each replica; negative: all
}

// LogLine is a line that a replica wrote, without its line end.
type LogLine struct {
	Replica string
	Service string
	Line    string
}

// Event is something that happened to a service.
type Event struct {
	Time    time.Time
	Service string
	Replica string
	Warning bool
	Reason  string // one CamelCase word: Pulled, Started, BackOff, Killed, …
	Note    string // one plain sentence
}
