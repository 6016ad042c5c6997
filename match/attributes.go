package match

import (
	"fmt"
	"path"
	"regexp"
	"sort"
	"strings"

	auditv1 "github.com/akash-supercloud/akash/api/akash/audit/v1"
	attributesv1 "github.com/akash-supercloud/akash/api/akash/base/attributes/v1"
	resources "github.com/akash-supercloud/akash/api/akash/base/resources/v1beta4"
	deploymentv1beta4 "github.com/akash-supercloud/akash/api/akash/deployment/v1beta4"
)

// Code is the kind of a reason, for programs.
type Code string

// The kinds of reasons.
const (
	CodeAttribute  Code = "attribute"  // the provider lacks a required attribute
	CodeAuditor    Code = "auditor"    // an auditor hasn't signed what is required
	CodeCapability Code = "capability" // the provider doesn't offer that storage or GPU at all
	CodeLimits     Code = "limits"     // the group itself is out of limits
	CodeVolumes    Code = "volumes"    // too many volumes in one unit
	CodeCPU        Code = "cpu"
	CodeArch       Code = "arch"
	CodeGPU        Code = "gpu"
	CodeMemory     Code = "memory"
	CodeStorage    Code = "storage" // ephemeral storage
	CodePersistent Code = "persistent-storage"
	CodeIP         Code = "leased-ip"
	CodeNode       Code = "node"     // each amount fits somewhere, but not all on one node
	CodeReplicas   Code = "replicas" // fewer replicas fit than asked for
	CodeTogether   Code = "together" // each unit fits alone, but not all of them
)

// Reason says in a sentence why a provider can't serve a group, and the nearest change that
// would make it fit.
type Reason struct {
	Code   Code   `json:"code"`
	Text   string `json:"text"`
	Change string `json:"change,omitempty"`
}

func (r Reason) String() string {
	if r.Change == "" {
		return r.Text
	}
	return r.Text + "; " + r.Change
}

var (
	requiredKey = regexp.MustCompile(`^([a-zA-Z][\w/.\-]{1,126}[\w*]?)$`)
	ownKey      = regexp.MustCompile(`^([a-zA-Z][\w/.\-]{1,126})$`)
)

// ValidAttributes checks the keys of attributes: their form, and that none is there twice.
// In requirements the last character may be a *.
func ValidAttributes(attrs []attributesv1.Attribute, requirements bool) error {
	seen := make(map[string]bool, len(attrs))
	for i := range attrs {
		key := attrs[i].Key
		if !ValidKey(key, requirements) {
			return fmt.Errorf("invalid attribute key %q: use 2 to 128 letters, digits, _, /, . or -, a letter first", key)
		}
		if seen[key] {
			return fmt.Errorf("duplicate attribute key %q", key)
		}
		seen[key] = true
	}
	return nil
}

// ValidKey reports whether key can be an attribute's. In requirements the last character may
// be a *.
func ValidKey(key string, requirements bool) bool {
	if requirements {
		return requiredKey.MatchString(key)
	}
	return ownKey.MatchString(key)
}

// Attributes compares a group's placement requirements with a provider's own attributes or,
// where auditors are named, with what they have signed for it. Empty means that it matches.
//
// A required key may be a glob, in which * doesn't cross a /; values must be equal. Each
// auditor in all_of must have signed for the whole set, and at least one of any_of.
func Attributes(req attributesv1.PlacementRequirements, own []attributesv1.Attribute, audited []auditv1.AuditedProvider) []Reason {
	all, any := req.SignedBy.AllOf, req.SignedBy.AnyOf
	if len(all) == 0 && len(any) == 0 {
		var out []Reason
		for _, miss := range missing(req.Attributes, own) {
			out = append(out, Reason{
				Code:   CodeAttribute,
				Text:   fmt.Sprintf("the provider doesn't have the attribute %s=%s", miss.Key, miss.Value) + instead(miss.Key, own),
				Change: fmt.Sprintf("remove %s from the placement's attributes", miss.Key),
			})
		}
		return out
	}
	signed := make(map[string][]attributesv1.Attribute, len(audited))
	for i := range audited {
		signed[audited[i].Auditor] = audited[i].Attributes
	}
	var out []Reason
	for _, auditor := range all {
		if why := unsigned(req.Attributes, signed, auditor); why != "" {
			out = append(out, Reason{Code: CodeAuditor, Text: why,
				Change: fmt.Sprintf("remove %s from signedBy.allOf", auditor)})
		}
	}
	if len(any) == 0 {
		return out
	}
	var whys []string
	for _, auditor := range any {
		why := unsigned(req.Attributes, signed, auditor)
		if why == "" {
			return out
		}
		whys = append(whys, why)
	}
	return append(out, Reason{Code: CodeAuditor,
		Text:   "no auditor of signedBy.anyOf has signed for this provider: " + strings.Join(whys, "; "),
		Change: "leave signedBy out, or name an auditor who has signed for the provider"})
}

// unsigned says why an auditor's signature doesn't cover the requirement; empty if it does.
func unsigned(req []attributesv1.Attribute, signed map[string][]attributesv1.Attribute, auditor string) string {
	attrs, ok := signed[auditor]
	if !ok {
		return fmt.Sprintf("auditor %s has signed nothing for it", auditor)
	}
	if m := missing(req, attrs); len(m) > 0 {
		return fmt.Sprintf("auditor %s hasn't signed %s=%s", auditor, m[0].Key, m[0].Value)
	}
	return ""
}

// missing lists the required attributes that have doesn't cover.
func missing(req, have []attributesv1.Attribute) []attributesv1.Attribute {
	var out []attributesv1.Attribute
	for _, r := range req {
		if !covered(r, have, "") {
			out = append(out, r)
		}
	}
	return out
}

// covered reports whether one of have, its key without prefix, has r's value and a key that
// r's key, read as a glob, matches.
func covered(r attributesv1.Attribute, have []attributesv1.Attribute, prefix string) bool {
	for i := range have {
		key, ok := strings.CutPrefix(have[i].Key, prefix)
		if !ok || have[i].Value != r.Value {
			continue
		}
		// A malformed glob matches nothing but itself.
		if match, err := path.Match(r.Key, key); key == r.Key || err == nil && match {
			return true
		}
	}
	return false
}

// instead says what the provider has under the same key.
func instead(key string, own []attributesv1.Attribute) string {
	for i := range own {
		if own[i].Key == key {
			return fmt.Sprintf("; it has %s=%s", key, own[i].Value)
		}
	}
	return ""
}

const (
	storagePrefix = "capabilities/storage/"
	gpuPrefix     = "capabilities/gpu/"
)

// Capabilities compares what the units ask of storage and GPUs with what the provider's own
// attributes say it can do. All attributes of a volume must sit in one numbered group,
// capabilities/storage/<n>/<key>; of a unit's GPU attributes one must be among
// capabilities/gpu/<key>. Empty means that it matches.
func Capabilities(units []deploymentv1beta4.ResourceUnit, own []attributesv1.Attribute) []Reason {
	groups := map[string][]attributesv1.Attribute{}
	for _, a := range own {
		rest, ok := strings.CutPrefix(a.Key, storagePrefix)
		if !ok {
			continue
		}
		n, key, ok := strings.Cut(rest, "/")
		if !ok {
			continue
		}
		groups[n] = append(groups[n], attributesv1.Attribute{Key: key, Value: a.Value})
	}
	var out []Reason
	for i := range units {
		u := &units[i]
		for j := range u.Storage {
			v := &u.Storage[j]
			if len(v.Attributes) == 0 || inOneGroup(v.Attributes, groups) {
				continue
			}
			out = append(out, Reason{Code: CodeCapability,
				Text:   fmt.Sprintf("unit %d: the provider doesn't offer storage with %s for volume %q", u.ID, attrsText(v.Attributes), v.Name),
				Change: storageChange(groups)})
		}
		if u.GPU == nil || len(u.GPU.Attributes) == 0 || u.GPU.Units.Val.IsNil() || u.GPU.Units.Val.IsZero() {
			continue
		}
		if !gpuOffered(u.GPU, own) {
			out = append(out, Reason{Code: CodeCapability,
				Text:   fmt.Sprintf("unit %d: the provider doesn't offer any of the GPUs asked for (%s)", u.ID, gpuText(u.GPU.Attributes)),
				Change: gpuChange(own)})
		}
	}
	return out
}

func inOneGroup(attrs []attributesv1.Attribute, groups map[string][]attributesv1.Attribute) bool {
	for _, g := range groups { // order doesn't matter: any will do
		if len(missing(attrs, g)) == 0 {
			return true
		}
	}
	return false
}

func gpuOffered(g *resources.GPU, own []attributesv1.Attribute) bool {
	for _, a := range g.Attributes {
		if covered(a, own, gpuPrefix) {
			return true
		}
	}
	return false
}

func attrsText(attrs []attributesv1.Attribute) string {
	var parts []string
	for _, a := range attrs {
		parts = append(parts, a.Key+"="+a.Value)
	}
	return strings.Join(parts, ", ")
}

func gpuText(attrs []attributesv1.Attribute) string {
	var parts []string
	for _, a := range attrs {
		parts = append(parts, a.Key)
	}
	return strings.Join(parts, ", ")
}

func storageChange(groups map[string][]attributesv1.Attribute) string {
	var offers []string
	for _, g := range groups {
		g = append([]attributesv1.Attribute(nil), g...)
		sort.Slice(g, func(i, j int) bool { return g[i].Key < g[j].Key })
		offers = append(offers, attrsText(g))
	}
	if len(offers) == 0 {
		return "use plain storage without attributes: it offers no other"
	}
	sort.Strings(offers)
	return "use what it offers: " + strings.Join(offers, " or ")
}

func gpuChange(own []attributesv1.Attribute) string {
	var offers []string
	for _, a := range own {
		if key, ok := strings.CutPrefix(a.Key, gpuPrefix); ok {
			offers = append(offers, key)
		}
	}
	if len(offers) == 0 {
		return "use another provider: it offers no GPUs"
	}
	sort.Strings(offers)
	return "add one that it offers: " + strings.Join(offers, ", ")
}
