package sdl_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/akash-supercloud/akash/manifest"
	"github.com/akash-supercloud/akash/sdl"
)

type expected struct {
	OK       bool            `json:"ok"`
	Error    string          `json:"error"`
	Groups   json.RawMessage `json:"groups"`
	Proto    []string        `json:"group_specs_proto_hex"`
	Manifest json.RawMessage `json:"manifest"`
	Hash     string          `json:"version_hash_hex"`
}

// Each file of the corpus: same verdict, same hash, same bytes on the chain, same manifest as
// today's parser.
func TestCorpus(t *testing.T) {
	files, err := filepath.Glob("testdata/corpus/sdl/*.yaml")
	if err != nil || len(files) != 26 {
		t.Fatalf("%d files (%v), want 26", len(files), err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".yaml")
		t.Run(name, func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			raw, err := os.ReadFile(filepath.Join("testdata/corpus/expected", name+".json"))
			if err != nil {
				t.Fatal(err)
			}
			var want expected
			if err := json.Unmarshal(raw, &want); err != nil {
				t.Fatal(err)
			}
			got, err := sdl.Parse(filepath.Base(file), data)
			if (err == nil) != want.OK {
				t.Fatalf("error %v, want ok %v (%s)", err, want.OK, want.Error)
			}
			if err != nil {
				t.Log(err)
				return
			}
			for _, w := range got.Warnings() {
				t.Log("warning:", w)
			}
			if h := hex.EncodeToString(got.Hash()); h != want.Hash {
				t.Errorf("hash %s, want %s", h, want.Hash)
			}
			mjson, err := got.Manifest().JSON()
			if err != nil {
				t.Fatal(err)
			}
			sameJSON(t, "manifest", mjson, want.Manifest)
			gjson, err := json.Marshal(got.Groups())
			if err != nil {
				t.Fatal(err)
			}
			sameJSON(t, "groups", gjson, want.Groups)
			if len(got.Groups()) != len(want.Proto) {
				t.Fatalf("%d groups, want %d", len(got.Groups()), len(want.Proto))
			}
			for i := range got.Groups() {
				b, err := got.Groups()[i].Marshal()
				if err != nil {
					t.Fatal(err)
				}
				if h := hex.EncodeToString(b); h != want.Proto[i] {
					t.Errorf("group %d: bytes\n%s, want\n%s", i, h, want.Proto[i])
				}
			}
			// What is sent hashes to what the chain has, and decodes to the same.
			if h, err := manifest.HashJSON(mjson); err != nil || !bytes.Equal(h, got.Hash()) {
				t.Errorf("hash of the JSON %x, %v", h, err)
			}
		})
	}
}

func sameJSON(t *testing.T, what string, got, want []byte) {
	t.Helper()
	var a, b any
	if err := json.Unmarshal(got, &a); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(want, &b); err != nil {
		t.Fatal(err)
	}
	x, _ := json.MarshalIndent(a, "", " ")
	y, _ := json.MarshalIndent(b, "", " ")
	if !bytes.Equal(x, y) {
		t.Errorf("%s:\n%s\nwant\n%s", what, x, y)
	}
}

func corpusFiles(t testing.TB) map[string][]byte {
	files, _ := filepath.Glob("testdata/corpus/sdl/*.yaml")
	out := map[string][]byte{}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		out[strings.TrimSuffix(filepath.Base(file), ".yaml")] = data
	}
	return out
}
