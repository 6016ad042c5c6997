package match

import (
	"fmt"
	"slices"
	"strings"
)

// whyNot lists what makes a group impossible that can be seen without arranging it: a unit of
// which one replica fits nowhere, too few places for a unit's replicas, pools and addresses
// that don't suffice. Empty: an arrangement may exist.
func whyNot(inv Inventory, demands []demand, ips uint64) []Reason {
	var out []Reason
	if ips > inv.LeasedIPs {
		change := "use fewer endpoints of kind ip"
		if inv.LeasedIPs == 0 {
			change = "remove the endpoints of kind ip, or use another provider"
		}
		out = append(out, Reason{CodeIP, fmt.Sprintf("the group needs %s; the provider can lease %d", count(ips, "IP address", "IP addresses"), inv.LeasedIPs), change})
	}
	for i := range demands {
		d := &demands[i]
		if n := len(d.unit.Storage); n > MaxVolumes {
			out = append(out, Reason{CodeVolumes, fmt.Sprintf("unit %d has %d volumes; providers take %d", d.unit.ID, n, MaxVolumes),
				fmt.Sprintf("use at most %d volumes", MaxVolumes)})
		}
		if d.count == 0 {
			continue
		}
		rs := d.onOneNode(inv)
		if len(rs) == 0 {
			rs = d.onAllNodes(inv)
		}
		out = append(out, rs...)
	}
	return append(out, poolReasons(inv, demands)...)
}

// need is one amount a replica must find on a node.
type need struct {
	code   Code
	asks   uint64
	have   func(*Node) uint64
	text   func(uint64) string
	change string
}

func (d *demand) needs() []need {
	memory := "ask for at most %s memory a replica"
	if d.ram > 0 {
		memory = "ask for at most %s memory and ram volumes together a replica"
	}
	return []need{
		{CodeCPU, d.cpu, func(n *Node) uint64 { return n.Available.CPU }, cpuText, "ask for at most %s a replica"},
		{CodeMemory, d.memory, func(n *Node) uint64 { return n.Available.Memory }, bytesText, memory},
		{CodeStorage, d.disk, func(n *Node) uint64 { return n.Available.EphemeralStorage }, bytesText, "ask for at most %s of ephemeral storage a replica"},
		{CodeGPU, d.gpu, d.gpusOn, gpusText, "ask for at most %s a replica"},
	}
}

// gpusOn is the most GPUs of one kind that d takes which are free on a node.
func (d *demand) gpusOn(n *Node) uint64 {
	var most uint64
	if d.gpu == 0 {
		return 0
	}
	for _, g := range kindsOn(n) {
		if d.takes(&g) {
			most = max(most, min(g.Count, n.Available.GPU))
		}
	}
	return most
}

// onOneNode says why no node can take one replica.
func (d *demand) onOneNode(inv Inventory) []Reason {
	id := d.unit.ID
	if len(inv.Nodes) == 0 {
		return []Reason{{CodeNode, "the provider has no nodes", "use another provider"}}
	}
	var out []Reason
	arch, classes := false, make([]bool, len(d.pools))
	kind := d.gpu == 0
	for i := range inv.Nodes {
		n := &inv.Nodes[i]
		arch = arch || archFits(d, n)
		for j, p := range d.pools {
			classes[j] = classes[j] || slices.Contains(n.StorageClasses, p.class)
		}
		for j := range n.GPUs {
			kind = kind || n.GPUs[j].Count > 0 && d.takes(&n.GPUs[j])
		}
	}
	if !arch {
		out = append(out, Reason{CodeArch, fmt.Sprintf("unit %d asks for the CPU architecture %q; no node has it (there are: %s)", id, d.arch, listNodes(inv, func(n *Node) []string { return []string{n.Arch} })),
			"leave the attribute arch out, or name one that is there"})
	}
	if !kind {
		there := listNodes(inv, func(n *Node) []string {
			var s []string
			for i := range n.GPUs {
				s = append(s, n.GPUs[i].String())
			}
			return s
		})
		change := "add one that is there to the unit's GPUs, or leave ram and interface out"
		if there == "none" {
			change = "use another provider, or ask for no GPU"
		}
		out = append(out, Reason{CodeGPU, fmt.Sprintf("unit %d asks for %s; no node has one (there are: %s)", id, d.gpuWish(), there), change})
	}
	for j, p := range d.pools {
		if !classes[j] {
			out = append(out, Reason{CodePersistent, fmt.Sprintf("unit %d asks for persistent storage of class %q; no node has it (there are: %s)", id, p.class,
				listNodes(inv, func(n *Node) []string { return n.StorageClasses })), "use a class that is there"})
		}
	}
	for _, need := range d.needs() {
		if need.code == CodeGPU && !kind {
			continue
		}
		var most uint64
		for i := range inv.Nodes {
			most = max(most, need.have(&inv.Nodes[i]))
		}
		if need.asks > most {
			change := fmt.Sprintf(need.change, need.text(most))
			if most == 0 {
				change = "wait until some is free, or use another provider"
			}
			out = append(out, Reason{need.code, fmt.Sprintf("unit %d asks for %s%s a replica; the most free on one node is %s", id, need.text(need.asks), what(need.code), need.text(most)), change})
		}
	}
	if len(out) > 0 {
		return out
	}
	// Each by itself is somewhere. Is all of it on one node?
	var nearest *Node
	var lacks []need
	for i := range inv.Nodes {
		n := &inv.Nodes[i]
		if !archFits(d, n) || !mounts(d, n) {
			continue
		}
		var short []need
		for _, need := range d.needs() {
			if need.asks > need.have(n) {
				short = append(short, need)
			}
		}
		if len(short) == 0 {
			return nil
		}
		if nearest == nil || len(short) < len(lacks) {
			nearest, lacks = n, short
		}
	}
	if nearest == nil {
		return []Reason{{CodeNode, fmt.Sprintf("unit %d: no single node has the CPU architecture and all the storage classes it asks for", id),
			"use one storage class, or split the service"}}
	}
	var less, changes []string
	for _, need := range lacks {
		have := need.have(nearest)
		less = append(less, need.text(have)+what(need.code))
		if have > 0 {
			changes = append(changes, fmt.Sprintf(need.change, need.text(have)))
		}
	}
	change := strings.Join(changes, " and ")
	if len(changes) < len(lacks) {
		change = "split the service into smaller units, or use another provider"
	}
	return []Reason{{CodeNode, fmt.Sprintf("unit %d: no single node has all a replica asks for; the nearest, %s, has only %s free", id, nearest.Name, strings.Join(less, " and ")), change}}
}

// onAllNodes says how many replicas fit where not all do, with the unit alone on the nodes.
func (d *demand) onAllNodes(inv Inventory) []Reason {
	s := newSearch(inv, []demand{*d})
	kinds := []GPU{{}}
	if d.gpu > 0 {
		kinds = s.kindsFor(d)
	}
	var best uint64
	for _, kind := range kinds {
		var sum uint64
		for i := range s.nodes {
			sum = add(sum, s.fit(d, &s.nodes[i], kind))
		}
		best = max(best, sum)
	}
	if best >= d.count {
		return nil
	}
	return []Reason{{CodeReplicas, fmt.Sprintf("unit %d asks for %d replicas; %d fit", d.unit.ID, d.count, best), fmt.Sprintf("set its count to at most %d, or make it smaller", best)}}
}

func poolReasons(inv Inventory, demands []demand) []Reason {
	var all []pool
	for i := range demands {
		for _, p := range demands[i].pools {
			all = addPool(all, p.class, mul(p.size, demands[i].count))
		}
	}
	var out []Reason
	for _, p := range all {
		have, ok := inv.pooled(p.class)
		if p.size <= have {
			continue
		}
		change := fmt.Sprintf("ask for at most %s of class %s in all", bytesText(have), p.class)
		if !ok || have == 0 {
			change = "use another class: " + classes(inv)
		}
		out = append(out, Reason{CodePersistent, fmt.Sprintf("the group asks for %s of persistent storage of class %q; %s is free", bytesText(p.size), p.class, bytesText(have)), change})
	}
	return out
}

func classes(inv Inventory) string {
	var out []string
	for i := range inv.Storage {
		if inv.Storage[i].Available > 0 {
			out = append(out, fmt.Sprintf("%s has %s", inv.Storage[i].Class, bytesText(inv.Storage[i].Available)))
		}
	}
	if len(out) == 0 {
		return "none has room"
	}
	return strings.Join(out, ", ")
}

// together is the reason where every unit fits alone but no arrangement of all was found. The
// change is the first unit without which there is one.
func together(inv Inventory, demands []demand) Reason {
	r := Reason{Code: CodeTogether, Text: "each unit fits alone, but not all of them together on the free nodes",
		Change: "make the units smaller, or put some in another placement"}
	steps := searchSteps // for all tries together
	for i := range demands {
		fewer := slices.Clone(demands)
		fewer[i].count = min(fewer[i].count, 64) // look for the nearest at small counts only
		for fewer[i].count > 0 && steps > 0 {
			fewer[i].count--
			s := newSearch(inv, fewer)
			s.steps = min(steps, searchSteps/20)
			steps -= s.steps + len(s.nodes)
			fits := s.run()
			steps += max(s.steps, 0)
			if !fits {
				continue
			}
			if fewer[i].count == 0 {
				r.Change = fmt.Sprintf("without unit %d the rest fits", demands[i].unit.ID)
			} else {
				r.Change = fmt.Sprintf("with a count of %d for unit %d all fit", fewer[i].count, demands[i].unit.ID)
			}
			return r
		}
	}
	return r
}

func (d *demand) gpuWish() string {
	if len(d.unit.GPU.Attributes) == 0 {
		return "a GPU"
	}
	var s []string
	for i := range d.unit.GPU.Attributes {
		w, ok := parseGPU(d.unit.GPU.Attributes[i])
		if !ok {
			s = append(s, fmt.Sprintf("%q (not the name of a GPU)", d.unit.GPU.Attributes[i].Key))
			continue
		}
		s = append(s, GPU{Vendor: w.vendor, Model: w.model, RAM: strings.Replace(w.ram, "gi", "Gi", 1), Interface: w.iface}.String())
	}
	return strings.Join(s, " or ")
}

// listNodes lists what nodes have, each once, in the nodes' order.
func listNodes(inv Inventory, of func(*Node) []string) string {
	var out []string
	for i := range inv.Nodes {
		for _, s := range of(&inv.Nodes[i]) {
			if s != "" && !slices.Contains(out, s) {
				out = append(out, s)
			}
		}
	}
	if len(out) == 0 {
		return "none"
	}
	if len(out) > 12 {
		out = append(out[:12], "…")
	}
	return strings.Join(out, ", ")
}

// what names an amount whose text has only a size.
func what(c Code) string {
	switch c {
	case CodeMemory:
		return " of memory"
	case CodeStorage:
		return " of ephemeral storage"
	}
	return ""
}

func count(n uint64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

func cpuText(m uint64) string {
	if m%1000 == 0 {
		return fmt.Sprintf("%d CPU", m/1000)
	}
	return fmt.Sprintf("%dm CPU", m)
}

func gpusText(n uint64) string { return count(n, "GPU", "GPUs") }

// bytesText is an amount in the largest unit that is exact, or with one decimal, cut down so
// that asking for what it says fits.
func bytesText(b uint64) string {
	units := []string{"", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"}
	i := 0
	for v := b; v >= 1024 && i < len(units)-1; v >>= 10 {
		i++
	}
	if i == 0 {
		return fmt.Sprintf("%d bytes", b)
	}
	scale := uint64(1) << (10 * i)
	whole, rest := b/scale, b%scale
	tenth := rest / (scale/10 + 1)
	if tenth == 0 {
		return fmt.Sprintf("%d%s", whole, units[i])
	}
	return fmt.Sprintf("%d.%d%s", whole, tenth, units[i])
}
