package ante

import (
	errorsmod "cosmossdk.io/errors"

	codectypes "github.com/cosmos/cosmos-sdk/codec/types"
	"github.com/cosmos/cosmos-sdk/crypto/keys/ed25519"
	"github.com/cosmos/cosmos-sdk/crypto/keys/multisig"
	"github.com/cosmos/cosmos-sdk/crypto/keys/secp256k1"
	"github.com/cosmos/cosmos-sdk/crypto/keys/secp256r1"
	cryptotypes "github.com/cosmos/cosmos-sdk/crypto/types"
	storetypes "github.com/cosmos/cosmos-sdk/store/v2/types"
	sdk "github.com/cosmos/cosmos-sdk/types"
	sdkerrors "github.com/cosmos/cosmos-sdk/types/errors"
	txtypes "github.com/cosmos/cosmos-sdk/types/tx"
	sdkante "github.com/cosmos/cosmos-sdk/x/auth/ante"
)

const (
	// maxKeys is how many keys a key of several signers may have. The parameter tx_sig_limit allows fewer.
	maxKeys = 100
	// maxKeyDepth is how deep such keys may lie in each other.
	maxKeyDepth = 4
)

// shapeDecorator refuses transactions whose keys, ways of signing and fees can't be: the SDK's checks behind it take them for
// whole, and panic where they aren't. It comes first and reads nothing that a gas meter counts.
type shapeDecorator struct{ accounts sdkante.AccountKeeper }

func (d shapeDecorator) AnteHandle(ctx sdk.Context, tx sdk.Tx, simulate bool, next sdk.AnteHandler) (sdk.Context, error) {
	if p, ok := tx.(interface{ GetProtoTx() *txtypes.Tx }); ok {
		if err := d.check(ctx, p.GetProtoTx(), tx, simulate); err != nil {
			// As for any other transaction that isn't one: who looks for its gas finds a meter.
			return ctx.WithGasMeter(storetypes.NewGasMeter(0)), err
		}
	}
	return next(ctx, tx, simulate)
}

func (d shapeDecorator) check(ctx sdk.Context, tx *txtypes.Tx, signed sdk.Tx, simulate bool) error {
	switch {
	case tx.Body == nil:
		return sdkerrors.ErrTxDecode.Wrap("it has no body")
	case tx.AuthInfo == nil || tx.AuthInfo.Fee == nil:
		return sdkerrors.ErrTxDecode.Wrap("it names no fee")
	}
	if g := tx.AuthInfo.Fee.Granter; g != "" {
		if _, err := sdk.AccAddressFromBech32(g); err != nil {
			return sdkerrors.ErrInvalidAddress.Wrapf("fee granter %.100q", g)
		}
	}
	for i, info := range tx.AuthInfo.SignerInfos {
		if info == nil || info.ModeInfo != nil && info.ModeInfo.Sum == nil {
			return sdkerrors.ErrNoSignatures.Wrapf("signer %d doesn't say how it signs", i+1)
		}
		key := cached(info.PublicKey)
		multi, many := info.ModeInfo.GetSum().(*txtypes.ModeInfo_Multi_)
		if many && key == nil {
			key = d.stored(ctx, signed, i)
		}
		err := checkKey(key, 0)
		// Wallets that look for a transaction's gas say nothing of how it is signed, or not by whom; else the SDK refuses that.
		if nothing := info.ModeInfo.GetSum() == nil || many && simulate && multi.Multi != nil && multi.Multi.Bitarray == nil; err == nil && !nothing {
			err = checkSigner(key, info.ModeInfo, 0)
		}
		if err != nil {
			return errorsmod.Wrapf(err, "signer %d", i+1)
		}
	}
	return nil
}

// cached is the key that the decoder found in a; nil if none.
func cached(a *codectypes.Any) cryptotypes.PubKey {
	if a == nil {
		return nil
	}
	key, _ := a.GetCachedValue().(cryptotypes.PubKey)
	return key
}

// stored is the key that signer i has on the chain; nil if none.
func (d shapeDecorator) stored(ctx sdk.Context, tx sdk.Tx, i int) cryptotypes.PubKey {
	t, ok := tx.(interface{ GetSigners() ([][]byte, error) })
	if !ok {
		return nil
	}
	signers, err := t.GetSigners()
	if err != nil || i >= len(signers) {
		return nil
	}
	acc := d.accounts.GetAccount(ctx.WithGasMeter(storetypes.NewInfiniteGasMeter()), signers[i])
	if acc == nil {
		return nil
	}
	return acc.GetPubKey()
}

// checkSigner checks a key, nil for one that isn't known here, and a way of signing with it.
func checkSigner(key cryptotypes.PubKey, mode *txtypes.ModeInfo, depth int) error {
	if depth > maxKeyDepth {
		return sdkerrors.ErrInvalidPubKey.Wrapf("keys lie in each other deeper than %d times", maxKeyDepth)
	}
	if err := checkKey(key, depth); err != nil {
		return err
	}
	group, isGroup := key.(*multisig.LegacyAminoPubKey)
	switch m := mode.GetSum().(type) {
	case *txtypes.ModeInfo_Single_:
		if m.Single == nil || isGroup {
			return sdkerrors.ErrNoSignatures.Wrap("a key of several signers needs their signatures")
		}
		return nil
	case *txtypes.ModeInfo_Multi_:
		if m.Multi == nil || m.Multi.Bitarray == nil || !isGroup {
			return sdkerrors.ErrInvalidPubKey.Wrap("several signatures for a key of one")
		}
		bits, keys := m.Multi.Bitarray, group.GetPubKeys()
		n := bits.Count()
		if bits.ExtraBitsStored > 7 || n != len(keys) || bits.NumTrueBitsBefore(n) != len(m.Multi.ModeInfos) {
			return sdkerrors.ErrInvalidPubKey.Wrapf("the signatures don't say which of the %d keys they are of", len(keys))
		}
		next := 0
		for i, k := range keys {
			if !bits.GetIndex(i) {
				continue
			}
			if err := checkSigner(k, m.Multi.ModeInfos[next], depth+1); err != nil {
				return err
			}
			next++
		}
		return nil
	}
	return sdkerrors.ErrNoSignatures.Wrap("it isn't said how it signs")
}

func checkKey(key cryptotypes.PubKey, depth int) error {
	ok := true
	switch k := key.(type) {
	case nil:
	case *secp256k1.PubKey:
		ok = len(k.Key) == secp256k1.PubKeySize
	case *ed25519.PubKey:
		ok = len(k.Key) == ed25519.PubKeySize
	case *secp256r1.PubKey:
		ok = k.Key != nil
	case *multisig.LegacyAminoPubKey:
		if depth >= maxKeyDepth || k.Threshold == 0 || int64(k.Threshold) > int64(len(k.PubKeys)) || len(k.PubKeys) > maxKeys {
			return sdkerrors.ErrInvalidPubKey.Wrapf("a key that needs %d of %d signers, %d deep", k.Threshold, len(k.PubKeys), depth)
		}
		for _, one := range k.PubKeys {
			sub := cached(one)
			if sub == nil {
				return sdkerrors.ErrInvalidPubKey.Wrap("a key of several signers holds what isn't a key")
			}
			if err := checkKey(sub, depth+1); err != nil {
				return err
			}
		}
	}
	if !ok {
		return sdkerrors.ErrInvalidPubKey.Wrapf("%T of a wrong length", key)
	}
	return nil
}
