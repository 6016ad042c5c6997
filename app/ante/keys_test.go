package ante

import (
	"bytes"
	"crypto/sha256"
	"math/big"
	"math/rand/v2"
	"testing"

	dcrec "github.com/decred/dcrd/dcrec/secp256k1/v4"
	"github.com/decred/dcrd/dcrec/secp256k1/v4/ecdsa"

	"github.com/cosmos/cosmos-sdk/crypto/keys/ed25519"
	kmultisig "github.com/cosmos/cosmos-sdk/crypto/keys/multisig"
	"github.com/cosmos/cosmos-sdk/crypto/keys/secp256k1"
	cryptotypes "github.com/cosmos/cosmos-sdk/crypto/types"
	"github.com/cosmos/cosmos-sdk/types/tx/signing"
)

// pureGo verifies as the SDK does when it is built without libsecp256k1.
func pureGo(key, msg, sig []byte) bool {
	if len(sig) != 64 {
		return false
	}
	pub, err := dcrec.ParsePubKey(key)
	if err != nil {
		return false
	}
	var r, s dcrec.ModNScalar
	r.SetByteSlice(sig[:32])
	s.SetByteSlice(sig[32:])
	sum := sha256.Sum256(msg)
	return !s.IsOverHalfOrder() && ecdsa.NewSignature(&r, &s).Verify(sum[:], pub)
}

// TestLibrariesAgree holds that, of what signatureGas lets pass, this program's library and pure Go take the same for good
// signatures. Built with libsecp256k1_sdk it compares the two; without, it compares one with itself, and what is
// expected by name still counts.
func TestLibrariesAgree(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 2))
	n := new(big.Int).SetBytes(order)
	add := func(half []byte, f func(*big.Int) *big.Int) []byte {
		b := f(new(big.Int).SetBytes(half))
		if b.BitLen() > 256 {
			return bytes.Repeat([]byte{0xff}, 32)
		}
		return b.FillBytes(make([]byte, 32))
	}
	negate := func(x *big.Int) *big.Int { return x.Sub(n, x) }
	beyond := func(x *big.Int) *big.Int { return x.Add(x, n) }
	good := 0
	for i := range 300 {
		msg := make([]byte, rng.IntN(300))
		for j := range msg {
			msg[j] = byte(rng.Uint32())
		}
		priv := secp256k1.GenPrivKeyFromSecret(append([]byte{byte(i), byte(i >> 8)}, msg...))
		key := priv.PubKey().Bytes()
		sig, err := priv.Sign(msg)
		if err != nil {
			t.Fatal(err)
		}
		r, s := sig[:32], sig[32:]
		zero := make([]byte, 32)
		uncompressed := func(prefix byte) []byte {
			p, err := dcrec.ParsePubKey(key)
			if err != nil {
				t.Fatal(err)
			}
			u := p.SerializeUncompressed()
			u[0] = prefix
			return u
		}
		flip := func(b []byte) []byte {
			c := bytes.Clone(b)
			c[rng.IntN(len(c))] ^= 1 << rng.IntN(8)
			return c
		}
		join := func(a, b []byte) []byte { return append(bytes.Clone(a), b...) }
		with := func(prefix byte) []byte { return append([]byte{prefix}, key[1:]...) }
		for _, c := range []struct {
			name     string
			key, sig []byte
			want     bool
		}{
			{"a good one", key, sig, true},
			{"high s", key, join(r, add(s, negate)), false},
			{"negated r", key, join(add(r, negate), s), false},
			{"r beyond the order", key, join(add(r, beyond), s), false},
			{"s beyond the order", key, join(r, add(s, beyond)), false},
			{"r zero", key, join(zero, s), false},
			{"s zero", key, join(r, zero), false},
			{"both zero", key, join(zero, zero), false},
			{"r the order", key, join(order, s), false},
			{"s the order", key, join(r, order), false},
			{"swapped", key, join(s, r), false},
			{"63 bytes", key, sig[:63], false},
			{"65 bytes", key, join(sig, []byte{0}), false},
			{"none", key, nil, false},
			{"a bit of the signature", key, flip(sig), false},
			{"a bit of the key", append([]byte{key[0]}, flip(key[1:])...), sig, false},
			{"the other half's key", with(key[0] ^ 1), sig, false},
			{"prefix 0", with(0), sig, false},
			{"prefix 4", with(4), sig, false},
			{"prefix 6", with(6), sig, false},
			{"uncompressed", uncompressed(4), sig, false},
			{"hybrid", uncompressed(6 | key[0]&1), sig, false},
			{"x zero", append([]byte{2}, zero...), sig, false},
			{"x beyond the field", append([]byte{2}, bytes.Repeat([]byte{0xff}, 32)...), sig, false},
			{"32 bytes of key", key[:32], sig, false},
			{"no key", nil, sig, false},
		} {
			pub := &secp256k1.PubKey{Key: c.key}
			if !agreed(pub, &signing.SingleSignatureData{Signature: c.sig}) {
				if c.want {
					t.Fatalf("%s is refused", c.name)
				}
				continue
			}
			mine, other := pub.VerifySignature(msg, c.sig), pureGo(c.key, msg, c.sig)
			if mine != other || mine != c.want {
				t.Errorf("%s: this program says %v, pure Go %v; want %v (key %x, message %x, signature %x)", c.name, mine, other, c.want, c.key, msg, c.sig)
			}
			if mine {
				good++
			}
		}
	}
	if good != 300 {
		t.Errorf("%d good signatures of 300", good)
	}
}

// TestMemberOfMultisig holds that members of a multisig key are looked at too, each with its own signature.
func TestMemberOfMultisig(t *testing.T) {
	priv := secp256k1.GenPrivKeyFromSecret([]byte("member"))
	p, err := dcrec.ParsePubKey(priv.PubKey().Bytes())
	if err != nil {
		t.Fatal(err)
	}
	hybrid := p.SerializeUncompressed()
	hybrid[0] = 6 | priv.PubKey().Bytes()[0]&1
	odd := &secp256k1.PubKey{Key: hybrid}
	bad := &signing.SingleSignatureData{Signature: append(make([]byte, 32), order...)}
	fine := &signing.SingleSignatureData{Signature: make([]byte, 64)}
	other := ed25519.GenPrivKeyFromSecret([]byte("other")).PubKey()
	// Signed by: which of two members signed.
	signed := func(first, second bool, s ...signing.SignatureData) *signing.MultiSignatureData {
		bits := cryptotypes.NewCompactBitArray(2)
		bits.SetIndex(0, first)
		bits.SetIndex(1, second)
		return &signing.MultiSignatureData{BitArray: bits, Signatures: s}
	}
	nested := func(k cryptotypes.PubKey) cryptotypes.PubKey {
		return kmultisig.NewLegacyAminoPubKey(1, []cryptotypes.PubKey{priv.PubKey(), k})
	}
	for name, c := range map[string]struct {
		key  cryptotypes.PubKey
		data signing.SignatureData
		want bool
	}{
		"a good one":                    {priv.PubKey(), signed(true, true, fine, fine), true},
		"hybrid, silent":                {odd, signed(true, false, fine), false},
		"hybrid, no signatures":         {odd, nil, false},
		"s is the order":                {priv.PubKey(), signed(false, true, bad), false},
		"the order from another's kind": {other, signed(false, true, bad), true},
		"a hybrid in another multisig":  {nested(odd), signed(true, false, fine), false},
		"s in another multisig":         {nested(priv.PubKey()), signed(false, true, signed(true, false, bad)), false},
		"too few signatures":            {priv.PubKey(), signed(true, true, fine), true},
		"no bits":                       {priv.PubKey(), &signing.MultiSignatureData{}, true},
	} {
		if got := agreed(nested(c.key), c.data); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
