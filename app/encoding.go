package app

import (
	"fmt"

	"cosmossdk.io/log/v2"

	"github.com/cosmos/cosmos-sdk/baseapp"
	"github.com/cosmos/cosmos-sdk/client"
	"github.com/cosmos/cosmos-sdk/codec"
	"github.com/cosmos/cosmos-sdk/codec/address"
	codectypes "github.com/cosmos/cosmos-sdk/codec/types"
	"github.com/cosmos/cosmos-sdk/std"
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
func NewEncoding() Encoding { return NewOffline().Encoding }

func newEncoding() Encoding {
	registry, err := codectypes.NewInterfaceRegistryWithOptions(codectypes.InterfaceRegistryOptions{
		ProtoFiles: api.Files(),
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
		TxConfig: txConfig{api.NewTxConfig(cdc)},
	}
}

// NewOffline returns an App without a store and without a BaseApp: for its codecs, default genesis, module commands
// and queries' descriptions. Nothing can be run or read with it.
func NewOffline() *App {
	a := newApp()
	a.wire(log.NewNopLogger(), noOptions{}, baseapp.NewMsgServiceRouter(), nil)
	return a
}

type noOptions struct{}

func (noOptions) Get(string) any { return nil }
