package localnet

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/distribution/distribution/v3/configuration"
	"github.com/distribution/distribution/v3/registry/handlers"
	_ "github.com/distribution/distribution/v3/registry/storage/driver/filesystem" // keeps the blobs
	"github.com/sirupsen/logrus"
)

// registry is an OCI registry on loopback. It ignores which registry a client meant to ask (the
// query's ns), so it stands in for any: docker.io/library/x and ghcr.io/library/x are the same
// repository, library/x. What it doesn't have answers 404, and the puller goes on to the real one.
type registry struct {
	app *handlers.App
	srv *http.Server
}

// serveRegistry answers on l until Close, with its state below dir and its log written to logTo.
func serveRegistry(l net.Listener, dir string, logTo io.Writer) (*registry, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	logrus.SetOutput(logTo)            // distribution logs through logrus's own logger
	logrus.SetLevel(logrus.FatalLevel) // what a client did wrong, or asked for in vain, is told to him
	cfg := &configuration.Configuration{
		Version: "0.1",
		Storage: configuration.Storage{
			"filesystem": {"rootdirectory": filepath.Clean(dir)},
			"delete":     {"enabled": true},
		},
	}
	cfg.Catalog.MaxEntries = 1000
	cfg.Tags.MaxTags = 1000
	// A push that crosses a restart must be able to go on, so the secret that signs upload state
	// can't change with the process. The registry listens on loopback only.
	cfg.HTTP.Secret = "loopback"
	// Images for one platform are enough: an index may name others that nobody pushed.
	cfg.Validation.Manifests.Indexes.Platforms = "none"
	r := &registry{app: handlers.NewApp(context.Background(), cfg)}
	r.srv = &http.Server{Handler: r.app, ReadHeaderTimeout: 10 * time.Second}
	go func() {
		if err := r.srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			logrus.Errorf("registry: %v", err)
		}
	}()
	return r, nil
}

// Close ends the listener and lets running requests end for two seconds.
func (r *registry) Close() {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	if r.srv.Shutdown(ctx) != nil {
		_ = r.srv.Close()
	}
	_ = r.app.Shutdown()
}
