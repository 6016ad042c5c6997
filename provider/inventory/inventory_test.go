package inventory

import (
	"context"
	"errors"
	"testing"

	"cosmossdk.io/math"
	sdk "github.com/cosmos/cosmos-sdk/types"

	resources "github.com/akash-supercloud/akash/api/akash/base/resources/v1beta4"
	deploymentv1beta4 "github.com/akash-supercloud/akash/api/akash/deployment/v1beta4"
	"github.com/akash-supercloud/akash/match"
)

type nodes struct {
	inv match.Inventory
	err error
}

func (n *nodes) Inventory(context.Context) (match.Inventory, error) { return n.inv, n.err }

func node(cpu uint64) match.Inventory {
	r := match.Resources{CPU: cpu, Memory: 8 << 30, EphemeralStorage: 100 << 30}
	return match.Inventory{Nodes: []match.Node{{Name: "n1", Allocatable: r, Arch: "amd64"}}}
}

func group(cpu int64, count uint32) deploymentv1beta4.GroupSpec {
	val := func(n int64) resources.ResourceValue { return resources.ResourceValue{Val: math.NewInt(n)} }
	return deploymentv1beta4.GroupSpec{Name: "g", Resources: []deploymentv1beta4.ResourceUnit{{
		Resources: resources.Resources{ID: 1, CPU: &resources.CPU{Units: val(cpu)}, Memory: &resources.Memory{Quantity: val(64 << 20)},
			GPU: &resources.GPU{Units: val(0)}, Storage: []resources.Storage{{Name: "default", Quantity: val(64 << 20)}},
			Endpoints: []resources.Endpoint{{}}},
		Count: count, Price: sdk.NewDecCoinFromDec("uact", math.LegacyNewDec(10)),
	}}}
}

func TestReserveAndRelease(t *testing.T) {
	src := &nodes{inv: node(4000)}
	i := New(src)
	if _, reasons := i.Reserve("early", group(100, 1)); len(reasons) == 0 {
		t.Fatal("reserved on nodes never measured")
	}
	if err := i.Refresh(context.Background()); err != nil {
		t.Fatal(err)
	}
	free := func() uint64 { return i.Snapshot().Free.Nodes[0].Available.CPU }
	reserve := func(key string, cpu int64, want bool) {
		t.Helper()
		if _, reasons := i.Reserve(key, group(cpu, 1)); (len(reasons) == 0) != want {
			t.Fatalf("reserve %s: %v", key, reasons)
		}
	}
	reserve("a", 3000, true)
	reserve("a", 3000, true) // again: no second time
	reserve("b", 2000, false)
	if free() != 1000 {
		t.Fatalf("free %d", free())
	}
	if !i.Release("a") || i.Release("a") {
		t.Fatal("release isn't once")
	}
	reserve("b", 2000, true)

	// The runtime can't be asked: what is known stays.
	src.err = errors.New("no daemon")
	if err := i.Refresh(context.Background()); err == nil || free() != 2000 || i.Snapshot().Err == nil {
		t.Fatalf("after a failed measurement: free %d", free())
	}
	src.err = nil

	// The node shrinks below what is held: nothing is free, nothing wraps.
	src.inv = node(1000)
	if err := i.Refresh(context.Background()); err != nil || free() != 0 {
		t.Fatalf("shrunk: free %d err %v", free(), err)
	}
	// A restart on the shrunk node: the lease holds its place though it no longer fits on paper.
	j := New(src)
	_ = j.Refresh(context.Background())
	j.Hold("b", group(2000, 1), true)
	if got := j.Snapshot(); got.Free.Nodes[0].Available.CPU != 0 || len(got.Leases) != 1 {
		t.Fatalf("held: %+v", got)
	}
	if _, reasons := j.Reserve("c", group(100, 1)); len(reasons) == 0 {
		t.Fatal("reserved what a lease uses")
	}
}

func TestHoldBeforeTheFirstMeasurement(t *testing.T) {
	i := New(&nodes{inv: node(4000)})
	i.Hold("lease", group(3000, 1), true)
	if err := i.Refresh(context.Background()); err != nil {
		t.Fatal(err)
	}
	if got := i.Snapshot().Free.Nodes[0].Available.CPU; got != 1000 {
		t.Fatalf("free %d", got)
	}
}
