package market

import (
	"fmt"
	"testing"
)

// BenchmarkLifecycle measures the handlers alone: create, bid, lease, close.
func BenchmarkLifecycle(b *testing.B) {
	for _, step := range []string{"create", "bid", "lease", "withdraw", "close"} {
		b.Run(step, func(b *testing.B) {
			s := &scenario{newChain(b)}
			s.check = false
			s.command("fund alice 100000000000000uact")
			s.command("fund prov 100000000000000uact")
			s.command("register prov")
			words := map[string]string{
				"create": "create alice/%d price=100uact", "bid": "bid prov alice/%d/1/1", "lease": "lease alice/%d/1/1 prov",
				"withdraw": "withdraw alice/%d/1/1 prov", "close": "close alice/%d",
			}
			order := []string{"create", "bid", "lease", "withdraw", "close"}
			b.ReportAllocs()
			b.StopTimer()
			for i := 1; i <= b.N; i++ {
				for _, w := range order {
					if w == "withdraw" && step != w {
						continue
					}
					line := fmt.Sprintf(words[w], i)
					msg := s.parse(line)
					if w == step {
						b.StartTimer()
					}
					s.must(msg)
					if w == step {
						b.StopTimer()
						break
					}
				}
			}
		})
	}
}
