package app

import (
	"context"
	"errors"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/cosmos/cosmos-sdk/client"
	sdk "github.com/cosmos/cosmos-sdk/types"
	txtypes "github.com/cosmos/cosmos-sdk/types/tx"
	authtx "github.com/cosmos/cosmos-sdk/x/auth/tx"
)

// txService is the SDK's service of transactions, whose Simulate says every refusal with the status Unknown. Here it has
// the status that the error is registered with, so that REST answers 404 or 400 rather than 500. The text stays the SDK's.
type txService struct {
	txtypes.ServiceServer
	app *App
	ctx client.Context
}

// Simulate runs a transaction without a block.
func (s txService) Simulate(ctx context.Context, req *txtypes.SimulateRequest) (*txtypes.SimulateResponse, error) {
	var refused error
	one := authtx.NewTxServer(s.ctx, func(raw []byte) (sdk.GasInfo, *sdk.Result, error) {
		gas, res, err := s.app.Simulate(raw)
		refused = err
		return gas, res, err
	}, s.app.Registry)
	res, err := one.Simulate(ctx, req)
	var registered interface{ GRPCStatus() *status.Status }
	if err != nil && errors.As(refused, &registered) {
		if c := registered.GRPCStatus().Code(); c != codes.OK {
			err = status.Error(c, status.Convert(err).Message())
		}
	}
	return res, err
}
