package match

import (
	"cmp"
	"slices"

	attributesv1 "github.com/akash-supercloud/akash/api/akash/base/attributes/v1"
	deploymentv1beta4 "github.com/akash-supercloud/akash/api/akash/deployment/v1beta4"
	marketv1beta5 "github.com/akash-supercloud/akash/api/akash/market/v1beta5"
)

// Placement is one way to serve a group.
type Placement struct {
	// Offer are the group's units as a bid offers them, in the group's order: GPU attributes
	// name the exact GPU.
	Offer []marketv1beta5.ResourceOffer
	// Nodes says which replica goes where, by unit as in the group, then by replica.
	Nodes []Assignment
	// LeasedIPs is how many addresses it takes.
	LeasedIPs uint64

	demands []demand
}

// Assignment puts some replicas of a unit on a node.
type Assignment struct {
	ResourceID uint32
	Node       string
	// First is the number of the first replica, from 0; Count is how many follow each other.
	First, Count uint32
	// GPU is the kind that each of these replicas gets, Count of it a replica; the zero value
	// where the unit has none.
	GPU GPU

	node, unit int
}

// searchSteps bounds the work of one Place: nodes looked at. A group whose arrangement isn't
// found within them is refused, as if it didn't fit; the steps are counted, so the answer is
// always the same.
const searchSteps = 1_000_000

// Place finds nodes for every replica of a group, or every reason why there are none. All
// replicas of a unit get the same kind of GPU. With reasons, the placement is empty.
func Place(inv Inventory, g deploymentv1beta4.GroupSpec) (Placement, []Reason) {
	if err := Limits(g); err != nil {
		return Placement{}, []Reason{{Code: CodeLimits, Text: err.Error(), Change: "ask for amounts within the chain's limits"}}
	}
	demands := make([]demand, len(g.Resources))
	for i := range g.Resources {
		demands[i] = demandOf(&g.Resources[i], i)
	}
	ips := leasedIPs(&g)
	if reasons := whyNot(inv, demands, ips); len(reasons) > 0 {
		return Placement{}, reasons
	}
	s := newSearch(inv, demands)
	if !s.run() {
		return Placement{}, []Reason{together(inv, demands)}
	}
	return s.placement(ips), nil
}

// Take is what is left of an inventory after the placement. The argument isn't changed.
func (p Placement) Take(inv Inventory) Inventory {
	out := clone(inv)
	out.LeasedIPs = sub(out.LeasedIPs, p.LeasedIPs)
	byName := make(map[string]int, len(out.Nodes))
	for i := range out.Nodes {
		byName[out.Nodes[i].Name] = i
	}
	for _, a := range p.Nodes {
		d := &p.demands[a.unit]
		n := uint64(a.Count)
		if i, ok := byName[a.Node]; ok {
			node := &out.Nodes[i]
			node.Available.CPU = sub(node.Available.CPU, mul(d.cpu, n))
			node.Available.Memory = sub(node.Available.Memory, mul(d.memory, n))
			node.Available.EphemeralStorage = sub(node.Available.EphemeralStorage, mul(d.disk, n))
			node.Available.GPU = sub(node.Available.GPU, mul(d.gpu, n))
			if d.gpu > 0 {
				// Of several kinds on a node Available.GPU alone can't say which are free, so
				// those taken leave the list.
				left := mul(d.gpu, n)
				for k := range node.GPUs {
					if g := &node.GPUs[k]; g.kind() == a.GPU.kind() {
						taken := min(left, g.Count)
						g.Count -= taken
						left -= taken
					}
				}
			}
		}
		for _, pl := range d.pools {
			for k := range out.Storage {
				if out.Storage[k].Class == pl.class {
					out.Storage[k].Available = sub(out.Storage[k].Available, mul(pl.size, n))
				}
			}
		}
	}
	return out
}

func clone(inv Inventory) Inventory {
	inv.Nodes = slices.Clone(inv.Nodes)
	for i := range inv.Nodes {
		inv.Nodes[i].GPUs = slices.Clone(inv.Nodes[i].GPUs)
	}
	inv.Storage = slices.Clone(inv.Storage)
	return inv
}

// pooled is how much of a class is free.
func (inv *Inventory) pooled(class string) (uint64, bool) {
	for i := range inv.Storage {
		if inv.Storage[i].Class == class {
			return inv.Storage[i].Available, true
		}
	}
	return 0, false
}

// free is what a search has left of a node.
type free struct {
	cpu, memory, disk, gpu uint64
	kinds                  []GPU // with the count that is left
	node                   *Node
}

// search is a bounded, complete search: units in decreasing size, for each unit the kinds of
// GPU it may have, and for each the nodes, tightest first, taking as many replicas as fit and
// then fewer. What it finds first is best-fit-decreasing; what that misses, going back finds.
type search struct {
	demands []demand // in the order of the search
	nodes   []free
	pools   map[string]uint64
	// takes[i][j] is how many replicas of demand i are on node j; gpus[i] its kind.
	takes [][]uint64
	gpus  []GPU
	// steps is how many more nodes may be looked at.
	steps int
}

func newSearch(inv Inventory, demands []demand) *search {
	s := &search{demands: slices.Clone(demands), pools: map[string]uint64{}, gpus: make([]GPU, len(demands)), steps: searchSteps}
	for i := range inv.Nodes {
		n := &inv.Nodes[i]
		s.nodes = append(s.nodes, free{
			cpu: n.Available.CPU, memory: n.Available.Memory, disk: n.Available.EphemeralStorage, gpu: n.Available.GPU,
			kinds: kindsOn(n), node: n,
		})
	}
	for i := range inv.Storage {
		s.pools[inv.Storage[i].Class] = inv.Storage[i].Available
	}
	for range demands {
		s.takes = append(s.takes, make([]uint64, len(s.nodes)))
	}
	// The largest first: a large unit has the fewest places. Size is the greatest part it asks
	// of any amount that the nodes have in all, in thousandths.
	var all free
	for i := range s.nodes {
		n := &s.nodes[i]
		all.cpu, all.memory, all.disk, all.gpu = add(all.cpu, n.cpu), add(all.memory, n.memory), add(all.disk, n.disk), add(all.gpu, n.gpu)
	}
	slices.SortStableFunc(s.demands, func(a, b demand) int {
		return cmp.Or(
			cmp.Compare(b.gpu, a.gpu),
			cmp.Compare(size(&b, &all), size(&a, &all)),
		)
	})
	return s
}

func size(d *demand, all *free) uint64 {
	return max(share(d.cpu, all.cpu), share(d.memory, all.memory), share(d.disk, all.disk))
}

func share(part, whole uint64) uint64 {
	if whole == 0 {
		return 0
	}
	return mul(part, 1000) / whole
}

func (s *search) run() bool { return s.unit(0) }

// unit places demand i and all after it.
func (s *search) unit(i int) bool {
	if i == len(s.demands) {
		return true
	}
	d := &s.demands[i]
	for _, p := range d.pools {
		if s.pools[p.class] < mul(p.size, d.count) {
			return false
		}
	}
	for _, p := range d.pools {
		s.pools[p.class] -= mul(p.size, d.count)
	}
	kinds := []GPU{{}}
	if d.gpu > 0 {
		kinds = s.kindsFor(d)
	}
	for _, kind := range kinds {
		s.gpus[i] = kind
		s.steps -= len(s.nodes)
		if s.steps < 0 {
			break
		}
		order := s.order()
		fits, room := make([]uint64, len(order)), make([]uint64, len(order)+1)
		for at := len(order) - 1; at >= 0; at-- {
			fits[at] = s.fit(d, &s.nodes[order[at]], kind)
			room[at] = add(room[at+1], fits[at])
		}
		if s.spread(i, order, fits, room, 0, d.count) {
			return true
		}
	}
	for _, p := range d.pools {
		s.pools[p.class] += mul(p.size, d.count)
	}
	return false
}

// kindsOn lists the kinds of GPU on a node, each once.
func kindsOn(n *Node) []GPU {
	var out []GPU
next:
	for i := range n.GPUs {
		for k := range out {
			if out[k].kind() == n.GPUs[i].kind() {
				out[k].Count = add(out[k].Count, n.GPUs[i].Count)
				continue next
			}
		}
		out = append(out, n.GPUs[i])
	}
	return out
}

// kindsFor lists the kinds of GPU on the nodes that d takes, in the nodes' order.
func (s *search) kindsFor(d *demand) []GPU {
	var out []GPU
	for i := range s.nodes {
		for k := range s.nodes[i].kinds {
			g := &s.nodes[i].kinds[k]
			if g.Count > 0 && d.takes(g) && !slices.Contains(out, g.kind()) {
				out = append(out, g.kind())
			}
		}
	}
	return out
}

// order is the nodes from tightest to loosest: with fewer free GPUs, then with less free CPU,
// then memory.
func (s *search) order() []int {
	order := make([]int, len(s.nodes))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(x, y int) int {
		a, b := &s.nodes[x], &s.nodes[y]
		return cmp.Or(cmp.Compare(a.gpu, b.gpu), cmp.Compare(a.cpu, b.cpu), cmp.Compare(a.memory, b.memory))
	})
	return order
}

// spread puts left replicas of demand i on the nodes order[at:], then the other units. fits is
// how many each of them takes, room the sum of it from there on.
func (s *search) spread(i int, order []int, fits, room []uint64, at int, left uint64) bool {
	if left == 0 {
		return s.unit(i + 1)
	}
	if room[at] < left { // also where no node is left
		return false
	}
	j := order[at]
	for k := min(fits[at], left); ; k-- {
		if s.steps--; s.steps < 0 {
			return false
		}
		s.put(&s.demands[i], &s.nodes[j], s.gpus[i], k)
		s.takes[i][j] = k
		if s.spread(i, order, fits, room, at+1, left-k) {
			return true
		}
		s.put(&s.demands[i], &s.nodes[j], s.gpus[i], -k) // wraps: gives back
		s.takes[i][j] = 0
		if k == 0 || left-(k-1) > room[at+1] {
			return false
		}
	}
}

// put takes k replicas' worth from a node. With -k it gives them back: the sums wrap round.
func (s *search) put(d *demand, n *free, kind GPU, k uint64) {
	n.cpu -= d.cpu * k
	n.memory -= d.memory * k
	n.disk -= d.disk * k
	if d.gpu == 0 {
		return
	}
	n.gpu -= d.gpu * k
	for i := range n.kinds {
		if n.kinds[i].kind() == kind {
			n.kinds[i].Count -= d.gpu * k
			return
		}
	}
}

// fit is how many replicas of d fit on a node, with GPUs of that kind.
func (s *search) fit(d *demand, n *free, kind GPU) uint64 {
	if !mounts(d, n.node) || !archFits(d, n.node) {
		return 0
	}
	most := min(d.count, over(n.cpu, d.cpu), over(n.memory, d.memory), over(n.disk, d.disk))
	if d.gpu == 0 {
		return most
	}
	var have uint64
	for i := range n.kinds {
		if n.kinds[i].kind() == kind {
			have = n.kinds[i].Count
			break
		}
	}
	return min(most, over(n.gpu, d.gpu), over(have, d.gpu))
}

// over is how many times part goes into whole.
func over(whole, part uint64) uint64 {
	if part == 0 {
		return ^uint64(0)
	}
	return whole / part
}

func mounts(d *demand, n *Node) bool {
	for _, p := range d.pools {
		if !slices.Contains(n.StorageClasses, p.class) {
			return false
		}
	}
	return true
}

func archFits(d *demand, n *Node) bool { return d.arch == "" || d.arch == n.Arch }

func (s *search) placement(ips uint64) Placement {
	p := Placement{LeasedIPs: ips, demands: make([]demand, len(s.demands)), Offer: make([]marketv1beta5.ResourceOffer, len(s.demands))}
	for i := range s.demands {
		d := &s.demands[i]
		p.demands[d.index] = *d
		offer := marketv1beta5.ResourceOffer{Resources: d.unit.Resources, Count: d.unit.Count}
		if d.gpu > 0 {
			gpu := *d.unit.GPU
			gpu.Attributes = []attributesv1.Attribute{s.gpus[i].attribute()}
			offer.Resources.GPU = &gpu
		}
		p.Offer[d.index] = offer
		var first uint32
		for j, k := range s.takes[i] {
			if k == 0 {
				continue
			}
			gpu := s.gpus[i]
			gpu.Count = d.gpu
			p.Nodes = append(p.Nodes, Assignment{
				ResourceID: d.unit.ID, Node: s.nodes[j].node.Name, First: first, Count: uint32(k), GPU: gpu,
				node: j, unit: d.index,
			})
			first += uint32(k)
		}
	}
	slices.SortStableFunc(p.Nodes, func(a, b Assignment) int {
		return cmp.Or(cmp.Compare(a.unit, b.unit), cmp.Compare(a.First, b.First))
	})
	return p
}
