package market

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

// TestKeysWritten pins how many keys each message writes, by module: state is dear. The
// bank's are its own affair (a balance and its index by denomination for each account).
func TestKeysWritten(t *testing.T) {
	s := &scenario{newChain(t)}
	s.check = false
	for _, n := range []string{"p1", "p2", "p3"} {
		s.command("fund " + n + " 10000000uact")
		s.command("register " + n)
	}
	s.command("fund alice 100000000uact")
	s.command("create alice/9 price=100uact") // whoever comes first makes escrow's module account
	for _, step := range []struct{ command, want string }{
		{"create alice/1 price=100uact", "deployment=1 escrow=1 market=1 bank=4"},
		{"bid p1 alice/1/1/1", "escrow=1 market=3 bank=4"},
		{"bid p2 alice/1/1/1", "escrow=1 market=3 bank=4"},
		{"bid p3 alice/1/1/1", "escrow=1 market=3 bank=4"},
		// What changes its class is deleted and set: the order, its bids and their places in
		// the index by provider, the losers' deposits. The account and its place in the queue.
		{"lease alice/1/1/1 p1", "escrow=6 market=14 bank=6"},
		{"block 3", ""},
		{"withdraw alice/1/1/1 p1", "escrow=1 bank=4"},
		{"deposit alice alice/1 5000uact", "escrow=3 bank=4"},
		{"update alice/1", "deployment=1"},
		{"unlease alice/1/1/1 p1", "deployment=1 escrow=5 market=7 bank=4"},
		{"bid p1 alice/1/1/2", "escrow=1 market=3 bank=4"},
		{"lease alice/1/1/2 p1", "escrow=2 market=6"},
		{"block 3", ""},
		{"close alice/1", "deployment=2 escrow=5 market=6 bank=6"},
	} {
		s.writes = map[string]map[string]bool{}
		if out := s.command(step.command); strings.HasPrefix(out, "error") {
			t.Fatalf("%s: %s", step.command, out)
		}
		var got []string
		for _, m := range []string{"deployment", "escrow", "market", "bank"} {
			if n := len(s.writes[m]); n > 0 {
				got = append(got, fmt.Sprintf("%s=%d", m, n))
			}
		}
		for _, m := range slices.Sorted(maps.Keys(s.writes)) {
			if m != "deployment" && m != "escrow" && m != "market" && m != "bank" {
				got = append(got, fmt.Sprintf("%s=%d", m, len(s.writes[m])))
			}
		}
		if g := strings.Join(got, " "); g != step.want {
			t.Errorf("%s writes %s keys, not %s", step.command, g, step.want)
		}
	}
}
