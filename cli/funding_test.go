package cli

import (
	"context"
	"testing"
	"time"

	"cosmossdk.io/math"
	sdk "github.com/cosmos/cosmos-sdk/types"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	deploymentv1 "github.com/akash-supercloud/akash/api/akash/deployment/v1"
	tradev1 "github.com/akash-supercloud/akash/api/akash/trade/v1"
)

type answers struct {
	tradev1.QueryClient
	res *tradev1.QueryFundingResponse
	err error
	req *tradev1.QueryFundingRequest
}

func (a *answers) Funding(_ context.Context, req *tradev1.QueryFundingRequest, _ ...grpc.CallOption) (*tradev1.QueryFundingResponse, error) {
	a.req = req
	return a.res, a.err
}

// TestFunding: how long money lasts is what the chain says, not a quotient of whole units.
func TestFunding(t *testing.T) {
	id := deploymentv1.DeploymentID{Owner: "akash1me", DSeq: 7}
	a := &answers{res: &tradev1.QueryFundingResponse{
		Height: 90, Balance: sdk.NewInt64Coin("uact", 100), Spent: sdk.NewDecCoinFromDec("uact", math.LegacyMustNewDecFromStr("0.4")), BlocksLeft: 251,
	}}
	m, err := fundingOf(t.Context(), a, id, 2*time.Second)
	if err != nil || m.Blocks != 251 || m.TimeLeft != 502*time.Second || m.Balance.String() != "100.000000000000000000uact" || m.Rate.String() != "0.400000000000000000uact" {
		t.Errorf("%+v, %v", m, err)
	}
	if a.req.Owner != id.Owner || a.req.Dseq != id.DSeq {
		t.Errorf("asked for %v", a.req)
	}
	a.res = &tradev1.QueryFundingResponse{Balance: sdk.NewInt64Coin("uact", 100), Spent: sdk.DecCoin{Denom: "uact", Amount: math.LegacyZeroDec()}, BlocksLeft: -1}
	if m, err = fundingOf(t.Context(), a, id, time.Second); err != nil || m.Blocks != -1 || m.TimeLeft != 0 || len(m.Rate) != 0 {
		t.Errorf("nothing is spent: %+v, %v", m, err)
	}
	// A foreign node may answer anything.
	a.res = &tradev1.QueryFundingResponse{BlocksLeft: -9, Balance: sdk.Coin{Denom: "uact"}, Spent: sdk.DecCoin{Denom: "uact"}}
	if m, err = fundingOf(t.Context(), a, id, time.Second); err != nil || m.Blocks != -1 || len(m.Balance)+len(m.Rate) != 0 {
		t.Errorf("nonsense: %+v, %v", m, err)
	}
	a.err = status.Error(codes.Unimplemented, "unknown service")
	if _, err = fundingOf(t.Context(), a, id, time.Second); status.Code(err) != codes.Unimplemented {
		t.Error(err)
	}
	if got := timeOf(1<<62, time.Second); got != 100*365*24*time.Hour {
		t.Errorf("for ever is %s", got)
	}
}
