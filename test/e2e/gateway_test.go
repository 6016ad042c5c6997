package e2e

import (
	"bytes"
	"crypto/tls"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cosmos/cosmos-sdk/crypto/keyring"

	"github.com/akash-supercloud/akash/client"
	"github.com/akash-supercloud/akash/client/auth"
	"github.com/akash-supercloud/akash/examples"
	"github.com/akash-supercloud/akash/sdl"
	"github.com/akash-supercloud/akash/test/market"
)

// gateway asks the provider as a stranger's client would, and returns status and body.
func gateway(t *testing.T, base, method, path, token string, cert *tls.Certificate, body []byte) (int, string) {
	t.Helper()
	conf := &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS13}
	if cert != nil {
		conf.Certificates = []tls.Certificate{*cert}
		conf.ServerName = "mtls.localhost"
	}
	req, err := http.NewRequestWithContext(t.Context(), method, base+path, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := (&http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{TLSClientConfig: conf, DisableKeepAlives: true}}).Do(req)
	if err != nil {
		return 0, err.Error() // TLS said no
	}
	defer resp.Body.Close()
	b, _ := io.ReadAll(io.LimitReader(resp.Body, 4096))
	return resp.StatusCode, string(b)
}

// What the gateway must refuse, each with its own status, while the tenant's own token is taken.
func foreign(t *testing.T, c tenant) {
	before := market.Machine(c.m.Home)
	dseq, url := c.deploy(t, edit(t))
	defer func() {
		c.close(t, dseq)
		nothingLeft(t, c.m.Home, before)
	}()
	market.Page(t, url, "Hello")
	s := c.m.State(t)
	kr, err := client.OpenKeyring(client.Config{KeyringBackend: keyring.BackendTest, KeyringDir: s.KeyringDir}, client.NewEncoding().Codec)
	if err != nil {
		t.Fatal(err)
	}
	token := func(key string, made time.Time) string {
		t.Helper()
		tok, err := auth.Issue(kr, key, auth.Claims{IssuedAt: made})
		if err != nil {
			t.Fatal(err)
		}
		return tok
	}
	own := manifestOf(t, examples.Web)
	other := manifestOf(t, []byte(strings.Replace(string(examples.Web), "Hello from akash", "Hello from elsewhere", 1)))
	id := strconv.FormatUint(dseq, 10)
	put, status := "/deployment/"+id+"/manifest", "/lease/"+id+"/1/1/status"
	now := time.Now()
	certPEM, _, keyPEM, err := auth.NewCertificate(c.owner, nil, now)
	if err != nil {
		t.Fatal(err)
	}
	unknown, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		t.Fatal(err)
	}
	for _, q := range []struct {
		name, method, path, token string
		cert                      *tls.Certificate
		body                      []byte
		want                      []int
		says                      string
	}{
		{"own token", "GET", status, token("tenant", now), nil, nil, []int{200}, `"web"`},
		{"own manifest again", "PUT", put, token("tenant", now), nil, own, []int{200}, ""},
		{"manifest with another hash", "PUT", put, token("tenant", now), nil, other, []int{422}, "manifest version validation failed"},
		{"manifest that is none", "PUT", put, token("tenant", now), nil, []byte("[{"), []int{422}, ""},
		{"no token", "GET", status, "", nil, nil, []int{401}, ""},
		{"nonsense token", "GET", status, "abc.def.ghi", nil, nil, []int{401}, "JWT"},
		{"expired token", "GET", status, token("tenant", now.Add(-time.Hour)), nil, nil, []int{401}, "JWT is expired"},
		{"another's token", "GET", status, token("validator", now), nil, nil, []int{401, 403, 404}, ""},
		{"another's manifest", "PUT", put, token("validator", now), nil, own, []int{401, 403, 404}, ""},
		{"a certificate the chain doesn't know", "GET", status, "", &unknown, nil, []int{0, 401}, ""},
		{"a lease that isn't there", "GET", "/lease/1/1/1/status", token("tenant", now), nil, nil, []int{404}, ""},
	} {
		code, body := gateway(t, s.Gateway, q.method, q.path, q.token, q.cert, q.body)
		ok := false
		for _, w := range q.want {
			ok = ok || code == w
		}
		if !ok || !strings.Contains(body, q.says) {
			t.Errorf("%s: %d %q, want %v with %q", q.name, code, body, q.want, q.says)
			continue
		}
		t.Logf("%-38s %d %s", q.name, code, strings.TrimSpace(body)[:min(90, len(strings.TrimSpace(body)))])
	}
	market.Page(t, url, "Hello from akash") // nothing of it touched what runs
}

func manifestOf(t *testing.T, text []byte) []byte {
	t.Helper()
	s, err := sdl.Parse("deploy.yaml", text)
	if err != nil {
		t.Fatal(err)
	}
	m, err := s.Manifest().JSON()
	if err != nil {
		t.Fatal(err)
	}
	return m
}
