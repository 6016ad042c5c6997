package localnet

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"testing"

	"github.com/spf13/cobra"
)

// run runs a command under a root with the program's --output, and returns what it wrote.
func run(t *testing.T, sub *cobra.Command, args ...string) (out, progress string) {
	t.Helper()
	var o, e bytes.Buffer
	root := &cobra.Command{Use: "akash"}
	root.PersistentFlags().StringP("output", "o", "text", "")
	root.AddCommand(sub)
	root.SetOut(&o)
	root.SetErr(&e)
	root.SetArgs(append([]string{sub.Name()}, args...))
	if err := root.Execute(); err != nil {
		t.Fatalf("%v: %v", args, err)
	}
	return o.String(), e.String()
}

func TestDownJSON(t *testing.T) {
	nothing := filepath.Join(t.TempDir(), "none")
	if out, _ := run(t, DownCommand(), "--home", nothing); out != "there is nothing at "+nothing+"\n" {
		t.Errorf("in words: %q", out)
	}
	home := filepath.Join(t.TempDir(), "home")
	mark, err := claim(home)
	if err != nil {
		t.Fatal(err)
	}
	mark.Close()
	for _, c := range []struct {
		args []string
		want Stopped
	}{
		{[]string{"--home", home}, Stopped{Stopped: true}},
		{[]string{"--home", home, "--all"}, Stopped{Stopped: true, Removed: true}},
		{[]string{"--home", home}, Stopped{Stopped: true, Removed: true}},
	} {
		out, progress := run(t, DownCommand(), append(c.args, "-o", "json")...)
		var got Stopped
		if err := json.Unmarshal([]byte(out), &got); err != nil || got != c.want {
			t.Errorf("down %v: %q, want %+v: %v", c.args, out, c.want, err)
		}
		if progress == "" {
			t.Errorf("down %v: no progress on standard error", c.args)
		}
	}
}

// TestListing holds that the listing says whether an example runs.
func TestListing(t *testing.T) {
	for want, r := range map[string]Ready{
		"answers at  http://x.localhost":           {URL: "http://x.localhost"},
		"Warning: no example runs: nobody has bid": {Warning: "nobody has bid"},
	} {
		var out bytes.Buffer
		m := &market{p: newProgress(&out)}
		m.printReady(r)
		if !bytes.Contains(out.Bytes(), []byte(want)) {
			t.Errorf("%+v: %s", r, out.String())
		}
	}
	b := &bytes.Buffer{}
	if err := writeJSON(b, Ready{State: State{Node: "n", Demo: &Demo{Dseq: 7}}, URL: "u", ReadySeconds: 1.5}); err != nil {
		t.Fatal(err)
	}
	var flat struct {
		Node, URL    string
		ReadySeconds float64 `json:"ready_seconds"`
		Demo         struct{ Dseq int }
	}
	if err := json.Unmarshal(b.Bytes(), &flat); err != nil || flat.Node != "n" || flat.URL != "u" || flat.ReadySeconds != 1.5 || flat.Demo.Dseq != 7 {
		t.Errorf("%s: %v", b, err)
	}
}
