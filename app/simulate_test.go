package app_test

import (
	"testing"

	sdkmath "cosmossdk.io/math"

	sdk "github.com/cosmos/cosmos-sdk/types"

	depositv1 "github.com/akash-supercloud/akash/api/akash/base/deposit/v1"
	resources "github.com/akash-supercloud/akash/api/akash/base/resources/v1beta4"
	deploymentv1 "github.com/akash-supercloud/akash/api/akash/deployment/v1"
	deploymentv1beta4 "github.com/akash-supercloud/akash/api/akash/deployment/v1beta4"
	marketv1 "github.com/akash-supercloud/akash/api/akash/market/v1"
	marketv1beta5 "github.com/akash-supercloud/akash/api/akash/market/v1beta5"
	providerv1beta4 "github.com/akash-supercloud/akash/api/akash/provider/v1beta4"
	"github.com/akash-supercloud/akash/test/inproc"
)

// TestSimulateNextBlock: what is simulated right behind the block of a lease is what the next block will do: pay for one block.
func TestSimulateNextBlock(t *testing.T) {
	c := inproc.New(t, inproc.Options{Names: []string{"alice", "prov"}})
	val := func(n int64) resources.ResourceValue { return resources.ResourceValue{Val: sdkmath.NewInt(n)} }
	deposit := depositv1.Deposit{Amount: sdk.NewInt64Coin("uact", 5_000_000), Sources: []depositv1.Source{depositv1.SourceBalance}}
	alice, prov := inproc.Addr("alice").String(), inproc.Addr("prov").String()
	c.Must("prov", &providerv1beta4.MsgCreateProvider{Owner: prov, HostURI: "https://p.localhost"})
	c.Must("alice", &deploymentv1beta4.MsgCreateDeployment{
		ID: deploymentv1.DeploymentID{Owner: alice, DSeq: 1}, Hash: make([]byte, 32), Deposit: deposit,
		Groups: []deploymentv1beta4.GroupSpec{{Name: "g", Resources: []deploymentv1beta4.ResourceUnit{{
			Resources: resources.Resources{
				ID: 1, CPU: &resources.CPU{Units: val(100)}, Memory: &resources.Memory{Quantity: val(128 << 20)}, GPU: &resources.GPU{Units: val(0)},
				Storage: []resources.Storage{{Name: "default", Quantity: val(512 << 20)}},
			}, Count: 1, Price: sdk.NewInt64DecCoin("uact", 100),
		}}}},
	})
	bid := marketv1.BidID{Owner: alice, DSeq: 1, GSeq: 1, OSeq: 1, Provider: prov}
	c.Must("prov", &marketv1beta5.MsgCreateBid{ID: bid, Price: sdk.NewInt64DecCoin("uact", 50), Deposit: deposit})
	c.Must("alice", &marketv1beta5.MsgCreateLease{BidID: bid})
	raw := c.Sign("prov", &marketv1beta5.MsgWithdrawLease{ID: bid.LeaseID()})
	found, _, err := c.App.Simulate(raw)
	if err != nil {
		t.Fatal(err)
	}
	before := c.Balance("prov", "uact")
	res := c.Block(raw)[0]
	if res.Code != 0 || c.Balance("prov", "uact") != before+50 {
		t.Fatalf("%d %s, paid %d", res.Code, res.Log, c.Balance("prov", "uact")-before)
	}
	// A simulation counts what a full signature costs, so it finds no less.
	if int64(found.GasUsed) < res.GasUsed || int64(found.GasUsed) > res.GasUsed*12/10 {
		t.Errorf("simulated %d, used %d", found.GasUsed, res.GasUsed)
	}
}
