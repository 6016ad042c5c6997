package client

import (
	"context"
	"net"

	"github.com/akash-supercloud/akash/client/gateway"
)

// Dial connects like net.Dialer, but takes localhost and every name below it (lease.localhost)
// for this machine, whatever the resolver thinks of it.
func Dial(ctx context.Context, network, addr string) (net.Conn, error) {
	return gateway.Dial(ctx, network, addr)
}
