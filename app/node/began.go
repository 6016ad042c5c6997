package node

import (
	"bytes"
	"fmt"

	cmtcfg "github.com/cometbft/cometbft/config"
	cmtjson "github.com/cometbft/cometbft/libs/json"
	cmttypes "github.com/cometbft/cometbft/types"

	"cosmossdk.io/log/v2"

	genutiltypes "github.com/cosmos/cosmos-sdk/x/genutil/types"
)

// genesisKey is where CometBFT keeps the genesis that a node began with.
var genesisKey = []byte("genesisDoc")

// sameGenesis makes sure that the genesis in the config is the one that the node began with: CometBFT goes on with the old
// one whatever the file says by now. A node that has no block yet takes the new one.
func sameGenesis(comet *cmtcfg.Config, genesis *genutiltypes.AppGenesis, open cmtcfg.DBProvider, logger log.Logger) error {
	db, err := open(&cmtcfg.DBContext{ID: "state", Config: comet})
	if err != nil {
		return startError(err, comet)
	}
	defer db.Close()
	kept, err := db.Get(genesisKey)
	if err != nil || len(kept) == 0 {
		return err
	}
	doc, err := genesis.ToGenesisDoc()
	if err == nil {
		err = doc.ValidateAndComplete()
	}
	if err != nil {
		return fmt.Errorf("genesis %s: %w", comet.GenesisFile(), err)
	}
	now, err := cmtjson.Marshal(doc)
	if err != nil {
		return err
	}
	var old *cmttypes.GenesisDoc
	if bytes.Equal(now, kept) || cmtjson.Unmarshal(kept, &old) != nil { // damaged: CometBFT says so
		return nil
	}
	if again, err := cmtjson.Marshal(old); err == nil && bytes.Equal(again, now) {
		return nil
	}
	height, err := blockHeight(comet)
	if err != nil {
		return startError(err, comet)
	}
	if height > 0 {
		return fmt.Errorf("genesis %s isn't the one that this node's %d blocks began with; put that one back, or, for another network, empty the data with `akash comet reset`",
			comet.GenesisFile(), height)
	}
	logger.Info("the genesis has changed before the first block: this node takes the new one", "genesis", comet.GenesisFile())
	// What CometBFT made of the old one.
	it, err := db.Iterator(nil, nil)
	if err != nil {
		return err
	}
	var keys [][]byte
	for ; it.Valid(); it.Next() {
		keys = append(keys, bytes.Clone(it.Key()))
	}
	if err := it.Close(); err != nil {
		return err
	}
	for _, k := range keys {
		if err := db.Delete(k); err != nil {
			return err
		}
	}
	return nil
}
