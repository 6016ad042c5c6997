package market

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	types "github.com/akash-supercloud/akash/api/akash/market/v1beta5"
	"github.com/akash-supercloud/akash/x/deployment"
	"github.com/akash-supercloud/akash/x/escrow"
	"github.com/akash-supercloud/akash/x/internal/store"
)

// TestEndBlockIsBounded lets more accounts run dry in one block than a block may close. The
// rest waits, isn't charged for the wait, and any message that needs one closes it at once.
func TestEndBlockIsBounded(t *testing.T) {
	s := &scenario{newChain(t)}
	s.check = false
	s.command("fund prov 1000000000uact")
	s.command("register prov")
	s.command("rules grace=0")
	n := escrow.MaxDryPerBlock + 30
	for i := range n {
		who := fmt.Sprintf("t%d", i)
		s.command("fund " + who + " 500000uact")
		for _, c := range []string{"create %s/1 price=100000uact", "bid prov %s/1/1/1", "lease %s/1/1/1 prov"} {
			c = strings.Replace(c, "%s", who, 1)
			if c[0] == 'b' || c[0] == 'l' {
				c = strings.Replace(c, "price=", "", 1)
			}
			if strings.HasPrefix(c, "bid") {
				c += " price=100000uact"
			}
			if out := s.command(c); strings.HasPrefix(out, "error") {
				t.Fatal(c, out)
			}
		}
	}
	s.command("block 5") // the money is good for 5 blocks: 2 to 6
	s.check = true
	closed := func(out string) int { return strings.Count(out, "EventDeploymentClosed") }
	if got := closed(s.command("block")); got != escrow.MaxDryPerBlock {
		t.Fatalf("the first block closed %d, want %d", got, escrow.MaxDryPerBlock)
	}
	// One of those who wait: its own message closes it, as out of funds.
	var waiting []string
	for i := range n {
		who := fmt.Sprintf("t%d", i)
		if strings.HasPrefix(s.command("show "+who+"/1"), "deployment active") {
			waiting = append(waiting, who)
		}
	}
	if len(waiting) != n-escrow.MaxDryPerBlock {
		t.Fatalf("%d wait", len(waiting))
	}
	if out := s.command("deposit " + waiting[0] + " " + waiting[0] + "/1 1uact"); !strings.HasPrefix(out, "error escrow/4 ") {
		t.Fatal("a top-up after the end:", out)
	}
	for i, c := range []string{"close %s/1", "withdraw %s/1/1/1 prov", "unlease %s/1/1/1 prov", "pause-group %s/1/1", "unbid prov %s/1/1/1", "close-group %s/1/1"} {
		out := s.command(strings.Replace(c, "%s", waiting[i], 1))
		if closed(out) != 1 || !strings.Contains(out, "lease_closed_reason_insufficient_funds") || !strings.Contains(out, "withdrawn=500000uact") {
			t.Fatalf("%s: %s", c, out)
		}
	}
	if got := closed(s.command("block")); got != 30-6 {
		t.Fatalf("the second block closed %d, want 24", got)
	}
	if got := s.command("balance prov"); got != fmt.Sprintf("prov %duact", 1000000000+500000*n) {
		t.Fatalf("each lease has paid 500000 to the provider, who got its deposits back: %s", got)
	}
}

// TestInvariantsNotice breaks the state in a few ways, each of which has to be noticed.
func TestInvariantsNotice(t *testing.T) {
	for name, damage := range map[string]func(s *scenario) error{
		"coins gone": func(s *scenario) error {
			return s.bank.SendCoins(s.ctx, authAddress(escrow.ModuleName), s.addr("x"), coins("1uact"))
		},
		"coins of nobody": func(s *scenario) error {
			return s.bank.SendCoins(s.ctx, s.addr("alice"), authAddress(escrow.ModuleName), coins("1uact"))
		},
		"order lost": func(s *scenario) error {
			return s.market.orders[orderActive].Remove(s.ctx, orderID{id(s), 1, 1}.Key())
		},
		"bid lost": func(s *scenario) error {
			return s.market.entries[leaseActive].Remove(s.ctx, bidID{orderID{id(s), 1, 1}, s.addr("prov")}.Key())
		},
		"index lost": func(s *scenario) error {
			return s.market.byProvider.Remove(s.ctx, bidID{orderID{id(s), 1, 1}, s.addr("prov")}.providerKey(leaseActive))
		},
		"order twice": func(s *scenario) error {
			return s.market.setOrder(s.ctx, orderID{id(s), 1, 1}, store.None, order{State: types.OrderClosed})
		},
		"bid among others": func(s *scenario) error {
			bid := bidID{orderID{id(s), 1, 1}, s.addr("prov")}
			e, _, err := s.market.entry(s.ctx, bid)
			return errors.Join(err, s.market.entries.Move(s.ctx, bid.Key(), leaseActive, leaseClosed, e))
		},
		"account closed": func(s *scenario) error { return s.chain.escrow.CloseAccount(s.ctx, id(s).Account(), false) },
	} {
		t.Run(name, func(t *testing.T) {
			s := &scenario{newChain(t)}
			for _, c := range []string{"fund alice 1000000uact", "fund prov 1000000uact", "register prov", "create alice/1", "bid prov alice/1/1/1", "lease alice/1/1/1 prov"} {
				if out := s.command(c); strings.HasPrefix(out, "error") {
					t.Fatal(c, out)
				}
			}
			if err := damage(s); err != nil {
				t.Fatal(err)
			}
			if s.broken() == nil {
				t.Fatal("the invariants say that all is well")
			}
		})
	}
}

func id(s *scenario) deployment.ID { return deployment.ID{Owner: s.addr("alice"), DSeq: 1} }
