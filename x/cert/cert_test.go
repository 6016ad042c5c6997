package cert_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"testing"
	"time"

	"cosmossdk.io/errors"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/cosmos/cosmos-sdk/runtime"
	storetypes "github.com/cosmos/cosmos-sdk/store/v2/types"
	"github.com/cosmos/cosmos-sdk/testutil"
	sdk "github.com/cosmos/cosmos-sdk/types"
	moduletestutil "github.com/cosmos/cosmos-sdk/types/module/testutil"
	"github.com/cosmos/cosmos-sdk/types/query"

	certv1 "github.com/akash-supercloud/akash/api/akash/cert/v1"
	"github.com/akash-supercloud/akash/x/cert"
)

func setup(t *testing.T) (sdk.Context, *cert.Keeper, cert.AppModule, moduletestutil.TestEncodingConfig) {
	t.Helper()
	key := storetypes.NewKVStoreKey(cert.StoreKey)
	ctx := testutil.DefaultContextWithDB(t, key, storetypes.NewTransientStoreKey("t")).Ctx
	enc := moduletestutil.MakeTestEncodingConfig()
	k := cert.NewKeeper(enc.Codec, runtime.NewKVStoreService(key))
	return ctx, k, cert.NewAppModule(k), enc
}

func address(n byte) string { return sdk.AccAddress(bytes.Repeat([]byte{n}, 20)).String() }

// made is a certificate as the tools make it, with the parts that a test may spoil.
type made struct {
	cn     string
	serial *big.Int
	curve  elliptic.Curve
}

func (m made) make(t *testing.T) (certPEM, pubPEM []byte) {
	t.Helper()
	if m.curve == nil {
		m.curve = elliptic.P256()
	}
	key, err := ecdsa.GenerateKey(m.curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: m.serial, Subject: pkix.Name{CommonName: m.cn}, NotBefore: time.Now(), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageDataEncipherment, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		SignatureAlgorithm: x509.ECDSAWithSHA256}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	pub, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	return block("CERTIFICATE", der), block("EC PUBLIC KEY", pub)
}

func block(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

func TestLife(t *testing.T) {
	ctx, k, _, _ := setup(t)
	srv, q := cert.NewMsgServer(k), cert.NewQueryServer(k)
	owner := address(1)
	crt, pub := made{cn: owner, serial: big.NewInt(12345)}.make(t)
	// emitted tells the one event since the last call.
	emitted := func(name string) {
		t.Helper()
		e := ctx.EventManager().Events()
		want := `[{id {"owner":"` + owner + `","serial":"12345"} false}]`
		if len(e) != 1 || e[0].Type != name || fmt.Sprint(e[0].Attributes) != want {
			t.Errorf("events %v, want %s %s", e, name, want)
		}
		ctx = ctx.WithEventManager(sdk.NewEventManager())
	}
	ctx = ctx.WithEventManager(sdk.NewEventManager())
	if _, err := srv.CreateCertificate(ctx, &certv1.MsgCreateCertificate{Owner: owner, Cert: crt, Pubkey: pub}); err != nil {
		t.Fatal(err)
	}
	emitted("akash.events.v1.EventCertificateCreated")
	if _, err := srv.CreateCertificate(ctx, &certv1.MsgCreateCertificate{Owner: owner, Cert: crt, Pubkey: pub}); !errors.IsOf(err, cert.ErrCertificateExists) {
		t.Errorf("again: %v", err)
	}
	id := certv1.ID{Owner: owner, Serial: "12345"}
	count := func(f certv1.CertificateFilter) int {
		res, err := q.Certificates(ctx, &certv1.QueryCertificatesRequest{Filter: f})
		if err != nil {
			t.Fatal(err)
		}
		return len(res.Certificates)
	}
	if n := count(certv1.CertificateFilter{Owner: owner, State: "valid"}); n != 1 {
		t.Errorf("%d valid certificates", n)
	}
	if _, err := srv.RevokeCertificate(ctx, &certv1.MsgRevokeCertificate{ID: id}); err != nil {
		t.Fatal(err)
	}
	emitted("akash.events.v1.EventCertificateRevoked")
	for want, f := range map[*certv1.CertificateFilter]int{
		{Owner: owner, State: "valid"}: 0, {Owner: owner, State: "revoked"}: 1, {Owner: owner, Serial: "12345"}: 1, {Serial: "12345"}: 1, {Serial: "1"}: 0,
		{Owner: owner, Serial: "12345", State: "valid"}: 0, {Owner: owner, Serial: "1"}: 0, {Owner: address(2)}: 0, {}: 1, {State: "revoked"}: 1,
	} {
		if n := count(*want); n != f {
			t.Errorf("%+v: %d, want %d", *want, n, f)
		}
	}
	if _, err := srv.RevokeCertificate(ctx, &certv1.MsgRevokeCertificate{ID: id}); !errors.IsOf(err, cert.ErrCertificateAlreadyRevoked) {
		t.Errorf("again: %v", err)
	}
	if _, err := srv.CreateCertificate(ctx, &certv1.MsgCreateCertificate{Owner: owner, Cert: crt, Pubkey: pub}); !errors.IsOf(err, cert.ErrCertificateExists) {
		t.Errorf("a revoked one came back: %v", err)
	}
}

func TestRefusals(t *testing.T) {
	ctx, k, _, _ := setup(t)
	owner := address(1)
	crt, pub := made{cn: owner, serial: big.NewInt(1)}.make(t)
	otherCert, otherPub := made{cn: owner, serial: big.NewInt(2)}.make(t)
	foreign, foreignPub := made{cn: address(2), serial: big.NewInt(3)}.make(t)
	long, longPub := made{cn: owner, serial: new(big.Int).Lsh(big.NewInt(1), 159)}.make(t) // the longest that X.509 has
	sha384, sha384Pub := made{cn: owner, serial: big.NewInt(4), curve: elliptic.P384()}.make(t)
	edPub, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	edDER, err := x509.MarshalPKIXPublicKey(edPub)
	if err != nil {
		t.Fatal(err)
	}
	spoilt, _ := pem.Decode(crt)
	forged := bytes.Clone(spoilt.Bytes)
	forged[len(forged)-1] ^= 1
	for name, c := range map[string]struct {
		owner    string
		crt, pub []byte
		want     error
	}{
		"owner":              {"akash1nobody", crt, pub, cert.ErrInvalidAddress},
		"empty":              {owner, nil, pub, cert.ErrInvalidCertificateValue},
		"no PEM":             {owner, []byte("hello"), pub, cert.ErrInvalidCertificateValue},
		"other block":        {owner, block("PRIVATE KEY", spoilt.Bytes), pub, cert.ErrInvalidCertificateValue},
		"two blocks":         {owner, append(bytes.Clone(crt), otherCert...), pub, cert.ErrInvalidCertificateValue},
		"rest":               {owner, append(bytes.Clone(crt), "x"...), pub, cert.ErrInvalidCertificateValue},
		"not DER":            {owner, block("CERTIFICATE", []byte("hello")), pub, cert.ErrInvalidCertificateValue},
		"forged":             {owner, block("CERTIFICATE", forged), pub, cert.ErrInvalidCertificateValue},
		"foreign":            {owner, foreign, foreignPub, cert.ErrInvalidCertificateValue},
		"large":              {owner, bytes.Repeat([]byte("a"), 9000), pub, cert.ErrInvalidCertificateValue},
		"no key":             {owner, crt, nil, cert.ErrInvalidPubkeyValue},
		"key in wrong block": {owner, crt, crt, cert.ErrInvalidPubkeyValue},
		"key not DER":        {owner, crt, block("EC PUBLIC KEY", []byte("hello")), cert.ErrInvalidPubkeyValue},
		"other key":          {owner, crt, otherPub, cert.ErrInvalidPubkeyValue},
		"ed25519 key":        {owner, crt, block("EC PUBLIC KEY", edDER), cert.ErrInvalidPubkeyValue},
		"large key":          {owner, crt, bytes.Repeat([]byte("a"), 9000), cert.ErrInvalidPubkeyValue},
		"longest serial":     {owner, long, longPub, nil},
		"P-384":              {owner, sha384, sha384Pub, nil},
		"good":               {owner, crt, pub, nil},
	} {
		if err := k.Create(ctx, c.owner, c.crt, c.pub); (c.want == nil) != (err == nil) || c.want != nil && !errors.IsOf(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	srv := cert.NewMsgServer(k)
	for name, c := range map[string]struct {
		id   certv1.ID
		want *errors.Error
		code codes.Code
	}{
		"owner":   {certv1.ID{Owner: "x", Serial: "1"}, cert.ErrInvalidAddress, codes.InvalidArgument},
		"serial":  {certv1.ID{Owner: owner, Serial: "one"}, cert.ErrInvalidSerialNumber, codes.InvalidArgument},
		"minus":   {certv1.ID{Owner: owner, Serial: "-1"}, cert.ErrInvalidSerialNumber, codes.InvalidArgument},
		"unknown": {certv1.ID{Owner: owner, Serial: "99"}, cert.ErrCertificateNotFound, codes.NotFound},
	} {
		_, err := srv.RevokeCertificate(ctx, &certv1.MsgRevokeCertificate{ID: c.id})
		if !errors.IsOf(err, c.want) || c.want.GRPCStatus().Code() != c.code {
			t.Errorf("revoke %s: %v", name, err)
		}
	}
	for name, req := range map[string]*certv1.QueryCertificatesRequest{
		"nil": nil, "state": {Filter: certv1.CertificateFilter{State: "good"}}, "invalid": {Filter: certv1.CertificateFilter{State: "invalid"}},
		"owner": {Filter: certv1.CertificateFilter{Owner: "x"}}, "serial": {Filter: certv1.CertificateFilter{Serial: "x"}},
		"both": {Pagination: &query.PageRequest{Key: []byte{1}, Offset: 1}},
	} {
		if _, err := cert.NewQueryServer(k).Certificates(ctx, req); err == nil {
			t.Errorf("query %s was answered", name)
		} else if s, ok := status.FromError(err); ok && s.Code() != codes.InvalidArgument {
			t.Errorf("query %s: %v", name, err)
		}
	}
}

// TestPages goes through certificates of three owners page by page, with and without filters.
func TestPages(t *testing.T) {
	ctx, k, m, enc := setup(t)
	for o := range byte(3) {
		for n := range int64(5) {
			crt, pub := made{cn: address(o), serial: big.NewInt(1000*n + 7)}.make(t)
			if err := k.Create(ctx, address(o), crt, pub); err != nil {
				t.Fatal(err)
			}
			if n%2 == 0 {
				if err := k.Revoke(ctx, certv1.ID{Owner: address(o), Serial: fmt.Sprint(1000*n + 7)}); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	q := cert.NewQueryServer(k)
	for _, c := range []struct {
		filter certv1.CertificateFilter
		want   int
	}{{certv1.CertificateFilter{}, 15}, {certv1.CertificateFilter{Owner: address(1)}, 5}, {certv1.CertificateFilter{Owner: address(1), State: "valid"}, 2}, {certv1.CertificateFilter{State: "revoked"}, 9}} {
		for limit := uint64(1); limit < 17; limit++ {
			for _, reverse := range []bool{false, true} {
				got, page := 0, &query.PageRequest{Limit: limit, Reverse: reverse}
				for range 20 {
					res, err := q.Certificates(ctx, &certv1.QueryCertificatesRequest{Filter: c.filter, Pagination: page})
					if err != nil {
						t.Fatal(err)
					}
					got += len(res.Certificates)
					if len(res.Pagination.NextKey) == 0 {
						break
					}
					page = &query.PageRequest{Limit: limit, Reverse: reverse, Key: res.Pagination.NextKey}
				}
				if got != c.want {
					t.Errorf("%+v by %d, reverse %v: %d, want %d", c.filter, limit, reverse, got, c.want)
				}
			}
		}
	}

	out := m.ExportGenesis(ctx, enc.Codec)
	if err := m.ValidateGenesis(enc.Codec, nil, out); err != nil {
		t.Fatal(err)
	}
	ctx2, _, m2, _ := setup(t)
	m2.InitGenesis(ctx2, enc.Codec, out)
	if again := m2.ExportGenesis(ctx2, enc.Codec); !bytes.Equal(out, again) {
		t.Error("the genesis changed on its way through the store")
	}
	bad := bytes.Replace(out, []byte(`"revoked"`), []byte(`"invalid"`), 1)
	if err := m.ValidateGenesis(enc.Codec, nil, bad); err == nil {
		t.Error("an invalid state passed")
	}
}

// FuzzCheck holds that no bytes make the check panic.
func FuzzCheck(f *testing.F) {
	f.Add([]byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), []byte("-----BEGIN EC PUBLIC KEY-----\nAAAA\n-----END EC PUBLIC KEY-----\n"))
	f.Fuzz(func(_ *testing.T, crt, pub []byte) { _, _, _ = cert.Check(address(1), crt, pub) })
}
