package app_test

import (
	"testing"

	"github.com/akash-supercloud/akash/app"
)

func BenchmarkNewOffline(b *testing.B) {
	for b.Loop() {
		app.NewOffline()
	}
}
