package runtimetest

import (
	"archive/tar"
	"bytes"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	goruntime "runtime"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// Registry is an image registry on loopback that has the test image, in three forms:
//
//	test/app:1, test/app:2   ENTRYPOINT /app, CMD serve; they differ by a label
//	private/app:1            the same, for the user u with the password secret
//
// Everything else isn't found.
type Registry struct {
	Addr string // host:port
}

// NewRegistry builds the image with the Go that runs the test and serves it until the test ends.
func NewRegistry(t testing.TB) *Registry {
	t.Helper()
	h := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/v2/private/") && r.Header.Get("X-Push") == "" {
			if u, p, ok := r.BasicAuth(); !ok || u != "u" || p != "secret" {
				w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
		}
		h.ServeHTTP(w, r)
	}))
	t.Cleanup(srv.Close)
	reg := &Registry{Addr: strings.TrimPrefix(srv.URL, "http://")}
	img := appImage(t)
	for _, ref := range []string{"test/app:1", "test/app:2", "private/app:1"} {
		tagged, err := mutate.Config(img, v1.Config{
			Entrypoint: []string{"/app"}, Cmd: []string{"serve"}, Env: []string{"PATH=/", "FROM_IMAGE=yes", "BOTH=image"},
			Labels: map[string]string{"ref": ref},
		})
		if err != nil {
			t.Fatal(err)
		}
		n, err := name.ParseReference(reg.Addr+"/"+ref, name.Insecure)
		if err != nil {
			t.Fatal(err)
		}
		if err := remote.Write(n, tagged, remote.WithTransport(pusher{})); err != nil {
			t.Fatal(err)
		}
	}
	return reg
}

// pusher marks requests that need no password.
type pusher struct{}

func (pusher) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("X-Push", "1")
	return http.DefaultTransport.RoundTrip(r)
}

func appImage(t testing.TB) v1.Image {
	t.Helper()
	_, self, _, _ := goruntime.Caller(0)
	bin := filepath.Join(t.TempDir(), "app")
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", bin, "./app")
	cmd.Dir = filepath.Dir(self)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("building the test image: %v\n%s", err, out)
	}
	prog, err := os.ReadFile(bin)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, d := range []string{"etc/", "tmp/", "proc/", "sys/", "dev/", "data/"} {
		mode := int64(0o755)
		if d == "tmp/" {
			mode = 0o1777
		}
		_ = w.WriteHeader(&tar.Header{Name: d, Typeflag: tar.TypeDir, Mode: mode})
	}
	for path, content := range map[string][]byte{
		"app":        prog,
		"etc/passwd": []byte("root:x:0:0:root:/:/app\nnobody:x:65534:65534::/:/app\n"),
		"etc/group":  []byte("root:x:0:\nnobody:x:65534:\n"),
	} {
		mode := int64(0o644)
		if path == "app" {
			mode = 0o755
		}
		_ = w.WriteHeader(&tar.Header{Name: path, Mode: mode, Size: int64(len(content))})
		_, _ = w.Write(content)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b.Bytes())), nil })
	if err != nil {
		t.Fatal(err)
	}
	img, err := mutate.AppendLayers(empty.Image, layer)
	if err != nil {
		t.Fatal(err)
	}
	cf, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	cf = cf.DeepCopy()
	cf.OS, cf.Architecture = "linux", goruntime.GOARCH
	if img, err = mutate.ConfigFile(img, cf); err != nil {
		t.Fatal(err)
	}
	return img
}
