package match

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"cosmossdk.io/math"
	"pgregory.net/rapid"

	attributesv1 "github.com/akash-supercloud/akash/api/akash/base/attributes/v1"
	resources "github.com/akash-supercloud/akash/api/akash/base/resources/v1beta4"
	deploymentv1beta4 "github.com/akash-supercloud/akash/api/akash/deployment/v1beta4"
)

const gi = 1 << 30

func val(n uint64) resources.ResourceValue {
	return resources.ResourceValue{Val: math.NewIntFromUint64(n)}
}

func attrs(kv ...string) (out []attributesv1.Attribute) {
	for i := 0; i < len(kv); i += 2 {
		out = append(out, attributesv1.Attribute{Key: kv[i], Value: kv[i+1]})
	}
	return out
}

func gpus(keys ...string) (out []attributesv1.Attribute) {
	for _, k := range keys {
		out = append(out, attributesv1.Attribute{Key: k, Value: "true"})
	}
	return out
}

// unit is a good resource unit; a test changes what it is about.
func unit(id, count uint32, change ...func(*deploymentv1beta4.ResourceUnit)) deploymentv1beta4.ResourceUnit {
	u := deploymentv1beta4.ResourceUnit{
		Resources: resources.Resources{
			ID: id, CPU: &resources.CPU{Units: val(1000)}, Memory: &resources.Memory{Quantity: val(gi)}, GPU: &resources.GPU{Units: val(0)},
			Storage: []resources.Storage{{Name: "default", Quantity: val(gi)}},
		},
		Count: count,
	}
	u.Price.Denom, u.Price.Amount = "uact", math.LegacyNewDec(10)
	for _, c := range change {
		c(&u)
	}
	return u
}

func cpuIs(n uint64) func(*deploymentv1beta4.ResourceUnit) {
	return func(u *deploymentv1beta4.ResourceUnit) { u.CPU.Units = val(n) }
}

func memIs(n uint64) func(*deploymentv1beta4.ResourceUnit) {
	return func(u *deploymentv1beta4.ResourceUnit) { u.Memory.Quantity = val(n) }
}

func gpuIs(n uint64, keys ...string) func(*deploymentv1beta4.ResourceUnit) {
	return func(u *deploymentv1beta4.ResourceUnit) {
		u.GPU = &resources.GPU{Units: val(n), Attributes: gpus(keys...)}
	}
}

func volume(name string, size uint64, kv ...string) func(*deploymentv1beta4.ResourceUnit) {
	return func(u *deploymentv1beta4.ResourceUnit) {
		u.Storage = append(slices.Clone(u.Storage), resources.Storage{Name: name, Quantity: val(size), Attributes: attrs(kv...)})
	}
}

func group(units ...deploymentv1beta4.ResourceUnit) deploymentv1beta4.GroupSpec {
	return deploymentv1beta4.GroupSpec{Name: "g", Resources: units}
}

func node(name string, cpu, mem, disk uint64, g ...GPU) Node {
	n := Node{Name: name, Arch: "amd64", GPUs: g, Available: Resources{CPU: cpu, Memory: mem, EphemeralStorage: disk}}
	for _, x := range g {
		n.Available.GPU += x.Count
	}
	n.Allocatable = n.Available
	return n
}

// small draws a group and an inventory so small that all arrangements can be tried.
func small(t *rapid.T) (Inventory, deploymentv1beta4.GroupSpec) {
	models := []string{"a100", "t4"}
	inv := Inventory{
		LeasedIPs: rapid.Uint64Range(1, 2).Draw(t, "ips"),
		Storage:   []StoragePool{{Class: "beta2", Available: rapid.Uint64Range(0, 6).Draw(t, "pool") * gi}},
	}
	for i := range rapid.IntRange(1, 3).Draw(t, "nodes") {
		n := Node{Name: fmt.Sprintf("n%d", i), Arch: rapid.SampledFrom([]string{"amd64", "arm64"}).Draw(t, "arch")}
		n.Available = Resources{
			CPU: rapid.Uint64Range(1, 12).Draw(t, "cpu") * 1000, Memory: rapid.Uint64Range(1, 12).Draw(t, "mem") * gi,
			EphemeralStorage: rapid.Uint64Range(1, 9).Draw(t, "disk") * gi,
		}
		var sum uint64
		for _, m := range models {
			if c := rapid.Uint64Range(0, 3).Draw(t, m); c > 0 {
				n.GPUs = append(n.GPUs, GPU{Vendor: "nvidia", Model: m, Count: c})
				sum += c
			}
		}
		n.Available.GPU = rapid.Uint64Range(0, sum).Draw(t, "free gpus")
		if rapid.Bool().Draw(t, "has class") {
			n.StorageClasses = []string{"beta2"}
		}
		inv.Nodes = append(inv.Nodes, n)
	}
	var units []deploymentv1beta4.ResourceUnit
	for i := range rapid.IntRange(1, 3).Draw(t, "units") {
		u := unit(uint32(i+1), rapid.Uint32Range(1, 2).Draw(t, "count"), cpuIs(rapid.Uint64Range(1, 3).Draw(t, "cpu")*1000), memIs(rapid.Uint64Range(1, 3).Draw(t, "mem")*gi))
		switch rapid.IntRange(0, 8).Draw(t, "kind") {
		case 0:
			gpuIs(rapid.Uint64Range(1, 2).Draw(t, "gpus"), "vendor/nvidia/model/*")(&u)
		case 1:
			gpuIs(1, "vendor/nvidia/model/a100", "vendor/nvidia/model/h100")(&u)
		case 2:
			volume("data", gi, "class", "beta2", "persistent", "true")(&u)
		case 3:
			volume("shm", gi, "class", "ram", "persistent", "false")(&u)
		case 4:
			u.CPU.Attributes = attrs("arch", rapid.SampledFrom([]string{"amd64", "arm64"}).Draw(t, "want arch"))
		}
		if rapid.IntRange(0, 7).Draw(t, "ip") == 0 {
			u.Endpoints = []resources.Endpoint{{Kind: resources.Endpoint_LEASED_IP, SequenceNumber: rapid.Uint32Range(1, 2).Draw(t, "seq")}}
		}
		units = append(units, u)
	}
	return inv, group(units...)
}

// everyWay tries every arrangement, one replica after the other, with arithmetic of its own.
func everyWay(inv Inventory, g deploymentv1beta4.GroupSpec) bool {
	type left struct{ cpu, mem, disk, gpu int64 }
	nodes := make([]left, len(inv.Nodes))
	kinds := make([]map[string]int64, len(inv.Nodes))
	for i, n := range inv.Nodes {
		nodes[i] = left{int64(n.Available.CPU), int64(n.Available.Memory), int64(n.Available.EphemeralStorage), int64(n.Available.GPU)}
		kinds[i] = map[string]int64{}
		for _, x := range n.GPUs {
			kinds[i][x.Model] += int64(x.Count)
		}
	}
	pool := int64(inv.Storage[0].Available)
	ips := map[uint32]bool{}
	for _, u := range g.Resources {
		for _, e := range u.Endpoints {
			ips[e.SequenceNumber] = true
		}
	}
	if uint64(len(ips)) > inv.LeasedIPs {
		return false
	}
	var replica func(u, r int, model string) bool
	replica = func(u, r int, model string) bool {
		if u == len(g.Resources) {
			return true
		}
		x := &g.Resources[u]
		if r == int(x.Count) {
			return replica(u+1, 0, "")
		}
		gpu := x.GPU.Units.Val.Int64()
		models := []string{model}
		if gpu > 0 && r == 0 {
			models = []string{"a100"}
			if x.GPU.Attributes[0].Key == "vendor/nvidia/model/*" {
				models = append(models, "t4")
			}
		}
		cpu, mem := x.CPU.Units.Val.Int64(), x.Memory.Quantity.Val.Int64()
		var disk, persistent int64
		for _, v := range x.Storage {
			switch size := v.Quantity.Val.Int64(); {
			case len(v.Attributes) == 0:
				disk += size
			case v.Attributes[0].Value == "ram":
				mem += size
			default:
				persistent += size
			}
		}
		for _, m := range models {
			for i := range nodes {
				n := &nodes[i]
				if persistent > 0 && !slices.Contains(inv.Nodes[i].StorageClasses, "beta2") ||
					len(x.CPU.Attributes) > 0 && x.CPU.Attributes[0].Value != inv.Nodes[i].Arch ||
					n.cpu < cpu || n.mem < mem || n.disk < disk || n.gpu < gpu || gpu > 0 && kinds[i][m] < gpu || pool < persistent {
					continue
				}
				n.cpu, n.mem, n.disk, n.gpu, pool = n.cpu-cpu, n.mem-mem, n.disk-disk, n.gpu-gpu, pool-persistent
				kinds[i][m] -= gpu
				ok := replica(u, r+1, m)
				n.cpu, n.mem, n.disk, n.gpu, pool = n.cpu+cpu, n.mem+mem, n.disk+disk, n.gpu+gpu, pool+persistent
				kinds[i][m] += gpu
				if ok {
					return true
				}
			}
		}
		return false
	}
	return replica(0, 0, "")
}

// Place finds an arrangement exactly where there is one, and what it finds is one.
func TestPlaceFitsWhatFits(t *testing.T) {
	fits, not := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		inv, g := small(t)
		before := fmt.Sprint(inv)
		p, reasons := Place(inv, g)
		if fmt.Sprint(inv) != before {
			t.Fatal("the inventory was changed")
		}
		want := everyWay(inv, g)
		if want != (len(reasons) == 0) {
			t.Fatalf("an arrangement exists: %v; reasons %v", want, reasons)
		}
		if again, r := Place(inv, g); !reflect.DeepEqual(p, again) || !reflect.DeepEqual(reasons, r) {
			t.Fatal("the same question, another answer")
		}
		for _, r := range reasons {
			if r.Text == "" || r.Change == "" || r.Code == "" || strings.Contains(r.String(), "%!") {
				t.Fatalf("half a reason: %#v", r)
			}
		}
		if !want {
			not++
			if len(p.Nodes) > 0 || len(p.Offer) > 0 {
				t.Fatal("a placement beside reasons")
			}
			return
		}
		fits++
		holds(t, inv, g, p)
	})
	t.Logf("%d fit, %d don't", fits, not)
	if fits == 0 || not == 0 {
		t.Error("only one kind was drawn")
	}
}

// holds checks a placement by adding up.
func holds(t *rapid.T, inv Inventory, g deploymentv1beta4.GroupSpec, p Placement) {
	placed := map[uint32]uint32{}
	used := map[string]*Resources{}
	byKind := map[string]uint64{}
	for _, a := range p.Nodes {
		i := slices.IndexFunc(g.Resources, func(u deploymentv1beta4.ResourceUnit) bool { return u.ID == a.ResourceID })
		d := demandOf(&g.Resources[i], i)
		if a.First != placed[a.ResourceID] || a.Count == 0 {
			t.Fatalf("replicas of unit %d don't follow each other: %+v", a.ResourceID, p.Nodes)
		}
		placed[a.ResourceID] += a.Count
		if used[a.Node] == nil {
			used[a.Node] = &Resources{}
		}
		n := uint64(a.Count)
		r := used[a.Node]
		r.CPU, r.Memory, r.EphemeralStorage, r.GPU = r.CPU+n*d.cpu, r.Memory+n*d.memory, r.EphemeralStorage+n*d.disk, r.GPU+n*d.gpu
		if d.gpu > 0 {
			byKind[a.Node+a.GPU.Model] += n * d.gpu
			if key := p.Offer[i].Resources.GPU.Attributes[0].Key; key != "vendor/nvidia/model/"+a.GPU.Model || a.GPU.Count != d.gpu {
				t.Fatalf("offered %s, placed %+v", key, a.GPU)
			}
		}
	}
	for _, u := range g.Resources {
		if placed[u.ID] != u.Count {
			t.Fatalf("unit %d: %d of %d replicas placed", u.ID, placed[u.ID], u.Count)
		}
	}
	left := p.Take(inv)
	for i, n := range inv.Nodes {
		u := used[n.Name]
		if u == nil {
			u = &Resources{}
		}
		if u.CPU > n.Available.CPU || u.Memory > n.Available.Memory || u.EphemeralStorage > n.Available.EphemeralStorage || u.GPU > n.Available.GPU {
			t.Fatalf("too much on %s", n.Name)
		}
		for k, x := range n.GPUs {
			if byKind[n.Name+x.Model] > x.Count {
				t.Fatalf("too many %s on %s", x.Model, n.Name)
			}
			if left.Nodes[i].GPUs[k].Count != x.Count-byKind[n.Name+x.Model] {
				t.Fatalf("Take left %+v", left.Nodes[i].GPUs)
			}
		}
		want := Resources{n.Available.CPU - u.CPU, n.Available.Memory - u.Memory, n.Available.GPU - u.GPU, n.Available.EphemeralStorage - u.EphemeralStorage}
		if left.Nodes[i].Available != want {
			t.Fatalf("Take left %+v, want %+v", left.Nodes[i].Available, want)
		}
	}
}

func TestPlaceReasons(t *testing.T) {
	a100 := GPU{Vendor: "nvidia", Model: "a100", RAM: "80Gi", Interface: "sxm4", Count: 4}
	two := Inventory{LeasedIPs: 1, Nodes: []Node{node("one", 8000, 16*gi, 100*gi, a100), node("two", 4000, 32*gi, 100*gi)},
		Storage: []StoragePool{{Class: "beta3", Available: 10 * gi}}}
	two.Nodes[0].StorageClasses = []string{"beta3"}
	ip := func(n uint32) func(*deploymentv1beta4.ResourceUnit) {
		return func(u *deploymentv1beta4.ResourceUnit) {
			u.Endpoints = append(u.Endpoints, resources.Endpoint{Kind: resources.Endpoint_LEASED_IP, SequenceNumber: n})
		}
	}
	arch := func(s string) func(*deploymentv1beta4.ResourceUnit) {
		return func(u *deploymentv1beta4.ResourceUnit) { u.CPU.Attributes = attrs("arch", s) }
	}
	for _, c := range []struct {
		name string
		inv  Inventory
		g    deploymentv1beta4.GroupSpec
		want []string
	}{
		{"fits", two, group(unit(1, 2)), nil},
		{"no nodes", Inventory{}, group(unit(1, 1)), []string{"the provider has no nodes; use another provider"}},
		{"cpu", two, group(unit(1, 1, cpuIs(9000))), []string{"unit 1 asks for 9 CPU a replica; the most free on one node is 8 CPU; ask for at most 8 CPU a replica"}},
		{"memory", two, group(unit(1, 1, memIs(33*gi))), []string{"unit 1 asks for 33Gi of memory a replica; the most free on one node is 32Gi; ask for at most 32Gi memory a replica"}},
		{"memory with ram", two, group(unit(1, 1, memIs(30*gi), volume("shm", 3*gi, "class", "ram", "persistent", "false"))),
			[]string{"unit 1 asks for 33Gi of memory a replica; the most free on one node is 32Gi; ask for at most 32Gi memory and ram volumes together a replica"}},
		{"disk", two, group(unit(1, 1, volume("x", 100*gi))), []string{"unit 1 asks for 101Gi of ephemeral storage a replica; the most free on one node is 100Gi; ask for at most 100Gi of ephemeral storage a replica"}},
		{"cpu and memory", two, group(unit(1, 1, cpuIs(9000), memIs(33*gi))), []string{"unit 1 asks for 9 CPU a", "unit 1 asks for 33Gi"}},
		{"not on one node", two, group(unit(1, 1, cpuIs(8000), memIs(20*gi))),
			[]string{"unit 1: no single node has all a replica asks for; the nearest, one, has only 16Gi of memory free; ask for at most 16Gi memory a replica"}},
		{"gpu model", two, group(unit(1, 1, gpuIs(1, "vendor/nvidia/model/h100", "vendor/nvidia/model/a100/ram/40Gi"))),
			[]string{"unit 1 asks for nvidia h100 or nvidia a100 40Gi; no node has one (there are: nvidia a100 80Gi sxm); add one that is there to the unit's GPUs, or leave ram and interface out"}},
		{"gpu count", two, group(unit(1, 1, gpuIs(5, "vendor/nvidia/model/a100"))), []string{"unit 1 asks for 5 GPUs a replica; the most free on one node is 4 GPUs; ask for at most 4 GPUs a replica"}},
		{"gpu interface sxm", two, group(unit(1, 1, gpuIs(1, "vendor/nvidia/model/a100/ram/80Gi/interface/sxm"))), nil},
		{"gpu interface pcie", two, group(unit(1, 1, gpuIs(1, "vendor/nvidia/model/a100/interface/pcie"))), []string{"unit 1 asks for nvidia a100 pcie; no node has one"}},
		{"no gpu at all", Inventory{Nodes: []Node{node("x", 8000, gi, gi)}}, group(unit(1, 1, gpuIs(1, "vendor/nvidia/model/*"))), []string{"no node has one (there are: none); use another provider, or ask for no GPU"}},
		{"arch", two, group(unit(1, 1, arch("arm64"))), []string{`unit 1 asks for the CPU architecture "arm64"; no node has it (there are: amd64); leave the attribute arch out, or name one that is there`}},
		{"class", two, group(unit(1, 1, volume("d", gi, "class", "beta1", "persistent", "true"))), []string{`unit 1 asks for persistent storage of class "beta1"; no node has it (there are: beta3); use a class that is there`,
			`the group asks for 1Gi of persistent storage of class "beta1"; 0 bytes is free; use another class: beta3 has 10Gi`}},
		{"pool", two, group(unit(1, 2, volume("d", 6*gi, "class", "beta3", "persistent", "true"))), []string{`the group asks for 12Gi of persistent storage of class "beta3"; 10Gi is free; ask for at most 10Gi of class beta3 in all`}},
		{"replicas", two, group(unit(1, 13)), []string{"unit 1 asks for 13 replicas; 12 fit; set its count to at most 12, or make it smaller"}},
		{"too many replicas for any machine", two, group(unit(1, 19_200)), []string{"unit 1 asks for 19200 replicas; 12 fit"}},
		{"addresses", two, group(unit(1, 1, ip(1)), unit(2, 1, ip(2))), []string{"the group needs 2 IP addresses; the provider can lease 1; use fewer endpoints of kind ip"}},
		{"a shared address", two, group(unit(1, 1, ip(1)), unit(2, 1, ip(1))), nil},
		{"volumes", two, group(unit(1, 1, volume("a", gi), volume("b", gi), volume("c", gi), volume("d", gi))), []string{"unit 1 has 5 volumes; providers take 4; use at most 4 volumes"}},
		{"together", two, group(unit(1, 1, cpuIs(8000)), unit(2, 1, cpuIs(5000))), []string{"each unit fits alone, but not all of them together on the free nodes; without unit 1 the rest fits"}},
		{"together, fewer", two, group(unit(1, 10), unit(2, 1, cpuIs(3000))), []string{"with a count of 9 for unit 1 all fit"}},
		{"limits", two, group(unit(1, 1, cpuIs(9))), []string{"group out of limits"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, reasons := Place(c.inv, c.g)
			if len(reasons) != len(c.want) {
				t.Fatalf("got %d reasons, want %d: %v", len(reasons), len(c.want), reasons)
			}
			for i, w := range c.want {
				if !strings.Contains(reasons[i].String(), w) {
					t.Errorf("got %s\nwant %s", reasons[i], w)
				}
			}
		})
	}
}

// A unit without a GPU leaves the node with GPUs to one that needs it.
func TestPlaceSparesGPUs(t *testing.T) {
	inv := Inventory{Nodes: []Node{node("gpu", 2000, 8*gi, 8*gi, GPU{Vendor: "nvidia", Model: "t4", Count: 1}), node("plain", 8000, 8*gi, 8*gi)}}
	p, reasons := Place(inv, group(unit(1, 2), unit(2, 1, cpuIs(2000), gpuIs(1))))
	if len(reasons) > 0 {
		t.Fatal(reasons)
	}
	if p.Nodes[0].Node != "plain" || p.Nodes[0].Count != 2 || p.Nodes[1].Node != "gpu" {
		t.Errorf("%+v", p.Nodes)
	}
	if got := p.Offer[1].Resources.GPU.Attributes; len(got) != 1 || got[0].Key != "vendor/nvidia/model/t4" {
		t.Errorf("offer %v", got)
	}
}

// The work is bounded where the search space isn't.
func TestPlaceIsBounded(t *testing.T) {
	var inv Inventory
	for i := range 200 {
		inv.Nodes = append(inv.Nodes, node(fmt.Sprint("n", i), uint64(7000+i%7*100), 64*gi, 640*gi))
	}
	var units []deploymentv1beta4.ResourceUnit
	for i := range 40 {
		units = append(units, unit(uint32(i+1), 10, cpuIs(uint64(3300+i*7))))
	}
	p, reasons := Place(inv, group(units...)) // each node takes two, and there are 400
	if len(reasons) > 0 {
		t.Fatal(reasons)
	}
	if len(p.Take(inv).Nodes) != 200 {
		t.Fatal("nodes lost")
	}
	units[0].Count++
	if _, reasons = Place(inv, group(units...)); len(reasons) != 1 || reasons[0].Code != CodeTogether {
		t.Fatal(reasons)
	}
}

func TestTakeSaturates(t *testing.T) {
	inv := Inventory{Nodes: []Node{node("one", 8000, 16*gi, 100*gi)}}
	p, reasons := Place(inv, group(unit(1, 8)))
	if len(reasons) > 0 {
		t.Fatal(reasons)
	}
	left := p.Take(p.Take(inv))
	if left.Nodes[0].Available.CPU != 0 {
		t.Errorf("%+v", left.Nodes[0].Available)
	}
}

func BenchmarkPlace(b *testing.B) {
	var inv Inventory
	for i := range 50 {
		inv.Nodes = append(inv.Nodes, node(fmt.Sprint("n", i), 64_000, 256*gi, 1024*gi, GPU{Vendor: "nvidia", Model: "a100", Count: 8}))
	}
	g := group(unit(1, 20), unit(2, 4, gpuIs(2, "vendor/nvidia/model/*")), unit(3, 100, cpuIs(500)))
	b.ReportAllocs()
	for b.Loop() {
		if _, r := Place(inv, g); len(r) > 0 {
			b.Fatal(r)
		}
	}
}
