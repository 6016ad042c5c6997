package escrow

import (
	"cosmossdk.io/core/address"

	"github.com/akash-supercloud/akash/x/internal/signer"
)

// Signers is empty: the signer of each message of this module is a field of the message.
// It exists so that the application treats all modules alike.
func Signers(address.Codec) signer.Funcs { return nil }
