package app_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/akash-supercloud/akash/app"
)

// longest is the longest row of digits in b, counted one by one.
func longest(b []byte) int {
	most, now := 0, 0
	for _, c := range b {
		if c >= '0' && c <= '9' || c == '_' {
			now++
			most = max(most, now)
		} else {
			now = 0
		}
	}
	return most
}

func TestCheckDigits(t *testing.T) {
	for n := range 3 * app.MaxDigits {
		for _, before := range []int{0, 1, 999, 1000, 1001, 5000} {
			b := append(bytes.Repeat([]byte("x"), before), bytes.Repeat([]byte("9"), n)...)
			b = append(b, "x123"...)
			if (app.CheckDigits(b) != nil) != (longest(b) > app.MaxDigits) {
				t.Fatalf("%d digits behind %d others: %v", n, before, app.CheckDigits(b))
			}
		}
	}
	// The worst that is allowed to pass.
	b := bytes.Repeat(append(bytes.Repeat([]byte("9"), app.MaxDigits-1), 'x'), 10_000)
	begin := time.Now()
	if err := app.CheckDigits(b); err != nil {
		t.Error(err)
	}
	if d := time.Since(begin); d > time.Second {
		t.Errorf("10 MB take %s", d)
	}
}

func FuzzCheckDigits(f *testing.F) {
	f.Add([]byte("123"), uint16(2000), byte('_'))
	f.Fuzz(func(t *testing.T, b []byte, n uint16, c byte) {
		b = append(b, bytes.Repeat([]byte{c}, int(n))...)
		b = append(b, b...)
		if (app.CheckDigits(b) != nil) != (longest(b) > app.MaxDigits) {
			t.Errorf("%d digits: %v", longest(b), app.CheckDigits(b))
		}
	})
}
