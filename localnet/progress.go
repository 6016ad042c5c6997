package localnet

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"
)

// progress prints one line a step: on a terminal first "… step" and then, in its place, "✓ step".
type progress struct {
	mu    sync.Mutex
	out   io.Writer
	tty   bool
	began time.Time
}

func newProgress(out io.Writer) *progress {
	p := &progress{out: out, began: time.Now()}
	if f, ok := out.(*os.File); ok {
		st, err := f.Stat()
		p.tty = err == nil && st.Mode()&os.ModeCharDevice != 0 && os.Getenv("TERM") != "dumb" && os.Getenv("NO_COLOR") == ""
	}
	return p
}

// step runs fn and prints what it says it did.
func (p *progress) step(name string, fn func() (string, error)) error {
	began := time.Now()
	if p.tty {
		p.print("\r\x1b[K\x1b[2m… %s\x1b[0m", name)
	}
	said, err := fn()
	took := time.Since(began).Round(10 * time.Millisecond).Seconds()
	mark, color := "✓", "32"
	if err != nil {
		mark, color, said = "✗", "31", "failed"
	}
	if p.tty {
		p.print("\r\x1b[K\x1b[%sm%s\x1b[0m %-10s %-62s \x1b[2m%5.2f s\x1b[0m\n", color, mark, name, said, took)
	} else {
		p.print("%s %-10s %-62s %5.2f s\n", mark, name, said, took)
	}
	return err
}

// line prints a plain line.
func (p *progress) line(format string, args ...any) {
	if p.tty {
		p.print("\r\x1b[K")
	}
	p.print("%s\n", strings.TrimRight(fmt.Sprintf(format, args...), "\n"))
}

func (p *progress) strong(s string) string {
	if p.tty {
		return "\x1b[1m" + s + "\x1b[0m"
	}
	return s
}

func (p *progress) print(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	fmt.Fprintf(p.out, format, args...)
}

// switchWriter lets what is written go elsewhere from some moment on.
type switchWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (s *switchWriter) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.w.Write(p)
}

func (s *switchWriter) set(w io.Writer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.w = w
}
