// Package hostile sends the chain what has halted chains of this kind before: nested and malformed messages, impossible keys,
// absurd amounts, work that grows without bound.
//
// What always holds: each is refused with a code, in the mempool and in a block, never by a panic, not even one that is
// caught; it costs no more time than its size pays for; and the chain makes its next block.
package hostile

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	abci "github.com/cometbft/cometbft/abci/types"
	cmtproto "github.com/cometbft/cometbft/proto/tendermint/types"
	"github.com/cosmos/gogoproto/proto"

	sdkmath "cosmossdk.io/math"

	"github.com/cosmos/cosmos-sdk/codec"
	codectypes "github.com/cosmos/cosmos-sdk/codec/types"
	"github.com/cosmos/cosmos-sdk/crypto/keys/ed25519"
	"github.com/cosmos/cosmos-sdk/crypto/keys/multisig"
	"github.com/cosmos/cosmos-sdk/crypto/keys/secp256k1"
	"github.com/cosmos/cosmos-sdk/crypto/keys/secp256r1"
	cryptotypes "github.com/cosmos/cosmos-sdk/crypto/types"
	sdk "github.com/cosmos/cosmos-sdk/types"
	txtypes "github.com/cosmos/cosmos-sdk/types/tx"
	"github.com/cosmos/cosmos-sdk/types/tx/signing"
	authtypes "github.com/cosmos/cosmos-sdk/x/auth/types"
	"github.com/cosmos/cosmos-sdk/x/authz"
	banktypes "github.com/cosmos/cosmos-sdk/x/bank/types"
	evidencetypes "github.com/cosmos/cosmos-sdk/x/evidence/types"
	"github.com/cosmos/cosmos-sdk/x/feegrant"
	govv1 "github.com/cosmos/cosmos-sdk/x/gov/types/v1"

	"github.com/akash-supercloud/akash/app/genesis"
	"github.com/akash-supercloud/akash/test/inproc"
)

const (
	maxCheck = 2 * time.Second  // of one transaction of the mempool's size, on a slow machine under load
	maxBlock = 20 * time.Second // of a block full of one kind of work
)

func newChain(t *testing.T) *inproc.Chain {
	return inproc.New(t, inproc.Options{Names: []string{"alice", "bob", "carol"}})
}

func addr(name string) string { return inproc.Addr(name).String() }

func pack(t testing.TB, m proto.Message) *codectypes.Any {
	t.Helper()
	a, err := codectypes.NewAnyWithValue(m)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// refused holds that the mempool and a block both refuse raw with a code that isn't a panic's, soon. It returns the block's.
func refused(t *testing.T, c *inproc.Chain, what string, raw []byte) *abci.ExecTxResult {
	t.Helper()
	begin := time.Now()
	check := c.Check(raw)
	if d := time.Since(begin); d > maxCheck {
		t.Errorf("%s: the mempool's check takes %s", what, d)
	}
	if check.Code == 0 {
		t.Errorf("%s: the mempool takes it", what)
	}
	notPanic(t, what+" in the mempool", check.Codespace, check.Code, check.Log)
	return refusedInBlock(t, c, what, raw)
}

func refusedInBlock(t *testing.T, c *inproc.Chain, what string, raw []byte) *abci.ExecTxResult {
	t.Helper()
	begin := time.Now()
	if res, err := c.App.ProcessProposal(&abci.RequestProcessProposal{Height: c.Height + 1, Time: c.Time.Add(inproc.BlockTime), Txs: [][]byte{raw}}); err != nil {
		t.Errorf("%s: a proposal: %v (%v)", what, err, res)
	}
	res := c.Block(raw)[0]
	if d := time.Since(begin); d > maxBlock {
		t.Errorf("%s: the block takes %s", what, d)
	}
	if res.Code == 0 {
		t.Errorf("%s: a block takes it", what)
	}
	notPanic(t, what+" in a block", res.Codespace, res.Code, res.Log)
	c.Block() // the chain goes on
	return res
}

func notPanic(t testing.TB, what, codespace string, code uint32, log string) {
	t.Helper()
	if code == 111222 || strings.Contains(log, "goroutine") || strings.Contains(log, "runtime error") {
		t.Errorf("%s: a panic, %s/%d: %.150s", what, codespace, code, log)
	}
}

func send(from, to string, coins sdk.Coins) *banktypes.MsgSend {
	return &banktypes.MsgSend{FromAddress: addr(from), ToAddress: addr(to), Amount: coins}
}

var one = sdk.NewCoins(sdk.NewInt64Coin("uakt", 1))

// raw puts a transaction together by hand, out of parts that no wallet would make. The signature is random.
func raw(t testing.TB, body, auth proto.Message, signatures ...[]byte) []byte {
	t.Helper()
	b, err := proto.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	a, err := proto.Marshal(auth)
	if err != nil {
		t.Fatal(err)
	}
	out, err := proto.Marshal(&txtypes.TxRaw{BodyBytes: b, AuthInfoBytes: a, Signatures: signatures})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func authInfo(infos ...*txtypes.SignerInfo) *txtypes.AuthInfo {
	return &txtypes.AuthInfo{SignerInfos: infos, Fee: &txtypes.Fee{GasLimit: inproc.Gas, Amount: sdk.NewCoins(sdk.NewInt64Coin("uakt", inproc.Fee))}}
}

func single(mode signing.SignMode) *txtypes.ModeInfo {
	return &txtypes.ModeInfo{Sum: &txtypes.ModeInfo_Single_{Single: &txtypes.ModeInfo_Single{Mode: mode}}}
}

// TestNested sends messages in messages in messages.
func TestNested(t *testing.T) {
	c := newChain(t)
	signed := func(m sdk.Msg) []byte { return c.Sign("alice", m) }
	for _, depth := range []int{2, 12, 70, 500, 2000} {
		exec := func() sdk.Msg {
			var m sdk.Msg = send("alice", "bob", one)
			for range depth {
				m = &authz.MsgExec{Grantee: addr("alice"), Msgs: []*codectypes.Any{pack(t, m)}}
			}
			return m
		}
		propose := func() sdk.Msg {
			var m sdk.Msg = send("alice", "bob", one)
			for range depth {
				m = &govv1.MsgSubmitProposal{Proposer: addr("alice"), Messages: []*codectypes.Any{pack(t, m)}, InitialDeposit: one, Title: "t", Summary: "s"}
			}
			return m
		}
		allow := func() sdk.Msg {
			a := pack(t, &feegrant.BasicAllowance{})
			for range depth {
				a = pack(t, &feegrant.AllowedMsgAllowance{Allowance: a, AllowedMessages: []string{"/cosmos.bank.v1beta1.MsgSend"}})
			}
			return &feegrant.MsgGrantAllowance{Granter: addr("alice"), Grantee: addr("carol"), Allowance: a}
		}
		for name, make := range map[string]func() sdk.Msg{"authz exec": exec, "gov proposal": propose, "feegrant allowance": allow} {
			what := fmt.Sprintf("%s, %d deep", name, depth)
			var tx []byte
			if err := try(func() { tx = signed(make()) }); err != nil || depth > 12 {
				// The client's own codec refuses; a stranger's wouldn't.
				tx = raw(t, &txtypes.TxBody{Messages: []*codectypes.Any{pack(t, make())}},
					authInfo(&txtypes.SignerInfo{PublicKey: pack(t, inproc.Key("alice").PubKey()), ModeInfo: single(signing.SignMode_SIGN_MODE_DIRECT)}), bytes.Repeat([]byte{1}, 64))
			}
			if depth == 2 { // a few are nothing bad
				begin := time.Now()
				res := c.Block(tx)[0]
				notPanic(t, what, res.Codespace, res.Code, res.Log)
				if d := time.Since(begin); d > maxCheck {
					t.Errorf("%s takes %s", what, d)
				}
				continue
			}
			refused(t, c, what, tx)
		}
	}
}

// try runs f and returns its panic, if it has one.
func try(f func()) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%v", r)
		}
	}()
	f()
	return nil
}

// TestMultisig sends keys of several signers that can't be, and bit arrays that don't fit them. Each key's account has money, so
// that the key is looked at.
func TestMultisig(t *testing.T) {
	c := newChain(t)
	k1, k2 := pack(t, inproc.Key("one").PubKey()), pack(t, inproc.Key("two").PubKey())
	nest := func(depth int) *codectypes.Any {
		a := k1
		for range depth {
			a = pack(t, &multisig.LegacyAminoPubKey{Threshold: 1, PubKeys: []*codectypes.Any{a}})
		}
		return a
	}
	many := make([]*codectypes.Any, 300)
	for i := range many {
		many[i] = k1
	}
	keys := map[string]*multisig.LegacyAminoPubKey{
		"no keys":             {Threshold: 1},
		"threshold 0":         {Threshold: 0, PubKeys: []*codectypes.Any{k1, k2}},
		"threshold 0, none":   {},
		"threshold too large": {Threshold: 3, PubKeys: []*codectypes.Any{k1, k2}},
		"threshold huge":      {Threshold: math.MaxUint32, PubKeys: []*codectypes.Any{k1, k2}},
		"nil key":             {Threshold: 1, PubKeys: []*codectypes.Any{{}}},
		"key without type":    {Threshold: 1, PubKeys: []*codectypes.Any{{Value: []byte{1}}}},
		"unknown key":         {Threshold: 1, PubKeys: []*codectypes.Any{{TypeUrl: "/cosmos.crypto.nothing.PubKey", Value: []byte{1}}}},
		"a message as key":    {Threshold: 1, PubKeys: []*codectypes.Any{pack(t, send("alice", "bob", one))}},
		"empty secp256k1":     {Threshold: 1, PubKeys: []*codectypes.Any{{TypeUrl: "/cosmos.crypto.secp256k1.PubKey"}, k2}},
		"short secp256k1":     {Threshold: 1, PubKeys: []*codectypes.Any{pack(t, &secp256k1.PubKey{Key: []byte{1, 2, 3}}), k2}},
		"short ed25519":       {Threshold: 1, PubKeys: []*codectypes.Any{pack(t, &ed25519.PubKey{Key: []byte{1}}), k2}},
		"empty secp256r1":     {Threshold: 1, PubKeys: []*codectypes.Any{pack(t, &secp256r1.PubKey{}), k2}},
		"nested":              {Threshold: 1, PubKeys: []*codectypes.Any{nest(2), k2}},
		"nested deep":         {Threshold: 1, PubKeys: []*codectypes.Any{nest(40)}},
		"nested empty":        {Threshold: 1, PubKeys: []*codectypes.Any{pack(t, &multisig.LegacyAminoPubKey{})}},
		"many keys":           {Threshold: 1, PubKeys: many},
		"good":                {Threshold: 1, PubKeys: []*codectypes.Any{k1, k2}},
	}
	mode := func(bits *cryptotypes.CompactBitArray, infos ...*txtypes.ModeInfo) *txtypes.ModeInfo {
		return &txtypes.ModeInfo{Sum: &txtypes.ModeInfo_Multi_{Multi: &txtypes.ModeInfo_Multi{Bitarray: bits, ModeInfos: infos}}}
	}
	amino := single(signing.SignMode_SIGN_MODE_LEGACY_AMINO_JSON)
	fill := func(n int) *cryptotypes.CompactBitArray {
		b := cryptotypes.NewCompactBitArray(n)
		for i := range n {
			b.SetIndex(i, true)
		}
		return b
	}
	deep := amino
	for range 40 {
		deep = mode(fill(1), deep)
	}
	modes := map[string]*txtypes.ModeInfo{
		"fits":              mode(fill(2), amino, amino),
		"one":               mode(fill(1), amino),
		"nil bits":          mode(nil, amino),
		"no bits":           mode(&cryptotypes.CompactBitArray{}, amino, amino),
		"bits without byte": mode(&cryptotypes.CompactBitArray{ExtraBitsStored: 7}, amino, amino),
		"extra of 2^32":     mode(&cryptotypes.CompactBitArray{ExtraBitsStored: math.MaxUint32, Elems: []byte{0xff}}, amino, amino),
		"extra of 9":        mode(&cryptotypes.CompactBitArray{ExtraBitsStored: 9, Elems: []byte{0xff}}, amino, amino),
		"many bits":         mode(&cryptotypes.CompactBitArray{Elems: bytes.Repeat([]byte{0xff}, 100_000)}, amino),
		"fewer modes":       mode(fill(2), amino),
		"no modes":          mode(fill(2)),
		"empty mode":        mode(fill(2), &txtypes.ModeInfo{}, &txtypes.ModeInfo{}),
		"deep":              deep,
		"single":            amino,
		"none":              nil,
		"empty":             {},
	}
	sigs := map[string][]byte{}
	for name, m := range map[string]*cryptotypes.MultiSignature{
		"none": {}, "one": {Signatures: [][]byte{bytes.Repeat([]byte{1}, 64)}}, "two": {Signatures: [][]byte{bytes.Repeat([]byte{1}, 64), bytes.Repeat([]byte{2}, 64)}},
		"empty two": {Signatures: [][]byte{{}, nil}}, "many": {Signatures: make([][]byte, 1000)},
	} {
		b, err := proto.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		sigs[name] = b
	}
	sigs["nothing"] = nil
	sigs["rubbish"] = bytes.Repeat([]byte{0xff}, 100)

	for keyName, key := range keys {
		owner := inproc.Addr("alice")
		if err := try(func() { owner = sdk.AccAddress(key.Address()) }); err == nil {
			if res := c.Send("alice", &banktypes.MsgSend{FromAddress: addr("alice"), ToAddress: owner.String(), Amount: sdk.NewCoins(sdk.NewInt64Coin("uakt", 10_000_000))}); res.Code != 0 {
				t.Fatal(res.Log)
			}
		}
		body := &txtypes.TxBody{Messages: []*codectypes.Any{pack(t, &banktypes.MsgSend{FromAddress: owner.String(), ToAddress: addr("bob"), Amount: one})}}
		var block [][]byte
		var names []string
		for modeName, m := range modes {
			for sigName, sig := range sigs {
				if keyName != "good" && keyName != "threshold 0" && sigName != "one" && sigName != "two" {
					continue
				}
				raw := raw(t, body, authInfo(&txtypes.SignerInfo{PublicKey: pack(t, key), ModeInfo: m}), sig)
				name := fmt.Sprintf("key %q, mode %q, signatures %q", keyName, modeName, sigName)
				check := c.Check(raw)
				if check.Code == 0 {
					t.Errorf("%s: the mempool takes it", name)
				}
				notPanic(t, name+" in the mempool", check.Codespace, check.Code, check.Log)
				if _, _, err := c.App.Simulate(raw); err != nil && (strings.Contains(err.Error(), "goroutine") || strings.Contains(err.Error(), "runtime error")) {
					t.Errorf("%s: a panic in a simulation: %.150s", name, err)
				}
				block, names = append(block, raw), append(names, name)
			}
		}
		for i, res := range c.Block(block...) {
			if res.Code == 0 {
				t.Errorf("%s: a block takes it", names[i])
			}
			notPanic(t, names[i]+" in a block", res.Codespace, res.Code, res.Log)
		}
	}
	// A key that the chain knows already isn't in the transaction.
	key := keys["good"]
	owner := sdk.AccAddress(key.Address())
	acc := c.App.Account.GetAccount(c.Ctx(), owner)
	if err := acc.SetPubKey(key); err != nil {
		t.Fatal(err)
	}
	known := newKnown(t, acc)
	body := &txtypes.TxBody{Messages: []*codectypes.Any{pack(t, &banktypes.MsgSend{FromAddress: owner.String(), ToAddress: addr("bob"), Amount: one})}}
	for modeName, m := range modes {
		for _, sigName := range []string{"one", "two"} {
			raw := raw(t, body, authInfo(&txtypes.SignerInfo{ModeInfo: m}), sigs[sigName])
			refused(t, known, fmt.Sprintf("known key, mode %q, signatures %q", modeName, sigName), raw)
		}
	}
}

// newKnown is a chain at whose genesis acc's key is known.
func newKnown(t *testing.T, acc sdk.AccountI) *inproc.Chain {
	return inproc.New(t, inproc.Options{Names: []string{"alice", "bob"}, State: func(cdc codec.Codec, state map[string]json.RawMessage) {
		if err := genesis.Fund(cdc, state, []genesis.Account{{Address: acc.GetAddress().String(), Coins: sdk.NewCoins(sdk.NewInt64Coin("uakt", 1_000_000_000))}}); err != nil {
			t.Fatal(err)
		}
		var auth authtypes.GenesisState
		cdc.MustUnmarshalJSON(state["auth"], &auth)
		for i, a := range auth.Accounts {
			if b, ok := a.GetCachedValue().(*authtypes.BaseAccount); ok && b.Address == acc.GetAddress().String() {
				if err := b.SetPubKey(acc.GetPubKey()); err != nil {
					t.Fatal(err)
				}
				auth.Accounts[i] = pack(t, b)
			}
		}
		state["auth"] = cdc.MustMarshalJSON(&auth)
	}})
}

// TestMalformed sends transactions that are broken in other ways.
func TestMalformed(t *testing.T) {
	c := newChain(t)
	body := func(change func(*txtypes.TxBody)) *txtypes.TxBody {
		b := &txtypes.TxBody{Messages: []*codectypes.Any{pack(t, send("alice", "bob", one))}}
		if change != nil {
			change(b)
		}
		return b
	}
	info := func() *txtypes.SignerInfo {
		return &txtypes.SignerInfo{PublicKey: pack(t, inproc.Key("alice").PubKey()), ModeInfo: single(signing.SignMode_SIGN_MODE_DIRECT)}
	}
	sig := bytes.Repeat([]byte{1}, 64)
	unknown := &codectypes.Any{TypeUrl: "/akash.nothing.v1.Nothing", Value: []byte{0xff, 0xff}}
	huge := strings.Repeat("9", 500_000)
	amount := func(text string) *txtypes.TxBody {
		// MsgSend{3: Coin{1: denom, 2: amount}} by hand, for amounts that Go's types can't hold
		return body(func(b *txtypes.TxBody) {
			coin := append(field(1, []byte("uakt")), field(2, []byte(text))...)
			value := append(append(field(1, []byte(addr("alice"))), field(2, []byte(addr("bob")))...), field(3, coin)...)
			b.Messages[0] = &codectypes.Any{TypeUrl: "/cosmos.bank.v1beta1.MsgSend", Value: value}
		})
	}
	to := func(text string) *txtypes.TxBody {
		return body(func(b *txtypes.TxBody) {
			b.Messages[0] = pack(t, &banktypes.MsgSend{FromAddress: addr("alice"), ToAddress: text, Amount: one})
		})
	}
	good := func() *txtypes.AuthInfo { return authInfo(info()) }
	with := func(change func(*txtypes.AuthInfo)) *txtypes.AuthInfo { a := good(); change(a); return a }
	for name, tx := range map[string][]byte{
		"nothing":                 {},
		"rubbish":                 bytes.Repeat([]byte{0xff}, 1000),
		"zeros":                   make([]byte, 1000),
		"no messages":             raw(t, body(func(b *txtypes.TxBody) { b.Messages = nil }), good(), sig),
		"empty message":           raw(t, body(func(b *txtypes.TxBody) { b.Messages[0] = &codectypes.Any{} }), good(), sig),
		"unknown message":         raw(t, body(func(b *txtypes.TxBody) { b.Messages[0] = unknown }), good(), sig),
		"a key as message":        raw(t, body(func(b *txtypes.TxBody) { b.Messages[0] = info().PublicKey }), good(), sig),
		"a query as message":      raw(t, body(func(b *txtypes.TxBody) { b.Messages[0] = pack(t, &banktypes.QueryParamsRequest{}) }), good(), sig),
		"extension":               raw(t, body(func(b *txtypes.TxBody) { b.ExtensionOptions = []*codectypes.Any{unknown} }), good(), sig),
		"soft extension":          raw(t, body(func(b *txtypes.TxBody) { b.NonCriticalExtensionOptions = []*codectypes.Any{unknown} }), good(), sig),
		"known extension":         raw(t, body(func(b *txtypes.TxBody) { b.ExtensionOptions = []*codectypes.Any{pack(t, send("alice", "bob", one))} }), good(), sig),
		"memo of 100 KB":          raw(t, body(func(b *txtypes.TxBody) { b.Memo = strings.Repeat("m", 100_000) }), good(), sig),
		"no signer":               raw(t, body(nil), authInfo(), sig),
		"no signatures":           raw(t, body(nil), good()),
		"a thousand signatures":   raw(t, body(nil), good(), make([][]byte, 1000)...),
		"a thousand signer infos": raw(t, body(nil), with(func(a *txtypes.AuthInfo) { a.SignerInfos = make1000(info()) }), sig),
		"nil signer info":         raw(t, body(nil), authInfo(&txtypes.SignerInfo{}), sig),
		"no fee":                  raw(t, body(nil), with(func(a *txtypes.AuthInfo) { a.Fee = nil }), sig),
		"no auth info":            raw(t, body(nil), &txtypes.AuthInfo{}, sig),
		"gas of 2^64-1":           raw(t, body(nil), with(func(a *txtypes.AuthInfo) { a.Fee.GasLimit = math.MaxUint64 }), sig),
		"gas of 2^63":             raw(t, body(nil), with(func(a *txtypes.AuthInfo) { a.Fee.GasLimit = 1 << 63 }), sig),
		"no gas":                  raw(t, body(nil), with(func(a *txtypes.AuthInfo) { a.Fee.GasLimit = 0 }), sig),
		"negative fee":            raw(t, body(nil), with(func(a *txtypes.AuthInfo) { a.Fee.Amount = sdk.Coins{{Denom: "uakt", Amount: sdkmath.NewInt(-1)}} }), sig),
		"fee of nothing": raw(t, body(nil), with(func(a *txtypes.AuthInfo) {
			a.Fee.Amount = sdk.Coins{{Denom: "nothing", Amount: sdkmath.NewInt(1_000_000)}}
		}), sig),
		"fees unsorted": raw(t, body(nil), with(func(a *txtypes.AuthInfo) {
			a.Fee.Amount = sdk.Coins{sdk.NewInt64Coin("uakt", 9), sdk.NewInt64Coin("uact", 9)}
		}), sig),
		"fee of bad denomination":  raw(t, body(nil), with(func(a *txtypes.AuthInfo) { a.Fee.Amount = sdk.Coins{{Denom: "!", Amount: sdkmath.NewInt(9)}} }), sig),
		"payer rubbish":            raw(t, body(nil), with(func(a *txtypes.AuthInfo) { a.Fee.Payer = "x" }), sig),
		"granter rubbish":          raw(t, body(nil), with(func(a *txtypes.AuthInfo) { a.Fee.Granter = "akash1" }), sig),
		"payer another":            raw(t, body(nil), with(func(a *txtypes.AuthInfo) { a.Fee.Payer = addr("bob") }), sig),
		"tip":                      append(raw(t, body(nil), good(), sig), field(2000, []byte("x"))...),
		"unknown field":            append(raw(t, body(nil), good(), sig), field(99, []byte("x"))...),
		"unknown field in body":    rawBytes(t, append(mustMarshal(t, body(nil)), field(99, []byte("x"))...), mustMarshal(t, good()), sig),
		"unknown field in message": raw(t, body(func(b *txtypes.TxBody) { b.Messages[0].Value = append(b.Messages[0].Value, field(99, []byte("x"))...) }), good(), sig),
		"unknown field in info":    rawBytes(t, mustMarshal(t, body(nil)), append(mustMarshal(t, good()), field(99, []byte("x"))...), sig),
		"amount of 500 KB":         raw(t, amount(huge), good(), sig),
		"amount minus 500 KB":      raw(t, amount("-"+huge), good(), sig),
		"amount 1e100":             raw(t, amount("1e100"), good(), sig),
		"amount 0x":                raw(t, amount("0x10"), good(), sig),
		"amount of none":           raw(t, amount(""), good(), sig),
		"amount -1":                raw(t, amount("-1"), good(), sig),
		"amount 2^256":             raw(t, amount("115792089237316195423570985008687907853269984665640564039457584007913129639936"), good(), sig),
		"amount 2^256-1":           raw(t, amount("115792089237316195423570985008687907853269984665640564039457584007913129639935"), good(), sig),
		"address of odd length":    raw(t, to(addr("bob")[:20]), good(), sig),
		"address of one letter":    raw(t, to("a"), good(), sig),
		"address of none":          raw(t, to(""), good(), sig),
		"address of another":       raw(t, to("cosmos1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqnrql8a"), good(), sig),
		"address of 100 KB":        raw(t, to("akash1"+strings.Repeat("q", 100_000)), good(), sig),
		"address mixed":            raw(t, to(strings.ToUpper(addr("bob")[:10])+addr("bob")[10:]), good(), sig),
		"sender rubbish": raw(t, body(func(b *txtypes.TxBody) {
			b.Messages[0] = pack(t, &banktypes.MsgSend{FromAddress: "x", ToAddress: addr("bob"), Amount: one})
		}), good(), sig),
		"unordered, no timeout": raw(t, body(func(b *txtypes.TxBody) { b.Unordered = true }), good(), sig),
		"unordered, with sequence": raw(t, body(func(b *txtypes.TxBody) {
			b.Unordered = true
			when := c.Time.Add(time.Minute)
			b.TimeoutTimestamp = &when
		}), with(func(a *txtypes.AuthInfo) { a.SignerInfos[0].Sequence = 5 }), sig),
	} {
		res := refused(t, c, name, tx)
		if testing.Verbose() {
			t.Logf("%-26s %s/%d %.120s", name, res.Codespace, res.Code, res.Log)
		}
	}
}

func make1000(i *txtypes.SignerInfo) []*txtypes.SignerInfo {
	out := make([]*txtypes.SignerInfo, 1000)
	for n := range out {
		out[n] = i
	}
	return out
}

func mustMarshal(t testing.TB, m proto.Message) []byte {
	t.Helper()
	b, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func rawBytes(t testing.TB, body, auth []byte, sigs ...[]byte) []byte {
	return mustMarshal(t, &txtypes.TxRaw{BodyBytes: body, AuthInfoBytes: auth, Signatures: sigs})
}

// field is a field of protobuf with bytes.
func field(n int, value []byte) []byte {
	out := proto.EncodeVarint(uint64(n)<<3 | 2)
	out = append(out, proto.EncodeVarint(uint64(len(value)))...)
	return append(out, value...)
}

// TestMany puts as many messages, signers and groups into a transaction as a block can hold.
func TestMany(t *testing.T) {
	c := newChain(t)
	info := &txtypes.SignerInfo{PublicKey: pack(t, inproc.Key("alice").PubKey()), ModeInfo: single(signing.SignMode_SIGN_MODE_DIRECT)}
	sig := bytes.Repeat([]byte{1}, 64)
	same, others := &txtypes.TxBody{}, &txtypes.TxBody{}
	for i := range 100_000 {
		if i < 20_000 {
			same.Messages = append(same.Messages, pack(t, send("alice", "bob", one)))
		}
		if i < 20_000 {
			from := sdk.AccAddress(fmt.Sprintf("stranger %011d", i))
			others.Messages = append(others.Messages, pack(t, &banktypes.MsgSend{FromAddress: from.String(), ToAddress: addr("bob"), Amount: one}))
		}
	}
	infos := authInfo(info)
	infos.SignerInfos = nil
	for range 100_000 {
		infos.SignerInfos = append(infos.SignerInfos, &txtypes.SignerInfo{})
	}
	tiny := &txtypes.TxBody{} // the smallest messages that there are
	for range 100_000 {
		tiny.Messages = append(tiny.Messages, &codectypes.Any{TypeUrl: "/cosmos.bank.v1beta1.MsgSend"})
	}
	for name, tx := range map[string][]byte{
		"20,000 messages": raw(t, same, authInfo(info), sig), "20,000 signers": raw(t, others, authInfo(info), sig),
		"100,000 signer infos": raw(t, same, infos, sig), "100,000 empty messages": raw(t, tiny, authInfo(info), sig),
		"100,000 signatures": raw(t, &txtypes.TxBody{Messages: same.Messages[:1]}, authInfo(info), make([][]byte, 100_000)...),
	} {
		t.Logf("%s: %d bytes", name, len(tx))
		refusedInBlock(t, c, name, tx)
	}
}

// TestVoteExtensions holds that a chain on which vote extensions are turned on, which this App doesn't use, goes on.
func TestVoteExtensions(t *testing.T) {
	c := inproc.New(t, inproc.Options{Consensus: func(p *cmtproto.ConsensusParams) { p.Abci = &cmtproto.ABCIParams{VoteExtensionsEnableHeight: 2} }})
	for range 4 {
		res, err := c.App.ExtendVote(context.Background(), &abci.RequestExtendVote{Height: c.Height + 1})
		if err != nil || len(res.VoteExtension) > 0 {
			t.Fatalf("a validator that is asked for an extension fails, and with it consensus: %v %v", res, err)
		}
		if _, err := c.App.VerifyVoteExtension(&abci.RequestVerifyVoteExtension{Height: c.Height + 1, VoteExtension: []byte("anything")}); err != nil {
			t.Fatal(err)
		}
		if _, err := c.App.PrepareProposal(&abci.RequestPrepareProposal{Height: c.Height + 1, MaxTxBytes: 1 << 20, Time: c.Time}); err != nil {
			t.Fatal(err)
		}
		if _, err := c.App.ProcessProposal(&abci.RequestProcessProposal{Height: c.Height + 1, Txs: [][]byte{{1, 2, 3}}, Time: c.Time}); err != nil {
			t.Fatal(err)
		}
		c.Block()
	}
}

// TestEvidence gives the chain evidence of heights, times and validators that can't be.
func TestEvidence(t *testing.T) {
	c := newChain(t)
	validator := inproc.ValidatorKey().PubKey().Address()
	for _, h := range []int64{math.MaxInt64, math.MinInt64, -1, 0, 1, c.Height + 1000} {
		for _, when := range []time.Time{{}, c.Time.Add(1000 * time.Hour), time.Unix(0, 0), time.Unix(1<<40, 0)} {
			for _, who := range [][]byte{nil, {}, {1}, bytes.Repeat([]byte{7}, 20), bytes.Repeat([]byte{7}, 300)} {
				for _, kind := range []abci.MisbehaviorType{0, 1, 2, 99} {
					c.BlockWith(&abci.RequestFinalizeBlock{Misbehavior: []abci.Misbehavior{{Type: kind, Height: h, Time: when, TotalVotingPower: math.MaxInt64, Validator: abci.Validator{Address: who, Power: math.MaxInt64}}}})
				}
			}
		}
	}
	// The validator itself, for a time that is past the evidence's age: nothing may happen to it.
	c.BlockWith(&abci.RequestFinalizeBlock{Misbehavior: []abci.Misbehavior{{Type: abci.MisbehaviorType_DUPLICATE_VOTE, Height: -1 << 60, Time: time.Unix(0, 0), Validator: abci.Validator{Address: validator, Power: 1}}}})
	v, err := c.App.Staking.GetValidatorByConsAddr(c.Ctx(), sdk.ConsAddress(validator))
	if err != nil || v.IsJailed() {
		t.Errorf("the validator is jailed: %v", err)
	}
	// And by a user's message.
	e := pack(t, &evidencetypes.Equivocation{Height: math.MaxInt64, Time: time.Unix(1<<37, 0), Power: math.MaxInt64, ConsensusAddress: sdk.ConsAddress(validator).String()})
	refusedInBlock(t, c, "evidence by message", c.Sign("alice", &evidencetypes.MsgSubmitEvidence{Submitter: addr("alice"), Evidence: e}))
	refusedInBlock(t, c, "evidence of nothing", c.Sign("alice", &evidencetypes.MsgSubmitEvidence{Submitter: addr("alice"), Evidence: pack(t, &evidencetypes.Equivocation{})}))
}

// TestProposals gives proposals of transactions that can't be read to the validators.
func TestProposals(t *testing.T) {
	c := newChain(t)
	bad := [][]byte{nil, {}, {0xff}, bytes.Repeat([]byte{0}, 1<<20), bytes.Repeat([]byte{0x0a}, 1<<20)}
	if _, err := c.App.PrepareProposal(&abci.RequestPrepareProposal{Height: c.Height + 1, MaxTxBytes: 4 << 20, Txs: bad, Time: c.Time}); err != nil {
		t.Error(err)
	}
	if _, err := c.App.ProcessProposal(&abci.RequestProcessProposal{Height: c.Height + 1, Txs: bad, Time: c.Time}); err != nil {
		t.Error(err)
	}
	for i, res := range c.Block(bad...) {
		if res.Code == 0 {
			t.Errorf("transaction %d was taken", i)
		}
		notPanic(t, fmt.Sprint("transaction ", i), res.Codespace, res.Code, res.Log)
	}
	c.Must("alice", send("alice", "bob", one))
}
