package auth

import (
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/cosmos/cosmos-sdk/codec"
	codectypes "github.com/cosmos/cosmos-sdk/codec/types"
	cryptocodec "github.com/cosmos/cosmos-sdk/crypto/codec"
	"github.com/cosmos/cosmos-sdk/crypto/hd"
	"github.com/cosmos/cosmos-sdk/crypto/keyring"
	cryptotypes "github.com/cosmos/cosmos-sdk/crypto/types"
	"github.com/cosmos/cosmos-sdk/types/tx/signing"
)

// A key that everybody knows: the twelve-word test vector of BIP-39.
const words = "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about"

func keys(t testing.TB) (keyring.Keyring, string, cryptotypes.PubKey) {
	t.Helper()
	registry := codectypes.NewInterfaceRegistry()
	cryptocodec.RegisterInterfaces(registry)
	kr := keyring.NewInMemory(codec.NewProtoCodec(registry))
	if _, err := kr.NewAccount("me", words, "", hd.CreateHDPath(118, 0, 0).String(), hd.Secp256k1); err != nil {
		t.Fatal(err)
	}
	rec, err := record(kr, "me")
	if err != nil {
		t.Fatal(err)
	}
	addr, _ := rec.GetAddress()
	pub, _ := rec.GetPubKey()
	return kr, addr.String(), pub
}

var now = time.Unix(1_700_000_000, 0)

// sign makes a token of any header and claims.
func sign(t testing.TB, kr keyring.Keyring, alg Algorithm, issuer, head, body string) string {
	t.Helper()
	b64 := base64.RawURLEncoding
	text := b64.EncodeToString([]byte(head)) + "." + b64.EncodeToString([]byte(body))
	doc, err := signDoc(alg, issuer, text)
	if err != nil {
		t.Fatal(err)
	}
	sig, _, err := kr.Sign("me", doc, signing.SignMode_SIGN_MODE_DIRECT)
	if err != nil {
		t.Fatal(err)
	}
	return text + "." + b64.EncodeToString(sig)
}

func TestTokenThereAndBack(t *testing.T) {
	kr, addr, pub := keys(t)
	for _, alg := range []Algorithm{ES256K, ES256KADR36} {
		want := Claims{ID: "x", IssuedAt: now, Leases: Leases{Access: AccessGranular, Permissions: []Permission{
			{Provider: "akash1p", Access: AccessGranular, Deployments: []Deployment{{DSeq: 7, GSeq: 1, Scope: []Scope{ScopeLogs}, Services: []string{"web"}}}},
		}}}
		token, err := IssueWith(alg, kr, addr, want)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Verify(token, func(string) (cryptotypes.PubKey, error) { return pub, nil }, now)
		if err != nil {
			t.Fatalf("%s: %v", alg, err)
		}
		if got.Issuer != addr || got.ID != "x" || !got.ExpiresAt.Equal(now.Add(DefaultLifetime)) || got.Leases.Permissions[0].Deployments[0].DSeq != 7 {
			t.Errorf("%s: got %+v", alg, got)
		}
		if _, err := Verify(token, func(string) (cryptotypes.PubKey, error) { return pub, nil }, now.Add(DefaultLifetime)); !errors.Is(err, ErrExpired) || errors.Is(err, ErrClaims) {
			t.Errorf("%s: when expired: %v", alg, err)
		}
		if _, err := Verify(token, func(string) (cryptotypes.PubKey, error) { return pub, nil }, now.Add(-time.Minute)); !errors.Is(err, ErrClaims) {
			t.Errorf("%s: before its time: %v", alg, err)
		}
		broken := token[:len(token)-3] + strings.Map(func(r rune) rune {
			if r == 'A' {
				return 'Q'
			}
			return 'A'
		}, token[len(token)-3:len(token)-2]) + token[len(token)-2:]
		if _, err := Verify(broken, func(string) (cryptotypes.PubKey, error) { return pub, nil }, now); !errors.Is(err, ErrBadSignature) {
			t.Errorf("%s: changed signature: %v", alg, err)
		}
	}
}

// TestTokenVectors fixes what is written: the signature is deterministic, so a change of
// the text or of the signed bytes shows.
func TestSignedBytes(t *testing.T) {
	doc, err := signDoc(ES256KADR36, "akash1abc", "a.b")
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"account_number":"0","chain_id":"","fee":{"amount":[],"gas":"0"},"memo":"","msgs":[{"type":"sign/MsgSignData","value":{"data":"YS5i","signer":"akash1abc"}}],"sequence":"0"}`
	if string(doc) != want {
		t.Errorf("got  %s\nwant %s", doc, want)
	}
	kr, _, _ := keys(t)
	token, err := Issue(kr, "me", Claims{IssuedAt: now})
	if err != nil {
		t.Fatal(err)
	}
	body, _ := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1])
	var m map[string]any
	if err := json.Unmarshal(body, &m); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"iss", "iat", "nbf", "exp", "version", "leases"} {
		if _, ok := m[name]; !ok {
			t.Errorf("%s is missing in %s", name, body)
		}
	}
	if len(m) != 6 {
		t.Errorf("extra claims in %s", body)
	}
}

func TestClaimRules(t *testing.T) {
	kr, addr, pub := keys(t)
	head := `{"alg":"ES256K","typ":"JWT"}`
	std := `"iss":"` + addr + `","iat":1700000000,"nbf":1700000000,"exp":1700000900,"version":"v1"`
	full := `,"leases":{"access":"full"}`
	granular := func(p string) string { return `,"leases":{"access":"granular","permissions":[` + p + `]}` }
	deployment := func(d string) string {
		return granular(`{"provider":"akash1p","access":"granular","deployments":[` + d + `]}`)
	}
	for _, c := range []struct {
		name, body string
		want       error
	}{
		{"full", std + full, nil},
		{"jti", std + `,"jti":"a"` + full, nil},
		{"scoped", std + `,"leases":{"access":"scoped","scope":["logs","shell"]}`, nil},
		{"all scopes", std + `,"leases":{"access":"scoped","scope":["send-manifest","get-manifest","logs","shell","events","status","restart","hostname-migrate","ip-migrate","attestation"]}`, nil},
		{"granular", std + granular(`{"provider":"akash1p","access":"full"},{"provider":"akash1q","access":"scoped","scope":["logs"]}`), nil},
		{"deployment", std + deployment(`{"dseq":1,"gseq":1,"oseq":1,"scope":["logs"],"services":["web"]}`), nil},
		{"deployment, no seqs", std + deployment(`{"dseq":1,"scope":["logs"]}`), nil},

		{"extra claim", std + `,"aud":"x"` + full, ErrClaims},
		{"extra in leases", std + `,"leases":{"access":"full","x":1}`, ErrClaims},
		{"no leases", std, ErrClaims},
		{"no exp", strings.Replace(std, `,"exp":1700000900`, "", 1) + full, ErrClaims},
		{"no nbf", strings.Replace(std, `,"nbf":1700000000`, "", 1) + full, ErrClaims},
		{"no iat", strings.Replace(std, `,"iat":1700000000`, "", 1) + full, ErrClaims},
		{"no version", strings.Replace(std, `,"version":"v1"`, "", 1) + full, ErrClaims},
		{"version", strings.Replace(std, `"v1"`, `"v2"`, 1) + full, ErrClaims},
		{"exp as text", strings.Replace(std, `1700000900`, `"1700000900"`, 1) + full, ErrClaims},
		{"exp as fraction", strings.Replace(std, `1700000900`, `1700000900.5`, 1) + full, ErrClaims},
		{"exp before nbf", strings.Replace(std, `1700000900`, `1600000000`, 1) + full, ErrClaims},
		{"full with scope", std + `,"leases":{"access":"full","scope":["logs"]}`, ErrClaims},
		{"full with permissions", std + `,"leases":{"access":"full","permissions":[{"provider":"akash1p","access":"full"}]}`, ErrClaims},
		{"unknown access", std + `,"leases":{"access":"root"}`, ErrClaims},
		{"scoped, none", std + `,"leases":{"access":"scoped"}`, ErrClaims},
		{"scoped, empty", std + `,"leases":{"access":"scoped","scope":[]}`, ErrClaims},
		{"scoped, unknown", std + `,"leases":{"access":"scoped","scope":["all"]}`, ErrClaims},
		{"scoped, twice", std + `,"leases":{"access":"scoped","scope":["logs","logs"]}`, ErrClaims},
		{"scoped with permissions", std + `,"leases":{"access":"scoped","scope":["logs"],"permissions":[]}`, ErrClaims},
		{"granular, none", std + `,"leases":{"access":"granular"}`, ErrClaims},
		{"granular, empty", std + granular(""), ErrClaims},
		{"granular with scope", std + `,"leases":{"access":"granular","scope":["logs"],"permissions":[{"provider":"akash1p","access":"full"}]}`, ErrClaims},
		{"provider twice", std + granular(`{"provider":"akash1p","access":"full"},{"provider":"akash1p","access":"full"}`), ErrClaims},
		{"provider empty", std + granular(`{"provider":"","access":"full"}`), ErrClaims},
		{"permission, unknown access", std + granular(`{"provider":"akash1p","access":"x"}`), ErrClaims},
		{"permission full with scope", std + granular(`{"provider":"akash1p","access":"full","scope":["logs"]}`), ErrClaims},
		{"permission scoped, none", std + granular(`{"provider":"akash1p","access":"scoped"}`), ErrClaims},
		{"permission granular, none", std + granular(`{"provider":"akash1p","access":"granular"}`), ErrClaims},
		{"dseq 0", std + deployment(`{"dseq":0,"scope":["logs"]}`), ErrClaims},
		{"dseq as text", std + deployment(`{"dseq":"1","scope":["logs"]}`), ErrClaims},
		{"oseq without gseq", std + deployment(`{"dseq":1,"oseq":1,"scope":["logs"]}`), ErrClaims},
		{"deployment without scope", std + deployment(`{"dseq":1}`), ErrClaims},
		{"services empty", std + deployment(`{"dseq":1,"scope":["logs"],"services":[]}`), ErrClaims},
		{"service empty", std + deployment(`{"dseq":1,"scope":["logs"],"services":[""]}`), ErrClaims},
		{"service twice", std + deployment(`{"dseq":1,"scope":["logs"],"services":["a","a"]}`), ErrClaims},
		{"not an object", ``, ErrClaims},
	} {
		token := sign(t, kr, ES256K, addr, head, "{"+c.body+"}")
		if c.body == "" {
			token = sign(t, kr, ES256K, addr, head, "[]")
			c.want = ErrMalformed
		}
		_, err := Verify(token, func(string) (cryptotypes.PubKey, error) { return pub, nil }, now)
		if !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", c.name, err, c.want)
		}
		// A foreign signature is found before any claim is looked at.
		if c.want != ErrMalformed {
			_, err = Verify(token, func(string) (cryptotypes.PubKey, error) { return nil, ErrUnknownIssuer }, now)
			if !errors.Is(err, ErrBadSignature) {
				t.Errorf("%s, issuer unknown: %v", c.name, err)
			}
		}
	}
	for name, token := range map[string]string{
		"empty": "", "two parts": "a.b", "four parts": "a.b.c.d", "not base64": "!.!.!",
		"none":    sign(t, kr, ES256K, addr, `{"alg":"none"}`, `{}`),
		"hs256":   sign(t, kr, ES256K, addr, `{"alg":"HS256"}`, `{}`),
		"no alg":  sign(t, kr, ES256K, addr, `{}`, `{}`),
		"newline": "YQ.YQ\n.YQ",
		"long":    strings.Repeat("a", maxToken+1),
	} {
		if _, err := Verify(token, func(string) (cryptotypes.PubKey, error) { return pub, nil }, now); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// The other algorithm's signature doesn't pass.
	token := sign(t, kr, ES256KADR36, addr, head, "{"+std+full+"}")
	if _, err := Verify(token, func(string) (cryptotypes.PubKey, error) { return pub, nil }, now); !errors.Is(err, ErrBadSignature) {
		t.Errorf("swapped algorithm: %v", err)
	}
	down := errors.New("node down")
	if _, err := Verify(sign(t, kr, ES256K, addr, head, "{"+std+full+"}"), func(string) (cryptotypes.PubKey, error) { return nil, down }, now); !errors.Is(err, down) || errors.Is(err, ErrBadSignature) {
		t.Errorf("look-up fails: %v", err)
	}
}

func TestAllows(t *testing.T) {
	granular := Claims{Leases: Leases{Access: AccessGranular, Permissions: []Permission{
		{Provider: "p", Access: AccessGranular, Deployments: []Deployment{
			{DSeq: 1, Scope: []Scope{ScopeStatus}},
			{DSeq: 2, GSeq: 1, OSeq: 3, Scope: []Scope{ScopeLogs, ScopeStatus}, Services: []string{"web"}},
		}},
		{Provider: "q", Access: AccessScoped, Scope: []Scope{ScopeShell}},
		{Provider: "r", Access: AccessFull},
	}}}
	scoped := Claims{Leases: Leases{Access: AccessScoped, Scope: []Scope{ScopeLogs}}}
	for _, c := range []struct {
		name string
		got  bool
		want bool
	}{
		{"full", Claims{Leases: Leases{Access: AccessFull}}.Allows("x", ScopeShell, 9, 1, 1, ""), true},
		{"zero", Claims{}.Allows("x", ScopeShell, 9, 1, 1, ""), false},
		{"scoped", scoped.Allows("x", ScopeLogs, 9, 1, 1, ""), true},
		{"scoped, other", scoped.Allows("x", ScopeShell, 9, 1, 1, ""), false},
		{"scoped, any", scoped.Allows("x", "", 9, 1, 1, ""), true},
		{"other provider", granular.Allows("x", ScopeStatus, 1, 1, 1, ""), false},
		{"deployment", granular.Allows("p", ScopeStatus, 1, 1, 1, ""), true},
		{"deployment, other scope", granular.Allows("p", ScopeLogs, 1, 1, 1, ""), false},
		{"other deployment", granular.Allows("p", ScopeStatus, 3, 1, 1, ""), false},
		{"service", granular.Allows("p", ScopeLogs, 2, 1, 3, "web"), true},
		{"other service", granular.Allows("p", ScopeLogs, 2, 1, 3, "db"), false},
		{"all services", granular.Allows("p", ScopeLogs, 2, 1, 3, ""), false},
		{"status of all", granular.Allows("p", ScopeStatus, 2, 1, 3, ""), true},
		{"other group", granular.Allows("p", ScopeLogs, 2, 2, 3, "web"), false},
		{"other order", granular.Allows("p", ScopeLogs, 2, 1, 4, "web"), false},
		{"whole deployment", granular.Allows("p", ScopeStatus, 2, 0, 0, ""), true},
		{"scoped permission", granular.Allows("q", ScopeShell, 5, 1, 1, ""), true},
		{"full permission", granular.Allows("r", ScopeShell, 5, 1, 1, ""), true},
		{"provider", granular.AllowsProvider("q"), true},
		{"foreign provider", granular.AllowsProvider("z"), false},
	} {
		if c.got != c.want {
			t.Errorf("%s: %v", c.name, c.got)
		}
	}
}

func TestCertificates(t *testing.T) {
	kr, addr, _ := keys(t)
	made := time.Now()
	certPEM, pubPEM, keyPEM, err := NewCertificate(addr, []string{"provider.example.com", "127.0.0.1"}, made)
	if err != nil {
		t.Fatal(err)
	}
	block, rest := pem.Decode(certPEM)
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil || len(rest) != 0 || block.Type != "CERTIFICATE" {
		t.Fatal(block.Type, rest, err)
	}
	if block, rest := pem.Decode(pubPEM); len(rest) != 0 || block.Type != "EC PUBLIC KEY" {
		t.Error(block.Type, rest)
	} else if pub, err := x509.ParsePKIXPublicKey(block.Bytes); err != nil || !cert.PublicKey.(*ecdsa.PublicKey).Equal(pub) {
		t.Error(err)
	}
	if cert.Subject.CommonName != addr || cert.Issuer.CommonName != addr || cert.IsCA || !cert.BasicConstraintsValid ||
		cert.SerialNumber.Int64() != made.UnixNano() || len(cert.DNSNames) != 1 || len(cert.IPAddresses) != 1 || !cert.PermittedDNSDomainsCritical ||
		cert.KeyUsage != x509.KeyUsageDataEncipherment|x509.KeyUsageKeyEncipherment || len(cert.ExtKeyUsage) != 2 {
		t.Errorf("%+v", cert)
	}
	onChain := func(pem []byte, valid bool, err error) func(string, string) ([]byte, bool, error) {
		return func(owner, serial string) ([]byte, bool, error) {
			if owner != addr || serial != cert.SerialNumber.String() {
				t.Errorf("asked for %s/%s", owner, serial)
			}
			return pem, valid, err
		}
	}
	later := made.Add(time.Hour)
	if owner, err := VerifyPeer(cert, onChain(certPEM, true, nil), later, x509.ExtKeyUsageServerAuth); err != nil || owner != addr {
		t.Errorf("valid: %q %v", owner, err)
	}
	down := errors.New("down")
	other, _, _, _ := NewCertificate(addr, nil, made)
	client, _, _, _ := NewCertificate(addr, nil, made)
	for name, c := range map[string]struct {
		lookup func(string, string) ([]byte, bool, error)
		at     time.Time
		usage  x509.ExtKeyUsage
		want   error
	}{
		"unknown":  {onChain(nil, false, nil), later, x509.ExtKeyUsageServerAuth, ErrCertificateUnknown},
		"revoked":  {onChain(certPEM, false, nil), later, x509.ExtKeyUsageServerAuth, ErrCertificateRevoked},
		"down":     {onChain(nil, false, down), later, x509.ExtKeyUsageServerAuth, down},
		"expired":  {onChain(certPEM, true, nil), later.Add(CertificateLifetime), x509.ExtKeyUsageServerAuth, ErrCertificate},
		"early":    {onChain(certPEM, true, nil), made.Add(-time.Hour), x509.ExtKeyUsageServerAuth, ErrCertificate},
		"usage":    {onChain(certPEM, true, nil), later, x509.ExtKeyUsageCodeSigning, ErrCertificate},
		"replaced": {onChain(other, true, nil), later, x509.ExtKeyUsageServerAuth, ErrCertificate},
		"garbage":  {onChain([]byte("x"), true, nil), later, x509.ExtKeyUsageServerAuth, ErrCertificate},
	} {
		if _, err := VerifyPeer(cert, c.lookup, c.at, c.usage); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	b, _ := pem.Decode(client)
	onlyClient, _ := x509.ParseCertificate(b.Bytes)
	if _, err := VerifyPeer(onlyClient, func(string, string) ([]byte, bool, error) { return client, true, nil }, later, x509.ExtKeyUsageServerAuth); !errors.Is(err, ErrCertificate) {
		t.Errorf("a client's certificate serves: %v", err)
	}

	home := t.TempDir()
	path, err := WriteKeyFile(kr, "me", home, certPEM, keyPEM)
	if err != nil || path != KeyFile(home, addr) {
		t.Fatal(path, err)
	}
	if st, _ := os.Stat(path); st.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", st.Mode())
	}
	data, _ := os.ReadFile(path)
	if !strings.Contains(string(data), "DEK-Info: AES-256-CBC") {
		t.Errorf("not encrypted:\n%s", data)
	}
	got, err := ReadKeyFile(kr, addr, home)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tls.X509KeyPair(certPEM, keyPEM); err != nil || !got.Leaf.Equal(cert) {
		t.Error(err)
	}
	// Another account's key doesn't open it.
	if _, _, err := kr.NewMnemonic("you", keyring.English, hd.CreateHDPath(118, 0, 0).String(), "", hd.Secp256k1); err != nil {
		t.Fatal(err)
	}
	rec, _ := record(kr, "you")
	you, _ := rec.GetAddress()
	if err := os.WriteFile(KeyFile(home, you.String()), data, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadKeyFile(kr, "you", home); err == nil {
		t.Error("a foreign key opened the file")
	}
}

func FuzzParse(f *testing.F) {
	kr, addr, _ := keys(f)
	good, err := Issue(kr, "me", Claims{IssuedAt: now})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add(sign(f, kr, ES256K, addr, `{"alg":"ES256K"}`, `{"iss":null,"leases":{"access":"granular","permissions":[{"deployments":[{}]}]}}`))
	f.Add("..")
	f.Fuzz(func(t *testing.T, token string) {
		claims, err := Parse(token)
		if err == nil {
			if claims.validate() != nil {
				t.Errorf("accepted but invalid: %q", token)
			}
			claims.Allows("p", ScopeLogs, 1, 1, 1, "web")
			return
		}
		if !errors.Is(err, ErrMalformed) && !errors.Is(err, ErrClaims) {
			t.Errorf("%q: %v", token, err)
		}
	})
}
