package escrow

import (
	types "github.com/akash-supercloud/akash/api/akash/escrow/v1"
)

type queryServer struct {
	*types.UnimplementedQueryServer
	*Keeper
}

// NewQueryServer returns the module's queries.
func NewQueryServer(k *Keeper) types.QueryServer { return queryServer{Keeper: k} }
