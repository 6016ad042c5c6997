// Command app is what the conformance tests run in a container. By its first word it serves
// HTTP on :8080 (serve), ends with a code (exit N), copies its input (cat), tells its terminal
// (tty) or writes a word for ever (spam). Its HTTP side does what the query asks, so a test
// can look out of the container with the container's eyes.
package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

func main() {
	word := "serve"
	if len(os.Args) > 1 {
		word = os.Args[1]
	}
	switch word {
	case "serve":
		serve()
	case "exit":
		code, _ := strconv.Atoi(os.Args[2])
		fmt.Println("about to end with", code)
		os.Exit(code)
	case "cat":
		n, err := io.Copy(os.Stdout, os.Stdin)
		fmt.Fprintln(os.Stderr, "copied", n, err)
	case "args":
		fmt.Println(strings.Join(os.Args[1:], "|"))
		time.Sleep(time.Hour)
	case "tty":
		_, err := os.Stdin.Stat()
		fmt.Println("terminal:", isTerminal(), err)
	case "env":
		fmt.Println(os.Getenv(os.Args[2]))
	case "hog":
		hog(1 << 40)
	case "spam":
		line := strings.Repeat("x", 1000)
		for i := 0; ; i++ {
			fmt.Println(i, line)
		}
	}
}

func isTerminal() bool {
	st, err := os.Stdin.Stat()
	return err == nil && st.Mode()&os.ModeCharDevice != 0 && st.Mode()&os.ModeDevice != 0
}

var kept [][]byte

func hog(n int) {
	for got := 0; got < n; got += 1 << 20 {
		b := make([]byte, 1<<20)
		for i := 0; i < len(b); i += 4096 {
			b[i] = 1
		}
		kept = append(kept, b)
	}
}

func serve() {
	fmt.Println("started", os.Getenv("MARK"))
	term := make(chan os.Signal, 1)
	signal.Notify(term, syscall.SIGTERM)
	go func() { <-term; fmt.Println("asked to end"); os.Exit(0) }()
	say := func(w http.ResponseWriter, err error, format string, args ...any) {
		if err != nil {
			w.WriteHeader(http.StatusBadGateway)
			fmt.Fprint(w, err)
			return
		}
		fmt.Fprintf(w, format, args...)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "hello") })
	mux.HandleFunc("/env", func(w http.ResponseWriter, r *http.Request) {
		v, ok := os.LookupEnv(r.FormValue("name"))
		if !ok {
			w.WriteHeader(http.StatusNotFound)
		}
		fmt.Fprint(w, v)
	})
	mux.HandleFunc("/write", func(w http.ResponseWriter, r *http.Request) {
		n, _ := strconv.ParseInt(r.FormValue("bytes"), 10, 64)
		path := r.FormValue("path")
		_ = os.MkdirAll(filepath.Dir(path), 0o755)
		f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o644)
		if err == nil {
			chunk := make([]byte, 1<<20)
			for done := int64(0); done < n && err == nil; {
				var m int
				m, err = f.Write(chunk[:min(int64(len(chunk)), n-done)])
				done += int64(m)
			}
			if err == nil {
				err = f.Sync()
			}
			f.Close()
		}
		say(w, err, "ok")
	})
	mux.HandleFunc("/stat", func(w http.ResponseWriter, r *http.Request) {
		st, err := os.Stat(r.FormValue("path"))
		if err != nil {
			say(w, err, "")
			return
		}
		say(w, nil, "%d", st.Size())
	})
	mux.HandleFunc("/read", func(w http.ResponseWriter, r *http.Request) {
		b, err := os.ReadFile(r.FormValue("path"))
		say(w, err, "%s", b)
	})
	mux.HandleFunc("/dial", func(w http.ResponseWriter, r *http.Request) {
		network := r.FormValue("network")
		if network == "" {
			network = "tcp"
		}
		c, err := net.DialTimeout(network, r.FormValue("addr"), 1500*time.Millisecond)
		if err != nil {
			say(w, err, "")
			return
		}
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(1500 * time.Millisecond))
		_, _ = c.Write([]byte("ping\n"))
		b := make([]byte, 64)
		n, err := c.Read(b)
		say(w, err, "%s", b[:n])
	})
	mux.HandleFunc("/flood", func(w http.ResponseWriter, r *http.Request) {
		// How many of n connections, opened as fast as can be, come to be.
		n, _ := strconv.Atoi(r.FormValue("times"))
		got := make(chan bool, n)
		for range n {
			go func() {
				c, err := net.DialTimeout("tcp", r.FormValue("addr"), 900*time.Millisecond)
				if err == nil {
					defer c.Close()
				}
				got <- err == nil
				time.Sleep(time.Second)
			}()
		}
		sum := 0
		for range n {
			if <-got {
				sum++
			}
		}
		fmt.Fprint(w, sum)
	})
	mux.HandleFunc("/large", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, 1<<20)) })
	mux.HandleFunc("/fetch", func(w http.ResponseWriter, r *http.Request) {
		// How many bytes a URL serves.
		resp, err := (&http.Client{Timeout: time.Minute}).Get(r.FormValue("url"))
		if err != nil {
			say(w, err, "")
			return
		}
		defer resp.Body.Close()
		n, err := io.Copy(io.Discard, resp.Body)
		say(w, err, "%d", n)
	})
	mux.HandleFunc("/get", func(w http.ResponseWriter, r *http.Request) {
		resp, err := (&http.Client{Timeout: 5 * time.Second}).Get(r.FormValue("url"))
		if err != nil {
			say(w, err, "")
			return
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
		say(w, err, "%d %s", resp.StatusCode, b)
	})
	mux.HandleFunc("/dns", func(w http.ResponseWriter, r *http.Request) {
		// The question goes to the server itself, past the hosts file.
		server := r.FormValue("server")
		res := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{Timeout: time.Second}).DialContext(ctx, network, server)
		}}
		addrs, err := res.LookupHost(r.Context(), r.FormValue("name")+".")
		say(w, err, "%s", strings.Join(addrs, " "))
	})
	mux.HandleFunc("/hog", func(w http.ResponseWriter, r *http.Request) {
		n, _ := strconv.Atoi(r.FormValue("bytes"))
		hog(n)
		fmt.Fprint(w, "ok")
	})
	mux.HandleFunc("/exit", func(w http.ResponseWriter, r *http.Request) {
		n, _ := strconv.Atoi(r.FormValue("code"))
		os.Exit(n)
	})
	mux.HandleFunc("/log", func(w http.ResponseWriter, r *http.Request) {
		n, _ := strconv.Atoi(r.FormValue("times"))
		for i := range max(n, 1) {
			fmt.Println(strings.ReplaceAll(r.FormValue("line"), "#", strconv.Itoa(i)))
		}
	})
	mux.HandleFunc("/error", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(os.Stderr, r.FormValue("line"))
	})
	mux.HandleFunc("/self", func(w http.ResponseWriter, r *http.Request) {
		b, err := os.ReadFile("/proc/self/status")
		say(w, err, "%s", b)
	})
	go udp()
	if err := http.ListenAndServe(":8080", mux); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// udp answers every datagram on :8081 with itself.
func udp() {
	c, err := net.ListenPacket("udp", ":8081")
	if err != nil {
		return
	}
	b := make([]byte, 1500)
	for {
		n, from, err := c.ReadFrom(b)
		if err != nil {
			return
		}
		_, _ = c.WriteTo(b[:n], from)
	}
}
