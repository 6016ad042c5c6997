package cli_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/akash-supercloud/akash/cli"
)

var guideCommand = regexp.MustCompile(`(?m)^ {4,}(akash .*?)(?: +#.*)?$`)

func guideCommands(t *testing.T, file string) []string {
	t.Helper()
	text, err := os.ReadFile("../docs/guides/" + file)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, m := range guideCommand.FindAllStringSubmatch(string(text), -1) {
		out = append(out, strings.TrimSpace(m[1]))
	}
	return out
}

// TestValidatorGuide holds that every command of the validator's guide exists, with its flags, and that both languages
// have the same. That they do what the guide says is test/validators' part.
func TestValidatorGuide(t *testing.T) {
	commands := guideCommands(t, "validator.md")
	if len(commands) < 30 {
		t.Fatalf("only %d commands: %q", len(commands), commands)
	}
	if zh := guideCommands(t, "validator.zh-CN.md"); !slices.Equal(commands, zh) {
		for i := range max(len(commands), len(zh)) {
			if i >= len(commands) || i >= len(zh) || commands[i] != zh[i] {
				t.Fatalf("the languages differ at command %d:\n%q\n%q", i+1, commands[i:min(i+1, len(commands))], zh[min(i, len(zh)):min(i+1, len(zh))])
			}
		}
	}
	for _, command := range commands {
		words := strings.Fields(command)[1:]
		var args, flags []string
		for _, w := range words {
			if name, is := strings.CutPrefix(w, "--"); is {
				name, _, _ = strings.Cut(name, "=")
				flags = append(flags, name)
			} else if len(flags) == 0 {
				args = append(args, w)
			}
		}
		var out, errOut strings.Builder
		code := cli.Run(t.Context(), append(args, "--help"), strings.NewReader(""), &out, &errOut)
		help := out.String()
		if code != 0 || !strings.Contains(help, "Usage:\n  akash "+args[0]) {
			t.Errorf("%s: %s%.300s", command, errOut.String(), help)
			continue
		}
		// A group of commands prints its help for a command that it doesn't have.
		if _, usage, _ := strings.Cut(help, "Usage:\n"); strings.Contains(usage, "[command]\n") {
			t.Errorf("%s: no such command", command)
		}
		for _, f := range flags {
			if !regexp.MustCompile(`--` + regexp.QuoteMeta(f) + `\b`).MatchString(help) {
				t.Errorf("%s: no flag --%s", command, f)
			}
		}
	}
}
