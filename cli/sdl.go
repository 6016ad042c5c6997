package cli

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/akash-supercloud/akash/sdl"
)

// maxSDL bounds a file that is read as an SDL.
const maxSDL = 8 << 20

// readFile reads a small file; "-" is standard input.
func (a *app) readFile(name string) ([]byte, error) {
	r := a.in
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		if st, err := f.Stat(); err == nil && st.IsDir() {
			return nil, fmt.Errorf("%s is a folder, not a file", name)
		}
		r = f
	}
	data, err := io.ReadAll(io.LimitReader(r, maxSDL+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxSDL {
		return nil, fmt.Errorf("%s is larger than %d MiB", name, maxSDL>>20)
	}
	return data, nil
}

func sdlCmd(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "sdl",
		Short: "Check SDL files; the language's schema for editors",
	}
	cmd.AddCommand(&cobra.Command{
		Use:   "check FILE…",
		Short: "Check SDL files: each one's errors, or the hash of its manifest",
		Long: `Check SDL files without any chain. With --output json each file gives one line, an object with
file, ok, error, hash, groups and manifest. The exit code is 1 if any file is bad.`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return errors.New("name at least one SDL file")
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error {
			bad := 0
			for _, name := range args {
				ok, err := a.checkSDL(name)
				if err != nil {
					return err
				}
				if !ok {
					bad++
				}
			}
			if bad > 0 {
				return &exitError{1}
			}
			return nil
		},
	}, &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of the language",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprintf(a.out, "%s\n", sdl.Schema())
			return err
		},
	})
	return cmd
}

// checked is what sdl check says about one file.
type checked struct {
	File     string          `json:"file"`
	OK       bool            `json:"ok"`
	Error    string          `json:"error"`
	Hash     string          `json:"hash"`
	Groups   json.RawMessage `json:"groups"`
	Manifest json.RawMessage `json:"manifest"`
}

func (a *app) checkSDL(name string) (bool, error) {
	out := checked{File: name, Groups: json.RawMessage("null"), Manifest: json.RawMessage("null")}
	spec, err := a.readSDL(name)
	if err == nil {
		out.Manifest, err = spec.Manifest().JSON()
	}
	if err == nil {
		out.Groups, err = json.Marshal(spec.Groups())
	}
	if err != nil {
		out = checked{File: name, Error: err.Error(), Groups: json.RawMessage("null"), Manifest: json.RawMessage("null")}
	} else {
		out.OK, out.Hash = true, hex.EncodeToString(spec.Hash())
	}
	if a.json() {
		return out.OK, a.printJSON(out)
	}
	if out.OK {
		fmt.Fprintf(a.out, "%s: %s, hash %s\n", name, a.style.good.Render("ok"), out.Hash)
		for _, w := range spec.Warnings() {
			fmt.Fprintln(a.err, a.style.dim.Render("warning: "+w.Error()))
		}
		return true, nil
	}
	var list sdl.Errors
	if errors.As(err, &list) {
		for _, e := range list {
			fmt.Fprintln(a.out, e.Error())
		}
		return false, nil
	}
	fmt.Fprintf(a.out, "%s: %v\n", name, err)
	return false, nil
}
