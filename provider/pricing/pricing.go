// Package pricing says what a group of a deployment costs on this provider.
//
// What always holds:
//   - Arithmetic is exact to the 18th decimal and rounds in the provider's favour by at most one
//     unit of it. The same inputs give the same price.
//   - A price is for a month, whatever the chain's block time: a chain of 500 ms blocks and one of
//     6 s blocks cost the same in a month.
//   - What has no price isn't sold: an unpriced GPU, storage class or denomination is an error that
//     names the setting, never a zero.
package pricing

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"
	"time"

	"cosmossdk.io/math"
	sdk "github.com/cosmos/cosmos-sdk/types"

	attributesv1 "github.com/akash-supercloud/akash/api/akash/base/attributes/v1"
	resources "github.com/akash-supercloud/akash/api/akash/base/resources/v1beta4"
	deploymentv1beta4 "github.com/akash-supercloud/akash/api/akash/deployment/v1beta4"
	marketv1beta5 "github.com/akash-supercloud/akash/api/akash/market/v1beta5"
)

// Month is the length of a month: a twelfth of 365.25 days.
const Month = 2_629_800 * time.Second

// ErrNoPrice is returned when something in the group, or its denomination, has no price.
var ErrNoPrice = errors.New("pricing: no price")

// Request is what a price is asked for.
type Request struct {
	// Owner is the tenant's address.
	Owner string
	Spec  deploymentv1beta4.GroupSpec
	// Offer is what the provider would give, with exact GPU models; may be empty.
	Offer []marketv1beta5.ResourceOffer
	// BlockTime is the chain's time between blocks.
	BlockTime time.Duration
	// Idle is the part of the provider's hardware that nobody has rented, 0 to 1; nil counts as 0.
	Idle math.LegacyDec
}

// Line is one part of a price.
type Line struct {
	// What is priced: "cpu", "memory", "storage beta3", "gpu nvidia/a100", "endpoint", "ip".
	What string
	// Quantity is in cores, GiB or pieces, all replicas together.
	Quantity math.LegacyDec
	// Each is the price of one a month, Sum of all, in the currency.
	Each, Sum math.LegacyDec
}

// Quote is a price and how it came about.
type Quote struct {
	// Price is for one block, in the order's denomination.
	Price sdk.DecCoin
	// Monthly is in Currency.
	Monthly  math.LegacyDec
	Currency string
	Lines    []Line
}

// Engine prices groups. Table is the built-in one; a program of the operator's own can be another.
type Engine interface {
	Quote(ctx context.Context, r Request) (Quote, error)
}

// Config are the prices. Amounts are decimal numbers as text, for a month.
type Config struct {
	// Currency is "usd" (default), or a denomination such as "uakt": then amounts are in a million
	// of its units, and only orders in it are bid on.
	Currency string `yaml:"currency"`
	// CPU is for a core, Memory and Storage for a GiB (2^30 bytes).
	CPU     string `yaml:"cpu"`
	Memory  string `yaml:"memory"`
	Storage string `yaml:"storage"`
	// StorageClasses are for a GiB of a persistent class.
	StorageClasses map[string]string `yaml:"storage_classes"`
	// GPU are for one, by "vendor/model", "vendor/model/ram", "vendor/*" or "*".
	GPU map[string]string `yaml:"gpu"`
	// Endpoint is for an HTTP or port endpoint of a replica, IP for a leased address.
	Endpoint string `yaml:"endpoint"`
	IP       string `yaml:"ip"`
	// AktUSD is the price of an AKT in USD; without it no order in uakt is bid on.
	AktUSD string `yaml:"akt_usd"`
	// Rates are the USD value of a million units of other denominations. uact is 1 always.
	Rates map[string]string `yaml:"rates"`
	// Minimum is the least a group costs; 0.
	Minimum string `yaml:"minimum"`
	// Margin is what is added to every price, in percent; 0.
	Margin string `yaml:"margin"`
	// IdleDiscount is what is taken off, in percent, when all the hardware is free; 0. It shrinks with
	// what is rented, to nothing when all is. A group never costs less than Minimum.
	IdleDiscount string `yaml:"idle_discount"`

	// Program is the path of a program that says prices in place of all the above; see Program.
	// ProgramTimeout bounds a run (10s), ProgramAtOnce how many run at a time (32).
	Program        string        `yaml:"program"`
	ProgramTimeout time.Duration `yaml:"program_timeout"`
	ProgramAtOnce  int           `yaml:"program_at_once"`
}

// New returns the engine that a config asks for. The error names the setting that is wrong.
func New(c Config) (Engine, error) {
	if c.Program != "" {
		return NewProgram(c.Program, c.ProgramTimeout, c.ProgramAtOnce)
	}
	return NewTable(c)
}

// DefaultConfig returns the prices used where the operator sets none.
func DefaultConfig() Config {
	return Config{
		Currency: "usd", CPU: "1.60", Memory: "0.80", Storage: "0.02", Endpoint: "0.05", IP: "5", Minimum: "0",
		StorageClasses: map[string]string{"beta1": "0.01", "beta2": "0.03", "beta3": "0.04", "default": "0.02"},
	}
}

// Table is an Engine with a price for each resource.
type Table struct {
	currency                               string
	cpu, memory, storage, endpoint, ip, mi math.LegacyDec
	margin, idle                           math.LegacyDec // percent
	classes, gpu, rates                    map[string]math.LegacyDec
}

// NewTable reads a config. The error names the setting that is wrong.
func NewTable(c Config) (*Table, error) {
	var errs []error
	dec := func(name, text string) math.LegacyDec {
		if text == "" {
			text = "0"
		}
		d, err := math.LegacyNewDecFromStr(text)
		switch {
		case err != nil:
			errs = append(errs, fmt.Errorf("pricing.%s: %q is not a decimal number; write for example 1.60", name, text))
			return math.LegacyZeroDec()
		case d.IsNegative() || d.GT(math.LegacyNewDec(1_000_000_000)):
			errs = append(errs, fmt.Errorf("pricing.%s: %s is not a price; use 0 to 1000000000", name, text))
			return math.LegacyZeroDec()
		}
		return d
	}
	table := func(name string, in map[string]string) map[string]math.LegacyDec {
		out := map[string]math.LegacyDec{}
		keys := make([]string, 0, len(in))
		for k := range in {
			keys = append(keys, k)
		}
		sort.Strings(keys)
		for _, k := range keys {
			out[k] = dec(name+"."+k, in[k])
		}
		return out
	}
	t := &Table{
		currency: strings.ToLower(c.Currency),
		cpu:      dec("cpu", c.CPU), memory: dec("memory", c.Memory), storage: dec("storage", c.Storage),
		endpoint: dec("endpoint", c.Endpoint), ip: dec("ip", c.IP), mi: dec("minimum", c.Minimum),
		margin: dec("margin", c.Margin), idle: dec("idle_discount", c.IdleDiscount),
		classes: table("storage_classes", c.StorageClasses), gpu: table("gpu", c.GPU), rates: table("rates", c.Rates),
	}
	if t.currency == "" {
		t.currency = "usd"
	}
	if t.idle.GT(math.LegacyNewDec(100)) {
		errs = append(errs, fmt.Errorf("pricing.idle_discount: %s is more than all; use 0 to 100", c.IdleDiscount))
	}
	t.rates["uact"] = math.LegacyOneDec()
	if c.AktUSD != "" {
		if r := dec("akt_usd", c.AktUSD); r.IsPositive() {
			t.rates["uakt"] = r
		}
	}
	return t, errors.Join(errs...)
}

// Quote implements Engine.
func (t *Table) Quote(_ context.Context, r Request) (Quote, error) {
	if r.BlockTime <= 0 {
		return Quote{}, errors.New("pricing: the chain's block time isn't known yet")
	}
	if len(r.Spec.Resources) == 0 {
		return Quote{}, errors.New("pricing: the group asks for nothing")
	}
	denom := r.Spec.Resources[0].Price.Denom
	rate, err := t.rate(denom)
	if err != nil {
		return Quote{}, err
	}
	q := Quote{Monthly: math.LegacyZeroDec(), Currency: t.currency}
	for _, unit := range r.Spec.Resources {
		if err := t.unit(&q, offered(unit.Resources, r.Offer), unit.Count); err != nil {
			return Quote{}, err
		}
	}
	if t.margin.IsPositive() {
		q.add(fmt.Sprintf("margin %s %%", trim(t.margin)), math.LegacyOneDec(), q.Monthly.Mul(t.margin).QuoInt64(100))
	}
	if t.idle.IsPositive() && !r.Idle.IsNil() && r.Idle.IsPositive() {
		off := t.idle.Mul(math.LegacyMinDec(r.Idle, math.LegacyOneDec()))
		q.add(fmt.Sprintf("idle hardware −%s %%", trim(off)), math.LegacyOneDec(), q.Monthly.Mul(off).QuoInt64(100).Neg())
	}
	if q.Monthly.LT(t.mi) {
		q.add("minimum", math.LegacyOneDec(), t.mi.Sub(q.Monthly))
	}
	// price a block = monthly × 10^6 ÷ rate × block time ÷ month; one rounding, at the end.
	price := q.Monthly.MulInt64(1_000_000).MulInt64(r.BlockTime.Nanoseconds()).
		QuoRoundUp(rate.MulInt64(Month.Nanoseconds()))
	if !price.IsPositive() {
		return Quote{}, fmt.Errorf("%w: all prices of what the group asks for are zero, and a bid of zero isn't allowed; set pricing.minimum", ErrNoPrice)
	}
	q.Price = sdk.NewDecCoinFromDec(denom, price)
	return q, nil
}

// offered is what the provider would give for a resource that is asked for.
func offered(res resources.Resources, offer []marketv1beta5.ResourceOffer) resources.Resources {
	for _, o := range offer {
		if o.Resources.ID == res.ID {
			return o.Resources
		}
	}
	return res
}

// trim prints a number to two decimals.
func trim(d math.LegacyDec) string {
	return Text(d.MulInt64(100).RoundInt().ToLegacyDec().QuoInt64(100))
}

// Text prints a number without the zeros that fill it up to 18 decimals.
func Text(d math.LegacyDec) string {
	return strings.TrimRight(strings.TrimRight(d.String(), "0"), ".")
}

// rate is the worth of a million units of denom in the currency.
func (t *Table) rate(denom string) (math.LegacyDec, error) {
	if t.currency != "usd" {
		if denom == t.currency {
			return math.LegacyOneDec(), nil
		}
		return math.LegacyDec{}, fmt.Errorf("%w: the order pays in %s, prices are set in %s", ErrNoPrice, denom, t.currency)
	}
	if r, ok := t.rates[denom]; ok && r.IsPositive() {
		return r, nil
	}
	setting := "pricing.rates." + denom
	if denom == "uakt" {
		setting = "pricing.akt_usd"
	}
	return math.LegacyDec{}, fmt.Errorf("%w: the worth of %s in USD isn't set (%s)", ErrNoPrice, denom, setting)
}

func (q *Quote) add(what string, quantity, each math.LegacyDec) {
	if quantity.IsZero() {
		return
	}
	l := Line{What: what, Quantity: quantity, Each: each, Sum: quantity.Mul(each)}
	q.Lines = append(q.Lines, l)
	q.Monthly = q.Monthly.Add(l.Sum)
}

var gib = math.LegacyNewDec(1 << 30)

func (t *Table) unit(q *Quote, res resources.Resources, count uint32) error {
	n := int64(count)
	if res.CPU != nil {
		q.add("cpu", amount(res.CPU.Units).MulInt64(n).QuoInt64(1000), t.cpu)
	}
	if res.Memory != nil {
		q.add("memory", amount(res.Memory.Quantity).MulInt64(n).Quo(gib), t.memory)
	}
	for _, s := range res.Storage {
		size := amount(s.Quantity).MulInt64(n).Quo(gib)
		class := attribute(s.Attributes, "class")
		switch {
		case class == "ram":
			q.add("memory (volume)", size, t.memory)
		case attribute(s.Attributes, "persistent") == "true":
			each, ok := t.classes[class]
			if !ok {
				return fmt.Errorf("%w: storage class %q (pricing.storage_classes.%s)", ErrNoPrice, class, class)
			}
			q.add("storage "+class, size, each)
		default:
			q.add("storage", size, t.storage)
		}
	}
	if res.GPU != nil {
		if units := amount(res.GPU.Units); units.IsPositive() {
			name, each, err := t.gpuPrice(res.GPU.Attributes)
			if err != nil {
				return err
			}
			q.add("gpu "+name, units.MulInt64(n), each)
		}
	}
	var endpoints, ips int64
	for _, e := range res.Endpoints {
		if e.Kind == resources.Endpoint_LEASED_IP {
			ips++
		} else {
			endpoints++
		}
	}
	q.add("endpoint", math.LegacyNewDec(endpoints).MulInt64(n), t.endpoint)
	q.add("ip", math.LegacyNewDec(ips).MulInt64(n), t.ip)
	return nil
}

// gpuPrice takes the dearest of the models that would do, since any may be given.
func (t *Table) gpuPrice(attrs []attributesv1.Attribute) (string, math.LegacyDec, error) {
	var models []string
	for _, a := range attrs {
		if m := gpuName(a.Key); m != "" {
			models = append(models, m)
		}
	}
	if len(models) == 0 {
		models = []string{"*"}
	}
	slices.Sort(models)
	var best math.LegacyDec
	name := ""
	for _, m := range models {
		each, ok := t.lookGPU(m)
		if !ok {
			return "", best, fmt.Errorf("%w: GPU %s (pricing.gpu)", ErrNoPrice, m)
		}
		if name == "" || each.GT(best) {
			name, best = m, each
		}
	}
	return name, best, nil
}

// gpuName turns "vendor/nvidia/model/a100/ram/80Gi" into "nvidia/a100/80Gi".
func gpuName(key string) string {
	p := strings.Split(key, "/")
	out := ""
	for i := 0; i+1 < len(p); i += 2 {
		switch p[i] {
		case "vendor":
			out = p[i+1]
		case "model", "ram":
			out += "/" + p[i+1]
		}
	}
	return out
}

func (t *Table) lookGPU(name string) (math.LegacyDec, bool) {
	p := strings.Split(name, "/")
	for n := len(p); n > 0; n-- {
		if d, ok := t.gpu[strings.Join(p[:n], "/")]; ok {
			return d, true
		}
	}
	if d, ok := t.gpu[p[0]+"/*"]; ok {
		return d, true
	}
	d, ok := t.gpu["*"]
	return d, ok
}

// amount reads a resource value; one that isn't set counts as zero, an absurd one as 2^64−1, so
// that no product below can overflow.
func amount(v resources.ResourceValue) math.LegacyDec {
	if v.Val.IsNil() || v.Val.IsNegative() {
		return math.LegacyZeroDec()
	}
	if !v.Val.IsUint64() {
		return math.LegacyNewDecFromInt(math.NewIntFromUint64(1<<64 - 1))
	}
	return math.LegacyNewDecFromInt(v.Val)
}

func attribute(attrs []attributesv1.Attribute, key string) string {
	for _, a := range attrs {
		if a.Key == key {
			return a.Value
		}
	}
	return ""
}

// Max is the most that the tenant pays for the group a block: the sum over its units.
func Max(spec deploymentv1beta4.GroupSpec) sdk.DecCoin {
	var denom string
	sum := math.LegacyZeroDec()
	for _, u := range spec.Resources {
		denom = u.Price.Denom
		if !u.Price.Amount.IsNil() {
			sum = sum.Add(u.Price.Amount.MulInt64(int64(u.Count)))
		}
	}
	return sdk.DecCoin{Denom: denom, Amount: sum}
}

// BlockTime is the chain's usual time between blocks: the median of the gaps between times, which
// are those of consecutive blocks in order. A pause of the chain doesn't disturb it. 0: not known.
func BlockTime(times []time.Time) time.Duration {
	var gaps []time.Duration
	for i := 1; i < len(times); i++ {
		if g := times[i].Sub(times[i-1]); g > 0 {
			gaps = append(gaps, g)
		}
	}
	if len(gaps) == 0 {
		return 0
	}
	slices.Sort(gaps)
	// To a millisecond: jitter below that would only make prices look odd.
	return max(gaps[len(gaps)/2].Round(time.Millisecond), time.Millisecond)
}
