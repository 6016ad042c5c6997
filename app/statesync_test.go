package app_test

import (
	"path/filepath"
	"testing"
	"time"

	abci "github.com/cometbft/cometbft/abci/types"
	cmtproto "github.com/cometbft/cometbft/proto/tendermint/types"
	dbm "github.com/cosmos/cosmos-db"

	"cosmossdk.io/log/v2"

	"github.com/cosmos/cosmos-sdk/baseapp"
	"github.com/cosmos/cosmos-sdk/server"
	"github.com/cosmos/cosmos-sdk/store/v2/cache"
	"github.com/cosmos/cosmos-sdk/store/v2/snapshots"
	snapshottypes "github.com/cosmos/cosmos-sdk/store/v2/snapshots/types"
	banktypes "github.com/cosmos/cosmos-sdk/x/bank/types"
	genutiltypes "github.com/cosmos/cosmos-sdk/x/genutil/types"

	"github.com/akash-supercloud/akash/app"
	"github.com/akash-supercloud/akash/app/node"
)

// TestStateSyncForgets holds that a node that was asked things while it had no state yet goes on from a snapshot as the others do.
func TestStateSyncForgets(t *testing.T) {
	home := t.TempDir()
	if err := node.Init(home, node.GenesisConfig{}); err != nil {
		t.Fatal(err)
	}
	doc, err := genutiltypes.AppGenesisFromFile(home + "/config/genesis.json")
	if err != nil {
		t.Fatal(err)
	}
	open := func(name string) *app.App {
		db, err := dbm.NewDB("metadata", dbm.MemDBBackend, "")
		if err != nil {
			t.Fatal(err)
		}
		store, err := snapshots.NewStore(db, filepath.Join(home, name))
		if err != nil {
			t.Fatal(err)
		}
		a := app.New(log.NewNopLogger(), dbm.NewMemDB(), options{server.FlagInterBlockCache: true}, baseapp.SetChainID(doc.ChainID),
			baseapp.SetInterBlockCache(cache.NewCommitKVStoreCacheManager(cache.DefaultCommitKVStoreCacheSize)),
			baseapp.SetSnapshot(store, snapshottypes.NewSnapshotOptions(7, 2)))
		t.Cleanup(func() { _ = a.Close() })
		return a
	}
	a := open("a")
	params := doc.Consensus.Params.ToProto()
	now := time.Now().UTC()
	if _, err := a.InitChain(&abci.RequestInitChain{ChainId: doc.ChainID, AppStateBytes: doc.AppState, ConsensusParams: &params, InitialHeight: 1, Time: now}); err != nil {
		t.Fatal(err)
	}
	block := func(a *app.App, h int64) *abci.ResponseFinalizeBlock {
		t.Helper()
		res, err := a.FinalizeBlock(&abci.RequestFinalizeBlock{Height: h, Time: now.Add(time.Duration(h) * time.Second)})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := a.Commit(); err != nil {
			t.Fatal(err)
		}
		return res
	}
	const at = 7 // the one block behind which a snapshot is taken: nothing writes when the test ends
	var hash []byte
	for h := int64(1); h <= at; h++ {
		hash = block(a, h).AppHash
	}
	var list *abci.ResponseListSnapshots
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) { // it is taken behind the block
		if list, err = a.ListSnapshots(&abci.RequestListSnapshots{}); err != nil {
			t.Fatal(err)
		}
		if len(list.Snapshots) == 1 {
			break
		}
		if time.Now().After(end) {
			t.Fatal("no snapshot within 30 s")
		}
	}
	snapshot := list.Snapshots[0]

	b := open("b")
	builder := b.TxConfig.NewTxBuilder()
	if err := builder.SetMsgs(&banktypes.MsgSend{}); err != nil {
		t.Fatal(err)
	}
	raw, err := b.TxConfig.TxEncoder()(builder.GetTx())
	if err != nil {
		t.Fatal(err)
	}
	if offer, err := b.OfferSnapshot(&abci.RequestOfferSnapshot{Snapshot: snapshot, AppHash: hash}); err != nil || offer.Result != abci.ResponseOfferSnapshot_ACCEPT {
		t.Fatalf("%v %v", offer, err)
	}
	if _, err := b.CheckTx(&abci.RequestCheckTx{Tx: raw, Type: abci.CheckTxType_New}); err != nil {
		t.Fatal(err)
	}
	for i := range snapshot.Chunks {
		chunk, err := a.LoadSnapshotChunk(&abci.RequestLoadSnapshotChunk{Height: snapshot.Height, Format: snapshot.Format, Chunk: i})
		if err != nil {
			t.Fatal(err)
		}
		res, err := b.ApplySnapshotChunk(&abci.RequestApplySnapshotChunk{Index: i, Chunk: chunk.Chunk})
		if err != nil || res.Result != abci.ResponseApplySnapshotChunk_ACCEPT {
			t.Fatalf("%v %v", res, err)
		}
	}
	for h := int64(at + 1); h < 2*at; h++ {
		want, got := block(a, h), block(b, h)
		if string(want.AppHash) != string(got.AppHash) {
			t.Errorf("block %d: app hashes %X and %X", h, want.AppHash, got.AppHash)
		}
		if got.ConsensusParamUpdates == nil || *got.ConsensusParamUpdates == (cmtproto.ConsensusParams{}) || got.ConsensusParamUpdates.String() != want.ConsensusParamUpdates.String() {
			t.Errorf("block %d: consensus params %v and %v", h, want.ConsensusParamUpdates, got.ConsensusParamUpdates)
		}
	}
}
