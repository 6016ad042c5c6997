package deployment

import (
	"cosmossdk.io/core/address"

	"github.com/akash-supercloud/akash/x/internal/signer"
)

// Signers returns how to find the signer of each message of this module that keeps it
// inside an identifier. The application passes them to its signing options.
func Signers(codec address.Codec) signer.Funcs {
	owner := signer.Nested(codec, "id", "owner")
	return signer.Funcs{
		"akash.deployment.v1beta4.MsgCreateDeployment": owner,
		"akash.deployment.v1beta4.MsgUpdateDeployment": owner,
		"akash.deployment.v1beta4.MsgCloseDeployment":  owner,
		"akash.deployment.v1beta4.MsgCloseGroup":       owner,
		"akash.deployment.v1beta4.MsgPauseGroup":       owner,
		"akash.deployment.v1beta4.MsgStartGroup":       owner,
	}
}
