package match

import (
	"errors"
	"strings"
	"testing"

	"cosmossdk.io/math"

	auditv1 "github.com/akash-supercloud/akash/api/akash/audit/v1"
	attributesv1 "github.com/akash-supercloud/akash/api/akash/base/attributes/v1"
	deploymentv1beta4 "github.com/akash-supercloud/akash/api/akash/deployment/v1beta4"
)

func TestAttributes(t *testing.T) {
	own := attrs("host", "akash", "region", "eu", "capabilities/gpu/vendor/nvidia/model/a100", "true")
	audited := []auditv1.AuditedProvider{
		{Auditor: "a", Attributes: attrs("host", "akash", "region", "eu")},
		{Auditor: "b", Attributes: attrs("host", "akash")},
	}
	signed := func(all, any []string) attributesv1.SignedBy { return attributesv1.SignedBy{AllOf: all, AnyOf: any} }
	for _, c := range []struct {
		name string
		req  attributesv1.PlacementRequirements
		want []string
	}{
		{"nothing asked", attributesv1.PlacementRequirements{}, nil},
		{"all there", attributesv1.PlacementRequirements{Attributes: attrs("region", "eu", "host", "akash")}, nil},
		{"other value", attributesv1.PlacementRequirements{Attributes: attrs("region", "us")}, []string{"doesn't have the attribute region=us; it has region=eu; remove region"}},
		{"two missing", attributesv1.PlacementRequirements{Attributes: attrs("x", "1", "yy", "2")}, []string{"x=1", "yy=2"}},
		{"glob", attributesv1.PlacementRequirements{Attributes: attrs("capabilities/gpu/vendor/nvidia/model/*", "true")}, nil},
		{"a star stays between slashes", attributesv1.PlacementRequirements{Attributes: attrs("capabilities/*", "true")}, []string{"capabilities/*"}},
		{"a glob's value must be equal", attributesv1.PlacementRequirements{Attributes: attrs("hos*", "x")}, []string{"hos*=x"}},
		{"malformed glob", attributesv1.PlacementRequirements{Attributes: attrs("hos[", "akash")}, []string{"hos["}},
		{"all of", attributesv1.PlacementRequirements{SignedBy: signed([]string{"a", "b"}, nil), Attributes: attrs("host", "akash")}, nil},
		{"all of, one doesn't cover", attributesv1.PlacementRequirements{SignedBy: signed([]string{"a", "b"}, nil), Attributes: attrs("region", "eu")}, []string{"auditor b hasn't signed region=eu"}},
		{"all of, one unknown", attributesv1.PlacementRequirements{SignedBy: signed([]string{"c"}, nil)}, []string{"auditor c has signed nothing"}},
		{"any of", attributesv1.PlacementRequirements{SignedBy: signed(nil, []string{"c", "a"}), Attributes: attrs("region", "eu")}, nil},
		{"any of, none", attributesv1.PlacementRequirements{SignedBy: signed(nil, []string{"c", "b"}), Attributes: attrs("region", "eu")}, []string{"no auditor of signedBy.anyOf"}},
		{"both", attributesv1.PlacementRequirements{SignedBy: signed([]string{"b"}, []string{"a"}), Attributes: attrs("host", "akash")}, nil},
		{"both, any of fails", attributesv1.PlacementRequirements{SignedBy: signed([]string{"b"}, []string{"c"}), Attributes: attrs("host", "akash")}, []string{"no auditor of signedBy.anyOf"}},
		{"own attributes don't count where auditors are named", attributesv1.PlacementRequirements{SignedBy: signed([]string{"b"}, nil), Attributes: attrs("region", "eu")}, []string{"auditor b"}},
	} {
		t.Run(c.name, func(t *testing.T) { same(t, Attributes(c.req, own, audited), c.want) })
	}
}

func same(t *testing.T, got []Reason, want []string) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("got %v, want %q", got, want)
	}
	for i := range want {
		if !strings.Contains(got[i].String(), want[i]) {
			t.Errorf("got %s\nwant %s", got[i], want[i])
		}
	}
}

func TestCapabilities(t *testing.T) {
	own := attrs(
		"capabilities/storage/1/class", "beta3", "capabilities/storage/1/persistent", "true",
		"capabilities/storage/2/class", "ram", "capabilities/storage/2/persistent", "false",
		"capabilities/gpu/vendor/nvidia/model/a100", "true", "capabilities/gpu/vendor/nvidia/model/a100/ram/80Gi", "true", "capabilities/gpu/vendor/nvidia/model/t4", "false",
	)
	for _, c := range []struct {
		name string
		u    deploymentv1beta4.ResourceUnit
		want []string
	}{
		{"plain", unit(1, 1), nil},
		{"class", unit(1, 1, volume("d", gi, "class", "beta3", "persistent", "true")), nil},
		{"ram", unit(1, 1, volume("d", gi, "class", "ram", "persistent", "false")), nil},
		{"not in one group", unit(1, 1, volume("d", gi, "class", "beta3", "persistent", "false")),
			[]string{`unit 1: the provider doesn't offer storage with class=beta3, persistent=false for volume "d"; use what it offers: class=beta3, persistent=true or class=ram, persistent=false`}},
		{"gpu", unit(1, 1, gpuIs(1, "vendor/nvidia/model/a100/ram/80Gi")), nil},
		{"gpu, any of", unit(1, 1, gpuIs(1, "vendor/nvidia/model/h100", "vendor/nvidia/model/a100")), nil},
		{"gpu, any model", unit(1, 1, gpuIs(1, "vendor/nvidia/model/*")), nil},
		{"gpu, not offered", unit(1, 1, gpuIs(1, "vendor/nvidia/model/t4")), []string{"doesn't offer any of the GPUs asked for (vendor/nvidia/model/t4)"}},
		{"gpu without attributes", unit(1, 1, gpuIs(1)), nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			same(t, Capabilities([]deploymentv1beta4.ResourceUnit{c.u}, own), c.want)
		})
	}
}

func TestLimits(t *testing.T) {
	type U = deploymentv1beta4.ResourceUnit
	for _, c := range []struct {
		name, want string
		u          U
	}{
		{"good", "", unit(1, 1)},
		{"id", "invalid resources ID", unit(0, 1)},
		{"no cpu", "invalid unit CPU, cannot be nil", unit(1, 1, func(u *U) { u.CPU = nil })},
		{"no gpu", "invalid unit GPU, cannot be nil", unit(1, 1, func(u *U) { u.GPU = nil })},
		{"no memory", "invalid unit memory, cannot be nil", unit(1, 1, func(u *U) { u.Memory = nil })},
		{"no storage", "invalid unit storage, cannot be nil", unit(1, 1, func(u *U) { u.Storage = nil })},
		{"empty amounts", "invalid unit CPU (384000 >= nothing >= 10 fails)", unit(1, 1, func(u *U) { u.CPU.Units.Val = math.Int{} })},
		{"cpu min", "invalid unit CPU (384000 >= 9 >= 10 fails)", unit(1, 1, cpuIs(9))},
		{"cpu max", "invalid unit CPU", unit(1, 1, cpuIs(384_001))},
		{"cpu at max", "", unit(1, 1, cpuIs(384_000))},
		{"cpu negative", "invalid unit CPU", unit(1, 1, func(u *U) { u.CPU.Units.Val = math.NewInt(-1) })},
		{"cpu beyond 64 bits", "invalid unit CPU", unit(1, 1, func(u *U) { u.CPU.Units.Val = math.NewIntFromUint64(1 << 63).MulRaw(4).AddRaw(10) })},
		{"memory min", "invalid unit memory", unit(1, 1, memIs(1<<20-1))},
		{"memory max", "invalid unit memory", unit(1, 1, memIs(2<<40+1))},
		{"storage min", "invalid unit storage", unit(1, 1, volume("x", 5<<20-1))},
		{"storage max", "invalid unit storage", unit(1, 1, volume("x", 32<<40+1))},
		{"gpu max", "invalid unit GPU", unit(1, 1, gpuIs(25))},
		{"gpu attributes with 0 units", "attributes cannot be present if units == 0", unit(1, 1, gpuIs(0, "vendor/nvidia/model/*"))},
		{"gpu attribute form", "invalid GPU attributes", unit(1, 1, gpuIs(1, "a b"))},
		{"gpu attribute twice", "duplicate attribute key", unit(1, 1, gpuIs(1, "aa", "aa"))},
		{"price 0", "invalid unit price", unit(1, 1, func(u *U) { u.Price.Amount = math.LegacyZeroDec() })},
		{"price at max", "", unit(1, 1, func(u *U) { u.Price.Amount = math.LegacyNewDec(10_000_000) })},
		{"price max", "invalid unit price", unit(1, 1, func(u *U) { u.Price.Amount = math.LegacyNewDec(10_000_001) })},
		{"price nil", "invalid price object", unit(1, 1, func(u *U) { u.Price.Amount = math.LegacyDec{} })},
		{"no denomination", "unsupported denomination", unit(1, 1, func(u *U) { u.Price.Denom = "" })},
		{"count 0", "invalid total CPU", unit(1, 0)},
		{"total cpu", "invalid total CPU", unit(1, 51, cpuIs(384_000))},
		{"total at max", "", unit(1, 50, cpuIs(384_000))},
		{"total memory", "invalid total memory", unit(1, 51, memIs(2<<40))},
		{"total gpu", "invalid total GPU", unit(1, 51, gpuIs(24))},
		{"total storage", "invalid total storage", unit(1, 51, volume("x", 32<<40))},
		{"totals don't wrap", "invalid total", unit(1, 1<<32-1, memIs(2<<40), volume("x", 32<<40))},
	} {
		t.Run(c.name, func(t *testing.T) { limits(t, Limits(group(c.u)), c.want) })
	}
	other := unit(2, 1)
	other.Price.Denom = "uakt"
	limits(t, Limits(group(unit(1, 1), unit(1, 1))), "duplicate resources ID (1)")
	limits(t, Limits(group(unit(1, 1), other)), "multi-denomination group")
	limits(t, Limits(group()), "no resource units")
	limits(t, Limits(deploymentv1beta4.GroupSpec{Resources: group(unit(1, 1)).Resources}), "group name is empty")
	bad := group(unit(1, 1))
	bad.Requirements.Attributes = attrs("a*b", "x")
	limits(t, Limits(bad), "placement attributes: invalid attribute key")

	a, b := group(unit(1, 1)), group(unit(1, 1))
	limits(t, DeploymentLimits(nil), "at least one group")
	limits(t, DeploymentLimits([]deploymentv1beta4.GroupSpec{a, b}), "duplicate deployment group name g")
	b.Name = "h"
	limits(t, DeploymentLimits([]deploymentv1beta4.GroupSpec{a, b}), "")
	b.Resources[0].Price.Denom = "uakt"
	limits(t, DeploymentLimits([]deploymentv1beta4.GroupSpec{a, b}), "inconsistent group denomination: uact != uakt")
}

func limits(t *testing.T, err error, want string) {
	t.Helper()
	switch {
	case want == "" && err == nil:
	case err == nil || want == "" || !strings.Contains(err.Error(), want) || !errors.Is(err, ErrLimits):
		t.Errorf("got %v, want %s", err, want)
	}
}
