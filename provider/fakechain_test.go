package provider

import (
	"context"
	"errors"
	"sync"
	"time"

	"cosmossdk.io/math"
	cryptotypes "github.com/cosmos/cosmos-sdk/crypto/types"
	sdk "github.com/cosmos/cosmos-sdk/types"
	"github.com/cosmos/gogoproto/proto"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	auditv1 "github.com/akash-supercloud/akash/api/akash/audit/v1"
	attributesv1 "github.com/akash-supercloud/akash/api/akash/base/attributes/v1"
	deploymentv1 "github.com/akash-supercloud/akash/api/akash/deployment/v1"
	deploymentv1beta4 "github.com/akash-supercloud/akash/api/akash/deployment/v1beta4"
	marketv1 "github.com/akash-supercloud/akash/api/akash/market/v1"
	marketv1beta5 "github.com/akash-supercloud/akash/api/akash/market/v1beta5"
	providerv1beta4 "github.com/akash-supercloud/akash/api/akash/provider/v1beta4"
	tradev1 "github.com/akash-supercloud/akash/api/akash/trade/v1"
	"github.com/akash-supercloud/akash/client/auth"
	"github.com/akash-supercloud/akash/client/tx"
	"github.com/akash-supercloud/akash/provider/watch"
)

// fakeChain is a chain of the rules that a provider meets: each message is a block of its own.
type fakeChain struct {
	mu          sync.Mutex
	self        string
	height      int64
	blocks      map[int64][]proto.Message
	pruned      int64 // blocks below are gone
	down        bool
	twice       bool // every event is told twice
	deployments map[string]*deploymentv1beta4.QueryDeploymentResponse
	orders      map[string]*marketv1beta5.Order
	bids        map[string]*marketv1beta5.Bid
	leases      map[string]*marketv1.Lease
	reasons     map[string]marketv1.LeaseClosedReason
	keys        map[string]cryptotypes.PubKey
	certs       map[string]fakeCert
	attributes  []attributesv1.Attribute
	// deaf makes Send do its work and then never return before its context ends: as when the
	// program dies between sending and noting.
	deaf      bool
	created   int // MsgCreateBid that were taken
	withdrawn []marketv1.LeaseID
}

type fakeCert struct {
	pem   []byte
	valid bool
}

func newFakeChain(self string) *fakeChain {
	return &fakeChain{
		self: self, height: 10, blocks: map[int64][]proto.Message{},
		deployments: map[string]*deploymentv1beta4.QueryDeploymentResponse{}, orders: map[string]*marketv1beta5.Order{},
		bids: map[string]*marketv1beta5.Bid{}, leases: map[string]*marketv1.Lease{}, reasons: map[string]marketv1.LeaseClosedReason{},
		keys: map[string]cryptotypes.PubKey{}, certs: map[string]fakeCert{},
		attributes: []attributesv1.Attribute{{Key: "host", Value: "akash"}},
	}
}

var errDown = status.Error(codes.Unavailable, "connection refused")
var errMissing = status.Error(codes.NotFound, "not found")

func (c *fakeChain) do(f func()) { c.mu.Lock(); defer c.mu.Unlock(); f() }

// block makes a block; the lock is held.
func (c *fakeChain) block(events ...proto.Message) {
	c.height++
	c.blocks[c.height] = events
	if c.twice {
		c.blocks[c.height] = append(append([]proto.Message{}, events...), events...)
	}
}

func (c *fakeChain) Head(context.Context) (watch.Head, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.down {
		return watch.Head{}, errDown
	}
	return watch.Head{ChainID: "fake", Height: c.height, Earliest: max(c.pruned, 1), Time: time.Now()}, nil
}

func (c *fakeChain) Block(_ context.Context, h int64) (watch.Block, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.down:
		return watch.Block{}, errDown
	case h < c.pruned:
		return watch.Block{}, watch.ErrPruned
	}
	return watch.Block{Height: h, Events: c.blocks[h]}, nil
}

func (c *fakeChain) NewBlocks(context.Context) (<-chan struct{}, error) {
	return nil, errors.New("none")
}
func (c *fakeChain) BlockTime(context.Context) (time.Duration, error) {
	return 500 * time.Millisecond, nil
}

func get[V any](c *fakeChain, m map[string]*V, key string) (V, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var zero V
	if c.down {
		return zero, errDown
	}
	v, ok := m[key]
	if !ok {
		return zero, errMissing
	}
	return *v, nil
}

func (c *fakeChain) Order(_ context.Context, id marketv1.OrderID) (marketv1beta5.Order, error) {
	return get(c, c.orders, id.String())
}
func (c *fakeChain) Bid(_ context.Context, id marketv1.BidID) (marketv1beta5.Bid, error) {
	return get(c, c.bids, id.String())
}
func (c *fakeChain) Lease(_ context.Context, id marketv1.LeaseID) (marketv1.Lease, error) {
	return get(c, c.leases, id.String())
}
func (c *fakeChain) Deployment(_ context.Context, id deploymentv1.DeploymentID) (deploymentv1beta4.QueryDeploymentResponse, error) {
	return get(c, c.deployments, id.String())
}

func (c *fakeChain) GroupSpec(ctx context.Context, id deploymentv1.GroupID) (deploymentv1beta4.GroupSpec, error) {
	d, err := c.Deployment(ctx, id.DeploymentID())
	if err != nil {
		return deploymentv1beta4.GroupSpec{}, err
	}
	return d.Groups[id.GSeq-1].GroupSpec, nil
}

func (c *fakeChain) WithdrawsMany(context.Context) (bool, error) { return true, nil }

func (c *fakeChain) MarketParams(context.Context) (marketv1beta5.Params, error) {
	return marketv1beta5.Params{BidMinDeposits: sdk.NewCoins(sdk.NewInt64Coin("uakt", 500000), sdk.NewInt64Coin("uact", 500000)), OrderMaxBids: 20}, nil
}

func (c *fakeChain) Self(context.Context) (providerv1beta4.Provider, []auditv1.AuditedProvider, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.down {
		return providerv1beta4.Provider{}, nil, errDown
	}
	return providerv1beta4.Provider{Owner: c.self, Attributes: c.attributes}, nil, nil
}

func (c *fakeChain) Balance(_ context.Context, denom string) (math.Int, error) {
	if denom == "uakt" { // a new provider has no uact yet
		return math.NewInt(1_000_000_000), nil
	}
	return math.ZeroInt(), nil
}

func (c *fakeChain) OpenOrders(context.Context) (out []marketv1.OrderID, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.down {
		return nil, errDown
	}
	for _, o := range c.orders {
		if o.State == marketv1beta5.OrderOpen {
			out = append(out, o.ID)
		}
	}
	return out, nil
}

func (c *fakeChain) OpenBids(context.Context) (out []marketv1beta5.Bid, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.down {
		return nil, errDown
	}
	for _, b := range c.bids {
		if b.State == marketv1beta5.BidOpen && b.ID.Provider == c.self {
			out = append(out, *b)
		}
	}
	return out, nil
}

func (c *fakeChain) Leases(context.Context) (out []marketv1.Lease, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.down {
		return nil, errDown
	}
	for _, l := range c.leases {
		if l.State == marketv1.LeaseActive && l.ID.Provider == c.self {
			out = append(out, *l)
		}
	}
	return out, nil
}

func (c *fakeChain) OpenLeases(ctx context.Context, id deploymentv1.DeploymentID) (out []marketv1.Lease, err error) {
	all, err := c.Leases(ctx)
	for _, l := range all {
		if l.ID.DeploymentID() == id {
			out = append(out, l)
		}
	}
	return out, err
}

func (c *fakeChain) PubKey(_ context.Context, address string) (cryptotypes.PubKey, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.down {
		return nil, errDown
	}
	if k, ok := c.keys[address]; ok {
		return k, nil
	}
	return nil, auth.ErrUnknownIssuer
}

func (c *fakeChain) Certificate(_ context.Context, owner, serial string) ([]byte, bool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.down {
		return nil, false, errDown
	}
	cert := c.certs[owner+"/"+serial]
	return cert.pem, cert.valid, nil
}

func (c *fakeChain) Send(ctx context.Context, msgs ...sdk.Msg) error {
	c.mu.Lock()
	if c.down {
		c.mu.Unlock()
		return errDown
	}
	err := c.deliver(msgs)
	deaf := c.deaf
	c.mu.Unlock()
	if deaf {
		<-ctx.Done()
		return ctx.Err()
	}
	return err
}

func (c *fakeChain) deliver(msgs []sdk.Msg) error {
	for _, m := range msgs {
		switch m := m.(type) {
		case *marketv1beta5.MsgCreateBid:
			o := c.orders[m.ID.OrderID().String()]
			switch {
			case o == nil:
				return tx.NewError("market", 15, "order not found")
			case o.State != marketv1beta5.OrderOpen:
				return tx.NewError("market", 24, "order closed")
			case c.bids[m.ID.String()] != nil:
				return tx.NewError("market", 21, "bid exists")
			case m.Price.Denom != o.Spec.Resources[0].Price.Denom || !m.Price.IsPositive():
				return tx.NewError("market", 22, "bid price is invalid")
			case len(m.ResourcesOffer) != len(o.Spec.Resources):
				return tx.NewError("market", 32, "capabilities mismatch")
			}
			c.created++
			c.bids[m.ID.String()] = &marketv1beta5.Bid{ID: m.ID, State: marketv1beta5.BidOpen, Price: m.Price}
			c.block(&marketv1.EventBidCreated{ID: m.ID, Price: m.Price})
		case *marketv1beta5.MsgCloseBid:
			b := c.bids[m.ID.String()]
			if b == nil || b.State == marketv1beta5.BidClosed {
				return tx.NewError("market", 12, "bid not open")
			}
			if b.State == marketv1beta5.BidActive {
				c.end(m.ID.LeaseID(), m.Reason)
				continue
			}
			b.State = marketv1beta5.BidClosed
			c.block(&marketv1.EventBidClosed{ID: m.ID})
		case *tradev1.MsgWithdrawLeases:
			c.withdrawn = append(c.withdrawn, m.Leases...)
			c.block()
		case *marketv1beta5.MsgWithdrawLease:
			c.withdrawn = append(c.withdrawn, m.ID)
			c.block()
		}
	}
	return nil
}

// end closes a lease; the lock is held.
func (c *fakeChain) end(id marketv1.LeaseID, reason marketv1.LeaseClosedReason) {
	c.leases[id.String()].State = marketv1.LeaseClosed
	c.bids[id.String()].State = marketv1beta5.BidClosed
	c.orders[id.OrderID().String()].State = marketv1beta5.OrderClosed
	c.reasons[id.String()] = reason
	c.block(&marketv1.EventOrderClosed{ID: id.OrderID()}, &marketv1.EventBidClosed{ID: id.BidID()}, &marketv1.EventLeaseClosed{ID: id, Reason: reason})
}

// deploy makes a deployment with its orders.
func (c *fakeChain) deploy(owner string, dseq uint64, groups []deploymentv1beta4.GroupSpec, hash []byte) marketv1.OrderID {
	c.mu.Lock()
	defer c.mu.Unlock()
	id := deploymentv1.DeploymentID{Owner: owner, DSeq: dseq}
	d := &deploymentv1beta4.QueryDeploymentResponse{Deployment: deploymentv1.Deployment{ID: id, Hash: hash}}
	var events []proto.Message
	for i, g := range groups {
		gid := deploymentv1.MakeGroupID(id, uint32(i+1))
		d.Groups = append(d.Groups, deploymentv1beta4.Group{ID: gid, GroupSpec: g})
		oid := marketv1.MakeOrderID(gid, 1)
		c.orders[oid.String()] = &marketv1beta5.Order{ID: oid, State: marketv1beta5.OrderOpen, Spec: g}
		events = append(events, &marketv1.EventOrderCreated{ID: oid})
	}
	c.deployments[id.String()] = d
	c.block(events...)
	return marketv1.MakeOrderID(deploymentv1.MakeGroupID(id, 1), 1)
}

// lease accepts the provider's bid.
func (c *fakeChain) lease(order marketv1.OrderID) marketv1.LeaseID {
	c.mu.Lock()
	defer c.mu.Unlock()
	id := marketv1.MakeBidID(order, c.self).LeaseID()
	b := c.bids[id.String()]
	b.State = marketv1beta5.BidActive
	c.orders[order.String()].State = marketv1beta5.OrderActive
	c.leases[id.String()] = &marketv1.Lease{ID: id, State: marketv1.LeaseActive, Price: b.Price, CreatedAt: c.height}
	c.block(&marketv1.EventLeaseCreated{ID: id, Price: b.Price})
	return id
}

func (c *fakeChain) closeLease(id marketv1.LeaseID) {
	c.do(func() { c.end(id, marketv1.LeaseClosedReasonOwner) })
}
