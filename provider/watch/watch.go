// Package watch reads the chain block by block and hands each block's events to a handler.
//
// What always holds:
//   - Every block after the last one handled is handed over once, in order, transactions' events
//     and the block's own alike. A block whose handling failed is handed over again.
//   - When blocks can't be had any more (pruned, or too many were missed), the handler is asked to
//     take over the whole state by queries instead; then reading goes on after that height.
//   - A node that is down, behind, restarting or another chain's stops the reading, nothing else:
//     it goes on by itself.
package watch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/cosmos/gogoproto/proto"
)

// ErrPruned is returned by a Source that no longer has a block.
var ErrPruned = errors.New("watch: the node no longer has this block")

// Head is what a node says about itself.
type Head struct {
	ChainID string
	// Height is the last block's, Earliest the oldest the node still has (0: not known).
	Height, Earliest int64
	Time             time.Time
	// CatchingUp says that the node knows it is behind the chain.
	CatchingUp bool
}

// Block is what happened in one block.
type Block struct {
	Height int64
	Events []proto.Message
}

// Source is a node.
type Source interface {
	Head(ctx context.Context) (Head, error)
	Block(ctx context.Context, height int64) (Block, error)
	// NewBlocks yields a value after each new block until ctx ends, and closes when the subscription
	// is lost. It is a hint only.
	NewBlocks(ctx context.Context) (<-chan struct{}, error)
}

// Handler takes what was read.
type Handler interface {
	// Block stores the block's effects and its height in one transaction.
	Block(ctx context.Context, b Block) error
	// Sync stores the state of the chain as queries give it, and height as handled. The node is at
	// that height or later, so blocks after it may repeat what the queries said.
	Sync(ctx context.Context, height int64) error
}

// Options tune a Watcher. Zero values mean the defaults.
type Options struct {
	// Poll is how often the node is asked for its height when there is no subscription; 200 ms.
	Poll time.Duration
	// MaxGap is how many missed blocks are read one by one; more are replaced by one Sync; 5000.
	MaxGap int64
	// MaxBackoff bounds the pause between attempts to reach a node; 5 s.
	MaxBackoff time.Duration
	Log        *slog.Logger
}

// Watcher reads one chain.
type Watcher struct {
	src  Source
	h    Handler
	opt  Options
	last atomic.Int64
	head atomic.Pointer[seenHead]
}

type seenHead struct {
	Head
	at time.Time
}

// New returns a watcher that goes on after the block at height last; 0 means it begins with a Sync.
func New(src Source, h Handler, last int64, opt Options) *Watcher {
	if opt.Poll <= 0 {
		opt.Poll = 200 * time.Millisecond
	}
	if opt.MaxGap <= 0 {
		opt.MaxGap = 5000
	}
	if opt.MaxBackoff <= 0 {
		opt.MaxBackoff = 5 * time.Second
	}
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	w := &Watcher{src: src, h: h, opt: opt}
	w.last.Store(last)
	return w
}

// Height is the height of the last block handled.
func (w *Watcher) Height() int64 { return w.last.Load() }

// Head is what the node said last, and when; false before it said anything.
func (w *Watcher) Head() (Head, time.Time, bool) {
	h := w.head.Load()
	if h == nil {
		return Head{}, time.Time{}, false
	}
	return h.Head, h.at, true
}

// Synced says whether the provider's picture is the chain's present: the node answered lately,
// isn't behind by its own word or by its last block's time, and every block it has was handled.
// Only then may something be removed because the chain doesn't know it.
func (w *Watcher) Synced() bool {
	h, at, ok := w.Head()
	return ok && time.Since(at) < 30*time.Second && !h.CatchingUp &&
		time.Since(h.Time) < 2*time.Minute && w.last.Load() >= h.Height
}

// Run reads until ctx ends and returns its error.
func (w *Watcher) Run(ctx context.Context) error {
	var hints <-chan struct{}
	unsubscribe := func() {}
	defer func() { unsubscribe() }()
	silent := 0 // how often in a row there were blocks that the subscription hadn't told of
	retry := backoff{max: w.opt.MaxBackoff}
	subscribeAt := time.Time{}
	down := false
	for told := false; ctx.Err() == nil; {
		if hints == nil && time.Now().After(subscribeAt) {
			sctx, cancel := context.WithCancel(ctx)
			ch, err := w.src.NewBlocks(sctx)
			if err != nil {
				cancel()
				w.opt.Log.Debug("no subscription to new blocks; asking instead", "err", err)
			} else {
				hints, unsubscribe, silent = ch, cancel, 0
			}
			subscribeAt = time.Now().Add(10 * time.Second)
		}
		before := w.last.Load()
		err := w.catchUp(ctx)
		if told {
			silent = 0
		} else if w.last.Load() > before {
			silent++
		}
		if hints != nil && silent >= 3 {
			// It died without a word, as when the node was restarted.
			unsubscribe()
			hints, subscribeAt = nil, time.Time{}
		}
		if err != nil && ctx.Err() == nil {
			if !down {
				w.opt.Log.Warn("can't follow the chain; leases go on, trying again", "height", w.last.Load(), "err", err)
				down = true
			}
			retry.wait(ctx)
			continue
		}
		if down && ctx.Err() == nil {
			w.opt.Log.Info("following the chain again", "height", w.last.Load())
			down = false
		}
		retry.reset()
		poll := w.opt.Poll
		if hints != nil {
			poll *= 5 // the subscription tells; this is for a node that forgets to
		}
		timer := time.NewTimer(poll)
		told = false
		select {
		case <-ctx.Done():
		case <-timer.C:
		case _, ok := <-hints:
			if told = ok; !ok {
				unsubscribe()
				hints = nil
			}
		}
		timer.Stop()
	}
	return ctx.Err()
}

// catchUp handles every block the node has.
func (w *Watcher) catchUp(ctx context.Context) error {
	head, err := w.src.Head(ctx)
	if err != nil {
		return fmt.Errorf("ask the node for its height: %w", err)
	}
	w.head.Store(&seenHead{Head: head, at: time.Now()})
	last := w.last.Load()
	if head.Height < last {
		return fmt.Errorf("the node is at height %d, behind block %d that was handled already", head.Height, last)
	}
	if last == 0 || head.Height-last > w.opt.MaxGap || (head.Earliest > 0 && last+1 < head.Earliest) {
		return w.sync(ctx, head.Height)
	}
	for height := last + 1; height <= head.Height && ctx.Err() == nil; height++ {
		b, err := w.src.Block(ctx, height)
		if errors.Is(err, ErrPruned) {
			return w.sync(ctx, head.Height)
		}
		if err != nil {
			return fmt.Errorf("read block %d: %w", height, err)
		}
		if err := w.h.Block(ctx, b); err != nil {
			return fmt.Errorf("handle block %d: %w", height, err)
		}
		w.last.Store(height)
	}
	return nil
}

func (w *Watcher) sync(ctx context.Context, height int64) error {
	if height == 0 {
		return errors.New("the chain has no block yet")
	}
	w.opt.Log.Info("reading the whole state from the chain", "from", w.last.Load(), "height", height)
	if err := w.h.Sync(ctx, height); err != nil {
		return fmt.Errorf("read the state at height %d: %w", height, err)
	}
	w.last.Store(height)
	return nil
}

// backoff pauses 100 ms, then twice as long each time up to max.
type backoff struct{ next, max time.Duration }

func (b *backoff) reset() { b.next = 0 }

func (b *backoff) wait(ctx context.Context) {
	b.next = min(max(2*b.next, 100*time.Millisecond), b.max)
	t := time.NewTimer(b.next)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
