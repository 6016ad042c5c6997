package sdl_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/akash-supercloud/akash/manifest"
	"github.com/akash-supercloud/akash/sdl"
)

// Files that mean harm or no sense: one clear error, quickly.
func TestHostile(t *testing.T) {
	bomb := func() string {
		var b strings.Builder
		b.WriteString("version: \"2.0\"\nservices:\n  web: &a0 {env: [x, x, x, x, x, x, x, x, x, x]}\n")
		for i := 1; i < 12; i++ {
			fmt.Fprintf(&b, "  w%d: &a%d {env: [%s*a%d]}\n", i, i, strings.Repeat(fmt.Sprintf("*a%d, ", i-1), 9), i-1)
		}
		return b.String()
	}
	wide := func(entries int) string { // one long list, used by many services
		var b strings.Builder
		b.WriteString("version: \"2.0\"\nservices:\n  web: {image: x, env: &e [")
		for range entries {
			b.WriteString("A=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, ")
		}
		b.WriteString("]}\n")
		for i := range 2000 {
			fmt.Fprintf(&b, "  w%d: {image: x, env: *e}\n", i)
		}
		return b.String()
	}
	placements := func() string { // one long service on many placements
		doc := strings.Replace(base, image, image+"    args: [\""+strings.Repeat("a", 500_000)+"\"]\n", 1)
		var places, targets strings.Builder
		for i := range 500 {
			fmt.Fprintf(&places, "    p%d: {pricing: {small: {denom: uact, amount: 1}}}\n", i)
			fmt.Fprintf(&targets, "    p%d: {profile: small, count: 1}\n", i)
		}
		doc = strings.Replace(doc, "  placement:\n", "  placement:\n"+places.String(), 1)
		return strings.Replace(doc, "deployment:\n  web:\n", "deployment:\n  web:\n"+targets.String(), 1)
	}
	for _, c := range []struct{ name, doc, want string }{
		{"empty", "", "1:1: the file is empty"},
		{"only a comment", "# nothing\n", "the file is empty"},
		{"only null", "---\n~\n", "the file is empty"},
		{"text", "hello", "an SDL is a mapping, this is the value \"hello\""},
		{"a list", "- a\n", "an SDL is a mapping, this is a list"},
		{"too large", strings.Repeat("#", sdl.MaxSize+1), "the file has 1048577 bytes; at most 1048576 are taken"},
		{"not UTF-8", "version: \"2.0\"\nservices:\n  a: \xff\n", "x.yaml:3:6: the file isn't UTF-8 text"},
		{"UTF-16", "\xff\xfev\x00e\x00", "the file isn't UTF-8 text"},
		{"control characters", "version: \"2.0\x00\"", "not YAML: "},
		{"tabs", "version: \"2.0\"\nservices:\n\tweb:\n", "indent with spaces, not tabs"},
		{"colon", "version: \"2.0\"\nservices: a: b\n", "quote values that contain a colon"},
		{"unknown anchor", "version: *v\n", "unknown anchor"},
		{"deep flow", "version: " + strings.Repeat("[", 5000) + strings.Repeat("]", 5000), "nested deeper than 64 levels"},
		{"very deep flow", strings.Repeat("[", 500_000), "not YAML: "},
		{"very deep mapping", strings.Repeat("{a: ", 200_000), "not YAML: "},
		{"deep blocks", deepBlocks(1000), "nested deeper than 64 levels"},
		{"deep dashes", strings.Repeat("- ", 400_000), ""},
		{"alias bomb", bomb(), "expected text, found a mapping"},
		{"many uses of a long list", wide(2000), "the file has too many values"},
		{"merge of itself", "version: \"2.0\"\nservices: &s\n  <<: *s\n", "<< is nested deeper than 8 levels"},
		{"an anchor inside itself", "version: \"2.0\"\nservices: &s\n  web: *s\ndeployment: {web: {a: {profile: b, count: 1}}}\n", "no image"},
		{"a long service on many placements", placements(), "the manifest would be too large"},
		{"many errors", "version: \"2.0\"\nservices:\n  web:\n    env: [" + strings.Repeat("[], ", 10_000) + "]\n", "more than 100 errors"},
		{"long key", "version: \"2.0\"\n" + strings.Repeat("k", 1000) + ": 1\n", "no such key"},
		{"many comments", "version: \"2.0\"\n" + strings.Repeat("# c\n\n", 150_000), "nothing is deployed"},
		{"many keys", manyKeys(40_000), "no such key"},
		{"same key many times", "version: \"2.0\"\n" + strings.Repeat("a: 1\n", 40_000), "is there twice"},
	} {
		t.Run(c.name, func(t *testing.T) {
			start := time.Now()
			_, err := sdl.Parse("x.yaml", []byte(c.doc))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				got := fmt.Sprint(err)
				if len(got) > 2000 {
					got = got[:2000] + "…"
				}
				t.Errorf("got %s\nwant %s", got, c.want)
			}
			// Generous: a slow machine must not fail it, unbounded work must.
			if d := time.Since(start); d > 10*time.Second {
				t.Errorf("took %v", d)
			} else if d > time.Second {
				t.Logf("took %v", d)
			}
		})
	}
}

func deepBlocks(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(strings.Repeat(" ", i) + "a:\n")
	}
	return b.String()
}

func manyKeys(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "k%d: 1\n", i)
	}
	return b.String()
}

// FuzzParse: no text makes Parse panic. What is taken keeps the rules, fits its groups, and
// hashes to the same after a way over the wire.
func FuzzParse(f *testing.F) {
	f.Add([]byte(base))
	f.Add([]byte(wholeExample))
	for _, data := range corpusFiles(f) {
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := sdl.Parse("fuzz.yaml", data)
		if err != nil {
			if s != nil || err.Error() == "" {
				t.Fatal("an error and a result, or an empty error")
			}
			return
		}
		m := s.Manifest()
		if err := m.Validate(); err != nil {
			t.Fatal(err)
		}
		if err := m.CheckGroups(s.Groups()); err != nil {
			t.Fatal(err)
		}
		j, err := m.JSON()
		if err != nil {
			t.Fatal(err)
		}
		again, err := manifest.Decode(j)
		if err != nil {
			t.Fatal(err)
		}
		h, err := again.Hash()
		if err != nil || !bytes.Equal(h, s.Hash()) {
			t.Fatalf("hash %x after decoding, %x before (%v)", h, s.Hash(), err)
		}
		for _, g := range s.Groups() {
			if _, err := g.Marshal(); err != nil {
				t.Fatal(err)
			}
		}
		twice, err := sdl.Parse("fuzz.yaml", data)
		if err != nil || !bytes.Equal(twice.Hash(), s.Hash()) {
			t.Fatal("read twice, it differs")
		}
	})
}

// BenchmarkParse reads a typical file of the corpus, and the largest.
func BenchmarkParse(b *testing.B) {
	files := corpusFiles(b)
	for _, name := range []string{"console__apps__api__test__mocks__hello-world-sdl", "awesome-akash__wordpress__deploy", "awesome-akash__Open-Project__deploy"} {
		data := files[name]
		if data == nil {
			b.Fatal("no " + name)
		}
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := sdl.Parse("x", data); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
