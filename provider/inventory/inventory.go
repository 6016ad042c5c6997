// Package inventory knows what the provider's nodes have free: what the runtime measures, minus
// what is promised to bids and used by leases.
//
// What always holds:
//   - What is promised or used is never offered a second time, and is free again at once when
//     released. Amounts saturate: nothing is ever negative or absurdly large.
//   - A runtime that can't be asked changes nothing; the last measurement stays.
package inventory

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"cosmossdk.io/math"

	deploymentv1beta4 "github.com/akash-supercloud/akash/api/akash/deployment/v1beta4"
	"github.com/akash-supercloud/akash/match"
)

// Measurer is what the runtime offers.
type Measurer interface {
	Inventory(ctx context.Context) (match.Inventory, error)
}

// Holding is what one order or lease holds.
type Holding struct {
	// Lease is false while only a bid holds it.
	Lease     bool
	Spec      deploymentv1beta4.GroupSpec
	placement match.Placement
	// placed is false when no node could ever have it, as after a GPU was taken out; it holds
	// nothing then.
	placed bool
}

// Inventory is safe for use by several goroutines.
type Inventory struct {
	src Measurer

	mu       sync.Mutex
	base     match.Inventory
	measured time.Time
	err      error
	free     match.Inventory
	held     map[string]*Holding
	order    []string // the keys of held, oldest first
}

// New returns an inventory that has nothing before the first Refresh.
func New(src Measurer) *Inventory { return &Inventory{src: src, held: map[string]*Holding{}} }

// Refresh measures the nodes. On an error the last measurement stays.
func (i *Inventory) Refresh(ctx context.Context) error {
	base, err := i.src.Inventory(ctx)
	i.mu.Lock()
	defer i.mu.Unlock()
	i.err = err
	if err != nil {
		return fmt.Errorf("inventory: measure the nodes: %w", err)
	}
	for n := range base.Nodes {
		base.Nodes[n].Available = base.Nodes[n].Allocatable
	}
	for s := range base.Storage {
		base.Storage[s].Available = base.Storage[s].Allocatable
	}
	i.base, i.measured = base, time.Now()
	i.recompute()
	return nil
}

// recompute takes everything held from what was measured, oldest first.
func (i *Inventory) recompute() {
	free := i.base
	for _, key := range i.order {
		h := i.held[key]
		if !h.placed || !has(i.base, h.placement) {
			h.placement, h.placed = force(free, h.Spec)
		}
		if h.placed {
			free = h.placement.Take(free)
		}
	}
	i.free = free
}

// force places a group even where there is no room on paper, as if the nodes were as large as can
// be; taking it then leaves zero, not less.
func force(inv match.Inventory, spec deploymentv1beta4.GroupSpec) (match.Placement, bool) {
	p, reasons := match.Place(inv, spec)
	if len(reasons) == 0 {
		return p, true
	}
	const huge = 1 << 60
	inv.Nodes, inv.Storage = slices.Clone(inv.Nodes), slices.Clone(inv.Storage)
	for n := range inv.Nodes {
		r := match.Resources{CPU: huge, Memory: huge, EphemeralStorage: huge, GPU: inv.Nodes[n].Allocatable.GPU}
		inv.Nodes[n].Allocatable, inv.Nodes[n].Available = r, r
	}
	for s := range inv.Storage {
		inv.Storage[s].Allocatable, inv.Storage[s].Available = huge, huge
	}
	inv.LeasedIPs = huge
	p, reasons = match.Place(inv, spec)
	return p, len(reasons) == 0
}

// has says whether every node of a placement is still there.
func has(inv match.Inventory, p match.Placement) bool {
	for _, a := range p.Nodes {
		if !slices.ContainsFunc(inv.Nodes, func(n match.Node) bool { return n.Name == a.Node }) {
			return false
		}
	}
	return true
}

// Reserve promises room for a group to key, an order's text form. It returns the placement, or
// every reason why there is no room. Reserving again for the same key replaces the promise.
func (i *Inventory) Reserve(key string, spec deploymentv1beta4.GroupSpec) (match.Placement, []match.Reason) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if h, ok := i.held[key]; ok && h.placed {
		return h.placement, nil
	}
	p, reasons := match.Place(i.free, spec)
	if len(reasons) > 0 {
		return p, reasons
	}
	i.put(key, &Holding{Spec: spec, placement: p, placed: true})
	i.recompute()
	return p, nil
}

// Hold records what an order or lease holds already, whether or not there is room on paper: what
// was promised on the chain, or runs, isn't taken back.
func (i *Inventory) Hold(key string, spec deploymentv1beta4.GroupSpec, lease bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if h, ok := i.held[key]; ok {
		h.Lease = lease
		return
	}
	p, ok := force(i.free, spec)
	i.put(key, &Holding{Lease: lease, Spec: spec, placement: p, placed: ok})
	i.recompute()
}

// Release frees what key holds, at once. It reports whether it held anything.
func (i *Inventory) Release(key string) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	if _, ok := i.held[key]; !ok {
		return false
	}
	delete(i.held, key)
	for n, k := range i.order {
		if k == key {
			i.order = append(i.order[:n:n], i.order[n+1:]...)
			break
		}
	}
	i.recompute()
	return true
}

func (i *Inventory) put(key string, h *Holding) {
	if _, ok := i.held[key]; !ok {
		i.order = append(i.order, key)
	}
	i.held[key] = h
}

// Place says whether a group would fit now, without promising anything.
func (i *Inventory) Place(spec deploymentv1beta4.GroupSpec) (match.Placement, []match.Reason) {
	i.mu.Lock()
	defer i.mu.Unlock()
	return match.Place(i.free, spec)
}

// Idle is the part of the nodes' CPU that no lease has rented, 0 to 1. What bids promise counts as free.
func (i *Inventory) Idle() math.LegacyDec {
	i.mu.Lock()
	defer i.mu.Unlock()
	all, rented := math.LegacyZeroDec(), math.LegacyZeroDec()
	for _, n := range i.base.Nodes {
		all = all.Add(math.LegacyNewDecFromInt(math.NewIntFromUint64(n.Allocatable.CPU)))
	}
	for _, h := range i.held {
		for _, u := range h.Spec.Resources {
			if h.Lease && u.CPU != nil && !u.CPU.Units.Val.IsNil() && u.CPU.Units.Val.IsUint64() {
				rented = rented.Add(math.LegacyNewDecFromInt(u.CPU.Units.Val).MulInt64(int64(u.Count)))
			}
		}
	}
	if !all.IsPositive() || rented.GTE(all) {
		return math.LegacyZeroDec()
	}
	return all.Sub(rented).Quo(all)
}

// Snapshot is the inventory at one moment.
type Snapshot struct {
	// Free has what is measured as Allocatable and what is neither promised nor used as Available.
	Free match.Inventory
	// Measured is when; Err is why the last attempt failed, if it did.
	Measured time.Time
	Err      error
	// Bids and Leases are the groups held by open bids and by leases, oldest first.
	Bids, Leases []deploymentv1beta4.GroupSpec
}

// Snapshot returns what is there now. Its contents must not be changed.
func (i *Inventory) Snapshot() Snapshot {
	i.mu.Lock()
	defer i.mu.Unlock()
	s := Snapshot{Free: i.free, Measured: i.measured, Err: i.err}
	for _, key := range i.order {
		h := i.held[key]
		if h.Lease {
			s.Leases = append(s.Leases, h.Spec)
		} else {
			s.Bids = append(s.Bids, h.Spec)
		}
	}
	return s
}
