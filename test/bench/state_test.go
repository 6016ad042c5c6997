package main

import (
	"path/filepath"
	"testing"
	"time"

	abci "github.com/cometbft/cometbft/abci/types"
	dbm "github.com/cosmos/cosmos-db"

	"cosmossdk.io/log/v2"

	"github.com/cosmos/cosmos-sdk/baseapp"
	genutiltypes "github.com/cosmos/cosmos-sdk/x/genutil/types"

	"github.com/akash-supercloud/akash/app"
)

// TestFilledState holds that what the filler imports, in parts, is a state that the chain could have come to itself.
func TestFilledState(t *testing.T) {
	const n = 2500
	home := t.TempDir()
	if err := newHome(home, newUsers(1), n); err != nil {
		t.Fatal(err)
	}
	doc, err := genutiltypes.AppGenesisFromFile(filepath.Join(home, "config", "genesis.json"))
	if err != nil {
		t.Fatal(err)
	}
	m := machine{App: app.New(log.NewNopLogger(), dbm.NewMemDB(), appOptions{}, baseapp.SetChainID(chainID)), now: time.Unix(1_700_000_000, 0)}
	params := doc.Consensus.Params.ToProto()
	if _, err := m.InitChain(&abci.RequestInitChain{ChainId: chainID, AppStateBytes: doc.AppState, ConsensusParams: &params, InitialHeight: 1, Time: m.now}); err != nil {
		t.Fatal(err)
	}
	if _, err := m.block(nil); err != nil {
		t.Fatal(err)
	}
	f := filler{app: m.App}
	for from := 0; from < n; from += 1000 {
		if err := f.load(&abci.RequestFinalizeBlock{Height: m.height + 1, Time: m.now}, newChunk(from, min(from+1000, n))); err != nil {
			t.Fatal(err)
		}
		if _, err := m.block(nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := m.Invariants(m.NewContext(true)); err != nil {
		t.Error(err)
	}
}
