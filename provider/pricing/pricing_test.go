package pricing

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"cosmossdk.io/math"
	sdk "github.com/cosmos/cosmos-sdk/types"

	attributesv1 "github.com/akash-supercloud/akash/api/akash/base/attributes/v1"
	resources "github.com/akash-supercloud/akash/api/akash/base/resources/v1beta4"
	deploymentv1beta4 "github.com/akash-supercloud/akash/api/akash/deployment/v1beta4"
)

func val(n int64) resources.ResourceValue { return resources.ResourceValue{Val: math.NewInt(n)} }

func spec(denom string, count uint32, more ...func(*resources.Resources)) deploymentv1beta4.GroupSpec {
	r := resources.Resources{
		ID: 1, CPU: &resources.CPU{Units: val(500)}, Memory: &resources.Memory{Quantity: val(1 << 29)},
		Storage: []resources.Storage{{Name: "default", Quantity: val(5 << 30)}}, GPU: &resources.GPU{Units: val(0)},
		Endpoints: []resources.Endpoint{{Kind: resources.Endpoint_SHARED_HTTP}},
	}
	for _, m := range more {
		m(&r)
	}
	return deploymentv1beta4.GroupSpec{Name: "g", Resources: []deploymentv1beta4.ResourceUnit{{
		Resources: r, Count: count, Price: sdk.NewDecCoinFromDec(denom, math.LegacyNewDec(1000))}}}
}

func table(t *testing.T, edit func(*Config)) *Table {
	t.Helper()
	c := DefaultConfig()
	if edit != nil {
		edit(&c)
	}
	tb, err := NewTable(c)
	if err != nil {
		t.Fatal(err)
	}
	return tb
}

func TestQuote(t *testing.T) {
	volume := func(class string, persistent string, size int64) func(*resources.Resources) {
		return func(r *resources.Resources) {
			r.Storage = append(r.Storage, resources.Storage{Name: "data", Quantity: val(size),
				Attributes: []attributesv1.Attribute{{Key: "class", Value: class}, {Key: "persistent", Value: persistent}}})
		}
	}
	gpu := func(keys ...string) func(*resources.Resources) {
		return func(r *resources.Resources) {
			r.GPU = &resources.GPU{Units: val(2)}
			for _, k := range keys {
				r.GPU.Attributes = append(r.GPU.Attributes, attributesv1.Attribute{Key: k, Value: "true"})
			}
		}
	}
	// One replica: 0.5×1.60 + 0.5×0.80 + 5×0.02 + 0.05 = 1.35 USD a month.
	for name, c := range map[string]struct {
		spec    deploymentv1beta4.GroupSpec
		edit    func(*Config)
		monthly string
		missing bool
	}{
		"one replica":        {spec: spec("uact", 1), monthly: "1.35"},
		"three replicas":     {spec: spec("uact", 3), monthly: "4.05"},
		"persistent volume":  {spec: spec("uact", 1, volume("beta3", "true", 10<<30)), monthly: "1.75"},
		"ram volume":         {spec: spec("uact", 1, volume("ram", "false", 1<<30)), monthly: "2.15"},
		"unpriced class":     {spec: spec("uact", 1, volume("beta9", "true", 1)), missing: true},
		"unpriced gpu":       {spec: spec("uact", 1, gpu("vendor/nvidia/model/a100")), missing: true},
		"gpu by model":       {spec: spec("uact", 1, gpu("vendor/nvidia/model/a100/ram/80Gi")), edit: func(c *Config) { c.GPU = map[string]string{"nvidia/a100": "100", "*": "7"} }, monthly: "201.35"},
		"gpu, dearest of or": {spec: spec("uact", 1, gpu("vendor/nvidia/model/t4", "vendor/nvidia/model/a100")), edit: func(c *Config) { c.GPU = map[string]string{"nvidia/a100": "100", "nvidia/*": "7"} }, monthly: "201.35"},
		"uakt without rate":  {spec: spec("uakt", 1), missing: true},
		"uakt":               {spec: spec("uakt", 1), edit: func(c *Config) { c.AktUSD = "0.5" }, monthly: "1.35"},
		"minimum":            {spec: spec("uact", 1), edit: func(c *Config) { c.Minimum = "3" }, monthly: "3"},
		"other currency":     {spec: spec("uact", 1), edit: func(c *Config) { c.Currency = "uakt" }, missing: true},
		"free":               {spec: spec("uact", 1), edit: func(c *Config) { *c = Config{} }, missing: true},
	} {
		t.Run(name, func(t *testing.T) {
			q, err := table(t, c.edit).Quote(context.Background(), Request{Spec: c.spec, BlockTime: 6 * time.Second})
			if c.missing {
				if !errors.Is(err, ErrNoPrice) {
					t.Fatalf("got %v, %v; want no price", q, err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if !q.Monthly.Equal(math.LegacyMustNewDecFromStr(c.monthly)) {
				t.Errorf("got %s a month, want %s; %+v", q.Monthly, c.monthly, q.Lines)
			}
		})
	}
}

func TestSameMonthlyPriceWhateverTheBlockTime(t *testing.T) {
	tb := table(t, func(c *Config) { c.AktUSD = "0.5" })
	for _, denom := range []string{"uact", "uakt"} {
		worth := math.LegacyOneDec()
		if denom == "uakt" {
			worth = math.LegacyMustNewDecFromStr("0.5")
		}
		for _, bt := range []time.Duration{200 * time.Millisecond, 500 * time.Millisecond, 6 * time.Second, 6117 * time.Millisecond} {
			q, err := tb.Quote(context.Background(), Request{Spec: spec(denom, 1), BlockTime: bt})
			if err != nil {
				t.Fatal(err)
			}
			blocks := math.LegacyNewDec(int64(Month)).Quo(math.LegacyNewDec(int64(bt)))
			month := q.Price.Amount.Mul(blocks).Mul(worth).QuoInt64(1_000_000)
			diff := month.Sub(math.LegacyMustNewDecFromStr("1.35")).Abs()
			if diff.GT(math.LegacyNewDecWithPrec(1, 10)) {
				t.Errorf("%s at %s: %s USD a month", denom, bt, month)
			}
		}
	}
}

func TestBlockTime(t *testing.T) {
	at := time.Unix(1000, 0)
	var times []time.Time
	for i := range 30 {
		if i == 20 {
			at = at.Add(26 * time.Hour) // the chain was off for a day
		}
		times = append(times, at)
		at = at.Add(500*time.Millisecond + time.Duration(i)*time.Microsecond)
	}
	if got := BlockTime(times); got != 500*time.Millisecond {
		t.Errorf("got %s", got)
	}
	if got := BlockTime(times[:1]); got != 0 {
		t.Errorf("one block: got %s", got)
	}
}

func TestBadConfigNamesTheSetting(t *testing.T) {
	c := DefaultConfig()
	c.CPU, c.GPU = "cheap", map[string]string{"*": "-1"}
	_, err := NewTable(c)
	if err == nil || !strings.Contains(err.Error(), "pricing.cpu") || !strings.Contains(err.Error(), "pricing.gpu.*") {
		t.Fatalf("got %v", err)
	}
}
