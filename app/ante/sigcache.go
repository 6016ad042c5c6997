package ante

import (
	"crypto/sha256"
	"encoding/binary"
	"sync"

	storetypes "github.com/cosmos/cosmos-sdk/store/v2/types"
	sdk "github.com/cosmos/cosmos-sdk/types"
	sdkante "github.com/cosmos/cosmos-sdk/x/auth/ante"
	authsigning "github.com/cosmos/cosmos-sdk/x/auth/signing"

	"github.com/akash-supercloud/akash/app/account"
)

// A transaction's signatures are checked when it enters the mempool and again in its block. They are a pure function of
// the transaction's bytes, the chain's name, and each signer's stored key and number; sigCache remembers for which
// of these the first check went well, so that the second needn't repeat it. The sequence is in the bytes (and in the
// account, which is compared in any case).
//
// What is remembered differs from node to node and may change nothing but time: not gas, not an error, not a write.
// Only the call to the signature algorithm is left out, never the checks of sequence, of unordered nonces, or of
// the number of signers.
type sigCache struct {
	inner sdk.AnteDecorator
	ak    sdkante.AccountKeeper
	max   int

	mu       sync.Mutex
	cur, old map[[32]byte]struct{} // two generations of at most max; protected by mu
	hits     uint64                // protected by mu
}

func newSigCache(inner sdk.AnteDecorator, ak sdkante.AccountKeeper, max int) *sigCache {
	return &sigCache{inner: inner, ak: ak, max: max, cur: map[[32]byte]struct{}{}, old: map[[32]byte]struct{}{}}
}

// key binds all that the verification reads; ok is false where there is nothing to bind.
func (c *sigCache) key(ctx sdk.Context, tx sdk.Tx) (k [32]byte, ok bool) {
	st, is := tx.(authsigning.Tx)
	if !is || len(ctx.TxBytes()) == 0 {
		return k, false
	}
	signers, err := st.GetSigners()
	if err != nil {
		return k, false
	}
	h := sha256.New()
	part := func(b []byte) {
		var n [8]byte
		binary.BigEndian.PutUint64(n[:], uint64(len(b)))
		h.Write(n[:])
		h.Write(b)
	}
	part([]byte(ctx.ChainID()))
	for _, s := range signers {
		acc := c.ak.GetAccount(ctx, s)
		if acc == nil || acc.GetPubKey() == nil {
			return k, false
		}
		var n [8]byte
		binary.BigEndian.PutUint64(n[:], acc.GetAccountNumber())
		part(n[:])
		part([]byte(acc.GetPubKey().Type()))
		part(acc.GetPubKey().Bytes())
	}
	part(ctx.TxBytes())
	h.Sum(k[:0])
	return k, true
}

func (c *sigCache) add(k [32]byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.cur) >= c.max {
		c.old, c.cur = c.cur, make(map[[32]byte]struct{}, c.max)
	}
	c.cur[k] = struct{}{}
}

func (c *sigCache) has(k [32]byte) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, ok := c.cur[k]
	if !ok {
		_, ok = c.old[k]
	}
	if ok {
		c.hits++
	}
	return ok
}

func (c *sigCache) AnteHandle(ctx sdk.Context, tx sdk.Tx, simulate bool, next sdk.AnteHandler) (sdk.Context, error) {
	mode := ctx.ExecMode()
	if simulate || ctx.BlockHeight() == 0 || mode != sdk.ExecModeCheck && mode != sdk.ExecModeFinalize || !ctx.IsSigverifyTx() {
		return c.inner.AnteHandle(ctx, tx, simulate, next)
	}
	// The key's reads are on nobody's bill, nor remembered: gas must be the same with and without a hit.
	k, ok := c.key(account.Peek(ctx).WithGasMeter(storetypes.NewInfiniteGasMeter()), tx)
	if !ok {
		return c.inner.AnteHandle(ctx, tx, simulate, next)
	}
	if mode == sdk.ExecModeCheck {
		return c.inner.AnteHandle(ctx, tx, simulate, func(ctx sdk.Context, tx sdk.Tx, simulate bool) (sdk.Context, error) {
			c.add(k) // the signatures are good
			return next(ctx, tx, simulate)
		})
	}
	if !c.has(k) {
		return c.inner.AnteHandle(ctx, tx, simulate, next)
	}
	return c.inner.AnteHandle(ctx.WithIsSigverifyTx(false), tx, simulate, func(ctx sdk.Context, tx sdk.Tx, simulate bool) (sdk.Context, error) {
		return next(ctx.WithIsSigverifyTx(true), tx, simulate)
	})
}
