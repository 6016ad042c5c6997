// Package key builds and reads the short binary keys of the chain's stores: addresses as
// bytes behind their length, numbers big-endian, so that keys sort as their parts do and
// a key of fewer parts is a prefix of those with more.
package key

import (
	"encoding/binary"
	"errors"
)

// ErrMalformed is returned for bytes that aren't the key they should be.
var ErrMalformed = errors.New("malformed key")

// MaxAddress is the longest address in bytes that a key can hold.
const MaxAddress = 255

// Addr appends an address of at most MaxAddress bytes behind its length.
func Addr(b, addr []byte) []byte {
	return append(append(b, byte(len(addr))), addr...)
}

// U64 appends a number.
func U64(b []byte, n uint64) []byte { return binary.BigEndian.AppendUint64(b, n) }

// U32 appends a number.
func U32(b []byte, n uint32) []byte { return binary.BigEndian.AppendUint32(b, n) }

// Reader takes a key apart. The first part that isn't there makes all later ones zero and
// Err non-nil.
type Reader struct {
	b   []byte
	bad bool
}

// Read starts at the front of b.
func Read(b []byte) *Reader { return &Reader{b: b} }

func (r *Reader) take(n int) []byte {
	if r.bad || len(r.b) < n {
		r.bad = true
		return nil
	}
	p := r.b[:n:n]
	r.b = r.b[n:]
	return p
}

// Byte reads one byte.
func (r *Reader) Byte() byte {
	if p := r.take(1); p != nil {
		return p[0]
	}
	return 0
}

// Addr reads an address behind its length.
func (r *Reader) Addr() []byte { return r.take(int(r.Byte())) }

// U64 reads a number.
func (r *Reader) U64() uint64 {
	if p := r.take(8); p != nil {
		return binary.BigEndian.Uint64(p)
	}
	return 0
}

// U32 reads a number.
func (r *Reader) U32() uint32 {
	if p := r.take(4); p != nil {
		return binary.BigEndian.Uint32(p)
	}
	return 0
}

// Rest reads what is left.
func (r *Reader) Rest() []byte { return r.take(len(r.b)) }

// Err is ErrMalformed if a part was missing, or something is left.
func (r *Reader) Err() error {
	if r.bad || len(r.b) > 0 {
		return ErrMalformed
	}
	return nil
}
