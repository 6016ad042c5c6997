package node

import "testing"

func TestGCPercent(t *testing.T) {
	for _, c := range []struct {
		live uint64
		want int
	}{{0, 1500}, {16 << 20, 1500}, {64 << 20, 300}, {100 << 20, 150}, {128 << 20, 100}, {4 << 30, 100}} {
		got := gcPercent(c.live)
		if got != c.want {
			t.Errorf("%d MiB in use: GOGC %d, not %d", c.live>>20, got, c.want)
		}
		if goal := max(c.live, 16<<20) * uint64(100+got) / 100; goal > max(heapGoal, 2*c.live) {
			t.Errorf("%d MiB in use: the heap may grow to %d MiB", c.live>>20, goal>>20)
		}
	}
}
