// Command web is the example tenant: a page that says where it runs. With BACKEND set it also shows
// what that private service answers.
package main

import (
	"bytes"
	"context"
	"fmt"
	"html/template"
	"io"
	"log"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

var page = template.Must(template.New("page").Parse(`<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{{.Greeting}}</title>
<style>body{font:18px/1.5 system-ui,sans-serif;max-width:40em;margin:15vh auto;padding:0 1em}
dt{color:#777;font-size:.8em}dd{margin:0 0 .8em}</style>
<h1>{{.Greeting}}</h1>
<p>This page is served by a container that was rented on a market.<br>此页面由在市场上租用的容器提供。</p>
<dl><dt>container</dt><dd>{{.Host}}</dd><dt>sandbox</dt><dd>{{.Sandbox}}</dd><dt>up</dt><dd>{{.Up}}</dd>
{{if .Backend}}<dt>backend says</dt><dd>{{.Backend}}</dd>{{end}}</dl>
`))

func main() {
	greeting := os.Getenv("GREETING")
	if greeting == "" {
		greeting = "Hello from akash"
	}
	host, _ := os.Hostname()
	box, started, backend := sandbox(), time.Now(), os.Getenv("BACKEND")

	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		log.Printf("%s %s from %s", r.Method, r.URL.Path, r.RemoteAddr)
		said := ""
		if backend != "" {
			var err error
			if said, err = ask(r.Context(), backend); err != nil {
				http.Error(w, "the backend doesn't answer: "+err.Error(), http.StatusBadGateway)
				return
			}
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_ = page.Execute(w, map[string]any{
			"Greeting": greeting, "Host": host, "Sandbox": box, "Backend": said,
			"Up": time.Since(started).Round(time.Second),
		})
	})
	srv := &http.Server{Addr: ":8080", ReadHeaderTimeout: 5 * time.Second}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	go func() {
		<-ctx.Done()
		_ = srv.Shutdown(context.Background())
	}()
	log.Printf("%s: listening on :8080, sandbox %s", greeting, box)
	if err := srv.ListenAndServe(); err != http.ErrServerClosed {
		log.Fatal(err)
	}
}

// ask returns the first KiB that the backend answers.
func ask(ctx context.Context, url string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, 1024))
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("it says %s", resp.Status)
	}
	return string(bytes.TrimSpace(b)), err
}

// sandbox names what the container runs in, by the first lines of the kernel's log: gVisor's own
// kernel says so there; a shared kernel doesn't let a container read it.
func sandbox() string {
	const readAll = 3
	buf := make([]byte, 4096)
	n, err := syscall.Klogctl(readAll, buf)
	if err == nil && bytes.Contains(buf[:n], []byte("gVisor")) {
		return "gVisor"
	}
	return "none that is known"
}
