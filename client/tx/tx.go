// Package tx is the one way a transaction leaves this program. It owns the sequence of
// every key it signs with.
//
// What always holds:
//   - One transaction of a key is in flight at a time; messages that arrive meanwhile go
//     together into the next. So a sequence is never guessed.
//   - A transaction is signed anew only after it is proved that the one before can't be
//     included any more: it was refused before any node took it, or a block above its
//     timeout height exists and no block up to there holds it, or another transaction
//     spent its sequence. Sending the same bytes again is always safe, so a lost answer,
//     a node's restart or an evicted transaction never sends twice.
//   - A wrong sequence never reaches the caller.
package tx

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"cosmossdk.io/math"
	cmttypes "github.com/cometbft/cometbft/types"
	sdkclient "github.com/cosmos/cosmos-sdk/client"
	"github.com/cosmos/cosmos-sdk/crypto/keyring"
	sdk "github.com/cosmos/cosmos-sdk/types"
	"github.com/cosmos/cosmos-sdk/types/tx/signing"
	authsigning "github.com/cosmos/cosmos-sdk/x/auth/signing"

	"github.com/akash-supercloud/akash/internal/sleep"
)

// Chain is what the pipeline asks of a node. Any error that isn't one of this package's
// means that the node couldn't be asked; the pipeline tries again.
type Chain interface {
	// Account returns an account's number and its sequence in the last block; ErrNoAccount.
	Account(ctx context.Context, address string) (number, sequence uint64, err error)
	// Simulate returns the gas that a transaction used, or *Error when it would fail.
	Simulate(ctx context.Context, raw []byte) (uint64, error)
	// Broadcast hands a transaction to the node and waits for the node's first check. *Error
	// means refused; sdk error 19 means that the node has it already.
	Broadcast(ctx context.Context, raw []byte) error
	// Tx returns a transaction that is in a block; ErrNotFound, ErrNoIndex.
	Tx(ctx context.Context, hash []byte) (*sdk.TxResponse, error)
	// Height returns the height of the last block.
	Height(ctx context.Context) (int64, error)
	// Scan looks for a transaction in the blocks from…to, both included; ErrNotFound.
	// It reads the blocks themselves, not an index.
	Scan(ctx context.Context, hash []byte, from, to int64) (*sdk.TxResponse, error)
}

// Options for New. Chain, Keyring, TxConfig and ChainID are required.
type Options struct {
	Chain    Chain
	Keyring  keyring.Keyring
	TxConfig sdkclient.TxConfig
	ChainID  string
	// GasPrices is what a unit of gas costs; none means that no fee is offered.
	GasPrices sdk.DecCoins
	// GasAdjustment multiplies the simulated gas; default 1.3.
	GasAdjustment float64
	// TimeoutBlocks is how many blocks a transaction stays valid; default 20.
	TimeoutBlocks uint64
	// Poll is the first pause between two looks for a transaction, growing to eight times
	// that; default 60 ms.
	Poll time.Duration
	// Patience is how long the node may be out of reach before Send gives up; default 1 min.
	Patience time.Duration
	// MaxMsgs is the most messages put into one transaction; default 50. A single Send of more
	// is sent whole.
	MaxMsgs int
	// Memo is put into each transaction.
	Memo string
}

// Sender sends transactions. Safe for use by many goroutines.
type Sender struct {
	opt Options

	mu      sync.Mutex
	writers map[string]*writer
	closed  bool
	ctx     context.Context
	cancel  context.CancelFunc
	wg      sync.WaitGroup
}

// New makes a Sender. It starts nothing until the first Send.
func New(opt Options) *Sender {
	if opt.GasAdjustment <= 0 {
		opt.GasAdjustment = 1.3
	}
	if opt.TimeoutBlocks == 0 {
		opt.TimeoutBlocks = 20
	}
	if opt.Poll <= 0 {
		opt.Poll = 60 * time.Millisecond
	}
	if opt.Patience <= 0 {
		opt.Patience = time.Minute
	}
	if opt.MaxMsgs <= 0 {
		opt.MaxMsgs = 50
	}
	ctx, cancel := context.WithCancel(context.Background())
	return &Sender{opt: opt, writers: map[string]*writer{}, ctx: ctx, cancel: cancel}
}

// Close stops the writers and waits for them. Transactions in flight stay in flight; their
// callers get an UnknownError.
func (s *Sender) Close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.cancel()
	s.wg.Wait()
}

// Send signs msgs with key (a name in the keyring, or an address) and returns once they are
// in a block and done. Messages of several callers may share a transaction, and then its
// response; each caller's messages still succeed or fail by themselves.
//
// Errors: *Error when the chain refused; *UnknownError when ctx or patience ended after the
// transaction was sent; ErrNoAccount; or why it couldn't be signed or sent.
func (s *Sender) Send(ctx context.Context, key string, msgs ...sdk.Msg) (*sdk.TxResponse, error) {
	if len(msgs) == 0 {
		return nil, errors.New("no message to send")
	}
	for _, m := range msgs {
		if v, ok := m.(sdk.HasValidateBasic); ok {
			if err := v.ValidateBasic(); err != nil {
				return nil, err
			}
		}
	}
	w, err := s.writer(key)
	if err != nil {
		return nil, err
	}
	r := &request{ctx: ctx, msgs: msgs, done: make(chan struct{})}
	select {
	case w.queue <- r:
	case <-ctx.Done():
		return nil, fmt.Errorf("nothing was sent: %w", ctx.Err())
	case <-s.ctx.Done():
		return nil, errors.New("nothing was sent: shutting down")
	}
	select {
	case <-r.done:
		return r.res, r.err
	case <-ctx.Done():
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.flying == nil {
		r.dropped = true
		return nil, fmt.Errorf("nothing was sent: %w", ctx.Err())
	}
	return nil, &UnknownError{TxHash: r.flying.name(), TimeoutHeight: r.flying.timeout, Err: ctx.Err()}
}

func (s *Sender) writer(key string) (*writer, error) {
	rec, err := s.opt.Keyring.Key(key)
	if err != nil {
		addr, aerr := sdk.AccAddressFromBech32(key)
		if aerr != nil {
			return nil, fmt.Errorf("no key named %q in the keyring; see `akash keys list`", key)
		}
		if rec, err = s.opt.Keyring.KeyByAddress(addr); err != nil {
			return nil, fmt.Errorf("no key of address %s in the keyring; see `akash keys list`", key)
		}
	}
	addr, err := rec.GetAddress()
	if err != nil {
		return nil, fmt.Errorf("key %q: %w", key, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, errors.New("nothing was sent: shutting down")
	}
	if w := s.writers[addr.String()]; w != nil {
		return w, nil
	}
	pub, err := rec.GetPubKey()
	if err != nil {
		return nil, fmt.Errorf("key %q: %w", key, err)
	}
	w := &writer{
		opt: s.opt, key: rec.Name, address: addr, queue: make(chan *request, 256),
		signer: authsigning.SignerData{ChainID: s.opt.ChainID, Address: addr.String(), PubKey: pub},
	}
	s.writers[addr.String()] = w
	s.wg.Add(1)
	go func() {
		defer s.wg.Done()
		w.run(s.ctx)
	}()
	return w, nil
}

// request is one call of Send.
type request struct {
	ctx  context.Context
	msgs []sdk.Msg
	done chan struct{}
	res  *sdk.TxResponse
	err  error

	mu      sync.Mutex
	flying  *signed // the transaction it is in, once signed
	dropped bool    // the caller left before anything was signed
}

func (r *request) finish(res *sdk.TxResponse, err error) {
	r.res, r.err = res, err
	close(r.done)
}

// take reports whether the caller still waits, and marks its messages as being in t.
func (r *request) take(t *signed) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.dropped || (t != nil && r.flying == nil && r.ctx.Err() != nil) {
		r.dropped = true
		return false
	}
	if t != nil {
		r.flying = t
	}
	return true
}

// signed is a transaction ready to send.
type signed struct {
	raw, hash []byte
	sequence  uint64
	height    int64  // last block when it was signed
	timeout   uint64 // last block that may hold it
}

func (t *signed) name() string { return strings.ToUpper(fmt.Sprintf("%x", t.hash)) }

// writer owns one key's sequence.
type writer struct {
	opt     Options
	key     string
	address sdk.AccAddress
	signer  authsigning.SignerData // with the account number and next sequence
	known   bool                   // whether they are known
	floor   uint64                 // the least sequence that may be used, by what the node said
	queue   chan *request
}

func (w *writer) run(ctx context.Context) {
	var held *request
	for {
		batch := []*request{}
		if held != nil {
			batch, held = append(batch, held), nil
		} else {
			select {
			case r := <-w.queue:
				batch = append(batch, r)
			case <-ctx.Done():
				w.drain()
				return
			}
		}
		n := len(batch[0].msgs)
	gather:
		for n < w.opt.MaxMsgs {
			select {
			case r := <-w.queue:
				if n += len(r.msgs); n > w.opt.MaxMsgs {
					held = r
					break gather
				}
				batch = append(batch, r)
			default:
				break gather
			}
		}
		w.serve(ctx, batch)
		if ctx.Err() != nil {
			if held != nil {
				held.finish(nil, errors.New("nothing was sent: shutting down"))
			}
			w.drain()
			return
		}
	}
}

func (w *writer) drain() {
	for {
		select {
		case r := <-w.queue:
			r.finish(nil, errors.New("nothing was sent: shutting down"))
		default:
			return
		}
	}
}

// serve sends a batch as one transaction. If the chain refuses the whole it sends the two
// halves by themselves, and so on: one bad message must not fail another caller's.
func (w *writer) serve(ctx context.Context, batch []*request) {
	live := batch[:0]
	for _, r := range batch {
		if r.take(nil) {
			live = append(live, r)
		}
	}
	if len(live) == 0 {
		return
	}
	res, err := w.deliver(ctx, live)
	var refused *Error
	if len(live) > 1 && errors.As(err, &refused) {
		for _, r := range live {
			r.mu.Lock()
			r.flying = nil
			r.mu.Unlock()
		}
		half := len(live) / 2
		w.serve(ctx, slices.Clone(live[:half]))
		w.serve(ctx, slices.Clone(live[half:]))
		return
	}
	for _, r := range live {
		r.finish(res, err)
	}
}

// errGone ends a delivery whose callers all left before anything was signed.
var errGone = errors.New("tx: nobody waits for it")

// deliver makes one transaction of the requests' messages and brings it into a block.
func (w *writer) deliver(ctx context.Context, batch []*request) (*sdk.TxResponse, error) {
	const attempts = 12
	adjustment := w.opt.GasAdjustment
	var last error
	for i := 0; i < attempts; i++ {
		t, err := w.prepare(ctx, batch, adjustment)
		if err != nil {
			if want, known, is := wrongSequence(err); is {
				w.resync(want, known)
				last = err
				if !w.pause(ctx, i) {
					return nil, ctx.Err()
				}
				continue
			}
			return nil, err
		}
		waiting := false
		for _, r := range batch {
			waiting = r.take(t) || waiting
		}
		if !waiting {
			return nil, errGone
		}
		res, err := w.settle(ctx, t)
		var refused *Error
		switch {
		case err == nil:
			w.signer.Sequence = t.sequence + 1
			return res, nil
		case errors.Is(err, errNever):
			// Proved not to be in any block, now or later.
			w.known = false
			last = err
		case errors.As(err, &refused):
			want, known, is := wrongSequence(err)
			switch {
			case is:
				w.resync(want, known)
				last = err
			case refused.sdk(codeTimeout):
				w.known = false
				last = err
			case refused.sdk(codeOutOfGas) && i < 3:
				// What it does grew between simulation and block.
				adjustment *= 1.5
				w.known = false
				last = err
			default:
				w.known = false
				return nil, err
			}
		default:
			w.known = false
			return nil, err
		}
		if !w.pause(ctx, i) {
			return nil, ctx.Err()
		}
	}
	if _, _, is := wrongSequence(last); is || errors.Is(last, errNever) {
		return nil, fmt.Errorf("the transaction couldn't be placed in %d tries: another program keeps sending with the key %q at the same time; nothing was done", attempts, w.key)
	}
	return nil, last
}

// pause waits a little, longer with each try.
func (w *writer) pause(ctx context.Context, try int) bool {
	if try == 0 {
		return ctx.Err() == nil
	}
	return sleep.For(ctx, min(w.opt.Poll*time.Duration(try), w.opt.Poll*8))
}

// resync forgets the sequence. want is what the node's mempool expects next, which may be
// ahead of the last block when another program's transactions are on their way.
func (w *writer) resync(want uint64, known bool) {
	w.known = false
	w.floor = 0
	if known {
		w.floor = want
	}
}

// prepare fills in account, gas, fee and timeout, and signs.
func (w *writer) prepare(ctx context.Context, batch []*request, adjustment float64) (*signed, error) {
	if !w.known {
		err := w.try(ctx, batch, func(ctx context.Context) error {
			number, sequence, err := w.opt.Chain.Account(ctx, w.address.String())
			if err == nil {
				w.signer.AccountNumber, w.signer.Sequence = number, max(sequence, w.floor)
				w.known, w.floor = true, 0
			}
			return err
		})
		if errors.Is(err, ErrNoAccount) {
			return nil, noAccount(fmt.Sprintf("account %s (key %q) has no coins and isn't on the chain yet; send it some first", w.address, w.key))
		}
		if err != nil {
			return nil, err
		}
	}
	var msgs []sdk.Msg
	for _, r := range batch {
		msgs = append(msgs, r.msgs...)
	}
	b := w.opt.TxConfig.NewTxBuilder()
	if err := b.SetMsgs(msgs...); err != nil {
		return nil, err
	}
	b.SetMemo(w.opt.Memo)
	// The simulation takes a signature that isn't one, but of the usual size, and a fee of one
	// coin: paying a fee costs gas itself, whatever the amount.
	var fee sdk.Coins
	for _, p := range w.opt.GasPrices {
		fee = fee.Add(sdk.NewInt64Coin(p.Denom, 1))
	}
	b.SetFeeAmount(fee)
	b.SetGasLimit(1_000_000)
	b.SetTimeoutHeight(1 << 40)
	if err := b.SetSignatures(w.signature(make([]byte, 64))); err != nil {
		return nil, err
	}
	raw, err := w.opt.TxConfig.TxEncoder()(b.GetTx())
	if err != nil {
		return nil, err
	}
	var gas uint64
	var height int64
	err = w.try(ctx, batch, func(ctx context.Context) (err error) {
		if gas, err = w.opt.Chain.Simulate(ctx, raw); err == nil {
			height, err = w.opt.Chain.Height(ctx)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	gas = uint64(float64(gas)*adjustment) + 1
	b.SetGasLimit(gas)
	fee = nil
	for _, p := range w.opt.GasPrices {
		fee = fee.Add(sdk.NewCoin(p.Denom, p.Amount.MulInt(math.NewIntFromUint64(gas)).Ceil().TruncateInt()))
	}
	b.SetFeeAmount(fee)
	timeout := uint64(max(height, 0)) + w.opt.TimeoutBlocks
	b.SetTimeoutHeight(timeout)
	if err := b.SetSignatures(w.signature(nil)); err != nil {
		return nil, err
	}
	signBytes, err := authsigning.GetSignBytesAdapter(ctx, w.opt.TxConfig.SignModeHandler(), signing.SignMode_SIGN_MODE_DIRECT, w.signer, b.GetTx())
	if err != nil {
		return nil, err
	}
	sig, _, err := w.opt.Keyring.Sign(w.key, signBytes, signing.SignMode_SIGN_MODE_DIRECT)
	if err != nil {
		return nil, fmt.Errorf("key %q couldn't sign: %w", w.key, err)
	}
	if err := b.SetSignatures(w.signature(sig)); err != nil {
		return nil, err
	}
	if raw, err = w.opt.TxConfig.TxEncoder()(b.GetTx()); err != nil {
		return nil, err
	}
	return &signed{raw: raw, hash: cmttypes.Tx(raw).Hash(), sequence: w.signer.Sequence, height: height, timeout: timeout}, nil
}

func (w *writer) signature(sig []byte) signing.SignatureV2 {
	return signing.SignatureV2{
		PubKey:   w.signer.PubKey,
		Data:     &signing.SingleSignatureData{SignMode: signing.SignMode_SIGN_MODE_DIRECT, Signature: sig},
		Sequence: w.signer.Sequence,
	}
}

// try asks the node until it answers, all callers left, or patience ends. Nothing is in
// flight meanwhile.
func (w *writer) try(ctx context.Context, batch []*request, ask func(context.Context) error) error {
	deadline := time.Now().Add(w.opt.Patience)
	pause := w.opt.Poll
	for {
		err := ask(ctx)
		var refused *Error
		if err == nil || errors.As(err, &refused) || errors.Is(err, ErrNoAccount) {
			return err
		}
		waiting := false
		for _, r := range batch {
			waiting = waiting || r.ctx.Err() == nil
		}
		if !waiting {
			return errGone
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("nothing was sent: the node doesn't answer: %w", err)
		}
		if !sleep.For(ctx, pause) {
			return fmt.Errorf("nothing was sent: %w", ctx.Err())
		}
		pause = min(pause*2, 8*w.opt.Poll)
	}
}

// errNever says that a transaction is proved to be in no block, for ever.
var errNever = errors.New("tx: it was never included")

// settle sends t until its fate is known: nil and the response when it is in a block and
// succeeded; *Error when the node refused it before it could get anywhere, or it failed in
// a block; errNever; *UnknownError.
func (w *writer) settle(ctx context.Context, t *signed) (*sdk.TxResponse, error) {
	var (
		taken     bool       // some node has it, or may have
		spent     bool       // the node says that its sequence is gone
		send      = true     // hand the same bytes to the node (again)
		sentAt    int64      // height when last handed over
		scanned   = t.height // no block up to here holds it, by Scan
		pause     = w.opt.Poll
		started   = time.Now()
		reachable = started
		seen      = t.height // last height that was looked at
		moved     = started  // when it last rose
		lastErr   error
	)
	unknown := func(err error) error {
		return &UnknownError{TxHash: t.name(), TimeoutHeight: t.timeout, Err: err}
	}
	for {
		if send {
			err := w.opt.Chain.Broadcast(ctx, t.raw)
			var refused *Error
			switch {
			case err == nil:
				taken, send, reachable = true, false, time.Now()
			case !errors.As(err, &refused):
				// No answer: it may have arrived.
				taken, lastErr = true, err
			case refused.sdk(codeInCache):
				// The node saw these bytes before: it holds them, or they are in a block, or it
				// dropped them and will forget so in time.
				taken, send, reachable = true, false, time.Now()
			case refused.sdk(codeMempoolFull):
				reachable, lastErr = time.Now(), refused
			case !taken:
				refused.TxHash = t.name()
				return nil, refused
			default:
				// Refused, yet handed over before: by now it may well be in a block, which would be
				// a reason to refuse it. Look.
				_, _, spent = wrongSequence(refused)
				send, reachable = false, time.Now()
			}
		}
		height, err := w.opt.Chain.Height(ctx)
		if err == nil {
			reachable = time.Now()
			if sentAt == 0 {
				sentAt = height
			}
			if !send && height >= sentAt+3 {
				send, sentAt = true, height // a node that restarted has forgotten it
			}
			var res *sdk.TxResponse
			res, err = w.opt.Chain.Tx(ctx, t.hash)
			if height > seen {
				// A new block: if it holds t, the index will say so in a moment.
				seen, pause, moved = height, w.opt.Poll/4, time.Now()
			}
			past := uint64(height) > t.timeout
			if (errors.Is(err, ErrNotFound) && (past || spent)) || errors.Is(err, ErrNoIndex) {
				// The index may lag or be off; the blocks themselves are the proof.
				res, err = nil, ErrNotFound
				if to := min(height, int64(t.timeout)); to > scanned {
					if res, err = w.opt.Chain.Scan(ctx, t.hash, scanned+1, to); errors.Is(err, ErrNotFound) {
						scanned = to
					}
				}
				if errors.Is(err, ErrNotFound) {
					if past {
						return nil, errNever
					}
					if spent {
						// The sequence is gone in the node's own view, which may be its mempool's:
						// only a block proves it.
						if _, sequence, aerr := w.opt.Chain.Account(ctx, w.address.String()); aerr == nil && sequence > t.sequence {
							if h2, herr := w.opt.Chain.Height(ctx); herr == nil {
								if to := min(h2, int64(t.timeout)); to > scanned {
									res, err = w.opt.Chain.Scan(ctx, t.hash, scanned+1, to)
									if errors.Is(err, ErrNotFound) {
										scanned = to
									}
								}
								if errors.Is(err, ErrNotFound) {
									return nil, errNever
								}
							}
						}
					}
				}
			}
			if err == nil && res != nil {
				if res.Code != 0 {
					e := NewError(res.Codespace, res.Code, res.RawLog)
					e.TxHash, e.Height = t.name(), res.Height
					return nil, e
				}
				return res, nil
			}
		} else {
			lastErr = err
			send = true // once it is back, it may have forgotten
		}
		if time.Since(reachable) > w.opt.Patience {
			if !taken {
				return nil, fmt.Errorf("nothing was sent: the node doesn't answer: %w", lastErr)
			}
			return nil, unknown(fmt.Errorf("the node doesn't answer: %w", lastErr))
		}
		if stands := time.Since(moved); stands > w.opt.Patience {
			err := fmt.Errorf("the chain has made no block for %s", stands.Round(time.Second))
			if !taken {
				return nil, fmt.Errorf("nothing was sent: %w", err)
			}
			return nil, unknown(err)
		}
		if !sleep.For(ctx, pause) {
			if !taken {
				return nil, fmt.Errorf("nothing was sent: %w", ctx.Err())
			}
			return nil, unknown(ctx.Err())
		}
		most := 2 * w.opt.Poll
		if time.Since(started) > 5*time.Second {
			most = 8 * w.opt.Poll
		}
		pause = min(pause+pause/4, most)
	}
}
