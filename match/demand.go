package match

import (
	"slices"
	"strings"

	attributesv1 "github.com/akash-supercloud/akash/api/akash/base/attributes/v1"
	resources "github.com/akash-supercloud/akash/api/akash/base/resources/v1beta4"
	deploymentv1beta4 "github.com/akash-supercloud/akash/api/akash/deployment/v1beta4"
)

// demand is what one replica of a unit needs.
type demand struct {
	unit   *deploymentv1beta4.ResourceUnit
	index  int // in the group
	count  uint64
	cpu    uint64
	memory uint64 // ram volumes included
	ram    uint64 // how much of memory is for ram volumes
	disk   uint64
	gpu    uint64
	wants  []wantGPU // any of them; empty: any GPU
	arch   string    // empty: any
	pools  []pool    // persistent storage by class, sorted
}

type pool struct {
	class string
	size  uint64
}

// wantGPU is one GPU that a unit would take. An empty vendor, RAM or interface, and a model of
// *, take any.
type wantGPU struct{ vendor, model, ram, iface string }

func demandOf(u *deploymentv1beta4.ResourceUnit, index int) demand {
	d := demand{unit: u, index: index, count: uint64(u.Count)}
	d.cpu, _ = Amount(u.CPU.Units)
	d.memory, _ = Amount(u.Memory.Quantity)
	d.gpu, _ = Amount(u.GPU.Units)
	d.arch = strings.ToLower(value(u.CPU.Attributes, "arch"))
	for i := range u.GPU.Attributes {
		// Keys of another form, and values other than true, ask for nothing that exists.
		if w, ok := parseGPU(u.GPU.Attributes[i]); ok {
			d.wants = append(d.wants, w)
		}
	}
	for i := range u.Storage {
		size, _ := Amount(u.Storage[i].Quantity)
		class, persistent := VolumeClass(u.Storage[i])
		switch {
		case class == "ram":
			d.ram = add(d.ram, size)
			d.memory = add(d.memory, size)
		case !persistent:
			d.disk = add(d.disk, size)
		default:
			d.pools = addPool(d.pools, class, size)
		}
	}
	return d
}

// VolumeClass says what a volume is taken from: class "ram" is memory, persistent ones come
// from the pool of their class, and all others (class "", not persistent) from the node's own
// disk.
func VolumeClass(v resources.Storage) (class string, persistent bool) {
	class = value(v.Attributes, "class")
	persistent = value(v.Attributes, "persistent") == "true"
	switch {
	case class == "ram" && !persistent:
		return class, false
	case persistent && class == "":
		return "default", true
	case class != "":
		return class, true
	}
	return "", false
}

func addPool(pools []pool, class string, size uint64) []pool {
	for i := range pools {
		if pools[i].class == class {
			pools[i].size = add(pools[i].size, size)
			return pools
		}
	}
	pools = append(pools, pool{class, size})
	slices.SortFunc(pools, func(a, b pool) int { return strings.Compare(a.class, b.class) })
	return pools
}

func value(attrs []attributesv1.Attribute, key string) string {
	for i := range attrs {
		if attrs[i].Key == key {
			return attrs[i].Value
		}
	}
	return ""
}

// parseGPU reads vendor/<v>/model/<m>[/ram/<r>][/interface/<i>] = true.
func parseGPU(a attributesv1.Attribute) (w wantGPU, ok bool) {
	parts := strings.Split(a.Key, "/")
	if a.Value != "true" || len(parts)%2 != 0 {
		return w, false
	}
	for i := 0; i < len(parts); i += 2 {
		v := parts[i+1]
		switch parts[i] {
		case "vendor":
			w.vendor = strings.ToLower(v)
		case "model":
			w.model = strings.ToLower(v)
		case "ram":
			w.ram = strings.ToLower(v)
		case "interface":
			w.iface = Interface(v)
		default:
			return w, false
		}
	}
	return w, w.vendor != "" && w.model != ""
}

// Interface is a GPU interface as orders name it: every kind of sxm is "sxm".
func Interface(s string) string {
	s = strings.ToLower(s)
	if strings.HasPrefix(s, "sxm") {
		return "sxm"
	}
	return s
}

// takes reports whether a unit that asks for d takes GPUs of kind g.
func (d *demand) takes(g *GPU) bool {
	if len(d.unit.GPU.Attributes) == 0 {
		return true
	}
	for _, w := range d.wants {
		if w.vendor == strings.ToLower(g.Vendor) &&
			(w.model == "*" || w.model == strings.ToLower(g.Model)) &&
			(w.ram == "" || w.ram == strings.ToLower(g.RAM)) &&
			(w.iface == "" || w.iface == Interface(g.Interface)) {
			return true
		}
	}
	return false
}

// kind is a GPU without its count.
func (g GPU) kind() GPU { g.Count = 0; g.Interface = Interface(g.Interface); return g }

func (g GPU) String() string {
	parts := []string{g.Vendor, g.Model}
	if g.RAM != "" {
		parts = append(parts, g.RAM)
	}
	if g.Interface != "" {
		parts = append(parts, Interface(g.Interface))
	}
	return strings.Join(parts, " ")
}

// attribute is the GPU as an order's attribute, exact.
func (g GPU) attribute() attributesv1.Attribute {
	key := "vendor/" + strings.ToLower(g.Vendor) + "/model/" + strings.ToLower(g.Model)
	if g.RAM != "" {
		key += "/ram/" + g.RAM
	}
	if g.Interface != "" {
		key += "/interface/" + Interface(g.Interface)
	}
	return attributesv1.Attribute{Key: key, Value: "true"}
}

// leasedIPs counts the addresses a group needs: endpoints with the same number share one.
func leasedIPs(g *deploymentv1beta4.GroupSpec) uint64 {
	seen := map[uint32]bool{}
	for i := range g.Resources {
		for _, e := range g.Resources[i].Endpoints {
			if e.Kind == resources.Endpoint_LEASED_IP {
				seen[e.SequenceNumber] = true
			}
		}
	}
	return uint64(len(seen))
}
