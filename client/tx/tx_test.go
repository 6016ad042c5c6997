package tx_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"cosmossdk.io/math"
	cmttypes "github.com/cometbft/cometbft/types"
	sdkclient "github.com/cosmos/cosmos-sdk/client"
	"github.com/cosmos/cosmos-sdk/crypto/hd"
	"github.com/cosmos/cosmos-sdk/crypto/keyring"
	sdk "github.com/cosmos/cosmos-sdk/types"
	authsigning "github.com/cosmos/cosmos-sdk/x/auth/signing"
	banktypes "github.com/cosmos/cosmos-sdk/x/bank/types"

	"github.com/akash-supercloud/akash/client"
	"github.com/akash-supercloud/akash/client/tx"
)

// chain is a small model of a node: an account, a mempool, blocks. Its faults are drawn from
// a seed. Every method may fail as a network does.
type chain struct {
	mu       sync.Mutex
	cfg      sdkclient.TxConfig
	seq      uint64   // in the last block
	mempool  [][]byte // in order
	cached   map[string]bool
	height   int64
	blocks   map[int64][][]byte
	results  map[string]*sdk.TxResponse
	executed map[string]int // what messages did, by memo-like amount
	rnd      *rand.Rand

	// faults, each a chance of 0…1
	down, lost, evict, steal, full, unindexed float64
	noIndex                                   bool
	restart                                   float64 // the mempool is forgotten
	fail                                      map[string]*tx.Error
	simFails                                  int
	stolen                                    int
	sent                                      int
}

func newChain(cfg sdkclient.TxConfig, seed uint64) *chain {
	return &chain{
		cfg: cfg, height: 10, seq: 3, cached: map[string]bool{}, blocks: map[int64][][]byte{}, results: map[string]*sdk.TxResponse{},
		executed: map[string]int{}, rnd: rand.New(rand.NewPCG(seed, 1)), fail: map[string]*tx.Error{},
	}
}

func (c *chain) chance(p float64) bool { return p > 0 && c.rnd.Float64() < p }

var errDown = errors.New("connection refused")

func (c *chain) decode(raw []byte) (authsigning.Tx, uint64) {
	t, err := c.cfg.TxDecoder()(raw)
	if err != nil {
		panic(err)
	}
	st := t.(authsigning.Tx)
	sigs, err := st.GetSignaturesV2()
	if err != nil {
		panic(err)
	}
	return st, sigs[0].Sequence
}

// next is the sequence that the mempool expects.
func (c *chain) next() uint64 { return c.seq + uint64(len(c.mempool)) }

func (c *chain) Account(context.Context, string) (uint64, uint64, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.chance(c.down) {
		return 0, 0, errDown
	}
	return 7, c.seq, nil
}

func mismatch(want, got uint64) *tx.Error {
	return tx.NewError("sdk", 32, fmt.Sprintf("account sequence mismatch, expected %d, got %d: incorrect account sequence", want, got))
}

func amount(m sdk.Msg) string { return m.(*banktypes.MsgSend).Amount.String() }

func (c *chain) Simulate(_ context.Context, raw []byte) (uint64, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.chance(c.down) {
		return 0, errDown
	}
	t, seq := c.decode(raw)
	if t.(sdk.FeeTx).GetFee().IsZero() {
		return 0, tx.NewError("sdk", 13, "a simulation without a fee finds too little gas")
	}
	if seq != c.next() {
		return 0, mismatch(c.next(), seq)
	}
	for _, m := range t.GetMsgs() {
		if e := c.fail[amount(m)]; e != nil {
			c.simFails++
			return 0, e
		}
	}
	return 50_000, nil
}

func (c *chain) Broadcast(_ context.Context, raw []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.chance(c.down) {
		return errDown
	}
	c.sent++
	if c.chance(c.steal) { // another program with the same key was faster
		c.stolen++
		c.mempool = append(c.mempool, nil)
	}
	if c.chance(c.full) {
		return tx.NewError("sdk", 20, "mempool is full")
	}
	if c.cached[string(raw)] {
		return tx.NewError("sdk", 19, "tx already in mempool")
	}
	t, seq := c.decode(raw)
	if h := t.(interface{ GetTimeoutHeight() uint64 }).GetTimeoutHeight(); uint64(c.height) > h {
		return tx.NewError("sdk", 30, "tx timeout height")
	}
	if seq != c.next() {
		return mismatch(c.next(), seq)
	}
	c.mempool = append(c.mempool, raw)
	c.cached[string(raw)] = true
	if c.chance(c.lost) { // it arrived, the answer didn't
		return errDown
	}
	return nil
}

func (c *chain) Tx(_ context.Context, hash []byte) (*sdk.TxResponse, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.chance(c.down):
		return nil, errDown
	case c.noIndex:
		return nil, tx.ErrNoIndex
	case c.chance(c.unindexed):
		return nil, tx.ErrNotFound
	}
	if r := c.results[string(hash)]; r != nil {
		return r, nil
	}
	return nil, tx.ErrNotFound
}

func (c *chain) Height(context.Context) (int64, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.chance(c.down) {
		return 0, errDown
	}
	return c.height, nil
}

func (c *chain) Scan(_ context.Context, hash []byte, from, to int64) (*sdk.TxResponse, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.chance(c.down) {
		return nil, errDown
	}
	for h := from; h <= to; h++ {
		for _, raw := range c.blocks[h] {
			if raw != nil && string(cmttypes.Tx(raw).Hash()) == string(hash) {
				return c.results[string(hash)], nil
			}
		}
	}
	return nil, tx.ErrNotFound
}

// block makes the next block of the mempool.
func (c *chain) block() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.height++
	if c.chance(c.restart) { // the mempool is gone, and what it had seen
		c.mempool, c.cached = nil, map[string]bool{}
		return
	}
	if len(c.mempool) > 0 && c.chance(c.evict) { // the last is thrown out, and those behind it
		i := c.rnd.IntN(len(c.mempool))
		for _, raw := range c.mempool[i:] {
			delete(c.cached, string(raw))
		}
		c.mempool = c.mempool[:i]
	}
	for _, raw := range c.mempool {
		if raw == nil {
			c.seq++
			c.blocks[c.height] = append(c.blocks[c.height], nil)
			continue
		}
		t, seq := c.decode(raw)
		res := &sdk.TxResponse{Height: c.height, TxHash: fmt.Sprintf("%X", cmttypes.Tx(raw).Hash())}
		switch h := t.(interface{ GetTimeoutHeight() uint64 }).GetTimeoutHeight(); {
		case uint64(c.height) > h:
			continue // dropped by the recheck
		case seq != c.seq:
			res.Codespace, res.Code, res.RawLog = "sdk", 32, mismatch(c.seq, seq).Log
		default:
			c.seq++
			for _, m := range t.GetMsgs() {
				c.executed[amount(m)]++
			}
		}
		c.blocks[c.height] = append(c.blocks[c.height], raw)
		c.results[string(cmttypes.Tx(raw).Hash())] = res
	}
	c.mempool = nil
}

// run makes blocks until stop is called.
func (c *chain) run(every time.Duration) (stop func()) {
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
				c.block()
			}
		}
	}()
	return func() { close(done); <-ended }
}

func keys(t *testing.T) (client.Encoding, keyring.Keyring, sdk.AccAddress) {
	t.Helper()
	enc := client.NewEncoding()
	kr := keyring.NewInMemory(enc.Codec)
	rec, _, err := kr.NewMnemonic("me", keyring.English, hd.CreateHDPath(client.CoinType, 0, 0).String(), "", hd.Secp256k1)
	if err != nil {
		t.Fatal(err)
	}
	addr, err := rec.GetAddress()
	if err != nil {
		t.Fatal(err)
	}
	return enc, kr, addr
}

func sender(t *testing.T, c *chain, enc client.Encoding, kr keyring.Keyring, change func(*tx.Options)) *tx.Sender {
	t.Helper()
	opt := tx.Options{
		Chain: c, Keyring: kr, TxConfig: enc.TxConfig, ChainID: "test", GasPrices: sdk.NewDecCoins(sdk.NewDecCoinFromDec("uakt", math.LegacyMustNewDecFromStr("0.025"))),
		Poll: time.Millisecond, Patience: 5 * time.Second, TimeoutBlocks: 8,
	}
	if change != nil {
		change(&opt)
	}
	s := tx.New(opt)
	t.Cleanup(s.Close)
	return s
}

func send(from sdk.AccAddress, n int) sdk.Msg {
	return &banktypes.MsgSend{FromAddress: from.String(), ToAddress: from.String(), Amount: sdk.NewCoins(sdk.NewInt64Coin("uakt", int64(n)))}
}

func (c *chain) times(n int) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.executed[strconv.Itoa(n)+"uakt"]
}

func seeds(t *testing.T, n int) []uint64 {
	if s := os.Getenv("SEED"); s != "" {
		v, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		return []uint64{v}
	}
	base := uint64(time.Now().UnixNano())
	out := make([]uint64, n)
	for i := range out {
		out[i] = base + uint64(i)
	}
	return out
}

// TestExactlyOnce sends many messages at once through each kind of trouble. A message whose
// Send succeeded was done once; one whose Send failed was done never, unless its fate is
// said to be unknown.
func TestExactlyOnce(t *testing.T) {
	enc, kr, me := keys(t)
	for name, trouble := range map[string]func(*chain){
		"none":            func(*chain) {},
		"node restarts":   func(c *chain) { c.restart = 0.3; c.down = 0.1 },
		"answers lost":    func(c *chain) { c.lost = 0.5 },
		"evicted":         func(c *chain) { c.evict = 0.4 },
		"mempool full":    func(c *chain) { c.full = 0.5 },
		"sequence stolen": func(c *chain) { c.steal = 0.3 },
		"index lags":      func(c *chain) { c.unindexed = 0.8 },
		"no index":        func(c *chain) { c.noIndex = true; c.lost = 0.3 },
		"stolen and lost": func(c *chain) { c.steal, c.lost, c.evict = 0.2, 0.4, 0.2 },
		"everything": func(c *chain) {
			c.steal, c.lost, c.evict, c.full, c.restart, c.down, c.unindexed = 0.1, 0.2, 0.1, 0.1, 0.1, 0.1, 0.2
		},
		"index lost and so": func(c *chain) { c.unindexed, c.steal, c.lost = 1, 0.2, 0.2 },
	} {
		t.Run(name, func(t *testing.T) {
			for _, seed := range seeds(t, 3) {
				t.Logf("SEED=%d", seed)
				c := newChain(enc.TxConfig, seed)
				trouble(c)
				stop := c.run(4 * time.Millisecond)
				s := sender(t, c, enc, kr, nil)
				const n = 24
				errs := make([]error, n)
				var wg sync.WaitGroup
				for i := range n {
					wg.Add(1)
					go func() {
						defer wg.Done()
						ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
						defer cancel()
						_, errs[i] = s.Send(ctx, "me", send(me, i+1))
					}()
				}
				wg.Wait()
				s.Close()
				stop()
				for range 30 { // whatever is still under way arrives
					c.block()
				}
				failed := 0
				for i, err := range errs {
					var unknown *tx.UnknownError
					switch got := c.times(i + 1); {
					case err == nil && got != 1:
						t.Errorf("SEED=%d: message %d: no error, done %d times", seed, i+1, got)
					case err != nil && errors.As(err, &unknown) && got > 1:
						t.Errorf("SEED=%d: message %d: %v, done %d times", seed, i+1, err, got)
					case err != nil && !errors.As(err, &unknown) && got != 0:
						t.Errorf("SEED=%d: message %d: %v, yet done %d times", seed, i+1, err, got)
					}
					if err != nil {
						failed++
						if strings.Contains(err.Error(), "sequence mismatch") {
							t.Errorf("SEED=%d: a wrong sequence reached the caller: %v", seed, err)
						}
					}
				}
				if failed > 0 && name != "everything" && name != "stolen and lost" && name != "index lost and so" && name != "sequence stolen" {
					t.Errorf("SEED=%d: %d of %d failed: %v", seed, failed, n, errors.Join(errs...))
				}
			}
		})
	}
}

// TestOneBadMessage: messages of several callers share a transaction, but not their failures.
func TestOneBadMessage(t *testing.T) {
	enc, kr, me := keys(t)
	c := newChain(enc.TxConfig, 1)
	c.fail["5uakt"] = tx.NewError("deployment", 5, "failed to simulate tx: failed to execute message; message index: 0: akash1x/7: Deployment closed")
	stop := c.run(5 * time.Millisecond)
	defer stop()
	s := sender(t, c, enc, kr, nil)
	var wg sync.WaitGroup
	errs := make([]error, 11)
	for i := 1; i <= 10; i++ {
		wg.Add(1)
		go func() {
			defer wg.Done()
			_, errs[i] = s.Send(t.Context(), me.String(), send(me, i))
		}()
	}
	wg.Wait()
	for i := 1; i <= 10; i++ {
		if i != 5 {
			if errs[i] != nil || c.times(i) != 1 {
				t.Errorf("message %d: %v, done %d times", i, errs[i], c.times(i))
			}
			continue
		}
		var refused *tx.Error
		if !errors.As(errs[i], &refused) || !errors.Is(errs[i], tx.NewError("deployment", 5, "")) || c.times(i) != 0 {
			t.Errorf("message %d: %v, done %d times", i, errs[i], c.times(i))
			continue
		}
		const want = "the chain refused the transaction: the deployment is closed, and a closed one can't be changed: akash1x/7; see `akash ls` for yours (deployment error 5)"
		if refused.Error() != want || refused.GRPC.String() != "FailedPrecondition" {
			t.Errorf("got  %s (%s)\nwant %s", refused, refused.GRPC, want)
		}
	}
	if c.sent > 8 {
		t.Errorf("%d transactions for 10 messages sent at once: nothing was put together", c.sent)
	}
}

// TestGone: a caller that leaves before anything is signed leaves nothing behind; one that
// leaves later is told the hash.
func TestGone(t *testing.T) {
	enc, kr, me := keys(t)
	c := newChain(enc.TxConfig, 1)
	s := sender(t, c, enc, kr, nil)
	// No blocks are made: the first stays under way.
	ctx, cancel := context.WithCancel(t.Context())
	first := make(chan error, 1)
	go func() {
		_, err := s.Send(ctx, "me", send(me, 1))
		first <- err
	}()
	deadline := time.Now().Add(10 * time.Second)
	for {
		c.mu.Lock()
		n := len(c.mempool)
		c.mu.Unlock()
		if n == 1 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("nothing was sent")
		}
		time.Sleep(time.Millisecond)
	}
	gone, leave := context.WithCancel(t.Context())
	second := make(chan error, 1)
	go func() {
		_, err := s.Send(gone, "me", send(me, 2))
		second <- err
	}()
	leave()
	if err := <-second; err == nil || !strings.HasPrefix(err.Error(), "nothing was sent") {
		t.Errorf("second: %v", err)
	}
	cancel()
	var unknown *tx.UnknownError
	if err := <-first; !errors.As(err, &unknown) || unknown.TxHash == "" || unknown.TimeoutHeight != 18 {
		t.Errorf("first: %v", err)
	}
	// The key goes on once the chain does.
	stop := c.run(2 * time.Millisecond)
	defer stop()
	if _, err := s.Send(t.Context(), "me", send(me, 3)); err != nil {
		t.Error(err)
	}
	if c.times(1) != 1 || c.times(2) != 0 || c.times(3) != 1 {
		t.Errorf("done: %d %d %d", c.times(1), c.times(2), c.times(3))
	}
}

// TestNodeDown: when the node is out of reach, the caller learns it in time, and that nothing was sent.
func TestNodeDown(t *testing.T) {
	enc, kr, me := keys(t)
	c := newChain(enc.TxConfig, 1)
	c.down = 1
	s := sender(t, c, enc, kr, func(o *tx.Options) { o.Patience = 30 * time.Millisecond })
	_, err := s.Send(t.Context(), "me", send(me, 1))
	if !errors.Is(err, errDown) || !strings.HasPrefix(err.Error(), "nothing was sent: the node doesn't answer") {
		t.Errorf("%v", err)
	}
	if _, err := s.Send(t.Context(), "nobody", send(me, 1)); err == nil || !strings.Contains(err.Error(), `no key named "nobody"`) {
		t.Errorf("%v", err)
	}
	if _, err := s.Send(t.Context(), "me"); err == nil {
		t.Error("an empty transaction was sent")
	}
}

// TestStatuses holds the table of statuses against its ends.
func TestStatuses(t *testing.T) {
	for _, c := range []struct {
		space string
		code  uint32
		want  string
	}{
		{"deployment", 1, "NotFound"}, {"deployment", 3, "AlreadyExists"}, {"deployment", 11, "Internal"}, {"deployment", 26, "InvalidArgument"}, {"deployment", 27, "Unknown"},
		{"market", 1, "InvalidArgument"}, {"market", 21, "AlreadyExists"}, {"market", 30, "NotFound"}, {"market", 38, "FailedPrecondition"}, {"market", 41, "InvalidArgument"},
		{"escrow", 1, "AlreadyExists"}, {"escrow", 15, "PermissionDenied"}, {"escrow", 18, "InvalidArgument"},
		{"provider", 4, "AlreadyExists"}, {"provider", 9, "Internal"}, {"audit", 3, "NotFound"}, {"cert", 4, "FailedPrecondition"}, {"cert", 9, "InvalidArgument"},
		{"bme", 3, "Unauthenticated"}, {"bme", 17, "Aborted"}, {"oracle.v2", 1, "Unknown"}, {"sdk", 5, "FailedPrecondition"}, {"", 0, "Unknown"},
	} {
		if got := tx.NewError(c.space, c.code, "").GRPC.String(); got != c.want {
			t.Errorf("%s %d: %s, want %s", c.space, c.code, got, c.want)
		}
	}
}
