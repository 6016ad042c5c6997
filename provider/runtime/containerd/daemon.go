package containerd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"log/slog"

	containerdclient "github.com/containerd/containerd/v2/client"
)

// namespace is the containerd namespace that everything is in.
const namespace = "akash"

// daemon is the containerd that the provider starts and owns. It is a process of its own
// session: it lives on when the provider dies, and is found again by its pid file and socket.
type daemon struct {
	bin, dir, run string // program, folder for root, config and log; folder for state and socket
	log           *slog.Logger

	mu   sync.Mutex
	pid  int
	done chan struct{} // closed when a child of ours ended; nil for one found
}

func (d *daemon) socket() string  { return filepath.Join(d.run, "containerd.sock") }
func (d *daemon) config() string  { return filepath.Join(d.dir, "config.toml") }
func (d *daemon) pidFile() string { return filepath.Join(d.run, "containerd.pid") }

// start makes sure that the daemon runs and answers.
func (d *daemon) start(ctx context.Context) error {
	if err := os.MkdirAll(filepath.Join(d.dir, "root"), 0o700); err != nil {
		return fmt.Errorf("containerd: %w", err)
	}
	// State is below /run: after a reboot what it says of processes is void.
	if err := os.MkdirAll(filepath.Join(d.run, "state"), 0o711); err != nil {
		return fmt.Errorf("containerd: %w", err)
	}
	cfg := fmt.Sprintf(`# Written by akash at every start.
version = 2
root = %q
state = %q
disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.internal.v1.opt", "io.containerd.internal.v1.tracing", "io.containerd.tracing.processor.v1.otlp", "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs"]
[grpc]
  address = %q
[ttrpc]
  address = ""
[debug]
  level = "warn"
`, filepath.Join(d.dir, "root"), filepath.Join(d.run, "state"), d.socket())
	if old, err := os.ReadFile(d.config()); err != nil || !bytes.Equal(old, []byte(cfg)) {
		if err := writeFile(d.config(), []byte(cfg), 0o600); err != nil {
			return fmt.Errorf("containerd: %w", err)
		}
	}
	if pid := d.find(); pid != 0 {
		d.mu.Lock()
		d.pid = pid
		d.mu.Unlock()
		if err := d.answers(ctx, 15*time.Second); err == nil {
			return nil
		}
		// It hangs. Containers live on without it, so it can go.
		_ = syscall.Kill(pid, syscall.SIGKILL)
		for i := 0; i < 50 && alive(pid); i++ {
			time.Sleep(20 * time.Millisecond)
		}
	}
	return d.spawn(ctx)
}

// find returns the pid of our containerd when it runs.
func (d *daemon) find() int {
	b, err := os.ReadFile(d.pidFile())
	if err != nil {
		return 0
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil || !alive(pid) {
		return 0
	}
	// The number may be another process's by now.
	cmd, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil || !bytes.Contains(cmd, []byte(d.config())) {
		return 0
	}
	return pid
}

// alive says whether a process runs; one that ended and that nobody waits for does not.
func alive(pid int) bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	if i := bytes.LastIndexByte(b, ')'); i >= 0 && len(b) > i+2 {
		return b[i+2] != 'Z' && b[i+2] != 'X'
	}
	return false
}

func (d *daemon) spawn(ctx context.Context) error {
	logPath := filepath.Join(d.dir, "containerd.log")
	if st, err := os.Stat(logPath); err == nil && st.Size() > 16<<20 {
		_ = os.Rename(logPath, logPath+".old")
	}
	out, err := os.OpenFile(logPath, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("containerd: %w", err)
	}
	defer out.Close()
	_ = os.Remove(d.socket())
	cmd := exec.Command(d.bin, "--config", d.config())
	cmd.Stdout, cmd.Stderr = out, out
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("containerd: can't start %s: %w", d.bin, err)
	}
	done := make(chan struct{})
	go func() { _ = cmd.Wait(); close(done) }()
	d.mu.Lock()
	d.pid, d.done = cmd.Process.Pid, done
	d.mu.Unlock()
	if err := writeFile(d.pidFile(), []byte(strconv.Itoa(cmd.Process.Pid)+"\n"), 0o600); err != nil {
		return fmt.Errorf("containerd: %w", err)
	}
	wait, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-done:
			cancel()
		case <-wait.Done():
		}
	}()
	if err := d.answers(wait, 30*time.Second); err != nil {
		select {
		case <-done:
			return fmt.Errorf("containerd: it ended as soon as it was started; its last words: %s", lastLine(logPath))
		default:
			return err
		}
	}
	return nil
}

// answers waits until the socket takes connections and the API answers.
func (d *daemon) answers(ctx context.Context, timeout time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	for {
		c, err := net.DialTimeout("unix", d.socket(), time.Second)
		if err == nil {
			c.Close()
			var cl *containerdclient.Client
			if cl, err = containerdclient.New(d.socket(), containerdclient.WithTimeout(5*time.Second)); err == nil {
				_, err = cl.Version(ctx)
				cl.Close()
				if err == nil {
					return nil
				}
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("containerd: no answer on %s: %w", d.socket(), err)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// running says whether the daemon's process lives.
func (d *daemon) running() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.done != nil {
		select {
		case <-d.done:
			return false
		default:
			return true
		}
	}
	return d.pid != 0 && alive(d.pid)
}

// stop ends the daemon; only Destroy does that.
func (d *daemon) stop() error {
	pid := d.find()
	if pid == 0 {
		return nil
	}
	_ = syscall.Kill(pid, syscall.SIGTERM)
	for i := 0; i < 500; i++ {
		if !alive(pid) {
			return nil
		}
		if i == 250 {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		time.Sleep(20 * time.Millisecond)
	}
	return errors.New("containerd: it doesn't end")
}

func lastLine(path string) string {
	f, err := os.Open(path)
	if err != nil {
		return "none"
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return "none"
	}
	buf := make([]byte, min(st.Size(), 4096))
	_, _ = f.ReadAt(buf, st.Size()-int64(len(buf)))
	lines := strings.Split(strings.TrimSpace(string(buf)), "\n")
	if last := lines[len(lines)-1]; last != "" {
		return last
	}
	return "none"
}
