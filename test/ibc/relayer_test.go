// Package ibc_test connects two whole chains in one process: real Apps, real commits, headers signed by the validator,
// and a relayer that sends the messages a relayer sends, with proofs read from the other chain's store.
package ibc_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	abci "github.com/cometbft/cometbft/abci/types"
	cmted25519 "github.com/cometbft/cometbft/crypto/ed25519"
	cmtproto "github.com/cometbft/cometbft/proto/tendermint/types"
	cmtversion "github.com/cometbft/cometbft/proto/tendermint/version"
	cmttypes "github.com/cometbft/cometbft/types"
	"github.com/cometbft/cometbft/version"

	sdk "github.com/cosmos/cosmos-sdk/types"

	transfertypes "github.com/cosmos/ibc-go/v11/modules/apps/transfer/types"
	clienttypes "github.com/cosmos/ibc-go/v11/modules/core/02-client/types"
	connectiontypes "github.com/cosmos/ibc-go/v11/modules/core/03-connection/types"
	channeltypes "github.com/cosmos/ibc-go/v11/modules/core/04-channel/types"
	commitmenttypes "github.com/cosmos/ibc-go/v11/modules/core/23-commitment/types"
	host "github.com/cosmos/ibc-go/v11/modules/core/24-host"
	ibcexported "github.com/cosmos/ibc-go/v11/modules/core/exported"
	ibctm "github.com/cosmos/ibc-go/v11/modules/light-clients/07-tendermint"

	"github.com/akash-supercloud/akash/test/inproc"
)

// power of the only validator: its stake in whole AKT.
const power = inproc.Funds / 1_000_000

// side is one of the two chains, with its ends of the path between them.
type side struct {
	*inproc.Chain
	t                           *testing.T
	peer                        *side
	client, connection, channel string
	known                       int64 // height of the peer that this side's client has
	sent                        uint64
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// pair is two chains, each with a client of the other.
func pair(t *testing.T, o inproc.Options) (a, b *side) {
	t.Helper()
	o.Names = append([]string{"relayer", "alice", "bob"}, o.Names...)
	a, b = &side{t: t, Chain: inproc.New(t, o)}, &side{t: t, Chain: inproc.New(t, o)}
	a.peer, b.peer = b, a
	for _, s := range []*side{a, b} {
		h := s.peer.seal()
		state := ibctm.NewClientState(inproc.ChainID, ibctm.DefaultTrustLevel, 9*time.Minute, 10*time.Minute, 10*time.Hour,
			clienttypes.NewHeight(0, uint64(h.Header.Height)), commitmenttypes.GetSDKSpecs(), []string{"upgrade", "upgradedIBCState"})
		msg, err := clienttypes.NewMsgCreateClient(state, h.ConsensusState(), s.addr("relayer"))
		must(t, err)
		s.client = attribute(s.Must("relayer", msg), clienttypes.EventTypeCreateClient, clienttypes.AttributeKeyClientID)
		s.known = h.Header.Height
	}
	return a, b
}

// path is pair with a connection and a channel of the transfer application.
func path(t *testing.T, o inproc.Options) (a, b *side) {
	t.Helper()
	a, b = pair(t, o)
	prefix := commitmenttypes.NewMerklePrefix([]byte(ibcexported.StoreKey))
	version := connectiontypes.GetCompatibleVersions()
	a.connection = attribute(a.Must("relayer", connectiontypes.NewMsgConnectionOpenInit(a.client, b.client, prefix, version[0], 0, a.addr("relayer"))),
		connectiontypes.EventTypeConnectionOpenInit, connectiontypes.AttributeKeyConnectionID)
	b.connection = attribute(b.relay(host.ConnectionKey(a.connection), func(proof []byte, h clienttypes.Height) sdk.Msg {
		return connectiontypes.NewMsgConnectionOpenTry(b.client, a.connection, a.client, prefix, version, 0, proof, h, b.addr("relayer"))
	}), connectiontypes.EventTypeConnectionOpenTry, connectiontypes.AttributeKeyConnectionID)
	a.relay(host.ConnectionKey(b.connection), func(proof []byte, h clienttypes.Height) sdk.Msg {
		return connectiontypes.NewMsgConnectionOpenAck(a.connection, b.connection, proof, h, version[0], a.addr("relayer"))
	})
	b.relay(host.ConnectionKey(a.connection), func(proof []byte, h clienttypes.Height) sdk.Msg {
		return connectiontypes.NewMsgConnectionOpenConfirm(b.connection, proof, h, b.addr("relayer"))
	})

	const port, v = transfertypes.PortID, transfertypes.V1
	a.channel = attribute(a.Must("relayer", channeltypes.NewMsgChannelOpenInit(port, v, channeltypes.UNORDERED, []string{a.connection}, port, a.addr("relayer"))),
		channeltypes.EventTypeChannelOpenInit, channeltypes.AttributeKeyChannelID)
	b.channel = attribute(b.relay(host.ChannelKey(port, a.channel), func(proof []byte, h clienttypes.Height) sdk.Msg {
		return channeltypes.NewMsgChannelOpenTry(port, v, channeltypes.UNORDERED, []string{b.connection}, port, a.channel, v, proof, h, b.addr("relayer"))
	}), channeltypes.EventTypeChannelOpenTry, channeltypes.AttributeKeyChannelID)
	a.relay(host.ChannelKey(port, b.channel), func(proof []byte, h clienttypes.Height) sdk.Msg {
		return channeltypes.NewMsgChannelOpenAck(port, a.channel, b.channel, v, proof, h, a.addr("relayer"))
	})
	b.relay(host.ChannelKey(port, a.channel), func(proof []byte, h clienttypes.Height) sdk.Msg {
		return channeltypes.NewMsgChannelOpenConfirm(port, b.channel, proof, h, b.addr("relayer"))
	})
	return a, b
}

func (s *side) addr(name string) string { return inproc.Addr(name).String() }

// seal makes a block, whose header carries the app hash of the block before, and returns that header.
func (s *side) seal() *ibctm.Header {
	s.t.Helper()
	hash := s.App.LastCommitID().Hash
	s.Block()
	return header(s.t, s.Height, s.Time, hash)
}

// header is a header that the validator has signed.
func header(t *testing.T, height int64, when time.Time, appHash []byte) *ibctm.Header {
	t.Helper()
	key := cmted25519.PrivKey(inproc.ValidatorKey().Key)
	validators := cmttypes.NewValidatorSet([]*cmttypes.Validator{cmttypes.NewValidator(key.PubKey(), power)})
	other := make([]byte, 32)
	h := cmttypes.Header{
		Version: cmtversion.Consensus{Block: version.BlockProtocol}, ChainID: inproc.ChainID, Height: height, Time: when,
		LastBlockID:    cmttypes.BlockID{Hash: other, PartSetHeader: cmttypes.PartSetHeader{Total: 1, Hash: other}},
		LastCommitHash: other, DataHash: other, ValidatorsHash: validators.Hash(), NextValidatorsHash: validators.Hash(),
		ConsensusHash: other, AppHash: appHash, LastResultsHash: other, EvidenceHash: other, ProposerAddress: key.PubKey().Address(),
	}
	id := cmttypes.BlockID{Hash: h.Hash(), PartSetHeader: cmttypes.PartSetHeader{Total: 1, Hash: other}}
	votes := cmttypes.NewVoteSet(inproc.ChainID, height, 0, cmtproto.PrecommitType, validators)
	commit, err := cmttypes.MakeExtCommit(id, height, 0, votes, []cmttypes.PrivValidator{cmttypes.NewMockPVWithParams(key, false, false)}, when, false)
	must(t, err)
	set, err := validators.ToProto()
	must(t, err)
	set.TotalVotingPower = validators.TotalVotingPower()
	return &ibctm.Header{SignedHeader: &cmtproto.SignedHeader{Header: h.ToProto(), Commit: commit.ToCommit().ToProto()}, ValidatorSet: set}
}

// trusting completes a header of the peer for a client that knows the height trusted.
func trusting(h *ibctm.Header, trusted int64) *ibctm.Header {
	c := *h
	c.TrustedHeight, c.TrustedValidators = clienttypes.NewHeight(0, uint64(trusted)), h.ValidatorSet
	return &c
}

// update is the message that tells this side's client of the peer's header h.
func (s *side) update(h *ibctm.Header) sdk.Msg {
	s.t.Helper()
	msg, err := clienttypes.NewMsgUpdateClient(s.client, trusting(h, s.known), s.addr("relayer"))
	must(s.t, err)
	return msg
}

// proof reads what is under key, or that nothing is, as of height.
func (s *side) proof(key []byte, height int64) []byte {
	s.t.Helper()
	res, err := s.App.Query(context.Background(), &abci.RequestQuery{Path: "store/" + ibcexported.StoreKey + "/key", Height: height, Data: key, Prove: true})
	must(s.t, err)
	if res.Code != 0 {
		s.t.Fatalf("proof of %s at %d: %s", key, height, res.Log)
	}
	p, err := commitmenttypes.ConvertProofs(res.ProofOps)
	must(s.t, err)
	raw, err := s.App.Codec.Marshal(&p)
	must(s.t, err)
	return raw
}

// relayed signs the transaction that tells this side what the peer has under key.
func (s *side) relayed(key []byte, message func(proof []byte, h clienttypes.Height) sdk.Msg) (raw []byte, known int64) {
	s.t.Helper()
	h := s.peer.seal()
	proof := s.peer.proof(key, h.Header.Height-1)
	return s.Sign("relayer", s.update(h), message(proof, clienttypes.NewHeight(0, uint64(h.Header.Height)))), h.Header.Height
}

// try is relayed in a block.
func (s *side) try(key []byte, message func(proof []byte, h clienttypes.Height) sdk.Msg) *abci.ExecTxResult {
	s.t.Helper()
	raw, known := s.relayed(key, message)
	res := s.Block(raw)[0]
	if res.Code == 0 {
		s.known = known
	}
	return res
}

// relay is try of what has to succeed.
func (s *side) relay(key []byte, message func(proof []byte, h clienttypes.Height) sdk.Msg) *abci.ExecTxResult {
	s.t.Helper()
	res := s.try(key, message)
	if res.Code != 0 {
		s.t.Fatalf("relay of %s: %s/%d: %s", key, res.Codespace, res.Code, res.Log)
	}
	return res
}

// transfer sends coin (whose full name is denom) from a name here to one on the peer, and returns the packet.
func (s *side) transfer(from, to string, coin sdk.Coin, denom string, timeout time.Time) channeltypes.Packet {
	s.t.Helper()
	s.Must(from, transfertypes.NewMsgTransfer(transfertypes.PortID, s.channel, coin, s.addr(from), s.addr(to), clienttypes.ZeroHeight(), uint64(timeout.UnixNano()), ""))
	s.sent++
	data := transfertypes.NewFungibleTokenPacketData(denom, coin.Amount.String(), s.addr(from), s.addr(to), "")
	return channeltypes.NewPacket(data.GetBytes(), s.sent, transfertypes.PortID, s.channel, transfertypes.PortID, s.peer.channel, clienttypes.ZeroHeight(), uint64(timeout.UnixNano()))
}

func (s *side) recv(p channeltypes.Packet) ([]byte, func(proof []byte, h clienttypes.Height) sdk.Msg) {
	return host.PacketCommitmentKey(p.SourcePort, p.SourceChannel, p.Sequence), func(proof []byte, h clienttypes.Height) sdk.Msg {
		return channeltypes.NewMsgRecvPacket(p, proof, h, s.addr("relayer"))
	}
}

func (s *side) ack(p channeltypes.Packet) ([]byte, func(proof []byte, h clienttypes.Height) sdk.Msg) {
	ok := channeltypes.NewResultAcknowledgement([]byte{1}).Acknowledgement()
	return host.PacketAcknowledgementKey(p.DestinationPort, p.DestinationChannel, p.Sequence), func(proof []byte, h clienttypes.Height) sdk.Msg {
		return channeltypes.NewMsgAcknowledgement(p, ok, proof, h, s.addr("relayer"))
	}
}

// deliver brings a packet to the peer of s, and its acknowledgement back.
func (s *side) deliver(p channeltypes.Packet) {
	s.t.Helper()
	s.peer.relay(s.peer.recv(p))
	s.relay(s.ack(p))
}

// escrowed is what the channel's escrow account holds, and voucher the name of a coin that came over the channel.
func (s *side) escrowed(denom string) int64 {
	return s.App.Bank.GetBalance(s.Ctx(), transfertypes.GetEscrowAddress(transfertypes.PortID, s.channel), denom).Amount.Int64()
}

func (s *side) voucher(denom string) string {
	return transfertypes.NewDenom(denom, transfertypes.NewHop(transfertypes.PortID, s.channel)).IBCDenom()
}

func (s *side) supply(denom string) int64 { return s.App.Bank.GetSupply(s.Ctx(), denom).Amount.Int64() }

func (s *side) later() time.Time { return s.Time.Add(time.Hour) }

func attribute(res *abci.ExecTxResult, event, key string) string {
	for _, e := range res.Events {
		for _, a := range e.Attributes {
			if e.Type == event && a.Key == key {
				return a.Value
			}
		}
	}
	panic(fmt.Sprintf("no event %s with %s", event, key))
}

func refused(t *testing.T, res *abci.ExecTxResult, why string) {
	t.Helper()
	if res.Code == 0 || !strings.Contains(res.Log, why) {
		t.Errorf("code %d: %s; want a refusal because of %q", res.Code, res.Log, why)
	}
}
