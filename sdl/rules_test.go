package sdl_test

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	deploymentv1beta4 "github.com/akash-supercloud/akash/api/akash/deployment/v1beta4"
	manifestv2 "github.com/akash-supercloud/akash/api/akash/manifest/v2beta3"
	"github.com/akash-supercloud/akash/sdl"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// base is a good file; a test changes one thing in it.
const base = `version: "2.0"
services:
  web:
    image: nginx
    expose:
      - port: 80
        to:
          - global: true
profiles:
  compute:
    small:
      resources:
        cpu:
          units: 0.5
        memory:
          size: 512Mi
        storage:
          size: 1Gi
  placement:
    akash:
      pricing:
        small:
          denom: uact
          amount: 1000
deployment:
  web:
    akash:
      profile: small
      count: 1
`

// wholeExample is the example of the language's reference: every part once.
const wholeExample = `version: "2.1"
endpoints: {myip: {kind: ip}}
reclamation: {min_window: 24h}
services:
  web:
    image: registry.example.com/app:1
    credentials: {host: registry.example.com, username: u, password: secret}
    env: ["A=b"]
    expose:
      - {port: 8080, as: 80, accept: [app.example.com], http_options: {max_body_size: 10485760}, to: [{global: true}]}
      - {port: 5432, as: 5432, proto: tcp, to: [{global: true, ip: myip}]}
    params:
      storage: {data: {mount: /data}, shm: {mount: /dev/shm}}
      permissions: {read: [logs]}
profiles:
  compute:
    big:
      resources:
        cpu: {units: 2, attributes: {arch: amd64}}
        memory: {size: 4Gi}
        gpu: {units: 1, attributes: {vendor: {nvidia: [{model: a100, ram: 80Gi, interface: sxm}]}}}
        storage:
          - {size: 10Gi}
          - {name: data, size: 100Gi, attributes: {persistent: true, class: beta3}}
          - {name: shm, size: 1Gi, attributes: {class: ram, persistent: false}}
  placement:
    akash:
      attributes: {host: akash}
      signedBy: {anyOf: [akash1365yvmc4s7awdyj3n2sav7xfx76adc6dnmlx63]}
      pricing: {big: {denom: uact, amount: 1000}}
deployment:
  web: {akash: {profile: big, count: 1}}
`

// edit replaces text in a file; each old must be there once.
func edit(t *testing.T, doc string, oldNew ...string) string {
	t.Helper()
	for i := 0; i < len(oldNew); i += 2 {
		if strings.Count(doc, oldNew[i]) != 1 {
			t.Fatalf("%q is there %d times", oldNew[i], strings.Count(doc, oldNew[i]))
		}
		doc = strings.Replace(doc, oldNew[i], oldNew[i+1], 1)
	}
	return doc
}

const (
	image   = "    image: nginx\n"
	expose0 = "      - port: 80\n        to:\n          - global: true\n"
	cpu     = "        cpu:\n          units: 0.5\n"
	memory  = "        memory:\n          size: 512Mi\n"
	storage = "        storage:\n          size: 1Gi\n"
	pricing = "      pricing:\n        small:\n          denom: uact\n          amount: 1000\n"
	v20     = `version: "2.0"`
	v21     = `version: "2.1"`
)

// refused are files with one or more mistakes; testdata/errors.txt has what is said of each. The
// first word is the section of the language's reference.
var refused = []struct {
	name  string
	edits []string
}{
	{"0 missing resources", []string{"      resources:\n" + cpu + memory + storage, "      {}\n"}},
	{"1 no version", []string{v20 + "\n", ""}},
	{"1 unsupported version", []string{v20, `version: "1.9"`}},
	{"1 version below 2.1", []string{v20, `version: "2.0.1"`}},
	{"1 pre-release", []string{v20, `version: "2.1.0-rc1"`}},
	{"1 version is no version", []string{v20, `version: two`}},
	{"1 version is a list", []string{v20, `version: [2]`}},
	{"1 unknown top-level key", []string{v20, v20 + "\nunknown_field: x"}},
	{"1 include is text", []string{v20, v20 + "\ninclude: file"}},
	{"1 no deployment", []string{"deployment:\n  web:\n    akash:\n      profile: small\n      count: 1\n", ""}},
	{"1 services is a list", []string{"services:\n  web:\n" + image + "    expose:\n" + expose0, "services:\n  - web\n"}},
	{"2 service name", []string{"  web:\n" + image, "  Web_1:\n" + image, "deployment:\n  web:", "deployment:\n  Web_1:"}},
	{"2 no image", []string{image, ""}},
	{"2 empty image", []string{image, "    image: \"\"\n"}},
	{"2 image is a mapping", []string{image, "    image: {name: nginx}\n"}},
	{"2 env as mapping", []string{image, image + "    env: {A: b}\n"}},
	{"2 env entry as mapping", []string{image, image + "    env:\n      - A: b\n"}},
	{"2 env name", []string{image, image + "    env: [\"1A=b\", \"=x\", \"..=x\", \"GOOD=y\"]\n"}},
	{"2 command is text", []string{image, image + "    command: sh -c ls\n"}},
	{"2.1 mount not absolute", []string{image, image + "    params: {storage: {default: {mount: data}}}\n"}},
	{"2.1 mount missing", []string{image, image + "    params: {storage: {default: {}}}\n"}},
	{"2.1 mount with ..", []string{image, image + "    params: {storage: {default: {mount: /data/../etc}}}\n"}},
	{"2.1 unknown volume", []string{image, image + "    params: {storage: {data: {mount: /data}}}\n"}},
	{"2.1 mount twice", []string{image, image + "    params: {storage: {a: {mount: /data}, b: {mount: /data}}}\n",
		storage, "        storage: [{name: a, size: 1Gi, attributes: {persistent: true}}, {name: b, size: 1Gi, attributes: {persistent: true}}]\n"}},
	{"2.1 readOnly is text", []string{image, image + "    params: {storage: {default: {mount: /data, readOnly: maybe}}}\n"}},
	{"2.1 tee type", []string{image, image + "    params: {tee: gpu}\n"}},
	{"2.1 tee cpu-gpu without gpu", []string{image, image + "    params: {tee: cpu-gpu}\n"}},
	{"2.1 tee conflict", []string{image, image + "    params: {tee: cpu}\n", "profiles:\n", "  api:\n    image: x\n    params: {tee: cpu-gpu}\nprofiles:\n",
		"deployment:\n", "deployment:\n  api: {akash: {profile: gpu, count: 1}}\n",
		"  compute:\n", "  compute:\n    gpu: {resources: {cpu: {units: 1}, memory: {size: 1Gi}, storage: {size: 1Gi}, gpu: {units: 1, attributes: {vendor: {nvidia: }}}}}\n",
		pricing, pricing + "        gpu: {denom: uact, amount: 1}\n"}},
	{"2.1 tee against attribute", []string{image, image + "    params: {tee: cpu}\n", pricing, "      attributes: {tee/type: cpu-gpu}\n" + pricing}},
	{"2.2 credentials", []string{image, image + "    credentials: {host: \" \", email: a@example.com}\n"}},
	{"3 port 0", []string{"port: 80", "port: 0"}},
	{"3 port too high", []string{"port: 80", "port: 65536"}},
	{"3 port negative", []string{"port: 80", "port: -1"}},
	{"3 port quoted", []string{"port: 80", `port: "80"`}},
	{"3 port fraction", []string{"port: 80", `port: 80.5`}},
	{"3 port is a word", []string{"port: 80", `port: http`}},
	{"3 no port", []string{"port: 80", "as: 80"}},
	{"3 as too high", []string{"port: 80", "port: 80\n        as: 70000"}},
	{"3 proto", []string{"port: 80", "port: 80\n        proto: http"}},
	{"3 accept", []string{"port: 80", "port: 80\n        accept: [\"https://x.com/\", UPPER.com, \"a b\", -x.com]"}},
	{"3 accept twice", []string{"port: 80", "port: 80\n        accept: [a.com, b.com, a.com]"}},
	{"3 accept with two to", []string{"port: 80", "port: 80\n        accept: [a.com]", "- global: true", "- global: true\n          - service: x"}},
	{"3 accept on two placements", []string{"port: 80", "port: 80\n        accept: [a.com]", "  placement:\n", "  placement:\n    other: {pricing: {small: {denom: uact, amount: 1}}}\n", "deployment:\n  web:\n", "deployment:\n  web:\n    other: {profile: small, count: 1}\n"}},
	{"3 global is a word", []string{"global: true", "global: maybe"}},
	{"3 to is a mapping", []string{"          - global: true", "          global: true"}},
	{"3 nothing global", []string{"global: true", "global: false"}},
	{"3.1 http_options", []string{"port: 80", "port: 80\n        http_options: {max_body_size: 104857601, proxy_buffer_size: 1048577, read_timeout: 60001, send_timeout: 60001, next_cases: [error, \"505\"]}"}},
	{"3.1 off and others", []string{"port: 80", "port: 80\n        http_options: {next_cases: [\"off\", error]}"}},
	{"4 endpoint name", []string{v20, v20 + "\nendpoints: {X: {kind: ip}}", "global: true", "global: true\n            ip: X"}},
	{"4 endpoint of one letter", []string{v20, v20 + "\nendpoints: {x: {kind: ip}}", "global: true", "global: true\n            ip: x"}},
	{"4 endpoint without kind", []string{v20, v20 + "\nendpoints: {xx: }", "global: true", "global: true\n            ip: xx"}},
	{"4 endpoint of unknown kind", []string{v20, v20 + "\nendpoints: {xx: {kind: ipv6}}", "global: true", "global: true\n            ip: xx"}},
	{"4 endpoint unused", []string{v20, v20 + "\nendpoints: {xx: {kind: ip}}"}},
	{"4 endpoint undeclared", []string{"global: true", "global: true\n            ip: xx"}},
	{"4 ip not global", []string{v20, v20 + "\nendpoints: {xx: {kind: ip}}", "- global: true", "- global: true\n          - ip: xx"}},
	{"4 same port on an endpoint", []string{v20, v20 + "\nendpoints: {xx: {kind: ip}}", expose0, "      - {port: 80, as: 81, to: [{global: true, ip: xx}]}\n      - {port: 81, proto: TCP, to: [{global: true, ip: xx}]}\n"}},
	{"4 two ports without as", []string{v20, v20 + "\nendpoints: {xx: {kind: ip}}", expose0, "      - {port: 80, to: [{global: true, ip: xx}]}\n      - {port: 81, to: [{global: true, ip: xx}]}\n"}},
	{"5 cpu words", []string{"units: 0.5", "units: half"}},
	{"5 cpu fraction of m", []string{"units: 0.5", "units: 0.5m"}},
	{"5 cpu negative", []string{"units: 0.5", "units: -1"}},
	{"5 cpu not a number", []string{"units: 0.5", "units: .nan"}},
	{"5 cpu infinite", []string{"units: 0.5", "units: inf"}},
	{"5 cpu without units", []string{"units: 0.5", "attributes: {arch: amd64}"}},
	{"5 cpu attribute", []string{"units: 0.5", "units: 0.5\n          attributes: {model: x}"}},
	{"5 memory suffix", []string{"512Mi", "2gi"}},
	{"5 memory GB", []string{"512Mi", "2GB"}},
	{"5 memory with a space", []string{"512Mi", "2 Gi"}},
	{"5 memory is a word", []string{"512Mi", "much"}},
	{"5 memory negative", []string{"512Mi", "-1Gi"}},
	{"5 memory without size", []string{memory, "        memory: {}\n"}},
	{"5 memory too large a number", []string{"512Mi", "16Ei"}},
	{"5 no cpu, memory and storage", []string{cpu + memory + storage, "        gpu: {units: 0}\n"}},
	{"5 gpu without attributes", []string{cpu, cpu + "        gpu: {units: 1}\n"}},
	{"5 gpu without vendor", []string{cpu, cpu + "        gpu: {units: 1, attributes: {vendor: {}}}\n"}},
	{"5 gpu unknown field", []string{cpu, cpu + "        gpu: {unit: 1}\n"}},
	{"5 gpu unknown attribute", []string{cpu, cpu + "        gpu: {units: 1, attributes: {vendor: {nvidia: }, model: a100}}\n"}},
	{"5 gpu attributes with 0 units", []string{cpu, cpu + "        gpu: {units: 0, attributes: {vendor: {nvidia: }}}\n"}},
	{"5 gpu interface", []string{cpu, cpu + "        gpu: {units: 1, attributes: {vendor: {nvidia: [{model: a100, interface: sxm4}]}}}\n"}},
	{"5 gpu ram", []string{cpu, cpu + "        gpu: {units: 1, attributes: {vendor: {nvidia: [{model: a100, ram: 80}]}}}\n"}},
	{"5 gpu model with a space", []string{cpu, cpu + "        gpu: {units: 1, attributes: {vendor: {nvidia: [{model: rtx 4090}]}}}\n"}},
	{"5 gpu any model with ram", []string{cpu, cpu + "        gpu: {units: 1, attributes: {vendor: {nvidia: [{model: \"*\", ram: 80Gi}]}}}\n"}},
	{"5 gpu no model", []string{cpu, cpu + "        gpu: {units: 1, attributes: {vendor: {nvidia: [{ram: 80Gi}]}}}\n"}},
	{"5 gpu twice", []string{cpu, cpu + "        gpu: {units: 1, attributes: {vendor: {nvidia: [{model: a100}, {model: a100}]}}}\n"}},
	{"5 gpu units", []string{cpu, cpu + "        gpu: {units: 0.5, attributes: {vendor: {nvidia: }}}\n"}},
	{"5 gpu model is a text", []string{cpu, cpu + "        gpu: {units: 1, attributes: {vendor: {nvidia: [a100]}}}\n"}},
	{"5 storage attribute", []string{storage, "        storage: [{size: 1Gi, attributes: {speed: fast}}]\n"}},
	{"5 storage persistent", []string{storage, "        storage: [{size: 1Gi, attributes: {persistent: maybe}}]\n"}},
	{"5 storage class", []string{storage, "        storage: [{size: 1Gi, attributes: {persistent: true, class: beta4}}]\n"}},
	{"5 ram persistent", []string{storage, "        storage: [{size: 1Gi}, {name: shm, size: 1Gi, attributes: {persistent: true, class: ram}}]\n"}},
	{"5 ram and no", []string{storage, "        storage: [{size: 1Gi}, {name: shm, size: 1Gi, attributes: {persistent: no, class: ram}}]\n"}},
	{"5 class of ephemeral storage", []string{storage, "        storage: [{size: 1Gi, attributes: {class: beta2}}]\n"}},
	{"5 volume twice", []string{storage, "        storage: [{size: 1Gi}, {size: 2Gi}]\n"}},
	{"5 volume name", []string{storage, "        storage: [{name: ../x, size: 1Gi}]\n"}},
	{"5 volume without size", []string{storage, "        storage: [{name: x}]\n"}},
	{"6 attribute key", []string{pricing, "      attributes: {\"1x\": a, \"a b\": c}\n" + pricing}},
	{"6 price zero", []string{"amount: 1000", "amount: 0"}},
	{"6 price negative", []string{"amount: 1000", "amount: -5"}},
	{"6 price word", []string{"amount: 1000", "amount: cheap"}},
	{"6 price exponent", []string{"amount: 1000", "amount: 1e3"}},
	{"6 price missing", []string{"          amount: 1000\n", ""}},
	{"6 price is a number", []string{"        small:\n          denom: uact\n          amount: 1000\n", "        small: 1000\n"}},
	{"6 denomination", []string{"denom: uact", "denom: \"u act\""}},
	{"6 no denomination", []string{"          denom: uact\n", ""}},
	{"6 two denominations", []string{"  placement:\n", "  placement:\n    other: {pricing: {small: {denom: uakt, amount: 1}}}\n", "deployment:\n  web:\n", "deployment:\n  web:\n    other: {profile: small, count: 1}\n"}},
	{"7 count 0", []string{"count: 1", "count: 0"}},
	{"7 count quoted", []string{"count: 1", "count: \"1\""}},
	{"7 count too large", []string{"count: 1", "count: 4294967296"}},
	{"7 reclamation", []string{v20, v20 + "\nreclamation: {min_window: 1 day}"}},
	{"7 reclamation 0", []string{v20, v20 + "\nreclamation: {min_window: 0s}"}},
	{"7 reclamation empty", []string{v20, v20 + "\nreclamation: {}"}},
	{"8 no such compute profile", []string{"profile: small", "profile: big"}},
	{"8 no such placement", []string{"  web:\n    akash:", "  web:\n    dcloud:"}},
	{"8 no pricing", []string{pricing, ""}},
	{"8 no such service", []string{"deployment:\n  web:", "deployment:\n  api:"}},
	{"8 persistent without mount", []string{storage, "        storage: [{name: data, size: 1Gi, attributes: {persistent: true}}]\n"}},
	{"8 2.1 readOnly ram", []string{v20, v21, image, image + "    params: {storage: {shm: {mount: /dev/shm, readOnly: true}}}\n",
		storage, "        storage: [{size: 1Gi}, {name: shm, size: 1Gi, attributes: {class: ram}}]\n"}},
	{"9.1 cpu min", []string{"units: 0.5", "units: 9m"}},
	{"9.1 cpu max", []string{"units: 0.5", "units: 384.001"}},
	{"9.1 memory min", []string{"512Mi", "1048575"}},
	{"9.1 memory max", []string{"512Mi", "3Ti"}},
	{"9.1 storage min", []string{"size: 1Gi", "size: 4Mi"}},
	{"9.1 storage max", []string{"size: 1Gi", "size: 33Ti"}},
	{"9.1 gpu max", []string{cpu, cpu + "        gpu: {units: 25, attributes: {vendor: {nvidia: }}}\n"}},
	{"9.1 price max", []string{"amount: 1000", "amount: 10000000.5"}},
	{"9.2 total cpu", []string{"units: 0.5", "units: 384", "count: 1", "count: 51"}},
	{"many at once", []string{v20, `version: "9"`, image, "", "port: 80", "port: 0", "512Mi", "2gi", "amount: 1000", "amount: 0", "profile: small", "profile: big"}},
	{"duplicate key", []string{image, image + image}},
	{"merge of text", []string{image, image + "    <<: text\n"}},
	{"key is a list", []string{image, image + "    [a, b]: c\n"}},
}

func TestRefused(t *testing.T) {
	const golden = "testdata/errors.txt"
	var b strings.Builder
	for _, c := range refused {
		doc := edit(t, base, c.edits...)
		_, err := sdl.Parse("deploy.yaml", []byte(doc))
		if err == nil {
			t.Errorf("%s: taken\n%s", c.name, doc)
			continue
		}
		var errs sdl.Errors
		if !errors.As(err, &errs) || len(errs) == 0 {
			t.Errorf("%s: the error isn't an Errors: %v", c.name, err)
		}
		lines := strings.Split(doc, "\n")
		for i, e := range errs {
			if e.File != "deploy.yaml" || e.Line < 1 || e.Line > len(lines) || e.Column < 1 || e.Column > len(lines[e.Line-1])+1 {
				t.Errorf("%s: no such place: %v", c.name, e)
			}
			if e.Problem == "" {
				t.Errorf("%s: no problem named: %v", c.name, e)
			}
			if i > 0 && (e.Line < errs[i-1].Line) {
				t.Errorf("%s: not sorted:\n%v", c.name, err)
			}
		}
		fmt.Fprintf(&b, "# %s\n%s\n\n", c.name, err)
	}
	if *update {
		if err := os.WriteFile(golden, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	got, wanted := strings.Split(b.String(), "\n\n"), strings.Split(string(want), "\n\n")
	for i := range max(len(got), len(wanted)) {
		var g, w string
		if i < len(got) {
			g = got[i]
		}
		if i < len(wanted) {
			w = wanted[i]
		}
		if g != w {
			t.Fatalf("got\n%s\nwant (%s; -update rewrites it)\n%s", g, golden, w)
		}
	}
}

func parse(t *testing.T, doc string) *sdl.SDL {
	t.Helper()
	s, err := sdl.Parse("deploy.yaml", []byte(doc))
	if err != nil {
		t.Fatalf("%v\n%s", err, doc)
	}
	return s
}

func service(s *sdl.SDL, group, name string) manifestv2.Service {
	g, _ := s.Manifest().Group(group)
	for _, x := range g.Services {
		if x.Name == name {
			return x
		}
	}
	return manifestv2.Service{}
}

func js(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// taken are files that are good, and what must come of them.
var taken = []struct {
	name  string
	edits []string
	got   func(*sdl.SDL) any
	want  string
}{
	{"1 version", nil, func(s *sdl.SDL) any { return s.Version() }, `"2.0"`},
	{"1 version without quotes", []string{v20, "version: 2.0"}, func(s *sdl.SDL) any { return s.Version() }, `"2.0"`},
	{"1 version 2", []string{v20, "version: 2"}, func(s *sdl.SDL) any { return s.Version() }, `"2.0"`},
	{"1 version 2.0.0", []string{v20, "version: v2.0.0"}, func(s *sdl.SDL) any { return s.Version() }, `"2.0"`},
	{"1 version 2.1", []string{v20, v21}, func(s *sdl.SDL) any { return s.Version() }, `"2.1"`},
	{"1 version 2.1.3", []string{v20, "version: 2.1.3"}, func(s *sdl.SDL) any { return s.Version() }, `"2.1"`},
	{"1 include is unused", []string{v20, v20 + "\ninclude: [a, b]"}, func(s *sdl.SDL) any { return len(s.Warnings()) }, `0`},
	{"2 nulls", []string{image, image + "    command:\n    args: ~\n    env: null\n"}, func(s *sdl.SDL) any {
		w := service(s, "akash", "web")
		return []any{w.Command, w.Args, w.Env, w.Params, w.Credentials}
	}, `[null,null,null,null,null]`},
	{"2 words of a command as written", []string{image, image + "    command: [a, 1, true, 0x10, 1.50]\n"}, func(s *sdl.SDL) any { return service(s, "akash", "web").Command }, `["a","1","true","0x10","1.50"]`},
	{"2 env", []string{image, image + "    env: [A, B=, \"C=a=b\", a.b-c_d=1]\n"}, func(s *sdl.SDL) any { return service(s, "akash", "web").Env }, `["A","B=","C=a=b","a.b-c_d=1"]`},
	{"2 unknown keys are ignored", []string{image, image + "    depends_on: [x]\n"}, func(s *sdl.SDL) any { return s.Warnings()[0].Path }, `"services.web.depends_on"`},
	{"2 a service that isn't deployed", []string{"services:\n", "services:\n  other: {expose: [{port: 0, proto: x}]}\n"}, func(s *sdl.SDL) any { return len(s.Manifest()[0].Services) }, `1`},
	{"5 a compute profile that isn't used", []string{"  compute:\n", "  compute:\n    other: {resources: {cpu: {}, memory: {}, storage: [{name: x}], gpu: {attributes: {vendor: {nvidia: }}}}}\n    empty:\n"}, func(s *sdl.SDL) any { return len(s.Groups()[0].Resources) }, `1`},
	{"2.1 empty params", []string{image, image + "    params: {}\n"}, func(s *sdl.SDL) any { return service(s, "akash", "web").Params }, `{"storage":null}`},
	{"2.1 permissions", []string{image, image + "    params: {permissions: {read: [logs, events]}}\n"}, func(s *sdl.SDL) any { return service(s, "akash", "web").Params }, `{"storage":null,"permissions":{"read":["logs","events"]}}`},
	{"2.1 mounts sorted by volume", []string{image, image + "    params: {storage: {b: {mount: /b, readOnly: true}, a: {mount: /a}}}\n",
		storage, "        storage: [{name: a, size: 1Gi, attributes: {persistent: true}}, {name: b, size: 1Gi, attributes: {persistent: true}}]\n"},
		func(s *sdl.SDL) any { return service(s, "akash", "web").Params.Storage }, `[{"name":"a","mount":"/a","readOnly":false},{"name":"b","mount":"/b","readOnly":true}]`},
	{"2.1 tee", []string{image, image + "    params: {tee: cpu}\n", pricing, "      attributes: {zone: a}\n" + pricing}, func(s *sdl.SDL) any {
		return []any{service(s, "akash", "web").Params.TEE, s.Groups()[0].Requirements.Attributes}
	}, `[{"type":"cpu","attestation":true},[{"key":"tee/type","value":"cpu"},{"key":"zone","value":"a"}]]`},
	{"2.1 empty tee is none", []string{image, image + "    params: {tee: \"\"}\n"}, func(s *sdl.SDL) any {
		return []any{service(s, "akash", "web").Params.TEE, s.Groups()[0].Requirements.Attributes}
	}, `[null,null]`},
	{"2.2 credentials in 2.0", []string{image, image + "    credentials: {host: \" h \", email: e@example.com, username: u, password: p}\n"},
		func(s *sdl.SDL) any { return service(s, "akash", "web").Credentials }, `{"host":" h ","email":"","username":"u","password":"p"}`},
	{"2.2 credentials in 2.1", []string{v20, v21, image, image + "    credentials: {host: \" h \", email: e@example.com, username: u, password: p}\n"},
		func(s *sdl.SDL) any { return service(s, "akash", "web").Credentials }, `{"host":"h","email":"e@example.com","username":"u","password":"p"}`},
	{"3 order of exposes", []string{expose0, `      - {port: 90, proto: UDP, to: [{service: z}, {service: a}]}
      - {port: 90, to: [{service: a}, {global: true}, {global: false}]}
      - {port: 80, as: 8080}
`}, func(s *sdl.SDL) any {
		var out []string
		for _, e := range service(s, "akash", "web").Expose {
			out = append(out, fmt.Sprintf("%s %d %d %s %v", e.Service, e.Port, e.ExternalPort, e.Proto, e.Global))
		}
		return out
	}, `[" 80 8080 TCP false"," 90 0 TCP true"," 90 0 TCP false","a 90 0 TCP false","a 90 0 UDP false","z 90 0 UDP false"]`},
	{"3 host names without effect", []string{"port: 80", "port: 81\n        accept: [a.com]"}, func(s *sdl.SDL) any { return s.Warnings()[0].Path }, `"services.web.expose[0].accept[0]"`},
	{"3 host names with effect", []string{"port: 80", "port: 81\n        as: 80\n        accept: [a.com]"}, func(s *sdl.SDL) any { return len(s.Warnings()) }, `0`},
	{"3 an unknown peer", []string{"- global: true", "- global: true\n          - service: nobody"}, func(s *sdl.SDL) any { return s.Warnings()[0].Problem }, `"no service named \"nobody\""`},
	{"3 no exposes", []string{"profiles:\n", "  db: {image: x}\nprofiles:\n", "deployment:\n", "deployment:\n  db: {akash: {profile: small, count: 1}}\n"},
		func(s *sdl.SDL) any { return service(s, "akash", "db").Expose }, `[]`},
	{"3 yes is true", []string{"global: true", "global: yes"}, func(s *sdl.SDL) any { return service(s, "akash", "web").Expose[0].Global }, `true`},
	{"3 a whole float is a port", []string{"port: 80", "port: 80.0"}, func(s *sdl.SDL) any { return service(s, "akash", "web").Expose[0].Port }, `80`},
	{"3 ingress rule", []string{expose0, `      - {port: 80, to: [{global: true}]}
      - {port: 80, as: 81, to: [{global: true}]}
      - {port: 81, as: 80, to: [{global: true}]}
      - {port: 82, as: 80, proto: udp, to: [{global: true}]}
      - {port: 83, as: 80}
`}, func(s *sdl.SDL) any { return s.Groups()[0].Resources[0].Endpoints },
		`[{"sequence_number":0},{"kind":1,"sequence_number":0},{"sequence_number":0},{"kind":1,"sequence_number":0}]`},
	{"3.1 http_options default", nil, func(s *sdl.SDL) any { return service(s, "akash", "web").Expose[0].HTTPOptions },
		`{"maxBodySize":1048576,"readTimeout":60000,"sendTimeout":60000,"nextTries":3,"nextTimeout":0,"nextCases":["error","timeout"]}`},
	{"3.1 http_options", []string{"port: 80", "port: 80\n        http_options: {max_body_size: 104857600, proxy_buffer_size: 1, read_timeout: 2, send_timeout: 3, next_tries: 4, next_timeout: 5, next_cases: [\"off\"]}"},
		func(s *sdl.SDL) any { return service(s, "akash", "web").Expose[0].HTTPOptions },
		`{"maxBodySize":104857600,"readTimeout":2,"sendTimeout":3,"nextTries":4,"nextTimeout":5,"nextCases":["off"],"proxyBufferSize":1}`},
	{"4 sequence numbers", []string{v20, v20 + "\nendpoints: {aa: {kind: ip}, bb: {kind: ip}}", expose0, `      - {port: 80, to: [{service: x}, {global: true}]}
      - {port: 81, as: 81, to: [{global: true, ip: bb}]}
      - {port: 82, as: 82, to: [{global: true, ip: aa}]}
      - {port: 83, as: 83, to: [{global: true, ip: aa}, {service: y}]}
`}, func(s *sdl.SDL) any {
		// In one list: "", "", aa, aa, bb.
		return s.Groups()[0].Resources[0].Endpoints
	}, `[{"sequence_number":0},{"kind":1,"sequence_number":0},{"kind":2,"sequence_number":5},{"kind":1,"sequence_number":0},{"kind":2,"sequence_number":4},{"kind":1,"sequence_number":0},{"kind":2,"sequence_number":4}]`},
	{"5 cpu thousandths", []string{"units: 0.5", "units: \"1500m\""}, cpuOf, `"1500"`},
	{"5 cpu 0.1", []string{"units: 0.5", "units: 0.1"}, cpuOf, `"100"`},
	{"5 cpu text", []string{"units: 0.5", "units: \"2\""}, cpuOf, `"2000"`},
	{"5 cpu cut down", []string{"units: 0.5", "units: 0.0109"}, cpuOf, `"10"`},
	{"5 cpu as floats multiply", []string{"units: 0.5", "units: 1.001"}, cpuOf, `"1000"`},
	{"5 cpu arch", []string{"units: 0.5", "units: 0.5\n          attributes: {arch: arm64}"}, func(s *sdl.SDL) any { return s.Groups()[0].Resources[0].CPU.Attributes }, `[{"key":"arch","value":"arm64"}]`},
	{"5 memory Gi", []string{"512Mi", "1.5Gi"}, memoryOf, `"1610612736"`},
	{"5 memory k", []string{"512Mi", "2000k"}, memoryOf, `"2000000"`},
	{"5 memory bytes", []string{"512Mi", "1048576.9"}, memoryOf, `"1048576"`},
	{"5 memory E", []string{"512Mi", "0.000001E"}, memoryOf, `"1000000000000"`},
	{"5 gpu default", nil, func(s *sdl.SDL) any { return s.Groups()[0].Resources[0].GPU }, `{"units":{"val":"0"}}`},
	{"5 gpu any model", []string{cpu, cpu + "        gpu: {units: 1, attributes: {vendor: {nvidia: }}}\n"}, gpuOf, `[{"key":"vendor/nvidia/model/*","value":"true"}]`},
	{"5 gpu empty list", []string{cpu, cpu + "        gpu: {units: 1, attributes: {vendor: {nvidia: []}}}\n"}, gpuOf, `[{"key":"vendor/nvidia/model/*","value":"true"}]`},
	{"5 gpu other vendor is ignored", []string{cpu, cpu + "        gpu: {units: 1, attributes: {vendor: {amd: [{model: mi100}]}}}\n"}, gpuOf, `[{"key":"vendor/nvidia/model/*","value":"true"}]`},
	{"5 gpu sorted", []string{cpu, cpu + "        gpu: {units: 2, attributes: {vendor: {nvidia: [{model: h100, interface: sxm}, {model: a100, ram: 80Gi, interface: pcie}, {model: a100, ram: 0.5Ti}]}}}\n"}, gpuOf,
		`[{"key":"vendor/nvidia/model/a100/ram/512Gi","value":"true"},{"key":"vendor/nvidia/model/a100/ram/80Gi/interface/pcie","value":"true"},{"key":"vendor/nvidia/model/h100/interface/sxm","value":"true"}]`},
	{"5 storage as a mapping is default", []string{storage, "        storage: {name: x, size: 1Gi}\n"}, storageOf, `[{"name":"default","size":{"val":"1073741824"}}]`},
	{"5 persistent true is class default", []string{storage, withMount("persistent: true"), image, image + mountX}, storageOf, `[{"name":"x","size":{"val":"1073741824"},"attributes":[{"key":"class","value":"default"},{"key":"persistent","value":"true"}]}]`},
	{"5 persistent yes has no class", []string{storage, withMount("persistent: yes"), image, image + mountX}, storageOf, `[{"name":"x","size":{"val":"1073741824"},"attributes":[{"key":"persistent","value":"true"}]}]`},
	{"5 persistent false", []string{storage, withMount("persistent: false")}, storageOf, `[{"name":"x","size":{"val":"1073741824"},"attributes":[{"key":"persistent","value":"false"}]}]`},
	{"5 class ram", []string{storage, withMount("class: ram")}, storageOf, `[{"name":"x","size":{"val":"1073741824"},"attributes":[{"key":"class","value":"ram"},{"key":"persistent","value":"false"}]}]`},
	{"5 order of volumes", []string{storage, `        storage:
          - {name: e, size: 2Gi, attributes: {persistent: false}}
          - {name: d, size: 2Gi, attributes: {persistent: true}}
          - {name: c, size: 2Gi}
          - {name: b, size: 3Gi}
          - {name: a, size: 1Gi}
          - {name: bb, size: 2Gi}
`, image, image + "    params: {storage: {d: {mount: /d}}}\n"}, func(s *sdl.SDL) any {
		var out []string
		for _, v := range s.Groups()[0].Resources[0].Storage {
			out = append(out, v.Name)
		}
		return out
	}, `["a","bb","c","e","d","b"]`},
	{"6 requirements", []string{pricing, "      attributes: {zone: 1, arch: true, none: }\n      signedBy: {allOf: [1], anyOf: [x, y]}\n" + pricing}, func(s *sdl.SDL) any { return s.Groups()[0].Requirements },
		`{"signed_by":{"all_of":["1"],"any_of":["x","y"]},"attributes":[{"key":"arch","value":"true"},{"key":"none"},{"key":"zone","value":"1"}]}`},
	{"6 price", []string{"amount: 1000", "amount: \"12.5\""}, func(s *sdl.SDL) any { return s.Groups()[0].Resources[0].Price }, `{"denom":"uact","amount":"12.500000000000000000"}`},
	{"6 denomination of another chain", []string{"denom: uact", "denom: ibc/170C677610AC31DF0904FFE09CD3B5C657492170E7E52372E48756B71E56F2F1"}, func(s *sdl.SDL) any { return len(s.Groups()[0].Resources[0].Price.Denom) }, `68`},
	{"7 groups and units of 2.0", twoServices(v20), unitsOf, `[{"name":"akash","units":["1×2 [{\"sequence_number\":0}]","2×3 [{\"kind\":1,\"sequence_number\":0}]"]}]`},
	{"7 units shared in 2.1", twoServices(v21), unitsOf, `[{"name":"akash","units":["1×5 [{\"sequence_number\":0},{\"kind\":1,\"sequence_number\":0}]"]}]`},
	{"7 services keep their own in 2.1", twoServices(v21), func(s *sdl.SDL) any {
		a, b := service(s, "akash", "web"), service(s, "akash", "zed")
		return []any{a.Count, a.Resources.ID, a.Resources.Endpoints, b.Count, b.Resources.ID, b.Resources.Endpoints}
	}, `[2,1,[{"sequence_number":0}],3,1,[{"kind":1,"sequence_number":0}]]`},
	{"7 count 0 beside another", []string{"profiles:\n", "  db: {image: x}\nprofiles:\n", "deployment:\n", "deployment:\n  db: {akash: {profile: small, count: 0}}\n"},
		func(s *sdl.SDL) any { return service(s, "akash", "db").Count }, `0`},
	{"7 reclamation", []string{v20, v20 + "\nreclamation: {min_window: 1h30m}"}, func(s *sdl.SDL) any { return s.Reclamation().MinWindow == 90*time.Minute }, `true`},
	{"7 no reclamation", nil, func(s *sdl.SDL) any { return s.Reclamation() == nil }, `true`},
	{"8 2.0 takes one mount for all volumes", []string{storage, twoVolumes, image, image + mountX}, func(s *sdl.SDL) any { return len(s.Warnings()) }, `1`},
	{"8 2.1 looks only at mounted volumes", []string{v20, v21, storage, twoVolumes}, func(s *sdl.SDL) any { return len(s.Warnings()) }, `2`},
	{"8 2.0 readOnly ram", []string{image, image + "    params: {storage: {x: {mount: /dev/shm, readOnly: true}}}\n", storage, withMount("class: ram")}, func(s *sdl.SDL) any { return len(s.Warnings()) }, `1`},
	{"anchors and merges", []string{"profiles:\n", "  db:\n    <<: *web\n    image: other\nprofiles:\n", "  web:\n" + image, "  web: &web\n" + image, "deployment:\n", "deployment:\n  db: {akash: {profile: small, count: 1}}\n"},
		func(s *sdl.SDL) any {
			db := service(s, "akash", "db")
			return []any{db.Image, len(db.Expose)}
		}, `["other",1]`},
	{"merges of a list, the first wins", []string{image, "    <<: [{image: a}, {image: b, command: [c]}]\n"}, func(s *sdl.SDL) any {
		w := service(s, "akash", "web")
		return []any{w.Image, w.Command}
	}, `["a",["c"]]`},
	{"a second document is ignored", []string{"      count: 1\n", "      count: 1\n---\nversion: \"9\"\n"}, func(s *sdl.SDL) any { return len(s.Warnings()) }, `1`},
	{"an empty second document is nothing", []string{"      count: 1\n", "      count: 1\n---\n"}, func(s *sdl.SDL) any { return len(s.Warnings()) }, `0`},
}

const (
	mountX     = "    params: {storage: {x: {mount: /x}}}\n"
	twoVolumes = "        storage: [{name: x, size: 1Gi, attributes: {persistent: true}}, {name: y, size: 1Gi, attributes: {persistent: true}}]\n"
)

func withMount(attrs string) string {
	return "        storage: [{name: x, size: 1Gi, attributes: {" + attrs + "}}]\n"
}

func twoServices(version string) []string {
	return []string{v20, version, "profiles:\n", "  zed: {image: x, expose: [{port: 99, to: [{global: true}]}]}\nprofiles:\n",
		"deployment:\n", "deployment:\n  zed: {akash: {profile: small, count: 3}}\n", "count: 1\n", "count: 2\n"}
}

func unitsOf(s *sdl.SDL) any {
	type group struct {
		Name  string   `json:"name"`
		Units []string `json:"units"`
	}
	var out []group
	for _, g := range s.Groups() {
		x := group{Name: g.Name}
		for _, u := range g.Resources {
			x.Units = append(x.Units, fmt.Sprintf("%d×%d %s", u.ID, u.Count, js(u.Endpoints)))
		}
		out = append(out, x)
	}
	return out
}

func first(s *sdl.SDL) deploymentv1beta4.ResourceUnit { return s.Groups()[0].Resources[0] }

func cpuOf(s *sdl.SDL) any     { return first(s).CPU.Units.Val.String() }
func memoryOf(s *sdl.SDL) any  { return first(s).Memory.Quantity.Val.String() }
func gpuOf(s *sdl.SDL) any     { return first(s).GPU.Attributes }
func storageOf(s *sdl.SDL) any { return first(s).Storage }

func TestTaken(t *testing.T) {
	for _, c := range taken {
		t.Run(c.name, func(t *testing.T) {
			s := parse(t, edit(t, base, c.edits...))
			if got := js(c.got(s)); got != c.want {
				t.Errorf("got %s\nwant %s", got, c.want)
			}
			if err := s.Manifest().CheckGroups(s.Groups()); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestWholeExample(t *testing.T) {
	s := parse(t, wholeExample)
	if len(s.Warnings()) > 0 {
		t.Error(s.Warnings())
	}
	if s.Version() != "2.1" || s.Reclamation().MinWindow != 24*time.Hour || len(s.Hash()) != 32 {
		t.Errorf("%s %v %x", s.Version(), s.Reclamation(), s.Hash())
	}
}
