package sdl

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	attributesv1 "github.com/akash-supercloud/akash/api/akash/base/attributes/v1"
	"github.com/akash-supercloud/akash/match"
)

const kindMapping = yaml.MappingNode

var denomForm = regexp.MustCompile(`^[a-zA-Z][a-zA-Z0-9/:._-]{2,127}$`)

// compute is a compute profile. A part that the file doesn't have is nil.
type compute struct {
	name    string
	at      value
	res     value // the resources block
	cpu     *amount
	memory  *amount
	gpu     amount // of 0 units where the file has none
	gpuAttr value
	storage []volume
	volsAt  value
}

// amount is a quantity with its attributes: thousandths of a core, bytes or pieces.
type amount struct {
	at    value // the quantity
	n     uint64
	attrs []attributesv1.Attribute
	bad   bool // already reported
}

type volume struct {
	name string
	at   value
	amount
}

func (v *volume) attr(key string) string {
	for _, a := range v.attrs {
		if a.Key == key {
			return a.Value
		}
	}
	return ""
}

func (r *reader) compute(c field) compute {
	f := r.fields(c.value)
	r.only(f, "resources")
	out := compute{name: c.key, at: c.name, res: f.get("resources")}
	res := r.fields(out.res)
	r.only(res, "cpu", "memory", "gpu", "storage")
	if v := res.get("cpu"); v.exists() {
		out.cpu = r.cpu(v)
	}
	if v := res.get("memory"); v.exists() {
		mf := r.fields(v)
		r.only(mf, "size")
		out.memory = new(amount)
		*out.memory = r.size(mf.get("size"))
	}
	out.gpu = amount{at: res.get("gpu")}
	if out.gpu.at.exists() {
		out.gpu, out.gpuAttr = r.gpu(out.gpu.at)
	}
	out.volsAt = res.get("storage")
	out.storage = r.storage(out.volsAt)
	return out
}

func (r *reader) cpu(v value) *amount {
	f := r.fields(v)
	r.only(f, "units", "attributes")
	a := &amount{at: f.get("units")}
	const fix = `use cores, such as 0.5 or 2, or thousandths of one, such as "500m"`
	switch text := r.str(a.at, fix); {
	case !a.at.exists(): // an error only where the profile is used
	case a.at.node.Kind != yaml.ScalarNode:
		a.bad = true
	default:
		var problem string
		if milli, ok := strings.CutSuffix(text, "m"); ok {
			n, err := strconv.ParseUint(milli, 10, 64)
			if a.n = n; err != nil {
				problem = short(text) + " is not a number of CPUs"
			}
		} else {
			a.n, problem = scaled(text, 1000, text)
		}
		if a.bad = problem != ""; a.bad {
			r.fail(a.at, problem, fix)
		}
	}
	for _, at := range r.fields(f.get("attributes")).list {
		if at.key != "arch" {
			r.fail(at.name, "unsupported cpu attribute "+short(at.key), "use arch")
			continue
		}
		a.attrs = append(a.attrs, attributesv1.Attribute{Key: at.key, Value: r.str(at.value, "use amd64 or arm64")})
	}
	return a
}

// scaled is a decimal times a power of two or of ten, cut down to a whole number. It multiplies
// as 64-bit floats do, because today's tools do and the result is part of the hash: 1.001 CPU
// are 1000 thousandths there, not 1001. With one multiplication and no sum, every machine gets
// the same. text is the value whole, for errors.
func scaled(number string, scale uint64, text string) (n uint64, problem string) {
	f, err := strconv.ParseFloat(number, 64)
	if err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
		return 0, short(text) + " is not a number"
	}
	if f < 0 {
		return 0, "negative value not allowed: " + short(text)
	}
	f = f * float64(scale)
	if f >= 1<<63 {
		return 0, short(text) + " is too large"
	}
	return uint64(f), ""
}

var suffixes = []struct {
	name  string
	scale uint64
}{
	{"Ki", 1 << 10}, {"Mi", 1 << 20}, {"Gi", 1 << 30}, {"Ti", 1 << 40}, {"Pi", 1 << 50}, {"Ei", 1 << 60},
	{"k", 1e3}, {"M", 1e6}, {"G", 1e9}, {"T", 1e12}, {"P", 1e15}, {"E", 1e18},
}

// parseSize reads bytes: a number, with a suffix or not.
func parseSize(text string) (n uint64, problem, fix string) {
	fix = "use a number with Ki, Mi, Gi or Ti, such as 512Mi"
	number, scale := text, uint64(1)
	for _, s := range suffixes {
		if cut, ok := strings.CutSuffix(text, s.name); ok {
			number, scale = cut, s.scale
			break
		}
	}
	if n, problem = scaled(number, scale, text); problem == "" {
		return n, "", ""
	}
	if !strings.HasSuffix(problem, "is not a number") {
		return 0, problem, fix
	}
	// The usual slips: 2gi, 2GB, 2 Gi.
	digits := strings.TrimRight(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ ")
	letters := strings.TrimSpace(text[len(digits):])
	for _, s := range suffixes {
		if _, bad := scaled(digits, 1, digits); bad == "" && len(s.name) == 2 && (strings.EqualFold(letters, s.name) || strings.EqualFold(letters, s.name+"B") || strings.EqualFold(letters, s.name[:1]+"B") || strings.EqualFold(letters, s.name[:1])) {
			fix = "write " + digits + s.name
			break
		}
	}
	return 0, short(text) + " is not a size", fix
}

func (r *reader) size(v value) amount {
	a := amount{at: v}
	const fix = "use a number with Ki, Mi, Gi or Ti, such as 512Mi"
	if !v.exists() { // an error only where the profile is used
		return a
	}
	text := r.str(v, fix)
	if v.node.Kind != yaml.ScalarNode {
		a.bad = true
		return a
	}
	n, problem, how := parseSize(text)
	if a.n, a.bad = n, problem != ""; a.bad {
		r.fail(v, problem, how)
	}
	return a
}

// gpu also returns the place of the attributes.
func (r *reader) gpu(v value) (amount, value) {
	f := r.fields(v)
	for _, x := range f.list {
		if x.key != "units" && x.key != "attributes" {
			r.fail(x.name, "unsupported field ("+x.key+") for GPU resource", "use units and attributes")
		}
	}
	a := amount{at: f.get("units")}
	if a.at.exists() {
		text := r.str(a.at, "use a whole number of GPUs")
		if n, err := strconv.ParseUint(text, 10, 64); a.at.node.Kind == yaml.ScalarNode && err != nil && text != "" {
			r.fail(a.at, short(text)+" is not a number of GPUs", "use a whole number")
			a.bad = true
		} else {
			a.n = n
		}
	}
	attrs := f.get("attributes")
	if !attrs.exists() {
		if a.n > 0 {
			r.fail(a.at, "GPU attributes must be present if units > 0", "add attributes: {vendor: {nvidia: [{model: a100}]}}, or nvidia: with nothing for any model")
		}
		return a, attrs
	}
	af := r.fields(attrs)
	if attrs.node.Kind != kindMapping {
		return a, attrs
	}
	for _, x := range af.list {
		if x.key != "vendor" {
			r.fail(x.name, "unsupported attribute ("+x.key+") for GPU resource", "use vendor")
		}
	}
	vendor := r.fields(af.get("vendor"))
	if len(vendor.list) == 0 {
		r.fail(af.get("vendor"), "invalid GPU attributes. at least one vendor must be set", "use vendor: {nvidia: [{model: a100}]}")
		return a, attrs
	}
	for _, x := range vendor.list {
		if x.key != "nvidia" {
			r.warn(x.name, "vendor "+short(x.key)+" is ignored; this asks for any model of nvidia", "use nvidia")
		}
	}
	a.attrs = r.gpuModels(vendor.get("nvidia"))
	return a, attrs
}

// gpuModels makes one attribute of each entry, sorted by key. No entries are any model.
func (r *reader) gpuModels(nvidia value) []attributesv1.Attribute {
	const prefix = "vendor/nvidia/model/"
	items, _ := r.items(nvidia, "start each model with a dash: - model: a100")
	if len(items) == 0 {
		return []attributesv1.Attribute{{Key: prefix + "*", Value: "true"}}
	}
	var out []attributesv1.Attribute
	for _, item := range items {
		f := r.fields(item)
		if item.exists() && item.node.Kind != kindMapping {
			continue
		}
		r.only(f, "model", "ram", "interface")
		model := r.str(f.get("model"), "write a model, such as a100")
		if model == "" {
			r.fail(f.get("model"), "no model", "write a model, such as a100, or * for any")
			continue
		}
		key := prefix + model
		if at := f.get("ram"); at.exists() {
			gi, ok := gpuRAM(r.str(at, "use a size, such as 80Gi"))
			if !ok {
				r.fail(at, kindOf(at.node)+" is not a GPU's memory", "use whole Gi, such as 80Gi")
			}
			key += fmt.Sprintf("/ram/%dGi", gi)
		}
		if at := f.get("interface"); at.exists() {
			iface := r.str(at, "use pcie or sxm")
			if iface != "pcie" && iface != "sxm" {
				r.fail(at, "invalid GPU interface "+short(iface), "use pcie or sxm")
			}
			key += "/interface/" + iface
		}
		if !match.ValidKey(key, true) {
			r.fail(item, "invalid GPU attributes: "+short(key)+" can't be an attribute's name", "use letters, digits, ., _ and -; for any model use * without ram and interface")
		}
		if slices.ContainsFunc(out, func(a attributesv1.Attribute) bool { return a.Key == key }) {
			r.fail(item, "invalid GPU attributes: "+short(key)+" is there twice", "keep one")
			continue
		}
		out = append(out, attributesv1.Attribute{Key: key, Value: "true"})
	}
	slices.SortFunc(out, func(a, b attributesv1.Attribute) int { return strings.Compare(a.Key, b.Key) })
	return out
}

// gpuRAM is whole Gi; only the binary suffixes are taken.
func gpuRAM(text string) (gi uint64, ok bool) {
	if !strings.HasSuffix(text, "i") {
		return 0, false
	}
	n, problem, _ := parseSize(text)
	return n >> 30, problem == "" && n>>30 > 0
}

func (r *reader) storage(v value) []volume {
	if !v.exists() {
		return nil
	}
	if v.node.Kind == kindMapping {
		vol := r.volume(v)
		vol.name = "default"
		return []volume{vol}
	}
	items, _ := r.items(v, "write size: 1Gi, or a list of volumes")
	var out []volume
	for _, item := range items {
		vol := r.volume(item)
		if i := slices.IndexFunc(out, func(o volume) bool { return o.name == vol.name }); i >= 0 {
			r.fail(vol.at, fmt.Sprintf("duplicated volume name %s", short(vol.name)), "give each volume a name of its own; one without a name is called default")
			continue
		}
		out = append(out, vol)
	}
	// By size; then by the text of persistent, absent first; then by name.
	slices.SortStableFunc(out, func(a, b volume) int {
		switch {
		case a.n < b.n:
			return -1
		case a.n > b.n:
			return 1
		}
		if c := strings.Compare(a.attr("persistent"), b.attr("persistent")); c != 0 {
			return c
		}
		return strings.Compare(a.name, b.name)
	})
	return out
}

func (r *reader) volume(v value) volume {
	f := r.fields(v)
	r.only(f, "name", "size", "attributes")
	vol := volume{name: "default", at: v}
	if v.exists() && v.node.Kind != kindMapping {
		vol.bad = true
		return vol
	}
	if at := f.get("name"); at.exists() {
		vol.name, vol.at = r.str(at, "write a name"), at
	}
	vol.amount = r.size(f.get("size"))
	if attrs := f.get("attributes"); attrs.exists() {
		vol.attrs = r.volumeAttributes(attrs)
	}
	return vol
}

// volumeAttributes checks persistent and class against each other as they are written, before
// yes and on become true, because today's tools do.
func (r *reader) volumeAttributes(v value) []attributesv1.Attribute {
	f := r.fields(v)
	for _, x := range f.list {
		if x.key != "persistent" && x.key != "class" {
			r.fail(x.name, "unsupported storage attribute "+short(x.key), "use persistent and class")
		}
	}
	pAt, cAt := f.get("persistent"), f.get("class")
	raw, class := r.str(pAt, "use true or false"), r.str(cAt, "use default, beta1, beta2, beta3 or ram")
	if raw == "" {
		raw = "false"
	}
	var persistent string
	switch raw {
	case "true", "on", "yes":
		persistent = "true"
	case "false", "off", "no":
		persistent = "false"
	default:
		r.fail(pAt, fmt.Sprintf("invalid value %s for attribute \"persistent\"", short(raw)), "use true or false")
		return nil
	}
	switch class {
	case "default", "beta1", "beta2", "beta3":
		if persistent == "false" {
			r.fail(cAt, "ephemeral storage should not set attribute class", "remove class, or set persistent: true")
		}
	case "ram":
		if raw != "false" {
			if persistent == "true" {
				r.fail(pAt, "ram storage class cannot be persistent", "set persistent: false")
			} else {
				r.fail(pAt, "with class ram, persistent must be the word false, not "+raw, "write persistent: false")
			}
		}
	case "":
		if raw == "true" {
			class = "default"
		} else if persistent == "true" {
			r.warn(pAt, fmt.Sprintf("%s without a class asks for no class at all", raw), "write persistent: true, or add a class")
		}
	default:
		r.fail(cAt, "invalid value "+short(class)+" for attribute class", "use default, beta1 (HDD), beta2 (SSD), beta3 (NVMe) or ram")
	}
	var out []attributesv1.Attribute
	if class != "" {
		out = append(out, attributesv1.Attribute{Key: "class", Value: class})
	}
	return append(out, attributesv1.Attribute{Key: "persistent", Value: persistent})
}
