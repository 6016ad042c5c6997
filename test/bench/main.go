// Command bench measures akash on this machine, through its program.
//
//	bench deploy   a whole market: from `akash up` to ready, and from `akash deploy` to the first 200, part by part
//	bench app      the state machine alone, in this process
//	bench load     a node under load over RPC: bank sends, deployments, and leases' whole lives
//	bench fill     a node whose state holds many leases: block times under load and times of list queries
//	bench fill     a node whose state holds many leases: block times under load, and times of list queries
//
// What always holds: a node that it starts is a process of its own, listens on loopback only and ends with it; every
// load is bounded in count and in time; what is measured is the node's processor time, not the load's, which signs
// and encodes before the clock starts.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := dispatch(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func dispatch(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return errors.New("say what to measure: deploy, load, fill or app; each has -h")
	}
	switch args[0] {
	case "deploy":
		return deploy(args[1:])
	case "load":
		return load(ctx, args[1:])
	case "fill":
		return fill(ctx, args[1:])
	case "import": // a part of fill
		return importing(ctx, args[1:])
	case "app":
		return inprocess(ctx, args[1:])
	}
	return fmt.Errorf("there is no bench %q; use deploy, load, fill or app", args[0])
}
