package auth

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/cosmos/cosmos-sdk/crypto/keyring"
	"github.com/cosmos/cosmos-sdk/types/tx/signing"
)

// PEM block types on the chain and in key files.
const (
	BlockCertificate = "CERTIFICATE"
	BlockPublicKey   = "EC PUBLIC KEY"
	BlockPrivateKey  = "EC PRIVATE KEY"
)

// CertificateLifetime is how long certificates made by NewCertificate are valid.
const CertificateLifetime = 365 * 24 * time.Hour

var (
	versionOID     = asn1.ObjectIdentifier{2, 23, 133, 2, 6}
	versionOfCerts = "v0.0.1"
)

// Why a peer's certificate was refused. VerifyPeer's errors are one of these, or come from
// the look-up.
var (
	// ErrCertificate: it isn't one of an account, or isn't what the chain holds.
	ErrCertificate = errors.New("bad certificate")
	// ErrCertificateUnknown: the chain holds none with its owner and serial.
	ErrCertificateUnknown = errors.New("certificate isn't on the chain")
	// ErrCertificateRevoked: the chain holds it as revoked.
	ErrCertificateRevoked = errors.New("certificate is revoked")
)

// NewCertificate makes a P-256 key and a self-signed certificate of an account, as the chain
// takes it. With domains (host names or IP addresses) it also serves TLS for them. certPEM
// and pubPEM are what MsgCreateCertificate carries; keyPEM is PKCS#8, not encrypted.
func NewCertificate(address string, domains []string, now time.Time) (certPEM, pubPEM, keyPEM []byte, err error) {
	if !isAddress(address) {
		return nil, nil, nil, fmt.Errorf("%q isn't an account address", address)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, nil, err
	}
	version := pkix.AttributeTypeAndValue{Type: versionOID, Value: versionOfCerts}
	tmpl := &x509.Certificate{
		SerialNumber:          big.NewInt(now.UTC().UnixNano()),
		Subject:               pkix.Name{CommonName: address, ExtraNames: []pkix.AttributeTypeAndValue{version}},
		Issuer:                pkix.Name{CommonName: address},
		NotBefore:             now.UTC().Truncate(time.Second),
		NotAfter:              now.UTC().Truncate(time.Second).Add(CertificateLifetime),
		KeyUsage:              x509.KeyUsageDataEncipherment | x509.KeyUsageKeyEncipherment,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		BasicConstraintsValid: true,
	}
	if len(domains) > 0 {
		tmpl.ExtKeyUsage = append(tmpl.ExtKeyUsage, x509.ExtKeyUsageServerAuth)
	}
	for _, d := range domains {
		if ip := net.ParseIP(d); ip != nil {
			tmpl.IPAddresses = append(tmpl.IPAddresses, ip)
			continue
		}
		tmpl.DNSNames = append(tmpl.DNSNames, d)
		tmpl.PermittedDNSDomains = append(tmpl.PermittedDNSDomains, d)
		tmpl.PermittedDNSDomainsCritical = true
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		return nil, nil, nil, err
	}
	pub, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return nil, nil, nil, err
	}
	priv, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, nil, nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: BlockCertificate, Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: BlockPublicKey, Bytes: pub}),
		pem.EncodeToMemory(&pem.Block{Type: BlockPrivateKey, Bytes: priv}), nil
}

// VerifyPeer checks the one certificate that the other end of a TLS connection showed, and
// returns the account it stands for. lookup asks the chain for the certificate of an owner
// and serial: an empty certPEM means there is none, valid that it isn't revoked. usage is
// x509.ExtKeyUsageClientAuth on a server and ExtKeyUsageServerAuth on a client. The host
// name isn't checked: the chain, not the name, vouches for the peer.
func VerifyPeer(cert *x509.Certificate, lookup func(owner, serial string) (certPEM []byte, valid bool, err error), now time.Time, usage x509.ExtKeyUsage) (owner string, err error) {
	owner = cert.Subject.CommonName
	switch {
	case !isAddress(owner):
		return "", fmt.Errorf("%w: its common name isn't an account address", ErrCertificate)
	case cert.Issuer.CommonName != owner:
		return "", fmt.Errorf("%w: issuer and subject differ", ErrCertificate)
	case cert.SerialNumber == nil || cert.SerialNumber.Sign() <= 0 || cert.SerialNumber.BitLen() > 320:
		return "", fmt.Errorf("%w: it has no usable serial number", ErrCertificate)
	}
	chainPEM, valid, err := lookup(owner, cert.SerialNumber.String())
	if err != nil {
		return "", fmt.Errorf("certificate %s of %s: %w", cert.SerialNumber, owner, err)
	}
	if len(chainPEM) == 0 {
		return "", fmt.Errorf("%w: serial %s of %s", ErrCertificateUnknown, cert.SerialNumber, owner)
	}
	if !valid {
		return "", fmt.Errorf("%w: serial %s of %s", ErrCertificateRevoked, cert.SerialNumber, owner)
	}
	block, _ := pem.Decode(chainPEM)
	if block == nil {
		return "", fmt.Errorf("%w: what the chain holds isn't PEM", ErrCertificate)
	}
	root, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return "", fmt.Errorf("%w: what the chain holds can't be read", ErrCertificate)
	}
	if _, ok := root.PublicKey.(*ecdsa.PublicKey); !ok {
		return "", fmt.Errorf("%w: its key isn't ECDSA", ErrCertificate)
	}
	if !cert.Equal(root) {
		return "", fmt.Errorf("%w: it isn't the one the chain holds under this serial", ErrCertificate)
	}
	if err := root.CheckSignature(root.SignatureAlgorithm, root.RawTBSCertificate, root.Signature); err != nil {
		return "", fmt.Errorf("%w: its signature isn't its own key's", ErrCertificate)
	}
	roots := x509.NewCertPool()
	roots.AddCert(root)
	// A critical name constraint is no hindrance: it is the leaf itself that is trusted.
	_, err = cert.Verify(x509.VerifyOptions{Roots: roots, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{usage}})
	if err != nil {
		return "", fmt.Errorf("%w: %v", ErrCertificate, err)
	}
	return owner, nil
}

// KeyFile returns where the certificate and key of an account are kept.
func KeyFile(home, address string) string { return filepath.Join(home, address+".pem") }

// password returns what an account's key file is encrypted with: its signature over text.
// Signatures of these keys are deterministic.
func password(kr keyring.Keyring, key string, text []byte) ([]byte, error) {
	rec, err := record(kr, key)
	if err != nil {
		return nil, err
	}
	sig, _, err := kr.Sign(rec.Name, text, signing.SignMode_SIGN_MODE_DIRECT)
	if err != nil {
		return nil, fmt.Errorf("key %q couldn't sign: %w", key, err)
	}
	return sig, nil
}

// WriteKeyFile stores a certificate and its key for the account of key (a name or address in
// kr), readable by its user alone, the private key encrypted so that only who can sign with
// the account's key can read it. It replaces what was there.
func WriteKeyFile(kr keyring.Keyring, key, home string, certPEM, keyPEM []byte) (path string, err error) {
	rec, err := record(kr, key)
	if err != nil {
		return "", err
	}
	addr, err := rec.GetAddress()
	if err != nil {
		return "", err
	}
	block, _ := pem.Decode(keyPEM)
	if block == nil {
		return "", errors.New("the private key isn't PEM")
	}
	pass, err := password(kr, rec.Name, []byte(addr.String()))
	if err != nil {
		return "", err
	}
	// The format is fixed by the tools that share these files; the password has 512 bits.
	//lint:ignore SA1019 see above
	sealed, err := x509.EncryptPEMBlock(rand.Reader, BlockPrivateKey, block.Bytes, pass, x509.PEMCipherAES256)
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(home, 0o700); err != nil {
		return "", err
	}
	path = KeyFile(home, addr.String())
	data := append(append([]byte{}, certPEM...), pem.EncodeToMemory(sealed)...)
	tmp, err := os.CreateTemp(home, ".cert-*")
	if err != nil {
		return "", err
	}
	defer os.Remove(tmp.Name())
	if _, err = tmp.Write(data); err == nil {
		err = tmp.Sync()
	}
	if cerr := tmp.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(tmp.Name(), path) // CreateTemp gave it mode 0600
	}
	return path, err
}

// ReadKeyFile reads what WriteKeyFile, or today's tools, stored. It returns an error that is
// fs.ErrNotExist if there is no file.
func ReadKeyFile(kr keyring.Keyring, key, home string) (tls.Certificate, error) {
	var out tls.Certificate
	rec, err := record(kr, key)
	if err != nil {
		return out, err
	}
	addr, err := rec.GetAddress()
	if err != nil {
		return out, err
	}
	path := KeyFile(home, addr.String())
	data, err := os.ReadFile(path)
	if err != nil {
		return out, err
	}
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		if block.Type == BlockCertificate {
			out.Certificate = append(out.Certificate, block.Bytes)
			continue
		}
		der := block.Bytes
		//lint:ignore SA1019 see WriteKeyFile
		if x509.IsEncryptedPEMBlock(block) {
			der = nil
			// Older files were sealed with the signature over the raw address.
			for _, text := range [][]byte{[]byte(addr.String()), addr} {
				pass, err := password(kr, rec.Name, text)
				if err != nil {
					return out, err
				}
				//lint:ignore SA1019 see WriteKeyFile
				plain, err := x509.DecryptPEMBlock(block, pass)
				if err != nil {
					continue
				}
				if _, err := x509.ParsePKCS8PrivateKey(plain); err == nil {
					der = plain
					break
				}
			}
			if der == nil {
				return out, fmt.Errorf("%s isn't encrypted with the key %q; make a new one with `akash tx cert generate client --overwrite`", path, key)
			}
		}
		priv, err := x509.ParsePKCS8PrivateKey(der)
		if err != nil {
			return out, fmt.Errorf("%s: the private key can't be read: %w", path, err)
		}
		out.PrivateKey = priv
	}
	if len(out.Certificate) != 1 || out.PrivateKey == nil {
		return out, fmt.Errorf("%s doesn't hold one certificate and its key", path)
	}
	if out.Leaf, err = x509.ParseCertificate(out.Certificate[0]); err != nil {
		return out, fmt.Errorf("%s: the certificate can't be read: %w", path, err)
	}
	key1, ok1 := out.PrivateKey.(*ecdsa.PrivateKey)
	key2, ok2 := out.Leaf.PublicKey.(*ecdsa.PublicKey)
	if !ok1 || !ok2 || !key1.PublicKey.Equal(key2) {
		return out, fmt.Errorf("%s: key and certificate don't belong together", path)
	}
	return out, nil
}

// PublicPEM returns a certificate and its public key as MsgCreateCertificate carries them.
func PublicPEM(cert *x509.Certificate) (certPEM, pubPEM []byte, err error) {
	pub, err := x509.MarshalPKIXPublicKey(cert.PublicKey)
	if err != nil {
		return nil, nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: BlockCertificate, Bytes: cert.Raw}),
		pem.EncodeToMemory(&pem.Block{Type: BlockPublicKey, Bytes: pub}), nil
}
