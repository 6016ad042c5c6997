package gateway_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	sdk "github.com/cosmos/cosmos-sdk/types"

	_ "github.com/akash-supercloud/akash/api" // sets the prefix of addresses
	marketv1 "github.com/akash-supercloud/akash/api/akash/market/v1"
	"github.com/akash-supercloud/akash/client/auth"
	"github.com/akash-supercloud/akash/client/gateway"
)

var (
	provider = sdk.AccAddress("a provider for tests").String()
	stranger = sdk.AccAddress("a tenant for tests..").String()
)

var lease = marketv1.LeaseID{Owner: stranger, DSeq: 7, GSeq: 1, OSeq: 2, Provider: provider}

// server serves with an on-chain certificate, as a provider does.
func server(t *testing.T, h http.Handler) (url string, certPEM []byte) {
	t.Helper()
	certPEM, _, keyPEM, err := auth.NewCertificate(provider, []string{"localhost"}, time.Now().Add(-time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(keyPEM)
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	block, _ = pem.Decode(certPEM)
	s := httptest.NewUnstartedServer(h)
	s.TLS = &tls.Config{MinVersion: tls.VersionTLS13, ClientAuth: tls.RequestClientCert,
		Certificates: []tls.Certificate{{Certificate: [][]byte{block.Bytes}, PrivateKey: key}}}
	s.StartTLS()
	t.Cleanup(s.Close)
	_, port, _ := strings.Cut(s.Listener.Addr().String(), ":")
	return "https://provider.localhost:" + port, certPEM // a name that no resolver knows
}

func chain(certPEM []byte, valid bool) func(context.Context, string, string) ([]byte, bool, error) {
	return func(context.Context, string, string) ([]byte, bool, error) { return certPEM, valid, nil }
}

func TestRequests(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("PUT /deployment/7/manifest", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if r.Header.Get("Authorization") != "Bearer tok" || string(body) != "[]" {
			http.Error(w, "invalid\nmanifest: "+string(body), http.StatusUnprocessableEntity)
		}
	})
	mux.HandleFunc("GET /lease/7/1/2/status", func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, `{"services":{"web":{"name":"web","available":1,"total":1,"uris":["a.b"]}},"forwarded_ports":{"web":[{"host":"h","port":1,"externalPort":2,"proto":"TCP","name":"web"}]},"ips":{"web":[{"Port":80,"ExternalPort":81,"Protocol":"TCP","IP":"203.0.113.5"}]}}`)
	})
	mux.HandleFunc("GET /lease/7/1/2/service/we%20b/status", func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = io.WriteString(w, `{"message":"JWT is expired"}`)
	})
	mux.HandleFunc("GET /address", func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, `{"address":"x"}`) })
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, `not json`) })
	url, certPEM := server(t, mux)
	g, err := gateway.New(url, provider, gateway.Auth{Token: func() (string, error) { return "tok", nil }, Lookup: chain(certPEM, true)})
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	ctx := t.Context()
	if err := g.PutManifest(ctx, 7, []byte("[]")); err != nil {
		t.Error(err)
	}
	var answer *gateway.Error
	if err := g.PutManifest(ctx, 7, []byte("{}")); !errors.As(err, &answer) || answer.Status != 422 || answer.Message != "invalid manifest: {}" {
		t.Errorf("%v", err)
	}
	st, err := g.LeaseStatus(ctx, lease)
	if err != nil || !st.Services["web"].Ready() || st.ForwardedPorts["web"][0].ExternalPort != 2 || st.IPs["web"][0].IP != "203.0.113.5" {
		t.Errorf("%+v %v", st, err)
	}
	if _, err := g.ServiceStatus(ctx, lease, "we b"); !errors.As(err, &answer) || answer.Status != 401 || answer.Message != "JWT is expired" {
		t.Errorf("%v", err)
	}
	if a, err := g.Address(ctx); a != "x" || err != nil {
		t.Error(a, err)
	}
	if _, err := g.Status(ctx); !errors.As(err, &answer) {
		t.Errorf("%v", err)
	}
	if _, err := g.Version(ctx); !errors.As(err, &answer) || answer.Status != 404 {
		t.Errorf("%v", err)
	}
}

func TestTrust(t *testing.T) {
	url, certPEM := server(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if len(r.TLS.PeerCertificates) == 1 {
			_ = json.NewEncoder(w).Encode(map[string]string{"address": r.TLS.PeerCertificates[0].Subject.CommonName + " " + r.TLS.ServerName})
			return
		}
		_, _ = io.WriteString(w, `{"address":"nobody"}`)
	}))
	other, _, _, err := auth.NewCertificate(provider, []string{"localhost"}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		provider string
		lookup   func(context.Context, string, string) ([]byte, bool, error)
		want     string
	}{
		"on the chain": {provider, chain(certPEM, true), ""},
		"no look-up":   {provider, nil, "isn't trusted"},
		"not there":    {provider, chain(nil, false), "isn't on the chain"},
		"revoked":      {provider, chain(certPEM, false), "revoked"},
		"another":      {provider, chain(other, true), "isn't the one"},
		"of another":   {stranger, chain(certPEM, true), "it is of " + provider},
		"the chain fails": {provider, func(context.Context, string, string) ([]byte, bool, error) {
			return nil, false, errors.New("node down")
		}, "node down"},
	} {
		g, err := gateway.New(url, c.provider, gateway.Auth{Lookup: c.lookup})
		if err != nil {
			t.Fatal(err)
		}
		a, err := g.Address(t.Context())
		g.Close()
		var unreachable *gateway.UnreachableError
		switch {
		case c.want == "" && (err != nil || a != "nobody"):
			t.Errorf("%s: %q %v", name, a, err)
		case c.want != "" && (!errors.As(err, &unreachable) || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	// With a certificate of ours the name says so.
	mine, _, minePEM, err := auth.NewCertificate(stranger, nil, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(mine)
	kb, _ := pem.Decode(minePEM)
	key, err := x509.ParsePKCS8PrivateKey(kb.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	g, err := gateway.New(url, provider, gateway.Auth{Certificate: &tls.Certificate{Certificate: [][]byte{block.Bytes}, PrivateKey: key}, Lookup: chain(certPEM, true)})
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	if a, err := g.Address(t.Context()); err != nil || a != stranger+" mtls.provider.localhost" {
		t.Errorf("%q %v", a, err)
	}
	for _, bad := range []string{"http://x", "x", "", "https://"} {
		if _, err := gateway.New(bad, provider, gateway.Auth{}); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

func TestLogs(t *testing.T) {
	end := map[string]func(*websocket.Conn){
		"normal":  func(c *websocket.Conn) { _ = c.Close(websocket.StatusNormalClosure, "") },
		"hang up": func(c *websocket.Conn) { _ = c.CloseNow() },
		"gone":    func(c *websocket.Conn) { _ = c.Close(4001, "lease not found") },
		"broken":  func(c *websocket.Conn) { _ = c.Close(4000, "no running pods") },
	}
	which := ""
	url, certPEM := server(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if q := r.URL.Query(); r.URL.Path != "/lease/7/1/2/logs" || q.Get("service") != "web,db" || q.Get("follow") != "true" || q.Get("tail") != "5" {
			http.Error(w, "bad query "+r.URL.String(), http.StatusBadRequest)
			return
		}
		c, err := websocket.Accept(w, r, nil)
		if err != nil {
			t.Error(err)
			return
		}
		for _, line := range []string{`{"name":"web-0","message":"one"}`, `{"name":"db-0","message":"two"}`} {
			if err := c.Write(r.Context(), websocket.MessageText, []byte(line)); err != nil {
				t.Error(err)
			}
		}
		end[which](c)
	}))
	g, err := gateway.New(url, provider, gateway.Auth{Lookup: chain(certPEM, true)})
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	opt := gateway.LogOptions{Services: []string{"web", "db"}, Follow: true, Tail: 5}
	for name, want := range map[string]string{"normal": "", "hang up": "", "gone": "no such lease", "broken": "no running pods"} {
		which = name
		var lines []string
		err := g.Logs(t.Context(), lease, opt, func(name, line string) error {
			lines = append(lines, name+":"+line)
			return nil
		})
		if !slices.Equal(lines, []string{"web-0:one", "db-0:two"}) {
			t.Errorf("%s: %q", name, lines)
		}
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v", name, err)
		}
	}
	stop := errors.New("enough")
	if err := g.Logs(t.Context(), lease, opt, func(string, string) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("%v", err)
	}
	var answer *gateway.Error
	if err := g.Logs(t.Context(), lease, gateway.LogOptions{Tail: -1}, nil); !errors.As(err, &answer) || answer.Status != 400 {
		t.Errorf("%v", err)
	}
}
