package event

import (
	"reflect"
	"testing"

	"github.com/cosmos/gogoproto/proto"

	"cosmossdk.io/math"

	sdk "github.com/cosmos/cosmos-sdk/types"

	depositv1 "github.com/akash-supercloud/akash/api/akash/base/deposit/v1"
	deploymentv1 "github.com/akash-supercloud/akash/api/akash/deployment/v1"
	escrowid "github.com/akash-supercloud/akash/api/akash/escrow/id/v1"
	escrowtypes "github.com/akash-supercloud/akash/api/akash/escrow/types/v1"
	eventsv1 "github.com/akash-supercloud/akash/api/akash/events/v1"
	marketv1 "github.com/akash-supercloud/akash/api/akash/market/v1"
)

func TestSameAsTheSDK(t *testing.T) {
	const owner, prov = "akash1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqkz4yaq", "akash1zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3s7a8cu"
	d := deploymentv1.DeploymentID{Owner: owner, DSeq: 1<<64 - 1}
	g := deploymentv1.GroupID{Owner: owner, DSeq: 7, GSeq: 1<<32 - 1}
	o := marketv1.OrderID{Owner: owner, DSeq: 7, GSeq: 1, OSeq: 2}
	b := marketv1.BidID{Owner: owner, DSeq: 7, GSeq: 1, OSeq: 2, Provider: prov}
	a := escrowid.Account{Scope: escrowid.ScopeDeployment, XID: owner + "/7"}
	coin := sdk.NewInt64Coin("ibc/27394FB092D2ECCD56123C74F36E4C1F926001CEADA9CA97EA622B25F41E5EB2", 12345)
	events := []proto.Message{
		&deploymentv1.EventDeploymentCreated{ID: d, Hash: []byte{0xfb, 0xff, 0, 1}}, &deploymentv1.EventDeploymentUpdated{ID: d, Hash: make([]byte, 32)},
		&deploymentv1.EventDeploymentClosed{ID: d}, &deploymentv1.EventGroupStarted{ID: g}, &deploymentv1.EventGroupPaused{ID: g}, &deploymentv1.EventGroupClosed{ID: g},
		&marketv1.EventOrderCreated{ID: o}, &marketv1.EventOrderClosed{ID: o}, &marketv1.EventBidClosed{ID: b}, &eventsv1.EventBidLost{ID: b},
		&marketv1.EventLeaseClosed{ID: b.LeaseID(), Reason: marketv1.LeaseClosedReasonInsufficientFunds},
		&eventsv1.EventDeposited{ID: a, Depositor: owner, Source: depositv1.SourceGrant, Amount: coin},
		&eventsv1.EventRefunded{ID: a, Depositor: owner, Source: depositv1.SourceBalance, Amount: coin},
		&eventsv1.EventAccountClosed{ID: a, State: escrowtypes.StateOverdrawn},
		&eventsv1.EventPaymentSettled{ID: escrowid.Payment{AID: a, XID: "1/2/" + prov}, Provider: prov, Amount: coin, Withdrawn: sdk.NewInt64Coin("uact", 0), State: escrowtypes.StateClosed},
	}
	for _, p := range []string{"12.5", "0.000000000000000001", "0.1", "1", "123456789012345678901234567890.123456789012345678", "0"} {
		price := sdk.DecCoin{Denom: "uact", Amount: math.LegacyMustNewDecFromStr(p)}
		events = append(events, &marketv1.EventBidCreated{ID: b, Price: price}, &marketv1.EventLeaseCreated{ID: b.LeaseID(), Price: price})
	}
	for _, m := range events {
		want, err := sdk.TypedEventToEvent(m)
		if err != nil {
			t.Fatal(err)
		}
		got, ok := fast(m)
		if !ok || !reflect.DeepEqual(got, want) {
			t.Errorf("%T:\n got %v\nwant %v", m, got, want)
		}
	}
	if _, ok := fast(&marketv1.EventLeaseReclaimStarted{}); ok {
		t.Error("an event that this package doesn't know was written by it")
	}
}
