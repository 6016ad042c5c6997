package app

import (
	"fmt"

	dbm "github.com/cosmos/cosmos-db"
	"github.com/cosmos/gogoproto/proto"

	"cosmossdk.io/log/v2"

	"github.com/cosmos/cosmos-sdk/client"
	"github.com/cosmos/cosmos-sdk/codec"
	"github.com/cosmos/cosmos-sdk/codec/address"
	codectypes "github.com/cosmos/cosmos-sdk/codec/types"
	"github.com/cosmos/cosmos-sdk/std"
	"github.com/cosmos/cosmos-sdk/types/module"
	authtx "github.com/cosmos/cosmos-sdk/x/auth/tx"
	"github.com/cosmos/cosmos-sdk/x/tx/signing"

	"github.com/akash-supercloud/akash/api"
)

// Encoding is how transactions and state are written: what a node and its clients have to agree on.
type Encoding struct {
	Registry codectypes.InterfaceRegistry
	Codec    codec.Codec
	Amino    *codec.LegacyAmino
	TxConfig client.TxConfig
}

// NewEncoding returns an Encoding that knows all of the chain's messages.
func NewEncoding() Encoding {
	return NewOffline().Encoding
}

func newEncoding() Encoding {
	registry, err := codectypes.NewInterfaceRegistryWithOptions(codectypes.InterfaceRegistryOptions{
		ProtoFiles: proto.HybridResolver,
		SigningOptions: signing.Options{
			AddressCodec:          address.NewBech32Codec(Bech32Prefix),
			ValidatorAddressCodec: address.NewBech32Codec(Bech32Prefix + "valoper"),
			CustomGetSigners:      api.CustomSigners(),
		},
	})
	if err != nil {
		panic(fmt.Errorf("protobuf registry: %w", err)) // a generated file is broken
	}
	cdc := codec.NewProtoCodec(registry)
	amino := codec.NewLegacyAmino()
	std.RegisterLegacyAminoCodec(amino)
	std.RegisterInterfaces(registry)
	return Encoding{
		Registry: registry,
		Codec:    cdc,
		Amino:    amino,
		TxConfig: authtx.NewTxConfig(cdc, authtx.DefaultSignModes),
	}
}

// Basics returns the stateless halves of all modules, without a store: what a client needs.
func Basics() module.BasicManager {
	return NewOffline().basics
}

type noOptions struct{}

func (noOptions) Get(string) any { return nil }

// NewOffline returns an App over an empty store in memory, for its codecs, default genesis and commands.
func NewOffline() *App { return New(log.NewNopLogger(), dbm.NewMemDB(), noOptions{}) }
