package validators

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestFour runs four validators through all that may happen to one or two of them, under load all the while.
func TestFour(t *testing.T) {
	w := newNetwork(t)
	l := newLoad(w, 4)
	began := time.Now()
	w.makeValidators(4, l.accounts(), func(genesis map[string]any) {
		// So that a validator is jailed while a test waits; a fault of some seconds isn't enough.
		p := genesis["app_state"].(map[string]any)["slashing"].(map[string]any)["params"].(map[string]any)
		p["signed_blocks_window"], p["min_signed_per_window"], p["downtime_jail_duration"] = "60", "0.500000000000000000", "60s"
	})
	for _, n := range w.nodes {
		n.up()
	}
	w.reach(3, w.nodes...)
	t.Logf("four validators from nothing to block 3: %.1f s", time.Since(began).Seconds())
	l.run(w, w.nodes)
	var table table

	four := w.others()
	t.Run("one killed", func(t *testing.T) { w.each(t, &table, "killed", (*node).kill, func(n *node) { n.up() }) })
	t.Run("one paused", func(t *testing.T) {
		w.each(t, &table, "paused", func(n *node) { n.signal(syscall.SIGSTOP) }, func(n *node) { n.signal(syscall.SIGCONT) })
	})
	t.Run("one cut off", func(t *testing.T) {
		w.needsSpaces(t)
		w.each(t, &table, "cut off", func(n *node) { w.cable(n, false) }, func(n *node) { w.cable(n, true) })
	})
	t.Run("two cut off", func(t *testing.T) {
		w.needsSpaces(t)
		w.halt(t, &table, func(n *node) { w.cable(n, false) }, func(n *node) { w.cable(n, true) })
	})

	l.stop(w)
	w.settle(four)
	w.sameBlocks(w.nodes)
	t.Logf("\n%s", table.String())
}

// table is what a run saw: a line each fault.
type table [][]string

func (tb *table) add(fault string, meanwhile int64, recovered time.Duration) {
	*tb = append(*tb, []string{fault, fmt.Sprint(meanwhile), fmt.Sprintf("%.1f s", recovered.Seconds())})
}

func (tb *table) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%-44s %16s %12s\n", "fault", "blocks meanwhile", "recovered in")
	for _, r := range *tb {
		fmt.Fprintf(&b, "%-44s %16s %12s\n", r[0], r[1], r[2])
	}
	return b.String()
}

func (w *network) needsSpaces(t *testing.T) {
	if !w.apart {
		t.Skip("cutting a node off needs network namespaces, and these need root")
	}
}

func (w *network) cable(n *node, in bool) {
	w.t.Helper()
	if err := w.bridge.cable(n.n, in); err != nil {
		w.t.Fatal(err)
	}
}

// each lets the same happen to the validators in turn: the others go on, and it catches up afterwards.
func (w *network) each(t *testing.T, tb *table, fault string, harm, mend func(*node)) {
	const blocks = 6 // that the others must make meanwhile
	for _, n := range w.others() {
		rest := w.others(n)
		from := highest(rest)
		harm(n)
		w.reach(from+blocks, rest...)
		to := highest(rest)
		mend(n)
		took := w.reach(to+1, n)
		tb.add(n.name+" "+fault, to-from, took)
	}
	_ = t
}

// halt cuts two of four off, half of all power: nobody commits anything until they are back.
func (w *network) halt(t *testing.T, tb *table, harm, mend func(*node)) {
	four := w.others()
	harm(four[2])
	harm(four[3])
	// A block whose votes were on their way may still come.
	var before [4]int64
	still := time.Now()
	w.until("all stand still for 3 s", func() error {
		for i, n := range four {
			if h := n.height(); h != before[i] {
				before[i], still = h, time.Now()
			}
		}
		if d := time.Since(still); d < 3*time.Second {
			return fmt.Errorf("heights %v for %s", before, d)
		}
		return nil
	})
	for end := time.Now().Add(3 * time.Second); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		for i, n := range four {
			if h := n.height(); h != before[i] {
				t.Fatalf("%s made block %d with half of the power", n.name, h)
			}
		}
	}
	top := highest(four)
	mend(four[2])
	mend(four[3])
	took := w.reach(top+2, four...)
	tb.add("two of four cut off", highest(four)-top, took)
	(*tb)[len(*tb)-1][1] = "0"
}

// settle waits until all nodes have the newest block of now.
func (w *network) settle(nodes []*node) { w.reach(highest(nodes), nodes...) }
