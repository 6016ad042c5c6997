// Package freeport finds ports for tests whose servers can't be asked to take port 0. It
// stays below the range that the kernel gives to outgoing connections, so that none of
// those takes the port before the test does, and never gives one twice in a process.
package freeport

import (
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
	"testing"
)

var (
	mu    sync.Mutex
	given = map[int]bool{}
)

// Loopback returns "127.0.0.1:port" of a port that is free for TCP and UDP.
func Loopback(t testing.TB) string {
	t.Helper()
	mu.Lock()
	defer mu.Unlock()
	for range 1000 {
		port := 15_000 + rand.IntN(15_000)
		addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
		if !given[port] && free(addr) {
			given[port] = true
			return addr
		}
	}
	t.Fatal("no free port between 15000 and 29999")
	return ""
}

func free(addr string) bool {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return false
	}
	defer l.Close()
	p, err := net.ListenPacket("udp", addr)
	if err != nil {
		return false
	}
	return p.Close() == nil
}
