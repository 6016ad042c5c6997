package ingress

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/akash-supercloud/akash/internal/freeport"
)

// serve starts the router on loopback and returns its URL and a client that sends any host there.
func serve(t *testing.T, r *Router) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { _ = r.Serve(ctx, l); close(done) }()
	t.Cleanup(func() { cancel(); <-done })
	return "http://" + l.Addr().String()
}

func backend(t *testing.T, h http.HandlerFunc) string {
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

func do(t *testing.T, method, url, host string, body io.Reader) (int, string) {
	t.Helper()
	req, err := http.NewRequest(method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	req.Host = host
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b)
}

func newRouter() *Router { return NewRouter(slog.New(slog.DiscardHandler)) }

func TestRoutes(t *testing.T) {
	r := newRouter()
	url := serve(t, r)
	a := backend(t, func(w http.ResponseWriter, q *http.Request) {
		fmt.Fprintf(w, "a %s %s", q.Host, q.Header.Get("X-Forwarded-Proto"))
	})
	b := backend(t, func(w http.ResponseWriter, q *http.Request) { fmt.Fprint(w, "b") })
	r.SetLease("1", []Route{{Hosts: []string{"One.example"}, Service: "web", Backends: []string{a}}, {Hosts: []string{"new.example"}, Service: "slow"}})
	r.SetLease("2", []Route{{Hosts: []string{"one.example", "two.example"}, Service: "web", Backends: []string{b}}})
	check := func(host string, status int, text string) {
		t.Helper()
		if s, body := do(t, "GET", url+"/x", host, nil); s != status || !strings.Contains(body, text) {
			t.Errorf("%s: got %d %q, want %d with %q", host, s, body, status, text)
		}
	}
	check("one.example:8080", 200, "a one.example:8080 http")
	check("ONE.example", 200, "a")
	check("two.example", 200, "b")
	check("new.example", 503, "starting")
	check("nobody.example", 404, "nobody.example")
	r.RemoveLease("1")
	check("one.example", 200, "b") // the name is free, and lease 2 wants it
	r.RemoveLease("2")
	check("one.example", 404, "No deployment")
	if len(r.Hosts()) != 0 {
		t.Errorf("hosts left: %v", r.Hosts())
	}
}

func TestBalancesAndTriesTheNext(t *testing.T) {
	r := newRouter()
	url := serve(t, r)
	var na, nb atomic.Int32
	a := backend(t, func(w http.ResponseWriter, q *http.Request) { na.Add(1) })
	b := backend(t, func(w http.ResponseWriter, q *http.Request) {
		nb.Add(1)
		body, _ := io.ReadAll(q.Body)
		_, _ = w.Write(body)
	})
	dead, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = dead.Close()
	r.SetLease("1", []Route{{Hosts: []string{"h"}, Backends: []string{a, b}}})
	for range 10 {
		do(t, "GET", url, "h", nil)
	}
	if na.Load() != 5 || nb.Load() != 5 {
		t.Errorf("10 requests went %d and %d", na.Load(), nb.Load())
	}
	// A replica that is gone: the other is asked, with the whole body.
	r.SetLease("1", []Route{{Hosts: []string{"h"}, Backends: []string{dead.Addr().String(), b}}})
	for range 4 {
		if s, body := do(t, "POST", url, "h", strings.NewReader("all of it")); s != 200 || body != "all of it" {
			t.Fatalf("got %d %q", s, body)
		}
	}
	r.SetLease("1", []Route{{Hosts: []string{"h"}, Service: "web", Backends: []string{dead.Addr().String()}}})
	if s, body := do(t, "GET", url, "h", nil); s != 502 || !strings.Contains(body, "web") {
		t.Errorf("all gone: got %d %q", s, body)
	}
	r.SetLease("1", []Route{{Hosts: []string{"h"}, Backends: []string{dead.Addr().String(), b}, Options: Options{NextCases: []string{"off"}}}})
	s1, _ := do(t, "GET", url, "h", nil)
	s2, _ := do(t, "GET", url, "h", nil)
	if s1+s2 != 702 {
		t.Errorf("off: got %d and %d, want one 502 and one 200", s1, s2)
	}
}

func TestBodyLimit(t *testing.T) {
	r := newRouter()
	url := serve(t, r)
	var got atomic.Int64
	a := backend(t, func(w http.ResponseWriter, q *http.Request) {
		n, _ := io.Copy(io.Discard, q.Body)
		got.Store(n)
	})
	r.SetLease("1", []Route{{Hosts: []string{"h"}, Backends: []string{a}, Options: Options{MaxBodySize: 1000}}})
	if s, _ := do(t, "POST", url, "h", bytes.NewReader(make([]byte, 1000))); s != 200 || got.Load() != 1000 {
		t.Errorf("at the limit: %d, %d bytes", s, got.Load())
	}
	if s, body := do(t, "POST", url, "h", bytes.NewReader(make([]byte, 1001))); s != 413 || !strings.Contains(body, "1000") {
		t.Errorf("declared too long: %d %q", s, body)
	}
	// Without a length (chunked) the limit shows only while reading.
	if s, _ := do(t, "POST", url, "h", io.MultiReader(bytes.NewReader(make([]byte, 5000)))); s != 413 {
		t.Errorf("chunked too long: %d", s)
	}
}

func TestReadTimeout(t *testing.T) {
	r := newRouter()
	url := serve(t, r)
	release := make(chan struct{})
	a := backend(t, func(w http.ResponseWriter, q *http.Request) {
		select {
		case <-release:
		case <-q.Context().Done():
		}
	})
	defer close(release)
	r.SetLease("1", []Route{{Hosts: []string{"h"}, Service: "web", Backends: []string{a}, Options: Options{ReadTimeout: 50 * time.Millisecond}}})
	if s, body := do(t, "GET", url, "h", nil); s != 504 || !strings.Contains(body, "50ms") {
		t.Errorf("got %d %q", s, body)
	}
}

func TestUpgrade(t *testing.T) {
	r := newRouter()
	url := serve(t, r)
	a := backend(t, func(w http.ResponseWriter, q *http.Request) {
		c, err := websocket.Accept(w, q, nil)
		if err != nil {
			return
		}
		defer c.CloseNow()
		for {
			typ, b, err := c.Read(q.Context())
			if err != nil {
				return
			}
			_ = c.Write(q.Context(), typ, append([]byte("echo "), b...))
		}
	})
	r.SetLease("1", []Route{{Hosts: []string{"ws.example"}, Backends: []string{a}, Options: Options{ReadTimeout: 100 * time.Millisecond}}})
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	c, _, err := websocket.Dial(ctx, url, &websocket.DialOptions{Host: "ws.example"})
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	for i := range 3 {
		if i == 2 {
			// Silent for longer than the read timeout of plain requests: the connection stays.
			time.Sleep(150 * time.Millisecond)
		}
		if err := c.Write(ctx, websocket.MessageText, []byte("hi")); err != nil {
			t.Fatal(err)
		}
		if _, b, err := c.Read(ctx); err != nil || string(b) != "echo hi" {
			t.Fatalf("got %q %v", b, err)
		}
	}
}

func TestPorts(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { _, _ = io.Copy(c, c); _ = c.Close() }()
		}
	}()
	port := freePort(t)

	p := NewPorts("127.0.0.1", slog.New(slog.DiscardHandler))
	defer p.Close()
	f := []Forward{{Proto: "TCP", Port: port, Backends: []string{l.Addr().String()}}}
	if err := p.SetLease("1", f); err != nil {
		t.Fatal(err)
	}
	if err := p.SetLease("2", f); err == nil {
		t.Error("a second lease got the same port")
	}
	c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	say := func() error {
		_ = c.SetDeadline(time.Now().Add(5 * time.Second))
		fmt.Fprintln(c, "ping")
		_, err := bufio.NewReader(c).ReadString('\n')
		return err
	}
	if err := say(); err != nil {
		t.Fatal(err)
	}
	if err := p.SetLease("1", f); err != nil {
		t.Fatal(err)
	}
	if err := say(); err != nil {
		t.Errorf("setting the same again cut the connection: %v", err)
	}
	if err := p.SetLease("1", nil); err != nil {
		t.Fatal(err)
	}
	// The cut isn't waited for by SetLease, so a ping or two may still pass.
	for end := time.Now().Add(4 * time.Second); say() == nil; {
		if time.Now().After(end) {
			t.Fatal("the connection lives on after the lease is gone")
		}
	}
}

func freePort(t *testing.T) uint16 {
	t.Helper()
	_, port, err := net.SplitHostPort(freeport.Loopback(t))
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		t.Fatal(err)
	}
	return uint16(n)
}

func TestUDPPorts(t *testing.T) {
	replica := func(name string) string {
		c, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		go func() {
			b := make([]byte, 100)
			for {
				n, from, err := c.ReadFrom(b)
				if err != nil {
					return
				}
				_, _ = c.WriteTo([]byte(name+" "+string(b[:n])), from)
			}
		}()
		return c.LocalAddr().String()
	}
	port := freePort(t)
	p := NewPorts("127.0.0.1", slog.New(slog.DiscardHandler))
	defer p.Close()
	if err := p.SetLease("1", []Forward{{Proto: "UDP", Port: port, Backends: []string{replica("a"), replica("b")}}}); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for range 2 {
		c, err := net.Dial("udp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		who := ""
		for range 3 { // one client stays with one replica
			_ = c.SetDeadline(time.Now().Add(5 * time.Second))
			fmt.Fprint(c, "ping")
			b := make([]byte, 100)
			n, err := c.Read(b)
			if err != nil {
				t.Fatal(err)
			}
			if got := string(b[:n]); who != "" && got != who {
				t.Errorf("%q after %q", got, who)
			} else {
				who = got
			}
		}
		seen[who] = true
	}
	if !seen["a ping"] || !seen["b ping"] {
		t.Errorf("two clients reached %v", seen)
	}
	_ = p.SetLease("1", nil)
	again, err := net.ListenPacket("udp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		t.Fatalf("the port isn't free after the lease: %v", err)
	}
	_ = again.Close()
}
