package market

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/cosmos/cosmos-sdk/types/query"

	deploymentv1beta4 "github.com/akash-supercloud/akash/api/akash/deployment/v1beta4"
	escrowv1 "github.com/akash-supercloud/akash/api/akash/escrow/v1"
	marketv1 "github.com/akash-supercloud/akash/api/akash/market/v1"
	types "github.com/akash-supercloud/akash/api/akash/market/v1beta5"
	"github.com/akash-supercloud/akash/x/escrow"
)

// a small market: two owners, three deployments each, all kinds of states.
func market(t *testing.T) *scenario {
	s := &scenario{newChain(t)}
	for _, n := range []string{"alice", "bob", "p1", "p2"} {
		s.command("fund " + n + " 100000000uact")
	}
	s.command("register p1")
	s.command("register p2")
	for _, o := range []string{"alice", "bob"} {
		for d := 1; d <= 3; d++ {
			for _, c := range []string{"create %s/%d price=100uact,100uact", "bid p1 %s/%d/1/1", "bid p2 %s/%d/1/1", "bid p2 %s/%d/2/1"} {
				s.must(s.parse(fmt.Sprintf(c, o, d)))
			}
		}
		for _, c := range []string{"lease %s/1/1/1 p1", "lease %s/1/2/1 p2", "lease %s/2/1/1 p2", "unlease %s/1/2/1 p2", "lease %s/3/1/1 p1", "close %s/3"} {
			s.must(s.parse(fmt.Sprintf(c, o)))
		}
	}
	s.command("block 3")
	return s
}

// pages goes through a list page by page and returns the ids on each.
func pages(t *testing.T, limit uint64, reverse bool, list lister) (all []string, n int) {
	t.Helper()
	req := &query.PageRequest{Limit: limit, Reverse: reverse}
	for {
		ids, res, err := list(req)
		if err != nil {
			t.Fatal(err)
		}
		if uint64(len(ids)) > limit {
			t.Fatalf("a page of %d has %d", limit, len(ids))
		}
		all = append(all, ids...)
		if n++; n > 1000 {
			t.Fatal("the list doesn't end")
		}
		if len(res.NextKey) == 0 {
			return all, n
		}
		req = &query.PageRequest{Key: res.NextKey, Limit: limit}
	}
}

func TestListsByPage(t *testing.T) {
	s := market(t)
	alice, p2 := s.addr("alice").String(), s.addr("p2").String()
	l, q, eq := newLists(s), NewQueryServer(s.market), escrow.NewQueryServer(s.chain.escrow)
	orders, bids, leases, deployments, accounts, payments := l.orders, l.bids, l.leases, l.deployments, l.accounts, l.payments
	for _, c := range []struct {
		name string
		list lister
		want int
	}{
		{"all orders", orders(types.OrderFilters{}), 14},
		{"open orders", orders(types.OrderFilters{State: "open"}), 4},
		{"active orders", orders(types.OrderFilters{State: "active"}), 4},
		{"closed orders", orders(types.OrderFilters{State: "closed"}), 6},
		{"alice's orders", orders(types.OrderFilters{Owner: alice}), 7},
		{"orders of a group", orders(types.OrderFilters{Owner: alice, DSeq: 1, GSeq: 2}), 2},
		{"one order", orders(types.OrderFilters{Owner: alice, DSeq: 1, GSeq: 2, OSeq: 2}), 1},
		{"no such order", orders(types.OrderFilters{Owner: alice, DSeq: 9, GSeq: 2, OSeq: 2}), 0},
		{"second groups' orders", orders(types.OrderFilters{GSeq: 2}), 8},
		{"all bids", bids(types.BidFilters{}), 18},
		{"lost bids", bids(types.BidFilters{State: "lost"}), 6},
		{"p2's bids", bids(types.BidFilters{Provider: p2}), 12},
		{"p2's active bids", bids(types.BidFilters{Provider: p2, State: "active"}), 2},
		{"p2's bids for alice", bids(types.BidFilters{Provider: p2, Owner: alice}), 6},
		{"one bid", bids(types.BidFilters{Provider: p2, Owner: alice, DSeq: 1, GSeq: 1, OSeq: 1}), 1},
		{"bids of another bseq", bids(types.BidFilters{BSeq: 1}), 0},
		{"all leases", leases(marketv1.LeaseFilters{}), 8},
		{"active leases", leases(marketv1.LeaseFilters{State: "active"}), 4},
		{"p2's leases", leases(marketv1.LeaseFilters{Provider: p2}), 4},
		{"p2's active leases", leases(marketv1.LeaseFilters{Provider: p2, State: "active"}), 2},
		{"all deployments", deployments(deploymentv1beta4.DeploymentFilters{}), 6},
		{"alice's active deployments", deployments(deploymentv1beta4.DeploymentFilters{Owner: alice, State: "active"}), 2},
		{"third deployments", deployments(deploymentv1beta4.DeploymentFilters{DSeq: 3}), 2},
		{"all accounts", accounts("", ""), 24},
		{"accounts of deployments", accounts("", "deployment"), 6},
		{"alice's bids' accounts", accounts("", "bid/"+alice), 9},
		{"open accounts", accounts("open", ""), 4 + 6},
		{"an account without its scope", accounts("", alice+"/1"), 1},
		{"all payments", payments("", ""), 8},
		{"open payments", payments("open", ""), 4},
		{"closed payments", payments("closed", ""), 4},
		{"payments of a deployment", payments("", "deployment/"+alice+"/1"), 2},
		{"one payment", payments("", "deployment/"+alice+"/1/2/1/"+p2), 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			whole, n := pages(t, 100, false, c.list)
			if len(whole) != c.want || n != 1 {
				t.Fatalf("%d on %d pages, want %d:\n%s", len(whole), n, c.want, s.rename(strings.Join(whole, "\n")))
			}
			backwards := slices.Clone(whole)
			slices.Reverse(backwards)
			for limit := uint64(1); limit <= 5; limit++ {
				// A page that fills exactly is the last: no next_key.
				most := max(1, (len(whole)+int(limit)-1)/int(limit))
				if got, n := pages(t, limit, false, c.list); !slices.Equal(got, whole) || n != most {
					t.Fatalf("in pages of %d (%d of them, want %d):\n%s\nat once:\n%s", limit, n, most, s.rename(strings.Join(got, "\n")), s.rename(strings.Join(whole, "\n")))
				}
				if got, n := pages(t, limit, true, c.list); !slices.Equal(got, backwards) || n != most {
					t.Fatalf("backwards in pages of %d (%d of them, want %d):\n%s\nat once:\n%s", limit, n, most, s.rename(strings.Join(got, "\n")), s.rename(strings.Join(backwards, "\n")))
				}
			}
			ids, res, err := c.list(&query.PageRequest{Limit: 1, CountTotal: true})
			if err != nil || int(res.Total) != c.want || len(ids) != min(1, c.want) {
				t.Fatalf("total %d, want %d (%v)", res.Total, c.want, err)
			}
		})
	}

	// A key decides alone: filters beside it are not heeded.
	r, err := q.Orders(s.ctx, &types.QueryOrdersRequest{Filters: types.OrderFilters{State: "active"}, Pagination: &query.PageRequest{Limit: 1}})
	if err != nil {
		t.Fatal(err)
	}
	r, err = q.Orders(s.ctx, &types.QueryOrdersRequest{Filters: types.OrderFilters{State: "closed"}, Pagination: &query.PageRequest{Key: r.Pagination.NextKey}})
	if err != nil || len(r.Orders) != 3 || r.Orders[0].State != types.OrderActive {
		t.Fatalf("%v %v", r, err)
	}
	// An offset needs a state; with one it skips.
	o, err := q.Orders(s.ctx, &types.QueryOrdersRequest{Filters: types.OrderFilters{State: "closed"}, Pagination: &query.PageRequest{Offset: 4}})
	if err != nil || len(o.Orders) != 2 {
		t.Fatalf("%v %v", o, err)
	}
	for name, bad := range map[string]func() error{
		"offset without state": func() error {
			_, err := q.Orders(s.ctx, &types.QueryOrdersRequest{Pagination: &query.PageRequest{Offset: 4}})
			return err
		},
		"unknown state": func() error {
			_, err := q.Bids(s.ctx, &types.QueryBidsRequest{Filters: types.BidFilters{State: "nope"}})
			return err
		},
		"invalid state": func() error {
			_, err := q.Bids(s.ctx, &types.QueryBidsRequest{Filters: types.BidFilters{State: "invalid"}})
			return err
		},
		"bad owner": func() error {
			_, err := q.Leases(s.ctx, &types.QueryLeasesRequest{Filters: marketv1.LeaseFilters{Owner: "alice"}})
			return err
		},
		"forged key": func() error {
			_, err := q.Leases(s.ctx, &types.QueryLeasesRequest{Pagination: &query.PageRequest{Key: []byte("forged")}})
			return err
		},
		"bad xid": func() error {
			_, err := eq.Accounts(s.ctx, &escrowv1.QueryAccountsRequest{XID: "deployment/x/y"})
			return err
		},
		"no request": func() error { _, err := q.Leases(s.ctx, nil); return err },
	} {
		if err := bad(); err == nil || !strings.Contains(err.Error(), "InvalidArgument") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
