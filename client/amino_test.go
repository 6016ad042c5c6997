package client

import (
	"context"
	"strings"
	"testing"
	"time"

	"cosmossdk.io/math"

	sdk "github.com/cosmos/cosmos-sdk/types"
	"github.com/cosmos/cosmos-sdk/types/tx/signing"
	authsigning "github.com/cosmos/cosmos-sdk/x/auth/signing"

	attributes "github.com/akash-supercloud/akash/api/akash/base/attributes/v1"
	deposit "github.com/akash-supercloud/akash/api/akash/base/deposit/v1"
	resources "github.com/akash-supercloud/akash/api/akash/base/resources/v1beta4"
	deploymentv1 "github.com/akash-supercloud/akash/api/akash/deployment/v1"
	deployment "github.com/akash-supercloud/akash/api/akash/deployment/v1beta4"
	marketv1 "github.com/akash-supercloud/akash/api/akash/market/v1"
	market "github.com/akash-supercloud/akash/api/akash/market/v1beta5"
	provider "github.com/akash-supercloud/akash/api/akash/provider/v1beta4"
)

// TestAminoJSON holds that what a hardware wallet signs covers what is inside a message, by the exact text.
func TestAminoJSON(t *testing.T) {
	enc := NewEncoding()
	val := func(n int64) resources.ResourceValue { return resources.ResourceValue{Val: math.NewInt(n)} }
	unit := resources.Resources{ID: 1, CPU: &resources.CPU{Units: val(20)}, Memory: &resources.Memory{Quantity: val(30)}}
	window := time.Hour
	for _, c := range []struct {
		msg  sdk.Msg
		want string
	}{
		{&provider.MsgCreateProvider{Owner: "a", HostURI: "https://x", Attributes: []attributes.Attribute{{Key: "k", Value: "v"}}, Info: provider.Info{EMail: "e"}},
			`{"type":"/akash.provider.v1beta4.MsgCreateProvider","value":{"attributes":[{"key":"k","value":"v"}],"host_uri":"https://x","info":{"email":"e"},"owner":"a"}}`},
		{&deployment.MsgCreateDeployment{ID: deploymentv1.DeploymentID{Owner: "a", DSeq: 7}, Hash: []byte{1},
			Groups:  []deployment.GroupSpec{{Name: "g", Resources: []deployment.ResourceUnit{{Resources: unit, Count: 1, Price: sdk.NewDecCoin("uact", math.NewInt(5))}}}},
			Deposit: deposit.Deposit{Amount: sdk.NewInt64Coin("uact", 9), Sources: []deposit.Source{1}}},
			`{"type":"/akash.deployment.v1beta4.MsgCreateDeployment","value":{"deposit":{"amount":{"amount":"9","denom":"uact"},"sources":[1]},"groups":[{"name":"g","requirements":{"signed_by":{}},` +
				`"resources":[{"count":1,"price":{"amount":"5.000000000000000000","denom":"uact"},"resource":{"cpu":{"units":{"val":"MjA="}},"id":1,"memory":{"quantity":{"val":"MzA="}}}}]}],` +
				`"hash":"AQ==","id":{"dseq":"7","owner":"a"}}}`},
		{&market.MsgCreateBid{ID: marketv1.BidID{Owner: "a", DSeq: 7, GSeq: 1, OSeq: 1, Provider: "p"}, Price: sdk.NewDecCoinFromDec("uact", math.LegacyMustNewDecFromStr("1.5")),
			Deposit: deposit.Deposit{Amount: sdk.NewInt64Coin("uact", 9), Sources: []deposit.Source{1}}, ResourcesOffer: []market.ResourceOffer{{Resources: unit, Count: 1}}, ReclamationWindow: &window},
			`{"type":"/akash.market.v1beta5.MsgCreateBid","value":{"deposit":{"amount":{"amount":"9","denom":"uact"},"sources":[1]},"id":{"dseq":"7","gseq":1,"oseq":1,"owner":"a","provider":"p"},` +
				`"price":{"amount":"1.500000000000000000","denom":"uact"},"reclamation_window":"3600000000000","resources_offer":[{"count":1,"resources":{"cpu":{"units":{"val":"MjA="}},"id":1,"memory":{"quantity":{"val":"MzA="}}}}]}}`},
	} {
		b := enc.TxConfig.NewTxBuilder()
		if err := b.SetMsgs(c.msg); err != nil {
			t.Fatal(err)
		}
		text, err := authsigning.GetSignBytesAdapter(context.Background(), enc.TxConfig.SignModeHandler(), signing.SignMode_SIGN_MODE_LEGACY_AMINO_JSON,
			authsigning.SignerData{Address: "a", ChainID: "c"}, b.GetTx())
		if err != nil {
			t.Fatal(err)
		}
		_, text2, _ := strings.Cut(string(text), `"msgs":[`)
		if got, _, _ := strings.Cut(text2, `],"sequence"`); got != c.want {
			t.Errorf("%T:\n%s\nwant\n%s", c.msg, got, c.want)
		}
	}
}
