package sdl_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"

	"github.com/akash-supercloud/akash/sdl"
)

// stricter are files that Parse takes and the schema refuses, with what it points at.
var stricter = map[string]string{
	"awesome-akash__wordpress__deploy": "depends_on", // a key that means nothing
	"awesome-akash__botpress__deploy":  "depends_on",
}

// looser are files that the schema takes and Parse refuses: what holds between two places.
var looser = map[string]bool{
	"chain-sdk__testdata__sdl__input__invalid__endpoint-not-used": true,
}

func TestSchema(t *testing.T) {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(sdl.Schema()))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("sdl.json", doc); err != nil {
		t.Fatal(err)
	}
	sch, err := c.Compile("sdl.json")
	if err != nil {
		t.Fatal(err)
	}
	validate := func(t *testing.T, data []byte) error {
		var v any
		if err := yaml.Unmarshal(data, &v); err != nil {
			t.Fatal(err)
		}
		j, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		inst, err := jsonschema.UnmarshalJSON(bytes.NewReader(j))
		if err != nil {
			t.Fatal(err)
		}
		return sch.Validate(inst)
	}
	files, _ := filepath.Glob("testdata/corpus/sdl/*.yaml")
	if len(files) == 0 {
		t.Fatal("no files")
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".yaml")
		t.Run(name, func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			_, perr := sdl.Parse(name, data)
			serr := validate(t, data)
			switch {
			case stricter[name] != "":
				if serr == nil || !strings.Contains(serr.Error(), stricter[name]) {
					t.Errorf("schema: %v, want an error about %s", serr, stricter[name])
				}
			case looser[name]:
				if serr != nil || perr == nil {
					t.Errorf("schema: %v, parser: %v", serr, perr)
				}
			case (perr == nil) != (serr == nil):
				t.Errorf("schema: %v, parser: %v", serr, perr)
			}
		})
	}
	// Of the good files of the rules' tests the schema refuses those that Parse warns of, and
	// what only works by YAML's old words.
	old := map[string]bool{
		"1 version 2.0.0":                     true, // other ways to write a version
		"1 version 2.1.3":                     true,
		"2 unknown keys are ignored":          true,
		"2 a service that isn't deployed":     true, // unfinished parts
		"3 yes is true":                       true,
		"5 a compute profile that isn't used": true,
		"5 gpu other vendor is ignored":       true,
	}
	for _, c := range taken {
		t.Run(c.name, func(t *testing.T) {
			if err := validate(t, []byte(edit(t, base, c.edits...))); (err != nil) != old[c.name] {
				t.Errorf("schema: %v", err)
			}
		})
	}
	t.Run("the reference's example", func(t *testing.T) {
		if err := validate(t, []byte(wholeExample)); err != nil {
			t.Error(err)
		}
	})
}
