package provider

import (
	"context"
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"slices"
	"sync/atomic"
	"time"

	sdk "github.com/cosmos/cosmos-sdk/types"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	certv1 "github.com/akash-supercloud/akash/api/akash/cert/v1"
	providerv1beta4 "github.com/akash-supercloud/akash/api/akash/provider/v1beta4"
	"github.com/akash-supercloud/akash/client"
	"github.com/akash-supercloud/akash/client/auth"
)

// Address returns the address of the key that cfg.From names.
func Address(c *client.Client, cfg Config) (string, error) {
	rec, err := c.Keyring().Key(cfg.From)
	if err != nil {
		if addr, aerr := sdk.AccAddressFromBech32(cfg.From); aerr == nil {
			rec, err = c.Keyring().KeyByAddress(addr)
		}
	}
	if err != nil {
		return "", fmt.Errorf("the keyring has no key %q: %w", cfg.From, err)
	}
	addr, err := rec.GetAddress()
	if err != nil {
		return "", err
	}
	return addr.String(), nil
}

// Register makes the chain's record of the provider equal to the config: it creates the record, or
// updates it when it differs. It reports whether anything was sent.
func Register(ctx context.Context, c *client.Client, cfg Config) (changed bool, err error) {
	if err := cfg.Validate(); err != nil {
		return false, err
	}
	addr, err := Address(c, cfg)
	if err != nil {
		return false, err
	}
	chain := newClientChain(c, addr, cfg.From, slog.New(slog.DiscardHandler))
	want := cfg.record(addr)
	have, err := chain.Record(ctx)
	switch {
	case status.Code(err) == codes.NotFound:
		msg := providerv1beta4.MsgCreateProvider(want)
		err = chain.Send(ctx, &msg)
	case err != nil:
		return false, fmt.Errorf("read the provider's record: %w", err)
	case same(have, want):
		return false, nil
	default:
		msg := providerv1beta4.MsgUpdateProvider(want)
		err = chain.Send(ctx, &msg)
	}
	if err != nil {
		return false, fmt.Errorf("register the provider: %w", err)
	}
	return true, nil
}

func same(a, b providerv1beta4.Provider) bool {
	return a.HostURI == b.HostURI && a.Info == b.Info && slices.Equal(a.Attributes, b.Attributes)
}

// renewBefore is how long before its end the certificate is replaced.
const renewBefore = 30 * 24 * time.Hour

// certificate is the provider's own certificate, which the chain vouches for.
type certificate struct {
	c     *client.Client
	chain *clientChain
	cfg   Config
	now   atomic.Pointer[tls.Certificate]
}

// get returns the certificate to show to clients.
func (k *certificate) get() (*tls.Certificate, error) {
	if c := k.now.Load(); c != nil {
		return c, nil
	}
	return nil, errors.New("the provider's certificate isn't on the chain yet")
}

// load takes up the certificate on the disk, if there is one; the chain isn't asked.
func (k *certificate) load() error {
	cert, err := auth.ReadKeyFile(k.c.Keyring(), k.cfg.From, k.cfg.Home)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read the provider's certificate: %w", err)
	}
	if cert.Leaf, err = x509.ParseCertificate(cert.Certificate[0]); err != nil {
		return fmt.Errorf("read the provider's certificate: %w", err)
	}
	if k.fits(cert.Leaf) {
		k.now.Store(&cert)
	}
	return nil
}

// domains are the names that the certificate is for.
func (k *certificate) domains() []string {
	out := []string{k.cfg.Host}
	if u, err := url.Parse(k.cfg.HostURI); err == nil && u.Hostname() != k.cfg.Host {
		out = append(out, u.Hostname())
	}
	return out
}

// fits says whether a certificate can be shown: for our names, as a server, and not near its end.
func (k *certificate) fits(leaf *x509.Certificate) bool {
	if time.Until(leaf.NotAfter) < renewBefore || !slices.Contains(leaf.ExtKeyUsage, x509.ExtKeyUsageServerAuth) {
		return false
	}
	for _, d := range k.domains() {
		if leaf.VerifyHostname(d) != nil {
			return false
		}
	}
	return true
}

// ensure makes sure that there is a certificate and that the chain holds it as valid. A new one is
// on the disk before it is published, so a crash in between publishes it at the next start.
func (k *certificate) ensure(ctx context.Context) error {
	cert := k.now.Load()
	if cert != nil && k.fits(cert.Leaf) {
		held, valid, err := k.chain.Certificate(ctx, k.chain.self, cert.Leaf.SerialNumber.String())
		switch {
		case err != nil:
			return fmt.Errorf("look for the provider's certificate on the chain: %w", err)
		case valid:
			return nil
		case len(held) == 0:
			return k.publish(ctx, cert.Leaf)
		}
		// Revoked: another one is needed.
	}
	certPEM, _, keyPEM, err := auth.NewCertificate(k.chain.self, k.domains(), time.Now())
	if err != nil {
		return fmt.Errorf("make a certificate: %w", err)
	}
	if err := os.MkdirAll(k.cfg.Home, 0o700); err != nil {
		return err
	}
	if _, err := auth.WriteKeyFile(k.c.Keyring(), k.cfg.From, k.cfg.Home, certPEM, keyPEM); err != nil {
		return fmt.Errorf("keep the certificate: %w", err)
	}
	fresh, err := tls.X509KeyPair(certPEM, pkcs8(keyPEM))
	if err != nil {
		return fmt.Errorf("use the certificate: %w", err)
	}
	if fresh.Leaf, err = x509.ParseCertificate(fresh.Certificate[0]); err != nil {
		return err
	}
	if err := k.publish(ctx, fresh.Leaf); err != nil {
		return err
	}
	k.now.Store(&fresh)
	return nil
}

// pkcs8 gives a key's block the name that crypto/tls knows.
func pkcs8(keyPEM []byte) []byte {
	b, _ := pem.Decode(keyPEM)
	if b == nil {
		return keyPEM
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: b.Bytes})
}

func (k *certificate) publish(ctx context.Context, leaf *x509.Certificate) error {
	pub, ok := leaf.PublicKey.(*ecdsa.PublicKey)
	if !ok {
		return errors.New("the provider's certificate has no ECDSA key")
	}
	der, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		return err
	}
	msg := &certv1.MsgCreateCertificate{
		Owner:  k.chain.self,
		Cert:   pem.EncodeToMemory(&pem.Block{Type: auth.BlockCertificate, Bytes: leaf.Raw}),
		Pubkey: pem.EncodeToMemory(&pem.Block{Type: auth.BlockPublicKey, Bytes: der}),
	}
	if err := k.chain.Send(ctx, msg); err != nil {
		return fmt.Errorf("publish the provider's certificate: %w", err)
	}
	return nil
}
