package market

import (
	"context"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"cosmossdk.io/collections"

	marketv1 "github.com/akash-supercloud/akash/api/akash/market/v1"
	types "github.com/akash-supercloud/akash/api/akash/market/v1beta5"
	"github.com/akash-supercloud/akash/x/deployment"
	"github.com/akash-supercloud/akash/x/internal/key"
	"github.com/akash-supercloud/akash/x/internal/page"
)

type queryServer struct{ k *Keeper }

// NewQueryServer returns the module's queries.
func NewQueryServer(k *Keeper) types.QueryServer { return queryServer{k} }

var errEmpty = status.Error(codes.InvalidArgument, "empty request")

// filter is the part of a filter that ids decide.
type filter struct {
	prefix     []byte // of keys that start with the owner
	dseq       uint64
	gseq, oseq uint32
}

// newFilter makes the longest key prefix that the filters allow.
func newFilter(owner string, dseq uint64, gseq, oseq uint32) (f filter, err error) {
	f = filter{dseq: dseq, gseq: gseq, oseq: oseq}
	if f.prefix, err = page.Owner(owner); err != nil || len(f.prefix) == 0 || dseq == 0 {
		return f, err
	}
	if f.prefix = key.U64(f.prefix, dseq); gseq == 0 {
		return f, nil
	}
	if f.prefix = key.U32(f.prefix, gseq); oseq != 0 {
		f.prefix = key.U32(f.prefix, oseq)
	}
	return f, nil
}

func (f *filter) matches(id orderID) bool {
	return (f.dseq == 0 || f.dseq == id.DSeq) && (f.gseq == 0 || f.gseq == id.gseq) && (f.oseq == 0 || f.oseq == id.oseq)
}

// Orders lists orders, open ones first, then active ones.
func (s queryServer) Orders(ctx context.Context, req *types.QueryOrdersRequest) (*types.QueryOrdersResponse, error) {
	if req == nil {
		return nil, errEmpty
	}
	f := req.Filters
	p, err := page.New(req.Pagination, &f, func() bool { return f.State != "" })
	if err != nil {
		return nil, err
	}
	state, err := page.State(f.State, types.Order_State_value)
	if err != nil {
		return nil, err
	}
	ids, err := newFilter(f.Owner, f.DSeq, f.GSeq, f.OSeq)
	if err != nil {
		return nil, err
	}
	res := &types.QueryOrdersResponse{Orders: []types.Order{}}
	specs := s.k.newSpecs()
	match := func(b []byte, value func() (order, error)) (func() error, error) {
		id, err := readOrderID(b)
		if err != nil || !ids.matches(id) {
			return nil, err
		}
		return func() error {
			o, err := value()
			if err != nil {
				return err
			}
			w, err := specs.order(ctx, id, o)
			res.Orders = append(res.Orders, w)
			return err
		}, nil
	}
	err = page.Classes(ctx, p, 0, s.k.orders, ids.prefix, func(class int) bool {
		return state == 0 || int(state)-int(types.OrderOpen) == class
	}, match)
	if err != nil {
		return nil, err
	}
	res.Pagination = p.Response()
	return res, nil
}

// specs reads the groups of orders, the same deployment's once.
type specs struct {
	k    *Keeper
	last string
	d    deployment.Record
}

func (k *Keeper) newSpecs() *specs { return &specs{k: k} }

func (s *specs) order(ctx context.Context, id orderID, o order) (types.Order, error) {
	if k := string(id.ID.Key()); k != s.last {
		d, err := s.k.deployment.Get(ctx, id.ID)
		if err != nil {
			return types.Order{}, err
		}
		s.last, s.d = k, d
	}
	if int(id.gseq) > len(s.d.Groups) {
		return types.Order{}, ErrGroupNotFound
	}
	return wireOrder(id, o, s.d.Groups[id.gseq-1], s.d), nil
}

// Order returns one order.
func (s queryServer) Order(ctx context.Context, req *types.QueryOrderRequest) (*types.QueryOrderResponse, error) {
	if req == nil {
		return nil, errEmpty
	}
	id, err := parseOrderID(&req.ID, func(f string, a ...any) error { return status.Errorf(codes.InvalidArgument, "order id: "+f, a...) })
	if err != nil {
		return nil, err
	}
	o, err := s.k.order(ctx, id)
	if err != nil {
		return nil, err
	}
	w, err := s.k.newSpecs().order(ctx, id, o)
	if err != nil {
		return nil, err
	}
	return &types.QueryOrderResponse{Order: w}, nil
}

// eachEntry walks the bids of the wanted classes: a provider's by the index, others by owner.
func (k *Keeper) eachEntry(ctx context.Context, p *page.Pager, ids filter, provider string, wanted func(class int) bool, emit func(bidID, *entry) error) error {
	who, err := page.Owner(provider)
	if err != nil {
		return err
	}
	if who == nil {
		return page.Classes(ctx, p, 0, k.entries, ids.prefix, wanted, func(b []byte, value func() (entry, error)) (func() error, error) {
			id, err := readBidID(b)
			if err != nil || !ids.matches(id.orderID) {
				return nil, err
			}
			return func() error {
				e, err := value()
				if err != nil {
					return err
				}
				e.name(id)
				return emit(id, &e)
			}, nil
		})
	}
	index := collections.Map[[]byte, collections.NoValue](k.byProvider)
	var walks []func() error
	for class := range k.entries {
		if !wanted(class) {
			continue
		}
		walks = append(walks, func() error {
			prefix := append(providerPrefix(who[1:], class), ids.prefix...)
			return page.Walk(ctx, p, byte(class), index, prefix, func(b []byte, _ func() (collections.NoValue, error)) (func() error, error) {
				id, _, err := readProviderKey(b)
				if err != nil || !ids.matches(id.orderID) {
					return nil, err
				}
				return func() error {
					e, found, err := k.entry(ctx, id, class)
					if err == nil && !found {
						err = ErrInternal.Wrapf("bid %s is in the index by provider only", id.wire())
					}
					if err != nil {
						return err
					}
					return emit(id, &e)
				}, nil
			})
		})
	}
	return p.Sections(walks...)
}

// Bids lists bids, open ones first, with the escrow accounts of their deposits.
func (s queryServer) Bids(ctx context.Context, req *types.QueryBidsRequest) (*types.QueryBidsResponse, error) {
	if req == nil {
		return nil, errEmpty
	}
	f := req.Filters
	p, err := page.New(req.Pagination, &f, func() bool { return f.State != "" })
	if err != nil {
		return nil, err
	}
	state, err := page.State(f.State, types.Bid_State_value)
	if err != nil {
		return nil, err
	}
	ids, err := newFilter(f.Owner, f.DSeq, f.GSeq, f.OSeq)
	if err != nil {
		return nil, err
	}
	res := &types.QueryBidsResponse{Bids: []types.QueryBidResponse{}}
	wanted := func(class int) bool {
		return f.BSeq == 0 && (state == 0 || int32(entryClasses[class].bid) == state)
	}
	err = s.k.eachEntry(ctx, p, ids, f.Provider, wanted, func(id bidID, e *entry) error {
		w, err := s.bid(ctx, id, e)
		if err == nil {
			res.Bids = append(res.Bids, *w)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	res.Pagination = p.Response()
	return res, nil
}

func (s queryServer) bid(ctx context.Context, id bidID, e *entry) (*types.QueryBidResponse, error) {
	a, err := s.k.escrow.Account(ctx, id.account())
	if err != nil {
		return nil, err
	}
	return &types.QueryBidResponse{Bid: e.Bid, EscrowAccount: a}, nil
}

// Bid returns one bid.
func (s queryServer) Bid(ctx context.Context, req *types.QueryBidRequest) (*types.QueryBidResponse, error) {
	if req == nil {
		return nil, errEmpty
	}
	id, err := parseBidID(&req.ID)
	if err != nil {
		return nil, err
	}
	e, found, err := s.k.entry(ctx, id)
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, ErrBidNotFound
	}
	return s.bid(ctx, id, &e)
}

// Leases lists leases, running ones first, with their payments as of the current block.
func (s queryServer) Leases(ctx context.Context, req *types.QueryLeasesRequest) (*types.QueryLeasesResponse, error) {
	if req == nil {
		return nil, errEmpty
	}
	f := req.Filters
	p, err := page.New(req.Pagination, &f, func() bool { return f.State != "" })
	if err != nil {
		return nil, err
	}
	state, err := page.State(f.State, marketv1.Lease_State_value)
	if err != nil {
		return nil, err
	}
	ids, err := newFilter(f.Owner, f.DSeq, f.GSeq, f.OSeq)
	if err != nil {
		return nil, err
	}
	res := &types.QueryLeasesResponse{Leases: []types.QueryLeaseResponse{}}
	wanted := func(class int) bool {
		lease := entryClasses[class].lease
		return f.BSeq == 0 && lease != 0 && (state == 0 || int32(lease) == state)
	}
	err = s.k.eachEntry(ctx, p, ids, f.Provider, wanted, func(id bidID, e *entry) error {
		w, err := s.lease(ctx, id, e)
		if err == nil {
			res.Leases = append(res.Leases, *w)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	res.Pagination = p.Response()
	return res, nil
}

func (s queryServer) lease(ctx context.Context, id bidID, e *entry) (*types.QueryLeaseResponse, error) {
	p, err := s.k.escrow.Payment(ctx, id.Account(), id.payment())
	if err != nil {
		return nil, err
	}
	return &types.QueryLeaseResponse{Lease: *e.Lease, EscrowPayment: p}, nil
}

// Lease returns one lease.
func (s queryServer) Lease(ctx context.Context, req *types.QueryLeaseRequest) (*types.QueryLeaseResponse, error) {
	if req == nil {
		return nil, errEmpty
	}
	id, err := parseLeaseID(&req.ID)
	if err != nil {
		return nil, err
	}
	e, found, err := s.k.entry(ctx, id)
	if err != nil {
		return nil, err
	}
	if !found || e.Lease == nil {
		return nil, ErrLeaseNotFound
	}
	return s.lease(ctx, id, &e)
}

// Params returns the parameters.
func (s queryServer) Params(ctx context.Context, _ *types.QueryParamsRequest) (*types.QueryParamsResponse, error) {
	p, err := s.k.Params(ctx)
	if err != nil {
		return nil, err
	}
	return &types.QueryParamsResponse{Params: p}, nil
}
