// Package bid decides on orders and keeps the provider's bids.
//
// What always holds:
//   - Everything that can refuse an order is asked before a bid costs anything: who the tenant is,
//     attributes, auditors, capabilities, free resources, price, denomination, deposit.
//   - A bid that is decided is on the disk before it is sent, and is looked up on the chain before
//     it is sent again: a crash between sending and noting sends nothing twice and loses nothing.
//   - What an order held is free again the moment it is lost, closed, refused or timed out.
//   - Each order refused leaves its reasons behind, in plain sentences.
package bid

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"cosmossdk.io/math"
	sdk "github.com/cosmos/cosmos-sdk/types"
	"github.com/cosmos/gogoproto/proto"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	auditv1 "github.com/akash-supercloud/akash/api/akash/audit/v1"
	attributesv1 "github.com/akash-supercloud/akash/api/akash/base/attributes/v1"
	depositv1 "github.com/akash-supercloud/akash/api/akash/base/deposit/v1"
	deploymentv1beta4 "github.com/akash-supercloud/akash/api/akash/deployment/v1beta4"
	eventsv1 "github.com/akash-supercloud/akash/api/akash/events/v1"
	marketv1 "github.com/akash-supercloud/akash/api/akash/market/v1"
	marketv1beta5 "github.com/akash-supercloud/akash/api/akash/market/v1beta5"
	providerv1beta4 "github.com/akash-supercloud/akash/api/akash/provider/v1beta4"
	"github.com/akash-supercloud/akash/client/tx"
	"github.com/akash-supercloud/akash/match"
	"github.com/akash-supercloud/akash/provider/inventory"
	"github.com/akash-supercloud/akash/provider/pricing"
	"github.com/akash-supercloud/akash/provider/state"
)

// Chain is what bidding asks of the chain. Something that isn't there is an error whose gRPC code
// is NotFound; a message the chain refused is a *tx.Error.
type Chain interface {
	Order(ctx context.Context, id marketv1.OrderID) (marketv1beta5.Order, error)
	Bid(ctx context.Context, id marketv1.BidID) (marketv1beta5.Bid, error)
	MarketParams(ctx context.Context) (marketv1beta5.Params, error)
	Self(ctx context.Context) (providerv1beta4.Provider, []auditv1.AuditedProvider, error)
	Balance(ctx context.Context, denom string) (math.Int, error)
	Send(ctx context.Context, msgs ...sdk.Msg) error
}

// Codes of reasons that only a provider has; the others are match's.
const (
	CodeOwner       match.Code = "owner"       // the tenant isn't served here
	CodePrice       match.Code = "price"       // the order pays too little
	CodeUnpriced    match.Code = "unpriced"    // something has no price here
	CodeReclamation match.Code = "reclamation" // the order wants a notice time that isn't offered
	CodeBalance     match.Code = "balance"     // the provider lacks coins for the deposit
	CodeHost        match.Code = "host"        // a host name is taken
	CodeChain       match.Code = "chain"       // the chain refused the bid
)

// Options configure an Engine. Provider, Chain, Store, Inventory, Pricing and BlockTime are needed.
type Options struct {
	// Provider is the provider's own address.
	Provider  string
	Chain     Chain
	Store     *state.Store
	Inventory *inventory.Inventory
	Pricing   pricing.Engine
	// BlockTime is the chain's time between blocks; 0 while not known.
	BlockTime func() time.Duration
	// Allow are the only tenants served, when there are any; Deny are never served.
	Allow, Deny []string
	// Require are attributes that an order must ask for; it isn't bid on otherwise.
	Require map[string]string
	// Timeout is how long a bid stays open; 0: until the order ends.
	Timeout time.Duration
	// Reclamation is the notice time offered in bids; 0: none.
	Reclamation time.Duration
	// Deposit is paid for each bid; the zero value means the chain's minimum, in the order's
	// denomination if there is enough of it, else in another that the chain takes.
	Deposit sdk.Coin
	Log     *slog.Logger
	// Count is told each outcome: "bid", "declined", "won", "lost", "closed", "timeout", "error".
	Count func(outcome string)
	Now   func() time.Time
}

// Decision is what became of an order, for people.
type Decision struct {
	At      time.Time        `json:"at"`
	Order   marketv1.OrderID `json:"order"`
	Outcome string           `json:"outcome"`
	Reasons []match.Reason   `json:"reasons,omitempty"`
	Price   string           `json:"price,omitempty"`
}

// keep is how many decisions are remembered, workers how many orders are worked on at once.
const (
	keep       = 500
	workers    = 128
	maxRefused = 100_000
)

// Engine bids. It is safe for use by several goroutines.
type Engine struct {
	opt   Options
	slots chan struct{}

	mu        sync.Mutex
	ctx       context.Context
	wg        sync.WaitGroup
	running   map[string]*run
	decisions []Decision
	self      *providerv1beta4.Provider
	audited   []auditv1.AuditedProvider
	params    *marketv1beta5.Params
	cachedAt  time.Time
	waiting   map[string]marketv1.OrderID // declined for want of room
	// refused are orders that were declined for good, as far as the provider stays as it is: a whole
	// read of the open orders passes them over.
	refused map[string]bool
}

type run struct {
	again bool
	timer *time.Timer
	fails int
}

// New returns an engine that does nothing before Start.
func New(opt Options) *Engine {
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	if opt.Count == nil {
		opt.Count = func(string) {}
	}
	if opt.Now == nil {
		opt.Now = time.Now
	}
	return &Engine{opt: opt, slots: make(chan struct{}, workers), running: map[string]*run{}, waiting: map[string]marketv1.OrderID{}, refused: map[string]bool{}}
}

// Start takes up every order of the store again: what was bid keeps its room, what was being sent
// is looked up on the chain, the rest is decided. Work ends with ctx; Wait waits for it.
func (e *Engine) Start(ctx context.Context) error {
	e.mu.Lock()
	e.ctx = ctx
	e.mu.Unlock()
	var orders []state.Order
	err := e.opt.Store.View(func(tx *state.Tx) (err error) { orders, err = tx.Orders(); return err })
	if err != nil {
		return err
	}
	for _, o := range orders {
		if o.State == state.OrderBid || o.State == state.OrderSending || o.State == state.OrderClosing {
			if spec, err := o.GroupSpec(); err == nil {
				e.opt.Inventory.Hold(o.ID.String(), spec, false)
			}
		}
	}
	for _, o := range orders {
		e.kick(o.ID)
	}
	return nil
}

// Wait waits until no order is worked on, once Start's context has ended.
func (e *Engine) Wait() { e.wg.Wait() }

// Apply stores the effects of an event of the chain in tx. It returns what is to be done once tx
// is committed.
func (e *Engine) Apply(tx *state.Tx, ev proto.Message) (func(), error) {
	switch ev := ev.(type) {
	case *marketv1.EventOrderCreated:
		return e.see(tx, ev.ID)
	case *marketv1.EventOrderClosed:
		return e.drop(tx, ev.ID, "closed")
	case *marketv1.EventBidClosed:
		if ev.ID.Provider == e.opt.Provider {
			return e.drop(tx, ev.ID.OrderID(), "closed")
		}
	case *eventsv1.EventBidLost:
		if ev.ID.Provider == e.opt.Provider {
			return e.drop(tx, ev.ID.OrderID(), "lost")
		}
	case *marketv1.EventLeaseCreated:
		if ev.ID.Provider != e.opt.Provider {
			return e.drop(tx, ev.ID.OrderID(), "lost")
		}
		// The room now belongs to the lease; workload holds it under the same key.
		o, ok, err := tx.Order(ev.ID.OrderID())
		if err != nil || !ok {
			return nil, err
		}
		return func() {
			e.opt.Count("won")
			e.note(Decision{Order: ev.ID.OrderID(), Outcome: "won", Price: o.Price.String()})
		}, tx.DeleteOrder(ev.ID.OrderID())
	case *providerv1beta4.EventProviderUpdated:
		if ev.Owner == e.opt.Provider {
			return e.forget, nil
		}
	case *auditv1.EventTrustedAuditorCreated:
		if ev.Owner == e.opt.Provider {
			return e.forget, nil
		}
	case *auditv1.EventTrustedAuditorDeleted:
		if ev.Owner == e.opt.Provider {
			return e.forget, nil
		}
	}
	return nil, nil
}

// See stores an open order found by a query. It returns what is to be done after the commit.
func (e *Engine) See(tx *state.Tx, id marketv1.OrderID) (func(), error) {
	e.mu.Lock()
	known := e.refused[id.String()]
	e.mu.Unlock()
	if known {
		return nil, nil
	}
	return e.see(tx, id)
}

func (e *Engine) see(tx *state.Tx, id marketv1.OrderID) (func(), error) {
	if id.Owner == e.opt.Provider {
		return nil, nil // the chain takes no bid on an order of one's own
	}
	_, ok, err := tx.Order(id)
	if err != nil {
		return nil, err
	}
	if ok {
		return func() { e.kick(id) }, nil
	}
	return func() { e.kick(id) }, tx.PutOrder(state.Order{ID: id, State: state.OrderSeen, Price: sdk.DecCoin{Amount: math.LegacyZeroDec()}})
}

// Recheck looks at every order of the store again, against the chain.
func (e *Engine) Recheck() error {
	var orders []state.Order
	err := e.opt.Store.View(func(tx *state.Tx) (err error) { orders, err = tx.Orders(); return err })
	for _, o := range orders {
		e.kick(o.ID)
	}
	return err
}

// drop forgets an order and frees what it held.
func (e *Engine) drop(tx *state.Tx, id marketv1.OrderID, outcome string) (func(), error) {
	o, ok, err := tx.Order(id)
	if err != nil || !ok {
		return nil, err
	}
	return func() {
		e.release(id)
		if o.State == state.OrderBid || o.State == state.OrderSending || o.State == state.OrderClosing {
			e.opt.Count(outcome)
			e.note(Decision{Order: id, Outcome: outcome, Price: o.Price.String()})
		}
	}, tx.DeleteOrder(id)
}

// forget drops what is known of the provider itself, since it changed.
func (e *Engine) forget() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.cachedAt = time.Time{}
	clear(e.refused)
}

// release frees what an order holds and looks again at some of those that had no room.
func (e *Engine) release(id marketv1.OrderID) {
	if e.opt.Inventory.Release(id.String()) {
		e.Freed()
	}
	e.mu.Lock()
	delete(e.waiting, id.String())
	e.mu.Unlock()
}

// Freed says that resources became free: some orders that had no room are decided again.
func (e *Engine) Freed() {
	const some = 32
	e.mu.Lock()
	var again []marketv1.OrderID
	for _, id := range e.waiting {
		if again = append(again, id); len(again) == some {
			break
		}
	}
	e.mu.Unlock()
	for _, id := range again {
		e.kick(id)
	}
}

// Orders is how many orders are looked at or bid on.
func (e *Engine) Orders() int {
	n := 0
	_ = e.opt.Store.View(func(tx *state.Tx) error {
		orders, err := tx.Orders()
		for _, o := range orders {
			if o.State != state.OrderDeclined {
				n++
			}
		}
		return err
	})
	return n
}

// Decisions are the last orders decided, newest first.
func (e *Engine) Decisions() []Decision {
	e.mu.Lock()
	defer e.mu.Unlock()
	out := slices.Clone(e.decisions)
	slices.Reverse(out)
	return out
}

func (e *Engine) note(d Decision) {
	d.At = e.opt.Now()
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.decisions) >= keep {
		e.decisions = slices.Delete(e.decisions, 0, len(e.decisions)-keep+1)
	}
	e.decisions = append(e.decisions, d)
}

// kick works on an order now, or once more when it is being worked on.
func (e *Engine) kick(id marketv1.OrderID) {
	key := id.String()
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.ctx == nil || e.ctx.Err() != nil {
		return
	}
	r := e.running[key]
	switch {
	case r == nil:
		r = &run{}
		e.running[key] = r
	case r.timer != nil:
		if !r.timer.Stop() {
			return // it is about to run
		}
		r.timer = nil
	default:
		r.again = true
		return
	}
	e.launch(key, id, r)
}

// launch runs work; the lock is held.
func (e *Engine) launch(key string, id marketv1.OrderID, r *run) {
	ctx := e.ctx
	e.wg.Go(func() {
		select {
		case e.slots <- struct{}{}:
		case <-ctx.Done():
			return
		}
		wait, err := e.work(ctx, id)
		<-e.slots
		e.mu.Lock()
		defer e.mu.Unlock()
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			r.fails++
			wait = min(time.Second<<min(r.fails, 6), 30*time.Second)
			e.opt.Log.Warn("order: trying again", "order", key, "in", wait, "err", err)
			e.opt.Count("error")
		} else {
			r.fails = 0
		}
		switch {
		case r.again:
			r.again = false
			e.launch(key, id, r)
		case wait > 0:
			r.timer = time.AfterFunc(wait, func() {
				e.mu.Lock()
				defer e.mu.Unlock()
				if e.running[key] == r && e.ctx.Err() == nil {
					r.timer = nil
					e.launch(key, id, r)
				}
			})
		default:
			delete(e.running, key)
		}
	})
}

// work brings one order forward. It returns when to look again (0: when something happens), or an
// error after which it is tried again.
func (e *Engine) work(ctx context.Context, id marketv1.OrderID) (time.Duration, error) {
	var o state.Order
	var ok bool
	if err := e.opt.Store.View(func(tx *state.Tx) (err error) { o, ok, err = tx.Order(id); return err }); err != nil || !ok {
		return 0, err
	}
	switch o.State {
	case state.OrderSeen, state.OrderDeclined:
		return e.decide(ctx, o)
	case state.OrderSending, state.OrderBid, state.OrderClosing:
		return e.check(ctx, o)
	}
	return 0, e.end(id)
}

// check compares a bid of ours with the chain.
func (e *Engine) check(ctx context.Context, o state.Order) (time.Duration, error) {
	bidID := marketv1.MakeBidID(o.ID, e.opt.Provider)
	b, err := e.opt.Chain.Bid(ctx, bidID)
	switch {
	case status.Code(err) == codes.NotFound:
		if o.State == state.OrderSending {
			// It never got there. Decide anew: the order may be gone, prices may have changed.
			o.State = state.OrderSeen
			return e.decide(ctx, o)
		}
		e.release(o.ID)
		return 0, e.end(o.ID)
	case err != nil:
		return 0, fmt.Errorf("look for the bid: %w", err)
	case b.State == marketv1beta5.BidActive:
		// It won; the event of the lease brings the rest, the room stays.
		return 0, nil
	case b.State != marketv1beta5.BidOpen:
		e.release(o.ID)
		return 0, e.end(o.ID)
	}
	if o.State == state.OrderSending {
		if len(o.Spec) == 0 {
			order, err := e.opt.Chain.Order(ctx, o.ID)
			if err != nil {
				return 0, fmt.Errorf("read the order: %w", err)
			}
			if o.Spec, err = order.Spec.Marshal(); err != nil {
				return 0, err
			}
			e.opt.Inventory.Hold(o.ID.String(), order.Spec, false)
		}
		o.State, o.Price = state.OrderBid, b.Price
		if o.BidAt.IsZero() {
			o.BidAt = e.opt.Now()
		}
		if gone, err := e.update(o); err != nil || gone {
			return 0, err
		}
	}
	left := e.left(o)
	if o.State == state.OrderClosing || left < 0 {
		return e.closeBid(ctx, o)
	}
	return left, nil
}

// left is how long a bid may stay open; 0: for ever, negative: it may not.
func (e *Engine) left(o state.Order) time.Duration {
	if e.opt.Timeout <= 0 {
		return 0
	}
	if left := o.BidAt.Add(e.opt.Timeout).Sub(e.opt.Now()); left > 0 {
		return left
	}
	return -1
}

func (e *Engine) closeBid(ctx context.Context, o state.Order) (time.Duration, error) {
	if o.State != state.OrderClosing {
		o.State = state.OrderClosing
		if gone, err := e.update(o); err != nil || gone {
			return 0, err
		}
	}
	err := e.opt.Chain.Send(ctx, &marketv1beta5.MsgCloseBid{ID: marketv1.MakeBidID(o.ID, e.opt.Provider), Reason: marketv1.LeaseClosedReasonUnspecified})
	var refused *tx.Error
	if err != nil && !errors.As(err, &refused) {
		return 0, fmt.Errorf("close the bid: %w", err)
	}
	e.release(o.ID)
	e.opt.Count("timeout")
	e.note(Decision{Order: o.ID, Outcome: "timeout", Price: o.Price.String()})
	return 0, e.end(o.ID)
}

// decide bids on an order or says why not.
func (e *Engine) decide(ctx context.Context, o state.Order) (time.Duration, error) {
	if r := e.owner(o.ID.Owner); r != nil {
		return 0, e.decline(o, r)
	}
	order, err := e.opt.Chain.Order(ctx, o.ID)
	if status.Code(err) == codes.NotFound || (err == nil && order.State != marketv1beta5.OrderOpen) {
		e.release(o.ID)
		return 0, e.end(o.ID)
	}
	if err != nil {
		return 0, fmt.Errorf("read the order: %w", err)
	}
	s, err := e.screen(ctx, o.ID.Owner, order.Spec, order.Reclamation != nil, reclamation(order), func() (match.Placement, []match.Reason) {
		return e.opt.Inventory.Reserve(o.ID.String(), order.Spec)
	})
	if err != nil {
		e.opt.Inventory.Release(o.ID.String())
		return 0, err
	}
	if len(s.Reasons) > 0 {
		e.opt.Inventory.Release(o.ID.String())
		return 0, e.decline(o, s.Reasons)
	}
	deposit, reasons, err := e.deposit(ctx, s.Price.Denom)
	if err != nil || len(reasons) > 0 {
		e.opt.Inventory.Release(o.ID.String())
		if err == nil {
			e.opt.Log.Warn("can't bid: "+reasons[0].Text, "order", o.ID.String())
			err = e.decline(o, reasons)
		}
		return 30 * time.Second, err
	}
	o.State, o.Price, o.BidAt = state.OrderSending, s.Price, e.opt.Now()
	if o.Spec, err = order.Spec.Marshal(); err != nil {
		return 0, err
	}
	if gone, err := e.update(o); err != nil || gone {
		e.opt.Inventory.Release(o.ID.String())
		return 0, err
	}
	msg := &marketv1beta5.MsgCreateBid{
		ID: marketv1.MakeBidID(o.ID, e.opt.Provider), Price: s.Price, ResourcesOffer: s.Offer,
		Deposit: depositv1.Deposit{Amount: deposit, Sources: []depositv1.Source{depositv1.SourceBalance}},
	}
	if e.opt.Reclamation > 0 {
		window := e.opt.Reclamation
		msg.ReclamationWindow = &window
	}
	err = e.opt.Chain.Send(ctx, msg)
	var refused *tx.Error
	switch {
	case err == nil:
		o.State = state.OrderBid
		if gone, err := e.update(o); err != nil || gone {
			return 0, err // won or lost already
		}
		e.opt.Count("bid")
		e.note(Decision{Order: o.ID, Outcome: "bid", Price: s.Price.String()})
		e.opt.Log.Info("bid", "order", o.ID.String(), "price", s.Price.String())
		return max(e.left(o), 0), nil
	case errors.As(err, &refused):
		if refused.Codespace == "market" && refused.Code == 21 { // bid exists: an earlier send arrived after all
			return e.check(ctx, o)
		}
		e.opt.Inventory.Release(o.ID.String())
		if refused.Codespace == "market" && (refused.Code == 15 || refused.Code == 23 || refused.Code == 24) {
			e.note(Decision{Order: o.ID, Outcome: "lost"})
			return 0, e.end(o.ID)
		}
		return 0, e.decline(o, []match.Reason{{Code: CodeChain, Text: refused.Error()}})
	}
	// Whether it was sent isn't known: look it up before anything else.
	return 0, fmt.Errorf("send the bid: %w", err)
}

// Screening is what the provider says about a group.
type Screening struct {
	Reasons []match.Reason
	Offer   []marketv1beta5.ResourceOffer
	Price   sdk.DecCoin
	Quote   pricing.Quote
}

// Screen says whether the provider would bid on a group of owner (may be empty), without
// promising anything.
func (e *Engine) Screen(ctx context.Context, owner string, spec deploymentv1beta4.GroupSpec) (Screening, error) {
	if r := e.owner(owner); owner != "" && r != nil {
		return Screening{Reasons: r}, nil
	}
	return e.screen(ctx, owner, spec, false, 0, func() (match.Placement, []match.Reason) { return e.opt.Inventory.Place(spec) })
}

func (e *Engine) owner(owner string) []match.Reason {
	if slices.Contains(e.opt.Deny, owner) || (len(e.opt.Allow) > 0 && !slices.Contains(e.opt.Allow, owner)) {
		return []match.Reason{{Code: CodeOwner, Text: "the provider doesn't serve this tenant"}}
	}
	return nil
}

func reclamation(o marketv1beta5.Order) time.Duration {
	if o.Reclamation == nil {
		return 0
	}
	return o.Reclamation.MinWindow
}

func (e *Engine) screen(ctx context.Context, owner string, spec deploymentv1beta4.GroupSpec, needsReclaim bool, window time.Duration, place func() (match.Placement, []match.Reason)) (Screening, error) {
	self, audited, _, err := e.facts(ctx)
	if err != nil {
		return Screening{}, err
	}
	var s Screening
	if err := match.Limits(spec); err != nil {
		s.Reasons = append(s.Reasons, match.Reason{Code: match.CodeLimits, Text: err.Error()})
		return s, nil
	}
	s.Reasons = append(s.Reasons, match.Attributes(spec.Requirements, self.Attributes, audited)...)
	s.Reasons = append(s.Reasons, match.Capabilities(spec.Resources, self.Attributes)...)
	for key, value := range e.opt.Require {
		if !slices.ContainsFunc(spec.Requirements.Attributes, func(a attributesv1.Attribute) bool { return a.Key == key && a.Value == value }) {
			s.Reasons = append(s.Reasons, match.Reason{Code: match.CodeAttribute, Text: fmt.Sprintf("the provider serves only orders that ask for %s=%s", key, value), Change: "add it to the placement's attributes"})
		}
	}
	if needsReclaim && e.opt.Reclamation < max(window, 1) {
		s.Reasons = append(s.Reasons, match.Reason{Code: CodeReclamation, Text: fmt.Sprintf("the order wants a notice of %s before reclamation, the provider gives %s", window, e.opt.Reclamation)})
	}
	if len(s.Reasons) > 0 {
		return s, nil
	}
	p, reasons := place()
	if len(reasons) > 0 {
		s.Reasons = reasons
		return s, nil
	}
	s.Offer = p.Offer
	q, err := e.opt.Pricing.Quote(ctx, pricing.Request{Owner: owner, Spec: spec, Offer: p.Offer, BlockTime: e.opt.BlockTime(), Idle: e.opt.Inventory.Idle()})
	if errors.Is(err, pricing.ErrNoPrice) {
		s.Reasons = []match.Reason{{Code: CodeUnpriced, Text: err.Error()}}
		return s, nil
	}
	if err != nil {
		return s, err
	}
	s.Price, s.Quote = q.Price, q
	if most := pricing.Max(spec); q.Price.Amount.GT(most.Amount) {
		s.Reasons = []match.Reason{{Code: CodePrice,
			Text:   fmt.Sprintf("the order pays at most %s a block, the provider's price is %s", short(most), short(q.Price)),
			Change: fmt.Sprintf("offer %s%s or more a block", q.Price.Amount.Ceil().TruncateInt(), q.Price.Denom)}}
	}
	return s, nil
}

// short prints an amount without zeros at its end.
func short(c sdk.DecCoin) string { return pricing.Text(c.Amount) + c.Denom }

// facts are the provider's own record, its audits and the market's params, not older than a minute.
func (e *Engine) facts(ctx context.Context) (providerv1beta4.Provider, []auditv1.AuditedProvider, marketv1beta5.Params, error) {
	e.mu.Lock()
	if e.self != nil && time.Since(e.cachedAt) < time.Minute {
		defer e.mu.Unlock()
		return *e.self, e.audited, *e.params, nil
	}
	e.mu.Unlock()
	self, audited, err := e.opt.Chain.Self(ctx)
	if err != nil {
		return self, nil, marketv1beta5.Params{}, fmt.Errorf("read the provider's own record: %w", err)
	}
	params, err := e.opt.Chain.MarketParams(ctx)
	if err != nil {
		return self, nil, params, fmt.Errorf("read the market's params: %w", err)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.self, e.audited, e.params, e.cachedAt = &self, audited, &params, time.Now()
	return self, audited, params, nil
}

// deposit chooses what to pay for a bid.
func (e *Engine) deposit(ctx context.Context, denom string) (sdk.Coin, []match.Reason, error) {
	_, _, params, err := e.facts(ctx)
	if err != nil {
		return sdk.Coin{}, nil, err
	}
	choices := sdk.Coins{}
	if e.opt.Deposit.Denom != "" {
		choices = append(choices, e.opt.Deposit)
	} else {
		for _, c := range params.BidMinDeposits {
			if c.Denom == denom {
				choices = append(sdk.Coins{c}, choices...)
			} else {
				choices = append(choices, c)
			}
		}
	}
	for _, c := range choices {
		have, err := e.opt.Chain.Balance(ctx, c.Denom)
		if err != nil {
			return c, nil, fmt.Errorf("read the provider's balance: %w", err)
		}
		if have.GTE(c.Amount) {
			return c, nil, nil
		}
	}
	return sdk.Coin{}, []match.Reason{{Code: CodeBalance,
		Text:   fmt.Sprintf("the provider's account can't pay a bid's deposit (one of %s)", choices),
		Change: "send coins to " + e.opt.Provider}}, nil
}

// decline notes why, and keeps the order in mind when it only lacks room or coins now.
func (e *Engine) decline(o state.Order, reasons []match.Reason) error {
	e.opt.Count("declined")
	e.note(Decision{Order: o.ID, Outcome: "declined", Reasons: reasons})
	e.opt.Log.Info("no bid", "order", o.ID.String(), "why", reasons[0].String())
	for _, r := range reasons {
		switch r.Code {
		case match.CodeCPU, match.CodeMemory, match.CodeGPU, match.CodeStorage, match.CodePersistent, match.CodeIP,
			match.CodeNode, match.CodeReplicas, match.CodeTogether, CodeBalance:
		default:
			e.mu.Lock()
			if len(e.refused) >= maxRefused {
				clear(e.refused)
			}
			e.refused[o.ID.String()] = true
			e.mu.Unlock()
			return e.end(o.ID)
		}
	}
	o.State = state.OrderDeclined
	gone, err := e.update(o)
	if err == nil && !gone {
		e.mu.Lock()
		if len(e.waiting) < 10_000 {
			e.waiting[o.ID.String()] = o.ID
		}
		e.mu.Unlock()
	}
	return err
}

// update writes an order's record unless it is gone, which it also reports.
func (e *Engine) update(o state.Order) (gone bool, err error) {
	err = e.opt.Store.Update(func(tx *state.Tx) error {
		_, ok, err := tx.Order(o.ID)
		if err != nil || !ok {
			gone = true
			return err
		}
		return tx.PutOrder(o)
	})
	return gone, err
}

func (e *Engine) end(id marketv1.OrderID) error {
	e.mu.Lock()
	delete(e.waiting, id.String())
	e.mu.Unlock()
	return e.opt.Store.Update(func(tx *state.Tx) error { return tx.DeleteOrder(id) })
}
