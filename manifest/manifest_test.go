package manifest_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cosmossdk.io/math"

	attributesv1 "github.com/akash-supercloud/akash/api/akash/base/attributes/v1"
	resources "github.com/akash-supercloud/akash/api/akash/base/resources/v1beta4"
	deploymentv1beta4 "github.com/akash-supercloud/akash/api/akash/deployment/v1beta4"
	manifestv2 "github.com/akash-supercloud/akash/api/akash/manifest/v2beta3"
	"github.com/akash-supercloud/akash/manifest"
)

func val(n int64) resources.ResourceValue { return resources.ResourceValue{Val: math.NewInt(n)} }

func res(id uint32, kinds ...resources.Endpoint_Kind) resources.Resources {
	r := resources.Resources{
		ID: id, CPU: &resources.CPU{Units: val(500)}, GPU: &resources.GPU{Units: val(0)}, Memory: &resources.Memory{Quantity: val(1 << 29)},
		Storage: []resources.Storage{{Name: "default", Quantity: val(1 << 30)}}, Endpoints: []resources.Endpoint{},
	}
	for _, k := range kinds {
		r.Endpoints = append(r.Endpoints, resources.Endpoint{Kind: k})
	}
	return r
}

const (
	http = resources.Endpoint_SHARED_HTTP
	port = resources.Endpoint_RANDOM_PORT
	ip   = resources.Endpoint_LEASED_IP
)

func good() (manifest.Manifest, []deploymentv1beta4.GroupSpec) {
	m := manifest.Manifest{{Name: "g", Services: []manifestv2.Service{
		{Name: "api", Image: "api:1", Count: 2, Resources: res(1), Expose: []manifestv2.ServiceExpose{{Port: 8080, Proto: "TCP", Service: "web"}}},
		{Name: "web", Image: "web:1", Count: 1, Resources: res(2, http, port, ip), Env: []string{"A=b"}, Expose: []manifestv2.ServiceExpose{
			{Port: 80, Proto: "TCP", Global: true, Hosts: []string{"a.example.com"}},
			{Port: 443, Proto: "TCP", Global: true, IP: "x", EndpointSequenceNumber: 1},
		}},
	}}}
	g := []deploymentv1beta4.GroupSpec{{Name: "g", Resources: []deploymentv1beta4.ResourceUnit{
		{Resources: res(1), Count: 2}, {Resources: res(2, http, port, ip), Count: 1},
	}}}
	return m, g
}

func TestValidate(t *testing.T) {
	type M = manifest.Manifest
	for _, c := range []struct {
		name, want string
		change     func(M) M
	}{
		{"good", "", func(m M) M { return m }},
		{"empty", "manifest is empty", func(M) M { return M{} }},
		{"no services", `group "g" contains no services`, func(m M) M { m[0].Services = nil; return m }},
		{"no group name", "group 0 has no name", func(m M) M { m[0].Name = ""; return m }},
		{"duplicate group", `duplicate group "g"`, func(m M) M { return append(m, m[0]) }},
		{"not sorted", `services is not sorted: "api" comes after "web"`, func(m M) M { s := m[0].Services; s[0], s[1] = s[1], s[0]; return m }},
		{"a service twice", `service "api" is there twice`, func(m M) M { m[0].Services[1].Name = "api"; return m }},
		{"nothing global", "zero global services", func(m M) M { m[0].Services[1].Expose = nil; return m }},
		{"service without name", "service name is empty", func(m M) M { m[0].Services[0].Name = ""; return m }},
		{"service name", `service "-api" name is invalid`, func(m M) M { m[0].Services[0].Name = "-api"; return m }},
		{"no image", `service "api" has empty image name`, func(m M) M { m[0].Services[0].Image = ""; return m }},
		{"id 0", "resources id must be > 0", func(m M) M { m[0].Services[0].Resources.ID = 0; return m }},
		{"no cpu", "CPU must not be nil", func(m M) M { m[0].Services[0].Resources.CPU = nil; return m }},
		{"no gpu", "GPU must not be nil", func(m M) M { m[0].Services[0].Resources.GPU = nil; return m }},
		{"no memory", "memory must not be nil", func(m M) M { m[0].Services[0].Resources.Memory = nil; return m }},
		{"no storage", "storage must not be nil", func(m M) M { m[0].Services[0].Resources.Storage = nil; return m }},
		{"cpu without value", "CPU units must be a number", func(m M) M { m[0].Services[0].Resources.CPU.Units = resources.ResourceValue{}; return m }},
		{"memory negative", "memory size must be a number", func(m M) M { m[0].Services[0].Resources.Memory.Quantity = val(-1); return m }},
		{"gpu without value", "GPU units must be a number", func(m M) M { m[0].Services[0].Resources.GPU = &resources.GPU{}; return m }},
		{"volume without value", `size of volume "default"`, func(m M) M { m[0].Services[0].Resources.Storage[0].Quantity = resources.ResourceValue{}; return m }},
		{"volume name", `"../x" can't be the name of a volume`, func(m M) M { m[0].Services[0].Resources.Storage[0].Name = "../x"; return m }},
		{"volume twice", `volume "default" is there twice`, func(m M) M {
			r := &m[0].Services[0].Resources
			r.Storage = append(r.Storage, r.Storage[0])
			return m
		}},
		{"env", `"1A" is not the name of an environment variable`, func(m M) M { m[0].Services[1].Env = []string{"1A=b"}; return m }},
		{"env ..", `".." is not the name`, func(m M) M { m[0].Services[1].Env = []string{"..=b"}; return m }},
		{"expose not sorted", "expose is not sorted", func(m M) M { e := m[0].Services[1].Expose; e[0], e[1] = e[1], e[0]; return m }},
		{"port 0", "port value must be 0 < value <= 65535", func(m M) M { m[0].Services[0].Expose[0].Port = 0; return m }},
		{"port too high", "port value must be 0 < value <= 65535", func(m M) M { m[0].Services[0].Expose[0].Port = 65536; return m }},
		{"external port", "external port value", func(m M) M { m[0].Services[0].Expose[0].ExternalPort = 65536; return m }},
		{"proto", `protocol "tcp" unknown`, func(m M) M { m[0].Services[0].Expose[0].Proto = "tcp"; return m }},
		{"host", `"A.com" is not a host name`, func(m M) M { m[0].Services[1].Expose[0].Hosts = []string{"A.com"}; return m }},
		{"host too long", "is not a host name", func(m M) M { m[0].Services[1].Expose[0].Hosts = []string{strings.Repeat("a.", 127) + "aa"}; return m }},
		{"host twice", `hostname "a.b" is duplicated`, func(m M) M { m[0].Services[1].Expose[0].Hosts = []string{"a.b", "a.b"}; return m }},
		{"unknown volume", `mounts volume "x", which its resources don't have`, func(m M) M {
			m[0].Services[0].Params = &manifestv2.ServiceParams{Storage: []manifestv2.StorageParams{{Name: "x", Mount: "/x"}}}
			return m
		}},
		{"mount", `mount "x" is not an absolute path`, func(m M) M {
			m[0].Services[0].Params = &manifestv2.ServiceParams{Storage: []manifestv2.StorageParams{{Name: "default", Mount: "x"}}}
			return m
		}},
		{"tee", `unsupported tee type "x"`, func(m M) M {
			m[0].Services[0].Params = &manifestv2.ServiceParams{TEE: &manifestv2.TEEParams{Type: "x"}}
			return m
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, _ := good()
			err := c.change(m).Validate()
			check(t, err, manifest.ErrInvalid, c.want)
		})
	}
}

func check(t *testing.T, err, kind error, want string) {
	t.Helper()
	switch {
	case want == "" && err != nil:
		t.Error(err)
	case want != "" && (err == nil || !strings.Contains(err.Error(), want) || !errors.Is(err, kind)):
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestCheckGroups(t *testing.T) {
	type M = manifest.Manifest
	type G = []deploymentv1beta4.GroupSpec
	for _, c := range []struct {
		name, want string
		change     func(M, G) (M, G)
	}{
		{"good", "", func(m M, g G) (M, G) { return m, g }},
		{"fewer groups", "group count mismatch: the manifest has 1, the deployment 0", func(m M, g G) (M, G) { return m, nil }},
		{"other group", `unknown deployment group "g"`, func(m M, g G) (M, G) { g[0].Name = "h"; return m, g }},
		{"same group twice", `duplicate group "g"`, func(m M, g G) (M, G) { return append(m, m[0]), append(g, G{{Name: "h"}}...) }},
		{"unknown id", "no resource unit with id 3", func(m M, g G) (M, G) { m[0].Services[0].Resources.ID = 3; return m, g }},
		{"same id twice on the chain", "two resource units with id 1", func(m M, g G) (M, G) { g[0].Resources[1].ID = 1; return m, g }},
		{"more replicas", "over-utilized replicas of resource unit 1", func(m M, g G) (M, G) { m[0].Services[0].Count = 3; return m, g }},
		{"fewer replicas", "under-utilized (1) resources", func(m M, g G) (M, G) { m[0].Services[0].Count = 1; return m, g }},
		{"counts don't wrap", "over-utilized replicas", func(m M, g G) (M, G) {
			m[0].Services[0].Count = 1<<32 - 1
			s := m[0].Services[0]
			s.Name, s.Count = "b", 3
			m[0].Services = []manifestv2.Service{m[0].Services[0], s, m[0].Services[1]}
			return m, g
		}},
		{"cpu", `service "api": CPU of resource unit 1 differ`, func(m M, g G) (M, G) { m[0].Services[0].Resources.CPU.Units = val(501); return m, g }},
		{"cpu nil in both", "CPU of resource unit 1 differ", func(m M, g G) (M, G) { m[0].Services[0].Resources.CPU, g[0].Resources[0].CPU = nil, nil; return m, g }},
		{"values nil in both", "CPU of resource unit 1 differ", func(m M, g G) (M, G) {
			m[0].Services[0].Resources.CPU, g[0].Resources[0].CPU = &resources.CPU{}, &resources.CPU{}
			return m, g
		}},
		{"gpu", "GPU of resource unit 1 differ", func(m M, g G) (M, G) {
			m[0].Services[0].Resources.GPU.Attributes = []attributesv1.Attribute{{Key: "a", Value: "b"}}
			return m, g
		}},
		{"memory", "memory of resource unit 1 differ", func(m M, g G) (M, G) { g[0].Resources[0].Memory.Quantity = val(1); return m, g }},
		{"storage", "storage of resource unit 1 differ", func(m M, g G) (M, G) { m[0].Services[0].Resources.Storage[0].Name = "x"; return m, g }},
		{"more http", "over-utilized (1) HTTP endpoints: the deployment has 1", func(m M, g G) (M, G) {
			e := &m[0].Services[0].Expose[0]
			e.Global, e.ExternalPort = true, 80
			return m, g
		}},
		{"fewer http", "under-utilized (1) HTTP endpoints", func(m M, g G) (M, G) { m[0].Services[1].Expose[0].Global = false; return m, g }},
		{"http as port", "under-utilized (1) HTTP endpoints", func(m M, g G) (M, G) { m[0].Services[1].Expose[0].Proto = "UDP"; return m, g }},
		{"fewer ports", "under-utilized (1) PORT endpoints", func(m M, g G) (M, G) { m[0].Services[1].Expose = m[0].Services[1].Expose[:1]; return m, g }},
		{"fewer addresses", "under-utilized (1) IP endpoints", func(m M, g G) (M, G) { m[0].Services[1].Expose[1].IP = ""; return m, g }},
		{"more addresses", "over-utilized (1) IP endpoints", func(m M, g G) (M, G) { m[0].Services[1].Expose[0].IP = "y"; return m, g }},
		{"endpoint of no kind", "unknown kind 9", func(m M, g G) (M, G) { g[0].Resources[0].Endpoints = []resources.Endpoint{{Kind: 9}}; return m, g }},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, g := c.change(good())
			check(t, m.CheckGroups(g), manifest.ErrCrossValidation, c.want)
		})
	}
}

func TestIngress(t *testing.T) {
	for _, c := range []struct {
		e    manifestv2.ServiceExpose
		want bool
		port uint32
	}{
		{manifestv2.ServiceExpose{Port: 80, Proto: "TCP", Global: true}, true, 80},
		{manifestv2.ServiceExpose{Port: 8080, ExternalPort: 80, Proto: "TCP", Global: true}, true, 80},
		{manifestv2.ServiceExpose{Port: 80, ExternalPort: 81, Proto: "TCP", Global: true}, false, 81},
		{manifestv2.ServiceExpose{Port: 80, Proto: "UDP", Global: true}, false, 80},
		{manifestv2.ServiceExpose{Port: 80, Proto: "TCP"}, false, 80},
	} {
		if got := manifest.IsIngress(c.e); got != c.want || manifest.ExternalPort(c.e) != c.port {
			t.Errorf("%+v: %v, port %d", c.e, got, manifest.ExternalPort(c.e))
		}
	}
}

// The hash is of the JSON as received: order of keys and spaces don't matter, what is said does.
func TestHashJSON(t *testing.T) {
	hash := func(s string) string {
		h, err := manifest.HashJSON([]byte(s))
		if err != nil {
			t.Fatalf("%s: %v", s, err)
		}
		return hex.EncodeToString(h)
	}
	want := hash(`[{"a":1,"b":"x<y"}]`)
	for _, same := range []string{`[{"b":"x<y","a":1}]`, ` [ { "a" : 1.0 , "b" : "x\u003cy" } ] `, `[{"a":1e0,"b":"x\u003Cy"}]`} {
		if hash(same) != want {
			t.Errorf("%s hashes to another", same)
		}
	}
	for _, other := range []string{`[{"a":1,"b":"x<y","c":null}]`, `[{"a":"1","b":"x<y"}]`, `[]`} {
		if hash(other) == want {
			t.Errorf("%s hashes to the same", other)
		}
	}
	// Of [] and of HTML characters, by hand: SHA-256 of `[]` and of `["\u003c\u003e\u0026"]`.
	if hash("[ ]") != "4f53cda18c2baa0c0354bb5f9a3ecbe5ed12ab4d8e11ba873c2f11161202b945" {
		t.Error("hash of []:", hash("[]"))
	}
	for _, bad := range []string{"", "[", "[] []", `{"a":}`, "[1e999]", strings.Repeat("[", 65) + strings.Repeat("]", 65), `["` + strings.Repeat("a", manifest.MaxSize) + `"]`,
		`[{"services":[0` + strings.Repeat(",0", manifest.MaxValues) + `]}]`, strings.Repeat("[],", manifest.MaxValues)} {
		if _, err := manifest.HashJSON([]byte(bad)); !errors.Is(err, manifest.ErrInvalid) {
			t.Errorf("%.20q: %v", bad, err)
		}
		if _, err := manifest.Decode([]byte(bad)); !errors.Is(err, manifest.ErrInvalid) {
			t.Errorf("%.20q: %v", bad, err)
		}
	}
	// Brackets within text aren't nesting.
	hash(`["` + strings.Repeat(`[{\"\\`, 100) + `"]`)
}

func TestDecode(t *testing.T) {
	m, err := manifest.Decode([]byte(`[{"name":"g","unknown":{"x":[1]},"services":[{"name":"web","count":2,"extra":true}]}]`))
	if err != nil || m[0].Services[0].Count != 2 {
		t.Fatalf("%+v %v", m, err)
	}
	for bad, want := range map[string]string{
		"null": "it is null; send a list of groups", `{"name":"g"}`: "can't be a JSON object",
		`[{"services":[{"count":"2"}]}]`: "services.count can't be a JSON string", `[{"services":[{"count":-1}]}]`: "services.count can't be a JSON number -1",
		`[{"name":"g"`: "not JSON at byte",
	} {
		_, err := manifest.Decode([]byte(bad))
		check(t, err, manifest.ErrInvalid, want)
	}
	if _, ok := m.Group("g"); !ok {
		t.Error("group g isn't found")
	}
	if _, ok := m.Group("h"); ok {
		t.Error("group h is found")
	}
}

// The manifests of today's parser decode, encode to the same JSON, and hash to the same.
func TestCorpusManifests(t *testing.T) {
	files, _ := filepath.Glob("../sdl/testdata/corpus/expected/*.json")
	seen := 0
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		var want struct {
			OK       bool            `json:"ok"`
			Manifest json.RawMessage `json:"manifest"`
			Hash     string          `json:"version_hash_hex"`
		}
		if err := json.Unmarshal(b, &want); err != nil {
			t.Fatal(err)
		}
		if !want.OK {
			continue
		}
		seen++
		m, err := manifest.Decode(want.Manifest)
		if err != nil {
			t.Fatal(f, err)
		}
		if err := m.Validate(); err != nil {
			t.Error(f, err)
		}
		for _, h := range [][]byte{first(m.Hash()), first(manifest.HashJSON(want.Manifest))} {
			if hex.EncodeToString(h) != want.Hash {
				t.Errorf("%s: hash %x, want %s", f, h, want.Hash)
			}
		}
	}
	if seen != 23 {
		t.Errorf("%d manifests, want 23", seen)
	}
}

func first(b []byte, _ error) []byte { return b }

// FuzzDecode: what comes from a network never makes a panic; what decodes and validates comes
// through another round unchanged.
func FuzzDecode(f *testing.F) {
	m, g := good()
	j, err := m.JSON()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(j)
	f.Add([]byte(`[{"name":"g","services":[{"resources":{"cpu":{"units":{"val":"1"}},"gpu":{},"memory":null}}]}]`))
	f.Add([]byte(`[{"services":[{"resources":{"id":1,"cpu":{"units":{"val":null}}}}]}]`))
	f.Fuzz(func(t *testing.T, data []byte) {
		_, _ = manifest.HashJSON(data)
		m, err := manifest.Decode(data)
		if err != nil {
			return
		}
		_ = m.CheckGroups(g)
		if m.Validate() != nil {
			return
		}
		j, err := m.JSON()
		if err != nil {
			t.Fatal(err)
		}
		again, err := manifest.Decode(j)
		if err != nil {
			t.Fatal(err)
		}
		if err := again.Validate(); err != nil {
			t.Fatalf("after another round: %v", err)
		}
		j2, err := again.JSON()
		if err != nil || !bytes.Equal(j, j2) {
			t.Fatalf("%s\n%s\n%v", j, j2, err)
		}
	})
}
