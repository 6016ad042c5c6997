package sdl

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Error is one thing that is wrong in a file, where, and what would be right.
type Error struct {
	// File is the name that Parse was given.
	File string `json:"file"`
	// Line and Column count from 1; Column counts bytes.
	Line   int `json:"line"`
	Column int `json:"column"`
	// Path leads to the value: services.web.expose[0].port. Empty for the whole file.
	Path string `json:"path,omitempty"`
	// Problem says what is wrong, Fix what to do about it.
	Problem string `json:"problem"`
	Fix     string `json:"fix,omitempty"`
}

func (e Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s:%d:%d: ", e.File, e.Line, e.Column)
	if e.Path != "" {
		b.WriteString(e.Path)
		b.WriteString(": ")
	}
	b.WriteString(e.Problem)
	if e.Fix != "" {
		b.WriteString("; ")
		b.WriteString(e.Fix)
	}
	return b.String()
}

// Errors are all that Parse found, in the order of the file. It is never empty.
type Errors []Error

// Error is one error a line.
func (e Errors) Error() string {
	lines := make([]string, len(e))
	for i := range e {
		lines[i] = e[i].Error()
	}
	return strings.Join(lines, "\n")
}

// sorted puts errors in the order of the file and drops repeats: what two rules say of the same
// place in the same words, and what an alias repeats.
func sorted(errs Errors) Errors {
	slices.SortStableFunc(errs, func(a, b Error) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column),
			cmp.Compare(a.Path, b.Path), cmp.Compare(a.Problem, b.Problem))
	})
	return slices.Compact(errs)
}
