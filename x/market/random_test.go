package market

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	types "github.com/akash-supercloud/akash/api/akash/market/v1beta5"
)

// TestRandomMarket sends random messages, sensible and not, and checks after each that the
// invariants hold; in the end a chain started from the export is the same. Longer:
// go test ./x/market -run RandomMarket -rapid.checks 2000
func TestRandomMarket(t *testing.T) {
	done, good := map[string]int{}, map[string]int{}
	rapid.Check(t, func(rt *rapid.T) {
		s := &scenario{newChain(t)}
		pick := func(label string, from ...string) string { return rapid.SampledFrom(from).Draw(rt, label) }
		for _, n := range []string{"alice", "bob", "p1", "p2", "p3"} {
			s.command("fund " + n + " 6000000uact,6000000uakt")
		}
		for _, n := range []string{"p1", "p2", "p3"} {
			s.command("register " + n)
		}
		s.command("max-bids 2")
		s.command("rules grace=" + pick("grace", "0", "1", "8", "100") + " orders=" + pick("lifetime", "0s", "20s", "1m", "3h"))
		deployment := func() string { return pick("owner", "alice", "bob") + "/" + pick("dseq", "1", "2") }
		group := func() string { return deployment() + "/" + pick("gseq", "1", "1", "2") }
		anyOrder := func() string { return group() + "/" + pick("oseq", "1", "1", "2", "3") }
		who := func() string { return pick("provider", "p1", "p2", "p3") }
		// Three times in four a command is about something that is there.
		sensible := func() bool { return rapid.IntRange(0, 3).Draw(rt, "sensible") > 0 }
		openOrder := func() (id, price string) {
			var ids, prices []string
			err := s.market.eachOrder(s.ctx, func(id orderID, o order) error {
				if o.State == types.OrderOpen {
					w, err := s.market.newSpecs().order(s.ctx, id, o)
					ids = append(ids, s.rename(id.wire().String()))
					prices = append(prices, short(w.Spec.Resources[0].Price.Amount)+w.Spec.Resources[0].Price.Denom)
					return err
				}
				return nil
			})
			if err != nil {
				rt.Fatal(err)
			}
			if len(ids) == 0 || !sensible() {
				return anyOrder(), "7uact"
			}
			n := rapid.IntRange(0, len(ids)-1).Draw(rt, "order")
			return ids[n], prices[n]
		}
		bidOf := func(state types.Bid_State) (id, provider string) {
			var ids []string
			err := s.market.eachBid(s.ctx, func(id bidID, e entry) error {
				if e.Bid.State == state {
					ids = append(ids, s.rename(id.wire().String()))
				}
				return nil
			})
			if err != nil {
				rt.Fatal(err)
			}
			if len(ids) == 0 || !sensible() {
				return anyOrder(), who()
			}
			id = pick("bid", ids...)
			n := strings.LastIndex(id, "/")
			return id[:n], id[n+1:]
		}
		for range rapid.IntRange(20, 120).Draw(rt, "steps") {
			denom := pick("denom", "uact", "uact", "uakt")
			var c string
			command := pick("command", "create", "create", "bid", "bid", "bid", "bid", "lease", "lease", "lease", "withdraw", "unlease", "unbid", "close", "close-group",
				"pause-group", "start-group", "deposit", "grant", "revoke", "block", "block", "block", "update", "reclaim", "wait", "withdraw-many", "deny", "allow", "rules")
			switch command {
			case "create":
				c = fmt.Sprintf("create %s deposit=%d%s price=%s%s,%s%s from=%s", deployment(), rapid.IntRange(500_000, 900_000).Draw(rt, "deposit"), denom,
					pick("price", "100000.5", "7", "0.3"), denom, pick("price", "50000", "11.1"), denom, pick("from", "balance", "balance,grant", "grant,balance"))
				if pick("reclaim", "no", "no", "yes") == "yes" {
					c += " reclaim=1h"
				}
			case "bid":
				id, price := openOrder()
				c = fmt.Sprintf("bid %s %s price=%s deposit=500000%s", who(), id, price, pick("denom", "uact", "uakt"))
				if pick("window", "no", "no", "yes") == "yes" {
					c += " window=2h"
				}
			case "lease":
				id, p := bidOf(types.BidOpen)
				c = fmt.Sprintf("lease %s %s", id, p)
			case "withdraw", "unlease", "reclaim":
				id, p := bidOf(types.BidActive)
				c = fmt.Sprintf("%s %s %s", command, id, p)
			case "unbid":
				id, p := bidOf(types.Bid_State(pick("state", "\x01", "\x02")[0]))
				c = fmt.Sprintf("unbid %s %s", p, id)
			case "close":
				c = "close " + deployment()
			case "update":
				c = "update " + deployment() + " hash=" + pick("hash", "a", "b")
			case "close-group":
				c = "close-group " + group()
			case "pause-group":
				c = "pause-group " + group()
			case "start-group":
				c = "start-group " + group()
			case "deposit":
				c = fmt.Sprintf("deposit %s %s %d%s from=%s", pick("by", "alice", "bob", "p1"), deployment(), rapid.IntRange(1, 300_000).Draw(rt, "amount"), denom, pick("from", "balance", "grant,balance"))
			case "grant":
				c = fmt.Sprintf("grant %s alice %d%s for=%s", pick("by", "bob", "p1"), rapid.IntRange(1, 800_000).Draw(rt, "limit"), denom, pick("for", "1h", "30s"))
			case "revoke":
				c = fmt.Sprintf("revoke %s alice", pick("by", "bob", "p1"))
			case "block":
				c = fmt.Sprintf("block %d", rapid.IntRange(1, 6).Draw(rt, "blocks"))
			case "wait":
				c = "wait 90m"
			case "withdraw-many":
				var leases []string
				p := who()
				err := s.market.eachBid(s.ctx, func(id bidID, e entry) error {
					if e.Lease != nil && s.rename(id.wire().Provider) == p {
						text := s.rename(id.wire().String())
						leases = append(leases, text[:strings.LastIndex(text, "/")])
					}
					return nil
				})
				if err != nil {
					rt.Fatal(err)
				}
				if !sensible() {
					leases = append(leases, anyOrder())
				}
				c = "withdraw-many " + p + " " + strings.Join(leases, " ")
			case "deny", "allow":
				c = command + " " + pick("owner", "alice", "bob") + " " + who()
			case "rules":
				c = "rules grace=" + pick("grace", "0", "2", "20") + " orders=" + pick("lifetime", "0s", "15s", "10m")
			}
			name, _, _ := strings.Cut(c, " ")
			out := s.command(c)
			done[name]++
			if !strings.HasPrefix(out, "error") {
				good[name]++
			}
			if strings.Contains(out, "panic") || strings.Contains(out, "market/3 ") || strings.Contains(out, "deployment/11 ") || strings.Contains(out, "escrow/11 ") {
				rt.Fatalf("%s: %s", c, out)
			}
		}
		roundTrip(t, s.chain)
	})
	for n := range done {
		t.Logf("%-12s %5d sent, %5d accepted", n, done[n], good[n])
		if good[n] == 0 && !testing.Short() {
			t.Errorf("no %s was ever accepted: the test tests less than it should", n)
		}
	}
}
