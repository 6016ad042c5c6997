package localnet

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"sort"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"github.com/akash-supercloud/akash/examples"
)

// programImage is an image of one static program and nothing else: /app, run as a user that isn't
// root. The same program always gives the same digest.
func programImage(program string) (v1.Image, error) {
	code, err := os.ReadFile(program)
	if err != nil {
		return nil, err
	}
	var layer bytes.Buffer
	w := tar.NewWriter(&layer)
	if err := w.WriteHeader(&tar.Header{Name: "app", Mode: 0o755, Size: int64(len(code)), ModTime: time.Unix(0, 0)}); err != nil {
		return nil, err
	}
	if _, err := w.Write(code); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	l, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(layer.Bytes())), nil
	})
	if err != nil {
		return nil, err
	}
	img, err := mutate.AppendLayers(empty.Image, l)
	if err != nil {
		return nil, err
	}
	return mutate.ConfigFile(img, &v1.ConfigFile{
		Architecture: runtime.GOARCH,
		OS:           "linux",
		Created:      v1.Time{Time: time.Unix(0, 0)},
		RootFS:       must(img.ConfigFile()).RootFS,
		History:      []v1.History{{Created: v1.Time{Time: time.Unix(0, 0)}, CreatedBy: "akash examples"}},
		Config:       v1.Config{Entrypoint: []string{"/app"}, User: "65532:65532", Env: []string{"PATH=/"}},
	})
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err) // only for values that were just built in memory
	}
	return v
}

// pushExamples puts the images of the example programs, found in dir, into the registry at addr.
// It returns the image names it pushed, sorted. Programs that aren't there are left out.
func pushExamples(ctx context.Context, dir, addr string) ([]string, error) {
	var pushed []string
	for program, image := range examples.Images {
		img, err := programImage(filepath.Join(dir, program))
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("build image %s: %w", image, err)
		}
		_, path, _ := strings.Cut(image, "/") // the registry stands in for any host
		ref, err := name.ParseReference(addr+"/"+path, name.Insecure)
		if err != nil {
			return nil, err
		}
		if err := remote.Write(ref, img, remote.WithContext(ctx)); err != nil {
			return nil, fmt.Errorf("push image %s: %w", image, err)
		}
		pushed = append(pushed, image)
	}
	sort.Strings(pushed)
	return pushed, nil
}
