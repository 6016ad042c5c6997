package gateway

import (
	"math"
	"strconv"
	"time"

	deploymentv1beta4 "github.com/akash-supercloud/akash/api/akash/deployment/v1beta4"
	inventoryv1 "github.com/akash-supercloud/akash/api/akash/inventory/v1"
	providerrpc "github.com/akash-supercloud/akash/api/akash/provider/v1"
	resource "github.com/akash-supercloud/akash/api/k8s/io/apimachinery/pkg/api/resource"
	"github.com/akash-supercloud/akash/match"
)

// held is how much a group holds, all replicas together.
type held struct {
	CPU       uint64            `json:"cpu"`
	GPU       uint64            `json:"gpu"`
	Memory    uint64            `json:"memory"`
	Ephemeral uint64            `json:"storage_ephemeral"`
	Storage   map[string]uint64 `json:"storage,omitempty"`
}

func add(a, b uint64) uint64 {
	if a > math.MaxUint64-b {
		return math.MaxUint64
	}
	return a + b
}

func times(a, n uint64) uint64 {
	if n != 0 && a > math.MaxUint64/n {
		return math.MaxUint64
	}
	return a * n
}

func sub(a, b uint64) uint64 {
	if b > a {
		return 0
	}
	return a - b
}

func hold(spec deploymentv1beta4.GroupSpec) held {
	var h held
	for _, u := range spec.Resources {
		n := uint64(u.Count)
		if u.CPU != nil {
			v, _ := match.Amount(u.CPU.Units)
			h.CPU = add(h.CPU, times(v, n))
		}
		if u.GPU != nil {
			v, _ := match.Amount(u.GPU.Units)
			h.GPU = add(h.GPU, times(v, n))
		}
		if u.Memory != nil {
			v, _ := match.Amount(u.Memory.Quantity)
			h.Memory = add(h.Memory, times(v, n))
		}
		for _, st := range u.Storage {
			v, _ := match.Amount(st.Quantity)
			class, persistent := match.VolumeClass(st)
			switch {
			case persistent:
				if h.Storage == nil {
					h.Storage = map[string]uint64{}
				}
				h.Storage[class] = add(h.Storage[class], times(v, n))
			case class == "ram":
				h.Memory = add(h.Memory, times(v, n))
			default:
				h.Ephemeral = add(h.Ephemeral, times(v, n))
			}
		}
	}
	return h
}

type nodeAmounts struct {
	CPU       uint64 `json:"cpu"`
	GPU       uint64 `json:"gpu"`
	Memory    uint64 `json:"memory"`
	Ephemeral uint64 `json:"storage_ephemeral"`
}

func amounts(r match.Resources) nodeAmounts {
	return nodeAmounts{r.CPU, r.GPU, r.Memory, r.EphemeralStorage}
}

// restStatus is the body of GET /status.
func (s *Server) restStatus() any {
	type node struct {
		Name        string      `json:"name"`
		Allocatable nodeAmounts `json:"allocatable"`
		Available   nodeAmounts `json:"available"`
	}
	type class struct {
		Class string `json:"class"`
		Size  uint64 `json:"size"`
	}
	var out struct {
		Cluster struct {
			Leases    int `json:"leases"`
			Inventory struct {
				Active    []held `json:"active"`
				Pending   []held `json:"pending"`
				Available struct {
					Nodes   []node  `json:"nodes"`
					Storage []class `json:"storage,omitempty"`
				} `json:"available"`
				Error string `json:"error,omitempty"`
			} `json:"inventory"`
		} `json:"cluster"`
		BidEngine struct {
			Orders int `json:"orders"`
		} `json:"bidengine"`
		Manifest struct {
			Deployments int `json:"deployments"`
		} `json:"manifest"`
		PublicHostname string        `json:"cluster_public_hostname,omitempty"`
		Reclamation    time.Duration `json:"reclamation_window,omitempty"`
		Address        string        `json:"address"`
	}
	snap := s.opt.Inventory.Snapshot()
	out.Cluster.Leases, out.Manifest.Deployments = s.opt.Workload.Counts()
	out.BidEngine.Orders = s.opt.Bids.Orders()
	inv := &out.Cluster.Inventory
	inv.Active, inv.Pending, inv.Available.Nodes = []held{}, []held{}, []node{}
	for _, g := range snap.Leases {
		inv.Active = append(inv.Active, hold(g))
	}
	for _, g := range snap.Bids {
		inv.Pending = append(inv.Pending, hold(g))
	}
	for _, n := range snap.Free.Nodes {
		inv.Available.Nodes = append(inv.Available.Nodes, node{n.Name, amounts(n.Allocatable), amounts(n.Available)})
	}
	for _, p := range snap.Free.Storage {
		inv.Available.Storage = append(inv.Available.Storage, class{p.Class, p.Available})
	}
	if snap.Err != nil {
		inv.Error = "the machine can't be measured now"
	}
	out.PublicHostname, out.Reclamation, out.Address = s.opt.PublicHost, s.opt.Reclamation, s.opt.Provider
	return out
}

func quantity(v uint64) *resource.Quantity {
	return &resource.Quantity{String_: strconv.FormatUint(v, 10)}
}

// milli writes thousandths as Kubernetes does: "500m", "2".
func milli(v uint64) *resource.Quantity {
	if v%1000 == 0 {
		return quantity(v / 1000)
	}
	return &resource.Quantity{String_: strconv.FormatUint(v, 10) + "m"}
}

func pair(q func(uint64) *resource.Quantity, allocatable, available uint64) inventoryv1.ResourcePair {
	return inventoryv1.ResourcePair{Allocatable: q(allocatable), Allocated: q(sub(allocatable, available)), Capacity: q(allocatable)}
}

func metric(specs []deploymentv1beta4.GroupSpec) providerrpc.ReservationsMetric {
	var sum held
	storage := map[string]*resource.Quantity{}
	byClass := map[string]uint64{}
	for _, g := range specs {
		h := hold(g)
		sum.CPU, sum.GPU, sum.Memory, sum.Ephemeral = add(sum.CPU, h.CPU), add(sum.GPU, h.GPU), add(sum.Memory, h.Memory), add(sum.Ephemeral, h.Ephemeral)
		for c, v := range h.Storage {
			byClass[c] = add(byClass[c], v)
		}
	}
	for c, v := range byClass {
		storage[c] = quantity(v)
	}
	return providerrpc.ReservationsMetric{Count: uint32(len(specs)), Resources: providerrpc.ResourcesMetric{
		CPU: milli(sum.CPU), Memory: quantity(sum.Memory), GPU: quantity(sum.GPU), EphemeralStorage: quantity(sum.Ephemeral), Storage: storage}}
}

// Status is the status that gRPC serves.
func (s *Server) Status() *providerrpc.Status {
	snap := s.opt.Inventory.Snapshot()
	leases, deployments := s.opt.Workload.Counts()
	zero := pair(quantity, 0, 0)
	var cluster inventoryv1.Cluster
	for _, n := range snap.Free.Nodes {
		node := inventoryv1.Node{Name: n.Name, Capabilities: inventoryv1.NodeCapabilities{StorageClasses: n.StorageClasses}}
		node.Resources = inventoryv1.NodeResources{
			CPU: inventoryv1.CPU{Quantity: pair(milli, n.Allocatable.CPU, n.Available.CPU),
				Info: []inventoryv1.CPUInfo{{ID: "0", Vendor: n.CPU.Vendor, Model: n.CPU.Model, Vcores: n.CPU.Cores}}},
			Memory:           inventoryv1.Memory{Quantity: pair(quantity, n.Allocatable.Memory, n.Available.Memory)},
			GPU:              inventoryv1.GPU{Quantity: pair(quantity, n.Allocatable.GPU, n.Available.GPU)},
			EphemeralStorage: pair(quantity, n.Allocatable.EphemeralStorage, n.Available.EphemeralStorage),
			VolumesAttached:  zero, VolumesMounted: zero,
		}
		for _, g := range n.GPUs {
			node.Resources.GPU.Info = append(node.Resources.GPU.Info, inventoryv1.GPUInfo{Vendor: g.Vendor, Name: g.Model, Interface: g.Interface, MemorySize: g.RAM})
		}
		cluster.Nodes = append(cluster.Nodes, node)
	}
	for _, p := range snap.Free.Storage {
		cluster.Storage = append(cluster.Storage, inventoryv1.Storage{Quantity: pair(quantity, p.Allocatable, p.Available), Info: inventoryv1.StorageInfo{Class: p.Class}})
	}
	out := &providerrpc.Status{
		Cluster: &providerrpc.ClusterStatus{
			Leases: providerrpc.Leases{Active: uint32(leases)},
			Inventory: providerrpc.Inventory{Cluster: cluster, LeasedIP: pair(quantity, snap.Free.LeasedIPs, snap.Free.LeasedIPs),
				Reservations: providerrpc.Reservations{Pending: metric(snap.Bids), Active: metric(snap.Leases)}},
		},
		BidEngine:       &providerrpc.BidEngineStatus{Orders: uint32(s.opt.Bids.Orders())},
		Manifest:        &providerrpc.ManifestStatus{Deployments: uint32(deployments)},
		PublicHostnames: []string{s.opt.PublicHost},
		Timestamp:       s.opt.Now().UTC(),
	}
	if snap.Err != nil {
		out.Errors = append(out.Errors, "the machine can't be measured now")
	}
	if err := s.opt.Healthy(); err != nil {
		out.Errors = append(out.Errors, err.Error())
	}
	if s.opt.Reclamation > 0 {
		window := s.opt.Reclamation
		out.ReclamationWindow = &window
	}
	return out
}
