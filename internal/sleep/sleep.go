// Package sleep pauses without outliving the context.
package sleep

import (
	"context"
	"time"
)

// For pauses for d. It returns false, at once, if ctx ends first.
func For(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
