package tx

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	abci "github.com/cometbft/cometbft/abci/types"
	cmtbytes "github.com/cometbft/cometbft/libs/bytes"
	coretypes "github.com/cometbft/cometbft/rpc/core/types"
	cmttypes "github.com/cometbft/cometbft/types"
	sdkclient "github.com/cosmos/cosmos-sdk/client"
	sdk "github.com/cosmos/cosmos-sdk/types"
	authtypes "github.com/cosmos/cosmos-sdk/x/auth/types"
	"github.com/cosmos/gogoproto/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// RPC is the part of CometBFT's RPC client that a Node needs.
type RPC interface {
	ABCIQuery(ctx context.Context, path string, data cmtbytes.HexBytes) (*coretypes.ResultABCIQuery, error)
	BroadcastTxSync(ctx context.Context, tx cmttypes.Tx) (*coretypes.ResultBroadcastTx, error)
	Tx(ctx context.Context, hash []byte, prove bool) (*coretypes.ResultTx, error)
	Status(ctx context.Context) (*coretypes.ResultStatus, error)
	Block(ctx context.Context, height *int64) (*coretypes.ResultBlock, error)
	BlockResults(ctx context.Context, height *int64) (*coretypes.ResultBlockResults, error)
}

// NewNode makes a Chain of a node's RPC and gRPC. Each call to the node ends after 10 s.
func NewNode(rpc RPC, conn grpc.ClientConn) Chain {
	return &node{rpc: rpc, auth: authtypes.NewQueryClient(conn)}
}

type node struct {
	rpc  RPC
	auth authtypes.QueryClient
}

const callTime = 10 * time.Second

func (n *node) Account(ctx context.Context, address string) (uint64, uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	res, err := n.auth.AccountInfo(ctx, &authtypes.QueryAccountInfoRequest{Address: address})
	if status.Code(err) == codes.NotFound {
		return 0, 0, ErrNoAccount
	}
	if err != nil {
		return 0, 0, err
	}
	return res.Info.AccountNumber, res.Info.Sequence, nil
}

// Simulate goes over RPC: over gRPC the codespace and code of a failure are lost.
func (n *node) Simulate(ctx context.Context, raw []byte) (uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	res, err := n.rpc.ABCIQuery(ctx, "/app/simulate", raw)
	if err != nil {
		return 0, err
	}
	if res.Response.Code != abci.CodeTypeOK {
		return 0, NewError(res.Response.Codespace, res.Response.Code, res.Response.Log)
	}
	var sim struct {
		GasInfo struct {
			GasUsed json.RawMessage `json:"gas_used"`
		} `json:"gas_info"`
	}
	if err := json.Unmarshal(res.Response.Value, &sim); err != nil {
		return 0, fmt.Errorf("the node's simulation can't be read: %w", err)
	}
	gas, err := strconv.ParseUint(strings.Trim(string(sim.GasInfo.GasUsed), `"`), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("the node's simulation can't be read: %w", err)
	}
	return gas, nil
}

func (n *node) Broadcast(ctx context.Context, raw []byte) error {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	res, err := n.rpc.BroadcastTxSync(ctx, raw)
	if err != nil {
		if r := sdkclient.CheckCometError(err, raw); r != nil {
			return NewError(r.Codespace, r.Code, err.Error())
		}
		return err
	}
	if res.Code != abci.CodeTypeOK {
		return NewError(res.Codespace, res.Code, res.Log)
	}
	return nil
}

func (n *node) Tx(ctx context.Context, hash []byte) (*sdk.TxResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	res, err := n.rpc.Tx(ctx, hash, false)
	if err != nil {
		switch text := err.Error(); {
		case strings.Contains(text, "not found"):
			return nil, ErrNotFound
		case strings.Contains(text, "indexing is disabled"):
			return nil, ErrNoIndex
		}
		return nil, err
	}
	return response(res.Hash, res.Height, &res.TxResult), nil
}

func (n *node) Height(ctx context.Context) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	res, err := n.rpc.Status(ctx)
	if err != nil {
		return 0, err
	}
	return res.SyncInfo.LatestBlockHeight, nil
}

func (n *node) Scan(ctx context.Context, hash []byte, from, to int64) (*sdk.TxResponse, error) {
	for h := max(from, 1); h <= to; h++ {
		res, err := n.scan(ctx, hash, h)
		if !errors.Is(err, ErrNotFound) {
			return res, err
		}
	}
	return nil, ErrNotFound
}

func (n *node) scan(ctx context.Context, hash []byte, height int64) (*sdk.TxResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	block, err := n.rpc.Block(ctx, &height)
	if err != nil {
		return nil, err
	}
	for i, raw := range block.Block.Txs {
		if string(raw.Hash()) != string(hash) {
			continue
		}
		results, err := n.rpc.BlockResults(ctx, &height)
		if err != nil {
			return nil, err
		}
		if i >= len(results.TxsResults) {
			return nil, fmt.Errorf("block %d has no result for its transaction %d", height, i)
		}
		return response(hash, height, results.TxsResults[i]), nil
	}
	return nil, ErrNotFound
}

func response(hash []byte, height int64, r *abci.ExecTxResult) *sdk.TxResponse {
	return &sdk.TxResponse{
		TxHash: strings.ToUpper(fmt.Sprintf("%x", hash)), Height: height, Codespace: r.Codespace, Code: r.Code,
		Data: strings.ToUpper(fmt.Sprintf("%x", r.Data)), RawLog: r.Log, Info: r.Info,
		GasWanted: r.GasWanted, GasUsed: r.GasUsed, Events: r.Events,
	}
}
