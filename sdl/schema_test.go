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
	t.Run("the reference's example", func(t *testing.T) {
		if err := validate(t, []byte(wholeExample)); err != nil {
			t.Error(err)
		}
	})
}
