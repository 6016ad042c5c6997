package watch

import (
	"context"
	"errors"
	"reflect"
	"sync"
	"testing"
	"time"

	abci "github.com/cometbft/cometbft/abci/types"
	sdk "github.com/cosmos/cosmos-sdk/types"
	"github.com/cosmos/gogoproto/proto"

	marketv1 "github.com/akash-supercloud/akash/api/akash/market/v1"
)

// node is a scripted node.
type node struct {
	mu       sync.Mutex
	head     Head
	down     bool
	failOnce map[int64]bool
	pruned   int64 // blocks below are gone, whatever Earliest says
	// mute subscriptions tell nothing; subscribed counts them, ended those that were let go.
	mute              bool
	subscribed, ended int
}

func (n *node) set(f func(*node)) { n.mu.Lock(); defer n.mu.Unlock(); f(n) }

func (n *node) Head(context.Context) (Head, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.down {
		return Head{}, errors.New("connection refused")
	}
	return n.head, nil
}

func (n *node) Block(_ context.Context, h int64) (Block, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.down || n.failOnce[h] {
		delete(n.failOnce, h)
		return Block{}, errors.New("connection reset")
	}
	if h < n.pruned {
		return Block{}, ErrPruned
	}
	return Block{Height: h, Events: []proto.Message{&marketv1.EventOrderCreated{ID: marketv1.OrderID{DSeq: uint64(h)}}}}, nil
}

func (n *node) NewBlocks(ctx context.Context) (<-chan struct{}, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.mute {
		n.subscribed++
		context.AfterFunc(ctx, func() { n.set(func(n *node) { n.ended++ }) })
		return make(chan struct{}), nil
	}
	return nil, errors.New("no websocket")
}

type recorder struct {
	mu     sync.Mutex
	blocks []int64
	syncs  []int64
	fail   map[int64]bool
}

func (r *recorder) Block(_ context.Context, b Block) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.fail[b.Height] {
		delete(r.fail, b.Height)
		return errors.New("disk full")
	}
	r.blocks = append(r.blocks, b.Height)
	return nil
}

func (r *recorder) Sync(_ context.Context, h int64) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.syncs = append(r.syncs, h)
	return nil
}

func (r *recorder) wait(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		r.mu.Lock()
		done := ok()
		r.mu.Unlock()
		if done {
			return
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	t.Fatalf("%s: never; blocks %v syncs %v", what, r.blocks, r.syncs)
}

func start(t *testing.T, n *node, r *recorder, last, gap int64) *Watcher {
	w := New(n, r, last, Options{Poll: time.Millisecond, MaxGap: gap, MaxBackoff: 5 * time.Millisecond})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { _ = w.Run(ctx); close(done) }()
	t.Cleanup(func() { cancel(); <-done })
	return w
}

func TestNeverSkipsABlock(t *testing.T) {
	n := &node{head: Head{Height: 12, Earliest: 1, Time: time.Now()}, failOnce: map[int64]bool{11: true}}
	r := &recorder{fail: map[int64]bool{12: true}}
	w := start(t, n, r, 9, 100)
	r.wait(t, "up to 12", func() bool { return len(r.blocks) == 3 })
	n.set(func(n *node) { n.down = true })
	n.set(func(n *node) { n.head.Height = 15 })
	n.set(func(n *node) { n.down = false; n.head.Time = time.Now() })
	r.wait(t, "up to 15", func() bool { return len(r.blocks) == 6 })
	if want := []int64{10, 11, 12, 13, 14, 15}; !reflect.DeepEqual(r.blocks, want) || len(r.syncs) != 0 {
		t.Fatalf("got blocks %v syncs %v, want %v and no sync", r.blocks, r.syncs, want)
	}
	r.wait(t, "synced", func() bool { return w.Synced() })
	// A node that was reset, or is far behind, isn't taken for the chain.
	n.set(func(n *node) { n.head.Height = 3 })
	r.wait(t, "not synced", func() bool { h, _, _ := w.Head(); return h.Height == 3 })
	if len(r.blocks) != 6 || len(r.syncs) != 0 || w.Height() != 15 {
		t.Fatalf("a node behind changed something: blocks %v syncs %v", r.blocks, r.syncs)
	}
}

func TestSyncsWhereBlocksAreGone(t *testing.T) {
	for name, c := range map[string]struct {
		last, gap int64
		n         *node
	}{
		"new":                 {0, 100, &node{head: Head{Height: 50, Earliest: 1}}},
		"pruned by its word":  {10, 100, &node{head: Head{Height: 50, Earliest: 40}}},
		"pruned in fact":      {10, 100, &node{head: Head{Height: 50}, pruned: 45}},
		"too many are missed": {10, 20, &node{head: Head{Height: 50}}},
	} {
		t.Run(name, func(t *testing.T) {
			r := &recorder{}
			start(t, c.n, r, c.last, c.gap)
			r.wait(t, "sync", func() bool { return len(r.syncs) == 1 })
			c.n.set(func(n *node) { n.head.Height = 52 })
			r.wait(t, "goes on", func() bool { return len(r.blocks) == 2 })
			if r.syncs[0] != 50 || r.blocks[0] != 51 {
				t.Fatalf("syncs %v blocks %v", r.syncs, r.blocks)
			}
		})
	}
}

func TestParseEvents(t *testing.T) {
	id := marketv1.LeaseID{Owner: "akash1o", DSeq: 18446744073709551615, GSeq: 1, OSeq: 2, Provider: "akash1p"}
	want := &marketv1.EventLeaseClosed{ID: id, Reason: marketv1.LeaseClosedReasonInsufficientFunds}
	e, err := sdk.TypedEventToEvent(want)
	if err != nil {
		t.Fatal(err)
	}
	ev := abci.Event(e)
	ev.Attributes = append(ev.Attributes, abci.EventAttribute{Key: "mode", Value: "EndBlock"}, abci.EventAttribute{Key: "msg_index", Value: "0"})
	broken := abci.Event{Type: ev.Type, Attributes: []abci.EventAttribute{{Key: "id", Value: `"nonsense"`}}}
	var bad []error
	got := ParseEvents(
		[]*abci.ExecTxResult{{Events: []abci.Event{ev, {Type: "transfer"}}}, {Code: 5, Events: []abci.Event{ev}}, nil},
		[]abci.Event{ev, broken}, func(err error) { bad = append(bad, err) })
	if len(got) != 2 || len(bad) != 1 {
		t.Fatalf("got %d events and %v", len(got), bad)
	}
	for _, m := range got {
		if !proto.Equal(m, want) {
			t.Errorf("got %v, want %v", m, want)
		}
	}
}

func FuzzParseEvent(f *testing.F) {
	f.Add("akash.market.v1.EventLeaseClosed", "id", `{"owner":"a","dseq":"1"}`)
	f.Add("akash.market.v1.EventBidCreated", "price", `{"denom":"uact","amount":"1.5"}`)
	f.Fuzz(func(t *testing.T, typ, key, value string) {
		_, _ = ParseEvent(abci.Event{Type: typ, Attributes: []abci.EventAttribute{{Key: key, Value: value}}})
	})
}

func TestASubscriptionThatWentSilentIsRenewed(t *testing.T) {
	n := &node{head: Head{Height: 1, Time: time.Now()}, mute: true}
	r := &recorder{}
	start(t, n, r, 1, 1000)
	r.wait(t, "subscribed anew", func() bool {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.head.Height++
		return n.subscribed >= 3 && n.ended >= 2
	})
	r.wait(t, "blocks are read all the same", func() bool { return len(r.blocks) > 5 })
}
