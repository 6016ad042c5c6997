package match

import (
	"errors"
	"fmt"
	"math/bits"

	"cosmossdk.io/math"

	attributesv1 "github.com/akash-supercloud/akash/api/akash/base/attributes/v1"
	resources "github.com/akash-supercloud/akash/api/akash/base/resources/v1beta4"
	deploymentv1beta4 "github.com/akash-supercloud/akash/api/akash/deployment/v1beta4"
)

// The chain's limits. CPU is in thousandths of a core, memory and storage in bytes.
const (
	MinCPU     = 10
	MaxCPU     = 384_000
	MaxGPU     = 24
	MinMemory  = 1 << 20
	MaxMemory  = 2 << 40
	MinStorage = 5 << 20
	MaxStorage = 32 << 40
	// MaxPrice is the highest price of one unit, in the denomination's smallest part a block.
	MaxPrice = 10_000_000
	// GroupFactor times the maximum of one unit is the most a whole group may ask for.
	GroupFactor = 50
	// MaxUnits, MaxAttributes, MaxValue, MaxAuditors, MaxUnitVolumes and MaxEndpoints bound the lists of a group: everybody who bids
	// has the chain compare them with a provider's, and pays for one bid, not for their length. They aren't Akash's, which has none.
	// Units and auditors are a group's, volumes and endpoints a unit's, attributes of each list; a value's length is in bytes.
	MaxUnits       = 100
	MaxAttributes  = 100
	MaxValue       = 512
	MaxAuditors    = 50
	MaxUnitVolumes = 20
	MaxEndpoints   = 200
	// MaxVolumes is how many volumes one unit may have. Providers hold it, the chain doesn't.
	MaxVolumes = 4
)

// ErrLimits is returned when a group asks for what the chain doesn't take.
var ErrLimits = errors.New("group out of limits")

// DeploymentLimits checks a deployment's groups as the chain does: at least one, names unique,
// one denomination in all, and each within Limits. The error is an ErrLimits.
func DeploymentLimits(groups []deploymentv1beta4.GroupSpec) error {
	if len(groups) == 0 {
		return limit("a deployment needs at least one group")
	}
	names := make(map[string]bool, len(groups))
	for i := range groups {
		g := &groups[i]
		if err := Limits(*g); err != nil {
			return err
		}
		if names[g.Name] {
			return limit("duplicate deployment group name %s", g.Name)
		}
		names[g.Name] = true
		if a, b := groups[0].Resources[0].Price.Denom, g.Resources[0].Price.Denom; a != b {
			return limit("inconsistent group denomination: %s != %s", a, b)
		}
	}
	return nil
}

// Limits checks one group against the chain's fixed limits: every amount of a unit, the totals,
// ids, prices, and the form of attributes. The error is an ErrLimits and names the first break.
func Limits(g deploymentv1beta4.GroupSpec) error {
	if g.Name == "" {
		return limit("group name is empty")
	}
	if err := listLimits(&g); err != nil {
		return limit("group %q: %s", g.Name, err)
	}
	if err := ValidAttributes(g.Requirements.Attributes, true); err != nil {
		return limit("group %q: placement attributes: %s", g.Name, err)
	}
	if len(g.Resources) == 0 {
		return limit("group %q has no resource units", g.Name)
	}
	ids := make(map[uint32]bool, len(g.Resources))
	denom := g.Resources[0].Price.Denom
	var cpu, gpu, memory, storage total
	for i := range g.Resources {
		u := &g.Resources[i]
		if err := unitLimits(u); err != nil {
			return limit("group %q: %s", g.Name, err)
		}
		if ids[u.ID] {
			return limit("group %q: duplicate resources ID (%d) within group", g.Name, u.ID)
		}
		ids[u.ID] = true
		if u.Price.Denom != denom {
			return limit("group %q: multi-denomination group: %s, %s", g.Name, denom, u.Price.Denom)
		}
		n := uint64(u.Count)
		cpu.add(u.CPU.Units, n)
		gpu.add(u.GPU.Units, n)
		memory.add(u.Memory.Quantity, n)
		for j := range u.Storage {
			storage.add(u.Storage[j].Quantity, n)
		}
	}
	for _, t := range []struct {
		name string
		sum  total
		min  uint64
		max  uint64
	}{
		{"CPU", cpu, 1, GroupFactor * MaxCPU},
		{"GPU", gpu, 0, GroupFactor * MaxGPU},
		{"memory", memory, 1, GroupFactor * MaxMemory},
		{"storage", storage, 1, GroupFactor * MaxStorage},
	} {
		if v := uint64(t.sum); v < t.min || v > t.max {
			return limit("group %q: invalid total %s (%d >= %d >= %d fails)", g.Name, t.name, t.max, v, t.min)
		}
	}
	return nil
}

// listLimits checks how long a group's lists are, before anything looks through them.
func listLimits(g *deploymentv1beta4.GroupSpec) error {
	if n := len(g.Resources); n > MaxUnits {
		return fmt.Errorf("%d resource units; the most is %d", n, MaxUnits)
	}
	if n := len(g.Requirements.SignedBy.AllOf) + len(g.Requirements.SignedBy.AnyOf); n > MaxAuditors {
		return fmt.Errorf("%d auditors; the most is %d", n, MaxAuditors)
	}
	lists := [][]attributesv1.Attribute{g.Requirements.Attributes}
	for i := range g.Resources {
		u := &g.Resources[i]
		if n := len(u.Storage); n > MaxUnitVolumes {
			return fmt.Errorf("unit %d has %d volumes; the most is %d", u.ID, n, MaxUnitVolumes)
		}
		if n := len(u.Endpoints); n > MaxEndpoints {
			return fmt.Errorf("unit %d has %d endpoints; the most is %d", u.ID, n, MaxEndpoints)
		}
		if u.CPU != nil {
			lists = append(lists, u.CPU.Attributes)
		}
		if u.GPU != nil {
			lists = append(lists, u.GPU.Attributes)
		}
		if u.Memory != nil {
			lists = append(lists, u.Memory.Attributes)
		}
		for j := range u.Storage {
			lists = append(lists, u.Storage[j].Attributes)
		}
	}
	for _, list := range lists {
		if n := len(list); n > MaxAttributes {
			return fmt.Errorf("%d attributes in one list; the most is %d", n, MaxAttributes)
		}
		for i := range list {
			if len(list[i].Value) > MaxValue {
				return fmt.Errorf("the value of attribute %.140q is longer than %d bytes", list[i].Key, MaxValue)
			}
		}
	}
	return nil
}

func unitLimits(u *deploymentv1beta4.ResourceUnit) error {
	if u.ID == 0 {
		return errors.New("error: invalid resources ID (> 0 fails)")
	}
	switch {
	case u.CPU == nil:
		return errors.New("error: invalid unit CPU, cannot be nil")
	case u.GPU == nil:
		return errors.New("error: invalid unit GPU, cannot be nil")
	case u.Memory == nil:
		return errors.New("error: invalid unit memory, cannot be nil")
	case u.Storage == nil:
		return errors.New("error: invalid unit storage, cannot be nil")
	}
	if err := within("CPU", u.CPU.Units, MinCPU, MaxCPU); err != nil {
		return err
	}
	if err := ValidAttributes(u.CPU.Attributes, true); err != nil {
		return fmt.Errorf("error: invalid CPU attributes: %w", err)
	}
	if err := within("GPU", u.GPU.Units, 0, MaxGPU); err != nil {
		return err
	}
	if u.GPU.Units.Val.IsZero() && len(u.GPU.Attributes) > 0 {
		return errors.New("error: invalid GPU state. attributes cannot be present if units == 0")
	}
	if err := ValidAttributes(u.GPU.Attributes, true); err != nil {
		return fmt.Errorf("error: invalid GPU attributes: %w", err)
	}
	if err := within("memory", u.Memory.Quantity, MinMemory, MaxMemory); err != nil {
		return err
	}
	if err := ValidAttributes(u.Memory.Attributes, true); err != nil {
		return fmt.Errorf("error: invalid memory attributes: %w", err)
	}
	for i := range u.Storage {
		if err := within("storage", u.Storage[i].Quantity, MinStorage, MaxStorage); err != nil {
			return err
		}
		if err := ValidAttributes(u.Storage[i].Attributes, true); err != nil {
			return fmt.Errorf("error: invalid storage attributes: %w", err)
		}
	}
	return priceLimits(u)
}

func priceLimits(u *deploymentv1beta4.ResourceUnit) error {
	switch {
	case u.Price.Denom == "":
		return errors.New("error: invalid price object: unsupported denomination \"\"")
	case u.Price.Amount.IsNil():
		return errors.New("error: invalid price object: no amount")
	case !u.Price.Amount.IsPositive() || u.Price.Amount.GT(math.LegacyNewDec(MaxPrice)):
		return fmt.Errorf("error: invalid unit price (%d >= %s > 0 fails)", MaxPrice, u.Price.Amount)
	}
	return nil
}

func within(name string, v resources.ResourceValue, lo, hi uint64) error {
	n, ok := Amount(v)
	if !ok || n < lo || n > hi {
		return fmt.Errorf("error: invalid unit %s (%d >= %s >= %d fails)", name, hi, valueText(v), lo)
	}
	return nil
}

// Amount is a resource value as a number; false where it is missing, negative or too large.
func Amount(v resources.ResourceValue) (uint64, bool) {
	if v.Val.IsNil() || !v.Val.IsUint64() {
		return 0, false
	}
	return v.Val.Uint64(), true
}

func valueText(v resources.ResourceValue) string {
	if v.Val.IsNil() {
		return "nothing"
	}
	return v.Val.String()
}

// total is a sum that stays at the highest number instead of wrapping.
type total uint64

func (t *total) add(v resources.ResourceValue, times uint64) {
	n, ok := Amount(v)
	if !ok {
		n = ^uint64(0)
	}
	*t = total(add(uint64(*t), mul(n, times)))
}

// add, sub and mul saturate.
func add(a, b uint64) uint64 {
	s, carry := bits.Add64(a, b, 0)
	if carry != 0 {
		return ^uint64(0)
	}
	return s
}

func sub(a, b uint64) uint64 {
	if a < b {
		return 0
	}
	return a - b
}

func mul(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	if hi != 0 {
		return ^uint64(0)
	}
	return lo
}

func limit(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrLimits, fmt.Sprintf(format, args...))
}
