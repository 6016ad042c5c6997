package cert

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"math/big"

	"cosmossdk.io/errors"

	sdk "github.com/cosmos/cosmos-sdk/types"
)

const (
	// maxPEM bounds what is parsed, in bytes; the tools make some 700.
	maxPEM = 8 << 10
	// maxSerial is the longest serial number in bytes (the SDKs' certificates use 8, X.509 allows 20).
	maxSerial = 40
	// checkGas pays for parsing and for one ECDSA verification.
	checkGas = 10_000
)

// Check tells whether certPEM is a certificate that owner may publish with the key in pubPEM: each exactly one
// PEM block, an ECDSA key, signed by that key over SHA-256, and named after the owner. It returns the serial
// number in decimal and in bytes. Validity times are not looked at: the chain isn't a judge of clocks.
func Check(owner string, certPEM, pubPEM []byte) (serial string, raw []byte, err error) {
	if len(certPEM) > maxPEM {
		return "", nil, errors.Wrap(ErrInvalidCertificateValue, "longer than 8 KiB")
	}
	if len(pubPEM) > maxPEM {
		return "", nil, errors.Wrap(ErrInvalidPubkeyValue, "longer than 8 KiB")
	}
	der, ok := onlyBlock(certPEM, "CERTIFICATE")
	if !ok {
		return "", nil, errors.Wrap(ErrInvalidCertificateValue, "not exactly one PEM block CERTIFICATE")
	}
	crt, err := x509.ParseCertificate(der)
	if err != nil {
		return "", nil, errors.Wrap(ErrInvalidCertificateValue, "not an X.509 certificate")
	}
	der, ok = onlyBlock(pubPEM, "EC PUBLIC KEY")
	if !ok {
		return "", nil, errors.Wrap(ErrInvalidPubkeyValue, "not exactly one PEM block EC PUBLIC KEY")
	}
	key, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		return "", nil, errors.Wrap(ErrInvalidPubkeyValue, "not a PKIX public key")
	}
	pub, ok := key.(*ecdsa.PublicKey)
	if !ok {
		return "", nil, errors.Wrap(ErrInvalidPubkeyValue, "not an ECDSA key")
	}
	if own, ok := crt.PublicKey.(*ecdsa.PublicKey); !ok || !own.Equal(pub) {
		return "", nil, errors.Wrap(ErrInvalidPubkeyValue, "not the certificate's own key")
	}
	sum := sha256.Sum256(crt.RawTBSCertificate)
	if !ecdsa.VerifyASN1(pub, sum[:], crt.Signature) {
		return "", nil, errors.Wrap(ErrInvalidCertificateValue, "not signed by its own key over SHA-256")
	}
	if crt.Subject.CommonName != owner {
		return "", nil, errors.Wrap(ErrInvalidCertificateValue, "its subject's common name isn't the owner's address")
	}
	serial = crt.SerialNumber.String()
	raw, err = parseSerial(serial)
	return serial, raw, err
}

// onlyBlock returns the content of text if it is one PEM block of type kind with nothing behind it.
func onlyBlock(text []byte, kind string) ([]byte, bool) {
	block, rest := pem.Decode(text)
	if block == nil || block.Type != kind || len(bytes.TrimSpace(rest)) > 0 {
		return nil, false
	}
	return block.Bytes, true
}

// parseSerial reads a serial number in decimal; the bytes are big-endian, without leading zeros, at least one.
func parseSerial(text string) ([]byte, error) {
	if len(text) > 100 {
		return nil, errors.Wrap(ErrInvalidSerialNumber, "too long")
	}
	n, ok := new(big.Int).SetString(text, 10)
	if !ok || n.Sign() < 0 {
		return nil, errors.Wrapf(ErrInvalidSerialNumber, "%q isn't a decimal number of zero or more", text)
	}
	raw := n.Bytes()
	if len(raw) > maxSerial {
		return nil, errors.Wrap(ErrInvalidKeySize, "serial number is longer than 40 bytes")
	}
	if len(raw) == 0 {
		raw = []byte{0}
	}
	return raw, nil
}

func serialText(raw []byte) string { return new(big.Int).SetBytes(raw).String() }

func parseOwner(text string) (sdk.AccAddress, error) {
	addr, err := sdk.AccAddressFromBech32(text)
	if err != nil {
		if len(text) > 80 {
			text = text[:80] + "…"
		}
		return nil, errors.Wrapf(ErrInvalidAddress, "owner %q", text)
	}
	return addr, nil
}
