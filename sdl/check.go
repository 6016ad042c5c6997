package sdl

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"cosmossdk.io/math"

	manifestv2 "github.com/akash-supercloud/akash/api/akash/manifest/v2beta3"
	"github.com/akash-supercloud/akash/manifest"
	"github.com/akash-supercloud/akash/match"
)

var endpointName = regexp.MustCompile(`^[[:lower:]]+[[:lower:]_\d-]+$`)

// checker holds what the checks of single parts have to know of each other. Only what the
// deployment uses is checked, as today's tools do: a service that isn't deployed may be
// unfinished.
type checker struct {
	*reader
	d          *document
	services   map[string]*service
	computes   map[string]*compute
	placements map[string]*placement
	endpoints  map[string]*endpoint

	checked  map[any]bool      // services, computes and prices that have been
	usedIP   map[string]bool   // endpoints
	ports    map[string]string // of endpoints: who has it
	hosts    map[string]string // where each is accepted
	tees     map[string]string // by placement
	replicas map[string]uint64 // by placement
	denom    *price            // the first
	globals  int
}

func (r *reader) check(d *document) {
	c := &checker{
		reader: r, d: d,
		services: map[string]*service{}, computes: map[string]*compute{}, placements: map[string]*placement{}, endpoints: map[string]*endpoint{},
		checked: map[any]bool{}, usedIP: map[string]bool{}, ports: map[string]string{}, hosts: map[string]string{}, tees: map[string]string{}, replicas: map[string]uint64{},
	}
	for i := range d.services {
		c.services[d.services[i].name] = &d.services[i]
	}
	for i := range d.computes {
		c.computes[d.computes[i].name] = &d.computes[i]
	}
	for i := range d.placements {
		c.placements[d.placements[i].name] = &d.placements[i]
	}
	for i := range d.endpoints {
		c.endpoints[d.endpoints[i].name] = &d.endpoints[i]
	}
	c.deployments()
	c.endpointsDeclared()
	for i := range d.services {
		if s := &d.services[i]; !c.checked[s] {
			r.warn(s.at, "this service isn't deployed", "add it to deployment, or remove it")
		}
	}
}

func (c *checker) deployments() {
	targets := 0
	for i := range c.d.deployments {
		dep := &c.d.deployments[i]
		s := c.services[dep.service]
		if s == nil {
			c.fail(dep.at, "no service profile named "+short(dep.service), "services has: "+names(c.services))
		}
		if len(dep.targets) == 0 {
			c.warn(dep.at, "no placement: this service isn't deployed", "add a placement with profile and count")
		}
		for j := range dep.targets {
			targets++
			c.target(s, &dep.targets[j])
		}
	}
	if targets == 0 {
		c.fail(c.d.deploymentAt, "nothing is deployed", "add deployment: {<service>: {<placement>: {profile: <compute profile>, count: 1}}}")
		return
	}
	if c.globals == 0 && !c.servicesInDoubt() {
		c.fail(c.d.servicesAt, "no service is reachable from outside", "give at least one expose to: [{global: true}]")
	}
	for i := range c.d.deployments {
		for j := range c.d.deployments[i].targets {
			t := &c.d.deployments[i].targets[j]
			if t.count > 0 {
				continue
			}
			if c.replicas[t.placement] == 0 {
				c.fail(t.countAt, "the placement has no replicas at all", "set count to 1 or more")
			} else {
				c.warn(t.countAt, "a count of 0 runs nothing", "set count to 1 or more")
			}
		}
	}
}

// servicesInDoubt reports whether errors may hide what services have.
func (c *checker) servicesInDoubt() bool {
	for i := range c.d.deployments {
		if c.services[c.d.deployments[i].service] == nil {
			return true
		}
	}
	return slices.ContainsFunc(c.errs, func(e Error) bool { return strings.HasPrefix(e.Path, "services") })
}

// target is a service on a placement. s is nil where there is no such service.
func (c *checker) target(s *service, t *target) {
	if c.replicas[t.placement] += uint64(t.count); c.replicas[t.placement] > 1<<32-1 {
		c.fail(t.countAt, "the placement has too many replicas", "use a smaller count")
		c.replicas[t.placement] = 1
	}
	comp := c.computes[t.profile]
	switch {
	case t.profile == "":
		c.fail(t.profileAt, "no compute profile", "set profile to one of: "+names(c.computes))
	case comp == nil:
		c.fail(t.profileAt, "no compute profile named "+short(t.profile), "profiles.compute has: "+names(c.computes))
	case !c.checked[comp]:
		c.checked[comp] = true
		c.compute(comp)
	}
	place := c.placements[t.placement]
	if place == nil {
		c.fail(t.at, "no placement profile named "+short(t.placement), "profiles.placement has: "+names(c.placements))
	} else {
		if t.placement == "" {
			c.fail(t.at, "a placement needs a name", "")
		}
		if !c.checked[place] {
			c.checked[place] = true
			c.placementAttributes(place)
		}
		c.price(place, t)
	}
	if s == nil {
		return
	}
	if !c.checked[s] {
		c.checked[s] = true
		c.service(s)
	}
	c.exposes(s)
	if comp != nil {
		c.volumes(s, comp)
	}
	c.tee(s, comp, place, t)
}

func (c *checker) price(p *placement, t *target) {
	if t.profile == "" {
		return
	}
	i := slices.IndexFunc(p.prices, func(x price) bool { return x.profile == t.profile })
	if i < 0 {
		c.fail(p.pricingAt, fmt.Sprintf("no pricing for profile %s", short(t.profile)), fmt.Sprintf("add pricing: {%s: {denom: uact, amount: 1000}}", t.profile))
		return
	}
	pr := &p.prices[i]
	if c.checked[pr] {
		return
	}
	c.checked[pr] = true
	if pr.amount.GT(math.LegacyNewDec(match.MaxPrice)) {
		c.fail(pr.amtAt, fmt.Sprintf("%s a block is more than %d", pr.amtAt.node.Value, match.MaxPrice), fmt.Sprintf("use at most %d", match.MaxPrice))
	}
	switch {
	case !denomForm.MatchString(pr.denom): // reported already
	case c.denom == nil:
		c.denom = pr
	case c.denom.denom != pr.denom:
		c.fail(pr.denomAt, fmt.Sprintf("inconsistent denomination: %s here, %s at %s", pr.denom, c.denom.denom, c.denom.at.path), "use one in the whole file")
	}
}

func (c *checker) placementAttributes(p *placement) {
	for _, a := range p.attributes {
		if !match.ValidKey(a.key, true) {
			c.fail(a.at, short(a.key)+" can't be an attribute's name", "use 2 to 128 letters, digits, _, /, . or -, a letter first")
		}
	}
}

func (c *checker) compute(p *compute) {
	if !p.res.exists() {
		c.fail(p.res, "no resources", "add resources: {cpu: {units: 0.5}, memory: {size: 512Mi}, storage: {size: 1Gi}}")
		return
	}
	missing := func(key, fix string) {
		c.fail(value{pos: p.res.pos, path: p.res.path.child(key)}, "no "+key, fix)
	}
	if p.cpu == nil {
		missing("cpu", "add cpu: {units: 0.5}")
	} else {
		c.within(p.cpu, match.MinCPU, match.MaxCPU, func(n uint64) string { return fmt.Sprintf("%dm", n) })
	}
	if p.memory == nil {
		missing("memory", "add memory: {size: 512Mi}")
	} else {
		c.within(p.memory, match.MinMemory, match.MaxMemory, sizeText)
	}
	c.within(&p.gpu, 0, match.MaxGPU, func(n uint64) string { return fmt.Sprint(n) })
	if p.gpu.n == 0 && len(p.gpu.attrs) > 0 && !p.gpu.bad {
		c.fail(p.gpuAttr, "invalid GPU state. attributes cannot be present if units == 0", "set units to 1 or more, or remove the attributes")
	}
	if len(p.storage) == 0 {
		if !p.volsAt.exists() || len(p.volsAt.node.Content) == 0 {
			missing("storage", "add storage: {size: 1Gi}")
		}
	}
	for i := range p.storage {
		v := &p.storage[i]
		c.within(&v.amount, match.MinStorage, match.MaxStorage, sizeText)
		if !manifest.ValidVolumeName(v.name) {
			c.fail(v.at, short(v.name)+" can't be the name of a volume", "use letters, digits and -")
		}
	}
	if len(p.storage) > match.MaxVolumes {
		c.warn(p.volsAt, fmt.Sprintf("%d volumes: providers take at most %d", len(p.storage), match.MaxVolumes), "use fewer, or no one will bid")
	}
}

func (c *checker) within(a *amount, lo, hi uint64, text func(uint64) string) {
	if a.bad || a.n >= lo && a.n <= hi {
		return
	}
	if !a.at.exists() {
		c.fail(a.at, "no "+a.at.path.key, fmt.Sprintf("use %s to %s", text(lo), text(hi)))
		return
	}
	what := a.at.node.Value
	if a.n < lo {
		c.fail(a.at, fmt.Sprintf("%s is less than %s", what, text(lo)), fmt.Sprintf("use %s to %s", text(lo), text(hi)))
	} else {
		c.fail(a.at, fmt.Sprintf("%s is more than %s", what, text(hi)), fmt.Sprintf("use %s to %s", text(lo), text(hi)))
	}
}

func sizeText(n uint64) string {
	for _, s := range []string{"", "Ki", "Mi", "Gi"} {
		if n%1024 != 0 || n == 0 {
			return fmt.Sprint(n) + s
		}
		n /= 1024
	}
	return fmt.Sprint(n) + "Ti"
}

func (c *checker) service(s *service) {
	if !manifest.ValidServiceName(s.name) {
		c.fail(s.at, short(s.name)+" can't be the name of a service", "use lower-case letters, digits and -, a letter first and no - last")
	} else if len(s.name) > 63 {
		c.warn(s.at, "names of more than 63 characters don't run everywhere", "use a shorter one")
	}
	if s.image == "" {
		c.fail(s.imageAt, "no image", "write the name of an image, such as nginx:1.27")
	}
	for i, e := range s.env {
		if name, _, _ := strings.Cut(e, "="); !manifest.ValidEnvName(name) {
			c.fail(s.envAt[i], short(name)+" is not the name of an environment variable", "write NAME=value; a name has letters, digits, _, - and ., no digit first")
		}
	}
	if cr := s.credentials; cr != nil {
		for _, x := range []struct{ key, val string }{{"host", cr.host}, {"username", cr.username}, {"password", cr.password}} {
			if strings.TrimSpace(x.val) == "" {
				c.fail(value{pos: cr.at.pos, path: cr.at.path.child(x.key)}, "credentials need a "+x.key, "write it")
			}
		}
	}
	for i := range s.expose {
		e := &s.expose[i]
		switch {
		case e.portAt.exists() && (e.port == 0 || e.port > 65535):
			if isNumber(e.portAt) {
				c.fail(e.portAt, e.portAt.node.Value+" is not a port", "use 1–65535")
			}
		case !e.portAt.exists():
			c.fail(e.portAt, "no port", "add the container's port, 1–65535")
		}
		if e.as > 65535 {
			c.fail(e.asAt, e.asAt.node.Value+" is not a port", "use 1–65535")
		}
		if protocol(e.proto) == "" {
			c.fail(e.protoAt, "unsupported service protocol "+short(e.proto), "use tcp or udp")
		}
		ingress := false
		for j := range e.to {
			t := &e.to[j]
			ingress = ingress || manifest.IsIngress(manifestv2.ServiceExpose{Port: e.port, ExternalPort: e.as, Proto: protocol(e.proto), Global: t.global})
			if t.service != "" && c.services[t.service] == nil {
				c.warn(t.at, "no service named "+short(t.service), "services has: "+names(c.services))
			}
		}
		if len(e.accept) > 0 && !ingress {
			c.warn(e.acceptAt[0], "host names work only where a port is served by host name", "make the expose global, with as: 80 and proto tcp")
		}
		for j, h := range e.accept {
			if !manifest.ValidHostname(h) {
				fix := "use a DNS name in lower case, such as app.example.com"
				if strings.Contains(h, "://") {
					fix = "leave out http:// and the path"
				}
				c.fail(e.acceptAt[j], short(h)+" is not a host name", fix)
			}
		}
	}
}

// isNumber tells a number that can't be a port from what was reported when it was read.
func isNumber(v value) bool { return v.node.Tag == "!!int" || v.node.Tag == "!!float" }

// protocol is TCP or UDP; empty where the text is neither.
func protocol(text string) string {
	switch strings.ToUpper(text) {
	case "", "TCP":
		return "TCP"
	case "UDP":
		return "UDP"
	}
	return ""
}

// exposes checks what must be unique in the whole manifest, so for each placement again.
func (c *checker) exposes(s *service) {
	for i := range s.expose {
		e := &s.expose[i]
		times := max(len(e.to), 1)
		for j, h := range e.accept {
			for range times {
				at := e.acceptAt[j].path.String()
				if was, taken := c.hosts[h]; taken && was != at {
					c.fail(e.acceptAt[j], fmt.Sprintf("host name %s is accepted at %s already", short(h), was), "a host name leads to one place only")
					break
				} else if taken {
					c.fail(e.acceptAt[j], fmt.Sprintf("host name %s would be accepted twice", short(h)), "deploy it on one placement, with one entry in to")
					break
				}
				c.hosts[h] = at
			}
		}
		for j := range e.to {
			t := &e.to[j]
			if t.global {
				c.globals++
			}
			if t.ip != "" {
				c.ip(s, e, t)
			}
		}
	}
}

func (c *checker) ip(s *service, e *expose, t *to) {
	if !t.global {
		c.fail(t.ipAt, "an IP needs the directive global", "add global: true beside it")
	}
	ep := c.endpoints[t.ip]
	if ep == nil {
		c.fail(t.ipAt, "no endpoint named "+short(t.ip), fmt.Sprintf("add endpoints: {%s: {kind: ip}}", t.ip))
		return
	}
	c.usedIP[t.ip] = true
	// The same port twice, as it is reached; and as today's tools see it, who look at what is
	// written: without as, all ports look the same to them.
	keys := []string{fmt.Sprintf("%s %d %s", t.ip, manifest.ExternalPort(manifestv2.ServiceExpose{Port: e.port, ExternalPort: e.as}), protocol(e.proto))}
	if e.as == 0 {
		keys = append(keys, fmt.Sprintf("%s no as %s", t.ip, e.proto))
	}
	for i, k := range keys {
		if by, taken := c.ports[k]; taken {
			fix := "use another port or endpoint"
			if i == 1 {
				fix = "write as: with each port"
			}
			c.fail(t.ipAt, fmt.Sprintf("IP endpoint %s port %d protocol %s is in use by service %s already", short(t.ip), manifest.ExternalPort(manifestv2.ServiceExpose{Port: e.port, ExternalPort: e.as}), protocol(e.proto), short(by)), fix)
			return
		}
	}
	for _, k := range keys {
		c.ports[k] = s.name
	}
}

func (c *checker) endpointsDeclared() {
	for i := range c.d.endpoints {
		e := &c.d.endpoints[i]
		if !endpointName.MatchString(e.name) {
			c.fail(e.at, fmt.Sprintf("endpoint named %s is not a valid name", short(e.name)), "use at least 2 lower-case letters, digits, _ and -, a letter first")
		}
		switch {
		case e.kind == "":
			c.fail(e.kindAt, fmt.Sprintf("endpoint named %s has no kind", short(e.name)), "add kind: ip")
		case e.kind != "ip":
			c.fail(e.kindAt, fmt.Sprintf("endpoint named %s, unknown kind %s", short(e.name), short(e.kind)), "use ip")
		}
		if !c.usedIP[e.name] {
			c.fail(e.at, fmt.Sprintf("endpoint %s declared but never used", short(e.name)), fmt.Sprintf("use it in an expose, to: [{global: true, ip: %s}], or remove it", e.name))
		}
	}
}

// volumes checks a service's mounts against a compute profile's volumes.
func (c *checker) volumes(s *service, p *compute) {
	mounts := map[string]string{}
	anyMount := false
	if s.params != nil {
		for i := range s.params.storage {
			m := &s.params.storage[i]
			j := slices.IndexFunc(p.storage, func(v volume) bool { return v.name == m.volume })
			if j < 0 {
				c.fail(m.at, fmt.Sprintf("no volume named %s in compute profile %s", short(m.volume), short(p.name)), "its volumes are: "+volumeNames(p))
			}
			switch {
			case !strings.HasPrefix(m.path, "/"):
				c.fail(m.pathAt, "the mount must be an absolute path", "write mount: /data")
			case !manifest.ValidMount(m.path):
				c.fail(m.pathAt, short(m.path)+" can't be a mount", "leave out .. and control characters")
			default:
				anyMount = true
				if by, taken := mounts[m.path]; taken {
					c.fail(m.pathAt, fmt.Sprintf("mount %s is in use by volume %s already", short(m.path), short(by)), "use another path")
				}
				mounts[m.path] = m.volume
			}
			if j < 0 {
				continue
			}
			v := &p.storage[j]
			switch {
			case v.attr("class") == "ram" && m.readOnly:
				const problem = `readOnly is not allowed for storage class "ram"`
				if c.d.minor >= 1 {
					c.fail(m.roAt, problem, "remove readOnly: nothing could be read")
				} else {
					c.warn(m.roAt, problem, "remove readOnly: nothing could be read")
				}
			case v.attr("class") != "ram" && v.attr("persistent") != "true":
				c.warn(m.at, fmt.Sprintf("volume %s is part of the container's own disk; few providers mount it", short(m.volume)), "set persistent: true for it, or remove the mount")
			}
		}
	}
	for i := range p.storage {
		v := &p.storage[i]
		if v.attr("persistent") != "true" {
			continue
		}
		if s.params != nil && slices.ContainsFunc(s.params.storage, func(m mount) bool { return m.volume == v.name }) {
			continue // its mount is checked above
		}
		at := value{pos: s.at.pos, path: s.at.path.child("params").child("storage").child(v.name)}
		problem := fmt.Sprintf("volume %s of compute profile %s is persistent and needs a mount", short(v.name), short(p.name))
		fix := fmt.Sprintf("add params: {storage: {%s: {mount: /data}}}", v.name)
		// Today's 2.0 parser takes one mount for all volumes, and its 2.1 parser looks only at
		// the volumes that are mounted; such files are in use.
		if c.d.minor == 0 && !anyMount {
			c.fail(at, problem, fix)
		} else {
			c.warn(at, problem, fix)
		}
	}
}

func volumeNames(p *compute) string {
	var out []string
	for i := range p.storage {
		out = append(out, p.storage[i].name)
	}
	if len(out) == 0 {
		return "none"
	}
	return strings.Join(out, ", ")
}

func (c *checker) tee(s *service, comp *compute, place *placement, t *target) {
	if s.params == nil || s.params.tee == "" {
		return
	}
	tee := s.params.tee
	if tee == "cpu-gpu" && comp != nil && comp.gpu.n == 0 && !comp.gpu.bad {
		c.fail(s.params.teeAt, fmt.Sprintf("tee cpu-gpu needs a GPU, and compute profile %s has none", short(comp.name)), "use tee: cpu, or add gpu to the profile")
	}
	if was, set := c.tees[t.placement]; set && was != tee {
		c.fail(s.params.teeAt, fmt.Sprintf("placement %s has services with tee %s and with %s", short(t.placement), was, tee), "use one kind, or two placements")
	}
	c.tees[t.placement] = tee
	if place == nil {
		return
	}
	for _, a := range place.attributes {
		if a.key == teeAttribute && a.val != tee {
			c.fail(a.at, fmt.Sprintf("the attribute says %s, service %s asks for %s", short(a.val), short(s.name), tee), "remove the attribute: params.tee sets it")
		}
	}
}

// names lists a map's keys for an error.
func names[T any](m map[string]T) string {
	if len(m) == 0 {
		return "none"
	}
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	if len(out) > 10 {
		out = append(out[:10], "…")
	}
	return strings.Join(out, ", ")
}
