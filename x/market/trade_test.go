package market

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/cosmos/cosmos-sdk/types/query"

	deploymentv1beta4 "github.com/akash-supercloud/akash/api/akash/deployment/v1beta4"
	escrowtypes "github.com/akash-supercloud/akash/api/akash/escrow/types/v1"
	escrowv1 "github.com/akash-supercloud/akash/api/akash/escrow/v1"
	marketv1 "github.com/akash-supercloud/akash/api/akash/market/v1"
	types "github.com/akash-supercloud/akash/api/akash/market/v1beta5"
	tradev1 "github.com/akash-supercloud/akash/api/akash/trade/v1"
	"github.com/akash-supercloud/akash/x/deployment"
	"github.com/akash-supercloud/akash/x/escrow"
)

func run(t *testing.T, s *scenario, commands ...string) {
	t.Helper()
	for _, c := range commands {
		if out := s.command(c); strings.HasPrefix(out, "error") {
			t.Fatal(c, out)
		}
	}
}

// TestSweep expires more orders than a block looks at: each block goes on where the last one
// stopped, writes its place only when it moves, and misses none.
func TestSweep(t *testing.T) {
	s := &scenario{newChain(t)}
	s.check = false
	run(t, s, "rules orders=1m grace=5", "fund alice 1000000000uact")
	const n = 2*SweepPerBlock + 50
	for i := 1; i <= n; i++ {
		if i == n { // the last keeps its order for longer
			run(t, s, "rules orders=1h grace=5")
		}
		run(t, s, fmt.Sprintf("create alice/%d", i))
	}
	writes := func() int { return len(s.writes[StoreKey]) }
	s.writes = map[string]map[string]bool{}
	if out := s.command("block"); out != "height 2" || writes() != 1 {
		t.Fatalf("%d keys written: %s", writes(), out)
	}
	run(t, s, "block 2", "wait 1m")
	for i, want := range []int{SweepPerBlock, SweepPerBlock, 49, 0} {
		s.writes = map[string]map[string]bool{}
		if got := strings.Count(s.command("block"), "EventOrderExpired"); got != want {
			t.Fatalf("block %d expired %d, want %d", i, got, want)
		}
		if i == 3 && writes() != 0 {
			t.Fatalf("a block with nothing to do wrote %d keys", writes())
		}
	}
	if err := s.broken(); err != nil {
		t.Fatal(err)
	}
	roundTrip(t, s.chain)
	if out := s.command("show alice/1"); !strings.Contains(out, "group 1 paused") || !strings.Contains(out, "order 1/1 closed") {
		t.Fatal(out)
	}
}

// TestInvariantsQuery is refused unless it is allowed, runs one at a time, and names breaches.
func TestInvariantsQuery(t *testing.T) {
	s := &scenario{newChain(t)}
	run(t, s, "fund alice 1000000uact", "fund prov 1000000uact", "register prov", "create alice/1", "bid prov alice/1/1/1", "lease alice/1/1/1 prov")
	ask := func() (*tradev1.QueryInvariantsResponse, error) {
		return NewTradeQueryServer(s.market).Invariants(s.ctx, &tradev1.QueryInvariantsRequest{})
	}
	if _, err := ask(); status.Code(err) != codes.PermissionDenied {
		t.Fatal(err)
	}
	s.market.AllowInvariantsQuery()
	r, err := ask()
	if err != nil || len(r.Breaches) != 0 || r.Height != 1 {
		t.Fatal(r, err)
	}
	s.market.checking.Lock()
	if _, err := ask(); status.Code(err) != codes.ResourceExhausted {
		t.Fatal(err)
	}
	s.market.checking.Unlock()
	s.check = false
	if err := s.market.byProvider.Remove(s.ctx, bidID{orderID{id(s), 1, 1}, s.addr("prov")}.providerKey(leaseActive)); err != nil {
		t.Fatal(err)
	}
	if err := s.bank.SendCoins(s.ctx, authAddress(escrow.ModuleName), s.addr("x"), coins("1uact")); err != nil {
		t.Fatal(err)
	}
	if r, err = ask(); err != nil || len(r.Breaches) != 3 {
		t.Fatal(r, err)
	}
}

// TestOverdueIsShownEverywhere lets an account's money end while the chain is busy with
// others: all queries show it as overdrawn, with its last block paid.
func TestOverdueIsShownEverywhere(t *testing.T) {
	s := &scenario{newChain(t)}
	run(t, s, "rules grace=10", "fund alice 1000000uact", "fund prov 1000000uact", "register prov", "create alice/1 price=100000uact",
		"bid prov alice/1/1/1 price=100000uact", "lease alice/1/1/1 prov")
	s.ctx = s.ctx.WithBlockHeight(20) // without EndBlocks
	d, err := deployment.NewQueryServer(s.chain.deployment).Deployments(s.ctx, &deploymentv1beta4.QueryDeploymentsRequest{})
	if err != nil || d.Deployments[0].EscrowAccount.State.State != escrowtypes.StateOverdrawn || !d.Deployments[0].EscrowAccount.State.Funds[0].Amount.IsZero() {
		t.Fatal(d, err)
	}
	l, err := NewQueryServer(s.market).Leases(s.ctx, &types.QueryLeasesRequest{Filters: marketv1.LeaseFilters{State: "active"}})
	if err != nil || l.Leases[0].EscrowPayment.State.State != escrowtypes.StateOverdrawn || l.Leases[0].EscrowPayment.State.Balance.Amount.TruncateInt64() != 500_000 {
		t.Fatal(l, err)
	}
	e := escrow.NewQueryServer(s.chain.escrow)
	a, err := e.Accounts(s.ctx, &escrowv1.QueryAccountsRequest{XID: "deployment"})
	if err != nil || a.Accounts[0].State.State != escrowtypes.StateOverdrawn || a.Accounts[0].State.SettledAt != 6 {
		t.Fatal(a, err)
	}
	if a, err = e.Accounts(s.ctx, &escrowv1.QueryAccountsRequest{XID: "deployment", State: "open"}); err != nil || len(a.Accounts) != 0 {
		t.Fatal(a, err)
	}
	p, err := e.Payments(s.ctx, &escrowv1.QueryPaymentsRequest{})
	if err != nil || p.Payments[0].State.State != escrowtypes.StateOverdrawn {
		t.Fatal(p, err)
	}
	if out := s.command("funding alice/1"); !strings.HasPrefix(out, "overdrawn 0uact") {
		t.Fatal(out)
	}
	// A deposit comes in time all the same: the grace begins with it.
	if out := s.command("deposit alice alice/1 100000uact"); !strings.Contains(out, "EventAccountOverdrawn grace_ends=30") || !strings.Contains(out, "EventAccountReopened") || !strings.Contains(out, "EventOrderCreated id=alice/1/1/2") {
		t.Fatal(out)
	}
}

// TestOverdueMessages sends each message that needs the money of a deployment whose money
// has ended, before the chain has come to it: it is paused first, then the message counts.
func TestOverdueMessages(t *testing.T) {
	for command, want := range map[string]string{
		"close alice/1":                  "deployment closed",
		"close-group alice/1/1":          "group 1 closed",
		"pause-group alice/1/1":          "group 1 paused",
		"withdraw alice/1/1/1 prov":      "group 1 paused",
		"unlease alice/1/1/1 prov":       "group 1 paused",
		"unbid prov alice/1/1/1":         "group 1 paused",
		"withdraw-many prov alice/1/1/1": "group 1 paused",
	} {
		t.Run(strings.Fields(command)[0], func(t *testing.T) {
			s := &scenario{newChain(t)}
			run(t, s, "rules grace=10", "fund alice 1000000uact", "fund prov 1000000uact", "register prov", "create alice/1 price=100000uact,5uact",
				"bid prov alice/1/1/1 price=100000uact", "lease alice/1/1/1 prov")
			s.ctx = s.ctx.WithBlockHeight(20)
			out := s.command(command)
			if strings.HasPrefix(out, "error") || !strings.Contains(out, "withdrawn=500000uact") || strings.Count(out, "EventLeaseClosed") != 1 {
				t.Fatal(out)
			}
			if show := s.command("show alice/1"); !strings.Contains(show, want) {
				t.Fatal(show)
			}
			if command == "close alice/1" {
				return
			}
			// A deposit starts what the chain has stopped, not what its owner has.
			open := "group 1 open"
			if want == "group 1 closed" || strings.HasPrefix(command, "pause") {
				open = want
			}
			run(t, s, "deposit alice alice/1 100000uact")
			if show := s.command("show alice/1"); !strings.Contains(show, open) || !strings.Contains(show, "group 2 open") {
				t.Fatal(show)
			}
		})
	}
}

func TestDenialsByPage(t *testing.T) {
	s := &scenario{newChain(t)}
	run(t, s, "deny alice a b c d e", "deny bob a")
	var got []string
	req := &tradev1.QueryDenialsRequest{Owner: s.addr("alice").String(), Pagination: &query.PageRequest{Limit: 2}}
	for n := 0; ; n++ {
		r, err := NewTradeQueryServer(s.market).Denials(s.ctx, req)
		if err != nil || n > 3 {
			t.Fatal(n, err)
		}
		got = append(got, r.Providers...)
		if len(r.Pagination.NextKey) == 0 {
			break
		}
		req.Pagination.Key = r.Pagination.NextKey
	}
	if text := s.rename(strings.Join(got, " ")); text != "a b c d e" {
		t.Fatal(text)
	}
	if _, err := NewTradeQueryServer(s.market).Denials(s.ctx, &tradev1.QueryDenialsRequest{}); status.Code(err) != codes.InvalidArgument {
		t.Fatal(err)
	}
}

func TestPace(t *testing.T) {
	var p pace
	at := start
	for h := int64(1); h <= 250; h++ {
		if h > 120 {
			at = at.Add(time.Second)
		}
		at = at.Add(time.Second)
		p.note(h, at.Add(time.Hour)) // a proposal that wasn't decided
		p.note(h, at)
	}
	if got := p.mean(); got != 2*time.Second {
		t.Fatal(got)
	}
	if p.note(10, start); p.mean() != 0 {
		t.Fatal("a block from before counts")
	}
}
