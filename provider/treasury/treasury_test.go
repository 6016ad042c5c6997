package treasury

import (
	"context"
	"errors"
	"testing"
	"time"

	"cosmossdk.io/math"
	sdk "github.com/cosmos/cosmos-sdk/types"

	deploymentv1 "github.com/akash-supercloud/akash/api/akash/deployment/v1"
	deploymentv1beta4 "github.com/akash-supercloud/akash/api/akash/deployment/v1beta4"
	escrowtypes "github.com/akash-supercloud/akash/api/akash/escrow/types/v1"
	marketv1 "github.com/akash-supercloud/akash/api/akash/market/v1"
	marketv1beta5 "github.com/akash-supercloud/akash/api/akash/market/v1beta5"
	"github.com/akash-supercloud/akash/client/tx"
)

type chain struct {
	leases []marketv1.Lease
	funds  map[uint64]int64
	bad    uint64 // a lease whose withdrawal is refused
	down   bool
	got    []uint64
	txs    int
}

func (c *chain) Leases(context.Context) ([]marketv1.Lease, error) {
	if c.down {
		return nil, errors.New("connection refused")
	}
	return c.leases, nil
}

func (c *chain) Deployment(_ context.Context, id deploymentv1.DeploymentID) (out deploymentv1beta4.QueryDeploymentResponse, err error) {
	out.EscrowAccount.State = escrowtypes.AccountState{SettledAt: 100, Funds: []escrowtypes.Balance{{Denom: "uact", Amount: math.LegacyNewDec(c.funds[id.DSeq])}}}
	return out, nil
}

func (c *chain) Send(_ context.Context, msgs ...sdk.Msg) error {
	if c.down {
		return errors.New("connection refused")
	}
	c.txs++
	for _, m := range msgs {
		if m.(*marketv1beta5.MsgWithdrawLease).ID.DSeq == c.bad {
			return tx.NewError("escrow", 7, "payment closed")
		}
	}
	for _, m := range msgs {
		c.got = append(c.got, m.(*marketv1beta5.MsgWithdrawLease).ID.DSeq)
	}
	return nil
}

func TestLook(t *testing.T) {
	c := &chain{funds: map[uint64]int64{}}
	for d := uint64(1); d <= 5; d++ {
		c.leases = append(c.leases, marketv1.Lease{ID: marketv1.LeaseID{Owner: "akash1o", DSeq: d, GSeq: 1, OSeq: 1, Provider: "akash1p"}, Price: sdk.NewDecCoinFromDec("uact", math.LegacyNewDec(100)), CreatedAt: 100})
		c.funds[d] = 1_000_000
	}
	now, height := time.Unix(0, 0), int64(110)
	tr := New(Options{Chain: c, Height: func() int64 { return height }, Every: time.Hour, Batch: 3, Now: func() time.Time { return now }})
	look := func() {
		t.Helper()
		c.got, c.txs = nil, 0
		if err := tr.Look(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	if look(); len(c.got) != 0 {
		t.Fatalf("withdrew at once: %v", c.got)
	}
	now, height = now.Add(time.Hour), 150
	if look(); len(c.got) != 0 {
		t.Fatalf("withdrew 4000 millionths, which isn't worth the fee: %v", c.got)
	}
	height, c.bad = 1000, 4
	if look(); len(c.got) != 4 || c.txs > 5 {
		t.Fatalf("got %v in %d transactions; want all but lease 4", c.got, c.txs)
	}
	if look(); len(c.got) != 0 {
		t.Fatalf("withdrew again: %v", c.got)
	}
	// An account that can't pay any more is settled at once, whatever the period.
	c.bad, c.funds[2] = 0, 50_000
	if look(); len(c.got) != 1 || c.got[0] != 2 {
		t.Fatalf("dry: %v", c.got)
	}
	c.down = true
	if err := tr.Look(context.Background()); err == nil {
		t.Fatal("no error while the node is down")
	}
}
