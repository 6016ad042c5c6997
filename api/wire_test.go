// Package api_test holds the generated messages against the tables of the wire protocol.
package api_test

import (
	"bytes"
	"fmt"
	"os"
	"sort"
	"strings"
	"testing"

	gogoproto "github.com/cosmos/gogoproto/proto"
	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"

	_ "github.com/akash-supercloud/akash/api/akash/audit/v1"
	_ "github.com/akash-supercloud/akash/api/akash/base/attributes/v1"
	_ "github.com/akash-supercloud/akash/api/akash/base/deposit/v1"
	_ "github.com/akash-supercloud/akash/api/akash/base/offchain/sign/v1"
	_ "github.com/akash-supercloud/akash/api/akash/base/resources/v1beta4"
	_ "github.com/akash-supercloud/akash/api/akash/bme/v1"
	_ "github.com/akash-supercloud/akash/api/akash/cert/v1"
	_ "github.com/akash-supercloud/akash/api/akash/deployment/v1"
	_ "github.com/akash-supercloud/akash/api/akash/deployment/v1beta4"
	_ "github.com/akash-supercloud/akash/api/akash/discovery/v1"
	_ "github.com/akash-supercloud/akash/api/akash/epochs/v1beta1"
	_ "github.com/akash-supercloud/akash/api/akash/escrow/id/v1"
	_ "github.com/akash-supercloud/akash/api/akash/escrow/types/v1"
	_ "github.com/akash-supercloud/akash/api/akash/escrow/v1"
	_ "github.com/akash-supercloud/akash/api/akash/inventory/v1"
	_ "github.com/akash-supercloud/akash/api/akash/manifest/v2beta3"
	_ "github.com/akash-supercloud/akash/api/akash/market/v1"
	_ "github.com/akash-supercloud/akash/api/akash/market/v1beta5"
	_ "github.com/akash-supercloud/akash/api/akash/oracle/v2"
	_ "github.com/akash-supercloud/akash/api/akash/provider/lease/v1"
	_ "github.com/akash-supercloud/akash/api/akash/provider/v1"
	_ "github.com/akash-supercloud/akash/api/akash/provider/v1beta4"
	_ "github.com/akash-supercloud/akash/api/akash/wasm/v1"
)

// The rows of testdata/wire.tsv and what the descriptors say are both turned into lines of one form, one line a
// fact; the test is that the two sets are equal.

// TestWire fails for every fact that only one side knows.
func TestWire(t *testing.T) {
	text, err := os.ReadFile("testdata/wire.tsv")
	if err != nil {
		t.Fatal(err)
	}
	want, err := table(string(text))
	if err != nil {
		t.Fatal(err)
	}
	have, err := built(packages(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	missing, extra := differ(want, have)
	for _, line := range missing {
		t.Errorf("the tables say, and the descriptors don't: %s", line)
	}
	for _, line := range extra {
		t.Errorf("the descriptors say, and the tables don't: %s", line)
	}
	if len(want) < 900 {
		t.Errorf("only %d facts in the tables", len(want))
	}
}

// TestWireNotices holds that a slip of any kind would be seen: each column of each kind of row is changed once.
func TestWireNotices(t *testing.T) {
	text, err := os.ReadFile("testdata/wire.tsv")
	if err != nil {
		t.Fatal(err)
	}
	have, err := built(packages(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	for _, slip := range [][2]string{
		{"akash.audit.v1.AuditedProvider\t4\tattributes\trepeated", "akash.audit.v1.AuditedProvider\t3\tattributes\trepeated"},
		{"akash.audit.v1.AuditedProvider\t4\tattributes\trepeated ", "akash.audit.v1.AuditedProvider\t4\tattributes\t"},
		{"akash.audit.v1.AuditedProvider\t1\towner\tstring", "akash.audit.v1.AuditedProvider\t1\towner\tbytes"},
		{"akash.audit.v1.AuditedProvider\t1\towner\tstring", "akash.audit.v1.AuditedProvider\t1\town\tstring"},
		{"akash.base.deposit.v1.Source\t2\tgrant", "akash.base.deposit.v1.Source\t3\tgrant"},
		{"GET /akash/provider/v1/auditor/{auditor}/list", "GET /akash/audit/v1/auditor/{auditor}/list"},
		{"GetInfoRequest\tGetInfoResponse", "GetInfoRequest\tAkash"},
		{"empty\takash.audit.v1.MsgSignProviderAttributesResponse\n", ""},
	} {
		changed := strings.Replace(string(text), slip[0], slip[1], 1)
		if changed == string(text) {
			t.Errorf("the tables have no %q", slip[0])
			continue
		}
		want, err := table(changed)
		if err != nil {
			continue // a name that doesn't resolve is noticed too
		}
		if missing, extra := differ(want, have); len(missing)+len(extra) == 0 {
			t.Errorf("nobody noticed %q instead of %q", slip[1], slip[0])
		}
	}
}

func differ(want, have map[string]bool) (missing, extra []string) {
	for line := range want {
		if !have[line] {
			missing = append(missing, line)
		}
	}
	for line := range have {
		if !want[line] {
			extra = append(extra, line)
		}
	}
	sort.Strings(missing)
	sort.Strings(extra)
	return missing, extra
}

// packages returns the protobuf packages that the tables speak of.
func packages(text string) map[string]bool {
	out := map[string]bool{}
	for _, line := range strings.Split(text, "\n") {
		if col := strings.Split(line, "\t"); len(col) > 1 {
			var pkg []string
			for _, part := range strings.Split(col[1], ".") {
				if part[0] >= 'A' && part[0] <= 'Z' {
					break
				}
				pkg = append(pkg, part)
			}
			out[strings.Join(pkg, ".")] = true
		}
	}
	return out
}

// table turns the rows into facts; type names become full ones.
func table(text string) (map[string]bool, error) {
	out := map[string]bool{}
	for n, line := range strings.Split(strings.TrimSuffix(text, "\n"), "\n") {
		col := strings.Split(line, "\t")
		bad := func(why string) error { return fmt.Errorf("wire.tsv:%d: %s: %q", n+1, why, line) }
		switch {
		case col[0] == "empty" && len(col) == 2:
			out["message "+col[1]+" is empty"] = true
		case col[0] == "enum" && len(col) == 4:
			out[fmt.Sprintf("enum %s: %s = %s", col[1], col[3], col[2])] = true
		case col[0] == "field" && len(col) == 5:
			typ, of, _ := strings.Cut(col[4], " (oneof ")
			of = strings.TrimSuffix(of, ")")
			label := ""
			if rest, ok := strings.CutPrefix(typ, "repeated "); ok {
				label, typ = "repeated ", rest
			}
			if inner, ok := strings.CutPrefix(typ, "map<"); ok {
				key, value, _ := strings.Cut(strings.TrimSuffix(inner, ">"), ",")
				value, err := resolve(col[1], strings.TrimSpace(value))
				if err != nil {
					return nil, bad(err.Error())
				}
				typ = "map<" + key + "," + value + ">"
			} else {
				full, err := resolve(col[1], typ)
				if err != nil {
					return nil, bad(err.Error())
				}
				typ = full
			}
			out[field(col[1], col[2], col[3], label+typ, of, camel(col[3]))] = true
		case col[0] == "rpc" && len(col) == 6:
			in, err := resolveStream(col[1], col[3])
			if err != nil {
				return nil, bad(err.Error())
			}
			res, err := resolveStream(col[1], col[4])
			if err != nil {
				return nil, bad(err.Error())
			}
			out[rpc(col[1], col[2], in, res, col[5])] = true
		default:
			return nil, bad("not a row")
		}
	}
	return out, nil
}

func field(message, number, name, typ, oneof, json string) string {
	return fmt.Sprintf("field %s.%s = %s %s oneof %q json %s", message, name, number, typ, oneof, json)
}

func rpc(service, name, in, out, route string) string {
	return fmt.Sprintf("rpc %s.%s(%s) returns (%s) %s", service, name, in, out, route)
}

// camel is protobuf's own rule for JSON names.
func camel(name string) string {
	var b bytes.Buffer
	up := false
	for _, r := range name {
		switch {
		case r == '_':
			up = true
		case up:
			b.WriteString(strings.ToUpper(string(r)))
			up = false
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

func resolveStream(scope, name string) (string, error) {
	rest, ok := strings.CutPrefix(name, "stream ")
	full, err := resolve(scope, rest)
	if ok {
		full = "stream " + full
	}
	return full, err
}

// resolve finds a type's full name: a scalar, a full name, or one relative to scope or what is around it.
func resolve(scope, name string) (string, error) {
	switch name {
	case "double", "float", "int32", "int64", "uint32", "uint64", "sint32", "sint64", "fixed32", "fixed64", "sfixed32", "sfixed64", "bool", "string", "bytes":
		return name, nil
	}
	for at := scope; at != ""; {
		if d, err := gogoproto.HybridResolver.FindDescriptorByName(protoreflect.FullName(at + "." + name)); err == nil {
			return string(d.FullName()), nil
		}
		at = at[:max(strings.LastIndex(at, "."), 0)]
	}
	if d, err := gogoproto.HybridResolver.FindDescriptorByName(protoreflect.FullName(name)); err == nil {
		return string(d.FullName()), nil
	}
	return "", fmt.Errorf("no type %s around %s", name, scope)
}

// built turns the registered descriptors of pkgs into facts.
func built(pkgs map[string]bool) (map[string]bool, error) {
	out := map[string]bool{}
	var failed error
	seen := map[string]bool{}
	gogoproto.HybridResolver.RangeFiles(func(f protoreflect.FileDescriptor) bool {
		pkg := string(f.Package())
		if !pkgs[pkg] {
			return true
		}
		seen[pkg] = true
		messages(out, f.Messages())
		enums(out, f.Enums())
		for i := range f.Services().Len() {
			s := f.Services().Get(i)
			for j := range s.Methods().Len() {
				m := s.Methods().Get(j)
				route, err := route(m)
				if err != nil {
					failed = err
					return false
				}
				in, res := string(m.Input().FullName()), string(m.Output().FullName())
				if m.IsStreamingClient() {
					in = "stream " + in
				}
				if m.IsStreamingServer() {
					res = "stream " + res
				}
				out[rpc(string(s.FullName()), string(m.Name()), in, res, route)] = true
			}
		}
		return true
	})
	for pkg := range pkgs {
		if !seen[pkg] {
			return nil, fmt.Errorf("no generated code of package %q", pkg)
		}
	}
	return out, failed
}

func messages(out map[string]bool, all protoreflect.MessageDescriptors) {
	for i := range all.Len() {
		m := all.Get(i)
		if m.IsMapEntry() {
			continue
		}
		if m.Fields().Len() == 0 {
			out["message "+string(m.FullName())+" is empty"] = true
		}
		for j := range m.Fields().Len() {
			f := m.Fields().Get(j)
			typ := ""
			switch {
			case f.IsMap():
				typ = "map<" + kind(f.MapKey()) + "," + kind(f.MapValue()) + ">"
			case f.IsList():
				typ = "repeated " + kind(f)
			default:
				typ = kind(f)
			}
			of := ""
			if o := f.ContainingOneof(); o != nil {
				of = string(o.Name())
			}
			out[field(string(m.FullName()), fmt.Sprint(f.Number()), string(f.Name()), typ, of, f.JSONName())] = true
		}
		messages(out, m.Messages())
		enums(out, m.Enums())
	}
}

func kind(f protoreflect.FieldDescriptor) string {
	switch {
	case f.Message() != nil:
		return string(f.Message().FullName())
	case f.Enum() != nil:
		return string(f.Enum().FullName())
	}
	return f.Kind().String()
}

func enums(out map[string]bool, all protoreflect.EnumDescriptors) {
	for i := range all.Len() {
		e := all.Get(i)
		for j := range e.Values().Len() {
			v := e.Values().Get(j)
			out[fmt.Sprintf("enum %s: %s = %d", e.FullName(), v.Name(), v.Number())] = true
		}
	}
}

// route writes a method's REST binding as the tables do: "GET /path" or "POST /path body".
func route(m protoreflect.MethodDescriptor) (string, error) {
	raw, err := proto.Marshal(m.Options())
	if err != nil {
		return "", err
	}
	options := &descriptorpb.MethodOptions{}
	if err := proto.Unmarshal(raw, options); err != nil {
		return "", err
	}
	if !proto.HasExtension(options, annotations.E_Http) {
		return "", nil
	}
	rule := proto.GetExtension(options, annotations.E_Http).(*annotations.HttpRule)
	text := ""
	switch p := rule.Pattern.(type) {
	case *annotations.HttpRule_Get:
		text = "GET " + p.Get
	case *annotations.HttpRule_Post:
		text = "POST " + p.Post
	case *annotations.HttpRule_Put:
		text = "PUT " + p.Put
	case *annotations.HttpRule_Delete:
		text = "DELETE " + p.Delete
	default:
		return "", fmt.Errorf("%s: a route of kind %T", m.FullName(), p)
	}
	if rule.Body != "" {
		text += " " + rule.Body
	}
	if len(rule.AdditionalBindings) > 0 {
		return "", fmt.Errorf("%s has more than one route", m.FullName())
	}
	return text, nil
}
