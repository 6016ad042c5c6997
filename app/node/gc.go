package node

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync"
)

// heapGoal is how far the heap may grow before garbage is collected, however little of it is in use. Go's own goal is
// twice what is in use: a small node under load then collects several times a second, which was a quarter of its
// processor time. Beyond half of heapGoal in use, Go's own goal holds.
const heapGoal = 256 << 20

var tuneOnce sync.Once

// tuneGC keeps the goal at heapGoal from now on, unless the operator has set GOGC.
func tuneGC() {
	tuneOnce.Do(func() {
		if os.Getenv("GOGC") == "" {
			watchGC(100)
		}
	})
}

// watchGC adjusts the collector after each collection, which it notices by an object that nobody holds.
func watchGC(percent int) {
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(live)
	if p := gcPercent(live[0].Value.Uint64()); p != percent {
		percent = p
		debug.SetGCPercent(percent)
	}
	o := new([16]byte) // 16 bytes have a place of their own
	runtime.SetFinalizer(o, func(*[16]byte) { watchGC(percent) })
}

// gcPercent is GOGC for so many bytes in use: in steps of 50, so that it seldom changes.
func gcPercent(live uint64) int {
	live = max(live, 16<<20)
	if live >= heapGoal/2 {
		return 100
	}
	return int((heapGoal-live)*100/live) / 50 * 50
}
