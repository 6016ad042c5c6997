package localnet

import (
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// What was pushed is there after a restart, under any registry's name, and what wasn't is a 404.
func TestRegistryKeepsImages(t *testing.T) {
	programs, state := t.TempDir(), t.TempDir()
	if err := os.WriteFile(filepath.Join(programs, "web"), []byte("not a real program"), 0o755); err != nil {
		t.Fatal(err)
	}
	start := func() (*registry, string) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		r, err := serveRegistry(l, state, io.Discard)
		if err != nil {
			t.Fatal(err)
		}
		return r, l.Addr().String()
	}
	r, addr := start()
	pushed, err := pushExamples(t.Context(), programs, addr)
	if err != nil {
		t.Fatal(err)
	}
	if len(pushed) != 1 || pushed[0] != "akash.local/examples/web:1" {
		t.Fatalf("pushed %v, want only the web image", pushed)
	}
	digest := func(addr string) string {
		ref, err := name.ParseReference(addr+"/examples/web:1", name.Insecure)
		if err != nil {
			t.Fatal(err)
		}
		d, err := remote.Head(ref)
		if err != nil {
			t.Fatal(err)
		}
		return d.Digest.String()
	}
	before := digest(addr)
	r.Close()

	r, addr = start()
	defer r.Close()
	if after := digest(addr); after != before {
		t.Errorf("after a restart the image is %s, was %s", after, before)
	}
	for path, want := range map[string]int{
		"/v2/examples/web/manifests/1?ns=akash.local": http.StatusOK,
		"/v2/examples/web/manifests/1?ns=docker.io":   http.StatusOK,
		"/v2/library/nginx/manifests/1?ns=docker.io":  http.StatusNotFound,
	} {
		resp, err := http.Get("http://" + addr + path)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("GET %s: %d, want %d", path, resp.StatusCode, want)
		}
	}
	if _, err := pushExamples(t.Context(), programs, addr); err != nil {
		t.Errorf("pushing the same image again: %v", err)
	}
}
