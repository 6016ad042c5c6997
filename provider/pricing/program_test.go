package pricing

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cosmossdk.io/math"

	attributesv1 "github.com/akash-supercloud/akash/api/akash/base/attributes/v1"
	resources "github.com/akash-supercloud/akash/api/akash/base/resources/v1beta4"
)

func script(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "price")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestProgramContract: the document on stdin, the environment and the answer are those that today's
// pricing scripts have.
func TestProgramContract(t *testing.T) {
	dir := t.TempDir()
	p, err := NewProgram(script(t, `cat > `+dir+`/in; echo "$AKASH_OWNER $AKASH_DENOM" > `+dir+`/env; echo 12.5`), 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	s := spec("uact", 2, func(r *resources.Resources) {
		r.GPU = &resources.GPU{Units: val(1), Attributes: []attributesv1.Attribute{{Key: "vendor/nvidia/model/a100/ram/80Gi/interface/sxm", Value: "true"}}}
		r.Storage = append(r.Storage, resources.Storage{Name: "data", Quantity: val(10 << 30), Attributes: []attributesv1.Attribute{{Key: "class", Value: "beta3"}, {Key: "persistent", Value: "true"}}})
		r.Endpoints = append(r.Endpoints, resources.Endpoint{Kind: resources.Endpoint_LEASED_IP, SequenceNumber: 1})
	})
	q, err := p.Quote(context.Background(), Request{Owner: "akash1tenant", Spec: s, BlockTime: 6 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	if q.Price.String() != "12.500000000000000000uact" {
		t.Errorf("price %s", q.Price)
	}
	var got, want any
	in, _ := os.ReadFile(dir + "/in")
	if err := json.Unmarshal(in, &got); err != nil {
		t.Fatalf("%s: %v", in, err)
	}
	_ = json.Unmarshal([]byte(`{"resources":[{"memory":536870912,"cpu":500,
		"gpu":{"units":1,"attributes":{"vendor":{"nvidia":{"model":"a100","ram":"80Gi","interface":"sxm"}}}},
		"storage":[{"class":"ephemeral","size":5368709120},{"class":"beta3","size":10737418240}],
		"count":2,"endpoint_quantity":1,"ip_lease_quantity":1}],
		"price":{"denom":"uact","amount":"2000.000000000000000000"},"price_precision":6}`), &want)
	g, _ := json.Marshal(got)
	w, _ := json.Marshal(want)
	if string(g) != string(w) {
		t.Errorf("stdin\n%s\nnot\n%s", g, w)
	}
	if env, _ := os.ReadFile(dir + "/env"); string(env) != "akash1tenant uact\n" {
		t.Errorf("environment %q", env)
	}
}

// TestProgramFails: whatever a program does wrong, there is no price, and the reason says what it did.
func TestProgramFails(t *testing.T) {
	for name, c := range map[string]struct{ text, says string }{
		"exit code": {"echo no such tenant >&2; exit 3", "no such tenant"},
		"nothing":   {"true", `answered ""`},
		"words":     {"echo cheap", `answered "cheap"`},
		"zero":      {"echo 0", "no price"},
		"negative":  {"echo -1", "no price"},
		"too long":  {"sleep 60", "didn't answer"},
		"endless":   {"yes 11111111111111111111", "didn't answer"},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := NewProgram(script(t, c.text), 700*time.Millisecond, 2)
			if err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			_, err = p.Quote(context.Background(), Request{Spec: spec("uact", 1), BlockTime: time.Second})
			if !errors.Is(err, ErrNoPrice) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v", err)
			}
			if time.Since(began) > 10*time.Second {
				t.Error("it wasn't ended")
			}
		})
	}
	for _, path := range []string{"/no/such/program", t.TempDir()} {
		if _, err := New(Config{Program: path}); err == nil || !strings.Contains(err.Error(), "pricing.program") {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// TestMarginAndIdle: a margin raises every price, idle hardware lowers it, never below the minimum.
func TestMarginAndIdle(t *testing.T) {
	half := math.LegacyNewDecWithPrec(5, 1)
	for name, c := range map[string]struct {
		edit    func(*Config)
		idle    math.LegacyDec
		monthly string
	}{
		"margin":              {func(c *Config) { c.Margin = "20" }, math.LegacyDec{}, "1.62"},
		"idle, half":          {func(c *Config) { c.IdleDiscount = "40" }, half, "1.08"},
		"idle, all":           {func(c *Config) { c.IdleDiscount = "40" }, math.LegacyOneDec(), "0.81"},
		"idle, none":          {func(c *Config) { c.IdleDiscount = "40" }, math.LegacyZeroDec(), "1.35"},
		"both":                {func(c *Config) { c.Margin, c.IdleDiscount = "100", "50" }, half, "2.025"},
		"not below":           {func(c *Config) { c.Minimum, c.IdleDiscount = "1", "90" }, math.LegacyOneDec(), "1"},
		"idle, not known":     {func(c *Config) { c.IdleDiscount = "40" }, math.LegacyDec{}, "1.35"},
		"idle, more than all": {func(c *Config) { c.IdleDiscount = "40" }, math.LegacyNewDec(7), "0.81"},
	} {
		q, err := table(t, c.edit).Quote(context.Background(), Request{Spec: spec("uact", 1), BlockTime: time.Second, Idle: c.idle})
		if err != nil {
			t.Fatal(name, err)
		}
		if !q.Monthly.Equal(math.LegacyMustNewDecFromStr(c.monthly)) {
			t.Errorf("%s: %s a month, not %s", name, q.Monthly, c.monthly)
		}
		sum := math.LegacyZeroDec()
		for _, l := range q.Lines {
			sum = sum.Add(l.Sum)
		}
		if !sum.Equal(q.Monthly) {
			t.Errorf("%s: the lines add up to %s", name, sum)
		}
	}
	if _, err := New(Config{IdleDiscount: "101"}); err == nil {
		t.Error("a discount of 101 % was taken")
	}
}
