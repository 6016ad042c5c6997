package ante

import (
	"bytes"
	"encoding/hex"

	"github.com/cosmos/cosmos-sdk/crypto/keys/multisig"
	"github.com/cosmos/cosmos-sdk/crypto/keys/secp256k1"
	cryptotypes "github.com/cosmos/cosmos-sdk/crypto/types"
	storetypes "github.com/cosmos/cosmos-sdk/store/v2/types"
	sdkerrors "github.com/cosmos/cosmos-sdk/types/errors"
	"github.com/cosmos/cosmos-sdk/types/tx/signing"
	sdkante "github.com/cosmos/cosmos-sdk/x/auth/ante"
	authtypes "github.com/cosmos/cosmos-sdk/x/auth/types"
)

// signatureGas charges for a signature as the SDK does, and refuses what the two libraries that a node may be built
// with, libsecp256k1 and pure Go, don't agree on: keys in another form than the compressed one (only members of a
// multisig key can have one; the address of a single key is made of the compressed form), and numbers that aren't
// below the curve's order, which pure Go reduces and libsecp256k1 refuses. A test holds that they agree on the rest.
func signatureGas(meter storetypes.GasMeter, sig signing.SignatureV2, params authtypes.Params) error {
	if !agreed(sig.PubKey, sig.Data) {
		return sdkerrors.ErrUnauthorized.Wrap("a secp256k1 key isn't in its compressed form of 33 bytes, or a signature isn't in its canonical form")
	}
	return sdkante.DefaultSigVerificationGasConsumer(meter, sig, params)
}

// order is the order of the curve secp256k1.
var order, _ = hex.DecodeString("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141")

func agreed(key cryptotypes.PubKey, data signing.SignatureData) bool {
	switch k := key.(type) {
	case *secp256k1.PubKey:
		if len(k.Key) != secp256k1.PubKeySize {
			return false
		}
		// Other lengths than 64 bytes, as in simulations, no library takes for a signature.
		if d, ok := data.(*signing.SingleSignatureData); ok && len(d.Signature) == 64 {
			return bytes.Compare(d.Signature[:32], order) < 0 && bytes.Compare(d.Signature[32:], order) < 0
		}
	case *multisig.LegacyAminoPubKey:
		members := k.GetPubKeys()
		signatures, _ := data.(*signing.MultiSignatureData)
		next := 0
		for i, member := range members {
			// Signatures are in order of the members that signed; where they don't fit, the SDK refuses them.
			var d signing.SignatureData
			if signatures != nil && signatures.BitArray.Count() == len(members) && signatures.BitArray.GetIndex(i) && next < len(signatures.Signatures) {
				d = signatures.Signatures[next]
				next++
			}
			if !agreed(member, d) {
				return false
			}
		}
	}
	return true
}
