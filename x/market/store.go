package market

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"slices"

	sdk "github.com/cosmos/cosmos-sdk/types"

	marketv1 "github.com/akash-supercloud/akash/api/akash/market/v1"
	types "github.com/akash-supercloud/akash/api/akash/market/v1beta5"
	"github.com/akash-supercloud/akash/x/deployment"
	"github.com/akash-supercloud/akash/x/escrow"
	"github.com/akash-supercloud/akash/x/internal/key"
)

// orderID names an order.
type orderID struct {
	deployment.ID
	gseq, oseq uint32
}

// groupKey is the first part of the keys of a group's orders: owner | dseq | gseq.
func groupKey(id deployment.ID, gseq uint32) []byte { return key.U32(id.Key(), gseq) }

// Key is the order in stores: owner | dseq | gseq | oseq.
func (o orderID) Key() []byte { return key.U32(groupKey(o.ID, o.gseq), o.oseq) }

func (o orderID) wire() marketv1.OrderID {
	return marketv1.OrderID{Owner: o.Owner.String(), DSeq: o.DSeq, GSeq: o.gseq, OSeq: o.oseq}
}

func readOrderID(b []byte) (orderID, error) {
	o, rest, err := cutOrderID(b)
	if err == nil && len(rest) > 0 {
		err = key.ErrMalformed
	}
	return o, err
}

func cutOrderID(b []byte) (orderID, []byte, error) {
	r := key.Read(b)
	o := orderID{ID: deployment.ID{Owner: r.Addr(), DSeq: r.U64()}, gseq: r.U32(), oseq: r.U32()}
	rest := r.Rest()
	return o, rest, r.Err()
}

// bidID names a bid, and the lease that it may become.
type bidID struct {
	orderID
	provider sdk.AccAddress
}

// Key is the bid in stores: owner | dseq | gseq | oseq | provider.
func (b bidID) Key() []byte { return append(b.orderID.Key(), b.provider...) }

// providerKey is the bid in the index by provider: provider | class | owner | dseq | gseq | oseq.
func (b bidID) providerKey(class int) []byte {
	return append(providerPrefix(b.provider, class), b.orderID.Key()...)
}

// providerPrefix is the first part of the keys of a provider's bids of one class.
func providerPrefix(provider sdk.AccAddress, class int) []byte {
	return append(key.Addr(make([]byte, 0, 64), provider), byte(class))
}

func (b bidID) wire() marketv1.BidID {
	return marketv1.MakeBidID(b.orderID.wire(), b.provider.String())
}

// account is the escrow account of the bid's deposit.
func (b bidID) account() escrow.AccountID {
	return escrow.BidAccount(b.Owner, b.DSeq, b.gseq, b.oseq, b.provider)
}

// payment is the lease's payment in its deployment's escrow account.
func (b bidID) payment() escrow.PaymentID { return escrow.LeasePayment(b.gseq, b.oseq, b.provider) }

func readBidID(k []byte) (bidID, error) {
	o, rest, err := cutOrderID(k)
	if err == nil && len(rest) == 0 {
		err = key.ErrMalformed
	}
	return bidID{o, rest}, err
}

func readProviderKey(k []byte) (bidID, int, error) {
	r := key.Read(k)
	provider, class := r.Addr(), int(r.Byte())
	rest := r.Rest()
	if err := r.Err(); err != nil {
		return bidID{}, class, err
	}
	o, err := readOrderID(rest)
	return bidID{o, provider}, class, err
}

// Orders are stored by class: their state.
const (
	orderOpen = iota
	orderActive
	orderClosed
)

func (o *order) class() int { return int(o.State) - int(types.OrderOpen) }

// Bids, with the leases that they became, are stored by class: the states of both.
const (
	bidOpen = iota
	leaseActive
	leaseReclaiming
	bidLost
	bidClosed // by who made it, or with its order: there was no lease
	leaseClosed
	leaseDry
)

// entryClasses are the states of each class's bids and leases.
var entryClasses = []struct {
	name  string
	bid   types.Bid_State
	lease marketv1.Lease_State // 0: no lease
}{
	bidOpen:         {"open_bids", types.BidOpen, 0},
	leaseActive:     {"active_leases", types.BidActive, marketv1.LeaseActive},
	leaseReclaiming: {"reclaiming_leases", types.BidActive, marketv1.LeaseReclaiming},
	bidLost:         {"lost_bids", types.BidLost, 0},
	bidClosed:       {"closed_bids", types.BidClosed, 0},
	leaseClosed:     {"closed_leases", types.BidClosed, marketv1.LeaseClosed},
	leaseDry:        {"dry_leases", types.BidClosed, marketv1.LeaseInsufficientFunds},
}

// class returns where the entry belongs; -1 if its states don't fit together.
func (e *entry) class() int {
	var lease marketv1.Lease_State
	if e.Lease != nil {
		lease = e.Lease.State
	}
	for i := range entryClasses {
		if c := &entryClasses[i]; c.bid == e.Bid.State && c.lease == lease {
			return i
		}
	}
	return -1
}

// order is an order as it is stored. What it asks for is its group's spec.
type order struct {
	State     types.Order_State
	CreatedAt int64
	// EndsAt is when an open order expires, in Unix seconds; 0: never, or not open.
	EndsAt int64
	// Bids are the providers (address bytes) of an open order's open bids, in the order
	// they came, or the one that won an active order.
	Bids []string
}

// expired reports that an open order's time is over.
func (o *order) expired(now int64) bool { return o.EndsAt != 0 && now >= o.EndsAt }

func (o *order) remove(provider sdk.AccAddress) {
	o.Bids = slices.DeleteFunc(o.Bids, func(p string) bool { return p == string(provider) })
}

type orderCodec struct{}

func (orderCodec) Encode(o order) ([]byte, error) {
	b := append(make([]byte, 0, 20+21*len(o.Bids)), byte(o.State))
	b = binary.AppendUvarint(b, uint64(o.CreatedAt))
	b = binary.AppendUvarint(b, uint64(o.EndsAt))
	for _, p := range o.Bids {
		b = append(append(b, byte(len(p))), p...)
	}
	return b, nil
}

func (orderCodec) Decode(b []byte) (o order, err error) {
	bad := fmt.Errorf("a stored order can't be read")
	if len(b) < 2 {
		return o, bad
	}
	o.State = types.Order_State(b[0])
	b = b[1:]
	for _, field := range []*int64{&o.CreatedAt, &o.EndsAt} {
		n, w := binary.Uvarint(b)
		if w <= 0 || n > 1<<62 {
			return o, bad
		}
		*field, b = int64(n), b[w:]
	}
	for len(b) > 0 {
		n := int(b[0])
		if len(b) < 1+n {
			return o, bad
		}
		o.Bids = append(o.Bids, string(b[1:1+n]))
		b = b[1+n:]
	}
	return o, nil
}

// entry is a bid and, if it won, its lease: they change together, so they are stored
// together. Their ids are part of the key, the lease's price is the bid's.
type entry struct {
	Bid   types.Bid
	Lease *marketv1.Lease

	stored int // the class where it was found; store.None: new
}

// name fills in what isn't stored again.
func (e *entry) name(id bidID) {
	e.Bid.ID = id.wire()
	if e.Lease != nil {
		e.Lease.ID, e.Lease.Price = e.Bid.ID.LeaseID(), e.Bid.Price
	}
}

type entryCodec struct{}

func (entryCodec) Encode(e entry) ([]byte, error) {
	e.Bid.ID = marketv1.BidID{}
	bid := e.Bid.Size()
	b := binary.AppendUvarint(make([]byte, 0, bid+64), uint64(bid))
	raw, err := e.Bid.Marshal()
	if err != nil {
		return nil, err
	}
	b = append(b, raw...)
	if e.Lease == nil {
		return b, nil
	}
	l := *e.Lease
	l.ID, l.Price = marketv1.LeaseID{}, sdk.DecCoin{}
	if raw, err = l.Marshal(); err != nil {
		return nil, err
	}
	return append(b, raw...), nil
}

func (entryCodec) Decode(b []byte) (e entry, err error) {
	n, w := binary.Uvarint(b)
	if w <= 0 || n > uint64(len(b)-w) {
		return e, fmt.Errorf("a stored bid can't be read")
	}
	b = b[w:]
	if err := e.Bid.Unmarshal(b[:n]); err != nil {
		return e, err
	}
	if b = b[n:]; len(b) > 0 {
		e.Lease = new(marketv1.Lease)
		err = e.Lease.Unmarshal(b)
	}
	return e, err
}

// The rest of collections' codec interface, for people who look at a store by hand.

func (orderCodec) EncodeJSON(o order) ([]byte, error) { return json.Marshal(o) }
func (orderCodec) DecodeJSON(b []byte) (o order, err error) {
	err = json.Unmarshal(b, &o)
	return o, err
}
func (orderCodec) Stringify(o order) string           { return fmt.Sprintf("%+v", o) }
func (orderCodec) ValueType() string                  { return "market.order" }
func (entryCodec) EncodeJSON(e entry) ([]byte, error) { return json.Marshal(e) }
func (entryCodec) DecodeJSON(b []byte) (e entry, err error) {
	err = json.Unmarshal(b, &e)
	return e, err
}
func (entryCodec) Stringify(e entry) string { return fmt.Sprintf("%+v", e) }
func (entryCodec) ValueType() string        { return "market.bid" }
