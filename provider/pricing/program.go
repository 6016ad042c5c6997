package pricing

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"cosmossdk.io/math"
	sdk "github.com/cosmos/cosmos-sdk/types"

	attributesv1 "github.com/akash-supercloud/akash/api/akash/base/attributes/v1"
	resources "github.com/akash-supercloud/akash/api/akash/base/resources/v1beta4"
)

// Program is an Engine that asks a program of the operator's own, by the contract that today's pricing
// scripts have: one JSON document on stdin, AKASH_OWNER and AKASH_DENOM in the environment, and on stdout
// a decimal number, the price a block in the order's denomination.
type Program struct {
	path    string
	timeout time.Duration
	places  chan struct{} // as many as may run at once
}

// maxAnswer is how much of what a program writes is read.
const maxAnswer = 4096

// NewProgram returns the engine of the program at path. A run that takes longer than timeout (0: 10 s) is
// ended and makes no bid; at most atOnce (0: 32) run at a time.
func NewProgram(path string, timeout time.Duration, atOnce int) (*Program, error) {
	st, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, fmt.Errorf("pricing.program: %w", err)
	case st.IsDir() || st.Mode()&0o111 == 0:
		return nil, fmt.Errorf("pricing.program: %s can't be run; name a program, or a script with its execute bit set", path)
	case timeout < 0 || atOnce < 0:
		return nil, errors.New("pricing.program_timeout and pricing.program_at_once can't be negative")
	}
	if timeout == 0 {
		timeout = 10 * time.Second
	}
	if atOnce == 0 {
		atOnce = 32
	}
	return &Program{path: path, timeout: timeout, places: make(chan struct{}, atOnce)}, nil
}

// The document that the program reads.
type (
	programRequest struct {
		Resources []programUnit `json:"resources"`
		Price     sdk.DecCoin   `json:"price"`
		Precision int           `json:"price_precision,omitempty"`
	}
	programUnit struct {
		Memory    uint64           `json:"memory"`
		CPU       uint64           `json:"cpu"`
		GPU       *programGPU      `json:"gpu,omitempty"`
		Storage   []programStorage `json:"storage"`
		Count     uint32           `json:"count"`
		Endpoints int              `json:"endpoint_quantity"`
		IPs       int              `json:"ip_lease_quantity"`
	}
	programStorage struct {
		Class string `json:"class"`
		Size  uint64 `json:"size"`
	}
	programGPU struct {
		Units      uint64 `json:"units"`
		Attributes struct {
			Vendor map[string]programModel `json:"vendor,omitempty"`
		} `json:"attributes"`
	}
	programModel struct {
		Model     string `json:"model"`
		RAM       string `json:"ram,omitempty"`
		Interface string `json:"interface,omitempty"`
	}
)

func (p *Program) request(r Request) programRequest {
	doc := programRequest{Price: Max(r.Spec), Precision: 6, Resources: []programUnit{}}
	for _, unit := range r.Spec.Resources {
		res := offered(unit.Resources, r.Offer)
		u := programUnit{Count: unit.Count, Storage: []programStorage{}}
		if res.CPU != nil {
			u.CPU = amount(res.CPU.Units).TruncateInt().Uint64()
		}
		if res.Memory != nil {
			u.Memory = amount(res.Memory.Quantity).TruncateInt().Uint64()
		}
		for _, s := range res.Storage {
			class := attribute(s.Attributes, "class")
			if class == "" {
				class = "ephemeral"
			}
			u.Storage = append(u.Storage, programStorage{class, amount(s.Quantity).TruncateInt().Uint64()})
		}
		if res.GPU != nil {
			if n := amount(res.GPU.Units).TruncateInt().Uint64(); n > 0 {
				u.GPU = &programGPU{Units: n}
				u.GPU.Attributes.Vendor = gpuVendors(res.GPU.Attributes)
			}
		}
		for _, e := range res.Endpoints {
			if e.Kind == resources.Endpoint_LEASED_IP {
				u.IPs++
			} else {
				u.Endpoints++
			}
		}
		doc.Resources = append(doc.Resources, u)
	}
	return doc
}

// gpuVendors turns "vendor/nvidia/model/a100/ram/80Gi" into {nvidia: {a100 80Gi}}.
func gpuVendors(attrs []attributesv1.Attribute) map[string]programModel {
	out := map[string]programModel{}
	for _, a := range attrs {
		p := strings.Split(a.Key, "/")
		var vendor string
		var m programModel
		for i := 0; i+1 < len(p); i += 2 {
			switch p[i] {
			case "vendor":
				vendor = p[i+1]
			case "model":
				m.Model = p[i+1]
			case "ram":
				m.RAM = p[i+1]
			case "interface":
				m.Interface = p[i+1]
			}
		}
		if vendor != "" {
			out[vendor] = m
		}
	}
	return out
}

// Quote implements Engine. What the program writes to stderr, and how it ends, is in the error.
func (p *Program) Quote(ctx context.Context, r Request) (Quote, error) {
	if len(r.Spec.Resources) == 0 {
		return Quote{}, errors.New("pricing: the group asks for nothing")
	}
	doc, err := json.Marshal(p.request(r))
	if err != nil {
		return Quote{}, err
	}
	select {
	case p.places <- struct{}{}:
		defer func() { <-p.places }()
	case <-ctx.Done():
		return Quote{}, ctx.Err()
	}
	denom := r.Spec.Resources[0].Price.Denom
	ctx, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, p.path)
	cmd.Env = append(os.Environ(), "AKASH_OWNER="+r.Owner, "AKASH_DENOM="+denom)
	cmd.Stdin = bytes.NewReader(append(doc, '\n'))
	var out, errs bounded
	cmd.Stdout, cmd.Stderr = &out, &errs
	// What a script started ends with it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second
	switch err := cmd.Run(); {
	case ctx.Err() == context.DeadlineExceeded:
		return Quote{}, fmt.Errorf("%w: %s didn't answer within %s", ErrNoPrice, p.path, p.timeout)
	case err != nil:
		return Quote{}, fmt.Errorf("%w: %s: %w%s", ErrNoPrice, p.path, err, errs.last())
	}
	text := strings.TrimSpace(out.b.String())
	amount, err := math.LegacyNewDecFromStr(text)
	if err != nil || !amount.IsPositive() || amount.GT(math.LegacyNewDec(1_000_000_000_000)) {
		return Quote{}, fmt.Errorf("%w: %s answered %q, which is no price; write a positive decimal number", ErrNoPrice, p.path, short(text))
	}
	monthly := math.LegacyZeroDec()
	if r.BlockTime > 0 {
		monthly = amount.MulInt64(Month.Nanoseconds()).QuoInt64(r.BlockTime.Nanoseconds()).QuoInt64(1_000_000)
	}
	return Quote{
		Price: sdk.NewDecCoinFromDec(denom, amount), Monthly: monthly, Currency: "million " + denom,
		Lines: []Line{{What: "program " + p.path, Quantity: math.LegacyOneDec(), Each: monthly, Sum: monthly}},
	}, nil
}

func short(s string) string {
	if len(s) > 60 {
		return s[:60] + "…"
	}
	return s
}

// bounded keeps the first maxAnswer bytes of what is written to it.
type bounded struct{ b bytes.Buffer }

func (w *bounded) Write(p []byte) (int, error) {
	w.b.Write(p[:min(len(p), maxAnswer-min(w.b.Len(), maxAnswer))])
	return len(p), nil
}

// last is the last line, in brackets, for an error.
func (w *bounded) last() string {
	lines := strings.Split(strings.TrimSpace(w.b.String()), "\n")
	if l := lines[len(lines)-1]; l != "" {
		return " (" + short(l) + ")"
	}
	return ""
}
