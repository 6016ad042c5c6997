// Package manifest owns the document that tells a provider what to run: its JSON, its hash
// (the deployment's version on the chain), the rules it must keep, and its comparison with
// what was bought on the chain.
//
// What always holds: nothing here reads or writes anything outside its arguments; work and
// memory are bounded by MaxSize, MaxDepth and MaxValues; no input makes it panic; the same input gives the same
// answer.
package manifest

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"

	manifestv2 "github.com/akash-supercloud/akash/api/akash/manifest/v2beta3"
)

const (
	// MaxSize is the longest manifest that Decode and HashJSON take, in bytes.
	MaxSize = 4 << 20
	// MaxDepth is how deep the arrays and objects of a received manifest may be nested. A
	// manifest needs 9 levels; the rest is room for fields of later versions.
	MaxDepth = 64
	// MaxValues is how many values a received manifest may hold, members of objects included.
	// Each may take some hundred bytes of memory, though it is written in two.
	MaxValues = 100_000
)

var (
	// ErrInvalid is returned when a manifest isn't JSON of the right form or breaks a rule
	// by itself.
	ErrInvalid = errors.New("invalid manifest")
	// ErrCrossValidation is returned when a manifest, good in itself, isn't what the
	// deployment's groups bought.
	ErrCrossValidation = errors.New("manifest cross-validation error")
)

// Manifest is what one deployment runs, a group an order.
type Manifest []manifestv2.Group

// Decode reads a manifest's JSON. Unknown fields are ignored. It checks the form only; call
// Validate for the rules. Every error is an ErrInvalid.
func Decode(data []byte) (Manifest, error) {
	if err := bounded(data); err != nil {
		return nil, err
	}
	var m Manifest
	if err := json.Unmarshal(data, &m); err != nil {
		return nil, fmt.Errorf("%w: %s", ErrInvalid, jsonProblem(err))
	}
	if m == nil {
		return nil, fmt.Errorf("%w: it is null; send a list of groups", ErrInvalid)
	}
	return m, nil
}

// JSON is the manifest in the exact form that today's tools send: Go's encoding, fields in
// the order of the wire types, HTML characters escaped.
func (m Manifest) JSON() ([]byte, error) {
	if m == nil {
		m = Manifest{}
	}
	b, err := json.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("%w: %s", ErrInvalid, err)
	}
	return b, nil
}

// Hash is the 32 bytes that go to the chain as the deployment's hash: HashJSON of JSON.
func (m Manifest) Hash() ([]byte, error) {
	b, err := m.JSON()
	if err != nil {
		return nil, err
	}
	return HashJSON(b)
}

// HashJSON is the hash of a manifest as received: SHA-256 over the same JSON with the keys of
// every object sorted, no spaces, and numbers as 64-bit floats print. It hashes what was sent,
// not what we would have sent, because other clients leave out or add fields. Every error is
// an ErrInvalid.
func HashJSON(received []byte) ([]byte, error) {
	if err := bounded(received); err != nil {
		return nil, err
	}
	var v any
	if err := json.Unmarshal(received, &v); err != nil {
		return nil, fmt.Errorf("%w: %s", ErrInvalid, jsonProblem(err))
	}
	sorted, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("%w: %s", ErrInvalid, err)
	}
	sum := sha256.Sum256(sorted)
	return sum[:], nil
}

// Group returns the group of that name.
func (m Manifest) Group(name string) (manifestv2.Group, bool) {
	for i := range m {
		if m[i].Name == name {
			return m[i], true
		}
	}
	return manifestv2.Group{}, false
}

// bounded refuses what is too long, too deep or too much before a decoder spends memory on it.
func bounded(data []byte) error {
	if len(data) > MaxSize {
		return fmt.Errorf("%w: it has %d bytes; at most %d are taken", ErrInvalid, len(data), MaxSize)
	}
	depth, values, inString := 0, 1, false
	for i := 0; i < len(data); i++ {
		c := data[i]
		if inString {
			switch c {
			case '\\':
				i++
			case '"':
				inString = false
			}
			continue
		}
		switch c {
		case '"':
			inString = true
		case ',':
			values++
		case '[', '{':
			values++
			if depth++; depth > MaxDepth {
				return fmt.Errorf("%w: it is nested deeper than %d levels", ErrInvalid, MaxDepth)
			}
		case ']', '}':
			depth--
		}
		if values > MaxValues {
			return fmt.Errorf("%w: it has more than %d values", ErrInvalid, MaxValues)
		}
	}
	return nil
}

// jsonProblem says where the JSON is wrong, in words for a person.
func jsonProblem(err error) string {
	var syntax *json.SyntaxError
	var typ *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		return fmt.Sprintf("not JSON at byte %d: %s", syntax.Offset, syntax)
	case errors.As(err, &typ):
		field := typ.Field
		if field == "" {
			field = "the document"
		}
		return fmt.Sprintf("%s can't be a JSON %s (at byte %d)", field, typ.Value, typ.Offset)
	}
	return err.Error()
}
