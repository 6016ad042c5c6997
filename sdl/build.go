package sdl

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"cosmossdk.io/math"

	attributesv1 "github.com/akash-supercloud/akash/api/akash/base/attributes/v1"
	resources "github.com/akash-supercloud/akash/api/akash/base/resources/v1beta4"
	deploymentv1 "github.com/akash-supercloud/akash/api/akash/deployment/v1"
	deploymentv1beta4 "github.com/akash-supercloud/akash/api/akash/deployment/v1beta4"
	manifestv2 "github.com/akash-supercloud/akash/api/akash/manifest/v2beta3"
	"github.com/akash-supercloud/akash/manifest"
)

const teeAttribute = "tee/type"

// build makes groups and manifest of a document that was checked: a group a placement, sorted
// by name, and in it the services sorted by name.
func (r *reader) build(d *document) *SDL {
	s := &SDL{version: fmt.Sprintf("2.%d", d.minor)}
	if d.reclamation > 0 {
		s.reclamation = &deploymentv1.DeploymentReclamation{MinWindow: d.reclamation}
	}
	services := make(map[string]*service, len(d.services))
	for i := range d.services {
		services[d.services[i].name] = &d.services[i]
	}
	computes := make(map[string]*compute, len(d.computes))
	for i := range d.computes {
		computes[d.computes[i].name] = &d.computes[i]
	}
	places := slices.Clone(d.placements)
	slices.SortFunc(places, func(a, b placement) int { return strings.Compare(a.name, b.name) })
	numbers := endpointNumbers(d, services)
	// A service on many placements, or with many entries in to, is written out each time.
	text := 0
	for i := range places {
		p := &places[i]
		g := groupBuilder{spec: deploymentv1beta4.GroupSpec{Name: p.name, Requirements: p.requirements()}, group: manifestv2.Group{Name: p.name}, minor: d.minor, units: map[string]int{}}
		for j := range d.deployments { // sorted by service
			dep := &d.deployments[j]
			k := slices.IndexFunc(dep.targets, func(t target) bool { return t.placement == p.name })
			if k < 0 {
				continue
			}
			t := &dep.targets[k]
			svc := services[dep.service]
			if text += svc.weight(); text > manifest.MaxSize/2 {
				r.fail(t.at, "the manifest would be too large", "use fewer placements, or shorter services")
				return nil
			}
			g.add(svc, computes[t.profile], p, t, numbers)
		}
		if len(g.group.Services) > 0 {
			s.groups = append(s.groups, g.spec)
			s.manifest = append(s.manifest, g.group)
		}
	}
	if r.verify(s, d.deploymentAt); len(r.errs) > 0 {
		return nil
	}
	hash, err := s.manifest.Hash()
	if err != nil {
		r.fail(d.deploymentAt, err.Error(), "")
		return nil
	}
	s.hash = hash
	return s
}

// weight is about how many bytes of manifest a service makes.
func (s *service) weight() int {
	n := 1000 + len(s.name) + len(s.image)
	for _, list := range [][]string{s.command, s.args, s.env} {
		for _, x := range list {
			n += 3 + len(x)
		}
	}
	for i := range s.expose {
		e := &s.expose[i]
		one := 400
		for _, h := range e.accept {
			one += 3 + len(h)
		}
		for _, c := range e.http.NextCases {
			one += 3 + len(c)
		}
		for j := range e.to {
			n += one + len(e.to[j].service) + len(e.to[j].ip)
		}
		if len(e.to) == 0 {
			n += one
		}
	}
	return n
}

func (p *placement) requirements() attributesv1.PlacementRequirements {
	req := attributesv1.PlacementRequirements{SignedBy: attributesv1.SignedBy{AllOf: p.allOf, AnyOf: p.anyOf}}
	for _, a := range p.attributes {
		req.Attributes = append(req.Attributes, attributesv1.Attribute{Key: a.key, Value: a.val})
	}
	sortAttributes(req.Attributes)
	return req
}

func sortAttributes(attrs []attributesv1.Attribute) {
	slices.SortFunc(attrs, func(a, b attributesv1.Attribute) int { return strings.Compare(a.Key, b.Key) })
}

// endpointNumbers gives each endpoint its sequence number, which is part of the hash, as today's
// tools do: the ip of every entry of to, an empty one where it isn't global, in one sorted
// list, repeats kept; a name's number is that of its last place, from 1.
func endpointNumbers(d *document, services map[string]*service) map[string]uint32 {
	var ips []string
	for i := range d.deployments {
		svc := services[d.deployments[i].service]
		for j := range svc.expose {
			for _, t := range svc.expose[j].to {
				if !t.global || t.ip != "" {
					ips = append(ips, t.ip)
				}
			}
		}
	}
	slices.Sort(ips)
	numbers := make(map[string]uint32, len(ips))
	for i, ip := range ips {
		numbers[ip] = uint32(i) + 1
	}
	return numbers
}

type groupBuilder struct {
	spec  deploymentv1beta4.GroupSpec
	group manifestv2.Group
	minor int
	units map[string]int // of 2.1: the unit of each compute profile
}

func (g *groupBuilder) add(s *service, c *compute, p *placement, t *target, numbers map[string]uint32) {
	res := c.resources()
	res.Endpoints = s.endpoints(numbers)
	index, shared := g.units[c.name]
	if g.minor == 0 || !shared {
		index = len(g.spec.Resources)
		g.units[c.name] = index
		res.ID = uint32(index) + 1
		unit := res
		unit.Endpoints = slices.Clone(res.Endpoints)
		pr := &p.prices[slices.IndexFunc(p.prices, func(x price) bool { return x.profile == c.name })]
		out := deploymentv1beta4.ResourceUnit{Resources: unit, Count: t.count}
		out.Price.Denom, out.Price.Amount = pr.denom, pr.amount
		g.spec.Resources = append(g.spec.Resources, out)
	} else {
		// Services on the same compute profile share its unit.
		unit := &g.spec.Resources[index]
		res.ID = unit.ID
		unit.Count += t.count
		unit.Endpoints = append(unit.Endpoints, res.Endpoints...)
		slices.SortStableFunc(unit.Endpoints, func(a, b resources.Endpoint) int {
			return cmp.Compare(a.SequenceNumber, b.SequenceNumber)
		})
	}
	if s.params != nil && s.params.tee != "" {
		attrs := &g.spec.Requirements.Attributes
		if !slices.ContainsFunc(*attrs, func(a attributesv1.Attribute) bool { return a.Key == teeAttribute }) {
			*attrs = append(*attrs, attributesv1.Attribute{Key: teeAttribute, Value: s.params.tee})
			sortAttributes(*attrs)
		}
	}
	g.group.Services = append(g.group.Services, manifestv2.Service{
		Name: s.name, Image: s.image, Command: s.command, Args: s.args, Env: s.env,
		Resources: res, Count: t.count, Expose: s.exposes(numbers), Params: s.manifestParams(), Credentials: s.manifestCredentials(),
	})
}

// resources are a profile's, without id and endpoints.
func (c *compute) resources() resources.Resources {
	out := resources.Resources{
		CPU:    &resources.CPU{Units: number(c.cpu.n), Attributes: c.cpu.attrs},
		Memory: &resources.Memory{Quantity: number(c.memory.n)},
		GPU:    &resources.GPU{Units: number(c.gpu.n), Attributes: c.gpu.attrs},
	}
	for i := range c.storage {
		v := &c.storage[i]
		out.Storage = append(out.Storage, resources.Storage{Name: v.name, Quantity: number(v.n), Attributes: v.attrs})
	}
	return out
}

func number(n uint64) resources.ResourceValue {
	return resources.ResourceValue{Val: math.NewIntFromUint64(n)}
}

// each calls fn for every expose of the manifest: one for each entry of to, or one that isn't
// global where there is none.
func (s *service) each(numbers map[string]uint32, fn func(manifestv2.ServiceExpose)) {
	for i := range s.expose {
		e := &s.expose[i]
		tos := e.to
		if len(tos) == 0 {
			tos = []to{{}}
		}
		for j := range tos {
			out := manifestv2.ServiceExpose{
				Port: e.port, ExternalPort: e.as, Proto: protocol(e.proto),
				Service: tos[j].service, Global: tos[j].global, IP: tos[j].ip, HTTPOptions: e.http,
			}
			if len(e.accept) > 0 {
				out.Hosts = e.accept
			}
			if out.IP != "" {
				out.EndpointSequenceNumber = numbers[out.IP]
			}
			fn(out)
		}
	}
}

func (s *service) exposes(numbers map[string]uint32) []manifestv2.ServiceExpose {
	out := make([]manifestv2.ServiceExpose, 0, len(s.expose))
	s.each(numbers, func(e manifestv2.ServiceExpose) { out = append(out, e) })
	slices.SortStableFunc(out, manifest.CompareExpose)
	return out
}

// endpoints are what the exposes need of a provider, in the order of the file.
func (s *service) endpoints(numbers map[string]uint32) []resources.Endpoint {
	out := []resources.Endpoint{}
	s.each(numbers, func(e manifestv2.ServiceExpose) {
		if !e.Global {
			return
		}
		kind := resources.Endpoint_RANDOM_PORT
		if manifest.IsIngress(e) {
			kind = resources.Endpoint_SHARED_HTTP
		}
		out = append(out, resources.Endpoint{Kind: kind})
		if e.IP != "" {
			out = append(out, resources.Endpoint{Kind: resources.Endpoint_LEASED_IP, SequenceNumber: e.EndpointSequenceNumber})
		}
	})
	return out
}

func (s *service) manifestParams() *manifestv2.ServiceParams {
	if s.params == nil {
		return nil
	}
	out := &manifestv2.ServiceParams{Permissions: s.params.permissions}
	for _, m := range s.params.storage {
		out.Storage = append(out.Storage, manifestv2.StorageParams{Name: m.volume, Mount: m.path, ReadOnly: m.readOnly})
	}
	if s.params.tee != "" {
		out.TEE = &manifestv2.TEEParams{Type: s.params.tee, Attestation: true}
	}
	return out
}

func (s *service) manifestCredentials() *manifestv2.ImageCredentials {
	if c := s.credentials; c != nil {
		return &manifestv2.ImageCredentials{Host: c.host, Email: c.email, Username: c.username, Password: c.password}
	}
	return nil
}
