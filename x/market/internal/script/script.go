// Package script runs readable test files: blocks of commands, a line of dashes, and what
// the commands print, blocks apart by an empty line. Lines that begin with # are comments.
package script

import (
	"fmt"
	"strings"
)

// Run runs every command of a file and returns the file with what was printed in place of
// what stood there. The file is right if it comes back unchanged.
func Run(text string, command func(line string) string) string {
	var out strings.Builder
	for i, block := range strings.Split(strings.TrimRight(text, "\n"), "\n\n") {
		if i > 0 {
			out.WriteString("\n")
		}
		ran, printed := false, []string{}
		for _, line := range strings.Split(block, "\n") {
			if line == "----" {
				break
			}
			out.WriteString(line + "\n")
			if line == "" || line[0] == '#' {
				continue
			}
			ran = true
			if p := command(line); p != "" {
				printed = append(printed, p)
			}
		}
		if ran {
			out.WriteString("----\n")
			if len(printed) > 0 {
				out.WriteString(strings.Join(printed, "\n") + "\n")
			}
		}
	}
	return out.String()
}

// Diff shows the first lines in which two files differ.
func Diff(want, got string) string {
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range max(len(w), len(g)) {
		var a, b string
		if i < len(w) {
			a = w[i]
		}
		if i < len(g) {
			b = g[i]
		}
		if a != b {
			return fmt.Sprintf("line %d\n  have: %s\n  got:  %s", i+1, a, b)
		}
	}
	return ""
}
