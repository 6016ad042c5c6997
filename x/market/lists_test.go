package market

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cosmos/cosmos-sdk/types/query"

	deploymentv1beta4 "github.com/akash-supercloud/akash/api/akash/deployment/v1beta4"
	escrowtypes "github.com/akash-supercloud/akash/api/akash/escrow/types/v1"
	escrowv1 "github.com/akash-supercloud/akash/api/akash/escrow/v1"
	marketv1 "github.com/akash-supercloud/akash/api/akash/market/v1"
	types "github.com/akash-supercloud/akash/api/akash/market/v1beta5"
	"github.com/akash-supercloud/akash/x/deployment"
	"github.com/akash-supercloud/akash/x/escrow"
)

// seeded returns randomness whose seed is printed, and can be given by AKASH_TEST_SEED.
func seeded(t *testing.T) *rand.Rand {
	seed := uint64(time.Now().UnixNano())
	if s := os.Getenv("AKASH_TEST_SEED"); s != "" {
		var err error
		if seed, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("AKASH_TEST_SEED=%d", seed)
	return rand.New(rand.NewPCG(seed, 1))
}

// randomState fills a market with things in all states.
func randomState(t *testing.T, r *rand.Rand, steps int) *scenario {
	s := &scenario{newChain(t)}
	s.check = false
	for _, n := range []string{"alice", "bob", "carol", "p1", "p2", "p3"} {
		s.command("fund " + n + " 100000000uact")
	}
	for _, n := range []string{"p1", "p2", "p3"} {
		s.command("register " + n)
	}
	pick := func(from ...string) string { return from[r.IntN(len(from))] }
	for range steps {
		d := pick("alice", "bob", "carol") + "/" + pick("1", "2", "3", "4")
		g := d + "/" + pick("1", "2")
		o := g + "/" + pick("1", "1", "2")
		p := pick("p1", "p2", "p3")
		switch r.IntN(14) {
		case 0, 1:
			s.command("create " + d + " price=" + pick("100", "100000", "40000.5") + "uact,100uact")
		case 2, 3, 4, 5:
			s.command("bid " + p + " " + o + " price=" + pick("100", "90000", "3.5") + "uact window=1h")
		case 6, 7, 8:
			s.command("lease " + o + " " + p)
		case 9:
			s.command(pick("unlease ", "reclaim ", "withdraw ") + o + " " + p)
		case 10:
			s.command("unbid " + p + " " + o)
		case 11:
			s.command(pick("close "+d, "close-group "+g, "pause-group "+g))
		case 12:
			s.command("start-group " + g)
		case 13:
			s.command("block " + pick("1", "2"))
		}
	}
	if err := s.broken(); err != nil {
		t.Fatal(err)
	}
	return s
}

// lists are all list queries: each takes a page request and gives what is on the page, an id
// and a state each.
type lists struct {
	orders      func(types.OrderFilters) lister
	bids        func(types.BidFilters) lister
	leases      func(marketv1.LeaseFilters) lister
	deployments func(deploymentv1beta4.DeploymentFilters) lister
	accounts    func(state, xid string) lister
	payments    func(state, xid string) lister
}

type lister func(*query.PageRequest) ([]string, *query.PageResponse, error)

// TestListsAgainstModel compares every list, by each filter and many of their combinations,
// in both directions, at once and in pages, with what is picked from the exported state.
func TestListsAgainstModel(t *testing.T) {
	r := seeded(t)
	for range 6 {
		s := randomState(t, r, 400)
		l := newLists(s)
		e, d, m := s.genesis()
		pick := func(from ...string) string { return from[r.IntN(len(from))] }
		owner := func() string { return maybe(r, s.addr(pick("alice", "bob", "carol")).String()) }
		provider := func() string { return maybe(r, s.addr(pick("p1", "p2", "p3")).String()) }
		num := func(n int) uint32 { return uint32(max(0, r.IntN(2*n+1)-n)) }
		is := func(want, got string) bool { return want == "" || want == got }
		isN := func(want, got uint32) bool { return want == 0 || want == got }
		for range 60 {
			o, p, dseq, gseq, oseq := owner(), provider(), uint64(num(4)), num(2), num(2)
			fits := func(id marketv1.OrderID) bool {
				return is(o, id.Owner) && isN(uint32(dseq), uint32(id.DSeq)) && isN(gseq, id.GSeq) && isN(oseq, id.OSeq)
			}
			state := pick("", "open", "active", "closed")
			var want []string
			for _, x := range m.Orders {
				if fits(x.ID) && is(state, x.State.String()) {
					want = append(want, x.ID.String()+" "+x.State.String())
				}
			}
			same(t, s, r, fmt.Sprint("orders ", o, dseq, gseq, oseq, state), l.orders(types.OrderFilters{Owner: o, DSeq: dseq, GSeq: gseq, OSeq: oseq, State: state}), want)

			state, want = pick("", "open", "active", "lost", "closed"), nil
			for _, x := range m.Bids {
				if fits(x.ID.OrderID()) && is(p, x.ID.Provider) && is(state, x.State.String()) {
					want = append(want, x.ID.String()+" "+x.State.String())
				}
			}
			same(t, s, r, fmt.Sprint("bids ", o, dseq, gseq, oseq, p, state), l.bids(types.BidFilters{Owner: o, DSeq: dseq, GSeq: gseq, OSeq: oseq, Provider: p, State: state}), want)

			state, want = pick("", "active", "reclaiming", "closed", "insufficient_funds"), nil
			for _, x := range m.Leases {
				if fits(x.ID.OrderID()) && is(p, x.ID.Provider) && is(state, x.State.String()) {
					want = append(want, x.ID.String()+" "+x.State.String())
				}
			}
			same(t, s, r, fmt.Sprint("leases ", o, dseq, gseq, oseq, p, state), l.leases(marketv1.LeaseFilters{Owner: o, DSeq: dseq, GSeq: gseq, OSeq: oseq, Provider: p, State: state}), want)

			state, want = pick("", "active", "closed"), nil
			for _, x := range d.Deployments {
				if id := x.Deployment.ID; is(o, id.Owner) && (dseq == 0 || dseq == id.DSeq) && is(state, x.Deployment.State.String()) {
					want = append(want, id.String()+" "+x.Deployment.State.String())
				}
			}
			same(t, s, r, fmt.Sprint("deployments ", o, dseq, state), l.deployments(deploymentv1beta4.DeploymentFilters{Owner: o, DSeq: dseq, State: state}), want)

			// xid is the first parts of an id.
			state = pick("", "open", "closed", "overdrawn")
			part := strings.Split(pick("deployment", "bid")+"/"+s.addr(pick("alice", "bob", "carol")).String()+"/"+pick("1", "2", "3", "4")+"/"+pick("1", "2")+"/1/"+s.addr(pick("p1", "p2")).String(), "/")
			xid := strings.Join(part[:r.IntN(len(part)+1)], "/")
			under := func(id string) bool { return xid == "" || id == xid || strings.HasPrefix(id, xid+"/") }
			want = nil
			for _, x := range e.Accounts {
				if id := x.ID.Scope.String() + "/" + x.ID.XID; under(id) && is(state, x.State.State.String()) {
					want = append(want, id+" "+x.State.State.String())
				}
			}
			if part[0] == "bid" || strings.Count(xid, "/") < 3 {
				same(t, s, r, "accounts "+state+" "+xid, l.accounts(state, xid), want)
			}
			want = nil
			for _, x := range e.Payments {
				if id := x.ID.AID.Scope.String() + "/" + x.ID.AID.XID + "/" + x.ID.XID; under(id) && is(state, x.State.State.String()) {
					want = append(want, id+" "+x.State.State.String())
				}
			}
			same(t, s, r, "payments "+state+" "+xid, l.payments(state, xid), want)
		}
	}
}

func maybe(r *rand.Rand, s string) string {
	if r.IntN(2) == 0 {
		return ""
	}
	return s
}

// same goes through a list in random pages and both directions, and compares it with want,
// in whatever order.
func same(t *testing.T, s *scenario, r *rand.Rand, what string, list lister, want []string) {
	t.Helper()
	whole, _ := pages(t, 1000, false, list)
	got := slices.Clone(whole)
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Fatalf("%s lists\n%s\nwant\n%s", s.rename(what), s.rename(strings.Join(got, "\n")), s.rename(strings.Join(want, "\n")))
	}
	limit := uint64(1 + r.IntN(7))
	if got, _ := pages(t, limit, false, list); !slices.Equal(got, whole) {
		t.Fatalf("%s in pages of %d:\n%s\nat once:\n%s", s.rename(what), limit, s.rename(strings.Join(got, "\n")), s.rename(strings.Join(whole, "\n")))
	}
	slices.Reverse(whole)
	if got, _ := pages(t, limit, true, list); !slices.Equal(got, whole) {
		t.Fatalf("%s backwards in pages of %d:\n%s\nat once, reversed:\n%s", s.rename(what), limit, s.rename(strings.Join(got, "\n")), s.rename(strings.Join(whole, "\n")))
	}
}

func newLists(s *scenario) lists {
	q, dq, eq := NewQueryServer(s.market), deployment.NewQueryServer(s.chain.deployment), escrow.NewQueryServer(s.chain.escrow)
	return lists{
		orders: func(f types.OrderFilters) lister {
			return func(p *query.PageRequest) (ids []string, _ *query.PageResponse, _ error) {
				r, err := q.Orders(s.ctx, &types.QueryOrdersRequest{Filters: f, Pagination: p})
				if err != nil {
					return nil, nil, err
				}
				for _, o := range r.Orders {
					ids = append(ids, o.ID.String()+" "+o.State.String())
				}
				return ids, r.Pagination, nil
			}
		},
		bids: func(f types.BidFilters) lister {
			return func(p *query.PageRequest) (ids []string, _ *query.PageResponse, _ error) {
				r, err := q.Bids(s.ctx, &types.QueryBidsRequest{Filters: f, Pagination: p})
				if err != nil {
					return nil, nil, err
				}
				for _, b := range r.Bids {
					if live := b.Bid.State == types.BidOpen || b.Bid.State == types.BidActive; live != (b.EscrowAccount.State.State == escrowtypes.StateOpen) {
						return nil, nil, fmt.Errorf("bid %s is %s, its account %s", b.Bid.ID, b.Bid.State, b.EscrowAccount.State.State)
					}
					ids = append(ids, b.Bid.ID.String()+" "+b.Bid.State.String())
				}
				return ids, r.Pagination, nil
			}
		},
		leases: func(f marketv1.LeaseFilters) lister {
			return func(p *query.PageRequest) (ids []string, _ *query.PageResponse, _ error) {
				r, err := q.Leases(s.ctx, &types.QueryLeasesRequest{Filters: f, Pagination: p})
				if err != nil {
					return nil, nil, err
				}
				for _, l := range r.Leases {
					ids = append(ids, l.Lease.ID.String()+" "+l.Lease.State.String())
				}
				return ids, r.Pagination, nil
			}
		},
		deployments: func(f deploymentv1beta4.DeploymentFilters) lister {
			return func(p *query.PageRequest) (ids []string, _ *query.PageResponse, _ error) {
				r, err := dq.Deployments(s.ctx, &deploymentv1beta4.QueryDeploymentsRequest{Filters: f, Pagination: p})
				if err != nil {
					return nil, nil, err
				}
				for _, d := range r.Deployments {
					ids = append(ids, d.Deployment.ID.String()+" "+d.Deployment.State.String())
				}
				return ids, r.Pagination, nil
			}
		},
		accounts: func(state, xid string) lister {
			return func(p *query.PageRequest) (ids []string, _ *query.PageResponse, _ error) {
				r, err := eq.Accounts(s.ctx, &escrowv1.QueryAccountsRequest{State: state, XID: xid, Pagination: p})
				if err != nil {
					return nil, nil, err
				}
				for _, a := range r.Accounts {
					ids = append(ids, a.ID.Scope.String()+"/"+a.ID.XID+" "+a.State.State.String())
				}
				return ids, r.Pagination, nil
			}
		},
		payments: func(state, xid string) lister {
			return func(p *query.PageRequest) (ids []string, _ *query.PageResponse, _ error) {
				r, err := eq.Payments(s.ctx, &escrowv1.QueryPaymentsRequest{State: state, XID: xid, Pagination: p})
				if err != nil {
					return nil, nil, err
				}
				for _, a := range r.Payments {
					ids = append(ids, a.ID.AID.Scope.String()+"/"+a.ID.AID.XID+"/"+a.ID.XID+" "+a.State.State.String())
				}
				return ids, r.Pagination, nil
			}
		},
	}
}

// TestStateFiltersWalkOnlyMatches hides a few live things among more ended ones than a
// request looks at: the first page has them all the same.
func TestStateFiltersWalkOnlyMatches(t *testing.T) {
	s := &scenario{newChain(t)}
	s.check = false
	for _, c := range []string{"fund alice 100000000uact", "fund p1 10000000uact", "register p1"} {
		s.command(c)
	}
	for _, c := range []string{"create alice/1 price=100uact", "bid p1 alice/1/1/1", "lease alice/1/1/1 p1", "unlease alice/1/1/1 p1", "close alice/1"} {
		s.must(s.parse(c))
	}
	// The same ended things under other owners' addresses that sort before alice's.
	e, d, m := s.genesis()
	for i := range 10_050 {
		owner := s.addr("!" + fmt.Sprintf("%06d", i))
		bid := bidID{orderID{deployment.ID{Owner: owner, DSeq: 1}, 1, 1}, s.addr("p1")}
		en := entry{Bid: m.Bids[0], Lease: &m.Leases[0], stored: -1}
		for _, err := range []error{s.market.setEntry(s.ctx, bid, en), s.market.setOrder(s.ctx, bid.orderID, -1, order{State: types.OrderClosed})} {
			if err != nil {
				t.Fatal(err)
			}
		}
		d.Deployments[0].Deployment.ID.Owner = owner.String()
		d.Deployments[0].Groups[0].ID.Owner = owner.String()
		e.Accounts = append(e.Accounts, e.Accounts[0])
		e.Accounts[len(e.Accounts)-1].ID.XID = owner.String() + "/1"
		one := &deploymentv1beta4.GenesisState{Params: d.Params, Deployments: d.Deployments[:1]}
		if err := s.chain.deployment.InitGenesis(s.ctx, one); err != nil {
			t.Fatal(err)
		}
	}
	e.Payments = nil
	if err := s.chain.escrow.InitGenesis(s.ctx, e); err != nil {
		t.Fatal(err)
	}
	for _, c := range []string{"create zoe/1 price=100uact,100uact", "bid p1 zoe/1/1/1", "bid p1 zoe/1/2/1", "lease zoe/1/1/1 p1"} {
		s.command("fund zoe 1000000uact")
		s.must(s.parse(c))
	}
	l, p1 := newLists(s), s.addr("p1").String()
	for name, list := range map[string]lister{
		"open orders":        l.orders(types.OrderFilters{State: "open"}),
		"active orders":      l.orders(types.OrderFilters{State: "active"}),
		"open bids":          l.bids(types.BidFilters{State: "open"}),
		"active bids":        l.bids(types.BidFilters{State: "active"}),
		"p1's open bids":     l.bids(types.BidFilters{State: "open", Provider: p1}),
		"p1's active bids":   l.bids(types.BidFilters{State: "active", Provider: p1}),
		"active leases":      l.leases(marketv1.LeaseFilters{State: "active"}),
		"p1's active leases": l.leases(marketv1.LeaseFilters{State: "active", Provider: p1}),
		"active deployments": l.deployments(deploymentv1beta4.DeploymentFilters{State: "active"}),
		"open accounts":      l.accounts("open", "deployment"),
		"open payments":      l.payments("open", ""),
	} {
		if ids, n := pages(t, 10, false, list); len(ids) != 1 || n != 1 {
			t.Errorf("%s: %d on %d pages", name, len(ids), n)
		}
		if ids, n := pages(t, 10, true, list); len(ids) != 1 || n != 1 {
			t.Errorf("%s backwards: %d on %d pages", name, len(ids), n)
		}
	}
}
