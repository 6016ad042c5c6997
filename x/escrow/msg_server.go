package escrow

import (
	types "github.com/akash-supercloud/akash/api/akash/escrow/v1"
)

type msgServer struct {
	*types.UnimplementedMsgServer
	*Keeper
}

// NewMsgServer returns the handlers of the module's messages.
func NewMsgServer(k *Keeper) types.MsgServer { return msgServer{Keeper: k} }
