// Package auth proves to a provider who its caller is: by a token that the account's key
// signed, or by a certificate that the chain holds for the account. It owns both formats
// and the rules they are checked by; provider and client use the same code.
//
// What always holds:
//   - A token is believed only after its signature was checked with the key the chain holds
//     for its issuer; of its claims nothing but the issuer is used before.
//   - No claim is ignored: a token with one that isn't known is refused.
//   - Nothing here reads a clock or a network; both come in as arguments.
package auth

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/cosmos/cosmos-sdk/crypto/keyring"
	cryptotypes "github.com/cosmos/cosmos-sdk/crypto/types"
	sdk "github.com/cosmos/cosmos-sdk/types"
	"github.com/cosmos/cosmos-sdk/types/bech32"
	"github.com/cosmos/cosmos-sdk/types/tx/signing"

	"github.com/akash-supercloud/akash/api"
)

// Why a token was refused. Every error of Parse and Verify is one of these, or comes from
// the look-up of the key.
var (
	// ErrMalformed: it isn't a token at all, or of an algorithm that isn't taken.
	ErrMalformed = errors.New("malformed token")
	// ErrBadSignature: the issuer's key didn't sign it, or no such key is known.
	ErrBadSignature = errors.New("bad token signature")
	// ErrExpired: its time is over.
	ErrExpired = errors.New("token is expired")
	// ErrClaims: it says something that isn't allowed, or isn't valid yet.
	ErrClaims = errors.New("invalid token claims")
)

// ErrUnknownIssuer is for look-up functions to wrap when the chain holds no key for an
// address; Verify then reports ErrBadSignature.
var ErrUnknownIssuer = errors.New("the chain holds no public key of the token's issuer")

// Algorithm says what the signature is made over.
type Algorithm string

// The two algorithms. Both are secp256k1 over SHA-256, 64 bytes r‖s.
const (
	// ES256K signs the token's text itself.
	ES256K Algorithm = "ES256K"
	// ES256KADR36 signs it as wallets sign arbitrary text: inside an empty transaction.
	ES256KADR36 Algorithm = "ES256KADR36"
)

// Scope is a thing that a token may be limited to.
type Scope string

// The scopes.
const (
	ScopeSendManifest    Scope = "send-manifest"
	ScopeGetManifest     Scope = "get-manifest"
	ScopeLogs            Scope = "logs"
	ScopeShell           Scope = "shell"
	ScopeEvents          Scope = "events"
	ScopeStatus          Scope = "status"
	ScopeRestart         Scope = "restart"
	ScopeHostnameMigrate Scope = "hostname-migrate"
	ScopeIPMigrate       Scope = "ip-migrate"
	ScopeAttestation     Scope = "attestation"
)

// Scopes lists them all.
var Scopes = []Scope{ScopeSendManifest, ScopeGetManifest, ScopeLogs, ScopeShell, ScopeEvents, ScopeStatus,
	ScopeRestart, ScopeHostnameMigrate, ScopeIPMigrate, ScopeAttestation}

// Access says how far a token, or a permission in it, reaches.
type Access string

// The kinds of access.
const (
	AccessFull     Access = "full"     // everything of the issuer
	AccessScoped   Access = "scoped"   // everything of the issuer, for some scopes
	AccessGranular Access = "granular" // what the permissions list
)

// Claims are what a token says. The zero value of Version, Leases and the times is filled
// in by Issue.
type Claims struct {
	// Issuer is the account the token speaks for.
	Issuer string
	// IssuedAt, NotBefore and ExpiresAt count whole seconds.
	IssuedAt, NotBefore, ExpiresAt time.Time
	// ID is optional.
	ID string
	// Version is "v1".
	Version string
	Leases  Leases
}

// Leases is what a token gives access to.
type Leases struct {
	Access      Access       `json:"access"`
	Scope       []Scope      `json:"scope,omitempty"`
	Permissions []Permission `json:"permissions,omitempty"`
}

// Permission is what a granular token allows with one provider.
type Permission struct {
	Provider    string       `json:"provider"`
	Access      Access       `json:"access"`
	Scope       []Scope      `json:"scope,omitempty"`
	Deployments []Deployment `json:"deployments,omitempty"`
}

// Deployment is what a granular permission allows with one deployment, or with one group
// (GSeq) or order (OSeq) of it.
type Deployment struct {
	DSeq     uint64   `json:"dseq"`
	GSeq     uint32   `json:"gseq,omitempty"`
	OSeq     uint32   `json:"oseq,omitempty"`
	Scope    []Scope  `json:"scope"`
	Services []string `json:"services,omitempty"`
}

// Version is the only version of the claims.
const Version = "v1"

// DefaultLifetime is how long tokens made by Issue are valid.
const DefaultLifetime = 15 * time.Minute

// clockSkew is how far the clocks of issuer and verifier may differ at a token's start.
const clockSkew = 5 * time.Second

// maxToken bounds the bytes of a token that are looked at.
const maxToken = 64 << 10

type wireClaims struct {
	Issuer    *string `json:"iss"`
	IssuedAt  *int64  `json:"iat"`
	NotBefore *int64  `json:"nbf"`
	ExpiresAt *int64  `json:"exp"`
	ID        *string `json:"jti,omitempty"`
	Version   *string `json:"version"`
	Leases    *Leases `json:"leases"`
}

type header struct {
	Algorithm Algorithm `json:"alg"`
	Type      string    `json:"typ,omitempty"`
}

// Issue signs a token with key (a name or address in kr), by ES256K. What claims leaves
// empty is filled in: issuer from the key, valid from now for DefaultLifetime, full access.
func Issue(kr keyring.Keyring, key string, claims Claims) (string, error) {
	return IssueWith(ES256K, kr, key, claims)
}

// IssueWith is Issue with the algorithm of choice.
func IssueWith(alg Algorithm, kr keyring.Keyring, key string, claims Claims) (string, error) {
	rec, err := record(kr, key)
	if err != nil {
		return "", err
	}
	addr, err := rec.GetAddress()
	if err != nil {
		return "", err
	}
	owner, err := bech32.ConvertAndEncode(api.Bech32Prefix, addr)
	if err != nil {
		return "", err
	}
	if claims.Issuer == "" {
		claims.Issuer = owner
	}
	if claims.Issuer != owner {
		return "", fmt.Errorf("key %q is of %s; it can't sign for %s", key, owner, claims.Issuer)
	}
	if claims.IssuedAt.IsZero() {
		claims.IssuedAt = time.Now()
	}
	if claims.NotBefore.IsZero() {
		claims.NotBefore = claims.IssuedAt
	}
	if claims.ExpiresAt.IsZero() {
		claims.ExpiresAt = claims.IssuedAt.Add(DefaultLifetime)
	}
	if claims.Version == "" {
		claims.Version = Version
	}
	if claims.Leases.Access == "" {
		claims.Leases.Access = AccessFull
	}
	if err := claims.validate(); err != nil {
		return "", err
	}
	iat, nbf, exp := claims.IssuedAt.Unix(), claims.NotBefore.Unix(), claims.ExpiresAt.Unix()
	w := wireClaims{Issuer: &claims.Issuer, IssuedAt: &iat, NotBefore: &nbf, ExpiresAt: &exp, Version: &claims.Version, Leases: &claims.Leases}
	if claims.ID != "" {
		w.ID = &claims.ID
	}
	head, err := json.Marshal(header{Algorithm: alg, Type: "JWT"})
	if err != nil {
		return "", err
	}
	body, err := json.Marshal(w)
	if err != nil {
		return "", err
	}
	b64 := base64.RawURLEncoding
	text := b64.EncodeToString(head) + "." + b64.EncodeToString(body)
	doc, err := signDoc(alg, claims.Issuer, text)
	if err != nil {
		return "", err
	}
	sig, _, err := kr.Sign(rec.Name, doc, signing.SignMode_SIGN_MODE_DIRECT)
	if err != nil {
		return "", fmt.Errorf("key %q couldn't sign: %w", key, err)
	}
	return text + "." + b64.EncodeToString(sig), nil
}

func record(kr keyring.Keyring, key string) (*keyring.Record, error) {
	api.ConfigureAddresses()
	if rec, err := kr.Key(key); err == nil {
		return rec, nil
	}
	if prefix, addr, err := bech32.DecodeAndConvert(key); err == nil && prefix == api.Bech32Prefix {
		if rec, err := kr.KeyByAddress(sdk.AccAddress(addr)); err == nil {
			return rec, nil
		}
	}
	return nil, fmt.Errorf("no key %q in the keyring; see `akash keys list`", key)
}

// signDoc returns the bytes that are signed for a token's text.
func signDoc(alg Algorithm, signer, text string) ([]byte, error) {
	switch alg {
	case ES256K:
		return []byte(text), nil
	case ES256KADR36:
		// ADR-36: the amino form of a transaction that can't be one. Keys sorted, no spaces.
		name, err := json.Marshal(signer)
		if err != nil {
			return nil, err
		}
		return fmt.Appendf(nil, `{"account_number":"0","chain_id":"","fee":{"amount":[],"gas":"0"},"memo":"","msgs":[{"type":"sign/MsgSignData","value":{"data":"%s","signer":%s}}],"sequence":"0"}`,
			base64.StdEncoding.EncodeToString([]byte(text)), name), nil
	}
	return nil, fmt.Errorf("%w: algorithm %q isn't taken; use %s or %s", ErrMalformed, alg, ES256K, ES256KADR36)
}

// parts is a token taken apart, nothing of it checked but its shape.
type parts struct {
	alg       Algorithm
	text      string
	body, sig []byte
	issuer    string
}

func split(token string) (parts, error) {
	var p parts
	if len(token) > maxToken {
		return p, fmt.Errorf("%w: longer than %d bytes", ErrMalformed, maxToken)
	}
	seg := strings.Split(token, ".")
	if len(seg) != 3 {
		return p, fmt.Errorf("%w: it has %d parts instead of 3", ErrMalformed, len(seg))
	}
	var raw [3][]byte
	for i, s := range seg {
		b, err := base64.RawURLEncoding.Strict().DecodeString(s)
		if err != nil || strings.ContainsAny(s, "\r\n") {
			return p, fmt.Errorf("%w: part %d isn't base64url", ErrMalformed, i+1)
		}
		raw[i] = b
	}
	var head header
	if err := json.Unmarshal(raw[0], &head); err != nil {
		return p, fmt.Errorf("%w: its header isn't JSON", ErrMalformed)
	}
	if head.Algorithm != ES256K && head.Algorithm != ES256KADR36 {
		return p, fmt.Errorf("%w: algorithm %q isn't taken; use %s or %s", ErrMalformed, head.Algorithm, ES256K, ES256KADR36)
	}
	var who struct {
		Issuer json.RawMessage `json:"iss"`
	}
	if err := json.Unmarshal(raw[1], &who); err != nil {
		return p, fmt.Errorf("%w: its claims aren't a JSON object", ErrMalformed)
	}
	// A missing or odd issuer is found by the claims' own check; here it is just unknown.
	_ = json.Unmarshal(who.Issuer, &p.issuer)
	p.alg, p.text, p.body, p.sig = head.Algorithm, seg[0]+"."+seg[1], raw[1], raw[2]
	return p, nil
}

// Parse reads a token without believing it: its signature and times aren't checked.
func Parse(token string) (Claims, error) {
	p, err := split(token)
	if err != nil {
		return Claims{}, err
	}
	return parseClaims(p.body)
}

// Verify reads a token and checks it: shape, then signature, then claims, then times.
// pubKeyOf returns the key that the chain holds for an address; it should wrap
// ErrUnknownIssuer when there is none. Its other errors come back as they are, for they say
// nothing about the token.
func Verify(token string, pubKeyOf func(address string) (cryptotypes.PubKey, error), now time.Time) (Claims, error) {
	p, err := split(token)
	if err != nil {
		return Claims{}, err
	}
	if !isAddress(p.issuer) {
		return Claims{}, fmt.Errorf("%w: issuer %.60q isn't an %s… address", ErrBadSignature, p.issuer, api.Bech32Prefix)
	}
	pub, err := pubKeyOf(p.issuer)
	if errors.Is(err, ErrUnknownIssuer) {
		return Claims{}, fmt.Errorf("%w: %w", ErrBadSignature, err)
	}
	if err != nil {
		return Claims{}, fmt.Errorf("public key of %s: %w", p.issuer, err)
	}
	doc, err := signDoc(p.alg, p.issuer, p.text)
	if err != nil {
		return Claims{}, err
	}
	if pub == nil || len(p.sig) != 64 || !pub.VerifySignature(doc, p.sig) {
		return Claims{}, fmt.Errorf("%w: %s didn't sign it", ErrBadSignature, p.issuer)
	}
	claims, err := parseClaims(p.body)
	if err != nil {
		return Claims{}, err
	}
	if now.Add(clockSkew).Before(claims.NotBefore) {
		return Claims{}, fmt.Errorf("%w: valid only from %s", ErrClaims, claims.NotBefore.UTC().Format(time.RFC3339))
	}
	if !now.Before(claims.ExpiresAt) {
		return Claims{}, fmt.Errorf("%w since %s", ErrExpired, claims.ExpiresAt.UTC().Format(time.RFC3339))
	}
	return claims, nil
}

func parseClaims(body []byte) (Claims, error) {
	var w wireClaims
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&w); err != nil {
		return Claims{}, fmt.Errorf("%w: %v", ErrClaims, err)
	}
	if dec.More() {
		return Claims{}, fmt.Errorf("%w: more than one object", ErrClaims)
	}
	for _, c := range []struct {
		name string
		set  bool
	}{
		{"iss", w.Issuer != nil}, {"iat", w.IssuedAt != nil}, {"nbf", w.NotBefore != nil},
		{"exp", w.ExpiresAt != nil}, {"version", w.Version != nil}, {"leases", w.Leases != nil},
	} {
		if !c.set {
			return Claims{}, fmt.Errorf("%w: %s is missing", ErrClaims, c.name)
		}
	}
	claims := Claims{
		Issuer: *w.Issuer, IssuedAt: time.Unix(*w.IssuedAt, 0), NotBefore: time.Unix(*w.NotBefore, 0),
		ExpiresAt: time.Unix(*w.ExpiresAt, 0), Version: *w.Version, Leases: *w.Leases,
	}
	if w.ID != nil {
		claims.ID = *w.ID
	}
	return claims, claims.validate()
}

func isAddress(s string) bool {
	prefix, b, err := bech32.DecodeAndConvert(s)
	return err == nil && prefix == api.Bech32Prefix && len(b) > 0 && len(b) <= 255
}

// validate checks what a token may say, not when.
func (c Claims) validate() error {
	bad := func(format string, args ...any) error {
		return fmt.Errorf("%w: %s", ErrClaims, fmt.Sprintf(format, args...))
	}
	if !isAddress(c.Issuer) {
		return bad("iss %.60q isn't an %s… address", c.Issuer, api.Bech32Prefix)
	}
	if c.Version != Version {
		return bad("version %.20q isn't %q", c.Version, Version)
	}
	if !c.ExpiresAt.After(c.NotBefore) {
		return bad("exp isn't after nbf")
	}
	l := c.Leases
	switch l.Access {
	case AccessFull:
		if l.Scope != nil || l.Permissions != nil {
			return bad("leases: full access takes no scope and no permissions")
		}
	case AccessScoped:
		if l.Permissions != nil {
			return bad("leases: scoped access takes no permissions")
		}
		return checkScope("leases", l.Scope)
	case AccessGranular:
		if l.Scope != nil {
			return bad("leases: granular access takes no scope")
		}
		if len(l.Permissions) == 0 {
			return bad("leases: granular access needs permissions")
		}
		seen := map[string]bool{}
		for i, p := range l.Permissions {
			at := fmt.Sprintf("permissions[%d]", i)
			if p.Provider == "" || seen[p.Provider] {
				return bad("%s: provider %.60q is empty or there twice", at, p.Provider)
			}
			seen[p.Provider] = true
			if err := p.validate(at); err != nil {
				return err
			}
		}
	default:
		return bad("leases: access %.20q isn't full, scoped or granular", l.Access)
	}
	return nil
}

func (p Permission) validate(at string) error {
	bad := func(text string) error { return fmt.Errorf("%w: %s: %s", ErrClaims, at, text) }
	switch p.Access {
	case AccessFull:
		if p.Scope != nil || p.Deployments != nil {
			return bad("full access takes no scope and no deployments")
		}
	case AccessScoped:
		if p.Deployments != nil {
			return bad("scoped access takes no deployments")
		}
		return checkScope(at, p.Scope)
	case AccessGranular:
		if p.Scope != nil {
			return bad("granular access takes no scope")
		}
		if len(p.Deployments) == 0 {
			return bad("granular access needs deployments")
		}
		for i, d := range p.Deployments {
			at := fmt.Sprintf("%s.deployments[%d]", at, i)
			if d.DSeq == 0 {
				return fmt.Errorf("%w: %s: dseq is 0 or missing", ErrClaims, at)
			}
			if d.OSeq != 0 && d.GSeq == 0 {
				return fmt.Errorf("%w: %s: oseq needs gseq", ErrClaims, at)
			}
			if err := checkScope(at, d.Scope); err != nil {
				return err
			}
			if d.Services != nil && len(d.Services) == 0 {
				return fmt.Errorf("%w: %s: services is empty", ErrClaims, at)
			}
			for j, s := range d.Services {
				if s == "" || slices.Contains(d.Services[:j], s) {
					return fmt.Errorf("%w: %s: service %.60q is empty or there twice", ErrClaims, at, s)
				}
			}
		}
	default:
		return bad(fmt.Sprintf("access %.20q isn't full, scoped or granular", p.Access))
	}
	return nil
}

func checkScope(at string, scope []Scope) error {
	if len(scope) == 0 {
		return fmt.Errorf("%w: %s: scope is empty", ErrClaims, at)
	}
	for i, s := range scope {
		if !slices.Contains(Scopes, s) {
			return fmt.Errorf("%w: %s: %.40q isn't a scope", ErrClaims, at, s)
		}
		if slices.Contains(scope[:i], s) {
			return fmt.Errorf("%w: %s: scope %q is there twice", ErrClaims, at, s)
		}
	}
	return nil
}

// Allows reports whether the token lets its issuer do scope with a deployment at provider.
// An empty scope asks for any. gseq, oseq 0 ask about the deployment as a whole. service ""
// asks about all of its services: for logs, shell, events and restart that is refused to a
// token that names services; see Services.
func (c Claims) Allows(provider string, scope Scope, dseq uint64, gseq, oseq uint32, service string) bool {
	all, names := c.Services(provider, scope, dseq, gseq, oseq)
	if all || len(names) == 0 {
		return all
	}
	if service != "" {
		return slices.Contains(names, service)
	}
	switch scope {
	case ScopeLogs, ScopeShell, ScopeEvents, ScopeRestart:
		return false
	}
	return true
}

// Services returns which services of a deployment the token reaches for a scope: all of
// them, or those named; none if neither.
func (c Claims) Services(provider string, scope Scope, dseq uint64, gseq, oseq uint32) (all bool, names []string) {
	has := func(list []Scope) bool { return scope == "" || slices.Contains(list, scope) }
	switch c.Leases.Access {
	case AccessFull:
		return true, nil
	case AccessScoped:
		return has(c.Leases.Scope), nil
	case AccessGranular:
	default:
		return false, nil
	}
	for _, p := range c.Leases.Permissions {
		if p.Provider != provider {
			continue
		}
		switch p.Access {
		case AccessFull:
			return true, nil
		case AccessScoped:
			return has(p.Scope), nil
		case AccessGranular:
			for _, d := range p.Deployments {
				if d.DSeq != dseq || !has(d.Scope) ||
					(d.GSeq != 0 && gseq != 0 && d.GSeq != gseq) || (d.OSeq != 0 && oseq != 0 && d.OSeq != oseq) {
					continue
				}
				if len(d.Services) == 0 {
					return true, nil
				}
				names = append(names, d.Services...)
			}
		}
	}
	return false, names
}

// AllowsProvider reports whether the token is for provider at all.
func (c Claims) AllowsProvider(provider string) bool {
	if c.Leases.Access != AccessGranular {
		return c.Leases.Access == AccessFull || c.Leases.Access == AccessScoped
	}
	return slices.ContainsFunc(c.Leases.Permissions, func(p Permission) bool { return p.Provider == provider })
}

// Tokens issues tokens of full access and reuses each until a minute before its end. Safe
// for use by many goroutines.
type Tokens struct {
	keys keyring.Keyring
	key  string

	mu    sync.Mutex
	token string
	until time.Time
}

// NewTokens makes a source of tokens signed with key.
func NewTokens(kr keyring.Keyring, key string) *Tokens { return &Tokens{keys: kr, key: key} }

// Get returns a token that is valid for a minute at least.
func (t *Tokens) Get() (string, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	if t.token != "" && now.Before(t.until) {
		return t.token, nil
	}
	token, err := Issue(t.keys, t.key, Claims{IssuedAt: now})
	if err != nil {
		return "", err
	}
	t.token, t.until = token, now.Add(DefaultLifetime-time.Minute)
	return token, nil
}
