package market

import (
	types "github.com/akash-supercloud/akash/api/akash/market/v1beta5"
)

type queryServer struct {
	*types.UnimplementedQueryServer
	*Keeper
}

// NewQueryServer returns the module's queries.
func NewQueryServer(k *Keeper) types.QueryServer { return queryServer{Keeper: k} }
