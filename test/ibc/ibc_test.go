package ibc_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	abci "github.com/cometbft/cometbft/abci/types"

	"cosmossdk.io/math"

	"github.com/cosmos/cosmos-sdk/codec"
	sdk "github.com/cosmos/cosmos-sdk/types"
	banktypes "github.com/cosmos/cosmos-sdk/x/bank/types"
	govv1 "github.com/cosmos/cosmos-sdk/x/gov/types/v1"

	transfertypes "github.com/cosmos/ibc-go/v11/modules/apps/transfer/types"
	clienttypes "github.com/cosmos/ibc-go/v11/modules/core/02-client/types"
	clientv2types "github.com/cosmos/ibc-go/v11/modules/core/02-client/v2/types"
	channeltypes "github.com/cosmos/ibc-go/v11/modules/core/04-channel/types"
	host "github.com/cosmos/ibc-go/v11/modules/core/24-host"
	ibcexported "github.com/cosmos/ibc-go/v11/modules/core/exported"
	ibctm "github.com/cosmos/ibc-go/v11/modules/light-clients/07-tendermint"

	attributesv1 "github.com/akash-supercloud/akash/api/akash/base/attributes/v1"
	depositv1 "github.com/akash-supercloud/akash/api/akash/base/deposit/v1"
	resources "github.com/akash-supercloud/akash/api/akash/base/resources/v1beta4"
	deploymentv1 "github.com/akash-supercloud/akash/api/akash/deployment/v1"
	deploymentv1beta4 "github.com/akash-supercloud/akash/api/akash/deployment/v1beta4"
	marketv1 "github.com/akash-supercloud/akash/api/akash/market/v1"
	marketv1beta5 "github.com/akash-supercloud/akash/api/akash/market/v1beta5"
	providerv1beta4 "github.com/akash-supercloud/akash/api/akash/provider/v1beta4"
	"github.com/akash-supercloud/akash/app"
	"github.com/akash-supercloud/akash/test/inproc"
)

func uakt(n int64) sdk.Coin { return sdk.NewInt64Coin("uakt", n) }

// TestThereAndBack: coins go out, part of them comes home, and at each step the escrow covers the vouchers to the coin.
func TestThereAndBack(t *testing.T) {
	a, b := path(t, inproc.Options{})
	alice, bob := a.Balance("alice", "uakt"), b.Balance("bob", "uakt")
	here := b.voucher("uakt")
	covered := func(n int64) {
		t.Helper()
		if e, s := a.escrowed("uakt"), b.supply(here); e != n || s != n || b.Balance("bob", here) != n {
			t.Errorf("escrow %d, supply of vouchers %d, bob's %d; want %d", e, s, b.Balance("bob", here), n)
		}
	}
	supply := a.supply("uakt")
	p := a.transfer("alice", "bob", uakt(1000), "uakt", a.later())
	first, known := b.relayed(b.recv(p))
	if res := b.Check(first); res.Code != 0 {
		t.Fatalf("the mempool refuses a packet: %s", res.Log)
	}
	if res := b.Block(first)[0]; res.Code != 0 {
		t.Fatal(res.Log)
	}
	b.known = known
	covered(1000)

	// A second relayer of the same packet pays nothing: the mempool refuses it. In a block it changes nothing.
	second, _ := b.relayed(b.recv(p))
	if res := b.Check(second); res.Code != channeltypes.ErrRedundantTx.ABCICode() || res.Codespace != channeltypes.ErrRedundantTx.Codespace() {
		t.Errorf("a packet that came already: %s/%d %s", res.Codespace, res.Code, res.Log)
	}
	b.Block(second)
	covered(1000)
	a.relay(a.ack(p))

	back := b.transfer("bob", "alice", sdk.NewInt64Coin(here, 400), transfertypes.NewDenom("uakt", transfertypes.NewHop("transfer", b.channel)).Path(), b.later())
	b.deliver(back)
	covered(600)
	if got, want := a.Balance("alice", "uakt"), alice-1000-inproc.Fee+400; got != want {
		t.Errorf("alice has %d uakt, want %d", got, want)
	}
	if got, want := b.Balance("bob", "uakt"), bob-inproc.Fee; got != want {
		t.Errorf("bob has %d uakt, want %d", got, want)
	}
	if a.supply("uakt") < supply {
		t.Error("coins were burned on their own chain")
	}
	meta, ok := b.App.Bank.GetDenomMetaData(b.Ctx(), here)
	if !ok || meta.Display != "transfer/"+b.channel+"/uakt" {
		t.Errorf("metadata of the voucher: %v", meta)
	}
	a.Invariants()
	b.Invariants()
}

// TestTimeout: a packet that didn't come in time is refunded, once, and can't come any more.
func TestTimeout(t *testing.T) {
	a, b := path(t, inproc.Options{})
	alice := a.Balance("alice", "uakt")
	p := a.transfer("alice", "bob", uakt(1000), "uakt", a.Time.Add(time.Minute))
	key := host.PacketReceiptKey(p.DestinationPort, p.DestinationChannel, p.Sequence)
	msg := func(proof []byte, h clienttypes.Height) sdk.Msg {
		return channeltypes.NewMsgTimeout(p, 1, proof, h, a.addr("relayer"))
	}
	refused(t, a.try(key, msg), "timeout")
	for b.Time.UnixNano() < int64(p.TimeoutTimestamp) {
		b.Block()
	}
	refused(t, b.try(b.recv(p)), "timeout")
	a.relay(key, msg)
	if got, want := a.Balance("alice", "uakt"), alice-inproc.Fee; got != want || a.escrowed("uakt") != 0 {
		t.Errorf("alice has %d, want %d; escrow %d", got, want, a.escrowed("uakt"))
	}
	a.try(key, msg) // no second refund
	if got, want := a.Balance("alice", "uakt"), alice-inproc.Fee; got != want {
		t.Errorf("after a second timeout alice has %d, want %d", got, want)
	}
}

// TestForged: nothing that the other chain hasn't committed gets in.
func TestForged(t *testing.T) {
	a, b := path(t, inproc.Options{})
	p := a.transfer("alice", "bob", uakt(1000), "uakt", a.later())
	key, _ := b.recv(p)
	more := p
	more.Data = transfertypes.NewFungibleTokenPacketData("uakt", "1000000", a.addr("alice"), b.addr("bob"), "").GetBytes()
	refused(t, b.try(key, func(proof []byte, h clienttypes.Height) sdk.Msg {
		return channeltypes.NewMsgRecvPacket(more, proof, h, b.addr("relayer"))
	}), "proof")
	refused(t, b.try(key, func(proof []byte, h clienttypes.Height) sdk.Msg {
		proof[len(proof)/2] ^= 1
		return channeltypes.NewMsgRecvPacket(p, proof, h, b.addr("relayer"))
	}), "proof")
	refused(t, b.try(key, func(proof []byte, h clienttypes.Height) sdk.Msg {
		return channeltypes.NewMsgRecvPacket(p, proof, clienttypes.NewHeight(0, h.RevisionHeight+5), b.addr("relayer"))
	}), "invalid height")
	// A header that the validator didn't sign.
	h := a.seal()
	h.Commit.Signatures[0].Signature[3] ^= 1
	refused(t, b.Send("relayer", b.update(h)), "signature")
	if n := b.supply(b.voucher("uakt")); n != 0 {
		t.Errorf("%d vouchers out of nothing", n)
	}
	b.relay(b.recv(p)) // the true one still comes
}

// TestMisbehaviour: two headers of one height freeze the client, and nothing gets through it any more.
func TestMisbehaviour(t *testing.T) {
	a, b := path(t, inproc.Options{})
	p := a.transfer("alice", "bob", uakt(1000), "uakt", a.later())
	h := a.seal()
	other := header(t, h.Header.Height, h.Header.Time, make([]byte, 32))
	known := b.known
	b.Must("relayer", b.update(h))
	msg, err := clienttypes.NewMsgUpdateClient(b.client, ibctm.NewMisbehaviour(b.client, trusting(h, known), trusting(other, known)), b.addr("bob"))
	must(t, err)
	b.Must("bob", msg)
	if s := b.App.IBC.ClientKeeper.GetClientStatus(b.Ctx(), b.client); s != ibcexported.Frozen {
		t.Fatalf("status %s", s)
	}
	refused(t, b.try(b.recv(p)), "client")
	if n := b.supply(b.voucher("uakt")); n != 0 {
		t.Errorf("%d vouchers through a frozen client", n)
	}
	refused(t, b.Send("bob", transfertypes.NewMsgTransfer("transfer", b.channel, uakt(1), b.addr("bob"), a.addr("alice"), clienttypes.ZeroHeight(), uint64(b.later().UnixNano()), "")), "client")
}

// TestCreditStays: where sends of uact are off they are off over IBC too, by channels and by IBC v2.
func TestCreditStays(t *testing.T) {
	a, b := path(t, inproc.Options{State: func(cdc codec.Codec, state map[string]json.RawMessage) {
		var bank banktypes.GenesisState
		cdc.MustUnmarshalJSON(state[banktypes.ModuleName], &bank)
		bank.SendEnabled = []banktypes.SendEnabled{{Denom: app.CreditDenom, Enabled: false}}
		state[banktypes.ModuleName] = cdc.MustMarshalJSON(&bank)
	}})
	uact := sdk.NewInt64Coin("uact", 5)
	before := a.Balance("alice", "uact")
	send := func(channel string, coin sdk.Coin) *abci.ExecTxResult {
		return a.Send("alice", transfertypes.NewMsgTransfer("transfer", channel, coin, a.addr("alice"), b.addr("bob"), clienttypes.ZeroHeight(), uint64(a.Time.Add(time.Hour).Unix())*v1(channel), ""))
	}
	refused(t, a.Send("alice", &banktypes.MsgSend{FromAddress: a.addr("alice"), ToAddress: a.addr("bob"), Amount: sdk.NewCoins(uact)}), "disabled")
	refused(t, send(a.channel, uact), "disabled")
	if res := send(a.channel, uakt(5)); res.Code != 0 {
		t.Errorf("uakt: %s", res.Log)
	}
	for _, s := range []*side{a, b} {
		s.Must("relayer", clientv2types.NewMsgRegisterCounterparty(s.client, [][]byte{[]byte(ibcexported.StoreKey), {}}, s.peer.client, s.addr("relayer")))
	}
	refused(t, send(a.client, uact), "disabled")
	if res := send(a.client, uakt(5)); res.Code != 0 {
		t.Errorf("uakt by IBC v2: %s", res.Log)
	}
	if got := a.Balance("alice", "uact"); got != before {
		t.Errorf("alice has %d uact, had %d", got, before)
	}
	// A module's account isn't a wallet either.
	p := a.transfer("alice", "bob", uakt(9), "uakt", a.later())
	p.Sequence = 2 // the channel's second
	if n := a.escrowed("uakt"); n != 14 {
		t.Errorf("escrow %d", n)
	}
}

// v1 makes nanoseconds of seconds where a channel is meant: IBC v2 counts timeouts in seconds.
func v1(channel string) uint64 {
	if strings.HasPrefix(channel, "channel-") {
		return uint64(time.Second)
	}
	return 1
}

// TestLeaseInForeignCoin: governance lists a coin of another chain, and a lease is paid in it, exact to the coin.
func TestLeaseInForeignCoin(t *testing.T) {
	a, b := path(t, inproc.Options{Names: []string{"provider"}})
	const funds, price, put, bond = 50_000_000, 1000, 5_000_000, 500_000
	for _, to := range []string{"bob", "provider"} {
		a.deliver(a.transfer("alice", to, uakt(funds), "uakt", a.later()))
	}
	coin := b.voucher("uakt")
	id := deploymentv1.DeploymentID{Owner: b.addr("bob"), DSeq: 7}
	deposit := func(n int64) depositv1.Deposit {
		return depositv1.Deposit{Amount: sdk.NewInt64Coin(coin, n), Sources: []depositv1.Source{depositv1.SourceBalance}}
	}
	val := func(n int64) resources.ResourceValue { return resources.ResourceValue{Val: math.NewInt(n)} }
	create := &deploymentv1beta4.MsgCreateDeployment{ID: id, Hash: make([]byte, 32), Deposit: deposit(put), Groups: []deploymentv1beta4.GroupSpec{{
		Name: "westcoast", Requirements: attributesv1.PlacementRequirements{Attributes: []attributesv1.Attribute{{Key: "region", Value: "us-west"}}},
		Resources: []deploymentv1beta4.ResourceUnit{{
			Resources: resources.Resources{ID: 1, CPU: &resources.CPU{Units: val(100)}, Memory: &resources.Memory{Quantity: val(128 << 20)}, GPU: &resources.GPU{Units: val(0)},
				Storage: []resources.Storage{{Name: "default", Quantity: val(512 << 20)}}, Endpoints: []resources.Endpoint{{Kind: resources.Endpoint_SHARED_HTTP}}},
			Count: 1, Price: sdk.NewInt64DecCoin(coin, 2*price)}},
	}}}
	if res := b.Send("bob", create); res.Code == 0 {
		t.Fatal("a coin that governance hasn't listed pays for a deployment")
	}

	dparams, err := b.App.Deployment.Params(b.Ctx())
	must(t, err)
	dparams.MinDeposits = dparams.MinDeposits.Add(sdk.NewInt64Coin(coin, put))
	mparams, err := b.App.Market.Params(b.Ctx())
	must(t, err)
	mparams.BidMinDeposits = mparams.BidMinDeposits.Add(sdk.NewInt64Coin(coin, bond))
	b.decide(&deploymentv1beta4.MsgUpdateParams{Authority: app.Authority(), Params: dparams}, &marketv1beta5.MsgUpdateParams{Authority: app.Authority(), Params: mparams})

	b.Must("provider", &providerv1beta4.MsgCreateProvider{Owner: b.addr("provider"), HostURI: "https://p.localhost:8443",
		Attributes: []attributesv1.Attribute{{Key: "region", Value: "us-west"}}})
	b.Must("bob", create)
	bid := marketv1.MakeBidID(marketv1.MakeOrderID(deploymentv1.MakeGroupID(id, 1), 1), b.addr("provider"))
	b.Must("provider", &marketv1beta5.MsgCreateBid{ID: bid, Price: sdk.NewInt64DecCoin(coin, price), Deposit: deposit(bond)})
	b.Must("bob", &marketv1beta5.MsgCreateLease{BidID: bid})
	leased := b.Height
	b.Blocks(10)
	b.Invariants()
	b.Must("bob", &deploymentv1beta4.MsgCloseDeployment{ID: id})
	paid := price * (b.Height - leased)
	if got, want := b.Balance("bob", coin), funds-paid; got != want {
		t.Errorf("the tenant has %d, want %d", got, want)
	}
	if got, want := b.Balance("provider", coin), funds+paid; got != want {
		t.Errorf("the provider has %d, want %d", got, want)
	}
	if got := b.supply(coin); got != 2*funds || a.escrowed("uakt") != got {
		t.Errorf("supply %d, escrow %d, want %d", got, a.escrowed("uakt"), 2*funds)
	}
	b.Invariants()

	// What was earned goes home.
	home := b.transfer("provider", "alice", sdk.NewInt64Coin(coin, funds+paid), "transfer/"+b.channel+"/uakt", b.later())
	b.deliver(home)
	if got, want := a.escrowed("uakt"), funds-paid; got != want {
		t.Errorf("escrow %d, want %d", got, want)
	}
}

// decide has governance run msgs.
func (s *side) decide(msgs ...sdk.Msg) {
	s.t.Helper()
	proposal, err := govv1.NewMsgSubmitProposal(msgs, sdk.NewCoins(uakt(10_000_000)), s.addr(inproc.Operator), "", "title", "summary", false)
	must(s.t, err)
	s.Must(inproc.Operator, proposal)
	id, err := s.App.Gov.ProposalID.Peek(s.Ctx())
	must(s.t, err)
	s.Must(inproc.Operator, govv1.NewMsgVote(inproc.Addr(inproc.Operator), id-1, govv1.OptionYes, ""))
	s.BlockWith(&abci.RequestFinalizeBlock{Time: s.Time.Add(3 * time.Minute)})
	got, err := s.App.Gov.Proposals.Get(s.Ctx(), id-1)
	must(s.t, err)
	if got.Status != govv1.StatusPassed {
		s.t.Fatalf("the proposal is %s: %s", got.Status, got.FailedReason)
	}
}
