package containerd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	containerdclient "github.com/containerd/containerd/v2/client"
	"github.com/containerd/containerd/v2/pkg/cio"
	"github.com/containerd/errdefs"
	specs "github.com/opencontainers/runtime-spec/specs-go"

	marketv1 "github.com/akash-supercloud/akash/api/akash/market/v1"
	"github.com/akash-supercloud/akash/provider/runtime"
)

// Exec implements runtime.Execer. When ctx ends the command is killed.
func (rt *Runtime) Exec(ctx context.Context, id marketv1.LeaseID, service string, index int, cmd []string, stdio runtime.Stdio) (int, error) {
	rt.mu.Lock()
	l := rt.leases[leaseKey(id)]
	rt.mu.Unlock()
	if l == nil {
		return 0, runtime.ErrNotFound
	}
	if len(cmd) == 0 {
		return 0, errors.New("containerd: no command to run")
	}
	l.mu.Lock()
	r := l.replicas[slotKey(service, index)]
	var container string
	if r != nil && r.cur != nil {
		container = r.cur.id
	}
	l.mu.Unlock()
	if r == nil {
		return 0, runtime.ErrNotFound
	}
	if container == "" {
		return 0, runtime.ErrNotRunning
	}
	c, err := rt.client.LoadContainer(ctx, container)
	if err != nil {
		return 0, fmt.Errorf("containerd: %w", err)
	}
	task, err := c.Task(ctx, nil)
	if err != nil {
		if errdefs.IsNotFound(err) {
			return 0, runtime.ErrNotRunning
		}
		return 0, fmt.Errorf("containerd: %w", err)
	}
	spec, err := c.Spec(ctx)
	if err != nil {
		return 0, fmt.Errorf("containerd: %w", err)
	}
	p := spec.Process // its user, folder, environment, capabilities
	p.Args, p.Terminal, p.CommandLine = cmd, stdio.TTY, ""
	if stdio.TTY {
		p.Env = append(p.Env, "TERM=xterm")
	}
	opts := []cio.Opt{cio.WithFIFODir(filepath.Join(rt.run, "fifo"))}
	out, errOut := stdio.Stdout, stdio.Stderr
	if out == nil {
		out = io.Discard
	}
	if errOut == nil {
		errOut = io.Discard
	}
	var in io.Reader
	var eof chan struct{}
	if stdio.Stdin != nil {
		eof = make(chan struct{})
		in = &eofReader{r: stdio.Stdin, done: eof}
	}
	opts = append(opts, cio.WithStreams(in, out, errOut))
	if stdio.TTY {
		opts = append(opts, cio.WithTerminal)
		p.ConsoleSize = &specs.Box{Width: 80, Height: 24}
	}
	proc, err := task.Exec(ctx, newID(), p, cio.NewCreator(opts...))
	if err != nil {
		return 0, execError(cmd, err)
	}
	// Whatever happens, the process must be gone afterwards, also when ctx has ended.
	clean := context.WithoutCancel(ctx)
	defer func() {
		dctx, cancel := context.WithTimeout(clean, 10*time.Second)
		defer cancel()
		// Under runsc an ended process can't be deleted for a moment, and not with WithProcessKill.
		for dctx.Err() == nil {
			if _, err := proc.Delete(dctx); err == nil || errdefs.IsNotFound(err) {
				return
			}
			_ = proc.Kill(dctx, syscall.SIGKILL)
			select {
			case <-dctx.Done():
			case <-time.After(20 * time.Millisecond):
			}
		}
	}()
	wctx, wcancel := context.WithCancel(clean)
	defer wcancel()
	exited, err := proc.Wait(wctx)
	if err != nil {
		return 0, fmt.Errorf("containerd: %w", err)
	}
	if err := proc.Start(ctx); err != nil {
		return 0, execError(cmd, err)
	}
	stop := make(chan struct{})
	defer close(stop)
	if stdio.Stdin != nil {
		go func() {
			select {
			case <-eof:
				_ = proc.CloseIO(wctx, containerdclient.WithStdinCloser)
			case <-stop:
			}
		}()
	}
	if stdio.TTY && stdio.Resize != nil {
		go func() {
			for {
				select {
				case s, ok := <-stdio.Resize:
					if !ok {
						return
					}
					_ = proc.Resize(wctx, uint32(s.Width), uint32(s.Height))
				case <-stop:
					return
				}
			}
		}()
	}
	select {
	case <-ctx.Done():
		_ = proc.Kill(wctx, syscall.SIGKILL)
		select {
		case <-exited:
		case <-time.After(5 * time.Second):
		}
		return 0, ctx.Err()
	case st := <-exited:
		if st.Error() != nil {
			return 0, fmt.Errorf("containerd: the command was lost: %w", st.Error())
		}
		drain(proc.IO())
		return int(st.ExitCode()), nil
	}
}

// drain waits for the output that is still on its way; a background child that keeps the
// streams open is not waited for.
func drain(streams cio.IO) {
	done := make(chan struct{})
	go func() { streams.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(2 * time.Second):
		streams.Cancel()
	}
}

func execError(cmd []string, err error) error {
	text := err.Error()
	for _, s := range []string{"no such file or directory", "executable file not found", "not found in $PATH", "error finding executable"} {
		if strings.Contains(text, s) {
			return fmt.Errorf("%w: %s", runtime.ErrNoCommand, cmd[0])
		}
	}
	if errdefs.IsNotFound(err) {
		return runtime.ErrNotRunning
	}
	return fmt.Errorf("containerd: the command can't be run: %w", err)
}

// eofReader tells when its reader came to the end.
type eofReader struct {
	r    io.Reader
	done chan struct{}
	said bool
}

func (e *eofReader) Read(p []byte) (int, error) {
	n, err := e.r.Read(p)
	if err != nil && !e.said {
		e.said = true
		close(e.done)
	}
	return n, err
}
