package escrow

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math/big"

	"cosmossdk.io/math"

	"github.com/akash-supercloud/akash/x/escrow/ledger"
)

// record is an account as it is stored. Open payments are part of it, because settling
// changes them all; a payment that closes while the account goes on is kept apart.
type record struct {
	ledger.Account
	// Due is the block in whose queue the account waits for its money, or its grace, to end; 0: in none.
	Due int64

	class int // where it was found; store.None: new
}

// recordCodec stores an account in few bytes. Addresses of payments are part of their ids.
type recordCodec struct{}

func (recordCodec) Encode(r record) ([]byte, error) {
	b := make([]byte, 0, 96+64*len(r.Payments)+40*len(r.Deposits))
	b = append(b, byte(r.State))
	b = appendText(b, r.Denom)
	b = binary.AppendUvarint(b, uint64(r.SettledAt))
	b = binary.AppendUvarint(b, uint64(r.Due))
	b = binary.AppendUvarint(b, uint64(r.Grace))
	b = appendInt(b, r.Transferred.BigIntMut())
	b = binary.AppendUvarint(b, uint64(len(r.Deposits)))
	for i := range r.Deposits {
		d := &r.Deposits[i]
		b = append(b, byte(d.Source))
		b = appendText(b, d.Owner)
		b = binary.AppendUvarint(b, uint64(d.Height))
		b = appendInt(b, d.Amount.BigIntMut())
	}
	b = binary.AppendUvarint(b, uint64(len(r.Payments)))
	for i := range r.Payments {
		b = appendPayment(b, &r.Payments[i])
	}
	return b, nil
}

func (recordCodec) Decode(b []byte) (r record, err error) {
	d := decoder{b: b}
	r.State = ledger.State(d.byte())
	r.Denom = d.text()
	r.SettledAt = d.height()
	r.Due = d.height()
	r.Grace = d.height()
	r.Transferred = d.int()
	for n := d.count(); n > 0; n-- {
		r.Deposits = append(r.Deposits, ledger.Deposit{Source: ledger.Source(d.byte()), Owner: d.text(), Height: d.height(), Amount: d.int()})
	}
	for n := d.count(); n > 0; n-- {
		r.Payments = append(r.Payments, d.payment())
	}
	return r, d.end()
}

// paymentCodec stores a payment that closed before its account.
type paymentCodec struct{}

func (paymentCodec) Encode(p ledger.Payment) ([]byte, error) { return appendPayment(nil, &p), nil }

func (paymentCodec) Decode(b []byte) (ledger.Payment, error) {
	d := decoder{b: b}
	p := d.payment()
	return p, d.end()
}

func appendPayment(b []byte, p *ledger.Payment) []byte {
	b = append(b, byte(p.State))
	b = appendText(b, p.ID)
	b = appendInt(b, p.Rate.BigIntMut())
	b = appendInt(b, p.Due.BigIntMut())
	b = appendInt(b, p.Carry.BigIntMut())
	return appendInt(b, p.Withdrawn.BigIntMut())
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// appendInt appends a number that isn't negative.
func appendInt(b []byte, n *big.Int) []byte {
	size := (n.BitLen() + 7) / 8
	b = binary.AppendUvarint(b, uint64(size))
	b = append(b, make([]byte, size)...)
	n.FillBytes(b[len(b)-size:])
	return b
}

type decoder struct {
	b   []byte
	bad bool
}

func (d *decoder) byte() byte {
	if len(d.b) == 0 {
		d.bad = true
		return 0
	}
	c := d.b[0]
	d.b = d.b[1:]
	return c
}

func (d *decoder) uvarint() uint64 {
	n, w := binary.Uvarint(d.b)
	if w <= 0 {
		d.bad, d.b = true, nil
		return 0
	}
	d.b = d.b[w:]
	return n
}

func (d *decoder) height() int64 {
	n := d.uvarint()
	if n > uint64(ledger.Never) {
		d.bad = true
		return 0
	}
	return int64(n)
}

// count reads how many items follow; each takes at least a byte.
func (d *decoder) count() uint64 {
	n := d.uvarint()
	if n > uint64(len(d.b)) {
		d.bad = true
		return 0
	}
	return n
}

func (d *decoder) bytes() []byte {
	n := d.uvarint()
	if n > uint64(len(d.b)) {
		d.bad, d.b = true, nil
		return nil
	}
	p := d.b[:n]
	d.b = d.b[n:]
	return p
}

func (d *decoder) text() string { return string(d.bytes()) }

func (d *decoder) big() *big.Int {
	p := d.bytes()
	if len(p) > math.MaxBitLen/8 {
		d.bad = true
		return new(big.Int)
	}
	return new(big.Int).SetBytes(p)
}

func (d *decoder) int() math.Int { return math.NewIntFromBigIntMut(d.big()) }

func (d *decoder) dec() math.LegacyDec {
	return math.LegacyNewDecFromBigIntWithPrec(d.big(), math.LegacyPrecision)
}

func (d *decoder) payment() ledger.Payment {
	p := ledger.Payment{State: ledger.State(d.byte()), ID: d.text(), Rate: d.dec(), Due: d.int(), Carry: d.dec(), Withdrawn: d.int()}
	p.Owner = string(PaymentID(p.ID).provider())
	return p
}

func (d *decoder) end() error {
	if d.bad || len(d.b) > 0 {
		return ErrInvalidAccount.Wrap("a stored record can't be read")
	}
	return nil
}

// The rest of collections' codec interface, for people who look at a store by hand.

func (recordCodec) EncodeJSON(r record) ([]byte, error) { return json.Marshal(r) }
func (recordCodec) DecodeJSON(b []byte) (r record, err error) {
	err = json.Unmarshal(b, &r)
	return r, err
}
func (recordCodec) Stringify(r record) string                    { return fmt.Sprintf("%+v", r) }
func (recordCodec) ValueType() string                            { return "escrow.account" }
func (paymentCodec) EncodeJSON(p ledger.Payment) ([]byte, error) { return json.Marshal(p) }
func (paymentCodec) DecodeJSON(b []byte) (p ledger.Payment, err error) {
	return p, json.Unmarshal(b, &p)
}
func (paymentCodec) Stringify(p ledger.Payment) string { return fmt.Sprintf("%+v", p) }
func (paymentCodec) ValueType() string                 { return "escrow.payment" }
