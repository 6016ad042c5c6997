package manifest

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"

	resources "github.com/akash-supercloud/akash/api/akash/base/resources/v1beta4"
	manifestv2 "github.com/akash-supercloud/akash/api/akash/manifest/v2beta3"
)

var (
	serviceName = regexp.MustCompile(`^[a-z]([-a-z0-9]*[a-z0-9])?$`)
	envName     = regexp.MustCompile(`^[-._a-zA-Z][-._a-zA-Z0-9]*$`)
	hostname    = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`)
)

// MaxHostname is the longest host name a service may accept, in bytes.
const MaxHostname = 255

// ValidServiceName reports whether name can be a service's: lower-case letters, digits and
// dashes, a letter first, no dash last.
func ValidServiceName(name string) bool { return serviceName.MatchString(name) }

// ValidEnvName reports whether name can be an environment variable's.
func ValidEnvName(name string) bool {
	return envName.MatchString(name) && name != "." && !strings.HasPrefix(name, "..")
}

// ValidHostname reports whether name is a DNS name a service may accept requests for.
func ValidHostname(name string) bool { return len(name) <= MaxHostname && hostname.MatchString(name) }

// ValidVolumeName reports whether a volume may have that name. The stock rules take any
// text; what can't be one step of a path is refused, because providers make directories of it.
func ValidVolumeName(name string) bool {
	return name != "" && name != "." && name != ".." && len(name) <= 253 &&
		!strings.ContainsFunc(name, func(r rune) bool { return r == '/' || r == '\\' || r < ' ' || r == 0x7f })
}

// ExternalPort is the port an expose is reached at from outside: externalPort, or port where
// that is 0.
func ExternalPort(e manifestv2.ServiceExpose) uint32 {
	if e.ExternalPort == 0 {
		return e.Port
	}
	return e.ExternalPort
}

// IsIngress reports whether an expose is served by host name through the provider's shared
// HTTP entry: global, TCP, external port 80. Every other global expose gets a port of its own.
func IsIngress(e manifestv2.ServiceExpose) bool {
	return e.Proto == "TCP" && e.Global && ExternalPort(e) == 80
}

// CompareExpose orders exposes as a manifest must have them: by service, port, protocol, and
// global before not.
func CompareExpose(a, b manifestv2.ServiceExpose) int {
	return cmp.Or(
		cmp.Compare(a.Service, b.Service),
		cmp.Compare(a.Port, b.Port),
		cmp.Compare(a.Proto, b.Proto),
		compareGlobalFirst(a.Global, b.Global),
	)
}

func compareGlobalFirst(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return -1
	}
	return 1
}

// Validate checks the rules a manifest keeps by itself. The error is an ErrInvalid that names
// the first rule broken and where.
func (m Manifest) Validate() error {
	if len(m) == 0 {
		return invalid("manifest is empty")
	}
	groups := make(map[string]bool, len(m))
	hosts := map[string]bool{}
	globals := 0
	for i := range m {
		g := &m[i]
		if g.Name == "" {
			return invalid("group %d has no name", i)
		}
		if groups[g.Name] {
			return invalid("duplicate group %q", g.Name)
		}
		groups[g.Name] = true
		if len(g.Services) == 0 {
			return invalid("group %q contains no services", g.Name)
		}
		for j := range g.Services {
			s := &g.Services[j]
			if j > 0 && g.Services[j-1].Name >= s.Name {
				if g.Services[j-1].Name == s.Name {
					return invalid("group %q: service %q is there twice", g.Name, s.Name)
				}
				return invalid("group %q: services is not sorted: %q comes after %q", g.Name, s.Name, g.Services[j-1].Name)
			}
			if err := validateService(s, hosts); err != nil {
				return err
			}
			for k := range s.Expose {
				if s.Expose[k].Global {
					globals++
				}
			}
		}
	}
	if globals == 0 {
		return invalid("zero global services: give at least one expose \"global: true\"")
	}
	return nil
}

func validateService(s *manifestv2.Service, hosts map[string]bool) error {
	if s.Name == "" {
		return invalid("service name is empty")
	}
	if !ValidServiceName(s.Name) {
		return invalid("service %q name is invalid: use lower-case letters, digits and -, a letter first", s.Name)
	}
	if s.Image == "" {
		return invalid("service %q has empty image name", s.Name)
	}
	if err := validateResources(&s.Resources); err != nil {
		return invalid("service %q: %s", s.Name, err)
	}
	for _, e := range s.Env {
		name, _, _ := strings.Cut(e, "=")
		if !ValidEnvName(name) {
			return invalid("service %q: %q is not the name of an environment variable", s.Name, name)
		}
	}
	for i := range s.Expose {
		e := &s.Expose[i]
		if i > 0 && CompareExpose(s.Expose[i-1], *e) > 0 {
			return invalid("service %q: expose is not sorted", s.Name)
		}
		if err := validateExpose(e, hosts); err != nil {
			return invalid("service %q: expose %d: %s", s.Name, i, err)
		}
	}
	if p := s.Params; p != nil {
		mounts := make(map[string]bool, len(p.Storage))
		for i := range p.Storage {
			sp := &p.Storage[i]
			if !hasVolume(s.Resources.Storage, sp.Name) {
				return invalid("service %q mounts volume %q, which its resources don't have", s.Name, sp.Name)
			}
			if !ValidMount(sp.Mount) {
				return invalid("service %q: volume %q: mount %q is not an absolute path", s.Name, sp.Name, sp.Mount)
			}
			if mounts[sp.Mount] {
				return invalid("service %q mounts two volumes at %q", s.Name, sp.Mount)
			}
			mounts[sp.Mount] = true
		}
		if t := p.TEE; t != nil && t.Type != "cpu" && t.Type != "cpu-gpu" {
			return invalid("service %q: unsupported tee type %q: use cpu or cpu-gpu", s.Name, t.Type)
		}
	}
	return nil
}

// ValidMount reports whether p can be where a volume is mounted: an absolute path without
// ".." steps and control characters.
func ValidMount(p string) bool {
	if !strings.HasPrefix(p, "/") || len(p) > 4096 {
		return false
	}
	for step := range strings.SplitSeq(p, "/") {
		if step == ".." {
			return false
		}
	}
	return !strings.ContainsFunc(p, func(r rune) bool { return r < ' ' || r == 0x7f })
}

func hasVolume(vols []resources.Storage, name string) bool {
	return slices.ContainsFunc(vols, func(v resources.Storage) bool { return v.Name == name })
}

func validateExpose(e *manifestv2.ServiceExpose, hosts map[string]bool) error {
	if e.Port == 0 || e.Port > 65535 {
		return fmt.Errorf("port value must be 0 < value <= 65535, not %d", e.Port)
	}
	if e.ExternalPort > 65535 {
		return fmt.Errorf("external port value must be 0 <= value <= 65535, not %d", e.ExternalPort)
	}
	if e.Proto != "TCP" && e.Proto != "UDP" {
		return fmt.Errorf("protocol %q unknown: use TCP or UDP", e.Proto)
	}
	for _, h := range e.Hosts {
		if !ValidHostname(h) {
			return fmt.Errorf("%q is not a host name", h)
		}
		if hosts[h] {
			return fmt.Errorf("hostname %q is duplicated, this is not allowed", h)
		}
		hosts[h] = true
	}
	return nil
}

// validateResources refuses what later code would have to guess about: missing parts, and
// amounts that are missing or negative.
func validateResources(r *resources.Resources) error {
	switch {
	case r.ID == 0:
		return fmt.Errorf("resources id must be > 0")
	case r.CPU == nil:
		return fmt.Errorf("CPU must not be nil")
	case r.GPU == nil:
		return fmt.Errorf("GPU must not be nil")
	case r.Memory == nil:
		return fmt.Errorf("memory must not be nil")
	case len(r.Storage) == 0:
		return fmt.Errorf("storage must not be nil")
	case !whole(r.CPU.Units):
		return fmt.Errorf("CPU units must be a number of 0 or more")
	case !whole(r.GPU.Units):
		return fmt.Errorf("GPU units must be a number of 0 or more")
	case !whole(r.Memory.Quantity):
		return fmt.Errorf("memory size must be a number of 0 or more")
	}
	seen := make(map[string]bool, len(r.Storage))
	for i := range r.Storage {
		v := &r.Storage[i]
		if !whole(v.Quantity) {
			return fmt.Errorf("size of volume %q must be a number of 0 or more", v.Name)
		}
		if !ValidVolumeName(v.Name) {
			return fmt.Errorf("%q can't be the name of a volume", v.Name)
		}
		if seen[v.Name] {
			return fmt.Errorf("volume %q is there twice", v.Name)
		}
		seen[v.Name] = true
	}
	return nil
}

func whole(v resources.ResourceValue) bool { return !v.Val.IsNil() && !v.Val.IsNegative() }

func invalid(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrInvalid, fmt.Sprintf(format, args...))
}
