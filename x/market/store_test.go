package market

import (
	"bytes"
	"testing"
	"time"

	"cosmossdk.io/math"

	sdk "github.com/cosmos/cosmos-sdk/types"

	marketv1 "github.com/akash-supercloud/akash/api/akash/market/v1"
	types "github.com/akash-supercloud/akash/api/akash/market/v1beta5"
)

func sampleEntry() entry {
	w := time.Hour
	return entry{
		Bid:   types.Bid{State: types.BidActive, Price: sdk.DecCoin{Denom: "uact", Amount: math.LegacyMustNewDecFromStr("1.5")}, CreatedAt: 9, ReclamationWindow: &w},
		Lease: &marketv1.Lease{State: marketv1.LeaseReclaiming, CreatedAt: 10, Reclamation: &marketv1.Reclamation{Window: w, Deadline: 99}},
	}
}

// FuzzDecodeEntry and FuzzDecodeOrder: whatever bytes are read never panic, and what was
// read is written the same.
func FuzzDecodeEntry(f *testing.F) {
	b, _ := entryCodec{}.Encode(sampleEntry())
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := entryCodec{}.Decode(b)
		if err != nil {
			return
		}
		first, err := entryCodec{}.Encode(e)
		if err != nil {
			return // figures that no message can bring
		}
		e, err = entryCodec{}.Decode(first)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := (entryCodec{}).Encode(e); err != nil || !bytes.Equal(first, again) {
			t.Fatalf("%x was written as %x (%v)", first, again, err)
		}
	})
}

func FuzzDecodeOrder(f *testing.F) {
	b, _ := orderCodec{}.Encode(order{State: types.OrderOpen, CreatedAt: 300, Bids: []string{"aaaa", "bbbbbb"}})
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		o, err := orderCodec{}.Decode(b)
		if err != nil {
			return
		}
		first, _ := orderCodec{}.Encode(o)
		o, err = orderCodec{}.Decode(first)
		again, _ := orderCodec{}.Encode(o)
		if err != nil || !bytes.Equal(first, again) {
			t.Fatalf("%x was written as %x (%v)", first, again, err)
		}
	})
}
