package localnet

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// State is <home>/localnet.json: where the parts of a running market listen, and the defaults that a
// client on this machine uses. Addresses are URLs, but gRPC's, which is host:port.
type State struct {
	Node       string `json:"node"`        // CometBFT RPC
	GRPC       string `json:"grpc"`        // host:port
	REST       string `json:"rest"`        //
	ChainID    string `json:"chain_id"`    //
	KeyringDir string `json:"keyring_dir"` // of the keyring "test"
	From       string `json:"from"`        // name of the tenant's key
	Provider   string `json:"provider"`    // its address on the chain
	Gateway    string `json:"gateway"`     // https
	Ingress    string `json:"ingress"`     // http; pages are at http://<host>.localhost of this port
	Registry   string `json:"registry"`    // http
	Sandbox    string `json:"sandbox"`     // path of runsc, for `akash down --all`
	Demo       *Demo  `json:"demo,omitempty"`
}

// Demo is the example that Up deployed.
type Demo struct {
	Dseq uint64 `json:"dseq"`
	URL  string `json:"url"`
}

// Ready is what `akash up -o json` writes once the market is up.
type Ready struct {
	State
	URL          string  `json:"url,omitempty"`     // of the example, if one runs
	Warning      string  `json:"warning,omitempty"` // why no example runs, though one was asked for
	ReadySeconds float64 `json:"ready_seconds"`     // since the start
}

// Stopped is what `akash down -o json` writes.
type Stopped struct {
	Stopped bool `json:"stopped"` // nothing of the market runs
	Removed bool `json:"removed"` // nor is anything of it left
}

func writeJSON(w io.Writer, v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	_, err = w.Write(append(b, '\n'))
	return err
}

func stateFile(home string) string { return filepath.Join(home, "localnet.json") }

// ReadState returns what the market of a home folder wrote when it was last up. The error wraps
// os.ErrNotExist when there never was one.
func ReadState(home string) (State, error) {
	var s State
	b, err := os.ReadFile(stateFile(home))
	if err != nil {
		return s, err
	}
	if err := json.Unmarshal(b, &s); err != nil {
		return s, fmt.Errorf("%s: %w", stateFile(home), err)
	}
	return s, nil
}

// write replaces the file in one step.
func (s State) write(home string) error {
	b, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	tmp := stateFile(home) + ".new"
	if err := os.WriteFile(tmp, append(b, '\n'), 0o644); err != nil {
		return err
	}
	return os.Rename(tmp, stateFile(home))
}

// isHome tells whether a folder is a market's home, so that Reset can't remove anything else.
func isHome(home string) (bool, error) {
	entries, err := os.ReadDir(home)
	if errors.Is(err, os.ErrNotExist) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	if len(entries) == 0 {
		return true, nil
	}
	_, err = os.Stat(filepath.Join(home, marker))
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// marker is the file that says a folder is ours.
const marker = ".akash-localnet"
