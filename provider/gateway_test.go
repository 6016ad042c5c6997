package provider

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/cosmos/cosmos-sdk/codec"
	codectypes "github.com/cosmos/cosmos-sdk/codec/types"
	gogo "github.com/cosmos/gogoproto/types"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	providerrpc "github.com/akash-supercloud/akash/api/akash/provider/v1"
	"github.com/akash-supercloud/akash/client/auth"
)

// raw sends one request to the gateway and returns status, content type and body.
func (w *world) raw(method, path, token string, cert *tls.Certificate, body []byte) (int, string, string) {
	w.t.Helper()
	cfg := &tls.Config{InsecureSkipVerify: true}
	if cert != nil {
		cfg.Certificates = []tls.Certificate{*cert}
	}
	hc := &http.Client{Transport: &http.Transport{TLSClientConfig: cfg}, Timeout: 20 * time.Second}
	defer hc.CloseIdleConnections()
	req, err := http.NewRequest(method, "https://"+w.cfg.GatewayListen+path, bytes.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", token)
	}
	resp, err := hc.Do(req)
	if err != nil {
		w.t.Fatalf("%s %s: %v", method, path, err)
	}
	defer resp.Body.Close()
	b, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, resp.Header.Get("Content-Type"), string(b)
}

func (w *world) token(alg auth.Algorithm, key string, c auth.Claims) string {
	w.t.Helper()
	tok, err := auth.IssueWith(alg, w.keys, key, c)
	if err != nil {
		w.t.Fatal(err)
	}
	return "Bearer " + tok
}

func TestGatewayAuth(t *testing.T) {
	w := newWorld(t)
	stranger := newKey(t, w.keys, "stranger")
	rec, _ := w.keys.Key("stranger")
	w.chain.keys[stranger], _ = rec.GetPubKey()
	newKey(t, w.keys, "silent") // never sent a transaction: the chain has no key of it
	w.startReady()
	w.deploy(5)
	now := time.Now()

	makeCert := func(owner string, at time.Time, onChain bool) *tls.Certificate {
		c, _, k, err := auth.NewCertificate(owner, nil, at)
		if err != nil {
			t.Fatal(err)
		}
		return w.pair(owner, c, k, onChain)
	}
	good, expired, unknown, foreign := makeCert(w.tenant, now, true), makeCert(w.tenant, now.Add(-400*24*time.Hour), true), makeCert(w.tenant, now.Add(time.Second), false), makeCert(stranger, now, true)
	revoked := makeCert(w.tenant, now.Add(2*time.Second), true)
	w.chain.do(func() {
		k := w.tenant + "/" + revoked.Leaf.SerialNumber.String()
		w.chain.certs[k] = fakeCert{w.chain.certs[k].pem, false}
	})
	server := makeCert(w.tenant, now.Add(3*time.Second), true) // another certificate under a serial that the chain has
	w.chain.do(func() {
		k := w.tenant + "/" + server.Leaf.SerialNumber.String()
		w.chain.certs[k] = fakeCert{w.chain.certs[w.tenant+"/"+good.Leaf.SerialNumber.String()].pem, true}
	})

	granular := func(d ...auth.Deployment) auth.Claims {
		return auth.Claims{Leases: auth.Leases{Access: auth.AccessGranular, Permissions: []auth.Permission{{Provider: w.provider, Access: auth.AccessGranular, Deployments: d}}}}
	}
	scoped := func(s ...auth.Scope) auth.Claims {
		return auth.Claims{Leases: auth.Leases{Access: auth.AccessScoped, Scope: s}}
	}
	tamper := func(tok string) string {
		i := len(tok) - 10
		c := byte('A')
		if tok[i] == 'A' {
			c = 'B'
		}
		return tok[:i] + string(c) + tok[i+1:]
	}
	old := auth.Claims{IssuedAt: now.Add(-time.Hour), ExpiresAt: now.Add(-time.Minute)}
	soon := auth.Claims{IssuedAt: now.Add(time.Hour), ExpiresAt: now.Add(2 * time.Hour)}
	for name, c := range map[string]struct {
		token   string
		cert    *tls.Certificate
		path    string // default: the lease's status
		status  int
		message string
	}{
		"nobody":                 {status: 401, message: "unauthorized access"},
		"nobody, open route":     {path: "/address", status: 200},
		"certificate":            {cert: good, status: 200},
		"certificate, expired":   {cert: expired, status: 401, message: "unauthorized access"},
		"certificate, revoked":   {cert: revoked, status: 401, message: "revoked"},
		"certificate, unknown":   {cert: unknown, status: 401, message: "isn't on the chain"},
		"certificate, impostor":  {cert: server, status: 401, message: "unauthorized access"},
		"certificate, another's": {cert: foreign, status: 404},
		"certificate and token":  {cert: good, token: w.token(auth.ES256K, "tenant", auth.Claims{}), status: 400, message: "ambiguous"},
		"ES256K":                 {token: w.token(auth.ES256K, "tenant", auth.Claims{}), status: 200},
		"ES256KADR36":            {token: w.token(auth.ES256KADR36, "tenant", auth.Claims{}), status: 200},
		"lower-case scheme":      {token: strings.Replace(w.token(auth.ES256K, "tenant", auth.Claims{}), "Bearer", "bearer", 1), status: 200},
		"another's token":        {token: w.token(auth.ES256K, "stranger", auth.Claims{}), status: 404},
		"expired":                {token: w.token(auth.ES256K, "tenant", old), status: 401, message: "JWT is expired"},
		"expired, open route":    {token: w.token(auth.ES256KADR36, "tenant", old), path: "/status", status: 401, message: "JWT is expired"},
		"not yet valid":          {token: w.token(auth.ES256K, "tenant", soon), status: 400, message: "JWT has invalid claims"},
		"bad signature":          {token: tamper(w.token(auth.ES256K, "tenant", auth.Claims{})), status: 401, message: "JWT is invalid"},
		"bad signature, ADR36":   {token: tamper(w.token(auth.ES256KADR36, "tenant", auth.Claims{})), status: 401, message: "JWT is invalid"},
		"issuer without key":     {token: w.token(auth.ES256K, "silent", auth.Claims{}), status: 401, message: "JWT is invalid"},
		"no token":               {token: "Bearer", status: 400, message: "invalid authorization header"},
		"other scheme":           {token: "Basic abc", status: 400, message: "invalid authorization header"},
		"nonsense":               {token: "Bearer a.b.c", status: 401, message: "JWT is invalid"},
		"scope":                  {token: w.token(auth.ES256K, "tenant", scoped(auth.ScopeStatus)), status: 200},
		"wrong scope":            {token: w.token(auth.ES256K, "tenant", scoped(auth.ScopeLogs)), status: 401, message: "unauthorized access"},
		"deployment":             {token: w.token(auth.ES256K, "tenant", granular(auth.Deployment{DSeq: 5, Scope: []auth.Scope{auth.ScopeStatus}})), status: 200},
		"other deployment":       {token: w.token(auth.ES256K, "tenant", granular(auth.Deployment{DSeq: 6, Scope: []auth.Scope{auth.ScopeStatus}})), status: 401},
		"other group":            {token: w.token(auth.ES256K, "tenant", granular(auth.Deployment{DSeq: 5, GSeq: 2, Scope: []auth.Scope{auth.ScopeStatus}})), status: 401},
		"other provider":         {token: w.token(auth.ES256K, "tenant", auth.Claims{Leases: auth.Leases{Access: auth.AccessGranular, Permissions: []auth.Permission{{Provider: w.tenant, Access: auth.AccessFull}}}}), status: 401},
		"service":                {token: w.token(auth.ES256K, "tenant", granular(auth.Deployment{DSeq: 5, Scope: []auth.Scope{auth.ScopeStatus}, Services: []string{"web"}})), path: "/lease/5/1/1/service/web/status", status: 200},
		"wrong service":          {token: w.token(auth.ES256K, "tenant", granular(auth.Deployment{DSeq: 5, Scope: []auth.Scope{auth.ScopeStatus}, Services: []string{"db"}})), path: "/lease/5/1/1/service/web/status", status: 401},
		"logs of wrong service":  {token: w.token(auth.ES256K, "tenant", granular(auth.Deployment{DSeq: 5, Scope: []auth.Scope{auth.ScopeLogs}, Services: []string{"db"}})), path: "/lease/5/1/1/logs?service=web", status: 401},
		"shell of wrong service": {token: w.token(auth.ES256K, "tenant", granular(auth.Deployment{DSeq: 5, Scope: []auth.Scope{auth.ScopeShell}, Services: []string{"db"}})), path: "/lease/5/1/1/shell?cmd0=sh&service=web&podIndex=0&tty=0&stdin=0", status: 401},
		"no such service":        {token: w.token(auth.ES256K, "tenant", auth.Claims{}), path: "/lease/5/1/1/service/nope/status", status: 404, message: "no such service"},
		"no such lease":          {token: w.token(auth.ES256K, "tenant", auth.Claims{}), path: "/lease/5/1/9/manifest", status: 404, message: "lease not found"},
		"not a lease":            {token: w.token(auth.ES256K, "tenant", auth.Claims{}), path: "/lease/x/1/1/status", status: 400},
		"logs, bad query":        {token: w.token(auth.ES256K, "tenant", auth.Claims{}), path: "/lease/5/1/1/logs?service=web,", status: 400, message: "trailing comma"},
		"logs, bad tail":         {token: w.token(auth.ES256K, "tenant", auth.Claims{}), path: "/lease/5/1/1/logs?tail=-2", status: 400, message: `parameter "tail" contains invalid value`},
	} {
		t.Run(name, func(t *testing.T) {
			path := c.path
			if path == "" {
				path = "/lease/5/1/1/status"
			}
			status, typ, body := w.raw("GET", path, c.token, c.cert, nil)
			if status != c.status || !strings.Contains(body, c.message) {
				t.Fatalf("got %d %q, want %d with %q", status, body, c.status, c.message)
			}
			if status == 401 || (status == 400 && strings.Contains(body, "JWT")) {
				var m map[string]string
				if typ != "application/json" || json.Unmarshal([]byte(body), &m) != nil || m["message"] == "" {
					t.Errorf("content type %q, body %q", typ, body)
				}
			}
		})
	}
	// A certificate revoked while the chain can't be asked isn't guessed about; nor is a token.
	w.chain.do(func() { w.chain.down = true })
	if s, _, body := w.raw("GET", "/lease/5/1/1/status", "", foreign, nil); s != 404 && s != 500 {
		t.Errorf("node down, known certificate: %d %s", s, body)
	}
	if s, _, body := w.raw("GET", "/lease/5/1/1/status", w.token(auth.ES256K, "silent", auth.Claims{}), nil, nil); s != 500 || !strings.Contains(body, "unknown error while processing JWT") {
		t.Errorf("node down, unknown issuer: %d %s", s, body)
	}
}

func TestManifestIsCheckedAgainstTheChain(t *testing.T) {
	w := newWorld(t)
	w.startReady()
	s := w.sdl("hi")
	order := w.chain.deploy(w.tenant, 5, s.Groups(), s.Hash())
	w.wait("bid", func() bool { return w.bid(order) != nil })
	body, _ := s.Manifest().JSON()
	token := w.token(auth.ES256K, "tenant", auth.Claims{})
	put := func(name string, dseq string, body []byte, status int, text string) {
		t.Helper()
		if got, _, answer := w.raw("PUT", "/deployment/"+dseq+"/manifest", token, nil, body); got != status || !strings.Contains(answer, text) {
			t.Errorf("%s: got %d %q, want %d with %q", name, got, answer, status, text)
		}
	}
	put("before the lease", "5", body, 404, "no lease for deployment")
	id := w.chain.lease(order)
	put("no deployment", "6", body, 404, "no lease for deployment")
	put("not a number", "x", body, 400, "dseq")
	put("not JSON", "5", []byte("{"), 422, "")
	put("empty", "5", []byte("[]"), 422, "invalid manifest")
	other, _ := w.sdl("other").Manifest().JSON()
	put("another's hash", "5", other, 422, "manifest version validation failed")
	put("too large", "5", bytes.Repeat([]byte(" "), 1<<20+1), 413, "larger")
	// The hash is right, but it isn't what was bought.
	more := w.sdl("hi").Manifest()
	more[0].Services[0].Count = 2
	raw, _ := more.JSON()
	hash, _ := more.Hash()
	w.chain.do(func() { w.chain.deployments[id.DeploymentID().String()].Deployment.Hash = hash })
	put("more than bought", "5", raw, 422, "over-utilized")
	if _, ok := w.running(id); ok {
		t.Fatal("something runs")
	}
	w.chain.do(func() { w.chain.deployments[id.DeploymentID().String()].Deployment.Hash = s.Hash() })

	// A host name that another tenant has.
	mallory := newKey(t, w.keys, "mallory")
	rec, _ := w.keys.Key("mallory")
	key, _ := rec.GetPubKey()
	w.chain.do(func() { w.chain.keys[mallory] = key })
	put("right", "5", body, 200, "")
	order2 := w.chain.deploy(mallory, 9, s.Groups(), s.Hash())
	w.wait("bid", func() bool { return w.bid(order2) != nil })
	w.chain.lease(order2)
	token = w.token(auth.ES256K, "mallory", auth.Claims{})
	put("host in use", "9", body, 422, `host "shop.test" in use`)

	// The provider's node is down: that is said, and nothing is guessed.
	token = w.token(auth.ES256K, "tenant", auth.Claims{})
	w.chain.do(func() { w.chain.down = true })
	put("node down", "5", body, 503, "")
}

// A lease that is closed in the very moment its manifest arrives ends removed, whichever is first.
func TestManifestAndCloseAtOnce(t *testing.T) {
	w := newWorld(t)
	w.startReady()
	for dseq := uint64(1); dseq <= 8; dseq++ {
		s := w.sdl("hi")
		order := w.chain.deploy(w.tenant, dseq, s.Groups(), s.Hash())
		w.wait("bid", func() bool { return w.bid(order) != nil })
		id := w.chain.lease(order)
		body, _ := s.Manifest().JSON()
		c := w.byToken(auth.Claims{})
		done := make(chan error, 1)
		go func() { done <- c.PutManifest(context.Background(), dseq, body) }()
		if dseq%2 == 0 {
			time.Sleep(time.Duration(dseq) * time.Millisecond)
		}
		w.chain.closeLease(id)
		if err := <-done; err != nil && !strings.Contains(err.Error(), "404") {
			t.Errorf("%d: %v", dseq, err)
		}
		w.wait("gone", func() bool {
			_, ok := w.running(id)
			return !ok && w.visit(w.host(id)) == 404
		})
	}
	w.wait("no room held", func() bool {
		_, _, body := w.raw("GET", "/status", "", nil, nil)
		return strings.Contains(body, `"available":{"cpu":4000`) && strings.Contains(body, `"leases":0`)
	})
}

func (w *world) dial(path string) (*websocket.Conn, error) {
	hc := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	u := url.URL{Scheme: "wss", Host: w.cfg.GatewayListen}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	c, _, err := websocket.Dial(ctx, u.String()+path, &websocket.DialOptions{HTTPClient: hc, HTTPHeader: http.Header{"Authorization": {w.token(auth.ES256K, "tenant", auth.Claims{})}}})
	return c, err
}

func TestStreams(t *testing.T) {
	w := newWorld(t)
	w.startReady()
	w.deploy(5)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	read := func(path string) (frames []string, code websocket.StatusCode) {
		t.Helper()
		c, err := w.dial(path)
		if err != nil {
			t.Fatal(err)
		}
		defer c.CloseNow()
		for {
			_, b, err := c.Read(ctx)
			if err != nil {
				return frames, websocket.CloseStatus(err)
			}
			frames = append(frames, string(b))
		}
	}
	if f, code := read("/lease/5/1/1/logs?services=web"); len(f) != 3 || f[0] != `{"name":"web-0","message":"line 0"}` || code != 1000 {
		t.Errorf("logs: %q, close %d", f, code)
	}
	if f, code := read("/lease/5/1/1/logs?service=db"); len(f) != 0 || code != 1000 {
		t.Errorf("logs of another service: %q, close %d", f, code)
	}
	if f, code := read("/lease/5/1/2/logs"); len(f) != 0 || code != 4001 {
		t.Errorf("logs of no lease: %q, close %d", f, code)
	}
	f, code := read("/lease/5/1/1/kubeevents")
	var ev map[string]any
	if len(f) != 1 || json.Unmarshal([]byte(f[0]), &ev) != nil || ev["type"] != "Normal" || ev["reason"] != "Started" || ev["object"].(map[string]any)["kind"] != "Pod" || code != 1000 {
		t.Errorf("events: %q, close %d", f, code)
	}

	shell := func(query string, typed string) (out string, end string) {
		t.Helper()
		c, err := w.dial("/lease/5/1/1/shell?" + query)
		if err != nil {
			t.Fatal(err)
		}
		defer c.CloseNow()
		if typed != "" {
			_ = c.Write(ctx, websocket.MessageBinary, []byte{105, 0, 80, 0, 24})
			_ = c.Write(ctx, websocket.MessageText, []byte("ignored"))
			_ = c.Write(ctx, websocket.MessageBinary, append([]byte{104}, typed...))
		}
		for {
			typ, b, err := c.Read(ctx)
			if err != nil {
				return out, end
			}
			if typ != websocket.MessageBinary {
				t.Errorf("a frame of type %v", typ)
			}
			switch b[0] {
			case 100:
				out += string(b[1:])
			case 101:
				out += "[" + string(b[1:]) + "]"
			default:
				end = string(rune(b[0])) + string(b[1:])
			}
		}
	}
	out, end := shell("cmd0=echo&cmd1=a+b&service=web&podIndex=0&tty=0&stdin=0", "")
	if out != "web-0 [echo a b]\n[err]" || end != "f{\"exit_code\":7}\n" { // f is 102
		t.Errorf("shell: %q, end %q", out, end)
	}
	if out, _ := shell("cmd0=cat&service=web&podIndex=0&tty=1&stdin=1", "typed"); !strings.Contains(out, "got typed80x24") {
		t.Errorf("shell with input: %q", out)
	}
	if _, end := shell("cmd0=missing&service=web&podIndex=0&tty=0&stdin=0", ""); !strings.Contains(end, "command could not be executed because it does not exist") {
		t.Errorf("missing command: %q", end)
	}
	if _, end := shell("cmd0=sh&service=web&podIndex=3&tty=0&stdin=0", ""); !strings.Contains(end, "pod index out of range: valid range is [0, 0]") {
		t.Errorf("pod out of range: %q", end)
	}
	if _, err := w.dial("/lease/5/1/1/shell?cmd0=sh&service=web&podIndex=0&tty=2&stdin=0"); err == nil || !strings.Contains(err.Error(), "400") {
		t.Errorf("bad query: %v", err)
	}

	// Too many streams at once are refused, and their number goes down again.
	var open []*websocket.Conn
	refused := false
	for range 40 {
		c, err := w.dial("/lease/5/1/1/shell?cmd0=cat&service=web&podIndex=0&tty=0&stdin=1")
		if err != nil {
			refused = strings.Contains(err.Error(), "429")
			break
		}
		open = append(open, c)
	}
	if !refused || len(open) != 32 {
		t.Errorf("%d streams, refused %v", len(open), refused)
	}
	for _, c := range open {
		_ = c.CloseNow()
	}
	w.wait("streams free", func() bool {
		c, err := w.dial("/lease/5/1/1/logs")
		if err == nil {
			_ = c.CloseNow()
		}
		return err == nil
	})
}

func TestGRPC(t *testing.T) {
	w := newWorld(t)
	w.startReady()
	conn, err := grpc.NewClient(w.cfg.GRPCListen,
		grpc.WithTransportCredentials(credentials.NewTLS(&tls.Config{InsecureSkipVerify: true})),
		grpc.WithDefaultCallOptions(grpc.ForceCodec(codec.NewProtoCodec(codectypes.NewInterfaceRegistry()).GRPCCodec())))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	c := providerrpc.NewProviderRPCClient(conn)
	st, err := c.GetStatus(ctx, &gogo.Empty{})
	if err != nil {
		t.Fatal(err)
	}
	cpu := st.Cluster.Inventory.Cluster.Nodes[0].Resources.CPU.Quantity
	if cpu.Allocatable.String_ != "4" || cpu.Allocated.String_ != "0" || st.PublicHostnames[0] != "localhost" || st.Timestamp.IsZero() {
		t.Errorf("status %+v", st)
	}
	stream, err := c.StreamStatus(ctx, &gogo.Empty{})
	if err != nil {
		t.Fatal(err)
	}
	if first, err := stream.Recv(); err != nil || first.Cluster.Leases.Active != 0 {
		t.Fatalf("%+v %v", first, err)
	}
	w.deploy(5)
	for {
		next, err := stream.Recv()
		if err != nil {
			t.Fatal(err)
		}
		if next.Cluster.Leases.Active == 1 && next.Cluster.Inventory.Reservations.Active.Resources.CPU.String_ == "500m" {
			break
		}
	}
	spec := w.sdl("hi").Groups()[0]
	yes, err := c.BidScreening(ctx, &providerrpc.BidScreeningRequest{GroupSpec: &spec})
	if err != nil || !yes.Passed || yes.Price == nil || yes.Price.Denom != "uact" || len(yes.ResourceOffers) != 1 {
		t.Errorf("screening: %+v %v", yes, err)
	}
	spec.Resources[0].Count = 40
	spec.Requirements.Attributes[0].Value = "elsewhere"
	no, err := c.BidScreening(ctx, &providerrpc.BidScreeningRequest{GroupSpec: &spec, Hostnames: []string{"shop.test"}})
	if err != nil || no.Passed || len(no.Reasons) < 2 {
		t.Errorf("screening: %+v %v", no, err)
	}
	if _, err := c.BidScreening(ctx, &providerrpc.BidScreeningRequest{}); err == nil {
		t.Error("screened nothing")
	}
}
