package manifest

import (
	"fmt"
	"slices"

	attributesv1 "github.com/akash-supercloud/akash/api/akash/base/attributes/v1"
	resources "github.com/akash-supercloud/akash/api/akash/base/resources/v1beta4"
	deploymentv1beta4 "github.com/akash-supercloud/akash/api/akash/deployment/v1beta4"
	manifestv2 "github.com/akash-supercloud/akash/api/akash/manifest/v2beta3"
)

// CheckGroups compares the manifest with the groups of its deployment on the chain: the same
// groups; every service on a resource unit of its group, with exactly the unit's resources;
// replicas and endpoints used up exactly. The error is an ErrCrossValidation that names the
// first difference.
func (m Manifest) CheckGroups(groups []deploymentv1beta4.GroupSpec) error {
	if len(m) != len(groups) {
		return cross("group count mismatch: the manifest has %d, the deployment %d", len(m), len(groups))
	}
	seen := make(map[string]bool, len(m))
	for i := range m {
		if seen[m[i].Name] {
			return cross("duplicate group %q", m[i].Name)
		}
		seen[m[i].Name] = true
		j := slices.IndexFunc(groups, func(g deploymentv1beta4.GroupSpec) bool { return g.Name == m[i].Name })
		if j < 0 {
			return cross("unknown deployment group %q", m[i].Name)
		}
		if err := checkGroup(&m[i], &groups[j]); err != nil {
			return cross("group %q: %s", m[i].Name, err)
		}
	}
	return nil
}

// endpoints counts a group's entries by kind.
type endpoints struct{ http, port, ip int }

func checkGroup(mg *manifestv2.Group, dg *deploymentv1beta4.GroupSpec) error {
	byID := make(map[uint32]*deploymentv1beta4.ResourceUnit, len(dg.Resources))
	left := make(map[uint32]int64, len(dg.Resources))
	var have, used endpoints
	for i := range dg.Resources {
		u := &dg.Resources[i]
		if byID[u.ID] != nil {
			return fmt.Errorf("the deployment has two resource units with id %d", u.ID)
		}
		byID[u.ID] = u
		left[u.ID] = int64(u.Count)
		for _, e := range u.Endpoints {
			switch e.Kind {
			case resources.Endpoint_SHARED_HTTP:
				have.http++
			case resources.Endpoint_RANDOM_PORT:
				have.port++
			case resources.Endpoint_LEASED_IP:
				have.ip++
			default:
				return fmt.Errorf("resource unit %d has an endpoint of unknown kind %d", u.ID, int32(e.Kind))
			}
		}
	}
	for i := range mg.Services {
		s := &mg.Services[i]
		u := byID[s.Resources.ID]
		if u == nil {
			return fmt.Errorf("service %q: no resource unit with id %d in the deployment", s.Name, s.Resources.ID)
		}
		if what := differs(&s.Resources, &u.Resources); what != "" {
			return fmt.Errorf("service %q: %s of resource unit %d differ from the deployment's", s.Name, what, u.ID)
		}
		left[u.ID] -= int64(s.Count)
		if left[u.ID] < 0 {
			return fmt.Errorf("service %q: over-utilized replicas of resource unit %d: the deployment has %d", s.Name, u.ID, u.Count)
		}
		for k := range s.Expose {
			e := s.Expose[k]
			if !e.Global {
				continue
			}
			if IsIngress(e) {
				used.http++
			} else {
				used.port++
			}
			if e.IP != "" {
				used.ip++
			}
		}
	}
	// In the order of the group, so that the same difference is named every time.
	for i := range dg.Resources {
		if n := left[dg.Resources[i].ID]; n > 0 {
			return fmt.Errorf("under-utilized (%d) resources: replicas of resource unit %d without a service", n, dg.Resources[i].ID)
		}
	}
	for _, k := range []struct {
		name       string
		have, used int
	}{{"HTTP", have.http, used.http}, {"PORT", have.port, used.port}, {"IP", have.ip, used.ip}} {
		switch {
		case k.used > k.have:
			return fmt.Errorf("over-utilized (%d) %s endpoints: the deployment has %d", k.used-k.have, k.name, k.have)
		case k.used < k.have:
			return fmt.Errorf("under-utilized (%d) %s endpoints: the deployment has %d", k.have-k.used, k.name, k.have)
		}
	}
	return nil
}

// differs names the resources in which a and b differ; a missing part equals nothing.
func differs(a, b *resources.Resources) string {
	switch {
	case a.CPU == nil || b.CPU == nil || !sameValue(a.CPU.Units, b.CPU.Units) || !sameAttributes(a.CPU.Attributes, b.CPU.Attributes):
		return "CPU"
	case a.GPU == nil || b.GPU == nil || !sameValue(a.GPU.Units, b.GPU.Units) || !sameAttributes(a.GPU.Attributes, b.GPU.Attributes):
		return "GPU"
	case a.Memory == nil || b.Memory == nil || !sameValue(a.Memory.Quantity, b.Memory.Quantity) || !sameAttributes(a.Memory.Attributes, b.Memory.Attributes):
		return "memory"
	case !slices.EqualFunc(a.Storage, b.Storage, func(x, y resources.Storage) bool {
		return x.Name == y.Name && sameValue(x.Quantity, y.Quantity) && sameAttributes(x.Attributes, y.Attributes)
	}):
		return "storage"
	}
	return ""
}

func sameValue(a, b resources.ResourceValue) bool {
	return !a.Val.IsNil() && !b.Val.IsNil() && a.Val.Equal(b.Val)
}

func sameAttributes(a, b []attributesv1.Attribute) bool {
	return slices.EqualFunc(a, b, func(x, y attributesv1.Attribute) bool { return x == y })
}

func cross(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrCrossValidation, fmt.Sprintf(format, args...))
}
