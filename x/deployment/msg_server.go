package deployment

import (
	types "github.com/akash-supercloud/akash/api/akash/deployment/v1beta4"
)

type msgServer struct {
	*types.UnimplementedMsgServer
	*Keeper
}

// NewMsgServer returns the handlers of the module's messages.
func NewMsgServer(k *Keeper) types.MsgServer { return msgServer{Keeper: k} }
