// Package v1 is the wire form of the certificate registry. Generated from
// proto/akash/cert/v1; this file adds the text form of identifiers.
package v1

// String returns the text form "owner/serial".
func (id ID) String() string { return id.Owner + "/" + id.Serial }
