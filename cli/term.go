package cli

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/charmbracelet/lipgloss"
	"github.com/muesli/termenv"
	"golang.org/x/term"
)

// styles are empty where there is no terminal: then they render text as it is.
type styles struct{ good, bad, dim, bold, link lipgloss.Style }

func newStyles(colour bool) styles {
	r := lipgloss.NewRenderer(os.Stderr)
	if !colour {
		r.SetColorProfile(termenv.Ascii)
	} else if r.ColorProfile() == termenv.Ascii {
		r.SetColorProfile(termenv.ANSI)
	}
	s := styles{good: r.NewStyle(), bad: r.NewStyle(), dim: r.NewStyle(), bold: r.NewStyle(), link: r.NewStyle()}
	if colour {
		s.good = s.good.Foreground(lipgloss.Color("2"))
		s.bad = s.bad.Foreground(lipgloss.Color("1")).Bold(true)
		s.dim = s.dim.Faint(true)
		s.bold = s.bold.Bold(true)
		s.link = s.link.Foreground(lipgloss.Color("6"))
	}
	return s
}

// table lines up columns, two spaces between them. The first row is the head.
func table(rows [][]string) string {
	var width []int
	for _, row := range rows {
		for i, cell := range row {
			if i == len(width) {
				width = append(width, 0)
			}
			width[i] = max(width[i], lipgloss.Width(cell))
		}
	}
	var b strings.Builder
	for _, row := range rows {
		line := ""
		for i, cell := range row {
			line += cell
			if i < len(row)-1 {
				line += strings.Repeat(" ", width[i]-lipgloss.Width(cell)+2)
			}
		}
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	return b.String()
}

// live shows progress: on a terminal a line that changes, with what stays above it; in a
// pipe one line for each thing that is done.
type live struct {
	w   io.Writer
	tty bool
	s   styles

	mu      sync.Mutex
	text    string
	extra   []string // below the line, as the table of bids
	drawn   int      // lines on the screen
	started time.Time
	stop    chan struct{}
	done    sync.WaitGroup
	frame   int
}

func (a *app) live() *live {
	l := &live{w: a.err, tty: a.tty, s: a.style, started: time.Now(), stop: make(chan struct{})}
	if l.tty {
		l.done.Add(1)
		go func() {
			defer l.done.Done()
			tick := time.NewTicker(120 * time.Millisecond)
			defer tick.Stop()
			for {
				select {
				case <-l.stop:
					return
				case <-tick.C:
					l.mu.Lock()
					l.frame++
					l.draw()
					l.mu.Unlock()
				}
			}
		}()
	}
	return l
}

// now says what goes on. In a pipe only what is new is printed.
func (l *live) now(text string, extra ...string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.tty {
		if text != l.text && text != "" {
			fmt.Fprintln(l.w, text)
		}
		for _, e := range extra {
			fmt.Fprintln(l.w, e)
		}
		l.text = text
		return
	}
	l.text, l.extra = text, extra
	l.draw()
}

// keep prints a line that stays.
func (l *live) keep(line string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.clear()
	fmt.Fprintln(l.w, line)
	l.text, l.extra = "", nil
}

// end takes the changing line away.
func (l *live) end() {
	select {
	case <-l.stop:
		return
	default:
	}
	close(l.stop)
	l.done.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.clear()
}

// suspend gives the terminal to f, for a question.
func (l *live) suspend(f func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.clear()
	f()
}

func (l *live) clear() {
	if l.tty && l.drawn > 0 {
		fmt.Fprintf(l.w, "\x1b[%dA\x1b[J", l.drawn)
		l.drawn = 0
	}
}

func (l *live) draw() {
	l.clear()
	if l.text == "" {
		return
	}
	width := 100
	if f, ok := l.w.(*os.File); ok {
		if w, _, err := term.GetSize(int(f.Fd())); err == nil && w > 10 {
			width = w
		}
	}
	spinner := []string{"⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"}[l.frame%10]
	lines := append([]string{fmt.Sprintf("%s %s %s", spinner, l.text, l.s.dim.Render(seconds(time.Since(l.started))))}, l.extra...)
	for _, line := range lines {
		fmt.Fprintln(l.w, lipgloss.NewStyle().MaxWidth(width-1).Render(line))
		l.drawn++
	}
}

func seconds(d time.Duration) string {
	if d < 10*time.Second {
		return fmt.Sprintf("%.2f s", d.Seconds())
	}
	return d.Round(time.Second).String()
}
