package client

import (
	"testing"
	"time"
)

// A pause of the node must not change what a month costs or how long the money lasts.
func TestMedianGap(t *testing.T) {
	at := func(gaps ...time.Duration) []time.Time {
		now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		times := []time.Time{now}
		for _, g := range gaps {
			now = now.Add(-g)
			times = append(times, now)
		}
		return times
	}
	const half = 500 * time.Millisecond
	for name, c := range map[string]struct {
		times []time.Time
		want  time.Duration
	}{
		"steady":    {at(half, half, half), half},
		"a pause":   {at(half, half, time.Hour, half, half), half},
		"too young": {at(half), 6 * time.Second},
		"none":      {nil, 6 * time.Second},
	} {
		if got := medianGap(c.times); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}
