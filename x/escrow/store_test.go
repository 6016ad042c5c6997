package escrow

import (
	"bytes"
	"reflect"
	"testing"

	"cosmossdk.io/math"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/akash-supercloud/akash/api"
	escrowid "github.com/akash-supercloud/akash/api/akash/escrow/id/v1"
	"github.com/akash-supercloud/akash/x/escrow/ledger"
)

func sample() record {
	p := LeasePayment(1, 2, sdk.AccAddress(bytes.Repeat([]byte{7}, 32)))
	return record{Due: 77, Account: ledger.Account{
		Denom: "uact", State: ledger.Open, SettledAt: 1 << 40, Transferred: math.NewInt(5),
		Deposits: []ledger.Deposit{{Owner: "aaaaaaaaaaaaaaaaaaaa", Source: ledger.Grant, Height: 3, Amount: math.NewInt(1 << 60)}},
		Payments: []ledger.Payment{{
			ID: string(p), Owner: string(p.provider()), State: ledger.Open, Rate: math.LegacyMustNewDecFromStr("1.25"), Due: math.NewInt(256),
			Carry: math.LegacyMustNewDecFromStr("0.000000000000000001"), Withdrawn: math.NewInt(9),
		}},
	}}
}

func TestRecordRoundTrip(t *testing.T) {
	for _, r := range []record{sample(), {Account: ledger.New("uakt", 0)}} {
		b, err := recordCodec{}.Encode(r)
		if err != nil {
			t.Fatal(err)
		}
		got, err := recordCodec{}.Decode(b)
		if err != nil {
			t.Fatal(err)
		}
		again, err := recordCodec{}.Encode(got)
		if err != nil || !bytes.Equal(b, again) || got.Due != r.Due || got.Denom != r.Denom || len(got.Payments) != len(r.Payments) {
			t.Fatalf("%+v came back as %+v (%v)", r, got, err)
		}
		for n := range len(b) {
			if _, err := (recordCodec{}).Decode(b[:n]); err == nil {
				t.Fatalf("the first %d of %d bytes were read as a record", n, len(b))
			}
		}
	}
	if s := len(must(recordCodec{}.Encode(sample()))); s > 120 {
		t.Errorf("a record with a deposit and a payment takes %d bytes", s)
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// FuzzDecodeRecord: whatever bytes are read never panic, and what was read is written the same.
func FuzzDecodeRecord(f *testing.F) {
	f.Add(must(recordCodec{}.Encode(sample())))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := recordCodec{}.Decode(b)
		if err != nil {
			return
		}
		first := must(recordCodec{}.Encode(r))
		again := must(recordCodec{}.Encode(must(recordCodec{}.Decode(first))))
		if !bytes.Equal(first, again) {
			t.Fatalf("%x was written as %x", first, again)
		}
		_ = r.Check()
	})
}

func TestIDs(t *testing.T) {
	api.ConfigureAddresses()
	owner, provider := sdk.AccAddress(bytes.Repeat([]byte{1}, 20)), sdk.AccAddress(bytes.Repeat([]byte{2}, 32))
	for _, id := range []AccountID{DeploymentAccount(owner, 1<<63), BidAccount(owner, 5, 6, 7, provider)} {
		w, err := id.Wire()
		if err != nil {
			t.Fatal(err)
		}
		back, err := ParseAccountID(w)
		if err != nil || !bytes.Equal(back, id) {
			t.Fatalf("%v came back as %x (%v)", w, []byte(back), err)
		}
		if _, err := id[:len(id)-1].Wire(); err == nil {
			t.Fatal("a short key was read")
		}
	}
	pid := LeasePayment(3, 4, provider)
	if back, err := parsePaymentID(pid.xid()); err != nil || !reflect.DeepEqual(back, pid) {
		t.Fatalf("%s came back as %x (%v)", pid.xid(), []byte(back), err)
	}
	for _, bad := range []escrowid.Account{
		{}, {Scope: escrowid.ScopeDeployment}, {Scope: escrowid.ScopeDeployment, XID: owner.String()}, {Scope: escrowid.ScopeDeployment, XID: owner.String() + "/0"},
		{Scope: escrowid.ScopeDeployment, XID: "x/1"}, {Scope: escrowid.ScopeBid, XID: owner.String() + "/1"}, {Scope: 9, XID: owner.String() + "/1"},
	} {
		if _, err := ParseAccountID(bad); err == nil {
			t.Errorf("%v was read as an account's id", bad)
		}
	}
}
