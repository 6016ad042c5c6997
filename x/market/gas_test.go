package market

import (
	"fmt"
	"strings"
	"testing"
)

// spent returns the gas that fn takes.
func (s *scenario) spent(fn func()) uint64 {
	before := s.ctx.GasMeter().GasConsumed()
	fn()
	return s.ctx.GasMeter().GasConsumed() - before
}

// TestLaterWorkIsPaid compares what messages paid beforehand with the gas that EndBlock takes
// for the same things: expired orders with their bids, leases that run dry, deployments
// whose grace ends. Whoever makes work for the chain has paid for it.
func TestLaterWorkIsPaid(t *testing.T) {
	for _, groups := range []int{1, 3, 20} {
		for _, bidders := range []int{0, 1, 3} {
			for _, leases := range []int{0, 1} {
				if leases > bidders {
					continue
				}
				t.Run(fmt.Sprintf("%d groups, %d bids each, %d leases", groups, bidders, leases*groups), func(t *testing.T) {
					s := &scenario{newChain(t)}
					s.check = false
					paid := uint64(0)
					do := func(c string, gas uint64) {
						t.Helper()
						var out string
						if spent := s.spent(func() { out = s.command(c) }); strings.HasPrefix(out, "error") || spent < gas {
							t.Fatalf("%s took %d gas, of which %d for later: %s", c, spent, gas, out)
						}
						paid += gas
					}
					do("rules grace=3 orders=1m", 0)
					do("fund alice 50000000uact", 0)
					price := strings.TrimSuffix(strings.Repeat("1000uact,", groups), ",")
					for i := range bidders {
						do(fmt.Sprintf("fund p%d 50000000uact", i), 0)
						do(fmt.Sprintf("register p%d", i), 0)
					}
					do("create alice/1 price="+price, 0)
					d, err := s.chain.deployment.Get(s.ctx, id(s))
					if err != nil {
						t.Fatal(err)
					}
					size := uint64(d.Size())
					paid += uint64(groups) * (GasOrderEnd + GasPerByte*size)
					for g := 1; g <= groups; g++ {
						for p := range bidders {
							do(fmt.Sprintf("bid p%d alice/1/%d/1 price=1000uact", p, g), GasBidEnd)
						}
						if leases > 0 {
							do(fmt.Sprintf("lease alice/1/%d/1 p0", g), GasLeaseEnd+GasPerByte*size)
						}
					}
					later := s.spent(func() { s.command("block 520") })
					idle := s.spent(func() { s.command("block 520") }) // what blocks cost with nothing to do
					closed := strings.HasPrefix(s.command("show alice/1"), "deployment closed")
					if closed != (leases > 0) || later < idle+1000 {
						t.Fatalf("the chain did nothing: %s", s.command("show alice/1"))
					}
					t.Logf("%d bytes: paid %d, took %d", size, paid, later-idle)
					if later-idle > paid {
						t.Errorf("the later work takes %d gas, but %d were paid", later-idle, paid)
					}
				})
			}
		}
	}
}
