// Package signer finds who must sign messages whose signer isn't a field of the message
// itself but of an identifier inside it.
package signer

import (
	"fmt"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"cosmossdk.io/core/address"

	"github.com/cosmos/cosmos-sdk/x/tx/signing"
)

// Funcs finds the signers of messages by their full names.
type Funcs = map[protoreflect.FullName]signing.GetSignersFunc

// Nested returns a function that reads the one signer of a message from field inner of
// its message field outer, for instance "id" and "owner". The function fails when a
// field is missing, or isn't an address that codec reads.
func Nested(codec address.Codec, outer, inner protoreflect.Name) signing.GetSignersFunc {
	return func(msg proto.Message) ([][]byte, error) {
		m := msg.ProtoReflect()
		of := m.Descriptor().Fields().ByName(outer)
		if of == nil || of.Message() == nil {
			return nil, fmt.Errorf("%s has no message field %s to find its signer in", m.Descriptor().FullName(), outer)
		}
		id := m.Get(of).Message()
		f := of.Message().Fields().ByName(inner)
		if f == nil || f.Kind() != protoreflect.StringKind {
			return nil, fmt.Errorf("%s.%s has no text field %s to find its signer in", m.Descriptor().FullName(), outer, inner)
		}
		addr, err := codec.StringToBytes(id.Get(f).String())
		if err != nil {
			return nil, fmt.Errorf("%s.%s: %w", outer, inner, err)
		}
		return [][]byte{addr}, nil
	}
}
