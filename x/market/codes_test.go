package market

import (
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	errorsmod "cosmossdk.io/errors"

	sdk "github.com/cosmos/cosmos-sdk/types"
	"github.com/cosmos/cosmos-sdk/x/authz"

	deploymentv1beta4 "github.com/akash-supercloud/akash/api/akash/deployment/v1beta4"
	types "github.com/akash-supercloud/akash/api/akash/market/v1beta5"
	"github.com/akash-supercloud/akash/x/deployment"
	"github.com/akash-supercloud/akash/x/escrow"
)

// TestErrorCodes pins the protocol's numbers of a few errors of each codespace, and that
// gRPC and REST see their status.
func TestErrorCodes(t *testing.T) {
	for _, c := range []struct {
		err   *errorsmod.Error
		space string
		code  uint32
		grpc  codes.Code
		text  string
	}{
		{deployment.ErrDeploymentExists, "deployment", 3, codes.AlreadyExists, "Deployment exists"},
		{deployment.ErrInvalidDeposit, "deployment", 20, codes.InvalidArgument, "Deposit invalid"},
		{deployment.ErrInvalidReclamation, "deployment", 26, codes.InvalidArgument, "invalid reclamation configuration"},
		{escrow.ErrAccountOverdrawn, "escrow", 4, codes.FailedPrecondition, "account overdrawn"},
		{escrow.ErrUnauthorizedDepositScope, "escrow", 15, codes.PermissionDenied, "unauthorized deposit scope"},
		{escrow.ErrMalformedKey, "escrow", 18, codes.InvalidArgument, "malformed key"},
		{ErrBidOverOrder, "market", 4, codes.InvalidArgument, "bid price above max order price"},
		{ErrLeaseNotFound, "market", 20, codes.NotFound, "invalid lease: lease not found"},
		{ErrReclamationWindowTooShort, "market", 41, codes.InvalidArgument, "reclamation window shorter than order minimum"},
	} {
		if c.err.Codespace() != c.space || c.err.ABCICode() != c.code || c.err.GRPCStatus().Code() != c.grpc || c.err.Error() != c.text {
			t.Errorf("%s/%d %s %q, want %s/%d %s %q", c.err.Codespace(), c.err.ABCICode(), c.err.GRPCStatus().Code(), c.err, c.space, c.code, c.grpc, c.text)
		}
	}
	s := &scenario{newChain(t)}
	_, err := NewQueryServer(s.market).Bid(s.ctx, &types.QueryBidRequest{ID: s.bidID("alice/1/1/1", "prov")})
	if status.Code(err) != codes.NotFound {
		t.Errorf("a bid that isn't there: %v", err)
	}
	_, err = deployment.NewQueryServer(s.chain.deployment).Group(s.ctx, &deploymentv1beta4.QueryGroupRequest{ID: s.group("alice/1/1")})
	if status.Code(err) != codes.NotFound {
		t.Errorf("a group that isn't there: %v", err)
	}
}

// TestDepositByExec deposits a granter's money by authz's MsgExec, which the grant itself
// has to allow and to count.
func TestDepositByExec(t *testing.T) {
	s := &scenario{newChain(t)}
	for _, c := range []string{"fund alice 1000000uact", "fund carol 1000000uact", "create alice/1", "grant carol alice 300uact"} {
		if out := s.command(c); strings.HasPrefix(out, "error") {
			t.Fatal(c, out)
		}
	}
	exec := func(command string) error {
		m := authz.NewMsgExec(s.addr("alice"), []sdk.Msg{s.parse(command)})
		return s.send(&m)
	}
	if err := exec("deposit carol alice/1 301uact"); err == nil || !strings.Contains(err.Error(), "the grant allows 300uact, not 301uact") {
		t.Fatal(err)
	}
	if err := exec("deposit carol alice/1 100uact"); err != nil {
		t.Fatal(err)
	}
	if got := s.command("limit carol alice"); got != "200uact" {
		t.Fatal(got)
	}
	if err := exec("deposit carol alice/1 200uact"); err != nil {
		t.Fatal(err)
	}
	if got := s.command("limit carol alice"); got != "none" {
		t.Fatal(got)
	}
	s.command("close alice/1")
	if got := s.command("balance alice carol"); got != "alice 1000000uact\ncarol 1000000uact" {
		t.Fatal(got)
	}
}
