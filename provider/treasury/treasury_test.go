package treasury

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"cosmossdk.io/math"
	sdk "github.com/cosmos/cosmos-sdk/types"

	deploymentv1 "github.com/akash-supercloud/akash/api/akash/deployment/v1"
	deploymentv1beta4 "github.com/akash-supercloud/akash/api/akash/deployment/v1beta4"
	escrowtypes "github.com/akash-supercloud/akash/api/akash/escrow/types/v1"
	marketv1 "github.com/akash-supercloud/akash/api/akash/market/v1"
	marketv1beta5 "github.com/akash-supercloud/akash/api/akash/market/v1beta5"
	tradev1 "github.com/akash-supercloud/akash/api/akash/trade/v1"
	"github.com/akash-supercloud/akash/client/tx"
)

type chain struct {
	leases []marketv1.Lease
	funds  map[uint64]int64
	bad    uint64 // a lease whose withdrawal is refused
	down   bool
	many   bool // the chain takes many leases in one message
	msgs   int
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
	c.msgs += len(msgs)
	if m, ok := msgs[0].(*tradev1.MsgWithdrawLeases); ok {
		msgs = nil
		for _, id := range m.Leases {
			if !c.many || id.Provider != m.Provider || len(m.Leases) < 2 {
				return tx.NewError("sdk", 6, "unknown request")
			}
			msgs = append(msgs, &marketv1beta5.MsgWithdrawLease{ID: id})
		}
	}
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

func (c *chain) WithdrawsMany(context.Context) (bool, error) { return c.many, nil }

func TestLook(t *testing.T) {
	for _, many := range []bool{false, true} {
		t.Run(fmt.Sprintf("many at once %v", many), func(t *testing.T) { look(t, many) })
	}
}

func look(t *testing.T, many bool) {
	c := &chain{funds: map[uint64]int64{}, many: many}
	for d := uint64(1); d <= 5; d++ {
		c.leases = append(c.leases, marketv1.Lease{ID: marketv1.LeaseID{Owner: "akash1o", DSeq: d, GSeq: 1, OSeq: 1, Provider: "akash1p"}, Price: sdk.NewDecCoinFromDec("uact", math.LegacyNewDec(100)), CreatedAt: 100})
		c.funds[d] = 1_000_000
	}
	now, height := time.Unix(0, 0), int64(110)
	tr := New(Options{Chain: c, Height: func() int64 { return height }, Every: time.Hour, Batch: 3, Now: func() time.Time { return now }})
	look := func() {
		t.Helper()
		c.got, c.txs, c.msgs = nil, 0, 0
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
	if look(); len(c.got) != 4 || c.txs > 5 || (c.msgs == c.txs) != many {
		t.Fatalf("got %v in %d transactions, %d messages; want all but lease 4", c.got, c.txs, c.msgs)
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
