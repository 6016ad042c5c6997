package cli

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
)

// TestPanicIsAnError: a command that panics fails with one sentence; its stack is for those who ask.
func TestPanicIsAnError(t *testing.T) {
	for _, c := range []struct {
		args  []string
		env   string
		stack bool
	}{
		{nil, "", false}, {nil, "info", false}, {nil, "debug", true},
		{[]string{"--log-level", "debug"}, "", true}, {[]string{"--log-level=debug"}, "", true}, {[]string{"--log-level", "warn"}, "", false},
	} {
		t.Setenv("AKASH_LOG_LEVEL", c.env)
		var errOut strings.Builder
		a := &app{args: c.args, err: &errOut}
		cmd := &cobra.Command{Use: "bad", SilenceErrors: true, SilenceUsage: true, RunE: func(*cobra.Command, []string) error {
			var none []string
			_ = none[len(c.args)]
			return nil
		}}
		cmd.SetArgs([]string{})
		err := a.execute(context.Background(), cmd)
		if err == nil || !strings.Contains(err.Error(), "index out of range") || !strings.Contains(err.Error(), "please report it") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q %q: %v", c.args, c.env, err)
		}
		if got := strings.Contains(errOut.String(), "fault_test.go:"); got != c.stack {
			t.Errorf("%q %q: a stack: %t, want %t\n%s", c.args, c.env, got, c.stack, errOut.String())
		}
	}
}

// TestNoSourcePositions: what users read names no file of the source; other brackets stay.
func TestNoSourcePositions(t *testing.T) {
	for in, want := range map[string]string{
		"empty address string is not allowed [/build/mod/cosmossdk.io/errors@v1.0.2/errors.go:165]: bad": "empty address string is not allowed: bad",
		"unknown proposal 7 [cosmos/cosmos-sdk@v0.55.0/x/gov/keeper/vote.go:24]":                         "unknown proposal 7",
		"one [a/b.go:1]\ntwo [c.go:22] three":                                                            "one\ntwo three",
		"use [a, b] or [::1]:26657, not [main.go]":                                                       "use [a, b] or [::1]:26657, not [main.go]",
	} {
		if got := explain(errors.New(in)); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

// TestBeforeTheFirstBlock: a chain without blocks has no last one that was long ago.
func TestBeforeTheFirstBlock(t *testing.T) {
	text := (&app{}).nodeText(nodeStatus{Time: time.Unix(0, 0)}, time.Now())
	if !strings.Contains(text, "no block yet") || strings.Contains(text, "no block for") {
		t.Error(text)
	}
	if text = (&app{}).nodeText(nodeStatus{Height: 5, Time: time.Unix(0, 0)}, time.Unix(3600, 0)); !strings.Contains(text, "no block for 1h0m0s") {
		t.Error(text)
	}
}
