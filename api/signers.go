// Package api is the root of the wire contract: the Go made from proto/ lives below it.
// It owns what the generated code can't say by itself: who signs the messages whose signer
// sits inside an identifier, and which messages the chain takes.
package api

import (
	"fmt"
	"sync"

	codectypes "github.com/cosmos/cosmos-sdk/codec/types"
	sdk "github.com/cosmos/cosmos-sdk/types"
	"github.com/cosmos/cosmos-sdk/types/bech32"
	"github.com/cosmos/cosmos-sdk/types/msgservice"
	"github.com/cosmos/cosmos-sdk/x/authz"
	"github.com/cosmos/cosmos-sdk/x/tx/signing"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	auditv1 "github.com/akash-supercloud/akash/api/akash/audit/v1"
	certv1 "github.com/akash-supercloud/akash/api/akash/cert/v1"
	deploymentv1beta4 "github.com/akash-supercloud/akash/api/akash/deployment/v1beta4"
	escrowv1 "github.com/akash-supercloud/akash/api/akash/escrow/v1"
	marketv1beta5 "github.com/akash-supercloud/akash/api/akash/market/v1beta5"
	providerv1beta4 "github.com/akash-supercloud/akash/api/akash/provider/v1beta4"
)

// Bech32Prefix is what account addresses begin with.
const Bech32Prefix = "akash"

// The SDK remembers the text of addresses it wrote once, so the prefix is set before anything runs.
func init() { ConfigureAddresses() }

var addresses sync.Once

// ConfigureAddresses makes the SDK read and write addresses with our prefix. Importing this
// package does it; calling it again is harmless.
func ConfigureAddresses() {
	addresses.Do(func() {
		c := sdk.GetConfig()
		if c.GetBech32AccountAddrPrefix() == Bech32Prefix {
			return
		}
		c.SetBech32PrefixForAccount(Bech32Prefix, Bech32Prefix+"pub")
		c.SetBech32PrefixForValidator(Bech32Prefix+"valoper", Bech32Prefix+"valoperpub")
		c.SetBech32PrefixForConsensusNode(Bech32Prefix+"valcons", Bech32Prefix+"valconspub")
	})
}

// nestedSigners names, for each message without a signer option of its own, the
// identifier field and the field in it that holds the signer's address.
var nestedSigners = map[protoreflect.FullName][2]protoreflect.Name{
	"akash.deployment.v1beta4.MsgCreateDeployment": {"id", "owner"},
	"akash.deployment.v1beta4.MsgUpdateDeployment": {"id", "owner"},
	"akash.deployment.v1beta4.MsgCloseDeployment":  {"id", "owner"},
	"akash.deployment.v1beta4.MsgCloseGroup":       {"id", "owner"},
	"akash.deployment.v1beta4.MsgPauseGroup":       {"id", "owner"},
	"akash.deployment.v1beta4.MsgStartGroup":       {"id", "owner"},
	"akash.market.v1beta5.MsgCreateBid":            {"id", "provider"},
	"akash.market.v1beta5.MsgCloseBid":             {"id", "provider"},
	"akash.market.v1beta5.MsgCreateLease":          {"bid_id", "owner"},
	"akash.market.v1beta5.MsgWithdrawLease":        {"id", "provider"},
	"akash.market.v1beta5.MsgCloseLease":           {"id", "owner"},
	"akash.market.v1beta5.MsgLeaseStartReclaim":    {"id", "provider"},
	"akash.cert.v1.MsgRevokeCertificate":           {"id", "owner"},
}

// CustomSigners returns the signer functions that signing.Options.CustomGetSigners of both
// the chain and its clients must hold. The map is the caller's.
func CustomSigners() map[protoreflect.FullName]signing.GetSignersFunc {
	out := make(map[protoreflect.FullName]signing.GetSignersFunc, len(nestedSigners))
	for name, path := range nestedSigners {
		out[name] = nestedSigner(path[0], path[1])
	}
	return out
}

func nestedSigner(idField, addressField protoreflect.Name) signing.GetSignersFunc {
	return func(m proto.Message) ([][]byte, error) {
		msg := m.ProtoReflect()
		name := msg.Descriptor().FullName()
		id := msg.Descriptor().Fields().ByName(idField)
		if id == nil || id.Message() == nil {
			return nil, fmt.Errorf("%s has no %s", name, idField)
		}
		field := id.Message().Fields().ByName(addressField)
		if field == nil || field.Kind() != protoreflect.StringKind {
			return nil, fmt.Errorf("%s has no %s.%s", name, idField, addressField)
		}
		address := msg.Get(id).Message().Get(field).String()
		prefix, signer, err := bech32.DecodeAndConvert(address)
		if err != nil || prefix != Bech32Prefix || len(signer) == 0 || len(signer) > 255 {
			return nil, fmt.Errorf("%s: %s.%s %q is not an %s… address", name, idField, addressField, address, Bech32Prefix)
		}
		return [][]byte{signer}, nil
	}
}

// RegisterInterfaces registers every message that our modules take, for packing into
// transactions, and the grant of deposits, for reading grants. Modules register their own too; doing it twice is harmless.
func RegisterInterfaces(registry codectypes.InterfaceRegistry) {
	for _, desc := range []*grpc.ServiceDesc{
		&deploymentv1beta4.Msg_serviceDesc,
		&marketv1beta5.Msg_serviceDesc,
		&escrowv1.Msg_serviceDesc,
		&providerv1beta4.Msg_serviceDesc,
		&certv1.Msg_serviceDesc,
		&auditv1.Msg_serviceDesc,
	} {
		msgservice.RegisterMsgServiceDesc(registry, desc)
	}
	registry.RegisterImplementations((*authz.Authorization)(nil), &escrowv1.DepositAuthorization{})
}
