package validators

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// space is a network namespace, or this machine's own. It belongs to one thread of this process and to what was
// started in it, and is gone when all of these are: nothing is left to remove.
type space struct {
	path string // for `ip link set … netns`
	do   chan func()
}

// newSpace makes a network namespace; it fails for whoever isn't root.
func newSpace(t *testing.T) (*space, error) {
	s, made := &space{do: make(chan func())}, make(chan error)
	go func() {
		runtime.LockOSThread() // for good: the thread ends with this function
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			made <- err
			return
		}
		s.path = fmt.Sprintf("/proc/%d/task/%d/ns/net", os.Getpid(), unix.Gettid())
		made <- nil
		for f := range s.do {
			f()
		}
	}()
	if err := <-made; err != nil {
		return nil, err
	}
	t.Cleanup(func() { close(s.do) })
	return s, s.ip("link set lo up")
}

// in runs f on a thread of the namespace.
func (s *space) in(f func()) {
	if s == nil {
		f()
		return
	}
	done := make(chan struct{})
	s.do <- func() { f(); close(done) }
	<-done
}

// start starts cmd in the namespace.
func (s *space) start(cmd *exec.Cmd) (err error) {
	s.in(func() { err = cmd.Start() })
	return err
}

// dial connects from within the namespace. addr has a number, not a name.
func (s *space) dial(ctx context.Context, addr string) (c net.Conn, err error) {
	s.in(func() { c, err = (&net.Dialer{}).DialContext(ctx, "tcp", addr) })
	return c, err
}

func (s *space) ip(args string) error {
	cmd := exec.Command("ip", strings.Fields(args)...)
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := s.start(cmd); err != nil {
		return err
	}
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("ip %s: %w: %s", args, err, out.String())
	}
	return nil
}

// bridge is a namespace that joins others.
type bridge struct{ *space }

func newBridge(t *testing.T) (bridge, error) {
	s, err := newSpace(t)
	if err != nil {
		return bridge{}, err
	}
	for _, c := range []string{"link add bridge type bridge", "link set bridge up"} {
		if err := s.ip(c); err != nil {
			return bridge{}, err
		}
	}
	return bridge{s}, nil
}

// join gives s the address 10.99.0.n and a cable to the bridge.
func (b bridge) join(s *space, n int) error {
	for _, c := range []string{
		fmt.Sprintf("link add port%d type veth peer name far%d", n, n), fmt.Sprintf("link set port%d master bridge up", n),
		fmt.Sprintf("link set far%d netns %s name eth0", n, s.path),
	} {
		if err := b.ip(c); err != nil {
			return err
		}
	}
	if err := s.ip(fmt.Sprintf("addr add 10.99.0.%d/24 dev eth0", n)); err != nil {
		return err
	}
	return s.ip("link set eth0 up")
}

// cable pulls (false) or plugs in the cable of 10.99.0.n.
func (b bridge) cable(n int, in bool) error {
	state := "down"
	if in {
		state = "up"
	}
	return b.ip(fmt.Sprintf("link set port%d %s", n, state))
}
