package api

import (
	"fmt"
	"strings"
	"sync"

	sdkclient "github.com/cosmos/cosmos-sdk/client"
	"github.com/cosmos/cosmos-sdk/codec"
	authtx "github.com/cosmos/cosmos-sdk/x/auth/tx"
	"github.com/cosmos/cosmos-sdk/x/tx/signing"
	"github.com/cosmos/cosmos-sdk/x/tx/signing/aminojson"
	gogoproto "github.com/cosmos/gogoproto/proto"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"

	"cosmossdk.io/api/amino"
)

// Files returns the descriptors of all messages of this program, ours and the SDK's, each with those of the
// messages inside it. Amino JSON, which hardware wallets sign, is made by them. gogoproto's own resolver won't do:
// a file that was registered before one that it imports has nothing in that one's place, so what a wallet signs
// would lack what is inside, without an error.
var Files = sync.OnceValue(func() *protoregistry.Files {
	files, err := gogoproto.MergedRegistry()
	if err != nil {
		panic(fmt.Errorf("protobuf files: %w", err)) // a generated file is broken
	}
	return files
})

// NewTxConfig returns how transactions are written, read and signed, for a codec whose registry was made with Files.
func NewTxConfig(cdc codec.Codec) sdkclient.TxConfig {
	c, err := authtx.NewTxConfigWithOptions(cdc, authtx.ConfigOptions{
		EnabledSignModes: authtx.DefaultSignModes,
		SigningContext:   cdc.InterfaceRegistry().SigningContext(),
		SigningOptions:   &signing.Options{FileResolver: Files(), TypeResolver: protoregistry.GlobalTypes},
	})
	if err != nil {
		panic(fmt.Errorf("sign modes: %w", err)) // the options are constants
	}
	return c
}

// LegacyNames returns a handler for amino JSON in which our messages have the names that modules of Akash register
// with amino, such as akash-sdk/x/deployment/MsgCreateDeployment. In the sign mode of NewTxConfig, as on chains
// since SDK 0.50, they have their type URLs. A node takes both.
func LegacyNames() (*signing.HandlerMap, error) {
	set, err := gogoproto.MergedGlobalFileDescriptors()
	if err != nil {
		return nil, err
	}
	for i, f := range set.File {
		if !strings.HasPrefix(f.GetPackage(), "akash.") {
			continue
		}
		f = proto.CloneOf(f)
		set.File[i] = f
		for _, m := range f.MessageType {
			name := legacyName(f.GetPackage(), m.GetName())
			if name == "" {
				continue
			}
			if m.Options == nil {
				m.Options = &descriptorpb.MessageOptions{}
			}
			proto.SetExtension(m.Options, amino.E_Name, name)
		}
	}
	files, err := protodesc.NewFiles(set)
	if err != nil {
		return nil, err
	}
	return signing.NewHandlerMap(aminojson.NewSignModeHandler(aminojson.SignModeHandlerOptions{
		FileResolver: files, TypeResolver: protoregistry.GlobalTypes,
	})), nil
}

// legacyName is the amino name of a message of ours that is signed; "" for all others.
func legacyName(pkg, message string) string {
	if !strings.HasPrefix(message, "Msg") || strings.HasSuffix(message, "Response") {
		return ""
	}
	switch module := strings.Split(pkg, ".")[1]; module {
	case "deployment", "market", "audit", "cert":
		return "akash-sdk/x/" + module + "/" + message
	case "provider":
		return "provider/" + message
	case "escrow": // a slip of theirs, which wallets repeat
		return "akash-sdk/x/escrow/v1/"
	}
	return ""
}
