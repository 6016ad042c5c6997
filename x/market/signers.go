package market

import (
	"cosmossdk.io/core/address"

	"github.com/akash-supercloud/akash/x/internal/signer"
)

// Signers returns how to find the signer of each message of this module that keeps it
// inside an identifier. The application passes them to its signing options.
func Signers(codec address.Codec) signer.Funcs {
	provider := signer.Nested(codec, "id", "provider")
	return signer.Funcs{
		"akash.market.v1beta5.MsgCreateBid":         provider,
		"akash.market.v1beta5.MsgCloseBid":          provider,
		"akash.market.v1beta5.MsgWithdrawLease":     provider,
		"akash.market.v1beta5.MsgLeaseStartReclaim": provider,
		"akash.market.v1beta5.MsgCreateLease":       signer.Nested(codec, "bid_id", "owner"),
		"akash.market.v1beta5.MsgCloseLease":        signer.Nested(codec, "id", "owner"),
	}
}
