package app_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cosmos/cosmos-sdk/client"
	"github.com/cosmos/cosmos-sdk/client/tx"
	sdk "github.com/cosmos/cosmos-sdk/types"
	txtypes "github.com/cosmos/cosmos-sdk/types/tx"
	"github.com/cosmos/cosmos-sdk/types/tx/signing"
	authsigning "github.com/cosmos/cosmos-sdk/x/auth/signing"
	authtypes "github.com/cosmos/cosmos-sdk/x/auth/types"
	vestingtypes "github.com/cosmos/cosmos-sdk/x/auth/vesting/types"
	banktypes "github.com/cosmos/cosmos-sdk/x/bank/types"
	"github.com/cosmos/cosmos-sdk/x/feegrant"

	"github.com/akash-supercloud/akash/api"
	deploymentv1 "github.com/akash-supercloud/akash/api/akash/deployment/v1"
	deploymentv1beta4 "github.com/akash-supercloud/akash/api/akash/deployment/v1beta4"
	"github.com/akash-supercloud/akash/app"
	"github.com/akash-supercloud/akash/app/account"
)

func (c *chain) account(name string) *authtypes.BaseAccount {
	c.t.Helper()
	res, err := authtypes.NewQueryClient(c.conn).AccountInfo(context.Background(), &authtypes.QueryAccountInfoRequest{Address: c.addr[name]})
	if err != nil {
		c.t.Fatal(err)
	}
	return res.Info
}

// signed makes a transaction's bytes; change may alter what is signed.
func (c *chain) signed(name string, mode signing.SignMode, change func(client.TxBuilder, *tx.Factory), msgs ...sdk.Msg) []byte {
	c.t.Helper()
	acc := c.account(name)
	b := c.enc.TxConfig.NewTxBuilder()
	if err := b.SetMsgs(msgs...); err != nil {
		c.t.Fatal(err)
	}
	b.SetGasLimit(2_000_000)
	b.SetFeeAmount(sdk.NewCoins(sdk.NewInt64Coin("uakt", fee)))
	f := tx.Factory{}.WithChainID("localakash").WithKeybase(c.keys).WithTxConfig(c.enc.TxConfig).WithSignMode(mode).
		WithAccountNumber(acc.AccountNumber).WithSequence(acc.Sequence)
	if change != nil {
		change(b, &f)
	}
	if err := tx.Sign(context.Background(), f, name, b, true); err != nil {
		c.t.Fatal(err)
	}
	raw, err := c.enc.TxConfig.TxEncoder()(b.GetTx())
	if err != nil {
		c.t.Fatal(err)
	}
	return raw
}

// broadcast returns code and log of the check, and waits for the block if the check passed.
func (c *chain) broadcast(raw []byte) (uint32, string) {
	c.t.Helper()
	txs := txtypes.NewServiceClient(c.conn)
	sent, err := txs.BroadcastTx(context.Background(), &txtypes.BroadcastTxRequest{TxBytes: raw, Mode: txtypes.BroadcastMode_BROADCAST_MODE_SYNC})
	if err != nil {
		c.t.Fatal(err)
	}
	if sent.TxResponse.Code != 0 {
		return sent.TxResponse.Code, sent.TxResponse.RawLog
	}
	var got *txtypes.GetTxResponse
	c.until("the transaction", func() bool {
		got, err = txs.GetTx(context.Background(), &txtypes.GetTxRequest{Hash: sent.TxResponse.TxHash})
		return err == nil
	})
	return got.TxResponse.Code, got.TxResponse.RawLog
}

// TestSigning sends transactions signed in each way that wallets and the pipeline use.
func TestSigning(t *testing.T) {
	c := newChain(t, "alice", "bob")
	send := &banktypes.MsgSend{FromAddress: c.addr["alice"], ToAddress: c.addr["bob"], Amount: sdk.NewCoins(sdk.NewInt64Coin("uact", 1))}
	create := &deploymentv1beta4.MsgCreateDeployment{ID: deploymentv1.DeploymentID{Owner: c.addr["alice"], DSeq: 1},
		Groups: []deploymentv1beta4.GroupSpec{group(3)}, Hash: make([]byte, 32), Deposit: deposit(500_000)}

	if code, log := c.broadcast(c.signed("alice", signing.SignMode_SIGN_MODE_LEGACY_AMINO_JSON, nil, create)); code != 0 {
		t.Errorf("amino JSON: %d: %s", code, log)
	}
	if code, log := c.broadcast(c.signed("alice", signing.SignMode_SIGN_MODE_DIRECT, func(_ client.TxBuilder, f *tx.Factory) { *f = f.WithChainID("other") }, send)); code == 0 {
		t.Errorf("a signature for another chain was taken: %s", log)
	}
	if code, log := c.broadcast(c.signed("alice", signing.SignMode_SIGN_MODE_DIRECT, func(b client.TxBuilder, _ *tx.Factory) { b.SetFeeAmount(nil) }, send)); code == 0 || !strings.Contains(log, "insufficient fee") {
		t.Errorf("no fee: %d: %s", code, log)
	}

	now := time.Now()
	unordered := func(after time.Duration, memo string) []byte {
		return c.signed("alice", signing.SignMode_SIGN_MODE_DIRECT, func(b client.TxBuilder, f *tx.Factory) {
			b.SetUnordered(true)
			b.SetTimeoutTimestamp(now.Add(after))
			b.SetMemo(memo)
			*f = f.WithSequence(0).WithUnordered(true)
		}, send)
	}
	before := c.account("alice").Sequence
	first := unordered(time.Minute, "")
	for i, raw := range [][]byte{first, unordered(2*time.Minute, ""), unordered(9*time.Minute, "")} {
		if code, log := c.broadcast(raw); code != 0 {
			t.Errorf("unordered %d: %d: %s", i, code, log)
		}
	}
	if after := c.account("alice").Sequence; after != before {
		t.Errorf("unordered transactions moved the sequence from %d to %d", before, after)
	}
	if code, log := c.broadcast(first); code == 0 {
		t.Errorf("an unordered transaction was taken twice: %s", log)
	}
	if code, log := c.broadcast(unordered(time.Minute, "again")); code == 0 || !strings.Contains(log, "already used timeout") {
		t.Errorf("a timeout was used twice: %d: %s", code, log)
	}
	if code, log := c.broadcast(unordered(11*time.Minute, "")); code == 0 {
		t.Errorf("an unordered transaction may live for 11 minutes: %s", log)
	}
	if got := c.balance("bob", "uact"); got != funds+3 {
		t.Errorf("bob has %d uact, want %d", got, funds+3)
	}
}

// TestAccountNumbers holds that every account made on the chain has a number that JavaScript can hold, and can sign.
func TestAccountNumbers(t *testing.T) {
	c := newChain(t, "alice")
	coins := sdk.NewCoins(sdk.NewInt64Coin("uakt", 1_000_000))
	numbers := map[uint64]string{c.account("alice").AccountNumber: "alice"}
	for _, name := range []string{"sent", "vesting", "locked", "periodic"} {
		k, _, err := c.keys.NewMnemonic(name, 1, sdk.FullFundraiserPath, "", hdAlgo)
		if err != nil {
			t.Fatal(err)
		}
		a, err := k.GetAddress()
		if err != nil {
			t.Fatal(err)
		}
		c.addr[name] = a.String()
		switch name {
		case "sent":
			c.must("alice", &banktypes.MsgSend{FromAddress: c.addr["alice"], ToAddress: a.String(), Amount: coins})
		case "vesting":
			c.must("alice", &vestingtypes.MsgCreateVestingAccount{FromAddress: c.addr["alice"], ToAddress: a.String(), Amount: coins, EndTime: time.Now().Unix() + 2})
		case "locked":
			c.must("alice", &vestingtypes.MsgCreatePermanentLockedAccount{FromAddress: c.addr["alice"], ToAddress: a.String(), Amount: coins})
		case "periodic":
			c.must("alice", &vestingtypes.MsgCreatePeriodicVestingAccount{FromAddress: c.addr["alice"], ToAddress: a.String(), StartTime: time.Now().Unix(),
				VestingPeriods: []vestingtypes.Period{{Length: 1000, Amount: coins}}})
		}
		n := c.account(name).AccountNumber
		if n >= account.MaxNumber {
			t.Errorf("account %s has number %d", name, n)
		}
		if other, ok := numbers[n]; ok {
			t.Errorf("accounts %s and %s both have number %d", name, other, n)
		}
		numbers[n] = name
		if name == "locked" || name == "periodic" {
			c.must("alice", &banktypes.MsgSend{FromAddress: c.addr["alice"], ToAddress: a.String(), Amount: coins})
		}
	}
	c.until("the vested coins", func() bool {
		res, err := banktypes.NewQueryClient(c.conn).SpendableBalances(context.Background(), &banktypes.QuerySpendableBalancesRequest{Address: c.addr["vesting"]})
		return err == nil && res.Balances.AmountOf("uakt").Int64() > 900_000
	})
	for _, name := range []string{"sent", "vesting", "locked", "periodic"} {
		c.must(name, &banktypes.MsgSend{FromAddress: c.addr[name], ToAddress: c.addr["alice"], Amount: sdk.NewCoins(sdk.NewInt64Coin("uakt", 5))})
	}

	// Every account of the state: module accounts, and those that module accounts made.
	c.stop()
	a := c.open()
	a.Account.IterateAccounts(a.NewContext(true), func(acc sdk.AccountI) bool {
		if acc.GetAccountNumber() >= account.MaxNumber {
			t.Errorf("account %s (%T) has number %d", acc.GetAddress(), acc, acc.GetAccountNumber())
		}
		return false
	})
}

// TestSimulateWithoutFee holds that a simulation as cosmjs asks for it, without fee, signature or granter, finds
// gas enough once a client has added its 30 %: also for who has no coins and is granted the fee.
func TestSimulateWithoutFee(t *testing.T) {
	c := newChain(t, "alice", "bob")
	k, _, err := c.keys.NewMnemonic("poor", 1, sdk.FullFundraiserPath, "", hdAlgo)
	if err != nil {
		t.Fatal(err)
	}
	a, err := k.GetAddress()
	if err != nil {
		t.Fatal(err)
	}
	c.addr["poor"] = a.String()
	c.must("alice", &banktypes.MsgSend{FromAddress: c.addr["alice"], ToAddress: c.addr["poor"], Amount: sdk.NewCoins(sdk.NewInt64Coin("uact", 10))})
	granter, err := sdk.AccAddressFromBech32(c.addr["alice"])
	if err != nil {
		t.Fatal(err)
	}
	grant, err := feegrant.NewMsgGrantAllowance(&feegrant.BasicAllowance{SpendLimit: sdk.NewCoins(sdk.NewInt64Coin("uakt", 1_000_000))}, granter, a)
	if err != nil {
		t.Fatal(err)
	}
	c.must("alice", grant)
	txs := txtypes.NewServiceClient(c.conn)
	for _, name := range []string{"alice", "poor"} {
		send := &banktypes.MsgSend{FromAddress: c.addr[name], ToAddress: c.addr["bob"], Amount: sdk.NewCoins(sdk.NewInt64Coin("uact", 1))}
		acc := c.account(name)
		record, err := c.keys.Key(name)
		if err != nil {
			t.Fatal(err)
		}
		pub, err := record.GetPubKey()
		if err != nil {
			t.Fatal(err)
		}
		b := c.enc.TxConfig.NewTxBuilder()
		if err := b.SetMsgs(send); err != nil {
			t.Fatal(err)
		}
		if err := b.SetSignatures(signing.SignatureV2{PubKey: pub, Sequence: acc.Sequence,
			Data: &signing.SingleSignatureData{SignMode: signing.SignMode_SIGN_MODE_UNSPECIFIED}}); err != nil {
			t.Fatal(err)
		}
		raw, err := c.enc.TxConfig.TxEncoder()(b.GetTx())
		if err != nil {
			t.Fatal(err)
		}
		sim, err := txs.Simulate(context.Background(), &txtypes.SimulateRequest{TxBytes: raw})
		if err != nil {
			t.Fatal(err)
		}
		limit := sim.GasInfo.GasUsed * 13 / 10
		code, log := c.broadcast(c.signed(name, signing.SignMode_SIGN_MODE_DIRECT, func(b client.TxBuilder, _ *tx.Factory) {
			b.SetGasLimit(limit)
			if name == "poor" {
				b.SetFeeGranter(granter)
			}
		}, send))
		if code != 0 {
			t.Errorf("%s: simulated %d, sent with %d: %d: %s", name, sim.GasInfo.GasUsed, limit, code, log)
		}
	}
}

// TestAminoNames holds that amino JSON is taken with both kinds of names, that what is inside a message is signed, and
// that a node that remembers a signature and one that doesn't find the same gas.
func TestAminoNames(t *testing.T) {
	legacy, err := api.LegacyNames()
	if err != nil {
		t.Fatal(err)
	}
	c := newChain(t, "alice")
	id := deploymentv1.DeploymentID{Owner: c.addr["alice"], DSeq: 1}
	const mode = signing.SignMode_SIGN_MODE_LEGACY_AMINO_JSON
	// signed is c.signed with legacy names; sent replaces the message after it was signed.
	signed := func(msg, sent sdk.Msg) []byte {
		t.Helper()
		acc := c.account("alice")
		record, err := c.keys.Key("alice")
		if err != nil {
			t.Fatal(err)
		}
		pub, err := record.GetPubKey()
		if err != nil {
			t.Fatal(err)
		}
		sig := signing.SignatureV2{PubKey: pub, Sequence: acc.Sequence, Data: &signing.SingleSignatureData{SignMode: mode}}
		b := c.enc.TxConfig.NewTxBuilder()
		b.SetGasLimit(2_000_000)
		b.SetFeeAmount(sdk.NewCoins(sdk.NewInt64Coin("uakt", fee)))
		if err := errors.Join(b.SetMsgs(msg), b.SetSignatures(sig)); err != nil {
			t.Fatal(err)
		}
		text, err := authsigning.GetSignBytesAdapter(context.Background(), legacy, mode, authsigning.SignerData{
			Address: c.addr["alice"], ChainID: "localakash", AccountNumber: acc.AccountNumber, Sequence: acc.Sequence, PubKey: pub}, b.GetTx())
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(text), `"type":"akash-sdk/x/deployment/Msg`) {
			t.Fatalf("what is signed has no legacy name: %s", text)
		}
		made, _, err := c.keys.Sign("alice", text, mode)
		if err != nil {
			t.Fatal(err)
		}
		sig.Data = &signing.SingleSignatureData{SignMode: mode, Signature: made}
		if err := errors.Join(b.SetMsgs(sent), b.SetSignatures(sig)); err != nil {
			t.Fatal(err)
		}
		raw, err := c.enc.TxConfig.TxEncoder()(b.GetTx())
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	create := func(price int64) *deploymentv1beta4.MsgCreateDeployment {
		return &deploymentv1beta4.MsgCreateDeployment{ID: id, Groups: []deploymentv1beta4.GroupSpec{group(price)}, Hash: make([]byte, 32), Deposit: deposit(500_000)}
	}
	if code, log := c.broadcast(signed(create(3), create(4))); code != 4 {
		t.Errorf("a price that wasn't signed: %d: %s", code, log)
	}
	if code, log := c.broadcast(signed(create(3), create(3))); code != 0 {
		t.Fatalf("legacy names: %d: %s", code, log)
	}
	gas := func(i byte) int64 {
		t.Helper()
		update := &deploymentv1beta4.MsgUpdateDeployment{ID: id, Hash: bytes.Repeat([]byte{i}, 32)}
		raw := signed(update, update)
		if code, log := c.broadcast(raw); code != 0 {
			t.Fatalf("legacy names: %d: %s", code, log)
		}
		got, err := txtypes.NewServiceClient(c.conn).GetTx(context.Background(), &txtypes.GetTxRequest{Hash: fmt.Sprintf("%X", sha256.Sum256(raw))})
		if err != nil {
			t.Fatal(err)
		}
		return got.TxResponse.GasUsed
	}
	remembered := gas(1)
	c.stop()
	c.start(map[string]any{app.OptionSignatureCache: 0})
	if fresh := gas(2); fresh != remembered {
		t.Errorf("a node without memory uses %d gas, one with it %d: their blocks would differ", fresh, remembered)
	}
}
