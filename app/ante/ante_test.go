package ante

import "testing"

// TestBound holds that the cache doesn't grow, and that what was just added is found.
func TestBound(t *testing.T) {
	c := newSigCache(nil, nil, 10)
	for i := range 1000 {
		k := [32]byte{byte(i), byte(i >> 8)}
		if c.has(k) {
			t.Fatalf("%d is there before it was added", i)
		}
		c.add(k)
		if !c.has(k) {
			t.Fatalf("%d isn't there", i)
		}
		if n := len(c.cur) + len(c.old); n > 20 {
			t.Fatalf("%d entries", n)
		}
		if i >= 10 && !c.has([32]byte{byte(i - 9), byte((i - 9) >> 8)}) {
			t.Fatalf("%d is forgotten after nine others", i-9)
		}
	}
}

func TestMissingOption(t *testing.T) {
	if _, err := New(Options{}); err == nil {
		t.Error("no options were enough")
	}
}
