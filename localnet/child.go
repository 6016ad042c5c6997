package localnet

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// child is one program that is kept running. It gets a process group of its own, so a Ctrl-C in the
// terminal reaches only this process, which then ends the children in order. Its output goes straight
// to a file: it goes on when this process is killed, and the next Up finds it by its pid file.
type child struct {
	name string   // node, provider
	args []string // after the program's own name
	home string
	note func(string) // told, in one sentence, when it ended and is started again

	mu     sync.Mutex
	last   error
	starts int
	done   chan struct{} // closed when run is over
}

const (
	firstPause = 250 * time.Millisecond
	longPause  = 2 * time.Second
	steady     = 5 * time.Second  // one that lived so long starts again at once
	endWait    = 20 * time.Second // from SIGTERM to SIGKILL
	maxLog     = 64 << 20         // bytes of log kept for each part
)

func pidFile(home, name string) string { return filepath.Join(home, "run", name+".pid") }
func logFile(home, name string) string { return filepath.Join(home, "logs", name+".log") }

// run starts the program again and again until ctx ends, then ends it.
func (c *child) run(ctx context.Context) {
	defer close(c.done)
	pause := firstPause
	for ctx.Err() == nil {
		began := time.Now()
		err := c.once(ctx)
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			err = errors.New("it ended by itself")
		}
		if time.Since(began) > steady {
			pause = firstPause
		}
		c.mu.Lock()
		c.last = err
		c.mu.Unlock()
		c.note(fmt.Sprintf("the %s stopped (%v); starting it again in %v", c.name, err, pause))
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
		pause = min(2*pause, longPause)
	}
}

// once runs the program to its end.
func (c *child) once(ctx context.Context) error {
	log, err := openLog(c.home, c.name)
	if err != nil {
		return err
	}
	defer log.Close()
	exe, err := os.Executable()
	if err != nil {
		return err
	}
	// A rebuilt program has replaced the file: Linux then calls the old one "… (deleted)".
	cmd := exec.Command(strings.TrimSuffix(exe, " (deleted)"), c.args...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Dir = c.home
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		return err
	}
	c.mu.Lock()
	c.starts++
	c.mu.Unlock()
	if err := writePid(c.home, c.name, cmd.Process.Pid); err != nil {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	trim := time.NewTicker(time.Minute)
	defer trim.Stop()
	for {
		select {
		case err = <-ended:
			_ = os.Remove(pidFile(c.home, c.name))
			return err
		case <-trim.C:
			// The file is open for appending, so cutting it is safe while the program writes.
			if st, err := log.Stat(); err == nil && st.Size() > maxLog {
				_ = log.Truncate(0)
			}
		case <-ctx.Done():
			_ = cmd.Process.Signal(syscall.SIGTERM)
			select {
			case err = <-ended:
			case <-time.After(endWait):
				_ = cmd.Process.Kill()
				err = <-ended
			}
			_ = os.Remove(pidFile(c.home, c.name))
			return err
		}
	}
}

// failed returns why the program ended the last time, once it was started more than n times.
func (c *child) failed(n int) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.starts > n {
		return c.last
	}
	return nil
}

func openLog(home, name string) (*os.File, error) {
	return os.OpenFile(logFile(home, name), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o640)
}

// writePid notes a process: its number, and when it began, since numbers are used again.
func writePid(home, name string, pid int) error {
	return os.WriteFile(pidFile(home, name), fmt.Appendf(nil, "%d %s\n", pid, beginning(pid)), 0o640)
}

// beginning is when a process began, in clock ticks since the machine did; "" if it has ended.
func beginning(pid int) string {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return ""
	}
	// The second field is a name in brackets that may hold anything; state is the third, this the 22nd.
	f := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
	if len(f) < 20 || f[0] == "Z" || f[0] == "X" {
		return ""
	}
	return f[19]
}

// running returns the pid that the file names, if that very process still runs; else 0.
func running(home, name string) int {
	b, err := os.ReadFile(pidFile(home, name))
	if err != nil {
		return 0
	}
	f := strings.Fields(string(b))
	if len(f) != 2 {
		return 0
	}
	pid, err := strconv.Atoi(f[0])
	if err != nil || pid <= 1 || beginning(pid) != f[1] {
		return 0
	}
	return pid
}

// end asks the process of a pid file to end, and makes it after wait. No process is no error.
func end(home, name string, wait time.Duration) error {
	pid := running(home, name)
	if pid == 0 {
		_ = os.Remove(pidFile(home, name))
		return nil
	}
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		if err := syscall.Kill(pid, sig); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("stop the %s (pid %d): %w", name, pid, err)
		}
		for deadline := time.Now().Add(wait); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
			if running(home, name) == 0 {
				_ = os.Remove(pidFile(home, name))
				return nil
			}
		}
	}
	return fmt.Errorf("the %s (pid %d) doesn't end", name, pid)
}

// tail returns the last lines of a part's log, for an error message.
func tail(home, name string, lines int) string {
	f, err := os.Open(logFile(home, name))
	if err != nil {
		return ""
	}
	defer f.Close()
	if st, err := f.Stat(); err == nil && st.Size() > 8192 {
		_, _ = f.Seek(-8192, 2)
	}
	buf := make([]byte, 8192)
	n, _ := f.Read(buf)
	all := strings.Split(strings.TrimSpace(string(buf[:n])), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}
