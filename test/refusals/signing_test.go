package refusals

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cosmos/cosmos-sdk/client"
	sdk "github.com/cosmos/cosmos-sdk/types"
	"github.com/cosmos/cosmos-sdk/types/tx/signing"
	"github.com/cosmos/cosmos-sdk/x/feegrant"

	attributesv1 "github.com/akash-supercloud/akash/api/akash/base/attributes/v1"

	auditv1 "github.com/akash-supercloud/akash/api/akash/audit/v1"
	deploymentv1 "github.com/akash-supercloud/akash/api/akash/deployment/v1"
	deploymentv1beta4 "github.com/akash-supercloud/akash/api/akash/deployment/v1beta4"
	escrowv1 "github.com/akash-supercloud/akash/api/akash/escrow/v1"
	marketv1 "github.com/akash-supercloud/akash/api/akash/market/v1"
	marketv1beta5 "github.com/akash-supercloud/akash/api/akash/market/v1beta5"
	providerv1beta4 "github.com/akash-supercloud/akash/api/akash/provider/v1beta4"
	tradev1 "github.com/akash-supercloud/akash/api/akash/trade/v1"
	"github.com/akash-supercloud/akash/test/inproc"
)

// TestSigning sends every message of the market signed in the old JSON form, which hardware wallets and browsers use, and directly;
// out of sequence and in sequence; paid by a granter. Whatever the message's own fate, its signature is good, and the
// granter pays. Its name in the JSON is the one that wallets know.
func TestSigning(t *testing.T) {
	w := newWorld(t)
	grant, err := feegrant.NewMsgGrantAllowance(&feegrant.BasicAllowance{}, inproc.Addr("carol"), inproc.Addr("alice"))
	if err != nil {
		t.Fatal(err)
	}
	w.Must("carol", grant)
	d := w.created()
	g := deploymentv1.MakeGroupID(d, 1)
	b := bid(d, "p1").ID
	alone := bid(deploymentv1.DeploymentID{Owner: addr("bob"), DSeq: 1}, "p1") // alice as a provider
	alone.ID.Provider = addr("alice")
	window(2)(alone)
	cert := w.certificate(77)
	_, revoked := revoke("77")
	region := []attributesv1.Attribute{{Key: "region", Value: "us-west"}}
	messages := map[string]sdk.Msg{
		"akash-sdk/x/deployment/MsgCreateDeployment":    w.create(),
		"akash-sdk/x/deployment/MsgUpdateDeployment":    &deploymentv1beta4.MsgUpdateDeployment{ID: d, Hash: make([]byte, 32)},
		"akash-sdk/x/deployment/MsgCloseDeployment":     &deploymentv1beta4.MsgCloseDeployment{ID: d},
		"akash-sdk/x/deployment/MsgCloseGroup":          &deploymentv1beta4.MsgCloseGroup{ID: g},
		"akash-sdk/x/deployment/MsgPauseGroup":          &deploymentv1beta4.MsgPauseGroup{ID: g},
		"akash-sdk/x/deployment/MsgStartGroup":          &deploymentv1beta4.MsgStartGroup{ID: g},
		"akash-sdk/x/market/MsgCreateBid":               alone,
		"akash-sdk/x/market/MsgCloseBid":                closeBid(alone.ID),
		"akash-sdk/x/market/MsgCreateLease":             &marketv1beta5.MsgCreateLease{BidID: b},
		"akash-sdk/x/market/MsgCloseLease":              &marketv1beta5.MsgCloseLease{ID: b.LeaseID(), Reason: marketv1.LeaseClosedReasonOwner},
		"akash-sdk/x/market/MsgWithdrawLease":           &marketv1beta5.MsgWithdrawLease{ID: alone.ID.LeaseID()},
		"akash-sdk/x/market/MsgLeaseStartReclaim":       &marketv1beta5.MsgLeaseStartReclaim{ID: alone.ID.LeaseID(), Reason: marketv1.LeaseClosedReasonUnspecified},
		"akash-sdk/x/escrow/v1/":                        &escrowv1.MsgAccountDeposit{Signer: addr("alice"), ID: account(d), Deposit: coins(5, "uact")},
		"provider/MsgCreateProvider":                    &providerv1beta4.MsgCreateProvider{Owner: addr("alice"), HostURI: "https://a.localhost", Attributes: region},
		"provider/MsgUpdateProvider":                    &providerv1beta4.MsgUpdateProvider{Owner: addr("alice"), HostURI: "https://a.localhost", Info: providerv1beta4.Info{EMail: "a@b.invalid"}},
		"provider/MsgDeleteProvider":                    &providerv1beta4.MsgDeleteProvider{Owner: addr("alice")},
		"akash-sdk/x/audit/MsgSignProviderAttributes":   &auditv1.MsgSignProviderAttributes{Owner: addr("p1"), Auditor: addr("alice"), Attributes: region},
		"akash-sdk/x/audit/MsgDeleteProviderAttributes": &auditv1.MsgDeleteProviderAttributes{Owner: addr("p1"), Auditor: addr("alice"), Keys: []string{"region"}},
		"akash-sdk/x/cert/MsgCreateCertificate":         cert,
		"akash-sdk/x/cert/MsgRevokeCertificate":         revoked,
		"akash/trade/MsgWithdrawLeases":                 &tradev1.MsgWithdrawLeases{Provider: addr("alice"), Leases: []marketv1.LeaseID{alone.ID.LeaseID()}},
		"akash/trade/MsgDenyProviders":                  &tradev1.MsgDenyProviders{Owner: addr("alice"), Providers: []string{addr("p1")}},
		"akash/trade/MsgAllowProviders":                 &tradev1.MsgAllowProviders{Owner: addr("alice"), Providers: []string{addr("p1")}},
	}
	kinds := map[string]bool{}
	n := 0
	for want, msg := range messages {
		kinds[sdk.MsgTypeURL(msg)] = true
		text, err := w.App.Amino.MarshalJSON(msg)
		var named struct {
			Type string `json:"type"`
		}
		if err != nil || json.Unmarshal(text, &named) != nil || named.Type != want {
			t.Errorf("%T is %q in the old JSON, want %q: %v", msg, named.Type, want, err)
		}
		for _, mode := range []signing.SignMode{signing.SignMode_SIGN_MODE_LEGACY_AMINO_JSON, signing.SignMode_SIGN_MODE_DIRECT} {
			for _, unordered := range []bool{false, true} {
				o := inproc.TxOptions{Name: "alice", Mode: mode, Granter: inproc.Addr("carol")}
				if unordered {
					n++
					zero := uint64(0)
					o.Sequence = &zero
					o.Change = func(b client.TxBuilder) {
						b.SetUnordered(true)
						b.SetTimeoutTimestamp(w.Time.Add(time.Minute + time.Duration(n)*time.Millisecond))
					}
				}
				what := fmt.Sprintf("%T, %s, unordered %v", msg, mode, unordered)
				before := w.Balance("carol", "uakt")
				raw := w.SignWith(o, msg)
				if check := w.Check(raw); check.Code != 0 {
					t.Errorf("%s: the mempool refuses it: %s/%d %s", what, check.Codespace, check.Code, check.Log)
				}
				res := w.Block(raw)[0]
				if res.Codespace == "sdk" || res.Codespace == "undefined" {
					t.Errorf("%s: %s/%d %s", what, res.Codespace, res.Code, res.Log)
				}
				if paid := before - w.Balance("carol", "uakt"); paid != inproc.Fee {
					t.Errorf("%s: its granter paid %d, want %d", what, paid, inproc.Fee)
				}
			}
		}
	}
	for _, kind := range w.App.Registry.ListImplementations(sdk.MsgInterfaceProtoName) {
		if strings.HasPrefix(kind, "/akash.") && !strings.HasSuffix(kind, "MsgUpdateParams") && !kinds[kind] {
			t.Errorf("%s isn't in this test", kind)
		}
	}
}
