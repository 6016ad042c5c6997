package node

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	cmtcfg "github.com/cometbft/cometbft/config"
	rpchttp "github.com/cometbft/cometbft/rpc/client/http"
	"github.com/cometbft/cometbft/store"
	cmttypes "github.com/cometbft/cometbft/types"

	"cosmossdk.io/log/v2"

	genutiltypes "github.com/cosmos/cosmos-sdk/x/genutil/types"
)

const (
	// trustBehind is how many blocks below the newest a node begins to trust: below the snapshots that servers
	// still have, whose headers are then proved from it on.
	trustBehind = 2000
	// askServer is how long one RPC server may take to answer.
	askServer = 15 * time.Second
	// leastTrust is how long a header is trusted at least, for chains whose stake is free again soon.
	leastTrust = time.Minute
)

// stateSync makes comet begin from a snapshot of the network instead of block 1. The block that it trusts is one
// that all servers have alike. A node that has blocks already, or a height and hash in its config, is left as it is.
func stateSync(ctx context.Context, comet *cmtcfg.Config, servers []string, logger log.Logger) error {
	if len(servers) < 2 {
		return fmt.Errorf("--state-sync names %d RPC server; name two or more, of different operators, as in http://a:26657,http://b:26657: one could lie", len(servers))
	}
	height, err := blockHeight(comet)
	if err != nil {
		return err
	}
	if height > 0 {
		logger.Info("this node has blocks already: it goes on from there, without state sync", "home", comet.RootDir)
		return nil
	}
	doc, err := genutiltypes.AppGenesisFromFile(comet.GenesisFile())
	if err != nil {
		return fmt.Errorf("genesis %s: %w", comet.GenesisFile(), err)
	}
	urls := make([]string, len(servers))
	for i, s := range servers {
		urls[i] = rpcURL(s)
	}
	// Whoever signed the trusted block must still have stake to lose.
	trust := max(doc.Consensus.Params.Evidence.MaxAgeDuration*2/3, leastTrust)
	var trusted *cmttypes.SignedHeader
	for i, url := range urls {
		c, err := askAt(ctx, url, doc.ChainID, trust, &height)
		if err != nil {
			return fmt.Errorf("state sync from %s: %w", servers[i], err)
		}
		switch {
		case trusted == nil:
			trusted = c
		case trusted.Commit.BlockID.Hash.String() != c.Commit.BlockID.Hash.String():
			return fmt.Errorf("%s and %s have different blocks %d (%s and %s): one of them is of another network or lies; ask an operator whom you trust which",
				servers[0], servers[i], height, trusted.Commit.BlockID.Hash, c.Commit.BlockID.Hash)
		}
	}
	s := *comet.StateSync
	s.Enable, s.RPCServers, s.TrustHeight, s.TrustHash = true, urls, height, trusted.Commit.BlockID.Hash.String()
	s.DiscoveryTime = min(s.DiscoveryTime, 5*time.Second)
	s.TrustPeriod = trust
	comet.StateSync = &s
	logger.Info("state sync: all servers have the same block; compare its hash with somebody you trust", "height", height, "hash", s.TrustHash)
	return s.ValidateBasic()
}

// blockHeight is the newest block that a node that doesn't run has; 0: none.
func blockHeight(comet *cmtcfg.Config) (int64, error) {
	path := filepath.Join(comet.DBDir(), "blockstore.db")
	if _, err := os.Stat(path); err != nil {
		return 0, nil
	}
	db, err := cmtcfg.DefaultDBProvider(&cmtcfg.DBContext{ID: "blockstore", Config: comet})
	if err != nil {
		return 0, fmt.Errorf("the blocks in %s can't be read: %w", path, err)
	}
	defer db.Close()
	return store.LoadBlockStoreState(db).Height, nil
}

func rpcURL(s string) string {
	s = strings.Replace(strings.TrimSpace(s), "tcp://", "http://", 1)
	if !strings.Contains(s, "://") {
		s = "http://" + s
	}
	return strings.TrimSuffix(s, "/")
}

// askAt asks the server at url for the header at *height, which it chooses if it is 0: so old that snapshots lie above it, but
// not older than half of what it can be trusted for.
func askAt(ctx context.Context, url, chainID string, trust time.Duration, height *int64) (*cmttypes.SignedHeader, error) {
	ctx, cancel := context.WithTimeout(ctx, askServer)
	defer cancel()
	c, err := rpchttp.NewWithClient(url, "/websocket", &http.Client{Timeout: askServer})
	if err != nil {
		return nil, err
	}
	status, err := c.Status(ctx)
	if err != nil {
		return nil, fmt.Errorf("it doesn't answer: %w", err)
	}
	if status.NodeInfo.Network != chainID {
		return nil, fmt.Errorf("it is of chain %q, this node's genesis is of %q", status.NodeInfo.Network, chainID)
	}
	if *height == 0 {
		if status.SyncInfo.CatchingUp {
			return nil, errors.New("it still catches up itself; name another server")
		}
		latest := status.SyncInfo.LatestBlockHeight
		for h := max(latest-trustBehind, status.SyncInfo.EarliestBlockHeight, 1); ; h += (latest - h + 1) / 2 {
			res, err := c.Commit(ctx, &h)
			if err != nil {
				return nil, fmt.Errorf("it doesn't have block %d: %w", h, err)
			}
			age := time.Since(res.Header.Time)
			if age < trust/2 || h >= latest && age < trust {
				*height = h
				break
			}
			if h >= latest {
				return nil, fmt.Errorf("its newest block is %s old, which is too old to be trusted (%s): the chain stands still or the server is behind; start without --state-sync to take all blocks",
					age.Round(time.Second), trust)
			}
		}
	}
	res, err := c.Commit(ctx, height)
	if err != nil {
		return nil, fmt.Errorf("it doesn't have block %d: %w", *height, err)
	}
	if err := res.SignedHeader.ValidateBasic(chainID); err != nil {
		return nil, fmt.Errorf("its block %d: %w", *height, err)
	}
	return &res.SignedHeader, nil
}
