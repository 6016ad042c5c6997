package main

import (
	"encoding/base64"
	"fmt"
	"strconv"

	"github.com/cosmos/gogoproto/proto"

	"cosmossdk.io/math"

	codectypes "github.com/cosmos/cosmos-sdk/codec/types"
	"github.com/cosmos/cosmos-sdk/crypto/keys/secp256k1"
	sdk "github.com/cosmos/cosmos-sdk/types"
	txtypes "github.com/cosmos/cosmos-sdk/types/tx"
	"github.com/cosmos/cosmos-sdk/types/tx/signing"
	banktypes "github.com/cosmos/cosmos-sdk/x/bank/types"

	attributesv1 "github.com/akash-supercloud/akash/api/akash/base/attributes/v1"
	depositv1 "github.com/akash-supercloud/akash/api/akash/base/deposit/v1"
	resources "github.com/akash-supercloud/akash/api/akash/base/resources/v1beta4"
	deploymentv1 "github.com/akash-supercloud/akash/api/akash/deployment/v1"
	deploymentv1beta4 "github.com/akash-supercloud/akash/api/akash/deployment/v1beta4"
	marketv1 "github.com/akash-supercloud/akash/api/akash/market/v1"
	marketv1beta5 "github.com/akash-supercloud/akash/api/akash/market/v1beta5"
	providerv1beta4 "github.com/akash-supercloud/akash/api/akash/provider/v1beta4"
	"github.com/akash-supercloud/akash/app"
	"github.com/akash-supercloud/akash/app/genesis"
)

const chainID = "localakash"

// user is an account of the load. Its transactions have to be sent in the order in which they were signed.
type user struct {
	key      *secp256k1.PrivKey
	address  string
	number   uint64
	sequence uint64
}

// newUsers makes n accounts, the same ones each time. Their numbers are those of a genesis in which only the
// validator's account comes before them.
func newUsers(n int) []*user {
	users := make([]*user, n)
	for i := range users {
		key := secp256k1.GenPrivKeyFromSecret([]byte("bench " + strconv.Itoa(i)))
		users[i] = &user{key: key, address: sdk.AccAddress(key.PubKey().Address()).String(), number: uint64(i + 1)}
	}
	return users
}

// funds are the users' accounts at genesis.
func funds(users []*user) []genesis.Account {
	accounts := make([]genesis.Account, len(users))
	for i, u := range users {
		accounts[i] = genesis.Account{Address: u.address, Coins: sdk.NewCoins(sdk.NewInt64Coin(app.BondDenom, 1e14), sdk.NewInt64Coin(app.CreditDenom, 1e14))}
	}
	return accounts
}

// sign returns a transaction of u.
func (u *user) sign(gas uint64, msgs ...proto.Message) ([]byte, error) {
	anys := make([]*codectypes.Any, len(msgs))
	for i, m := range msgs {
		var err error
		if anys[i], err = codectypes.NewAnyWithValue(m); err != nil {
			return nil, err
		}
	}
	body, err := (&txtypes.TxBody{Messages: anys}).Marshal()
	if err != nil {
		return nil, err
	}
	pub, err := codectypes.NewAnyWithValue(u.key.PubKey())
	if err != nil {
		return nil, err
	}
	auth, err := (&txtypes.AuthInfo{
		SignerInfos: []*txtypes.SignerInfo{{
			PublicKey: pub, Sequence: u.sequence,
			ModeInfo: &txtypes.ModeInfo{Sum: &txtypes.ModeInfo_Single_{Single: &txtypes.ModeInfo_Single{Mode: signing.SignMode_SIGN_MODE_DIRECT}}},
		}},
		Fee: &txtypes.Fee{Amount: sdk.NewCoins(sdk.NewInt64Coin(app.BondDenom, int64(gas/400+1))), GasLimit: gas},
	}).Marshal()
	if err != nil {
		return nil, err
	}
	doc, err := (&txtypes.SignDoc{BodyBytes: body, AuthInfoBytes: auth, ChainId: chainID, AccountNumber: u.number}).Marshal()
	if err != nil {
		return nil, err
	}
	sig, err := u.key.Sign(doc)
	if err != nil {
		return nil, err
	}
	raw, err := (&txtypes.TxRaw{BodyBytes: body, AuthInfoBytes: auth, Signatures: [][]byte{sig}}).Marshal()
	if err != nil {
		return nil, err
	}
	u.sequence++
	return raw, nil
}

// request is the RPC's request that sends tx.
func request(tx []byte, err error) ([]byte, error) {
	call := `{"jsonrpc":"2.0","id":1,"method":"broadcast_tx_sync","params":{"tx":"` + base64.StdEncoding.EncodeToString(tx) + `"}}`
	return fmt.Appendf(nil, "POST / HTTP/1.1\r\nHost: node\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(call), call), err
}

// Gas limits: what a message uses, and a third more.
const (
	gasSend     = 120_000
	gasProvider = 200_000
	gasCreate   = 250_000
	gasBid      = 300_000
	gasLease    = 350_000
	gasClose    = 400_000
)

func val(n int64) resources.ResourceValue { return resources.ResourceValue{Val: math.NewInt(n)} }

// group is what a small web application asks for.
func group() deploymentv1beta4.GroupSpec {
	return deploymentv1beta4.GroupSpec{
		Name:         "westcoast",
		Requirements: attributesv1.PlacementRequirements{Attributes: []attributesv1.Attribute{{Key: "region", Value: "us-west"}}},
		Resources: []deploymentv1beta4.ResourceUnit{{
			Resources: resources.Resources{
				ID: 1, CPU: &resources.CPU{Units: val(100)}, Memory: &resources.Memory{Quantity: val(128 << 20)}, GPU: &resources.GPU{Units: val(0)},
				Storage:   []resources.Storage{{Name: "default", Quantity: val(512 << 20)}},
				Endpoints: []resources.Endpoint{{Kind: resources.Endpoint_SHARED_HTTP}},
			},
			Count: 1, Price: sdk.NewInt64DecCoin(app.CreditDenom, 100),
		}},
	}
}

func deposit(n int64) depositv1.Deposit {
	return depositv1.Deposit{Amount: sdk.NewInt64Coin(app.CreditDenom, n), Sources: []depositv1.Source{depositv1.SourceBalance}}
}

var region = []attributesv1.Attribute{{Key: "region", Value: "us-west"}}

// kind is one step of a lease's life, as a message of one user.
type kind int

const (
	create kind = iota
	bid
	lease
	closing
)

var kinds = []kind{create, bid, lease, closing}

func (k kind) String() string { return [...]string{"create", "bid", "lease", "close"}[k] }

// life is one lease's life: a tenant and a provider, and the deployment's number.
type life struct {
	tenant, provider *user
	dseq             uint64
}

// step is tx as a request.
func (l *life) step(k kind) ([]byte, error) { return request(l.tx(k)) }

// tx signs one step of the life.
func (l *life) tx(k kind) ([]byte, error) {
	id := deploymentv1.DeploymentID{Owner: l.tenant.address, DSeq: l.dseq}
	bidID := marketv1.MakeBidID(marketv1.MakeOrderID(deploymentv1.MakeGroupID(id, 1), 1), l.provider.address)
	switch k {
	case create:
		hash := make([]byte, 32)
		copy(hash, l.tenant.address[6:])
		return l.tenant.sign(gasCreate, &deploymentv1beta4.MsgCreateDeployment{ID: id, Groups: []deploymentv1beta4.GroupSpec{group()}, Hash: hash, Deposit: deposit(5_000_000)})
	case bid:
		return l.provider.sign(gasBid, &marketv1beta5.MsgCreateBid{ID: bidID, Price: sdk.NewInt64DecCoin(app.CreditDenom, 77), Deposit: deposit(500_000)})
	case lease:
		return l.tenant.sign(gasLease, &marketv1beta5.MsgCreateLease{BidID: bidID})
	}
	return l.tenant.sign(gasClose, &deploymentv1beta4.MsgCloseDeployment{ID: id})
}

func (u *user) send(to *user) ([]byte, error) {
	return request(u.sign(gasSend, &banktypes.MsgSend{FromAddress: u.address, ToAddress: to.address, Amount: sdk.NewCoins(sdk.NewInt64Coin(app.BondDenom, 1))}))
}

func (u *user) register() ([]byte, error) { return request(u.registerTx()) }

func (u *user) registerTx() ([]byte, error) {
	return u.sign(gasProvider, &providerv1beta4.MsgCreateProvider{Owner: u.address, HostURI: "https://provider.localhost:8443", Attributes: region})
}
