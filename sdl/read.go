package sdl

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"cosmossdk.io/math"

	manifestv2 "github.com/akash-supercloud/akash/api/akash/manifest/v2beta3"
)

// The file as read, every part with its place. Reading checks what a value is by itself; what
// it means together with others is for check.

type document struct {
	minor        int // 0 or 1: version 2.0 or 2.1
	root         value
	services     []service
	servicesAt   value
	computes     []compute
	placements   []placement
	deployments  []deployment // sorted by service
	deploymentAt value
	endpoints    []endpoint
	reclamation  time.Duration // 0: none
}

type service struct {
	name          string
	at            value
	image         string
	imageAt       value
	command, args []string
	env           []string
	envAt         []value
	expose        []expose
	params        *params
	credentials   *credentials
}

type expose struct {
	at       value
	port     uint32
	portAt   value
	as       uint32
	asAt     value
	proto    string // as written
	protoAt  value
	accept   []string
	acceptAt []value
	http     manifestv2.ServiceExposeHTTPOptions
	to       []to
}

type to struct {
	at      value
	service string
	global  bool
	ip      string
	ipAt    value
}

type params struct {
	at          value
	storage     []mount // sorted by name
	storageAt   value
	permissions *manifestv2.ServicePermissions
	tee         string
	teeAt       value
}

type mount struct {
	volume   string
	at       value
	path     string
	pathAt   value
	readOnly bool
	roAt     value
}

type credentials struct {
	at                              value
	host, email, username, password string
}

type placement struct {
	name         string
	at           value
	attributes   []attribute
	allOf, anyOf []string
	prices       []price
	pricingAt    value
}

type attribute struct {
	key, val string
	at       value
}

type price struct {
	profile string
	at      value
	denom   string
	denomAt value
	amount  math.LegacyDec
	amtAt   value
}

type deployment struct {
	service string
	at      value
	targets []target // sorted by placement
}

type target struct {
	placement string
	at        value
	profile   string
	profileAt value
	count     uint32
	countAt   value
}

type endpoint struct {
	name   string
	at     value
	kind   string
	kindAt value
}

func (r *reader) document(root value) *document {
	f := r.fields(root)
	d := &document{root: root, servicesAt: f.get("services"), deploymentAt: f.get("deployment")}
	for i := range f.list {
		switch f.list[i].key {
		case "version", "include", "services", "profiles", "deployment", "endpoints", "reclamation":
		default:
			r.fail(f.list[i].name, "no such key", "remove it; an SDL has version, services, profiles, deployment, endpoints, reclamation and include")
		}
	}
	r.version(d, f.get("version"))
	r.strs(f.get("include"), "write a list of texts", "")
	for _, s := range r.fields(d.servicesAt).list {
		d.services = append(d.services, r.service(s, d.minor))
	}
	profiles := r.fields(f.get("profiles"))
	r.only(profiles, "compute", "placement")
	for _, c := range r.fields(profiles.get("compute")).list {
		d.computes = append(d.computes, r.compute(c))
	}
	for _, p := range r.fields(profiles.get("placement")).list {
		d.placements = append(d.placements, r.placement(p))
	}
	for _, e := range r.fields(d.deploymentAt).list {
		d.deployments = append(d.deployments, r.deployment(e))
	}
	slices.SortFunc(d.deployments, func(a, b deployment) int { return strings.Compare(a.service, b.service) })
	for _, e := range r.fields(f.get("endpoints")).list {
		ef := r.fields(e.value)
		r.only(ef, "kind")
		kind := ef.get("kind")
		d.endpoints = append(d.endpoints, endpoint{name: e.key, at: e.name, kind: r.str(kind, "use ip"), kindAt: kind})
	}
	if rec := f.get("reclamation"); rec.exists() {
		d.reclamation = r.reclamation(rec)
	}
	return d
}

func (r *reader) version(d *document, v value) {
	const fix = `use version: "2.0" or version: "2.1"`
	if !v.exists() {
		r.fail(v, "no version found", fix)
		return
	}
	text := r.str(v, fix)
	ver, pre, ok := parseVersion(text)
	switch {
	case !ok:
		r.fail(v, short(text)+" is not a version", fix)
	case ver == [3]uint64{2, 0, 0} && pre == "":
	case ver[0] > 2 || ver[0] == 2 && ver[1] >= 1 && (ver[1] > 1 || ver[2] > 0 || pre == ""):
		d.minor = 1
	default:
		r.fail(v, "unsupported version "+short(text), fix)
		return
	}
	if text != "2.0" && text != "2.1" && ok {
		r.warn(v, fmt.Sprintf("version %s is read by the rules of 2.%d", short(text), d.minor), fix)
	}
}

// parseVersion reads a version number tolerantly: a leading v, leading zeros, and missing parts
// are taken.
func parseVersion(s string) (v [3]uint64, pre string, ok bool) {
	s = strings.TrimPrefix(strings.TrimSpace(s), "v")
	if core, _, found := strings.Cut(s, "+"); found {
		s = core
	}
	core, pre, tail := strings.Cut(s, "-")
	parts := strings.Split(core, ".")
	if len(parts) > 3 || tail && (len(parts) < 3 || pre == "") {
		return v, "", false
	}
	for i, p := range parts {
		n, err := strconv.ParseUint(p, 10, 32)
		if err != nil {
			return v, "", false
		}
		v[i] = n
	}
	return v, pre, true
}

func (r *reader) service(s field, minor int) service {
	f := r.fields(s.value)
	r.only(f, "image", "command", "args", "env", "expose", "dependencies", "params", "credentials")
	out := service{name: s.key, at: s.name, imageAt: f.get("image")}
	out.image = r.str(out.imageAt, "write the name of an image")
	out.command, _ = r.strs(f.get("command"), "write each word on a line of its own: - word", "quote it")
	out.args, _ = r.strs(f.get("args"), "write each argument on a line of its own: - argument", "quote it")
	out.env, out.envAt = r.strs(f.get("env"), "write each variable on a line of its own: - NAME=value", "write - NAME=value, with = and without a space")
	exposes, _ := r.items(f.get("expose"), "start each expose with a dash: - port: 80")
	for _, e := range exposes {
		out.expose = append(out.expose, r.expose(e))
	}
	if p := f.get("params"); p.exists() {
		out.params = r.params(p)
	}
	if c := f.get("credentials"); c.exists() {
		out.credentials = r.credentials(c, minor)
	}
	return out
}

func (r *reader) expose(v value) expose {
	f := r.fields(v)
	r.only(f, "port", "as", "proto", "to", "accept", "http_options")
	e := expose{at: v, portAt: f.get("port"), asAt: f.get("as"), protoAt: f.get("proto")}
	e.port, _ = r.num(e.portAt, "use 1–65535")
	e.as, _ = r.num(e.asAt, "use 1–65535")
	e.proto = r.str(e.protoAt, "use tcp or udp")
	e.accept, e.acceptAt = r.strs(f.get("accept"), "write each host name on a line of its own: - app.example.com", "write a host name")
	e.http = r.httpOptions(f.get("http_options"))
	tos, _ := r.items(f.get("to"), "start each entry with a dash: - global: true")
	for _, t := range tos {
		tf := r.fields(t)
		r.only(tf, "service", "global", "ip", "http_options")
		ip := tf.get("ip")
		e.to = append(e.to, to{
			at: t, service: r.str(tf.get("service"), "write a service's name"), global: r.flag(tf.get("global")),
			ip: r.str(ip, "write an endpoint's name"), ipAt: ip,
		})
	}
	return e
}

// The most that http_options may ask for, and what stands where they say nothing.
const (
	maxBodySize     = 104857600
	maxProxyBuffer  = 1048576
	maxHTTPTimeout  = 60000
	defaultBodySize = 1048576
	defaultTries    = 3
)

var nextCases = []string{"error", "timeout", "500", "502", "503", "504", "403", "404", "429", "off"}

func (r *reader) httpOptions(v value) manifestv2.ServiceExposeHTTPOptions {
	f := r.fields(v)
	r.only(f, "max_body_size", "proxy_buffer_size", "read_timeout", "send_timeout", "next_tries", "next_timeout", "next_cases")
	limited := func(key string, most uint32, unit string, or uint32) uint32 {
		at := f.get(key)
		n, ok := r.num(at, fmt.Sprintf("use at most %d (%s)", most, unit))
		if ok && n > most {
			r.fail(at, fmt.Sprintf("%d is more than %d %s", n, most, unit), fmt.Sprintf("use at most %d", most))
		}
		if n == 0 {
			return or
		}
		return n
	}
	const any = 1<<32 - 1
	o := manifestv2.ServiceExposeHTTPOptions{
		MaxBodySize:     limited("max_body_size", maxBodySize, "bytes", defaultBodySize),
		ProxyBufferSize: limited("proxy_buffer_size", maxProxyBuffer, "bytes", 0),
		ReadTimeout:     limited("read_timeout", maxHTTPTimeout, "ms", maxHTTPTimeout),
		SendTimeout:     limited("send_timeout", maxHTTPTimeout, "ms", maxHTTPTimeout),
		NextTries:       limited("next_tries", any, "tries", defaultTries),
		NextTimeout:     limited("next_timeout", any, "ms", 0),
	}
	list := "use " + strings.Join(nextCases, ", ")
	cases, at := r.strs(f.get("next_cases"), "write each case on a line of its own: - error", list)
	for i, c := range cases {
		if !slices.Contains(nextCases, c) {
			r.fail(at[i], "next case is unknown: "+short(c), list)
		}
		if c == "off" && len(cases) > 1 {
			r.fail(at[i], "if 'off' is specified, no other cases may be specified", "keep off or the others")
		}
	}
	if o.NextCases = cases; len(cases) == 0 {
		o.NextCases = []string{"error", "timeout"}
	}
	return o
}

func (r *reader) params(v value) *params {
	f := r.fields(v)
	r.only(f, "storage", "permissions", "tee")
	p := &params{at: v, teeAt: f.get("tee"), storageAt: f.get("storage")}
	for _, s := range r.fields(p.storageAt).list {
		sf := r.fields(s.value)
		r.only(sf, "mount", "readOnly")
		m := mount{volume: s.key, at: s.name, pathAt: sf.get("mount"), roAt: sf.get("readOnly")}
		m.path = r.str(m.pathAt, "write an absolute path")
		m.readOnly = r.flag(m.roAt)
		p.storage = append(p.storage, m)
	}
	slices.SortFunc(p.storage, func(a, b mount) int { return strings.Compare(a.volume, b.volume) })
	if perms := f.get("permissions"); perms.exists() {
		pf := r.fields(perms)
		r.only(pf, "read")
		read, at := r.strs(pf.get("read"), "write each on a line of its own: - logs", "use logs, events or deployment")
		for i, p := range read {
			if p != "logs" && p != "events" && p != "deployment" {
				r.warn(at[i], short(p)+" grants nothing", "use logs, events or deployment")
			}
		}
		p.permissions = &manifestv2.ServicePermissions{Read: read}
	}
	switch p.tee = r.str(p.teeAt, "use cpu or cpu-gpu"); p.tee {
	case "", "cpu", "cpu-gpu":
	default:
		r.fail(p.teeAt, "unsupported tee type "+short(p.tee), "use cpu or cpu-gpu")
	}
	return p
}

func (r *reader) credentials(v value, minor int) *credentials {
	f := r.fields(v)
	r.only(f, "host", "email", "username", "password")
	text := func(key string) string {
		s := r.str(f.get(key), "quote it")
		if minor >= 1 {
			s = strings.TrimSpace(s)
		}
		return s
	}
	c := &credentials{at: v, host: text("host"), email: text("email"), username: text("username"), password: text("password")}
	if minor == 0 && c.email != "" {
		r.warn(f.get("email"), "version 2.0 drops the e-mail address", "leave it out, or use version 2.1")
		c.email = ""
	}
	return c
}

func (r *reader) placement(p field) placement {
	f := r.fields(p.value)
	r.only(f, "attributes", "signedBy", "pricing")
	out := placement{name: p.key, at: p.name, pricingAt: f.get("pricing")}
	for _, a := range r.fields(f.get("attributes")).list {
		out.attributes = append(out.attributes, attribute{key: a.key, val: r.str(a.value, "quote it"), at: a.name})
	}
	signed := r.fields(f.get("signedBy"))
	r.only(signed, "allOf", "anyOf")
	out.allOf, _ = r.strs(signed.get("allOf"), "write each auditor's address on a line of its own: - akash1…", "write an address")
	out.anyOf, _ = r.strs(signed.get("anyOf"), "write each auditor's address on a line of its own: - akash1…", "write an address")
	for _, c := range r.fields(out.pricingAt).list {
		if c.exists() {
			out.prices = append(out.prices, r.price(c))
		}
	}
	return out
}

func (r *reader) price(c field) price {
	f := r.fields(c.value)
	r.only(f, "denom", "amount")
	p := price{profile: c.key, at: c.name, denomAt: f.get("denom"), amtAt: f.get("amount"), amount: math.LegacyZeroDec()}
	if c.node.Kind != kindMapping {
		return p
	}
	if p.denom = r.str(p.denomAt, "use uact"); !denomForm.MatchString(p.denom) {
		if p.denom == "" {
			r.fail(p.denomAt, "no denomination", "use uact")
		} else {
			r.fail(p.denomAt, short(p.denom)+" is not a denomination", "use uact")
		}
	}
	const fix = "write a number above 0: the most to pay a block for one unit"
	text := r.str(p.amtAt, fix)
	switch {
	case !p.amtAt.exists():
		r.fail(p.amtAt, "no amount", fix)
		return p
	case len(text) > 64:
		r.fail(p.amtAt, "the amount is too long", fix)
		return p
	}
	switch dec, err := math.LegacyNewDecFromStr(text); {
	case err != nil:
		r.fail(p.amtAt, short(text)+" is not an amount", fix+", with at most 18 digits after the point")
	case dec.IsNegative():
		r.fail(p.amtAt, "negative value not allowed: amount "+short(text)+" is negative", fix)
	case dec.IsZero():
		r.fail(p.amtAt, "amount is zero", fix)
	default:
		p.amount = dec
	}
	return p
}

func (r *reader) deployment(e field) deployment {
	d := deployment{service: e.key, at: e.name}
	for _, t := range r.fields(e.value).list {
		f := r.fields(t.value)
		r.only(f, "profile", "count")
		out := target{placement: t.key, at: t.name, profileAt: f.get("profile"), countAt: f.get("count")}
		out.profile = r.str(out.profileAt, "write the name of a compute profile")
		out.count, _ = r.num(out.countAt, "use 1 or more")
		d.targets = append(d.targets, out)
	}
	slices.SortFunc(d.targets, func(a, b target) int { return strings.Compare(a.placement, b.placement) })
	return d
}

func (r *reader) reclamation(v value) time.Duration {
	f := r.fields(v)
	r.only(f, "min_window")
	at := f.get("min_window")
	const fix = "write a time such as 24h"
	text := r.str(at, fix)
	window, err := time.ParseDuration(text)
	switch {
	case !at.exists():
		r.fail(at, "no min_window", fix)
	case err != nil:
		r.fail(at, "invalid reclamation min_window "+short(text), fix)
	case window <= 0:
		r.fail(at, "reclamation min_window must be > 0", fix)
	}
	return window
}
