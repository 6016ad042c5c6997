package app_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	abci "github.com/cometbft/cometbft/abci/types"
	dbm "github.com/cosmos/cosmos-db"

	"cosmossdk.io/log/v2"

	"github.com/cosmos/cosmos-sdk/baseapp"
	"github.com/cosmos/cosmos-sdk/client/tx"
	"github.com/cosmos/cosmos-sdk/crypto/hd"
	"github.com/cosmos/cosmos-sdk/crypto/keyring"
	"github.com/cosmos/cosmos-sdk/server"
	sdk "github.com/cosmos/cosmos-sdk/types"
	"github.com/cosmos/cosmos-sdk/types/tx/signing"
	banktypes "github.com/cosmos/cosmos-sdk/x/bank/types"
	genutiltypes "github.com/cosmos/cosmos-sdk/x/genutil/types"

	attributesv1 "github.com/akash-supercloud/akash/api/akash/base/attributes/v1"
	deploymentv1 "github.com/akash-supercloud/akash/api/akash/deployment/v1"
	deploymentv1beta4 "github.com/akash-supercloud/akash/api/akash/deployment/v1beta4"
	marketv1 "github.com/akash-supercloud/akash/api/akash/market/v1"
	marketv1beta5 "github.com/akash-supercloud/akash/api/akash/market/v1beta5"
	providerv1beta4 "github.com/akash-supercloud/akash/api/akash/provider/v1beta4"
	tradev1 "github.com/akash-supercloud/akash/api/akash/trade/v1"
	"github.com/akash-supercloud/akash/app"
	"github.com/akash-supercloud/akash/app/genesis"
	"github.com/akash-supercloud/akash/app/node"
)

type options map[string]any

func (o options) Get(name string) any { return o[name] }

// TestEqualHashes runs the same random blocks on nodes that differ in every way that a node may choose: signature cache
// off, on, tiny; sequential and parallel execution. All agree on each block's hash, on each transaction's code and gas.
// The blocks hold good transactions and bad ones: forged signatures, old sequences, transactions that some nodes
// never saw before, and some twice.
func TestEqualHashes(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	if s := os.Getenv("AKASH_TEST_SEED"); s != "" {
		var err error
		if seed, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("AKASH_TEST_SEED=%d", seed)
	r := rand.New(rand.NewPCG(seed, 1))

	enc := app.NewEncoding()
	kr := keyring.NewInMemory(enc.Codec)
	const users = 6
	var accounts []genesis.Account
	var addrs []string
	for i := range users {
		k, _, err := kr.NewMnemonic(fmt.Sprint(i), keyring.English, sdk.FullFundraiserPath, "", hd.Secp256k1)
		if err != nil {
			t.Fatal(err)
		}
		a, err := k.GetAddress()
		if err != nil {
			t.Fatal(err)
		}
		addrs = append(addrs, a.String())
		accounts = append(accounts, genesis.Account{Address: a.String(), Coins: sdk.NewCoins(sdk.NewInt64Coin("uakt", funds), sdk.NewInt64Coin("uact", funds))})
	}
	home := t.TempDir()
	if err := node.Init(home, node.GenesisConfig{Accounts: accounts}); err != nil {
		t.Fatal(err)
	}
	appGenesis, err := genutiltypes.AppGenesisFromFile(home + "/config/genesis.json")
	if err != nil {
		t.Fatal(err)
	}
	params := appGenesis.Consensus.Params.ToProto()
	// Orders expire and grace ends within the test's blocks, which are a second apart.
	var state map[string]json.RawMessage
	if err := json.Unmarshal(appGenesis.AppState, &state); err != nil {
		t.Fatal(err)
	}
	state["trade"] = json.RawMessage(`{"params":{"order_lifetime":"7s","grace_blocks":"4"}}`)
	if appGenesis.AppState, err = json.Marshal(state); err != nil {
		t.Fatal(err)
	}

	kinds := []options{
		{app.OptionSignatureCache: 0},
		{},
		{app.OptionSignatureCache: 3},
		{app.OptionSignatureCache: 0, server.FlagBlockExecutor: "block-stm", server.FlagBlockSTMWorkers: 4},
		{server.FlagBlockExecutor: "block-stm", server.FlagBlockSTMWorkers: 4},
	}
	now := time.Now().UTC()
	var nodes []*app.App
	for _, o := range kinds {
		a := app.New(log.NewNopLogger(), dbm.NewMemDB(), o, baseapp.SetChainID("localakash"), baseapp.SetMinGasPrices(app.MinGasPrices))
		res, err := a.InitChain(&abci.RequestInitChain{ChainId: "localakash", AppStateBytes: appGenesis.AppState, ConsensusParams: &params, InitialHeight: 1, Time: now})
		if err != nil {
			t.Fatal(err)
		}
		if len(res.Validators) != 1 {
			t.Fatalf("%d validators", len(res.Validators))
		}
		nodes = append(nodes, a)
	}

	sequence := make([]uint64, users)
	nextDSeq := uint64(0)
	var orders []marketv1.OrderID
	var bids []marketv1.BidID
	message := func(u int) sdk.Msg {
		me := addrs[u]
		switch n := r.IntN(12); {
		case n == 10 && r.IntN(2) == 0:
			return &tradev1.MsgDenyProviders{Owner: me, Providers: []string{addrs[(u+1+r.IntN(users-1))%users]}}
		case n == 10:
			return &tradev1.MsgAllowProviders{Owner: me, Providers: []string{addrs[(u+1+r.IntN(users-1))%users]}}
		case n == 11 && len(bids) > 0:
			return &tradev1.MsgWithdrawLeases{Provider: bids[0].Provider, Leases: []marketv1.LeaseID{bids[r.IntN(len(bids))].LeaseID()}}
		case n == 11:
			return &tradev1.MsgUpdateParams{Authority: me, Params: tradev1.Params{}}
		case n < 4:
			return &banktypes.MsgSend{FromAddress: me, ToAddress: addrs[r.IntN(users)], Amount: sdk.NewCoins(sdk.NewInt64Coin("uact", int64(1+r.IntN(50))))}
		case n < 5:
			return &providerv1beta4.MsgCreateProvider{Owner: me, HostURI: "https://p.localhost", Attributes: []attributesv1.Attribute{{Key: "region", Value: "us-west"}}}
		case n < 7:
			nextDSeq++
			id := deploymentv1.DeploymentID{Owner: me, DSeq: nextDSeq}
			orders = append(orders, marketv1.MakeOrderID(deploymentv1.MakeGroupID(id, 1), 1))
			return &deploymentv1beta4.MsgCreateDeployment{ID: id, Groups: []deploymentv1beta4.GroupSpec{group(200_000)}, Hash: make([]byte, 32), Deposit: deposit(500_000)}
		case n < 8 && len(orders) > 0:
			id := marketv1.MakeBidID(orders[r.IntN(len(orders))], me)
			bids = append(bids, id)
			return &marketv1beta5.MsgCreateBid{ID: id, Price: sdk.NewInt64DecCoin("uact", 150_000), Deposit: deposit(500_000)}
		case n < 9 && len(bids) > 0:
			return &marketv1beta5.MsgCreateLease{BidID: bids[r.IntN(len(bids))]}
		case len(bids) > 0:
			return &deploymentv1beta4.MsgCloseDeployment{ID: bids[r.IntN(len(bids))].DeploymentID()}
		}
		return &banktypes.MsgSend{FromAddress: me, ToAddress: addrs[0], Amount: sdk.NewCoins(sdk.NewInt64Coin("uakt", 1))}
	}
	who := map[string]int{}
	for i, a := range addrs {
		who[a] = i
	}
	// author makes u the one who has to sign what message has made.
	author := func(msg sdk.Msg, u int) int {
		switch m := msg.(type) {
		case *marketv1beta5.MsgCreateLease:
			return who[m.BidID.Owner]
		case *tradev1.MsgWithdrawLeases:
			m.Provider = m.Leases[0].Provider
			return who[m.Provider]
		case *deploymentv1beta4.MsgCloseDeployment:
			return who[m.ID.Owner]
		}
		return u
	}

	ok, refused, events := 0, 0, map[string]int{} // events of blocks, not of transactions
	for height := int64(1); height <= 40; height++ {
		var block [][]byte
		for range r.IntN(8) * int(min(height-1, 1)) { // nothing before the first commit
			u := r.IntN(users)
			msg := message(u)
			u = author(msg, u)
			b := enc.TxConfig.NewTxBuilder()
			if err := b.SetMsgs(msg); err != nil {
				t.Fatal(err)
			}
			b.SetGasLimit(2_000_000)
			b.SetFeeAmount(sdk.NewCoins(sdk.NewInt64Coin("uakt", fee)))
			f := tx.Factory{}.WithChainID("localakash").WithKeybase(kr).WithTxConfig(enc.TxConfig).WithSignMode(signing.SignMode_SIGN_MODE_DIRECT)
			acc := nodes[0].Account.GetAccount(nodes[0].NewContext(true), sdk.MustAccAddressFromBech32(addrs[u]))
			f = f.WithAccountNumber(acc.GetAccountNumber()).WithSequence(sequence[u])
			bad := r.IntN(6)
			if bad == 0 {
				f = f.WithSequence(sequence[u] + uint64(r.IntN(3)))
			}
			if err := tx.Sign(context.Background(), f, fmt.Sprint(u), b, true); err != nil {
				t.Fatal(err)
			}
			if bad == 1 { // forge: a good signature for other bytes
				b.SetMemo("forged")
			}
			raw, err := enc.TxConfig.TxEncoder()(b.GetTx())
			if err != nil {
				t.Fatal(err)
			}
			block = append(block, raw)
			if bad > 1 {
				sequence[u]++
			}
			if r.IntN(8) == 0 {
				block = append(block, raw)
			}
		}
		for _, a := range nodes {
			for _, raw := range block {
				if r.IntN(4) == 0 {
					continue // this node never saw it
				}
				if _, err := a.CheckTx(&abci.RequestCheckTx{Tx: raw}); err != nil {
					t.Fatal(err)
				}
			}
		}
		var first *abci.ResponseFinalizeBlock
		for i, a := range nodes {
			res, err := a.FinalizeBlock(&abci.RequestFinalizeBlock{Height: height, Time: now.Add(time.Duration(height) * time.Second), Txs: block})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := a.Commit(); err != nil {
				t.Fatal(err)
			}
			if i == 0 {
				first = res
				for _, e := range res.Events {
					events[e.Type]++
				}
				for _, x := range res.TxResults {
					if x.Code == 0 {
						ok++
					} else {
						refused++
					}
				}
				continue
			}
			for j := range res.TxResults {
				if x, y := first.TxResults[j], res.TxResults[j]; x.Code != y.Code || x.GasUsed != y.GasUsed || x.Codespace != y.Codespace {
					t.Errorf("block %d, transaction %d: node 0 %s/%d gas %d, node %d %s/%d gas %d: %s", height, j, x.Codespace, x.Code, x.GasUsed, i, y.Codespace, y.Code, y.GasUsed, y.Log)
				}
			}
			if !bytes.Equal(first.AppHash, res.AppHash) {
				t.Fatalf("block %d: node %d (%v) has another hash than node 0", height, i, kinds[i])
			}
		}
		for u := range users {
			acc := nodes[0].Account.GetAccount(nodes[0].NewContext(true), sdk.MustAccAddressFromBech32(addrs[u]))
			sequence[u] = acc.GetSequence()
		}
	}
	if ok < 20 || refused < 10 {
		t.Errorf("%d good and %d bad transactions are too few to tell", ok, refused)
	}
	if err := nodes[0].Invariants(nodes[0].NewContext(true)); err != nil {
		t.Error(err)
	}
	t.Logf("%d good and %d bad transactions, %d orders expired, %d accounts ran dry", ok, refused,
		events["akash.events.v1.EventOrderExpired"], events["akash.events.v1.EventAccountOverdrawn"])
	if events["akash.events.v1.EventOrderExpired"] == 0 {
		t.Error("no order expired: the test tests less than it should")
	}
}
